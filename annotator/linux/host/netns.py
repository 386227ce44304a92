"""Network namespaces of this machine: under which names they are mounted, and what addresses each has.

Addresses are read from /proc/PID/net, the network namespace of that process: it needs no right of its own, and nobody
has to go there, as netlink wants it (measured here: 12 µs and 9 µs a file; proc_net(5), net/ipv4/fib_trie.c,
net/ipv6/addrconf.c). The table of routes has the local addresses; it is as long as the routes are many.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from annotator.core.model import NetnsId, Ns, Reason
from annotator.linux.host.namespaces import Namespace, unique_id
from annotator.linux.host.procfs import MAX_MOUNTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from annotator.linux.host.procfs import Proc

MAX_NETNS: Final = 16_384
"""Names that are read of one directory."""

MAX_TEXT: Final = MAX_MOUNTS
"""Bytes of each file, some 10,000 routes: of a namespace with more nothing is said, its addresses may be behind."""

NAMES_MS: Final = 1000
"""How long a name is believed."""

NO_NAME_MS: Final = 50
"""How long it is believed that a namespace has none: it is made, and read, before it gets one."""

DIRECTORIES: Final = ("run/netns", "run/docker/netns")
"""Where ip(8), CNI and docker mount the namespaces they name."""


def addresses_of(proc: Proc, pid: int) -> tuple[Namespace, tuple[str, ...]] | None:
    """The network namespace of a process with all its addresses; None where they are not certain.

    The files are those of whatever namespace it is in when they are opened, so that is looked at before and after.
    """

    def read(_: int, fd: int) -> tuple[Namespace, tuple[str, ...]] | Reason:
        namespace = proc.net(fd)
        texts = [proc.read("net/fib_trie", fd, MAX_TEXT)]
        try:
            texts.append(proc.read("net/if_inet6", fd, MAX_TEXT))
        except FileNotFoundError:
            texts.append(b"")  # without IPv6
        if namespace is None or proc.net(fd) != namespace or any(len(text) >= MAX_TEXT for text in texts):
            return Reason.NOT_SEEN
        return namespace, (*local_ipv4(texts[0]), *local_ipv6(texts[1]))

    network = proc.within(pid, read)
    return None if isinstance(network, Reason) else network


def local_ipv4(text: bytes) -> list[str]:
    """The namespace's own addresses by the text of /proc/PID/net/fib_trie, each once.

    A leaf is `|-- 10.0.0.2`, its routes stand below it: `/32 host LOCAL` (one address; a longer range is a route).
    """
    addresses: dict[bytes, None] = {}
    leaf = b""
    for line in text.split(b"\n"):
        words = line.split()
        if len(words) == 2 and words[0] == b"|--":
            leaf = words[1]
        elif len(words) == 3 and words[0] == b"/32" and words[2] == b"LOCAL":
            addresses[leaf] = None
    return [address.decode("ascii", "replace") for address in addresses if address]


def local_ipv6(text: bytes) -> list[str]:
    """The same by the text of /proc/PID/net/if_inet6: each line begins with an address as 32 hex digits."""
    first = (line.split(b" ", 1)[0] for line in text.split(b"\n"))
    digits = (address.decode("ascii", "replace") for address in first if len(address) == 32)
    return [":".join(address[at : at + 4] for at in range(0, 32, 4)) for address in digits]


class NetnsNames:
    """The names under which namespaces are mounted below `root`; of several the first. `now` is Unix time in ms."""

    def __init__(self, root: Path, now: Callable[[], int]) -> None:
        self._root, self._now = root, now
        self._read_ms = -NAMES_MS
        self._names: dict[NetnsId, str] = {}

    def of(self, netns: NetnsId) -> str:
        """The name of a network namespace; "" where it has none."""
        now = self._now()
        if not 0 <= now - self._read_ms < (NAMES_MS if netns in self._names else NO_NAME_MS):
            self._read_ms, self._names = now, read_names(self._root)
        return self._names.get(netns, "")


def read_names(root: Path = Path("/")) -> dict[NetnsId, str]:
    """The namespaces that are mounted under names. docker leaves plain files behind: those are no namespaces."""
    names_by_id: dict[NetnsId, str] = {}
    try:
        nsfs = (root / "proc/self/ns/net").stat().st_dev
    except OSError:
        return names_by_id
    for directory in DIRECTORIES:
        try:
            names = sorted(os.listdir(root / directory))[:MAX_NETNS]  # noqa: PTH208  (names, not paths)
        except OSError:
            continue
        for name in names:
            netns = _mounted(root / directory / name, nsfs)
            if netns is not None:
                names_by_id.setdefault(netns, name)
    return names_by_id


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
