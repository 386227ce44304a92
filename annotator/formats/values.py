"""How the text forms write values: lists of contids, and strings that no reader can mistake.

The kernel's own convention, sharpened: a string is quoted when all its bytes are 0x21-0x7e and no quote, else
upper-case hex; never bare, because a bare `AB12` reads as hex (auparse decodes it).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from annotator.core.model import Chain, Container, Status, Target

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_VALUE = 256
"""Bytes of one value, before it is quoted or put in hex."""

UNKNOWN = b"?"
HOST = b"-1"

_PLAIN = re.compile(rb"[\x21\x23-\x7e]*")


def quoted(value: str | bytes) -> bytes:
    """A value as the raw form writes it. Cut at MAX_VALUE bytes, never in the middle of nothing: bytes are bytes."""
    data = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    data = data[:MAX_VALUE]
    if _PLAIN.fullmatch(data):
        return b'"' + data + b'"'
    return data.hex().upper().encode()


def numbered(chain: Chain) -> Chain:
    """The containers of a chain that have numbers: where the kernel gives them, an engine's inside has none."""
    return tuple(container for container in chain if container.contid is not None) or chain


def chain_text(chain: Chain) -> bytes:
    """One chain, nearest first: `3^2^1`. A container without a contid (a name only) is `?`."""
    return b"^".join(_number(container) for container in numbered(chain))


def list_text(chains: Iterable[Chain]) -> bytes:
    """Several chains, separated by plain commas.

    Decision (2026-11): within a chain the raw form writes `^`, the patches' notation up to V8, not `,^`. Stock tools
    read `hostname=` of a user-space record up to the next comma, so a nested container would change their reports.
    """
    return b",".join(chain_text(chain) for chain in chains)


def kernel_list(chains: Iterable[Chain]) -> bytes:
    """The same as the patched kernel writes it since V9: `3,^2,^1`."""
    return b",".join(b",^".join(_number(container) for container in numbered(chain)) for chain in chains)


def targets_text(targets: Iterable[Target]) -> bytes:
    """Each target's list, in the order of the event's OBJ_PID records: host is `-1`, unknown `?`."""
    return b",".join(
        list_text(target.chains) if target.chains else HOST if target.status is Status.HOST else UNKNOWN
        for target in targets
    )


def _number(container: Container) -> bytes:
    return UNKNOWN if container.contid is None else b"%d" % container.contid


def writable(value: Any) -> Any:
    """The same with text that UTF-8 can hold, and with numbers beyond 64 bits as text."""
    if isinstance(value, dict):
        return {writable(name): writable(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [writable(inner) for inner in value]
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return str(value)
    return value
