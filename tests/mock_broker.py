"""A mock of a Kafka broker on this machine, for there is no real one: it keeps what the real client sends it.

Speaks ApiVersions v0, Metadata v1 and Produce v3 of https://kafka.apache.org/protocol, one topic with one partition.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PRODUCE, METADATA, API_VERSIONS = 0, 3, 18
VERSIONS = {PRODUCE: 3, METADATA: 1, API_VERSIONS: 0}
UNSUPPORTED_VERSION = 35


def text(value: str) -> bytes:
    """A STRING."""
    return struct.pack(">h", len(value)) + value.encode()


class MockBroker:
    """`batches` are the message sets that were produced, as they came; each is answered `slow_s` seconds later."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.slow_s = 0.0
        self.batches: list[bytes] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self._clients: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                self._clients.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client, client.makefile("rb") as stream:
            while head := stream.read(4):
                request = stream.read(struct.unpack(">i", head)[0])
                key, version, correlation, length = struct.unpack_from(">hhih", request)
                body = request[10 + max(length, 0) :]
                answer = struct.pack(">i", correlation) + self._answer(key, version, body)
                client.sendall(struct.pack(">i", len(answer)) + answer)

    def _answer(self, key: int, version: int, body: bytes) -> bytes:
        if key == API_VERSIONS:
            error = 0 if version == 0 else UNSUPPORTED_VERSION
            return struct.pack(">hi", error, len(VERSIONS)) + b"".join(
                struct.pack(">hhh", one, 0, most) for one, most in VERSIONS.items()
            )
        if key == METADATA:
            broker = struct.pack(">ii", 1, 0) + text("127.0.0.1") + struct.pack(">ih", self.port, -1)
            # one partition: no error, index 0, leader 0, replicas [0], in sync [0]
            partition = struct.pack(">i", 1) + struct.pack(">hiiiiii", 0, 0, 0, 1, 0, 1, 0)
            return broker + struct.pack(">iih", 0, 1, 0) + text(self.topic) + b"\0" + partition
        return self._produce(body)

    def _produce(self, body: bytes) -> bytes:
        # transactional id, acks, timeout, one topic, its name, one partition, its index, the batch
        at = 2 + max(struct.unpack_from(">h", body)[0], 0) + 2 + 4 + 4
        at += 2 + struct.unpack_from(">h", body, at)[0] + 4
        index, size = struct.unpack_from(">ii", body, at)
        time.sleep(self.slow_s)
        self.batches.append(body[at + 8 : at + 8 + size])
        return (
            struct.pack(">i", 1) + text(self.topic) + struct.pack(">iihqq", 1, index, 0, len(self.batches), -1)
            + struct.pack(">i", 0)
        )  # fmt: skip

    def close(self) -> None:
        """End it."""
        for one in (self.listener, *self._clients):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@contextlib.contextmanager
def mock_broker(topic: str) -> Iterator[MockBroker]:
    """A running one."""
    broker = MockBroker(topic)
    try:
        yield broker
    finally:
        broker.close()
