"""What a run may know from outside its log: a journal that was written live, this machine, or a recorded tree.

Nothing here is used unless it was asked for. This machine answers only for its own records: of another node, or from
before this boot, nobody is asked.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from annotator.backend import HostProcess
from annotator.errors import StoreError, UsageError
from annotator.linux.engines import Engines
from annotator.linux.host import LinuxHost
from annotator.linux.host_recorded import recorded
from annotator.model import Executed, Exited, Forked
from annotator.registry import derive_contid
from annotator.sightings import Sightings
from annotator.store import Entry, Header, Journal, decode_fact, encode_fact, journal_files, read_journal

if TYPE_CHECKING:
    from annotator.processes import Processes
    from annotator.registry import Registry

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """This boot's id (random(4)); "" where there is none."""
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return ""


def offset_ns() -> int:
    """CLOCK_REALTIME - CLOCK_BOOTTIME now."""
    return time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def this_header(node: str = "") -> Header:
    """The header of a journal or state file that is written here and now."""
    ticks = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
    return Header(node.encode(), boot_id(), offset_ns(), ticks)


def live_host(node: bytes = b"") -> LinuxHost:
    """The view of this machine. Raises UsageError where there is no /proc."""
    root = Path("/")
    try:
        return LinuxHost(
            root,
            live=True,
            derive=derive_contid,
            now=lambda: time.time_ns() // 1_000_000,
            offset_ms=offset_ns() // 1_000_000,
            boot=boot_id(),
            node=node,
            ticks=os.sysconf("SC_CLK_TCK"),
            engines=Engines(root),
        )
    except OSError as err:
        raise UsageError(f"--host live: this machine has no /proc that can be read: {err.strerror}") from err


class Journaling:
    """Writes what was seen as it is seen. `append` takes the time of the sighting, not of the writing."""

    def __init__(self, path: Path, header: Header) -> None:
        self.journal = Journal(path, header)
        self.offset_ns = header.offset_ns

    def observed(self, node: bytes, seen: HostProcess) -> bool:  # noqa: ARG002  (the header has the node)
        """One look at one process. True: a new file was begun, and should be told again what lives."""
        return self._append(seen.read_ms * 1_000_000, seen)

    def forked(self, parent: int, child: int, ns: int) -> bool:
        """A birth, pids of the first namespace."""
        return self._append(ns, Forked(parent, child, trusted=True))

    def executed(self, pid: int, ns: int) -> bool:
        """A program was begun; which, the look after it says."""
        return self._append(ns, Executed(pid, b""))

    def exited(self, pid: int, ns: int) -> bool:
        """An end."""
        return self._append(ns, Exited(pid))

    def _append(self, realtime_ns: int, fact: HostProcess | Forked | Executed | Exited) -> bool:
        kind, body = encode_fact(fact)
        return self.journal.append(Entry(realtime_ns, realtime_ns - self.offset_ns, kind, body))

    def flush(self) -> None:
        """Hand what is held to the system."""
        self.journal.flush()

    def close(self) -> None:
        """Write what is held."""
        self.journal.close()


def load(sightings: Sightings, path: Path, node: bytes) -> int:
    """Give a journal (its whole rotated set) to `sightings`; returns how many entries could not be used."""
    skipped = 0
    files = journal_files(path) or [path]
    for one in files:
        header, entries = read_journal(one)
        if node and header.node and header.node != node:
            entries.close()
            raise StoreError(
                f"{one}: this journal is of node {header.node.decode('utf-8', 'backslashreplace')!r}",
                "Give the journal of the host the log is from.",
            )
        for entry in entries:
            ms = entry.realtime_ns / 1e6
            fact = decode_fact(entry.kind, entry.body)
            if isinstance(fact, HostProcess):
                sightings.observed(b"", fact)
            elif isinstance(fact, Forked):
                sightings.forked(b"", fact.parent, fact.child, ms)
            elif isinstance(fact, Executed):
                sightings.executed(b"", fact.pid, ms)
            elif isinstance(fact, Exited):
                sightings.exited(b"", fact.pid, ms)
            else:
                skipped += 1
    return skipped


def sightings_of(
    registry: Registry,
    host: str,
    journals: tuple[Path, ...],
    node: str,
    processes: Processes | None = None,
) -> Sightings | None:
    """The sightings a replay was given; None when it was given none, as by default."""
    if host == "none" and not journals:
        return None
    sightings = Sightings(registry, processes=processes)
    for path in journals:
        load(sightings, path, node.encode())
    if host == "live":
        sightings.host = live_host(node.encode())
    elif host != "none":
        try:
            view, _ = recorded(Path(host), derive_contid, engines=Engines(Path(host), owners=False))
        except OSError as err:
            advice = "Name a folder with a recorded tree of /proc, as scripts/capture-sample makes one."
            raise UsageError(f"--host {host}: cannot be read: {err.strerror}", advice) from err
        for seen in view.processes():
            sightings.observed(b"", seen)
    return sightings
