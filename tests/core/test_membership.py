"""Membership: each rule by which a process is inside, on the host, or not to be told."""

from __future__ import annotations

import pytest

from annotator.core.model import (
    CONTID_UNSET,
    NO_PID,
    Actor,
    Booted,
    CapabilityProven,
    ContId,
    Dropped,
    EngineCommand,
    Evidence,
    Executed,
    Flag,
    Forked,
    Gap,
    Moved,
    Named,
    Ns,
    Reason,
    Registered,
    Role,
    RootChanged,
    Stated,
    Translation,
)
from annotator.core.registry import derive_contid
from tests.degrade import without_contids
from tests.kernel_rules import Version
from tests.patched_kernel import PatchedKernel
from tests.scoring import Answers
from tests.world import World, where

UNSHARED = Moved(0, Ns.MNT | Ns.PID, joined=False)
JOINED = Moved(0, Ns.MNT, joined=True)


# --- engines --------------------------------------------------------------------------------------------------------


def test_an_engines_child_that_changes_namespaces_is_the_container() -> None:
    """The engine and its init before the change are not; the init and its children are."""
    world = World()
    world.engine(10, 1, "a")
    assert where(world.fork(10, 1, 11)) == "unknown"
    assert where(world.event(11, 10, UNSHARED)) == "unknown"
    assert where(world.event(11, 10, Executed(11, b"/bin/sh"))) == "a"
    world.fork(11, 10, 12)
    answer = world.event(12, 11)
    assert (where(answer), answer.evidence) == ("a", (Evidence.LINEAGE,))
    assert where(world.event(10, 1)) == "unknown"


def test_an_engines_stage_is_over_after_a_second() -> None:
    """Who made namespaces and ran no program since was on its way in; later its number is another process's."""
    world = World()
    world.engine(10, 1, "a")
    world.fork(10, 1, 11)
    world.event(11, 10, UNSHARED)
    assert where(world.event(11, 10)) == "a"
    assert where(world.event(11, 10, ms=world.ms + 1500)) == "unknown"
    world.container(20, "b")
    assert where(world.event(21, 20, ms=world.ms + 60_000)) == "b"


def test_a_late_birth_carries_nothing_past_another_program() -> None:
    """A vforked hook runs its program before the engine's record of its birth; an init is one all the same."""
    world = World()
    world.engine(10, 1, "a")
    world.event(11, 10, Executed(11, b"/usr/bin/unshare"))
    world.fork(10, 1, 11, ms=world.ms - 100)
    world.event(11, 10, UNSHARED)
    assert where(world.event(11, 10)) == "unknown"
    world.event(12, 10, Executed(12, b"/bin/sh"))
    world.fork(10, 1, 12, Ns.MNT | Ns.PID, ms=world.ms - 100)
    assert where(world.event(12, 10)) == "a"


def test_nspawns_outer_child_is_none() -> None:
    """What an engine needs for a container is complete with the inner child."""
    world = World()
    world.engine(10, 1, "m1")
    command = EngineCommand(10, Role.CREATE, "nspawn", "m1", needs=Ns.MNT | Ns.PID)
    world.event(10, 1, Executed(10, b"/usr/bin/systemd-nspawn", engine=True), command)
    world.fork(10, 1, 11, Ns.MNT)
    world.event(11, 10, RootChanged(11))
    assert where(world.event(11, 10)) == "unknown"
    world.fork(11, 10, 12, Ns.PID | Ns.UTS)
    assert where(world.event(12, 11)) == "m1"


def test_a_command_line_alone_makes_nothing() -> None:
    """Without a change of namespaces nobody is inside."""
    world = World()
    world.engine(10, 1, "a")
    world.fork(10, 1, 11)
    world.event(11, 10, Executed(11, b"/bin/sh"))
    assert where(world.event(11, 10)) == "unknown"


