"""Rules of annotator.linux.host.view: what one look at /proc proves, and what it never may."""

from __future__ import annotations

import os
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator.core.contracts import HostProcess
from annotator.core.errors import AnnotatorError, FormatError, SourceError
from annotator.core.model import Container, Evidence, Ns, Reason
from annotator.core.registry import derive_contid
from annotator.linux.engines import Engines
from annotator.linux.host.containers import HostContainers
from annotator.linux.host.membership import HostOptions
from annotator.linux.host.parse import parse_stat, parse_status
from annotator.linux.host.procfs import Proc
from annotator.linux.host.recorded import TreeHeader, parse_header, record, recorded
from annotator.linux.host.view import LinuxHost

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Machine

A, B = "a1" * 32, "b2" * 32
INSIDE_A = {"mnt": 4026532001, "pid": 4026532002, "net": 4026532003, "uts": 4026532004, "ipc": 4026532005}
INSIDE_B = {kind: ino + 100 for kind, ino in INSIDE_A.items()}
IN_A = f"0::/system.slice/docker-{A}.scope\n"
IN_B = f"0::/system.slice/docker-{B}.scope\n"
UNIT = "0::/system.slice/cron.service\n"
USER = "0::/user.slice/user-1000.slice/session-3.scope\n"
OTHER_ROOT = "900 800 0:55 / / rw - overlay overlay rw\n"


def view(machine: Machine, proc: Proc | None = None, *, now: int = 50_000, **more: Any) -> LinuxHost:
    """The host view over a machine made of files; its clock stands."""
    options = {"live": False, "derive": derive_contid, "now": lambda: now, "offset_ms": 1_000_000, **more}
    return LinuxHost(machine.root, proc=proc, **options)


def answer(host: LinuxHost, pid: int) -> HostProcess:
    """The process; it must be there."""
    found = host.process(pid)
    assert isinstance(found, HostProcess), found
    return found


def where(host: LinuxHost, pid: int) -> tuple[str | None, Evidence | Reason | None]:
    """Container id and evidence, or the reason why there is none."""
    found = answer(host, pid)
    return (found.container.id if found.container else None), found.evidence or found.reason


def shown(one: HostProcess) -> HostProcess:
    """The same with plain values for its containers, which are otherwise equal only to themselves."""
    return replace(
        one,
        container=asdict(one.container) if one.container else None,  # type: ignore[arg-type]
        place=asdict(one.place) if one.place else None,  # type: ignore[arg-type]
    )


# --- host and container ---------------------------------------------------------------------------------------------


def test_a_plain_process_is_host(machine: Machine) -> None:
    """Cgroup, files and processes are the host's: that proves host, and the numbers are those of the files."""
    machine.add(100, ppid=1, ticks=250, uid=33)
    found = answer(view(machine), 100)
    assert (found.container, found.evidence, found.reason, found.own) == (None, Evidence.HOST_VIEW, None, Ns.NONE)
    assert (found.start_ms, found.ticks, found.read_ms, found.auid, found.ses) == (1_002_500, 250, 50_000, 1000, 7)
    assert (found.uid, found.exe, found.comm, found.vpid) == (33, b"/bin/sh", b"sh", None)


def test_the_cgroup_names_the_container(machine: Machine) -> None:
    """A process in a container's cgroup is in it, its place is the container's own, its inner pid is said."""
    machine.add(200, cgroup=IN_A, ns=INSIDE_A, pids=(200, 1))
    found = answer(view(machine, node=b"n", boot="b"), 200)
    assert found.container is not None
    assert (found.container.id, found.container.engine, found.evidence) == (A, "docker", Evidence.CGROUP)
    assert (found.container.contid, found.container.node, found.container.boot) == (derive_contid(A), b"n", "b")
    assert found.place is found.container
    assert found.own == Ns.MNT | Ns.PID | Ns.NET | Ns.UTS | Ns.IPC
    assert (found.vpid, found.netns and found.netns.ino) == (1, 4026532003)


def test_two_processes_of_a_container_have_the_same_object(machine: Machine) -> None:
    """A container is made once, and a nested one is inside the outer one's object."""
    machine.add(200, cgroup=IN_A, ns=INSIDE_A)
    machine.add(201, cgroup=IN_A.strip() + f"/docker/{B}\n", ns=INSIDE_B)
    host = view(machine)
    inner = answer(host, 201).container
    assert inner is not None
    assert [one.id for one in inner.chain()] == [B, A]
    assert inner.parent is answer(host, 200).container


