"""The quick road of usual events and the road of all others: whichever an event takes, the same leaves, to the byte.

A pipeline that is watched has no quick road; so one that is, and one that is not, are fed the same.
"""

from __future__ import annotations

import lzma
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.core.model import Attribution, Event, Reason, Stamp, Status
from annotator.core.stats import Stats
from annotator.engine.factory import Options, form_of
from annotator.engine.pipeline import Pipeline
from annotator.engine.replay import Replay
from annotator.formats.documents import Documents
from annotator.io.sources import read_file
from annotator.linux.backend import Linux
from annotator.linux.usual import DETAILED
from tests.engine.test_host_context import journal_of
from tests.streams import WORLDS, World, damaged, joined, lines_of, riffled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from annotator.events import Stretch

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[2]
SAMPLES = sorted([*ROOT.glob("samples/linux/*/input.log"), *ROOT.glob("samples/linux/*/input.log.xz")])

OPTIONS = {
    "raw": Options(),
    "marked": Options(mark_unknown=True),
    "again": Options(reannotate=True),
    "some": Options(fields=frozenset({"contid"})),
    "record": Options(format="record"),
    "json": Options(format="json"),
    "named": Options(format="json", node="here"),
    "original": Options(format="json", original=True),
    "picked": Options(format="json", fields=frozenset({"process", "auditd.records"})),
    "msgpack": Options(format="msgpack"),
}
FORMS = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)


def ran(blocks: Sequence[bytes], options: Options, *, watched: bool) -> tuple[bytes, dict[str, int], int]:
    """What left, what was counted, and how many events took the quick road."""
    stats, backend = Stats(), Linux()
    watch = (lambda *_: None) if watched else None
    form = form_of(options, backend, stats)
    if watched and isinstance(form, Documents):
        form.frame = None
    pipeline = Pipeline(backend, form, stats, watch=watch)
    quick = 0
    road = pipeline._quick
    if road is not None:
        decide = road.decide

        def counted(stretch: Stretch) -> None:
            nonlocal quick
            quick += len(stretch.events)
            decide(stretch)

        road.decide = counted  # type: ignore[method-assign]
    out = [pipeline.feed_text(block) for block in blocks]
    out.append(pipeline.finish())
    assert stats.check() == []
    return b"".join(out), stats.as_dict(), quick


def both(blocks: Sequence[bytes], options: Options) -> int:
    """Compare the roads; returns how many events took the quick one."""
    one, counts, quick = ran(blocks, options, watched=False)
    other, others, none = ran(blocks, options, watched=True)
    assert none == 0
    assert one.split(b"\n") == other.split(b"\n")
    assert counts == others
    return quick


def blocks_of(lines: list[bytes], size: int) -> list[bytes]:
    """So many lines at a time."""
    return [b"\n".join(lines[at : at + size]) for at in range(0, len(lines), size)]


@FORMS
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.parent.name)
def test_recorded_logs(sample: Path, options: Options) -> None:
    """What real machines wrote, in blocks as they are read, and of the usual events most take the quick road."""
    data = sample.read_bytes()
    lines = (lzma.decompress(data) if sample.suffix == ".xz" else data).split(b"\n")[:4000]
    quick = both(blocks_of(lines, 1000), options)
    if sample.parent.name.startswith("stock-"):
        assert quick > 0.5 * sum(line.startswith(b"type=SYSCALL ") for line in lines)


@FORMS
@given(damaged(), st.integers(1, 60))
def test_streams_that_are_mixed_cut_doubled_and_lost(options: Options, lines: list[bytes], size: int) -> None:
    """Whatever comes, in blocks of any size."""
    both(blocks_of(lines, size), options)


VALUES = st.one_of(
    st.sampled_from(("(null)", "?", '"a b"', '"a\\"', '"\\x7f"', '"é"', "4142", "61FF", "414", "unset", "-1", "")),
    st.from_regex(r"\A[!-~]{1,9}\Z"),
)


@given(WORLDS, st.lists(st.tuples(st.integers(0, 999), VALUES), max_size=8), st.booleans())
def test_odd_values(world: World, odd: list[tuple[int, str]], enriched: bool) -> None:
    """Fields with values that need escaping, decoding, or have no business there; enriched copies."""
    lines = lines_of(world.told)
    for at, value in odd:
        words = lines[at % len(lines)].split(b" ")
        where = 2 + at % max(len(words) - 2, 1)
        name, equals, _ = words[where % len(words)].partition(b"=")
        words[where % len(words)] = name + equals + value.encode()
        lines[at % len(lines)] = b" ".join(words)
    if enriched:
        more = b'\x1dARCH=x86_64 SYSCALL=openat AUID="u" UID="root" GID="root"'
        lines = [line + more if b" syscall=" in line else line for line in lines]
    for form in ("json", "msgpack", "raw"):
        both([b"\n".join(lines)], OPTIONS[form])


def test_a_record_in_the_middle_of_a_line_is_none() -> None:
    """What looks like a usual event behind other text on its line is part of that line."""
    lines = lines_of(World().told)
    for options in OPTIONS.values():
        both([b"noise " + b"\n".join(lines)], options)
        both([b"\n".join([lines[0], b"x " + lines[1], *lines])], options)


