"""The wiring and the loop: lines to events to answers to bytes. Attribute first, then apply the event's own facts.

The parent acted in a fork, the process was still inside at its exit, the engine acted in a registration: so an event is
answered with the tables as they stood before it. This module has the only clock.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Protocol

from annotator.events import Grouper
from annotator.membership import Membership
from annotator.model import Attribution, Event, Gap, Reading, Reason, Stamp, Status
from annotator.processes import Life, Processes
from annotator.provenance import Provenance
from annotator.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from annotator.backend import Backend
    from annotator.stats import Stats


class Form(Protocol):
    """An output form, as the loop uses it. `ordered` forms edit `event.lines`; the others return bytes per event."""

    ordered: bool

    def write(self, event: Event, answer: Attribution) -> bytes | None:
        """One decided event."""
        ...


class Groups(Protocol):
    """What makes events of lines: `events.Grouper`, or a backend's own."""

    reversed_records: bool

    def feed(self, lines: list[bytes]) -> list[Event]:
        """Take lines; the events that closed."""
        ...

    def idle(self, *, quiet_ms: int = 0) -> list[Event]:
        """Nothing came for a while; the events that closed by it."""
        ...

    def flush(self) -> list[Event]:
        """The end of input: all that is open."""
        ...

    def drain(self) -> list[bytes]:
        """The lines that may leave now, in input order."""
        ...


class Watch(Protocol):
    """Is shown every decided event: what it says, whose it is, and the answer."""

    def __call__(self, event: Event, reading: Reading, life: Life | None, answer: Attribution, /) -> None:
        """Take note."""
        ...


class Tables:
    """What is known: lives, containers, who is where. One per run; saved and restored by `store`."""

    def __init__(self, *, keep_all: bool = False) -> None:
        self.processes = Processes(keep_all=keep_all)
        self.registry = Registry()
        self.membership = Membership(self.processes, self.registry)
        self.provenance = Provenance(self.membership)


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
        grouper: Groups | None = None,
        tables: Tables | None = None,
        keep: Callable[[Event, Attribution], bool] | None = None,
        watch: Watch | None = None,
        reversed_records: bool = False,
    ) -> None:
        self.backend = backend
        self.form = form
        self.stats = stats
        self.tables = tables or Tables()
        self.keep = keep
        self.watch = watch
        self.grouper = grouper or Grouper(
            backend.completes,
            stats,
            ordered=form.ordered,
            reversed_records=reversed_records,
            on_gap=self._gap,
            on_late=self._late,
        )
        self._pieces: list[bytes] = []
        self._answered: Counter[Status] = Counter()
        self._unanswered: Counter[Reason] = Counter()

    def feed(self, lines: list[bytes]) -> bytes:
        """Take lines without their newline; returns what may leave now."""
        return self._leave(self.grouper.feed(lines))

    def idle(self, quiet_ms: int = 0) -> bytes:
        """Nothing came for `quiet_ms` of wall clock."""
        return self._leave(self.grouper.idle(quiet_ms=quiet_ms))

    def finish(self) -> bytes:
        """The end of input."""
        return self._leave(self.grouper.flush())

    def _leave(self, closed: list[Event]) -> bytes:
        decide = self._decide
        for event in closed:
            decide(event)
        if closed:
            self._count()
        if not self.form.ordered:
            out = b"".join(self._pieces)
            self._pieces = []
            return out
        lines = self.grouper.drain()
        if not lines:
            return b""
        lines.append(b"")
        return b"\n".join(lines)

    def _decide(self, event: Event) -> None:
        """One closed event: answer it, write it, and only then apply what it says has changed."""
        tables = self.tables
        reading = self.backend.read(event)
        actor = reading.actor
        node = event.node
        stamp = event.stamp
        life = tables.processes.see(node, actor, stamp) if actor is not None else None
        answer = tables.provenance.attribute(reading, life, node, stamp)
        event.closed = True
        if self.keep is not None and not self.keep(event, answer):
            self.stats.filtered += len(event.lines)
            event.lines = []
            event.dropped = True
        else:
            piece = self.form.write(event, answer)
            if piece is not None:
                self._pieces.append(piece)
                self.stats.passed += len(event.lines)
        if answer.reason is None:
            self._answered[answer.status] += 1
        else:
            self._unanswered[answer.reason] += 1
        if answer.flags:
            for flag in answer.flags:
                self.stats.flags[flag] += 1
        for fact in reading.facts:
            tables.membership.apply(fact, life, actor, node, stamp)
        if self.watch is not None:
            self.watch(event, reading, life, answer)

    def _count(self) -> None:
        """Bring the answers of one block into the counters."""
        stats = self.stats
        answered, unanswered = self._answered, self._unanswered
        stats.container += answered[Status.CONTAINER]
        stats.host += answered[Status.HOST]
        stats.events += sum(answered.values()) + sum(unanswered.values())
        for reason, count in unanswered.items():
            if reason is Reason.NO_SUBJECT:
                stats.none += count
            else:
                stats.unknown += count
                stats.reasons[reason] += count
        self._answered, self._unanswered = Counter(), Counter()

    def _late(self, event: Event, line: bytes) -> bytes | None:
        """A record of an event that is decided: it shares the decision, which may be to leave nothing."""
        if event.dropped:
            self.stats.filtered += 1
            return None
        self.stats.passed += 1
        return line

    def _gap(self, node: bytes, missing: int) -> None:
        self.tables.membership.apply(Gap(missing), None, None, node, Stamp(0, 0))


def run(pipeline: Pipeline, blocks: Iterable[tuple[list[bytes], bool]], write: Callable[[bytes], None]) -> None:
    """Feed all blocks. A last line without its newline leaves without one."""
    complete = True
    for lines, newline in blocks:
        if not complete:
            complete = True
        out = pipeline.feed(lines)
        complete = newline
        if out:
            write(out)
    out = pipeline.finish()
    if not complete and pipeline.form.ordered and out.endswith(b"\n"):
        out = out[:-1]
    if out:
        write(out)
