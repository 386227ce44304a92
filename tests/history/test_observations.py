"""Rules of what was seen from outside the log: each at its time, for its own process and program, and never more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.core.contracts import NO_ENGINE, HostNetwork, HostProcess
from annotator.core.lifetimes import ProcessLifetime, ProcessTable
from annotator.core.model import Actor, Container, ContId, Evidence, Executed, Moved, NetnsId, Ns, Reason, Stamp
from annotator.core.registry import Registry, derive_contid
from annotator.history import Observations
from annotator.linux.engines.programs import KINDS
from tests.world import START, World
from tests.world import where as where_of

INSIDE = Container(ContId(7), "c" * 64)
DEEPER = Container(ContId(8), "d" * 64, parent=INSIDE)


def seen(pid: int, ms: int, container: Container | None = None, **more: object) -> HostProcess:
    """One look, at a process that was born 5 ms before unless it is said otherwise."""
    evidence = Evidence.CGROUP if container is not None else Evidence.HOST_VIEW
    values: dict[str, object] = {"ppid": 1, "start_ms": ms - 5, "ticks": 0, "exe": b"/bin/sh", "own": Ns.NONE}
    values |= {"evidence": evidence, **more}
    return HostProcess(pid=pid, read_ms=ms, container=container, **values)  # type: ignore[arg-type]


def life(pid: int, ms: int, ppid: int = 1, exe: bytes = b"") -> ProcessLifetime:
    """As the log shows it."""
    return ProcessTable().see(b"", Actor(pid, ppid, exe=exe), Stamp(ms, 1))


def where(observations: Observations, of: ProcessLifetime, ms: int) -> str:
    """`host`, the id of the container, or why not."""
    found = observations.look(of, Stamp(ms, 9))
    of.programs = max(of.programs, found.programs if of.ran is None else 0)  # as the recorder notes it
    if found.residence is None:
        return str(found.reason)
    return found.residence.container.id[:1] if found.residence.container is not None else "host"


def test_nothing_was_seen() -> None:
    """Then nothing is said."""
    assert where(Observations(Registry(), programs=KINDS), life(9, 100), 100) == Reason.NOT_SEEN


def test_a_number_of_the_kernel_s_is_kept() -> None:
    """`/proc/PID/audit_containerid`, or a tag, gives a number of its own: it is not the one derived from an id."""
    registry = Registry()
    observations = Observations(registry, programs=KINDS)
    bare = Container(ContId(123))
    found = observations.identities.of(b"", bare)
    assert (found.contid, found.id) == (123, "")
    named = observations.identities.of(b"", Container(ContId(123), "c" * 64, name="web", engine="podman"))
    assert named is found, "the cgroup tells later which container that is"
    assert (found.id, found.name, found.engine) == ("c" * 64, "web", "podman")
    assert observations.identities.of(b"", Container(ContId(123), "d" * 64)) is not found, "the number was given again"
    assert observations.identities.of(b"", Container(ContId(123), "c" * 64)) is found
    stock = Container(derive_contid("e" * 64), "e" * 64)
    assert observations.identities.of(b"", stock) is registry.engine(b"", "e" * 64, "")
    stated = registry.registered(b"", ContId(9), (ContId(123),), Stamp(100, 1))
    assert observations.identities.of(b"", Container(ContId(9))) is stated, "the file has no chain; the record had"


def test_a_child_is_where_its_parent_was() -> None:
    """Also when nobody looked at it, and for its own children; after its parent has ended too."""
    observations = Observations(Registry(), programs=KINDS)
    observations.observed(b"", seen(5, 100, INSIDE))
    observations.forked(b"", 5, 6, 200)
    observations.forked(b"", 6, 7, 210)
    observations.exited(b"", 6, 220)
    assert where(observations, life(7, 215, 6), 215) == "c"
    assert where(observations, life(6, 205, 5), 205) == "c"


def test_a_pid_that_is_used_again_is_another_process() -> None:
    """The event's parent tells which; one that is neither's is not guessed."""
    observations = Observations(Registry(), programs=KINDS)
    for parent, container in ((5, INSIDE), (6, None)):
        observations.observed(b"", seen(parent, 100, container))
    observations.forked(b"", 5, 9, 200)
    observations.exited(b"", 9, 201)
    observations.forked(b"", 6, 9, 202)
    observations.exited(b"", 9, 203)
    assert where(observations, life(9, 200, 5), 200) == "c"
    assert where(observations, life(9, 200, 6), 200) == "host"
    assert where(observations, life(9, 200, 77), 200) not in ("c", "d", "host")


def test_an_engine_s_child_is_host_only_when_somebody_looked() -> None:
    """Who started it may have put it elsewhere: a program that nobody saw running is not claimed to be host."""
    observations = Observations(Registry(), programs=KINDS)
    observations.observed(b"", seen(5, 100, exe=b"/usr/sbin/runc"))
    observations.forked(b"", 5, 6, 200)
    assert where(observations, life(6, 201, 5), 201) == Reason.LATE
    observations.observed(b"", seen(6, 202, start_ms=200, ppid=5, exe=b"/usr/sbin/runc"))
    assert where(observations, life(6, 203, 5), 203) == "host"
    observations.executed(b"", 6, 210)
    observations.observed(b"", seen(6, 212, start_ms=200, ppid=5, reason=Reason.ZOMBIE))
    assert where(observations, life(6, 240, 5), 240) == Reason.ZOMBIE
    observations.observed(b"", seen(5, 300, exe=b"/bin/sh"))
    observations.forked(b"", 5, 7, 310)
    observations.executed(b"", 7, 311)
    assert where(observations, life(7, 340, 5), 340) == "host"


def test_a_machine_s_first_process_is_not_host_because_its_maker_was() -> None:
    """What systemd-nspawn bears is in new namespaces from its birth, which the proc connector does not tell."""
    observations = Observations(Registry(), programs=KINDS)
    observations.observed(b"", seen(5, 100, exe=b"/usr/bin/systemd-nspawn"))
    observations.forked(b"", 5, 6, 200)
    observations.forked(b"", 6, 7, 210)
    assert where(observations, life(7, 210, 6), 210) == Reason.LATE
    observations.executed(b"", 7, 211)
    observations.executed(b"", 7, 212)
    one = life(7, 205, 6, b"/bin/sh")  # its first program, whose execve no rule showed
    assert where(observations, one, 205) not in ("c", "d", "host")
    observations.observed(b"", seen(7, 214, INSIDE, start_ms=210, ppid=6))
    assert where(observations, one, 205) not in ("c", "d", "host")  # of its second, and the first may have moved
    one.ran, one.programs = Stamp(207, 3), one.programs + 1
    assert where(observations, one, 208) == "c"


def test_a_birth_into_new_namespaces_is_not_where_the_parent_was() -> None:
    """The log's own clone says so."""
    observations = Observations(Registry(), programs=KINDS)
    observations.observed(b"", seen(5, 100))
    observations.forked(b"", 5, 6, 200)
    one = life(6, 201, 5, b"/bin/sh")
    one.bound, one.ns = True, Ns.NONE
    assert where(observations, one, 201) == "host"
    one.ns = Ns.MNT
    assert where(observations, one, 201) == Reason.LATE


