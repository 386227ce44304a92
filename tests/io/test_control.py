"""The control socket: whoever may connect, whatever is sent, however slowly, and whether it is answered."""

from __future__ import annotations

import json
import os
import select
import socket
import stat
import struct
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.core.errors import AnnotatorError, SinkError
from annotator.io.control import MAX_ANSWER, MAX_CLIENTS, MAX_REQUEST, PATIENCE_MS, ControlSocket, Peer, ask

if TYPE_CHECKING:
    from collections.abc import Iterator


class Desk:
    """A server with what it was asked; it answers with the question."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.asked: list[tuple[Peer, dict[str, Any]]] = []
        self.reply: dict[str, Any] | None = None
        self.server = ControlSocket(self.path, self.answer)

    def answer(self, peer: Peer, request: dict[str, Any]) -> dict[str, Any]:
        """Echo, or what the test says."""
        self.asked.append((peer, request))
        return {"ok": True, "echo": request} if self.reply is None else self.reply

    def client(self) -> socket.socket:
        """A connection."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(5)
        sock.connect(self.path)
        return sock

    def exchange(self, data: bytes) -> bytes:
        """Send, and take what comes until the end."""
        with self.client() as sock:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            for _ in range(3):
                self.server.serve(0)
            out = b""
            while more := sock.recv(65536):
                out += more
            return out

    def run(self) -> None:
        """Serve until one question is answered."""
        poll = select.poll()
        known = self.server.fileno() >= 0
        if known:
            poll.register(self.server.fileno(), select.POLLIN)
        while not self.asked:
            poll.poll(1000 if known else 1)
            self.server.serve(0)


