"""Looks up a process of Linux: ids, parent, times, terminal, arguments, container. From /proc/PID (proc(5))."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from annotator.core.model import UNSET_ID, Reason
from annotator.core.times import show_time
from annotator.linux.host.parse import PID_MAX
from annotator.lookup import parse_args
from annotator.lookup.answer import Answer, Collector, refused_process, where_of
from annotator.lookup.linux.view import netns_name
from annotator.lookup.render import known, text, user

if TYPE_CHECKING:
    from annotator.core.contracts import HostProcess
    from annotator.lookup.linux.view import LinuxView

MAX_ARGUMENTS = 64 * 1024
"""Bytes of a command line that are read; it may have megabytes."""

_STAT = ("state", "ppid", "pgid", "sid", "tty", "tpgid", "flags", "minflt", "cminflt", "majflt", "cmajflt", "utime",
         "stime", "cutime", "cstime", "priority", "nice", "threads", "itrealvalue", "ticks")  # fmt: skip
"""Fields 3 to 22 of /proc/PID/stat."""


class Details(NamedTuple):
    """Properties that the host view does not read. `ticks` is the birth, to check that it is the same process."""

    stat: dict[str, int]
    uids: tuple[int, ...]
    gids: tuple[int, ...]
    arguments: list[bytes]
    ticks: int


def collect(value: str, view: LinuxView) -> Answer:
    """The process of a pid."""
    pid = parse_args.pid(value)
    process = view.process(pid) if pid < PID_MAX else Reason.GONE
    if isinstance(process, Reason):
        raise refused_process(pid, process)
    more = details(view, pid)
    if more.ticks != process.ticks:
        raise refused_process(pid, Reason.REUSED)
    return Answer("process", body(view, process, more), where_of(process))


def body(view: LinuxView, process: HostProcess, more: Details) -> dict[str, Any]:
    """The document's part. `cpu_ms` is what it used itself, in user and kernel mode."""
    per_second = os.sysconf("SC_CLK_TCK") if view.live else 100
    used = more.stat.get("utime", 0) + more.stat.get("stime", 0)
    names = ("uid", "euid", "suid", "fsuid")
    groups = ("gid", "egid", "sgid", "fsgid")
    ids = dict(zip(names + groups, map(user, (*_four(more.uids), *_four(more.gids))), strict=True))
    return known(
        {
            "pid": process.pid,
            "ppid": process.ppid,
            "vpid": process.vpid,
            "pgid": more.stat.get("pgid"),
            "sid": more.stat.get("sid"),
            "uid": user(process.uid),
            **{name: value for name, value in ids.items() if name in ("euid", "gid", "egid")},
            "auid": user(process.auid),
            "ses": user(process.ses),
            "start": show_time(process.start_ms) if view.host.offset_ms else None,
            "cpu_ms": used * 1000 // per_second,
            "threads": more.stat.get("threads"),
            "tty": tty(more.stat.get("tty", 0)),
            "comm": text(process.comm),
            "exe": text(process.exe),
            "args": [text(value) for value in more.arguments],
            "command_line": " ".join(text(value) for value in more.arguments),
            "netns": netns_name(process.netns) if process.netns is not None else None,
        }
    )


def details(view: LinuxView, pid: int) -> Details:
    """Read the details; a file that cannot be read leaves its part empty."""
    words = view.host.proc.text(pid, "stat").rpartition(b")")[2].split()[: len(_STAT)]
    numbers = [int(word) if word.lstrip(b"-").isdigit() and len(word) <= 20 else 0 for word in words]
    stat = dict(zip(_STAT, numbers, strict=False))
    lines = view.host.proc.text(pid, "status").split(b"\n")
    arguments = view.host.proc.text(pid, "cmdline", MAX_ARGUMENTS).removesuffix(b"\0")
    return Details(
        stat,
        _ids(lines, b"Uid:"),
        _ids(lines, b"Gid:"),
        arguments.split(b"\0") if arguments else [],
        stat.get("ticks", -1),
    )


def _ids(lines: list[bytes], title: bytes) -> tuple[int, ...]:
    line = next((line for line in lines if line.startswith(title)), b"")
    return tuple(int(word) for word in line.split()[1:5] if word.isdigit() and len(word) <= 10)


def _four(ids: tuple[int, ...]) -> tuple[int, ...]:
    return (ids + (UNSET_ID,) * 4)[:4]


def tty(number: int) -> str | None:
    """The terminal of field 7: `pts/3`, `tty2`, `ttyS0`, else `MAJOR:MINOR` (Documentation/admin-guide/devices.txt).

    Bits 15 to 8 are the major number, 31 to 20 and 7 to 0 the minor one (proc(5)).
    """
    major, minor = number >> 8 & 0xFFF, number & 0xFF | number >> 12 & 0xFFF00
    if number == 0:
        return None
    if 136 <= major <= 143:
        return f"pts/{(major - 136) * 256 + minor}"
    if major == 4:
        return f"tty{minor}" if minor < 64 else f"ttyS{minor - 64}"
    return f"{major}:{minor}"


COLLECTOR = Collector("process", "linux", collect)
