"""What reader and worker say to each other over their socketpair: kind (1 byte), length (u32), payload.

Reader to worker: lines to annotate, lines to pass, reload, end. Worker to reader: settled, ready (JSON; also when a
reload came to nothing), and the counts of chunks done. Each side believes the other's lengths only up to `LARGEST`.
"""

from __future__ import annotations

import struct

HEAD = struct.Struct("!cI")
COUNTS = struct.Struct("!QQ")

LINES = b"L"
"""A chunk of whole lines."""
PASS = b"P"
"""The same, to be passed without being looked at."""
TELL = b"T"
"""The reader's counts, as JSON."""
RELOAD = b"H"
END = b"E"
SETTLED = b"S"
"""The settings (JSON), as soon as they are known: what is read can be kept where it belongs."""
READY = b"R"
DONE = b"D"
"""Of the chunks since this worker started: how many were read, and how many have left whole for the outputs."""

LARGEST = 32 * 1024 * 1024

GATHER_S = 0.005
"""What keeps coming is handed on this often: a worker that wakes for each event works twice as much."""


def pack(kind: bytes, payload: bytes = b"") -> bytes:
    """One message."""
    return HEAD.pack(kind, len(payload)) + payload


class Inbox:
    """Cuts a byte stream into messages."""

    __slots__ = ("_data",)

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> list[tuple[bytes, bytes]]:
        """The messages that `data` completes. Raises ValueError for a length that no message has."""
        self._data += data
        found: list[tuple[bytes, bytes]] = []
        at = 0
        while len(self._data) - at >= HEAD.size:
            kind, length = HEAD.unpack_from(self._data, at)
            if length > LARGEST:
                raise ValueError(f"a message of {length} bytes")
            stop = at + HEAD.size + length
            if len(self._data) < stop:
                break
            found.append((kind, bytes(self._data[at + HEAD.size : stop])))
            at = stop
        del self._data[:at]
        return found
