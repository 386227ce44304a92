"""Network namespaces: which containers are in each, by what names they are mounted, and which addresses they have.

A namespace may hold several containers (a pod), so answers are sets. What a packet says of itself is what its sender
wrote: an address leads to containers only where exactly one namespace has it, and proves nothing.
"""

from __future__ import annotations

import ipaddress
import os
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from annotator.linux.namespaces import unique_id
from annotator.model import NetnsId, Ns, Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from annotator.model import Container

MAX_NETNS: Final = 16_384
"""Network namespaces that are remembered; those not heard of longest are forgotten first."""

MAX_MEMBERS: Final = 256
"""Containers of one network namespace: a pod has a handful."""

MAX_ADDRESSES: Final = 4096
"""Addresses of one network namespace."""

DIRECTORIES: Final = ("run/netns", "run/docker/netns")
"""Where ip(8), CNI and docker mount the namespaces they name."""


class Entry:
    """One network namespace. `pid` is a process that was seen in it, `read_ms` when its addresses were asked for."""

    __slots__ = ("addresses", "members", "name", "pid", "read_ms")

    def __init__(self) -> None:
        self.members: list[Container] = []
        self.addresses: frozenset[str] = frozenset()
        self.name = ""
        self.pid = 0
        self.read_ms: int | None = None


