"""Rules of what supports an answer: marks are learnt of what is proven, confirm, take back what is weak, never name."""

from __future__ import annotations

import pytest

from annotator.core.corroboration import LIMIT, SHARERS, Corroboration
from annotator.core.model import (
    Booted,
    Evidence,
    Executed,
    Exited,
    Mark,
    Moved,
    Ns,
    Reason,
    Role,
    Stamp,
    Status,
    Translation,
)
from tests.world import World, where

ROOT_A, ROOT_B = Mark(Evidence.OVERLAY, b"00:28"), Mark(Evidence.OVERLAY, b"00:35")
PAIR_A, PAIR_B = Mark(Evidence.SELINUX, b"s0:c1,c2"), Mark(Evidence.SELINUX, b"s0:c3,c4")
PROFILE = Mark(Evidence.APPARMOR, b"docker-default")


def runs(pid: int, *marks: Mark) -> Executed:
    """It begins a program that shows these."""
    return Executed(pid, b"/bin/sh", marks=marks)


@pytest.fixture
def world() -> World:
    """Containers a (init 11) and b (init 21), of which each has shown its marks."""
    made = World()
    made.container(10, "a")
    made.container(20, "b")
    made.event(11, 10, runs(11, ROOT_A, PAIR_A))
    made.event(21, 20, runs(21, ROOT_B, PAIR_B))
    return made


def test_what_shows_the_marks_of_its_container_is_supported(world: World) -> None:
    """By each kind that agrees; the first evidence stays what the answer rests on."""
    answer = world.event(12, 11, runs(12, ROOT_A, PAIR_A, PROFILE))
    assert where(answer) == "a"
    assert answer.evidence == (Evidence.PPID, Evidence.OVERLAY, Evidence.SELINUX, Evidence.APPARMOR)
    assert world.event(12, 11).evidence == answer.evidence, "until the next program"
    assert world.event(12, 11, runs(12)).evidence == (Evidence.PPID,)


def test_a_parent_s_word_against_another_container_s_mark_is_no_answer(world: World) -> None:
    """Two candidates are never a pick: for the program that began, what it does, and what it bears."""
    for pid, mark in ((12, ROOT_B), (13, PAIR_B)):
        assert where(world.event(pid, 11)) == "a"
        answer = world.event(pid, 11, runs(pid, mark))
        assert (answer.status, answer.reason) == (Status.UNKNOWN, Reason.AMBIGUOUS)
        assert world.event(pid, 11).reason is Reason.AMBIGUOUS
        assert world.event(pid + 10, pid).status is Status.UNKNOWN


def test_what_is_proven_is_not_taken_back(world: World) -> None:
    """Who was born in a, and runs a program of b's root: b's mark is shared from then on."""
    world.fork(11, 10, 12)
    assert where(world.event(12, 11, runs(12, ROOT_B))) == "a"
    assert world.event(22, 21, runs(22, ROOT_B)).evidence == (Evidence.PPID, Evidence.OVERLAY)
    assert where(world.event(13, 11, runs(13, ROOT_B))) == "a"


@pytest.mark.parametrize("marks", [(ROOT_A,), (PAIR_A,), (ROOT_A, PAIR_A, PROFILE)])
def test_marks_never_name(world: World, marks: tuple[Mark, ...]) -> None:
    """A chroot into /proc/11/root shows a's device, another user's engine may draw a's pair, all share a profile."""
    answer = world.event(99, 98, runs(99, *marks))
    assert (answer.status, answer.reason) == (Status.UNKNOWN, Reason.NOT_SEEN)
    assert world.event(99, 98).status is Status.UNKNOWN


def test_a_mark_that_is_seen_elsewhere_tells_nothing(world: World) -> None:
    """As the host's own root on btrfs, or a volume that the host uses."""
    world.event(99, 98, runs(99, ROOT_A))
    world.event(99, 98, runs(99, ROOT_B))
    assert world.event(12, 11, runs(12, ROOT_A)).evidence == (Evidence.PPID,)
    assert where(world.event(12, 11, runs(12, ROOT_B))) == "a"


def test_what_rests_on_the_parent_alone_teaches_nothing(world: World) -> None:
    """Else one mistake would support the next."""
    new = Mark(Evidence.OVERLAY, b"00:44")
    assert world.event(12, 11, runs(12, new)).evidence == (Evidence.PPID,)
    assert world.event(13, 11, runs(13, new)).evidence == (Evidence.PPID,)


def test_a_container_that_has_ended_has_no_marks(world: World) -> None:
    """Its device is another's the moment it is unmounted."""
    world.event(21, 20, Exited(21))
    assert where(world.event(12, 11, runs(12, ROOT_B))) == "a"
    world.event(11, 10, runs(11, ROOT_B))
    assert world.event(13, 11, runs(13, ROOT_B)).evidence == (Evidence.PPID, Evidence.OVERLAY)


def test_two_runs_of_one_id_have_the_same_marks(world: World) -> None:
    """A lost record can make one container two, of which the first is taken to have ended."""
    first = world.event(11, 10).chains[0][0]
    world.tables.registry.ended(first, Stamp(world.ms, world.serial))
    world.engine(50, 1, "a", Role.ENTER)
    world.event(50, 1, Moved(50, Ns.MNT, joined=True), exe=b"/usr/bin/runc")
    assert world.event(50, 1, runs(50, ROOT_A)).chains[0][0] is not first
    answer = world.event(12, 11, runs(12, ROOT_A))
    assert (answer.chains[0][0], answer.evidence) == (first, (Evidence.PPID, Evidence.OVERLAY))


def test_what_is_nested_may_run_the_programs_around_it(world: World) -> None:
    """Docker in docker: the outer root is no other container's."""
    world.fork(11, 10, 30)
    world.container(30, "n", ppid=11)
    assert where(world.event(31, 30)) == "n^a"
    world.event(31, 30, runs(31, Mark(Evidence.OVERLAY, b"00:50")))
    assert where(world.event(33, 31, runs(33, ROOT_A))) == "n^a"
    assert where(world.event(14, 11, runs(14, Mark(Evidence.OVERLAY, b"00:50")))) == "a"


def test_nodes_and_boots_are_apart(world: World) -> None:
    """A device number means nothing on another machine, nor after a boot."""
    world.event(5, 1, Booted(), reading=Translation(None), node=b"")
    assert world.tables.membership.support.known == {}
    support = Corroboration()
    support.weigh(b"one", (ROOT_A,), world.event(11, 10))
    assert {node for node, _ in support.known} == {b"one"}


def test_a_gap_keeps_what_was_learnt(world: World) -> None:
    """Marks are no lives."""
    world.tables.membership.gap(b"")
    assert Evidence.OVERLAY in world.event(11, 10, runs(11, ROOT_A)).evidence


def test_a_mark_of_many_tells_nothing() -> None:
    """A volume that all containers have, and the bound of what is kept."""
    world = World()
    shared = Mark(Evidence.OVERLAY, b"00:99")
    for number in range(SHARERS + 1):
        pid = 100 + 10 * number
        world.container(pid, f"c{number}")
        world.event(pid + 1, pid, runs(pid + 1, shared))
    assert world.event(102, 101, runs(102, shared)).evidence == (Evidence.PPID,)
    support = Corroboration()
    unknown = world.tables.attributor.attribute(
        Translation(None), None, b"", world.tables.processes.nodes[b""].now[101].born
    )
    for number in range(LIMIT + 5):
        support.weigh(b"", (Mark(Evidence.OVERLAY, b"%d" % number),), unknown)
    assert len(support.known) == LIMIT
