"""What can happen to a log on its way: narrower rules, records lost, moved or doubled, a cut head, two in one.

Each takes the lines of a log and gives lines; what is random takes its `Random`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.scoring import stamp_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

_CALL = re.compile(rb"type=SYSCALL msg=audit\([^)]*\): arch=c000003e syscall=(\d+) ")
_OP = re.compile(rb": op=(?:set|drop) opid=")
_NUMBER = re.compile(rb" record=\d{1,9}(?=\r?$|\x1d)")
_ID = re.compile(rb": (?:record=\d+ |(?:op|ref)=\S+ )?contid=\S+ *$")
_LOST = re.compile(rb"type=(?:UNKNOWN\[1020\]|CONTAINER_OP) msg=lost")

_DAEMON = re.compile(rb"type=DAEMON_")

_EXEC = frozenset((59, 322))
_NAMESPACES = frozenset((272, 308, 165, 155))
_FORK = frozenset((56, 57, 58, 435))
_EXIT = frozenset((60, 231))

LEVELS: dict[str, frozenset[int] | None] = {
    "execve only": _EXEC,
    "+ namespaces": _EXEC | _NAMESPACES,
    "+ fork and exit": _EXEC | _NAMESPACES | _FORK | _EXIT,
    "all": None,
}
"""Rule levels, by the system calls (x86-64) they cover."""


def level(lines: Sequence[bytes], calls: frozenset[int] | None) -> list[bytes]:
    """The log as rules for only these system calls would have written it; see `renumber`."""
    if calls is None:
        return list(lines)
    gone = {stamp_of(line) for line in lines if (found := _CALL.match(line)) and int(found[1]) not in calls}
    return [line for line in lines if stamp_of(line) not in gone]


def renumber(lines: Sequence[bytes]) -> tuple[list[bytes], dict[tuple[int, int], tuple[int, int]]]:
    """Close the gaps in the serials, since what no rule catches takes no serial; and each new stamp's old one.

    Serials of auditd's own records, which are not in the kernel's sequence, stay.
    """
    serials = sorted({int(stamp_of(line).partition(b":")[2]) for line in lines if not _DAEMON.match(line)})
    new = {serial: at + serials[0] for at, serial in enumerate(serials)}
    back: dict[tuple[int, int], tuple[int, int]] = {}
    found: list[bytes] = []
    for line in lines:
        stamp = stamp_of(line)
        when, _, serial = stamp.partition(b":")
        if not _DAEMON.match(line):
            number = new[int(serial)]
            ms = int(when.replace(b".", b""))
            back[ms, number] = (ms, int(serial))
            line = line.replace(stamp, b"%s:%d" % (when, number), 1)
        found.append(line)
    return found, back


def lose(lines: Sequence[bytes], part: float, random: Random) -> list[bytes]:
    """Lose single records."""
    return [line for line in lines if random.random() >= part]


def lose_events(lines: Sequence[bytes], part: float, random: Random) -> list[bytes]:
    """Lose whole events."""
    stamps = sorted({stamp_of(line) for line in lines})
    gone = {stamp for stamp in stamps if random.random() < part}
    return [line for line in lines if stamp_of(line) not in gone]


def shuffle(lines: Sequence[bytes], within_ms: int, random: Random) -> list[bytes]:
    """Whole events change places within so many milliseconds; the records of one event stay together and in order."""
    groups: dict[bytes, list[bytes]] = {}
    for line in lines:
        groups.setdefault(stamp_of(line), []).append(line)
    at = 0.0
    keyed: list[tuple[float, int, list[bytes]]] = []
    for index, (stamp, group) in enumerate(groups.items()):
        at = max(at, float(stamp.partition(b":")[0] or 0)) if stamp else at
        keyed.append((at * 1000 + random.uniform(0, within_ms), index, group))
    return [line for _, _, group in sorted(keyed) for line in group]


def double(lines: Sequence[bytes]) -> list[bytes]:
    """Every line twice in a row."""
    return [line for line in lines for _ in (0, 1)]


def without_contids(lines: Sequence[bytes]) -> list[bytes]:
    """No CONTAINER_ID is left, nor the number of one: the registry alone must know."""
    kept = (line for line in lines if not _ID.search(line.partition(b"\x1d")[0]))
    return [_NUMBER.sub(b"", line) for line in kept]


def without_operations(lines: Sequence[bytes]) -> list[bytes]:
    """No CONTAINER_OP is left, as an auditd without contid support writes its log."""
    return [line for line in lines if not _OP.search(line) and not _LOST.match(line)]


def on_node(lines: Sequence[bytes], node: bytes) -> list[bytes]:
    """The same log as a relay writes it, with the node in front."""
    return [b"node=" + node + b" " + line for line in lines]


def interleave(first: Sequence[bytes], second: Sequence[bytes], random: Random) -> list[bytes]:
    """Two logs in one, each in its own order."""
    total = len(first) + len(second)
    picks = set(random.sample(range(total), len(first)))
    one, two = iter(first), iter(second)
    return [next(one) if at in picks else next(two) for at in range(total)]