def test_a_child_born_into_a_mount_namespace_is_the_container_from_birth() -> None:
    """Both crun and nspawn clone their init with the namespaces."""
    world = World()
    world.engine(10, 1, "a")
    world.fork(10, 1, 11, Ns.MNT | Ns.PID)
    assert where(world.event(11, 10)) == "a"


def test_a_hook_is_not_inside() -> None:
    """A program that the engine runs and that is no engine has nothing announced, whatever it unshares."""
    world = World()
    world.engine(10, 1, "a")
    world.fork(10, 1, 11)
    world.event(11, 10, Executed(11, b"/usr/libexec/hook"))
    world.event(11, 10, UNSHARED)
    assert where(world.event(11, 10)) == "unknown"


def test_the_client_that_cleans_up_makes_no_container() -> None:
    """When its container ends conmon runs podman; its own namespaces are not the container's."""
    world = World()
    world.engine(10, 1, "a")
    world.fork(10, 1, 11)
    world.event(11, 10, Executed(11, b"/usr/bin/podman"), exe=b"/usr/bin/podman")
    world.event(11, 10, UNSHARED)
    assert where(world.event(11, 10)) == "unknown"


def test_clone3_hides_its_namespaces_but_a_mount_below_an_engine_shows_them() -> None:
    """lxc-start's child mounts in its new namespace first of all."""
    world = World()
    world.engine(10, 1, "a")
    world.fork(10, 1, 11, None)
    world.event(11, 10, RootChanged(11))
    assert where(world.event(11, 10)) == "a"
    world.event(10, 1, RootChanged(10))
    assert where(world.event(10, 1)) == "unknown"


def test_another_users_engine_cannot_speak_for_a_container() -> None:
    """Of root's container only root's engines speak; the refusal is counted."""
    world = World()
    world.container(10, "a")
    world.engine(20, 1, "a", Role.ENTER, uid=1000)
    world.event(20, 1, JOINED, uid=1000)
    assert where(world.event(20, 1, uid=1000)) == "unknown"
    assert world.tables.membership.refused == 1


def test_an_engine_inside_only_nests() -> None:
    """An engine inside A names what is nested in A, and nobody vouches for it; never under an id known elsewhere."""
    world = World()
    world.container(30, "b")
    world.container(10, "a")
    for pid, role, change in ((20, Role.CREATE, UNSHARED), (40, Role.ENTER, JOINED)):
        world.fork(11, 10, pid)
        world.engine(pid, 11, "b", role)
        world.fork(pid, 11, pid + 1)
        assert where(world.event(pid + 1, pid, change)) == "a"
        answer = world.event(pid + 1, pid)
        assert (where(answer), Flag.AT_LEAST in answer.flags) == ("a", True)
    assert where(world.event(31, 30)) == "b"
    world.fork(11, 10, 50)
    world.engine(50, 11, "c")
    world.fork(50, 11, 51, Ns.MNT)
    answer = world.event(51, 50)
    assert (where(answer), Flag.ASSUMED in answer.flags) == ("c^a", True)


def test_only_deeper() -> None:
    """Who is inside stays there, whatever it joins or is announced for."""
    world = World()
    world.container(10, "a")
    world.event(11, 10, JOINED)
    assert where(world.event(11, 10)) == "a"
    world.event(11, 10, Moved(11, Ns.NONE, joined=True))
    world.event(11, 10, Registered(11, 1, CONTID_UNSET, ok=True, id="b"))
    assert where(world.event(11, 10)) == "a"


def test_the_same_id_run_again_is_another_container() -> None:
    """The earlier run has ended; names are kept."""
    world = World()
    world.container(10, "a")
    first = world.event(11, 10).chains[0][0]
    world.container(20, "a")
    second = world.event(21, 20).chains[0][0]
    assert first is not second
    assert first.end_ms is not None
    assert second.end_ms is None


