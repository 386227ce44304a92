"""When to read a network namespace: on first sight, often during its first 10 s, then every 5 s.

An engine gives a namespace its addresses before or after the first process is in it, so a young one is read whenever a
process of it is read. Bounded: the readings of a round, and of one namespace, do not grow with the events.
Times are Unix ms.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from annotator.core.contracts import HostNetwork, HostProcess, NetworkView
    from annotator.core.model import NetnsId

MAX_KNOWN: Final = 16_384
"""Namespaces that are remembered."""

YOUNG_MS: Final = 10_000
"""How long a namespace is young."""

AGAIN_MS: Final = 100
"""The least time between two readings of a young one."""

ROUND_MS: Final = 5_000
"""How old a reading may be before the namespace is read again."""

PER_ROUND: Final = 64
"""How many are read in one round: some 3 ms."""

EVERY_MS: Final = 1_000
"""How often a round is made."""


class PolledNamespace:
    """A namespace: when it was seen first and read last, whether it had no address then, and its processes."""

    __slots__ = ("bare", "first_ms", "pids", "read_ms")

    def __init__(self, now: int) -> None:
        self.first_ms = now
        self.read_ms = 0
        self.bare = True
        self.pids: dict[int, None] = {}


class NetnsPoller:
    """The namespaces of a machine's processes, read through `view`."""

    def __init__(self, view: NetworkView) -> None:
        self.view = view
        self._known: OrderedDict[NetnsId, PolledNamespace] = OrderedDict()
        self._netns_of: dict[int, NetnsId] = {}
        self._round_at = 0

    def process_read(self, process: HostProcess, now: int) -> HostNetwork | None:
        """A process was read; the reading of its namespace, where that was due."""
        if process.netns is None:
            return None
        if self._netns_of.get(process.pid) != process.netns:
            self.gone(process.pid)
            self._netns_of[process.pid] = process.netns
        known = self._known.get(process.netns)
        if known is None:
            if len(self._known) >= MAX_KNOWN:
                self._known.popitem(last=False)
            known = self._known[process.netns] = PolledNamespace(now)
        known.pids[process.pid] = None
        young = known.bare or now - known.first_ms < YOUNG_MS
        due = not known.read_ms or (young and not 0 <= now - known.read_ms < AGAIN_MS)
        return self._read(process.netns, known, process.pid, now) if due else None

    def gone(self, pid: int) -> None:
        """A process has ended; with its last process a namespace is forgotten."""
        netns = self._netns_of.pop(pid, None)
        known = self._known.get(netns) if netns is not None else None
        if netns is not None and known is not None:
            known.pids.pop(pid, None)
            if not known.pids:
                del self._known[netns]

    def round(self, now: int) -> list[HostNetwork]:
        """Read the namespaces whose last reading is old, the oldest first; none right after the last round."""
        if self._round_at - EVERY_MS <= now < self._round_at:
            return []
        self._round_at = now + EVERY_MS
        readings: list[HostNetwork] = []
        for netns in list(self._known)[:PER_ROUND]:
            known = self._known[netns]
            if 0 <= now - known.read_ms < ROUND_MS:
                break
            for pid in list(known.pids)[:3]:
                reading = self._read(netns, known, pid, now)
                if reading is not None:
                    readings.append(reading)
                    break
        return readings

    def _read(self, netns: NetnsId, known: PolledNamespace, pid: int, now: int) -> HostNetwork | None:
        known.read_ms = now  # also when it cannot be read: it is not asked for again at once
        self._known.move_to_end(netns)
        reading = self.view.network(pid)
        if reading is None or reading.netns != netns:
            return None
        known.bare = not reading.addresses
        return reading
