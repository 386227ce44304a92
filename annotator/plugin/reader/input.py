"""The reader's input: standard input, or auditd's `audispd_events` socket, cut into complete lines."""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING

from annotator.plugin.reader.framing import Framer, framer

if TYPE_CHECKING:
    from annotator.io.log import Log
    from annotator.plugin.reader.supervisor import ReaderSettings

READ = 256 * 1024
PAUSE_S = 0.002
"""A break after a small read of a busy stream: fewer, larger reads. auditd's socket holds about 167 records, which are
4 ms of 40,000 a second."""


class Input:
    """The input. `eof`: standard input has ended; a socket is connected again instead."""

    def __init__(self, settings: ReaderSettings, log: Log, fd: int = 0) -> None:
        self.settings = settings
        self.log = log
        self.fd = fd
        self.eof = False
        self.lines = self.bytes = 0
        self.quiet_at = 0.0
        self._rejected = 0
        self._framer: Framer | None = None
        self._head = b""
        self._busy = 0.0
        self._stream: socket.socket | None = None
        self._retry = 0.0
        self._last_error = ""

    @property
    def rejected(self) -> int:
        """Bytes of a binary stream that were no record."""
        return self._rejected + (self._framer.rejected if self._framer is not None else 0)

    @property
    def connected(self) -> tuple[int, ...]:
        """The connection's descriptor, which a worker must not hold open."""
        return (self._stream.fileno(),) if self._stream is not None else ()

    def source(self, now: float, *, stopping: bool) -> int:
        """The descriptor to read, -1 while there is none."""
        if not self.settings.socket:
            return -1 if self.eof else self.fd
        if self._stream is None and now >= self._retry and not stopping:
            self._retry = now + 1.0
            stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                stream.connect(self.settings.socket)
            except OSError as err:
                stream.close()
                if self._last_error != str(err):
                    self.log.warning("not-connected", path=self.settings.socket, why=err.strerror)
                self._last_error = str(err)
            else:
                self.log.info("connected", path=self.settings.socket)
                self._stream, self._last_error = stream, ""
        return self._stream.fileno() if self._stream is not None else -1

    def read(self, fd: int) -> bytes:
        """Read what is there now, as complete lines."""
        try:
            data = os.read(fd, READ)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""  # the other side was cut off
        if not data:
            return self._end()
        self.bytes += len(data)
        if self._framer is None:
            self._head += data
            if len(self._head) < 8:
                return b""
            data, self._head = self._head, b""
            self._framer = framer(self.settings.format, data)
        lines = self._framer.feed(data)
        now = time.monotonic()
        self.quiet_at = now + 0.1
        if len(data) < 16_384 and now - self._busy < 2 * PAUSE_S:
            time.sleep(PAUSE_S)
        self._busy = now
        return self._count(lines)

    def flush_quiet(self, now: float) -> bytes:
        """The lines that are complete because nothing more came."""
        if not self.quiet_at or now < self.quiet_at or self._framer is None:
            return b""
        self.quiet_at = 0.0
        return self._count(self._framer.quiet())

    def _end(self) -> bytes:
        rest = self._framer.end() if self._framer is not None else self._head
        self._rejected, self._framer, self._head = self.rejected, None, b""
        if self._stream is not None:  # auditd was restarted: its socket will be there again
            self._stream.close()
            self._stream = None
            self.log.warning("disconnected", path=self.settings.socket)
        else:
            self.eof = True
        return self._count(rest)

    def _count(self, lines: bytes) -> bytes:
        if lines:
            self.lines += lines.count(b"\n") + (not lines.endswith(b"\n"))
        return lines
