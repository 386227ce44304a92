"""In which network namespace a process was at a time, from the looks at it and from its own calls: rules, and no state.

No audit record names a network namespace, and a process changes it by a call that need not be recorded. So a look
counts only for the program that it saw, or that this one ran by execve, and never across a setns or unshare that the
log tells of. Of engines and their helpers nothing is said: their threads are in several at a time, and a record names
the process, not the thread. What is not known is not said; the host's needs a look as any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotator.core.contracts import SLACK_MS
from annotator.core.model import Ns
from annotator.history.process_history import EXEC_MS

if TYPE_CHECKING:
    from annotator.core.contracts import HostProcess, ProgramKinds
    from annotator.core.lifetimes import ProcessLifetime
    from annotator.core.model import Stamp
    from annotator.history.process_history import Known


def seen_in(
    known: Known, life: ProcessLifetime, stamp: Stamp, exe: bytes, programs: ProgramKinds, *, moves_logged: bool
) -> HostProcess | None:
    """A look that shows the network namespace in which this process was at that time; None when none does.

    `exe` is the program as the record names it. `moves_logged`: the log tells of changes of namespaces.
    """
    if life.pid > 2 and programs.changes_network(exe):
        return None
    ms, moved = stamp.ms, life.net_moved
    if moved is not None and stamp < moved:
        return None  # a late record: which of its moves came before it, is not kept
    program = known.program_of(life, ms, programs)
    if moved is not None and (life.ran is None or life.ran < moved):
        return _after_move(known, program, ms, moved.ms)
    own = [one.seen for one in known.looks if one.program == program and _tells(one.seen, programs)]
    before = next((one for one in reversed(own) if one.read_ms <= ms), None)
    after = next((one for one in own if one.read_ms > ms), None)
    if before is not None and after is not None:
        return before if moves_logged or before.netns == after.netns else None  # if it went, that was after this event
    if after is not None:
        return after if after.read_ms - ms <= EXEC_MS else None  # it began a moment ago, or nobody looked for long
    return before or _handed_on(known, life, program, programs)


def _tells(seen: HostProcess, programs: ProgramKinds) -> bool:
    """Whether a look shows a namespace that its process will not have left unseen."""
    return seen.netns is not None and (seen.pid <= 2 or not programs.changes_network(seen.exe))


def _after_move(known: Known, program: int, ms: int, moved_ms: int) -> HostProcess | None:
    """It went elsewhere, and runs the same program still: where a look between then and now found it.

    A call is stamped at its entry and may take long: a look that shows what was before it says nothing. Nor does it of
    a thread that went alone.
    """
    looks = [one for one in known.looks if one.seen.netns is not None]
    old = next((one for one in reversed(looks) if one.seen.read_ms <= moved_ms), None)
    new = [one for one in looks if one.program == program and moved_ms + SLACK_MS < one.seen.read_ms <= ms]
    if old is None or not new or any(one.seen.netns in (old.seen.netns, None) for one in new):
        return None
    return new[-1].seen if len({one.seen.netns for one in new}) == 1 else None


def _handed_on(known: Known, life: ProcessLifetime, program: int, programs: ProgramKinds) -> HostProcess | None:
    """Nobody looked at this program: what the one before it was in, or its parent when it was born."""
    last = next((one for one in reversed(known.looks) if one.seen.netns is not None and one.program < program), None)
    if last is not None:
        stayed = last.program == program - 1 and life.net_moved is None and _tells(last.seen, programs)
        return last.seen if stayed else None
    above = known.above
    if above is None or known.born_ms is None or program > 1:
        return None
    born_in = life.ns if life.bound else None  # as its fork record tells, if there is one, and does not hide it
    if born_in is None or born_in & Ns.NET:
        return None
    parent = life.parent
    looks = [one.seen for one in above.looks if one.program == known.above_ran and _tells(one.seen, programs)]
    before = next((one for one in reversed(looks) if one.read_ms <= known.born_ms), None)
    if before is None or parent is None or parent.pid != above.pid:
        return None
    still = parent.net_moved is None or (parent.ran is not None and parent.net_moved < parent.ran)
    return before if still else None
