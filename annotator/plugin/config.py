"""The plugin's configuration: one TOML file, checked whole, into one frozen `Config`.

What it says is believed, so a file that others may write is refused. Every key says its unit in its name (`_s` seconds,
`_mib` 2**20 bytes). An unknown key is an error: a misspelt filter must not pass as no filter.

Budget: every table of one file with the checks that all of them share, read side by side.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import stat
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from annotator.core.errors import UsageError

DEFAULT = Path("/etc/annotator/annotator.toml")
MAX_BYTES = 1 << 20


def _range(default: Any, low: float, high: float) -> Any:
    return field(default=default, metadata={"range": (low, high)})


@dataclass(frozen=True, slots=True)
class Input:
    """Where records come from: standard input, or auditd's `audispd_events` socket."""

    format: Literal["auto", "string", "binary"] = "auto"
    socket: str = ""
    node: str = ""


@dataclass(frozen=True, slots=True)
class Queue:
    """What waits between the reader and the worker. `when_full`: see `plugin.backlog`."""

    memory_mib: int = _range(64, 1, 65536)
    when_full: Literal["block", "spill", "pass"] = "block"
    spill_max_mib: int = _range(1024, 1, 1 << 20)


@dataclass(frozen=True, slots=True)
class State:
    """What survives a restart. An empty directory: nothing does."""

    directory: str = "/var/lib/annotator"
    save_interval_s: float = _range(60.0, 1, 86400)


@dataclass(frozen=True, slots=True)
class Host:
    """What this machine is asked. `live`: whose the processes of its records are; `processes`: follow them all.

    `journal`: a file that keeps what was seen, for a later `replay --journal`; empty: none.
    """

    live: bool = True
    processes: bool = True
    journal: str = ""


@dataclass(frozen=True, slots=True)
class Control:
    """Where registrations and questions come in: a socket of root's (0600). Empty: nowhere.

    On AIX, which has no /run, it is elsewhere; nothing is registered there: only questions come in.
    """

    socket: str = "/var/annotator/control" if sys.platform == "aix" else "/run/annotator/control"


@dataclass(frozen=True, slots=True)
class Process:
    """How the process behaves. `user`: who the worker is after start, root when empty."""

    user: str = ""
    oom_score_adj: int = _range(0, -1000, 1000)
    drain_s: float = _range(2.0, 0, 300)
    event_timeout_ms: int = _range(2000, 10, 60_000)


@dataclass(frozen=True, slots=True)
class Log:
    """What the plugin says of itself: to a syslog socket (empty: none), to standard error."""

    syslog: str = "/dev/log"
    stderr: bool = False
    level: Literal["debug", "info", "warning", "error"] = "info"
    report_interval_s: float = _range(60.0, 0.1, 86400)


@dataclass(frozen=True, slots=True)
class Metrics:
    """A text file for node_exporter's textfile collector; empty: none."""

    file: str = ""
    interval_s: float = _range(15.0, 0.1, 86400)


@dataclass(frozen=True, slots=True)
class Output:
    """One output: where, in which form, which events.

    `when_full`: `drop` keeps the others going, `wait` holds everything up until this one has taken its part.
    """

    type: Literal["file", "stdout", "socket", "syslog", "kafka"] = "file"
    name: str = ""
    format: Literal["raw", "record", "json", "msgpack"] = "raw"
    # which events
    only_containers: bool = False
    container: str = ""
    expr: str = ""
    # the form
    fields: tuple[str, ...] = ()
    original: bool = False
    mark_unknown: bool = False
    resolve_users: bool = False
    heartbeat_s: float = _range(0.0, 0, 86400)
    # how much may wait
    queue_mib: int = _range(64, 1, 65536)
    when_full: Literal["drop", "wait"] = "drop"
    # file, socket
    path: str = ""
    mode: str = "0600"
    group: str = ""
    read_users: tuple[str, ...] = ()
    max_mib: int = _range(64, 0, 1 << 20)
    max_age_s: float = _range(0.0, 0, 366 * 86400)
    keep: int = _range(5, 0, 9999)
    compress: Literal["", "gz", "zst"] = ""
    # syslog
    address: str = "unix:/dev/log"
    facility: str = "local6"
    # kafka
    brokers: tuple[str, ...] = ()
    topic: str = ""


