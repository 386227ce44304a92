"""Parses mountinfo (proc(5)), and finds the path on the host of what a container has mounted.

Device and root of a mount are the kernel's word: a workload can mount much, but not make a mount show another device.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from annotator.lookup.paths import below

MAX_MOUNTS = 16_384
"""Mounts of one namespace (fs.mount-max is 100,000 by default; a busy node has some 3,000)."""

VIRTUAL = frozenset(
    b"proc sysfs tmpfs devtmpfs devpts mqueue cgroup cgroup2 securityfs debugfs tracefs pstore bpf configfs fusectl "
    b"hugetlbfs autofs binfmt_misc nsfs ramfs efivarfs rpc_pipefs".decode().split()
)
"""File systems that hold no data that lasts, so none of them is somebody's volume."""

_ESCAPE = re.compile(r"\\([0-7]{3})")


class MountEntry(NamedTuple):
    """One mount. `root` is the directory of its file system that is mounted at `point`; `options` the file system's."""

    device: str
    root: str
    point: str
    kind: str
    source: str
    options: str
    flags: str


def parse(data: bytes) -> list[MountEntry]:
    """The mounts in the order in which they were made; lines that are none are left out."""
    mounts = []
    for line in data.decode("utf-8", "surrogateescape").split("\n")[:MAX_MOUNTS]:
        fields, dash, rest = line.partition(" - ")
        left, right = fields.split(" "), rest.split(" ", 2)
        if not dash or len(left) < 6 or len(right) < 2 or not left[4].startswith("/"):
            continue
        options = right[2] if len(right) > 2 else ""
        mounts.append(
            MountEntry(left[2], plain(left[3]), plain(left[4]), right[0], plain(right[1]), plain(options), left[5])
        )
    return mounts


def plain(text: str) -> str:
    """Octal escapes of blanks, tabs, newlines and backslashes undone."""
    return _ESCAPE.sub(lambda found: chr(int(found[1], 8)) if int(found[1], 8) < 128 else found[0], text)


def holder(mounts: list[MountEntry], path: str) -> MountEntry | None:
    """The mount a path lies in: the longest point above it, of equals the last, which covers the others."""
    best: MountEntry | None = None
    for mount in mounts:
        if below(path, mount.point) and (best is None or len(mount.point) >= len(best.point)):
            best = mount
    return best


def on_host(mount: MountEntry, host: list[MountEntry]) -> str | None:
    """The path at which the host sees what is mounted here; None when the host does not see that file system there."""
    if mount.root.endswith("//deleted"):
        return None
    best: MountEntry | None = None
    for candidate in host:
        if (
            candidate.device == mount.device
            and below(mount.root, candidate.root)
            and (best is None or len(candidate.root) > len(best.root))
        ):
            best = candidate
    if best is None:
        return None
    rest = mount.root.removeprefix(best.root.rstrip("/")).strip("/")
    return f"{best.point.rstrip('/')}/{rest}".rstrip("/") or "/"


def layers(mount: MountEntry, name: str) -> list[str]:
    """`upperdir` or `lowerdir` of an overlay: absolute paths, as who mounted it wrote them."""
    for option in re.split(r"(?<!\\),", mount.options):
        key, _, value = option.partition("=")
        if key == name:
            parts = re.split(r"(?<!\\):+", value)[:512]
            return [re.sub(r"\\([:,\\])", r"\1", part) for part in parts if part.startswith("/")]
    return []