def test_in_the_cgroup_only_is_still_inside(machine: Machine) -> None:
    """A shell that was put into a container's cgroup belongs to it; that it sees the host's files is in `own`."""
    machine.add(200, cgroup=IN_A, ns=INSIDE_A)
    machine.add(201, cgroup=IN_A)
    found = answer(view(machine), 201)
    assert found.container is not None
    assert (found.own, found.place) == (Ns.NONE, None)


def test_who_entered_is_placed_in_the_container(machine: Machine) -> None:
    """By nsenter: cgroup of the host, mount namespace of a container. Host by membership, and the place says so."""
    machine.add(200, cgroup=IN_A, ns=INSIDE_A)
    machine.add(300, cgroup=USER, ns=INSIDE_A, mounts=OTHER_ROOT)
    found = answer(view(machine), 300)
    assert (found.container, found.evidence) == (None, Evidence.HOST_VIEW)
    assert found.place is not None
    assert found.place.id == A


def test_a_namespace_of_two_containers_is_ambiguous(machine: Machine) -> None:
    """Two containers whose first processes share a mount namespace: a third process in it is no one's."""
    machine.add(200, cgroup=IN_A, ns=INSIDE_A, ticks=100)
    machine.add(201, cgroup=IN_B, ns=INSIDE_A, ticks=200)
    machine.add(300, cgroup=USER, ns=INSIDE_A)
    assert where(view(machine), 300) == (None, Reason.AMBIGUOUS)


def test_one_container_s_process_in_another_does_not_take_it_over(machine: Machine) -> None:
    """A process of A that entered B leaves B's mount namespace B's: B began there, A elsewhere."""
    machine.add(200, cgroup=IN_A, ns=INSIDE_A, ticks=100)
    machine.add(201, cgroup=IN_B, ns=INSIDE_B, ticks=200)
    machine.add(202, cgroup=IN_A, ns=INSIDE_B, ticks=300)
    machine.add(300, cgroup=USER, ns=INSIDE_B)
    host = view(machine)
    host.processes()
    place = answer(host, 300).place
    assert place is not None
    assert place.id == B
    crossed = answer(host, 202)
    assert crossed.container is not None
    assert crossed.place is not None
    assert (crossed.container.id, crossed.place.id) == (A, B)


def test_an_engine_inside_does_not_take_over_what_it_works_in(machine: Machine) -> None:
    """Runc in a container: its stage is in the new container's cgroup while it still sees the files of the outer one.

    Nor does the outer container begin where its own engine's stage was seen, in the namespace of the host's engine.
    """
    outer, inner = f"0::/docker/{A}\n", f"0::/docker/{A}/lab/{B}\n"
    away = {"mnt": 111, "pid": 222}
    machine.add(400, ticks=1000, cgroup=outer, ns={"mnt": 99}, exe="/usr/sbin/runc", comm="runc:[1:CHILD]")
    machine.add(401, ticks=1010, cgroup=inner, ns=away, exe="/", comm="runc:[2:INIT]")
    machine.add(402, ticks=1001, ppid=400, cgroup=outer, ns=away)
    machine.add(403, ticks=1020, cgroup="0::/\n", ns=away)
    host = view(machine)
    for pid in (400, 401, 402):
        host.process(pid)
    place = answer(host, 403).place
    assert place is not None
    assert place.id == A


def test_a_recycled_inode_names_nobody(machine: Machine) -> None:
    """Inodes of namespaces are given again at once: when the container's processes are gone, its claim is too."""
    machine.add(200, cgroup=IN_A, ns=INSIDE_A)
    host = view(machine)
    assert where(host, 200)[0] == A
    machine.kill(200)
    machine.add(300, cgroup=USER, ns={"mnt": INSIDE_A["mnt"]})
    found = answer(host, 300)
    assert (found.container, found.place) == (None, None)


def test_pid_namespaces_never_make_a_member(machine: Machine) -> None:
    """In a container's pid namespace, but with the host's files and cgroup: neither that container nor host."""
    machine.add(200, cgroup=IN_A, ns=INSIDE_A)
    machine.add(300, cgroup=USER, ns={"pid": INSIDE_A["pid"]})
    assert where(view(machine), 300) == (None, Reason.AMBIGUOUS)


