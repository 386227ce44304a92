"""Fork records bound to the lives they began: the rules of DESIGN section 5, *Inheritance* (a birth).

A fork record is only a hint, because `exit=` of clone is a pid of the caller's pid namespace. It binds when the child's
own record shows the caller as its parent (with CLONE_PARENT: the caller's parent), or an adopter of a caller that has
ended. A fork record that comes late binds a life that has shown itself already; it never starts one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotator.core.contracts import SLACK_MS
from annotator.core.lifetimes.identity import Shown, is_same_login
from annotator.core.lifetimes.reparenting import can_be_orphan_of
from annotator.core.model import Ns

if TYPE_CHECKING:
    from annotator.core.lifetimes.lifetime import ForkHint, Node, ProcessLifetime
    from annotator.core.model import Actor, Stamp

MAX_HINTS = 16
"""Fork records kept for one number."""


SIBLING_MS = 5000
"""How long a record of CLONE_PARENT may be a birth: any process that has the same parent shows the same."""


def take_hint(node: Node, actor: Actor, stamp: Stamp, life: ProcessLifetime | None, before: Shown) -> ForkHint | None:
    """The newest fork record that can have made this process; it is used up."""
    hints = node.hints.get(actor.pid)
    if not hints:
        return None
    for at in range(len(hints) - 1, -1, -1):
        hint = hints[at]
        if hint.stamp.ms > stamp.ms + SLACK_MS:
            continue
        if _can_bind(node, hint, actor.ppid, stamp, before) or (
            is_same_login(before, hint) and can_be_orphan_of(node, hint, actor, stamp, life)
        ):
            if life is not None and life.bound and hint.stamp <= life.born:
                break
            del hints[: at + 1]
            if not hints:
                del node.hints[actor.pid]
            return hint
    if len(hints) == 1 and life is not None and life.bound and hints[0].stamp < life.seen:
        del node.hints[actor.pid]  # a local number of some pid namespace that nobody claimed
    return None


def _can_bind(node: Node, hint: ForkHint, ppid: int, stamp: Stamp, before: Shown) -> bool:
    """Whether a process that shows this parent, login and session can be the child of a fork record.

    The numbers of a caller in another pid namespace than the first are no pids of the host.
    """
    if hint.parent.level == 1 or not hint.fits(ppid) or not is_same_login(before, hint):
        return False
    if hint.sibling:
        return stamp.ms - hint.stamp.ms <= SIBLING_MS
    parent = hint.parent
    if parent.end is not None and stamp.ms > parent.end.ms + SLACK_MS:
        return False
    return parent.end is not None or node.now.get(parent.pid) is parent


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
    _enter_pid_namespace(life, parent, hint)
    parent.init_ns = True  # its numbers may be the first namespace's, as the child's own record shows
    parent.matched += 1
    life.hidden = hint.ns is None or (parent.hidden and not hint.ns & Ns.PID)
    life.init_ns = parent.tells_pids and not parent.bears_inside and (hint.ns is None or not hint.ns & Ns.PID)
    life.hinted = hint.stamp
    life.birth_epoch = hint.epoch  # what was lost since then may have moved it
    life.reconsider()
    if hint.stamp < life.born:
        life.born = hint.stamp
    life.cache.withdraw()
    return True


def _enter_pid_namespace(life: ProcessLifetime, parent: ProcessLifetime, hint: ForkHint) -> None:
    """In which pid namespace a child is born: its parent's, a new one, or one that its parent made or joined."""
    if hint.ns is not None and hint.ns & Ns.PID:
        life.level, life.pidns = 1, life
    elif parent.bears_inside and not parent.joined_pid and hint.ns is not None:
        parent.bears = parent.bears or life
        life.level, life.pidns = 1, parent.bears
    elif hint.ns is None or parent.bears_inside:
        life.level, life.pidns = (1, parent.pidns) if parent.level == 1 and not parent.bears_inside else (-1, None)
    else:
        life.level, life.pidns = parent.level, parent.pidns


def bind_known_child(node: Node, hint: ForkHint) -> ProcessLifetime | None:
    """The life that has shown itself before its fork record came, bound to it now; None when there is none."""
    last, past = node.now.get(hint.child), node.past.get(hint.child)
    for life in (last, *reversed(past or ())) if last is not None or past else ():
        if life is None or life.bound or life.born.ms + SLACK_MS < hint.stamp.ms:
            continue
        if life.end is not None and life.end < hint.stamp:
            continue
        if hint.parent.level == 1 or not is_same_login(Shown(life.auid, life.ses, executes=False), hint):
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