def test_the_end_of_its_init_ends_an_engines_container() -> None:
    """And not that of another process."""
    world = World()
    world.container(10, "a")
    world.fork(11, 10, 12)
    container = world.event(12, 11).chains[0][0]
    world.exit(12, 11)
    assert container.end_ms is None
    world.exit(11, 10)
    assert container.end_ms is not None
    assert world.tables.registry.known(b"", "a") is None


# --- entering -------------------------------------------------------------------------------------------------------


def test_entering_starts_a_session_of_who_called() -> None:
    """An exec by an engine: the container, and who entered; its children inherit both; the init's own is session 0."""
    world = World()
    world.container(10, "a")
    own = world.event(11, 10).session
    assert own is not None
    assert own.id == "0"
    world.engine(20, 1, "a", Role.ENTER)
    world.event(20, 1, JOINED)
    answer = world.event(20, 1)
    assert where(answer) == "a"
    assert answer.session is not None
    assert (answer.session.auid, answer.session.how, answer.session.pid) == (1000, "runc", 20)
    world.fork(20, 1, 21)
    assert world.event(21, 20).session == answer.session


def test_entering_what_is_older_than_the_log_names_it() -> None:
    """The command line of a root's engine names a container that was never seen made."""
    world = World()
    world.engine(20, 1, "old", Role.ENTER)
    world.event(20, 1, JOINED)
    assert where(world.event(20, 1)) == "old"


@pytest.mark.parametrize("ns", [Ns.NET, Ns.UTS | Ns.IPC])
def test_joining_a_network_namespace_alone_enters_nothing(ns: Ns) -> None:
    """With `-n` alone nsenter keeps its view of the host's files."""
    world = World()
    world.container(10, "a")
    world.engine(20, 1, "", Role.ENTER, target=11)
    world.event(20, 1, Moved(20, ns, joined=True))
    assert where(world.event(20, 1)) == "unknown"


def test_nsenter_enters_where_its_target_is() -> None:
    """By a pid of the first namespace: flagged as entered. A caller of unknown birth may mean another pid."""
    world = World()
    world.container(10, "a")
    world.fork(2000, 1, 20)
    world.engine(20, 2000, "", Role.ENTER, target=11)
    world.event(20, 2000, JOINED)
    answer = world.event(20, 2000)
    assert (where(answer), answer.flags) == ("a", (Flag.ENTERED,))
    world.engine(30, 1, "", Role.ENTER, target=11)
    world.event(30, 1, JOINED)
    assert where(world.event(30, 1)) == "unknown"


def test_nsenter_from_inside_goes_nowhere() -> None:
    """Its target is a pid of its own pid namespace: that the host has the number too says nothing."""
    world = World()
    world.container(10, "a")
    world.container(20, "b")
    world.fork(11, 10, 12)
    world.engine(12, 11, "", Role.ENTER, target=21)
    world.event(12, 11, JOINED)
    assert where(world.event(12, 11)) == "a"


# --- the host -------------------------------------------------------------------------------------------------------


def host_child(world: World, pid: int) -> None:
    """A process proven to be of the host: born of init while namespace facts are on."""
    world.event(5000, 1, Moved(5000, Ns.NET, joined=False))
    world.fork(1, 0, pid)


def test_host_needs_an_unbroken_chain_with_namespace_facts() -> None:
    """Init is always host; its child is when its birth was seen and changes of namespaces would be."""
    world = World()
    assert where(world.event(1, 0)) == "host"
    world.fork(1, 0, 10)
    assert where(world.event(10, 1)) == "unknown"  # no namespace fact was ever seen
    host_child(world, 11)
    assert where(world.event(11, 1)) == "host"
    assert where(world.event(12, 1)) == "unknown"  # its birth was not seen
    world.fork(11, 1, 13)
    assert where(world.event(13, 11)) == "host"


def test_kernel_threads_are_host() -> None:
    """Pid 2 and its children."""
    world = World()
    assert where(world.event(2, 0)) == "host"
    assert where(world.event(33, 2)) == "host"


