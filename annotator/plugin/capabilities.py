"""Least privilege: which capabilities are kept, and why; everything else is given up for good.

By ctypes, since the standard library has no capset(2); only plain calls, no callbacks, so that it also works where
memory may not be made executable (MemoryDenyWriteExecute= of auditd.service). capabilities(7), prctl(2).
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from annotator.plugin.config import Config

CHOWN, KILL, SETGID, SETUID, SETPCAP = 0, 5, 6, 7, 8
DAC_READ_SEARCH, NET_ADMIN, SYS_PTRACE, SYS_NICE = 2, 12, 19, 23

NAMES = {
    CHOWN: "CAP_CHOWN",
    DAC_READ_SEARCH: "CAP_DAC_READ_SEARCH",
    KILL: "CAP_KILL",
    SETGID: "CAP_SETGID",
    SETUID: "CAP_SETUID",
    NET_ADMIN: "CAP_NET_ADMIN",
    SYS_PTRACE: "CAP_SYS_PTRACE",
    SYS_NICE: "CAP_SYS_NICE",
}

_PR_SET_KEEPCAPS, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 8, 24, 38
_VERSION_3 = 0x20080522


class Capability(NamedTuple):
    """A capability that is kept, and its purpose."""

    number: int
    purpose: str

    @property
    def name(self) -> str:
        """The name in capabilities(7)."""
        return NAMES[self.number]


def needed(config: Config) -> tuple[Capability, ...]:
    """The capabilities that the worker keeps. A part that needs another one adds it here, with its purpose."""
    kept: list[Capability] = []
    if config.host.live:
        kept.append(Capability(DAC_READ_SEARCH, "the state files of engines are read, whoever owns them"))
        kept.append(Capability(SYS_PTRACE, "the namespaces and programs of all processes are read"))
    if config.host.live and config.host.processes:
        kept.append(Capability(NET_ADMIN, "the proc connector is followed, with a queue that holds a storm"))
        kept.append(Capability(SYS_NICE, "processes that live for a millisecond are read in time"))
    if any(output.group for output in config.output):
        kept.append(Capability(CHOWN, "a new output file is given to its group"))
    return tuple(kept)


def needed_by_reader(config: Config) -> tuple[Capability, ...]:
    """The capabilities that the reader keeps: it starts new workers, which cannot have more than it has."""
    kept = list(needed(config))
    if config.process.user:
        kept.append(Capability(SETUID, "a new worker becomes process.user"))
        kept.append(Capability(SETGID, "a new worker takes the groups of process.user"))
        kept.append(Capability(KILL, "a worker of another user that does not end is ended"))
    return tuple(kept)


def mask(kept: tuple[Capability, ...]) -> int:
    """The set as bits."""
    return sum(1 << capability.number for capability in kept)


def limit(keep: int) -> str:
    """Give up all capabilities but these bits, and the right to get any back by exec. Returns "" or the failure."""
    libc = _libc()
    for number in range(64):
        if not keep >> number & 1 and libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0) != 0:
            break  # beyond the last that this kernel knows, or not ours to drop
    failed = _capset(libc, keep)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        failed = failed or "no_new_privs was refused"
    return failed


def become(user: str, keep: int) -> None:
    """Become `user`, with its groups, and with these capabilities. Raises OSError or KeyError."""
    import pwd

    entry = pwd.getpwnam(user)
    if entry.pw_uid == os.geteuid():
        return
    libc = _libc()
    libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups(os.getgrouplist(entry.pw_name, entry.pw_gid))
    os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
    os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)
    libc.prctl(_PR_SET_KEEPCAPS, 0, 0, 0, 0)
    if failed := _capset(libc, keep):
        raise OSError(0, failed)


def held() -> int:
    """The effective capabilities of this process (proc(5), CapEff)."""
    with open("/proc/self/status", "rb") as file:
        for line in file:
            if line.startswith(b"CapEff:"):
                return int(line[7:], 16)
    return 0


def _capset(libc: Any, keep: int) -> str:
    """Permitted and effective become `keep`, as far as it is permitted now; inheritable becomes empty."""
    import ctypes

    head = struct.pack("=Ii", _VERSION_3, 0)
    now = ctypes.create_string_buffer(24)
    if libc.capget(head, now) != 0:
        return "capget: " + os.strerror(ctypes.get_errno())
    words = struct.unpack("=6I", now.raw)
    permitted = (words[1] | words[4] << 32) & keep
    low, high = permitted & 0xFFFFFFFF, permitted >> 32
    if libc.capset(head, struct.pack("=6I", low, low, 0, high, high, 0)) != 0:
        return "capset: " + os.strerror(ctypes.get_errno())
    return ""


def _libc() -> Any:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl.argtypes = (ctypes.c_int, *(ctypes.c_ulong,) * 4)
    return libc
