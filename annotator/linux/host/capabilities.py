"""The rights of a process, from `/proc`: may it register a container? All files read are of one process, or None."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

CAP_AUDIT_CONTROL = 30
"""linux/capability.h."""

INITIAL_USER_NS = "user:[4026531837]"
"""The first user namespace has a fixed inode (PROC_USER_INIT_INO, include/linux/proc_ns.h)."""


class Rights(NamedTuple):
    """`ticks`: the start time (proc(5), stat field 22). `may_register`: CAP_AUDIT_CONTROL, first user namespace."""

    ticks: int
    may_register: bool


def rights(root: Path, pid: int, pidfd: int = -1) -> Rights | None:
    """The rights of a process; None when it is gone, another by now, or cannot be read.

    A pid may be given away between two reads. With a `pidfd` of the process, that is asked after the last; without
    one the start time must be the same before and after.
    """
    proc = root / "proc" / str(pid)
    try:
        before = start_ticks(proc)
        status = (proc / "status").read_bytes()[:65536]
        namespace = (proc / "ns" / "user").readlink()
        if start_ticks(proc) != before or (pidfd >= 0 and _pid_of(root, pidfd) != pid):
            return None
        effective = next((int(line[7:], 16) for line in status.splitlines() if line.startswith(b"CapEff:")), 0)
    except (OSError, ValueError):
        return None
    return Rights(before, bool(effective >> CAP_AUDIT_CONTROL & 1) and str(namespace) == INITIAL_USER_NS)


def start_ticks(proc: Path) -> int:
    """Field 22 of `/proc/PID/stat`. Raises OSError, or ValueError for text that is none."""
    text = (proc / "stat").read_bytes()[:4096]
    fields = text[text.rindex(b")") + 1 :].split()
    if len(fields) < 20:
        raise ValueError("too few fields")
    return int(fields[19])


def _pid_of(root: Path, pidfd: int) -> int:
    """The pid of a pidfd's process: -1 when it has ended (`Pid:` of its fdinfo, pidfd_open(2))."""
    for line in (root / "proc/self/fdinfo" / str(pidfd)).read_bytes()[:4096].splitlines():
        if line.startswith(b"Pid:"):
            return int(line[4:])
    raise ValueError("no pidfd")
