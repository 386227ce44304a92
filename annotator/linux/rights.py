"""What a process may do, by `/proc`: may it register a container? Read once, under a start time that must not change."""

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


def rights(root: Path, pid: int) -> Rights | None:
    """The rights of a process; None when it is gone, changed while reading, or cannot be read."""
    proc = root / "proc" / str(pid)
    try:
        before = start_ticks(proc)
        status = (proc / "status").read_bytes()[:65536]
        space = (proc / "ns" / "user").readlink()
        after = start_ticks(proc)
    except (OSError, ValueError):
        return None
    if before != after:
        return None
    effective = 0
    for line in status.splitlines():
        if line.startswith(b"CapEff:"):
            try:
                effective = int(line[7:], 16)
            except ValueError:
                return None
    return Rights(before, bool(effective >> CAP_AUDIT_CONTROL & 1) and str(space) == INITIAL_USER_NS)


def start_ticks(proc: Path) -> int:
    """Field 22 of `/proc/PID/stat`. Raises OSError, or ValueError for text that is none."""
    text = (proc / "stat").read_bytes()[:4096]
    fields = text[text.rindex(b")") + 2 :].split()
    return int(fields[19])
