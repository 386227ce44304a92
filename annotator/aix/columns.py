"""The columns of `auditpr`: letters of `-h`, titles, widths, and cutting a line by them.

Known from real listings (DISA STIG check texts for AIX 7.x): the default columns e l R t c W with their widths, and
`-helRtcp`, where p is titled `process` and 8 wide and W is absent. The other titles are not public. They are therefore
never assumed: a trail with a title line teaches its widths by the dashes, a title that is not known keeps its own name,
and a caller who knows the letters says them.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from annotator.aix import dates
from annotator.core.errors import FormError, UsageError

LETTERS = "elRtdcrpPTihESIW"
"""Every letter of `-h` (IBM auditpr Command, 7.3; `d` in older manuals)."""

TITLES: dict[bytes, str] = {
    b"event": "e",
    b"login": "l",
    b"status": "R",
    b"time": "t",
    b"command": "c",
    b"process": "p",
    b"wpar name": "W",
}
"""Titles seen in real listings."""

GUESSED_TITLES: dict[bytes, str] = {
    b"real": "r",
    b"real user": "r",
    b"ruser": "r",
    b"parent": "P",
    b"thread": "T",
    b"host": "h",
    b"hostname": "h",
    b"role": "i",
    b"roles": "i",
    b"privileges": "E",
    b"wpar": "W",
    b"date": "d",
}
"""Likely titles, seen nowhere: inferred from the manual's words. The value is kept under the letter only if it fits."""

WIDTHS = {"e": 15, "l": 8, "R": 11, "t": 24, "c": 31, "p": 8, "W": 25}
"""Widths seen in real listings."""

_TITLE_WORDS = {word for title in (*TITLES, *GUESSED_TITLES) for word in title.split()}
_DASHES = re.compile(rb" ?-+(?: -+)* ?\r?")
_EVENT = re.compile(rb"[A-Za-z][\x21-\x7e]{0,15}")
_STATUS = re.compile(rb"[A-Z][A-Z_]{1,11}|(?:0x)?[0-9a-f]{1,8}")
_NUMBER = re.compile(rb"-?\d{1,20}")


class Column(NamedTuple):
    """One column: its letter (`?` for a title that is not known), title, first byte and width."""

    letter: str
    title: bytes
    start: int
    width: int

    @property
    def end(self) -> int:
        """The byte after the column; one blank follows it."""
        return self.start + self.width


class Layout(NamedTuple):
    """The columns of a trail, left to right. `sure` when a title or the caller said so."""

    columns: tuple[Column, ...]
    sure: bool = False

    @property
    def width(self) -> int:
        """Length of an unwrapped line: each column is followed by one blank."""
        return self.columns[-1].end + 1

    @property
    def letters(self) -> str:
        """The letters of its columns; "" where a title is not known."""
        letters = "".join(column.letter for column in self.columns)
        return "" if "?" in letters else letters

    @property
    def places(self) -> tuple[tuple[str, int, int], ...]:
        """Which column is where."""
        return tuple((column.letter, column.start, column.width) for column in self.columns)

    def has(self, letter: str) -> bool:
        """Whether the trail has this column."""
        return any(column.letter == letter for column in self.columns)


Fields = dict[str, bytes]
"""Column letter (or title, for an unknown one) to the value without its padding."""


def of_letters(letters: str, *, sure: bool = False) -> Layout:
    """The layout of a `-h` list whose widths are all known from real listings; UsageError otherwise."""
    columns: list[Column] = []
    at = 0
    for letter in letters:
        if letter not in WIDTHS:
            raise UsageError(
                f"the width of auditpr column {letter!r} is not known",
                "Print the trail with its titles (auditpr -t1), so that the dashes give the widths.",
            )
        columns.append(Column(letter, b"", at, WIDTHS[letter]))
        at += WIDTHS[letter] + 1
    return Layout(tuple(columns), sure)


DEFAULTS = (
    of_letters("elRtcW"),
    of_letters("eRtcWl"),  # -X: the login name moves to the end (IBM auditpr Command); its place there is inferred
    of_letters("elRtc"),
    of_letters("eRtcl"),
)
"""The layouts that are recognized without a title, widest first."""


def letters_of(option: str) -> str:
    """The letters of a `-h` argument: `e,l,R` or `elR`; UsageError for a letter that does not exist."""
    letters = "".join(part for part in re.split(r"[,\s]+", option) if part)
    unknown = [letter for letter in letters if letter not in LETTERS]
    if unknown or len(set(letters)) != len(letters):
        what = f"no auditpr column has the letter {unknown[0]!r}" if unknown else "a column is named twice"
        raise UsageError(f"{what}: {option}", f"The letters are: {', '.join(LETTERS)}")
    if letters and ("e" not in letters or not {"t", "d"} & set(letters)):
        raise UsageError(f"columns {option} lack the event or its time", "Add e and t (or d) to auditpr -h.")
    return letters


def is_dashes(line: bytes) -> bool:
    """Whether this is (a piece of) the line of dashes under the titles."""
    return bool(_DASHES.fullmatch(line))