def test_what_a_program_that_nobody_saw_has_borne_is_not_host() -> None:
    """Unless the log names the program."""
    observations = Observations(Registry(), programs=KINDS)
    observations.observed(b"", seen(5, 100))
    observations.forked(b"", 5, 6, 200)
    observations.executed(b"", 6, 201)
    observations.forked(b"", 6, 7, 202)
    assert where(observations, life(7, 202, 6), 202) == Reason.LATE
    assert where(observations, life(7, 202, 6, b"/bin/sh"), 202) == "host"
    assert where(observations, life(7, 202, 6, b"/usr/bin/bwrap"), 202) == Reason.LATE


def test_who_moved_is_not_host_for_what_was_seen_before() -> None:
    """A setns or unshare makes looks before it worth nothing for host, and those within the clock's slack too."""
    observations = Observations(Registry(), programs=KINDS)
    observations.forked(b"", 1, 6, 100)
    observations.observed(b"", seen(6, 101, start_ms=100))
    one = life(6, 100)
    assert where(observations, one, 105) == "host"
    one.moved = Stamp(106, 2)
    assert where(observations, one, 110) in list(Reason)
    observations.observed(b"", seen(6, 200, INSIDE, start_ms=100))
    assert where(observations, one, 210) == "c"


def test_a_sighting_is_not_for_what_was_before_it() -> None:
    """Between two that differ nobody knows when it changed."""
    observations = Observations(Registry(), programs=KINDS)
    observations.forked(b"", 1, 6, 100)
    observations.observed(b"", seen(6, 101, start_ms=100))
    observations.observed(b"", seen(6, 300, INSIDE, start_ms=100))
    one = life(6, 100)
    assert (where(observations, one, 200), where(observations, one, 320)) == (Reason.LATE, "c")


