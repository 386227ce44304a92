"""No silent success, and never a traceback: what did nothing is an error that says what to do."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from annotator.admin import install_plan
from annotator.core.errors import UsageError
from tests.cli.conftest import NAME, on_terminal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Said

PROGRAM = [sys.executable, "-m", "annotator"]


def test_u13_no_process_is_not_registered(run: Callable[..., Said], monkeypatch: pytest.MonkeyPatch) -> None:
    """U13: nothing is written to the audit log either."""

    def send(*_: object) -> None:
        pytest.fail("it was logged")

    monkeypatch.setattr("annotator.linux.netlink.user_messages.send", send)
    said = run("register", 2**22 + 1)
    assert (said.code, said.out) == (1, "")
    assert "there is no process" in said.err


def test_u15_names_are_checked_before_the_first_byte(log: Path, run: Callable[..., Said], tmp_path: Path) -> None:
    """U15: a file that is not there is said before anything is printed."""
    said = run("replay", log, tmp_path / "missing.log")
    assert (said.code, said.out) == (1, "")
    assert "missing.log: cannot be read" in said.err


@pytest.mark.parametrize("option", ["--hook", "--program"])
def test_u16_programs_are_checked(option: str, run: Callable[..., Said], tmp_path: Path) -> None:
    """U16: install names no program that is not there, or that nobody can start."""
    (tmp_path / install_plan.PLUGINS[0][1:]).mkdir(parents=True)
    said = run("install", "--root", tmp_path, option, "/nope")
    assert said.code == 2
    assert f"{option}: there is no file /nope" in said.err
    (tmp_path / "there").write_text("x")
    assert "cannot be executed" in run("install", "--root", tmp_path, option, "/there").err
    assert not (tmp_path / install_plan.CONFIG[1:]).exists()


def test_u17_unknown_fields_are_refused(log: Path, run: Callable[..., Said]) -> None:
    """U17: JSON paths are those of the schema; names below what is open are free."""
    said = run("replay", "--format", "json", "--fields", "foo.bar,process.pid", log)
    assert (said.code, said.out) == (2, "")
    assert "no such field: foo.bar" in said.err
    free = "process.parent.name,container,auditd.records.fields.exe,container.labels.tier"
    assert run("replay", "--format", "json", "--fields", free, log).code == 0
    assert "has no effect" in run("replay", "--format", "record", "--fields", "contid", log).err


def test_u18_compressed_data_is_not_followed(log: Path, run: Callable[..., Said], tmp_path: Path) -> None:
    """U18: nothing is ever added to it."""
    packed = tmp_path / "audit.log.gz"
    packed.write_bytes(gzip.compress(log.read_bytes()))
    said = run("replay", "--follow", packed)
    assert (said.code, said.out) == (1, "")
    assert "gz data cannot be followed" in said.err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--original"], "--original has no effect on --format raw"),
        (["--resolve-users"], "--resolve-users has no effect on --format raw"),
        (["--mark-unknown", "--format", "json"], "--mark-unknown has no effect on --format json"),
        (["--fields", "lean"], "--fields lean has no effect on --format raw"),
        (["--tz", "Europe/Berlin"], "--tz: for AIX trails"),
        (["--system", "aix"], "no audit record was recognised"),
    ],
)
def test_u19_options_without_effect_are_refused(
    words: list[str], why: str, log: Path, run: Callable[..., Said]
) -> None:
    """U19: nothing that was asked for is passed over."""
    said = run("replay", "-o", os.devnull, *words, log)
    assert said.code != 0
    assert why in said.err


def test_u20_the_plugin_is_not_started_by_hand() -> None:
    """U20: on a terminal it says who starts it, and makes nothing."""
    assert "auditd starts this" in on_terminal("plugin", columns=80)


def test_u21_msgpack_is_not_for_terminals(log: Path) -> None:
    """U21: as compressors do."""
    drawn = on_terminal("replay", "--format", "msgpack", log, columns=80)
    assert "msgpack is binary, and this is a terminal" in drawn


@pytest.mark.parametrize(
    "words", [["containers"], ["sessions", "--format", "json"], ["tree"], ["replay"], ["replay", "--format", "text"]]
)
def test_u22_a_full_disk_is_an_error(words: list[str], log: Path) -> None:
    """U22: and no traceback; help too."""
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*PROGRAM, *words, log], stdout=full, stderr=subprocess.PIPE, check=False)
        helped = subprocess.run([*PROGRAM, "help", "reasons"], stdout=full, stderr=subprocess.PIPE, check=False)
    for one in (done, helped):
        assert one.returncode == 1
        assert b"Traceback" not in one.stderr
        assert b"No space left on device" in one.stderr


def test_a_closed_pipe_is_no_error(log: Path) -> None:
    """`annotator … | head` ends quietly."""
    for words in (["replay", "--format", "text", str(log)], ["help", "reasons"], ["containers", str(log)]):
        script = f"{' '.join([*PROGRAM, *words])} | head -1; echo ${{PIPESTATUS[0]}}"
        done = subprocess.run(["bash", "-c", script], capture_output=True, check=False)
        assert done.stdout.splitlines()[-1] == b"0"
        assert b"Traceback" not in done.stderr


def test_u23_what_may_not_be_read_is_said(
    run: Callable[..., Said], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """U23: /etc/audit is closed to ordinary users on Debian."""

    def closed(self: Path, *_: Any, **__: Any) -> bool:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr("pathlib.Path.is_dir", closed)
    said = run("doctor", "--root", tmp_path)
    assert said.code == 1
    assert "Permission denied" in said.out
    assert "fault of annotator" not in said.err


def test_u24_a_dry_run_asks_nothing(run: Callable[..., Said], tmp_path: Path) -> None:
    """U24: and without a terminal it is said how to say yes."""
    assert run("uninstall", "--dry-run", "--root", tmp_path).code == 0
    done = subprocess.run(
        [*PROGRAM, "uninstall", "--root", tmp_path], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    assert done.returncode == 2
    assert b"Give --yes" in done.stderr


def test_u26_progress_and_what_ctrl_c_says(log: Path, tmp_path: Path) -> None:
    """U26: reports show progress on a terminal, packed files and TERM=dumb too; a stopped one says what was read."""
    packed = tmp_path / "audit.log.gz"
    packed.write_bytes(gzip.compress(log.read_bytes() * 8))
    drawn = on_terminal("containers", packed, columns=120)
    assert "reading audit.log.gz" in drawn
    assert "100 %" in drawn
    with subprocess.Popen([*PROGRAM, "containers", "-"], stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(log.read_bytes())
        process.stdin.flush()
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
        assert process.wait() == 130
    assert b"stopped: " in said
    assert b"read. What was printed is incomplete." in said


def test_u27_top_ends_with_a_newline(tmp_path: Path) -> None:
    """U27: where it is no terminal."""
    done = subprocess.run([*PROGRAM, "top", "--times", "1", "--root", tmp_path], capture_output=True, check=False)
    assert done.stdout.endswith(b"\n")


def test_u28_doctor_takes_a_configuration(run: Callable[..., Said], tmp_path: Path) -> None:
    """U28: as status and top do."""
    config = tmp_path / "other.toml"
    config.write_text("nonsense = 1\n")
    assert str(config) in run("doctor", "--root", tmp_path, "--config", config).out


def test_a_fault_of_ours_is_a_message(log: Path, run: Callable[..., Said], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is raised, a person gets two lines."""

    def broken(*_: Any) -> None:
        raise ZeroDivisionError("x")

    monkeypatch.setattr("annotator.report.logs.container_rows", broken)
    said = run("containers", log)
    assert said.code == 1
    assert said.err.startswith("annotator: ZeroDivisionError: x\n  This is a fault of annotator")


def test_names_of_a_log_cannot_drive_the_terminal(run: Callable[..., Said], monkeypatch: pytest.MonkeyPatch) -> None:
    """An error quotes what a log, or a file's name, has in it."""

    def hostile(*_: Any, **__: Any) -> None:
        raise UsageError("\x1b[2Jwiped")

    monkeypatch.setattr("annotator.cli.inputs.names_of", hostile)
    assert "\x1b" not in run("containers", "x").err


def test_lean_and_full(log: Path, run: Callable[..., Said]) -> None:
    """U46: lean leaves out the decoded records, and nothing that rules filter on."""
    full = run("replay", "--format", "json", log).out
    lean = run("replay", "--format", "json", "--fields", "lean", log).out
    assert run("replay", "--format", "json", "--fields", "full", log).out == full
    assert len(lean) < 0.55 * len(full)
    for one, other in zip(map(json.loads, lean.splitlines()), map(json.loads, full.splitlines()), strict=True):
        for part in ("records", "summary"):
            other["auditd"].pop(part, None)
        if not other["auditd"]:
            del other["auditd"]
        assert one == other
    assert NAME in lean
