"""A unix socket that others connect to for the stream, as they do to auditd's `audispd_events`."""

from __future__ import annotations

import select
import socket
import stat
from collections import deque
from typing import TYPE_CHECKING

from annotator.core.errors import SinkError

if TYPE_CHECKING:
    from pathlib import Path

_BUSY = (BlockingIOError, InterruptedError)


class SocketSink:
    """Listens on `path` (mode 0600 unless told otherwise) and sends to one client at a time; others wait in line.

    It never blocks: what the client has not read waits, up to `max_buffer` bytes; beyond that, and while nobody is
    connected, whole units are dropped and counted (`dropped_bytes`, `dropped_lines`). A client always starts at a
    boundary; what an earlier one left unread is not given to it. `lines` False: a unit is one `write`, not a line.
    """

    def __init__(self, path: Path, *, mode: int = 0o600, max_buffer: int = 8 * 1024 * 1024, lines: bool = True) -> None:
        self.path = path
        self.written = self.dropped_bytes = self.dropped_lines = self.clients = 0
        self._max = max_buffer
        self._lines = lines
        self._waiting: deque[bytes] = deque()
        self._sent = 0  # bytes of the first waiting piece that have left
        self._size = 0
        self._client: socket.socket | None = None
        self._listener: socket.socket | None = self._listen(mode)
        self._inode = path.lstat().st_ino

    def fileno(self) -> int:
        """What to poll: readable, a client waits; with a client, writable, there is room. -1 when closed."""
        watched = self._client or self._listener
        return watched.fileno() if watched is not None else -1

    def write(self, data: bytes) -> None:
        """Take these units, and send what goes. Never waits, never fails because of a client."""
        if self._listener is None:
            raise SinkError(f"{self.path}: it is closed")
        self.flush()
        if self._client is None:
            if data:
                self._drop(data)
            return
        room = self._max - self._size
        cut = len(data)
        if cut > room:
            cut = data.rfind(b"\n", 0, max(room, 0)) + 1 if self._lines else 0
            self._drop(data[cut:])
        if cut:
            self._waiting.append(data[:cut])
            self._size += cut
        self.flush()

    def flush(self) -> None:
        """Accept a client if there is none (any more), and send what it takes now."""
        if self._client is not None and self._has_left(self._client):
            self._hang_up()
        if self._client is None and not self._accept():
            return
        while self._waiting and self._client is not None:
            piece = self._waiting[0]
            try:
                done = self._client.send(memoryview(piece)[self._sent :])
            except _BUSY:
                return
            except OSError:
                self._hang_up()
                return
            self.written += done
            self._size -= done
            self._sent += done
            if self._sent == len(piece):
                self._waiting.popleft()
                self._sent = 0

    def close(self) -> None:
        """Send what goes at once, count the rest as dropped, and remove the socket if it is still ours."""
        if self._listener is None:
            return
        self.flush()
        self._hang_up()
        self._listener.close()
        self._listener = None
        try:
            if self.path.lstat().st_ino == self._inode:
                self.path.unlink()
        except OSError:
            return  # somebody else removed it

    def _listen(self, mode: int) -> socket.socket:
        self._remove_stale()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.bind(str(self.path))
            # Nobody can connect before listen(2), so the mode is right for everyone who does.
            self.path.chmod(mode)
            listener.listen(1)
        except OSError as error:
            listener.close()
            raise SinkError(
                f"{self.path}: cannot listen: {error.strerror or error}",
                "Make its directory; the path may have at most 107 bytes (unix(7)).",
            ) from error
        listener.setblocking(False)
        return listener

    def _remove_stale(self) -> None:
        """Remove the socket of a process that is gone; refuse what is somebody's."""
        try:
            kind = self.path.lstat().st_mode
        except OSError:
            return
        if not stat.S_ISSOCK(kind):
            raise SinkError(f"{self.path}: is there already, and is not a socket", "Choose another path.")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)
            try:
                probe.connect(str(self.path))
            except ConnectionRefusedError:
                self.path.unlink(missing_ok=True)
                return
            except OSError:
                pass  # its line is full: alive
        raise SinkError(
            f"{self.path}: somebody listens there already", "Stop the other process or choose another path."
        )

    def _accept(self) -> bool:
        if self._listener is None:
            return False
        try:
            self._client, _ = self._listener.accept()
        except OSError:
            return False
        self._client.setblocking(False)
        self.clients += 1
        return True

    @staticmethod
    def _has_left(client: socket.socket) -> bool:
        """Whether it closed its end, both ways: sending would tell too, but at the cost of what is sent."""
        poll = select.poll()
        poll.register(client.fileno(), select.POLLHUP)
        return bool(poll.poll(0))

    def _hang_up(self) -> None:
        """Part with the client. A unit of which it got only the beginning is lost with the rest."""
        if self._client is not None:
            self._client.close()
            self._client = None
        if self._waiting:
            piece = self._waiting[0]
            start = piece.rfind(b"\n", 0, self._sent) + 1 if self._lines else 0
            self._waiting[0] = piece[start:]
            self.written -= self._sent - start
        for piece in self._waiting:
            self._drop(piece)
        self._waiting.clear()
        self._sent = self._size = 0

    def _drop(self, data: bytes) -> None:
        self.dropped_bytes += len(data)
        self.dropped_lines += data.count(b"\n") + (not data.endswith(b"\n")) if self._lines else 1
