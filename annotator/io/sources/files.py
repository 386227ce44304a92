"""Files that are complete: their order in a rotated set, and their lines."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from annotator.core.errors import SourceError
from annotator.io.sources.decompression import MAGIC_LENGTH, packing, unpack
from annotator.io.sources.lines import READ, Block, Cutter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

_PACKED = re.compile(r"\.(?:gz|xz|zst)$")
_DATE = re.compile(r"[-.]((?:19|20)\d\d-?[01]\d-?[0-3]\d(?:-?\d{1,10})?)$")
"""logrotate's `dateext`: `-YYYYMMDD`, and with `dateformat` also hours or epoch seconds after it."""

_NUMBER = re.compile(r"\.(\d{1,6})$")
"""auditd and logrotate: the highest number is the oldest file."""

_PACKED_READ = 64 * 1024


def order(paths: Iterable[Path]) -> list[Path]:
    """Rotated sets oldest first, in the place of their first member; all else as given.

    `audit.log.10`, `audit.log.2.gz`, `audit.log` share a stem (and directory): the highest number is oldest, of dates
    the earliest, dated files are older than numbered ones, the one without a suffix is newest.
    """
    sets: dict[tuple[Path, str], list[tuple[tuple[int, int, str], Path]]] = {}
    for path in paths:
        stem, age = _age(path.name)
        sets.setdefault((path.parent, stem), []).append((age, path))
    return [path for members in sets.values() for _, path in sorted(members, key=lambda member: member[0])]


def rotation_set(path: Path) -> tuple[Path, str]:
    """What the files of one rotated set have in common: their folder, and the name without what rotation adds."""
    return path.parent, _age(path.name)[0]


def _age(name: str) -> tuple[str, tuple[int, int, str]]:
    """The stem, and a key that sorts the oldest first."""
    bare = _PACKED.sub("", name)
    if dated := _DATE.search(bare):
        return bare[: dated.start()], (0, 0, dated[1].replace("-", ""))
    if numbered := _NUMBER.search(bare):
        return bare[: numbered.start()], (1, -int(numbered[1]), "")
    return bare, (2, 0, "")


def read_file(path: Path, *, start: int = 0, at: Callable[[int], None] | None = None) -> Iterator[Block]:
    """The lines of one file from byte `start` of its decompressed content, which must be the start of a line.

    `at` is told how many bytes of the file, as it lies there, have been read. gz, xz and zst are recognised by their
    content. Pipes may be named (`<(…)`, /dev/stdin). Raises SourceError when the file cannot be read, is damaged, or
    ends before `start`, after giving all that was readable.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise unreadable(str(path), error, 0) from error
    try:
        yield from _blocks(fd, path, start, at)
    finally:
        os.close(fd)


def unreadable(origin: str, error: OSError, at: int) -> SourceError:
    """The operating system's error, for a person."""
    advice = {
        FileNotFoundError: "Check the name.",
        PermissionError: "Audit logs are readable by root only: run this as root or copy the file.",
        IsADirectoryError: f"Name the files: {origin.rstrip('/')}/audit.log*",
    }
    return SourceError(f"{origin}: cannot be read at byte {at}: {error.strerror}", advice.get(type(error), ""))


def _blocks(fd: int, path: Path, start: int, at: Callable[[int], None] | None) -> Iterator[Block]:
    status = os.fstat(fd)
    cutter = Cutter(str(path), start, status.st_dev, status.st_ino)
    skip = start
    counted = at if at is not None and _seekable(fd) else None
    for data in _content(fd, str(path)):
        if counted is not None:
            counted(os.lseek(fd, 0, os.SEEK_CUR))
        if skip >= len(data):
            skip -= len(data)
            continue
        block = cutter.feed(data[skip:] if skip else data)
        skip = 0
        if block is not None:
            yield block
    if skip:
        raise SourceError(
            f"{path}: ends at byte {start - skip}, before byte {start} where reading was to go on",
            "It is not the file that was read last time. Start without the saved state.",
        )
    if (last := cutter.end()) is not None:
        yield last


def _content(fd: int, origin: str) -> Iterator[bytes]:
    """The decompressed bytes in chunks of at most READ."""
    head = b""
    while len(head) < MAGIC_LENGTH and (more := _read(fd, MAGIC_LENGTH - len(head), origin, len(head))):
        head += more  # a pipe may give its bytes one by one
    kind = packing(head)
    if not kind:
        if head:
            yield head
        yield from _chunks(fd, READ, origin, len(head))
        return

    def again() -> Iterator[bytes]:
        os.lseek(fd, 0, os.SEEK_SET)
        yield _read(fd, len(head), origin, 0)
        yield from _chunks(fd, _PACKED_READ, origin, len(head))

    def first() -> Iterator[bytes]:
        yield head
        yield from _chunks(fd, _PACKED_READ, origin, len(head))

    yield from unpack(kind, origin, again if _seekable(fd) else None, first())


def _chunks(fd: int, size: int, origin: str, at: int) -> Iterator[bytes]:
    while data := _read(fd, size, origin, at):
        at += len(data)
        yield data


def _read(fd: int, size: int, origin: str, at: int) -> bytes:
    try:
        return os.read(fd, size)
    except OSError as error:
        raise unreadable(origin, error, at) from error


def _seekable(fd: int) -> bool:
    try:
        os.lseek(fd, 0, os.SEEK_CUR)
    except OSError:
        return False
    return True
