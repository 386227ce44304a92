"""One contract, every backend: what the core and the forms may rely on, whatever system the log is of.

Each test runs over both systems, wired as `annotator replay` wires them, on streams that are recorded, made up and
damaged. Which system a log is of is said here: deciding that is tested elsewhere.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator.core.errors import FormError
from annotator.core.model import NO_PID, Event, Stamp, Status, Translation
from annotator.core.stats import Stats
from annotator.engine.factory import Options
from annotator.engine.replay import Replay
from annotator.formats.raw import tail_start
from tests.streams import appended, damaged

if TYPE_CHECKING:
    from collections.abc import Callable

    from annotator.core.lifetimes import ProcessLifetime
    from annotator.core.model import Attribution

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[2]
VALID = jsonschema.Draft202012Validator(
    json.loads((ROOT / "annotator" / "data" / "event.schema.json").read_text("utf-8"))
)
TRAILS = [
    path.read_bytes().split(b"\n")[:-1]
    for path in sorted(ROOT.glob("samples/aix/auditpr-*/input.txt"))
    if path.parent.name not in ("auditpr-process", "auditpr-wrapped")  # raw refuses what a terminal broke
]
NOISE = st.binary(max_size=200).map(lambda data: data.replace(b"\n", b""))


@st.composite
def damaged_trail(draw: st.DrawFn) -> list[bytes]:
    """Lines of printed AIX trails: cut out, some lost, doubled, cut short, with bytes changed, and noise in between."""
    trail = draw(st.sampled_from(TRAILS))
    start = draw(st.integers(0, len(trail) - 1))
    lines: list[bytes] = []
    for line in trail[start : start + draw(st.integers(1, 24))]:
        match draw(st.sampled_from(["as it is"] * 6 + ["lost", "doubled", "short", "changed", "noise", "annotated"])):
            case "lost":
                continue
            case "doubled":
                lines += [line, line]
            case "short":
                lines.append(line[: draw(st.integers(0, 120))])
            case "changed" if line:
                at = draw(st.integers(0, len(line) - 1))
                lines.append(line[:at] + draw(NOISE)[:1] + line[at + 1 :])
            case "noise":
                lines += [draw(NOISE), line]
            case "annotated":
                lines.append(line + b' contid=7 container_name="web" cont_how="trail"')
            case _:
                lines.append(line)
    return lines


def aix_appended(before: bytes, after: bytes) -> bytes | None:
    """What was added to the end of a line; None when the line was changed otherwise."""
    if before == after:
        return b""
    body = before.rstrip(b"\r")
    return after[len(body) :] if after.startswith(body) and tail_start(after) == len(body) else None


@dataclass(frozen=True)
class System:
    """One backend, with streams of its kind and how to see what was added to a line."""

    name: str
    streams: st.SearchStrategy[list[bytes]]
    appended: Callable[[bytes, bytes], bytes | None]


SYSTEMS = [System("linux", damaged(), appended), System("aix", damaged_trail(), aix_appended)]
EVERY = pytest.mark.parametrize("system", SYSTEMS, ids=["linux", "aix"])
CUTS = st.lists(st.integers(0, 400), max_size=12)
LESS = settings(max_examples=50)
"""Seven tests over two systems, some with several runs each."""


@dataclass
class Ran:
    """What a run gave. `refused` is the error of a trail that a form cannot take."""

    out: bytes
    stats: Stats
    replay: Replay
    answers: list[tuple[Event, Translation, ProcessLifetime | None, Attribution]]
    refused: str = ""


def ran(system: System, lines: list[bytes], form: str = "raw", cuts: list[int] | None = None) -> Ran:
    """Feed what `replay` puts together for this system; the blocks end at these places."""
    answers: list[tuple[Event, Translation, ProcessLifetime | None, Attribution]] = []

    def watch(event: Event, reading: Translation, life: ProcessLifetime | None, answer: Attribution) -> None:
        answers.append((event, reading, life, answer))

    stats = Stats()
    replay = Replay(Options(format=form, system=system.name), stats=stats, observer=watch)
    edges = sorted({0, len(lines), *(at % (len(lines) + 1) for at in cuts or ())})
    out, refused = b"", ""
    try:
        for start, stop in pairwise(edges):
            out += replay.pipeline.feed(lines[start:stop])
        out += replay.pipeline.finish()
    except FormError as error:
        refused = error.what
    return Ran(out, stats, replay, answers, refused)


@EVERY
@LESS
@given(data=st.data())
def test_read_place_and_interpret_always_answer(system: System, data: st.DataObject) -> None:
    """Never an exception: a reading, a place inside the event or none, and plain data."""
    one = ran(system, data.draw(system.streams), "none")
    backend = one.replay.backend
    hostile = Event(b"", b"", Stamp(0, 0), data.draw(NOISE))
    for event in (*(answer[0] for answer in one.answers), hostile):
        reading = backend.read(event)
        assert isinstance(reading, Translation)
        assert backend.read(event) == reading
        place = backend.place(event)
        if place is not None:
            assert 0 <= place.record < len(event.lines)
            assert 0 <= place.offset <= len(event.lines[place.record])
        parts = backend.interpreter(resolve_users=False)(event)
        assert parts["event"]["module"] in ("auditd", "aix_audit")
        json.dumps(parts)


@EVERY
@LESS
@given(data=st.data())
def test_what_a_reading_says(system: System, data: st.DataObject) -> None:
    """An actor is a process; a place that is given is a container, the host, or a reason; a stamp never changes."""
    one = ran(system, data.draw(system.streams), "none")
    for event, reading, life, answer in one.answers:
        assert reading.actor is None or reading.actor.pid != NO_PID or system.name == "linux"
        assert (life is None) is (reading.actor is None)
        assert event.at < len(event.lines)
        if reading.placed is not None:
            assert (answer.status is Status.UNKNOWN) is (reading.placed.reason is not None)
            assert (answer.status is Status.HOST) is (answer.container is None and reading.placed.reason is None)


@EVERY
@LESS
@given(data=st.data(), cuts=CUTS)
def test_conservation_and_order(system: System, data: st.DataObject, cuts: list[int]) -> None:
    """Each line leaves once, where it stood, unchanged but for our fields at its end."""
    lines = data.draw(system.streams)
    one = ran(system, lines, "raw", cuts)
    if one.refused:
        return
    left = one.out.split(b"\n")
    assert left.pop() == b""
    assert len(left) == len(lines)
    more = [system.appended(before, after) for before, after in zip(lines, left, strict=True)]
    assert None not in more
    assert sum(fields != b"" for fields in more) == one.stats.annotated


@EVERY
@LESS
@given(data=st.data())
def test_idempotence(system: System, data: st.DataObject) -> None:
    """Annotated twice is annotated once."""
    one = ran(system, data.draw(system.streams))
    if one.refused:
        return
    again = ran(system, one.out.split(b"\n")[:-1])
    assert again.out == one.out
    assert again.stats.annotated == 0


@EVERY
@LESS
@given(data=st.data(), cuts=CUTS)
def test_accounting(system: System, data: st.DataObject, cuts: list[int]) -> None:
    """The counts add up, in every form."""
    lines = data.draw(system.streams)
    for form in ("raw", "json", "msgpack", "none"):
        one = ran(system, lines, form, cuts)
        if one.refused:
            continue
        assert one.stats.check() == []
        assert one.stats.lines == len(lines)
        assert one.stats.events == len(one.answers)


@EVERY
@LESS
@given(data=st.data())
def test_determinism(system: System, data: st.DataObject) -> None:
    """The same input gives the same bytes, in every form; that its cut says nothing is tested with each grouper."""
    lines = data.draw(system.streams)
    for form in ("raw", "json", "msgpack"):
        one, other = ran(system, lines, form), ran(system, lines, form)
        assert (one.out, one.refused) == (other.out, other.refused)


@EVERY
@LESS
@given(data=st.data())
def test_json_follows_the_schema(system: System, data: st.DataObject) -> None:
    """Every object of every event is what the published schema says, with the module of its system."""
    one = ran(system, data.draw(system.streams), "json")
    for line in one.out.splitlines():
        document: dict[str, Any] = json.loads(line)
        VALID.validate(document)
        assert ("aix_audit" in document) is (system.name == "aix")
