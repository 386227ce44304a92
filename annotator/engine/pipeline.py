"""The wiring and the loop: lines to events to answers to bytes. Attribute first, then apply the event's own facts.

The parent acted in a fork, the process was still inside at its exit, the engine acted in a registration: so an event is
answered with the tables as they stood before it.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Protocol

from annotator.core.attribution import Attributor
from annotator.core.lifetimes import ProcessLifetime, ProcessTable
from annotator.core.membership import Membership
from annotator.core.model import NO_PID, Attribution, Event, Forked, Reason, Stamp, Status
from annotator.core.recording import Recorder
from annotator.core.registry import Registry
from annotator.engine.lookahead import Lookahead
from annotator.engine.parents import note_program, with_parent
from annotator.events import EventAssembler, Missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from annotator.core.contracts import Backend
    from annotator.core.model import Translation
    from annotator.core.stats import Stats
    from annotator.history import Observations


class Form(Protocol):
    """An output form, as the loop uses it. `ordered` forms edit `event.lines`; the others return bytes per event.

    `shows_parents`: answers are wanted with the parent of the process.
    """

    ordered: bool
    shows_parents: bool

    def write(self, event: Event, answer: Attribution) -> bytes | None:
        """One decided event."""
        ...


class Assembler(Protocol):
    """What makes events of lines: `events.EventAssembler`, or a backend's own."""

    reversed_records: bool

    def feed(self, lines: list[bytes]) -> Iterable[Event | Missing]:
        """Take lines; the events that closed."""
        ...

    def feed_text(self, text: bytes) -> Iterable[Event | Missing]:
        """Take consecutive lines as one text, without the last newline; the events that closed."""
        ...

    def idle(self, *, quiet_ms: int = 0) -> Iterable[Event | Missing]:
        """Nothing came for a while; the events that closed by it."""
        ...

    def flush(self) -> Iterable[Event | Missing]:
        """The end of input: all that is open."""
        ...

    def drain(self) -> list[bytes]:
        """What may leave now, in input order: each element is one or more lines, without the last newline."""
        ...


class Observer(Protocol):
    """Is shown every decided event: what it says, whose it is, and the answer."""

    def __call__(
        self, event: Event, reading: Translation, life: ProcessLifetime | None, answer: Attribution, /
    ) -> None:
        """Take note."""
        ...


class Earlier(Protocol):
    """What an annotated log says itself (`engine.own_output`)."""

    def answer(
        self, event: Event, reading: Translation, life: ProcessLifetime | None, proven: Attribution, /
    ) -> Attribution:
        """The answer that stands in the event, else the one that its records prove."""
        ...


class Tables:
    """What is known: lives, containers, who is where. One per run; saved and restored by `store`."""

    def __init__(self, *, keep_all: bool = False) -> None:
        self.processes = ProcessTable(keep_all=keep_all)
        self.registry = Registry()
        self.membership = Membership(self.processes, self.registry)
        self.attributor = Attributor(self.membership)
        self.recorder = Recorder(self.attributor)
        self._observations: Observations | None = None

    @property
    def observations(self) -> Observations | None:
        """What was seen outside the log; None where nothing but the log is asked."""
        return self._observations

    @observations.setter
    def observations(self, observations: Observations | None) -> None:
        self._observations = self.attributor.observations = observations


