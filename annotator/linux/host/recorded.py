"""A machine's processes as a tree of files, and the host view over such a tree.

The tree holds of each process what `Proc` reads, links as links, and at its top a header of `key=value` lines that says
whose it is and when it was taken. Engines' state files may be copied into it too, at their own paths.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from annotator.core.errors import FormatError, SourceError
from annotator.linux.host.membership import DEFAULT_OPTIONS, HostOptions
from annotator.linux.host.namespaces import KINDS
from annotator.linux.host.procfs import MAX_MOUNTS
from annotator.linux.host.view import LinuxHost

if TYPE_CHECKING:
    from collections.abc import Callable

    from annotator.core.model import ContId
    from annotator.linux.engines import Engines

HEADER: Final = "host-header"
"""The file at the top of a recorded tree."""

MAX_HEADER: Final = 4096
MAX_PROCESSES: Final = 262_144

_FIRST: Final = "annotator-host 1"
_FILES: Final = ("stat", "cgroup", "status", "loginuid", "sessionid", "mountinfo", "audit_containerid", "attr/ptags")
_LINKS: Final = ("exe", *("ns/" + name.decode() for name, _ in KINDS))


@dataclass(frozen=True, slots=True)
class TreeHeader:
    """When and where a tree was taken. `captured_ms` is Unix time, `offset_ms` CLOCK_REALTIME - CLOCK_BOOTTIME then.

    `boot` is /proc/sys/kernel/random/boot_id, `ticks` the clock ticks in a second.
    """

    captured_ms: int
    offset_ms: int
    boot: str = ""
    node: str = ""
    ticks: int = 100

    def text(self) -> str:
        """The text of the header file."""
        return (
            f"{_FIRST}\nnode={self.node}\nboot={self.boot}\ncaptured_ms={self.captured_ms}\n"
            f"offset_ms={self.offset_ms}\nticks={self.ticks}\n"
        )


def parse_header(data: bytes) -> TreeHeader:
    """Read a header. Keys not known are left out. Raises FormatError."""
    lines = data[:MAX_HEADER].decode("utf-8", "replace").split("\n")
    if lines[0].strip() != _FIRST:
        raise FormatError(f"a recorded host begins with the line {_FIRST!r}", offset=0)
    pairs = dict(line.split("=", 1) for line in lines[1:] if "=" in line)
    numbers = {key: _number(pairs.get(key, default)) for key, default in _NUMBERS.items()}
    if not 0 < numbers["ticks"] <= 10_000:
        raise FormatError(f"ticks={numbers['ticks']} is no clock")
    return TreeHeader(
        numbers["captured_ms"], numbers["offset_ms"], pairs.get("boot", ""), pairs.get("node", ""), numbers["ticks"]
    )


_NUMBERS: Final = {"captured_ms": "", "offset_ms": "", "ticks": "100"}


def _number(text: str) -> int:
    digits = text.removeprefix("-")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 16:
        raise FormatError(f"{text[:32]!r} in the header is no number of milliseconds")
    return int(text)


def recorded(
    root: Path,
    derive: Callable[[str], ContId],
    *,
    engines: Engines | None = None,
    options: HostOptions = DEFAULT_OPTIONS,
) -> tuple[LinuxHost, TreeHeader]:
    """The host view over a recorded tree, and what its header says. Raises SourceError, FormatError."""
    try:
        with (root / HEADER).open("rb") as file:
            header = parse_header(file.read(MAX_HEADER))
        host = LinuxHost(
            root,
            live=False,
            derive=derive,
            now=lambda: header.captured_ms,
            offset_ms=header.offset_ms,
            boot=header.boot,
            node=header.node.encode("utf-8", "surrogateescape"),
            ticks=header.ticks,
            engines=engines,
            options=options,
        )
    except OSError as error:
        raise SourceError(f"{root}: {error.strerror}", "a recorded host holds `host-header` and `proc`") from error
    return host, header


def record(out: Path, header: TreeHeader, root: Path = Path("/")) -> int:
    """Take a machine's processes into a new tree; returns how many. Raises SourceError when it cannot be written.

    What cannot be read, or is gone meanwhile, is left out. The tree names programs and users: it is made 0700.
    """
    try:
        out.mkdir(mode=0o700, exist_ok=True)
        (out / "proc").mkdir(exist_ok=True)
        (out / HEADER).write_text(header.text(), "utf-8")
        names = [name for name in os.listdir(root / "proc") if name.isdecimal()]  # noqa: PTH208  (names, not paths)
        return sum(_process(root / "proc" / name, out / "proc" / name) for name in names[:MAX_PROCESSES])
    except OSError as error:
        raise SourceError(f"{error.filename or out}: {error.strerror}") from error


def _process(source: Path, target: Path) -> bool:
    files = {name: data for name in _FILES if (data := _read(source / name)) is not None}
    if "stat" not in files:
        return False
    for directory in (target, target / "ns", target / "attr"):
        directory.mkdir(exist_ok=True)
    for name, data in files.items():
        (target / name).write_bytes(data)
    for name in _LINKS:
        try:
            text = os.readlink(source / name)  # noqa: PTH115  (a text such as `mnt:[4026531832]`)
        except OSError:
            continue
        (target / name).symlink_to(text)
    return True


def _read(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(MAX_MOUNTS)
    except OSError:
        return None
