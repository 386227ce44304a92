"""Rules of in which network namespace a process was: only where a look shows it, and no call came between."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from annotator.core.contracts import HostNetwork, HostProcess
from annotator.core.model import Actor, Evidence, Moved, NetnsId, Ns, Reason, Stamp
from annotator.engine.pipeline import Tables
from annotator.history import Observations
from annotator.linux.engines.programs import KINDS, changes_network

HOST, POD, WEB = (NetnsId(4, 4026531833 + at) for at in range(3))
SH = b"/bin/sh"


class World:
    """A process 9, child of 5, seen from outside and in the log."""

    def __init__(self) -> None:
        self.tables = Tables()
        self.observations = Observations(self.tables.registry, processes=self.tables.processes, programs=KINDS)
        self.serial = 0

    def look(self, ms: int, netns: NetnsId | None, pid: int = 9, **more: Any) -> None:
        """A look."""
        own = Ns.NONE if netns == HOST else Ns.NET
        values = {"ppid": 5 if pid == 9 else 1, "start_ms": 0, "ticks": 0, "exe": SH, "own": own, **more}
        self.observations.observed(
            b"",
            HostProcess(
                pid=pid, read_ms=ms, container=None, evidence=Evidence.HOST_VIEW, netns=netns, **values
            ),
        )  # fmt: skip

    def event(self, ms: int, *facts: Any, exe: bytes = SH, pid: int = 9) -> NetnsId | None:
        """An event of the log: in which namespace the process was. Then its facts are applied."""
        self.serial += 1
        stamp, actor = Stamp(ms, self.serial), Actor(pid, 5 if pid == 9 else 1, exe=exe)
        life = self.tables.processes.see(b"", actor, stamp)
        found = self.observations.netns(life, stamp, exe)
        for fact in facts:
            self.tables.membership.apply(fact, life, actor, b"", stamp)
        return found.id if found is not None else None

    def exec(self, ms: int) -> None:
        """It runs another program, as the log and the kernel say."""
        from annotator.core.model import Executed

        self.event(ms, Executed(9, SH))
        self.observations.executed(b"", 9, ms)


def moved(ns: Ns = Ns.NET, *, joined: bool = False) -> Moved:
    """A setns or unshare."""
    return Moved(9, ns, joined)


def test_a_look_holds_for_its_program() -> None:
    """Until the next look; before it only for the moment after it began; and nothing is the host's by itself."""
    world = World()
    assert world.event(50) is None
    world.look(1000, POD)
    assert [world.event(ms) for ms in (700, 800, 1000, 90_000)] == [None, POD, POD, POD]
    world.look(91_000, HOST)
    assert world.event(92_000) == HOST


def test_between_looks_that_differ_only_the_log_tells() -> None:
    """If it tells of changes at all, the process went after this event; else nobody knows when."""
    world = World()
    world.look(100, HOST)
    world.look(500, POD)
    assert world.event(300) is None
    world.event(310, moved(Ns.MNT), pid=77)
    assert world.event(320) == HOST
    world = World()
    for ms, netns in ((100, POD), (200, WEB), (300, POD)):
        world.look(ms, netns)
    assert [world.event(ms) for ms in (150, 250, 350)] == [None, None, POD]


def test_a_call_ends_what_was_seen_before() -> None:
    """By unshare or setns, also where the kind is not recorded; a change of another namespace does not."""
    for call, known in (
        (moved(), None), (moved(joined=True), None), (moved(Ns.NONE, joined=True), None), (moved(Ns.MNT), HOST)
    ):  # fmt: skip
        world = World()
        world.look(100, HOST)
        assert world.event(200, call) == HOST, "the call itself is made where it was"
        assert world.event(300) == known


def test_after_a_call_a_look_at_something_new_holds() -> None:
    """Not one that shows what was before: the call may not be over, or a thread went alone. Late events are open."""
    world = World()
    world.look(100, HOST)
    world.event(200, moved())
    world.look(230, HOST)
    assert world.event(300) is None
    world = World()
    world.look(100, HOST)
    world.event(200, moved())
    world.look(230, POD)
    assert [world.event(ms) for ms in (210, 229, 230, 300)] == [None, None, POD, POD]
    assert world.event(190) is None
    world.event(400, moved(joined=True))
    assert world.event(500) is None


def test_the_next_program_is_where_it_is_seen() -> None:
    """`unshare -n CMD`, `ip netns exec NAME CMD`: what was seen before the call and the exec says nothing of it."""
    world = World()
    world.look(100, HOST)
    world.event(200, moved())
    world.exec(250)
    assert world.event(300) is None
    world.look(255, POD)
    assert world.event(310) == POD
    assert world.event(190) is None, "a late record of what was before the call"


