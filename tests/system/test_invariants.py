"""The invariants that are the real specification, over streams that are made up, damaged, and recorded.

Resuming from saved state is tested beside the store.
"""

from __future__ import annotations

import lzma
import os
import subprocess
import sys
from collections import deque
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator.core.model import Status
from annotator.core.stats import Stats
from annotator.engine.pipeline import Pipeline
from annotator.formats.raw import Raw
from annotator.linux.backend import Linux
from tests.streams import (
    STOCK,
    WORLDS,
    Dialect,
    Told,
    World,
    annotate,
    appended,
    damaged,
    joined,
    lines_of,
    needs,
    riffled,
)

if TYPE_CHECKING:
    from annotator.core.model import Attribution, Event

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[2]
SAMPLES = sorted([*ROOT.glob("samples/linux/*/input.log"), *ROOT.glob("samples/linux/*/input.log.xz")])
RECORDED = pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.parent.name)

CUTS = st.lists(st.integers(0, 400), max_size=30)


def recorded(sample: Path) -> list[bytes]:
    """The lines of a recorded log; every one of them ends in a newline."""
    data = sample.read_bytes()
    lines = (lzma.decompress(data) if sample.suffix == ".xz" else data).split(b"\n")
    assert lines.pop() == b""
    return lines


def cut(lines: list[bytes], cuts: list[int]) -> list[list[bytes]]:
    """The lines in blocks that end at these places."""
    edges = sorted({0, len(lines), *(at % (len(lines) + 1) for at in cuts)})
    return [lines[start:stop] for start, stop in pairwise(edges)]


def named(answer: Attribution, *, patched: bool) -> tuple[str, ...]:
    """The nearest chain, as the ids of its containers; () when there is none."""
    if not answer.chains:
        return ()
    return tuple(str(one.contid) if patched else one.id for one in answer.chains[0])


def within(answer: tuple[str, ...], truth: tuple[str, ...]) -> bool:
    """Whether the answer has nothing that is not true, in the order in which it is; levels may be unknown."""
    rest = iter(truth)
    return all(one in rest for one in answer)


# --- conservation and order -------------------------------------------------------------------------------------------


def conserved(lines: list[bytes], out: bytes) -> int:
    """Check line by line; returns how many have fields added."""
    left = out.split(b"\n")
    assert left.pop() == b""
    assert len(left) == len(lines)
    more = [appended(before, after) for before, after in zip(lines, left, strict=True)]
    broken = [(lines[at], left[at]) for at, fields in enumerate(more) if fields is None]
    assert not broken
    return sum(fields != b"" for fields in more)


@given(damaged(), CUTS)
def test_each_line_leaves_once_where_it_stood_and_unchanged_but_for_our_fields(
    lines: list[bytes], cuts: list[int]
) -> None:
    """Conservation and order, whatever the input: take the fields away, and the input is there again."""
    ran = annotate(cut(lines, cuts))
    assert conserved(lines, ran.out) == ran.stats.annotated


@RECORDED
def test_recorded_logs_are_conserved(sample: Path) -> None:
    """Conservation and order on what real machines wrote."""
    lines = recorded(sample)
    ran = annotate([lines])
    assert conserved(lines, ran.out) == ran.stats.annotated
    assert ran.stats.check() == []


@given(damaged())
def test_nothing_is_added_to_a_line_of_an_event_that_is_in_no_container(lines: list[bytes]) -> None:
    """Events of the host, and those that nothing is known of, leave byte for byte as they came."""
    ran = annotate([lines])
    told = [answer for _, _, answer in ran.answers if answer.status is Status.CONTAINER or answer.targets]
    assert ran.stats.annotated <= len(told)


class Keys:
    """A form that leaves by event: the key, as soon as it is decided."""

    ordered = False
    shows_parents = False

    def write(self, event: Event, answer: Attribution) -> bytes:
        """One line an event."""
        return event.key + b"\n"


@given(damaged(), CUTS)
def test_other_forms_leave_in_the_order_events_close(lines: list[bytes], cuts: list[int]) -> None:
    """Each decided event leaves once, at once, in the order of the decisions."""
    stats = Stats()
    closed: list[bytes] = []
    out: list[bytes] = []
    pipeline = Pipeline(Linux(), Keys(), stats, watch=lambda event, *_: closed.append(event.key))
    for block in cut(lines, cuts):
        out.append(pipeline.feed(block))
        assert b"".join(out) == joined(closed)
    out.append(pipeline.finish())
    assert b"".join(out) == joined(closed)
    assert len(closed) == stats.events


# --- chunking, determinism --------------------------------------------------------------------------------------------


@given(damaged(), CUTS)
def test_any_split_of_the_input_gives_the_same_output(lines: list[bytes], cuts: list[int]) -> None:
    """Where a block ends is chance: it says nothing."""
    assert annotate(cut(lines, cuts)).out == annotate([lines]).out