def test_lines_behind_a_usual_event_that_may_be_its_own() -> None:
    """A record, or what may be one, behind the last that is usual belongs to the event still."""
    told = World().told
    key = told[0].lines[0].split(b" ")[1]
    for more in (b"type=PATH " + key + b" item=0", b"type=PROCTITLE " + key[:-1] + b":x", b"type=A B " + key, b"noise"):
        lines = [*told[0].lines, more, *lines_of(told[1:])]
        for options in OPTIONS.values():
            both([b"\n".join(lines)], options)


@given(WORLDS, st.lists(st.integers(0, 3), max_size=12))
def test_the_log_twice(world: World, picks: list[int]) -> None:
    """Stamps that come again are late records, on both roads."""
    lines = riffled(world.told, picks)
    both([joined(lines)[:-1], joined(lines)[:-1]], OPTIONS["json"])


@pytest.mark.parametrize("form", ["raw", "json"])
def test_what_is_known_from_outside(form: str, tmp_path: Path) -> None:
    """An execve begins a program: what a journal says of that counts on both roads."""
    journal = journal_of("stock-s11", tmp_path / "journal")
    log = tmp_path / "log"
    log.write_bytes(lzma.decompress((ROOT / "samples/linux/stock-s11/input.log.xz").read_bytes()))
    left: list[bytes] = []
    for watch in (None, lambda *_: None):
        replay = Replay(Options(format=form, journals=(journal,)), observer=watch)
        left.append(b"".join(map(replay.feed, read_file(log))) + replay.finish())
    assert left[0].split(b"\n") == left[1].split(b"\n")
    alone = Replay(Options(format=form))
    assert left[0] != b"".join(map(alone.feed, read_file(log))) + alone.finish()


@pytest.mark.parametrize("ending", [b"", b" "], ids=["auditd", "kernel"])
def test_an_event_that_has_its_lines_is_written_at_once(ending: bytes) -> None:
    """With EOE as auditd hands it to plugins, and as the kernel writes it: an object is made of neither."""
    form = form_of(OPTIONS["json"], Linux(), Stats())
    assert isinstance(form, Documents)
    assert form.frame is not None
    known = Attribution(Status.UNKNOWN, reason=Reason.NOT_SEEN)
    written = 0
    for told in World().told:
        if told.lines[0].startswith(b"type=SYSCALL ") and told.lines[-1].startswith(b"type=PROCTITLE "):
            key = told.lines[0].split(b"(", 1)[1].split(b")", 1)[0]
            event = Event(key, b"", Stamp(1, 1), told.lines[0])
            event.lines = [*told.lines, b"type=EOE msg=audit(" + key + b"):" + ending]
            event.at = 0
            quick = form.frame.whole(event, known)
            form.frame, frame = None, form.frame
            assert quick == form.write(event, known)
            form.frame = frame
            written += 1
    assert written


@pytest.mark.parametrize("backwards", [False, True])
def test_records_that_came_last_first_are_read_in_their_order(backwards: bool) -> None:
    """As `ausearch` prints them; or not, though said to be: the same is written with and without the frame."""
    run = DETAILED.search(b"\n" + (ROOT / "samples/linux/stock-s01/input.log").read_bytes().partition(b"EXECVE")[2])
    assert run is not None
    lines = run[0][1:].split(b"\n")
    assert sum(line.startswith(b"type=PATH ") for line in lines) > 1
    lines = lines[::-1] if backwards else lines
    out = []
    for quick in (True, False):
        form = form_of(OPTIONS["json"], backend := Linux(), stats := Stats())
        assert isinstance(form, Documents)
        form.frame = form.frame if quick else None
        pipeline = Pipeline(backend, form, stats, reversed_records=True)
        out.append(pipeline.feed_text(b"\n".join(lines)) + pipeline.finish())
    assert out[0] == out[1]


def usual(stamp: str, *, tail: str = "", path: str = "", title: str = " ", exit: str = "exit=3") -> list[bytes]:
    """One event of the usual shape."""
    key = f"msg=audit({stamp}):"
    return [
        f"type=SYSCALL {key} arch=c000003e syscall=257 success=yes {exit} a0=1 a1=2 a2=3 a3=4 items=1 ppid=1 pid=9 "
        f'auid=1 uid=0 gid=0 tty=(none) ses=1 comm="x" exe="/x" key=(null){tail}'.encode(),
        f'type=PATH {key} item=0 name="a" nametype=NORMAL{path}'.encode(),
        f"type=PROCTITLE {key}{title}proctitle=78".encode(),
    ]


@FORMS
def test_what_a_review_found(options: Options) -> None:
    """A serial beyond 64 bits; an event twice, back to back; stamps where none belongs; a result twice."""
    one, two = "1700000000.000:7", "1700000000.500:8"
    stamp = f" msg=audit({one}): "
    for lines in (
        [*usual("1700000000.000:18446744073709551616"), *usual("1700000000.000:18446744073709551617")],
        [*usual(one), *usual(one), *usual(two)],
        [*usual(one, tail=f"\x1dX=1{stamp}", path=stamp, title=""), *usual(two)],
        [*usual(one, exit="exit=5 exit=3"), *usual(two, exit="exit=007")],
    ):
        both([b"\n".join(lines)], options)
