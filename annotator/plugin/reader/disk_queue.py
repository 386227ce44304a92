"""A queue of chunks in a file, which survives a kill: chunks that the killed plugin had not handed on wait there.

The head of the file names three places in it: `left`, before which all has left the outputs; `handed`, before which
all is with the worker; and the end. After a worker that ended well the next plugin goes on at `handed`, else at
`left`: then some lines are given twice, and none is missing
(`outputs.repeats` finds those that are in a file already). When all has left the file starts again from its
beginning, so that in quiet times the same few pages are used again and hardly ever written to the disk; in a stream
without a pause the rest is moved to the front once in a while. Nothing is forced to the disk: a crash of the machine
may lose it.
"""

from __future__ import annotations

import fcntl
import os
import stat
import struct
from typing import NamedTuple

MAGIC = b"\xa5CONTQ2\n"
_HEAD = struct.Struct("!8sQQQ")
_SIZE = struct.Struct("!I")
_OPEN = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
BATCH_BYTES = 256 * 1024
"""Bytes that are taken together, when so many wait."""
ROOM = 1 << 20
"""Bytes that an empty file keeps."""
SHARE = 16
"""The rest is moved to the front when so many times its size has left: so it costs little, and the file stays short."""


class Batch(NamedTuple):
    """Chunks that were taken together, and the place behind them."""

    data: bytes
    place: int


class DiskQueue:
    """One file, locked. `clean`: the plugin before ended well. Raises OSError; BlockingIOError where it is in use."""

    def __init__(self, path: str, *, create: bool, clean: bool = True) -> None:
        self.path = path
        flags = os.O_RDWR | _OPEN | (os.O_CREAT | os.O_EXCL if create else 0)
        self.fd = os.open(path, flags, 0o600)
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self.fd)
            raise
        info = os.fstat(self.fd)
        head = os.pread(self.fd, _HEAD.size, 0)
        self._left = self._handed = self._end = _HEAD.size
        if not create:
            foreign = info.st_uid not in (0, os.geteuid()) or info.st_mode & 0o022 or not stat.S_ISREG(info.st_mode)
            if foreign or len(head) < _HEAD.size or not head.startswith(MAGIC):
                os.close(self.fd)
                raise OSError(0, "others may write it, or it is no backlog")
            _, left, handed, end = _HEAD.unpack(head)
            self._end = max(_HEAD.size, min(end, info.st_size))
            self._left = self._handed = min(self._end, max(_HEAD.size, handed if clean else left))
        self._at: int = self._left
        self._moved = 0  # a place, as callers know it, is one in the file plus this
        try:
            self._write_head()
        except OSError:  # a full disk
            os.close(self.fd)
            if create:
                os.unlink(path)  # noqa: PTH108
            raise

    @property
    def size(self) -> int:
        """Bytes not taken yet."""
        return self._end - self._at

    @property
    def is_empty(self) -> bool:
        """Whether all has left."""
        return self._left >= self._end

    def put(self, chunk: bytes) -> None:
        """Append; on OSError (disk full) nothing was."""
        data = _SIZE.pack(len(chunk)) + chunk
        done = 0
        while done < len(data):
            done += os.pwrite(self.fd, memoryview(data)[done:], self._end + done)
        self._end += len(data)
        self._write_head()

    def take(self, most: int = BATCH_BYTES) -> Batch | None:
        """The oldest chunks, as many as fit; None when there is none. A damaged end counts as none."""
        if self._at >= self._end:
            return None
        data = os.pread(self.fd, min(self._end - self._at, most + _SIZE.size), self._at)
        chunks: list[bytes] = []
        at = 0
        while len(data) - at >= _SIZE.size:
            stop = at + _SIZE.size + _SIZE.unpack_from(data, at)[0]
            if stop > len(data):
                break
            chunks.append(data[at + _SIZE.size : stop])
            at = stop
        if not chunks:
            return self._take_long(data)
        self._at += at
        return Batch(b"".join(chunks), self._at + self._moved)

    def _take_long(self, data: bytes) -> Batch | None:
        """A chunk that is longer than a batch."""
        length = _SIZE.unpack_from(data)[0] if len(data) >= _SIZE.size else 0
        if not length or self._at + _SIZE.size + length > self._end:
            self._at = self._end
            self.leave(self._end + self._moved)
            return None
        chunk = os.pread(self.fd, length, self._at + _SIZE.size)
        self._at += _SIZE.size + length
        return Batch(chunk, self._at + self._moved)

    def hand_on(self, place: int) -> None:
        """All chunks before this place are with the worker."""
        if place - self._moved > self._handed:
            self._handed = place - self._moved
            self._write_head()

    def leave(self, place: int) -> None:
        """All chunks before this place have left. When that is all, the file starts again."""
        self._left = max(self._left, place - self._moved)
        self._handed = max(self._handed, self._left)
        if self.is_empty:
            if self._end > ROOM:
                os.ftruncate(self.fd, ROOM)
            self._at = self._left = self._handed = self._end = _HEAD.size
        elif self._left - _HEAD.size >= max(ROOM, SHARE * (self._end - self._left)):
            self._move_up()
        self._write_head()

    def _move_up(self) -> None:
        """Copy the rest to the front. It is in both places until the head says which one counts."""
        front, done = _HEAD.size, 0
        try:
            while data := os.pread(self.fd, min(BATCH_BYTES, self._end - self._left - done), self._left + done):
                done += os.pwrite(self.fd, data, front + done)
        except OSError:
            return
        if done < self._end - self._left:  # the file was cut by somebody else
            return
        gone = self._left - front
        self._moved += gone
        self._left, self._handed, self._at, self._end = (
            front, self._handed - gone, self._at - gone, self._end - gone,
        )  # fmt: skip
        self._write_head()
        os.ftruncate(self.fd, max(ROOM, self._end))

    def close(self) -> None:
        """Close the file; one from which all has left is removed."""
        os.close(self.fd)
        if self.is_empty:
            os.unlink(self.path)  # noqa: PTH108  (pathlib would double what the reader imports)

    def _write_head(self) -> None:
        os.pwrite(self.fd, _HEAD.pack(MAGIC, self._left, self._handed, self._end), 0)
