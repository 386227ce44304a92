"""The text trail: what `auditpr` prints, in all its shapes, cut into records.

A record is one line of columns and the lines of its tail. Which shape it is, is learnt from the trail: titles and
dashes give the columns (`-h`, `-X`, `-t 1`, `-t 2`), the default layout is recognized without them (`-t 0`), a broken
line of dashes or a record of exactly 80 bytes shows that a terminal broke the lines, and a trail in which no columns
fit is read word by word as a relay leaves it (`Form.LOOSE`).

What text cannot give: a tail may hold any byte, newlines too, so a file name can imitate a whole record. Nothing in the
text tells them apart; the binary trail does not have this weakness. It can imitate titles as well, so the columns that
a trail began with stay: lines that fit only later titles are records too, but their WPAR is no statement.
"""

from __future__ import annotations

import re
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING

from annotator.aix import columns, dates, loose
from annotator.aix.columns import DEFAULTS, Fields, Layout
from annotator.aix.pending_record import INDENT, Logical, PendingRecord, finish
from annotator.aix.record import GLOBAL, Form, Passed, Piece, wpar_name
from annotator.aix.relay import MESSAGE
from annotator.core.errors import FormError

if TYPE_CHECKING:
    from collections.abc import Iterable

TERMINAL = 80
"""Width at which pasted listings are broken when no dashes show another."""

MAX_BYTES = 1 << 20
"""Most bytes one record may take; what follows in its tail is passed through."""

MAX_TITLES = MAX_LAYOUTS = 8
"""Most lines that a terminal makes of the titles; most layouts of one trail."""

MAX_PIECES = 64
"""Most pieces that are joined into one line."""


