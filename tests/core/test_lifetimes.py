"""Lives: which process a record is of, when it was born and of whom, and what is forgotten."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.core.contracts import SLACK_MS
from annotator.core.lifetimes import KEPT_MS, ProcessLifetime, ProcessTable
from annotator.core.model import NO_PID, UNSET_ID, Actor, LoggedIn, Ns, Stamp
from tests.world import World, where

NODE = b""
START = 1_700_000_000_000


class Trail:
    """Processes, told of by milliseconds after a start; serials count up."""

    def __init__(self, **bounds: int) -> None:
        self.processes = ProcessTable(**bounds)
        self.serial = 0

    def stamp(self, ms: int) -> Stamp:
        """The next serial at that time."""
        self.serial += 1
        return Stamp(START + ms, self.serial)

    def see(self, pid: int, ppid: int, ms: int, ses: int = 1, auid: int = 1000) -> ProcessLifetime:
        """A record of a process."""
        return self.processes.see(NODE, Actor(pid, ppid, auid, 0, ses), self.stamp(ms))

    def fork(
        self, parent: ProcessLifetime, child: int, ms: int, *, sibling: bool = False, ns: Ns = Ns.NONE
    ) -> ProcessLifetime | None:
        """A fork record."""
        return self.processes.forked(NODE, parent, child, self.stamp(ms), ns, sibling=sibling)

    def exit(self, life: ProcessLifetime, ms: int) -> None:
        """An exit record."""
        self.processes.exited(NODE, life, self.stamp(ms))


def test_a_fork_binds_when_the_child_shows_its_parent() -> None:
    """The number in a fork record is a hint; the child's own ppid makes it a birth, at the fork's stamp."""
    trail = Trail()
    parent = trail.see(10, 1, 0)
    assert trail.fork(parent, 20, 100) is None
    child = trail.see(20, 10, 300)
    assert (child.bound, child.parent, child.born.ms) == (True, parent, START + 100)


def test_a_number_of_another_pid_namespace_binds_nobody() -> None:
    """`exit=` of clone inside a container names a pid that the host has too, of somebody else."""
    trail = Trail()
    inside = trail.see(500, 499, 0)
    other = trail.see(20, 1, 0)
    trail.fork(inside, 20, 100)
    assert trail.see(20, 1, 200) is other
    assert not other.bound
    assert trail.see(20, 7, 300, ses=2).parent is None


def test_with_clone_parent_the_childs_parent_is_the_callers() -> None:
    """Runc's init is a child of runc's caller, made by a child of runc."""
    trail = Trail()
    runc = trail.see(10, 1, 0)
    trail.fork(runc, 11, 10)
    stage = trail.see(11, 10, 20)
    trail.fork(stage, 12, 30, sibling=True)
    init = trail.see(12, 10, 40)
    assert (init.bound, init.parent, init.sibling) == (True, stage, True)


def test_an_orphan_still_binds() -> None:
    """Its parent ended before it was heard of: the reaper is init, or one of the parent's own ancestors."""
    for reaper in (1, 5):
        trail = Trail()
        shim = trail.see(5, 1, 0)
        trail.fork(shim, 10, 10)
        parent = trail.see(10, 5, 20)
        trail.fork(parent, 20, 30)
        trail.exit(parent, 40)
        orphan = trail.see(20, reaper, 200)
        assert orphan.parent is parent


def test_an_orphan_of_one_whose_numbers_are_not_known_binds_not() -> None:
    """Where the parent's pid namespace is not proven the first, its fork's number may be anybody's."""
    trail = Trail()
    parent = trail.see(10, 5, 20)
    trail.fork(parent, 20, 30)
    trail.exit(parent, 40)
    assert not trail.see(20, 1, 200).bound


def busy(trail: Trail, shell: ProcessLifetime) -> None:
    """A shell in a pid namespace of its own with many children, one of which has the number of a fork of another."""
    for number in range(20):
        trail.fork(shell, 40 + number, 100 + 10 * number)  # as the container counts
        trail.see(46 if number == 10 else 500 + number, shell.pid, 105 + 10 * number)  # as the host does


@pytest.mark.parametrize("reaper", [1, 5])
def test_a_number_that_fits_once_does_not_prove_a_pid_namespace(reaper: int) -> None:
    """In a busy container the number of one child is that of another on the host; so no host process is its orphan."""
    trail = Trail()
    shell = trail.see(10, 5, 0)
    trail.see(5, 1, 1)
    shell.parent = trail.see(5, 1, 2)
    busy(trail, shell)
    assert shell.matched
    assert shell.init_ns
    trail.fork(shell, 900, 400)
    trail.exit(shell, 500)
    assert not trail.see(900, reaper, 600).bound
    assert not shell.tells_pids


