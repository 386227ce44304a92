"""Ways to learn a process's WPAR from the machine, in the order they are tried. Each proves itself before it is used.

A way answers with what it saw, or a Reason. GONE is final; with anything else the next way is asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from annotator.aix import getprocs, psinfo
from annotator.aix.record import wpar_name
from annotator.core.errors import AnnotatorError
from annotator.core.model import NO_PID, UNSET_ID, Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    Run = Callable[[Sequence[str]], bytes]
    """Run a program and give its output; SourceError when it fails."""

    Now = Callable[[], int]
    """Milliseconds of the epoch."""


class Seen(NamedTuple):
    """One process as one way showed it. Of `cid` and `name` one is known. `start_ns` is Unix time, 0 when not known."""

    pid: int
    ppid: int
    start_ns: int
    cid: int | None
    name: bytes | None = None
    uid: int = UNSET_ID
    comm: bytes = b""
    args: bytes = b""
    zombie: bool = False


class Lookup(Protocol):
    """One way."""

    name: str

    def one(self, pid: int) -> Seen | Reason:
        """The process that has this pid now."""
        ...

    def every(self) -> list[Seen]:
        """All processes."""
        ...


class PsinfoLookup:
    """`/proc/PID/psinfo` under a root: no command, no library, one read per process."""

    name = "psinfo"

    def __init__(self, proc: Path) -> None:
        self.proc = proc

    def one(self, pid: int) -> Seen | Reason:
        """The process that has this pid now."""
        found = psinfo.read(self.proc, pid)
        return found if isinstance(found, Reason) else _seen(found)

    def every(self) -> list[Seen]:
        """All processes that could be read."""
        found = (self.one(pid) for pid in psinfo.pids(self.proc))
        return [seen for seen in found if isinstance(seen, Seen)]


def _seen(found: psinfo.Psinfo) -> Seen:
    return Seen(found.pid, found.ppid, found.start_ns, found.cid, None, found.uid, found.comm, found.args, found.zombie)


class GetprocsLookup:
    """`getprocs64()` with a calibrated offset of `pi_cid`."""

    name = "getprocs64"

    def __init__(self, call: getprocs.Call, size: int, offset: int) -> None:
        self.call = call
        self.size = size
        self.offset = offset

    def one(self, pid: int) -> Seen | Reason:
        """The process that has this pid now."""
        entry = getprocs.one(self.call, pid, self.size)
        return entry if isinstance(entry, Reason) else self._seen(pid, entry)

    def every(self) -> list[Seen]:
        """All processes, in one run of the table."""
        return [self._seen(pid, entry) for pid, entry in getprocs.every(self.call, self.size).items()]

    def _seen(self, pid: int, entry: bytes) -> Seen:
        ppid, uid, start, threads = getprocs.identity(entry)
        cid = getprocs.cid(entry, self.offset)
        return Seen(pid, ppid, start * 1_000_000_000, cid, None, uid, zombie=threads == 0)


class PsLookup:
    """`ps -o wpar=`: a name, never a CID. The start is the time now less `etime`, so it is true to a second only."""

    name = "ps"
    COLUMNS = ("-o", "pid=", "-o", "ppid=", "-o", "etime=", "-o", "wpar=")

    def __init__(self, run: Run, now: Now) -> None:
        self.run = run
        self.now = now

    def one(self, pid: int) -> Seen | Reason:
        """The process that has this pid now. GONE also when `ps` itself fails: it exits 1 for a pid that is free."""
        try:
            found = self._parse(self.run(("/usr/bin/ps", *self.COLUMNS, "-p", str(pid))))
        except AnnotatorError:
            return Reason.GONE
        return next((seen for seen in found if seen.pid == pid), Reason.GONE)

    def every(self) -> list[Seen]:
        """All processes, from one command."""
        try:
            return self._parse(self.run(("/usr/bin/ps", "-e", *self.COLUMNS)))
        except AnnotatorError:
            return []

    def _parse(self, output: bytes) -> list[Seen]:
        now_s = self.now() // 1000
        found = []
        for line in output.split(b"\n"):
            words = line.split()
            if len(words) != 4 or not words[0].isdigit() or not words[1].isdigit() or len(words[0] + words[1]) > 20:
                continue
            elapsed = etime(words[2])
            name = wpar_name(words[3])
            if name is not None:
                start = 0 if elapsed is None else (now_s - elapsed) * 1_000_000_000
                found.append(Seen(int(words[0]), int(words[1]), start, None, name))
        return found


def etime(text: bytes) -> int | None:
    """Seconds of `[[dd-]hh:]mm:ss` (POSIX ps); None for anything else (a zombie has `-`)."""
    days, dash, clock = text.rpartition(b"-")
    parts = clock.split(b":")
    if not 2 <= len(parts) <= 3 or not all(part.isdigit() and len(part) <= 4 for part in parts):
        return None
    if dash and not (days.isdigit() and len(days) <= 6):
        return None
    total = 0
    for part in parts:
        total = total * 60 + int(part)
    return total + int(days or 0) * 86400


def of_parent(seen: Seen, ask: Callable[[int], Seen | Reason]) -> Seen | Reason:
    """The parent's answer for a process that has none of its own: proves inside only, never Global."""
    if seen.ppid in (0, NO_PID, seen.pid):
        return Reason.NOT_SEEN
    return ask(seen.ppid)