@dataclass(frozen=True, slots=True)
class Aix:
    """`plugin --source auditstream` and `auditpr`: the programs of the pipe, which classes, whose trail it is.

    `tz` and `origin` are those of `replay`: the zone of printed times (the pipe we start prints UTC), whose trail.
    """

    auditstream: str = "/usr/sbin/auditstream"
    auditpr: str = "/usr/sbin/auditpr"
    classes: tuple[str, ...] = ()
    numeric: bool = True
    tz: str = "UTC"
    origin: str = ""
    inventory_interval_s: float = _range(30.0, 1, 86400)


_FOR = {
    "socket": {"path", "mode"},
    "file": {"path", "mode", "group", "read_users", "max_mib", "max_age_s", "keep", "compress"},
    "stdout": set[str](),
    "syslog": {"address", "facility"},
    "kafka": {"brokers", "topic"},
}
"""The keys that only some types of output have."""

_NEEDS = {"socket": ("path",), "file": ("path",), "kafka": ("brokers", "topic")}


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that can be configured."""

    input: Input = Input()
    queue: Queue = Queue()
    state: State = State()
    process: Process = Process()
    host: Host = Host()
    control: Control = Control()
    log: Log = Log()
    metrics: Metrics = Metrics()
    aix: Aix = Aix()
    output: tuple[Output, ...] = (Output(name="audit", path="/var/log/annotator/audit.log", mode="0640"),)


def load(path: Path | None = None) -> Config:
    """The configuration in `path`; the defaults where the default file is not there. Raises UsageError."""
    try:
        data = _read(path or DEFAULT)
    except FileNotFoundError:
        if path is None:
            return Config()
        raise UsageError(f"{path}: there is no such file", "Make it, or leave the option out.") from None
    except OSError as err:
        raise UsageError(f"{path or DEFAULT}: cannot be read: {err.strerror}", "Check its rights.") from err
    return parse(data, str(path or DEFAULT))


def parse(data: bytes, origin: str) -> Config:
    """The configuration that a file's bytes say. Raises UsageError, which names the file and the key."""
    try:
        found = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as err:
        raise UsageError(f"{origin}: not TOML: {err}", "See https://toml.io for the grammar.") from err
    config: Config = _table(Config, found, origin, "")
    return dataclasses.replace(config, output=_checked(config.output, found.get("output", []), origin))