def test_an_engine_s_stage_owns_no_namespace(machine: Machine) -> None:
    """An engine in a container: its stage is in the inner one's cgroup while it still sees the outer one's files."""
    machine.add(200, cgroup=IN_A, ns=INSIDE_A, ticks=900)
    inner = f"0::/system.slice/docker-{A}.scope/docker-{B}.scope\n"
    sealed = "/memfd:runc_cloned:/proc/self/exe (deleted)"
    machine.add(210, ppid=200, cgroup=inner, ns={"mnt": 77, "pid": 78}, comm="runc:[1:CHILD]", exe=sealed)
    machine.add(220, cgroup=USER, ns={"mnt": 77})
    host = view(machine)
    host.processes()
    found = answer(host, 220)
    assert found.place is None or found.place.id != B


def test_engine_helpers_are_host(machine: Machine) -> None:
    """Stages of runc, and conmon, are in the container's cgroup before, or without, being in the container."""
    machine.add(90, comm="containerd-shim")
    machine.add(201, ppid=90, cgroup=IN_A, comm="runc:[0:PARENT]", exe="/memfd:runc_cloned:/proc/self/exe (deleted)")
    machine.add(202, ppid=90, cgroup=IN_A, comm="conmon", exe="/usr/bin/conmon")
    machine.add(203, ppid=90, cgroup=f"0::/machine.slice/libpod-conmon-{A}.scope\n", comm="conmon")
    host = view(machine)
    assert [where(host, pid) for pid in (201, 202, 203)] == [(None, Evidence.HOST_VIEW)] * 3


def test_a_workload_is_no_helper_by_its_name(machine: Machine) -> None:
    """A process of the container that calls itself conmon stays inside: it does not see the host's files."""
    machine.add(200, cgroup=IN_A, ns=INSIDE_A)
    machine.add(201, ppid=200, cgroup=IN_A, ns=INSIDE_A, comm="runc:[2:INIT]", exe="/usr/bin/conmon")
    machine.add(202, ppid=201, cgroup=IN_A, comm="conmon", exe="/usr/bin/conmon")  # out, but a child of the inside
    host = view(machine)
    assert [where(host, pid)[0] for pid in (201, 202)] == [A, A]


def test_kernel_threads_and_pid_1_are_host(machine: Machine) -> None:
    """They need no look at namespaces: kdevtmpfs has a mount namespace of its own."""
    machine.add(25, ppid=2, comm="kdevtmpfs", flags=0x208040, ns={"mnt": 4026531900}, cgroup="0::/\n", exe=None)
    machine.add(1, ppid=0, ns=dict.fromkeys(INSIDE_A, 0))
    host = view(machine)
    assert [where(host, pid) for pid in (1, 2, 25)] == [(None, Evidence.INIT)] * 3


# --- what proves nothing --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "flags", "cgroup", "want"),
    [
        ("Z", 0, "1:pids:/\n0::/\n", (None, Reason.ZOMBIE)),
        ("X", 0, UNIT, (None, Reason.ZOMBIE)),
        ("R", 0x4, "1:pids:/\n0::/\n", (None, Reason.ZOMBIE)),
        ("Z", 0, f"1:pids:/\n{IN_A}", (A, Evidence.CGROUP)),
        ("Z", 0, f"1:pids:/docker/{B}\n{IN_A}", (A, Evidence.CGROUP)),
        ("Z", 0, f"1:pids:/docker/{B}\n0::/\n", (None, Reason.ZOMBIE)),
    ],
)
def test_a_zombie_only_has_its_v2_line(
    machine: Machine, state: str, flags: int, cgroup: str, want: tuple[str | None, Evidence | Reason]
) -> None:
    """Dead, or dying (PF_EXITING): v1 lines read `/` and say nothing; never host."""
    machine.add(200, state=state, flags=flags, cgroup=cgroup, ns=dict.fromkeys(INSIDE_A, 0))
    assert where(view(machine), 200) == want


def test_a_process_whose_first_thread_ended_is_read_by_another(machine: Machine) -> None:
    """The first thread is a zombie, the process is not: its other threads know where it is."""
    task = {"task/201/stat": machine.stat(201, 1, "x", "S", 900, 0, 2), "task/201/cgroup": IN_A}
    home = machine.add(200, state="Z", threads=2, cgroup="1:pids:/\n0::/\n", ns=dict.fromkeys(INSIDE_A, 0), files=task)
    (home / "task/201/ns").mkdir()
    for kind, ino in INSIDE_A.items():
        (home / "task/201/ns" / kind).symlink_to(f"{kind}:[{ino}]")
    assert where(view(machine), 200) == (A, Evidence.CGROUP)


