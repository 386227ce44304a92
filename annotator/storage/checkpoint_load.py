"""Rows as a run that is whole, and not in use yet."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, TypeVar

from annotator.core.corroboration import Shown
from annotator.core.errors import FormatError
from annotator.core.lifetimes import ForkHint, Node, ProcessLifetime
from annotator.core.membership import Occupants, PendingOperation, Residence
from annotator.core.model import OWN_SESSION, Attribution, Container, ContId, Event, Mark, Session, Status
from annotator.core.registry import Containers
from annotator.events import EventAssembler, Run, Serials
from annotator.storage.checkpoint_rows import (
    AS_IT_IS,
    NOUNS,
    Announced,
    Answered,
    Counted,
    Grouped,
    Head,
    Held,
    Hinted,
    Hosted,
    Lines,
    Lived,
    Machine,
    Marked,
    Numbers,
    Occupied,
    Stayed,
    Tables,
)
from annotator.storage.checkpoint_save import held_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from annotator.storage.format import Entry

T = TypeVar("T")


def _pick(rows: Sequence[T], number: int) -> T:
    if not 0 <= number < len(rows):
        raise FormatError(f"it names row {number} of {len(rows)}")
    return rows[number]


def _maybe(rows: Sequence[T], number: int | None) -> T | None:
    return None if number is None else _pick(rows, number)


def _pairs(numbers: Sequence[int]) -> Iterable[tuple[int, int]]:
    if len(numbers) % 2:
        raise FormatError("a list of pairs lacks one number")
    return zip(numbers[::2], numbers[1::2], strict=True)


@dataclass(slots=True)
class Whole:
    """A run: what of tables and grouper is not theirs from the start."""

    head: Head
    lives: list[ProcessLifetime]
    nodes: dict[bytes, Node]
    containers: dict[bytes, Containers]
    inside: dict[Container, Occupants]
    unsure: dict[ProcessLifetime, ContId]
    marks: dict[tuple[bytes, Mark], Shown]
    serials: dict[bytes, Serials]
    events: list[Event]
    open: dict[bytes, Event]
    recent: dict[bytes, Event]
    runs: deque[Run]

    def reboot(self, names: set[bytes], boot: str) -> None:
        """Nothing lives on these nodes any more."""
        for name in names & self.nodes.keys():
            self.nodes[name] = Node()
            self.nodes[name].boot = boot
        for name in names & self.containers.keys():
            node = self.containers[name]
            for container in chain(node.remembered, node.by_contid.values(), *node.by_id.values()):
                if container.end_ms is None:
                    container.end_ms = self.head.now
            self.containers[name] = Containers(boot, remembered=node.remembered)
        self.inside = {one: inside for one, inside in self.inside.items() if one.node not in names}
        self.marks = {key: shown for key, shown in self.marks.items() if key[0] not in names}
        self.unsure = {life: contid for life, contid in self.unsure.items() if life.node not in names}

    def put(self, tables: Tables, grouper: EventAssembler) -> None:
        """Into use."""
        head = self.head
        processes, membership = tables.processes, tables.membership
        processes.nodes, processes._work, processes.evicted = self.nodes, head.work, head.evicted
        tables.registry.nodes, tables.registry.version = self.containers, head.registry_version
        membership.inside, membership.unsure, membership.version = self.inside, self.unsure, head.version
        membership.refused, membership.tentative = head.refused, head.tentative
        membership.support.known = self.marks
        for life in self.lives:
            life.answer_by = (life.answer.container if life.answer is not None else None) or membership
        clock = grouper.clock
        clock.now, clock._doubt, clock._doubts = head.now, head.doubt, head.doubts
        grouper._checked_ms, grouper._second, grouper._ms, grouper._next = (
            head.checked_ms,
            head.second,
            head.ms,
            head.next,
        )
        grouper.reversed_records = head.reversed_records
        grouper.open, grouper.recent, grouper.runs, grouper.serials = self.open, self.recent, self.runs, self.serials
        grouper._held = sum(event.held for event in self.open.values())
        grouper._current = _maybe(self.events, head.current)
        grouper.stats.lines += held_lines(grouper)


class Rows:
    """The rows by what they are. Raises FormatError for any that does not fit, alone or with the others."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.rows: dict[type, list[object]] = {}
        self.numbers: dict[tuple[str, int], list[int]] = {}
        for entry in entries:
            row = NOUNS.restore(entry.kind, entry.body)
            if isinstance(row, Numbers):
                self.numbers.setdefault((row.what, row.of), []).extend(row.numbers)
            else:
                self.rows.setdefault(type(row), []).append(row)
        self.held = [row.container for row in self._all(Held)]
        self.lives = [ProcessLifetime(row.node, row.pid, row.born) for row in self._all(Lived)]
        self.sessions = [OWN_SESSION if one == OWN_SESSION else one for one in self._all(Session)]
        self.events = [self._event(row) for row in self._all(Grouped)]

    def run(self) -> Whole:
        """All of it."""
        heads = list(self._all(Head))
        if len(heads) != 1:
            raise FormatError(f"it has {len(heads)} heads")
        for container, held in zip(self.held, self._all(Held), strict=True):
            container.parent = _maybe(self.held, held.parent)
        intents = [
            PendingOperation(row.since, row.command, row.who, row.how, _maybe(self.held, row.inside), row.node)
            for row in self._all(Announced)
        ]
        for life, lived in zip(self.lives, self._all(Lived), strict=True):
            self._live(life, lived, intents)
        self._fill()
        current = _maybe(self.events, heads[0].current)
        open_events = self._by_key("open")
        for event in chain(open_events.values(), () if current is None else (current,)):
            if event.closed or not event.lines or (event.key in open_events) != (0 < event.held <= len(event.lines)):
                raise FormatError("an open event has no lines to wait for")
        recent = self._by_key("recent")
        if not all(event.closed for event in recent.values()):
            raise FormatError("an event is both open and closed")
        return Whole(
            heads[0], self.lives, self._nodes(), self._containers(), self._inside(), self._unsure(), self._marks(),
            self._serials(), self.events,
            open_events, recent, deque(self._run(number, part) for number, part in _pairs(self._list("runs"))),
        )  # fmt: skip

    def _all(self, kind: type[T]) -> Iterator[T]:
        yield from self.rows.get(kind, ())  # type: ignore[misc]

    def _list(self, what: str, of: int = 0) -> list[int]:
        return self.numbers.get((what, of), [])

    def _picked(self, rows: Sequence[T], what: str, of: int = 0) -> list[T]:
        return [_pick(rows, number) for number in self._list(what, of)]

    # --- the tables -----------------------------------------------------------------------------------------------

    def _live(self, life: ProcessLifetime, row: Lived, intents: list[PendingOperation]) -> None:
        for name in AS_IT_IS:
            setattr(life, name, getattr(row, name))
        life.parent = _maybe(self.lives, row.parent)
        life.stays = [self._stay(stay) for stay in row.stays]
        if row.intent is True:
            raise FormatError("an intent is neither there nor not")
        life.intent = False if row.intent is False else _maybe(intents, row.intent)
        life.answer = None if row.answer is None else self._answer(life, row.answer)

    def _stay(self, row: Stayed) -> Residence:
        container, session = _maybe(self.held, row.container), _maybe(self.sessions, row.session)
        return Residence(row.since, container, row.evidence, session, row.flags, row.lost, row.epoch)

    def _answer(self, life: ProcessLifetime, row: Answered) -> Attribution:
        container = _maybe(self.held, row.container)
        if (container is None) != (row.status is not Status.CONTAINER):
            raise FormatError("an answer and its container disagree")
        chains = () if container is None else (container.chain(),)
        session = _maybe(self.sessions, row.session)
        key = row.key or life.key
        return Attribution(row.status, chains, row.evidence, row.reason, row.flags, session, key=key)

    def _nodes(self) -> dict[bytes, Node]:
        machines = list(self._all(Machine))
        nodes = [Node() for _ in machines]
        for at, (node, row) in enumerate(zip(nodes, machines, strict=True)):
            node.boot, node.epoch, node.forks, node.exits, node.moves = row[1:]
            for life in self._picked(self.lives, "now", at):
                node.now[life.pid] = life
            for life in self._picked(self.lives, "past", at):
                node.past.setdefault(life.pid, []).append(life)
        for hinted in self._all(Hinted):
            parent = _pick(self.lives, hinted.parent)
            hint = ForkHint(hinted.stamp, parent, hinted.child, hinted.ns, hinted.epoch, sibling=hinted.sibling)
            _pick(nodes, hinted.of).hints.setdefault(hinted.child, []).append(hint)
        return {row.name: node for row, node in zip(machines, nodes, strict=True)}

    def _containers(self) -> dict[bytes, Containers]:
        found: dict[bytes, Containers] = {}
        for at, row in enumerate(self._all(Hosted)):
            node = found[row.name] = Containers(row.boot)
            node.remembered = self._picked(self.held, "remembered", at)
            for container in self._picked(self.held, "by-contid", at):
                if container.contid is None:
                    raise FormatError("a container is kept by a contid it does not have")
                node.by_contid[container.contid] = container
            for container in self._picked(self.held, "by-id", at):
                node.by_id.setdefault(container.id, []).append(container)
        return found

    def _inside(self) -> dict[Container, Occupants]:
        found: dict[Container, Occupants] = {}
        for at, row in enumerate(self._all(Occupied)):
            inside = found[_pick(self.held, row.container)] = Occupants(limit=row.limit)
            inside.init, inside.owner = _maybe(self.lives, row.init), _maybe(self.lives, row.owner)
            inside.members = self._picked(self.lives, "members", at)
            inside.dropped = None if row.when is None else (_maybe(self.lives, row.dropper), row.when)
        return found

    def _unsure(self) -> dict[ProcessLifetime, ContId]:
        return {_pick(self.lives, life): ContId(contid) for life, contid in _pairs(self._list("unsure"))}

    def _marks(self) -> dict[tuple[bytes, Mark], Shown]:
        return {
            (row.node, row.mark): Shown(self._picked(self.held, "shown", at), row.elsewhere)
            for at, row in enumerate(self._all(Marked))
        }

    # --- the grouper ----------------------------------------------------------------------------------------------

    @staticmethod
    def _event(row: Grouped) -> Event:
        event = Event(row.key, row.node, row.stamp, b"")
        event.lines = []
        event.at, event.seen, event.held = row.at, row.seen, row.held
        event.closed, event.reversed, event.dropped = row.closed, row.reversed, row.dropped
        return event

    def _fill(self) -> None:
        """Give the events their lines and splits."""
        for row in self._all(Lines):
            lines = _pick(self.events, row.event).lines
            if row.goes_on and lines and row.lines:
                lines[-1] += row.lines[0]
                lines += row.lines[1:]
            else:
                lines += row.lines
        for at, event in enumerate(self.events):
            event.splits = tuple(self._list("splits", at))

    def _by_key(self, what: str) -> dict[bytes, Event]:
        return {event.key: event for event in self._picked(self.events, what)}

    def _run(self, number: int, part: int) -> Run:
        event = _pick(self.events, number)
        if part:
            _pick(event.splits, part - 1)
            return event, part - 1
        return event

    def _serials(self) -> dict[bytes, Serials]:
        found: dict[bytes, Serials] = {}
        for at, row in enumerate(self._all(Counted)):
            serials = found[row.node] = Serials()
            serials.highest = row.highest
            serials._gaps.update(dict.fromkeys(self._list("gaps", at)))
        return found
