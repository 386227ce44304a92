"""Trail to events: each record is an event of its own, and what is no record keeps its place between them.

The doors are those of the grouper of Linux records: `feed`, `idle` and `flush` give events that are complete, `drain`
the lines that may leave. A text trail is fed as lines; a binary one as pieces that keep their newline, since there a
newline is a byte like any other. A record's ordinal, counted over all files, stands in for a serial.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from annotator.aix import dates
from annotator.aix.auditpr import AuditprParser
from annotator.aix.headings import HeadedParser, Headings
from annotator.aix.record import Form, Record
from annotator.aix.relay import Relay
from annotator.aix.trail import TrailParser
from annotator.core.errors import FormError
from annotator.core.model import Event, Stamp
from annotator.events import Departure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

    from annotator.aix.facts import RecordTranslation
    from annotator.aix.headings import HeadedLine
    from annotator.aix.record import Passed, Piece
    from annotator.aix.trail import Names
    from annotator.core.stats import Stats

OwnTail = Callable[[bytes], int]
"""Where fields that we have added begin in a line, or -1."""

_HARMLESS = frozenset(("title", "bin"))
"""Passed pieces that are whole and understood: they hold no record."""

_WRAPPED = (
    "a terminal has broken the lines of this trail, so fields cannot be appended to its records",
    "Use --format json, or print it again into a file: LC_ALL=C auditpr -t1 -v -h e,l,r,R,t,p,P,T,c,W > trail.txt",
)
_UNRECOGNISED = (
    "Say what was printed by --columns (the letters of auditpr -h), or print it again: "
    "LC_ALL=C auditpr -t1 -v -h e,l,r,R,t,p,P,T,c,W > trail.txt"
)
_BINARY = (
    "this is a binary trail, and text cannot be appended to its records",
    "Use --format json, or print it first: LC_ALL=C auditpr -t1 -v -h e,l,r,R,t,p,P,T,c,W -i TRAIL > trail.txt",
)


class RecordEvent(Event):
    """One record, as an event. `translation` is set once the backend has read it.

    `relay` is the host that a syslog relay names before the line; else the node is the record's own column, if any.
    """

    translation: RecordTranslation | None = None

    def __init__(self, record: Record, ordinal: int, lines: list[bytes], relay: bytes = b"") -> None:
        ms = record.time_ms
        host = record.host if record.host not in (None, b"none") else None
        super().__init__(b"%d:%d" % (ms, ordinal), relay or host or b"", Stamp(ms, ordinal), lines[0])
        self.lines = lines
        self.record = record
        self.at = 0


def has_nothing(_line: bytes) -> int:
    """For input that was never annotated."""
    return -1


class TrailGrouper:
    """Feeds the parser of the trail, and keeps the order of what comes out while it is `ordered`.

    `own_tail` finds our own fields at the end of a head line: the parser reads the line without them, and it leaves as
    it came. FormError when `ordered`, so that lines are to be appended to, and the trail's lines cannot be.
    """

    reversed_records = False

    def __init__(
        self,
        stats: Stats,
        *,
        ordered: bool,
        zone: tzinfo,
        names: Names = tuple,
        own_tail: OwnTail = has_nothing,
        columns: str = "",
    ) -> None:
        self.stats = stats
        self.ordered = ordered
        self.zone = zone
        self.names = names
        self.own_tail = own_tail
        self.columns = columns
        self.headings: Headings | None = None
        self._text: AuditprParser | None = None
        self._binary: TrailParser | None = None
        self._earlier = 0
        self._ordinal = 0
        self._came: deque[bytes] = deque()
        self._closed: list[Event] = []
        self._runs: deque[Event | tuple[bytes, ...]] = deque()
        self.begin(binary=False)

    def begin(self, *, binary: bool, nonce: bytes = b"") -> None:
        """Another file: the layout is learnt anew, and what was open of the one before is closed.

        `nonce`: it is a run of `auditpr -t2 -m NONCE`, see `headings`.
        """
        if binary and self.ordered:
            raise FormError(*_BINARY)
        self.close()
        self._earlier = self._ordinal
        self._came.clear()
        self.headings = Headings(nonce) if nonce else None
        kind = HeadedParser if nonce else AuditprParser
        self._text = None if binary else kind(self.zone, self.columns)
        self._relay = Relay()
        self._has_cr: bool | None = None
        self._rejected_before = self.stats.rejected
        self._binary = TrailParser(self.names) if binary else None

    def give_up(self) -> None:
        """What is left of a binary trail that cannot be read is not asked for again."""
        self._binary, self._text = None, AuditprParser(self.zone, self.columns)

    def close(self) -> None:
        """The end of a file: what is open is closed, and leaves with the next call. FormatError when it is no trail."""
        self._closed += self._events(self._end())

    def refuse_unrecognised(self) -> None:
        """After the end of a file: FormError when it has lines, and not one record was recognised among them."""
        parser = self._text
        rejected = self.stats.rejected - self._rejected_before
        if parser is not None and not parser.count and not parser.foreign and rejected:
            raise FormError(f"no audit record was recognised in its {rejected} lines", _UNRECOGNISED)

    # --- in -----------------------------------------------------------------------------------------------------

    def feed(self, lines: list[bytes]) -> list[Event]:
        """The events that these lines complete, in order."""
        if self._binary is not None:
            found = self._events(self._binary.feed(b"".join(lines)))
        else:
            assert self._text is not None  # noqa: S101  (one of the two is there)
            if self.headings is not None:
                found = self._headed(self.headings.feed(lines))
            else:
                self.stats.lines += len(lines)
                self._came.extend(lines)
                found = self._events(self._text.feed(map(self._bare, lines)))
            if self.ordered and self._text.wrap:
                raise FormError(*_WRAPPED)
        self.stats.closed += len(found)
        return self._take(found)

    def _headed(self, lines: list[HeadedLine]) -> list[Event]:
        """The events of lines without their headings: those are counted nowhere, since we asked for them."""
        assert isinstance(self._text, HeadedParser)  # noqa: S101  (`begin` makes both)
        self.stats.lines += len(lines)
        self._came.extend(line for line, _ in lines)
        return self._events(self._text.feed_headed(lines))

    def feed_text(self, text: bytes) -> list[Event]:
        """The same for lines of a text trail that are still one text, without the last newline."""
        return self.feed(text.split(b"\n"))

    def idle(self, *, quiet_ms: int = 0) -> list[Event]:  # noqa: ARG002  (a pause of any length ends a record's tail)
        """The trail pauses: what is open in a text trail is whole. A binary record says itself how long it is."""
        found = self._events(self._end()) if self._text is not None else []
        self.stats.closed += len(found)
        return self._take(found)

    def flush(self) -> list[Event]:
        """The end of input."""
        found = self._events(self._end())
        self.stats.flushed += len(found)
        return self._take(found)

    def _end(self) -> list[Piece]:
        parser = self._text or self._binary
        if self.headings is not None and (kept := self.headings.pause()):
            self._closed += self._headed(kept)
        return parser.flush() if parser is not None else []

    def _take(self, found: list[Event]) -> list[Event]:
        """With what the change to another file closed."""
        if not self._closed:
            return found
        closed, self._closed = self._closed, []
        self.stats.closed += len(closed)
        return closed + found

    def _bare(self, line: bytes) -> bytes | None:
        """A line as auditpr printed it, and a head line without our own fields; None for a line of somebody else.

        A tail line never has our fields, whatever it looks like. Where the first line ends in CR, CR LF ends them all.
        """
        bare = self._relay.bare(line)
        if self._has_cr is None:
            self._has_cr = line.endswith(b"\r")
        if bare is None:
            return None
        line = bare.removesuffix(b"\r") if self._has_cr else bare
        if b" cont" not in line or line[:1] in (b" ", b"\t"):
            return line
        start = self.own_tail(line)
        return line[:start] if start > 0 and dates.ANY.search(line, 0, start) else line

    def _events(self, pieces: list[Piece]) -> list[Event]:
        """Pieces to events; what is no record is counted and keeps its place."""
        found: list[Event] = []
        for piece in pieces:
            lines = self._lines(piece)
            if isinstance(piece, Record):
                self._ordinal = self._earlier + piece.ordinal
                event = RecordEvent(piece, self._ordinal, lines, self._relay.node)
                found.append(event)
                if self.ordered:
                    self._runs.append(event)
            else:
                self._pass(piece, lines)
        return found

    def _lines(self, piece: Piece) -> list[bytes]:
        """The lines of a piece as they came. A binary piece counts as one line."""
        if self._binary is not None:
            self.stats.lines += 1
            return list(piece.lines)
        return [self._came.popleft() for _ in piece.lines]

    def _pass(self, piece: Passed, lines: list[bytes]) -> None:
        if piece.why in _HARMLESS or not any(line.strip() for line in lines):
            self.stats.passed += len(lines)
        else:
            self.stats.rejected += len(lines)
        if self.ordered:
            self._runs.append(tuple(lines))

    # --- out ----------------------------------------------------------------------------------------------------

    def drain(self) -> list[bytes]:
        """The lines that may leave now, in input order: all before the first undecided event."""
        out: list[bytes] = []
        while self._runs:
            run = self._runs[0]
            if isinstance(run, Event):
                if not run.closed:
                    break
                out += run.lines
            else:
                out += run
            self._runs.popleft()
        return out

    def departures(self) -> Iterator[Departure]:
        """The same as `drain`, with the event of each line: for a caller that has rendered it in several ways."""
        while self._runs:
            run = self._runs[0]
            if isinstance(run, Event):
                if not run.closed:
                    return
                departure = Departure(run, 0, run.size, run.lines)
            else:
                departure = Departure(None, 0, len(run), list(run))
            self._runs.popleft()
            yield departure


def head_end(event: Event) -> int | None:
    """Where the head line of a record takes more text: at its end, before a CR; None where no text can be added."""
    if not isinstance(event, RecordEvent) or event.record.form is Form.BINARY or not event.lines:
        return None
    line = event.lines[0]
    return len(line) - 1 if line.endswith(b"\r") else len(line)
