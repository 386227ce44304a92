"""The control socket: one question a connection, one answer, JSON both ways. It carries; it does not decide.

The socket is 0600 and root's. Who asks is told by the kernel: a pidfd of the peer (SO_PEERPIDFD, Linux 6.5) where it
has them, else SO_PEERCRED, whose pid may have been re-used since; the start time in `/proc/PID/stat` then stands in.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from annotator.errors import AnnotatorError, SinkError

MAX_REQUEST = 64 * 1024
"""Bytes of a question, and of what is read of an answer by default."""

MAX_CLIENTS = 16
PATIENCE_MS = 2000
"""How long a client may take to ask."""

SO_PEERPIDFD = 77
"""asm-generic/socket.h, since Linux 6.5."""


class Peer(NamedTuple):
    """Who asks: pid and ids as the kernel tells them, and a pidfd (-1: this kernel gives none)."""

    pid: int
    uid: int
    gid: int
    pidfd: int = -1


Handle = Callable[[Peer, dict[str, Any]], dict[str, Any]]


class _Client:
    __slots__ = ("data", "peer", "since_ms", "sock")

    def __init__(self, sock: socket.socket, peer: Peer, since_ms: int) -> None:
        self.sock = sock
        self.peer = peer
        self.since_ms = since_ms
        self.data = b""


class ControlServer:
    """Listens at `path`. Call `serve` when `filenos` are readable, and now and then. Raises SinkError at the start."""

    def __init__(self, path: Path, handle: Handle) -> None:
        self.path = path
        self.handle = handle
        self.refused = 0
        self._clients: dict[int, _Client] = {}
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        try:
            with contextlib.suppress(FileNotFoundError):
                if path.is_socket():
                    path.unlink()
            before = os.umask(0o177)
            try:
                self._sock.bind(str(path))
            finally:
                os.umask(before)
            self._sock.listen(MAX_CLIENTS)
        except OSError as err:
            self._sock.close()
            raise SinkError(f"{path}: no control socket: {err.strerror}", "Is another plugin running?") from err

    def filenos(self) -> list[int]:
        """What to wait for."""
        return [self._sock.fileno(), *self._clients]

    def serve(self, now_ms: int) -> None:
        """Take what has come, answer what is whole, drop who is too slow. Never waits."""
        self._accept(now_ms)
        ready = select.select(list(self._clients), (), (), 0)[0] if self._clients else []
        for number in ready:
            self._read(self._clients[number])
        for client in [one for one in self._clients.values() if now_ms - one.since_ms > PATIENCE_MS]:
            self.refused += 1
            self._drop(client)

    def _accept(self, now_ms: int) -> None:
        while len(self._clients) < MAX_CLIENTS:
            try:
                sock, _ = self._sock.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            sock.setblocking(False)
            self._clients[sock.fileno()] = _Client(sock, _peer(sock), now_ms)

    def _read(self, client: _Client) -> None:
        try:
            data = client.sock.recv(MAX_REQUEST)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        client.data += data
        if b"\n" in client.data or not data:
            self._answer(client)
        elif len(client.data) >= MAX_REQUEST:
            self.refused += 1
            self._drop(client)

    def _answer(self, client: _Client) -> None:
        line = client.data.partition(b"\n")[0]
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            request = None
        if isinstance(request, dict):
            reply = self.handle(client.peer, request)
        else:
            self.refused += 1
            reply = {"ok": False, "error": "EINVAL", "why": "the question is no JSON object"}
        with contextlib.suppress(OSError):
            client.sock.setblocking(True)
            client.sock.settimeout(0.2)
            client.sock.sendall(json.dumps(reply).encode() + b"\n")
        self._drop(client)

    def _drop(self, client: _Client) -> None:
        del self._clients[client.sock.fileno()]
        client.sock.close()
        if client.peer.pidfd >= 0:
            os.close(client.peer.pidfd)

    def close(self) -> None:
        """Stop listening; the socket file goes."""
        for client in list(self._clients.values()):
            self._drop(client)
        self._sock.close()
        with contextlib.suppress(OSError):
            self.path.unlink()


def _peer(sock: socket.socket) -> Peer:
    pid, uid, gid = struct.unpack("=iII", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    try:
        pidfd = struct.unpack("=i", sock.getsockopt(socket.SOL_SOCKET, SO_PEERPIDFD, 4))[0]
    except OSError:
        pidfd = -1
    return Peer(pid, uid, gid, pidfd)


def ask(path: Path, request: dict[str, Any], *, timeout_s: float = 5.0) -> dict[str, Any]:
    """Ask a running plugin. Raises AnnotatorError when there is none, or no answer."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(timeout_s)
            sock.connect(str(path))
            sock.sendall(json.dumps(request).encode() + b"\n")
            data = b""
            while b"\n" not in data and len(data) < 64 * MAX_REQUEST:
                more = sock.recv(MAX_REQUEST)
                if not more:
                    break
                data += more
        reply = json.loads(data)
    except OSError as err:
        raise AnnotatorError(
            f"{path}: no plugin answers: {err.strerror or err}", "Is audisp-contid running, and are you root?"
        ) from err
    except ValueError as err:
        raise AnnotatorError(f"{path}: the answer is not to be understood") from err
    return reply if isinstance(reply, dict) else {}
