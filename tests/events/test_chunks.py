"""One road for every log: however it is cut into blocks and written down, the same leaves and the same is answered."""

from __future__ import annotations

import lzma
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.core.stats import Stats
from annotator.engine.factory import Options, form_of
from annotator.engine.pipeline import Pipeline
from annotator.engine.replay import Replay
from annotator.events import EventAssembler
from annotator.io.sources import Cutter
from annotator.linux.backend import Linux
from annotator.linux.records.translate import full_reading
from annotator.linux.records.translator import Translator
from tests.streams import WORLDS, World, damaged, joined, lines_of, riffled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from annotator.core.lifetimes import ProcessLifetime
    from annotator.core.model import Attribution, Event, Translation

ROOT = Path(__file__).parents[2]
SAMPLES = sorted([*ROOT.glob("samples/linux/*/input.log"), *ROOT.glob("samples/linux/*/input.log.xz")])
STOCK = [path for path in SAMPLES if path.parent.name.startswith("stock-")]

OPTIONS = {
    "raw": Options(),
    "marked": Options(mark_unknown=True),
    "again": Options(reannotate=True),
    "record": Options(format="record"),
    "json": Options(format="json", node="here"),
    "original": Options(format="json", original=True),
    "msgpack": Options(format="msgpack"),
}
FORMS = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
PATHS = pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.parent.name)


def sample(path: Path) -> bytes:
    """A recorded log."""
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


def ran(blocks: Iterable[bytes], options: Options) -> tuple[list[bytes], dict[str, int]]:
    """The lines that left, and the counters."""
    stats, backend = Stats(), Linux()
    pipeline = Pipeline(backend, form_of(options, backend, stats), stats)
    out = [pipeline.feed_text(block) for block in blocks]
    out.append(pipeline.finish())
    assert stats.check() == []
    return b"".join(out).split(b"\n"), stats.as_dict()


def blocks_of(lines: list[bytes], size: int) -> list[bytes]:
    """So many lines at a time."""
    return [b"\n".join(lines[at : at + size]) for at in range(0, len(lines), size)]


@FORMS
@given(damaged(), st.integers(1, 60))
def test_a_damaged_stream_gives_the_same_in_blocks_of_any_size(options: Options, lines: list[bytes], size: int) -> None:
    """Mixed, cut, doubled, lost, hostile: one block, line by line, and blocks of any size."""
    whole = ran(blocks_of(lines, max(len(lines), 1)), options)
    assert ran(blocks_of(lines, size), options) == whole
    assert ran(blocks_of(lines, 1), options) == whole


@given(WORLDS, st.lists(st.integers(0, 3), max_size=12), st.integers(1, 60))
def test_the_log_twice(world: World, picks: list[int], size: int) -> None:
    """Stamps that come again are late records, wherever blocks end."""
    lines = riffled(world.told, picks) * 2
    assert ran(blocks_of(lines, size), OPTIONS["raw"]) == ran([b"\n".join(lines)], OPTIONS["raw"])


def test_every_cut_of_a_log_gives_the_same() -> None:
    """Bytes come in two reads, cut anywhere."""
    data = joined(lines_of(World().told))
    whole = ran([data[:-1]], OPTIONS["raw"])
    for at in range(len(data)):
        cutter = Cutter("log")
        blocks = (cutter.feed(data[:at]), cutter.feed(data[at:]), cutter.end())
        assert ran([block.text for block in blocks if block is not None], OPTIONS["raw"]) == whole


@pytest.mark.parametrize("size", [1, 7, 5000])
def test_an_event_of_too_many_records_is_cut_off_at_the_same_one(size: int) -> None:
    """It closes when it has one record more than it may; the others are late."""
    stats = Stats()
    assembler = EventAssembler(Linux().completes, stats, max_records=10, ordered=False)
    line = b"type=PATH msg=audit(1700000000.000:1): item=0"
    closed = [event for block in blocks_of([line] * 40, size) for event in assembler.feed_text(block)]
    assert [event.size for event in closed if not isinstance(event, tuple)] == [11]
    assert (stats.forced, stats.late) == (1, 29)


