"""Trail to events: every line keeps its place, however the trail is cut; what cannot be appended to is refused."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.aix.grouping import RecordEvent, TrailGrouper, head_end
from annotator.core.errors import AnnotatorError, FormatError, FormError
from annotator.core.model import Event, Stamp
from annotator.core.stats import Stats
from annotator.formats.raw import tail_start

if TYPE_CHECKING:
    from collections.abc import Sequence

SAMPLES = Path(__file__).parents[2] / "samples" / "aix"
HEAD = b"FS_Chdir        root     OK          Mon Mar  2 10:15:01 2026 ps                              web" + b" " * 23
OURS = b' contid=7 container_name="web" container_engine="wpar" cont_how="trail"'
WRAPPED = [HEAD[:80], HEAD[80:]]

PIECES = [
    HEAD,
    HEAD.rstrip(),
    HEAD + OURS,
    HEAD.rstrip() + OURS,
    HEAD + OURS + b"\r",
    HEAD + b"filename /tmp/x contid=5",
    b"        change current directory to: /dev",
    b"        a tail that ends as ours contid=5",
    b"event           login    status      time                     command                         wpar name"
    + b" " * 17,
    b" ".join(b"-" * width for width in (15, 8, 11, 24, 31, 25)) + b" ",
    b"AUD_It audit appusr root OK 16 sep 2022 15:42:41.885007 No associated roles cmd: 1 arg: 0",
    b"",
    b" ",
    b"\x00\xff",
    b"no record at all",
    b" contid=5",
]
LINES = st.lists(
    st.sampled_from(PIECES) | st.binary(max_size=130).map(lambda data: data.replace(b"\n", b"")), max_size=40
)
CUTS = st.lists(st.integers(0, 200), max_size=12)


def cut(items: Sequence[Any], cuts: list[int]) -> list[list[Any]]:
    """The items in blocks that end at these places."""
    edges = sorted({0, len(items), *(at % (len(items) + 1) for at in cuts)})
    return [list(items[start:stop]) for start, stop in pairwise(edges)]


def grouper(*, ordered: bool = True, binary: bool = False) -> TrailGrouper:
    """A fresh one, in UTC."""
    made = TrailGrouper(Stats(), ordered=ordered, zone=ZoneInfo("UTC"), names=lambda: [b"web"], own_tail=tail_start)
    made.begin(binary=binary)
    return made


def fed(blocks: list[list[bytes]], made: TrailGrouper) -> tuple[list[Event], list[bytes]]:
    """All events, each decided at once, and all lines that left."""
    events: list[Event] = []
    left: list[bytes] = []
    for closed in (*(made.feed(block) for block in blocks), made.flush()):
        for event in closed:
            event.closed = True
        events += closed
        left += made.drain()
    return events, left


@given(LINES, CUTS)
def test_every_line_leaves_once_and_in_order(lines: list[bytes], cuts: list[int]) -> None:
    """Conservation, for any bytes in any portions: what goes in comes out, our own fields too; or one error of ours."""
    made = grouper()
    try:
        events, left = fed(cut(lines, cuts), made)
    except FormError:
        return
    assert left == lines
    stats = made.stats
    assert stats.lines == len(lines)
    assert sum(len(event.lines) for event in events) + stats.passed + stats.rejected == len(lines)
    assert stats.closed + stats.flushed == len(events)
    assert [event.stamp.serial for event in events] == list(range(1, len(events) + 1))


@given(LINES, CUTS)
def test_the_cut_of_the_input_changes_nothing(lines: list[bytes], cuts: list[int]) -> None:
    """The same records, with the same stamps and lines, whatever the portions."""

    def seen(blocks: list[list[bytes]]) -> list[Any] | str:
        try:
            events, _ = fed(blocks, grouper(ordered=False))
        except FormError as error:
            return error.what
        return [(event.key, event.stamp, event.lines) for event in events]

    assert seen(cut(lines, cuts)) == seen([lines])


@given(
    st.sampled_from(sorted(SAMPLES.glob("trail-*/input.bin"))),
    CUTS,
    st.lists(st.tuples(st.integers(0, 900), st.integers(0, 255)), max_size=3),
)
def test_a_binary_trail_in_any_portions(path: Path, cuts: list[int], damage: list[tuple[int, int]]) -> None:
    """Damaged or not, cut anywhere: the same records come out, and every byte of them and between them is counted."""
    data = bytearray(path.read_bytes())
    for at, byte in damage:
        data[at % len(data)] = byte

    def seen(blocks: list[list[bytes]]) -> list[Any]:
        made = grouper(ordered=False, binary=True)
        found: list[Any] = []
        try:
            for block in blocks:
                found += [(event.stamp, event.lines) for event in made.feed(block)]
            found += [(event.stamp, event.lines) for event in made.flush()]
        except AnnotatorError as error:
            found.append(error.what)
        else:
            assert made.stats.lines == len(found) + made.stats.passed + made.stats.rejected
        return found

    whole = bytes(data)
    edges = sorted({0, len(whole), *(at % len(whole) for at in cuts)})
    assert seen([[whole[start:stop]] for start, stop in pairwise(edges)]) == seen([[whole]])


def test_a_line_feed_in_a_binary_trail(sim: Any) -> None:
    """A newline is a byte like any other there, in a time, a pid, or a file's name."""
    machine = sim.Machine()
    machine.make("web")
    pid = machine.start("web", 1)
    machine.seconds = 0x0A0A0A0A
    machine.record(pid, "FILE_Unlink", "/tmp/a\nb\n")
    data = machine.trail(version=5)
    assert b"\n" in data
    pieces = [line + b"\n" for line in data.split(b"\n")]
    pieces[-1] = pieces[-1][:-1]
    events, _ = fed([pieces], grouper(ordered=False, binary=True))
    assert b"".join(line for event in events for line in event.lines) == data