@RECORDED
@settings(max_examples=5)
@given(st.integers(1, 97))
def test_any_split_of_a_recorded_log_gives_the_same_output(sample: Path, size: int) -> None:
    """The same, on recorded logs, in blocks of one size."""
    lines = recorded(sample)[:1500]
    blocks = [lines[at : at + size] for at in range(0, len(lines), size)]
    assert annotate(blocks).out == annotate([lines]).out


@given(damaged())
def test_the_same_input_gives_the_same_bytes(lines: list[bytes]) -> None:
    """Nothing is left behind by an earlier run in this process."""
    assert annotate([lines]).out == annotate([lines]).out


_ONCE = """
import sys
from annotator.formats.raw import Raw
from annotator.linux.backend import Linux
from annotator.engine.pipeline import Pipeline, run
from annotator.core.stats import Stats
stats, backend = Stats(), Linux()
lines = sys.stdin.buffer.read().split(b"\\n")[:-1]
run(Pipeline(backend, Raw(backend, stats), stats), [(lines, True)], sys.stdout.buffer.write)
"""


@pytest.mark.parametrize("seed", ["1", "2"])
def test_the_order_of_hashes_and_the_place_make_no_difference(seed: str) -> None:
    """The same bytes in another process with other hashes and another time zone."""
    lines = recorded(ROOT / "samples/linux/stock-s06/input.log")
    env = {**os.environ, "PYTHONHASHSEED": seed, "TZ": "Asia/Tokyo", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", _ONCE], input=joined(lines), env=env, capture_output=True, check=True)
    assert done.stdout == annotate([lines]).out


# --- interleaving -----------------------------------------------------------------------------------------------------


def reordered(told: list[Told], picks: list[int]) -> list[Told]:
    """Another order of the events, as far as it is free."""
    before = needs(told)
    out: list[Told] = []
    done: set[int] = set()
    waiting = list(range(len(told)))
    for turn in range(len(told)):
        ready = [at for at in waiting[:6] if before[at] <= done]
        at = ready[picks[turn % len(picks)] % len(ready)] if picks else ready[0]
        waiting.remove(at)
        done.add(at)
        out.append(told[at])
    return out


def answers(lines: list[bytes], *, patched: bool) -> dict[bytes, tuple[str, tuple[str, ...]]]:
    """Status and containers of each event."""
    ran = annotate([lines])
    return {event.key: (answer.status.value, named(answer, patched=patched)) for event, _, answer in ran.answers}


@given(WORLDS, st.lists(st.integers(0, 5), max_size=20))
def test_records_of_events_that_are_mixed_with_others_are_the_same_events(world: World, picks: list[int]) -> None:
    """Records of several events in each other's midst give the answers that they give one event after the other.

    But *host* by a chain holds only where no sign of loss was seen, and a serial that comes long after those behind it
    (here by more than is waited for) is one: such an event may be unknown, for a gap. And which of two events begins
    first decides whether a birth is known before the child's record: its host may then be known, or not. No container
    is otherwise.
    """
    plain = answers(lines_of(world.told), patched=world.patched)
    ran = annotate([riffled(world.told, picks)])
    mixed = {e.key: (one.status.value, named(one, patched=world.patched)) for e, _, one in ran.answers}
    assert mixed.keys() == plain.keys()
    other = {key for key in plain if mixed[key] != plain[key]}
    assert {where for key in other for where in (plain[key], mixed[key])} <= {("host", ()), ("unknown", ())}


@given(STOCK, st.lists(st.integers(0, 5), max_size=20))
def test_the_order_of_unrelated_events_makes_no_difference(world: World, picks: list[int]) -> None:
    """An order that keeps the events of one process, and of a fork and its child, gives the same containers."""
    plain = answers(lines_of(world.told), patched=False)
    other = answers(lines_of(reordered(world.told, picks)), patched=False)
    assert {key: where for key, (_, where) in other.items()} == {key: where for key, (_, where) in plain.items()}


# --- set once, and true -----------------------------------------------------------------------------------------------


@settings(max_examples=200)
@given(WORLDS)
def test_no_answer_is_wrong_when_the_log_is_whole(world: World) -> None:
    """Every container named is one the process is in; a process of the host is never in one, nor the reverse."""
    ran = annotate([lines_of(world.told)])
    found = {event.key: answer for event, _, answer in ran.answers}
    for one in world.told:
        answer = found[one.key]
        where = named(answer, patched=world.patched)
        assert within(where, one.where), (one, answer)
        assert not (answer.status is Status.HOST and one.where), (one, answer)


@given(STOCK)
def test_a_runtime_s_containers_are_found(world: World) -> None:
    """What runc started on a stock kernel, and all below it, is found by its system calls (others hide the parent)."""
    ran = annotate([lines_of(world.told)])
    found = {event.key: answer for event, _, answer in ran.answers}
    called = [one for one in world.told if one.where and b"type=USER" not in one.lines[0]]
    assert [one for one in called if found[one.key].status is not Status.CONTAINER] == []


@given(damaged())
def test_a_container_once_given_is_only_ever_followed_by_one_inside_it(lines: list[bytes]) -> None:
    """Set once: in the order of the stamps, a life goes from none to X to what is nested in X, never back."""
    ran = annotate([lines])
    lives: dict[int, list[tuple[Event, Attribution]]] = {}
    kept = []
    for event, life, answer in ran.answers:
        if life is not None and answer.status is Status.CONTAINER and "record" not in answer.evidence:
            lives.setdefault(id(life), []).append((event, answer))
            kept.append(life)
    for held in lives.values():
        held.sort(key=lambda pair: pair[0].stamp)
        for (_, first), (_, then) in pairwise(held):
            assert first.chains[0][0] in then.chains[0], held


def test_a_pid_that_is_used_again_never_inherits() -> None:
    """The pid of a process that died in a container, seen or not, comes back on the host, and is of the host."""
    for seen in (True, False):
        world = World(low=1000, high=1008)
        shell = world.alive[1]
        world.contains(shell)
        inside = next(one for one in world.alive if one.where)
        child = world.born(inside)
        world.opens(child)
        if seen:
            world.exits(child)
        world.exits(inside)
        while world.born(shell).pid != child.pid:
            world.exits(world.alive[-1])
        again = world.alive[-1]
        world.opens(again)
        ran = annotate([lines_of(world.told)])
        event, _, answer = ran.answers[-1]
        assert world.told[-1].process is again
        assert (event.key, answer.status) == (world.told[-1].key, Status.HOST)


# --- accounting -------------------------------------------------------------------------------------------------------


@given(damaged(), CUTS)
def test_the_counts_add_up_at_every_moment(lines: list[bytes], cuts: list[int]) -> None:
    """Lines in are lines out and lines held, whatever is fed and whenever one looks; all events have an answer."""
    stats = Stats()
    backend = Linux()
    pipeline = Pipeline(backend, Raw(backend, stats), stats)
    fed = left = 0
    for block in cut(lines, cuts):
        left += pipeline.feed(block).count(b"\n")
        fed += len(block)
        counted = stats.annotated + stats.already + stats.passed + stats.rejected + stats.filtered
        assert left <= counted <= stats.lines == fed
        assert stats.check(held_lines=fed - counted) == []
    left += pipeline.finish().count(b"\n")
    assert (left, stats.check()) == (fed, [])


@given(damaged(), st.sets(st.integers(0, 9)))
def test_the_counts_add_up_with_a_filter(lines: list[bytes], kept: set[int]) -> None:
    """What a filter leaves out is counted, stragglers included, and nothing else is gone."""
    stats = Stats()
    backend = Linux()
    pipeline = Pipeline(backend, Raw(backend, stats), stats, keep=lambda event, answer: event.stamp.serial % 10 in kept)
    out = pipeline.feed(lines) + pipeline.finish()
    assert stats.check() == []
    assert out.count(b"\n") == len(lines) - stats.filtered


# --- bounded ----------------------------------------------------------------------------------------------------------


def held(*roots: object) -> int:
    """How many things the tables hold, in all their lists, queues, sets and maps, and in what is in those."""
    todo, seen, count = list(roots), set(), 0
    while todo:
        one = todo.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, dict):
            count += len(one)
            todo += [*one.keys(), *one.values()]
        elif isinstance(one, list | tuple | set | frozenset | deque):
            count += len(one)
            todo += one
        elif type(one).__module__.startswith("annotator."):
            slots = [name for cls in type(one).__mro__ for name in getattr(cls, "__slots__", ())]
            todo += [getattr(one, name, None) for name in slots] + list(getattr(one, "__dict__", {}).values())
    return count


