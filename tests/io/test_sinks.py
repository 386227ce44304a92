"""What is guarded here: output arrives whole, in order and in whole lines; what is lost is counted."""

from __future__ import annotations

import gzip
import os
import resource
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator.core.errors import SinkError
from annotator.io.sinks import FdSink, FileSink, SinkClosed, SocketSink

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LINES = st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"") + b"\n"), min_size=1, max_size=5)


@contextmanager
def full_beyond(size: int) -> Iterator[None]:
    """No file of this process may grow beyond `size` bytes: write(2) is cut short, then fails, as on a full disk."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


# --- descriptors ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("blocking", [True, False])
def test_fd_sink_writes_all_to_a_slow_reader(blocking: bool) -> None:
    """More than a pipe holds arrives whole, also when the pipe does not block."""
    read, write = os.pipe()
    os.set_blocking(write, blocking)
    got: list[bytes] = []

    def drain() -> None:
        while data := os.read(read, 5000):
            got.append(data)

    reader = threading.Thread(target=drain)
    reader.start()
    sink = FdSink(write)
    data = [b"%d\n" % i * 999 for i in range(400)]
    for piece in data:
        sink.write(piece)
    sink.close()
    os.close(write)
    reader.join()
    assert b"".join(got) == b"".join(data)
    assert sink.written == len(b"".join(data))
    os.close(read)


def test_fd_sink_ends_quietly_when_the_reader_goes() -> None:
    """`| head`: writing says SinkClosed, every time; closing says nothing."""
    read, write = os.pipe()
    os.close(read)
    sink = FdSink(write)
    for _ in range(2):
        sink.write(b"a\n")
        with pytest.raises(SinkClosed, match="standard output"):
            sink.flush()
    sink.write(b"b\n")
    sink.close()
    os.close(write)


def test_fd_sink_says_when_there_is_no_room() -> None:
    """A full disk behind standard output is an error that says how far it got."""
    fd = os.open("/dev/full", os.O_WRONLY)
    sink = FdSink(fd)
    sink.write(b"a\n")
    with pytest.raises(SinkError, match="after byte 0") as caught:
        sink.flush()
    assert not isinstance(caught.value, SinkClosed)
    os.close(fd)


# --- files ----------------------------------------------------------------------------------------------------------


def test_file_sink_makes_its_file_private(tmp_path: Path) -> None:
    """The mode is what was asked for, whatever the umask is; writing appends."""
    path = tmp_path / "out"
    old = os.umask(0o777)
    try:
        sink = FileSink(path)
    finally:
        os.umask(old)
    sink.write(b"a\n")
    sink.close()
    sink.close()
    assert path.stat().st_mode & 0o777 == 0o600
    again = FileSink(path)
    again.write(b"b\n")
    again.close()
    assert path.read_bytes() == b"a\nb\n"
    with pytest.raises(SinkError, match="closed"):
        again.write(b"c\n")


def test_file_sink_refuses_what_is_not_ours_alone(tmp_path: Path) -> None:
    """Links, pipes, directories, and files that others may write are refused before a byte is written."""
    open_to_all, link, pipe = tmp_path / "open", tmp_path / "link", tmp_path / "pipe"
    open_to_all.touch()
    open_to_all.chmod(0o622)
    link.symlink_to(tmp_path / "target")
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    cases = {open_to_all: "others may write", link: "symbolic link", pipe: "not a regular", tmp_path: "directory"}
    for path, why in {**cases, tmp_path / "no" / "out": "No such file"}.items():
        with pytest.raises(SinkError, match=why):
            FileSink(path)
    os.close(reader)
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("before", [b"", b"one\n", b"x" * 2_000_000 + b"\n"])
def test_file_sink_takes_half_a_line_back(tmp_path: Path, before: bytes) -> None:
    """What a killed process left of a line goes before the next is written."""
    path = tmp_path / "out"
    path.write_bytes(before + b"ha")
    path.chmod(0o600)
    sink = FileSink(path)
    sink.write(b"a\n")
    sink.write(b"b\n")
    sink.close()
    assert path.read_bytes() == before + b"a\nb\n"
    assert sink.written == 4


@pytest.mark.parametrize("why", ["append-only", "endless"])
def test_file_sink_starts_on_a_line_of_its_own(tmp_path: Path, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it cannot be taken back, or where it begins cannot be seen, it is ended instead."""
    path = tmp_path / "out"
    half = b"ha" if why == "append-only" else b"x" * 2_000_000
    path.write_bytes(half)
    path.chmod(0o600)

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "ftruncate", refuse)
    sink = FileSink(path)
    sink.write(b"a\n")
    sink.write(b"b\n")
    sink.close()
    assert path.read_bytes() == half + b"\na\nb\n"
    assert sink.written == 4


