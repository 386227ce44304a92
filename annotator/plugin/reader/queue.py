"""The bounded queue of lines that are not annotated yet, kept in a file; and the policies when it is full.

`block`  stdin is not read any further: auditd's own queue fills, and in the end the machine waits. Nothing is lost.
`spill`  the file may hold more, up to a configured size; when that, or the disk, is full too, `block`.
`pass`   from half full on, and until a quarter, chunks are marked to be passed without being attributed, which is
         several times faster; at the limit, `block`.

Files are `backlog-N`, read in the order of N; `disk_queue` says what a kill leaves of them. Chunks that the disk does
not take, and those that come before the directory is known or where there is none, wait in memory and are lost by a
kill (as auditd's own queue is).
"""

from __future__ import annotations

import os
from collections import deque
from typing import NamedTuple

from annotator.plugin.reader.disk_queue import BATCH_BYTES, DiskQueue


class Taken(NamedTuple):
    """A batch that was taken and has not left: its file, and the place behind it there. None: it is in no file."""

    file: DiskQueue | None
    place: int


class Queue:
    """Chunks in their order: left by the run before, then in this run's file, then in memory."""

    def __init__(self, limit: int = 64 << 20, policy: str = "block") -> None:
        self.limit = limit
        self.policy = policy
        self.spill_max = 0
        self.deepest = 0
        self.spilled = 0
        self.spill_failures = 0
        self.refused: list[str] = []
        self._memory: deque[bytes] = deque()
        self._memory_size = 0
        self._inherited: deque[DiskQueue] = deque()
        self._file: DiskQueue | None = None
        self._taken: deque[Taken] = deque()
        self._handed = 0  # of those, how many are with the worker
        self._directory = ""
        self._opened: set[int] = set()
        self._next = 1000
        self._passing = False

    def configure(self, limit: int, policy: str, spill_max: int, directory: str) -> None:
        """Take the settings; waiting chunks go to a file in `directory`, the first one that is given."""
        self.limit, self.policy, self.spill_max = limit, policy, spill_max
        if not directory or self._directory:
            return
        self._directory = directory
        self._next = max(self._numbers(), default=1000) + 1
        chunks, self._memory, self._memory_size = self._memory, deque(), 0
        for chunk in chunks:
            self._store(chunk)

    def inherit(self, *, clean: bool) -> bool:
        """Open the files of earlier runs before anything is handed on; whether these are all. `clean`: see `DiskQueue`.

        They are not all while a file is still in use: its reader, whose worker has ended, is about to end too.
        """
        complete = True
        for number in self._numbers() if self._directory else []:
            if number >= self._next or number in self._opened:
                continue
            try:
                self._inherited.append(DiskQueue(self._path(number), create=False, clean=clean))
            except BlockingIOError:
                complete = False
                continue
            except OSError as err:
                self.refused.append(f"{self._path(number)}: {err.strerror}")
            self._opened.add(number)
        self._inherited = deque(sorted(self._inherited, key=lambda one: int(one.path.rpartition("-")[2])))
        return complete

    def _numbers(self) -> list[int]:
        try:
            return sorted(int(name[8:]) for name in os.listdir(self._directory) if _is_ours(name))  # noqa: PTH208
        except OSError as err:
            self.refused.append(f"{self._directory}: {err.strerror}")
            return []

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Descriptors of its files, which a worker must not hold open: the locks would be its own too."""
        return tuple(one.fd for one in (*self._inherited, *([self._file] if self._file is not None else [])))

    @property
    def size(self) -> int:
        """Bytes of this run that were not handed on."""
        return self._memory_size + (self._file.size if self._file is not None else 0)

    @property
    def waiting(self) -> int:
        """Bytes that were not handed on, also those of earlier runs."""
        return self.size + sum(one.size for one in self._inherited)

    def is_full(self, sent: int) -> bool:
        """Whether no more may be read. `sent`: bytes that are with the worker, which has not finished them."""
        more = self.spill_max if self.policy == "spill" and not self._memory else 0
        return self.size + sent >= self.limit + more

    def put(self, chunk: bytes, sent: int = 0) -> None:
        """Take a chunk."""
        if self.size + sent >= self.limit:
            self.spilled += len(chunk)
        self._store(chunk)
        self.deepest = max(self.deepest, self.size)

    def take(self) -> tuple[bytes, bool] | None:
        """The next batch of chunks, and whether it is to be passed without being attributed."""
        while self._inherited and self._inherited[0].is_empty:
            self._inherited.popleft().close()
        for file in self._inherited:
            batch = file.take()
            if batch is not None:
                self._taken.append(Taken(file, batch.place))
                return batch.data, False
        if self.policy == "pass":
            self._passing = self.size > (self.limit // 4 if self._passing else self.limit // 2)
        passing = self._passing and self.policy == "pass"
        batch = self._file.take() if self._file is not None else None
        if batch is not None:
            self._taken.append(Taken(self._file, batch.place))
            return batch.data, passing
        if not self._memory:
            return None
        chunks = [self._memory.popleft()]
        length = len(chunks[0])
        while self._memory and length + len(self._memory[0]) <= BATCH_BYTES:
            chunks.append(self._memory.popleft())
            length += len(chunks[-1])
        self._memory_size -= length
        self._taken.append(Taken(None, 0))
        return b"".join(chunks), passing

    def hand_on(self) -> None:
        """The next of the taken batches is with the worker."""
        if self._handed < len(self._taken):
            file, place = self._taken[self._handed]
            self._handed += 1
            if file is not None:
                file.hand_on(place)

    def restart(self) -> None:
        """There is another worker, and none of the taken batches is with it."""
        self._handed = 0

    def leave(self) -> None:
        """The oldest of the taken batches has left."""
        if self._taken:
            file, place = self._taken.popleft()
            self._handed = max(0, self._handed - 1)
            if file is not None:
                file.leave(place)

    def leave_to_next_run(self, unfinished: list[bytes]) -> int:
        """Leave all waiting chunks to the next run; returns how many bytes could not be kept. Nothing may be put after.

        `unfinished` are the batches that were taken and have not left: those in a file wait there already.
        """
        if not self._directory:
            return self.waiting + sum(map(len, unfinished))
        in_memory = [chunk for chunk, taken in zip(unfinished, self._taken, strict=False) if taken.file is None]
        first = min([int(one.path.rpartition("-")[2]) for one in self._inherited], default=self._next) - 1
        lost = self._write(first, in_memory) + self._write(self._next + 1, list(self._memory))
        for file in (*self._inherited, *([self._file] if self._file is not None else [])):
            file.close()
        return lost

    def _store(self, chunk: bytes) -> None:
        """Store a chunk in the file, unless others wait in memory already: those came before."""
        if self._directory and not self._memory:
            try:
                if self._file is None:
                    self._file = DiskQueue(self._path(self._next), create=True)
                self._file.put(chunk)
            except OSError:
                self.spill_failures += 1
            else:
                return
        self._memory.append(chunk)
        self._memory_size += len(chunk)

    def _write(self, number: int, chunks: list[bytes]) -> int:
        if not chunks:
            return 0
        rest = list(chunks)
        try:
            file = DiskQueue(self._path(number), create=True)
            while rest:
                file.put(rest[0])
                del rest[0]
            file.close()
        except OSError:
            return sum(map(len, rest))
        return 0

    def _path(self, number: int) -> str:
        return f"{self._directory}/backlog-{number}"


def _is_ours(name: str) -> bool:
    return name.startswith("backlog-") and name[8:].isdigit() and len(name) < 24