@pytest.fixture(params=["linux", "elsewhere"])
def desk(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """One that is closed at the end; also as on a system that has no epoll(7) and does not tell who asks."""
    if request.param == "elsewhere":
        monkeypatch.delattr(select, "epoll")
        monkeypatch.delattr(socket, "SO_PEERCRED")
    made = Desk(tmp_path / "control")
    yield made
    made.server.close()


def test_only_its_owner_may_connect(desk: Desk) -> None:
    """The socket is 0600 from its first moment, and gone when the server is."""
    assert stat.S_IMODE(Path(desk.path).stat().st_mode) == 0o600
    desk.server.close()
    assert not Path(desk.path).exists()
    desk.server = ControlSocket(desk.path, desk.answer)


def test_the_kernel_says_who_asks(desk: Desk) -> None:
    """Pid and ids are those of the peer, whatever the question says; the pidfd, where there is one, is its own."""
    assert json.loads(desk.exchange(b'{"pid": 1, "uid": 7}\n')) == {"ok": True, "echo": {"pid": 1, "uid": 7}}
    peer = desk.asked[0][0]
    told = (os.getpid(), os.getuid(), os.getgid()) if hasattr(socket, "SO_PEERCRED") else (-1, -1, -1)
    assert (peer.pid, peer.uid, peer.gid) == told


@given(st.binary(max_size=300))
def test_any_bytes_are_answered(data: bytes) -> None:
    """A question is one JSON object; anything else is EINVAL, and never more than one answer."""
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(Path(folder) / "control")
        try:
            out = desk.exchange(data)
        finally:
            desk.server.close()
    assert out.count(b"\n") <= 1
    if data:
        assert json.loads(out)["ok"] is bool(desk.asked)
    else:
        assert (out, desk.server.refused) == (b"", 1)


@pytest.mark.parametrize("data", [b"[1]", b"{", b'{"a": ' + b"[" * 30000, b"1" * 5000, b"\xff\n", b'{"a":"\n"}'])
def test_what_is_no_object_is_refused(desk: Desk, data: bytes) -> None:
    """Nested without end, numbers without end, half a question: all EINVAL."""
    assert json.loads(desk.exchange(data))["error"] == "EINVAL"
    assert desk.asked == []
    assert desk.server.refused == 1


def test_a_question_in_pieces_is_one_question(desk: Desk) -> None:
    """It ends with its newline; what comes after is not read."""
    with desk.client() as sock:
        for piece in (b'{"a"', b": 1", b"}\n{}\n"):
            sock.sendall(piece)
            desk.server.serve(0)
            desk.server.serve(0)
        assert json.loads(sock.recv(1000)) == {"ok": True, "echo": {"a": 1}}
    assert len(desk.asked) == 1


def test_a_question_without_end_is_dropped(desk: Desk) -> None:
    """At most 64 KiB are kept of one."""
    with desk.client() as sock:
        sock.setblocking(False)
        sent = 0
        while desk.server.refused == 0:
            sent += sock.send(b"x" * 4096)
            desk.server.serve(0)
        assert sent <= 4 * MAX_REQUEST
    assert desk.asked == []


def test_who_does_not_ask_is_not_waited_for(desk: Desk) -> None:
    """Sixteen that say nothing keep the next one out, for two seconds."""
    silent = [desk.client() for _ in range(MAX_CLIENTS)]
    desk.server.serve(0)
    late = desk.client()
    late.sendall(b"{}\n")
    desk.server.serve(PATIENCE_MS)
    assert desk.asked == []
    for _ in range(3):
        desk.server.serve(PATIENCE_MS + 1)
    assert len(desk.asked) == 1
    assert desk.server.refused == MAX_CLIENTS
    for one in (*silent, late):
        one.close()


def test_no_answer_is_waited_for(desk: Desk) -> None:
    """Who goes before the answer harms nobody; an answer too long for a socket's buffer is an error instead."""
    with desk.client() as sock:
        sock.sendall(b"{}\n")
    desk.server.serve(0)
    desk.server.serve(0)
    desk.reply = {"long": "x" * MAX_ANSWER}
    assert json.loads(desk.exchange(b"{}\n"))["error"] == "EMSGSIZE"
    desk.reply = {"long": "x" * (MAX_ANSWER - 100)}
    with desk.client() as sock:
        sock.sendall(b"{}\n")
        desk.server.serve(0)
        desk.server.serve(0)
        out = b""
        while more := sock.recv(65536):
            out += more
    assert len(json.loads(out)["long"]) == MAX_ANSWER - 100


def test_descriptors_do_not_add_up(desk: Desk) -> None:
    """Every client's socket and pidfd is closed again."""
    desk.exchange(b"{}\n")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        desk.exchange(b"{}\n")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_running_plugin_keeps_its_socket(desk: Desk) -> None:
    """A second server is refused; the socket of a dead one is replaced; a file that is no socket stays."""
    with pytest.raises(SinkError):
        ControlSocket(desk.path, desk.answer)
    dead = f"{desk.path}.dead"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.bind(dead)
    ControlSocket(dead, desk.answer).close()
    with open(dead, "w", encoding="ascii") as file:
        file.write("mine")
    with pytest.raises(SinkError):
        ControlSocket(dead, desk.answer)
    assert Path(dead).stat().st_size == 4
    with pytest.raises(SinkError):
        ControlSocket(f"{desk.path}{'x' * 200}", desk.answer)


def test_asking(desk: Desk) -> None:
    """A client's question comes back answered; without a plugin, or an answer in time, it says so."""
    thread = threading.Thread(target=desk.run)
    thread.start()
    assert ask(desk.path, {"op": "x"})["echo"] == {"op": "x"}
    thread.join()
    with pytest.raises(AnnotatorError, match="no plugin answers"):
        ask(f"{desk.path}.none", {})
    with pytest.raises(AnnotatorError, match="no plugin answers"):
        ask(desk.path, {}, timeout_s=0.05)


@pytest.mark.parametrize("answer", [b"", b"x\n", b"[]\n", b"9" * 9000, b"{" * 4 + b"\n"])
def test_an_answer_that_is_none_is_an_error(tmp_path: Path, answer: bytes) -> None:
    """Whatever sits at the socket's path."""
    path = str(tmp_path / "odd")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.bind(path)
        sock.listen(1)

        def serve() -> None:
            one, _ = sock.accept()
            one.recv(1000)
            one.sendall(answer)
            one.close()

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(AnnotatorError):
            ask(path, {})
        thread.join()


def test_a_peers_pidfd_is_of_the_peer(desk: Desk) -> None:
    """Where the kernel has SO_PEERPIDFD, its fdinfo names the very process that connected."""
    with desk.client() as sock:
        try:
            struct.unpack("=i", sock.getsockopt(socket.SOL_SOCKET, 77, 4))
        except OSError:
            pytest.skip("no SO_PEERPIDFD before Linux 6.5")
    if not hasattr(socket, "SO_PEERCRED"):
        assert desk.exchange(b"{}\n")
        assert desk.asked[0][0].pidfd == -1
        return
    seen: list[str] = []

    def look(peer: Peer, _: dict[str, Any]) -> dict[str, Any]:
        with open(f"/proc/self/fdinfo/{peer.pidfd}", encoding="ascii") as file:
            seen.extend(line for line in file.read().splitlines() if line.startswith("Pid:"))
        return {}

    desk.server.handle = look
    desk.exchange(b"{}\n")
    assert seen == [f"Pid:\t{os.getpid()}"]