def test_file_sink_rotates_by_size(tmp_path: Path) -> None:
    """No file is larger than the bound, no line is split, the oldest go, and the newest is the one without a number."""
    path = tmp_path / "out"
    sink = FileSink(path, max_bytes=8, keep=2)
    for i in range(9):
        sink.write(b"l%d\n" % i)
    sink.close()
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {
        "out": b"l8\n",
        "out.1": b"l6\nl7\n",
        "out.2": b"l4\nl5\n",
    }
    assert sink.rotations == 4


def test_file_sink_may_keep_nothing(tmp_path: Path) -> None:
    """`keep` 0: the full file goes."""
    sink = FileSink(tmp_path / "out", max_bytes=3, keep=0)
    for i in range(3):
        sink.write(b"l%d\n" % i)
    sink.close()
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"l2\n"]


@pytest.mark.parametrize("kind", ["gz", "zst"])
def test_file_sink_packs_what_it_rotated(tmp_path: Path, kind: Literal["gz", "zst"]) -> None:
    """Rotated files are packed, private, and keep their order."""
    path = tmp_path / "out"
    sink = FileSink(path, max_bytes=3, keep=2, compress=kind)
    for i in range(4):
        sink.write(b"l%d\n" % i)
    sink.close()
    unpack = gzip.decompress if kind == "gz" else zstandard.ZstdDecompressor().decompressobj().decompress
    assert sorted(file.name for file in tmp_path.iterdir()) == ["out", f"out.1.{kind}", f"out.2.{kind}"]
    packed = tmp_path / f"out.1.{kind}"
    assert unpack(packed.read_bytes()) == b"l2\n"
    assert packed.stat().st_mode & 0o777 == 0o600


def test_file_sink_rotates_by_age(tmp_path: Path) -> None:
    """Age counts from the first time that was handed in; an empty file is not rotated."""
    path = tmp_path / "out"
    sink = FileSink(path, max_age=60)
    sink.tick(1000.0)
    sink.tick(1060.0)
    sink.write(b"a\n")
    sink.tick(1119.0)
    assert sink.rotations == 0
    sink.tick(1120.0)
    sink.write(b"b\n")
    sink.close()
    assert (path.read_bytes(), (tmp_path / "out.1").read_bytes()) == (b"b\n", b"a\n")


def test_file_sink_writes_on_when_it_cannot_rotate(tmp_path: Path) -> None:
    """A failed rotation is counted and loses nothing."""
    path = tmp_path / "out"
    (tmp_path / "out.1").mkdir()  # cannot be replaced by a file
    (tmp_path / "out.2").mkdir()
    (tmp_path / "out.2" / "x").touch()
    sink = FileSink(path, max_bytes=3, keep=1)
    sink.write(b"l1\n")
    sink.write(b"l2\n")
    sink.close()
    assert (path.read_bytes(), sink.rotation_failures, sink.rotations) == (b"l1\nl2\n", 1, 0)


@settings(max_examples=60, deadline=None)
@given(units=st.lists(LINES.map(b"".join), max_size=6), limit=st.integers(0, 200), after=LINES.map(b"".join))
def test_full_disk_costs_whole_lines_only(
    tmp_path_factory: pytest.TempPathFactory, units: list[bytes], limit: int, after: bytes
) -> None:
    """What is in the file is whole lines; written + dropped is all; when there is room writing goes on."""
    path = tmp_path_factory.mktemp("full") / "out"
    sink = FileSink(path)
    with full_beyond(limit):
        for unit in units:
            sink.write(unit)
    before = path.read_bytes()
    sink.write(after)
    sink.close()
    assert path.read_bytes() == before + after
    assert before == b"" or before.endswith(b"\n")
    everything = b"".join(units)
    assert sink.written + sink.dropped_bytes == len(everything + after)
    assert before.count(b"\n") + sink.dropped_lines == everything.count(b"\n")
    source = iter(everything.split(b"\n"))
    assert all(line in source for line in before.split(b"\n")[:-1])  # an iterator: in this order


