"""The documents say what the program does: they are made of it, and what is written by hand is held against it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

import annotator
from annotator.admin import config_docs, install_plan, manual, rules
from annotator.admin.completions import completion
from annotator.cli.main import cli
from annotator.data.examples.detect import alerts
from annotator.plugin import config, config_load
from tests import degrade, scoring

ROOT = Path(__file__).parents[2]
DATA = ROOT / "annotator" / "data"
KEYS = tuple(config_docs.keys())
PAGES = ("annotator.1", "annotator.toml.5", "audisp-contid.8")


def test_generated_documents_are_as_the_program_says() -> None:
    """Man pages, completions and the default configuration: `.venv/bin/python scripts/gen-docs` writes them anew."""
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/gen-docs", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr + "\nrun .venv/bin/python scripts/gen-docs"


def test_every_key_and_every_table_has_its_meaning() -> None:
    """A key or a table of `config` says what it means, in a sentence."""
    assert {key.full for key in KEYS if not key.doc.endswith((".", ")"))} == set(), "give it a `doc`"
    assert all(config_docs.section_doc(key.section).endswith(".") for key in KEYS)


def test_the_default_configuration_means_the_defaults() -> None:
    """Also with every comment taken out; only what `INSTALLED_VALUES` names is otherwise."""
    text = config_docs.default_config()
    found = config_load.parse(text.encode(), "default")
    assert (found.queue, found.state, found.output) == (config.Queue(), config.State(), config.Config().output)
    assert found.metrics.file == config_docs.INSTALLED_VALUES["metrics.file"]
    whole = re.sub(r"^#(\w+ = )", r"\1", text, flags=re.MULTILINE)
    assert tomllib.loads(whole).keys() == {key.section for key in KEYS} - config_docs.NOT_INSTALLED
    head = whole.partition("[[output]]")[0]
    assert config_load.parse((head + text[text.index("[[output]]") :]).encode(), "whole") == found


def test_the_example_of_the_manual_can_be_used() -> None:
    """And the one for a SIEM."""
    assert len(config_load.parse((DATA / "man/example.toml").read_bytes(), "example").output) == 2
    toml = re.search(r"```toml\n(.*?)```", (DATA / "siem.md").read_text("utf-8"), re.DOTALL)
    assert toml is not None
    assert config_load.parse(toml[1].encode(), "siem.md").output[0].format == "json"


def test_every_command_and_option_is_in_the_manual() -> None:
    """Nothing that --help shows is missing."""
    page = (DATA / "man/annotator.1").read_text("utf-8").replace("\\-", "-")
    context = click.Context(cli)
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        assert f'.SS "annotator {name}' in page
        for parameter in command.params:
            for option in parameter.opts:
                assert not option.startswith("--") or option in page


@pytest.mark.parametrize("page", PAGES)
def test_man_pages_are_without_warnings(page: str) -> None:
    """As groff sees them; and no line starts with a stray request."""
    text = (DATA / "man" / page).read_text("utf-8")
    assert all(re.match(r"\.[A-Z]{1,2}\b|\.(nf|fi)$|[^.']|$", line) for line in text.splitlines())
    if shutil.which("groff") is None:
        pytest.skip("no groff")
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-wall", "-z"], input=text.encode(), capture_output=True, check=False
    )
    assert done.stderr == b""


def test_escaped_text_is_no_request() -> None:
    """A line of a help text may begin with a dot or a quote."""
    assert manual.escape(".x\n'y\\-z") == "\\&.x\n\\&'y\\e\\-z"


def test_completions_are_shell() -> None:
    """Bash reads its own; those of zsh and fish name the program and the variable by which it is asked."""
    done = subprocess.run(["bash", "-n"], input=completion("bash").encode(), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    for shell in ("bash", "zsh", "fish"):
        assert f"_ANNOTATOR_COMPLETE={shell}_complete" in completion(shell)


def test_the_notes_name_only_fields_that_there_are() -> None:
    """Every dotted field of the SIEM page's first column is in the schema of events."""
    schema = json.loads((DATA / "event.schema.json").read_text("utf-8"))
    rows = re.findall(r"^\| [^|]+ \| ([^|]+) \|", (DATA / "siem.md").read_text("utf-8"), re.MULTILINE)
    names = re.findall(r"`([a-z_.]+)`", " ".join(rows))
    assert len(names) > 20
    for name in names:
        if not name.startswith("."):
            assert _in_schema(schema, schema, name.split(".")), name


