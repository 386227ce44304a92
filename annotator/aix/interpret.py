"""One record as the `event`, `process`, `user` and `aix_audit` parts of the JSON form.

Columns that the trail has not are absent. A name of a user is not turned into a number, nor a number into a name: each
WPAR has users of its own, and `auditpr` has printed names by the passwd of where it ran (IBM auditpr Command).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from annotator.aix import ecs
from annotator.aix.facts import translate
from annotator.aix.grouping import RecordEvent
from annotator.aix.record import Form, user_id
from annotator.core.model import UNSET_ID

if TYPE_CHECKING:
    from annotator.aix.facts import RecordTranslation
    from annotator.aix.record import Record
    from annotator.core.model import Event

OS = {"type": "unix", "name": "AIX"}
"""ECS host.os."""

_MAX_PID = 9_999_999_999


def interpret(event: Event) -> dict[str, Any]:
    """The parts. Any bytes have an answer; text that is not UTF-8 is shown with backslash escapes."""
    if not isinstance(event, RecordEvent):
        return {"event": {"module": "aix_audit", "kind": "event"}, "aix_audit": {"record": {}}}
    record = event.record
    told = event.translation or translate(record)
    more = ecs.parts(record, told.tail)
    parts: dict[str, Any] = {"host": {"os": OS}, "event": _event(record)}
    parts["process"] = _process(record, told) | more.pop("process", {})
    parts["user"] = _user(record, told) | more.pop("user", {})
    parts |= more
    parts["aix_audit"] = {"record": _record(record, told)}
    return {name: part for name, part in parts.items() if part}


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")


def _event(record: Record) -> dict[str, Any]:
    found: dict[str, Any] = {"module": "aix_audit", "kind": "event"}
    name = _text(record.event)
    kind = ecs.kind(record)
    if kind is not None:
        found["category"], found["type"] = [kind[0]], [kind[1]]
    if name:
        found["action"] = name
    if record.status == b"OK":
        found["outcome"] = "success"
    elif record.status is not None and record.status.startswith(b"FAIL"):
        found["outcome"] = "failure"
    elif record.status is not None:
        found["outcome"] = "unknown"
    return found


def _process(record: Record, told: RecordTranslation) -> dict[str, Any]:
    """The program that made the call; of PROC_Execute that succeeded the new one, where the record names it.

    `executable` is there only where it is an absolute path: else it depends on the process's directory and PATH.
    """
    found: dict[str, Any] = {}
    if record.pid is not None and 0 <= record.pid <= _MAX_PID:
        found["pid"] = record.pid
    if record.ppid is not None and 0 <= record.ppid <= _MAX_PID:
        found["parent"] = {"pid": record.ppid}
    if record.command:
        found["name"] = _text(record.command)
    line = told.tail.values.get("name") if told.tail is not None and record.event == b"PROC_Execute" else None
    if line and line.strip() and record.ok is not False:
        found["command_line"] = _text(line)
        program = line.split(None, 1)[0]
        found["name"] = _text(program.rsplit(b"/", 1)[-1] or program)
        if program.startswith(b"/"):
            found["executable"] = _text(program)
    return found


def _user(record: Record, told: RecordTranslation) -> dict[str, Any]:
    found: dict[str, Any] = {}
    real, login = user_id(record.ruser), user_id(record.login)
    if real != UNSET_ID:
        found["id"] = str(real)
    elif record.ruser:
        found["name"] = _text(record.ruser)
    euid = told.tail.number("euid") if told.tail is not None and record.event == b"PROC_Execute" else None
    if euid is not None and 0 <= euid < UNSET_ID:
        found["effective"] = {"id": str(euid)}
    if login != UNSET_ID:
        found["audit"] = {"id": str(login)}
    elif record.login:
        found["audit"] = {"name": _text(record.login)}
    return found


def _record(record: Record, told: RecordTranslation) -> dict[str, Any]:
    """The columns as they stand in the trail, the tail as it is and, where its format is known, by its values."""
    names = ("event", "status", "login", "ruser", "command", "wpar", "host", "role", "privileges")
    found: dict[str, Any] = {name: _text(value) for name in names if (value := getattr(record, name)) is not None}
    found |= {name: value for name in ("pid", "ppid", "tid") if (value := getattr(record, name)) is not None}
    if record.cpu_id is not None:
        found["cpu_id"] = record.cpu_id.hex()
    if record.other:
        found["other"] = {name.replace(".", "_"): _text(value) for name, value in record.other.items()}
    if record.tail:
        found["tail"] = record.tail.hex() if record.form is Form.BINARY else _text(record.tail)
    if told.tail is not None and told.tail.values:
        found["fields"] = {name: _text(value) for name, value in told.tail.values.items()}
        if told.tail.ambiguous:
            found["fields_ambiguous"] = True
    if record.ambiguous:
        found["time_ambiguous"] = True
    found["form"] = record.form.value
    return found
