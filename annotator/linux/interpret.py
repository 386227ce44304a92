"""One finished event as the `event`, `process`, `user` and `auditd` parts of the JSON form.

What repeats is read once: bodies of records other than SYSCALL, the beginning of a SYSCALL record (machine, call,
result) and its end (users, session, program, key), each in a table with a bound. A name of a user is given only where
the log has it (log_format = ENRICHED) or a look-up was handed in: a number means nothing on another machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from annotator.linux import contid_records, records
from annotator.linux.actor import Call, Front, Record, Tail, arguments, front_of, numbers, tail_of
from annotator.linux.bodies import fields_of, text_of, yes
from annotator.linux.decode import shown
from annotator.linux.ecs import Meaning, leads, meaning
from annotator.linux.objects import summary

if TYPE_CHECKING:
    from collections.abc import Callable

    from annotator.model import Event

MAX_KNOWN = 8192
"""Entries of each table; a full one is emptied."""
MAX_BODY = 1024
"""Bytes of a body that is remembered."""
MAX_KINDS = 1024

_MIDDLE = ["a0", "a1", "a2", "a3", "items", "ppid", "pid"]

_CONTID_TYPES = {
    "ContainerOp": "CONTAINER_OP",
    "ContainerId": "CONTAINER_ID",
    "CapContid": "SET_CAPCONTID",
}
"""The body decides: the numbers of these records mean something else on a mainline kernel."""


class _Kind:
    """A record type, and its bodies seen lately."""

    __slots__ = ("call", "known", "leads", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.call = name == "SYSCALL"
        self.leads = leads(name)
        self.known: dict[bytes, Record] = {}


class Interpreter:
    """Reads events; holds what it has read, so make one and keep it. `names` gives the name of a uid, or None."""

    __slots__ = ("_fronts", "_kinds", "_meanings", "_names", "_remembered", "_tails")

    def __init__(self, names: Callable[[int], str | None] | None = None) -> None:
        self._names = names
        self._kinds: dict[bytes, _Kind] = {}
        self._fronts: dict[bytes, Front] = {}
        self._tails: dict[bytes, Tail] = {}
        self._meanings: dict[tuple[str, str, str | None], Meaning] = {}
        self._remembered = 0

    def interpret(self, event: Event) -> dict[str, Any]:
        """The parts of the JSON form. Any bytes have an answer; what the records do not say is absent.

        The dicts inside `auditd.records` are shared with other events.
        """
        found: list[Record] = []
        call: Call | None = None
        lead: Record | None = None
        for line in event.in_order():
            head, _, body = line.partition(b"): ")
            kind = self._kinds.get(head[: head.find(b" msg=audit(")]) or self._kind(line)
            if kind is None:
                continue
            if kind.call and call is None:
                call = self._call(body)
                found.append(call[2])
                continue
            record = kind.known.get(body) or self._record(kind, body)
            found.append(record)
            if lead is None and kind.leads and record["type"] == kind.name:
                lead = record
        if call is not None:
            return self._of_call(call, lead, found, event)
        return self._simple(lead, found, event)

    def _kind(self, line: bytes) -> _Kind | None:
        """A type not seen before; None for EOE, which says nothing, and for a line that is no record."""
        name, _ = records.head(line)
        if not name or name == b"EOE":
            return None
        kind = _Kind(shown(name))
        start = line[: line.find(b" msg=audit(")]
        if len(self._kinds) < MAX_KINDS and start.endswith(b"type=" + name) and len(start) < 256:
            self._kinds[start] = kind
        return kind

    def _record(self, kind: _Kind, body: bytes) -> Record:
        """Read a body, and remember it."""
        name = kind.name
        told = contid_records.read(name.encode(), body.partition(b"\x1d")[0].rstrip())
        if told is not None:
            name = _CONTID_TYPES.get(type(told).__name__, name)
        record = {"type": name, "fields": fields_of(name, body)}
        if len(body) <= MAX_BODY:
            if self._remembered >= MAX_KNOWN:
                self._remembered = 0
                for each in self._kinds.values():
                    each.known.clear()
            self._remembered += 1
            kind.known[body] = record
        return record

    def _call(self, body: bytes) -> Call:
        """A SYSCALL record: its beginning and end out of the tables, its middle read."""
        first, last = body.find(b" a0="), body.find(b" auid=")
        if 0 < first < last:
            parts = text_of(body[first + 1 : last]).replace(" ", "=").split("=")
            if parts[::2] == _MIDDLE and len(parts) == 14:
                front = self._fronts.get(body[:first]) or self._front(body[:first])
                tail = self._tails.get(body[last:]) or self._tail(body[last:])
                _, a0, _, a1, _, a2, _, a3, _, items, _, ppid, _, pid = parts
                fields = {
                    **front.fields,
                    "a0": a0, "a1": a1, "a2": a2, "a3": a3, "items": items, "ppid": ppid, "pid": pid,
                    **tail.fields,
                }  # fmt: skip
                return front, tail, {"type": "SYSCALL", "fields": fields}
        fields = fields_of("SYSCALL", body)
        return front_of(fields), tail_of(fields), {"type": "SYSCALL", "fields": fields}

    def _front(self, body: bytes) -> Front:
        front = front_of(fields_of("SYSCALL", body))
        if len(self._fronts) >= MAX_KNOWN:
            self._fronts.clear()
        if len(body) <= MAX_BODY:
            self._fronts[body] = front
        return front

    def _tail(self, body: bytes) -> Tail:
        tail = tail_of(fields_of("SYSCALL", body[1:]))
        if len(self._tails) >= MAX_KNOWN:
            self._tails.clear()
        if len(body) <= MAX_BODY:
            self._tails[body] = tail
        return tail

    def _meaning(self, lead: str, call: str, outcome: str | None) -> Meaning:
        known = self._meanings.get((lead, call, outcome))
        if known is None:
            if len(self._meanings) >= MAX_KNOWN:
                self._meanings.clear()
            known = self._meanings[lead, call, outcome] = meaning(lead, call, outcome)
        return known

    def _of_call(self, call: Call, lead: Record | None, found: list[Record], event: Event) -> dict[str, Any]:
        """An event with a SYSCALL record."""
        front, tail, record = call
        means = self._meaning(lead["type"] if lead else "", tail.call or front.call, front.outcome)
        fields = record["fields"]
        process = numbers(fields.get("pid"), fields.get("ppid"))
        return self._parts(means, tail, process, lead if means.leads else record, found, event)

    def _simple(self, lead: Record | None, found: list[Record], event: Event) -> dict[str, Any]:
        """An event without a SYSCALL record: the first record that says what it is, else the first with a pid."""
        main = lead or next((each for each in found if "pid" in each["fields"]), found[0] if found else None)
        if main is None:
            return {"event": {"module": "auditd", "kind": "event"}, "auditd": {"records": []}}
        fields = main["fields"]
        process = numbers(fields.get("pid"), fields.get("ppid"))
        return self._parts(self._meaning(main["type"], "", yes(fields)), tail_of(fields), process, main, found, event)

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
        auditd["records"] = found
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
