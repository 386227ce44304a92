"""Forging never names another (DESIGN section 7, invariant 11): attacks on claims, in the core's own facts.

Whatever a process inside a container or a user of the host can make records say: its events are not somebody else's
container's without the flag `assumed`, and nobody else's events change.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator.core.model import (
    CONTID_UNSET,
    EngineCommand,
    Executed,
    Exited,
    Flag,
    Forked,
    Moved,
    Named,
    Ns,
    Registered,
    Role,
    RootChanged,
)
from tests.world import World, where

VICTIM = "1b" * 32
JOINED = Moved(0, Ns.MNT, joined=True)
UNSHARED = Moved(0, Ns.MNT | Ns.PID, joined=False)
RUNC = b"/usr/bin/runc"


def command(pid: int, role: Role = Role.ENTER, id: str = VICTIM, **more: object) -> EngineCommand:
    """An engine's line with the victim's id."""
    return EngineCommand(pid, role, "runc", id, how="runc")._replace(**more)  # type: ignore[arg-type]


def victim(world: World) -> None:
    """Pid 1 is on the host, and so is its child 300, a shell; 31 is the first process of a container of root's."""
    world.event(1, 0, Moved(1, Ns.USER, joined=False), exe=b"/sbin/init")
    world.fork(1, 0, 300)
    world.event(300, 1)
    world.fork(300, 1, 30)
    world.container(30, VICTIM, 300)
    assert where(world.event(31, 30)) == VICTIM


def claims(answer: object) -> bool:
    """Whether an answer names the victim as if that were certain."""
    named = where(answer).split("^")[0] == VICTIM  # type: ignore[arg-type]
    return named and Flag.ASSUMED not in answer.flags  # type: ignore[attr-defined]


@pytest.mark.parametrize("role", [Role.CREATE, Role.ENTER])
@pytest.mark.parametrize("known", [True, False])
def test_root_of_a_known_container(role: Role, *, known: bool) -> None:
    """An engine's line inside box is about what is nested in box, whether the id is known outside or not."""
    world = World()
    world.fork(1, 0, 300)
    world.event(300, 1, Moved(300, Ns.UTS, joined=False))
    if known:
        victim(world)
    world.container(10, "box")
    world.fork(11, 10, 20)
    world.event(20, 11, Executed(20, RUNC, engine=True, line=b"x"), command(20, role), exe=RUNC)
    for fact in (UNSHARED, JOINED):
        answer = world.event(20, 11, fact, exe=RUNC)
        assert where(answer).endswith("box")
        assert not claims(answer)
    world.event(20, 11, Executed(20, b"/bin/sh"))
    answer = world.event(20, 11)
    assert where(answer).endswith("box")
    assert not claims(answer)


def test_a_process_whose_numbers_are_of_another_pid_namespace() -> None:
    """Of unknown place, but its children show other numbers than its fork records name."""
    world = World()
    victim(world)
    for local, child in ((7, 4107), (8, 4108)):
        world.fork(4000, 3999, local)
        world.event(child, 4000)
    world.fork(4000, 3999, 9)
    world.event(4109, 4000, Executed(4109, RUNC, engine=True, line=b"x"), command(4109), exe=RUNC)
    world.event(4109, 4000, JOINED, exe=RUNC)
    answer = world.event(4109, 4000)
    assert where(answer) == "unknown"
    assert str(answer.reason) == "engine-not-believed"


@pytest.mark.parametrize("joined", [True, False])
def test_root_of_a_user_namespace_before_the_line(*, joined: bool) -> None:
    """Who is root in a user namespace has rights over nothing outside it: nothing is named."""
    world = World()
    victim(world)
    world.event(4000, 3999, Moved(4000, Ns.USER, joined=joined), exe=b"/srv/app")
    world.event(4000, 3999, Executed(4000, RUNC, engine=True, line=b"x"), command(4000), exe=RUNC)
    world.event(4000, 3999, JOINED, exe=RUNC)
    assert where(world.event(4000, 3999)) == "unknown"


@pytest.mark.parametrize(
    "change", [Moved(0, Ns.USER | Ns.MNT, joined=False), Moved(0, Ns.NONE, joined=True)], ids=["user", "untyped"]
)
def test_a_call_that_needs_no_right_is_assumed(change: Moved) -> None:
    """With a user namespace in the same call, or of a kind that the record hides, anybody could have made it."""
    world = World()
    victim(world)
    role = Role.ENTER if change.joined else Role.CREATE
    world.event(4000, 3999, Executed(4000, RUNC, engine=True, line=b"x"), command(4000, role, "older"), exe=RUNC)
    world.event(4000, 3999, change, exe=RUNC)
    answer = world.event(4000, 3999)
    assert where(answer) == "unknown" or Flag.ASSUMED in answer.flags


