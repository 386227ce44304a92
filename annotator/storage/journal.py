"""The journal that is being written: appended to, flushed, rotated."""

from __future__ import annotations

import fcntl
import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from annotator.core.errors import FormatError, StoreError
from annotator.storage.codec import Torn
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
    from pathlib import Path

_BUFFER = 1 << 18
"""Bytes that wait at most, but for one entry."""

_TAIL = 1 << 16
"""An unfinished frame longer than this may be a damaged length with sound entries after it: it is not cut."""


class Journal:
    """Takes entries, and has them in a file after `flush`.

    An existing file is gone on with: what an unfinished write left at its end is cut (`cut` bytes). One that is damaged
    within, or is of another boot, node or version, is rotated away instead: nothing that can be read is ever thrown
    away before its time. `notice` says what was done, "" for nothing.
    `header` is for the next file that is begun; set a new one when the clock was stepped.
    """

    def __init__(
        self, path: Path, header: Header, *, max_bytes: int = 64 << 20, max_entries: int = 1_000_000, keep: int = 8,
        max_age_s: float = 0,
    ) -> None:  # fmt: skip
        """Open or begin `path`. `keep` (at least 1) counts the rotated files, `path.1` being the newest.

        `max_age_s` is how long those are kept, 0 for ever; see `expire`.

        Raises StoreError, also when others may write the file or another process is writing it.
        """
        self.header = header
        self.cut = 0
        self.notice = ""
        self._path = path
        self._max_bytes = max_bytes
        self._max_entries = max_entries
        self._keep = keep
        self._max_age_s = max_age_s
        self._waiting = bytearray()
        self._size = 0
        self._count = 0
        with told(path), ExitStack() as stack:
            self._fd = self._open()
            stack.callback(self._abandon)
            self._resume()
            self.flush()
            stack.pop_all()

    def __enter__(self) -> Self:
        """Use it in `with`, so that the last entries are written."""
        return self

    def __exit__(self, *_: object) -> None:
        """Flush and close."""
        self.close()

    def append(self, entry: Entry) -> bool:
        """Take an entry. True when it is the first of a rotated file: write again then what still lives.

        (So each file can be used without those before it.) Raises StoreError when the entry cannot be stored, and
        like `flush` when the disk refuses.
        """
        data = write_entry(entry)
        full = self._size + len(self._waiting) + len(data) > self._max_bytes or self._count >= self._max_entries
        rotated = full and self._count > 0
        if rotated:
            self.rotate()
        self._waiting += data
        self._count += 1
        if len(self._waiting) > _BUFFER:
            self.flush()
        return rotated

    def flush(self, *, sync: bool = False) -> None:
        """Hand what waits to the system: a kill of this process then loses nothing of it; with `sync`, nor a power cut.

        Raises StoreError when the disk refuses. What waited is lost then, and the file ends where it ended before, so
        that what comes later can be read.
        """
        data, self._waiting = bytes(self._waiting), bytearray()
        with told(self._path):
            self._write(data if self._size else write_header(self.header) + data)
            if sync:
                os.fsync(self._fd)

    def rotate(self) -> None:
        """Begin a new file; the present one becomes `path.1`, the oldest goes.

        Raises StoreError, and goes on with the present one.
        """
        self.flush(sync=True)
        with told(self._path):
            self._renew()
        self.flush()

    def expire(self, now_s: float) -> None:
        """Remove rotated files that were last written more than `max_age_s` before `now_s` (Unix seconds).

        The oldest go first, so that no hole is between those that stay. A file that cannot be removed stays.
        """
        for path in journal_files(self._path) if self._max_age_s else []:
            try:
                if path == self._path or path.stat().st_mtime >= now_s - self._max_age_s:
                    return
                path.unlink()
            except OSError:
                return

    def close(self) -> None:
        """Flush and close; a second time does nothing."""
        if self._fd >= 0:
            try:
                self.flush(sync=True)
            finally:
                self._abandon()

    def _write(self, data: bytes) -> None:
        if self._fd < 0:
            raise StoreError(f"{self._path}: the journal is closed", "Open it anew.")
        with memoryview(data) as rest:
            done = 0
            try:
                while done < len(rest):
                    done += os.write(self._fd, rest[done:])
            except OSError:
                os.ftruncate(self._fd, self._size)
                raise
        self._size += len(data)

    def _open(self) -> int:
        """Open, check and lock."""
        fd = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | OPEN, 0o600)
        with ExitStack() as stack:
            stack.callback(os.close, fd)
            refuse_others(fd, self._path)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as err:
                raise StoreError(f"{self._path}: another process is writing it", "Give each its own journal.") from err
            stack.pop_all()
        return fd

    def _abandon(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _renew(self) -> None:
        """Move the present file away and open an empty one; the header comes with the first flush."""
        self._shift()
        new = self._open()
        self._abandon()
        self._fd = new
        self._size = self._count = 0

    def _resume(self) -> None:
        """Go on with what the file has, or begin it."""
        size = os.fstat(self._fd).st_size
        with open(self._fd, "rb", closefd=False) as file:
            try:
                header, end = read_header(file)
                found = Entries(self._path, file, end)
                self._count = sum(1 for _ in found)
            except FormatError as err:
                if isinstance(err, Torn) and size < len(write_header(self.header)):
                    self.cut = size
                    self.notice = f"{self._path}: {size} bytes of an unfinished header were cut" if size else ""
                    os.ftruncate(self._fd, 0)
                    return
                self._set_aside(f"{self._path}: not usable: {err.what}")
                return
        if found.damage and (not found.torn or found.lost > _TAIL):
            self._set_aside(found.damage)
        elif not header.same_host(self.header):
            self._set_aside(f"{self._path}: it is of another boot, host or version")
        else:
            self.cut = found.lost
            self.notice = f"{found.damage}: they were cut" if found.lost else ""
            self._size = found.end
            os.ftruncate(self._fd, found.end)

    def _set_aside(self, why: str) -> None:
        self.notice = f"{why}; it is kept as {self._path}.1, and a new journal was begun"
        self._renew()

    def _shift(self) -> None:
        """Rename `path` to `path.1`, `path.1` to `path.2` and so on; the last is replaced."""
        if not self._path.exists():
            return
        names = [self._path, *(self._path.with_name(f"{self._path.name}.{n}") for n in range(1, self._keep + 1))]
        free = next((n for n, name in enumerate(names) if not name.exists()), len(names) - 1)
        for n in range(free, 0, -1):
            names[n - 1].replace(names[n])


def journal_files(path: Path) -> list[Path]:
    """A journal with what was rotated from it, oldest first."""
    found: list[Path] = []
    while (name := path.with_name(f"{path.name}.{len(found) + 1}")).exists():
        found.append(name)
    return [*reversed(found), *([path] if path.exists() else [])]
