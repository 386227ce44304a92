"""The program reads what it has written: an annotated log gives the answers that stand in it, whole or its rest."""

from __future__ import annotations

import json
import lzma
from pathlib import Path
from typing import Any

import pytest

from annotator.core.stats import Stats
from annotator.engine.factory import Options
from annotator.engine.replay import Replay
from annotator.io.sources import Block

SAMPLES = Path(__file__).parents[2] / "samples" / "linux"
CASES = ["stock-s02", "stock-s09", "constructed-runc", "contid-g06-v11", "contid-g11-v11"]


def run(data: bytes, **options: Any) -> bytes:
    """A replay of one log."""
    replay = Replay(Options(**options), stats=Stats())
    out = b"".join(replay.feed(Block(data[:-1], "audit.log", len(data))) for _ in (1,))
    return out + replay.finish()


def answers(data: bytes, **options: Any) -> dict[tuple[str, int], dict[str, Any]]:
    """What JSON says of each event's place."""
    found = {}
    for line in run(data, format="json", **options).splitlines():
        event = json.loads(line)
        place = event["provenance"]
        session = place.get("session", {}).get("id")
        told = {name: place.get(name) for name in ("status", "chains", "flags")}
        told |= {"session": session, "container": event.get("container"), "how": place.get("evidence", [""])[0]}
        found[event["@timestamp"], event["event"]["sequence"]] = told
    return found


def log(case: str) -> bytes:
    """A recorded log."""
    path = SAMPLES / case / "input.log"
    return path.read_bytes() if path.exists() else lzma.decompress(path.with_name("input.log.xz").read_bytes())


@pytest.mark.parametrize("case", CASES)
def test_an_annotated_log_says_what_stands_in_it(case: str) -> None:
    """Each event in a container has the same answer, from the whole log and from its second half."""
    data = log(case)
    first = answers(data)
    inside = {key: one for key, one in first.items() if one["status"] == "container"}
    annotated = run(data)
    again = answers(annotated)
    assert inside
    assert {key: again[key] for key in inside} == inside
    lines = annotated.splitlines(keepends=True)
    rest = answers(b"".join(lines[len(lines) // 2 :]))
    later = {key: one for key, one in inside.items() if key in rest}
    assert later
    wrong = {key for key, one in later.items() if rest[key] != one}
    assert len(wrong) <= 1  # the event in which the rest begins


@pytest.mark.parametrize("case", CASES[:3])
def test_filters_and_formats_of_an_annotated_rest(case: str) -> None:
    """A filter by container finds in the rest of an annotated log what it finds there in the whole one."""
    data = log(case)
    annotated = run(data)
    lines = annotated.splitlines(keepends=True)
    rest = b"".join(lines[len(lines) // 2 :])
    named = next(one["container"]["id"] for one in answers(rest).values() if (one["container"] or {}).get("id"))
    assert set(answers(rest, container=named)) <= set(answers(data, container=named))
    assert answers(rest, container=named)


def test_reannotate_starts_anew() -> None:
    """What stands in the log is then not asked."""
    data = log("stock-s02")
    lines = run(data).splitlines(keepends=True)
    rest = b"".join(lines[len(lines) // 2 :])
    anew = [one["status"] for one in answers(rest, reannotate=True).values()]
    assert anew.count("container") < [one["status"] for one in answers(rest).values()].count("container")
