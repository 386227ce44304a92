"""Rules of the host view on this very machine: its own processes, a sandbox made here, a process that goes away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from annotator.core.contracts import HostProcess
from annotator.core.model import Evidence, Ns, Reason
from annotator.core.registry import derive_contid
from annotator.linux.host.membership import HostOptions
from annotator.linux.host.namespaces import INITIAL
from annotator.linux.host.recorded import TreeHeader, record, recorded
from annotator.linux.host.view import LinuxHost
from annotator.linux.netlink.proc_events import Kind, ProcEvents

if TYPE_CHECKING:
    from collections.abc import Iterator

OUTSIDE = f"pid:[{INITIAL[Ns.PID]}]" == os.readlink("/proc/self/ns/pid")  # noqa: PTH115  (the text of a magic link)
pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(os.geteuid() != 0 or not OUTSIDE, reason="needs root in the first pid namespace"),
]


def now() -> int:
    """Unix time in milliseconds."""
    return time.time_ns() // 1_000_000


def offset() -> int:
    """CLOCK_REALTIME - CLOCK_BOOTTIME in milliseconds."""
    return (time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)) // 1_000_000


@pytest.fixture
def host() -> Iterator[LinuxHost]:
    """This machine, its engines not asked."""
    made = LinuxHost(live=True, derive=derive_contid, now=now, offset_ms=offset(), ticks=os.sysconf("SC_CLK_TCK"))
    yield made
    made.close()


@pytest.fixture
def sandbox() -> Iterator[subprocess.Popen[bytes]]:
    """A shell in its own mount and pid namespaces."""
    command = ["unshare", "-mpf", "--mount-proc", "--kill-child", "sh", "-c", "sleep 60 & echo ready; wait"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"ready\n"
    yield child
    child.kill()
    child.wait()
    child.stdout.close()


def test_a_child_of_ours_is_where_we_are(host: LinuxHost) -> None:
    """Born when it was made, our child, in our namespaces, and then gone."""
    child = subprocess.Popen(["sleep", "60"])
    made = now()
    try:
        found = host.process(child.pid)
        ours = host.process(os.getpid())
        assert isinstance(found, HostProcess)
        assert isinstance(ours, HostProcess)
        assert (found.ppid, found.own, found.container, found.evidence) == (
            *(os.getpid(), ours.own, ours.container),
            ours.evidence,
        )
        assert abs(found.start_ms - made) < 1000
        assert found.refusal(made) is None
        assert found.refusal(made - 60_000) is Reason.REUSED
        child.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        dead = host.process(child.pid)
        assert isinstance(dead, HostProcess)
        assert dead.reason is Reason.ZOMBIE or dead.container is not None
    finally:
        child.kill()
        child.wait()
    assert host.process(child.pid) is Reason.GONE


def test_the_scan_has_everybody_with_parents_first(host: LinuxHost) -> None:
    """Ourselves and pid 1 among them; each answer has evidence or a reason."""
    found = host.processes()
    place = {one.pid: at for at, one in enumerate(found)}
    assert {1, os.getpid(), os.getppid()} <= set(place)
    assert place[os.getppid()] < place[os.getpid()]
    assert all((one.evidence is None) != (one.reason is None) for one in found)
    assert next(one for one in found if one.pid == 1).evidence is Evidence.INIT


def inner_of(found: list[HostProcess], child: subprocess.Popen[bytes]) -> list[HostProcess]:
    """The shell in the sandbox and what it started."""
    shell = next(one for one in found if one.ppid == child.pid)
    return [shell, *(one for one in found if one.ppid == shell.pid)]


def test_a_sandbox_is_one_container(host: LinuxHost, sandbox: subprocess.Popen[bytes]) -> None:
    """All in it share it, its numbers there are said, and the next reader gives it the same id."""
    shell, sleep = inner_of(host.processes(), sandbox)
    if shell.evidence is Evidence.CGROUP:
        pytest.skip("these tests run in a container")
    assert shell.container is not None
    assert shell.container is sleep.container
    assert (shell.container.engine, shell.container.name) == ("namespaces", "unshare")
    assert (shell.vpid, sleep.vpid) == (1, 2)
    assert shell.own is not None
    assert shell.own & (Ns.MNT | Ns.PID) == Ns.MNT | Ns.PID
    again = LinuxHost(live=True, derive=derive_contid, now=now, offset_ms=offset())
    other = again.process(sleep.pid)
    again.close()
    assert isinstance(other, HostProcess)
    assert other.container is not None
    assert (other.container.id, other.container.contid) == (shell.container.id, shell.container.contid)


def test_who_enters_a_sandbox_is_in_it(host: LinuxHost, sandbox: subprocess.Popen[bytes]) -> None:
    """By nsenter, from a host shell: the mount namespace says so."""
    shell = inner_of(host.processes(), sandbox)[0]
    command = ["nsenter", "-t", str(shell.pid), "-m", "-p", "sh", "-c", "echo ready; sleep 60"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        inner = next(one for one in host.processes() if one.ppid == child.pid)
        assert (inner.container or inner.place) is (shell.container or shell.place)
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        if child.stdout is not None:
            child.stdout.close()


def test_a_private_mount_namespace_is_host(host: LinuxHost) -> None:
    """As many services have one: same root, same processes."""
    child = subprocess.Popen(["unshare", "-m", "sh", "-c", "echo ready; exec sleep 60"], stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        found = host.process(child.pid)
        ours = host.process(os.getpid())
        assert isinstance(found, HostProcess)
        assert isinstance(ours, HostProcess)
        assert (found.container, found.evidence) == (ours.container, ours.evidence)
        assert found.own is not None
        assert found.own & Ns.MNT
    finally:
        child.kill()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()


def test_a_process_tagged_by_its_site(sandbox: subprocess.Popen[bytes]) -> None:
    """A `trusted.` attribute on its pidfd, where the kernel has them."""
    fd = os.pidfd_open(sandbox.pid)
    try:
        os.setxattr(fd, "trusted.annotator_test", b"42")
    except OSError:
        pytest.skip("this kernel has no attributes on pidfds")
    finally:
        os.close(fd)
    options = HostOptions(pidfd_xattr="trusted.annotator_test")
    host = LinuxHost(live=True, derive=derive_contid, now=now, offset_ms=offset(), options=options)
    found = host.process(sandbox.pid)
    host.close()
    assert isinstance(found, HostProcess)
    assert found.container is not None
    assert (found.container.contid, found.evidence) == (42, Evidence.XATTR)


@pytest.fixture
def cgroup() -> Iterator[Path]:
    """A cgroup such as docker makes, in the v2 hierarchy of this machine; emptied and removed afterwards."""
    mounts = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"))
    mount = next((path for path in mounts if (path / "cgroup.procs").exists()), None)
    if mount is None:
        pytest.skip("no cgroup v2 here")
    made = mount / f"docker-{os.urandom(32).hex()}.scope"
    made.mkdir()
    yield made
    for _ in range(100):
        try:
            made.rmdir()
            return
        except OSError:
            time.sleep(0.02)


def test_a_process_moved_into_a_container_s_cgroup(host: LinuxHost, cgroup: Path) -> None:
    """Named by its cgroup from the moment it is in it, also as a zombie; in `own` is that it sees the host's files."""
    id_ = cgroup.name[7:71]
    child = subprocess.Popen(["sleep", "60"])
    try:
        before = host.process(child.pid)
        (cgroup / "cgroup.procs").write_text(str(child.pid))
        after = host.process(child.pid)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        dead = host.process(child.pid)
    finally:
        child.kill()
        child.wait()
    assert isinstance(before, HostProcess)
    assert isinstance(after, HostProcess)
    assert isinstance(dead, HostProcess)
    assert before.container is None or before.container.id != id_
    for one in (after, dead):
        assert one.container is not None
        assert (one.container.id, one.container.engine, one.evidence) == (id_, "docker", Evidence.CGROUP)
    assert (after.own, dead.own) == (before.own, None)


