"""Syslog and Kafka outputs, and who may read a file."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.core.errors import SinkError, UsageError
from annotator.io.sinks.access import acl, set_access
from annotator.io.sinks.kafka import KafkaSink
from annotator.io.sinks.syslog import SyslogSink, address

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

pytestmark = pytest.mark.system

NOW = 1_700_000_000.25
HEAD = rb"<182>1 2023-11-14T22:13:20\.250000Z web audisp-contid %d audit - " % os.getpid()


def test_udp_is_one_datagram_a_line() -> None:
    """RFC 5426, with the header of RFC 5424."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        sink = SyslogSink(f"udp:127.0.0.1:{server.getsockname()[1]}", now=lambda: NOW, hostname="web")
        sink.write(b"type=A msg=1\ntype=B \xff\n")
        assert re.fullmatch(HEAD + b"type=A msg=1", server.recv(9000))
        assert re.fullmatch(HEAD + b"type=B \xff", server.recv(9000))
        assert sink.written == 22
        sink.close()


def test_tcp_counts_octets() -> None:
    """RFC 6587: a line may hold anything, the frame says where it ends."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(1)
        sink = SyslogSink(f"tcp:127.0.0.1:{server.getsockname()[1]}", now=lambda: NOW, hostname="web")
        client, _ = server.accept()
        with client:
            sink.write(b"one\ntwo\n")
            data = client.recv(9000)
            for word in (b"one", b"two"):
                length, _, data = data.partition(b" ")
                assert re.fullmatch(HEAD + word, data[: int(length)])
                data = data[int(length) :]
            assert data == b""
        sink.close()


def test_a_server_that_is_gone_is_an_error_and_a_count(tmp_path: Path) -> None:
    """What could not be sent is counted by the sink; nobody there at all is an error at once."""
    with pytest.raises(SinkError, match="Is the syslog server there"):
        SyslogSink(f"unix:{tmp_path}/none", now=lambda: NOW)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "log"))
        sink = SyslogSink(f"unix:{tmp_path}/log", now=lambda: NOW)
        sink.write(b"a\n")
    with pytest.raises(SinkError):
        sink.write(b"b\nc\n")
    assert (sink.written, sink.dropped_lines, sink.dropped_bytes) == (2, 2, 4)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("unix:/dev/log", ("unix", "/dev/log", 0)),
        ("udp:host:514", ("udp", "host", 514)),
        ("tcp:[::1]:601", ("tcp", "::1", 601)),
    ],
)
def test_addresses(text: str, found: tuple[str, str, int]) -> None:
    """Kind, host, port."""
    assert address(text) == found


@given(st.one_of(st.text(max_size=40), st.from_regex(r"(udp|tcp|unix):[a-z:/]*[0-9]*")))
def test_any_text_is_an_address_or_our_error(text: str) -> None:
    """Nothing else."""
    try:
        kind, _, port = address(text)
    except UsageError:
        return
    assert kind in ("unix", "udp", "tcp")
    assert 0 <= port <= 65535


def test_a_facility_that_is_none_is_refused() -> None:
    """With the names that are."""
    with pytest.raises(UsageError, match="local0"):
        SyslogSink("udp:127.0.0.1:9", now=lambda: NOW, facility="x")


class MockFuture:
    """What the mock producer's `send` returns."""

    def __init__(self, good: bool) -> None:
        self.good = good

    def succeeded(self) -> bool:
        """As kafka-python's future says it after a flush."""
        return self.good


class MockProducer:
    """A mock of kafka-python's KafkaProducer: keeps, refuses what has `bad` in it (see also tests/mock_broker.py)."""

    def __init__(self, brokers: Sequence[str]) -> None:
        self.brokers = brokers
        self.sent: list[tuple[str, bytes]] = []
        self.open = True

    def send(self, topic: str, value: bytes) -> Any:
        """Take one message."""
        if b"bad" not in value:
            self.sent.append((topic, value))
        return MockFuture(b"bad" not in value)

    def flush(self, timeout: float | None = None) -> None:
        """All is sent at once."""

    def close(self, timeout: float | None = None) -> None:
        """Remember."""
        self.open = False


def test_kafka_gets_a_message_for_each_line() -> None:
    """Without the newline; msgpack objects as they are; what a broker did not take is counted and an error."""
    made: list[MockProducer] = []

    def make(brokers: Sequence[str]) -> MockProducer:
        made.append(MockProducer(brokers))
        return made[-1]

    sink = KafkaSink(["k1:9092"], "audit", make=make)
    sink.write(b"one\ntwo\n")
    assert made[0].sent == [("audit", b"one"), ("audit", b"two")]
    assert made[0].brokers == ["k1:9092"]
    with pytest.raises(SinkError, match="1 messages were not taken"):
        sink.write(b"bad\nthree\n")
    assert (sink.written, sink.dropped_lines, sink.dropped_bytes) == (14, 1, 4)
    sink.close()
    assert not made[0].open
    packed = KafkaSink(["k"], "audit", lines=False, make=make)
    packed.write(b"\x81\n\n")
    assert made[1].sent == [("audit", b"\x81\n\n")]


def test_a_kafka_without_brokers_is_our_error() -> None:
    """The real client against a closed port: an error for a person. Without the client, which package is missing."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = f"from annotator.io.sinks.kafka import KafkaSink; KafkaSink(['127.0.0.1:{port}'], 'audit').write(b'x')"
    # A process of its own, since the client leaves sockets open when nobody is there.
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "SinkError" in done.stderr
    assert "Are the brokers there?" in done.stderr or "kafka-python" in done.stderr


def test_an_acl_is_what_the_kernel_takes(tmp_path: Path) -> None:
    """The file system accepts it, and mode and readers are in it; others still may not read."""
    path = tmp_path / "x"
    path.write_bytes(b"")
    fd = os.open(path, os.O_WRONLY)
    try:
        try:
            set_access(fd, 0o600, None, [65534, 1])
        except OSError as error:
            pytest.skip(f"no ACLs on this file system: {error.strerror}")
    finally:
        os.close(fd)
    assert os.getxattr(path, "system.posix_acl_access") == acl(0o600, [1, 65534])
    assert path.stat().st_mode & 0o777 == 0o640, "with an ACL the group's bits are its mask"
    if shutil.which("getfacl"):
        text = subprocess.run(["getfacl", "-n", path], capture_output=True, text=True, check=True).stdout
        assert "user:65534:r--" in text
        assert "other::---" in text
