"""A file that is rotated by size or age, and that never holds half a line."""

from __future__ import annotations

import errno
import gzip
import importlib.util
import os
import re
import stat
import threading
from typing import TYPE_CHECKING, BinaryIO, Literal

from annotator.core.errors import SinkError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
_COPY = 1024 * 1024


class DiskFull(SinkError):
    """The disk has no room. `rest` are the units that were not written; all before them were."""

    def __init__(self, what: str, rest: bytes) -> None:
        super().__init__(what, "Make room: the output goes on by itself.")
        self.rest = rest


class FileSink:
    """Appends to `path`; beyond `max_bytes` (0: never) it becomes `path.1`, `path.1` becomes `path.2`, up to `keep`.

    `max_age` (seconds, 0: never) rotates too, when `tick` is told the time. `compress` packs what was rotated, in a
    thread. `lines` False: a unit is one `write`, as for msgpack, not a line. `set_access` is given each new file (and
    each compressed one) as an open descriptor, to set its group or ACL; an OSError of it is an error of the file.
    When the disk is full, whole units are dropped and counted (`dropped_bytes`, `dropped_lines`), and what was written
    of a unit is taken back, so that writing goes on at a boundary as soon as there is room. With `keep_all` they are
    not dropped: DiskFull gives them back. `rotations` and
    `rotation_failures` count; after a failure the file grows by another `max_bytes` before the next try.
    """

    def __init__(
        self,
        path: Path,
        *,
        mode: int = 0o600,
        max_bytes: int = 0,
        keep: int = 5,
        compress: Literal["gz", "zst"] | None = None,
        max_age: float = 0,
        lines: bool = True,
        set_access: Callable[[int], None] | None = None,
        keep_all: bool = False,
    ) -> None:
        self.path = path
        self._keep_all = keep_all
        self.written = self.dropped_bytes = self.dropped_lines = self.rotations = self.rotation_failures = 0
        self._mode, self._max_bytes, self._keep = mode, max_bytes, keep
        self._compress, self._max_age, self._lines = compress, max_age, lines
        self._limit = max_bytes
        self._set_access = set_access
        self._since: float | None = None
        self._packer: threading.Thread | None = None
        self._torn = False
        self._fd = -1
        self._size = 0
        if compress == "zst" and importlib.util.find_spec("zstandard") is None:
            raise SinkError("zst needs the Python package zstandard", "Install python3-zstandard, or compress with gz.")
        self._open()

    def write(self, data: bytes) -> None:
        """Append these units. Raises SinkError for what is not a full disk, and DiskFull with `keep_all`."""
        if self._fd < 0:
            raise SinkError(f"{self.path}: it is closed")
        if self._max_bytes and self._size and self._size + len(data) > self._limit:
            self.rotate()
        whole = b"\n" + data if self._torn else data
        done = self._append(whole)
        if done == len(whole):
            self._torn = False
            self.written += len(data)
            return
        kept = whole.rfind(b"\n", 0, done) + 1 if self._lines else 0
        self._torn = self._torn and not kept
        self._take_back(done - kept)
        kept = max(0, kept - (len(whole) - len(data)))
        self.written += kept
        if self._keep_all:
            raise DiskFull(f"{self.path}: no room on the disk after byte {self._size}", data[kept:])
        self.dropped_bytes += len(data) - kept
        self.dropped_lines += data.count(b"\n", kept) + (not data.endswith(b"\n")) if self._lines else 1

    def flush(self) -> None:
        """Nothing is held back: each write is one write(2)."""

    def close(self) -> None:
        """Close the file and wait for packing to end."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        if self._packer is not None:
            self._packer.join()
            self._packer = None

    def tick(self, now: float) -> None:
        """Rotate when the file is `max_age` seconds old, counted from the first `tick`; any clock, always the same."""
        if self._since is None:
            self._since = now
        if self._max_age and now - self._since >= self._max_age:
            self._since = now
            if self._size:
                self.rotate()

    def rotate(self) -> None:
        """Start a new file. A failure is counted, and the old file is used on."""
        if self._packer is not None:
            self._packer.join()
            self._packer = None
        try:
            self._shift()
        except (OSError, SinkError):
            self.rotation_failures += 1
            self._limit = self._size + self._max_bytes
            return
        self.rotations += 1

    def _open(self) -> None:
        """Make the file that has the name the one that is written; on SinkError the one before stays in use."""
        try:
            fd = self._opened()
        except OSError as error:
            link = error.errno == errno.ELOOP
            raise SinkError(
                f"{self.path}: cannot be written: {'it is a symbolic link' if link else error.strerror}",
                "Name the file itself." if link else "Make its directory, and give us the right to write there.",
            ) from error
        status = os.fstat(fd)
        if why := _unsafe(status):
            os.close(fd)
            raise SinkError(f"{self.path}: {why}", "Audit output must be ours alone: remove it, or chown and chmod it.")
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = fd
        self._size = status.st_size
        self._limit = self._max_bytes
        self._torn = False
        if self._lines and self._size:
            self._take_back(self._half())  # whoever wrote it last was killed within a line

    def _opened(self) -> int:
        try:
            fd = os.open(self.path, FLAGS | os.O_CREAT | os.O_EXCL, self._mode)
        except FileExistsError:
            return os.open(self.path, FLAGS)
        _finish(fd, self._mode, self._set_access)
        return fd

    def _half(self) -> int:
        """Bytes after the last newline; 0, and a line of its own for what follows, where that cannot be seen."""
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return 0
        start = max(0, self._size - _COPY)
        try:
            found = os.pread(fd, self._size - start, start).rfind(b"\n")
        finally:
            os.close(fd)
        if found < 0 < start:
            self._torn = True
            return 0
        return self._size - start - (found + 1)

    def _append(self, data: bytes) -> int:
        """How many bytes were written before the disk was full."""
        view = memoryview(data)
        while view:
            try:
                done = os.write(self._fd, view)
            except OSError as error:
                if error.errno in _FULL:
                    break
                raise SinkError(f"{self.path}: cannot write after byte {self._size}: {error.strerror}") from error
            self._size += done
            view = view[done:]
        return len(data) - len(view)

    def _take_back(self, count: int) -> None:
        """Cut the last bytes off the file: they are part of a unit that is dropped."""
        if not count:
            return
        try:
            os.ftruncate(self._fd, self._size - count)
        except OSError:
            self._torn = True  # (an append-only file) then at least the next unit starts on a line of its own
        else:
            self._size -= count

    def _shift(self) -> None:
        name = re.compile(re.escape(self.path.name) + r"\.(\d{1,6})(\.gz|\.zst)?")
        found = [
            (int(m[1]), m[2] or "", file) for file in self.path.parent.iterdir() if (m := name.fullmatch(file.name))
        ]
        for number, packed, file in sorted(found, reverse=True):
            if number >= self._keep:
                file.unlink()
            else:
                file.rename(self.path.with_name(f"{self.path.name}.{number + 1}{packed}"))
        if not self._keep:
            self.path.unlink()
            self._open()
            return
        first = self.path.with_name(self.path.name + ".1")
        self.path.rename(first)
        try:
            self._open()
        except SinkError:
            first.rename(self.path)  # no room for a new file: what is open keeps its name
            raise
        if self._compress is not None:
            self._packer = threading.Thread(
                target=_pack, args=(first, self._compress, self._mode, self._set_access), name="packer"
            )
            self._packer.start()


def _unsafe(status: os.stat_result) -> str:
    """Why this open file must not be written, '' when it may."""
    if not stat.S_ISREG(status.st_mode):
        return "it is not a regular file"
    if status.st_nlink > 1:
        return f"it has {status.st_nlink} names (hard links)"
    if status.st_uid not in (0, os.geteuid()):
        return f"it belongs to uid {status.st_uid}"
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"others may write it (mode {stat.S_IMODE(status.st_mode):04o})"
    return ""


def _finish(fd: int, mode: int, set_access: Callable[[int], None] | None) -> None:
    """Give a new file its mode, whatever the umask is, and what else was asked for."""
    os.fchmod(fd, mode)
    if set_access is not None:
        set_access(fd)


def _pack(path: Path, kind: Literal["gz", "zst"], mode: int, set_access: Callable[[int], None] | None) -> None:
    """Replace the file by its compressed form; when that fails (disk full) the file stays as it is."""
    part = path.with_name(f"{path.name}.{kind}.part")
    try:
        part.unlink(missing_ok=True)
        fd = os.open(part, FLAGS | os.O_CREAT | os.O_EXCL, mode)
        with path.open("rb") as source, os.fdopen(fd, "wb") as target:
            _finish(fd, mode, set_access)
            _squeeze(source, target, kind)
        part.rename(path.with_name(f"{path.name}.{kind}"))
        path.unlink()
    except OSError:
        part.unlink(missing_ok=True)


def _squeeze(source: BinaryIO, target: BinaryIO, kind: Literal["gz", "zst"]) -> None:
    if kind == "zst":
        import zstandard

        zstandard.ZstdCompressor(level=3).copy_stream(source, target)
        return
    with gzip.GzipFile("", "wb", 6, target, mtime=0) as packed:
        while data := source.read(_COPY):
            packed.write(data)
