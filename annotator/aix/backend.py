"""The AIX backend: binds the siblings of this folder to the contract in `annotator.core.contracts`.

The record says its WPAR by name; what that name was at the record's time is the inventory's to say. In replay the
inventory is fed with captured listings and the looks of a journal, each when the trail has come to its time, and with
the commands of the trail that start and stop WPARs: after one no CID is believed until a listing shows it again.
"""

from __future__ import annotations

import re
from collections import deque
from datetime import UTC, tzinfo
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from annotator.aix import tail_format
from annotator.aix.facts import translate
from annotator.aix.grouping import RecordEvent, TrailGrouper, has_nothing, head_end
from annotator.aix.interpret import interpret
from annotator.aix.record import ENGINE, Form, wpar_name
from annotator.aix.wpar import SECOND_MS, UNTIMED, Inventory
from annotator.aix.wpar_commands import LIFETIME_VERBS, Verb
from annotator.core.contracts import Place, known_as
from annotator.core.model import (
    NO_PID,
    Container,
    EngineCommand,
    Evidence,
    Gap,
    Reason,
    RecordedPlace,
    Role,
    Translation,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from annotator.aix.facts import RecordTranslation, StatedWpar
    from annotator.aix.grouping import OwnTail
    from annotator.aix.listing import Listing
    from annotator.aix.record import Record
    from annotator.aix.wpar_commands import WparCommand
    from annotator.aix.wpar_lifetimes import WparLifetime
    from annotator.core.model import Event, Fact
    from annotator.core.stats import Stats

AHEAD = 64
"""Listings that are asked whether a lifetime went on; as a rule the next one says."""

HINTS = 256
"""Commands that are remembered, since a listing may be of the very second of one."""

_OWN_TRAIL = re.compile(r"/wpars/([^/]{1,25})/audit(?:/|\Z)")
"""Where a system WPAR keeps the trail it writes itself, as seen from Global."""


class _Hint(NamedTuple):
    name: str
    at_ms: int
    span_ms: int


class Aix:
    """AIX audit records, printed or binary.

    `node` is whose listings these are; `zone` that of the machine that printed the trail. `origin` says whose trail it
    is: "global", the name of a WPAR (its own trail, which calls it `Global`), or "" when nobody said. `own_tail` finds
    our own fields at the end of a line.
    """

    name = "aix"

    def __init__(
        self,
        *,
        node: bytes = b"",
        zone: tzinfo = UTC,
        formats: tail_format.Formats = tail_format.BUILT_IN,
        listings: Iterable[Listing] = (),
        origin: str = "",
        own_tail: OwnTail = has_nothing,
        columns: str = "",
    ) -> None:
        self.completes: Mapping[bytes, bool] = {}
        self.node = node
        self.zone = zone
        self.formats = formats
        self.origin = origin
        self.own_tail = own_tail
        self.columns = columns
        self.inside = "" if origin == "global" else origin
        self.inside_evidence = Evidence.TRAIL
        self.inventory = Inventory(node)
        self.inventory.confirm = self._survived
        self.later = Inventory(node)
        """What listings show of names whose listing has not come yet, or whose time is not known: never a CID."""
        self._coming: deque[Listing] = deque()
        self._hints: deque[_Hint] = deque(maxlen=HINTS)
        self._others: dict[bytes, Inventory] = {}
        self._take(listings)

    def _take(self, listings: Iterable[Listing]) -> None:
        timed = sorted((one for one in listings if one.at_ms is not None), key=lambda one: one.at_ms or 0)
        for at, one in enumerate(timed):
            ends = (*timed[at - 1 : at], *timed[at + 1 : at + 2])
            if len(ends) < 2 or any(other.sightings is not one.sightings for other in ends):
                self.later.observe([seen.without_life() for seen in one.sightings], one.at_ms or 0)
        self._coming.extend(timed)
        known = self.later.names()
        for one in listings:
            if one.at_ms is None:
                fresh = [seen.without_life() for seen in one.sightings if seen.name.encode() not in known]
                self.later.observe(fresh, UNTIMED)

    # --- for the pipeline ---------------------------------------------------------------------------------------

    def grouper(self, stats: Stats, *, ordered: bool) -> TrailGrouper:
        """What makes events of this trail's lines."""
        return TrailGrouper(
            stats, ordered=ordered, zone=self.zone, names=self._names, own_tail=self.own_tail, columns=self.columns
        )

    def _names(self) -> set[bytes]:
        return self.later.names() | self.inventory.names() | ({self.inside.encode()} - {b""})

    def of_file(self, path: str) -> None:
        """Records now come from this file: in the trail of a WPAR's own audit, everything is that WPAR."""
        if self.origin:
            return
        found = _OWN_TRAIL.match(path)
        self.inside = self.later.of_path(path) or (found[1] if found else "")
        self.inside_evidence = Evidence.INFERRED

    def read(self, event: Event) -> Translation:
        """Translate one record; what it says of the lifetimes of WPARs goes to the inventory."""
        if not isinstance(event, RecordEvent):
            return Translation(None)
        record = event.record
        told = event.translation = translate(record, self.formats)
        self._observe(record.time_ms)
        inventory = self._inventory(event.node)
        placed = self._place(record, told.wpar, inventory)
        facts = (Gap(0), *told.reading.facts) if record.after_loss else told.reading.facts
        if not self.inside:
            self._note_commands(record, told.commands, inventory)
            facts += tuple(_entering(told))
        actor = told.reading.actor
        if actor is not None and (actor.pid == NO_PID or (self.inside and not self.origin)):
            actor = None  # no column for it, or a number that other files of the run may give to another process
        return told.reading._replace(actor=actor, facts=facts, placed=placed)

    def words(self, event: Event) -> bytes:  # noqa: ARG002  (the contract's signature)
        """No engine's daemon enters a WPAR for a client."""
        return b""

    def place(self, event: Event) -> Place | None:
        """At the end of the record's head line."""
        end = head_end(event)
        return None if end is None else Place(0, end)

    def own_fields(self, event: Event, place: Place) -> int:
        """As `own_tail` finds them at the end of the record's first line."""
        return self.own_tail(event.line(place.record)[: place.offset])

    def targets(self, event: Event) -> list[Place]:  # noqa: ARG002  (the contract's signature)
        """No record is about another process than its own."""
        return []

    def is_linked(self, event: Event) -> bool:  # noqa: ARG002
        """No record is."""
        return False

    def is_lost(self, line: bytes) -> bool:  # noqa: ARG002
        """No line of a trail tells of a lost one."""
        return False

    def interpreter(self, *, resolve_users: bool) -> Callable[[Event], dict[str, Any]]:  # noqa: ARG002
        """See `interpret.interpret`. The trail itself has the users' names."""
        return interpret

    # --- where --------------------------------------------------------------------------------------------------

    def _inventory(self, node: bytes) -> Inventory:
        """The node's. Listings are of one node: `node`, else of the first that the trail names."""
        if not node or (self.node and node in known_as(self.node)):
            return self.inventory
        if not self.node:
            self.node = node
            return self.inventory
        found = self._others.get(node)
        if found is None:
            if len(self._others) >= 256:
                self._others.pop(next(iter(self._others)))
            found = self._others[node] = Inventory(node)
        return found

    def _place(self, record: Record, said: StatedWpar | None, inventory: Inventory) -> RecordedPlace | None:
        """Where the record says it was; None when it says nothing and its process may be known otherwise."""
        name, evidence = (said.name, said.evidence) if said is not None else ("", Evidence.TRAIL)
        if self.inside:
            if name not in ("", "Global", self.inside):
                return RecordedPlace(None, Evidence.CONFLICT, Reason.AMBIGUOUS)
            name, evidence = self.inside, self.inside_evidence
        if record.form is Form.LOOSE and not record.titled and not self.inside and not self._is_known(name, inventory):
            name = ""  # nothing says that this word is a WPAR
        if not name:
            return None if _has_lineage(record) else RecordedPlace(None, Evidence.INFERRED, Reason.NOT_SEEN)
        loose = evidence is Evidence.INFERRED and not self.inside and record.form is not Form.BINARY  # it may be a tail
        found = inventory.container_for(name, record.time_ms, exact=not record.ambiguous)
        if found is None:
            return RecordedPlace(None, evidence, Reason.HIDDEN)
        if found == "global":
            return RecordedPlace(None, evidence, Reason.AMBIGUOUS if loose else None)
        if inventory is self.inventory and found.contid is None and self.later.knows(name):
            late = self.later.container_for(name, record.time_ms, exact=False)
            found = late if isinstance(late, Container) else found
        also = Evidence.INFERRED if loose else None
        if found.contid is not None and not loose:
            also = inventory.evidence(found, record.time_ms)
        return RecordedPlace(found, evidence, also=also)

    def _is_known(self, name: str, inventory: Inventory) -> bool:
        """Whether a source has named such a WPAR, or it is Global."""
        also = inventory is self.inventory and self.later.knows(name)
        return name == "Global" or also or inventory.knows(name)

    # --- the lifetimes of WPARs -------------------------------------------------------------------------------------

    def _observe(self, now_ms: int) -> None:
        """Take in the listings whose time has come. A command of that very second may have been after them."""
        while self._coming and (self._coming[0].at_ms or 0) <= now_ms:
            one = self._coming.popleft()
            at_ms = one.at_ms or 0
            self.inventory.observe(one.sightings, at_ms, one.complete, one.took_ms)
            for name in one.doubted:
                self.inventory.hint(name, at_ms, one.took_ms + SECOND_MS)
            for hint in self._hints:
                if hint.at_ms + hint.span_ms > at_ms:
                    self.inventory.hint(*hint)

    def _survived(self, lifetime: WparLifetime, at_ms: int) -> bool:  # noqa: ARG002  (what shows it is later)
        """Whether the next listing that says still shows a lifetime: if it does not, nobody knows when it ended.

        Without such a listing what was seen is believed (`HOLDS_MS`).
        """
        for one in islice(self._coming, AHEAD):
            shown = one.shows(lifetime)
            if shown is not None:
                lifetime.seen_ms = max(lifetime.seen_ms, one.at_ms or 0) if shown else lifetime.seen_ms
                return shown
        return True

    def _note_commands(self, record: Record, commands: tuple[WparCommand, ...], inventory: Inventory) -> None:
        """Commands about WPARs. Where times are whole seconds, what stands in the same one is not known either."""
        span_ms = 1 if record.form is Form.BINARY or record.time_ms % 1000 else SECOND_MS
        for command in commands:
            if command.verb in LIFETIME_VERBS:
                hint = _Hint(command.name, record.time_ms, span_ms)
                inventory.hint(*hint)
                inventory.hears_commands = True
                if inventory is self.inventory:
                    self._hints.append(hint)
            if command.verb is Verb.REMOVE and command.name:
                inventory.removed(command.name, record.time_ms - 1)
                if inventory is self.inventory:
                    self.later.removed(command.name, record.time_ms - 1)


def _has_lineage(record: Record) -> bool:
    """Whether the process can be followed: it has a pid, and is none of those whose number means something elsewhere.

    Pid 1 is init in Global and in each WPAR.
    """
    return record.pid is not None and record.pid > 2 and record.ppid != 2


def _entering(told: RecordTranslation) -> Iterable[Fact]:
    """`clogin`: who runs it in Global is about to be in the WPAR, as the records that follow will say."""
    for command in told.commands:
        if command.verb is Verb.ENTER and command.name and command.pid != NO_PID:
            yield EngineCommand(command.pid, Role.ENTER, ENGINE, "", command.name, how=command.how)


def origin_of(text: str) -> str:
    """`--origin`: `global`, or `wpar:NAME`; gives "global" or the name. ValueError for anything else."""
    if text in ("", "global"):
        return text
    kind, _, name = text.partition(":")
    raw = name.encode("utf-8", "surrogateescape")
    if kind != "wpar" or wpar_name(raw) != raw or name in ("global", "Global"):
        raise ValueError(text)
    return name