class Pipeline:
    """Feed lines, take bytes. `keep` decides whether an event leaves at all (filters).

    `relays`: a record without `node=` is of the machine that its syslog relay names.
    `grouper` is a backend's own assembler, where its records are not joined by stamp.
    """

    def __init__(
        self,
        backend: Backend,
        form: Form,
        stats: Stats,
        *,
        grouper: Assembler | None = None,
        tables: Tables | None = None,
        keep: Callable[[Event, Attribution], bool] | None = None,
        watch: Observer | None = None,
        reversed_records: bool = False,
        relays: bool = True,
        own: Earlier | None = None,
    ) -> None:
        self.backend = backend
        self.form = form
        self._shows_parents = form.shows_parents
        self.stats = stats
        self.tables = tables or Tables()
        self.keep = keep
        self.watch = watch
        self.own = own
        self._pieces: list[bytes] = []
        self._answered: Counter[Status | Reason] = Counter()
        self.grouper = grouper or EventAssembler(
            backend.completes,
            stats,
            ordered=form.ordered,
            reversed_records=reversed_records,
            relays=relays,
            is_lost=backend.is_lost,
            on_late=self._late,
        )
        if isinstance(self.grouper, EventAssembler):
            self.grouper.is_ready = Lookahead(backend, self.tables).is_ready

    def feed(self, lines: list[bytes]) -> bytes:
        """Take lines without their newline; returns what may leave now."""
        return self._leave(self.grouper.feed(lines))

    def feed_text(self, text: bytes) -> bytes:
        """Take consecutive lines as one text, without the last newline; returns what may leave now."""
        return self._leave(self.grouper.feed_text(text))

    def idle(self, quiet_ms: int = 0) -> bytes:
        """Nothing came for `quiet_ms` of wall clock."""
        return self._leave(self.grouper.idle(quiet_ms=quiet_ms))

    def finish(self) -> bytes:
        """The end of input."""
        return self._leave(self.grouper.flush())

    def _leave(self, closed: Iterable[Event | Missing]) -> bytes:
        counted = False
        for event in closed:
            counted = True
            if isinstance(event, Missing):
                self._missing(event)
            else:
                self._decide(event)
        return self._left(counted=counted)

    def _left(self, *, counted: bool) -> bytes:
        if counted:
            self._count()
        if not self.form.ordered:
            out = b"".join(self._pieces)
            self._pieces.clear()
            return out
        left = self.grouper.drain()
        if not left:
            return b""
        left.append(b"")
        return b"\n".join(left)

    def _decide(self, event: Event) -> None:
        """One closed event: note where its processes are, answer it, write it, then apply what it says has changed."""
        tables = self.tables
        reading = event.reading or self.backend.read(event)
        event.reading = None
        actor = reading.actor
        node = event.node
        stamp = event.stamp
        if tables.observations is None and stamp.serial:
            stamp = tables.processes.node(node).steady(stamp, actor.pid if actor is not None else NO_PID)
        titled = event.titled
        if reading.gap or (titled is not None and tables.processes.node(node).lacks_title(titled=titled)):
            tables.membership.gap(node)
        life = tables.processes.see(node, actor, stamp, reading.facts) if actor is not None else None
        tables.recorder.record(reading, life, node, stamp)
        if tables.recorder.entrant is not None:
            tables.recorder.identify(self.backend.words(event), stamp)
        answer = tables.attributor.attribute(reading, life, node, stamp)
        if self.own is not None:
            answer = self.own.answer(event, reading, life, answer)
        if self._shows_parents and life is not None:
            note_program(event, reading, life)
            answer = with_parent(tables.processes, life, stamp, answer)
        event.closed = True
        if self.keep is not None and not self.keep(event, answer):
            self.stats.filtered += event.size
            event.lines = []
            event.dropped = True
        else:
            self._write(event, answer)
        self._answered[answer.reason or answer.status] += 1
        if answer.flags:
            for flag in answer.flags:
                self.stats.flags[flag] += 1
        for fact in reading.facts:
            if not (event.foretold and type(fact) is Forked):
                tables.membership.apply(fact, life, actor, node, stamp)
        if self.watch is not None:
            self.watch(event, reading, life, answer)

    def _write(self, event: Event, answer: Attribution) -> None:
        piece = self.form.write(event, answer)
        if piece is not None:
            self._pieces.append(piece)
            self.stats.passed += event.size

    def _count(self) -> None:
        """Bring the answers of one block into the counters."""
        stats = self.stats
        answered = self._answered
        stats.container += answered[Status.CONTAINER]
        stats.host += answered[Status.HOST]
        stats.none += answered[Reason.NO_SUBJECT]
        stats.events += sum(answered.values())
        for reason, count in answered.items():
            if isinstance(reason, Reason) and reason is not Reason.NO_SUBJECT:
                stats.unknown += count
                stats.reasons[reason] += count
        answered.clear()

    def _late(self, event: Event, line: bytes) -> bytes | None:
        """A late record shares the decision on its event, which may be to leave nothing."""
        if event.dropped:
            self.stats.passed -= 1
            self.stats.filtered += 1
            return None
        return line

    def _missing(self, note: Missing) -> None:
        membership = self.tables.membership
        if note.booted:
            membership.booted(note.node, Stamp(note.ms, 0))
        else:
            membership.lost(note.node, note.serials, awaited=note.awaited)


def run(pipeline: Pipeline, blocks: Iterable[tuple[list[bytes], bool]], write: Callable[[bytes], None]) -> None:
    """Feed all blocks. A last line without its newline leaves without one."""
    held = b""
    complete = True
    for lines, complete in blocks:
        out = held + pipeline.feed(lines)
        held = b""
        if not complete and pipeline.form.ordered and out.endswith(b"\n"):
            out, held = out[:-1], b"\n"  # this may be the line that has none
        if out:
            write(out)
    out = pipeline.finish()
    if out:
        out = held + out
        if not complete and pipeline.form.ordered and out.endswith(b"\n"):
            out = out[:-1]
        write(out)