class Changing(Proc):
    """A /proc in which something happens when a file is read."""

    def __init__(self, root: Path, on: str, then: Callable[[], object]) -> None:
        self.on, self.then, self.armed = on, then, False
        super().__init__(root, live=False)

    def read(self, name: str | bytes, dir_fd: int, limit: int = 16384) -> bytes:
        """As ever, and then the world changes once."""
        data = super().read(name, dir_fd, limit)
        if os.fsdecode(name) == self.on and self.armed:
            self.armed = False
            self.then()
        return data


@pytest.mark.parametrize("on", ["cgroup", "status", "loginuid"])
def test_a_pid_that_is_used_again_while_it_is_read_is_no_answer(machine: Machine, on: str) -> None:
    """The cgroup of one process and the namespaces of the next must never be put together."""
    home = machine.add(200, ticks=100, cgroup=IN_A, ns=INSIDE_A)

    def reuse() -> None:
        (home / "stat").write_text(machine.stat(200, 1, "sh", "S", 5000, 0, 1))

    proc = Changing(machine.root, on, reuse)
    host = view(machine, proc)
    proc.armed = True
    assert host.process(200) is Reason.REUSED


def test_a_process_that_ends_while_it_is_read_is_gone(machine: Machine) -> None:
    """What was read before it went is not used."""
    machine.add(200, cgroup=IN_A, ns=INSIDE_A)
    proc = Changing(machine.root, "cgroup", lambda: machine.kill(200))
    host = view(machine, proc)
    proc.armed = True
    assert host.process(200) is Reason.GONE


def test_one_that_dies_while_it_is_read_is_a_zombie(machine: Machine) -> None:
    """Alive at the first stat, dead at the last: its v1 lines may have been read after its death."""
    home = machine.add(200, cgroup="1:pids:/\n0::/\n")

    def die() -> None:
        (home / "stat").write_text(machine.stat(200, 1, "sh", "Z", 1000, 0, 1))

    proc = Changing(machine.root, "cgroup", die)
    host = view(machine, proc)
    proc.armed = True
    assert where(host, 200) == (None, Reason.ZOMBIE)


def test_a_number_that_is_a_thread_s_is_another_process(machine: Machine) -> None:
    """/proc/TID can be opened too (proc(5)); an audit pid is a process, so that one is gone."""
    machine.add(200, files={"status": "Name:\tx\nTgid:\t150\nUid:\t0\t0\t0\t0\n"})
    assert view(machine).process(200) is Reason.REUSED


@pytest.mark.parametrize("pid", [-1, 0, 2**22, 2**40])
def test_numbers_that_are_no_pids(machine: Machine, pid: int) -> None:
    """No file is opened for them."""
    assert view(machine).process(pid) is Reason.NOT_SEEN


def test_gone_and_denied(machine: Machine) -> None:
    """No such process; namespaces that may not be read: neither is host."""
    host = view(machine)
    assert host.process(4711) is Reason.GONE
    machine.add(200, ns={"mnt": 0, "pid": 0})
    assert where(host, 200) == (None, Reason.DENIED)


def test_without_the_host_s_namespaces_nothing_is_host(machine: Machine) -> None:
    """Where pid 1 and the kernel's threads are closed to us, there is nothing to compare with."""
    machine.add(1, ppid=0, ns={"mnt": 0, "pid": 0})
    machine.add(2, ppid=0, flags=0, ns={"mnt": 0, "pid": 0})
    machine.add(200)
    machine.add(201, cgroup=IN_A)
    host = view(machine)
    assert host.report["namespaces"]
    assert [where(host, pid) for pid in (200, 201)] == [(None, Reason.DENIED), (A, Evidence.CGROUP)]


def test_from_inside_a_cgroup_namespace_nothing_is_host(machine: Machine) -> None:
    """Paths that begin at another root hide what is further out; what they name is still named."""
    machine.add(1, ppid=0, cgroup="0::/../..\n")
    machine.add(200, cgroup="0::/\n")
    machine.add(201, cgroup=f"0::/../docker-{A}.scope\n", ns=INSIDE_A)
    host = view(machine)
    assert host.report["cgroups"]
    assert [where(host, pid) for pid in (200, 201)] == [(None, Reason.HIDDEN), (A, Evidence.CGROUP)]


