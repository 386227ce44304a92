"""Where a process was at a time, from what was seen of it from outside the log: the rules, and no state.

A life runs programs one after the other, numbered from 0, what its parent was. An engine puts a process where it
belongs while one of these runs, and is done when the next begins; a look counts for the program that it saw. Host is
said only where no engine, and no call of the process's own, can have put it elsewhere since somebody looked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from annotator.core.contracts import SLACK_MS
from annotator.core.model import Evidence, Reason, Stamp
from annotator.history.process_history import DEPTH, Known, Look, agree, program_seen

if TYPE_CHECKING:
    from annotator.core.contracts import HostProcess, ProgramKinds
    from annotator.core.lifetimes import ProcessLifetime, ProcessTable


class Answer(NamedTuple):
    """A look that answers, or why none does. `since` ms; `handed`: it is of an ancestor."""

    seen: HostProcess | None
    since: float = 0
    reason: Reason = Reason.NOT_SEEN
    handed: bool = False


NOTHING = Answer(None)


def begun(known: Known, program: int, ms: float, programs: ProgramKinds) -> Answer | None:
    """What a look at the program that an execve began says of the execve: nobody moves within that call.

    Nothing when that program is one that moves by itself: it may have done so before the look.
    """
    look = next((one for one in known.looks if one.program == program + 1), None)
    if look is None or not look.inside or programs.moves(look.seen.exe):
        return None
    return Answer(look.seen, ms)


def answer(
    known: Known,
    program: int,
    ms: float,
    life: ProcessLifetime | None,
    processes: ProcessTable | None,
    programs: ProgramKinds,
    depth: int = 0,
    *,
    exe: bytes = b"",
) -> Answer:
    """What the looks say of a time, while the process ran its program of that number: `exe`, if that is known."""
    moved = life.moved if life is not None and life.moved is not None and life.moved.ms <= ms else None
    inner = moved is not None and life is not None and (life.ran is None or life.ran < moved)
    limit = moved.ms + SLACK_MS if moved is not None and inner else -1
    own = [one for one in known.looks if one.program == program and (one.inside or one.seen.read_ms > limit)]
    before = next((one for one in reversed(own) if one.seen.read_ms <= ms), None)
    after = next((one for one in own if one.seen.read_ms > ms), None)
    sure = before or after
    if sure is None:
        own_space = life is not None and life.bound and bool(life.ns) and program == 0
        settled = moved is None and not own_space
        return _handed_down(known, program, ms, processes, programs, depth, exe=exe, settled=settled)
    if before is not None and after is not None and not before.inside and not agree(before.seen, after.seen):
        return Answer(None, reason=Reason.LATE)
    if before is None and program == 0 and sure.inside and known.above is not None:
        above = _parents(known, processes, programs, depth)  # put there since its birth: when, nobody saw
        if above.seen is not None and not Look(above.seen, 0).inside:
            return Answer(None, reason=Reason.LATE)
    if sure.seen.reason is not None and not sure.inside:
        return Answer(None, reason=sure.seen.reason)
    return Answer(sure.seen, _since(known, program, ms, sure, moved))


def _since(known: Known, program: int, ms: float, sure: Look, moved: Stamp | None) -> float:
    """From when on a look holds: the beginning of its program, its move, its birth, else itself."""
    if moved is not None:
        return moved.ms
    if sure.seen.read_ms <= ms and sure is not known.looks[0]:
        return sure.seen.read_ms
    return min(known.born_ms or ms, ms) if program == 0 else ms


def _handed_down(
    known: Known,
    program: int,
    ms: float,
    processes: ProcessTable | None,
    programs: ProgramKinds,
    depth: int,
    *,
    exe: bytes,
    settled: bool,
) -> Answer:
    """Nobody looked at this program: what is known of those before and after it, and of the parent.

    Host only if `settled` (it has the namespaces it was born of), and if neither this program nor the one before is
    one that moves: what those do between two looks, as a clone into new namespaces, nobody tells.
    """
    last = next((one for one in reversed(known.looks) if one.program < program), None)
    if last is not None and last.inside:
        return Answer(last.seen, ms)
    above = Answer(last.seen, ms) if last is not None else _parents(known, processes, programs, depth)
    if above.seen is None or Look(above.seen, 0).inside:
        return above
    if above.seen.reason is not None:
        return Answer(None, reason=above.seen.reason)
    later = next((one for one in known.looks if one.program > program), None)
    if later is not None and not later.inside and later.seen.reason is None:
        return above  # on the host before and after
    first = last.program if last is not None else 0
    maker = program_seen(known, first)
    ran = maker.exe if maker is not None else exe if program == first else b""
    if not settled or program - first > 1 or not ran or programs.moves(ran) or programs.moves(exe):
        return Answer(None, reason=known.blind or Reason.LATE)
    return above


def _parents(known: Known, processes: ProcessTable | None, programs: ProgramKinds, depth: int) -> Answer:
    """Where its parent was when it was born."""
    above, born = known.above, known.born_ms
    if above is None or born is None or depth > DEPTH:
        return NOTHING
    life = processes.at(b"", above.pid, Stamp(int(born), 0)) if processes is not None else None
    found = answer(above, known.above_ran, born, life, processes, programs, depth + 1)
    return found._replace(since=born, handed=True) if found.seen is not None else found


def evidence_of(found: Answer) -> Evidence | None:
    """What the answer rests on, where that is not what the look rests on."""
    return Evidence.LINEAGE if found.handed else None