@pytest.mark.parametrize("ns", [None, Ns.MNT, Ns.PID, Ns.NET])
def test_a_child_born_into_namespaces_or_by_clone3_is_not_proven(ns: Ns | None) -> None:
    """What clone3 was asked for is not in the record."""
    world = World()
    host_child(world, 11)
    world.event(11, 1)
    world.fork(11, 1, 12, ns)
    assert where(world.event(12, 11)) == "unknown"


def test_an_unannounced_change_of_namespaces_ends_the_proof() -> None:
    """Of the process and of its children; of its network alone it does not."""
    world = World()
    host_child(world, 11)
    world.event(11, 1, Moved(11, Ns.NET, joined=True))
    assert where(world.event(11, 1)) == "host"
    world.event(11, 1, Moved(11, Ns.MNT, joined=False))
    assert where(world.event(11, 1)) == "unknown"
    world.fork(11, 1, 12)
    assert where(world.event(12, 11)) == "unknown"


def test_a_gap_ends_every_proof_of_host() -> None:
    """Who lived then may have been moved by what was lost, also one that was born but had not been heard of."""
    world = World()
    host_child(world, 11)
    assert where(world.event(11, 1)) == "host"
    world.fork(1, 0, 12)
    world.event(1, 0, Gap(1))
    answer = world.event(11, 1)
    assert (where(answer), answer.reason) == ("unknown", Reason.GAP)
    assert where(world.event(12, 1)) == "unknown"
    world.fork(1, 0, 13)
    assert where(world.event(13, 1)) == "host"


def test_a_gap_takes_no_container_away() -> None:
    """Membership only ever gets deeper."""
    world = World()
    world.container(10, "a")
    world.event(1, 0, Gap(1))
    assert where(world.event(11, 10)) == "a"


def test_a_parent_proves_inside_and_never_host() -> None:
    """By ppid alone: the container of a parent inside; nothing of a parent on the host."""
    world = World()
    world.container(10, "a")
    answer = world.event(12, 11)
    assert (where(answer), answer.evidence) == ("a", (Evidence.PPID,))
    host_child(world, 20)
    world.event(20, 1)
    assert where(world.event(21, 20)) == "unknown"


def test_a_parent_of_another_login_session_proves_nothing() -> None:
    """The pid may have been used again."""
    world = World()
    world.container(10, "a")
    assert where(world.event(12, 11, ses=7)) == "unknown"


# --- registration ---------------------------------------------------------------------------------------------------


def registered(world: World, contid: int, pid: int, *, ok: bool | None = True, old: tuple[int, ...] = ()) -> None:
    """Process 10 registers `pid`."""
    outer = tuple(map(ContId, old))
    world.event(10, 1, Registered(pid, 10, ContId(contid), outer, ok, old=outer))


def test_a_registration_that_succeeded_is_inherited() -> None:
    """By what the target bears later, and not by what it bore before."""
    world = World()
    world.fork(10, 1, 20)
    world.event(20, 10)
    world.fork(20, 10, 21)
    registered(world, 7, 20)
    assert where(world.event(20, 10)) == "7"
    world.fork(20, 10, 22)
    answer = world.event(22, 20)
    assert (where(answer), answer.evidence) == ("7", (Evidence.REGISTERED,))
    assert where(world.event(21, 20)) == "unknown"


def test_a_refused_registration_changes_nothing_but_says_what_was() -> None:
    """The old contid in the record is the kernel's word on the target."""
    world = World()
    world.fork(10, 1, 20)
    registered(world, 7, 20, ok=False)
    assert where(world.event(20, 10)) == "unknown"
    registered(world, 8, 20, ok=False, old=(3, 2))
    assert where(world.event(20, 10)) == "3^2"


def test_a_registration_without_its_result_is_tentative() -> None:
    """Until a CONTAINER_ID confirms it."""
    world = World()
    world.fork(10, 1, 20)
    world.event(20, 10)
    registered(world, 7, 20, ok=None)
    answer = world.event(20, 10)
    assert (where(answer), answer.reason) == ("unknown", Reason.TENTATIVE)
    stated = Translation(Actor(20, 10), stated=(Stated(NO_PID, ((ContId(7),),)),))
    assert where(world.event(20, 10, reading=stated)) == "7"
    assert where(world.event(20, 10)) == "7"


