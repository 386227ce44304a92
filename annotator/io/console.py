"""Tables and progress for people. A log's text is hostile: a terminal never sees its control bytes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annotator.core.times import show_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import Console

    from annotator.io.sources import Block

_ID = re.compile(r"[0-9a-f]{64}")

TIMES = frozenset(("first", "last", "started", "ended", "born"))
"""Columns that hold milliseconds of the epoch."""


def plain(text: str) -> str:
    """Text that cannot drive a terminal: control characters and what reorders text become escapes."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def cell(name: str, value: Any) -> str:
    """One value of a row for a table."""
    if name in TIMES and isinstance(value, int):
        return show_time(value)
    if isinstance(value, list):
        return ", ".join(short(plain(str(one))) for one in value)
    if isinstance(value, dict):
        return " ".join(f"{plain(str(key))}={plain(str(inner))}" for key, inner in value.items())
    return short(plain(str(value)))


def short(text: str) -> str:
    """An engine's 64-digit id as its command line shows it: twelve digits. JSON has all of them."""
    return text[:12] if _ID.fullmatch(text) else text


def table(rows: list[dict[str, Any]], columns: Iterable[str], *, width: int | None) -> str:
    """Rows as a table of the given columns, those that are empty throughout left out. `width` None: the terminal's."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = [name for name in columns if any(name in row for row in rows)]
    found = Table(box=None, pad_edge=False, header_style="bold")
    for name in shown:
        found.add_column(name.upper().replace("_", " "), overflow="fold")
    for row in rows:
        found.add_row(*(Text(cell(name, row[name])) if name in row else "" for name in shown))
    console = Console(width=width, highlight=False)
    with console.capture() as shown_text:
        console.print(found)
    return "\n".join(line.rstrip() for line in shown_text.get().split("\n"))


def machine(row: dict[str, Any]) -> dict[str, Any]:
    """The same row for programs: times in RFC 3339."""
    return {
        name: show_time(value) if name in TIMES and isinstance(value, int) else value for name, value in row.items()
    }


def watched(blocks: Iterable[Block], paths: tuple[str, ...], console: Console) -> Iterator[Block]:
    """The same blocks, with a progress bar while they are read; no bar for standard input or packed files."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

    try:
        total = sum(Path(path).stat().st_size for path in paths)
    except OSError:
        total = 0
    if not total or any(path.endswith((".gz", ".xz", ".zst")) for path in paths):
        yield from blocks
        return
    with Progress(BarColumn(), DownloadColumn(), TimeRemainingColumn(), console=console, transient=True) as progress:
        task = progress.add_task("", total=total)
        before, origin = 0, ""
        for block in blocks:
            if block.origin != origin:
                before, origin = 0, block.origin
            progress.advance(task, block.offset - before)
            before = block.offset
            yield block