def test_from_inside_a_pid_namespace_nothing_is_answered(machine: Machine) -> None:
    """The audit trail's pids are those of the first pid namespace: ours would be other processes."""
    machine.add(1, ppid=0, ns={"pid": 4026532777})
    machine.add(200)
    host = view(machine)
    assert host.process(200) is Reason.HIDDEN
    assert host.processes() == []


def test_two_lines_that_name_two_containers_are_ambiguous(machine: Machine) -> None:
    """Never a pick, unless the mount namespace says which."""
    machine.add(200, cgroup=f"2:cpu:/docker/{A}\n1:pids:/docker/{B}\n", ns=INSIDE_A)
    host = view(machine)
    assert where(host, 200) == (None, Reason.AMBIGUOUS)


# --- kernel and site sources ----------------------------------------------------------------------------------------


def test_the_contid_file_is_stronger_than_the_cgroup(machine: Machine) -> None:
    """A registered process has the kernel's number, with the names the cgroup leads to; unset says nothing."""
    machine.add(1, ppid=0, files={"audit_containerid": "18446744073709551615"})
    machine.add(200, cgroup=IN_A, ns=INSIDE_A, files={"audit_containerid": "123"})
    machine.add(201, files={"audit_containerid": "0"})
    machine.add(202, cgroup=IN_A, ns=INSIDE_A, files={"audit_containerid": "18446744073709551615\n"})
    machine.add(203, files={"audit_containerid": "18446744073709551616"})
    host = view(machine)
    found = answer(host, 200)
    assert found.container is not None
    assert (found.container.contid, found.container.id, found.evidence) == (123, A, Evidence.CONTID_FILE)
    zero = answer(host, 201).container
    assert zero is not None
    assert zero.contid == 0
    assert [where(host, pid)[1] for pid in (202, 203)] == [Evidence.CGROUP, Evidence.HOST_VIEW]


def test_ptags_are_read_only_where_asked_for(machine: Machine) -> None:
    """A site that sets no prefix is not told by tags."""
    tags = {"attr/ptags": "@site:contid=42\n@site:name=web\n"}
    machine.add(200, files=tags)
    assert where(view(machine), 200) == (None, Evidence.HOST_VIEW)
    found = answer(view(machine, options=HostOptions(ptags="site:")), 200)
    assert found.container is not None
    assert (found.container.contid, found.container.name, found.evidence) == (42, "web", Evidence.PTAGS)


# --- sandboxes ------------------------------------------------------------------------------------------------------


def test_a_user_s_sandbox_is_a_container_without_an_engine(machine: Machine) -> None:
    """As by unshare -mpf: own files and processes. All in it share it; its id is the same for every reader."""
    machine.add(150, comm="bash", cgroup=USER, ticks=10)
    machine.add(160, ppid=150, comm="bwrap", exe="/usr/bin/bwrap", cgroup=USER, ticks=20)
    inner = {"mnt": 4026532500, "pid": 4026532501}
    machine.add(161, ppid=160, cgroup=USER, ns=inner, pids=(161, 1), ticks=30, uid=1000)
    machine.add(162, ppid=161, cgroup=USER, ns=inner, pids=(162, 2), ticks=40)
    host = view(machine)
    late, first = answer(host, 162), answer(host, 161)
    assert late.container is not None
    assert late.container is first.container
    assert late.place is late.container
    assert (late.container.engine, late.container.name) == ("namespaces", "bwrap")
    assert late.container.id == "mnt:[4026532500]@30"
    assert late.evidence is Evidence.MNTNS
    other = answer(view(machine), 161).container
    assert other is not None
    assert other.id == late.container.id


def test_the_sandbox_outlives_its_first_process(machine: Machine) -> None:
    """Where ids are recycled, a claim holds as long as any process that was seen in it lives."""
    inner = {"mnt": 4026532500, "pid": 4026532501}
    machine.add(161, cgroup=USER, ns=inner, ticks=30)
    machine.add(162, ppid=161, cgroup=USER, ns=inner, ticks=40)
    host = view(machine)
    before = [answer(host, pid).container for pid in (161, 162)]
    machine.kill(161)
    assert answer(host, 162).container is before[0]


