"""Whether a record is of a life that is known: the rules of DESIGN section 5, *A life*.

A re-used pid is never the life that had it before: an end, a fork record that names the pid again, another session, or
a parent that the kernel cannot have given it tell them apart. After a gap a life must show its parent and session
again before a record is believed to be its.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotator.core.contracts import SLACK_MS
from annotator.core.lifetimes.reparenting import is_adopted
from annotator.core.model import NO_PID, UNSET_ID

if TYPE_CHECKING:
    from annotator.core.lifetimes.lifetime import ForkHint, Node, ProcessLifetime
    from annotator.core.model import Actor, Stamp


def is_same(node: Node, life: ProcessLifetime, actor: Actor, stamp: Stamp, hint: ForkHint | None) -> bool:
    """Whether this record can be of this life. `hint` is the fork record that can have made the record's process."""
    if life.end is not None and (stamp.ms > life.end.ms + SLACK_MS or (hint and hint.stamp > life.born)):
        return False
    if life.end is not None and stamp > life.end and actor.ppid not in (life.ppid, NO_PID):
        return False
    if hint is not None and hint.stamp > life.seen:
        return False
    if actor.ppid == NO_PID or life.ppid == NO_PID:
        return actor.ses == life.ses or actor.ses == UNSET_ID or life.ses == UNSET_ID
    if life.epoch != node.epoch and (actor.ppid, actor.ses, actor.auid) != (life.ppid, life.ses, life.auid):
        return False
    if actor.ppid == life.ppid:
        return actor.ses == life.ses or UNSET_ID in (actor.ses, life.ses) or actor.auid != life.auid
    if actor.ses != life.ses:
        return False
    return is_adopted(node, life, actor.ppid, stamp)
