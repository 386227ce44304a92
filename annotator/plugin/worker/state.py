"""What a worker knows, kept over its end: the state file, and the lock that only one worker holds at a time."""

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
    from annotator.plugin.config import Config
    from annotator.plugin.log import Notes

ENDED = b"ended\n"

PATIENCE_S = 8.0
"""How long a worker that is still ending is given, beside its `process.drain_s`: it writes what it was given."""


class Orphaned(Exception):
    """The reader was killed before this worker was given anything."""


class Memory:
    """Nothing is kept where there is no `state.directory`, or where another plugin uses it.

    `clean`: the worker before ended well, so that all it was given has left; it says so in the lock's file. `ours`: the
    directory is this worker's alone. Raises Orphaned.

    A worker whose reader was killed goes on until its outputs have what it holds, while auditd starts the next plugin.
    That one waits here before it opens an output, so that no two write one file at the same time.
    """

    def __init__(self, config: Config, node: str, notes: Notes, link: socket.socket) -> None:
        self.node, self.notes = node, notes
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
                _mind(link)
                if time.monotonic() > until:
                    self._give_up("another plugin uses it")
                    return
                time.sleep(0.02)
            _mind(link)
            self.clean = os.pread(self._lock, len(ENDED), 0) == ENDED
            os.ftruncate(self._lock, 0)
        except OSError as err:
            self._give_up(err.strerror)

    def close(self) -> None:
        """All that we were given has left."""
        if self._path is not None:
            try:
                os.pwrite(self._lock, ENDED, 0)
            except OSError:
                return  # a full disk: the next one repeats some lines

    @property
    def ours(self) -> bool:
        """Whether what is in the directory may be taken."""
        return self._path is not None

    def learn(self, tables: Tables, grouper: EventAssembler) -> None:
        """What an earlier run knew."""
        if self._path is None:
            return
        try:
            restore(
                self._path, header(self.node), tables, grouper, tell=lambda text: self.notes.info("state", what=text)
            )
        except OSError as err:
            self._give_up(err.strerror)
        except StoreError as err:
            self.notes.warning("state-unused", why=err.what, advice=err.advice)

    def save(self, tables: Tables, grouper: EventAssembler) -> None:
        """Keep what is known. Lines that wait are not part of it: the reader has them until they have left."""
        if self._path is None:
            return
        kept = EventAssembler(grouper.completes, Stats(), ordered=True)
        kept.clock, kept.serials = grouper.clock, grouper.serials
        try:
            save(self._path, header(self.node), tables, kept, None)
        except StoreError as err:
            self.notes.error("state-not-saved", what=err.what, advice=err.advice)

    def _give_up(self, why: object) -> None:
        self.notes.warning("state-unused", why=why, path=self._path)
        self._path = None


def _mind(link: socket.socket) -> None:
    """Raise Orphaned when nobody is there any more."""
    try:
        if not link.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT):
            raise Orphaned
    except BlockingIOError:
        return
    except OSError:
        raise Orphaned from None


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
