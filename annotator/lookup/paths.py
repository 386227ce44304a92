"""Resolves a path below a root, so that no link leads out of the root, nor out of a container's file system.

Only lstat(2) and readlink(2) are used: nothing is opened, so a FIFO or a device cannot hold us. A link that lies in a
container's file system is followed as the container would follow it: its `/` is the container's root, and `..` stops
there. What the path's giver wrote himself is walked as the host walks it. The tree may change meanwhile: the answer is
of the moment.
"""

from __future__ import annotations

import os
import re
import stat
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from annotator.core.times import show_time
from annotator.lookup.answer import Code, Refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MAX_LINKS = 40
"""Links in one path, as in the kernel (path_resolution(7))."""

MAX_PARTS = 4096

MAGIC = re.compile(r"/proc/(?:self|thread-self|[0-9]+)(?:/task/[0-9]+)?/(?:root|cwd|exe|(?:fd|ns|map_files)/[^/]+)")
"""Links of /proc whose text is not where they lead (proc(5))."""

PROCESS_ROOT = re.compile(r"/proc/([0-9]{1,7})/root(?=/|\Z)")

KINDS = {
    stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link", stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket", stat.S_IFCHR: "character-device", stat.S_IFBLK: "block-device",
}  # fmt: skip


class Walked(NamedTuple):
    """A resolved path; the last part may be a link that was not to be followed."""

    path: str
    status: os.stat_result


def walk(root: Path, path: str, base_of: Callable[[str], str], *, follow: bool, live: bool) -> Walked:
    """Follow `path` below `root`. `base_of` gives the root of the file system a directory is part of ("/" outside).

    `live`: the root is this machine's own, whose /proc the kernel makes; a recorded one has plain links there.
    Raises Refused: gone, denied, or unsupported for what only the kernel can follow.
    """
    top = str(root).rstrip("/")
    at: list[str] = []
    rest: deque[tuple[str, list[str] | None]] = deque((part, None) for part in _parts(path))
    links = 0
    while rest:
        part, base = rest.popleft()
        if part == "..":
            if at != (base or []):
                del at[-1:]
            continue
        here = "/" + "/".join([*at, part])
        is_link = stat.S_ISLNK(_lstat(top + here, path).st_mode)
        if not is_link or (not rest and not follow) or (live and PROCESS_ROOT.fullmatch(here)):
            at.append(part)
            continue
        if live and MAGIC.fullmatch(here):
            raise Refused(Code.UNSUPPORTED, f"{here} leads where its text does not say", "Ask for /proc/PID/root/….")
        links += 1
        if links > MAX_LINKS or len(rest) > MAX_PARTS:
            raise Refused(Code.DENIED, f"{path}: more than {MAX_LINKS} links, or a loop of them")
        base = list(_parts(base_of("/" + "/".join(at))))
        text = _readlink(top + here, path)
        if text.startswith("/"):
            at = list(base)
        rest.extendleft((one, base) for one in reversed(_parts(text)))
    resolved = "/" + "/".join(at)
    return Walked(resolved, _lstat(top + resolved, path))


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def _lstat(path: str, asked: str) -> os.stat_result:
    try:
        return os.lstat(path)
    except OSError as err:
        raise refused(asked, err) from None


def _readlink(path: str, asked: str) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115  (the text as it is, not a path made tidy)
    except OSError as err:
        raise refused(asked, err) from None


def refused(path: str, err: OSError) -> Refused:
    """The error behind a path that cannot be read."""
    if isinstance(err, PermissionError):
        return Refused(Code.DENIED, f"{path}: {err.strerror}", "Ask as root.")
    return Refused(Code.GONE, f"{path}: {err.strerror}", "A container's files are below its rootfs only while mounted.")


def link_text(root: Path, path: str) -> str:
    """The text of a link that `walk` did not follow."""
    return _readlink(str(root).rstrip("/") + path, path)


def shown(status: os.stat_result) -> dict[str, Any]:
    """stat(2) as the document has it: the mode in octal, sizes in bytes."""
    return {
        "kind": KINDS.get(stat.S_IFMT(status.st_mode), "unknown"),
        "mode": f"{stat.S_IMODE(status.st_mode):04o}",
        "uid": str(status.st_uid),
        "gid": str(status.st_gid),
        "size": status.st_size,
        "links": status.st_nlink,
        "device": device(status.st_dev),
        "inode": str(status.st_ino),
        "modified": show_time(status.st_mtime_ns // 1_000_000),
        "changed": show_time(status.st_ctime_ns // 1_000_000),
        "accessed": show_time(status.st_atime_ns // 1_000_000),
    }


def device(number: int) -> str:
    """`MAJOR:MINOR`."""
    return f"{os.major(number)}:{os.minor(number)}"


def below(path: str, top: str) -> bool:
    """Whether `path` is `top` or lies in it."""
    return path == top or top == "/" or path.startswith(top + "/")
