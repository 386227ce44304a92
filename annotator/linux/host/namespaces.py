"""Namespaces as /proc shows them: those that are not the host's, ids that are never recycled, ids of sandboxes.

Facts (namespaces(7), ioctl_ns(2), include/uapi/linux/nsfs.h, include/linux/proc_ns.h):

- A link reads `mnt:[4026531832]`. Inode numbers are recycled at once when a namespace ends, so an inode alone names a
  namespace only as long as a process of it is known to live.
- NS_GET_ID (Linux 6.18) gives any namespace a 64-bit id that is never given again in this boot; NS_GET_MNTNS_ID (6.11)
  gives the same number for mount namespaces.
- The first cgroup, pid, user, uts and ipc namespaces have fixed inodes; those of mnt and net differ between kernels.
"""

from __future__ import annotations

import fcntl
import re
from typing import Final, NamedTuple

from annotator.core.model import Ns

KINDS: Final = (
    (b"mnt", Ns.MNT),
    (b"pid", Ns.PID),
    (b"net", Ns.NET),
    (b"user", Ns.USER),
    (b"cgroup", Ns.CGROUP),
    (b"uts", Ns.UTS),
    (b"ipc", Ns.IPC),
    (b"time", Ns.TIME),
)
"""The names below /proc/PID/ns, in the order in which links are kept: mnt and pid decide, so they come first."""

INITIAL: Final = {
    Ns.CGROUP: 0xEFFFFFFB,
    Ns.PID: 0xEFFFFFFC,
    Ns.USER: 0xEFFFFFFD,
    Ns.UTS: 0xEFFFFFFE,
    Ns.IPC: 0xEFFFFFFF,
}
"""Inodes of the first namespaces, the same on every kernel that has the kind (enum of include/linux/proc_ns.h)."""

_NS_GET_MNTNS_ID: Final = 0x8008B705  # _IOR(0xb7, 5, __u64)
_NS_GET_ID: Final = 0x8008B70D  # _IOR(0xb7, 13, __u64)

_link = re.compile(rb"(mnt|pid|net|user|cgroup|uts|ipc|time):\[([0-9]{1,10})\]").fullmatch
_MOUNT: Final = re.compile(rb"^[0-9]+ [0-9]+ ([0-9]+:[0-9]+ [^ \n]+) / ", re.MULTILINE)


class Namespace(NamedTuple):
    """One namespace: its inode, and the id that is never recycled (0: the kernel has none, or it could not be read)."""

    kind: Ns
    ino: int
    unique: int = 0


def parse_link(text: bytes) -> tuple[bytes, int] | None:
    """Kind and inode of a link's text; None when it is none, or its number is no inode (u32)."""
    match = _link(text)
    if match is None:
        return None
    ino = int(match[2])
    return (match[1], ino) if 0 < ino < 2**32 else None


def own_of(links: tuple[bytes, ...], host: tuple[bytes, ...]) -> Ns | None:
    """The namespaces that differ from the host's. None when those of files and processes could not both be read.

    A kind that either side lacks (an older kernel) is taken as the same.
    """
    if not (links[0] and links[1] and host[0] and host[1]):
        return None
    if links == host:
        return Ns.NONE
    own = Ns.NONE
    for (_, kind), link, theirs in zip(KINDS, links, host, strict=True):
        if link and theirs and link != theirs:
            own |= kind
    return own


def unique_id(fd: int, kind: Ns) -> int:
    """The id of an open namespace file that is never recycled, or 0 where the kernel has none."""
    value = bytearray(8)
    for call in (_NS_GET_ID, _NS_GET_MNTNS_ID) if kind is Ns.MNT else (_NS_GET_ID,):
        try:
            fcntl.ioctl(fd, call, value)
        except OSError:
            continue
        return int.from_bytes(value, "little" if _LITTLE else "big")
    return 0


_LITTLE: Final = memoryview(b"\1\0").cast("H")[0] == 1


def root_mount(mountinfo: bytes) -> bytes | None:
    """Device and root of the mount that is `/`, as `MAJOR:MINOR ROOT`; of several the last, which covers the others.

    A private mount namespace of a service has the same one as the host; a container's or sandbox's differs.
    None when there is none. The text is the process's own mounts: it may prove a sandbox, never a known container.
    """
    mounts = _MOUNT.findall(mountinfo)
    return mounts[-1] if mounts else None


def unit_of(cgroup: bytes) -> bytes:
    """The systemd service whose own cgroup this is (`cron.service`), or b"". A user's manager is not one, nor a scope.

    A namespace that systemd made for a unit of its own is that unit's hardening, not somebody's sandbox.
    """
    for line in cgroup.split(b"\n"):
        if not line.startswith(b"0::/") and b":name=systemd:/" not in line:
            continue
        for part in reversed(line.split(b"/")):
            if part.endswith(b".scope"):
                break
            if part.endswith(b".service"):
                return b"" if part.startswith(b"user@") else part
    return b""


def sandbox_id(namespace: Namespace, ticks: int) -> str:
    """The id of a sandbox, which no engine gives one: `mnt:4098`, or inode and birth of its first process.

    `ticks` is field 22 of that process's stat (proc(5)). The same whenever and by whomever it is read in one boot.
    """
    kind = next(name for name, each in KINDS if each is namespace.kind).decode()
    return f"{kind}:{namespace.unique}" if namespace.unique else f"{kind}:[{namespace.ino}]@{ticks}"
