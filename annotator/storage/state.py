"""The state file: everything at one moment, replaced as a whole."""

from __future__ import annotations

import contextlib
import io
import os
from typing import IO, TYPE_CHECKING

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
            return _read(path, file, refuse_others(fd, path))


def unpack_state(data: bytes, name: str) -> tuple[Header, list[Entry]]:
    """The same out of bytes that `pack_state` made; `name` stands for them in errors. Raises StoreError."""
    return _read(name, io.BytesIO(data), len(data))


def _read(name: Path | str, file: IO[bytes], size: int) -> tuple[Header, list[Entry]]:
    """Header and entries of a whole state of `size` bytes."""
    if size > MAX_STATE:
        raise StoreError(f"{name}: longer than the {MAX_STATE} bytes a state may have", _ANEW)
    try:
        header, end = read_header(file)
    except FormatError as err:
        raise StoreError(f"{name}: not usable: {err.what}", err.advice or _ANEW) from err
    reader = Entries(name, file, end)
    entries = list(reader)
    last = entries.pop() if entries else None
    if reader.damage:
        raise StoreError(reader.damage, _ANEW)
    if reader.skipped or last is None or last.kind != _END or last.body.get("count") != len(entries):
        raise StoreError(f"{name}: byte {reader.end}: the state has not the end it should have", _ANEW)
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
            _write(path, file, header, entries)
            file.flush()
            os.fsync(fd)
        new.replace(path)
        sync_directory(path)


def pack_state(header: Header, entries: Iterable[Entry], name: str) -> bytes:
    """The state as bytes, for who keeps it elsewhere; `name` stands for it in errors. Raises StoreError."""
    file = io.BytesIO()
    _write(name, file, header, entries)
    return file.getvalue()


def _write(name: Path | str, file: IO[bytes], header: Header, entries: Iterable[Entry]) -> None:
    file.write(write_header(header))
    count = 0
    for entry in entries:
        file.write(write_entry(entry))
        count += 1
        if file.tell() > MAX_STATE:
            raise StoreError(f"{name}: longer than the {MAX_STATE} bytes a state may have", "The old one is kept.")
    file.write(write_entry(Entry(0, 0, _END, {"count": count})))


def sync_directory(path: Path) -> None:
    """A new name is only safe when its directory is on the disk too."""
    fd = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