def test_clone3_that_hides_a_user_namespace_is_assumed() -> None:
    """The child's mounts show a mount namespace of its own, and not with which rights it was made."""
    world = World()
    victim(world)
    world.event(4000, 3999, Executed(4000, RUNC, engine=True, line=b"x"), command(4000, Role.CREATE, "older"), exe=RUNC)
    world.fork(4000, 3999, 4001, None)
    world.event(4001, 4000, RootChanged(4001), exe=RUNC)
    answer = world.event(4001, 4000)
    assert where(answer) == "older"
    assert Flag.ASSUMED in answer.flags


@pytest.mark.parametrize("before", [b"", b"y"])
def test_a_memfd_that_is_no_copy_of_an_engine(before: bytes) -> None:
    """Its process ran no engine's file before, or one with other words."""
    world = World()
    victim(world)
    if before:
        world.event(4000, 3999, Executed(4000, RUNC, engine=True, line=before), exe=RUNC)
    else:
        world.event(4000, 3999, Executed(4000, b"/srv/app"), exe=b"/srv/app")
    sealed = b"/memfd:runc_cloned:/proc/self/exe (deleted)"
    told = command(4000, sealed=True, line=b"x")
    world.event(4000, 3999, Executed(4000, sealed, engine=True), told, exe=sealed)
    world.event(4000, 3999, JOINED, exe=sealed)
    assert where(world.event(4000, 3999)) == "unknown"


def test_a_sealed_copy_is_the_engine_where_it_ran_before() -> None:
    """The same words, in the same process, just before."""
    world = World()
    victim(world)
    world.event(4000, 3999, Executed(4000, RUNC, engine=True, line=b"x"), command(4000), exe=RUNC)
    world.event(4000, 3999, Executed(4000, b"/", engine=True), command(4000, sealed=True, line=b"x"), exe=b"/")
    world.event(4000, 3999, JOINED, exe=b"/")
    assert where(world.event(4000, 3999)) == VICTIM


@pytest.mark.parametrize("uid", [0, 1000])
def test_a_program_that_lies_where_anybody_may_put_one(uid: int) -> None:
    """It needs root that is proven to be on the host."""
    world = World()
    victim(world)
    world.event(4000, 3999, Executed(4000, b"/srv/runc", engine=True), command(4000, rooted=False), uid=uid)
    world.event(4000, 3999, JOINED, uid=uid)
    assert where(world.event(4000, 3999, uid=uid)) == "unknown"
    world.fork(300, 1, 310)
    world.event(310, 300, Executed(310, b"/srv/runc", engine=True), command(310, rooted=False), uid=uid)
    world.event(310, 300, JOINED, uid=uid)
    assert where(world.event(310, 300, uid=uid)) == (VICTIM if uid == 0 else "unknown")


def test_another_uid_enters_only_what_is_its_own() -> None:
    """Root's container is refused; one of an id that nobody was seen to make is not said to be the user's."""
    world = World()
    victim(world)
    for pid, id in ((310, VICTIM), (320, "2c" * 32)):
        world.fork(300, 1, pid)
        world.event(pid, 300, Executed(pid, RUNC, engine=True), command(pid, id=id), uid=1000, exe=RUNC)
        world.event(pid, 300, JOINED, uid=1000, exe=RUNC)
        assert where(world.event(pid, 300, uid=1000)) == "unknown"
    world.fork(300, 1, 330)
    world.container(330, "mine", 300, uid=1000)
    world.fork(300, 1, 340)
    world.event(340, 300, Executed(340, RUNC, engine=True), command(340, id="mine"), uid=1000, exe=RUNC)
    world.event(340, 300, JOINED, uid=1000, exe=RUNC)
    assert where(world.event(340, 300, uid=1000)) == "mine"


def test_nsenter_by_another_uid() -> None:
    """To join root's mount namespace takes root's rights."""
    world = World()
    victim(world)
    for pid, uid, at in ((310, 1000, "unknown"), (320, 0, VICTIM)):
        world.fork(300, 1, pid)
        nsenter = command(pid, id="", target=31)
        world.event(pid, 300, Executed(pid, b"/usr/bin/nsenter", engine=True), nsenter, uid=uid)
        world.event(pid, 300, JOINED, uid=uid)
        assert where(world.event(pid, 300, uid=uid)) == at


