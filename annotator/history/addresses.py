"""Whose a network address was at a time: what was read of network namespaces, and which containers were in them.

A packet's addresses are what its sender wrote, and no record says in which network it was seen. So an address leads to
containers only where one namespace had it and no other may have had it, and that is a hint, never a proof: a machine
elsewhere, or a namespace in which no process lives, may use the same one.

Between two readings that agree it was so; between two that differ nobody knows. Times are Unix ms.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final, NamedTuple

from annotator.core.contracts import HostNetwork
from annotator.core.model import Ns, Reason
from annotator.history.netns_timeline import MAX_SPANS, Space
from annotator.history.process_history import IN_VAIN

if TYPE_CHECKING:
    from collections.abc import Callable

    from annotator.core.contracts import HostProcess
    from annotator.core.model import Container, NetnsId
    from annotator.history.netns_timeline import Key, Span

MAX_SPACES: Final = 16_384
"""Network namespaces that are remembered; those that ended, and else those known longest, are forgotten first."""

MAX_ADDRESSES: Final = 1024
"""Addresses of one network namespace. Of one that has more none is known: who may change them may make a million."""

SWEEP_MS: Final = 200
"""How often at most all namespaces are read because one is gone: a reading takes some 40 µs."""

MAX_SWEPT: Final = 256
"""How many are read then; where there are more, nobody knows who has the addresses of one that is gone."""


class There(NamedTuple):
    """A process in a namespace. `key` None: of a container, but it is not known of which. `counted`: not the host's."""

    netns: NetnsId
    key: Key | None
    counted: bool
    ticks: int
    read_ms: int


