"""One network namespace over time: readings of its addresses, and the containers that were in it. Times are Unix ms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from annotator.core.contracts import SLACK_MS
from annotator.core.model import Reason

if TYPE_CHECKING:
    from annotator.core.model import Container, NetnsId

MAX_SPANS: Final = 64
"""Times between changes, of one namespace, that are remembered: the newest."""

MAX_INSIDE: Final = 256
"""Containers of one namespace that are remembered beside those that are in it."""

LAST_MS: Final = 10_000
"""How old the last reading of a namespace that has ended may be: each is read every 5 s (`rounds`)."""

Key = tuple[tuple[int, str], ...]
"""What makes a container the same: owner and id, its own and of those around it."""


class Span:
    """All readings from `since` to `until` showed the same addresses and name."""

    __slots__ = ("addresses", "name", "since", "until")

    def __init__(self, since: int, until: int, addresses: frozenset[str], name: str) -> None:
        self.since, self.until, self.addresses, self.name = since, until, addresses, name


class Stay:
    """A container's times in a namespace: the past ones, and since when it is there with so many processes we know."""

    __slots__ = ("container", "count", "past", "since")

    def __init__(self, container: Container | None) -> None:
        self.container = container
        self.count = self.since = 0
        self.past: list[tuple[int, float]] = []

    def enter(self, ms: int) -> None:
        """One more of its processes is there."""
        if not self.count:
            self.since = ms
        self.count += 1

    def leave(self, ms: float) -> None:
        """One of them has left."""
        self.count -= 1
        if not self.count:
            self.past.append((self.since, ms))
            del self.past[:-MAX_SPANS]

    def covers(self, ms: int) -> bool:
        """Whether it was there then."""
        return (self.count > 0 and self.since <= ms) or any(since <= ms <= until for since, until in self.past)


class Space:
    """One network namespace. `inside` has the stays by container, None for who is in one that is not known.

    `pids` are the processes in it, `over_ms` when the last of them ended.
    """

    __slots__ = ("host", "inside", "netns", "over_ms", "pids", "spans")

    def __init__(self, netns: NetnsId) -> None:
        self.netns = netns
        self.host = False
        self.spans: list[Span] = []
        self.inside: dict[Key | None, Stay] = {}
        self.pids: dict[int, None] = {}
        self.over_ms: float | None = None

    def stay(self, key: Key | None, container: Container | None) -> Stay:
        """That container's."""
        found = self.inside.get(key)
        if found is None:
            past = next((one for one, stay in self.inside.items() if not stay.count), key)
            if len(self.inside) >= MAX_INSIDE and past != key:
                del self.inside[past]
            found = self.inside[key] = Stay(container)
        return found

    def insert(self, ms: int, addresses: frozenset[str], name: str) -> bool:
        """Put a reading among the others, which may be newer; whether it is more than one more of the same."""
        spans = self.spans
        at = len(spans)
        while at and spans[at - 1].since > ms:
            at -= 1
        before = spans[at - 1] if at else None
        if before is not None and (before.addresses, before.name) == (addresses, name):
            before.until = max(before.until, ms)
            return False
        if before is not None and ms < before.until:  # between readings that agreed: it was not so all the time
            spans.insert(at, Span(before.until, before.until, before.addresses, before.name))
            before.until = before.since
        spans.insert(at, Span(ms, ms, addresses, name))
        return True

    def may_have(self, address: str, ms: int) -> bool:
        """Whether it can have had the address: some reading says so, and none between then and that time denies it."""
        for at, span in enumerate(self.spans):
            low = self.spans[at - 1].until if at else span.since
            high = self.spans[at + 1].since if at + 1 < len(self.spans) else self.over_ms
            if address in span.addresses and low - SLACK_MS <= ms and (high is None or ms <= high + SLACK_MS):
                return True
        return False

    def had(self, address: str, ms: int, *, ended: bool) -> bool:
        """Whether a reading before that time and one after it say so. `ended`: there is no one after it."""
        if any(address in span.addresses and span.since <= ms <= span.until for span in self.spans):
            return True
        last = self.spans[-1] if self.spans and ended else None
        return last is not None and address in last.addresses and 0 <= ms - last.until <= LAST_MS

    def containers(self, ms: int) -> tuple[Container, ...] | Reason:
        """Those that were in it, in the order in which they came; NOT_SEEN for none, or where not all are known."""
        there = sorted((one for one in self.inside.values() if one.covers(ms)), key=lambda one: one.since)
        found = tuple(one.container for one in there if one.container is not None)
        return found if found and len(found) == len(there) else Reason.NOT_SEEN
