"""The loop: attribute first, then apply; what leaves when; filters, stragglers, gaps, and the end of the input."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

import pytest

from annotator.core.model import Status
from annotator.core.stats import Stats
from annotator.engine.pipeline import Pipeline, run
from annotator.formats.raw import Raw
from annotator.linux.backend import Linux
from tests.streams import Dialect, World, annotate, joined, lines_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from annotator.core.model import Attribution, Event


def new(*, keep: Callable[[Event, Attribution], bool] | None = None) -> tuple[Pipeline, Stats]:
    """A raw pipeline."""
    stats = Stats()
    backend = Linux()
    return Pipeline(backend, Raw(backend, stats), stats, keep=keep), stats


def story() -> World:
    """A shell that runs a container, in which a process is born, opens, and dies; then the shell goes on."""
    world = World()
    shell = world.alive[1]
    world.contains(shell)
    inside = world.alive[-1]
    child = world.born(inside)
    world.opens(child)
    world.exits(child)
    world.exits(inside)
    world.opens(shell)
    return world


def test_an_event_is_answered_before_its_own_facts_apply() -> None:
    """The engine acted in a container's start, the parent in a fork, and who exits was still inside."""
    world = story()
    ran = annotate([lines_of(world.told)])
    said = [(one.where, answer.status) for one, (_, _, answer) in zip(world.told, ran.answers, strict=True)]
    assert all((status is Status.CONTAINER) is bool(where) for where, status in said), said
    assert [where for where, _ in said].count(("box1",)) == 5


def test_a_stream_leaves_as_it_is_decided() -> None:
    """Fed line by line, a whole event leaves with the next one's first line; the rest at the end."""
    world = World()
    lines = lines_of(world.told[:2])
    pipeline, _ = new()
    assert [pipeline.feed([line]) for line in lines] == [b"", b"", joined(lines[:2]), b""]
    assert pipeline.finish() == joined(lines[2:])


def test_with_eoe_nothing_waits() -> None:
    """What auditd sends to a plugin ends in EOE: the event leaves with its block."""
    world = World(Dialect(eoe=True))
    pipeline, _ = new()
    assert [pipeline.feed(one.lines) for one in world.told] == [joined(one.lines) for one in world.told]


def test_quiet_lets_go_of_what_waits() -> None:
    """Live, a short quiet ends whole events, and the timeout all others."""
    world = World()
    first, second = world.told[0].lines, world.told[1].lines
    pipeline, stats = new()
    assert pipeline.feed([*first, second[0]]) == joined(first)
    assert pipeline.idle(100) == b""
    assert pipeline.idle(5000) == joined(second[:1])
    assert pipeline.feed(second[1:]) == joined(second[1:])
    assert (stats.late, stats.check()) == (1, [])


def test_a_filter_drops_whole_events_and_their_stragglers() -> None:
    """What is not wanted leaves nothing, late records included; the tables learn from it all the same."""
    world = story()
    pipeline, stats = new(keep=lambda event, answer: answer.status is Status.CONTAINER)
    late = world.told[0].lines[1]
    out = pipeline.feed(lines_of(world.told)) + pipeline.feed([late]) + pipeline.finish()
    wanted = [one for one in world.told if one.where]
    left = out.split(b"\n")[:-1]
    assert [line.partition(b" contid=")[0] for line in left] == lines_of(wanted)
    assert stats.filtered == len(lines_of(world.told)) - len(lines_of(wanted)) + 1
    assert (stats.late, stats.check()) == (1, [])


def test_a_straggler_of_a_kept_event_leaves_as_it_came() -> None:
    """In its place, without fields."""
    world = story()
    lines = lines_of(world.told)
    late = world.told[-3].lines[0]
    ran = annotate([[*lines, late]])
    assert ran.out.split(b"\n")[-2] == late
    assert ran.stats.late == 1


def test_an_empty_input_gives_an_empty_output() -> None:
    """No lines, no events, no bytes."""
    ran = annotate([])
    assert (ran.out, ran.stats.as_dict()) == (b"", Stats().as_dict())
    assert annotate([[], []]).out == b""


@pytest.mark.parametrize("newline", [True, False])
def test_the_end_of_the_last_line_is_the_input_s(newline: bool) -> None:
    """A log that was cut in the middle of a line stays cut there."""
    lines = lines_of(World().told)
    pipeline, _ = new()
    out: list[bytes] = []
    run(pipeline, [(lines[:3], True), (lines[3:], newline)], out.append)
    assert b"".join(out) == joined(lines)[: None if newline else -1]


def test_a_gap_takes_certainty_of_the_host_but_no_container() -> None:
    """Serials that never came may have been a move: host is no longer proven, what was set once stays."""
    world = World()
    shell = world.alive[1]
    world.contains(shell)
    inside = world.alive[-1]
    other = world.born(shell)
    world.opens(other)
    world.serial += 40
    for _ in range(300):
        world.opens(world.init)
    for one in (inside, other):
        world.opens(one)
    ran = annotate([one.lines for one in world.told])
    answers = [(answer.status, answer.reason) for *_, answer in ran.answers]
    assert ran.stats.possible_loss == 40
    assert answers[-2][0] is Status.CONTAINER
    assert answers[-1][0] is Status.UNKNOWN


def test_nodes_do_not_know_of_each_other() -> None:
    """The same pids on another machine are other processes."""
    one = story()
    other = World(Dialect(node=b"web2"))
    for _ in range(12):
        other.opens(other.alive[1])
    pairs = zip_longest(lines_of(one.told), lines_of(other.told))
    lines = [line for pair in pairs for line in pair if line is not None]
    ran = annotate([lines])
    assert Status.CONTAINER not in {answer.status for event, _, answer in ran.answers if event.node}
    assert sum(answer.status is Status.CONTAINER for *_, answer in ran.answers) > 0


def test_a_process_first_seen_by_a_user_record_inherits_when_its_parent_is_seen() -> None:
    """A record of user space has no ppid: what is not known by it may be known by the next."""
    world = World()
    world.contains(world.alive[1])
    child = world.born(world.alive[-1])
    world.speaks(child)
    world.opens(child)
    ran = annotate([lines_of(world.told)])
    assert [answer.status for *_, answer in ran.answers[-2:]] == [Status.UNKNOWN, Status.CONTAINER]
