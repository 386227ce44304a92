"""What was read and is not annotated yet: bounded in memory, and what happens when it is full.

`block`  stdin is not read on: auditd's own queue fills, and at last the machine waits. Nothing is lost.
`spill`  chunks go to a file, and come back in their order; when that, or the disk, is full too, `block`.
`pass`   from half full on, and until a quarter, chunks are marked to be passed without being looked at, which is
         several times faster; at the limit, `block`.

Files are `backlog-N`, read in the order of N. What a stopping plugin could not hand on is left in such files and is the
first thing the next one reads. A file's first 16 bytes are a magic and the offset up to which it was read, so that
a kill repeats nothing; what was in memory then is gone (auditd's own queue fares no better).
"""

from __future__ import annotations

import os
import stat
import struct
from collections import deque

MAGIC = b"\xa5CONTQ1\n"
_HEAD = struct.Struct("!8sQ")
_SIZE = struct.Struct("!I")
_OPEN = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
BATCH = 256 * 1024
"""Bytes that are handed on together, when so many wait."""


class Overflow:
    """A queue of chunks in one file. Raises OSError."""

    def __init__(self, path: str, *, create: bool) -> None:
        self.path = path
        flags = os.O_RDWR | _OPEN | (os.O_CREAT | os.O_EXCL if create else 0)
        self._fd = os.open(path, flags, 0o600)
        info = os.fstat(self._fd)
        head = os.pread(self._fd, _HEAD.size, 0)
        if create:
            os.pwrite(self._fd, _HEAD.pack(MAGIC, _HEAD.size), 0)
            head = _HEAD.pack(MAGIC, _HEAD.size)
        foreign = info.st_uid not in (0, os.geteuid()) or info.st_mode & 0o022 or not stat.S_ISREG(info.st_mode)
        if foreign or len(head) < _HEAD.size or not head.startswith(MAGIC):
            os.close(self._fd)
            raise OSError(0, "others may write it, or it is no backlog")
        self._at: int = max(_HEAD.size, _HEAD.unpack(head)[1])
        self._end = max(info.st_size, _HEAD.size)

    @property
    def size(self) -> int:
        """Bytes not taken yet."""
        return max(0, self._end - self._at)

    def put(self, chunk: bytes) -> None:
        """Append; on OSError (disk full) nothing was."""
        data = _SIZE.pack(len(chunk)) + chunk
        done = 0
        try:
            while done < len(data):
                done += os.pwrite(self._fd, memoryview(data)[done:], self._end + done)
        except OSError:
            os.ftruncate(self._fd, self._end)
            raise
        self._end += len(data)

    def take(self) -> bytes | None:
        """The oldest chunk, or None. A torn or damaged end is none."""
        head = os.pread(self._fd, _SIZE.size, self._at) if self.size >= _SIZE.size else b""
        length = _SIZE.unpack(head)[0] if len(head) == _SIZE.size else 0
        if not length or self._at + _SIZE.size + length > self._end:
            self._at = self._end
            return None
        chunk = os.pread(self._fd, length, self._at + _SIZE.size)
        self._at += _SIZE.size + length
        if self._at >= self._end:  # all is taken: the file starts anew, and gives its room back
            os.ftruncate(self._fd, _HEAD.size)
            self._at = self._end = _HEAD.size
        os.pwrite(self._fd, _HEAD.pack(MAGIC, self._at), 0)
        return chunk

    def close(self) -> None:
        """Let go; an empty file is removed."""
        os.close(self._fd)
        if not self.size:
            os.unlink(self.path)  # noqa: PTH108  (pathlib would double what the reader imports)


