"""What detection rules filter on, at the top of the JSON form: directory, exit code, terminal, file, addresses, tags.

Nothing is decoded here: all of it stands in fields that were decoded already. What the records do not say is absent.
Names are ECS's (https://www.elastic.co/docs/reference/ecs), whose `process.tty` is an object: its name is therefore in
`auditd.data.tty`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from annotator.linux.records.actor import first

if TYPE_CHECKING:
    from annotator.linux.records.actor import CallTail, DecodedRecord
    from annotator.linux.records.ecs import Meaning

UNNAMED = ("triggered-audit-rule", "triggered-unknown-audit-rule")
"""Actions of the audit library that say nothing of what was done: there the system call's name says more."""

_EXITS = ("exit", "exit_group")
_TO = frozenset(("connect", "sendto", "sendmsg", "sendmmsg"))
_FROM = frozenset(("accept", "accept4", "recvfrom", "recvmsg", "recvmmsg", "bind"))
"""System calls whose SOCKADDR is the other side's, as its destination or source; of bind it is the own address."""

_AT_HERE = ("ffffff9c", "ffffffffffffff9c")
"""a0 of the calls named `…at`: AT_FDCWD (-100), the path is relative to the working directory."""

_INET = re.compile(r"\{ saddr_fam=inet6? laddr=(\S+) lport=(\d{1,5}) \}")
_LOCAL = re.compile(r"\{ saddr_fam=local path=(.+) \}", re.DOTALL)
_IP = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F]*:[0-9a-fA-F:.]*")
_DEVICE = re.compile(r"(pts|ttyS|tty)(\d{1,7})")
_MAJORS = {"pts": (136, 0), "ttyS": (4, 64), "tty": (4, 0)}
"""Character devices of terminals: major number, and minor number of the first (Documentation/admin-guide/devices)."""

_UNSAID = ("", "?", "(null)", "(none)", "unset", "UNKNOWN")
_MAX_PATH = 4096


def add_detection(
    parts: dict[str, Any],
    means: Meaning,
    call: str,
    tail: CallTail,
    main: DecodedRecord | None,
    records: list[DecodedRecord],
) -> None:
    """Add to the parts of an event; `call` is its system call ("": none), `main` the record that says what it is."""
    event, auditd, fields = parts["event"], parts["auditd"], tail.fields
    data: dict[str, Any] = {}
    if call:
        data["syscall"] = call
        if event.get("action") in UNNAMED and not call.isdecimal():
            event["action"] = call
    tags = _tags(fields.get("key"))
    if tags:
        parts["tags"] = tags
    group = first(fields.get("gid"))
    if group.isdecimal():
        parts["group"] = {"id": group}
    _process(parts, call, tail, records, data)
    _file(parts, means, call, records)
    _addresses(parts, call, main, records)
    if data:
        auditd["data"] = data


def _tags(key: Any) -> list[str]:
    """The keys of the rule that was hit."""
    keys = key if isinstance(key, list) else [key]
    return [one for one in keys if isinstance(one, str) and one not in _UNSAID]


def _process(
    parts: dict[str, Any], call: str, tail: CallTail, records: list[DecodedRecord], data: dict[str, Any]
) -> None:
    """Working directory, exit code, terminal."""
    found: dict[str, Any] = {}
    directory = _directory(records)
    if directory:
        found["working_directory"] = directory
    if call in _EXITS:
        code = next((first(record.fields.get("a0")) for record in records if record.type == "SYSCALL"), "")
        if re.fullmatch("[0-9a-f]{1,16}", code):
            found["exit_code"] = int(code, 16) & 0xFF
    name = first(tail.fields.get("tty")) or first(tail.fields.get("terminal"))
    if name not in _UNSAID:
        data["tty"] = name
        device = _DEVICE.fullmatch(name.removeprefix("/dev/").replace("pts/", "pts"))
        if device is not None:
            major, minor = _MAJORS[device[1]]
            found["tty"] = {"char_device": {"major": major, "minor": minor + int(device[2])}}
    if found:
        parts.setdefault("process", {}).update(found)


def _directory(records: list[DecodedRecord]) -> str:
    for record in records:
        if record.type == "CWD":
            directory = first(record.fields.get("cwd"))
            return directory if directory not in _UNSAID else ""
    return ""


def _file(parts: dict[str, Any], means: Meaning, call: str, records: list[DecodedRecord]) -> None:
    """The file an event is about: its name, and its full path where the records say to what it is relative."""
    if means.place[:1] != "@":
        return
    name = first(parts["auditd"].get("summary", {}).get("object", {}).get("primary"))
    if name in _UNSAID or len(name) > _MAX_PATH:
        return
    found: dict[str, Any] = {}
    last = name.rstrip("/").rpartition("/")[2]
    if last and last not in (".", ".."):
        found["name"] = last
    path = name if name[:1] == "/" else ""
    if not path and (not call.removesuffix("2").endswith("at") or _is_here(records)):
        directory = _directory(records)
        if directory[:1] == "/":
            path = directory.rstrip("/") + "/" + name.removeprefix("./")
    if path:
        found["path"] = path
    if found:
        parts["file"] = found


def _is_here(records: list[DecodedRecord]) -> bool:
    """Whether the path of a call named `…at` is relative to the working directory."""
    return any(record.fields.get("a0") in _AT_HERE for record in records if record.type == "SYSCALL")


def _addresses(parts: dict[str, Any], call: str, main: DecodedRecord | None, records: list[DecodedRecord]) -> None:
    """Source and destination: of sockets, of logins, of packets."""
    side = "destination" if call in _TO else "source" if call in _FROM else ""
    if side:
        for record in records:
            if record.type == "SOCKADDR":
                found = _socket(first(record.fields.get("saddr")))
                if found:
                    parts[side] = found
                return
    elif main is not None and not call:
        fields = main.fields
        if main.type == "NETFILTER_PKT":
            for name, address, port in (("source", "saddr", "sport"), ("destination", "daddr", "dport")):
                if found := _endpoint(first(fields.get(address)), first(fields.get(port))):
                    parts[name] = found
        elif found := _remote(first(fields.get("addr")), first(fields.get("hostname"))):
            parts["source"] = found


def _socket(address: str) -> dict[str, Any]:
    """One end of a connection, by a decoded `saddr=`; the path of a UNIX socket is its address."""
    if (inet := _INET.fullmatch(address)) is not None:
        return _endpoint(inet[1], inet[2])
    local = _LOCAL.fullmatch(address)
    return {"address": local[1]} if local is not None else {}


def _endpoint(address: str, port: str) -> dict[str, Any]:
    if not _IP.fullmatch(address):
        return {}
    found: dict[str, Any] = {"address": address, "ip": address}
    if port.isdecimal() and 0 < int(port) < 65536:
        found["port"] = int(port)
    return found


def _remote(address: str, name: str) -> dict[str, Any]:
    """From where somebody logged in, as the program that let them in wrote it."""
    found = _endpoint(address, "")
    if name not in _UNSAID and name != address and not _IP.fullmatch(name):
        found["domain"] = name
        found.setdefault("address", name)
    return found