def test_our_own_fields_are_no_part_of_the_record() -> None:
    """A head line that we have annotated is read as it was before; a tail line is never ours, whatever it ends in."""
    tail = b"        filename /tmp/Mon Mar  2 10:15:01 2026 contid=5"
    events, left = fed([[PIECES[8], PIECES[9], HEAD + OURS, tail]], grouper())
    (event,) = events
    assert isinstance(event, RecordEvent)
    assert (event.record.wpar, event.record.tail) == (b"web", tail.strip())
    assert event.lines[0] == HEAD + OURS
    assert len(left) == 4


def test_what_cannot_be_appended_to_is_refused() -> None:
    """A binary trail, and lines that a terminal broke, with advice; forms that do not append take both."""
    with pytest.raises(FormError) as refused:
        grouper(binary=True)
    assert "json" in refused.value.advice
    with pytest.raises(FormError) as refused:
        fed([WRAPPED], grouper())
    assert "json" in refused.value.advice
    assert len(fed([WRAPPED], grouper(ordered=False))[0]) == 1


def test_a_pause_ends_a_text_record_only() -> None:
    """When a live trail pauses a printed record is whole, as its tail came with it; a binary one says its length."""
    text = grouper()
    assert text.feed([PIECES[8], PIECES[9], HEAD]) == []
    assert len(text.idle()) == 1
    data = (SAMPLES / "trail-stream-v3" / "input.bin").read_bytes()
    binary = grouper(ordered=False, binary=True)
    first = binary.feed([data[:150]])
    assert binary.idle() == []
    assert len(first + binary.feed([data[150:]]) + binary.flush()) == 5


def test_another_file_starts_anew() -> None:
    """Its layout is learnt again; ordinals go on, so that no two events of a run have the same."""
    made = grouper(ordered=False)
    made.feed([PIECES[8], PIECES[9], HEAD])
    made.begin(binary=False)
    events = made.feed([]) + made.feed([PIECES[10]]) + made.flush()
    assert [event.stamp.serial for event in events] == [1, 2]
    assert made.stats.closed + made.stats.flushed == 2


def test_no_trail_at_all() -> None:
    """Bytes that are no binary trail are one error that says where."""
    with pytest.raises(FormatError) as refused:
        fed([[b"x" * 300]], grouper(ordered=False, binary=True))
    assert refused.value.offset == 0


def test_where_a_line_takes_more() -> None:
    """At the end of the head line, before a CR; nowhere in what is no printed record."""
    (event,) = fed([[PIECES[8], PIECES[9], HEAD + b"\r"]], grouper())[0]
    assert head_end(event) == len(HEAD)
    assert head_end(Event(b"", b"", Stamp(0, 0), b"x")) is None
