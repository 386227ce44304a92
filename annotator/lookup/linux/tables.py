"""The sockets of one network namespace: by netlink where the kernel answers, else from the tables below /proc/PID/net.

Those tables (proc(5)) show the namespace of the process, so a recorded tree has them too. Addresses there are the bytes
of the kernel's words in its own byte order: little endian is assumed, unless the machine that reads is itself another.
"""

from __future__ import annotations

import ipaddress
import os
import re
import struct
import sys
from typing import TYPE_CHECKING, NamedTuple

from annotator.core.errors import SourceError
from annotator.linux.host.namespaces import parse_link
from annotator.linux.host.netns import DIRECTORIES, open_netns, read_names
from annotator.linux.netlink import sockets
from annotator.linux.netlink.sockets import Connection
from annotator.lookup.answer import Code, Problem

if TYPE_CHECKING:
    from annotator.core.contracts import HostProcess
    from annotator.core.model import Container, NetnsId
    from annotator.lookup.linux.view import LinuxView

MAX_TABLE = 2**20
"""Bytes read of one table: some 7,000 sockets."""

MAX_NAMESPACES = 4096

_ROW = re.compile(
    rb"\s*\d+: ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) ([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4}) [0-9A-F]{2} "
    rb"\S+ \S+ \S+\s+(\d{1,10})\s+\d+ (\d{1,20})(?=\s|\Z)"
)


class NetworkNamespace(NamedTuple):
    """One network namespace: the processes seen in it, and the name under which it is mounted."""

    netns: NetnsId
    members: list[HostProcess]
    name: str
    host: bool


def namespaces(view: LinuxView) -> list[NetworkNamespace]:
    """All network namespaces with a process, or with a name; the host's first."""
    names = read_names(view.root) if view.live else {}
    members: dict[NetnsId, list[HostProcess]] = {}
    for process in view.processes:
        if process.netns is not None:
            members.setdefault(process.netns, []).append(process)
    first = parse_link(view.host.proc.first()[2])
    own = first[1] if first is not None else 0
    every = dict.fromkeys([*members, *names])
    listed = [
        NetworkNamespace(netns, members.get(netns, []), names.get(netns, ""), netns.ino == own)
        for netns in list(every)[:MAX_NAMESPACES]
        if netns in members or not any(netns[:2] == other[:2] for other in members)
    ]
    return sorted(listed, key=lambda namespace: not namespace.host)


def containers(namespace: NetworkNamespace) -> list[Container]:
    """The containers whose processes are in a namespace that is not the host's."""
    if namespace.host:
        return []
    return list(
        {
            id(process.container): process.container for process in namespace.members if process.container is not None
        }.values()
    )


def connections(view: LinuxView, namespace: NetworkNamespace) -> tuple[Connection, ...] | Problem:
    """The TCP and UDP sockets of a namespace, or the problem that keeps them from being read."""
    if view.live:
        fd = _open(view, namespace)
        if fd >= 0:
            try:
                return sockets.connections(fd)
            except (SourceError, ImportError):
                pass  # no right to enter it, or no netlink: the tables say it too
            finally:
                os.close(fd)
    for process in namespace.members[:8]:
        table = _tables(view, process.pid)
        if table is not None:
            return table
    what = f"the sockets of network namespace {namespace.name or namespace.netns.ino} may not be read"
    return Problem(Code.DENIED if view.live else Code.UNSUPPORTED, what, "Ask as root." if view.live else "")


def _open(view: LinuxView, namespace: NetworkNamespace) -> int:
    for process in namespace.members[:8]:
        fd = open_netns(namespace.netns, process.pid, view.root)
        if fd >= 0:
            return fd
    for directory in DIRECTORIES if namespace.name else ():
        try:
            fd = os.open(view.root / directory / namespace.name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            continue
        status = os.fstat(fd)
        if (status.st_dev, status.st_ino) == namespace.netns[:2]:
            return fd
        os.close(fd)
    return -1


def _tables(view: LinuxView, pid: int) -> tuple[Connection, ...] | None:
    rows: list[Connection] = []
    read = False
    for name in ("tcp", "tcp6", "udp", "udp6"):
        data = read_table(view, pid, f"net/{name}")
        read = read or bool(data)
        rows += parse(data, name[:3])
    return tuple(rows) if read else None


def read_table(view: LinuxView, pid: int, name: str) -> bytes:
    """A table in as many reads as it takes: the kernel hands out a page at a time."""
    path = view.root / "proc" / str(pid) / name
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return b""
    data = b""
    try:
        while len(data) < MAX_TABLE and (more := os.read(fd, MAX_TABLE - len(data))):
            data += more
    except OSError:
        return data
    finally:
        os.close(fd)
    return data


def parse(data: bytes, protocol: str) -> list[Connection]:
    """The rows of one table; what is no row, as its title, is left out."""
    rows = []
    for line in data.split(b"\n"):
        row = _ROW.match(line)
        if row is not None and len(row[1]) == len(row[3]):
            local, remote = address(row[1]), address(row[3])
            numbers = (int(row[2], 16), remote, int(row[4], 16), int(row[5]), int(row[6]))
            rows.append(Connection(protocol, local, *numbers))
    return rows


def address(text: bytes) -> str:
    """`0100007F` is 127.0.0.1: each word of four bytes as a number of the machine."""
    words = [int(text[at : at + 8], 16) for at in range(0, len(text), 8)]
    order = "<" if sys.byteorder == "little" else ">"
    return str(ipaddress.ip_address(b"".join(struct.pack(order + "I", word) for word in words)))
