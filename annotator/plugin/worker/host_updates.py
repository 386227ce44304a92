"""Applies the operations of the follower of this machine to the observations, and writes them to the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from annotator.plugin.worker.operations import Exec, Exit, Fork, NetworkRead, Operation, ProcessRead

if TYPE_CHECKING:
    from collections.abc import Iterable

    from annotator.core.contracts import HostNetwork, HostProcess, HostView, NetworkView
    from annotator.core.model import NetnsId
    from annotator.engine.observation_log import Journaling
    from annotator.history import Observations

FORGET_MS: Final = 10_000
"""How often processes that ended long ago are forgotten."""

KEPT_MS: Final = 120_000
"""How long a process that has ended is remembered: its last records may come late."""


class HostUpdates:
    """Keeps `observations` up to date with a follower's operations, and writes all of them to a journal, in that order.

    `reads` counts processes that were read. Of equal readings of a network namespace the journal has the last one only:
    it is written when another reading differs, when the namespace has ended, and when an answer rests on it.
    """

    def __init__(
        self,
        observations: Observations,
        host: HostView,
        *,
        journal: Journaling | None = None,
        node: bytes = b"",
        networks: NetworkView | None = None,
    ) -> None:
        self.observations, self.host, self.journal, self.node = observations, host, journal, node
        self.events = self.reads = 0
        self._forget_at = 0
        self._unwritten: dict[NetnsId, HostNetwork] = {}
        self._used_networks: dict[NetnsId, None] = {}
        observations.host = host
        observations.note = self._note_process
        addresses = observations.addresses
        addresses.ask = networks.network if networks is not None else None
        addresses.note, addresses.over, addresses.used = self._note_network, self._write_network, self._note_used

    def apply(self, operations: Iterable[Operation]) -> None:
        """Apply the follower's operations."""
        observations, node, journal = self.observations, self.node, self.journal
        renew = False
        for operation in operations:
            match operation:
                case Fork(parent, child, ns):
                    observations.forked(node, parent, child, ns / 1e6)
                    renew |= journal is not None and journal.forked(parent, child, ns)
                case Exec(pid, ns):
                    observations.executed(node, pid, ns / 1e6)
                    renew |= journal is not None and journal.executed(pid, ns)
                case Exit(pid, ns):
                    observations.exited(node, pid, ns / 1e6)
                    renew |= journal is not None and journal.exited(pid, ns)
                case ProcessRead(seen):
                    observations.observed(node, seen)
                    self._note_process(node, seen)
                case NetworkRead(reading):
                    self._note_network(reading)
            self.events += 1
        if renew:
            self._renew()

    def tick(self, now: int) -> None:
        """At `now` (Unix ms), once in a while: forget processes that ended long ago, and flush the journal."""
        if now >= self._forget_at:
            self._forget_at = now + FORGET_MS
            self.observations.forget(now - KEPT_MS)
            if self.journal is not None:
                self.journal.journal.expire(now / 1000)
        for netns in self._used_networks:
            self._write_network(netns)
        self._used_networks.clear()
        if self.journal is not None:
            self.journal.flush()

    def close(self) -> None:
        """Write the readings that wait, and close the journal."""
        for netns in list(self._unwritten):
            self._write_network(netns)
        if self.journal is not None:
            self.journal.close()

    def _note_process(self, node: bytes, seen: HostProcess) -> None:
        """A process was read, by the follower or because a record named it."""
        self.reads += 1
        if self.journal is not None and self.journal.observed(node, seen):
            self._renew()

    def _note_used(self, netns: NetnsId) -> None:
        self._used_networks[netns] = None

    def _note_network(self, reading: HostNetwork) -> None:
        """A network namespace was read. The reading that this one replaces is written before it."""
        new = self.observations.addresses.read(reading)
        if self.journal is None:
            return
        if new:
            self._write_network(reading.netns)
        self._unwritten[reading.netns] = reading
        if new:
            self._write_network(reading.netns)

    def _write_network(self, netns: NetnsId) -> None:
        """Write the last reading of a namespace, unless that is done."""
        reading = self._unwritten.pop(netns, None)
        if reading is not None and self.journal is not None and self.journal.network(reading):
            self._renew()

    def _renew(self) -> None:
        """A new file of the journal begins with all that lives, so that it can be used without the old ones."""
        if self.journal is None:
            return
        for seen in self.observations.newest(self.node):
            self.journal.observed(self.node, seen)
        for reading in self.observations.addresses.newest():
            self.journal.network(reading)