def test_the_proc_connector_is_early_enough(host: LinuxHost, cgroup: Path) -> None:
    """Of 300 short processes born in a container's cgroup nearly all are still there when their fork is heard of.

    Those that are gone say so; none is host.
    """
    code = (
        f"import os\nopen({str(cgroup / 'cgroup.procs')!r}, 'w').write(str(os.getpid()))\n"
        "for _ in range(300):\n    pid = os.fork()\n    if pid == 0:\n        os._exit(0)\n    os.waitpid(pid, 0)\n"
    )
    events = ProcEvents(0)
    child = subprocess.Popen([sys.executable, "-c", code])
    found: list[HostProcess | Reason] = []
    while child.poll() is None:
        forks = [one for one in events.drain() if one.kind is Kind.FORK and one.ppid == child.pid]
        found += [host.process(one.pid) for one in forks]
    events.close()
    seen = [one for one in found if isinstance(one, HostProcess)]
    assert all(one in (Reason.GONE, Reason.REUSED) for one in found if not isinstance(one, HostProcess))
    assert all(one.container is not None and one.container.id == cgroup.name[7:71] for one in seen)
    assert len(seen) > 30  # some 95 % on an idle machine; CI's may be busy


def test_this_machine_recorded(host: LinuxHost, sandbox: subprocess.Popen[bytes], tmp_path: Path) -> None:
    """Read from a tree taken of it, the machine gives the same answers; only ids that never recycle are not in it."""
    live = {one.pid: one for one in host.processes()}
    assert record(tmp_path / "taken", TreeHeader(now(), offset())) > 2
    view, _ = recorded(tmp_path / "taken", derive_contid)
    taken = {one.pid: one for one in view.processes()}
    for one in inner_of(list(live.values()), sandbox):
        other = taken[one.pid]
        assert (one.ticks, one.own, one.evidence, one.vpid) == (other.ticks, other.own, other.evidence, other.vpid)
    assert taken[os.getpid()].evidence == live[os.getpid()].evidence
