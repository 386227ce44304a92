"""One finished event as the `event`, `process`, `user` and `auditd` parts of the JSON form.

What repeats is read once: bodies of records other than SYSCALL, the beginning of a SYSCALL record (machine, call,
error) and its end (users, session, program, key), each in a table with a bound. A name of a user is given only where
the log has it (log_format = ENRICHED) or a look-up was handed in: a number means nothing on another machine.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from annotator.linux.contid import records
from annotator.linux.records import syntax
from annotator.linux.records.actor import (
    Call,
    CallHead,
    CallTail,
    DecodedRecord,
    arguments,
    head_of,
    kernels,
    numbers,
    tail_of,
)
from annotator.linux.records.decode import shown
from annotator.linux.records.detection import add_detection
from annotator.linux.records.ecs import Meaning, leads, meaning
from annotator.linux.records.fields import Fields, fields_of, text_of, yes
from annotator.linux.records.kernel_fields import NOT_SUBJECTS, own_part
from annotator.linux.records.objects import summary

if TYPE_CHECKING:
    from collections.abc import Callable

    from annotator.core.model import Event

MAX_KNOWN = 8192
"""Entries of each table; a full one is emptied."""
MAX_BODY = 1024
"""Bytes of a body that is remembered."""

_MIDDLE = re.compile(
    rb" a0=([0-9a-f]+) a1=([0-9a-f]+) a2=([0-9a-f]+) a3=([0-9a-f]+) items=(\d+) ppid=(\d{1,10}) pid=(\d{1,10})"
)

_CONTID_TYPES = {
    "ContainerOp": "CONTAINER_OP",
    "ContainerId": "CONTAINER_ID",
    "CapContid": "SET_CAPCONTID",
}
"""The body decides: the numbers of these records mean something else on a mainline kernel."""


class Interpreter:
    """Reads events; holds what it has read, so make one and keep it. `names` gives the name of a uid, or None.

    `known` are the records read, by their lines without the stamp.
    """

    __slots__ = ("_call_heads", "_meanings", "_names", "_tails", "known")

    def __init__(self, names: Callable[[int], str | None] | None = None) -> None:
        self._names = names
        self.known: dict[bytes, DecodedRecord | None] = {}
        self._call_heads: dict[bytes, CallHead] = {}
        self._tails: dict[bytes, CallTail] = {}
        self._meanings: dict[tuple[str, str, str | None], Meaning] = {}

    def interpret(self, event: Event) -> dict[str, Any]:
        """The parts of the JSON form. Any bytes have an answer; what the records do not say is absent.

        The dicts inside `auditd.records` are shared with other events.
        """
        decoded: list[DecodedRecord] = []
        call: Call | None = None
        lead: DecodedRecord | None = None
        known = self.known
        for line in self._bare(event):
            if call is None and line[:13] == b"type=SYSCALL ":
                call = self._call(line[13:])
                decoded.append(call.record)
                continue
            record = known.get(line)
            if record is None:
                if line in known:
                    continue
                record = self.record(line)
                if record is None:
                    continue
            if call is None and record.type == "SYSCALL":  # with other text before it
                call = self._call(line.partition(b"type=SYSCALL ")[2])
                record = call.record
            decoded.append(record)
            if record.leads and lead is None:
                lead = record
        if call is not None:
            return self._of_call(call, lead, decoded, event)
        return self._simple(lead, decoded, event)

    @staticmethod
    def _bare(event: Event) -> list[bytes]:
        """The lines as `type=TYPE BODY`, so that what repeats is the same, but for EOE."""
        text = b"\n".join(event.in_order()) if event.reversed else event.text
        last = text.rfind(b"\n") + 1
        if text.startswith(b"type=EOE ", last):  # it ends without a blank behind the stamp
            text = text[: max(last - 1, 0)]
        if text.count(b" msg=audit(") != text.count(b"\n") + 1 or syntax.ESCAPED in text:
            text = b"\n".join([syntax.separated(syntax.alone(line)) for line in text.split(b"\n")])
        if event.node:
            node = b"node=" + event.node + b" "
            text = text.removeprefix(node).replace(b"\n" + node, b"\n")
        stamp = b" msg=audit(" + event.key[event.key.rfind(b" ") + 1 :] + b"): "
        bare = text.replace(stamp, b" ")
        if len(text) - len(bare) == (text.count(b"\n") + 1) * (len(stamp) - 1):
            return bare.split(b"\n")
        lines = text.split(b"\n")
        named = ((syntax.head(line)[0], line.partition(b"): ")[2]) for line in lines)
        return [b"type=" + name + b" " + body if name else b"" for name, body in named]

    def record(self, line: bytes) -> DecodedRecord | None:
        """Read a line without its stamp, and remember it. None for EOE, which says nothing, and for no record."""
        _, _, rest = line.partition(b"type=")
        type_name, blank, body = rest.partition(b" ")
        record: DecodedRecord | None = None
        if blank and type_name != b"EOE":
            name = shown(type_name)
            contid_record = records.read(type_name, body.partition(b"\x1d")[0].rstrip())
            kind = name if contid_record is None else _CONTID_TYPES.get(type(contid_record).__name__, name)
            fields = fields_of(kind, body)
            number = syntax.type_number(type_name)
            own: Fields = {}
            if number not in NOT_SUBJECTS:
                own = fields_of(kind, own_part(number, syntax.whole_body(type_name, body[: syntax.body_end(body, 0)])))
            executed = text_of(body) if kind == "EXECVE" else ""
            record = DecodedRecord(kind, fields, leads=kind == name and leads(name), own=own, body=executed)
        if len(line) <= MAX_BODY:
            if len(self.known) >= MAX_KNOWN:
                self.known.clear()
            self.known[line] = record
        return record

    def _call(self, body: bytes) -> Call:
        """A SYSCALL record: its beginning and end out of the tables, its middle read."""
        first, last = body.find(b" a0="), body.find(b" auid=")
        middle = _MIDDLE.fullmatch(body, first, last) if 0 < first < last else None
        if middle is None:
            fields = fields_of("SYSCALL", body)
            process = numbers(fields.get("pid"), fields.get("ppid"))
            return Call(head_of(fields), tail_of(fields), DecodedRecord("SYSCALL", fields), process)
        begun, _, exit = body[:first].rpartition(b" exit=")
        counted = exit.isdigit() and b" exit=" not in begun  # no error: it means nothing but itself
        call_head, tail = self.call_head(begun if counted else body[:first]), self.tail(body[last:])
        a0, a1, a2, a3, items, ppid, pid = map(bytes.decode, middle.groups())
        fields = {
            **call_head.fields,
            **({"exit": exit.decode()} if counted else {}),
            "a0": a0, "a1": a1, "a2": a2, "a3": a3, "items": items, "ppid": ppid, "pid": pid,
            **tail.fields,
        }  # fmt: skip
        return Call(call_head, tail, DecodedRecord("SYSCALL", fields), {"pid": int(pid), "parent": {"pid": int(ppid)}})

    def call_head(self, body: bytes) -> CallHead:
        """The beginning of a SYSCALL record's body, up to a0=."""
        call_head = self._call_heads.get(body)
        if call_head is None:
            call_head = head_of(fields_of("SYSCALL", body))
            if len(self._call_heads) >= MAX_KNOWN:
                self._call_heads.clear()
            if len(body) <= MAX_BODY:
                self._call_heads[body] = call_head
        return call_head

    def tail(self, body: bytes) -> CallTail:
        """The end of a SYSCALL record's body, from auid= on, with the blank before it."""
        tail = self._tails.get(body)
        if tail is None:
            tail = tail_of(fields_of("SYSCALL", body[1:]))
            if len(self._tails) >= MAX_KNOWN:
                self._tails.clear()
            if len(body) <= MAX_BODY:
                self._tails[body] = tail
        return tail

    def meaning(self, lead: str, call: str, outcome: str | None) -> Meaning:
        """The meaning of an event, by its leading record, its call and the outcome."""
        known = self._meanings.get((lead, call, outcome))
        if known is None:
            if len(self._meanings) >= MAX_KNOWN:
                self._meanings.clear()
            known = self._meanings[lead, call, outcome] = meaning(lead, call, outcome)
        return known

    def _of_call(
        self, call: Call, lead: DecodedRecord | None, decoded: list[DecodedRecord], event: Event
    ) -> dict[str, Any]:
        """An event with a SYSCALL record."""
        call_head, tail, record, process = call
        name = tail.call or call_head.call
        means = self.meaning(lead.type if lead else "", name, call_head.outcome)
        parts = self._parts(means, tail, process, lead if means.leads else record, decoded, event)
        add_detection(parts, means, name, tail, lead if means.leads else record, decoded)
        return parts

    def _simple(self, lead: DecodedRecord | None, decoded: list[DecodedRecord], event: Event) -> dict[str, Any]:
        """An event without a SYSCALL record: the first record that says what it is, else the first with a pid."""
        main = lead or next((each for each in decoded if "pid" in each.own), decoded[0] if decoded else None)
        if main is None:
            return {"event": {"module": "auditd", "kind": "event"}, "auditd": {"records": []}}
        process = numbers(main.own.get("pid"), main.own.get("ppid"))
        means, tail = self.meaning(main.type, "", yes(main.fields)), tail_of(kernels(main))
        parts = self._parts(means, tail, process, main, decoded, event)
        add_detection(parts, means, "", tail, main, decoded)
        return parts

    def _parts(
        self,
        means: Meaning,
        tail: CallTail,
        process: dict[str, Any],
        main: DecodedRecord | None,
        decoded: list[DecodedRecord],
        event: Event,
    ) -> dict[str, Any]:
        """Put together; `main` is the record that says what happened."""
        if tail.process:
            process.update(tail.process)
        arguments(process, decoded, event)
        parts: dict[str, Any] = {"event": means.event.copy()}
        if process:
            parts["process"] = process
        if tail.user:
            parts["user"] = tail.user if self._names is None else self._named(tail.user)
        auditd: dict[str, Any] = {"session": tail.session} if tail.session else {}
        summary(parts["event"], auditd, means, main, tail, decoded)
        auditd["records"] = [{"type": record.type, "fields": record.fields} for record in decoded]
        parts["auditd"] = auditd
        return parts

    def _named(self, user: dict[str, Any]) -> dict[str, Any]:
        """With the name that this machine has for the uid, unless the log says one."""
        number = user.get("id", "")
        if self._names is None or "name" in user or not number.isdecimal():
            return user
        name = self._names(int(number))
        return user if name is None else {**user, "name": name}


def interpreter_with_passwd() -> Interpreter:
    """An interpreter with this machine's user names: for the machine's own log, and only when asked for."""
    import pwd
    from functools import lru_cache

    @lru_cache(maxsize=4096)
    def name(uid: int) -> str | None:
        try:
            return pwd.getpwuid(uid).pw_name
        except (KeyError, OverflowError):
            return None

    return Interpreter(name)


interpret = Interpreter().interpret
"""Without any look-up."""
