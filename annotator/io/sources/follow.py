"""A file that is being written: like `tail -F`, and no line is lost or given twice when it is rotated."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING

from annotator.core.errors import SourceError
from annotator.io.sources.files import order, unreadable
from annotator.io.sources.lines import READ, Block, Cutter, Position

if TYPE_CHECKING:
    from pathlib import Path

POLL = 0.25
"""Seconds between two looks at a file that does not grow."""

GRACE = 20
"""Looks at a file rotated away that may still grow (its last line is open, or the new file empty) before it is left."""


def follow(
    path: Path, *, sleep: Callable[[float], None], stop: Callable[[], bool], start: int | Position = 0
) -> Follower:
    """Blocks as `path` grows, and None whenever there is nothing new, until `stop()` says so.

    `start` is a byte of the file, or a saved `Position`: then reading goes on in whichever file of the rotated set has
    that inode. The file need not exist yet. An unfinished last line is not given while the file may still grow.
    """
    return Follower(path, sleep, stop, start)


class Follower(Iterator["Block | None"]):
    """What `follow` returns. Use the counters for reports, `position` for saving.

    `rotations`: changes to the next file. `truncations`: the file became shorter than what was read of it
    (copytruncate), so it was read from its start; truncating and growing beyond that between two looks cannot be seen.
    `strays`: the file to go on with was not there (deleted or compressed), so lines may be missing.
    """

    def __init__(
        self, path: Path, sleep: Callable[[float], None], stop: Callable[[], bool], start: int | Position
    ) -> None:
        self.path = path
        self.rotations = self.truncations = self.strays = 0
        self.position = start if isinstance(start, Position) else Position(0, 0, start)
        self._sleep = sleep
        self._stop = stop
        self._over = False
        self._blocks = self._run()

    def __iter__(self) -> Follower:
        """Itself."""
        return self

    def __next__(self) -> Block | None:
        """The next block, or None when nothing is new. Raises SourceError when the file cannot be read."""
        return next(self._blocks)

    def close(self) -> None:
        """Let go of the file."""
        self._blocks.close()

    def _run(self) -> Generator[Block | None, None, None]:
        while not self._stop():
            fd = self._open()
            if fd < 0:
                yield None
                self._sleep(POLL)
                continue
            try:
                yield from self._drain(fd)
            finally:
                os.close(fd)

    def _open(self) -> int:
        """The next file to read, with `position` set to where in it; -1 when there is none (yet)."""
        path, offset, expected = self._choose()
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            return -1
        except OSError as error:
            raise unreadable(str(path), error, offset) from error
        status = os.fstat(fd)
        if expected is not None and (status.st_dev, status.st_ino) != expected:
            os.close(fd)  # rotated between the choice and the opening: choose again
            return -1
        if expected is None and self.position.inode:
            self.strays += 1
        if self._over:
            self.rotations += 1
            self._over = False
        self.position = Position(status.st_dev, status.st_ino, offset)
        return fd

    def _choose(self) -> tuple[Path, int, tuple[int, int] | None]:
        """The file that holds `position`, or when that one is over the next newer one; the byte; who it is."""
        if not self.position.inode:
            return self.path, self.position.offset, None
        files = self._files()
        known = [_identity(file) for file in files]
        here = self.position[:2]
        if here not in known:
            return self.path, 0, None
        at = known.index(here)
        if self._over and at + 1 < len(files):
            return files[at + 1], 0, known[at + 1] or (0, 0)
        return files[at], self.position.offset, here

    def _files(self) -> list[Path]:
        """The plain files of the rotated set, oldest first, the followed one last."""
        prefix = self.path.name + "."
        try:
            beside = [file for file in self.path.parent.iterdir() if file.name.startswith(prefix)]
        except OSError:
            return [self.path]
        older = [file for file in beside if file.name.removeprefix(prefix).isdecimal()]
        return [*order(older), self.path]

    def _drain(self, fd: int) -> Iterator[Block | None]:
        """All of one file: to the end of its growth and, when it was rotated away, of its life."""
        device, inode, offset = self.position
        cutter = Cutter(str(self.path), offset, device, inode)
        self._seek(fd, offset)
        looks = 0
        while not self._stop():
            if os.fstat(fd).st_size < cutter.offset + cutter.held:
                yield from self._last(cutter)
                self.truncations += 1
                cutter.offset = 0
                self._seek(fd, 0)
            data = self._read(fd, cutter)
            if data:
                looks = 0
                if (block := cutter.feed(data)) is not None:
                    self.position = block.position
                    yield block
                continue
            newer = self._replaced(device, inode)
            # The second look comes after the new file was seen: what was written before it appeared has been read.
            if newer is not None and looks and (looks > GRACE or (newer and not cutter.held)):
                yield from self._last(cutter)
                self._over = True
                return
            looks = looks + 1 if newer is not None else 0
            if newer and not cutter.held:
                continue
            yield None
            self._sleep(POLL)

    def _last(self, cutter: Cutter) -> Iterator[Block]:
        if (block := cutter.end()) is not None:
            self.position = block.position
            yield block

    def _replaced(self, device: int, inode: int) -> int | None:
        """The size of the file that now has the name, when it is another one than ours; else None."""
        try:
            status = self.path.stat()
        except OSError:
            return None
        return None if (status.st_dev, status.st_ino) == (device, inode) else status.st_size

    def _seek(self, fd: int, offset: int) -> None:
        try:
            os.lseek(fd, offset, os.SEEK_SET)
        except OSError as error:
            raise SourceError(f"{self.path}: cannot be followed: {error.strerror}", "Only files can be.") from error

    def _read(self, fd: int, cutter: Cutter) -> bytes:
        try:
            return os.read(fd, READ)
        except OSError as error:
            raise unreadable(str(self.path), error, cutter.offset + cutter.held) from error


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
