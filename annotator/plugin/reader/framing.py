"""Reads of auditd's stream, cut into chunks of whole lines: the string format, and the binary one made into lines.

Binary: a header of four native u32 (version, header length 16, type, size), then the text. Version 0 has the bare
`audit(S.m:N): …` text, version 1 (protocol 2) a formatted line. Up to auditd 4.1.0 the text is padded to
MAX_AUDIT_MESSAGE_LENGTH (8970, libaudit.h) whatever its size, from 4.1.1 on it is not padded: which of the two it is
shows when the next header is found at one of the two places.
"""

from __future__ import annotations

import struct
from typing import Protocol

HEADER = struct.Struct("=IIII")
PADDED = 8970
LONGEST = 1024 * 1024
"""Bytes of a line after which its beginning is sent on alone (the worker joins it again)."""


class Framer(Protocol):
    """Cuts reads at the ends of lines. `rejected` counts bytes that were no record."""

    rejected: int

    def feed(self, data: bytes) -> bytes:
        """The lines that are complete now."""
        ...

    def quiet(self) -> bytes:
        """Nothing came for a while: the lines that are certainly complete now."""
        ...

    def end(self) -> bytes:
        """The rest, at the end of the input."""
        ...


class Lines:
    """The string format: one record a line."""

    def __init__(self) -> None:
        self.rejected = 0
        self._partial = b""

    def feed(self, data: bytes) -> bytes:
        """See `Framer`."""
        stop = data.rfind(b"\n") + 1
        if not stop:
            self._partial += data
            if len(self._partial) > LONGEST:
                lines, self._partial = self._partial, b""
                return lines
            return b""
        lines = self._partial + data[:stop]
        self._partial = data[stop:]
        return lines

    def quiet(self) -> bytes:
        """Half a line stays half a line."""
        return b""

    def end(self) -> bytes:
        """The last line, without its newline."""
        line, self._partial = self._partial, b""
        return line


class Binary:
    """The binary format, as the lines that the string format would have."""

    def __init__(self) -> None:
        self.rejected = 0
        self._partial = b""
        self._padded: bool | None = None

    def feed(self, data: bytes) -> bytes:
        """See `Framer`."""
        return self._take(self._partial + data, quiet=False)

    def quiet(self) -> bytes:
        """A record that came alone can be decided now: with exactly its size it is not padded."""
        return self._take(self._partial, quiet=True)

    def end(self) -> bytes:
        """The last record, or the beginning of one."""
        out = self._take(self._partial, quiet=True)
        self.rejected += len(self._partial)
        self._partial = b""
        return out

    def _take(self, data: bytes, *, quiet: bool) -> bytes:
        out: list[bytes] = []
        at = 0
        while len(data) - at >= HEADER.size:
            if not _is_header(data, at):
                header = _resynchronise(data, at + 1)
                self.rejected += header - at
                self._padded = None
                at = header
                continue
            version, _, kind, size = HEADER.unpack_from(data, at)
            start = at + HEADER.size
            padded = self._is_padded(data, start, size, quiet=quiet)
            if padded is None or len(data) < start + (PADDED if padded else size):
                break
            out.append(_line(version, kind, data[start : start + size]))
            at = start + (PADDED if padded else size)
        self._partial = data[at:]
        return b"".join(out)

    def _is_padded(self, data: bytes, start: int, size: int, *, quiet: bool) -> bool | None:
        """Whether this record's text is padded; None when that needs more bytes."""
        if self._padded is None and size < PADDED:
            here, there = start + size, start + PADDED
            if len(data) >= here + HEADER.size:
                self._padded = not _is_header(data, here)
            elif quiet and len(data) == here:
                self._padded = False
            elif quiet and len(data) >= there:
                self._padded = True
        return self._padded if size < PADDED else True


def framer(name: str, first: bytes) -> Framer:
    """The framer of a stream that begins with these bytes (at least 8); `name` as configured."""
    if name == "binary" or (name == "auto" and first[4:8] == HEADER.pack(0, 16, 0, 0)[4:8] and first[0] < 2):
        return Binary()
    return Lines()


def _is_header(data: bytes, at: int) -> bool:
    version, length, kind, size = HEADER.unpack_from(data, at)
    return bool(version <= 1 and length == HEADER.size and 1000 <= kind < 3000 and 0 < size <= PADDED)


def _resynchronise(data: bytes, at: int) -> int:
    """Where the next header may begin."""
    length = HEADER.pack(0, HEADER.size, 0, 0)[4:8]
    place = data.find(length, at + 4)
    return place - 4 if place >= 0 else max(at, len(data) - HEADER.size + 1)


def _line(version: int, kind: int, text: bytes) -> bytes:
    """One record as a line. Newlines inside become spaces, as auditd does in the string format."""
    text = text.rstrip(b"\0\n").replace(b"\n", b" ")
    if version == 0 and not text.startswith((b"type=", b"node=")):
        from annotator.linux.records.tables import TYPES  # only this form needs names for numbers

        name = TYPES.get(kind)
        text = (b"type=%s msg=" % name.encode() if name else b"type=UNKNOWN[%d] msg=" % kind) + text
    return text + b"\n"
