"""Answers: what is stated, targets, packets, and that a remembered answer is never an old one."""

from __future__ import annotations

import dataclasses

from annotator.core.attribution import NOTHING
from annotator.core.contracts import HostProcess
from annotator.core.model import (
    NO_PID,
    Actor,
    Container,
    ContId,
    Evidence,
    Flag,
    Gap,
    Moved,
    Named,
    Ns,
    Reason,
    Stamp,
    Stated,
    Status,
    Translation,
)
from annotator.history import Observations
from annotator.linux.engines.programs import KINDS
from tests.world import START, World, where


def stated(pid: int, ppid: int, *contids: int) -> Translation:
    """An event whose CONTAINER_ID says so of its actor."""
    return Translation(Actor(pid, ppid), stated=(Stated(NO_PID, (tuple(map(ContId, contids)),)),))


def test_an_event_of_nobody_is_about_nothing() -> None:
    """No process, no packet: status none."""
    world = World()
    answer = world.tables.attributor.attribute(Translation(None), None, b"", Stamp(START, 1))
    assert answer is NOTHING
    assert (answer.status, answer.reason) == (Status.NONE, Reason.NO_SUBJECT)


def test_what_is_stated_comes_first_and_is_inherited() -> None:
    """A CONTAINER_ID is the strongest word; its process is there from then on, and so is what it bears."""
    world = World()
    answer = world.event(20, 10, reading=stated(20, 10, 3, 2))
    assert (where(answer), answer.evidence) == ("3^2", (Evidence.RECORD,))
    assert where(world.event(20, 10)) == "3^2"
    world.fork(20, 10, 21)
    assert where(world.event(21, 20)) == "3^2"


def test_a_stated_number_has_the_names_that_the_machine_shows() -> None:
    """`/proc/PID/audit_containerid` says the number, the same process's cgroup whose that is; whichever comes first."""
    for early in (True, False):
        world = World()
        attributor = world.tables.attributor
        attributor.observations = observations = Observations(world.tables.registry, programs=KINDS)
        shown = Container(ContId(3), "c" * 64, name="web", engine="podman")
        seen = HostProcess(
            pid=77, ppid=1, start_ms=START - 9, ticks=1, read_ms=START - 5, container=shown,
            evidence=Evidence.CONTID_FILE,
        )  # fmt: skip
        if early:
            observations.observed(b"", seen)
        answer = world.event(20, 10, reading=stated(20, 10, 3, 2))
        if not early:
            assert answer.container is not None
            assert answer.container.name == ""
            observations.observed(b"", seen)
        else:
            observations.observed(b"", dataclasses.replace(seen, pid=78))  # it was alone when it was seen first
        answer = world.event(20, 10, reading=stated(20, 10, 3, 2))
        assert answer.container is not None
        assert [one.contid for one in answer.chains[0]] == [3, 2]
        assert (answer.container.name, answer.container.id) == ("web", "c" * 64)


def test_the_same_numbers_are_the_same_container() -> None:
    """Of a process that is known to be in 3 inside 2, the record says nothing new."""
    world = World()
    one = world.event(20, 10, reading=stated(20, 10, 3, 2)).chains[0]
    world.tables.registry.ended(world.tables.registry.nodes[b""].by_contid[ContId(3)], Stamp(world.ms, 1))
    assert world.event(20, 10, reading=stated(20, 10, 3, 2)).chains[0] == one


def test_stated_unset_is_host() -> None:
    """A record that says unset is evidence of no container."""
    reading = Translation(Actor(20, 10), stated=(Stated(NO_PID, ()),))
    answer = World().event(20, 10, reading=reading)
    assert (answer.status, answer.evidence) == (Status.HOST, (Evidence.RECORD,))


def test_a_packet_of_a_shared_namespace_has_every_chain() -> None:
    """Several containers in one network namespace are all named, and nobody's process is moved."""
    world = World()
    chains = ((ContId(3), ContId(2)), (ContId(4),))
    answer = world.tables.attributor.attribute(
        Translation(None, stated=(Stated(NO_PID, chains),), packet=("10.0.0.1", "10.0.0.2")), None, b"", Stamp(START, 1)
    )
    assert where(answer) == "3^2,4"
    assert answer.container is None


def test_a_packet_alone_is_unknown() -> None:
    """Addresses are what the sender wrote."""
    answer = World().tables.attributor.attribute(
        Translation(None, packet=("10.0.0.1", "10.0.0.2")), None, b"", Stamp(START, 1)
    )
    assert answer.status is Status.UNKNOWN


def test_targets_have_their_own_answers() -> None:
    """One in another container is crossed; one never seen is unknown and crosses nothing; one stated is there."""
    world = World()
    world.container(10, "a")
    world.container(20, "b")
    answer = world.event(11, 10, reading=Translation(Actor(11, 10), targets=(21, 999)))
    assert where(answer) == "a"
    assert [one.status for one in answer.targets] == [Status.CONTAINER, Status.UNKNOWN]
    assert answer.targets[1].reason is Reason.NOT_SEEN
    assert answer.flags == (Flag.CROSSED,)
    same = world.event(11, 10, reading=Translation(Actor(11, 10), targets=(11,)))
    assert same.flags == ()
    said = Translation(Actor(11, 10), targets=(999,), stated=(Stated(999, ((ContId(7),),)),))
    assert world.event(11, 10, reading=said).targets[0].chains[0][0].contid == 7


def test_a_remembered_answer_follows_names_and_sharing() -> None:
    """A name that is learnt late, and a number that somebody else takes too, show in the next answer."""
    world = World()
    world.container(10, "ab" * 8 + "0" * 48)
    assert world.event(11, 10).flags == ()
    world.tables.registry.named(b"", Named("ab" * 8 + "0" * 48, "web"), Stamp(world.ms, 1))
    assert world.event(11, 10).flags == (Flag.LATE_NAME,)
    world.container(20, "ab" * 8 + "1" * 48)
    assert set(world.event(11, 10).flags) == {Flag.SHARED, Flag.LATE_NAME}


def test_a_remembered_host_does_not_survive_a_gap() -> None:
    """What was proven before the loss is not proven after it."""
    world = World()
    world.event(5000, 1, Moved(5000, Ns.NET, joined=False))
    world.fork(1, 0, 10)
    assert world.event(10, 1).status is Status.HOST
    world.event(1, 0, Gap(1))
    assert world.event(10, 1).reason is Reason.GAP


def test_an_earlier_event_has_the_earlier_answer() -> None:
    """Asked for a time before it was inside, a process was not."""
    world = World()
    world.container(10, "a")
    assert where(world.event(11, 10)) == "a"
    assert where(world.event(11, 10, ms=START + 205)) == "unknown"
