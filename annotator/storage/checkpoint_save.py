"""A run as rows."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from annotator.core.errors import FormatError, StoreError
from annotator.storage.checkpoint_rows import (
    AS_IT_IS,
    CHUNK,
    LONGEST,
    NOUNS,
    PIECE,
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
from annotator.storage.format import Entry
from annotator.storage.state import save_state

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from annotator.core.lifetimes import ProcessLifetime
    from annotator.core.membership import PendingOperation, Residence
    from annotator.core.model import Attribution, Container, Event, Session
    from annotator.events import EventAssembler
    from annotator.io.sources import Position
    from annotator.storage.format import Header

T = TypeVar("T")


def save(path: Path, header: Header, tables: Tables, grouper: EventAssembler, position: Position | None) -> None:
    """Save a run between two calls of its pipeline; nothing is closed or flushed for it.

    What left the pipeline must be on its way out already, and `position` is where its next line is read. Raises
    StoreError, and then a state that was saved before is untouched.
    """
    try:
        save_state(path, header, entries_of(tables, grouper, position))
    except FormatError as err:
        raise StoreError(f"{path}: the state cannot be saved: {err.what}", "The state saved before is kept.") from err


def entries_of(tables: Tables, grouper: EventAssembler, position: Position | None) -> Iterator[Entry]:
    """The run as the entries of a state, wherever it is kept."""
    run = _Run(tables, grouper)
    for row in chain((run.head(position),), run.rows()):
        yield _entry(row)


def held_lines(grouper: EventAssembler) -> int:
    """Lines that have come and are not decided: what `Stats.check` calls held."""
    waiting = {id(event): event for event in grouper.open.values()}
    current = grouper._current
    if current is not None:
        waiting[id(current)] = current
    return sum(event.size for event in waiting.values())


def _entry(row: object) -> Entry:
    kind, body = NOUNS.plain(row)
    return Entry(0, 0, kind, body if isinstance(row, Lines | Numbers) else _cut(body))


def _cut(value: Any) -> Any:
    """Without text that no system writes: a path has 4096 bytes, and one such field would keep all from being saved."""
    if isinstance(value, dict):
        return {name: _cut(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_cut(inner) for inner in value]
    return value[:LONGEST] if isinstance(value, str | bytes) else value


class _Index(Generic[T]):
    """Objects by number, each once, in the order they were first asked for. May grow while it is iterated."""

    __slots__ = ("_numbers", "found")

    def __init__(self) -> None:
        self.found: list[T] = []
        self._numbers: dict[int, int] = {}

    def of(self, one: T) -> int:
        """Its number."""
        number = self._numbers.get(id(one))
        if number is None:
            number = self._numbers[id(one)] = len(self.found)
            self.found.append(one)
        return number

    def maybe(self, one: T | None) -> int | None:
        """The same, where there may be none."""
        return None if one is None else self.of(one)


class _Run:
    """Tables and grouper as rows. What is referred to comes after what refers to it, when all of it is known."""

    def __init__(self, tables: Tables, grouper: EventAssembler) -> None:
        self.tables = tables
        self.grouper = grouper
        self.lives: _Index[ProcessLifetime] = _Index()
        self.containers: _Index[Container] = _Index()
        self.intents: _Index[PendingOperation] = _Index()
        self.sessions: _Index[Session] = _Index()
        self.events: _Index[Event] = _Index()

    def head(self, position: Position | None) -> Head:
        """What there is once."""
        tables, grouper, clock = self.tables, self.grouper, self.grouper.clock
        return Head(
            position, clock.now, clock._doubt, clock._doubts, grouper._checked_ms, grouper._second, grouper._ms,
            grouper._next, grouper.ordered, grouper.reversed_records, self.events.maybe(grouper._current),
            tables.processes._work, tables.processes.evicted, tables.registry.version, tables.membership.version,
            tables.membership.refused, tables.membership.tentative,
        )  # fmt: skip

    def rows(self) -> Iterator[object]:
        """All the rest."""
        yield from self._grouped()
        yield from self._nodes()
        yield from self._inside()
        for life in self.lives.found:  # grows by the parents
            yield self._life(life)
        yield from self._registry()
        for intent in self.intents.found:
            inside = self.containers.maybe(intent.inside)
            yield Announced(intent.since, intent.command, intent.who, intent.how, inside, intent.node)
        for container in self.containers.found:
            yield Held(replace(container, parent=None), self.containers.maybe(container.parent))
        yield from self.sessions.found

    # --- the tables -----------------------------------------------------------------------------------------------

    def _nodes(self) -> Iterator[object]:
        lives = self.lives
        for at, (name, node) in enumerate(self.tables.processes.nodes.items()):
            yield Machine(name, node.boot, node.epoch, node.forks, node.exits, node.moves)
            yield from _numbers("now", at, *map(lives.of, node.now.values()))
            yield from _numbers("past", at, *map(lives.of, chain.from_iterable(node.past.values())))
            for hint in chain.from_iterable(node.hints.values()):
                yield Hinted(at, hint.stamp, lives.of(hint.parent), hint.child, hint.ns, hint.epoch, hint.sibling)

    def _inside(self) -> Iterator[object]:
        membership, lives = self.tables.membership, self.lives
        for at, (container, found) in enumerate(membership.inside.items()):
            dropper, when = found.dropped or (None, None)
            yield Occupied(
                self.containers.of(container), found.limit, lives.maybe(found.init), lives.maybe(found.owner),
                lives.maybe(dropper), when,
            )  # fmt: skip
            yield from _numbers("members", at, *map(lives.of, found.members))
        for at, ((node, mark), shown) in enumerate(membership.support.known.items()):
            yield Marked(node, mark, shown.elsewhere)
            yield from _numbers("shown", at, *map(self.containers.of, shown.inside))
        pairs = ((lives.of(life), contid) for life, contid in membership.unsure.items())
        yield from _numbers("unsure", 0, *chain.from_iterable(pairs))

    def _life(self, life: ProcessLifetime) -> Lived:
        return Lived(
            **{name: getattr(life, name) for name in AS_IT_IS},
            parent=self.lives.maybe(life.parent),
            stays=tuple(map(self._stay, life.stays)),
            intent=False if life.intent is False else self.intents.maybe(life.intent),
            answer=self._answer(life, life.answer) if life.answer is not None else None,
        )

    def _stay(self, stay: Residence) -> Stayed:
        container, session = self.containers.maybe(stay.container), self.sessions.maybe(stay.session)
        return Stayed(stay.since, container, stay.evidence, session, stay.flags, stay.lost, stay.epoch)

    def _answer(self, life: ProcessLifetime, answer: Attribution) -> Answered:
        container, session = self.containers.maybe(answer.container), self.sessions.maybe(answer.session)
        key = None if answer.key == life.key else answer.key
        return Answered(answer.status, container, answer.evidence, answer.reason, answer.flags, session, key)

    def _registry(self) -> Iterator[object]:
        number = self.containers.of
        for at, (name, node) in enumerate(self.tables.registry.nodes.items()):
            yield Hosted(name, node.boot)
            yield from _numbers("remembered", at, *map(number, node.remembered))
            yield from _numbers("by-contid", at, *map(number, node.by_contid.values()))
            yield from _numbers("by-id", at, *map(number, chain.from_iterable(node.by_id.values())))

    # --- the grouper ----------------------------------------------------------------------------------------------

    def _grouped(self) -> Iterator[object]:
        grouper, number = self.grouper, self.events.of
        for at, (name, serials) in enumerate(grouper.serials.items()):
            yield Counted(name, serials.highest)
            yield from _numbers("gaps", at, *serials._gaps)
        yield from _numbers("open", 0, *map(number, grouper.open.values()))
        parts = ((run[0], run[1] + 1) if isinstance(run, tuple) else (run, 0) for run in grouper.runs)
        yield from _numbers("runs", 0, *chain.from_iterable((number(event), part) for event, part in parts))
        waiting = len(self.events.found)
        yield from _numbers("recent", 0, *map(number, grouper.recent.values()))
        for at, event in enumerate(self.events.found):
            yield Grouped(
                event.key, event.node, event.stamp, event.at, event.seen, event.held, event.closed, event.reversed,
                event.dropped,
            )  # fmt: skip
            if at < waiting:
                yield from _numbers("splits", at, *event.splits)
                yield from _lines(at, event.lines)


def _numbers(what: str, of: int, *numbers: int) -> Iterator[Numbers]:
    for start in range(0, len(numbers), CHUNK):
        yield Numbers(what, of, numbers[start : start + CHUNK])


def _lines(event: int, lines: Iterable[bytes]) -> Iterator[Lines]:
    """The lines of one event, in rows that each can be written."""
    some: list[bytes] = []
    size = 0
    for line in lines:
        some.append(line[:PIECE])
        size += len(line)
        if size >= PIECE or len(some) >= CHUNK:
            yield Lines(event, tuple(some))
            some, size = [], 0
            for start in range(PIECE, len(line), PIECE):
                yield Lines(event, (line[start : start + PIECE],), goes_on=True)
    if some:
        yield Lines(event, tuple(some))
