"""Which machine each input file is of, where its records do not say it.

One machine's are the files of a rotated set, and a file whose first serial and stamp go on where those of an earlier
file ended. Another file is another machine's, named as the file is: the process ids of two machines mean nothing to
each other, and a wrong container is worse than none.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from annotator.core.model import Stamp
from annotator.events import HEAD, STAMP
from annotator.io.sources import rotation_set

if TYPE_CHECKING:
    from annotator.events import EventAssembler

SERIALS, PAST_MS, FUTURE_MS = 1000, 2000, 3_600_000
"""How far the first record of a file may be from the last of another, in serials and milliseconds, and still go on."""

ADVICE = "Use --one-machine if they are of one, or --node NAME to name it; records with node= need neither."


@dataclass(slots=True)
class _Machine:
    """One machine so far: its name, the rotated sets of its files, and its last stamp."""

    name: bytes
    sets: set[tuple[Path, str]]
    last: Stamp


class Machines:
    """The machines of the files of one run. `one`: all are of one. `warnings` are for the person who gave the files."""

    def __init__(self, *, one: bool) -> None:
        self.one = one
        self.warnings: list[str] = []
        self._known: list[_Machine] = []
        self._last: tuple[_Machine, str] | None = None

    def begin(self, origin: str, text: bytes, assembler: EventAssembler) -> None:
        """A file begins: whose it is. `text` is its first block; the assembler has had all of the files before."""
        if self.one:
            return
        if self._last is not None:
            machine, before = self._last
            machine.last = Stamp(assembler.clock.now, assembler.highest_serial(machine.name))
        first = _first(text)
        machine = self._of(origin, first) or _Machine(
            origin.encode("utf-8", "surrogateescape") if self._known else b"", set(), Stamp(0, -1)
        )
        if machine not in self._known:
            if self._last is not None and first is not None:
                self.warnings.append(
                    f"{origin}: its serials do not go on from {before}: taken as another machine's.\n  {ADVICE}"
                )
            self._known.append(machine)
        machine.sets.add(rotation_set(Path(origin)))
        self._last = machine, origin
        assembler.file_node = machine.name

    def _of(self, origin: str, first: Stamp | None) -> _Machine | None:
        """The machine whose file this is; None for a new one."""
        own = rotation_set(Path(origin))
        for machine in self._known:
            if own in machine.sets or (first is not None and _goes_on(machine.last, first)):
                return machine
        return self._known[-1] if first is None and self._known else None


def _goes_on(last: Stamp, first: Stamp) -> bool:
    return 0 < first.serial - last.serial <= SERIALS and -PAST_MS <= first.ms - last.ms <= FUTURE_MS


def _first(text: bytes) -> Stamp | None:
    """The stamp of the first record; None for a text without one, or whose records name their node."""
    for line in text[:65536].split(b"\n"):
        head = HEAD.match(line, 0, 1024)
        stamp = STAMP.fullmatch(head[4]) if head is not None else None
        if head is not None and stamp is not None and not head[3].startswith(b"DAEMON_"):
            return None if head[2] else Stamp(int(stamp[1] + stamp[2]), int(stamp[3]))
    return None


def mixed_nodes(assembler: EventAssembler) -> list[str]:
    """A warning for each name under which the records of two machines came."""
    mixed = [node for node, serials in assembler.serials.items() if serials.is_mixed]
    return [
        f"{_shown(node)}: serials run in two counts by turns, so records of two machines seem to come under one name.\n"
        "  Their processes cannot be told apart: have auditd write node= (name_format in auditd.conf)."
        for node in mixed
    ]


def _shown(node: bytes) -> str:
    return f"node {node.decode('utf-8', 'backslashreplace')}" if node else "records without a node"
