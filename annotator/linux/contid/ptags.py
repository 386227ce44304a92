"""Tags that a site sets itself: ptags of a process, and extended attributes of a cgroup or a pidfd.

Nothing of this is used unless the site says so in its configuration, for what a tag is worth depends on who may write
it. Facts (the ptags patches of 2016; xattr(7); fs/kernfs/inode.c; fs/pidfs.c since Linux 6.17):

- `/proc/PID/attr/ptags` has one line a tag, `[@]NAME[=VALUE]`; `@` says that the tag stays over an execve.
- On a cgroup v2 directory root can set `trusted.NAME`, its owner `user.NAME`. All processes in it and below share it.
- On a pidfd only `trusted.NAME` can be set. It lasts as long as the process, and children do not inherit it.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from annotator.core.model import CONTID_UNSET, ContId

if TYPE_CHECKING:
    from pathlib import Path

MAX_VALUE: Final = 512
"""Bytes of one attribute or value that is believed; the kernels allow 64 kB and 32,700."""

MAX_DEPTH: Final = 16
"""Containers around a process that are kept, as in a chain of contids."""

MAX_TAGS: Final = 4000
"""Tags of one process (the patches' own limit); more lines are not looked at."""

_number = re.compile(rb"0|[1-9][0-9]{0,19}").fullmatch
_uuid = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch
_word = re.compile(rb"[\x21-\x7e]{1,256}").fullmatch
_attribute = re.compile(r"(?:trusted|user)\.[\x21-\x7e]{1,200}").fullmatch


class Tag(NamedTuple):
    """The container in a tag: a contid (None: to be derived from `id`), or an engine's id, or a UUID."""

    contid: ContId | None = None
    id: str = ""
    uuid: str = ""
    name: str = ""
    image: str = ""
    engine: str = ""


def parse_value(value: bytes) -> Tag | None:
    """One value: a contid in decimal, a UUID, or an engine's id. None for what is none of them, and for unset (-1).

    A trailing newline or NUL is what shells and C programs leave, and is not part of it.
    """
    value = value[: MAX_VALUE + 1].rstrip(b"\n\0")
    if len(value) > MAX_VALUE or value in (b"-1", b"unset"):
        return None
    if _number(value):
        contid = int(value)
        return Tag(ContId(contid)) if contid < CONTID_UNSET else None
    if _uuid(value):
        return Tag(id=value.decode(), uuid=value.decode())
    return Tag(id=value.decode()) if _word(value) else None


def parse_ptags(text: bytes, prefix: str) -> Tag | None:
    """The container that the tags with this prefix say: `PREFIXcontid=7`, `PREFIXid=…`, or one of both and names.

    `name`, `image` and `engine` are texts; they say nothing alone. A tag that is there twice says nothing.
    """
    start = prefix.encode("utf-8", "surrogateescape")
    values: dict[bytes, bytes] = {}
    for line in text.split(b"\n", MAX_TAGS)[:MAX_TAGS]:
        tag, equals, value = line.removeprefix(b"@").partition(b"=")
        if not equals or not tag.startswith(start) or len(value) > MAX_VALUE:
            continue
        name = tag[len(start) :]
        values[name] = b"" if name in values else value
    contid = parse_value(values.get(b"contid", b""))
    named = parse_value(values.get(b"id", b""))
    if contid is not None and contid.contid is None:
        return None  # a contid that is no number: nothing is believed
    if contid is None and named is None:
        return None
    texts = {key.decode(): _text(values.get(key, b"")) for key in (b"name", b"image", b"engine")}
    own = named or Tag()
    return Tag(contid.contid if contid is not None else own.contid, own.id, own.uuid, **texts)


def _text(value: bytes) -> str:
    """A value as text; b"" for what no terminal should see."""
    text = value.decode("utf-8", "replace")
    return text if text.isprintable() else ""


def pidfd_tag(pid: int, attribute: str) -> Tag | None:
    """The tag on a process. The caller checks the process's birth before and after. Only on a live machine."""
    try:
        fd = os.pidfd_open(pid)
    except (OSError, ValueError, OverflowError):
        return None
    try:
        return _attribute_of(fd, attribute)
    finally:
        os.close(fd)


class CgroupTags:
    """Tags on the directories of cgroup v2, below the mount that `root` has for it. `attribute` is the full name.

    Raises ValueError for a name that is not `trusted.…` or `user.…`.
    """

    def __init__(self, root: Path, attribute: str) -> None:
        if not _attribute(attribute):
            raise ValueError(attribute)
        self._attribute = attribute
        self._fd = _mount(root)

    def close(self) -> None:
        """Nothing is found afterwards."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def of(self, cgroup: bytes) -> tuple[Tag, ...]:
        """The tags on the way from the process's own cgroup outwards, nearest first, without the root cgroup's.

        A workload that owns its cgroups may set `user.` ones below its own: so it can only claim to be further in.
        """
        path = _v2(cgroup)
        if self._fd < 0 or path is None:
            return ()
        tags: list[Tag] = []
        at = os.dup(self._fd)
        try:
            for part in path:
                step = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
                os.close(at)
                at = step
                tag = _attribute_of(at, self._attribute)
                if tag is not None:
                    tags.append(tag)
        except OSError:
            return ()  # the cgroup is gone: half a chain would be a wrong one
        finally:
            os.close(at)
        return tuple(tags[::-1][:MAX_DEPTH])


def _mount(root: Path) -> int:
    """A descriptor of the v2 hierarchy: the mount itself, or the one beside the v1 ones (hybrid). -1: there is none."""
    for path in (root / "sys/fs/cgroup", root / "sys/fs/cgroup/unified"):
        if (path / "cgroup.procs").is_file():
            try:
                return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except OSError:
                continue
    return -1


def _v2(cgroup: bytes) -> list[bytes] | None:
    """The names of the v2 path; None when there is none, or when it leads out of what we see."""
    for line in cgroup[: 64 * 1024].split(b"\n"):
        if line.startswith(b"0::/"):
            parts = [part for part in line[4:].split(b"/") if part]
            gone = line.endswith(b" (deleted)")
            wrong = any(part in (b".", b"..") or b"\0" in part for part in parts)
            return None if gone or wrong or len(parts) > 256 else parts
    return None


def _attribute_of(fd: int, attribute: str) -> Tag | None:
    try:
        return parse_value(os.getxattr(fd, attribute))
    except (OSError, ValueError):
        return None
