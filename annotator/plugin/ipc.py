"""The messages between reader and worker, over their socketpair: kind (1 byte), length (u32), payload.

Reader to worker: lines to annotate, lines to pass, counts, reload, end. Worker to reader: settings, ready (both JSON;
ready also after a reload that failed), the counts of chunks done, and that only the state is still to be saved. Each
side accepts the other's lengths only up to `LARGEST`.
"""

from __future__ import annotations

import struct

HEAD = struct.Struct("!cI")
COUNTS = struct.Struct("!QQ")

LINES = b"L"
"""A chunk of whole lines."""
PASS = b"P"
"""The same, to be passed through without being attributed."""
INPUT_COUNTS = b"T"
"""The reader's counts, as JSON."""
RELOAD = b"H"
END = b"E"
SETTLED = b"S"
"""The settings (JSON), as soon as they are known: from then on the reader keeps chunks where they are configured."""
READY = b"R"
DONE = b"D"
"""Of the chunks since this worker started: how many were read, and how many have left completely for the outputs."""
SAVING = b"K"
"""All has left that can; what follows is the saving of the state, which the reader waits for longer than for lines."""

RELOAD_CODE = 75
"""The exit code of a worker that ended to be started with a new configuration."""
CONFIG_CODE = 2
"""The exit code of a worker whose configuration is invalid."""

LARGEST = 32 * 1024 * 1024

GATHER_S = 0.005
"""A steady stream is handed on this often: a worker that wakes for each event works twice as much."""


def pack(kind: bytes, payload: bytes = b"") -> bytes:
    """One message."""
    return HEAD.pack(kind, len(payload)) + payload


class MessageBuffer:
    """Cuts a byte stream into messages: kind and payload."""

    __slots__ = ("_data",)

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> list[tuple[bytes, bytes]]:
        """The messages that `data` completes. Raises ValueError for a length that no message has."""
        self._data += data
        messages: list[tuple[bytes, bytes]] = []
        at = 0
        while len(self._data) - at >= HEAD.size:
            kind, length = HEAD.unpack_from(self._data, at)
            if length > LARGEST:
                raise ValueError(f"a message of {length} bytes")
            stop = at + HEAD.size + length
            if len(self._data) < stop:
                break
            messages.append((kind, bytes(self._data[at + HEAD.size : stop])))
            at = stop
        del self._data[:at]
        return messages
