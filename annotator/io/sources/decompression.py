"""Decompression as a stream: gz, xz and zst, told apart by their first bytes, never by their name.

Output leaves in bounded steps, so that a file that unpacks to terabytes costs time but no memory.
"""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Callable, Iterator

from annotator.core.errors import SourceError
from annotator.io.sources.lines import READ

MAGIC_LENGTH = 6
MEMORY = 256 * 1024 * 1024
"""Bytes an xz decoder may take for its dictionary (`xz -9` needs 65 MiB); a hostile header can ask for 4 GiB."""

ZST_WINDOW = 128 * 1024 * 1024
"""The window zstd(1) itself accepts without being told otherwise (`--long=27`)."""

ZST_STEP = 1024
"""Bytes given to zstd at once. It has no bound on its output: 4 bytes can be a block of 128 KiB, so this is 32 MiB."""

Decoder = Callable[[Iterator[bytes]], Iterator[bytes]]


class Damaged(Exception):
    """The compressed data is wrong (private to reading: it becomes a SourceError that names the file)."""


def packing(head: bytes) -> str:
    """`gz`, `xz` or `zst` by the magic of RFC 1952, the .xz format and RFC 8878; else ''."""
    if head.startswith(b"\x1f\x8b\x08"):
        return "gz"
    if head.startswith(b"\xfd7zXZ\0"):
        return "xz"
    return "zst" if head.startswith(b"\x28\xb5\x2f\xfd") else ""


def unpack(
    kind: str, origin: str, chunks: Callable[[], Iterator[bytes]] | None, first: Iterator[bytes]
) -> Iterator[bytes]:
    """The decompressed bytes of `first`, in chunks of at most READ bytes.

    `chunks` reads the same compressed bytes once more from their start, cut the same way; None where that cannot be.
    A decoder that fails throws away what it had decoded in that call, so the chunk it failed on is decoded again byte
    by byte. All that is readable is given before SourceError is raised.
    """
    decoder = DECODERS[kind]
    given = taken = last = 0

    def counted() -> Iterator[bytes]:
        nonlocal taken, last
        for chunk in first:
            last = taken
            taken += len(chunk)
            yield chunk

    try:
        for out in _batched(decoder(counted())):
            given += len(out)
            yield out
    except (Damaged, zlib.error, lzma.LZMAError) as error:
        why = str(error)
    except EOFError as error:
        why, chunks = str(error), None
    else:
        return
    if chunks is not None:
        for out in _salvaged(decoder, chunks(), last, given):
            given += len(out)
            yield out
    raise SourceError(
        f"{origin}: damaged {kind} data in compressed bytes {last}-{taken} (after uncompressed byte {given}): {why}",
        "Everything before that was read. Fetch the file again if there is a whole copy of it.",
    )


def _salvaged(decoder: Decoder, chunks: Iterator[bytes], start: int, given: int) -> Iterator[bytes]:
    """What can be decoded beyond the first `given` bytes when the chunk at byte `start` comes one byte at a time."""

    def fine() -> Iterator[bytes]:
        at = 0
        for chunk in chunks:
            if at < start:
                yield chunk
            else:
                yield from (chunk[i : i + 1] for i in range(len(chunk)))
            at += len(chunk)

    skip = given
    try:
        for out in _batched(decoder(fine())):
            kept = out[skip:]
            skip = max(0, skip - len(out))
            if kept:
                yield kept
    except (Damaged, zlib.error, lzma.LZMAError, EOFError):
        return


def _batched(outs: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes in chunks of at most READ, mostly of READ; nothing is kept back when decoding fails."""
    held: list[bytes] = []
    size = 0
    try:
        for out in outs:
            held.append(out)
            size += len(out)
            if size >= READ:
                whole = b"".join(held)
                held, size = [], 0
                yield from (whole[i : i + READ] for i in range(0, len(whole), READ))
    except (Damaged, zlib.error, lzma.LZMAError, EOFError):
        if held:
            yield b"".join(held)
        raise
    if held:
        yield b"".join(held)


def _gz(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """All members of a gzip file; zero bytes between and after them are padding, as for gzip(1)."""
    decoder = zlib.decompressobj(31)
    for chunk in chunks:
        data = chunk
        while data:
            if decoder.eof:
                data = data.lstrip(b"\0")
                if not data:
                    break
                decoder = zlib.decompressobj(31)
            out = decoder.decompress(data, READ)
            data = decoder.unused_data if decoder.eof else decoder.unconsumed_tail
            yield out
    yield decoder.flush()
    if not decoder.eof:
        raise EOFError("it ends in the middle")


def _xz(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """All streams of an xz file; zero bytes between and after them are padding."""
    decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MEMORY)
    for chunk in chunks:
        data = chunk
        while data or not decoder.needs_input:
            if decoder.eof:
                data = data.lstrip(b"\0")
                if not data:
                    break
                decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MEMORY)
            out = decoder.decompress(data, READ)
            data = decoder.unused_data if decoder.eof else b""
            yield out
    if not decoder.eof:
        raise EOFError("it ends in the middle")


def _zst(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """All frames of a zstd file."""
    try:
        import zstandard
    except ImportError:
        raise SourceError(
            "zstd data cannot be read: the Python package zstandard is missing",
            "Install python3-zstandard, or pipe it in: `zstd -dc FILE | annotator replay -`.",
        ) from None
    unpacker = zstandard.ZstdDecompressor(max_window_size=ZST_WINDOW)
    decoder = unpacker.decompressobj()
    for chunk in chunks:
        for at in range(0, len(chunk), ZST_STEP):
            data = chunk[at : at + ZST_STEP]
            while data:
                if decoder.eof:
                    decoder = unpacker.decompressobj()
                try:
                    out = decoder.decompress(data)
                except zstandard.ZstdError as error:
                    raise Damaged(str(error)) from error
                data = decoder.unused_data if decoder.eof else b""
                yield out
    if not decoder.eof:
        raise EOFError("it ends in the middle")


DECODERS: dict[str, Decoder] = {"gz": _gz, "xz": _xz, "zst": _zst}
