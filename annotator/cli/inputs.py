"""Inputs of a command: `-` in a pipe, checked before the first byte leaves, read with progress for who waits."""

from __future__ import annotations

import os
import stat
import sys
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from annotator.core.errors import UsageError
from annotator.engine.input_check import blocks_of, check_files
from annotator.io.sources.files import order, unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from annotator.io.sources import Block

STDIN = "-"
PLAIN_EVERY_S = 5.0
"""Seconds between two lines of progress where the terminal cannot redraw one (TERM=dumb)."""


class Reading:
    """How far the inputs were read: `done` of `total` bytes as they lie on disk (total 0: not known), in `name` now."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = 0
        self.name = ""
        self.over = False

    def where(self) -> str:
        """For a person who stopped it."""
        of = f" of {size(self.total)} ({100 * self.done // self.total} %)" if self.total else ""
        return f"{size(self.done)}{of} read" + (f", in {self.name}" if self.name not in ("", STDIN) else "")


class _Progress(NamedTuple):
    """What is shown while reading: called with the state now and then, and at the end."""

    show: Callable[[Reading], None]


_current: list[Reading] = []
"""The reading that goes on, for the message after Ctrl-C; empty when none does."""


def interrupted() -> str:
    """What a stopped command had read, or "" where it read nothing, or all."""
    reading = _current[-1] if _current else None
    return reading.where() if reading is not None and not reading.over else ""


def names_of(inputs: Sequence[str]) -> tuple[str, ...]:
    """The inputs by name: those given, else standard input where it is no terminal. All can be opened.

    Raises UsageError or SourceError.
    """
    given = tuple(inputs)
    if not given:
        if sys.stdin is None or sys.stdin.isatty():
            raise UsageError(
                "no log is given", "Name files, such as /var/log/audit/audit.log, or pipe one in: `… | annotator …`."
            )
        return (STDIN,)
    if STDIN in given and len(given) > 1:
        raise UsageError("standard input (-) cannot be read together with files", "Give one of them.")
    for name in given:
        if name != STDIN:
            _check(name)
    return given


def _check(name: str) -> None:
    """Whether a file can be read, before anything is printed. A pipe is not opened: that would take its writer."""
    path = Path(name)
    try:
        if stat.S_ISFIFO(path.stat().st_mode):
            return
        with path.open("rb") as file:
            file.read(0)
    except OSError as error:
        raise unreadable(name, error, 0) from error


def blocks(names: Sequence[str], *, quiet: bool, own_terminal: bool = False, system: str = "auto") -> Iterator[Block]:
    """The inputs' blocks. `own_terminal`: what is printed meanwhile goes to the terminal, so no progress is drawn."""
    if STDIN not in names:
        check_files(order(map(Path, names)), system=system)
    reading = Reading(_total(names))
    _current.append(reading)
    with _shown(reading, quiet=quiet or own_terminal) as progress:
        for name in names if STDIN in names else map(str, order(map(Path, names))):
            before, reading.name = reading.done, name
            for block in blocks_of([name], system=system, at=partial(_note, reading, before)):
                if name == STDIN:
                    reading.done = block.offset
                yield block
                if progress is not None:
                    progress.show(reading)
    reading.over = True
    _current.remove(reading)


def _note(reading: Reading, before: int, at: int) -> None:
    reading.done = before + at


def _total(names: Sequence[str]) -> int:
    """Bytes of all inputs; 0 where one is a pipe."""
    total = 0
    for name in names:
        info = os.fstat(0) if name == STDIN else Path(name).stat()
        if not stat.S_ISREG(info.st_mode):
            return 0
        total += info.st_size
    return total


@contextmanager
def _shown(reading: Reading, *, quiet: bool) -> Iterator[_Progress | None]:
    """A bar on standard error, or lines where that cannot redraw one; nothing where no person watches."""
    if quiet or sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    if os.environ.get("TERM", "dumb") in ("dumb", "unknown", ""):
        yield _lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    known = (BarColumn(24), TextColumn("{task.percentage:3.0f} %")) if reading.total else ()
    left = (TextColumn("left"), TimeRemainingColumn()) if reading.total else (TimeElapsedColumn(),)
    columns = (TextColumn("{task.description}"), *known, TextColumn("{task.fields[rate]}"), *left)
    with Progress(*columns, console=Console(stderr=True), transient=True, refresh_per_second=5) as bar:
        task = bar.add_task("reading", total=reading.total or None, rate="")
        rate = _Rate()

        def show(now: Reading) -> None:
            text = f"{size(now.done)} {rate.of(now.done)}"
            bar.update(task, completed=now.done, description=f"reading {Path(now.name).name}", rate=text)

        yield _Progress(show)


class _Rate:
    """Bytes a second since it was made."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    def of(self, done: int) -> str:
        """For a person."""
        seconds = time.monotonic() - self._since
        return f"{size(done / seconds)}/s" if seconds > 0.2 else ""


def _lines() -> _Progress:
    began = time.monotonic()
    last = [began]

    def show(reading: Reading) -> None:
        now = time.monotonic()
        if now - last[0] < PLAIN_EVERY_S or now <= began:
            return
        last[0] = now
        rate = reading.done / (now - began)
        left = f", {(reading.total - reading.done) / rate:.0f} s left" if reading.total and rate else ""
        sys.stderr.write(f"annotator: {reading.where()}, {size(rate)}/s{left}\n")

    return _Progress(show)


def size(count: float) -> str:
    """Bytes for people."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            break
        count /= 1000
    return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"


@contextmanager
def seekable(names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The inputs as files that can be read twice: standard input is kept in a temporary file meanwhile."""
    if STDIN not in names:
        yield tuple(names)
        return
    from tempfile import NamedTemporaryFile

    with NamedTemporaryFile(prefix="annotator-") as file:
        while piece := os.read(0, 1 << 20):
            file.write(piece)
        file.flush()
        yield (file.name,)
