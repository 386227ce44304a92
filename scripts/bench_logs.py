"""The logs of scripts/bench: recorded samples again and again, in each round as if other processes had done it.

Each round has its own stamps, serials, pids, inodes, addresses, container ids and arguments, since a machine never
writes the same event twice: what a program remembers of texts is of no more use than it is in life.
"""

from __future__ import annotations

import hashlib
import lzma
import random
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Event = list[bytes]
    Variant = Callable[[Iterator[Event]], Iterator[Event]]

ROOT = Path(__file__).resolve().parent.parent
DAY = 86_400
OPEN = 28_000
"""Events that are open at once in the variant of that name."""

_STAMP = re.compile(rb"msg=audit\((\d+)\.(\d+):(\d+)\)")
_PID = re.compile(rb" o?p?pid=(\d+)")
_CHANGES = re.compile(
    rb"(?P<stamp>msg=audit\(\d+\.\d+:\d+\))|(?P<pid>(?<= pid=)\d+|(?<= ppid=)\d+|(?<= opid=)\d+|(?<=: opid=)\d+)"
    rb"|(?P<inode>(?<=inode=)\d+)|(?P<address>(?<= a[0-3]=)[0-9a-f]{9,16}\b)|(?P<id>[0-9a-f]{64})"
)
_FORK = re.compile(rb"( syscall=(?:56|57|58|435) success=yes exit=)(\d+)")
_KILL = re.compile(rb"( syscall=(?:62|200|234) .*? a0=)([0-9a-f]+)")
_ENGINE = re.compile(rb'a0="[^"]*(?:runc|crun|podman|docker|containerd|conmon|nsenter)[^"]*"')
_ARGUMENT = re.compile(rb'( a[1-9]\d*="[^"]*)"$')


def samples(pattern: str) -> list[bytes]:
    """The recorded logs of some cases, in the order of their names."""
    logs = sorted((ROOT / "samples/linux").glob(f"{pattern}/input.log*"))
    return [lzma.decompress(log.read_bytes()) if log.suffix == ".xz" else log.read_bytes() for log in logs]


def renewed(log: bytes, rounds: int) -> bytes:
    """The same log, that many days later, by other processes on other files in other containers."""
    pids = set(_PID.findall(log))

    def pid(number: bytes) -> bytes:
        return b"%d" % (300 + (int(number) + rounds * 7919) % 4_000_000) if int(number) > 2 else number

    def change(match: re.Match[bytes]) -> bytes:
        value = match[0]
        if match.lastgroup == "stamp":
            seconds, millis, serial = _STAMP.fullmatch(value).groups()  # type: ignore[union-attr]
            return b"msg=audit(%d.%s:%d)" % (int(seconds) + rounds * DAY, millis, int(serial) + rounds * 100_000)
        if match.lastgroup == "pid":
            return pid(value)
        if match.lastgroup == "inode":
            return b"%d" % (int(value) + rounds * 10_007)
        if match.lastgroup == "address":
            return b"%x" % ((int(value, 16) + rounds * 0x7F1000) % (1 << 64))
        return hashlib.sha256(value + b"%d" % rounds).hexdigest().encode()

    lines = []
    for line in log.splitlines():
        if line.startswith(b"type=SYSCALL "):
            line = _FORK.sub(lambda m: m[1] + (pid(m[2]) if m[2] in pids else m[2]), line)
            line = _KILL.sub(lambda m: m[1] + b"%x" % int(pid(b"%d" % int(m[2], 16))) if len(m[2]) < 8 else m[0], line)
        elif line.startswith(b"type=EXECVE ") and not _ENGINE.search(line):
            line = _ARGUMENT.sub(rb'\1.%d"' % rounds, line)
        elif line.startswith(b"type=PROCTITLE ") and not line.endswith((b'"', b")")):
            line += b"2E" + (b"%d" % rounds).hex().upper().encode()
        lines.append(_CHANGES.sub(change, line))
    return b"\n".join(lines) + b"\n"