def test_a_registration_is_of_the_pids_newest_process() -> None:
    """The earlier one has ended, or a fork was seen since; its place is not the new one's."""
    world = World()
    world.fork(10, 1, 20)
    world.exit(20, 10)
    world.fork(10, 1, 20)
    registered(world, 7, 20)
    assert where(world.event(20, 10)) == "7"
    assert len(world.tables.processes.node(b"").past[20]) == 1


def test_a_drop_ends_a_number_and_a_set_begins_another_container() -> None:
    """The last one is gone: whoever has the number next is in another container."""
    world = World()
    world.fork(10, 1, 20)
    registered(world, 7, 20)
    first = world.event(20, 10).chains[0][0]
    world.exit(20, 10)
    world.event(20, 10, Dropped(20, ContId(7)), ms=world.ms)
    assert first.end_ms is not None
    world.fork(10, 1, 30)
    registered(world, 7, 30)
    assert world.event(30, 10).chains[0][0] is not first


def test_a_drop_of_a_container_that_lives_is_not_believed() -> None:
    """V7 to v11 write op=drop for one that is alone and goes on: it stays, and so does who is injected later."""
    world = World()
    world.fork(10, 1, 20)
    registered(world, 7, 20)
    first = world.event(20, 10, Dropped(20, ContId(7))).chains[0][0]
    assert first.end_ms is None
    assert world.event(20, 10).chains[0][0] is first
    world.fork(10, 1, 30)
    registered(world, 7, 30)
    assert world.event(30, 10).chains[0][0] is first


def test_a_drop_is_believed_late_when_its_writer_is_silent() -> None:
    """One that was killed in a call writes its drop without an exit: the number set again is another container."""
    world = World()
    world.fork(10, 1, 20)
    registered(world, 7, 20)
    first = world.event(20, 10, Dropped(20, ContId(7))).chains[0][0]
    world.fork(10, 1, 30)
    registered(world, 7, 30)
    assert world.event(30, 10).chains[0][0] is not first


def test_without_a_drop_a_number_ends_with_all_that_were_inside() -> None:
    """No audited exit, no drop record; a nested container's life keeps its parent's number."""
    world = World()
    world.fork(10, 1, 20)
    registered(world, 7, 20)
    first = world.event(20, 10).chains[0][0]
    world.fork(20, 10, 21)
    registered(world, 8, 21, old=(7,))
    assert where(world.event(21, 20)) == "8^7"
    world.exit(20, 10)
    assert world.tables.membership.is_alive(first)
    world.exit(21, 20)
    world.fork(10, 1, 30)
    registered(world, 7, 30)
    assert world.event(30, 10).chains[0][0] is not first


# --- user-space registration ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sender", "uid", "want"),
    [("host", 0, "web"), ("host", 1000, "unknown"), ("unknown", 0, "unknown"), ("inside", 0, "unknown")],
)
def test_a_user_record_registers_only_from_root_on_the_host(sender: str, uid: int, want: str) -> None:
    """Audit user messages can be sent from containers: nothing is believed of a sender that is not proven host."""
    world = World()
    world.container(10, "a")
    host_child(world, 20)
    world.event(20, 1)
    pid, ppid = {"host": (20, 1), "unknown": (40, 999), "inside": (11, 10)}[sender]
    world.fork(5000, 1, 60)
    world.event(60, 5000)
    fact = Registered(60, pid, derive_contid("web"), ok=True, id="web", name="web")
    world.event(pid, ppid, fact, Named("a", "liar"), uid=uid)
    assert where(world.event(60, 5000)) == want
    assert world.tables.membership.refused == (want == "unknown")
    named = world.event(11, 10).chains[0][0].name
    assert named == ("liar" if want == "web" else "")


