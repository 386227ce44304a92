"""What a caller of the API may give as a log: files by name, bytes, or pieces of bytes as they come."""

from __future__ import annotations

import io
import os
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, cast

from annotator.core.errors import SourceError
from annotator.io.sources import READ, Cutter, order, read_file
from annotator.io.sources.decompression import packing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from annotator.io.sources import Block

PathName = str | os.PathLike[str]
"""The name of a file."""

Piece = bytes | bytearray | memoryview
"""Bytes of a log; a line may end in a later piece."""

ORIGIN = "input"
"""What errors call a log that came as bytes."""


def blocks_from(source: PathName | Piece | Iterable[PathName] | Iterable[Piece]) -> Iterator[Block]:
    """The blocks of a log. Files may be packed (gz, xz, zst); the members of a rotated set come oldest first.

    Raises TypeError for what is no log; SourceError, while the blocks are read, for a file that cannot be read.
    """
    if isinstance(source, str | os.PathLike):
        return read_file(Path(source))
    if isinstance(source, bytes | bytearray | memoryview):
        return _cut(iter((source,)))
    if isinstance(source, io.TextIOBase):
        raise TypeError("a log is bytes: open the file in binary mode, or give its name")
    items = iter(source)
    first = next(items, b"")
    if isinstance(first, str | os.PathLike):
        paths = cast("Iterator[PathName]", items)
        return chain.from_iterable(read_file(path) for path in order(map(Path, chain((first,), paths))))
    if isinstance(first, bytes | bytearray | memoryview):
        return _cut(chain((first,), cast("Iterator[Piece]", items)))
    raise TypeError(f"a log is given as paths or as bytes, not as {type(first).__name__}")


def slices(piece: Piece) -> Iterator[bytes]:
    """The same bytes in pieces that a `Cutter` takes."""
    if isinstance(piece, bytes) and len(piece) <= READ:
        yield piece
        return
    view = memoryview(piece).cast("B")
    for start in range(0, len(view), READ):
        yield bytes(view[start : start + READ])


def _cut(pieces: Iterator[Piece]) -> Iterator[Block]:
    cutter = Cutter(ORIGIN)
    at_start = True
    for data in chain.from_iterable(map(slices, pieces)):
        if at_start and packing(data):
            raise SourceError(f"{ORIGIN}: compressed bytes", "Give the name of the file, or decompress them first.")
        at_start = at_start and not data
        block = cutter.feed(data)
        if block is not None:
            yield block
    last = cutter.end()
    if last is not None:
        yield last