def test_a_sandbox_in_a_sandbox_is_nested(machine: Machine) -> None:
    """What is made inside is inside."""
    outer, inner = {"mnt": 4026532500, "pid": 4026532501}, {"mnt": 4026532600, "pid": 4026532601}
    machine.add(161, cgroup=USER, ns=outer, ticks=30)
    machine.add(171, ppid=161, cgroup=USER, ns=inner, ticks=50)
    host = view(machine)
    first, second = answer(host, 161).container, answer(host, 171).container
    assert first is not None
    assert second is not None
    assert second.chain() == (second, first)


def test_a_private_mount_namespace_alone_is_no_container(machine: Machine) -> None:
    """Many services have one: same root, same processes, so host."""
    machine.add(300, ns={"mnt": 4026532700})
    machine.add(301, cgroup=USER, ns={"mnt": 4026532701, "net": 4026532702})
    host = view(machine)
    assert [where(host, pid) for pid in (300, 301)] == [(None, Evidence.HOST_VIEW)] * 2


def test_another_root_makes_a_sandbox(machine: Machine) -> None:
    """A builder's chroot in its own mount namespace sees other files, with the host's processes."""
    machine.add(300, cgroup=USER, ns={"mnt": 4026532700}, mounts=OTHER_ROOT)
    machine.add(301, cgroup=USER, ns={"mnt": 4026532701}, mounts="")
    host = view(machine)
    assert where(host, 300) == ("mnt:[4026532700]@1000", Evidence.MNTNS)
    assert where(host, 301) == (None, Reason.DENIED)


def test_what_systemd_made_for_a_unit_counts_only_when_asked(machine: Machine) -> None:
    """A hardened service is host by default, also with its own root; what the service itself makes is a sandbox."""
    hard = {"mnt": 4026532700, "pid": 4026532701}
    machine.add(300, ppid=1, cgroup=UNIT, ns=hard, mounts=OTHER_ROOT, ticks=10)
    machine.add(310, ppid=1, cgroup="0::/system.slice/ci.service\n", comm="ci", ticks=11)
    machine.add(311, ppid=310, cgroup="0::/system.slice/ci.service\n", ns={"mnt": 5, "pid": 6}, ticks=12)
    host = view(machine)
    assert where(host, 300) == (None, Evidence.HOST_VIEW)
    assert where(host, 311)[1] is Evidence.MNTNS
    unit = answer(view(machine, options=HostOptions(units=True)), 300).container
    assert unit is not None
    assert (unit.name, unit.engine) == ("cron.service", "namespaces")
    off = view(machine, options=HostOptions(sandboxes=False))
    assert where(off, 311) == (None, Evidence.HOST_VIEW)


def test_an_engine_on_its_way_into_a_container_is_no_sandbox(machine: Machine) -> None:
    """The init of runc before it is in its cgroup must not be called a container of its own, nor host."""
    machine.add(300, cgroup=USER, ns={"mnt": 4026532700, "pid": 4026532701}, exe="/usr/bin/crun")
    assert where(view(machine), 300) == (None, Reason.NOT_SEEN)


def test_a_container_seen_before_its_cgroup_wins_over_its_sandbox(machine: Machine) -> None:
    """First seen by its namespaces alone, then in its cgroup: whoever else is there is in the engine's container."""
    machine.add(200, cgroup=USER, ns=INSIDE_A)
    host = view(machine)
    assert where(host, 200)[1] is Evidence.MNTNS
    machine.add(200, cgroup=IN_A, ns=INSIDE_A)
    assert where(host, 200) == (A, Evidence.CGROUP)
    machine.add(300, cgroup=USER, ns=INSIDE_A)
    place = answer(host, 300).place
    assert place is not None
    assert place.id == A


# --- engines --------------------------------------------------------------------------------------------------------


def runc_state(root: Path, name: str, pid: int, ticks: int) -> None:
    """What runc writes of a container (libcontainer's state.json)."""
    home = root / "run/runc" / name
    home.mkdir(parents=True)
    (home / "state.json").write_text(
        f'{{"id":"{name}","init_process_pid":{pid},"init_process_start":{ticks},"created":"2024-01-01T00:00:00Z",'
        f'"config":{{"rootfs":"/r","labels":[]}},"cgroup_paths":{{"":"/sys/fs/cgroup/{name}"}}}}'
    )


