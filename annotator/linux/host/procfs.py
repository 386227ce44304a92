"""The one door to a machine's /proc: every file of another process is opened here, with a bound on what is read.

All is opened below a descriptor of /proc/PID, which stands for that very process: once it is gone, reads fail with
ESRCH, also when the number is in use again (proc(5)). A recorded tree has no such descriptors: see `snapshot`.
"""

from __future__ import annotations

import errno
import os
import stat as modes
from typing import TYPE_CHECKING, Final, TypeVar

from annotator.core.model import Ns, Reason
from annotator.linux.host.namespaces import KINDS, Namespace, parse_link, unique_id
from annotator.linux.host.parse import PID_MAX, parse_number, parse_stat

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")

MAX_SMALL: Final = 16 * 1024
"""Bytes read of stat and status: a real one has at most some 4 kB."""

MAX_MOUNTS: Final = 2**20
"""Bytes read of mountinfo: some 8,000 mounts."""

_FILE: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY | os.O_CLOEXEC
_DIR: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NS: Final = tuple(b"ns/" + name for name, _ in KINDS)


def reason_of(error: OSError) -> Reason:
    """The reason behind a failed read of /proc."""
    return Reason.GONE if error.errno in (errno.ENOENT, errno.ESRCH) else Reason.DENIED


