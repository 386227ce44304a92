"""The examples that are installed with the program do what they say."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scoring import SAMPLES, text_of

pytestmark = pytest.mark.system

EXAMPLES = Path(__file__).parents[2] / "annotator" / "data" / "examples"


def run(name: str, *arguments: str) -> bytes:
    """What an example prints."""
    done = subprocess.run([sys.executable, EXAMPLES / name, *arguments], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def test_every_example_is_run_here() -> None:
    """None is added without a test."""
    assert {path.name for path in EXAMPLES.glob("*.py")} - {"__init__.py"} == {
        "detect.py",
        "exec_sessions.py",
        "ship_json.py",
    }


def test_exec_sessions(tmp_path: Path) -> None:
    """Who entered, what they ran, and where they came from."""
    log = tmp_path / "audit.log"
    log.write_bytes(text_of(SAMPLES / "stock-s02", "input.log"))
    out = run("exec_sessions.py", str(log)).decode()
    assert "2026-11-21 21:48:38 login 1000 entered runc-a-ENRICHED by runc exec\n    sh -c id; hostname" in out
    assert " <- /usr/bin/bash(792) <- " in out


def test_ship_json(tmp_path: Path) -> None:
    """A log that grows is shipped in parts, each event once, with containers that began in an earlier part."""
    data = text_of(SAMPLES / "stock-s02", "input.log")
    log, state = tmp_path / "audit.log", tmp_path / "web1.state"
    out = b""
    for size in (0, 1000, len(data) // 2, len(data)):
        log.write_bytes(data[:size])
        out += run("ship_json.py", str(log), "web1", str(state))
    events = [json.loads(line) for line in out.splitlines()]
    assert len(events) > 600
    assert len({event["event"]["sequence"] for event in events}) == len(events)
    assert sum("container" in event for event in events) > 200
    assert {event["host"]["name"] for event in events} == {"web1"}
    assert state.stat().st_mode & 0o077 == 0


def test_detect(tmp_path: Path) -> None:
    """A shell in a container, of somebody who entered it."""
    log = tmp_path / "audit.log"
    log.write_bytes(text_of(SAMPLES / "stock-s02", "input.log"))
    out = run("detect.py", str(log)).decode().splitlines()
    assert any("interactive_shell: runc-a-ENRICHED (lineage)" in line for line in out)
    rules = {rule.__name__ for rule in runpy.run_path(str(EXAMPLES / "detect.py"))["RULES"]}
    assert {line.split(": ")[0].split()[-1] for line in out} <= rules
