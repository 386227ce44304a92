"""The heading that `auditpr -t2 -m NONCE` prints before each record, and what of a live trail it makes a head line.

A tail may hold any byte, so a file name with a newline can imitate a whole record. `auditpr` prints the message of `-m`
and the titles before each record with `-t2` (IBM *auditpr Command*; not seen by us). The message of a run is a random
number, so only the line behind it can begin a record. It stands in the arguments of a process of Global: a process of a
WPAR cannot see it, whoever is logged in to Global can (`ps`). So this stops WPARs, not Global's own users.

The headings are not part of the trail: they are taken out, but for the titles of the first.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from annotator.aix import columns, dates
from annotator.aix.auditpr import MAX_BYTES, AuditprParser
from annotator.aix.record import Form, Passed
from annotator.aix.relay import MESSAGE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from annotator.aix.record import Piece

MAX_HEADING = 16
"""Most lines between the message and the dashes below the titles."""


class Kind(Enum):
    """What a line is, by the headings around it."""

    TITLE = "title"
    HEAD = "head"
    TAIL = "tail"
    ANY = "any"  # there are no headings: the line says itself what it is


class HeadedLine(NamedTuple):
    """A line of the trail."""

    line: bytes
    kind: Kind


class Headings:
    """Takes the headings of one run out of its lines.

    `missing` is set when a record came and no heading was printed before it. That is decided at the first record, which
    no tail can precede. Later a heading that is damaged is followed by no head line until the next.
    """

    def __init__(self, nonce: bytes) -> None:
        self.nonce = nonce
        self.missing = False
        self.count = 0
        self._titles: list[bytes] = []
        self._inside = self._is_head_next = False
        self._blank_before = 0
        self._blank: list[bytes] = []

    def feed(self, lines: Iterable[bytes]) -> list[HeadedLine]:
        """The lines of the trail among these, in order. Any cut of the input gives the same."""
        out: list[HeadedLine] = []
        for line in lines:
            if self.missing:
                out.append(HeadedLine(line, Kind.ANY))
            elif line.strip() == self.nonce:  # not `in`: the record of auditpr's own start has it in its tail
                self._open()
            elif self._inside:
                self._heading(line, out)
            elif not self.count:
                self._before(line, out)
            else:
                self._trail(line, out)
        return out

    def pause(self) -> list[HeadedLine]:
        """The trail pauses: blank lines that were kept back belong to the tail before, if no heading follows."""
        out = [HeadedLine(line, Kind.TAIL) for line in self._blank if self.count]
        self._blank = []
        return out

    def _open(self) -> None:
        """A heading begins. The blank lines that `auditpr` puts before each are those that stood before the first."""
        if not self.count:
            self._blank_before = len(self._blank)
        self._blank = []
        self.count += 1
        self._inside, self._is_head_next, self._titles = True, False, []

    def _heading(self, line: bytes, out: list[HeadedLine]) -> None:
        if not line.strip():
            return
        self._titles.append(line)
        if columns.is_dashes(line):
            self._inside, self._is_head_next = False, True
            if self.count == 1:
                out += [HeadedLine(title, Kind.TITLE) for title in self._titles]
        elif dates.ANY.search(line[:1024]) or len(self._titles) > MAX_HEADING:
            self._inside = False
            self.missing = self.count == 1
            out += [HeadedLine(one, Kind.ANY if self.missing else Kind.TAIL) for one in self._titles]

    def _before(self, line: bytes, out: list[HeadedLine]) -> None:
        """Before the first heading only messages and blank lines may stand."""
        if not line.strip():
            self._blank.append(line)
        elif dates.ANY.search(line[:1024]) or columns.is_dashes(line):
            self.missing = True
            out += [HeadedLine(one, Kind.ANY) for one in (*self._blank, *self._titles, line)]
            self._blank = []
        elif columns.is_title(line):
            self._titles.append(line)
        else:
            out.append(HeadedLine(line, Kind.TAIL))

    def _trail(self, line: bytes, out: list[HeadedLine]) -> None:
        if not line.strip() and not self._is_head_next and len(self._blank) < self._blank_before:
            self._blank.append(line)
            return
        out += self.pause()
        out.append(HeadedLine(line, Kind.HEAD if self._is_head_next else Kind.TAIL))
        self._is_head_next = False


class HeadedParser(AuditprParser):
    """A parser that is told which lines begin records. Without headings no WPAR is the record's own statement."""

    def feed_headed(self, lines: Iterable[HeadedLine]) -> list[Piece]:
        """The pieces that these lines complete."""
        for line, kind in lines:
            if MESSAGE.match(line) and kind is not Kind.HEAD:
                self._message(line)
            elif kind is Kind.ANY:
                self.is_headed = False
                self._physical(line)
            elif kind is Kind.TITLE:
                self._logical((line,), line)
            elif kind is Kind.HEAD:
                self._head(line)
            else:
                self._tail(line)
        return self._drain()

    is_headed = True

    def _head(self, line: bytes) -> None:
        self._close()
        if not self._start((line,), line):
            self._out.append(Passed((line,), "head"))
            self._lost = True

    def _tail(self, line: bytes) -> None:
        pending = self._pending
        if pending is None or pending.size + len(line) + 1 > MAX_BYTES:
            self._close()
            self._out.append(Passed((line,)))
        else:
            pending.tail.append(((line,), line))
            pending.size += len(line) + 1

    def _is_sure(self, line: bytes, form: Form, *, slid: bool) -> bool:
        return self.is_headed and super()._is_sure(line, form, slid=slid)
