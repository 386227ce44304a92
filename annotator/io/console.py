"""Text and tables for people. A log's text is hostile: a terminal never sees its control bytes."""

from __future__ import annotations

import csv
import io
import re
import time
from typing import TYPE_CHECKING, Any

from annotator.core.times import show_time

if TYPE_CHECKING:
    from collections.abc import Sequence

_ID = re.compile(r"[0-9a-f]{64}")

TIMES = frozenset(("first", "last", "started", "ended", "born", "time"))
"""Columns that hold milliseconds of the epoch."""

GAP = 2
"""Blanks between two columns."""

COMFORTABLE = 16
"""Cells to which a column is cut before others are left out."""

NARROWEST = 8
"""Cells of a column that may be cut, at least."""

_HIDDEN = frozenset("\u115f\u1160\u3164\uffa0\u2800")
"""Letters by their category that show nothing: with them two names look alike."""


def plain(text: str) -> str:
    """Text that cannot drive a terminal: control characters, what reorders text, what is invisible become escapes."""
    if text.isprintable() and text.isascii():
        return text
    return "".join(
        char if char.isprintable() and char not in _HIDDEN else char.encode("unicode_escape").decode() for char in text
    )


def cell(name: str, value: Any, *, clock: str = "") -> str:
    """One value of a row for a table. `clock`: the form of times, in the local zone (strftime); "": RFC 3339 in UTC.

    Of who did something what tells a person comes first: it is cut from behind.
    """
    if name in TIMES and isinstance(value, int):
        return local_time(value, clock) if clock else show_time(value)
    if isinstance(value, list):
        return ", ".join(short(plain(str(one))) for one in value)
    if isinstance(value, dict):
        items = sorted(value.items(), key=lambda item: item[0] in ("exe", "pid")) if clock else value.items()
        return " ".join(f"{plain(str(key))}={plain(str(inner))}" for key, inner in items)
    return short(plain(str(value)))


def local_time(ms: int, form: str) -> str:
    """A time in the zone of this machine (TZ); a time no calendar has is shown as seconds."""
    try:
        return time.strftime(form, time.localtime(ms // 1000))
    except (ValueError, OverflowError, OSError):
        return show_time(ms)


def short(text: str) -> str:
    """An engine's 64-digit id as its command line shows it: twelve digits. JSON has all of them."""
    return text[:12] if _ID.fullmatch(text) else text


def table(
    rows: Sequence[dict[str, Any]],
    columns: Sequence[str],
    *,
    width: int | None,
    flexible: Sequence[str] = (),
    droppable: Sequence[str] = (),
    colour: bool = False,
) -> str:
    """Rows as a table of the given columns, one line a row; those that are empty throughout are left out.

    `width` None: as wide as it has to be. Else it fits: the `droppable` columns go, the first of them first, then the
    `flexible` ones are cut, and it is said below which went. Ids are never cut: they are there to be copied.
    """
    clock, day = _clock(rows) if width is not None else ("", "")
    shown = [name for name in columns if any(name in row for row in rows)]
    texts = [{name: cell(name, row[name], clock=clock) for name in shown if name in row} for row in rows]
    widths = {name: max([len(_title(name)), *(_cells(row.get(name, "")) for row in texts)]) for name in shown}
    gone = _fit(widths, width, flexible, droppable) if width is not None else []
    lines = _drawn(texts, widths, colour=colour)
    if day:
        lines.append(f"times of {day}, {time.strftime('%Z')}")
    if gone:
        lines.append(f"not shown: {', '.join(gone)} (--wide)")
    return "\n".join(lines) + "\n"


def _clock(rows: Sequence[dict[str, Any]]) -> tuple[str, str]:
    """The form of the times in these rows, and the day that all of them are of ("": of several, or none)."""
    times = [value for row in rows for name, value in row.items() if name in TIMES and isinstance(value, int)]
    days = {local_time(ms, "%Y-%m-%d") for ms in times}
    return ("%H:%M:%S", days.pop()) if len(days) == 1 else ("%m-%d %H:%M:%S", "")


def _drawn(texts: Sequence[dict[str, str]], widths: dict[str, int], *, colour: bool) -> list[str]:
    """The lines of a table whose columns have these widths."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    found = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for name in widths:
        found.add_column(_title(name), no_wrap=True, overflow="ellipsis", width=widths[name])
    for row in texts:
        found.add_row(*(Text(row.get(name, "")) for name in widths))
    total = sum(widths.values()) + GAP * len(widths)
    console = Console(
        width=max(total, 1),
        highlight=False,
        force_terminal=colour,
        no_color=not colour,
        legacy_windows=False,
        file=io.StringIO(),
    )
    with console.capture() as drawn:
        console.print(found)
    return [line.rstrip() for line in drawn.get().rstrip("\n").split("\n")]


def _title(name: str) -> str:
    return name.upper().replace("_", " ")


def _cells(text: str) -> int:
    """How many cells of a terminal a text takes."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _fit(widths: dict[str, int], width: int, flexible: Sequence[str], droppable: Sequence[str]) -> list[str]:
    """Make the columns fit: changes `widths`, returns the names of those that were left out."""
    gone: list[str] = []

    def excess() -> int:
        return sum(widths.values()) + GAP * (len(widths) - 1) - width

    def slack() -> int:
        return sum(max(0, widths[name] - max(COMFORTABLE, len(_title(name)))) for name in flexible if name in widths)

    for name in droppable:
        if excess() <= slack():
            break
        if widths.pop(name, None) is not None:
            gone.append(name)
    while (over := excess()) > 0:
        wide = [name for name in flexible if name in widths and widths[name] > max(NARROWEST, len(_title(name)))]
        if not wide:
            break
        widest = max(wide, key=lambda name: widths[name])
        others = [widths[name] for name in wide if name != widest]
        floor = max([NARROWEST, len(_title(widest)), *(one for one in others if one < widths[widest])])
        widths[widest] = max(widths[widest] - over, floor if floor < widths[widest] else widths[widest] - 1)
    return gone


def machine(row: dict[str, Any]) -> dict[str, Any]:
    """The same row for programs: times in RFC 3339."""
    return {
        name: show_time(value) if name in TIMES and isinstance(value, int) else value for name, value in row.items()
    }


def as_csv(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> str:
    """Rows as CSV (RFC 4180) with a line of names: every column, also empty ones; ids in full, times in RFC 3339."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for row in map(machine, rows):
        writer.writerow([_csv_value(row.get(name, "")) for name in columns])
    return out.getvalue()


def _csv_value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(plain(str(one)) for one in value)
    if isinstance(value, dict):
        return " ".join(f"{plain(str(key))}={plain(str(inner))}" for key, inner in value.items())
    return plain(str(value))