def test_an_exec_changes_no_namespace() -> None:
    """Where nobody saw the new program it is where the last one was; unless that goes elsewhere, or two are missing."""
    world = World()
    world.look(100, POD)
    world.exec(200)
    assert world.event(300) == POD
    world.exec(400)
    assert world.event(500) is None
    world = World()
    world.look(100, HOST, exe=b"/usr/sbin/ip")
    world.exec(200)
    assert world.event(300) is None


def test_of_engines_and_their_helpers_nothing_is_said() -> None:
    """Their threads are in several; but the first process of all is where it is."""
    for exe in (
        b"/usr/bin/dockerd",
        b"/",
        b"/memfd:runc",
        b"/opt/cni/bin/bridge",
        b"/usr/sbin/ip",
        b"/usr/bin/nsenter",
    ):
        assert changes_network(exe)
        world = World()
        world.look(100, HOST, exe=exe)
        assert world.event(200, exe=exe) is None
    assert not changes_network(SH)
    for looked, runs in ((b"/usr/sbin/ip", SH), (SH, b"/usr/sbin/ip")):
        world = World()
        world.look(100, HOST, exe=looked)
        assert world.event(200, exe=runs) is None, "it has begun another program, which nobody saw"
    world = World()
    world.look(100, HOST, pid=1, exe=b"/usr/lib/systemd/systemd", ppid=0)
    stamp, actor = Stamp(200, 1), Actor(1, 0, exe=b"/usr/lib/systemd/systemd")
    found = world.observations.netns(world.tables.processes.see(b"", actor, stamp), stamp, actor.exe)
    assert found is not None
    assert (found.id, found.host) == (HOST, True)


def test_a_child_that_nobody_saw_is_where_its_parent_was_if_the_log_says_so() -> None:
    """The flags of its fork tell; hidden (clone3) or CLONE_NEWNET, nothing is known. A parent that moved, neither."""
    from annotator.core.model import Forked

    for ns, known, before in (
        (Ns.NONE, POD, ()), (Ns.MNT, POD, ()), (Ns.NET, None, ()), (None, None, ()), (Ns.NONE, None, (moved(),))
    ):  # fmt: skip
        world = World()
        world.look(100, POD, pid=5)
        for fact in before:
            world.event(150, fact, pid=5)
        world.observations.forked(b"", 5, 9, 200)
        world.event(200, Forked(5, 9, ns=ns), pid=5)
        assert world.event(210) == known


def test_a_name_and_whose_it_is_are_said_too() -> None:
    """As it was mounted then; the host's own is said to be."""
    world = World()
    world.look(100, POD)
    world.observations.addresses.read(HostNetwork(POD, (), 100, name="blue"))
    stamp, actor = Stamp(200, 1), Actor(9, 5, exe=SH)
    found = world.observations.netns(world.tables.processes.see(b"", actor, stamp), stamp, SH)
    assert found is not None
    assert (found.name, found.host) == ("blue", False)


def test_another_machine_s_process_is_not_this_one() -> None:
    """Nor are addresses."""
    world = World()
    world.observations.names = frozenset((b"", b"here"))
    world.look(100, POD)
    stamp, actor = Stamp(200, 1), Actor(9, 5, exe=SH)
    for node, known in ((b"here", True), (b"there", False)):
        life = world.tables.processes.see(node, actor, stamp)
        assert (world.observations.netns(life, stamp, SH) is not None) is known
    assert world.observations.owners(b"there", "10.0.0.2", stamp) is Reason.NOT_SEEN


STEPS = st.lists(
    st.tuples(st.sampled_from(("look", "move", "exec", "event")), st.integers(0, 2), st.integers(1, 90)), max_size=40
)


@given(STEPS)
def test_no_story_makes_a_namespace_untrue(steps: list[tuple[str, int, int]]) -> None:
    """One thread that goes to and fro, all its calls in the log, looked at now and then: what is said is true."""
    world, now, true = World(), 1000, HOST
    world.event(now, moved(Ns.MNT))  # the log tells
    said: list[tuple[NetnsId | None, NetnsId]] = []
    for kind, at, later in steps:
        now += later
        match kind:
            case "look":
                world.look(now, true)
            case "move":
                world.event(now, moved(joined=True))
                true = (HOST, POD, WEB)[at]
                now += 1
            case "exec":
                world.exec(now)
            case _:
                said.append((world.event(now), true))
    assert all(found in (None, was) for found, was in said)
