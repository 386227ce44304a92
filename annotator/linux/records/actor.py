"""The `process` and `user` parts of the JSON form, from decoded fields: actor, program, arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from annotator.linux.records.fields import Arguments, Fields, arguments_of, text_of, yes

if TYPE_CHECKING:
    from annotator.core.model import Event


class DecodedRecord:
    """A record with its fields decoded. Events share these objects: never change one.

    `leads`: it says what its event is, even beside a SYSCALL record. `args` are those of an EXECVE record, `title` is
    that of a PROCTITLE record. `own` are the fields that only the kernel writes (`kernel_fields`), of a record that can
    stand without a SYSCALL. `path` is the nametype of a PATH record; all three are None for others. `written` and
    `command` (how many items it adds to `process`, and these) are what one form makes of it.
    """

    __slots__ = ("args", "command", "fields", "leads", "own", "path", "title", "type", "written")

    def __init__(
        self, kind: str, fields: Fields, *, leads: bool = False, own: Fields | None = None, body: str = ""
    ) -> None:
        self.type = kind
        self.fields = fields
        self.leads = leads
        self.own = own or {}
        self.args: Arguments | None = None
        self.path: str | None = None
        self.title: str | None = None
        self.written = b""
        self.command = (0, b"")
        if kind == "PATH":
            self.path = str(fields.get("nametype", ""))
        elif kind == "PROCTITLE":
            title = fields.get("proctitle")
            self.title = title if isinstance(title, str) else "(null)"
        elif kind == "EXECVE":
            self.args = arguments_of([body])


class CallHead(NamedTuple):
    """The beginning of a SYSCALL record: machine, call, result."""

    fields: Fields
    call: str
    outcome: str | None


class CallTail(NamedTuple):
    """The end of a SYSCALL record, from auid= on: users, session, program, key, and the enriched copies.

    `call` is the name of the call when the machine that recorded wrote it down. `actor` and `how` are the summary's:
    login and user as the record has them (also `unset`), and the program.
    """

    fields: Fields
    process: dict[str, Any]
    user: dict[str, Any]
    session: str
    call: str
    actor: dict[str, str]
    how: str


class Call(NamedTuple):
    """A SYSCALL record, read, and the numbers of its process."""

    call_head: CallHead
    tail: CallTail
    record: DecodedRecord
    process: dict[str, Any]


def numbers(pid: Any, ppid: Any) -> dict[str, Any]:
    """The pids as numbers: of several the first, the record's own; what is none, or beyond ten digits, is absent."""
    process: dict[str, Any] = {}
    if pid.__class__ is list:
        pid = pid[0]
    if pid.__class__ is str and pid.isdecimal() and len(pid) < 11:
        process["pid"] = int(pid)
    if ppid.__class__ is str and ppid.isdecimal() and len(ppid) < 11:
        process["parent"] = {"pid": int(ppid)}
    return process


def arguments(process: dict[str, Any], records: list[DecodedRecord], event: Event) -> None:
    """Arguments, their true number and command_line, out of the EXECVE records; the title is the second best."""
    executed = [record.args for record in records if record.args is not None]
    if executed:
        args = executed[0]
        if len(executed) > 1:
            lines = [line.partition(b"): ")[2] for line in event.in_order() if b"type=EXECVE " in line[:300]]
            args = arguments_of([text_of(line) for line in lines])
        if args.total is not None:
            process["args_count"] = args.total
        if args.cut:
            process["args_cut"] = True
        if args.values:
            process["args"], process["command_line"] = args.values, " ".join(args.values)
            return
    title = records[-1].title
    if title is None:
        title = next((record.title for record in records if record.title is not None), "(null)")
    if title != "(null)":
        process["command_line"] = title


def first(value: Any) -> str:
    """A field's value, of several the first: the record's own, not what a user wrote behind it."""
    value = value[0] if isinstance(value, list) else value
    return value if isinstance(value, str) else ""


_IDS = ("uid", "euid", "auid", "ses")


def kernels(record: DecodedRecord) -> Fields:
    """The fields of a record with the user and session that the kernel wrote, whatever a user's text says of them."""
    return {name: value for name, value in record.fields.items() if name not in _IDS} | {
        name: record.own[name] for name in _IDS if name in record.own
    }


def head_of(fields: Fields) -> CallHead:
    """The system call and its outcome, from the fields before `a0=`."""
    return CallHead(fields, first(fields.get("syscall")), yes(fields))


def tail_of(fields: Fields) -> CallTail:
    """The parts that say who and which program, out of decoded fields. Unset is absent."""
    process: dict[str, Any] = {}
    for name, part in (("exe", "executable"), ("comm", "name")):
        value = fields.get(name)
        value = value[-1] if isinstance(value, list) else value  # the last is the library's own
        if isinstance(value, str) and value not in ("", "?", "(null)", "(none)"):
            process[part] = value
    user: dict[str, Any] = {}
    for name, key in (("uid", "id"), ("euid", "effective"), ("auid", "audit")):
        value = first(fields.get(name))
        if value.isdecimal():
            user[key] = value if key == "id" else {"id": value}
    name = first(fields.get("UID"))
    if name and name not in ("unset", "unknown", "?", "(null)") and not name.startswith("unknown("):
        user["name"] = name
    session = first(fields.get("ses"))
    named = (("primary", first(fields.get("auid"))), ("secondary", first(fields.get("uid"))))
    return CallTail(
        fields,
        process,
        user,
        session if session.isdecimal() else "",
        first(fields.get("syscall")),
        {part: value for part, value in named if value},
        _how(process),
    )


_INTERPRETERS = ("/usr/bin/python", "/usr/bin/sh", "/usr/bin/bash", "/usr/bin/perl")
"""Programs that say less of what was done than `comm=` does."""


def _how(process: dict[str, Any]) -> str:
    """The program; for scripts what it calls itself."""
    exe = str(process.get("executable", ""))
    name = str(process.get("name", ""))
    return name if name and (not exe or exe.startswith(_INTERPRETERS)) else exe
