"""When the network namespaces of a machine are read: when a process shows a new one, while it is young, and on rounds.

An engine gives a namespace its addresses before or after the first process is in it, so what is young is read at each
look at a process of it. Bounded: what a round reads, and how often a namespace is read, does not grow with the events.
Times are Unix ms.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from annotator.core.contracts import HostNetwork, HostProcess, NetworkView
    from annotator.core.model import NetnsId

MAX_KNOWN: Final = 16_384
"""Namespaces that are kept in mind."""

YOUNG_MS: Final = 10_000
"""How long a namespace is young."""

AGAIN_MS: Final = 100
"""How often at most a young one is read."""

ROUND_MS: Final = 5_000
"""How old a reading may be before the next."""

PER_ROUND: Final = 64
"""How many are read in one round: some 3 ms."""

EVERY_MS: Final = 1_000
"""How often a round is made."""


class Read:
    """A namespace: when it was seen first and read last, whether it had no address then, and who is in it."""

    __slots__ = ("bare", "first_ms", "pids", "read_ms")

    def __init__(self, now: int) -> None:
        self.first_ms = now
        self.read_ms = 0
        self.bare = True
        self.pids: dict[int, None] = {}


class Rounds:
    """Who is in which namespace, as far as it takes to read them through `view`."""

    def __init__(self, view: NetworkView) -> None:
        self.view = view
        self._known: OrderedDict[NetnsId, Read] = OrderedDict()
        self._of: dict[int, NetnsId] = {}
        self._next = 0

    def seen(self, seen: HostProcess, now: int) -> HostNetwork | None:
        """A process was looked at; what was read because of that."""
        if seen.netns is None:
            return None
        if self._of.get(seen.pid) != seen.netns:
            self.gone(seen.pid)
            self._of[seen.pid] = seen.netns
        known = self._known.get(seen.netns)
        if known is None:
            if len(self._known) >= MAX_KNOWN:
                self._known.popitem(last=False)
            known = self._known[seen.netns] = Read(now)
        known.pids[seen.pid] = None
        young = known.bare or now - known.first_ms < YOUNG_MS
        due = not known.read_ms or (young and not 0 <= now - known.read_ms < AGAIN_MS)
        return self._read(seen.netns, known, seen.pid, now) if due else None

    def gone(self, pid: int) -> None:
        """A process has ended; with the last one its namespace is out of mind."""
        netns = self._of.pop(pid, None)
        known = self._known.get(netns) if netns is not None else None
        if netns is not None and known is not None:
            known.pids.pop(pid, None)
            if not known.pids:
                del self._known[netns]

    def round(self, now: int) -> list[HostNetwork]:
        """Those that were not read for long, the longest first; none when the last round was a moment ago."""
        if self._next - EVERY_MS <= now < self._next:
            return []
        self._next = now + EVERY_MS
        found: list[HostNetwork] = []
        for netns in list(self._known)[:PER_ROUND]:
            known = self._known[netns]
            if 0 <= now - known.read_ms < ROUND_MS:
                break
            for pid in list(known.pids)[:3]:
                read = self._read(netns, known, pid, now)
                if read is not None:
                    found.append(read)
                    break
        return found

    def _read(self, netns: NetnsId, known: Read, pid: int, now: int) -> HostNetwork | None:
        known.read_ms = now  # also when it cannot be read: it is not asked for again at once
        self._known.move_to_end(netns)
        found = self.view.network(pid)
        if found is None or found.netns != netns:
            return None
        known.bare = not found.addresses
        return found
