"""Whether a record is of a life that is known: the rules of DESIGN section 5, *A life*.

A re-used pid is never the life that had it before: an end, a fork record that names the pid again, or a parent that the
kernel cannot have given it tell them apart. Another login without its LOGIN record, or another program without its exec
record, is a doubt: the record is not proven to be of that life, and nothing says that the life ended.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from annotator.core.contracts import SLACK_MS
from annotator.core.lifetimes.reparenting import is_adopted
from annotator.core.model import NO_PID, UNSET_ID, Executed, LoggedIn

if TYPE_CHECKING:
    from collections.abc import Iterable

    from annotator.core.lifetimes.lifetime import ForkHint, Node, ProcessLifetime
    from annotator.core.model import Actor, Fact, Stamp


class Identity(Enum):
    """What a record says of the life that has its pid."""

    SAME = "same"
    OTHER = "other"  # another process has the pid now
    DOUBT = "doubt"  # it may be either
    APART = "apart"  # a record without a parent that does not fit: it says nothing of the life


class Shown(NamedTuple):
    """What a record shows of its process from before its event: login and session, whether a program begins with it."""

    auid: int
    ses: int
    executes: bool


def is_same_login(one: Shown, other: ProcessLifetime | ForkHint) -> bool:
    """Whether login and session are the same. Who has no session has no login, or is of a system without sessions."""
    return one.ses == other.ses and (one.auid == other.auid or one.ses == UNSET_ID)


def shown(actor: Actor, facts: Iterable[Fact]) -> Shown:
    """A LOGIN record tells what they were before the event, an exec record why the program is another."""
    auid, ses, executes = actor.auid, actor.ses, False
    for fact in facts:
        if type(fact) is LoggedIn and fact.pid == actor.pid:
            auid, ses = fact.old_auid, fact.old_ses
        elif type(fact) is Executed:
            executes = True
    return Shown(auid, ses, executes)


def identify(
    node: Node, life: ProcessLifetime, actor: Actor, stamp: Stamp, hint: ForkHint | None, before: Shown
) -> Identity:
    """Whether this record can be of this life. `hint` is the fork record that can have made the record's process."""
    if _is_over(life, actor, stamp, hint):
        return Identity.OTHER
    login = is_same_login(before, life)
    if life.ppid == NO_PID and life.auid == life.ses == UNSET_ID:
        return Identity.SAME  # nothing was known of it but its pid
    if actor.ppid == NO_PID or life.ppid == NO_PID:
        return Identity.SAME if login else Identity.APART if actor.ppid == NO_PID else Identity.OTHER
    if life.epoch != node.epoch and (actor.ppid != life.ppid or not login):
        return Identity.OTHER
    if actor.ppid != life.ppid:
        return Identity.SAME if login and is_adopted(node, life, actor.ppid, stamp) else Identity.OTHER
    if _is_of_next_owner(node, life, stamp):
        return Identity.OTHER
    return Identity.SAME if login and (before.executes or _runs(node, life, actor.exe)) else Identity.DOUBT


def _is_over(life: ProcessLifetime, actor: Actor, stamp: Stamp, hint: ForkHint | None) -> bool:
    """Whether the life ended before this record, or its number was given again."""
    if hint is not None and hint.stamp > life.seen:
        return True
    if life.end is None:
        return False
    if life.replaced and stamp >= life.end:
        return True
    if stamp.ms > life.end.ms + SLACK_MS or (hint is not None and hint.stamp > life.born):
        return True
    return stamp > life.end and actor.ppid not in (life.ppid, NO_PID)


def _is_of_next_owner(node: Node, life: ProcessLifetime, stamp: Stamp) -> bool:
    """Whether the parent that a record shows has ended: who shows its number is a child of that number's next owner."""
    parent = life.parent
    if parent is not None and life.bound and parent.pid == life.ppid:
        if parent.end is None or parent.doubted:
            return False
        return stamp.ms > parent.end.ms + SLACK_MS and life.orphaned is None
    owner = node.now.get(life.ppid)
    if owner is None or owner.in_doubt or life.ppid <= 1:
        return False
    if owner.born.ms > life.seen.ms + SLACK_MS:
        return True
    return owner.end is not None and stamp.ms > owner.end.ms + SLACK_MS


def _runs(node: Node, life: ProcessLifetime, exe: bytes) -> bool:
    """Whether a record's program is the life's, where the log shows every program that begins.

    A path gets ` (deleted)` when its file is replaced, and reads otherwise from another root.
    """
    if not (node.execs and exe and life.runs) or exe == life.runs:
        return True
    if exe.removesuffix(b" (deleted)") == life.runs.removesuffix(b" (deleted)"):
        return True
    if life.ran is None:
        return life.moved is not None or life.rerooted is not None or life.ns is None or bool(life.ns)
    return any(changed is not None and changed >= life.ran for changed in (life.moved, life.rerooted))
