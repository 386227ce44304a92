"""`replay --state`: the second part of a log goes on from the first, on any machine and after any boot of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from annotator.cli.main import main
from annotator.core.errors import ExitCode
from annotator.core.stats import Stats
from annotator.engine import host_context
from annotator.engine.host_context import this_header
from annotator.engine.pipeline import Tables
from annotator.events import EventAssembler
from annotator.io.sources import Position
from annotator.linux.backend import Linux
from annotator.storage.checkpoint_save import save
from annotator.storage.state import load_state
from tests.scoring import SAMPLES, text_of

if TYPE_CHECKING:
    from pathlib import Path

BOOTS = ("0b0b0b0b-1111-4222-8333-444444444444", "99999999-1111-4222-8333-444444444444")


@pytest.fixture
def booted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in which this machine's boot id is read."""
    path = tmp_path / "boot_id"
    monkeypatch.setattr(host_context, "BOOT_ID", path)
    path.write_text(BOOTS[0])
    return path


@pytest.mark.parametrize("form", ["raw", "json"])
def test_the_readers_boot_does_not_matter(
    form: str, booted: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """The log's containers live on though the machine that reads it was started anew."""
    data = text_of(SAMPLES / "stock-s02", "input.log")
    log, state = tmp_path / "audit.log", tmp_path / "state"
    command = ["replay", "--format", form, "--node", "web1", "--state", str(state), str(log)]
    log.write_bytes(data[: data.index(b"\n", len(data) // 2) + 1])
    assert main(command) == ExitCode.DONE
    first = capfdbinary.readouterr().out
    assert BOOTS[0].encode() not in state.read_bytes()
    booted.write_text(BOOTS[1])
    with log.open("ab") as file:
        file.write(data[log.stat().st_size :])
    assert main(command) == ExitCode.DONE
    second, err = capfdbinary.readouterr()
    assert err == b""
    whole = tmp_path / "whole.log"
    whole.write_bytes(data)
    assert main([*command[:-3], "--state", str(tmp_path / "other"), str(whole)]) == ExitCode.DONE
    assert first + second == capfdbinary.readouterr().out
    if form == "json":
        assert sum("container" in json.loads(line) for line in second.splitlines()) > 50


def test_a_state_of_an_earlier_version_goes_on_too(
    booted: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """It has the boot of its reader, which says nothing of the log. Only a run that asks this machine looks at it."""
    log, state = tmp_path / "audit.log", tmp_path / "state"
    log.write_bytes(b"")
    info = log.stat()
    tables, assembler = Tables(), EventAssembler(Linux().completes, Stats())
    save(state, this_header("web1"), tables, assembler, Position(info.st_dev, info.st_ino, 0))
    booted.write_text(BOOTS[1])
    command = ["replay", "--node", "web1", "--state", str(state), str(log)]
    assert main(command) == ExitCode.DONE
    assert capfdbinary.readouterr().err == b""
    loaded = load_state(state)
    assert loaded is not None
    assert loaded[0].boot == ""
    save(state, this_header("web1"), tables, assembler, Position(info.st_dev, info.st_ino, 0))
    booted.write_text(BOOTS[0])
    assert main([*command, "--host", "live"]) == ExitCode.DONE
    assert b"another boot" in capfdbinary.readouterr().err


def test_the_state_of_another_node_is_refused(
    booted: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """It says of which it is."""
    log, state = tmp_path / "audit.log", tmp_path / "state"
    log.write_bytes(text_of(SAMPLES / "stock-s02", "input.log"))
    assert main(["replay", "--node", "web1", "--state", str(state), str(log)]) == ExitCode.DONE
    assert main(["replay", "--node", "web2", "--state", str(state), str(log)]) == ExitCode.FAILED
    assert b"of node 'web1', and this is 'web2'" in capfdbinary.readouterr().err
