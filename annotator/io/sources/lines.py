"""Cutting a byte stream into lines, a block at a time."""

from __future__ import annotations

from typing import NamedTuple

from annotator.core.errors import SourceError

READ = 512 * 1024
"""Bytes asked of the system at once: large enough that the cost per read vanishes among a thousand lines."""

LONGEST = 16 * 1024 * 1024
"""Bytes of the longest line that is kept whole. auditd writes at most 8970 (MAX_AUDIT_MESSAGE_LENGTH, libaudit.h)."""


class Position(NamedTuple):
    """Where reading goes on: file by device and inode, and the byte in its *decompressed* stream. 0, 0: no file."""

    device: int
    inode: int
    offset: int


class Block(NamedTuple):
    r"""Some consecutive lines of one source, in order, as one piece of text.

    The lines stand in `text` with a b"\n" between them and none at the end; a b"\r" before it stays part of the line.
    `offset` is the byte of the decompressed stream after the block. `newline` is False only where the source ended
    without a newline: then `text` is that unfinished line, and the block is the last one of its file.
    """

    text: bytes
    origin: str
    offset: int
    newline: bool = True
    device: int = 0
    inode: int = 0

    @property
    def lines(self) -> list[bytes]:
        """The lines one by one, for those who need them so: cutting costs more than reading."""
        return self.text.split(b"\n")

    @property
    def position(self) -> Position:
        """Where to go on after this block."""
        return Position(self.device, self.inode, self.offset)


class Cutter:
    """Turns chunks (each at most `LONGEST` bytes) into blocks; the unfinished line waits for the next chunk.

    The blocks' lines depend on the bytes alone, never on how they were cut into chunks. A line longer than `LONGEST`
    is refused: memory stays bounded whatever the input is. `offset` is the start of the unfinished line.
    """

    __slots__ = ("_pieces", "device", "held", "inode", "offset", "origin")

    def __init__(self, origin: str, offset: int = 0, device: int = 0, inode: int = 0) -> None:
        self.origin = origin
        self.offset = offset
        self.device = device
        self.inode = inode
        self.held = 0
        self._pieces: list[bytes] = []

    def feed(self, data: bytes) -> Block | None:
        """The lines that `data` finishes, or None. Raises SourceError for a line longer than `LONGEST`."""
        stop = data.rfind(b"\n")
        if stop < 0:
            self._hold(data)
            return None
        if self._pieces and self.held + data.find(b"\n") > LONGEST:
            raise self._too_long()
        text, tail = data[:stop], data[stop + 1 :]
        if self._pieces:
            self._pieces.append(text)
            text = b"".join(self._pieces)
            self._pieces.clear()
        self.offset += len(text) + 1
        self.held = 0
        if tail:
            self._hold(tail)
        return Block(text, self.origin, self.offset, True, self.device, self.inode)

    def end(self) -> Block | None:
        """The line that has no newline, when the source is over; None when there is none."""
        if not self.held:
            return None
        line = b"".join(self._pieces)
        self._pieces.clear()
        self.offset += self.held
        self.held = 0
        return Block(line, self.origin, self.offset, False, self.device, self.inode)

    @property
    def unfinished(self) -> bytes:
        """The line that waits for its newline, as far as it has come."""
        return b"".join(self._pieces)

    def _hold(self, piece: bytes) -> None:
        # Pieces are joined once, when the line is whole: joining at every chunk would be quadratic.
        self._pieces.append(piece)
        self.held += len(piece)
        if self.held > LONGEST:
            raise self._too_long()

    def _too_long(self) -> SourceError:
        return SourceError(
            f"{self.origin}: the line at byte {self.offset} is longer than {LONGEST} bytes",
            "This is not an audit log (its lines are at most 8970 bytes). Check the file with `head -c 300`.",
        )