def test_a_name_is_believed_only_when_an_engine_has_it(machine: Machine) -> None:
    """`/web` may be any cgroup: without runc's state its process is a sandbox at most."""
    machine.add(200, cgroup="0::/web\n", ns=INSIDE_A, ticks=77)
    assert where(view(machine), 200)[1] is Evidence.MNTNS
    runc_state(machine.root, "web", 200, 77)
    engines = Engines(machine.root, owners=False)
    host = view(machine, engines=engines)
    assert where(host, 200) == ("web", Evidence.CGROUP)
    machine.add(201, cgroup="0::/other/web2\n")
    assert where(host, 201) == (None, Evidence.HOST_VIEW)
    engines.close()


def test_an_init_that_its_engine_wrote_down_owns_its_namespace(machine: Machine) -> None:
    """A container without a cgroup of its own is known by its init, checked by its birth."""
    runc_state(machine.root, "quiet", 200, 77)
    runc_state(machine.root, "stale", 210, 78)
    machine.add(200, cgroup=UNIT, ns=INSIDE_A, ticks=77)
    machine.add(210, cgroup=UNIT, ns=INSIDE_B, ticks=9999)
    engines = Engines(machine.root, owners=False)
    host = view(machine, engines=engines)
    places = {one.pid: one.place.id if one.place else None for one in host.processes()}
    assert places[200] == "quiet"
    assert places[210] != "stale"
    engines.close()


# --- the scan -------------------------------------------------------------------------------------------------------


def test_the_scan_gives_parents_first_and_finds_owners_first(machine: Machine) -> None:
    """Also where a child has the smaller number, and where the owner of a namespace comes after who entered it."""
    machine.add(300, ppid=900, cgroup=USER, ns=INSIDE_A, mounts=OTHER_ROOT)
    machine.add(900, ppid=1, cgroup=IN_A, ns=INSIDE_A)
    machine.add(50, ppid=51)
    machine.add(51, ppid=50)  # a loop: the parents' numbers were used again while reading
    found = view(machine).processes()
    order = [one.pid for one in found]
    assert sorted(order) == [1, 2, 50, 51, 300, 900]
    assert order.index(900) < order.index(300)
    entered = next(one for one in found if one.pid == 300)
    assert entered.place is not None
    assert entered.place.id == A


def test_what_was_read_is_refused_for_other_times() -> None:
    """Born more than 20 ms after the stamp: another process. Read after it moved: too late."""
    seen = HostProcess(7, 1, start_ms=1000, ticks=1, read_ms=5000, container=None, evidence=None)
    assert seen.refusal(980) is None
    assert seen.refusal(979) is Reason.REUSED
    assert seen.refusal(2000, changed_ms=3000) is Reason.LATE
    assert seen.refusal(2000, changed_ms=2000) is None
    assert seen.refusal(2000, changed_ms=6000) is None


# --- recorded -------------------------------------------------------------------------------------------------------


def test_a_recorded_machine_answers_as_the_machine_did(machine: Machine, tmp_path: Path) -> None:
    """The same class over another root: same answers, at the time it was taken."""
    machine.add(200, cgroup=IN_A, ns=INSIDE_A, pids=(200, 1))
    machine.add(201, ppid=200, comm="a) R 1 (b", cgroup=USER, ns={"mnt": 4026532500, "pid": 4026532501})
    header = TreeHeader(captured_ms=50_000, offset_ms=1_000_000, boot="b", node="n")
    assert record(tmp_path / "taken", header, machine.root) == 4
    host, said = recorded(tmp_path / "taken", derive_contid)
    assert said == header
    before = view(machine, node=b"n", boot="b")
    assert [shown(one) for one in host.processes()] == [shown(one) for one in before.processes()]
    with pytest.raises(SourceError):
        recorded(tmp_path / "nothing", derive_contid)


@given(st.binary(max_size=300) | st.binary(max_size=200).map(lambda tail: b"annotator-host 1\n" + tail))
def test_any_header_is_an_answer_or_our_error(data: bytes) -> None:
    """And what is read can be written and read again."""
    try:
        header = parse_header(data)
    except FormatError:
        return
    assert parse_header(header.text().encode()).captured_ms == header.captured_ms


# --- any bytes ------------------------------------------------------------------------------------------------------

