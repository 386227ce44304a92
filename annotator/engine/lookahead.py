"""What belongs before an event though it comes behind it: the birth of its process. DESIGN section 5, *Order*."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotator.core.model import Forked
from annotator.events.assembler import FOLLOW_MS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from annotator.core.contracts import Backend
    from annotator.core.lifetimes import ProcessLifetime
    from annotator.core.model import Event, Translation
    from annotator.engine.pipeline import Tables

FOLLOWERS = 24
"""Events in which the record of a vfork is looked for behind its child's first."""


class Lookahead:
    """Notes births in `tables` whose records come late. `backend` reads the events behind."""

    def __init__(self, backend: Backend, tables: Tables) -> None:
        self.read = backend.read
        self.tables = tables

    def is_ready(self, event: Event, behind: Iterable[Event]) -> bool:
        """Whether an event can be decided: what belongs before it is known, or will not come.

        A parent that waits in vfork(2) writes its record after its child's exec. What it says is noted before the exec.
        """
        reading = event.reading
        if reading is None:
            reading = event.reading = self.read(event)
        actor = reading.actor
        if actor is None or actor.ppid <= 1 or not self.tables.processes.is_unheard(event.node, actor, reading.facts):
            return True
        parent = self.tables.processes.node(event.node).now.get(actor.ppid)
        if parent is None or parent.end is not None:
            return True
        for seen, later in enumerate(behind):
            if seen >= FOLLOWERS or later.stamp.ms > event.stamp.ms + FOLLOW_MS:
                return True
            if later.node == event.node:
                if later.reading is None:
                    later.reading = self.read(later)
                other = later.reading.actor
                if other is not None and other.pid == actor.ppid:
                    self._note_birth(later, later.reading, parent, event)
                    return True
        return False

    def _note_birth(self, event: Event, reading: Translation, parent: ProcessLifetime, child: Event) -> None:
        """The next record of a child's parent: of its birth, if the call began before the child's record."""
        actor, tables = reading.actor, self.tables
        if actor is None or event.foretold or event.stamp.ms > child.stamp.ms:
            return
        if (actor.auid, actor.ses, actor.exe) != (parent.auid, parent.ses, parent.runs):
            return
        stamp = tables.processes.node(event.node).steady(event.stamp, actor.pid)
        for fact in reading.facts:
            if type(fact) is Forked:
                tables.processes.shown(parent, stamp)
                tables.membership.apply(fact, parent, actor, event.node, stamp)
                event.foretold = True
