"""Ports that docker-proxy forwards to a container: its arguments have the address, and the address has an owner.

dockerd (uid 0) starts one such process for each published port (-container-ip, -container-port: moby's docker-proxy;
from its documentation, not recorded here). The addresses of a namespace are those of /proc/PID/net/fib_trie
and if_inet6, which a recorded tree has too. Ports that are forwarded by packet rules alone, or by a rootless user's
helper, are not seen.
"""

from __future__ import annotations

import ipaddress
import itertools
import re
from typing import TYPE_CHECKING, NamedTuple

from annotator.lookup.linux import tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from annotator.core.contracts import HostProcess
    from annotator.core.model import Container
    from annotator.lookup.linux.tables import NetworkNamespace
    from annotator.lookup.linux.view import LinuxView

PROXY = b"docker-proxy"

_LOCAL = re.compile(rb"\|-- ([0-9.]{7,15})\n\s+/32 host LOCAL")
_SIX = re.compile(rb"^([0-9a-f]{32}) ", re.MULTILINE)


class Forward(NamedTuple):
    """The destination of a forwarded port. `container` has the address; None where none or several have it."""

    address: str
    port: int
    container: Container | None


def target(process: HostProcess, arguments: Sequence[bytes]) -> tuple[str, int] | None:
    """Address and port that a docker-proxy of root's hands on to; None for every other process."""
    if process.uid != 0 or process.exe.rpartition(b"/")[2] != PROXY or process.container is not None:
        return None
    flags = dict(itertools.pairwise(arguments))
    address, port = flags.get(b"-container-ip", b""), flags.get(b"-container-port", b"")
    if not port.isdigit() or len(port) > 5 or not 0 < int(port) < 65536:
        return None
    try:
        return str(ipaddress.ip_address(address.decode("ascii", "replace"))), int(port)
    except ValueError:
        return None


def forward(view: LinuxView, namespaces: list[NetworkNamespace], address: str, port: int) -> Forward:
    """The destination with its owner: the only container in the only namespace that has the address."""
    holders = [namespace for namespace in namespaces if not namespace.host and address in _addresses(view, namespace)]
    containers = tables.containers(holders[0]) if len(holders) == 1 else []
    return Forward(address, port, containers[0] if len(containers) == 1 else None)


def _addresses(view: LinuxView, namespace: NetworkNamespace) -> set[str]:
    for process in namespace.members[:8]:
        four, six = (
            tables.read_table(view, process.pid, "net/fib_trie"),
            tables.read_table(view, process.pid, "net/if_inet6"),
        )
        if four or six:
            return addresses(four, six)
    return set()


def addresses(fib_trie: bytes, if_inet6: bytes) -> set[str]:
    """The local addresses in both tables."""
    local = {address.decode() for address in _LOCAL.findall(fib_trie)}
    return local | {str(ipaddress.IPv6Address(int(address, 16))) for address in _SIX.findall(if_inet6)}