class Backlog:
    """Chunks in their order: left by the run before, then memory, then disk."""

    def __init__(self, limit: int = 64 << 20, policy: str = "block") -> None:
        self.limit = limit
        self.policy = policy
        self.spill_max = 0
        self.size = 0
        self.deepest = 0
        self.spilled = 0
        self.spill_failures = 0
        self.refused: list[str] = []
        self._memory: deque[bytes] = deque()
        self._tail: deque[bytes] = deque()  # what the disk did not take; it stands behind what is there
        self._old: deque[Overflow] = deque()
        self._disk: Overflow | None = None
        self._directory = ""
        self._next = 1000
        self._passing = False

    def configure(self, limit: int, policy: str, spill_max: int, directory: str) -> None:
        """Take the settings, and (the first time) what an earlier run left in `directory`."""
        self.limit, self.policy, self.spill_max = limit, policy, spill_max
        if not directory or self._directory:
            return
        self._directory = directory
        try:
            numbers = sorted(int(name[8:]) for name in os.listdir(directory) if _is_ours(name))  # noqa: PTH208
        except OSError as err:
            self.refused.append(f"{directory}: {err.strerror}")
            return
        for number in numbers:
            try:
                self._old.append(Overflow(self._path(number), create=False))
            except OSError as err:
                self.refused.append(f"{self._path(number)}: {err.strerror}")
        self._next = (numbers[-1] if numbers else 1000) + 1

    @property
    def waiting(self) -> int:
        """Bytes not handed on, wherever they are."""
        return self.size + sum(one.size for one in self._old) + (self._disk.size if self._disk is not None else 0)

    def is_full(self, sent: int) -> bool:
        """Whether no more may be read. `sent` bytes are with the worker, which has not finished them."""
        if self._tail:
            return True
        if self._spilt:
            return self._spilt >= self.spill_max
        if self.size + sent < self.limit:
            return False
        return self.policy != "spill" or not self._directory

    @property
    def _spilt(self) -> int:
        return self._disk.size if self._disk is not None else 0

    def put(self, chunk: bytes, sent: int = 0) -> None:
        """Take a chunk."""
        full = self.size + sent >= self.limit
        spill = self.policy == "spill" and bool(self._directory) and (full or self._spilt > 0)
        if spill and not self._tail and self._spill(chunk):
            return
        (self._tail if spill else self._memory).append(chunk)
        self.size += len(chunk)
        self.deepest = max(self.deepest, self.size)

    def take(self) -> tuple[bytes, bool] | None:
        """The next batch of chunks, and whether it is to be passed without being looked at."""
        while self._old:
            chunk = self._old[0].take()
            if chunk is not None:
                return chunk, False
            self._old.popleft().close()
        if not self._memory:
            chunk = self._disk.take() if self._disk is not None else None
            if chunk is not None:
                return chunk, False
            self._memory, self._tail = self._tail, self._memory
        if not self._memory:
            return None
        if self.policy == "pass":
            self._passing = self.size > (self.limit // 4 if self._passing else self.limit // 2)
        batch = [self._memory.popleft()]
        length = len(batch[0])
        while self._memory and length + len(self._memory[0]) <= BATCH:
            batch.append(self._memory.popleft())
            length += len(batch[-1])
        self.size -= length
        return b"".join(batch), self._passing and self.policy == "pass"

    def keep(self, unfinished: list[bytes]) -> int:
        """Leave all that waits to the next run; returns how many bytes could not be kept. Nothing may be put after."""
        if not self._directory:
            return self.waiting + sum(map(len, unfinished))
        first = min([int(one.path.rpartition("-")[2]) for one in self._old], default=self._next) - 1
        lost = self._write(first, unfinished) + self._write(self._next, list(self._memory))
        lost += self._write(self._next + 2, list(self._tail))
        for one in (*self._old, *([self._disk] if self._disk is not None else [])):
            one.close()
        return lost

    def _write(self, number: int, chunks: list[bytes]) -> int:
        if not chunks:
            return 0
        left = list(chunks)
        try:
            file = Overflow(self._path(number), create=True)
            while left:
                file.put(left[0])
                del left[0]
            file.close()
        except OSError:
            return sum(map(len, left))
        return 0

    def _spill(self, chunk: bytes) -> bool:
        try:
            if self._disk is None:
                self._disk = Overflow(self._path(self._next + 1), create=True)
            self._disk.put(chunk)
        except OSError:
            self.spill_failures += 1
            return False
        self.spilled += len(chunk)
        return True

    def _path(self, number: int) -> str:
        return f"{self._directory}/backlog-{number}"


def _is_ours(name: str) -> bool:
    return name.startswith("backlog-") and name[8:].isdigit() and len(name) < 24
