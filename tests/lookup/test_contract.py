"""The same questions on both systems have answers of the same form; every document is as its schema says."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator.cli.lookup import command, system_of
from annotator.core.errors import UsageError
from annotator.core.model import Evidence, Flag, Reason
from annotator.lookup import parse_args
from annotator.lookup.answer import Code, How
from annotator.lookup.collectors import COLLECTORS, KINDS
from tests.lookup.conftest import SCHEMA, VALID, Site

pytestmark = pytest.mark.system

ALWAYS = {"schema", "system", "question", "status", "container", "evidence", "verified"}


def test_the_schema_is_a_schema_and_knows_our_words() -> None:
    """What the code can say stands in the schema: reasons, evidence, flags and error codes."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    kinds = SCHEMA["$defs"]
    assert set(kinds["reason"]["enum"]) == {one.value for one in Reason}
    assert set(kinds["evidence"]["items"]["enum"]) == {one.value for one in (*Evidence, *How)}
    assert set(kinds["flags"]["items"]["enum"]) == {one.value for one in Flag}
    assert set(kinds["error"]["properties"]["code"]["enum"]) == {one.value for one in Code}
    with pytest.raises(jsonschema.ValidationError):
        VALID.validate({"schema": 1})


def test_every_kind_is_asked_on_both_systems() -> None:
    """Four kinds, two systems, a collector each."""
    assert set(COLLECTORS) == {(system, kind) for system in ("linux", "aix") for kind in KINDS}
    assert KINDS == ("process", "file", "port", "container")


@pytest.mark.parametrize(
    ("kind", "asked", "section", "status"),
    [
        ("process", "inside", "process", "container"),
        ("process", "outside", "process", "host"),
        ("file", "container_file", "file", "container"),
        ("file", "host_file", "file", "host"),
        ("port", "service", "ports", "container"),
        ("container", "container", None, "container"),
    ],
)
def test_what_is_there_is_answered(site: Site, kind: str, asked: str, section: str | None, status: str) -> None:
    """The container's name is said, or null for the host, with the evidence, and the part that was asked for."""
    value = getattr(site, asked)
    found = site.told(kind, value)
    assert found["question"] == {"kind": kind, "value": str(value)}
    assert (found["system"], found["status"]) == (site.system, status)
    assert found["evidence"]
    assert found["verified"] is (site.system == "linux")
    assert set(found) >= ALWAYS | ({section} if section else set())
    assert (found["container"] or {}).get("name") == (site.container if status == "container" else None)


@pytest.mark.parametrize(
    ("kind", "value"), [("process", "free"), ("file", "/no/such"), ("port", "9"), ("container", "nobody")]
)
def test_what_is_gone_is_an_error(site: Site, kind: str, value: str) -> None:
    """Exit code 1, `gone`, what happened and what to do; the same keys whatever was asked."""
    found, code = site.ask(kind, getattr(site, value, value))
    assert (code, found["reason"], found["errors"][0]["code"]) == (1, "gone", "gone")
    assert set(found) == ALWAYS | {"reason", "errors"}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("process", "-1"), ("process", "1x"), ("process", "٣"), ("process", "0"), ("process", "9" * 30),
        ("file", ""), ("file", "a\0b"), ("file", "relative"), ("file", "/" + "a" * 5000),
        ("port", "0"), ("port", "65536"), ("port", "80/sctp"), ("port", "http"),
        ("container", " "), ("container", "a" * 600),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_a_usage_error(site: Site, kind: str, value: str) -> None:
    """Not an answer of any kind: exit code 2."""
    with pytest.raises(UsageError):
        site.ask(kind, value)


@settings(max_examples=60)
@given(st.text(max_size=40))
def test_any_text_is_a_question_or_a_usage_error(value: str) -> None:
    """No reader of the command line fails in any other way."""
    for read in (parse_args.pid, parse_args.port, parse_args.container, lambda text: parse_args.path(text, live=False)):
        try:
            read(value)
        except UsageError:
            pass


def test_the_command_line(site: Site) -> None:
    """JSON is one line on standard output, exit code 1 with it for what is gone; a table for people."""
    run = CliRunner()
    args = ["--root", str(site.root), "--output", "json"]
    made = command(site.now)
    found = run.invoke(made, ["process", str(site.inside), *args], standalone_mode=False)
    assert found.return_value == 0, found.output
    gone = run.invoke(made, ["process", str(site.free), *args], standalone_mode=False)
    assert gone.return_value == 1
    table = run.invoke(made, ["process", str(site.free), "--root", str(site.root)], standalone_mode=False)
    assert "annotator: process" in table.stderr
    assert "is gone" in table.stderr


def test_a_tree_says_whose_it_is(site: Site, tmp_path: Any) -> None:
    """By its files; `/` is the system we run on."""
    assert system_of(site.root, "other") == site.system
    assert (system_of(tmp_path.__class__("/"), "aix"), system_of(tmp_path.__class__("/"), "linux")) == ("aix", "linux")


def test_a_root_without_a_machine(tmp_path: Any) -> None:
    """No proc is a mistake of who asked."""
    for system in ("linux", "aix"):
        bare = Site(tmp_path)
        bare.system = system
        with pytest.raises(UsageError):
            command(bare.now).callback("process", "1", "json", tmp_path, system, rmsock=False)  # type: ignore[misc]
