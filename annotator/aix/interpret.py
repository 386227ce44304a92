"""One record as the `event`, `process`, `user` and `aix_audit` parts of the JSON form.

Columns that the trail has not are absent. A name of a user is not turned into a number, nor a number into a name: each
WPAR has users of its own, and `auditpr` has printed names by the passwd of where it ran (IBM auditpr Command).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from annotator.aix.facts import translate
from annotator.aix.grouping import RecordEvent
from annotator.aix.record import Form, user_id
from annotator.core.model import UNSET_ID

if TYPE_CHECKING:
    from annotator.aix.facts import RecordTranslation
    from annotator.aix.record import Record
    from annotator.core.model import Event

_KINDS: dict[str, tuple[str, str]] = {
    "ACCT_Disable": ("configuration", "change"),
    "AUD_Bin_Def": ("configuration", "change"),
    "AUD_Events": ("configuration", "change"),
    "AUD_It": ("configuration", "change"),
    "AUD_Objects": ("configuration", "change"),
    "AUD_Proc": ("configuration", "change"),
    "CRON_Finish": ("process", "end"),
    "CRON_Start": ("process", "start"),
    "FILE_Link": ("file", "creation"),
    "FILE_Open": ("file", "access"),
    "FILE_Read": ("file", "access"),
    "FILE_Rename": ("file", "change"),
    "FILE_Unlink": ("file", "deletion"),
    "FILE_Write": ("file", "change"),
    "FS_Chdir": ("process", "change"),
    "FS_Chroot": ("process", "change"),
    "FS_Mkdir": ("file", "creation"),
    "FS_Rmdir": ("file", "deletion"),
    "PROC_Adjtime": ("host", "change"),
    "PROC_Create": ("process", "start"),
    "PROC_Delete": ("process", "end"),
    "PROC_Execute": ("process", "start"),
    "PROC_Kill": ("process", "change"),
    "PROC_LoadError": ("process", "error"),
    "PROC_RealGID": ("process", "change"),
    "PROC_SetGroups": ("process", "change"),
    "PROC_SetUserIDs": ("process", "change"),
    "SRC_Start": ("process", "start"),
    "SRC_Stop": ("process", "end"),
    "S_PASSWD_READ": ("file", "access"),
    "TCP_kaccept": ("network", "connection"),
    "TCP_kbind": ("network", "info"),
    "TCP_klisten": ("network", "info"),
    "USER_Login": ("authentication", "start"),
    "USER_SU": ("authentication", "info"),
}
"""ECS category and type of IBM's own events; a site's events have none."""

_MAX_PID = 9_999_999_999


def interpret(event: Event) -> dict[str, Any]:
    """The parts. Any bytes have an answer; text that is not UTF-8 is shown with backslash escapes."""
    if not isinstance(event, RecordEvent):
        return {"event": {"module": "aix_audit", "kind": "event"}, "aix_audit": {"record": {}}}
    record = event.record
    told = event.translation or translate(record)
    parts: dict[str, Any] = {"event": _event(record)}
    process = _process(record, told)
    if process:
        parts["process"] = process
    user = _user(record, told)
    if user:
        parts["user"] = user
    parts["aix_audit"] = {"record": _record(record, told)}
    return parts


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")


def _event(record: Record) -> dict[str, Any]:
    found: dict[str, Any] = {"module": "aix_audit", "kind": "event"}
    name = _text(record.event)
    if name in _KINDS:
        category, kind = _KINDS[name]
        found["category"], found["type"] = [category], [kind]
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
    """`name` is the program that made the call: in PROC_Execute still the one before."""
    found: dict[str, Any] = {}
    if record.pid is not None and 0 <= record.pid <= _MAX_PID:
        found["pid"] = record.pid
    if record.ppid is not None and 0 <= record.ppid <= _MAX_PID:
        found["parent"] = {"pid": record.ppid}
    if record.command:
        found["name"] = _text(record.command)
    line = told.tail.values.get("name") if told.tail is not None and record.event == b"PROC_Execute" else None
    if line:
        found["command_line"] = _text(line)
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
    return found


def _record(record: Record, told: RecordTranslation) -> dict[str, Any]:
    """The columns as they stand in the trail, the tail as it is and, where its format is known, by its values."""
    names = ("event", "status", "login", "ruser", "command", "wpar", "host", "role", "privileges")
    found: dict[str, Any] = {name: _text(value) for name in names if (value := getattr(record, name)) is not None}
    found |= {name: value for name in ("pid", "ppid", "tid") if (value := getattr(record, name)) is not None}
    if record.cpu_id is not None:
        found["cpu_id"] = record.cpu_id.hex()
    if record.other:
        found["other"] = {name: _text(value) for name, value in record.other.items()}
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
