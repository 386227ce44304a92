"""Who may become the parent of an orphan: the rules of DESIGN section 5, *Reparenting*.

An orphan is adopted by init, or by an ancestor that reaps; a process whose parent lives is never adopted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotator.core.contracts import SLACK_MS

if TYPE_CHECKING:
    from annotator.core.lifetimes.lifetime import Node, ProcessLifetime
    from annotator.core.model import Actor, Stamp


def is_adopted(node: Node, life: ProcessLifetime, ppid: int, stamp: Stamp) -> bool:
    """Whether `ppid` can have become the parent of this life: of an orphan, init or an ancestor that reaps."""
    parent = life.parent or node.now.get(life.ppid)
    alive = parent is not None and parent.end is None and node.now.get(parent.pid) is parent
    if alive and parent is not None and parent.pid == life.ppid and parent.born <= life.born:
        return False  # its parent lives: this is another process
    if ppid == 1 or any(ppid == older.pid for older in life.ancestors()):
        return True
    return node.exits and parent is not None and parent.end is not None and parent.end.ms <= stamp.ms + SLACK_MS


def can_be_orphan_of(parent: ProcessLifetime, actor: Actor, life: ProcessLifetime | None) -> bool:
    """Whether a record can show a child of one that has ended: not who was born of whom it shows, and lives on."""
    if parent.end is None or not parent.tells_pids:
        return False
    if life is not None and life.end is None and (life.ppid, life.ses, life.auid) == (
        actor.ppid, actor.ses, actor.auid
    ):  # fmt: skip
        return False
    return actor.ppid == 1 or any(actor.ppid == older.pid for older in parent.ancestors())
