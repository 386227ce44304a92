"""One process of a machine, read once: its numbers, cgroup and namespaces, all of the same process or nothing.

A recorded tree has no descriptors that stand for a process, so `stat` is read first and last, and what lies between
counts only when both show the same birth.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from annotator.core.model import UNSET_ID, ContId, Reason
from annotator.linux.host.namespaces import KINDS
from annotator.linux.host.parse import Ids, Stat, parse_stat, parse_status

if TYPE_CHECKING:
    from annotator.linux.host.namespaces import Namespace
    from annotator.linux.host.procfs import Proc

MAX_CGROUP: Final = 64 * 1024 + 1
"""Bytes read of cgroup: one more than `identify` reads, so that a longer text is seen to be longer."""

_MNT_LINK: Final = b"ns/" + KINDS[0][0]


class ProcSnapshot(NamedTuple):
    """One process, read once. `links` are the texts of its namespaces in the order of KINDS, b"" for what is not there.

    `zombie`: it was dead or dying at the first or the last reading. `contid` and `tags` are None where the file is
    absent or closed to us. `mnt`, `pid_ns` and `net` are None where the link could not be read.
    """

    stat: Stat
    cgroup: bytes
    links: tuple[bytes, ...]
    zombie: bool
    ids: Ids
    auid: int = UNSET_ID
    ses: int = UNSET_ID
    exe: bytes = b""
    contid: ContId | None = None
    tags: bytes | None = None
    mnt: Namespace | None = None
    pid_ns: Namespace | None = None
    net: Namespace | None = None


class MountSnapshot(NamedTuple):
    """What is read of a process to find out who owns a mount namespace."""

    stat: Stat
    cgroup: bytes
    mnt: Namespace | None


def take_snapshot(proc: Proc, pid: int) -> ProcSnapshot | Reason:
    """All that is read of one process, or why it cannot be read: GONE, DENIED, REUSED, or NOT_SEEN for no pid."""

    def read(pid: int, fd: int) -> ProcSnapshot | Reason:
        first = parse_stat(proc.read("stat", fd))
        if first is None or first.pid != pid:
            return Reason.GONE
        inner = proc.living_thread(pid, fd) if first.zombie and first.threads > 1 else b""
        cgroup = proc.read(inner + b"cgroup", fd, MAX_CGROUP)
        links = proc.links_below(inner, fd)
        namespaces = [proc.namespace_of(at, links[at], inner, fd) for at in range(3)]
        ids = parse_status(proc.read("status", fd)) or Ids(pid, UNSET_ID, ())
        auid, ses = proc.number("loginuid", fd, 2**32), proc.number("sessionid", fd, 2**32)
        contid = proc.number("audit_containerid", fd, 2**64) if proc.contids else None
        tags = proc.optional("attr/ptags", fd, MAX_CGROUP) if proc.tags else None
        exe = b"" if first.kthread else proc.link(b"exe", fd)
        last = parse_stat(proc.read("stat", fd))
        if last is None or last.pid != pid:
            return Reason.GONE
        if last.ticks != first.ticks or ids.tgid != pid:
            return Reason.REUSED  # also when the number now is that of another process's thread
        zombie = (first.zombie or last.zombie) and not inner
        login = (UNSET_ID if auid is None else auid, UNSET_ID if ses is None else ses)
        number = None if contid is None else ContId(contid)
        exe = exe.removesuffix(b" (deleted)")
        return ProcSnapshot(last, cgroup, links, zombie, ids, *login, exe, number, tags, *namespaces)

    return proc.within(pid, read)


def take_mount_snapshot(proc: Proc, pid: int) -> MountSnapshot | Reason:
    """Only what tells in whose mount namespace a process is, or why that cannot be read."""

    def read(pid: int, fd: int) -> MountSnapshot | Reason:
        stat = parse_stat(proc.read("stat", fd))
        if stat is None or stat.pid != pid:
            return Reason.GONE
        cgroup = proc.read("cgroup", fd, MAX_CGROUP)
        return MountSnapshot(stat, cgroup, proc.namespace_of(0, proc.link(_MNT_LINK, fd), b"", fd))

    return proc.within(pid, read)
