"""`annotator.open`: questions about a whole log; the commands show the same answers."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

import annotator
from annotator.cli.main import main
from annotator.core.errors import ExitCode
from annotator.core.times import show_time
from tests.scoring import SAMPLES, text_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log with two containers, whom somebody entered."""
    log = tmp_path / "audit.log"
    log.write_bytes(text_of(SAMPLES / "stock-s02", "input.log"))
    return log


def shown(capfdbinary: pytest.CaptureFixture[bytes], *arguments: str) -> list[dict[str, Any]]:
    """The rows of a command."""
    assert main([*arguments, "--output", "json"]) == ExitCode.DONE
    return [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]


def test_containers(path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """What the events of `replay` say, counted; `annotator containers` shows it."""
    log = annotator.open(path)
    containers = log.containers()
    assert [one.id for one in containers] == ["runc-a-ENRICHED", "runc-b-ENRICHED"]
    events = [event for event in annotator.replay(path) if event.attribution.container is not None]
    for one in containers:
        own = [event for event in events if event.attribution.chain[0].id == one.id]
        assert one.events == len(own) > 50
        assert one.contid == own[0].attribution.chain[0].contid
        assert one.first_ms == min(event.time_ms for event in own)
        assert one.last_ms == max(event.time_ms for event in own)
        assert one.sessions == len({event.attribution.session for event in own} - {None}) - 1
    assert log.counts["container"] == len(events)
    rows = shown(capfdbinary, "containers", str(path))
    assert [row["id"] for row in rows] == [one.id for one in containers]
    assert [row["contid"] for row in rows] == [str(one.contid) for one in containers]
    assert [row["first"] for row in rows] == [show_time(one.first_ms) for one in containers]
    assert "image" not in rows[0], "what is not known is absent"


def test_sessions(path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Who entered, how, and what they ran."""
    sessions = annotator.open(path).sessions()
    assert [one.container for one in sessions[:2]] == ["runc-a-ENRICHED", "runc-b-ENRICHED"]
    first = sessions[0]
    assert (first.session.how, first.session.auid, first.session.uid) == ("runc exec", 1000, 0)
    assert first.ran == ("sh -c id; hostname; touch /tmp/x; rm /tmp/x; mkdir /tmp/d",)
    assert list(sessions) == sorted(sessions, key=lambda one: one.first_ms)
    rows = shown(capfdbinary, "sessions", str(path))
    assert [row["session"] for row in rows] == [one.session.id for one in sessions]
    assert rows[0]["by"] == {"exe": "/usr/sbin/runc", "pid": 872, "auid": "1000", "ses": "5", "uid": "0"}
    assert [row["ran"] for row in rows] == [list(one.ran) for one in sessions]


def test_a_process_and_those_above_it(path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """From the process up, at a time in any spelling; of a pid that was not seen nothing is known."""
    log = annotator.open(path)
    entered = log.sessions()[0]
    inside = next(
        event.to_dict()["process"]["pid"]
        for event in annotator.replay(path)
        if event.attribution.session == entered.session and event.time_ms == entered.last_ms
    )
    at = entered.last_ms
    links = log.process(inside, at=at)
    assert links[0].pid == inside
    assert links[0].container == (entered.container,)
    assert links[0].session == entered.session
    assert {"/usr/sbin/runc", "/usr/bin/bash"} < {one.exe for one in links}
    assert [one.born_ms for one in links] == sorted((one.born_ms for one in links), reverse=True)
    assert links[-1].session is None
    assert links[-1].container == ()
    assert log.process(inside, at=datetime.fromtimestamp(at / 1000, UTC)) == links
    assert log.process(inside, at=show_time(at)) == links
    assert log.process(inside, at=at - 86_400_000) == ()
    assert log.process(inside, at=at, node="web2") == ()
    with pytest.raises(annotator.UsageError, match="zone"):
        log.process(inside, at="2026-11-21T21:48:38")
    rows = shown(capfdbinary, "who", str(inside), "--at", show_time(at), str(path))
    assert [row["pid"] for row in rows] == [one.pid for one in links]
    assert rows[0]["container"] == [entered.container]
    assert rows[0]["how"] == "runc exec"


def test_answers_are_values(path: Path) -> None:
    """Nothing can be assigned, and the answers of two readings are equal."""
    log, again = annotator.open(path), annotator.open(path.read_bytes())
    assert log.containers() == again.containers()
    assert log.sessions() == again.sessions()
    for value in (log.containers()[0], log.sessions()[0], log.process(872, at=log.sessions()[0].first_ms)[0]):
        with pytest.raises(dataclasses.FrozenInstanceError):
            value.name = "other"  # type: ignore[misc]
        assert hash(value) == hash(value)
