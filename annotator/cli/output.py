"""Where a command's answer goes: standard output or a file, as a table, JSON lines or CSV, in the terminal's width."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from annotator.core.errors import SinkError
from annotator.io.sinks import FdSink, SinkClosed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


class Shown(NamedTuple):
    """How a report leaves: `form` is table, json or csv; `out` None is standard output."""

    form: str = "table"
    out: Path | None = None
    wide: bool = False


class Columns(NamedTuple):
    """The columns of a report, in their order; those that may be cut, and those that go first for want of room."""

    names: tuple[str, ...]
    flexible: tuple[str, ...] = ()
    droppable: tuple[str, ...] = ()


def columns(names: str, *, flexible: str = "", droppable: str = "") -> Columns:
    """The same from words."""
    return Columns(tuple(names.split()), tuple(flexible.split()), tuple(droppable.split()))


@contextlib.contextmanager
def opened(out: Path | None) -> Iterator[FdSink]:
    """The sink of a command; a reader that went away is no error. Raises SinkError.

    A file is made anew, readable by its owner alone: what stands in an audit log is nobody else's business.
    """
    if out is None:
        sink = FdSink(1)
        with contextlib.suppress(SinkClosed), contextlib.ExitStack() as stack:
            stack.callback(sink.flush)  # what was made before an error leaves too
            yield sink
        return
    try:
        fd = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise SinkError(f"{out}: cannot be written: {error.strerror}", "Name another file with -o.") from error
    try:
        sink = FdSink(fd, str(out))
        with contextlib.ExitStack() as stack:
            stack.callback(sink.flush)
            yield sink
    finally:
        os.close(fd)


def is_terminal(out: Path | None) -> bool:
    """Whether a person sees what is written."""
    return out is None and sys.stdout is not None and sys.stdout.isatty()


def has_colour(out: Path | None) -> bool:
    """Whether colours are wanted there (https://no-color.org)."""
    return is_terminal(out) and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"


def width_of(out: Path | None, *, wide: bool) -> int | None:
    """Columns of the terminal; None where nothing has to fit."""
    return shutil.get_terminal_size().columns if is_terminal(out) and not wide else None


def show(rows: Sequence[dict[str, Any]], which: Columns, how: Shown, nothing: str) -> None:
    """Write a report; `nothing` is what is said where there are no rows. Raises SinkError."""
    with opened(how.out) as sink:
        sink.write(text_of(rows, which, how).encode())
    if not rows and how.form == "table":
        click.echo(f"annotator: {nothing}", err=True)


def text_of(rows: Sequence[dict[str, Any]], which: Columns, how: Shown) -> str:
    """A report as text."""
    from annotator.io.console import as_csv, machine, table

    if how.form == "json":
        return "".join(json.dumps(machine(row)) + "\n" for row in rows)
    if how.form == "csv":
        return as_csv(rows, which.names)
    if not rows:
        return ""
    width = width_of(how.out, wide=how.wide)
    colour = has_colour(how.out)
    return table(rows, which.names, width=width, flexible=which.flexible, droppable=which.droppable, colour=colour)
