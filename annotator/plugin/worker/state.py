"""The knowledge of a worker, kept over its end: the state file, and the lock that one worker holds at a time."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING

from annotator.core.errors import StoreError
from annotator.core.stats import Stats
from annotator.events import EventAssembler
from annotator.plugin.worker.machine import header
from annotator.storage.checkpoint_restore import restore
from annotator.storage.checkpoint_save import save

if TYPE_CHECKING:
    from annotator.engine.pipeline import Tables
    from annotator.io.log import Log
    from annotator.plugin.config import Config

ENDED = b"ended\n"

PATIENCE_S = 65.0
"""How long a worker that is still ending is waited for, beside its `process.drain_s`: it writes the rest, then saves.

Its reader waits as long for that, and the reader of this one queues what comes."""


class ReaderGone(Exception):
    """The reader was killed before this worker was given anything."""


class WorkerState:
    """The state directory of a worker. Nothing is kept without one, or where another plugin uses it.

    `clean`: the worker before ended well, so that all it was given has left; it notes that in the lock file. Raises
    ReaderGone.

    A worker whose reader was killed goes on until its outputs have written the rest, while auditd starts the next
    plugin. That one waits here before it opens an output, so that no two write one file at the same time.
    """

    def __init__(self, config: Config, node: str, log: Log, link: socket.socket) -> None:
        self.node, self.log = node, log
        self._path = Path(config.state.directory) / "state" if config.state.directory else None
        self._lock = -1
        self.clean = True
        if self._path is None:
            return
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            self._lock = os.open(self._path.with_name("lock"), flags, 0o600)
            until = time.monotonic() + config.process.drain_s + PATIENCE_S
            while not _locked(self._lock):
                _check_reader(link)
                if time.monotonic() > until:
                    self._give_up("another plugin uses it")
                    return
                time.sleep(0.02)
            _check_reader(link)
            self.clean = os.pread(self._lock, len(ENDED), 0) == ENDED
            os.ftruncate(self._lock, 0)
        except OSError as err:
            self._give_up(err.strerror)

    def close(self) -> None:
        """Note that all chunks of this worker have left."""
        if self._path is not None:
            try:
                os.pwrite(self._lock, ENDED, 0)
            except OSError:
                return  # a full disk: the next one repeats some lines

    @property
    def is_ours(self) -> bool:
        """Whether the directory is this worker's alone, so that the chunks in it may be taken."""
        return self._path is not None

    def load(self, tables: Tables, assembler: EventAssembler) -> None:
        """Restore the knowledge of an earlier run."""
        if self._path is None:
            return
        try:
            restore(
                self._path, header(self.node), tables, assembler, tell=lambda text: self.log.info("state", what=text)
            )
        except OSError as err:
            self._give_up(err.strerror)
        except StoreError as err:
            self.log.warning("state-unused", why=err.what, advice=err.advice)

    def save(self, tables: Tables, assembler: EventAssembler) -> None:
        """Save the knowledge. Lines that wait are not part of it: the reader keeps them until they have left."""
        if self._path is None:
            return
        empty = EventAssembler(assembler.completes, Stats(), ordered=True)
        empty.clock, empty.serials = assembler.clock, assembler.serials
        try:
            save(self._path, header(self.node), tables, empty, None)
        except StoreError as err:
            self.log.error("state-not-saved", what=err.what, advice=err.advice)

    def _give_up(self, why: object) -> None:
        self.log.warning("state-unused", why=why, path=self._path)
        self._path = None


def _check_reader(link: socket.socket) -> None:
    """Raise ReaderGone when the reader has ended."""
    try:
        if not link.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT):
            raise ReaderGone
    except BlockingIOError:
        return
    except OSError:
        raise ReaderGone from None


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