def test_who_lives_on_as_it_was_is_nobodys_orphan() -> None:
    """A living process is not born again by a fork record with a number of another pid namespace."""
    trail = Trail()
    caller = trail.see(5, 1, 0)
    trail.fork(caller, 20, 5)
    command = trail.see(20, 5, 10)
    trail.fork(caller, 10, 20, ns=Ns.PID)
    shell = trail.see(10, 5, 30)
    trail.fork(shell, 20, 40)
    trail.exit(shell, 50)
    assert trail.see(20, 5, 100) is command
    assert command.parent is caller


def test_late_fork_records_are_no_strangers() -> None:
    """On the host too a child may be heard of before its fork record: that it fits then is what counts."""
    trail = Trail()
    parent = trail.see(10, 1, 0)
    trail.fork(parent, 11, 5)
    trail.see(11, 10, 6)
    for number in range(20, 30):
        trail.see(number, 10, 10 * number)
        assert trail.fork(parent, number, 10 * number) is not None
    assert parent.tells_pids
    trail.fork(parent, 99, 500)
    trail.exit(parent, 510)
    assert trail.see(99, 1, 600).parent is parent


def test_a_process_goes_on_under_another_parent_when_its_own_has_ended() -> None:
    """Reparenting changes ppid and nothing else."""
    trail = Trail()
    parent = trail.see(10, 5, 0)
    trail.fork(parent, 20, 10)
    child = trail.see(20, 10, 20)
    trail.exit(parent, 100)
    assert trail.see(20, 1, 200) is child


def test_whom_the_hosts_init_adopted_keeps_it() -> None:
    """It does not end: another parent later is another process's."""
    trail = Trail()
    parent = trail.see(10, 5, 0)
    trail.fork(parent, 20, 10)
    child = trail.see(20, 10, 20)
    trail.exit(parent, 100)
    assert trail.see(20, 1, 200) is child
    assert trail.see(20, 10, 210) is child  # a record from before, decided late
    assert trail.see(20, 5, 300) is not child


def test_while_its_parent_lives_another_ppid_is_another_process() -> None:
    """Also when it is init's: a lost exit, and the pid was used again."""
    trail = Trail()
    parent = trail.see(10, 5, 0)
    trail.fork(parent, 20, 10)
    child = trail.see(20, 10, 20)
    fresh = trail.see(20, 1, 200)
    assert fresh is not child
    assert child.end == child.seen


def test_a_used_again_pid_is_another_life_in_every_order() -> None:
    """Exit and fork seen; the exit lost; the fork late; both lost but for the session."""
    trail = Trail()
    parent = trail.see(10, 1, 0)
    trail.fork(parent, 20, 10)
    first = trail.see(20, 10, 20)
    trail.exit(first, 100)
    trail.fork(parent, 20, 200)
    second = trail.see(20, 10, 210)
    trail.fork(parent, 20, 300)  # no exit of the second
    third = trail.see(20, 10, 310)
    trail.exit(third, 400)
    fourth = trail.see(20, 10, 500)  # its fork comes late
    assert trail.fork(parent, 20, 495) is fourth
    fifth = trail.see(20, 10, 900, ses=2)  # neither
    lives = [first, second, third, fourth, fifth]
    assert len({id(life) for life in lives}) == 5
    assert [life.bound for life in lives] == [True, True, True, True, False]


def test_a_late_fork_sets_the_parent_and_revives_nobody() -> None:
    """The fork record comes after the child's first record, or after its exit."""
    trail = Trail()
    parent = trail.see(10, 1, 0)
    child = trail.see(20, 10, 110)
    trail.exit(child, 120)
    assert trail.fork(parent, 20, 100) is child
    assert (child.parent, child.end is not None) == (parent, True)
    assert trail.see(20, 10, 400) is not child


def test_a_fork_long_after_a_life_began_is_not_its_birth() -> None:
    """It is of the next one with this pid."""
    trail = Trail()
    parent = trail.see(10, 1, 0)
    old = trail.see(20, 10, 0)
    assert trail.fork(parent, 20, SLACK_MS + 1) is None
    assert not old.bound
    assert trail.see(20, 10, 100).bound


def test_a_record_from_before_goes_to_the_life_of_before() -> None:
    """Stamps go back by seconds: a blocking call that began in an earlier life of the pid is that one's."""
    trail = Trail()
    first = trail.see(20, 10, 0)
    trail.exit(first, 100)
    second = trail.see(20, 11, 5000, ses=2)
    assert trail.see(20, 10, 50) is first
    assert trail.see(20, 11, 5100, ses=2) is second
    assert trail.processes.at(NODE, 20, Stamp(START + 50, 1)) is first
    assert trail.processes.at(NODE, 20, Stamp(START + 2500, 1)) is None


def test_after_a_gap_a_life_must_show_its_parent_and_session_again() -> None:
    """All of ppid, ses and auid, else it is another process."""
    for ppid, ses, auid, same in ((10, 1, 1000, True), (1, 1, 1000, False), (10, 2, 1000, False), (10, 1, 5, False)):
        trail = Trail()
        life = trail.see(20, 10, 0)
        trail.processes.gap(NODE)
        assert (trail.see(20, ppid, 100, ses, auid) is life) == same


