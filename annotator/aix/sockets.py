"""The sockets of AIX: `netstat -Aan`, the addresses of `lswpar -N`, and what `rmsock` says of a socket's holder.

None of these was seen on a real system by us. The lines of `netstat` are known from one public example, interface and
address of `lswpar -N` from a public script, and that `netstat -@ NAME` shows one WPAR from IBM's page; that the flags
go together is inferred. The sentence of `rmsock` is widely published (`The socket 0x… is being held by proccess PID
(NAME).`, spelt so): "process", misspelt or not, and the number behind it are looked for.

rmsock is dangerous: its purpose is to remove sockets that nobody holds. Nothing here runs it.
"""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple

from annotator.aix.record import wpar_name

MAX_SOCKETS = 65_536
"""Lines of netstat that are taken."""

_PCB = re.compile(rb"[0-9a-f]{8,16}")
_PROTOCOL = re.compile(rb"(tcp|udp)([46]?)")
_KERNEL = re.compile(rb"\bheld by (?:the )?kernel", re.IGNORECASE)
_HOLDER = re.compile(rb"\bpro+c*es+\s+(?:id\s+)?([0-9]{1,10})\b", re.IGNORECASE)


class Socket(NamedTuple):
    """One line of netstat. `pcb` is the address of its control block in hex; `*` is any address; port 0 is any port.

    `version` is that of IP, "4" or "6"; "" for `tcp` and `udp` without one, which take both (inferred).
    """

    pcb: str
    protocol: str
    version: str
    local: str
    port: int
    remote: str
    remote_port: int
    state: str


def netstat(data: bytes) -> list[Socket]:
    """The TCP and UDP lines of `netstat -Aan`; titles and UNIX domain sockets are left out."""
    found: list[Socket] = []
    for line in data.split(b"\n"):
        words = line.split(None, 8)
        kind = _PROTOCOL.fullmatch(words[1]) if len(words) >= 6 else None
        if kind is None or not _PCB.fullmatch(words[0].lower()):
            continue
        local, remote = _endpoint(words[4]), _endpoint(words[5])
        if local is None or remote is None:
            continue
        state = words[6].decode("ascii", "replace")[:16] if len(words) > 6 else ""
        found.append(Socket(words[0].decode().lower(), kind[1].decode(), kind[2].decode(), *local, *remote, state))
        if len(found) >= MAX_SOCKETS:
            break
    return found


def _endpoint(word: bytes) -> tuple[str, int] | None:
    """`ADDRESS.PORT`, `*.PORT`, `*.*`; None for anything else, as an address that was cut to fit its column."""
    host, dot, port = word.decode("ascii", "replace").rpartition(".")
    if not dot or not (port == "*" or (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) < 65536)):
        return None
    number = 0 if port == "*" else int(port)
    if host == "*":
        return "*", number
    address = normal(host)
    return None if address is None else (address, number)


def normal(text: str) -> str | None:
    """One way of writing an address, without the interface behind `%`; None for what is none."""
    try:
        return ipaddress.ip_address(text.partition("%")[0]).compressed
    except ValueError:
        return None


def addresses(data: bytes) -> dict[str, frozenset[str]]:
    """The WPARs that have each address, from `lswpar -N -c -q`. Loopback is left out: all have it.

    Field 1 is the name, field 3 the address; an IPv6 address has its colons escaped or not, so what follows is joined
    until it is one (inferred).
    """
    found: dict[str, set[str]] = {}
    for line in data.decode("utf-8", "backslashreplace").split("\n"):
        row = line.strip().replace("\\:", "\0").split(":")
        if len(row) < 3 or wpar_name(row[0].encode()) is None:
            continue
        fields = [field.replace("\0", ":") for field in row[2:]]
        joined = (":".join(fields[:count]) for count in (1, *range(8, 1, -1)))
        address = next((one for each in joined if (one := normal(each)) is not None), None)
        if address is not None and not ipaddress.ip_address(address).is_loopback:
            found.setdefault(address, set()).add(row[0])
    return {address: frozenset(names) for address, names in found.items()}


def holder(data: bytes) -> int | None:
    """The process that `rmsock` says holds the socket; None when it says none, or says it in another way.

    0 where it says that the kernel, or an extension of it, holds the socket: then no process does.
    """
    if _KERNEL.search(data[:4096]):
        return 0
    found = {int(number) for number in _HOLDER.findall(data[:4096])}
    return found.pop() if len(found) == 1 else None
