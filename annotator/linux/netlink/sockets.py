"""The addresses and sockets of one network namespace, by netlink. The only module that imports pyroute2.

pyroute2 is imported where it is used: that takes 0.2 s, and most runs never need it. Its own way into another network
namespace forks a child (3 to 6 ms), and with its default flags makes a namespace where there is none; so a thread of
ours goes there first (setns(2) moves one thread), asks, and ends. Where a namespace is named to pyroute2, it is with
`flags=0`.
"""

from __future__ import annotations

import ctypes
import os
import socket
import threading
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from annotator.core.errors import AnnotatorError, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

MAX_ADDRESSES: Final = 4096
"""Addresses taken from one network namespace."""

MAX_SOCKETS: Final = 65_536
"""Sockets taken from one network namespace, of each family and protocol."""

WAIT_SECONDS: Final = 5.0
"""How long a namespace may take to answer: the kernel does so in under a millisecond."""

_CLONE_NEWNET: Final = 0x40000000
_SCOPE_HOST: Final = 254  # linux/rtnetlink.h, RT_SCOPE_HOST: the address of a loopback device
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


class Address(NamedTuple):
    """One address of one device. `device` is its index, `prefix` the length of the network's part in bits."""

    address: str
    prefix: int
    device: int


class Connection(NamedTuple):
    """One socket. Ports are 0 and addresses `0.0.0.0` or `::` where it is not bound, or not connected."""

    protocol: str
    local: str
    port: int
    remote: str
    remote_port: int
    uid: int
    inode: int


def addresses(netns: int) -> tuple[Address, ...]:
    """The addresses in an open network namespace, without those of loopback. Raises SourceError."""
    return _within(netns, _addresses)


def connections(netns: int) -> tuple[Connection, ...]:
    """The TCP and UDP sockets in an open network namespace. Raises SourceError."""
    return _within(netns, _connections)


def connector() -> socket.socket:
    """pyroute2's proc connector socket, bound and not yet listening, for `ProcEvents` to read. Raises SourceError.

    pyroute2's own object is closed again; the descriptor stays in the connector's group.
    """
    from pyroute2.netlink.connector.cn_proc import ProcEventSocket

    try:
        made = ProcEventSocket()
        try:
            made.bind()
            opened = socket.socket(fileno=os.dup(made.fileno()))
        finally:
            made.close()
    except OSError as error:
        raise SourceError(f"proc connector: {error.strerror}") from error
    opened.setblocking(False)
    return opened


def _addresses() -> tuple[Address, ...]:
    from pyroute2 import IPRoute

    with IPRoute() as route:
        scoped = (
            (
                Address(str(message.get_attr("IFA_ADDRESS") or ""), message["prefixlen"], message["index"]),
                message["scope"],
            )
            for message in islice(route.get_addr(), MAX_ADDRESSES)
        )
        return tuple(address for address, scope in scoped if address.address and scope != _SCOPE_HOST)


def _connections() -> tuple[Connection, ...]:
    from pyroute2 import DiagSocket

    connections: list[Connection] = []
    with DiagSocket() as diag:
        diag.bind()
        for name, protocol in (("tcp", socket.IPPROTO_TCP), ("udp", socket.IPPROTO_UDP)):
            for family in (socket.AF_INET, socket.AF_INET6):
                stats = diag.get_sock_stats(family=family, protocol=protocol)
                connections += [
                    Connection(
                        name,
                        str(row["idiag_src"]),
                        row["idiag_sport"],
                        str(row["idiag_dst"]),
                        row["idiag_dport"],
                        row["idiag_uid"],
                        row["idiag_inode"],
                    )
                    for row in islice(stats, MAX_SOCKETS)
                ]
    return tuple(connections)


def _within(netns: int, ask: Callable[[], T]) -> T:
    """The answer of `ask` in that namespace. A thread goes there and ends: ours never leaves its namespace."""
    from pyroute2.netlink.exceptions import NetlinkError

    answers: list[T] = []
    problems: list[AnnotatorError] = []

    def run() -> None:
        if _LIBC.setns(netns, _CLONE_NEWNET):
            problems.append(SourceError(f"network namespace: {os.strerror(ctypes.get_errno())}"))
            return
        try:
            answers.append(ask())
        except (OSError, NetlinkError, LookupError, ValueError) as error:
            problems.append(SourceError(f"network namespace: {error}"))

    thread = threading.Thread(target=run, name="netns", daemon=True)
    thread.start()
    thread.join(WAIT_SECONDS)
    if answers:
        return answers[0]
    raise problems[0] if problems else SourceError(f"network namespace: no answer in {WAIT_SECONDS} s")
