"""A run as the rows of a checkpoint."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from annotator.core.errors import FormatError, StoreError
from annotator.core.lifetimes import ProcessLifetime
from annotator.core.model import Container, Session
from annotator.core.residence import PendingOperation
from annotator.events import Missing
from annotator.storage.checkpoint_rows import (
    CHUNK,
    LONGEST,
    NOUNS,
    PIECE,
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
from annotator.storage.format import Entry
from annotator.storage.state import save_state

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from annotator.core.model import Event
    from annotator.events import EventAssembler
    from annotator.io.sources import Position
    from annotator.storage.format import Header

T = TypeVar("T")


def save(path: Path, header: Header, tables: Tables, assembler: EventAssembler, position: Position | None) -> None:
    """Save a run between two calls of its pipeline; nothing is closed or flushed for it.

    What left the pipeline must be on its way out already, and `position` is where its next line is read. Raises
    StoreError, and then a state that was saved before is untouched.
    """
    try:
        save_state(path, header, entries_of(tables, assembler, position))
    except FormatError as err:
        raise StoreError(f"{path}: the state cannot be saved: {err.what}", "The state saved before is kept.") from err


def entries_of(tables: Tables, assembler: EventAssembler, position: Position | None) -> Iterator[Entry]:
    """The run as the entries of a state, wherever it is kept. The first is the version of the rows."""
    run = _Run(tables, assembler)
    for row in chain((Version(VERSION), run.head(position)), run.rows()):
        yield run.entry(row)


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


class _Objects:
    """The objects that other rows refer to (`serialize.References`)."""

    def __init__(self) -> None:
        self.lives: _Index[ProcessLifetime] = _Index()
        self.containers: _Index[Container] = _Index()
        self.operations: _Index[PendingOperation] = _Index()
        self.sessions: _Index[Session] = _Index()
        self._indexes: dict[type, _Index[Any]] = {
            ProcessLifetime: self.lives, Container: self.containers, PendingOperation: self.operations,
            Session: self.sessions,
        }  # fmt: skip

    def __contains__(self, cls: object) -> bool:
        return cls in self._indexes

    def number(self, value: object) -> int | None:
        """The number of an object, None for one that is written where it is."""
        index = self._indexes.get(type(value))
        return None if index is None else index.of(value)

    def pick(self, cls: type, number: int) -> object:
        """The object of that number."""
        return self._indexes[cls].found[number]


class _Run:
    """Tables and assembler as rows. What is referred to comes after what refers to it, when all of it is known."""

    def __init__(self, tables: Tables, assembler: EventAssembler) -> None:
        self.tables = tables
        self.assembler = assembler
        self.objects = _Objects()
        self.events: _Index[Event] = _Index()
        self._nouns = NOUNS.referring(self.objects)

    def entry(self, row: object) -> Entry:
        """A row as it is written. What it refers to gets its number by that."""
        kind, body = self._nouns.plain(row)
        return Entry(0, 0, kind, body if isinstance(row, Lines | Numbers) else _cut(body))

    def head(self, position: Position | None) -> Head:
        """What there is once."""
        tables, assembler = self.tables, self.assembler
        return Head(
            position, assembler.state(), self.events.maybe(assembler.current), tables.processes.state(),
            tables.registry.version, tables.membership.counts(),
        )  # fmt: skip

    def rows(self) -> Iterator[object]:
        """All the rest. Each is made an entry before the next is asked for: the lists of objects grow by that."""
        yield from self._grouped()
        yield from self._nodes()
        yield from self._membership()
        yield from self.objects.lives.found
        yield from self._registry()
        yield from self.objects.operations.found
        yield from self.objects.containers.found
        yield from self.objects.sessions.found

    # --- the tables -----------------------------------------------------------------------------------------------

    def _nodes(self) -> Iterator[object]:
        number = self.objects.lives.of
        for at, (name, node) in enumerate(self.tables.processes.nodes.items()):
            yield Machine(name, node)
            yield from _numbers("now", at, *map(number, node.now.values()))
            yield from _numbers("past", at, *map(number, chain.from_iterable(node.past.values())))
            for hint in chain.from_iterable(node.hints.values()):
                yield Hinted(at, hint)

    def _membership(self) -> Iterator[object]:
        membership, number = self.tables.membership, self.objects.lives.of
        for at, (container, occupants) in enumerate(membership.inside.items()):
            yield Occupied(container, occupants)
            yield from _numbers("members", at, *map(number, occupants.members))
        for (node, mark), shown in membership.support.known.items():
            yield Marked(node, mark, shown)
        pairs = ((number(life), contid) for life, contid in membership.unsure.items())
        yield from _numbers("unsure", 0, *chain.from_iterable(pairs))

    def _registry(self) -> Iterator[object]:
        number = self.objects.containers.of
        for at, (name, node) in enumerate(self.tables.registry.nodes.items()):
            yield Hosted(name, node)
            yield from _numbers("remembered", at, *map(number, node.remembered))
            yield from _numbers("by-contid", at, *map(number, node.by_contid.values()))
            yield from _numbers("by-id", at, *map(number, chain.from_iterable(node.by_id.values())))

    # --- the assembler --------------------------------------------------------------------------------------------

    def _grouped(self) -> Iterator[object]:
        assembler, number = self.assembler, self.events.of
        for at, (name, serials) in enumerate(assembler.serials.items()):
            yield Counted(name, serials.highest, serials.first, serials.latest, serials.low)
            yield from _numbers("gaps", at, *serials.gaps)
        yield from _numbers("open", 0, *map(number, assembler.open.values()))
        parts = ((run[0], run[1] + 1) if isinstance(run, tuple) else (run, 0) for run in assembler.runs)
        yield from _numbers("runs", 0, *chain.from_iterable((number(event), part) for event, part in parts))
        yield from _numbers(
            "queue", 0, *(0 if isinstance(item, Missing) else number(item) + 1 for item in assembler.queue)
        )
        yield from (Noted(*item) for item in assembler.queue if isinstance(item, Missing))
        waiting = len(self.events.found)
        yield from _numbers("recent", 0, *map(number, assembler.recent.values()))
        for at, event in enumerate(self.events.found):
            yield Grouped(
                event.key, event.node, event.stamp, event.at, event.seen, event.held, event.closed, event.reversed,
                event.dropped, event.complete, event.foretold,
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