def learn(title: bytes, dashes: bytes, letters: str = "") -> Layout | None:
    """The layout of a title line and its dashes; None when they are no titles of `auditpr`.

    With `letters` the columns are those, whatever their titles say; a different number of columns is no title line.
    FormError for a real title line without an event or a time, since no record could be told from its tail.
    """
    spans = [(match.start(), match.end()) for match in re.finditer(rb"-+", dashes)]
    names = [title[start:end].strip() for start, end in spans]
    if len(spans) < 2 or any(title[end : end + 1].strip() for _, end in spans) or not all(names):
        return None
    if letters:
        if len(letters) != len(spans):
            return None
        found = list(letters)
    else:
        found = [TITLES.get(name.lower()) or GUESSED_TITLES.get(name.lower()) or "?" for name in names]
        if sum(letter != "?" for letter in found) < 2 or len(set(found) - {"?"}) != len(found) - found.count("?"):
            return None
    if "e" not in found or not {"t", "d"} & set(found):
        shown = title.strip().decode("ascii", "backslashreplace")
        raise FormError(
            f"the trail has no event or no time column: {shown}",
            "Print it again with them, for example: auditpr -t1 -v -h e,l,r,R,t,p,P,T,c,W",
        )
    columns = zip(found, names, spans, strict=True)
    return Layout(tuple(Column(letter, name, start, end - start) for letter, name, (start, end) in columns), True)


def cut(line: bytes, layout: Layout, *, partial: bool = False) -> tuple[Fields, bytes] | None:
    """The columns of a record's first line, and what follows them; None when the line does not fit the layout.

    `partial` is for the first piece of a line that a terminal broke: what it holds whole is looked at. A line fits when
    each column is followed by a blank (or the line has ended: trailing blanks are often lost), the event looks like
    one, the status too, and the time is a date. The last column runs to the next blank when its value is wider than the
    column (`-X`).
    """
    fields: Fields = {}
    line = line.removesuffix(b"\r")
    for column in layout.columns:
        if partial and column.end > len(line):
            break
        if line[column.end : column.end + 1] not in (b"", b" ") and column is not layout.columns[-1]:
            return None
        value = line[column.start : column.end]
        if column.letter == "e" and value.startswith(b" "):
            return None
        fields[_key(column)] = value.strip(b" ")
    last = layout.columns[-1]
    at = last.end
    if not partial and line[at : at + 1] not in (b"", b" "):
        stop = line.find(b" ", at)
        at = len(line) if stop < 0 else stop
        fields[_key(last)] = line[last.start : at].strip(b" ")
    return (fields, line[at + 1 :]) if fits(fields, partial) else None


def cut_slid(line: bytes, layout: Layout) -> tuple[Fields, bytes, frozenset[str]] | None:
    """As `cut`, for a record with values wider than their columns, and the letters of those; None when there are none.

    `auditpr` pads a value to its column's width and never cuts it (inferred from its printf formats): a wider one goes
    on to the next blank, and what follows it slides to the right. So no blank inside of a wide value can be told.
    """
    fields: Fields = {}
    wide: set[str] = set()
    line = line.removesuffix(b"\r")
    at = end = 0
    for column in layout.columns:
        end = at + column.width
        if line[end : end + 1] not in (b"", b" "):
            blank = line.find(b" ", end)
            end = len(line) if blank < 0 else blank
            wide.add(column.letter)
        fields[_key(column)] = line[at:end].strip(b" ")
        at = end + 1
    if not wide or line[:1] in (b" ", b"\t") or not fits(fields):
        return None
    return fields, line[end + 1 :], frozenset(wide)


def _key(column: Column) -> str:
    return column.letter if column.letter != "?" else column.title.decode("ascii", "backslashreplace")


def fits(fields: Fields, partial: bool = False) -> bool:
    """Whether the values can be what their columns say: an event, a date, a status, numbers."""
    if partial and not set("etdRpPT") & fields.keys():
        return False
    whole = {} if partial else {"e": b"", "t": fields.get("d", b"")}
    for name, value in (whole | fields).items():
        if (name in ("t", "d") and not dates.is_date(value)) or (name == "e" and not _EVENT.fullmatch(value)):
            return False
    if "R" in fields and not _STATUS.fullmatch(fields["R"]):
        return False
    numbers = (fields[letter] for letter in "pPT" if letter in fields)
    return all(_NUMBER.fullmatch(number) or (partial and not number) for number in numbers)


def begins_with_event(line: bytes) -> bool:
    """Whether the first word can be an event's name, as the first word of a tail's line cannot: that is indented."""
    return bool(_EVENT.fullmatch(line.partition(b" ")[0])) and b"_" in line[:16]


def letters_of_titles(title: bytes, count: int) -> str:
    """The letters of a title line that no longer stands above its dashes, by its words; "" unless there are `count`."""
    words = title.lower().split()
    letters: list[str] = []
    while words:
        for size in (2, 1):
            name = b" ".join(words[:size])
            letter = TITLES.get(name) or GUESSED_TITLES.get(name)
            if letter is not None:
                break
        else:
            return ""
        letters.append(letter)
        del words[:size]
    complete = len(letters) == len(set(letters)) == count and "e" in letters and "R" in letters
    return "".join(letters) if complete and {"t", "d"} & set(letters) else ""


def is_damaged_head(line: bytes) -> bool:
    """Whether this must be a record's first line although no layout fits it: an event, and a date behind it."""
    return begins_with_event(line) and dates.ANY.search(line[:1024]) is not None


def is_title(line: bytes) -> bool:
    """Whether this can be (the first piece of) a title line: nothing but words of known titles, `event` among them."""
    words = set(line.lower().split()[:32])
    return b"event" in words and words <= _TITLE_WORDS