class Proc:
    """`/proc` below `root`. `live` says that the kernel is behind it: only then can namespaces be opened.

    `tags` reads /proc/PID/attr/ptags too. Raises OSError when there is no such directory.
    Tests override `read`, to let the world change between two readings.
    """

    def __init__(self, root: Path, *, live: bool, tags: bool = False) -> None:
        self.live = live
        self._host: dict[bytes, Namespace] = {}
        self._fd = os.open(root / "proc", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self.tags = tags
        self.contids = self._has_contids()

    def close(self) -> None:
        """Nothing can be read afterwards."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    # --- plain reads --------------------------------------------------------------------------------------------

    def read(self, name: str | bytes, dir_fd: int, limit: int = MAX_SMALL) -> bytes:
        """At most `limit` bytes of one file. Raises OSError."""
        fd = os.open(name, _FILE, dir_fd=dir_fd)
        try:
            if not self.live and not modes.S_ISREG(os.fstat(fd).st_mode):
                raise OSError(errno.EINVAL, "not a regular file", name)
            data = os.read(fd, limit)
            if (
                limit == MAX_MOUNTS
            ):  # only long files have many records; the others come whole (single_open, seq_file.c)
                while data and len(data) < limit and (more := os.read(fd, limit - len(data))):
                    data += more
            return data
        finally:
            os.close(fd)

    def text(self, pid: int | str, name: str, limit: int = MAX_SMALL) -> bytes:
        """The text of one file of a process; b"" where it cannot be read."""
        try:
            fd = os.open(str(pid), _DIR if pid != "self" else _DIR & ~os.O_NOFOLLOW, dir_fd=self._fd)
        except OSError:
            return b""
        try:
            return self.read(name, fd, limit)
        except OSError:
            return b""
        finally:
            os.close(fd)

    def link(self, name: bytes, dir_fd: int) -> bytes:
        """The text of a link; in a recorded tree it may be a small file. b"" when it cannot be read."""
        try:
            return os.readlink(name, dir_fd=dir_fd)
        except OSError:
            if self.live:
                return b""
        try:
            return self.read(name, dir_fd, 4096).removesuffix(b"\n")
        except OSError:
            return b""

    def links(self, pid: int | str) -> tuple[bytes, ...]:
        """The texts of a process's namespaces, b"" for what cannot be read."""
        try:
            fd = os.open(str(pid), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._fd)
        except OSError:
            return (b"",) * len(KINDS)
        try:
            return self.links_below(b"", fd)
        finally:
            os.close(fd)

    def namespace(self, pid: int, at: int) -> bytes:
        """The text of one of them, by its place in KINDS: for when all processes are gone through."""
        return self.link(b"%d/%s" % (pid, _NS[at]), self._fd) if self.live else self.links(pid)[at]

    def links_below(self, inner: bytes, fd: int) -> tuple[bytes, ...]:
        """The same of the process whose directory `fd` is, or with `inner` (`task/TID/`) of one of its threads."""
        return tuple([self.link(inner + name, fd) for name in _NS])

    def pids(self) -> list[int]:
        """The pids of all processes, in order."""
        names = os.listdir(self._fd)  # noqa: PTH208  (a descriptor)
        return sorted(int(name) for name in names if len(name) <= 7 and name.isdecimal() and 0 < int(name) < PID_MAX)

    def first(self) -> tuple[bytes, ...]:
        """The host's own namespaces, known from here on: those of pid 1, else of the kernel's first thread."""
        links = self.links(1)
        if not (links[0] and links[1]):
            stat = parse_stat(self.text(2, "stat"))
            links = self.links(2) if stat is not None and stat.kthread else links
        for (name, kind), link in zip(KINDS, links, strict=True):
            parsed = parse_link(link)
            if parsed is not None and parsed[0] == name:
                self._host[link] = Namespace(kind, parsed[1])
        return links

    def dev(self) -> int:
        """The device of all namespace files (nsfs); 0 in a recorded tree, which does not say."""
        if not self.live:
            return 0
        try:
            return os.stat("self/ns/net", dir_fd=self._fd).st_dev
        except OSError:
            return 0

    # --- below the directory of one process ---------------------------------------------------------------------

    def within(self, pid: int, read: Callable[[int, int], T | Reason]) -> T | Reason:
        """The result of `read(pid, descriptor of the process's directory)`, or why that cannot be read."""
        if not 0 < pid < PID_MAX:
            return Reason.NOT_SEEN
        try:
            fd = os.open(str(pid), _DIR, dir_fd=self._fd)
        except OSError as error:
            return reason_of(error)
        try:
            return read(pid, fd)
        except OSError as error:
            return reason_of(error)
        finally:
            os.close(fd)

    def living_thread(self, pid: int, fd: int) -> bytes:
        """`task/TID/` of a thread that lives while the first one has ended; b"" where there is none."""
        try:
            tasks = os.open("task", _DIR, dir_fd=fd)
        except OSError:
            return b""
        try:
            for name in os.listdir(tasks)[:64]:  # noqa: PTH208  (a descriptor)
                if name == str(pid) or not name.isdecimal():
                    continue
                stat = parse_stat(self.read(f"{name}/stat", tasks))
                if stat is not None and not stat.zombie:
                    return f"task/{name}/".encode()
        except OSError:
            pass
        finally:
            os.close(tasks)
        return b""

    def namespace_of(self, at: int, link: bytes, inner: bytes, fd: int) -> Namespace | None:
        """The namespace behind the link of kind KINDS[at]; its unique id is read only where it is not the host's."""
        known = self._host.get(link)
        if known is not None and known.kind is KINDS[at][1]:
            return known
        name, kind = KINDS[at]
        parsed = parse_link(link)
        if parsed is None or parsed[0] != name:
            return None
        unique = self._unique(inner + _NS[at], fd, kind, parsed[1]) if self.live else 0
        return Namespace(kind, parsed[1], unique)

    @staticmethod
    def _unique(name: bytes, fd: int, kind: Ns, ino: int) -> int:
        try:
            ns = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=fd)
        except OSError:
            return 0
        try:
            return unique_id(ns, kind) if os.fstat(ns).st_ino == ino else 0
        finally:
            os.close(ns)

    def net(self, fd: int) -> Namespace | None:
        """The network namespace of the process whose directory this is."""
        return self.namespace_of(2, self.link(_NS[2], fd), b"", fd)

    def number(self, name: str, fd: int, limit: int) -> int | None:
        """The number below `limit` in a file that not every kernel has; None where it has none."""
        data = self.optional(name, fd, 32)
        return None if data is None else parse_number(data, limit)

    def optional(self, name: str, fd: int, limit: int) -> bytes | None:
        """A file that not every kernel has, or that not every reader may read. ESRCH is raised: the process is gone."""
        try:
            return self.read(name, fd, limit)
        except OSError as error:
            if error.errno == errno.ESRCH:
                raise
            return None

    def _has_contids(self) -> bool:
        """Whether this kernel has /proc/PID/audit_containerid: no ENOENT for our own, or (recorded) for the first."""
        pid: int | str = "self" if self.live else next(iter(self.pids()), 0)
        try:
            os.stat(f"{pid}/audit_containerid", dir_fd=self._fd)
        except OSError:
            return False
        return True