def _in_schema(schema: dict[str, object], root: dict[str, object], path: list[str]) -> bool:
    while isinstance(schema, dict) and "$ref" in schema:
        found: object = root
        for part in str(schema["$ref"]).removeprefix("#/").split("/"):
            found = found[part] if isinstance(found, dict) else None
        schema = found if isinstance(found, dict) else {}
    if not path:
        return True
    properties = schema.get("properties")
    if isinstance(properties, dict) and path[0] in properties:
        return _in_schema(properties[path[0]], root, path[1:])
    branches = [one for key in ("oneOf", "anyOf", "allOf") for one in _list(schema.get(key))]
    return any(_in_schema(one, root, path) for one in branches if isinstance(one, dict))


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def test_the_page_of_rules_names_every_file() -> None:
    """And what it says of the defaults is so."""
    text = (rules.directory() / "README.md").read_text("utf-8")
    assert all(f"`{name}`" in text for name in rules.LEVELS.values())
    assert f"`{','.join(rules.DEFAULT)}`" in text


LEVELS = (
    degrade._EXEC,
    degrade._EXEC | degrade._NAMESPACES,
    degrade._EXEC | degrade._FORK | degrade._EXIT,
    degrade._EXEC | degrade._NAMESPACES | degrade._FORK | degrade._EXIT,
    (degrade._EXEC | degrade._NAMESPACES | degrade._FORK | degrade._EXIT) - {165},
)
"""The columns of the table: 165 is mount."""


def test_the_page_of_rules_promises_no_more_than_is_measured() -> None:
    """Each share of its table, against the recorded log it names; half a percent is rounding."""
    text = (rules.directory() / "README.md").read_text("utf-8")
    rows = re.findall(r"^\|[^|]*\(`(stock-s\d\d)`\) \|(.*)\|$", text, re.MULTILINE)
    assert len(rows) == 6
    for case, cells in rows:
        capture = scoring.load(case)
        for calls, cell in zip(LEVELS, cells.split("|"), strict=True):
            lines, back = degrade.renumber(degrade.level(capture.lines, calls))
            count = scoring.score(capture, lines, back)
            assert 100 * scoring.share(count) >= float(cell.strip().removesuffix(" %")) - 0.5, (case, cell)
            assert scoring.bad(count) == 0


def test_selinux_labels_what_is_installed() -> None:
    """The paths of the file contexts are those of the layout."""
    text = (DATA / "selinux/annotator.fc").read_text("utf-8")
    assert [line.split()[0].removesuffix("(/.*)?") for line in text.splitlines()] == [
        install_plan.PROGRAM,
        install_plan.LOGS,
        install_plan.STATE,
        install_plan.RUN,
    ]


def test_the_shipped_detections_find_an_exec_session() -> None:
    """The conditions that siem.md gives Elastic and Wazuh hold for the shell of an exec, and for it alone."""
    text = (DATA / "siem.md").read_text("utf-8")
    query = re.search(r"^`(provenance\.session\.id : .*)`$", text, re.MULTILINE)
    assert query is not None
    fields = dict(re.findall(r'<field name="(provenance\.session\.id|event\.action)"[^>]*>([^<]*)<', text))
    assert fields == {"provenance.session.id": "\\.+", "event.action": "^executed$"}
    log = ROOT / "samples" / "linux" / "session-docker-exec-user" / "input.log"
    found = [
        event.serial
        for event in annotator.replay(log)
        for one in [event.to_dict()]
        if one["provenance"].get("session", {}).get("id", "0") != "0" and one["event"].get("action") == "executed"
        and one["process"]["executable"].endswith(("sh", "bash", "/busybox"))
    ]  # fmt: skip
    assert found == [119]
    assert [line for line in alerts(str(log)) if " 119 interactive_shell: " in line]