def _read(path: Path) -> bytes:
    """The bytes of a file that only root and we may write. The directory counts: who may write there may replace it."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with open(fd, "rb") as file:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode):
            raise UsageError(f"{path}: not a regular file", "Name a file.")
        parents = {path.absolute().parent, path.resolve().parent}  # who may replace it, or the link to it
        for what, name in ((info, path), *((parent.stat(), parent) for parent in sorted(parents))):
            open_to_all = what.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not what.st_mode & stat.S_ISVTX
            if what.st_uid not in (0, os.geteuid()) or open_to_all:
                mode = stat.S_IMODE(what.st_mode)
                raise UsageError(
                    f"{name}: others may write it (owner {what.st_uid}, mode {mode:04o})",
                    f"It decides what root writes and where: chown root {name} && chmod go-w {name}",
                )
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise UsageError(f"{path}: longer than {MAX_BYTES} bytes", "This is not a configuration.")
    return data


def _table(kind: type[Any], found: Any, origin: str, where: str) -> Any:
    """One table as its dataclass."""
    if not isinstance(found, dict):
        raise UsageError(f"{origin}: `{where}` must be a table", f"Write [{where}] above its keys.")
    known = {one.name: one for one in dataclasses.fields(kind)}
    hints = get_type_hints(kind)
    values: dict[str, Any] = {}
    for name, value in found.items():
        full = f"{where}.{name}" if where else name
        if name not in known:
            near = difflib.get_close_matches(name, known, 1, 0.5)
            raise UsageError(
                f"{origin}: unknown key `{full}`",
                f"Did you mean `{near[0]}`?" if near else "Known here: " + " ".join(known),
            )
        values[name] = _value(hints[name], value, origin, full)
        limits = known[name].metadata.get("range")
        if limits and not limits[0] <= values[name] <= limits[1]:
            raise UsageError(f"{origin}: `{full}` is {value}", f"From {limits[0]:g} to {limits[1]:g}.")
    return kind(**values)


def _value(wanted: Any, value: Any, origin: str, where: str) -> Any:
    """One value, of the type that is wanted."""
    if dataclasses.is_dataclass(wanted) and isinstance(wanted, type):
        return _table(wanted, value, origin, where)
    if get_origin(wanted) is Literal:
        if value not in get_args(wanted) or isinstance(value, bool):
            choices = ", ".join(f'"{one}"' for one in get_args(wanted))
            raise UsageError(f"{origin}: `{where}` is {value!r}", f"One of {choices}.")
        return value
    if get_origin(wanted) is tuple:
        inner = get_args(wanted)[0]
        if not isinstance(value, list):
            form = f"[[{where}]] above each" if dataclasses.is_dataclass(inner) else f'{where} = ["…"]'
            raise UsageError(f"{origin}: `{where}` must be a list", f"Write {form}.")
        return tuple(_value(inner, one, origin, where) for one in value)
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not wanted:
        names = {str: "a text in quotes", int: "a whole number", float: "a number", bool: "true or false"}
        raise UsageError(f"{origin}: `{where}` is {value!r}", f"It must be {names[wanted]}.")
    if isinstance(value, str) and "\0" in value:
        raise UsageError(f"{origin}: `{where}` has a NUL in it", "Remove it.")
    return value


def _checked(outputs: tuple[Output, ...], found: list[dict[str, Any]], origin: str) -> tuple[Output, ...]:
    """The outputs with their names, when each has what it needs and nothing that another type has."""
    if not outputs:
        raise UsageError(f"{origin}: no output", "Write [[output]] with a type.")
    if len(outputs) > 16:
        raise UsageError(f"{origin}: {len(outputs)} outputs", "At most 16.")
    done: list[Output] = []
    for at, (output, given) in enumerate(zip(outputs, found, strict=True)) if found else ():
        name = output.name or f"{output.type}{at + 1}"
        where = f"output {name}"
        if any(one.name == name for one in done):
            raise UsageError(f"{origin}: two outputs are named `{name}`", "Give each its own name.")
        _fits(output, given, f"{origin}: {where}")
        done.append(dataclasses.replace(output, name=name))
    return tuple(done) or outputs


def _fits(output: Output, given: dict[str, Any], where: str) -> None:
    """Raise UsageError for an output that cannot be meant."""
    others = set[str]().union(*_FOR.values()) - _FOR[output.type]
    if wrong := sorted(others & set(given)):
        raise UsageError(f"{where}: `{wrong[0]}` says nothing for type {output.type}", "Remove it, or change the type.")
    for name in _NEEDS.get(output.type, ()):
        if not getattr(output, name):
            raise UsageError(f"{where}: `{name}` is missing", f"An output of type {output.type} needs it.")
    if output.path and not output.path.startswith("/"):
        raise UsageError(f"{where}: `path` is {output.path!r}", "It must be absolute: auditd starts us anywhere.")
    if output.heartbeat_s and output.format not in ("json", "msgpack"):
        raise UsageError(f"{where}: a heartbeat is no audit record", "Only the forms json and msgpack can carry it.")
    if output.format == "msgpack" and output.type == "syslog":
        raise UsageError(f"{where}: syslog carries text", "Choose raw, record or json.")
    try:
        mode = int(output.mode, 8)
    except ValueError:
        mode = -1
    if not 0 <= mode <= 0o777 or mode & 0o022 or not mode & 0o200:
        raise UsageError(f'{where}: `mode` is "{output.mode}"', 'Octal, and writable by the owner alone: "0640".')
