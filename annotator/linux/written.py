"""Usual Linux events, written without making objects of them first: what repeats is text that is put together.

Says the same as `interpret`, in the same order; an event that says more than this module knows of is left to that one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from annotator.backend import Written
from annotator.linux.actor import Record
from annotator.linux.interpret import MAX_KNOWN, Interpreter
from annotator.linux.objects import object_of

if TYPE_CHECKING:
    from annotator.backend import Encoder
    from annotator.linux.actor import Front, Tail

_FRONT = frozenset(("arch", "syscall", "per", "success", "exit"))
"""What stands before a0= in a SYSCALL record. Enriched copies of the first two are at its end."""

_MIDDLE = re.compile(
    rb"a1=([0-9a-f]+) a2=([0-9a-f]+) a3=([0-9a-f]+) items=(\d+) ppid=(\d{1,10}) pid=(\d{1,10})(?= auid=)"
)
_NAMES = ("a0", "a1", "a2", "a3", "items", "ppid", "pid")

Copies = tuple[tuple[str, str], ...]


class Caller(NamedTuple):
    """The end of a SYSCALL record, from auid= on, written: who called. `fields` are those of the record.

    `copies` are of fields that stand in the front, and take their place there.
    """

    record: Record
    call: str
    copies: Copies
    size: int
    fields: bytes
    processes: int
    process: bytes
    user: bytes
    session: bytes
    actor: bytes
    how: bytes


class Writer:
    """Writes for one encoder; holds what it has written, in tables with a bound."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.interpreter = Interpreter()
        self._callers: dict[bytes, Caller | None] = {}
        self._fronts: dict[tuple[bytes, Copies], tuple[Front, int, bytes]] = {}
        self._objects: dict[tuple[str, str | None], bytes] = {}
        self._events: dict[tuple[str, str | None, str], tuple[int, bytes]] = {}
        self._numbers = encoder.texts(*_NAMES)
        self._auditd = encoder.opening("auditd")
        self._summary = encoder.opening("summary")
        self._records = encoder.opening("records", of_list=True)
        record = encoder.opening("")[2] + encoder.item("type", "SYSCALL") + encoder.comma
        self._call = tuple(record + fields for fields in encoder.opening("fields"))
        self._other = (
            encoder.comma + encoder.opening("")[2] + encoder.name("type"),
            encoder.comma + encoder.name("fields"),
        )
        self._pid = encoder.name("pid")
        self._parent = encoder.comma + encoder.opening("parent")[1] + encoder.name("pid")

    def write(self, run: re.Match[bytes]) -> Written | None:
        """The parts of one event (see `usual.SHAPE`); None for what `interpret` must read.

        Budget: the hot path of the forms with objects, read in one go.
        """
        key, call, exit, a0, rest = run.groups()
        middle = _MIDDLE.match(rest)
        if middle is None:
            return None
        numbers = middle.groups()
        own = rest[middle.end() :]
        caller = self._callers.get(own) or self._caller(own)
        if caller is None:
            return None
        beginning = call + exit if exit is not None else call
        front, fronts, front_text = self._fronts.get((beginning, caller.copies)) or self._front(call, exit, caller)
        if not fronts:
            return None
        found = [caller.record]
        command = self._others(run, key, found)
        if command is None:
            return None
        encoder = self.encoder
        comma, end, value = encoder.comma, encoder.end, encoder.value
        name = caller.call or front.call
        means = self.interpreter.meaning("", name, front.outcome)
        what, primary, action = object_of(means.event.get("action"), means, "SYSCALL", caller.record.fields, found)
        try:
            thing = self._objects[what, primary]
        except (KeyError, TypeError):
            thing = self._object(what, primary)
        events, event = self._events.get((name, front.outcome, action)) or self._event(name, front.outcome, action)
        process = (
            self._pid, value(int(numbers[5])), self._parent, value(int(numbers[4])), end, caller.process, command[1],
        )  # fmt: skip
        others = (
            caller.user,
            self._auditd[3 if caller.session else 2], caller.session,
            self._summary[1 + (thing != b"") + (caller.how != b"")], caller.actor, thing, caller.how, end, comma,
            self._records[len(found)], self._call[fronts + 7 + caller.size], front_text, comma,
            self._numbers((a0, *numbers)), comma, caller.fields, end, end,
            *[record.written for record in found[1:]], encoder.end_list, end,
        )  # fmt: skip
        return Written(
            events,
            event,
            2 + caller.processes + command[0],
            b"".join(process),
            2 if caller.user else 1,
            b"".join(others),
        )

    def _others(self, run: re.Match[bytes], key: bytes, found: list[Record]) -> tuple[int, bytes] | None:
        """Add the records behind the first, but for EOE; returns the items of the command line (see `arguments`).

        None where one leads, or where it takes more than this to read them.
        """
        known, read = self.interpreter.known, self.interpreter.record
        text = run.string[run.end(5) + 1 : run.end()]
        stamp = b" msg=audit(" + key + b"): "
        bare = text.replace(stamp, b" ")
        lines = bare.split(b"\n")
        if len(text) - len(bare) != len(lines) * (len(stamp) - 1) or len(lines) > 100:
            return None
        executed = None
        for line in lines:
            record = known.get(line)
            if record is None:
                record = None if line in known else read(line)
                if record is None:
                    continue
            if not record.written:
                self._record(record)
            if record.leads or (record.args is not None and executed is not None):
                return None
            if record.args is not None:
                executed = record
            found.append(record)
        title = found[-1]
        if title.title is None:
            return None
        return title.command if executed is None or not executed.args else executed.command

    def _record(self, record: Record) -> None:
        """Write a record, and what it tells of the command line."""
        encoder = self.encoder
        start, middle = self._other
        record.written = start + encoder.value(record.type) + middle + encoder.value(record.fields) + encoder.end
        if record.args:
            said = {"args": record.args, "command_line": " ".join(record.args)}
            record.command = 2, encoder.comma + encoder.items(said)
        elif record.title is not None and record.title != "(null)":
            record.command = 1, encoder.comma + encoder.item("command_line", record.title)

    def _caller(self, own: bytes) -> Caller | None:
        """Who is not known yet; None where the record is not of the usual form."""
        caller = self._written(self.interpreter.tail(own))
        if len(self._callers) >= MAX_KNOWN:
            self._callers.clear()
        self._callers[own] = caller
        return caller

    def _written(self, tail: Tail) -> Caller | None:
        encoder = self.encoder
        comma, item, items = encoder.comma, encoder.item, encoder.items
        own = {name: value for name, value in tail.fields.items() if name not in _FRONT}
        copies = tuple((name, value) for name, value in tail.fields.items() if name in _FRONT)
        odd = not own.keys().isdisjoint(_NAMES) or any(value.__class__ is not str for _, value in copies)
        if odd or not own or not tail.actor or len(own) > 100:
            return None
        return Caller(
            Record("SYSCALL", tail.fields),
            tail.call,
            copies,
            len(own),
            items(own),
            len(tail.process),
            comma + items(tail.process) if tail.process else b"",
            item("user", tail.user) + comma if tail.user else b"",
            item("session", tail.session) + comma if tail.session else b"",
            item("actor", tail.actor),
            comma + item("how", tail.how) if tail.how else b"",
        )

    def _front(self, call: bytes, exit: bytes | None, caller: Caller) -> tuple[Front, int, bytes]:
        """The beginning of a record, up to a0=, written; no fields where it is not of the usual form."""
        front = self.interpreter.front(call[:-1] if exit is None else call + b"exit=" + exit)
        copies = dict(caller.copies)
        found = front, 0, b""
        if copies.keys() <= front.fields.keys() <= _FRONT:
            found = front, len(front.fields), self.encoder.items({**front.fields, **copies})
        if len(self._fronts) >= MAX_KNOWN:
            self._fronts.clear()
        self._fronts[call if exit is None else call + exit, caller.copies] = found
        return found

    def _object(self, what: str, primary: Any) -> bytes:
        """The item of the summary that names the object."""
        found: dict[str, Any] = {"type": what} if what and what != "unknown" else {}
        if primary is not None and primary != "(null)":
            found["primary"] = primary
        text = self.encoder.comma + self.encoder.item("object", found) if found else b""
        if primary is None or primary.__class__ is str:
            if len(self._objects) >= MAX_KNOWN:
                self._objects.clear()
            self._objects[what, primary] = text
        return text

    def _event(self, call: str, outcome: str | None, action: str) -> tuple[int, bytes]:
        """The items of `event`."""
        event = self.interpreter.meaning("", call, outcome).event
        if action:
            event = {**event, "action": action}
        if len(self._events) >= MAX_KNOWN:
            self._events.clear()
        text = self.encoder.items(event)
        found = self._events[call, outcome, action] = len(event), text
        return found
