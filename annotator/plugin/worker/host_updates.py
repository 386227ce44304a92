"""Live attribution: what a follower of this machine learnt, into the sightings and the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from annotator.core.contracts import HostNetwork, HostProcess, HostView, NetworkView
    from annotator.core.model import NetnsId
    from annotator.engine.observation_log import Journaling
    from annotator.history import Observations
    from annotator.plugin.worker.process_follower import Op

FORGET_MS: Final = 10_000
"""How often what ended long ago is forgotten."""

KEPT_MS: Final = 120_000
"""How long a process that has ended is remembered: its last records may come late."""


class Live:
    """Keeps `sightings` up to date with what a follower says; a journal is told it all, in the same order.

    `looks` counts the looks. Of readings of network namespaces that say nothing new the journal has the last only: when
    another differs, when the namespace has ended, and when an answer rests on it.
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
        self.events = self.looks = 0
        self._forget_at = 0
        self._unwritten: dict[NetnsId, HostNetwork] = {}
        self._rested: dict[NetnsId, None] = {}
        observations.host = host
        observations.note = self._noted
        addresses = observations.addresses
        addresses.ask = networks.network if networks is not None else None
        addresses.note, addresses.over, addresses.used = self._network, self._write, self._used

    def apply(self, ops: Iterable[Op]) -> None:
        """Take what the follower learnt."""
        observations, node, journal = self.observations, self.node, self.journal
        renew = False
        for op in ops:
            match op:
                case (0, parent, child, ns):
                    observations.forked(node, parent, child, ns / 1e6)
                    renew |= journal is not None and journal.forked(parent, child, ns)
                case (1, pid, ns):
                    observations.executed(node, pid, ns / 1e6)
                    renew |= journal is not None and journal.executed(pid, ns)
                case (2, pid, ns):
                    observations.exited(node, pid, ns / 1e6)
                    renew |= journal is not None and journal.exited(pid, ns)
                case (3, seen):
                    observations.observed(node, seen)
                    self._noted(node, seen)
                case (4, found):
                    self._network(found)
            self.events += 1
        if renew:
            self._renew()

    def tick(self, now: int) -> None:
        """Now and then, at `now` (Unix ms): forget what ended long ago, and give the journal to the disk."""
        if now >= self._forget_at:
            self._forget_at = now + FORGET_MS
            self.observations.forget(now - KEPT_MS)
        for netns in self._rested:
            self._write(netns)
        self._rested.clear()
        if self.journal is not None:
            self.journal.flush()

    def close(self) -> None:
        """Write what the journal holds."""
        for netns in list(self._unwritten):
            self._write(netns)
        if self.journal is not None:
            self.journal.close()

    def _noted(self, node: bytes, seen: HostProcess) -> None:
        """Also what the sightings asked for themselves."""
        self.looks += 1
        if self.journal is not None and self.journal.observed(node, seen):
            self._renew()

    def _used(self, netns: NetnsId) -> None:
        self._rested[netns] = None

    def _network(self, found: HostNetwork) -> None:
        """One reading. What it ends is written before it."""
        new = self.observations.addresses.read(found)
        if self.journal is None:
            return
        if new:
            self._write(found.netns)
        self._unwritten[found.netns] = found
        if new:
            self._write(found.netns)

    def _write(self, netns: NetnsId) -> None:
        """Write the last reading of a namespace, if it is not written."""
        found = self._unwritten.pop(netns, None)
        if found is not None and self.journal is not None and self.journal.network(found):
            self._renew()

    def _renew(self) -> None:
        """A new file of the journal begins: it says again what lives, so that it can be used without the old ones."""
        if self.journal is None:
            return
        for seen in self.observations.newest(self.node):
            self.journal.observed(self.node, seen)
        for found in self.observations.addresses.newest():
            self.journal.network(found)
