"""How a process came to be in the container in which it was seen: by which process it came in, and who bore that one.

A container's processes descend from its init, or from a process that entered: that one's parent was outside when it
bore it. The kernel's word is the birth (proc connector); what was seen of the parents tells on which side they were. Of
a process that was there before anybody looked only its present parent is known, which may have adopted it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotator.core.contracts import Ancestor, Origin
from annotator.core.model import Ns
from annotator.history.process_history import DEPTH, Known

if TYPE_CHECKING:
    from annotator.core.contracts import HostProcess, ProgramKinds
    from annotator.core.model import Container

ABOVE = 8
"""How many of those outside are named: runtime, monitor, shim, client, shell."""

FIRST_VPID = 1


def origin(known: Known, container: Container, programs: ProgramKinds) -> Origin | None:
    """How this process came into that container, in which it was seen; None where nobody saw it there."""
    entrance, adopted = _entrance(known, container)
    seen = _seen_inside(entrance, container)
    if seen is None:
        return None
    return Origin(
        seen.pid,
        seen.ticks,
        seen.start_ms,
        _is_init(known, entrance, container, programs),
        adopted and entrance is not known,
        tuple(_above(entrance)),
        seen.auid,
        seen.ses,
        seen.uid,
        seen.exe,
    )


def _entrance(known: Known, container: Container) -> tuple[Known, bool]:
    """The oldest of its ancestors that was inside, all of those between them too; and whether a birth was not seen."""
    entrance, adopted = known, known.born_ms is None or known.guessed
    at, guessed = known.above, adopted
    for _ in range(DEPTH):
        if at is None:
            break
        side = _was_inside(at, container)
        if side is False:
            break
        guessed = guessed or at.born_ms is None or at.guessed
        if side:
            entrance, adopted = at, guessed
        at = at.above
    return entrance, adopted


def _was_inside(known: Known, container: Container) -> bool | None:
    """Whether it was seen in this container, or only outside; None where nothing of it was seen."""
    if not known.looks:
        return None
    return _seen_inside(known, container) is not None


def _seen_inside(known: Known, container: Container) -> HostProcess | None:
    """The first look that shows it inside."""
    for look in known.looks:
        inside = look.seen.container or look.seen.place
        if inside is not None and any(_is_same(one, container) for one in inside.chain()):
            return look.seen
    return None


def _is_same(one: Container, other: Container) -> bool:
    return one is other or (one.id == other.id and one.owner == other.owner and one.contid == other.contid)


def _is_init(known: Known, entrance: Known, container: Container, programs: ProgramKinds) -> bool | None:
    """Whether the container's init let it in: it is the first of a pid namespace. None where that is shared."""
    below: Known | None = known
    chain = [known]
    while below is not None and below is not entrance:
        below = below.above
        if below is not None:
            chain.append(below)
    seen = _seen_inside(entrance, container)
    if seen is None or seen.own is None or not seen.own & Ns.PID:
        return None
    if seen.vpid == FIRST_VPID:
        return True
    child = chain[-2] if len(chain) > 1 else None
    made = _seen_inside(child, container) if child is not None and programs.moves(seen.exe) else None
    return made is not None and made.vpid == FIRST_VPID


def _above(entrance: Known) -> list[Ancestor]:
    """The process that came in, and those above it: each with a time at which it lived."""
    found = [Ancestor(entrance.pid, _time(entrance, entrance))]
    below: Known = entrance
    while below.above is not None and len(found) <= ABOVE:
        found.append(Ancestor(below.above.pid, _time(below.above, below)))
        below = below.above
    return found


def _time(known: Known, below: Known) -> int:
    """When it bore the one below it, or when it was looked at."""
    if below is not known and below.born_ms is not None:
        return int(below.born_ms)
    return int(known.looks[0].seen.read_ms) if known.looks else int(known.born_ms or 0)