class Addresses:
    """All that was seen of network namespaces. `ask` reads anew that in which a process is; None: it cannot be told.

    `note` is given each reading that was asked for, to be `read`. `over` is told of a namespace whose last process has
    ended, `used` of one on which an answer rests.
    """

    def __init__(self, *, max_spaces: int = MAX_SPACES) -> None:
        self.max_spaces = max_spaces
        self.ask: Callable[[int], HostNetwork | None] | None = None
        self.note: Callable[[HostNetwork], object] = self.read
        self.over: Callable[[NetnsId], object] = lambda _: None
        self.used: Callable[[NetnsId], object] = lambda _: None
        self.spaces: dict[NetnsId, Space] = {}
        self._owners: dict[str, set[NetnsId]] = {}
        self._there: dict[int, There] = {}
        self._swept = 0

    # --- in -----------------------------------------------------------------------------------------------------

    def seen(self, seen: HostProcess) -> None:
        """A process was looked at."""
        if seen.reason in IN_VAIN:
            return
        last = self._there.get(seen.pid)
        now = None
        if seen.netns is not None and seen.own is not None and seen.own & Ns.NET:
            key = _key(seen.container) if seen.container is not None else None
            now = There(seen.netns, key, key is not None or seen.reason is not None, seen.ticks, seen.read_ms)
        if last is not None and (now is None or now[:4] != last[:4]):
            self.gone(seen.pid, last.read_ms)  # when it left nobody saw
            last = None
        if now is None:
            return
        self._there[seen.pid] = now
        if last is None:
            self._enter(seen.pid, now, seen.container)

    def _enter(self, pid: int, there: There, container: Container | None) -> None:
        space = self._space(there.netns)
        space.pids[pid] = None
        space.over_ms = None
        if there.counted:
            space.stay(there.key, container).enter(there.read_ms)

    def gone(self, pid: int, ms: float) -> None:
        """The process has ended."""
        there = self._there.pop(pid, None)
        space = self.spaces.get(there.netns) if there is not None else None
        if there is None or space is None:
            return
        del space.pids[pid]
        if there.counted:
            stay = space.inside[there.key]
            stay.leave(ms)
        if not space.pids:
            space.over_ms = ms
            self.over(there.netns)

    def read(self, found: HostNetwork) -> bool:
        """One reading; whether it says anything new."""
        few = found.addresses if len(found.addresses) <= MAX_ADDRESSES else ()
        addresses = frozenset(one for one in map(normal, few) if one is not None)
        space = self._space(found.netns)
        space.host = found.host
        new = space.insert(found.read_ms, addresses, found.name)
        if new:
            for one in addresses:
                self._owners.setdefault(one, set()).add(found.netns)
            while len(space.spans) > MAX_SPANS or sum(len(one.addresses) for one in space.spans) > 4 * MAX_ADDRESSES:
                self._disown(found.netns, space, space.spans.pop(0))
        return new

    def forget(self, before_ms: float) -> None:
        """Drop the namespaces that ended before that time."""
        for netns in [
            netns for netns, space in self.spaces.items() if space.over_ms is not None and space.over_ms < before_ms
        ]:
            self._forget(netns)

    # --- questions ----------------------------------------------------------------------------------------------

    def at(self, address: str, ms: int) -> tuple[Container, ...] | Reason:
        """The containers whose address that was: of one namespace, all. AMBIGUOUS when two may have had it.

        NOT_SEEN when it was nobody's, or the host's, or that cannot be told for sure.
        """
        text = normal(address)
        if text is None:
            return Reason.NOT_SEEN
        space = self._only(text, ms)
        if isinstance(space, Space) and self.ask is not None and not space.had(text, ms, ended=False):
            self._renew(space, ms)
            space = self._only(text, ms)
        if not isinstance(space, Space):
            return space
        ended = space.over_ms is not None if self.ask is None else self._swept >= ms
        if not space.had(text, ms, ended=ended):
            return Reason.NOT_SEEN
        self.used(space.netns)
        return space.containers(ms)

    def name(self, netns: NetnsId, ms: int) -> str:
        """The name under which it was mounted then, "" where none is known."""
        space = self.spaces.get(netns)
        for span in reversed(space.spans) if space is not None else ():
            if span.since <= ms:
                return span.name
        return space.spans[0].name if space is not None and space.spans else ""

    def newest(self) -> list[HostNetwork]:
        """The last reading of each namespace that has not ended."""
        return [
            HostNetwork(netns, tuple(sorted(last.addresses)), last.until, 0, last.name, space.host)
            for netns, space in self.spaces.items()
            if space.over_ms is None and space.spans
            for last in space.spans[-1:]
        ]

    def _only(self, text: str, ms: int) -> Space | Reason:
        """The one namespace that may have the address."""
        found = [self.spaces[netns] for netns in self._owners.get(text, ()) if self.spaces[netns].may_have(text, ms)]
        if len(found) == 1 and not found[0].host:  # the host's holds nobody: this saves reading it
            return found[0]
        return Reason.AMBIGUOUS if len(found) > 1 else Reason.NOT_SEEN

    def _renew(self, space: Space, ms: int) -> None:
        """Read it now; when nobody in it can be found, all others, since one of them may have its address by now."""
        if any(self._asked(pid, space) for pid in list(space.pids)[:3]):
            return
        living = [one for one in self.spaces.values() if (one.pids or one.host) and one is not space]
        if ms < self._swept + SWEEP_MS or len(living) > MAX_SWEPT:
            return
        times = [ms]
        for one in living:
            pids = [1] if one.host else list(one.pids)[:3]
            if any(self._asked(pid, one) for pid in pids):
                times.append(one.spans[-1].until)
        self._swept = max(ms, min(times[1:], default=ms))

    def _asked(self, pid: int, space: Space) -> bool:
        found = self.ask(pid) if self.ask is not None else None
        if found is None or self.spaces.get(found.netns) is not space:
            return False
        self.note(found)
        return True

    # --- bounds -------------------------------------------------------------------------------------------------

    def _space(self, netns: NetnsId) -> Space:
        found = self.spaces.get(netns)
        if found is None:
            if len(self.spaces) >= self.max_spaces:
                ended = (one for one, space in self.spaces.items() if space.over_ms is not None)
                self._forget(next(ended, next(iter(self.spaces))))
            found = self.spaces[netns] = Space(netns)
        return found

    def _forget(self, netns: NetnsId) -> None:
        space = self.spaces.pop(netns)
        for pid in space.pids:
            self._there.pop(pid, None)
        for span in space.spans:
            self._disown(netns, None, span)

    def _disown(self, netns: NetnsId, space: Space | None, gone: Span) -> None:
        """Of what is forgotten of a namespace, the addresses that the rest of it does not have lead nowhere."""
        for one in gone.addresses:
            owners = self._owners.get(one)
            if owners is not None and not (space is not None and any(one in span.addresses for span in space.spans)):
                owners.discard(netns)
                if not owners:
                    del self._owners[one]


def _key(container: Container) -> Key:
    return tuple((one.owner, one.id) for one in container.chain())


def normal(address: str) -> str | None:
    """One way of writing an address (RFC 5952), an IPv4 one inside IPv6 as IPv4. None for what is none.

    Loopback, "any", multicast and link-local are none either: every namespace, or every link, has the same.
    """
    if len(address) > 64:
        return None
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address):
        if found.scope_id is not None:
            return None
        found = found.ipv4_mapped or found
    useless = found.is_loopback or found.is_unspecified or found.is_multicast or found.is_link_local
    return None if useless else found.compressed
