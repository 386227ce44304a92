"""The rows of a checkpoint as a run that is complete, and not in use yet."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

from annotator.core.errors import FormatError
from annotator.core.lifetimes import Node, ProcessLifetime
from annotator.core.model import OWN_SESSION, Container, ContId, Event, Mark, Session, Stamp, Status
from annotator.core.registry import Containers
from annotator.core.residence import PendingOperation
from annotator.events import Closed, Missing, Run, Serials
from annotator.storage.checkpoint_rows import (
    NOUNS,
    REFERRED,
    VERSION,
    Counted,
    Grouped,
    Head,
    Hinted,
    Hosted,
    Lines,
    Machine,
    Marked,
    Noted,
    Numbers,
    Occupied,
    Tables,
    Version,
)
from annotator.storage.serialize import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from annotator.core.corroboration import Shown
    from annotator.core.membership import Occupants
    from annotator.events import EventAssembler
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
class SavedRun:
    """A run: what of tables and assembler is not theirs from the start."""

    head: Head
    lives: list[ProcessLifetime]
    nodes: dict[bytes, Node]
    containers: dict[bytes, Containers]
    inside: dict[Container, Occupants]
    unsure: dict[ProcessLifetime, ContId]
    marks: dict[tuple[bytes, Mark], Shown]
    serials: dict[bytes, Serials]
    current: Event | None
    open: dict[bytes, Event]
    recent: dict[bytes, Event]
    runs: deque[Run]
    queue: deque[Closed]

    def reboot(self, names: set[bytes], boot: str) -> None:
        """Nothing lives on these nodes any more."""
        for name in names & self.nodes.keys():
            self.nodes[name] = Node(boot)
        for name in names & self.containers.keys():
            node = self.containers[name]
            for container in chain(node.remembered, node.by_contid.values(), *node.by_id.values()):
                if container.end_ms is None:
                    container.end_ms = self.head.assembler.clock.now
            self.containers[name] = Containers(boot, remembered=node.remembered)
        self.inside = {one: inside for one, inside in self.inside.items() if one.node not in names}
        self.marks = {key: shown for key, shown in self.marks.items() if key[0] not in names}
        self.unsure = {life: contid for life, contid in self.unsure.items() if life.node not in names}

    def put(self, tables: Tables, assembler: EventAssembler) -> None:
        """Into use."""
        head, membership = self.head, tables.membership
        tables.processes.load(head.processes, self.nodes)
        tables.registry.load(head.registry_version, self.containers)
        membership.load(head.membership, self.inside, self.unsure, self.marks)
        for life in self.lives:
            life.cache.loaded(membership)
        assembler.load(head.assembler, self.current, self.open, self.recent, self.runs, self.serials, self.queue)


class _Objects:
    """The objects that other rows refer to (`serialize.References`), made before what refers to them."""

    def __init__(self, bodies: dict[str, list[Mapping[str, Any]]]) -> None:
        nouns = NOUNS.referring(self)
        of = {cls: bodies.get(kind_of(cls), []) for cls in REFERRED}
        self.containers = [Container(None) for _ in of[Container]]
        self.lives = [ProcessLifetime(b"", 0, Stamp(0, 0)) for _ in of[ProcessLifetime]]
        sessions = [nouns.restore("session", body) for body in of[Session]]
        sessions = [OWN_SESSION if session == OWN_SESSION else session for session in sessions]
        self._lists: dict[type, Sequence[object]] = {
            Container: self.containers, ProcessLifetime: self.lives, Session: sessions
        }  # fmt: skip
        self._lists[PendingOperation] = [nouns.restore("pending-operation", body) for body in of[PendingOperation]]
        for rows, bodies_of in ((self.containers, of[Container]), (self.lives, of[ProcessLifetime])):
            for row, body in zip(rows, bodies_of, strict=True):
                nouns.fill(row, body)
        for life in self.lives:
            answer = life.cache.answer
            if answer is not None and len(answer.chains) != (answer.status is Status.CONTAINER):
                raise FormatError("an answer and its container disagree")
            if answer is not None and not all(answer.chains):
                raise FormatError("an answer has a chain without a container")

    def __contains__(self, cls: object) -> bool:
        return cls in REFERRED

    def number(self, value: object) -> int | None:
        """Nothing is written here."""
        raise NotImplementedError(type(value))

    def pick(self, cls: type, number: int) -> object:
        """The object of that number."""
        return _pick(self._lists.get(cls, ()), number)


class Rows:
    """The rows by what they are. Raises FormatError for any that does not fit, alone or with the others."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        _check_version(entries)
        self.rows: dict[type, list[object]] = {}
        self.numbers: dict[tuple[str, int], list[int]] = {}
        bodies: dict[str, list[Mapping[str, Any]]] = {}
        referred = frozenset(map(kind_of, REFERRED))
        for entry in entries:
            if entry.kind in referred:
                bodies.setdefault(entry.kind, []).append(entry.body)
        self.objects = _Objects(bodies)
        nouns = NOUNS.referring(self.objects)
        for entry in entries:
            if entry.kind in referred:
                continue
            row = nouns.restore(entry.kind, entry.body)
            if isinstance(row, Numbers):
                self.numbers.setdefault((row.what, row.of), []).extend(row.numbers)
            else:
                self.rows.setdefault(type(row), []).append(row)
        self.events = [self._event(row) for row in self._all(Grouped)]

    def run(self) -> SavedRun:
        """All of it."""
        heads = list(self._all(Head))
        if len(heads) != 1:
            raise FormatError(f"it has {len(heads)} heads")
        self._fill()
        current = _maybe(self.events, heads[0].current)
        open_events = self._by_key("open")
        for event in chain(open_events.values(), () if current is None else (current,)):
            if event.closed or not event.lines or (event.key in open_events) != (0 < event.held <= len(event.lines)):
                raise FormatError("an open event has no lines to wait for")
        recent = self._by_key("recent")
        if not all(event.closed or event.complete for event in recent.values()):
            raise FormatError("an event is both open and closed")
        return SavedRun(
            heads[0], self.objects.lives, self._nodes(), self._containers(), self._inside(), self._unsure(),
            {(row.node, row.mark): row.shown for row in self._all(Marked)}, self._serials(), current,
            open_events, recent, deque(self._run(number, part) for number, part in _pairs(self._list("runs"))),
            self._queue(),
        )  # fmt: skip

    def _queue(self) -> deque[Closed]:
        notes = self._all(Noted)
        try:
            return deque(
                _pick(self.events, number - 1) if number else Missing(*next(notes)) for number in self._list("queue")
            )
        except (StopIteration, RuntimeError):
            raise FormatError("a note of missing serials is missing") from None

    def _all(self, kind: type[T]) -> Iterator[T]:
        yield from self.rows.get(kind, ())  # type: ignore[misc]

    def _list(self, what: str, of: int = 0) -> list[int]:
        return self.numbers.get((what, of), [])

    def _picked(self, rows: Sequence[T], what: str, of: int = 0) -> list[T]:
        return [_pick(rows, number) for number in self._list(what, of)]

    # --- the tables -----------------------------------------------------------------------------------------------

    def _nodes(self) -> dict[bytes, Node]:
        machines = list(self._all(Machine))
        for at, (_, node) in enumerate(machines):
            for life in self._picked(self.objects.lives, "now", at):
                node.now[life.pid] = life
            for life in self._picked(self.objects.lives, "past", at):
                node.past.setdefault(life.pid, []).append(life)
        for hinted in self._all(Hinted):
            _pick(machines, hinted.of).node.hints.setdefault(hinted.hint.child, []).append(hinted.hint)
        return {row.name: row.node for row in machines}

    def _containers(self) -> dict[bytes, Containers]:
        nodes: dict[bytes, Containers] = {}
        containers = self.objects.containers
        for at, (name, node) in enumerate(self._all(Hosted)):
            nodes[name] = node
            node.remembered = self._picked(containers, "remembered", at)
            for container in self._picked(containers, "by-contid", at):
                if container.contid is None:
                    raise FormatError("a container is kept by a contid it does not have")
                node.by_contid[container.contid] = container
            for container in self._picked(containers, "by-id", at):
                node.by_id.setdefault(container.id, []).append(container)
        return nodes

    def _inside(self) -> dict[Container, Occupants]:
        inside: dict[Container, Occupants] = {}
        for at, (container, occupants) in enumerate(self._all(Occupied)):
            inside[container] = occupants
            occupants.members = self._picked(self.objects.lives, "members", at)
        return inside

    def _unsure(self) -> dict[ProcessLifetime, ContId]:
        return {_pick(self.objects.lives, life): ContId(contid) for life, contid in _pairs(self._list("unsure"))}

    # --- the assembler --------------------------------------------------------------------------------------------

    @staticmethod
    def _event(row: Grouped) -> Event:
        event = Event(row.key, row.node, row.stamp, b"")
        event.lines = []
        event.at, event.seen, event.held = row.at, row.seen, row.held
        event.closed, event.reversed, event.dropped = row.closed, row.reversed, row.dropped
        if row.complete not in ("", "closed", "aged", "forced", "flushed"):
            raise FormatError("an event is complete for no known reason")
        event.complete, event.foretold = row.complete, row.foretold
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
        return {
            row.node: Serials(row.highest, self._list("gaps", at), first=row.first, latest=row.latest, low=row.low)
            for at, row in enumerate(self._all(Counted))
        }


def _check_version(entries: Sequence[Entry]) -> None:
    """Raises FormatError for the rows of another version."""
    kind, body = (entries[0].kind, entries[0].body) if entries else ("", {})
    number = body.get("number") if kind == kind_of(Version) else 1
    if number != VERSION:
        raise FormatError(f"it was saved by another version of the program (rows {number!r:.20}, not {VERSION})")
