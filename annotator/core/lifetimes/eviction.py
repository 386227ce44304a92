"""What is forgotten of processes, so that memory stays bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotator.core.lifetimes.lifetime import DEPTH, KEPT_MS

if TYPE_CHECKING:
    from annotator.core.lifetimes.lifetime import Node, ProcessLifetime
    from annotator.core.model import Stamp

MAX_PAST = 8
"""Lives kept of one pid that have ended."""


def bury(node: Node, life: ProcessLifetime, *, keep_all: bool) -> None:
    """Another process has this life's pid; without an exit record it ended when it was last seen."""
    if life.end is None:
        life.end = life.seen
    past = node.past.setdefault(life.pid, [])
    past.append(life)
    if len(past) > MAX_PAST and not keep_all:
        del past[0]


def sweep(node: Node, stamp: Stamp, max_lives: int) -> int:
    """Forget what ended long ago, cut long chains of parents; returns how many more had to go to keep the bound."""
    limit = stamp.ms - KEPT_MS
    for pid in [pid for pid, life in node.now.items() if life.end is not None and life.end.ms < limit]:
        del node.now[pid]
    for pid in [pid for pid, past in node.past.items() if (past[-1].end or stamp).ms < limit]:
        del node.past[pid]
    for life in node.now.values():
        older = life.ancestors()
        if len(older) >= DEPTH:
            older[-1].parent = None
    excess = max(0, len(node.now) - max_lives)
    if excess:
        for life in sorted(node.now.values(), key=lambda life: life.seen)[:excess]:
            del node.now[life.pid]
    for number in [
        number for number, hints in node.hints.items() if hints[-1].parent.end and hints[-1].stamp.ms < limit
    ]:
        del node.hints[number]
    return excess
