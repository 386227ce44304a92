"""Lines that a file has already, because the worker that wrote them was killed before the reader knew of it.

The reader keeps each chunk until the worker has acknowledged it, and gives it to the next worker when one dies. What of
those chunks had reached the file is found in the file itself: nothing else survives a kill at any moment. A line is
known by what came in, so that another answer of the next worker makes no second line of it. Lines without a stamp are
written again: two of them may be the same by chance. The objects of msgpack have no ends that can be found from behind.
"""

from __future__ import annotations

import gzip
import os
import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from annotator.formats.raw import tail_start

if TYPE_CHECKING:
    from pathlib import Path

LOOKBACK: Final = 16 << 20
"""Bytes at the end of a file that may be of chunks without acknowledgement; as many of the output are looked at."""

MAX_ROTATED: Final = 100
"""Files that are looked at."""

_STAMP: Final = re.compile(rb"\bmsg=audit\(\d+\.\d+:\d+\)")
_DOCUMENT: Final = re.compile(rb'\A\{"@timestamp":"([^"]+)"')
_SEQUENCE: Final = re.compile(rb'"sequence":(\d+)')
_HOST: Final = re.compile(rb'"host":\{"name":("[^"]*")')


class Repeats:
    """The lines at the end of a file, each as often as it is there. `over`: there can be no more repeats."""

    def __init__(self, path: Path, form: str) -> None:
        self._key = _document_key if form == "json" else _record_key if form == "record" else _line_key
        self._rest = LOOKBACK
        self._written = Counter(key for line in _last_lines(path, LOOKBACK) if (key := self._key(line)) is not None)

    @property
    def over(self) -> bool:
        """Whether so much has passed that what follows was never given to a worker before."""
        return self._rest <= 0 or not self._written

    def without(self, data: bytes) -> bytes:
        """These lines without those that are in the file."""
        self._rest -= len(data)
        return b"".join([line for line in data.splitlines(keepends=True) if not self._is_written(line)])

    def _is_written(self, line: bytes) -> bool:
        key = self._key(line.rstrip(b"\n"))
        count = self._written[key] if key is not None else 0
        if key is None or not count:
            return False
        if count == 1:
            del self._written[key]
        else:
            self._written[key] = count - 1
        return True


def _line_key(line: bytes) -> int | None:
    """An annotated line: the hash of the line that came in."""
    if _STAMP.search(line) is None:
        return None
    body, mark, enriched = line.partition(b"\x1d")
    start = tail_start(body)
    return hash(body[:start] + mark + enriched if start >= 0 else line)


def _record_key(line: bytes) -> int | None:
    """A line of the record form: of a container record its event, since the next worker may name another container."""
    stamp = _STAMP.search(line)
    if stamp is not None and b"type=CONTAINER_ID " in line[: stamp.start()]:
        return hash((b"CONTAINER_ID", line[: stamp.end()]))
    return _line_key(line)


def _document_key(line: bytes) -> int | None:
    """An object of the JSON form: its event's node and stamp."""
    time, sequence, host = _DOCUMENT.search(line), _SEQUENCE.search(line), _HOST.search(line)
    if time is None or sequence is None:
        return None
    return hash((time[1], sequence[1], host[1] if host is not None else b""))


def _last_lines(path: Path, size: int) -> list[bytes]:
    """The last lines of a file and of those it was rotated to, at most `size` bytes; [] where none is readable."""
    pieces: list[bytes] = []
    for number in range(MAX_ROTATED):
        name = f"{path.name}.{number}" if number else path.name
        try:
            piece = _tail(path.with_name(name), size)
        except FileNotFoundError:
            try:
                piece = _unpacked_tail(path.with_name(f"{name}.gz"), size)
            except (OSError, EOFError):
                break
        except OSError:
            break
        pieces.insert(0, piece)
        size -= len(piece)
        if size <= 0:
            break
    return b"".join(pieces).split(b"\n")


def _tail(path: Path, size: int) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(fd, "rb") as file:
        file.seek(max(0, os.fstat(fd).st_size - size))
        return file.read(size)


def _unpacked_tail(path: Path, size: int) -> bytes:
    with path.open("rb") as packed, gzip.GzipFile(fileobj=packed) as file:
        last = b""
        while piece := file.read(1 << 20):
            last = (last + piece)[-size:]
        return last
