"""The state file: everything at one moment, replaced as a whole."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from annotator.core.errors import FormatError, StoreError
from annotator.storage.format import (
    OPEN,
    Entries,
    Entry,
    Header,
    read_header,
    refuse_others,
    told,
    write_entry,
    write_header,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MAX_STATE = 1 << 28
"""Bytes of a state file that is read at all."""

_END = "end"
_ANEW = "Start without it: the state is learnt again from the host and the log."


def load_state(path: Path) -> tuple[Header, list[Entry]] | None:
    """The whole state as `save_state` left it; None when there is none yet.

    Raises StoreError for a file that is damaged, cut, of a newer version, or that others may write. It is all or
    nothing: half a state would give wrong answers (the one container left of two looks like the only one).
    """
    with told(path):
        try:
            fd = os.open(path, os.O_RDONLY | OPEN)
        except FileNotFoundError:
            return None
        with open(fd, "rb") as file:
            if refuse_others(fd, path) > MAX_STATE:
                raise StoreError(f"{path}: longer than the {MAX_STATE} bytes a state may have", _ANEW)
            try:
                header, end = read_header(file)
            except FormatError as err:
                raise StoreError(f"{path}: not usable: {err.what}", _ANEW) from err
            found = Entries(path, file, end)
            entries = list(found)
    last = entries.pop() if entries else None
    if found.damage:
        raise StoreError(found.damage, _ANEW)
    if found.skipped or last is None or last.kind != _END or last.body.get("count") != len(entries):
        raise StoreError(f"{path}: byte {found.end}: the state has not the end it should have", _ANEW)
    return header, entries


def save_state(path: Path, header: Header, entries: Iterable[Entry]) -> None:
    """Replace the state in one step: who reads it sees the old one or the new one, whatever is killed when.

    Raises StoreError, also for more than MAX_STATE bytes, and then the old state is untouched.
    """
    new = path.with_name(f"{path.name}.new")
    with told(path), contextlib.ExitStack() as stack:
        new.unlink(missing_ok=True)  # of a process that was killed
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | OPEN, 0o600)
        stack.callback(new.unlink, missing_ok=True)
        with open(fd, "wb", buffering=1 << 18) as file:
            file.write(write_header(header))
            count = 0
            for entry in entries:
                file.write(write_entry(entry))
                count += 1
                if file.tell() > MAX_STATE:
                    raise StoreError(
                        f"{path}: longer than the {MAX_STATE} bytes a state may have", "The old one is kept."
                    )
            file.write(write_entry(Entry(0, 0, _END, {"count": count})))
            file.flush()
            os.fsync(fd)
        new.replace(path)
        sync_directory(path)


def sync_directory(path: Path) -> None:
    """A new name is only safe when its directory is on the disk too."""
    fd = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
