"""The wiring and the loop: lines to events to answers to bytes. Attribute first, then apply the event's own facts.

The parent acted in a fork, the process was still inside at its exit, the engine acted in a registration: so an event is
answered with the tables as they stood before it. This module has the only clock.

An event takes one of two roads, to the same end. Usual ones come as a `Stretch`, whose text is not taken apart: the
backend's `Usual` finds the signature of the process in it, and the signature leads to its life, its answer and the text
to append, as long as none of them has changed; forms with objects write them straight out of the text. All others come
as an `Event`, and so do all when events are filtered or watched.

Budget: the quick road makes this module longer than others; it belongs beside the road that it must agree with.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from annotator.events import Grouper, Missing, Stretch
from annotator.formats.documents import Documents
from annotator.formats.raw import MAX_LINE, Raw
from annotator.membership import Membership
from annotator.model import Attribution, Event, Executed, Reading, Reason, Status
from annotator.processes import Life, Processes
from annotator.provenance import Provenance
from annotator.registry import Registry

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterable, Sequence

    from annotator.backend import Backend
    from annotator.events.stretch import Usual
    from annotator.model import Fact, Signature, Stamp
    from annotator.stats import Stats


class Form(Protocol):
    """An output form, as the loop uses it. `ordered` forms edit `event.lines`; the others return bytes per event."""

    ordered: bool

    def write(self, event: Event, answer: Attribution) -> bytes | None:
        """One decided event."""
        ...


class Reader(Protocol):
    """Reads usual events out of their text; `shape` tells the grouper which those are (see `events.Grouper`)."""

    shape: re.Pattern[bytes]

    def read(self, run: re.Match[bytes], /) -> tuple[Signature | None, tuple[Fact, ...], int]:
        """Whose event it is, its facts, and the pid it is aimed at (0: none); no signature where it says more."""
        ...

    def place(self, run: re.Match[bytes], /) -> int:
        """Where the annotated record takes fields."""
        ...


@runtime_checkable
class Quick(Protocol):
    """A backend that has a quick road for its usual events."""

    def usual(self, *, detailed: bool = False, networks: bool = False) -> Reader:
        """What reads them, for one run.

        `detailed`: a form writes them by their fields. `networks`: an event of a socket says more than it can read.
        """
        ...


class Direct(Protocol):
    """How a form writes a usual event out of its text; None when it would rather have the event."""

    def __call__(
        self, run: re.Match[bytes], stamp: Stamp, signature: Signature, answer: Attribution, /
    ) -> bytes | None:
        """Its bytes."""
        ...


class Groups(Protocol):
    """What makes events of lines: `events.Grouper`, or a backend's own."""

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
        quick = keep is None and watch is None and grouper is None
        networks = not form.ordered and self.tables.provenance.sightings is not None
        self._direct: Direct | None = form.frame.write if isinstance(form, Documents) and form.frame else None
        self._usual: Reader | None = None
        if quick and isinstance(backend, Quick):
            self._usual = backend.usual(detailed=self._direct is not None, networks=networks)
        self._suffix = form.suffix if isinstance(form, Raw) and not form.mark_unknown else None
        self.grouper = grouper or Grouper(
            backend.completes,
            stats,
            ordered=form.ordered,
            reversed_records=reversed_records,
            usual=self._usual.shape if self._usual is not None else None,
            is_lost=getattr(backend, "is_lost", None),
            on_late=self._late,
        )
        self._pieces: list[bytes] = []
        self._lates: dict[int, tuple[Event, bytes]] = {}
        self._answered: Counter[Status | Reason] = Counter()

    def feed(self, lines: list[bytes]) -> bytes:
        """Take lines without their newline; returns what may leave now."""
        if self._usual is not None and lines:
            return self.feed_text(b"\n".join(lines))
        return self._leave(self.grouper.feed(lines))

    def feed_text(self, text: bytes) -> bytes:
        """Take consecutive lines as one text, without the last newline; returns what may leave now."""
        if self._usual is None or not isinstance(self.grouper, Grouper):
            return self._leave(self.grouper.feed(text.split(b"\n")))
        closed = self.grouper.cut(text)
        for event in closed:
            if isinstance(event, Stretch):
                self._decide_all(event)
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
            self._pieces = []
            return out
        lines = self.grouper.drain()
        if self._lates:
            lines = [line for line in map(self._shared, lines) if line is not None]
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
            self._write(event, answer)
        self._answered[answer.reason or answer.status] += 1
        if answer.flags:
            for flag in answer.flags:
                self.stats.flags[flag] += 1
        for fact in reading.facts:
            tables.membership.apply(fact, life, actor, node, stamp)
        if self.watch is not None:
            self.watch(event, reading, life, answer)

    def _decide_all(self, stretch: Stretch) -> None:
        """The same for usual events, one behind the other.

        Budget: the hot loop. What it asks of lives and answers itself is what `Processes.see` and `Provenance.of` ask
        first; as soon as the answer is no, they are asked.
        """
        if self._usual is None:
            return
        tables, text, parts, at = self.tables, stretch.text, stretch.parts, stretch.start
        see, of = tables.processes.see, tables.provenance.of
        itself, attribute, begun = tables.provenance.itself, tables.provenance.attribute, tables.provenance.begun
        read, place, apply, direct = self._usual.read, self._usual.place, tables.membership.apply, self._direct
        node = tables.processes.node(b"")
        container, looks = Status.CONTAINER, tables.provenance.sightings is not None
        suffix_of = self._suffix
        if suffix_of is not None and text.find(b" cont", at, stretch.stop) >= 0:
            suffix_of = None
        pieces = self._pieces
        tally: list[Status | Reason] = []
        annotated = 0
        for usual in stretch.events:
            stamp, run = usual
            signature, facts, target = read(run)
            if signature is None:
                at = self._take_out(stretch, usual, at)
                continue
            life = signature.life
            if life.token is not signature.token or life.epoch != node.epoch or stamp < life.born:
                life = signature.life = see(b"", signature.actor, stamp)
                signature.token = life.token or signature
            elif stamp > life.seen:
                life.seen = stamp
            answer = life.answer
            if facts and type(facts[0]) is Executed and (looks or facts[0].marks or life.support):
                answer = begun(life, facts[0].marks, stamp)
            elif answer is None or life.answer_version != life.answer_by.version or stamp < life.answer_since:
                answer = of(life, stamp)
            if target:
                if target != life.pid:
                    answer = attribute(Reading(signature.actor, (), (target,)), life, b"", stamp)
                else:
                    known = life.self_answer
                    answer = known[1] if known is not None and known[0] is answer else itself(life, stamp)
            suffix = b""
            if suffix_of is not None and (target or answer.status is container):
                if answer is not signature.answer:
                    signature.answer, signature.suffix = answer, suffix_of(answer)
                suffix = signature.suffix
            if direct is not None and (piece := direct(run, stamp, signature, answer)) is not None:
                pieces.append(piece)
            elif suffix_of is None or (suffix and run.end() - run.start() + len(suffix) > MAX_LINE):
                at = self._take_out(stretch, usual, at, answer)
            elif suffix:
                end = place(run)
                parts += (text[at:end], suffix)
                at = end
                annotated += 1
            tally.append(answer.reason or answer.status)
            if answer.flags:
                for flag in answer.flags:
                    self.stats.flags[flag] += 1
            if facts:
                for fact in facts:
                    apply(fact, life, signature.actor, b"", stamp)
        if parts:
            parts.append(text[at : stretch.stop])
        self._answered.update(tally)
        self.stats.annotated += annotated
        body = text[stretch.start : stretch.stop]
        self.stats.passed += len(body) - len(body.replace(b"\n", b"")) - annotated

    def _take_out(self, stretch: Stretch, usual: Usual, at: int, answer: Attribution | None = None) -> int:
        """Write one event that needs its lines; without an answer, decide it too. Returns where the rest goes on."""
        event = stretch.event(usual)
        start, stop = usual[1].span()
        self.stats.passed -= len(event.lines)
        if answer is None:
            self._decide(event)
        else:
            self._write(event, answer)
        if not self.form.ordered:
            return at
        stretch.parts += (stretch.text[at:start], b"\n", b"\n".join(event.lines))
        return stop

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
