"""Parsers of the files of one process. Pure; a text that does not fit gives None. Facts: proc(5), linux/sched.h."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from annotator.core.model import UNSET_ID

PID_MAX: Final = 2**22
"""PID_MAX_LIMIT of a 64-bit kernel (include/linux/threads.h): no process has this number or a larger one."""

_PF_EXITING: Final = 0x4
_PF_KTHREAD: Final = 0x200000

_stat = re.compile(
    rb"([0-9]{1,7}) \((.*)\) (\S) ([0-9]{1,7}) (?:-?[0-9]+ ){4}([0-9]{1,10}) (?:-?[0-9]+ ){10}([0-9]{1,7}) "
    rb"-?[0-9]+ ([0-9]{1,20})[ \n]",
    re.DOTALL,
).match
_tgid = re.compile(rb"^Tgid:\s([0-9]{1,7})$", re.MULTILINE).search
_uid = re.compile(rb"^Uid:\s([0-9]{1,10})\s", re.MULTILINE).search
_nspid = re.compile(rb"^NSpid:\s([0-9\t ]{1,512})$", re.MULTILINE).search


class Stat(NamedTuple):
    """/proc/PID/stat. `ticks` is the birth in clock ticks since boot (field 22), `threads` those not yet reaped."""

    pid: int
    comm: bytes
    state: bytes
    ppid: int
    flags: int
    threads: int
    ticks: int

    @property
    def zombie(self) -> bool:
        """Dead or dying: the kernel shows `/` as its v1 cgroups from PF_EXITING on, and soon no namespaces."""
        return self.state in (b"Z", b"X", b"x") or bool(self.flags & _PF_EXITING)

    @property
    def kthread(self) -> bool:
        """A thread of the kernel: it has no program and is in no container."""
        return bool(self.flags & _PF_KTHREAD)


class Ids(NamedTuple):
    """/proc/PID/status. `pids` are its numbers from the reader's pid namespace inwards (NSpid); () when absent."""

    tgid: int
    uid: int
    pids: tuple[int, ...]


def parse_stat(data: bytes) -> Stat | None:
    """The fields that are used. The name may hold anything, also `) R 1 (`: it ends at the last parenthesis."""
    match = _stat(data)
    if match is None:
        return None
    pid, comm, state, ppid, flags, threads, ticks = match.groups()
    if int(ticks) >= 2**64:
        return None
    return Stat(int(pid), comm[:64], state, int(ppid), int(flags), int(threads), int(ticks))


def parse_status(data: bytes) -> Ids | None:
    """Thread group, real user (u32, larger is unset) and pids. `Name:` comes first but has its newlines escaped."""
    tgid, uid = _tgid(data), _uid(data)
    if tgid is None or uid is None:
        return None
    inner = _nspid(data)
    pids = tuple(int(word) for word in inner[1].split()[:33] if len(word) <= 7) if inner is not None else ()
    return Ids(int(tgid[1]), min(int(uid[1]), UNSET_ID), pids)


def parse_number(data: bytes, limit: int) -> int | None:
    """An unsigned decimal number below `limit`, with or without a newline."""
    data = data.removesuffix(b"\n")
    if not 0 < len(data) <= 20 or not data.isdigit():
        return None
    number = int(data)
    return number if number < limit else None