class NetnsTable:
    """Namespaces to containers and back, and addresses to containers. `host` is the host's own: it holds none."""

    def __init__(self, host: NetnsId | None = None) -> None:
        self.host = host
        self._entries: OrderedDict[NetnsId, Entry] = OrderedDict()
        self._addresses: dict[str, set[NetnsId]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    # --- what was seen ------------------------------------------------------------------------------------------

    def joined(self, netns: NetnsId, container: Container, pid: int = 0) -> None:
        """A process of the container is in the namespace. The host's is shared by `--network host`: nobody's."""
        if self.is_host(netns):
            return
        entry = self._entry(netns)
        entry.pid = pid or entry.pid
        entry.members = [one for one in entry.members if one.end_ms is None]
        if container not in entry.members and len(entry.members) < MAX_MEMBERS:
            entry.members.append(container)

    def left(self, netns: NetnsId, container: Container) -> None:
        """No process of the container is in the namespace any more."""
        entry = self._entries.get(netns)
        if entry is not None:
            entry.members = [one for one in entry.members if one is not container]

    def ended(self, container: Container) -> None:
        """The container is gone; a namespace that nobody else is in, and that has no name, is forgotten."""
        for netns in [netns for netns, entry in self._entries.items() if container in entry.members]:
            self.left(netns, container)
            entry = self._entries[netns]
            if not entry.members and not entry.name:
                self._forget(netns)

    def named(self, names: dict[NetnsId, str]) -> None:
        """The names under which namespaces are mounted now (`read_names`)."""
        for netns, entry in self._entries.items():
            entry.name = names.get(netns, "")
        for netns, name in names.items():
            if not self.is_host(netns):
                self._entry(netns).name = name

    def has(self, netns: NetnsId, addresses: Iterable[str], now: int) -> None:
        """All addresses of a namespace as they are now; the host's too, so that one it shares is ambiguous."""
        entry = self._entry(netns)
        self._unlist(netns, entry)
        found = (normal(one) for one, _ in zip(addresses, range(MAX_ADDRESSES), strict=False))
        entry.addresses = frozenset(one for one in found if one is not None)
        entry.read_ms = now
        for address in entry.addresses:
            self._addresses.setdefault(address, set()).add(netns)

    def refresh(self, now: int, ask: Callable[[NetnsId, int], Iterable[str] | None], *, older_ms: int = 60_000) -> None:
        """Ask for addresses not known, or known for longer than that. `ask` gets a pid that was there; None: gone."""
        for netns, entry in list(self._entries.items()):
            if entry.read_ms is not None and 0 <= now - entry.read_ms < older_ms:
                continue
            found = ask(netns, entry.pid)
            if found is not None:
                self.has(netns, found, now)
            else:
                entry.read_ms = now

    # --- questions ----------------------------------------------------------------------------------------------

    def is_host(self, netns: NetnsId) -> bool:
        """Whether this is the host's own, whose inode is never another's."""
        return self.host is not None and netns[:2] == self.host[:2]

    def containers(self, netns: NetnsId) -> tuple[Container, ...]:
        """The live containers in the namespace, in the order in which they were seen there."""
        entry = self._entries.get(netns)
        return tuple(one for one in entry.members if one.end_ms is None) if entry is not None else ()

    def of(self, container: Container) -> tuple[NetnsId, ...]:
        """The namespaces of a container: usually one."""
        return tuple(netns for netns, entry in self._entries.items() if container in entry.members)

    def name(self, netns: NetnsId) -> str:
        """The name under which it is mounted, or ""."""
        entry = self._entries.get(netns)
        return entry.name if entry is not None else ""

    def at_address(self, address: str) -> tuple[Container, ...] | Reason:
        """The containers at an address of a packet: () for the host, AMBIGUOUS when two namespaces have it.

        NOT_SEEN when none is known to have it (also for a namespace without containers), or the text is no address.
        """
        text = normal(address)
        holders = self._addresses.get(text, set()) if text is not None else set()
        if len(holders) > 1:
            return Reason.AMBIGUOUS
        for netns in holders:
            found = self.containers(netns)
            return found if found or self.is_host(netns) else Reason.NOT_SEEN
        return Reason.NOT_SEEN

    # --- bounds -------------------------------------------------------------------------------------------------

    def _entry(self, netns: NetnsId) -> Entry:
        found = self._entries.get(netns)
        if found is None:
            found = self._entries[netns] = Entry()
            if len(self._entries) > MAX_NETNS:
                self._forget(next(iter(self._entries)))
        self._entries.move_to_end(netns)
        return found

    def _forget(self, netns: NetnsId) -> None:
        self._unlist(netns, self._entries.pop(netns))

    def _unlist(self, netns: NetnsId, entry: Entry) -> None:
        for address in entry.addresses:
            holders = self._addresses.get(address)
            if holders is not None:
                holders.discard(netns)
                if not holders:
                    del self._addresses[address]


def normal(address: str) -> str | None:
    """One way of writing an address (RFC 5952), an IPv4 one inside IPv6 as IPv4. None for what is none.

    Loopback, "any" and multicast are none either: every namespace has them.
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
    useless = found.is_loopback or found.is_unspecified or found.is_multicast
    return None if useless else found.compressed


def read_names(root: Path = Path("/")) -> dict[NetnsId, str]:
    """The namespaces that are mounted under names. docker leaves plain files behind: those are no namespaces."""
    found: dict[NetnsId, str] = {}
    try:
        nsfs = (root / "proc/self/ns/net").stat().st_dev
    except OSError:
        return found
    for directory in DIRECTORIES:
        try:
            names = sorted(os.listdir(root / directory))[:MAX_NETNS]  # noqa: PTH208  (names, not paths)
        except OSError:
            continue
        for name in names:
            netns = _mounted(root / directory / name, nsfs)
            if netns is not None:
                found.setdefault(netns, name)
    return found


def _mounted(path: Path, nsfs: int) -> NetnsId | None:
    try:
        if path.stat().st_dev != nsfs:
            return None
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        status = os.fstat(fd)
        return NetnsId(status.st_dev, status.st_ino, unique_id(fd, Ns.NET)) if status.st_dev == nsfs else None
    finally:
        os.close(fd)


def open_netns(netns: NetnsId, pid: int, root: Path = Path("/")) -> int:
    """A descriptor of the network namespace of a process, if that still is this one; else -1."""
    try:
        fd = os.open(root / "proc" / str(pid) / "ns/net", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1
    status = os.fstat(fd)
    if (status.st_dev, status.st_ino) == netns[:2] and netns.unique in (0, unique_id(fd, Ns.NET)):
        return fd
    os.close(fd)
    return -1