class AuditprParser:
    """Lines in, records and passed lines out, in input order; each line comes out exactly once.

    `zone` is the zone of the machine that printed the trail. `columns_option` is its `-h` argument, where no titles
    were printed. Feeding the same lines in other portions gives the same pieces. A record is given out when the next
    begins, or at `flush`. FormError when the trail's first record has a month that is not English; later ones of that
    kind pass through and are counted in `foreign`.
    """

    def __init__(self, zone: tzinfo = UTC, columns_option: str = "") -> None:
        self.zone = zone
        self.letters = columns.letters_of(columns_option)
        self.layout: Layout | None = None
        self.others: list[Layout] = []
        """Layouts of titles that came later, and are not the first one's: a tail can print titles too."""
        self.titles = ""  # their letters, where all are known: they hold for lines with other blanks too
        self.wrap = 0
        self.count = 0
        self.foreign = 0
        self._loose = False
        self._ragged = self._lost = False
        self._held: list[bytes] = []
        self._pending: PendingRecord | None = None
        self._waiting: list[Logical] = []
        self._out: list[Piece] = []
        if self.letters and set(self.letters) <= columns.WIDTHS.keys():  # else the title line will give the widths
            self.layout = columns.of_letters(self.letters, sure=True)

    def feed(self, lines: Iterable[bytes | None]) -> list[Piece]:
        """The pieces that these lines complete. Lines come without their newline; None is a line of somebody else."""
        for line in lines:
            if line is None or MESSAGE.match(line):
                self._take()
                self._message(line or b"")
            else:
                self._physical(line)
        return self._drain()

    def flush(self) -> list[Piece]:
        """What is still open: at the end of the input, or when a live trail pauses."""
        self._take()
        self._close()
        return self._drain()

    def _drain(self) -> list[Piece]:
        out, self._out = self._out, []
        return out

    # --- lines that a terminal broke -------------------------------------------------------------------------------

    def _physical(self, line: bytes) -> None:
        if self._held:
            if self._joins(line):
                self._held.append(line)
                if not self._wants_more():
                    self._take()
                return
            self._take()
        self._held = [line]
        if not self._wants_more():
            self._take()

    def _wants_more(self) -> bool:
        """Whether the held pieces may go on in the next line."""
        first, last = self._held[0], self._held[-1]
        if columns.is_dashes(first):
            return len(self._held) == 1 or (len(last) == len(first) and len(self._held) < MAX_PIECES)
        if not self.wrap and not self._broken(first):
            return False
        if self._begins(first):
            width = (self.layout or DEFAULTS[0]).width
            return len(self._held) < -(-width // self.wrap) or (len(last) == self.wrap and len(self._held) < MAX_PIECES)
        return len(last) == self.wrap and len(self._held) < MAX_PIECES

    def _broken(self, line: bytes) -> bool:
        """Whether a line of the default layout was cut at 80: unbroken it has 94 bytes at least, unless stripped."""
        if len(line) != TERMINAL or line[-1:] != b" " or (self.layout and self.layout.sure) or self._loose:
            return False
        if any(columns.cut(line, layout, partial=True) for layout in DEFAULTS):
            self.wrap = TERMINAL
            return True
        return False

    def _joins(self, line: bytes) -> bool:
        """Whether this line goes on where the held ones end."""
        first = self._held[0]
        if columns.is_dashes(first):
            return (columns.is_dashes(line) or line == b" ") and len(line) <= len(first)  # a blank follows each column
        if len(line) > self.wrap or self._begins(line) or columns.is_title(line):
            return False
        layout = self.layout or DEFAULTS[0]
        if self._begins(first) and layout.columns[-1].letter == "c":
            return not line.strip() or not line.startswith(INDENT)
        return True

    def _begins(self, line: bytes) -> bool:
        piece = line.ljust(self.wrap)
        layouts = (self.layout,) if self.layout else DEFAULTS
        return any(columns.cut(piece, layout, partial=True) for layout in layouts)

    def _take(self) -> None:
        """The held pieces are one line."""
        if not self._held:
            return
        raw = tuple(self._held)
        self._held = []
        self._logical(raw, b"".join([*(piece.ljust(self.wrap) for piece in raw[:-1]), raw[-1]]))

    def _message(self, line: bytes) -> None:
        """A line that is no part of the trail: it keeps its place, and is in no tail."""
        if self._pending is not None:
            self._pending.tail.append(((line,), None))
        else:
            self._close()
            self._out.append(Passed((line,), "message"))

    # --- whole lines ------------------------------------------------------------------------------------------------

    def _logical(self, raw: tuple[bytes, ...], line: bytes) -> None:
        if columns.is_dashes(line) and self._title(raw, line):
            return
        if self._start(raw, line):
            return
        if not self.count and self.layout:
            self._refuse_foreign(line)
        if columns.is_damaged_head(line):
            self._close()
            self._out.extend(Passed((piece,), "head") for piece in raw)
            self._lost = True
            return
        pending = self._pending
        size = sum(map(len, raw)) + len(raw)
        if pending is None:
            self._wait((raw, line))
        elif pending.size + size > MAX_BYTES:
            self._close()
            self._wait((raw, line))
        else:
            pending.tail.append((raw, line))
            pending.size += size

    def _wait(self, logical: Logical) -> None:
        """Keep the last lines outside of records: they may turn out to be titles."""
        self._waiting.append(logical)
        while len(self._waiting) > MAX_TITLES:
            self._out.extend(Passed((piece,)) for piece in self._waiting.pop(0)[0])

    def _title(self, raw: tuple[bytes, ...], dashes: bytes) -> bool:
        """Learn the columns when the lines before these dashes are titles; they then belong to no record."""
        before = self._pending.tail if self._pending else self._waiting
        taken = 0
        lines = 0
        while lines < len(raw) and taken < len(before):
            taken += 1
            lines += len(before[-taken][0])
        if lines != len(raw):
            return False
        pieces = [piece for logical in before[len(before) - taken :] for piece in logical[0]]
        width = len(raw[0]) if len(raw) > 1 else 0
        try:
            layout = columns.learn(b"".join(piece.ljust(width) for piece in pieces), dashes, self.letters)
        except FormError:
            if self.count:
                return False
            raise
        letters = layout.letters if layout is not None else ""
        if layout is None and not self.count:
            title = b"".join(piece.ljust(width) for piece in pieces)
            letters = columns.letters_of_titles(title, len(re.findall(rb"-+", dashes)))
        if layout is None and not letters:
            return False
        del before[len(before) - taken :]
        self._close()
        self._out.extend(Passed((piece,), "title") for piece in (*pieces, *raw))
        if not self.count:
            self.layout, self.wrap, self._loose, self.titles = layout, width, layout is None, letters
        elif layout is not None and all(
            layout.places != known.places for known in (self.layout, *self.others) if known is not None
        ):
            self.others = [*self.others, layout][-MAX_LAYOUTS:]
        return True

    def _start(self, raw: tuple[bytes, ...], line: bytes) -> bool:
        """Whether this line begins a record; it is then the open one."""
        found, form, wide = self._cut(line)
        sure = found is not None and "c" not in wide and self._is_sure(line, form, slid=bool(wide))
        if self.others and (found is None or not wpar_name(found[0].get("W", GLOBAL))):
            later = next((cut for other in self.others if (cut := columns.cut(line, other))), None)
            found, form, sure = (found, form, sure) if later is None else (later, Form.COLUMNS, False)
        if found is None:
            return False
        fields, inline = found
        try:
            moment = dates.parse(fields.get("t") or fields["d"], self.zone)
        except FormError:
            if not self.count:
                raise
            self.foreign += 1
            self._close()
            self._out.extend(Passed((piece,), "month") for piece in raw)
            return True
        if moment is None:
            return False
        self._close()
        self.count += 1
        self._pending = PendingRecord(raw, fields, inline, moment, form)
        self._pending.sure = sure
        self._pending.titled = form is Form.LOOSE and bool(self.titles or self.letters) and not inline
        self._pending.after_loss, self._lost = self._lost, False
        return True

    def _refuse_foreign(self, line: bytes) -> None:
        """A record whose month name has bytes that shift its columns is refused as any other that is not English."""
        found = dates.ANY.search(line[:1024])
        if found is not None and columns.begins_with_event(line):
            dates.parse(found[0], self.zone)

    def _cut(self, line: bytes) -> tuple[tuple[Fields, bytes] | None, Form, frozenset[str]]:
        """The columns and what follows them, how they were found, and the letters of those that were too wide."""
        if self.layout:
            found = columns.cut(line, self.layout)
            if found is None and (slid := columns.cut_slid(line, self.layout)):
                return slid[:2], Form.COLUMNS, slid[2]
            if found or (self.count and not self._ragged):
                return found, Form.COLUMNS, frozenset()
            if not self.letters:
                found = loose.cut_loose(line, self.titles) if self.titles else None
                self._ragged = self._ragged or found is not None
                return found, Form.LOOSE, frozenset()
        elif not self._loose and not self.letters:
            for layout in DEFAULTS:
                found = columns.cut(line, layout)
                if found and ("W" not in found[0] or wpar_name(found[0]["W"])):
                    self.layout = layout
                    return found, Form.COLUMNS, frozenset()
        found = loose.cut_loose(line, self.letters or self.titles)
        if found:
            self._loose, self.layout = True, None
        return found, Form.LOOSE, frozenset()

    def _is_sure(self, line: bytes, form: Form, *, slid: bool) -> bool:
        """Whether the WPAR column is the record's own statement.

        Without titles only a line of the full width is: in a shorter or longer one what stands there may be the tail
        (`-w`), and a tail is written by whoever is audited.
        """
        if form is not Form.COLUMNS or self.layout is None:
            return False
        return self.layout.sure or (not slid and len(line) == self.layout.width and line.endswith(b" "))

    def _close(self) -> None:
        """Give out the open record, or the lines that wait outside of one."""
        for raw, _ in self._waiting:
            self._out.extend(Passed((piece,)) for piece in raw)
        self._waiting = []
        if self._pending:
            self._out.append(finish(self._pending, self.count))
            self._pending = None