def test_full_disk_costs_whole_objects_only(tmp_path: Path) -> None:
    """With `lines` False a unit is a write: nothing of one that did not fit stays."""
    path = tmp_path / "out"
    sink = FileSink(path, lines=False)
    with full_beyond(10):
        sink.write(b"\x93\n\x01\n")
        sink.write(b"\x93\n\x01\n\x02\x03\n\x04\n")
    sink.write(b"\xc0")
    sink.close()
    assert path.read_bytes() == b"\x93\n\x01\n\xc0"
    assert (sink.dropped_bytes, sink.dropped_lines) == (9, 1)


# --- sockets --------------------------------------------------------------------------------------------------------


def client_of(path: Path) -> socket.socket:
    """Somebody who reads from the sink."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.connect(str(path))
    client.settimeout(5)
    return client


def test_socket_sink_serves_one_client_after_the_other(tmp_path: Path) -> None:
    """Without a client lines are dropped and counted; a second one is served when the first has gone."""
    path = tmp_path / "events"
    sink = SocketSink(path)
    assert path.stat().st_mode & 0o777 == 0o600
    sink.write(b"nobody\nhears\n")
    assert (sink.dropped_lines, sink.dropped_bytes) == (2, 13)
    first = client_of(path)
    second = client_of(path)
    sink.write(b"one\n")
    assert first.recv(100) == b"one\n"
    first.close()
    sink.write(b"two\n")
    assert second.recv(100) == b"two\n"
    second.shutdown(socket.SHUT_WR)  # it says no more, and reads on
    sink.write(b"three\n")
    assert second.recv(100) == b"three\n"
    second.close()
    sink.close()
    sink.close()
    assert (sink.clients, sink.dropped_lines, sink.written) == (2, 2, 14)
    assert not path.exists()
    assert sink.fileno() == -1
    with pytest.raises(SinkError, match="closed"):
        sink.write(b"x\n")


def test_socket_sink_never_waits_for_a_client(tmp_path: Path) -> None:
    """A client that does not read gets the oldest lines, whole; the others are counted, and nothing blocks."""
    path = tmp_path / "events"
    sink = SocketSink(path, max_buffer=10_000)
    client = client_of(path)
    lines = [b"%06d %s\n" % (i, b"x" * (i % 50)) for i in range(60_000)]
    for at in range(0, len(lines), 100):
        sink.write(b"".join(lines[at : at + 100]))
    got = b""
    while sink.written + sink.dropped_bytes < sum(map(len, lines)):
        got += client.recv(65536)
        sink.flush()
    sink.close()
    while data := client.recv(65536):
        got += data
    client.close()
    numbers = [int(line[:6]) for line in got.split(b"\n")[:-1]]
    assert got.endswith(b"\n")
    assert numbers == sorted(set(numbers))
    assert all(line + b"\n" == lines[number] for number, line in zip(numbers, got.split(b"\n"), strict=False))
    assert len(numbers) + sink.dropped_lines == len(lines)
    assert sink.dropped_lines > 0


def test_socket_sink_counts_what_a_gone_client_left(tmp_path: Path) -> None:
    """A client that goes in the middle of a line: it is lost and counted, the next client starts whole."""
    path = tmp_path / "events"
    sink = SocketSink(path)
    client = client_of(path)
    line = b"x" * 999 + b"\n"
    sink.write(line * 4000)
    client.recv(1500)
    client.close()
    sink.flush()
    after = client_of(path)
    sink.write(b"whole\n")
    assert after.recv(100) == b"whole\n"
    after.close()
    sink.close()
    assert sink.written + sink.dropped_bytes == 4_000_006
    assert (sink.written - 6) % 1000 == 0
    assert sink.dropped_lines == 4000 - (sink.written - 6) // 1000


def test_socket_sink_and_its_path(tmp_path: Path) -> None:
    """A dead socket is replaced; a live one, a file, or a path that is too long is refused."""
    path = tmp_path / "events"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    sink = SocketSink(path, mode=0o660)
    with pytest.raises(SinkError, match="listens there already"):
        SocketSink(path)
    path.unlink()
    path.write_bytes(b"mine")
    sink.close()
    assert path.read_bytes() == b"mine"
    with pytest.raises(SinkError, match="not a socket"):
        SocketSink(path)
    with pytest.raises(SinkError, match="cannot listen"):
        SocketSink(tmp_path / ("x" * 120))
