"""Reports on whole logs: their tables, forms, filters and times; each finding of a first-time user by its number."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING

import pytest

from annotator.core.times import show_time
from tests.cli.conftest import NAME, on_terminal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Said

Run = "Callable[..., Said]"
_SGR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def lines_of(drawn: str) -> list[str]:
    """What a person sees, without colours and cursor movements."""
    return [line.rstrip() for line in _SGR.sub("", drawn).replace("\r", "").split("\n") if line.strip()]


@pytest.mark.parametrize("command", ["containers", "sessions"])
@pytest.mark.parametrize("columns", [80, 200])
def test_u29_a_table_fits_and_ids_can_be_copied(log: Path, command: str, columns: int) -> None:
    """U29: no line is wider than the terminal, each row is one line, ids are whole; what went is said."""
    lines = lines_of(on_terminal(command, "-q", log, columns=columns))
    assert all(len(line) <= columns for line in lines)
    rows = [line for line in lines if NAME in line]
    assert len(rows) == 1
    assert ("7f65e5c98669" if command == "containers" else "1795297764.661:5424") in rows[0]
    notes = [line for line in lines if line.startswith(("not shown: ", "times of 2026-11-21"))]
    assert len(lines) == 1 + (5 if command == "containers" else 3) + len(notes)
    if columns == 80 and command == "containers":
        assert "(--wide)" in lines[-1]


def test_u29_wide_has_everything(log: Path, run: Callable[..., Said]) -> None:
    """U29: --wide and a pipe have all columns, whatever the width."""
    wide = lines_of(on_terminal("containers", "-q", "--wide", log, columns=400))
    piped = run("containers", log).out.splitlines()
    assert "CONTID" in wide[0]
    assert [line.split() for line in wide] == [line.split() for line in piped]


def test_u31_one_form_option_for_all(log: Path, run: Callable[..., Said], tmp_path: Path) -> None:
    """U31: --format table, json, csv; --output is another name for it; -o FILE."""
    rows = [json.loads(line) for line in run("containers", "--format", "json", log).out.splitlines()]
    assert run("containers", "--output", "json", log).out == "".join(json.dumps(row) + "\n" for row in rows)
    table = list(csv.DictReader(io.StringIO(run("containers", "--format", "csv", log).out)))
    assert [row["id"] for row in table] == [row["id"] for row in rows]
    assert len(rows[0]["id"]) == 64
    place = tmp_path / "report.csv"
    assert run("sessions", "--format", "csv", "-o", place, log).out == ""
    assert place.read_text().startswith("session,name,container,how,by,")
    assert place.stat().st_mode & 0o077 == 0


def test_u31_reports_have_filters(log: Path, run: Callable[..., Said]) -> None:
    """U31: --container, --since, --until, --node on each report."""
    for words in (("containers", NAME), ("sessions", "7f65")):
        command, which = words
        rows = run(command, "--format", "json", "--container", which, log).out.splitlines()
        assert [json.loads(line)["name"] for line in rows] == [NAME]
    early = run("containers", "--format", "json", "--until", "1795297759", log).out.splitlines()
    assert [json.loads(line)["name"] for line in early] == ["web-RAW"]
    assert json.loads(early[0])["last"] <= show_time(1795297759000)
    assert run("sessions", "--since", "2026-11-22", log).out == ""
    wrong = run("containers", "--node", "web7", log)
    assert wrong.code == 2
    assert "no record of this log is of host 'web7'" in wrong.err


def test_u14_an_unknown_container_is_an_error(log: Path, run: Callable[..., Said]) -> None:
    """U14: and it is said which there are, for each command that takes one."""
    for words in (("replay",), ("containers",), ("sessions",), ("tree",)):
        said = run(*words, "--container", "nope", log)
        assert said.code == 2, words
        assert "no container of this log is called 'nope'" in said.err
        assert NAME in said.err
    known = run("sessions", "--container", "short-RAW", log)
    assert (known.code, known.out) == (0, "")
    assert "nobody entered" in known.err


def test_u19_times_that_exclude_each_other(log: Path, run: Callable[..., Said]) -> None:
    """U19: --since later than --until is refused."""
    for command in ("replay", "containers", "sessions", "tree"):
        said = run(command, "--since", "2026-11-22", "--until", "2026-11-21", log)
        assert said.code == 2
        assert "--since is later than --until" in said.err


def test_u25_a_pipe_needs_no_file(log: Path) -> None:
    """U25: `… | annotator containers` reads standard input; on a terminal a log is asked for."""
    import subprocess
    import sys

    for command in ("containers", "sessions", "tree"):
        done = subprocess.run(
            [sys.executable, "-m", "annotator", command], input=log.read_bytes(), capture_output=True, check=False
        )
        assert done.returncode == 0
        assert NAME.encode() in done.stdout
    assert "no log is given" in on_terminal("containers", columns=80)


def test_u7_who_needs_no_node_and_finds_the_nearest(log: Path, run: Callable[..., Said], tmp_path: Path) -> None:
    """U7: a log of one host needs no --node; a time just beside a life finds it, and that is said."""
    named = tmp_path / "named.log"
    named.write_bytes(b"".join(b"node=web1 " + line + b"\n" for line in log.read_bytes().splitlines()))
    exact = run("who", "1557", "--at", "1795297764.670", "--format", "json", named)
    assert exact.code == 0
    assert json.loads(exact.out.splitlines()[0])["how"] == "podman exec"
    for at, side in (("1795297764.1", "later"), ("1795297768", "earlier")):
        near = run("who", "1557", "--at", at, "--format", "json", log)
        assert near.code == 1
        assert json.loads(near.out.splitlines()[0])["pid"] == 1557
        assert f"s {side}" in near.err
    never = run("who", "99999", "--at", "1795297764.1", log)
    assert (never.code, never.out) == (1, "")
    assert "no process of the log has pid 99999" in never.err


def test_a_tree_shows_who_ran_what_and_how_it_ended(log: Path, run: Callable[..., Said]) -> None:
    """By container, by session, by process; as text and as rows; no line wider than the terminal."""
    session = "1795297764.661:5424"
    text = run("tree", "--session", session, log).out
    assert "sh -c id; cat /etc/passwd >/dev/null (0.032 s, exit 0)" in text
    assert "then cat /etc/passwd" in text
    assert f"[{NAME} via podman exec, session {session}]" in text
    rows = [json.loads(line) for line in run("tree", "--session", session, "--format", "json", log).out.splitlines()]
    assert [row["depth"] for row in rows] == [0, 1, 2]
    assert rows[1]["ran"] == ["sh -c id; cat /etc/passwd >/dev/null", "cat /etc/passwd"]
    assert {row["session"] for row in rows} == {session}
    below = [json.loads(line) for line in run("tree", "--pid", "1557", "--format", "json", log).out.splitlines()]
    assert [row["pid"] for row in below] == [1557, 1558]
    assert all(len(line) <= 80 for line in lines_of(on_terminal("tree", "-q", "--container", NAME, log, columns=80)))
    wrong = run("tree", "--session", "1.000:1", log)
    assert wrong.code == 2
    assert session in wrong.err