# --- how a log is written down ----------------------------------------------------------------------------------------


def answers(lines: list[bytes]) -> dict[tuple[int, int], object]:
    """What is answered for each stamp."""
    found: dict[tuple[int, int], object] = {}

    def watch(event: Event, _: Translation, __: ProcessLifetime | None, answer: Attribution) -> None:
        chains = [[one.id or one.contid for one in chain] for chain in answer.chains]
        found[event.stamp] = (answer.status, answer.reason, chains, answer.evidence, answer.flags, len(answer.targets))

    pipeline = Pipeline(Linux(), form_of(Options(format="none"), Linux(), stats := Stats()), stats, watch=watch)
    for block in blocks_of(lines, 500):
        pipeline.feed_text(block)
    pipeline.finish()
    return found


def with_node(lines: list[bytes]) -> list[bytes]:
    """As they are written where auditd has a name_format."""
    return [b"node=web1 " + line for line in lines]


def with_eoe(lines: list[bytes]) -> list[bytes]:
    """As auditd hands them to plugins."""
    last = {line.split(b" ")[1]: at for at, line in enumerate(lines)}
    found: list[bytes] = []
    for at, line in enumerate(lines):
        stamp = line.split(b" ")[1]
        found += [line, b"type=EOE " + stamp + b" "][: 1 + (last[stamp] == at)]
    return found


@PATHS
@pytest.mark.parametrize("change", [with_node, with_eoe])
def test_the_same_log_written_otherwise_has_the_same_answers(
    path: Path, change: Callable[[list[bytes]], list[bytes]]
) -> None:
    """With `node=`, and with EOE records."""
    lines = [line for line in sample(path).splitlines()[:4000] if line.startswith(b"type=")]
    assert answers(change(lines)) == answers(lines)


def test_a_world_without_proctitle_has_the_same_answers() -> None:
    """Events that no PROCTITLE ends close later, and say the same."""
    world = World()
    for _ in range(3):
        world.contains(world.alive[1])
        world.exits(world.born(world.alive[-1]))
    lines = lines_of(world.told)
    assert answers([line for line in lines if not line.startswith(b"type=PROCTITLE ")]) == answers(lines)


# --- what is read by position -----------------------------------------------------------------------------------------


def decided(lines: list[bytes], watch: Callable[[Event, Translation], None]) -> None:
    """Shows all events of a log with what their backend said of them."""
    replay = Replay(Options(), observer=lambda event, reading, _, __: watch(event, reading))
    pipeline = replay.pipeline
    pipeline.feed_text(b"\n".join(lines))
    pipeline.finish()


@PATHS
def test_what_is_read_by_position_is_what_the_records_say(path: Path) -> None:
    """An event that begins with its SYSCALL record, read out of its text and record by record."""
    lines = sample(path).splitlines()[:4000]
    assembler, translator = EventAssembler(Linux().completes, Stats(), ordered=False), Translator()
    read = 0
    for event in [*assembler.feed(lines), *assembler.flush()]:
        if not isinstance(event, tuple):
            by_position, at = translator.read(event), event.at
            by_records = full_reading(event)
            assert (by_position._replace(network=False), at) == (by_records._replace(network=False), event.at)
            read += by_position.actor is not None
    if path in STOCK:
        assert read > 100


def test_an_event_is_cut_into_lines_only_when_somebody_asks() -> None:
    """Of the recorded events hardly any needs its lines for the raw form."""
    kept: list[Event] = []
    decided(sample(STOCK[0]).splitlines(), lambda event, _: kept.append(event))
    cut = sum(event._lines is not None for event in kept)
    assert len(kept) > 100
    assert cut < len(kept) / 5
