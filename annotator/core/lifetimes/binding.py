"""Fork records bound to the lives they began: the rules of DESIGN section 5, *Inheritance* (a birth).

A fork record is only a hint, because `exit=` of clone is a pid of the caller's pid namespace. It binds when the child's
own record shows the caller as its parent (with CLONE_PARENT: the caller's parent), or an adopter of a caller that has
ended. A fork record that comes late binds a life that has shown itself already; it never starts one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotator.core.contracts import SLACK_MS
from annotator.core.lifetimes.reparenting import can_be_orphan_of
from annotator.core.model import Ns

if TYPE_CHECKING:
    from annotator.core.lifetimes.lifetime import ForkHint, Node, ProcessLifetime
    from annotator.core.model import Actor, Stamp

MAX_HINTS = 16
"""Fork records kept for one number."""


def take_hint(node: Node, actor: Actor, stamp: Stamp, life: ProcessLifetime | None) -> ForkHint | None:
    """The newest fork record that can have made this process; it is used up."""
    hints = node.hints.get(actor.pid)
    if not hints:
        return None
    for at in range(len(hints) - 1, -1, -1):
        hint = hints[at]
        if hint.stamp.ms > stamp.ms + SLACK_MS:
            continue
        if hint.fits(actor.ppid) or can_be_orphan_of(hint.parent, actor, life):
            if life is not None and life.bound and hint.stamp <= life.born:
                break
            del hints[: at + 1]
            if not hints:
                del node.hints[actor.pid]
            return hint
    if len(hints) == 1 and life is not None and life.bound and hints[0].stamp < life.seen:
        del node.hints[actor.pid]  # a local number of some pid namespace that nobody claimed
    return None


def bind(life: ProcessLifetime, hint: ForkHint) -> bool:
    """A fork record is now proven to be this life's birth; or not (False), where nothing true can say so."""
    parent = hint.parent
    if parent is life or life in parent.ancestors():
        return False  # made up, or two lives taken for one: nobody is his own ancestor
    if hint.sibling:
        life.sibling = True
    life.parent = parent
    life.bound = True
    life.ns = hint.ns
    parent.init_ns = True  # its numbers may be the first namespace's, as the child's own record shows
    parent.matched += 1
    life.init_ns = parent.tells_pids and (hint.ns is None or not hint.ns & Ns.PID)
    life.hinted = hint.stamp
    life.birth_epoch = hint.epoch  # what was lost since then may have moved it
    life.reconsider()
    if hint.stamp < life.born:
        life.born = hint.stamp
    life.cache.withdraw()
    return True


def bind_known_child(node: Node, hint: ForkHint) -> ProcessLifetime | None:
    """The life that has shown itself before its fork record came, bound to it now; None when there is none."""
    last, past = node.now.get(hint.child), node.past.get(hint.child)
    for life in (last, *reversed(past or ())) if last is not None or past else ():
        if life is None or life.bound or life.born.ms + SLACK_MS < hint.stamp.ms:
            continue
        if life.end is not None and life.end < hint.stamp:
            continue
        if hint.fits(life.ppid) and bind(life, hint):
            hint.parent.strange = max(0, hint.parent.strange - 1)  # it was only late
            return life
    return None


def keep_hint(node: Node, hint: ForkHint, max_numbers: int) -> None:
    """Keep a fork record until its child shows itself; for at most `max_numbers` numbers, the oldest go first."""
    hints = node.hints.setdefault(hint.child, [])
    hints.append(hint)
    if len(hints) > MAX_HINTS:
        del hints[0]
    if len(node.hints) > max_numbers:
        node.hints.pop(next(iter(node.hints)))
