"""The steps of the loop: what an event teaches is recorded; a question changes nothing that is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import annotator
from annotator.core.contracts import HostProcess
from annotator.core.model import Actor, Container, ContId, Evidence, Moved, Ns, Stamp, Stated, Translation
from annotator.history import Observations
from tests.storage.test_checkpoint import SAMPLES, picture
from tests.world import World, where

if TYPE_CHECKING:
    from annotator.engine.pipeline import Tables


def known(tables: Tables) -> list[tuple[object, ...]]:
    """All that is known of processes, containers and places, without the caches of answers."""
    return picture(tables.membership)


@pytest.fixture
def world() -> World:
    """Container a with its init 11, and a child of it that no question was asked about yet."""
    world = World()
    world.container(10, "a")
    world.fork(11, 10, 12)
    return world


def test_a_question_keeps_nothing_of_what_it_worked_out(world: World) -> None:
    """A child's place follows from its parent each time it is asked for, and only an event keeps it."""
    life = world.tables.processes.see(b"", Actor(12, 11, 1000), Stamp(world.ms + 1, 90))
    before = known(world.tables)
    for ms in (1, 50):
        stamp = Stamp(world.ms + ms, 91)
        assert where(world.tables.attributor.of(life, stamp)) == "a"
        assert where(world.tables.attributor.attribute(Translation(None, targets=(12, 11)), life, b"", stamp))
    assert known(world.tables) == before
    assert life.membership.residences == []
    world.tables.recorder.record(Translation(Actor(12, 11)), life, b"", Stamp(world.ms + 50, 92))
    assert [residence.evidence for residence in life.membership.residences] == [Evidence.LINEAGE]


def test_a_question_about_a_born_init_makes_no_container() -> None:
    """What an engine announced is named, though the registry gets it only by the init's own event."""
    world = World()
    world.engine(10, 1, "a")
    world.fork(10, 1, 11, Ns.MNT | Ns.PID)
    life = world.tables.processes.see(b"", Actor(11, 10, 1000), Stamp(world.ms + 1, 90))
    before = known(world.tables)
    assert where(world.tables.attributor.of(life, Stamp(world.ms + 1, 90))) == "a"
    assert known(world.tables) == before
    assert world.tables.registry.known(b"", "a") is None
    assert where(world.event(11, 10)) == "a"
    assert world.tables.registry.known(b"", "a") is not None


def test_a_stated_chain_is_answered_before_it_is_recorded(world: World) -> None:
    """The trail's word is an answer by itself; that the process is there from now on is the event's to teach."""
    life = world.tables.processes.see(b"", Actor(50, 1), Stamp(world.ms, 90))
    reading = Translation(Actor(50, 1), stated=(Stated(-1, ((ContId(3), ContId(2)),)),))
    before = known(world.tables)
    assert where(world.tables.attributor.attribute(reading, life, b"", Stamp(world.ms, 90))) == "3^2"
    assert known(world.tables) == before
    assert where(world.event(50, 1, reading=reading)) == "3^2"
    assert where(world.event(50, 1)) == "3^2"


def test_what_was_seen_outside_is_recalled_without_being_entered(world: World) -> None:
    """A question may name a container that only the host view saw; nothing of it is kept."""
    observations = world.tables.observations = Observations(world.tables.registry)
    life = world.tables.processes.see(b"", Actor(60, 1), Stamp(world.ms, 90))
    inside = Container(None, "b", engine="podman")
    observations.observed(b"", HostProcess(60, 1, world.ms - 5, 7, world.ms, inside, Evidence.CGROUP))
    before = known(world.tables)
    assert where(world.tables.attributor.of(life, Stamp(world.ms, 90))) == "b"
    assert known(world.tables) == before
    assert where(world.event(60, 1)) == "b"
    assert world.tables.registry.known(b"", "b") is not None


def test_an_answer_is_worked_out_again_when_what_it_rests_on_changes(world: World) -> None:
    """The cache holds an answer for as long as nothing that it rests on changed."""
    answer = world.event(12, 11)
    assert world.event(12, 11) is answer
    world.tables.registry.nodes[b""].by_id["a"][0].version += 1
    assert world.event(12, 11) is not answer
    world.event(12, 11, Moved(12, Ns.NET, joined=False))
    assert where(world.event(12, 11)) == "a"


@pytest.mark.system
@pytest.mark.parametrize("case", ["constructed-runc", "contid-g11-v11"])
def test_a_report_about_a_process_changes_nothing(case: str) -> None:
    """Who was a process is read from what the log has left; asked again it is the same."""
    (path,) = (SAMPLES / case).glob("input*")
    log = annotator.open(str(path))
    tables = log._tables
    lives = [life for node in tables.processes.nodes.values() for life in node.now.values()]
    assert lives
    before = known(tables)
    for _ in range(2):
        answers = [log.process(life.pid, at=life.seen.ms, node=life.node.decode()) for life in lives[:200]]
        assert all(answers)
        assert known(tables) == before
