"""A saved run, into use again. It is read and checked before anything is changed: used whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotator.core.errors import FormatError, StoreError
from annotator.storage.checkpoint_load import Rows
from annotator.storage.state import load_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from annotator.events import EventAssembler
    from annotator.io.sources import Position
    from annotator.storage.checkpoint_rows import Tables
    from annotator.storage.format import Entry, Header

ADVICE = "Start without it: the state is learnt again from the host and the log."


def restore(
    path: Path,
    header: Header,
    tables: Tables,
    assembler: EventAssembler,
    *,
    tell: Callable[[str], object] = lambda _: None,
) -> Position | None:
    """Make fresh tables and a fresh assembler what they were at `save`; returns where reading goes on.

    None: there is no state yet, or its input cannot be gone back to. The lines that are held count as read by this run
    too, so that its counts add up. After another boot of the same node all lives and containers of it have ended, and
    `tell` is told; lines that waited still leave. Raises StoreError, with nothing changed, for a state that is damaged,
    of another version, node or machine, or of a run that wrote another kind of form.
    """
    loaded = load_state(path)
    if loaded is None:
        return None
    saved, entries = loaded
    return restore_entries(path, saved, entries, header, tables, assembler, tell=tell)


def restore_entries(
    path: Path | str,
    saved: Header,
    entries: Iterable[Entry],
    header: Header,
    tables: Tables,
    assembler: EventAssembler,
    *,
    tell: Callable[[str], object] = lambda _: None,
) -> Position | None:
    """The same of a state that was loaded already; `path` names it in errors."""
    _check(path, saved, header)
    try:
        run = Rows(list(entries)).run()
    except FormatError as err:
        raise StoreError(f"{path}: not usable: {err.what}", ADVICE) from err
    if run.head.assembler.ordered != assembler.ordered:
        form = "by event (json, msgpack)" if assembler.ordered else "in the order of the lines (raw, record)"
        raise StoreError(
            f"{path}: it is of a run that wrote {form}", "Give the form of that run, or another state file."
        )
    if saved.boot != header.boot:
        tell(f"{path}: it is of another boot of this node: the processes and containers it knows have ended")
        run.reboot({b"", header.node}, header.boot)
    run.put(tables, assembler)
    return run.head.position


def _check(path: Path | str, saved: Header, header: Header) -> None:
    """Raises StoreError for the state of another machine, or of another place on this one."""
    if saved.node != header.node:
        was, here = (node.decode("utf-8", "backslashreplace") for node in (saved.node, header.node))
        raise StoreError(
            f"{path}: it is of node {was!r}, and this is {here!r}", "Give each node a state file of its own."
        )
    if saved.ticks_per_second != header.ticks_per_second:
        raise StoreError(f"{path}: it is of a machine with another clock rate", ADVICE)
    if saved.boot == header.boot and dict(saved.namespaces) != dict(header.namespaces):
        raise StoreError(
            f"{path}: it was saved in other namespaces of this machine, where other pids are meant",
            "Start it where it ran before, or give it another state file.",
        )
