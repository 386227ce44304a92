"""Live attribution: forks, execs and exits as the kernel tells them, with what /proc shows at each, into the sightings.

A process is read twice: at its fork, when it still is what its parent was, and at its exec, when an engine has put it
where it belongs. What was read is believed only after the next events were taken: a pid that was given away while it
was being read is told by its own fork, whose birth the clock ticks of /proc could not tell apart.

Measured here: 30 µs for one look, 4 µs for one event. While the kernel is ahead of us forks are not read: a child is
where its parent was, and its exec says the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from annotator.backend import HostProcess
from annotator.errors import SourceError
from annotator.linux.procevents import Kind, ProcEvent, ProcEvents
from annotator.sightings import IN_VAIN

if TYPE_CHECKING:
    from collections.abc import Callable

    from annotator.backend import HostView
    from annotator.outside import Journaling
    from annotator.sightings import Sightings

BATCH: Final = 512
"""Events taken at once."""

FORGET_MS: Final = 10_000
"""How often what ended long ago is forgotten."""

KEPT_MS: Final = 120_000
"""How long a process that has ended is remembered: its last records may come late."""


class Source(Protocol):
    """The proc connector, or a list of a test."""

    overrun: bool

    def fileno(self) -> int:
        """For select(2)."""
        ...

    def drain(self, max_events: int = 4096) -> list[ProcEvent]:
        """What is there now."""
        ...

    def close(self) -> None:
        """End it."""
        ...


class Counts:
    """What was done, for the metrics. `behind` counts batches after which more was waiting."""

    __slots__ = ("behind", "dropped", "events", "failed", "read", "rescans")

    def __init__(self) -> None:
        self.events = self.read = self.failed = self.dropped = self.rescans = self.behind = 0


class Live:
    """Keeps `sightings` up to date. `now` is Unix time in ms.

    `events` None: no proc connector; then there is only the scan at the start, and the questions the sightings ask
    the host themselves. `journal` is told everything, in the order in which it was learnt.
    """

    def __init__(
        self,
        sightings: Sightings,
        host: HostView,
        events: Source | None,
        *,
        now: Callable[[], int],
        journal: Journaling | None = None,
        node: bytes = b"",
    ) -> None:
        self.sightings, self.host, self.events, self.journal, self.node = sightings, host, events, journal, node
        self.counts = Counts()
        self.watch: Callable[[HostProcess], None] | None = None
        """Is shown each process that was read: for the network namespaces."""
        self._now = now
        self._held: list[HostProcess] = []
        self._forget_at = 0
        sightings.host = host
        sightings.note = self._noted

    def fileno(self) -> int:
        """The proc connector's descriptor for select(2); -1 without one."""
        return self.events.fileno() if self.events is not None else -1

    def close(self) -> None:
        """End the subscription, and write what the journal holds."""
        self._settle([])
        if self.events is not None:
            self.events.close()
            self.events = None
        if self.journal is not None:
            self.journal.close()

    # --- the start, and after a loss ----------------------------------------------------------------------------

    def start(self) -> int:
        """Scan all processes, so that shims and daemons are known as parents; returns how many there are."""
        seen = self.host.processes()
        for one in seen:
            self._learn(one)
        return len(seen)

    def _rescan(self) -> None:
        """Events were lost: who is not there any more has ended, by now at the latest."""
        self.counts.rescans += 1
        seen = self.host.processes()
        there = {one.pid for one in seen}
        now = self._now()
        for pid in self.sightings.living(self.node):
            if pid not in there:
                self._exited(pid, now * 1_000_000)
        for one in seen:
            self._learn(one)

    # --- events -------------------------------------------------------------------------------------------------

    def poll(self, batches: int = 8) -> bool:
        """Take what the kernel has told, at most so many batches; whether there may be more."""
        if self.events is None:
            return False
        for turn in range(batches):
            found = self.events.drain(BATCH)
            self.counts.events += len(found)
            self._settle(found)
            if self.events.overrun:
                self.events.overrun = False
                self._rescan()
            if found:
                self._take(found, behind=turn > 0 and len(found) >= BATCH // 2)
            if len(found) < BATCH // 2:
                break
            self.counts.behind += 1
        else:
            return True
        if self._held:  # what was read just now: has anybody got these pids anew meanwhile?
            found = self.events.drain(BATCH)
            self.counts.events += len(found)
            self._settle(found)
            if found:
                self._take(found, behind=True)
        return bool(self._held)

    def tick(self, now: int) -> None:
        """Now and then, at `now` (Unix ms): forget what ended long ago, and give the journal to the disk."""
        if now >= self._forget_at:
            self._forget_at = now + FORGET_MS
            self.sightings.forget(now - KEPT_MS)
        if self.journal is not None:
            self.journal.flush()

    def _take(self, found: list[ProcEvent], *, behind: bool) -> None:
        """Apply events in their order, then read who still has the pid they told of."""
        last: dict[int, ProcEvent] = {}
        for event in found:
            last[event.pid] = event
            match event.kind:
                case Kind.FORK:
                    self._forked(event)
                case Kind.EXEC:
                    self._executed(event.pid, event.ns)
                case Kind.EXIT:
                    self._exited(event.pid, event.ns)
        orphaned: dict[int, None] = {}
        for pid, event in last.items():
            if event.kind is Kind.EXEC or (event.kind is Kind.FORK and not behind):
                if not self._read(pid):
                    orphaned[self.sightings.parent(self.node, pid)] = None
            elif event.kind is Kind.EXIT and not behind:
                orphaned[event.ppid] = None
        for pid in orphaned:  # nobody saw the child: at least where its parent is now
            if pid > 2 and pid not in last:
                self._read(pid)

    def _read(self, pid: int) -> bool:
        """Look at a process; whether that showed anything."""
        seen = self.host.process(pid)
        self.counts.read += 1
        if isinstance(seen, HostProcess):
            self._held.append(seen)
            if seen.reason not in IN_VAIN:
                return True
        self.counts.failed += 1
        return False

    def _settle(self, found: list[ProcEvent]) -> None:
        """What was read before these events came: believed, but for pids that were given to another meanwhile."""
        if not self._held:
            return
        anew = {event.pid: event.ns // 1_000_000 for event in found if event.kind is Kind.FORK}
        for seen in self._held:
            if anew.get(seen.pid, seen.read_ms + 1) <= seen.read_ms:
                self.counts.dropped += 1
            else:
                self._learn(seen)
        self._held.clear()

    def _forked(self, event: ProcEvent) -> None:
        self.sightings.forked(self.node, event.ppid, event.pid, event.ns // 1_000_000)
        if self.journal is not None:
            self._renew(self.journal.forked(event.ppid, event.pid, event.ns))

    def _exited(self, pid: int, ns: int) -> None:
        self.sightings.exited(self.node, pid, ns // 1_000_000)
        if self.journal is not None:
            self._renew(self.journal.exited(pid, ns))

    def _executed(self, pid: int, ns: int) -> None:
        self.sightings.executed(self.node, pid, ns // 1_000_000)
        if self.journal is not None:
            self._renew(self.journal.executed(pid, ns))

    def _learn(self, seen: HostProcess) -> None:
        self.sightings.observed(self.node, seen)
        self._noted(self.node, seen)

    def _noted(self, node: bytes, seen: HostProcess) -> None:
        """Also what the sightings asked for themselves."""
        if self.journal is not None:
            self._renew(self.journal.observed(node, seen))
        if self.watch is not None:
            self.watch(seen)

    def _renew(self, rotated: bool) -> None:
        """A new file of the journal begins: it says again what lives, so that it can be used without the old ones."""
        if rotated and self.journal is not None:
            for seen in self.sightings.newest(self.node):
                self.journal.observed(self.node, seen)


def subscribe(offset_ns: int) -> tuple[ProcEvents | None, str]:
    """The proc connector, or None and why there is none. `offset_ns` is CLOCK_REALTIME - CLOCK_MONOTONIC."""
    try:
        return ProcEvents(offset_ns), ""
    except SourceError as err:
        return None, err.what
