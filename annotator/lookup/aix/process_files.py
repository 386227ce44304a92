"""What of a process psinfo does not say: users by name, state, working directory, open files, arguments.

Sources, none of which was seen on a real system by us: `/proc/PID/cwd` (a link) and `/proc/PID/fd` (a directory with an
entry for each open file) as psutil and oshi read them, getargs() as psutil calls it, and the passwd and group files of
the WPAR, which its own root writes: a name there is what that WPAR calls the number, and nothing more.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Any

from annotator.aix.inventory_scan import read_file
from annotator.core.errors import AnnotatorError
from annotator.lookup.render import text

if TYPE_CHECKING:
    from pathlib import Path

    from annotator.core.contracts import HostProcess
    from annotator.lookup.aix.view import AixView

MAX_OPEN = 256
"""Open files that are listed."""

KINDS = (
    (stat.S_ISREG, "file"), (stat.S_ISDIR, "directory"), (stat.S_ISCHR, "character-device"),
    (stat.S_ISBLK, "block-device"), (stat.S_ISFIFO, "pipe"), (stat.S_ISSOCK, "socket"),
)  # fmt: skip


def collect(view: AixView, found: HostProcess, more: dict[str, Any]) -> dict[str, Any]:
    """The fields that could be read. What may not be read is absent."""
    proc = view.host.proc / str(found.pid)
    return {
        **_names(view, found, more),
        **_state(more),
        "cwd": _link(proc / "cwd"),
        "open_files": _open(proc / "fd"),
        "args": [text(word) for word in view.arguments(found.pid)],
    }


def _names(view: AixView, found: HostProcess, more: dict[str, Any]) -> dict[str, Any]:
    """Users and groups as the WPAR names them; of a WPAR whose files are not known nothing is named."""
    if not more:
        return {}
    root = _root(view, found)
    if root is None:
        return {}
    users, groups = _table(root, "etc/passwd"), _table(root, "etc/group")
    return {
        "user": users.get(found.uid),
        "effective_user": users.get(more["pr_euid"] & 0xFFFFFFFF),
        "group": groups.get(more["pr_gid"] & 0xFFFFFFFF),
        "effective_group": groups.get(more["pr_egid"] & 0xFFFFFFFF),
    }


def _root(view: AixView, found: HostProcess) -> Path | None:
    """Where the passwd of the process lies. An application WPAR has Global's files."""
    if found.container is None:
        return view.root if found.reason is None and view.in_global else None
    directory = view.host.inventory.details(found.container.name).get("directory", "")
    return view.root / directory.lstrip("/") if directory else None


def _table(root: Path, name: str) -> dict[int, str]:
    """Names by number, of a file whose lines are `NAME:…:NUMBER:…`; the first of a number counts."""
    path = root / name
    names: dict[int, str] = {}
    try:
        if not path.resolve().is_relative_to(root.resolve()):
            return {}  # a WPAR's root may make a link to another's file
        data = read_file(path)
    except (AnnotatorError, OSError, RuntimeError):
        return {}
    for line in data.split(b"\n"):
        row = line.split(b":")
        if len(row) > 2 and row[0] and row[2].isdigit() and len(row[2]) <= 10:
            names.setdefault(int(row[2]), text(row[0][:64]))
    return names


def _state(more: dict[str, Any]) -> dict[str, Any]:
    """State (a letter), priority and nice value of the thread that psinfo shows: one that stands for the process."""
    name = more.get("lwp_pr_sname", 0)
    if not 0x41 <= name <= 0x5A:  # else the layout is another
        return {}
    return {"state": chr(name), "priority": more["lwp_pr_pri"], "nice": more["lwp_pr_nice"]}


def _link(path: Path) -> str | None:
    try:
        target = str(path.readlink())
    except OSError:
        return None
    return text(target.rstrip("/") or "/")


def _open(directory: Path) -> list[dict[str, Any]]:
    try:
        names = sorted((int(name), name) for name in os.listdir(directory) if name.isdigit())  # noqa: PTH208
    except (OSError, ValueError):
        return []
    found = []
    for number, name in names[:MAX_OPEN]:
        entry: dict[str, Any] = {"fd": number}
        try:
            status = (directory / name).lstat()
        except OSError:
            found.append(entry)
            continue
        kind = next((word for test, word in KINDS if test(status.st_mode)), "other")
        found.append(entry | {"type": kind, "device": str(status.st_dev), "inode": str(status.st_ino)})
    return found
