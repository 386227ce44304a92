"""The control socket: one request a connection, one answer, JSON both ways. The handler decides what is answered.

The socket is 0600. The kernel names the client: SO_PEERCRED, whose pid may have been re-used since, and a pidfd of the
same process (SO_PEERPIDFD, Linux 6.5) where there is one; on other systems than Linux it names none. Nothing here
waits: a client that does not ask in time, or does not take the answer, is dropped.
"""

from __future__ import annotations

import json
import os
import select
import socket
import stat
import struct
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from annotator.core.errors import AnnotatorError, SinkError

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_REQUEST = 64 * 1024
"""Bytes of a request."""

MAX_ANSWER = 128 * 1024
"""Bytes of an answer: what fits into a socket's buffer, so that it can be sent at once."""

MAX_CLIENTS = 16
PATIENCE_MS = 2000
"""How long a client may take to ask."""

SO_PEERPIDFD = 77
"""asm-generic/socket.h, since Linux 6.5 (other numbers on parisc and sparc: there it is as if there were none)."""

DEFAULT = "/var/annotator/control" if sys.platform == "aix" else "/run/annotator/control"


class Peer(NamedTuple):
    """The client: pid and ids as of its connect(2), and a pidfd of it. -1: not known."""

    pid: int
    uid: int
    gid: int
    pidfd: int = -1


class _Client:
    __slots__ = ("data", "peer", "since_ms", "sock")

    def __init__(self, sock: socket.socket, peer: Peer, since_ms: int) -> None:
        self.sock = sock
        self.peer = peer
        self.since_ms = since_ms
        self.data = bytearray()


class ControlSocket:
    """Listens at `path`, in a directory that only root can write. Raises SinkError at the start.

    `fileno` is readable when there is something to do, for poll(2); call `serve` then, and now and then. Where there
    is no epoll(7) there is no `fileno` either.
    """

    def __init__(self, path: str, handle: Callable[[Peer, dict[str, Any]], dict[str, Any]]) -> None:
        self.path = path
        self.handle = handle
        self.answered = self.refused = 0
        self._clients: dict[int, _Client] = {}
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._sock.setblocking(False)
        try:
            _clear(path)
            before = os.umask(0o177)
            try:
                self._sock.bind(path)
            finally:
                os.umask(before)
            self._sock.listen(MAX_CLIENTS)
        except (OSError, ValueError) as err:
            self._sock.close()
            why = err.strerror or err if isinstance(err, OSError) else err
            raise SinkError(f"{path}: no control socket: {why}", "Is another plugin running?") from err
        self._epoll = select.epoll() if hasattr(select, "epoll") else None
        self._poll = self._epoll or select.poll()
        self._poll.register(self._sock.fileno(), select.POLLIN)

    def fileno(self) -> int:
        """The descriptor to wait for; -1 where there is none."""
        return self._epoll.fileno() if self._epoll is not None else -1

    def serve(self, now_ms: int) -> None:
        """Read, answer complete requests, drop slow clients. Never waits. `now_ms` is a monotonic time."""
        for number, _ in self._poll.poll(0):
            client = self._clients.get(number)
            if client is not None:
                self._read(client)
            elif number == self._sock.fileno():
                self._accept(now_ms)
        slow = [client for client in self._clients.values() if now_ms - client.since_ms > PATIENCE_MS]
        for client in slow:
            self.refused += 1
            self._drop(client)

    def _accept(self, now_ms: int) -> None:
        while len(self._clients) < MAX_CLIENTS:
            try:
                sock, _ = self._sock.accept()
            except OSError:  # no client is left, or it is gone, or no descriptor is free, and the others wait
                return
            sock.setblocking(False)
            try:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * MAX_ANSWER)
                client = _Client(sock, _peer(sock), now_ms)
            except OSError:
                sock.close()
                continue
            self._clients[sock.fileno()] = client
            self._poll.register(sock.fileno(), select.POLLIN)
        self._poll.modify(self._sock.fileno(), 0)

    def _read(self, client: _Client) -> None:
        try:
            data = client.sock.recv(MAX_REQUEST)
        except BlockingIOError:
            return
        except OSError:
            self._drop(client)
            return
        client.data += data
        if b"\n" in data or (client.data and not data):
            self._answer(client)
        elif not data or len(client.data) >= MAX_REQUEST:
            self.refused += 1
            self._drop(client)

    def _answer(self, client: _Client) -> None:
        try:
            request = json.loads(client.data.partition(b"\n")[0])
        except (ValueError, RecursionError):
            request = None
        if isinstance(request, dict):
            self.answered += 1
            reply = self.handle(client.peer, request)
        else:
            self.refused += 1
            reply = {"ok": False, "error": "EINVAL", "why": "the question is no JSON object"}
        line = json.dumps(reply).encode() + b"\n"
        if len(line) > MAX_ANSWER:
            line = b'{"ok": false, "error": "EMSGSIZE", "why": "the answer is too long"}\n'
        try:
            client.sock.send(line)
        except OSError:
            self.refused += 1  # it did not wait
        self._drop(client)

    def _drop(self, client: _Client) -> None:
        if len(self._clients) == MAX_CLIENTS:
            self._poll.modify(self._sock.fileno(), select.POLLIN)
        self._poll.unregister(client.sock.fileno())
        del self._clients[client.sock.fileno()]
        client.sock.close()
        if client.peer.pidfd >= 0:
            os.close(client.peer.pidfd)

    def close(self) -> None:
        """Stop listening; the socket file goes."""
        for client in list(self._clients.values()):
            self._drop(client)
        if self._epoll is not None:
            self._epoll.close()
        self._sock.close()
        try:
            os.unlink(self.path)  # noqa: PTH108  (pathlib is slow to import, and the hook has no time)
        except OSError:
            return


def _clear(path: str) -> None:
    """Remove the socket of a plugin that has ended. Raises OSError where one answers, or another file is in the way."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except FileNotFoundError:
            return
        except ConnectionRefusedError:  # so says a plain file too
            if stat.S_ISSOCK(os.lstat(path).st_mode):
                os.unlink(path)  # noqa: PTH108
                return
        except BlockingIOError:  # its queue is full
            pass
    raise FileExistsError(0, "it is in use")


def _peer(sock: socket.socket) -> Peer:
    if not hasattr(socket, "SO_PEERCRED"):
        return Peer(-1, -1, -1)
    pid, uid, gid = struct.unpack("=iII", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    try:
        pidfd = struct.unpack("=i", sock.getsockopt(socket.SOL_SOCKET, SO_PEERPIDFD, 4))[0]
    except OSError:
        pidfd = -1
    return Peer(pid, uid, gid, pidfd)


def ask(path: str, request: dict[str, Any], *, timeout_s: float = 5.0) -> dict[str, Any]:
    """Ask a running plugin; each step may take `timeout_s`. Raises AnnotatorError when there is none, or no answer."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(timeout_s)
            sock.connect(path)
            sock.sendall(json.dumps(request).encode() + b"\n")
            data = b""
            while b"\n" not in data and len(data) <= MAX_ANSWER:
                more = sock.recv(65536)
                if not more:
                    break
                data += more
        reply = json.loads(data)
    except OSError as err:
        advice = "Is audisp-contid running, and are you root?"
        raise AnnotatorError(f"{path}: no plugin answers: {err.strerror or err}", advice) from err
    except (ValueError, RecursionError) as err:
        raise AnnotatorError(f"{path}: the answer is not to be understood") from err
    if not isinstance(reply, dict):
        raise AnnotatorError(f"{path}: the answer is not to be understood")
    return reply
