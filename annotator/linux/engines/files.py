"""The one door to state files: opened below the injected root, bounded, never blocking, checked for their owner.

A path is resolved as if the root were `/` (openat2(2), RESOLVE_IN_ROOT; on kernels before 5.6, or where a seccomp
filter forbids the call, by a walk of our own that holds a descriptor of every directory it passed). So a link can
lead nowhere outside the root, and magic links of /proc are not followed. FIFOs, sockets and devices are opened
non-blocking and refused; what is larger than the bound is refused as a whole.

What was made of a file is kept by (path, device, inode, size, mtime, ctime) and made again when any of these differ.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from collections import OrderedDict, deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

T = TypeVar("T")

MAX_FILE: Final = 2**20
"""Bytes of a state file that is read whole: an OCI config has about 10 kB, runc's state up to 35 kB."""

MAX_ENTRIES: Final = 4096
"""Names taken from one directory."""

MAX_LINKS: Final = 40
"""Links followed in one path, as in the kernel (path_resolution(7))."""

MAX_DEPTH: Final = 128
"""Directories held open at once by the walk: state files lie ten deep."""

CACHED: Final = 4096
"""Files whose result is kept."""

_SYS_OPENAT2: Final = 437  # the same on every architecture but alpha (arch/*/syscall.tbl)
_RESOLVE_NO_MAGICLINKS: Final = 0x02  # linux/openat2.h
_RESOLVE_IN_ROOT: Final = 0x10  # linux/openat2.h
_READ: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_PATH: Final = getattr(os, "O_PATH", 0)
"""O_PATH, which only Linux has; 0 elsewhere, where no tree can be opened."""
_STEP: Final = _PATH | os.O_NOFOLLOW | os.O_CLOEXEC


class Identity(NamedTuple):
    """What tells one content of a file from another."""

    dev: int
    ino: int
    size: int
    mtime_ns: int
    ctime_ns: int


