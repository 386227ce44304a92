"""Whole events that are still one text: what is usual is never cut into lines.

A text is cut at BETWEEN, which no kernel record has in its body (the kernel writes a value with a blank in hex), so
that a piece has a stamp, the body, a newline and the type of the next record. Joining the pieces gives the text again.
"""

from __future__ import annotations

from itertools import repeat

from annotator.model import Event, Stamp

BETWEEN = b" msg=audit("
"""What stands in every record once, between its type and its stamp. A user's text may have copies."""

MILLIS = {b".%03d:" % at: at for at in range(1000)}
"""The part of a stamp between its seconds and its serial."""


TYPES = repeat(b"\ntype=")
"""What every piece but the first and the last must have."""

AHEAD = 64
"""How many records are looked through for the rest of an event whose lines others interrupt."""

Parts = tuple[tuple[int, int], ...]
"""Where an event's pieces start and stop: once, or several times where others interrupt it."""

Usual = tuple[Stamp, int, Parts]
"""An event that is whole, of the usual shape: its stamp, where its chief record is, and all its pieces."""


class Spread:
    """A usual event whose lines others interrupt, on the way to its end at `stop`."""

    __slots__ = ("chief", "parts", "stamp", "stop")

    def __init__(self, stamp: Stamp, chief: int, start: int, at: int, stop: int) -> None:
        self.stamp = stamp
        self.chief = chief
        self.stop = stop
        self.parts = [(start, at)]

    def goes_on(self, start: int, at: int) -> tuple[Usual, ...]:
        """Its next part; the event, when that was the last one."""
        self.parts.append((start, at))
        return ((self.stamp, self.chief, tuple(self.parts)),) if at >= self.stop else ()


class Stretch:
    """Whole events that stood one behind the other in the input and of which nobody needs the lines one by one.

    `pieces` are the input's, cut at BETWEEN: a piece has a stamp, its record's body, a newline and the next record's
    type. The stretch is `pieces[start:stop]`, from the first's type on; `events` are those that end in it. A piece may
    be changed, but for its end.
    """

    __slots__ = ("events", "pieces", "start", "stop")

    def __init__(self, pieces: list[bytes], start: int, stop: int, events: list[Usual]) -> None:
        self.pieces = pieces
        self.start = start
        self.stop = stop
        self.events = events

    def text(self) -> bytes:
        """The lines, without the last newline."""
        return text_of(self.pieces, self.start, self.stop)

    def event(self, stamp: Stamp, parts: Parts) -> Event:
        """One of the events, with its lines."""
        piece = self.pieces[parts[0][0]]
        event = Event(piece[: piece.find(b")")], b"", stamp, b"")
        event.lines = [line for part in parts for line in text_of(self.pieces, *part).split(b"\n")]
        return event

    def put(self, event: Event, parts: Parts) -> None:
        """The lines of an event that was taken out go back, with what was appended to them."""
        lines = event.lines
        for start, stop in parts:
            end = self.pieces[stop - 1]
            rest = b"\n".join(lines[: stop - start]).split(BETWEEN)[1:]
            if stop < len(self.pieces):
                rest[-1] += end[end.rfind(b"\n") :]
            self.pieces[start:stop] = rest
            lines = lines[stop - start :]


def text_of(pieces: list[bytes], start: int, stop: int) -> bytes:
    """The lines that begin in `pieces[start:stop]`, without the last newline."""
    lead = pieces[start - 1]
    body = BETWEEN.join(pieces[start:stop])
    if stop < len(pieces):
        body = body[: body.rfind(b"\n")]
    return lead[lead.rfind(b"\n") + 1 :] + BETWEEN + body