def test_a_program_begins_where_it_is_seen() -> None:
    """The event of the execve itself is answered by the look at what it began."""
    observations = Observations(Registry(), programs=KINDS)
    observations.observed(b"", seen(5, 90, exe=b"/usr/sbin/runc"))
    observations.forked(b"", 5, 6, 100)
    observations.executed(b"", 6, 150)
    observations.observed(b"", seen(6, 152, INSIDE, start_ms=100, ppid=5))
    one = life(6, 148, 5)
    found = observations.look(one, Stamp(148, 3), begins=True)
    assert found.residence is not None
    assert found.residence.container is not None


def test_another_node_is_not_this_machine() -> None:
    """Records of other nodes are not answered by what was seen here."""
    observations = Observations(Registry(), names=frozenset((b"", b"here")))
    observations.observed(b"", seen(5, 100, INSIDE))
    for node, known in ((b"here", True), (b"there", False)):
        one = ProcessTable().see(node, Actor(5, 1), Stamp(101, 1))
        assert (observations.look(one, Stamp(101, 2)).residence is not None) is known


def test_containers_around_are_one_and_the_same() -> None:
    """What is nested in a container that is known already is nested in that very entry."""
    registry = Registry()
    observations = Observations(registry, programs=KINDS)
    observations.observed(b"", seen(5, 100, INSIDE))
    observations.observed(b"", seen(6, 100, DEEPER))
    outer = observations.look(life(5, 101), Stamp(101, 2)).residence
    inner = observations.look(life(6, 101), Stamp(101, 2)).residence
    assert outer is not None
    assert inner is not None
    assert inner.container is not None
    assert inner.container.parent is outer.container


def test_a_number_that_is_given_again_has_left_its_network() -> None:
    """Also where nobody told of the end of the process that had it."""
    observations = Observations(Registry(), programs=KINDS)
    pod = NetnsId(4, 7)
    observations.observed(b"", seen(5, 100, INSIDE, netns=pod, own=Ns.NET))
    for ms in (100, 900):
        observations.addresses.read(HostNetwork(pod, ("10.0.0.2",), ms))
    observations.forked(b"", 1, 5, 500)
    assert [bool(observations.owners(b"", "10.0.0.2", Stamp(ms, 1)) is not Reason.NOT_SEEN) for ms in (400, 600)] == [
        True,
        False,
    ]


def test_what_is_kept_is_bounded() -> None:
    """By pids, by lives of a pid, by looks; and who has ended goes first."""
    observations = Observations(Registry(), max_pids=100, programs=KINDS)
    observations.observed(b"", seen(1, 10))
    for at in range(3000):
        observations.forked(b"", 1, 2 + at, at)
        observations.exited(b"", 2 + at, at)
    assert len(observations.living(b"")) <= 100
    assert 1 in observations.living(b"")
    for at in range(500):
        observations.observed(b"", seen(1, 100 + at, INSIDE if at % 2 else None, start_ms=5))
    assert len(observations.newest(b"")) == 1
    observations.forget(10**6)
    assert observations.living(b"") == [1]