FILES = ("stat", "cgroup", "status", "loginuid", "sessionid", "mountinfo", "audit_containerid", "attr/ptags", "ns/mnt")
PIECES = st.lists(
    st.sampled_from(
        [b"200 (sh) S 1 ", b"0 " * 20, b"\n", b"mnt:[4026532001]", b"0::/docker/" + A.encode(), b"Tgid:\t200\n", b"-1 "]
    )
    | st.binary(max_size=20),
    max_size=12,
).map(b"".join)


@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from(FILES), PIECES, max_size=4))
def test_any_bytes_in_any_file_are_an_answer_or_a_reason(
    tmp_path_factory: pytest.TempPathFactory, make_machine: type[Machine], texts: dict[str, bytes]
) -> None:
    """Nothing raises, and a container is only what a file named."""
    machine = make_machine(tmp_path_factory.mktemp("any") / "host")
    home = machine.add(200, files={"audit_containerid": "5"}, ns=INSIDE_A)
    for name, data in texts.items():
        path = home / name
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(data)
    host = view(machine, options=HostOptions(ptags="x:", units=True))
    found = host.process(200)
    assert isinstance(found, HostProcess | Reason)
    if isinstance(found, HostProcess):
        assert (found.container is None) or isinstance(found.container, Container)
        assert found.reason is None or found.container is None
        assert found.evidence is not None or found.reason is not None
    assert isinstance(host.processes(), list)
    host.close()


@given(st.binary(max_size=400))
def test_any_bytes_are_a_stat_or_none(data: bytes) -> None:
    """Fields are within their ranges when they are read at all."""
    stat = parse_stat(data)
    assert stat is None or (0 <= stat.ticks < 2**64 and len(stat.comm) <= 64)
    status = parse_status(data)
    assert status is None or 0 <= status.uid < 2**32


@pytest.mark.parametrize("kind", ["directory", "fifo", "loop"])
def test_files_that_are_none(machine: Machine, kind: str) -> None:
    """A recorded tree may hold anything under these names: it is not waited for, and nothing is followed out."""
    home = machine.add(200)
    (home / "cgroup").unlink()
    if kind == "directory":
        (home / "cgroup").mkdir()
    elif kind == "fifo":
        os.mkfifo(home / "cgroup")
    else:
        (home / "cgroup").symlink_to("/etc/passwd")
    assert view(machine).process(200) is Reason.DENIED


def test_errors_are_ours(tmp_path: Path) -> None:
    """A tree without a header says what it should hold."""
    with pytest.raises(AnnotatorError, match="host-header"):
        recorded(tmp_path, derive_contid)


def test_the_same_sandbox_in_two_boots_is_two(machine: Machine) -> None:
    """Numbers of namespaces begin anew with each boot: the boot is part of a sandbox's id, and so of its contid."""
    ids = set()
    for boot in ("aaaaaaaa-0000-4000-8000-000000000000", "bbbbbbbb-0000-4000-8000-000000000000"):
        containers = HostContainers(derive_contid, lambda: 0, boot=boot)
        made = containers.sandbox("mnt:182", "bwrap", 1000, None)
        ids.add((made.id, made.contid))
        assert made.id.startswith("mnt:182/")
    assert len({one for one, _ in ids}) == len({contid for _, contid in ids}) == 2


def test_a_cgroup_below_a_containers_own_proves_nothing(machine: Machine) -> None:
    """Root inside may name one after another container: who has the mounts of the outer one is in that."""
    machine.add(200, cgroup=IN_A, ns=INSIDE_A)
    machine.add(210, cgroup=IN_B, ns=INSIDE_B)
    machine.add(201, cgroup=IN_A.strip() + f"/docker/{B}\n", ns=INSIDE_A)
    host = view(machine)
    assert where(host, 200) == (A, Evidence.CGROUP)
    assert where(host, 201) == (A, Evidence.CGROUP)
    assert {one.pid: one.container and one.container.id for one in host.processes()}[201] == A
    assert where(host, 210) == (B, Evidence.CGROUP)


@pytest.mark.parametrize("name", [f"docker-{A}.scope", f"libpod-{A}.scope", f"user.slice/libpod-{A}.scope/container"])
def test_a_user_names_the_cgroups_of_his_slice_as_he_likes(machine: Machine, name: str) -> None:
    """There his engine has to confirm an id: without, nobody is in that container."""
    machine.add(200, cgroup=f"0::/user.slice/user-1000.slice/user@1000.service/{name}\n")
    assert where(view(machine), 200) == (None, Evidence.HOST_VIEW)
