"""What was read and is not annotated yet: bounded, kept in a file, and what happens when it is full.

`block`  stdin is not read on: auditd's own queue fills, and at last the machine waits. Nothing is lost.
`spill`  the file may hold as much more as is configured; when that, or the disk, is full too, `block`.
`pass`   from half full on, and until a quarter, chunks are marked to be passed without being looked at, which is
         several times faster; at the limit, `block`.

Files are `backlog-N`, read in the order of N; see `spool` for what a kill leaves of them. What the disk does not take,
and what comes before the directory is known or where there is none, waits in memory, and goes with a kill (auditd's own
queue fares no better).
"""

from __future__ import annotations

import os
from collections import deque
from typing import NamedTuple

from annotator.plugin.reader.disk_queue import BATCH, Spool


class Given(NamedTuple):
    """What was taken and has not left: the file it is in, and the place behind it there. None: it is in no file."""

    spool: Spool | None
    place: int


class Backlog:
    """Chunks in their order: left by the run before, then this run's file, then what the disk did not take."""

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
        self._old: deque[Spool] = deque()
        self._file: Spool | None = None
        self._given: deque[Given] = deque()
        self._handed = 0  # of those, how many are with the worker
        self._directory = ""
        self._seen: set[int] = set()
        self._next = 1000
        self._passing = False

    def configure(self, limit: int, policy: str, spill_max: int, directory: str) -> None:
        """Take the settings; what waits goes to a file in `directory`, the first one that is given."""
        self.limit, self.policy, self.spill_max = limit, policy, spill_max
        if not directory or self._directory:
            return
        self._directory = directory
        self._next = max(self._numbers(), default=1000) + 1
        came, self._memory, self._memory_size = self._memory, deque(), 0
        for chunk in came:
            self._keep(chunk)

    def inherit(self, *, clean: bool) -> bool:
        """Take what earlier runs left, before anything is handed on; whether that is all. `clean`: see `Spool`.

        It is not while a file is still in use: its reader, whose worker has ended, is about to end too.
        """
        done = True
        for number in self._numbers() if self._directory else []:
            if number >= self._next or number in self._seen:
                continue
            try:
                self._old.append(Spool(self._path(number), create=False, clean=clean))
            except BlockingIOError:
                done = False
                continue
            except OSError as err:
                self.refused.append(f"{self._path(number)}: {err.strerror}")
            self._seen.add(number)
        self._old = deque(sorted(self._old, key=lambda one: int(one.path.rpartition("-")[2])))
        return done

    def _numbers(self) -> list[int]:
        try:
            return sorted(int(name[8:]) for name in os.listdir(self._directory) if _is_ours(name))  # noqa: PTH208
        except OSError as err:
            self.refused.append(f"{self._directory}: {err.strerror}")
            return []

    @property
    def descriptors(self) -> tuple[int, ...]:
        """Of its files, which a worker must not hold open: the locks would be its own too."""
        return tuple(one.fd for one in (*self._old, *([self._file] if self._file is not None else [])))

    @property
    def size(self) -> int:
        """Bytes of this run that were not handed on."""
        return self._memory_size + (self._file.size if self._file is not None else 0)

    @property
    def waiting(self) -> int:
        """Bytes not handed on, wherever they are from."""
        return self.size + sum(one.size for one in self._old)

    def is_full(self, sent: int) -> bool:
        """Whether no more may be read. `sent` bytes are with the worker, which has not finished them."""
        more = self.spill_max if self.policy == "spill" and not self._memory else 0
        return self.size + sent >= self.limit + more

    def put(self, chunk: bytes, sent: int = 0) -> None:
        """Take a chunk."""
        if self.size + sent >= self.limit:
            self.spilled += len(chunk)
        self._keep(chunk)
        self.deepest = max(self.deepest, self.size)

    def take(self) -> tuple[bytes, bool] | None:
        """The next batch of chunks, and whether it is to be passed without being looked at."""
        while self._old and self._old[0].is_empty:
            self._old.popleft().close()
        for one in self._old:
            found = one.take()
            if found is not None:
                self._given.append(Given(one, found[1]))
                return found[0], False
        if self.policy == "pass":
            self._passing = self.size > (self.limit // 4 if self._passing else self.limit // 2)
        passing = self._passing and self.policy == "pass"
        found = self._file.take() if self._file is not None else None
        if found is not None:
            self._given.append(Given(self._file, found[1]))
            return found[0], passing
        if not self._memory:
            return None
        batch = [self._memory.popleft()]
        length = len(batch[0])
        while self._memory and length + len(self._memory[0]) <= BATCH:
            batch.append(self._memory.popleft())
            length += len(batch[-1])
        self._memory_size -= length
        self._given.append(Given(None, 0))
        return b"".join(batch), passing

    def hand(self) -> None:
        """The next of those that were taken is with the worker."""
        if self._handed < len(self._given):
            spool, place = self._given[self._handed]
            self._handed += 1
            if spool is not None:
                spool.hand(place)

    def again(self) -> None:
        """There is another worker, and none of those that were taken is with it."""
        self._handed = 0

    def leave(self) -> None:
        """The oldest of those that were taken has left."""
        if self._given:
            spool, place = self._given.popleft()
            self._handed = max(0, self._handed - 1)
            if spool is not None:
                spool.leave(place)

    def keep(self, unfinished: list[bytes]) -> int:
        """Leave all that waits to the next run; returns how many bytes could not be kept. Nothing may be put after.

        `unfinished` are those that were taken and have not left: what is in a file waits there already.
        """
        if not self._directory:
            return self.waiting + sum(map(len, unfinished))
        loose = [chunk for chunk, given in zip(unfinished, self._given, strict=False) if given.spool is None]
        first = min([int(one.path.rpartition("-")[2]) for one in self._old], default=self._next) - 1
        lost = self._write(first, loose) + self._write(self._next + 1, list(self._memory))
        for one in (*self._old, *([self._file] if self._file is not None else [])):
            one.close()
        return lost

    def _keep(self, chunk: bytes) -> None:
        """Into the file, unless something waits in memory already: that came before."""
        if self._directory and not self._memory:
            try:
                if self._file is None:
                    self._file = Spool(self._path(self._next), create=True)
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
        left = list(chunks)
        try:
            file = Spool(self._path(number), create=True)
            while left:
                file.put(left[0])
                del left[0]
            file.close()
        except OSError:
            return sum(map(len, left))
        return 0

    def _path(self, number: int) -> str:
        return f"{self._directory}/backlog-{number}"


def _is_ours(name: str) -> bool:
    return name.startswith("backlog-") and name[8:].isdigit() and len(name) < 24
