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
from annotator.linux.records.actor import Call, Front, Record, Tail, arguments, front_of, numbers, tail_of
from annotator.linux.records.decode import shown
from annotator.linux.records.ecs import Meaning, leads, meaning
from annotator.linux.records.fields import fields_of, yes
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

    __slots__ = ("_fronts", "_meanings", "_names", "_tails", "known")

    def __init__(self, names: Callable[[int], str | None] | None = None) -> None:
        self._names = names
        self.known: dict[bytes, Record | None] = {}
        self._fronts: dict[bytes, Front] = {}
        self._tails: dict[bytes, Tail] = {}
        self._meanings: dict[tuple[str, str, str | None], Meaning] = {}

    def interpret(self, event: Event) -> dict[str, Any]:
        """The parts of the JSON form. Any bytes have an answer; what the records do not say is absent.

        The dicts inside `auditd.records` are shared with other events.
        """
        found: list[Record] = []
        call: Call | None = None
        lead: Record | None = None
        known = self.known
        for line in self._bare(event):
            if call is None and line[:13] == b"type=SYSCALL ":
                call = self._call(line[13:])
                found.append(call.record)
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
            found.append(record)
            if record.leads and lead is None:
                lead = record
        if call is not None:
            return self._of_call(call, lead, found, event)
        return self._simple(lead, found, event)

    @staticmethod
    def _bare(event: Event) -> list[bytes]:
        """The lines as `type=TYPE BODY`, so that what repeats is the same, but for EOE."""
        text = b"\n".join(event.in_order()) if event.reversed else event.text
        last = text.rfind(b"\n") + 1
        if text.startswith(b"type=EOE ", last):  # it ends without a blank behind the stamp
            text = text[: max(last - 1, 0)]
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

    def record(self, line: bytes) -> Record | None:
        """Read a line without its stamp, and remember it. None for EOE, which says nothing, and for no record."""
        _, _, rest = line.partition(b"type=")
        type_, blank, body = rest.partition(b" ")
        record: Record | None = None
        if blank and type_ != b"EOE":
            name = shown(type_)
            told = records.read(type_, body.partition(b"\x1d")[0].rstrip())
            kind = name if told is None else _CONTID_TYPES.get(type(told).__name__, name)
            fields = fields_of(kind, body)
            record = Record(kind, fields, leads=kind == name and leads(name))
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
            return Call(front_of(fields), tail_of(fields), Record("SYSCALL", fields), process)
        begun, _, exit = body[:first].rpartition(b" exit=")
        counted = exit.isdigit() and b" exit=" not in begun  # no error: it means nothing but itself
        front, tail = self.front(begun if counted else body[:first]), self.tail(body[last:])
        a0, a1, a2, a3, items, ppid, pid = map(bytes.decode, middle.groups())
        fields = {
            **front.fields,
            **({"exit": exit.decode()} if counted else {}),
            "a0": a0, "a1": a1, "a2": a2, "a3": a3, "items": items, "ppid": ppid, "pid": pid,
            **tail.fields,
        }  # fmt: skip
        return Call(front, tail, Record("SYSCALL", fields), {"pid": int(pid), "parent": {"pid": int(ppid)}})

    def front(self, body: bytes) -> Front:
        """The beginning of a SYSCALL record's body, up to a0=."""
        front = self._fronts.get(body)
        if front is None:
            front = front_of(fields_of("SYSCALL", body))
            if len(self._fronts) >= MAX_KNOWN:
                self._fronts.clear()
            if len(body) <= MAX_BODY:
                self._fronts[body] = front
        return front

    def tail(self, body: bytes) -> Tail:
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
        """What an event means, by its leading record, its call and how that went."""
        known = self._meanings.get((lead, call, outcome))
        if known is None:
            if len(self._meanings) >= MAX_KNOWN:
                self._meanings.clear()
            known = self._meanings[lead, call, outcome] = meaning(lead, call, outcome)
        return known

    def _of_call(self, call: Call, lead: Record | None, found: list[Record], event: Event) -> dict[str, Any]:
        """An event with a SYSCALL record."""
        front, tail, record, process = call
        means = self.meaning(lead.type if lead else "", tail.call or front.call, front.outcome)
        return self._parts(means, tail, process, lead if means.leads else record, found, event)

    def _simple(self, lead: Record | None, found: list[Record], event: Event) -> dict[str, Any]:
        """An event without a SYSCALL record: the first record that says what it is, else the first with a pid."""
        main = lead or next((each for each in found if "pid" in each.fields), found[0] if found else None)
        if main is None:
            return {"event": {"module": "auditd", "kind": "event"}, "auditd": {"records": []}}
        fields = main.fields
        process = numbers(fields.get("pid"), fields.get("ppid"))
        return self._parts(self.meaning(main.type, "", yes(fields)), tail_of(fields), process, main, found, event)

    def _parts(
        self,
        means: Meaning,
        tail: Tail,
        process: dict[str, Any],
        main: Record | None,
        found: list[Record],
        event: Event,
    ) -> dict[str, Any]:
        """Put together; `main` is the record that says what happened."""
        if tail.process:
            process.update(tail.process)
        arguments(process, found, event)
        parts: dict[str, Any] = {"event": means.event.copy()}
        if process:
            parts["process"] = process
        if tail.user:
            parts["user"] = tail.user if self._names is None else self._named(tail.user)
        auditd: dict[str, Any] = {"session": tail.session} if tail.session else {}
        summary(parts["event"], auditd, means, main, tail, found)
        auditd["records"] = [{"type": record.type, "fields": record.fields} for record in found]
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
    """One that looks uids up in this machine's passwd: only for the machine's own log, and only when asked for."""
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