def test_memory_does_not_grow_with_the_length_of_the_input() -> None:
    """200,000 processes that live for a moment, 200 containers: no more is held in the end than midway."""
    backend = Linux()
    stats = Stats()
    pipeline = Pipeline(backend, Raw(backend, stats), stats)
    world = World(Dialect(proctitle=False), low=1000, high=32_768)
    shell = world.alive[1]
    form = "arch=c000003e syscall=%d success=yes exit=%d a0=11 a1=0 a2=0 a3=0 items=0 ppid=%d pid=%d auid=1000 uid=0 "
    form += 'gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=(none) ses=1 comm="a" exe="/bin/a" key=(null)'
    seen: list[int] = []
    for thousand in range(200):
        world.contains(shell)
        inside = world.alive[-1]
        block = lines_of(world.told)
        for _ in range(1000):
            world._next = pid = world.low + (world._next + 1 - world.low) % (world.high - world.low)
            if pid in (shell.pid, shell.pid + 1, inside.pid, inside.ppid):
                continue
            block.append(world.record("SYSCALL", form % (57, pid, 1, shell.pid)))
            world.step(2)
            block.append(world.record("SYSCALL", form % (231, 0, shell.pid, pid)))
            world.step(2)
        world.told.clear()
        world.exits(inside)
        pipeline.feed([*block, *lines_of(world.told)])
        world.told.clear()
        if thousand in (99, 199):
            seen.append(held(pipeline.grouper, pipeline.tables))
    pipeline.finish()
    assert stats.check() == []
    assert stats.container >= 400
    assert seen[1] <= 1.3 * seen[0], seen  # what ended is forgotten in sweeps: up to 4096 lives more or less
