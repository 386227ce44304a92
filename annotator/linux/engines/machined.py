"""systemd-machined: /run/systemd/machines/NAME, lines of KEY=VALUE with C escapes.

Keys (systemd 252): NAME, SCOPE (a unit), SERVICE (`systemd-nspawn`, `libvirt-lxc`, …), ROOT, ID (the machine's UUID),
LEADER (a pid, in machined's pid namespace), CLASS (`container` or `vm`), REALTIME (microseconds). The file's first line
says it is private and not to be parsed; its D-Bus interface is the official way, but would make us wait for a daemon.
So whatever is not as expected is as if it were not there.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from annotator.linux.engines.state import EngineState, is_component, pid, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from annotator.linux.engines.files import Files

MACHINES: Final = "/run/systemd/machines"
_LIMIT: Final = 65536
_ESCAPE: Final = re.compile(r"\\(x[0-9a-fA-F]{2}|[0-7]{3}|.)")
_WORDS: Final = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "s": " "}
_UUID: Final = re.compile(r"[0-9a-f]{32}\Z")


def find(files: Files, name: str, *, engine: str = "") -> EngineState | None:
    """The container registered under this name; None for a virtual machine, or when `engine` is another."""
    if not is_component(name):
        return None
    machine = files.load(f"{MACHINES}/{name}", _parse, limit=_LIMIT)
    if not machine or machine.get("NAME") != name or machine.get("CLASS") != "container":
        return None
    service = machine.get("SERVICE", "") or "machined"
    if engine not in {"", "machined", service, service.removeprefix("systemd-")}:
        return None
    return EngineState(
        id=name,
        engine=service,
        name=name,
        init_pid=_number(machine, "LEADER"),
        created_ms=_millis(machine.get("REALTIME", "")),
        rootfs=machine.get("ROOT", ""),
        uuid=_uuid(machine.get("ID", "")),
    )


def scan(files: Files) -> Iterator[EngineState]:
    """All registered containers. The `unit:NAME` links to the same files are passed over."""
    for name in files.names(MACHINES):
        state = None if name.startswith("unit:") else find(files, name)
        if state is not None:
            yield state


def _parse(data: bytes) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for line in data.decode("utf-8", "replace").splitlines():
        key, equals, value = line.partition("=")
        if equals and key.isupper() and len(found) < 128:
            found[key] = text(_ESCAPE.sub(_unescape, value))
    return MappingProxyType(found)


def _unescape(found: re.Match[str]) -> str:
    code = found[1]
    if len(code) == 1:
        return _WORDS.get(code, code)
    return chr(int(code[1:], 16) if code[0] == "x" else int(code, 8) & 0xFF)


def _number(machine: Mapping[str, str], key: str) -> int | None:
    digits = machine.get(key, "")
    return pid(int(digits)) if digits.isascii() and digits.isdigit() and len(digits) < 12 else None


def _millis(micros: str) -> int | None:
    return int(micros) // 1000 if micros.isascii() and micros.isdigit() and len(micros) < 20 else None


def _uuid(value: str) -> str:
    """The UUID with its dashes, which machined leaves out; "" for anything else."""
    if _UUID.match(value) is None:
        return ""
    return "-".join((value[:8], value[8:12], value[12:16], value[16:20], value[20:]))
