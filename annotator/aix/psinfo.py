"""`/proc/PID/psinfo`: one read gives a process's pid, parent, start and CID, without a race inside of it.

The layout is `layouts.PSINFO`, whose offsets are computed and were not yet read on a live system. So the strategy
proves itself first: our own file must show our own pid and parent. `cross_check` compares what it says with `ps`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from annotator.aix import layouts
from annotator.aix.record import GLOBAL
from annotator.core.errors import FormatError
from annotator.core.model import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MOST = 4096
"""Bytes that are read of a file: the documented 328 and what lies behind, whose length differs."""


class Psinfo(NamedTuple):
    """What of a process's psinfo is used. `start_ns` is Unix time in nanoseconds; `zombie` has no threads left."""

    pid: int
    ppid: int
    uid: int
    start_ns: int
    cid: int
    comm: bytes
    args: bytes
    zombie: bool


def parse(data: bytes) -> Psinfo:
    """The members of interest; FormatError when fewer than 328 bytes are there."""
    values = layouts.unpack(layouts.PSINFO, data)
    lwp = layouts.PSINFO.size
    lwpid = int.from_bytes(data[lwp : lwp + 8], "big") if len(data) >= lwp + 8 else 1
    return Psinfo(
        pid=values["pr_pid"],
        ppid=values["pr_ppid"],
        uid=values["pr_uid"] & 0xFFFFFFFF,
        start_ns=values["pr_start"] * 1_000_000_000 + values["pr_start_ns"],
        cid=values["pr_cid"],
        comm=layouts.text(values["pr_fname"]),
        args=layouts.text(values["pr_psargs"]),
        zombie=values["pr_nlwp"] == 0 and lwpid == 0,
    )


def read(proc: Path, pid: int) -> Psinfo | Reason:
    """The process that has this pid now. A file that shows another pid is read once more: old levels err at a start.

    GONE, DENIED, or REUSED when the file twice shows another process.
    """
    for _ in range(2):
        try:
            with (proc / str(pid) / "psinfo").open("rb") as file:
                found = parse(file.read(MOST))
        except (FileNotFoundError, NotADirectoryError, ProcessLookupError):
            return Reason.GONE
        except PermissionError:
            return Reason.DENIED
        except (OSError, FormatError):
            continue
        if found.pid == pid:
            return found
    return Reason.REUSED


def pids(proc: Path) -> list[int]:
    """All processes: numeric names that hold an `as` file (thread directories do not)."""
    try:
        names = [entry.name for entry in proc.iterdir() if entry.name.isdigit()]
    except OSError:
        return []
    return sorted(int(name) for name in names if len(name) <= 10 and (proc / name / "as").exists())


def probe(proc: Path, pid: int, ppid: int) -> str:
    """Prove the layout on a process we know (our own): "" when it holds, else why it must not be used."""
    found = read(proc, pid)
    if isinstance(found, Reason):
        return f"{proc}/{pid}/psinfo: {found.value}"
    if (found.pid, found.ppid) != (pid, ppid):
        return f"{proc}/{pid}/psinfo shows parent {found.ppid} where it is {ppid}: another layout"
    if not 0 < found.start_ns < 2**63:
        return f"{proc}/{pid}/psinfo shows no time where the start should be: another layout"
    return ""


def cross_check(cids: Mapping[int, int], names: Mapping[int, bytes]) -> str:
    """Compare CIDs by pid with `ps` names by pid: "" when each name goes with one CID and Global with 0.

    A difference means that the two bytes at 144 are not the CID on this release.
    """
    by_cid: dict[int, bytes] = {}
    by_name: dict[bytes, int] = {}
    for pid in sorted(cids.keys() & names.keys()):
        cid, name = cids[pid], names[pid]
        if (cid == 0) != (name == GLOBAL):
            return f"pid {pid}: psinfo says CID {cid}, ps says {name.decode('utf-8', 'backslashreplace')}"
        if by_cid.setdefault(cid, name) != name or by_name.setdefault(name, cid) != cid:
            return f"CID {cid} and the names of ps do not go together (pid {pid})"
    return ""


def joined(cids: Mapping[int, int], names: Mapping[int, bytes]) -> list[tuple[bytes, int]]:
    """WPAR names with their CIDs, from processes that both show; only what does not contradict itself."""
    found: dict[bytes, set[int]] = {}
    for pid in cids.keys() & names.keys():
        if names[pid] != GLOBAL and cids[pid]:
            found.setdefault(names[pid], set()).add(cids[pid])
    return [(name, next(iter(seen))) for name, seen in sorted(found.items()) if len(seen) == 1]