def test_a_user_record_may_give_a_number_that_is_free() -> None:
    """A number given by hand is the container's, once; another container's number, or a second one, is refused."""
    world = World()
    host_child(world, 20)
    world.event(20, 1)
    world.event(20, 1, Registered(60, 20, ContId(1), ok=True, id="web"))
    assert where(world.event(60, 20)) == "web"
    assert world.event(60, 20).chains[0][0].contid == 1
    world.event(20, 1, Registered(61, 20, ContId(1), ok=True, id="other"))
    world.event(20, 1, Registered(62, 20, ContId(2), ok=True, id="web"))
    assert where(world.event(61, 20)) == where(world.event(62, 20)) == "unknown"
    assert world.tables.membership.refused == 2


@pytest.mark.parametrize(
    ("sender", "uid", "late_ms", "times", "want"),
    [
        ("unknown", 0, 0, 1, "web"),
        ("unknown", 1000, 0, 1, "unknown"),
        ("unknown", 0, 900, 1, "web"),
        ("unknown", 0, 1100, 1, "unknown"),
        ("inside", 0, 0, 1, "unknown"),
        ("unknown", 0, 0, 2, "web"),
    ],
)
def test_who_the_kernel_vouches_for_may_register_once(
    sender: str, uid: int, late_ms: int, times: int, want: str
) -> None:
    """The log alone proves a registration: its sender has just done what only a registrar's rights allow."""
    world = World()
    world.container(10, "a")
    pid, ppid = {"unknown": (40, 999), "inside": (11, 10)}[sender]
    world.event(pid, ppid, CapabilityProven(pid), uid=uid)
    world.ms += late_ms
    for number in range(times):
        fact = Registered(60 + number, pid, ContId(7 + number), ok=True, id=f"web{number or ''}")
        world.event(pid, NO_PID, fact, uid=uid)
    assert where(world.event(60, 5000)) == want
    assert where(world.event(61, 5000)) == "unknown"


# --- the rest -------------------------------------------------------------------------------------------------------


def test_a_boot_ends_all_lives_and_containers_of_its_node() -> None:
    """Whoever it is that the record of it is of: only the kernel's is one."""
    world = World()
    world.container(10, "a")
    world.event(70, 1, Booted())
    assert where(world.event(11, 10)) == "unknown"


def test_the_kernels_own_record_of_a_boot_is_believed() -> None:
    """It names no process: `KERNEL … state=initialized`. The same pid and parent is not inside any more."""
    kernel = PatchedKernel(Version.V9)
    child = kernel.fork(kernel.tasks[1], 50)
    inside = kernel.fork(child, 51)
    kernel.register(child, inside, ContId(7))
    kernel.ms += 100
    kernel.work(inside)
    lines = without_contids([line for _, event in kernel.events for line in event])
    boot = f"type=KERNEL msg=audit({(kernel.ms - 1) / 1000:.3f}:900): state=initialized audit_enabled=0 res=1".encode()
    stamp = max(kernel.truth)
    assert where(Answers().run(lines)[stamp]) == "7"
    assert where(Answers().run([*lines[:-2], boot, *lines[-2:]])[stamp]) == "unknown"


def test_nodes_are_apart() -> None:
    """The same pids and ids on two nodes are different."""
    world = World()
    world.container(10, "a")
    assert where(world.event(11, 10, node=b"other")) == "unknown"


def test_a_late_fork_record_still_proves_the_parent() -> None:
    """The child's first event came before its parent's fork record."""
    world = World()
    world.container(10, "a")
    assert where(world.event(12, 3000, ms=world.ms + 200)) == "unknown"
    answer = world.event(13, 11, ms=world.ms)
    assert answer.evidence == (Evidence.PPID,)
    world.event(11, 10, Forked(11, 13), ms=world.ms)
    assert world.event(13, 11).evidence == (Evidence.LINEAGE,)