def test_a_login_changes_the_session_and_not_the_process() -> None:
    """With its auid, as pam_loginuid does: that leaves a LOGIN record. Without one it is not proven to be the same."""
    trail = Trail()
    life = trail.see(20, 10, 0, 7, UNSET_ID)
    login = LoggedIn(20, UNSET_ID, 7, 1000, 5)
    assert trail.processes.see(NODE, Actor(20, 10, 1000, 0, 5), trail.stamp(100), (login,)) is life
    other = trail.see(20, 10, 200, 6, 1001)
    assert other is not life
    assert other.in_doubt


def test_a_boot_ends_every_life() -> None:
    """The same pid and parent after a boot are another process."""
    trail = Trail()
    life = trail.see(20, 10, 0)
    trail.processes.booted(NODE, "b2")
    again = trail.see(20, 10, 100)
    assert again is not life
    assert again.key.boot == "b2"


def test_a_process_known_to_be_new_begins() -> None:
    """Whatever had the pid is over."""
    trail = Trail()
    life = trail.see(20, 10, 0)
    fresh = trail.processes.begin(NODE, 20, trail.stamp(10))
    assert trail.see(20, 12, 20) is fresh
    assert life.end is not None


def test_what_is_kept_is_bounded() -> None:
    """The longest unseen lives go first and are counted; ended ones are forgotten after a while."""
    trail = Trail(max_lives=100)
    for pid in range(1000, 9300):
        life = trail.see(pid, 1, pid)
        trail.fork(life, pid + 20_000, pid)
    node = trail.processes.node(NODE)
    assert len(node.now) <= 100 + 4096
    assert trail.processes.evicted > 0
    life = trail.see(1, 0, 10_000)
    trail.exit(life, 10_000)
    for pid in range(20_000, 24_200):
        trail.see(pid, 1, 11_000 + KEPT_MS)
    assert 1 not in node.now


def test_hints_of_one_pid_are_bounded() -> None:
    """A process that forks the same local number for ever."""
    trail = Trail()
    parent = trail.see(10, 1, 0)
    for ms in range(100):
        trail.fork(parent, 2, ms)
    assert len(trail.processes.node(NODE).hints[2]) <= 16


@given(
    st.lists(
        st.tuples(
            st.sampled_from("sfx"), st.integers(1, 6), st.integers(0, 6), st.integers(-100, 100), st.integers(0, 2)
        ),
        max_size=80,
    )
)
def test_any_order_of_records_gives_lives_that_make_sense(records: list[tuple[str, int, int, int, int]]) -> None:
    """A life is not its own ancestor, does not end before it begins, and bound ones have their parent."""
    trail = Trail()
    ms = 0
    lives: list[ProcessLifetime] = []
    for kind, pid, other, step, ses in records:
        ms = max(0, ms + step)
        life = trail.see(pid, other, ms, ses)
        assert life.pid == pid
        lives.append(life)
        if kind == "f":
            trail.fork(life, other, ms)
        elif kind == "x":
            trail.exit(life, ms)
    for life in lives:
        assert life not in life.ancestors()
        assert not life.bound or life.parent is not None
        assert life.end is None or life.end.ms + SLACK_MS >= life.born.ms


@pytest.mark.parametrize("pid", [NO_PID, 0, 2**31])
def test_a_pid_that_was_never_seen_is_nobody(pid: int) -> None:
    """Nothing is made up by asking."""
    assert Trail().processes.at(NODE, pid, Stamp(START, 1)) is None


def test_local_numbers_that_happen_to_be_somebody_s_do_not_take_him_over() -> None:
    """A shell in a container counts its children from 1; after the host's numbers came around some are the same.

    One is its own child by chance. It ends; and the first process of another container, whose parent is init, has the
    number of another of its children: that is still the process it was.
    """
    world = World()
    world.container(10, "a")
    world.container(20, "b", ppid=1)
    world.event(21, 20)
    world.exit(20, 1)
    assert where(world.event(21, 1)) == "b"
    for number in range(30):
        world.fork(11, 10, 100 + number)
        assert where(world.event(5000 + number, 11)) == "a"
        assert where(world.event(21, 1)) == "b"
    world.fork(11, 10, 6000)
    world.event(6000, 11)
    world.fork(11, 10, 21)
    world.exit(11, 10)
    assert where(world.event(21, 1)) == "b"


def test_an_orphan_s_hint_does_not_end_who_lives() -> None:
    """Numbers of another pid namespace are nobody's on the host."""
    world = World()
    world.container(10, "a")
    world.container(30, "b", ppid=1)
    world.exit(30, 1)
    assert where(world.event(31, 1)) == "b"
    inside = world.tables.processes.node(b"").now[11]
    inside.level, inside.init_ns = -1, False
    world.fork(11, 10, 40)
    assert where(world.event(40, 11)) == "a"
    inside.level, inside.init_ns = 1, False
    world.fork(11, 10, 31)
    world.exit(11, 10)
    assert where(world.event(31, 1)) == "b"