def test_a_name_is_its_announcers() -> None:
    """A user's engine gives no name to an id that is root's, in whatever order."""
    world = World()
    victim(world)
    for pid, id in ((310, VICTIM), (320, "3d" * 32)):
        world.fork(300, 1, pid)
        world.event(pid, 300, Executed(pid, RUNC, engine=True), command(pid, Role.CREATE, id, name="evil"), uid=1000)
        world.fork(pid, 300, pid + 1, Ns.USER | Ns.MNT, uid=1000)
        world.fork(300, 1, pid + 2)
        world.engine(pid + 2, 300, id, Role.ENTER)
        world.event(pid + 2, 300, JOINED, exe=RUNC)
        container = world.event(pid + 2, 300).container
        assert container is not None
        assert (container.id, container.owner, container.name) == (id, 0, "")


def test_a_rename_takes_root_and_success() -> None:
    """A user's client, one inside a container, and one that failed change nothing."""
    world = World()
    victim(world)
    world.container(10, "box")

    def rename(pid: int, ppid: int, uid: int, *, ok: bool) -> str:
        world.event(pid, ppid, Executed(pid, b"/usr/bin/podman"), command(pid, Role.RENAME, name="other"), uid=uid)
        world.event(pid, ppid, Exited(pid, succeeded=ok), uid=uid)
        container = world.event(31, 30).container
        assert container is not None
        return container.name

    world.exit(9, 1)
    world.fork(11, 10, 20)
    assert rename(20, 11, 0, ok=True) == ""
    for pid in (310, 320, 330):
        world.fork(300, 1, pid)
    assert rename(310, 300, 1000, ok=True) == ""
    assert rename(320, 300, 0, ok=False) == ""
    assert rename(330, 300, 0, ok=True) == "other"


def test_a_user_record_of_a_pid_that_was_roots_registers_nothing() -> None:
    """Such a record shows no parent: what its pid was a while ago proves nothing."""
    world = World()
    victim(world)
    world.fork(300, 1, 310)
    world.event(310, 300)
    fact = Registered(31, 310, CONTID_UNSET, ok=True, id="evil")
    world.event(310, -1, fact, Named(VICTIM, "evil"), ms=world.ms + 600_000)
    answer = world.event(31, 30)
    assert where(answer) == VICTIM
    assert answer.container is not None
    assert answer.container.name == ""


PROGRAMS = (Executed(0, RUNC, engine=True, line=b"x"), Executed(0, b"/bin/sh"), Executed(0, b"/", engine=True))
BIRTHS = (Ns.NONE, Ns.MNT, None)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.builds(lambda ns: Moved(0, ns, joined=True), st.sampled_from([Ns.NONE, Ns.MNT, Ns.PID, Ns.USER])),
            st.builds(lambda ns: Moved(0, ns, joined=False), st.sampled_from([Ns.MNT, Ns.USER, Ns.MNT | Ns.PID])),
            st.sampled_from(PROGRAMS),
            st.builds(
                lambda role, sealed, rooted: command(20, role, sealed=sealed, rooted=rooted, line=b"x"),
                st.sampled_from(list(Role)), st.booleans(), st.booleans(),
            ),
            st.builds(lambda child, ns: Forked(20, child, ns=ns), st.integers(2, 40), st.sampled_from(BIRTHS)),
            st.just(Registered(31, 20, CONTID_UNSET, ok=True, id="evil")),
            st.just(Named(VICTIM, "evil")),
        ),
        max_size=12,
    )
)  # fmt: skip
def test_whatever_root_of_a_container_does(facts: list[object]) -> None:
    """The victim's processes stay the victim's, the host's the host's, and the attacker's are not the victim's."""
    world = World()
    victim(world)
    world.fork(300, 1, 10)
    world.container(10, "box", 300)
    world.fork(11, 10, 2)
    for fact in facts:
        answer = world.event(20, 11, fact, exe=RUNC)  # type: ignore[arg-type]
        assert not claims(answer)
    assert not claims(world.event(20, 11))
    answer = world.event(31, 30)
    assert where(answer) == VICTIM
    assert answer.container is not None
    assert answer.container.name == ""
    assert where(world.event(300, 1)) == "host"
