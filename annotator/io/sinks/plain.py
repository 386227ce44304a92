"""The contract of a sink, and the sink of an open descriptor."""

from __future__ import annotations

import os
import select
from typing import Protocol

from annotator.core.errors import SinkError

CHUNK = 256 * 1024
"""Bytes that are gathered before they are written without a `flush`."""


class SinkClosed(SinkError):
    """The reader went away (`annotator … | head`): not a failure, but there is nobody to write to."""


class Sink(Protocol):
    """A destination of output. `write` takes complete lines (the last of all may lack its newline)."""

    def write(self, data: bytes) -> None:
        """Take these lines; they need not have left before `flush`. Raises SinkError."""
        ...

    def flush(self) -> None:
        """Write all lines that were taken. Raises SinkError."""
        ...

    def close(self) -> None:
        """Flush and close; a second call does nothing."""
        ...


class FdSink:
    """An open descriptor that is not ours to close: standard output. `written` counts bytes that left."""

    def __init__(self, fd: int, origin: str = "standard output") -> None:
        self.fd = fd
        self.origin = origin
        self.written = 0
        self._chunks: list[bytes] = []
        self._size = 0
        self._gone = False

    def write(self, data: bytes) -> None:
        """Gather, and write when there is enough. Raises SinkClosed when the reader is gone."""
        self._chunks.append(data)
        self._size += len(data)
        if self._size >= CHUNK:
            self.flush()

    def flush(self) -> None:
        """Write all; waits for a slow reader. Raises SinkClosed, or SinkError with the byte where it failed."""
        data = memoryview(b"".join(self._chunks))
        self._chunks.clear()
        self._size = 0
        while data:
            if self._gone:
                raise SinkClosed(f"{self.origin}: the reader is gone")
            done = self._write_some(data)
            self.written += done
            data = data[done:]

    def close(self) -> None:
        """Flush; a reader that is gone is no error any more. The descriptor stays open."""
        try:
            self.flush()
        except SinkClosed:
            return

    def _write_some(self, data: memoryview) -> int:
        try:
            return os.write(self.fd, data)
        except BlockingIOError:
            # The other side of a terminal or pipe may have made it non-blocking; it is one open file for both.
            waiting = select.poll()
            waiting.register(self.fd, select.POLLOUT)
            waiting.poll()
            return 0
        except (BrokenPipeError, ConnectionResetError):
            self._gone = True
            raise SinkClosed(f"{self.origin}: the reader is gone") from None
        except OSError as error:
            raise SinkError(
                f"{self.origin}: cannot write after byte {self.written}: {error.strerror}",
                "The output is incomplete. Make room or choose another place, then run it again.",
            ) from error