def events(log: bytes) -> Iterator[Event]:
    """Neighbouring lines of one stamp."""
    stamp, found = b"", list[bytes]()
    for line in log.splitlines():
        match = _STAMP.search(line)
        if found and (match is None or match[0] != stamp):
            yield found
            found = []
        stamp = match[0] if match is not None else b""
        found.append(line)
    if found:
        yield found


def _enriched(given: Iterable[Event]) -> Iterator[Event]:
    """As auditd writes it with log_format = ENRICHED."""
    ids = b" ".join(name + b'="root"' for name in b"AUID UID GID EUID SUID FSUID EGID SGID FSGID".split())
    more = {b"type=SYSCALL": b"\x1dARCH=x86_64 SYSCALL=openat " + ids, b"type=PATH": b'\x1dOUID="root" OGID="root"'}
    for event in given:
        yield [line + more.get(line.partition(b" ")[0], b"") if b"\x1d" not in line else line for line in event]


def _with_eoe(given: Iterable[Event]) -> Iterator[Event]:
    """As auditd hands events to plugins."""
    for event in given:
        stamp = _STAMP.search(event[0])
        yield [*event, b"type=EOE " + stamp[0] + b": "] if stamp and len(event) > 1 else event


def _interleaved(given: Iterable[Event]) -> Iterator[Event]:
    """Of each ten events two have their lines in each other's midst."""
    chance = random.Random(7)  # noqa: S311
    before: Event | None = None
    for number, event in enumerate(given):
        if number % 10 == 0:
            before = event
        elif before is not None:
            both, mixed = [before, event], []
            while any(both):
                lines = chance.choice([one for one in both if one])
                mixed.append(lines.pop(0))
            before = None
            yield mixed
        else:
            yield event
    if before is not None:
        yield before


def _only_processes(given: Iterable[Event]) -> Iterator[Event]:
    """Forks, executions and exits alone."""
    kind = re.compile(rb"^type=SYSCALL .* syscall=(?:56|57|58|59|60|231|322|435) ")
    return (event for event in given if kind.match(event[0]))


def _opened(given: Iterable[Event]) -> Iterator[Event]:
    """The first line of OPEN events, and then their other lines; all of them within one second."""
    waiting: list[Event] = []
    for event in given:
        if len(event) > 1:
            waiting.append(event)
        if len(waiting) == OPEN:
            first = _STAMP.search(waiting[0][0])
            time = b"msg=audit(" + first[0][10:].partition(b".")[0] if first else b""
            whole = [[re.sub(rb"msg=audit\(\d+", time, line) for line in one] for one in waiting]
            yield from ([one[0]] for one in whole)
            yield from (one[1:] for one in whole)
            waiting = []


VARIANTS: dict[str, tuple[str, Variant]] = {
    "RAW": ("stock-*", iter),
    "ENRICHED": ("stock-*", _enriched),
    "EOE": ("stock-*", _with_eoe),
    "node=": ("stock-*", lambda given: ([b"node=web1 " + line for line in event] for event in given)),
    "no PROCTITLE": (
        "stock-*",
        lambda given: ([line for line in event if not line.startswith(b"type=PROCTITLE ")] for event in given),
    ),
    "20 % interleaved": ("stock-*", _interleaved),
    "contid v11": ("contid-g*-v11", iter),
    "exec-heavy": ("stock-*", _only_processes),
    "28,000 open": ("stock-*", _opened),
}
"""The logs by their names: of which samples they are made, and what is changed in their events."""


def make(path: Path, name: str, records: int) -> int:
    """Write at least so many records of a variant; returns how many."""
    pattern, change = VARIANTS[name]
    logs = samples(pattern)

    def rounds() -> Iterator[Event]:
        number = 0
        while True:
            for log in logs:
                yield from events(renewed(log, number))
            number += 1

    written = 0
    with path.open("wb") as out:
        for event in change(rounds()):
            if written >= records:
                break
            out.writelines(line + b"\n" for line in event)
            written += len(event)
    return written
