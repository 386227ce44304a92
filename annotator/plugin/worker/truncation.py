"""Notices the auditd that cuts records.

Versions 4.2.0 and 4.2.1, with log_format = RAW and no node name, send plugins every record without its last 16 bytes
(fixed in 4.2.2). Two records show it: EOE, whose `):` is then gone, and those of user space, whose message then lacks
its closing quote.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ENOUGH = 8
"""Cut records after which chance is ruled out."""

ADVICE = "auditd 4.2.0 and 4.2.1 cut records with log_format = RAW: set ENRICHED in auditd.conf, or update to 4.2.2."

_LONG = 8000
"""A record near auditd's longest may be cut for being long."""


def count_cut(lines: Iterable[bytes]) -> int:
    """How many of these lines have lost their end for certain."""
    cut = 0
    for line in lines:
        if line[:9] == b"type=EOE ":
            cut += line.find(b"):") < 0
        elif (
            line.find(b" msg='", 0, 1024) > 0
            and b"\x1d" not in line
            and len(line) < _LONG
            and not line.rstrip().endswith(b"'")
            and b"' cont" not in line
        ):
            cut += 1
    return cut
