"""One process as seen from outside the log: when it was born and ended, its programs, the looks at it.

A life runs programs one after the other, numbered from 0, what its parent was. A look counts for the program it saw.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from annotator.core.contracts import SLACK_MS
from annotator.core.model import Reason

if TYPE_CHECKING:
    from annotator.core.contracts import HostProcess, ProgramKinds
    from annotator.core.lifetimes import ProcessLifetime

PER_LIFE = 64
"""Looks kept of one process: the first and the newest ones."""

END_MS = 3
"""How far a stamp may lie behind the end of its process: it is taken early, never late; but clocks are compared."""

EXEC_MS = 250
"""How long after its stamp an execve may be done."""

DEPTH = 32
"""How many generations an answer may come down."""

ADOPTERS = 6
"""How many generations above its parent an adopter is looked for: runtime, monitor, shim."""

IN_VAIN = frozenset({Reason.ZOMBIE, Reason.DENIED, Reason.GONE, Reason.REUSED})
"""What a look says that shows nothing: as good as none."""


class Look(NamedTuple):
    """One look at a process while it ran its program of that number."""

    seen: HostProcess
    program: int

    @property
    def inside(self) -> bool:
        """Whether it showed a container."""
        return self.seen.container is not None or self.seen.place is not None


class Known:
    """One process as seen from outside. `born_ms` None: it was there before anybody looked.

    `above` is who bore it, while it ran its program `above_ran`. `execs` are when its programs began, the newest;
    `ran` counts them all. `blind` is why a look at it was in vain: it was dead by then, or going. `guessed`: nobody
    told of its birth yet, a look did.
    """

    __slots__ = (
        "above",
        "above_ran",
        "blind",
        "born_ms",
        "ended_ms",
        "execs",
        "guessed",
        "looks",
        "parent",
        "pid",
        "ran",
    )

    def __init__(
        self, pid: int, born_ms: float | None, parent: int, above: Known | None = None, *, guessed: bool = False
    ) -> None:
        self.pid = pid
        self.ended_ms: float | None = None
        self.parent = parent
        self.born(born_ms, above)
        self.guessed = guessed
        self.looks: list[Look] = []
        self.execs: list[float] = []
        self.ran = 0
        self.blind: Reason | None = None

    def born(self, ms: float | None, above: Known | None) -> None:
        """When it was born, and of whom."""
        self.born_ms = ms
        self.above = above
        self.above_ran = above.ran if above is not None else 0
        self.guessed = False

    def covers(self, ms: float) -> bool:
        """Whether an event with that stamp can be this process's."""
        after = self.born_ms is None or self.born_ms <= ms + SLACK_MS
        return after and (self.ended_ms is None or ms <= self.ended_ms + END_MS)

    def is_alive(self, ms: float) -> bool:
        """Whether it has not ended by then, as far as was seen. What happened after it says nothing."""
        return self.ended_ms is None or self.ended_ms > ms

    def shows_parent(self, ppid: int, ms: float) -> bool:
        """Whether a record of that time can show this parent: who bore it, or an ancestor that adopted it since."""
        if self.parent == ppid:
            return True
        above = self.above
        if above is None or above.is_alive(ms + SLACK_MS):
            return False
        for _ in range(ADOPTERS):
            above = above.above
            if above is None:
                return False
            if above.pid == ppid:
                return above.is_alive(ms)
        return False

    def is_of(self, seen: HostProcess) -> bool:
        """Whether that was read of this life: its birth says so, in clock ticks if it was read before."""
        ticks = next((one.seen.ticks for one in self.looks if one.seen.ticks), 0)
        if ticks and seen.ticks and ticks != seen.ticks:
            return False
        if self.born_ms is not None and abs(self.born_ms - seen.start_ms) > SLACK_MS:
            return False
        orphan = self.above is None or self.above.ended_ms is not None
        if self.parent != seen.ppid and not orphan:
            return False
        return self.ended_ms is None or seen.read_ms <= self.ended_ms or (ticks != 0 and ticks == seen.ticks)

    def take(self, seen: HostProcess) -> None:
        """A look at the program it runs now."""
        if seen.reason in IN_VAIN:
            self.blind = seen.reason
            return
        at = len(self.looks)
        while at and self.looks[at - 1].seen.read_ms > seen.read_ms:
            at -= 1
        same = [one.program == self.ran and _alike(one.seen, seen) for one in self.looks[max(0, at - 2) : at]]
        if same == [True, True]:
            self.looks[at - 1] = Look(seen, self.ran)  # between two that agree nothing is to be known
            return
        self.looks.insert(at, Look(seen, self.ran))
        if len(self.looks) > PER_LIFE:
            del self.looks[1]

    def executed(self, ms: float) -> None:
        """Its next program begins."""
        self.execs.append(ms)
        self.ran += 1
        del self.execs[:-PER_LIFE]

    def program_at(self, ms: float) -> int:
        """The number of the program it ran at a time."""
        return self.ran - sum(1 for at in self.execs if at > ms)

    def program_of(self, life: ProcessLifetime, ms: float, programs: ProgramKinds, *, begins: bool = False) -> int:
        """The number of the program that an event of the log is of; `begins`: of the one before, which it ends.

        Stamps are too coarse to tell: but the log has an event for each program too, in the same order, if it has any.
        Where its rules left some out (their login id was not set yet), the name of the program tells.
        """
        if self.born_ms is None:
            return self.program_at(ms)
        if life.ran is not None and 0 < life.programs <= self.ran:
            at = len(self.execs) - self.ran + life.programs - 1
            if at >= 0 and -END_MS <= self.execs[at] - life.ran.ms <= EXEC_MS:
                return life.programs
        if life.ran is None and self.execs and ms <= self.execs[-1] + END_MS:
            program = max(self.program_at(ms - SLACK_MS), min(life.programs, self.ran))
            while not begins and program < self.ran and self._is_another(program, life.runs, programs):
                program += 1
            return program
        return self.program_at(ms)

    def _is_another(self, program: int, exe: bytes, programs: ProgramKinds) -> bool:
        """Whether the program of that number is known not to be `exe`: by name, for a root directory cuts the path."""
        shown = program_seen(self, program)
        if shown is None or not exe or programs.is_nameless(exe) or programs.is_nameless(shown.exe):
            return False
        return _name(shown.exe) != _name(exe)


def _name(exe: bytes) -> bytes:
    """The last component, also of a file that is gone (proc(5), `exe`)."""
    return exe.removesuffix(b" (deleted)").rpartition(b"/")[2]


def program_seen(known: Known, program: int, depth: int = 0) -> HostProcess | None:
    """A look that shows which program that is; the first is the one its parent ran when it bore it."""
    look = next((one for one in reversed(known.looks) if one.program == program), None)
    if look is not None:
        return look.seen
    if program == 0 and known.above is not None and depth < DEPTH:
        return program_seen(known.above, known.above_ran, depth + 1)
    return None


def agree(one: HostProcess, other: HostProcess) -> bool:
    """Whether two looks showed the same place."""
    return [c.id if c else None for c in (one.container, one.place)] == [
        c.id if c else None for c in (other.container, other.place)
    ] and one.reason == other.reason


def _alike(one: HostProcess, other: HostProcess) -> bool:
    """Whether a look between two such would tell nothing."""
    return one.netns == other.netns and agree(one, other)
