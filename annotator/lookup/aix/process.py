"""A process of AIX: ids, names, parent, times, terminal, sizes, and its WPAR: /proc/PID/psinfo and more.

Where psinfo did not prove itself, getprocs64 and `ps` say less: pid, parent, start. The layout of psinfo was computed
from a field list and was not read on a live system by us, so no answer here is `verified`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from annotator.aix import layouts, psinfo
from annotator.core.errors import FormatError
from annotator.core.model import Evidence, Reason, Status
from annotator.core.times import show_time
from annotator.lookup import parse_args
from annotator.lookup.aix import process_files
from annotator.lookup.answer import Answer, Code, Collector, Refused, refused_process, unknown, where_of
from annotator.lookup.render import known, text, user

if TYPE_CHECKING:
    from annotator.core.contracts import HostProcess
    from annotator.lookup.aix.view import AixView
    from annotator.lookup.answer import Where

NO_DEVICE = 2**64 - 1
"""(dev64_t)-1: no terminal (PRNODEV; inferred)."""


def collect(value: str, view: AixView) -> Answer:
    """The process of a pid, as Global numbers it."""
    pid = parse_args.pid(value)
    found = _recorded(view, pid) if not view.live and view.host.report.get("psinfo") else view.host.process(pid)
    if isinstance(found, Reason):
        raise refused_process(pid, found)
    more = details(view, found)
    if more is None:
        raise refused_process(pid, Reason.REUSED)
    also = _also(view, found)
    notes = [] if more else ["psinfo is not believed here: " + (view.host.report.get("psinfo") or "it was not read")]
    if view.host.own_key:
        notes.append(f"This is the WPAR with key {view.host.own_key} (uname -W): what it shows is its own.")
    shown = body(found, more) | known(process_files.collect(view, found, more))
    return Answer("process", shown, where(found), also=also, notes=notes, verified=False)


def _recorded(view: AixView, pid: int) -> HostProcess:
    """A recorded `ps` is of all processes: it cannot be asked for one."""
    every = view.host.processes()
    found = next((one for one in every if one.pid == pid), None)
    if found is not None:
        return found
    if every:
        raise refused_process(pid, Reason.GONE)
    what = "psinfo is not believed, and no ps was recorded: " + (view.host.report.get("psinfo") or "")
    raise Refused(Code.UNSUPPORTED, what, "Record `ps -e -o pid= -o ppid= -o etime= -o wpar=`.")


def where(found: HostProcess) -> Where:
    """As on Linux; what psinfo's CID alone says rests on a layout that is inferred, so that is said too."""
    answer = where_of(found)
    if answer.status is Status.UNKNOWN and found.reason is None:
        return unknown(Reason.NOT_SEEN)
    if answer.status is Status.UNKNOWN or Evidence.INFERRED.value in answer.evidence:
        return answer
    return answer._replace(evidence=(*answer.evidence, Evidence.INFERRED.value))


def _also(view: AixView, found: HostProcess) -> dict[str, Any]:
    from annotator.lookup.aix.container import described

    return described(view, found.container.name) if found.container is not None and found.container.name else {}


def details(view: AixView, found: HostProcess) -> dict[str, Any] | None:
    """The members of psinfo; {} where psinfo is not believed; None when the pid has been given to another process."""
    if view.host.report.get("psinfo"):
        return {}
    try:
        with (view.host.proc / str(found.pid) / "psinfo").open("rb") as file:
            data = file.read(psinfo.MOST)
            values = layouts.unpack(layouts.PSINFO, data)
            if len(data) >= layouts.PSINFO.size + layouts.LWPSINFO.size:
                values |= {f"lwp_{name}": one for name, one in _thread(data).items()}
    except (FileNotFoundError, NotADirectoryError, ProcessLookupError):
        return None
    except (OSError, FormatError):
        return {}
    start = values["pr_start"] * 1_000_000_000 + values["pr_start_ns"]
    return values if values["pr_pid"] == found.pid and start == found.ticks else None


def _thread(data: bytes) -> dict[str, Any]:
    return layouts.unpack(layouts.LWPSINFO, data, layouts.PSINFO.size)


def body(found: HostProcess, more: dict[str, Any]) -> dict[str, Any]:
    """The document's part, of what psinfo says; `process_files` has the rest."""
    start = {"ppid": found.ppid, "uid": user(found.uid), "comm": text(found.comm)}
    shown = show_time(found.start_ms) if found.start_ms > 0 else None
    if not more:
        return known({"pid": found.pid, **start, "start": shown})
    ids = {name: user(more[f"pr_{name}"] & 0xFFFFFFFF) for name in ("euid", "gid", "egid")}
    return known(
        {
            "pid": found.pid,
            **start,
            **ids,
            "pgid": more["pr_pgid"],
            "sid": more["pr_sid"],
            "start": shown,
            "cpu_ms": max(more["pr_time"], 0) * 1000 + max(more["pr_time_ns"], 0) // 1_000_000,
            "threads": more["pr_nlwp"],
            "size_kib": more["pr_size"],
            "rss_kib": more["pr_rssize"],
            "tty": None if more["pr_ttydev"] in (0, NO_DEVICE) else f"device {more['pr_ttydev']:#x}",
            "command_line": text(layouts.text(more["pr_psargs"])),
        }
    )


COLLECTOR = Collector("process", "aix", collect)
