"""The wiring and the loop: lines to events to answers to bytes. Attribute first, then apply the event's own facts.

The parent acted in a fork, the process was still inside at its exit, the engine acted in a registration: so an event is
answered with the tables as they stood before it.

An event takes one of two roads, to the same end. Usual ones come as a `Stretch` and take the quick one (see `quick`).
All others come as an `Event`, and so do all when events are filtered or watched.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Protocol

from annotator.core.attribution import Attributor
from annotator.core.lifetimes import ProcessLifetime, ProcessTable
from annotator.core.membership import Membership
from annotator.core.model import Attribution, Event, Reason, Status, Translation
from annotator.core.recording import Recorder
from annotator.core.registry import Registry
from annotator.engine.quick import Quick, QuickRoad
from annotator.events import EventAssembler, Missing, Stretch
from annotator.formats.documents import Documents
from annotator.formats.raw import Raw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from annotator.core.contracts import Backend
    from annotator.core.stats import Stats
    from annotator.history import Observations


class Form(Protocol):
    """An output form, as the loop uses it. `ordered` forms edit `event.lines`; the others return bytes per event."""

    ordered: bool

    def write(self, event: Event, answer: Attribution) -> bytes | None:
        """One decided event."""
        ...


class Assembler(Protocol):
    """What makes events of lines: `events.EventAssembler`, or a backend's own."""

    reversed_records: bool

    def feed(self, lines: list[bytes]) -> Sequence[Event | Missing]:
        """Take lines; the events that closed."""
        ...

    def idle(self, *, quiet_ms: int = 0) -> Sequence[Event | Missing]:
        """Nothing came for a while; the events that closed by it."""
        ...

    def flush(self) -> Sequence[Event | Missing]:
        """The end of input: all that is open."""
        ...

    def drain(self) -> list[bytes]:
        """The lines that may leave now, in input order."""
        ...


class Observer(Protocol):
    """Is shown every decided event: what it says, whose it is, and the answer."""

    def __call__(
        self, event: Event, reading: Translation, life: ProcessLifetime | None, answer: Attribution, /
    ) -> None:
        """Take note."""
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
    """Feed blocks of lines, take bytes. `keep` decides whether an event leaves at all (filters).

    `grouper` is a backend's own, where its records are not joined by stamp.
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
    ) -> None:
        self.backend = backend
        self.form = form
        self.stats = stats
        self.tables = tables or Tables()
        self.keep = keep
        self.watch = watch
        self._pieces: list[bytes] = []
        self._lates: dict[int, tuple[Event, bytes]] = {}
        self._answered: Counter[Status | Reason] = Counter()
        self._quick = self._road() if keep is None and watch is None and grouper is None else None
        self.grouper = grouper or EventAssembler(
            backend.completes,
            stats,
            ordered=form.ordered,
            reversed_records=reversed_records,
            usual=self._quick.reader.shape if self._quick is not None else None,
            is_lost=getattr(backend, "is_lost", None),
            on_late=self._late,
        )

    def _road(self) -> QuickRoad | None:
        """The quick road, where the backend has one."""
        form, recorder = self.form, self.tables.recorder
        if not isinstance(self.backend, Quick):
            return None
        direct = form.frame.write if isinstance(form, Documents) and form.frame is not None else None
        networks = not form.ordered and recorder.attributor.observations is not None
        return QuickRoad(
            self.backend.usual(detailed=direct is not None, networks=networks),
            recorder,
            self.stats,
            self._answered,
            self._slow,
            pieces=self._pieces,
            ordered=form.ordered,
            suffix=form.suffix if isinstance(form, Raw) and not form.mark_unknown else None,
            direct=direct,
        )

    def feed(self, lines: list[bytes]) -> bytes:
        """Take lines without their newline; returns what may leave now."""
        if self._quick is not None and lines:
            return self.feed_text(b"\n".join(lines))
        return self._leave(self.grouper.feed(lines))

    def feed_text(self, text: bytes) -> bytes:
        """Take consecutive lines as one text, without the last newline; returns what may leave now."""
        quick = self._quick
        if quick is None or not isinstance(self.grouper, EventAssembler):
            return self._leave(self.grouper.feed(text.split(b"\n")))
        closed = self.grouper.cut(text)
        for event in closed:
            if isinstance(event, Stretch):
                quick.decide(event)
            elif isinstance(event, Missing):
                self._gap(event.node, event.serials)
            else:
                self._decide(event)
        return self._left(counted=bool(closed))

    def idle(self, quiet_ms: int = 0) -> bytes:
        """Nothing came for `quiet_ms` of wall clock."""
        return self._leave(self.grouper.idle(quiet_ms=quiet_ms))

    def finish(self) -> bytes:
        """The end of input."""
        return self._leave(self.grouper.flush())

    def _leave(self, closed: Sequence[Event | Missing]) -> bytes:
        for event in closed:
            if isinstance(event, Missing):
                self._gap(event.node, event.serials)
            else:
                self._decide(event)
        return self._left(counted=bool(closed))

    def _left(self, *, counted: bool) -> bytes:
        if counted:
            self._count()
        if not self.form.ordered:
            self._lates.clear()
            out = b"".join(self._pieces)
            self._pieces.clear()
            return out
        lines = self.grouper.drain()
        if self._lates:
            lines = [line for line in map(self._shared, lines) if line is not None]
        if not lines:
            return b""
        lines.append(b"")
        return b"\n".join(lines)

    def _decide(self, event: Event) -> None:
        """One closed event: note where its processes are, answer it, write it, then apply what it says has changed."""
        tables = self.tables
        reading = self.backend.read(event)
        actor = reading.actor
        node = event.node
        stamp = event.stamp
        life = tables.processes.see(node, actor, stamp) if actor is not None else None
        tables.recorder.record(reading, life, node, stamp)
        answer = tables.attributor.attribute(reading, life, node, stamp)
        event.closed = True
        if self.keep is not None and not self.keep(event, answer):
            self.stats.filtered += len(event.lines)
            event.lines = []
            event.dropped = True
        else:
            self._write(event, answer)
        self._answered[answer.reason or answer.status] += 1
        if answer.flags:
            for flag in answer.flags:
                self.stats.flags[flag] += 1
        for fact in reading.facts:
            tables.membership.apply(fact, life, actor, node, stamp)
        if self.watch is not None:
            self.watch(event, reading, life, answer)

    def _slow(self, event: Event, answer: Attribution | None) -> None:
        """An event from the quick road that needs its lines."""
        if answer is None:
            self._decide(event)
        else:
            self._write(event, answer)

    def _write(self, event: Event, answer: Attribution) -> None:
        piece = self.form.write(event, answer)
        if piece is not None:
            self._pieces.append(piece)
            self.stats.passed += len(event.lines)

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
        """A record of an event that closed before: what becomes of it is known once the event is decided."""
        self.stats.passed += 1
        self._lates[id(line)] = (event, line)
        return line

    def _shared(self, line: bytes) -> bytes | None:
        """A late record shares its event's decision, which may be to leave nothing."""
        event, own = self._lates.get(id(line), (None, line))
        if event is None or own is not line:
            return line
        del self._lates[id(line)]
        if event.dropped:
            self.stats.passed -= 1
            self.stats.filtered += 1
            return None
        return line

    def _gap(self, node: bytes, _: int) -> None:
        self.tables.membership.gap(node)


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
