"""The format of both files: header, entries, and how they are read back."""

from __future__ import annotations

import contextlib
import io
import os
import stat
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from annotator.core.errors import EntryError, FormatError, StoreError
from annotator.storage.codec import FRAME, Torn, frame, unframe, unpack

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MAGIC = b"\xa5ANNOT\r\n"

VERSION = 1
"""Raised only when an older program would misread the file; new kinds and new fields do not raise it."""

OPEN = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Never through a link, never waiting for the other end of a pipe, never left to a child."""


@dataclass(frozen=True, slots=True)
class Header:
    """Whose facts these are. They can be used again on the same node and boot, or given to a replay of its log.

    `offset_ns` is CLOCK_REALTIME − CLOCK_BOOTTIME when the file was begun, `ticks_per_second` is sysconf(_SC_CLK_TCK),
    `boot` is /proc/sys/kernel/random/boot_id ("" where there is none), `namespaces` are the inodes of the host's own
    namespaces by their names in /proc/PID/ns.
    """

    node: bytes
    boot: str
    offset_ns: int
    ticks_per_second: int
    namespaces: Mapping[str, int] = field(default_factory=dict)
    version: int = VERSION

    def same_host(self, other: Header) -> bool:
        """Whether one file may hold the facts of both: all is equal but the offset, which steps with the clock."""
        return (self.version, self.node, self.boot, self.ticks_per_second, dict(self.namespaces)) == (
            other.version, other.node, other.boot, other.ticks_per_second, dict(other.namespaces),
        )  # fmt: skip


class Entry(NamedTuple):
    """One fact and when it was true: ns of the Unix epoch, and ns since boot (0: not known)."""

    realtime_ns: int
    boottime_ns: int
    kind: str
    body: Mapping[str, Any]


@contextlib.contextmanager
def told(path: Path | str) -> Iterator[None]:
    """What the system refuses becomes a StoreError that names the file."""
    try:
        yield
    except OSError as err:
        raise StoreError(f"{path}: {err.strerror or err}", "Check the path, its rights and the disk.") from err


# --- writing --------------------------------------------------------------------------------------------------------


def write_header(header: Header) -> bytes:
    """The first bytes of a file."""
    return MAGIC + _frame({
        "version": header.version, "node": header.node, "boot": header.boot, "offset_ns": header.offset_ns,
        "ticks_per_second": header.ticks_per_second, "namespaces": dict(header.namespaces),
    })  # fmt: skip


def write_entry(entry: Entry) -> bytes:
    """One entry's bytes. Raises EntryError for one that is too large, or holds what could not be read again."""
    return _frame({
        "realtime_ns": entry.realtime_ns, "boottime_ns": entry.boottime_ns, "kind": entry.kind,
        "body": dict(entry.body),
    })  # fmt: skip


def _frame(content: Mapping[str, Any]) -> bytes:
    try:
        return frame(content)
    except FormatError as err:
        raise EntryError(f"an entry cannot be stored: {err.what}", "It is left out; nothing else is affected.") from err


# --- reading --------------------------------------------------------------------------------------------------------


def read_header(file: IO[bytes]) -> tuple[Header, int]:
    """The header and the offset behind it.

    Raises Torn when the file ends too early, FormatError when it is damaged, of a newer version or of another kind.
    """
    magic = file.read(len(MAGIC))
    if magic != MAGIC:
        raise (Torn if MAGIC.startswith(magic) else FormatError)("it does not begin as a journal or state file does")
    payload = unframe(file)
    if payload is None:
        raise Torn("the file ends before its header")
    found = unpack(payload, errors="surrogatepass")
    match found:
        case {"version": int(version)} if version > VERSION:
            raise FormatError(
                f"format version {version} is newer than this program, which knows {VERSION}",
                "Use the newer program, or start without it.",
            )
        case {
            "version": int(version),
            "node": bytes(node),
            "boot": str(boot),
            "offset_ns": int(offset),
            "ticks_per_second": int(ticks),
            "namespaces": dict(names),
        } if version > 0 and ticks > 0 and all(type(n) is str and type(ino) is int for n, ino in names.items()):
            return Header(node, boot, offset, ticks, names, version), len(MAGIC) + FRAME.size + len(payload)
    raise FormatError("the header lacks what every version has")


def _read_entry(payload: bytes) -> Entry | None:
    try:
        found = unpack(payload, errors="surrogatepass")
    except FormatError:
        return None
    match found:
        case {"realtime_ns": int(real), "boottime_ns": int(boot), "kind": str(kind), "body": dict(body)}:
            return Entry(real, boot, kind, body)
    return None


class Entries:
    """The entries of one file, in the order they were written. Iterate once; the rest is known after that.

    Damage ends the iteration: `damage` says what and where ("" for none), `lost` counts the bytes from there on, `torn`
    is true when it was only an unfinished frame. `end` is the offset behind the last sound frame. `skipped` counts
    sound frames that hold no entry as this version knows it.
    """

    def __init__(self, path: Path | str, file: IO[bytes], begin: int) -> None:
        self.damage = ""
        self.lost = 0
        self.torn = False
        self.skipped = 0
        self.end = begin
        self._path = path
        self._file = file

    def __iter__(self) -> Iterator[Entry]:
        """Raises StoreError only when the disk does not give the bytes."""
        with self._file as file, told(self._path):
            while (payload := self._next(file)) is not None:
                self.end += FRAME.size + len(payload)
                entry = _read_entry(payload)
                if entry is None:
                    self.skipped += 1
                else:
                    yield entry

    def _next(self, file: IO[bytes]) -> bytes | None:
        try:
            return unframe(file)
        except FormatError as err:
            self.torn = isinstance(err, Torn)
            size = len(file.getbuffer()) if isinstance(file, io.BytesIO) else os.fstat(file.fileno()).st_size
            self.lost = max(size - self.end, 0)
            self.damage = f"{self._path}: byte {self.end}: {err.what}; {self.lost} bytes from there on are not used"
            return None

    def close(self) -> None:
        """Only needed when not all is read."""
        self._file.close()


def read_journal(path: Path) -> tuple[Header, Entries]:
    """Open a journal or state file of whatever machine. Raises StoreError when it has no sound header.

    The caller says which file to believe, so its owner and rights are not looked at; it may be a pipe.
    """
    with told(path), contextlib.ExitStack() as stack:
        file = stack.enter_context(path.open("rb"))
        try:
            header, end = read_header(file)
        except FormatError as err:
            advice = "Give a journal that this program wrote, or go on without it."
            raise StoreError(f"{path}: not usable: {err.what}", advice) from err
        stack.pop_all()
    return header, Entries(path, file, end)


def refuse_others(fd: int, path: Path) -> int:
    """Its size. Raises StoreError unless it is a regular file that nobody but root and us may write."""
    info = os.fstat(fd)
    if not stat.S_ISREG(info.st_mode):
        raise StoreError(f"{path}: not a regular file", "Name another file.")
    if info.st_uid not in (0, os.geteuid()) or info.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise StoreError(
            f"{path}: others may write it (owner {info.st_uid}, mode {stat.S_IMODE(info.st_mode):04o})",
            "What it says cannot be trusted: remove it, or give it mode 0600 if you know that nobody changed it.",
        )
    return info.st_size