class _OpenHow(ctypes.Structure):
    """struct open_how of linux/openat2.h."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


_LIBC: Final = ctypes.CDLL(None, use_errno=True)


class Files:
    """Reads below `root` (a directory; `/` on a live machine).

    Raises OSError only when `root` itself cannot be opened, and on systems other than Linux.

    `owners` false trusts every file whoever it belongs to: for a recorded tree that lost its owners on the way.
    `openat2` false takes the walk of our own even where the kernel has the call.
    """

    def __init__(self, root: Path, *, owners: bool = True, openat2: bool = True) -> None:
        if not _PATH:
            raise OSError(errno.ENOSYS, "files of Linux engines are read on Linux only (open(2) has no O_PATH here)")
        self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._owners = owners
        self._base = os.fstat(self._root).st_uid
        self._kept: OrderedDict[tuple[str, object], tuple[object, object]] = OrderedDict()
        self._openat2 = openat2 and self._has_openat2()

    def close(self) -> None:
        """Give the root back. Nothing can be read afterwards."""
        if self._root >= 0:
            os.close(self._root)
            self._root = -1
        self._kept.clear()

    def load(self, path: str, parse: Callable[[bytes], T], *, owner: int = 0, limit: int = MAX_FILE) -> T | None:
        """What `parse` makes of the file, or None: absent, denied, not a regular file, too large, not `owner`'s.

        The result is kept and shared, so `parse` must give something that nobody changes; None from it is kept too.
        A file that changed while it was read is parsed but not kept.
        """

        def make(fd: int) -> T | None:
            data = read_whole(fd, limit)
            return parse(data) if data is not None else None

        return self.query(path, (parse, limit), make, owner=owner)

    def query(
        self,
        path: str,
        key: object,
        make: Callable[[int], T | None],
        *,
        owner: int = 0,
        version: Callable[[int], object] = lambda fd: None,  # noqa: ARG005
    ) -> T | None:
        """What `make` finds in the open file, for files that are too large to read whole. `key` names the question.

        Kept as in `load`: the same path and key must always mean the same question. `version` reads the count of
        changes that a database keeps itself, for one that is written in place twice within one tick of the clock
        (4 ms or so) looks the same from outside.
        """
        with self.open(path, owner=owner) as fd:
            if fd < 0:
                self._kept.pop((path, key), None)
                return None
            before = (identity(fd), version(fd))
            kept = self._kept.get((path, key))
            if kept is not None and kept[0] == before:
                self._kept.move_to_end((path, key))
                return kept[1]  # type: ignore[return-value]  # the key names the question, so it is a T
            result = make(fd)
            if (identity(fd), version(fd)) == before:
                self._keep((path, key), before, result)
            return result

    @contextmanager
    def open(self, path: str, *, owner: int = 0) -> Iterator[int]:
        """A descriptor of a regular file that belongs to `owner`, or -1. It is closed at the end of the block."""
        fd = self._open(path, _READ)
        try:
            yield fd if fd >= 0 and self._trusted(os.fstat(fd), owner) else -1
        finally:
            if fd >= 0:
                os.close(fd)

    def names(self, path: str, *, limit: int = MAX_ENTRIES) -> list[str]:
        """The names in a directory, sorted, at most `limit`; none when it cannot be read."""
        fd = self._open(path, _READ | os.O_DIRECTORY)
        if fd < 0:
            return []
        found: list[str] = []
        try:
            with os.scandir(fd) as entries:
                for entry in entries:
                    if len(found) >= limit:
                        break
                    found.append(entry.name)
        except OSError:
            return []
        finally:
            os.close(fd)
        return sorted(found)

    def _trusted(self, status: os.stat_result, owner: int) -> bool:
        """A regular file that only `owner` (or root's group, or the owner's own group) can have written."""
        if not stat.S_ISREG(status.st_mode):
            return False
        if not self._owners:
            return True
        if status.st_mode & stat.S_IWOTH:
            return False
        if status.st_mode & stat.S_IWGRP and status.st_gid not in {0, status.st_uid}:
            return False
        # A tree that an ordinary user unpacked belongs to that user as a whole.
        return status.st_uid == owner or (self._base != 0 and status.st_uid == self._base)

    def _keep(self, key: tuple[str, object], at: object, result: object) -> None:
        self._kept[key] = (at, result)
        self._kept.move_to_end(key)
        if len(self._kept) > CACHED:
            self._kept.popitem(last=False)

    def _has_openat2(self) -> bool:
        fd = self._call_openat2(b".", _PATH | os.O_CLOEXEC)
        if fd >= 0:
            os.close(fd)
        return fd >= 0

    def _open(self, path: str, flags: int) -> int:
        """A descriptor, or -1 for whatever reason. `path` is taken from the root, with or without a leading slash."""
        relative = os.fsencode(path).lstrip(b"/") if _encodable(path) else b""
        if self._root < 0 or not relative or b"\0" in relative or len(relative) > 4095:
            return -1
        return self._call_openat2(relative, flags) if self._openat2 else self._walk(relative, flags)

    def _call_openat2(self, relative: bytes, flags: int) -> int:
        how = _OpenHow(flags, 0, _RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS)
        for _ in range(8):  # EAGAIN: something was renamed during a `..` (openat2(2)); EINTR: a signal came
            fd = int(_LIBC.syscall(_SYS_OPENAT2, self._root, relative, ctypes.byref(how), ctypes.sizeof(how)))
            if fd >= 0 or ctypes.get_errno() not in {errno.EAGAIN, errno.EINTR}:
                return fd
        return -1

    def _walk(self, relative: bytes, flags: int) -> int:
        """openat2 in our own words: one component at a time, `..` and links never above the root."""
        held: list[int] = []  # the directories below the root, from the outside in
        rest = deque(part for part in relative.split(b"/") if part not in {b"", b"."})
        links = 0
        try:
            while rest:
                part = rest.popleft()
                at = held[-1] if held else self._root
                if part == b"..":
                    if held:
                        os.close(held.pop())
                    continue
                step = os.open(part, _STEP, dir_fd=at)
                held.append(step)
                if len(held) > MAX_DEPTH:
                    return -1
                if not stat.S_ISLNK(os.fstat(step).st_mode):
                    continue
                links += 1
                target = os.readlink(b"", dir_fd=step)
                os.close(held.pop())
                if links > MAX_LINKS or len(target) > 4095:
                    return -1
                if target.startswith(b"/"):
                    _close(held)
                rest.extendleft(part for part in reversed(target.split(b"/")) if part not in {b"", b"."})
            return _reopen(held[-1] if held else self._root, flags)
        except OSError:
            return -1
        finally:
            _close(held)


def identity(fd: int) -> Identity:
    """What the open file is now."""
    status = os.fstat(fd)
    return Identity(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _reopen(fd: int, flags: int) -> int:
    """A readable descriptor of what an O_PATH descriptor stands for; of regular files and directories only."""
    mode = os.fstat(fd).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        return -1
    return os.open(f"/proc/self/fd/{fd}", flags)


def read_whole(fd: int, limit: int) -> bytes | None:
    """The whole file, or None when it is larger than `limit` bytes or cannot be read."""
    parts: list[bytes] = []
    size = 0
    try:
        if os.fstat(fd).st_size > limit:
            return None
        while chunk := os.read(fd, min(2**20, limit + 1 - size)):
            parts.append(chunk)
            size += len(chunk)
            if size > limit:
                return None
    except OSError:
        return None
    return b"".join(parts)


def _close(held: list[int]) -> None:
    while held:
        os.close(held.pop())


def _encodable(path: str) -> bool:
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        return False
    return True
