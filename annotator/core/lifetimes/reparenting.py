"""Who may become the parent of an orphan: the rules of DESIGN section 5, *Reparenting*.

The children of a dead process go to its nearest living ancestor that is a subreaper, on the same pid level, else to the
init of the dead process's pid namespace. A process whose parent lives is never adopted, and the host's init never ends.
Source: kernel/exit.c, find_new_reaper.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotator.core.contracts import SLACK_MS

NEAR = 64
"""How far behind its parent's number a child's is where both were born one after the other."""

if TYPE_CHECKING:
    from annotator.core.lifetimes.lifetime import ForkHint, Node, ProcessLifetime
    from annotator.core.model import Actor, Stamp


def is_adopted(node: Node, life: ProcessLifetime, ppid: int, stamp: Stamp) -> bool:
    """Whether a life can have `ppid` as its parent now, which it had not before: it was adopted."""
    if life.orphaned is not None and ppid == life.orphaned[0] and stamp.ms <= life.orphaned[1].ms + SLACK_MS:
        return True  # from before it was adopted, and decided late
    if life.ppid <= 1:
        return False
    parent = life.parent if life.parent is not None and life.parent.pid == life.ppid else node.now.get(life.ppid)
    if parent is None:
        return ppid == 1
    if parent.end is None and node.now.get(parent.pid) is parent and node.is_certain(parent, stamp):
        return False  # its parent lives: this is another process
    return can_adopt(node, parent, ppid)


def can_adopt(node: Node, dead: ProcessLifetime, ppid: int) -> bool:
    """Whether the children of `dead` can have gone to the process that has this number."""
    if dead.level == 1 and dead.pidns is not None:
        init = dead.pidns
        if ppid == init.pid and init is not dead:
            return init.end is None
        return any(
            older.pid == ppid and older.pidns is init and bool(older.adopts) and older.end is None
            for older in dead.ancestors()
        )
    last = dead
    for older in dead.ancestors():
        last = older
        if older.end is not None:
            continue
        if older.pid == ppid:
            return _adopts(older, dead)
        if older.adopts and dead.end is not None and older.alive > dead.end.ms:
            return False  # a nearer one was there to adopt
    if last.ppid == ppid and ppid > 1 and dead.level != 1:
        return dead.end is not None  # an ancestor that is older than the log
    if ppid == 1:
        return dead.level < 1
    if dead.parent is None or not dead.parent.joined_pid:
        return False
    joined = node.now.get(ppid)  # the init of the pid namespace that it was put into
    return joined is not None and joined.is_pid_init and joined.end is None


def _adopts(older: ProcessLifetime, dead: ProcessLifetime) -> bool:
    """Whether an ancestor is a subreaper, or is seen to be one: its child's children are now its own."""
    if older.adopts is None and dead.end is not None:
        older.adopts = True
    return bool(older.adopts)


def can_be_orphan_of(node: Node, hint: ForkHint, actor: Actor, stamp: Stamp, life: ProcessLifetime | None) -> bool:
    """Whether a record can show the child of a fork whose parent has ended since, not long ago.

    Not who was born of whom it shows, and lives on.
    """
    parent = hint.parent
    if (
        parent.end is None
        or not parent.tells_pids
        or not node.is_recent(hint.stamp.ms, hint.turn, hint.silences, stamp.ms)
    ):
        return False
    if parent.hidden and not 0 < hint.child - parent.pid <= NEAR:
        return False  # perhaps a number of another pid namespace
    if life is not None and life.end is None and (life.ppid, life.ses, life.auid) == (
        actor.ppid, actor.ses, actor.auid
    ):  # fmt: skip
        return False
    return can_adopt(node, parent, actor.ppid)
