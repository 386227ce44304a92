"""Read the plugin's configuration: one TOML file, checked as a whole, into one frozen `Config`.

The file decides what root writes and where, so one that others may write is refused. An unknown key is an error: a
misspelt filter must not pass as no filter.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import stat
import tomllib
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from annotator.core.errors import UsageError
from annotator.plugin.config import Config, Output

DEFAULT = Path("/etc/annotator/annotator.toml")
MAX_BYTES = 1 << 20
MAX_OUTPUTS = 16

_ONLY_FOR = {
    "socket": {"path", "mode"},
    "file": {"path", "mode", "group", "read_users", "max_mib", "max_age_s", "keep", "compress"},
    "stdout": set[str](),
    "syslog": {"address", "facility"},
    "kafka": {"brokers", "topic"},
}
"""The keys that have an effect for some types of output only."""

_NEEDS = {"socket": ("path",), "file": ("path",), "kafka": ("brokers", "topic")}


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
    """The configuration in the bytes of a file. Raises UsageError, which names the file (`origin`) and the key."""
    try:
        document = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as err:
        raise UsageError(f"{origin}: not TOML: {err}", "See https://toml.io for the grammar.") from err
    config: Config = _table(Config, document, origin, "")
    return dataclasses.replace(config, output=_check_outputs(config.output, document.get("output", []), origin))


def _read(path: Path) -> bytes:
    """The bytes of a file that only root and this user may write. Who may write in its directory may replace it."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with open(fd, "rb") as file:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode):
            raise UsageError(f"{path}: not a regular file", "Name a file.")
        parents = {path.absolute().parent, path.resolve().parent}  # of the file, and of a link to it
        for status, name in ((info, path), *((parent.stat(), parent) for parent in sorted(parents))):
            open_to_all = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not status.st_mode & stat.S_ISVTX
            if status.st_uid not in (0, os.geteuid()) or open_to_all:
                mode = stat.S_IMODE(status.st_mode)
                raise UsageError(
                    f"{name}: others may write it (owner {status.st_uid}, mode {mode:04o})",
                    f"It decides what root writes and where: chown root {name} && chmod go-w {name}",
                )
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise UsageError(f"{path}: longer than {MAX_BYTES} bytes", "This is not a configuration.")
    return data


def _table(kind: type[Any], given: Any, origin: str, where: str) -> Any:
    """A table of the file as the dataclass `kind`; `where` is its dotted name ("": the whole file)."""
    if not isinstance(given, dict):
        raise UsageError(f"{origin}: `{where}` must be a table", f"Write [{where}] above its keys.")
    known = {field.name: field for field in dataclasses.fields(kind)}
    hints = get_type_hints(kind)
    values: dict[str, Any] = {}
    for name, value in given.items():
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


def _value(hint: Any, value: Any, origin: str, where: str) -> Any:
    """A value of the file as the type `hint`; `where` is the dotted name of its key."""
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _table(hint, value, origin, where)
    if get_origin(hint) is Literal:
        if value not in get_args(hint) or isinstance(value, bool):
            choices = ", ".join(f'"{choice}"' for choice in get_args(hint))
            raise UsageError(f"{origin}: `{where}` is {value!r}", f"One of {choices}.")
        return value
    if get_origin(hint) is tuple:
        inner = get_args(hint)[0]
        if not isinstance(value, list):
            form = f"[[{where}]] above each" if dataclasses.is_dataclass(inner) else f'{where} = ["…"]'
            raise UsageError(f"{origin}: `{where}` must be a list", f"Write {form}.")
        return tuple(_value(inner, item, origin, where) for item in value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not hint:
        names = {str: "a text in quotes", int: "a whole number", float: "a number", bool: "true or false"}
        raise UsageError(f"{origin}: `{where}` is {value!r}", f"It must be {names[hint]}.")
    if isinstance(value, str) and "\0" in value:
        raise UsageError(f"{origin}: `{where}` has a NUL in it", "Remove it.")
    return value


def _check_outputs(outputs: tuple[Output, ...], given: list[dict[str, Any]], origin: str) -> tuple[Output, ...]:
    """The outputs with their names. `given` are their tables in the file. Raises UsageError for one that is invalid."""
    if not outputs:
        raise UsageError(f"{origin}: no output", "Write [[output]] with a type.")
    if len(outputs) > MAX_OUTPUTS:
        raise UsageError(f"{origin}: {len(outputs)} outputs", f"At most {MAX_OUTPUTS}.")
    named: list[Output] = []
    for at, (output, table) in enumerate(zip(outputs, given, strict=True)) if given else ():
        name = output.name or f"{output.type}{at + 1}"
        if any(other.name == name for other in named):
            raise UsageError(f"{origin}: two outputs are named `{name}`", "Give each its own name.")
        _check_output(output, table, f"{origin}: output {name}")
        named.append(dataclasses.replace(output, name=name))
    return tuple(named) or outputs


def _check_output(output: Output, given: dict[str, Any], where: str) -> None:
    """Raise UsageError for an output that is invalid."""
    others = set[str]().union(*_ONLY_FOR.values()) - _ONLY_FOR[output.type]
    if wrong := sorted(others & set(given)):
        raise UsageError(
            f"{where}: `{wrong[0]}` has no effect for output type {output.type}", "Remove it, or change the type."
        )
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