STEPS = st.lists(
    st.tuples(st.sampled_from("fexo"), st.integers(1, 6), st.integers(1, 6), st.integers(0, 3), st.booleans()),
    max_size=40,
)


@given(STEPS, st.integers(1, 6), st.integers(0, 150))
def test_any_order_of_anything_is_answered(steps: list[tuple[str, int, int, int, bool]], pid: int, ms: int) -> None:
    """Whatever was told, in whatever order: an answer or a reason, and what is inside stays inside."""
    observations = Observations(Registry(), programs=KINDS)
    now = 0
    for kind, one, other, later, inside in steps:
        now += later
        if kind == "f":
            observations.forked(b"", one, other, now)
        elif kind == "e":
            observations.executed(b"", one, now)
        elif kind == "x":
            observations.exited(b"", one, now)
        else:
            observations.observed(b"", seen(one, now, INSIDE if inside else None, ppid=other, start_ms=now))
    assert where(observations, life(pid, ms), ms) in ("c", "host", *map(str, Reason))


def test_a_sandbox_that_an_engine_made_is_its_container() -> None:
    """The host view finds namespaces whose engine it cannot ask; the log knows who made them, and for whom."""
    world = World()
    observations = world.tables.observations = Observations(
        world.tables.registry, processes=world.tables.processes, programs=KINDS
    )
    sandbox = Container(ContId(9), "mnt:9", engine=NO_ENGINE)
    world.container(10, "a")
    init = {"ppid": 10, "start_ms": START + 150, "evidence": Evidence.MNTNS, "own": Ns.MNT}
    observations.observed(b"", seen(11, world.ms + 10, sandbox, **init))
    assert where_of(world.event(11, 10, Executed(11, b"/bin/ls"))) == "a"
    observations.observed(b"", seen(55, world.ms + 10, sandbox, **{**init, "ppid": 54}))
    assert where_of(world.event(55, 54)) == "a", "whose birth is not in the log"


def test_who_was_looked_at_may_be_known_to_the_log() -> None:
    """Of a child that no record ties to it, and of whom only the host view saw the birth."""
    world = World()
    observations = world.tables.observations = Observations(
        world.tables.registry, processes=world.tables.processes, programs=KINDS
    )
    sandbox = Container(ContId(9), "mnt:9", engine=NO_ENGINE)
    world.container(10, "a")
    look = {"ppid": 10, "start_ms": START + 150, "evidence": Evidence.MNTNS, "own": Ns.MNT}
    observations.observed(b"", seen(11, world.ms + 10, sandbox, **look))
    observations.forked(b"", 11, 12, world.ms + 20)
    observations.forked(b"", 12, 13, world.ms + 30)
    assert where_of(world.event(13, 12)) == "a"


@pytest.mark.parametrize("moved", ["itself", "its parent", "at birth"])
def test_who_moved_on_from_its_container_unites_nothing(moved: str) -> None:
    """It may be in a sandbox of somebody else by now."""
    world = World()
    observations = world.tables.observations = Observations(
        world.tables.registry, processes=world.tables.processes, programs=KINDS
    )
    sandbox = Container(ContId(9), "mnt:9", engine=NO_ENGINE)
    world.container(10, "a")
    if moved == "its parent":
        world.event(11, 10, Moved(11, Ns.MNT, joined=True))
    world.fork(11, 10, 12, ns=Ns.MNT if moved == "at birth" else Ns.NONE)
    world.event(12, 11)
    if moved == "itself":
        world.event(12, 11, Moved(12, Ns.MNT, joined=True))
    look = {"ppid": 11, "start_ms": START + 450, "evidence": Evidence.MNTNS, "own": Ns.MNT}
    observations.observed(b"", seen(12, world.ms + 10, sandbox, **look))
    world.event(12, 11, Executed(12, b"/bin/ls"))
    observations.observed(b"", seen(55, world.ms + 10, sandbox, **{**look, "ppid": 54}))
    assert where_of(world.event(55, 54)) == "mnt:9"
