"""Usual Linux events, written without making objects of them first: what repeats is text that is put together.

Says the same as `interpret`, in the same order; an event that says more than this module knows of is left to that one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from annotator.linux.records.actor import DecodedRecord, first
from annotator.linux.records.interpret import MAX_BODY, MAX_KNOWN, Interpreter
from annotator.linux.records.objects import object_of

if TYPE_CHECKING:
    import re

    from annotator.core.contracts import Encoder, Written
    from annotator.core.model import Signature
    from annotator.linux.records.actor import CallTail
    from annotator.linux.records.ecs import Meaning
    from annotator.linux.records.fields import Fields

_FRONT = frozenset(("arch", "syscall", "per", "success", "exit"))
"""What stands before a0= in a SYSCALL record. Enriched copies of the first two are at its end."""

_NUMBERS = ("a0", "a1", "a2", "a3", "items", "ppid", "pid")
"""What stands between the two parts that repeat."""

MAX_OTHERS = 4096
"""Texts of all records behind a SYSCALL that are remembered with what was written of them."""

MAX_TEXT = 4096
"""Bytes of such a text; of the end of a SYSCALL record `interpret.MAX_BODY`."""

MAX_LINES = MAX_FIELDS = 100
"""Lines of such a text, and fields of a record: of more an object is made."""

MAX_THINGS = 64
"""Objects that are remembered of one text, or one caller."""

Copies = tuple[tuple[str, str], ...]


class Thing(NamedTuple):
    """The object of an event: the summary's item for it; and the items of `event`, whose action it tells."""

    items: int
    item: bytes
    events: int
    event: bytes


class Start(NamedTuple):
    """The beginning of a SYSCALL record, up to a0=, written; `size` is 0 where it is not of the usual form.

    `key` stands for `means`. `by_others`: the object is told by the other records.
    """

    key: str
    means: Meaning
    by_others: bool
    size: int
    fields: bytes


class Caller:
    """The end of a SYSCALL record, from auid= on, written: who called.

    `fields` are those of the record, `size` in number, and `copies` those that take the place of one in its front;
    `process` are `processes` items for the process. `before` and `after` are what stands around the object in the
    summary, the first in two versions, without and with one; they are of `parts` items: `user`, if known, and `auditd`.
    `starts` are the beginnings of records that end with the same copies, and `things` the objects told by the caller.
    """

    __slots__ = (
        "after", "before", "copies", "fields", "parts", "process", "processes", "record", "size", "starts", "things",
    )  # fmt: skip

    def __init__(
        self, encoder: Encoder, openings: tuple[tuple[bytes, ...], ...], tail: CallTail, own: Fields, copies: Copies
    ) -> None:
        comma, end, item, items = encoder.comma, encoder.end, encoder.item, encoder.items
        auditd, summary = openings[0][2 + (tail.session != "")], openings[1]
        before = item("user", tail.user) + comma if tail.user else b""
        before += auditd + (item("session", tail.session) + comma if tail.session else b"")
        self.record = DecodedRecord("SYSCALL", tail.fields)
        self.copies = copies
        self.size = len(own)
        self.parts = 1 + (len(tail.user) > 0)
        actor, rest = item("actor", tail.actor), 1 + (tail.how != "")
        self.before = tuple(before + summary[rest + more] + actor for more in (0, 1))
        self.after = (comma + item("how", tail.how) if tail.how else b"") + end + comma
        self.fields = comma + items(own) + end + end
        self.processes = len(tail.process)
        self.process = comma + items(tail.process) if tail.process else b""
        self.things: dict[str, Thing] = {}
        self.starts: dict[bytes, Start] = {}


class Others:
    """The records behind a SYSCALL record, `written` with what ends the object; `opening` is before the list of all.

    `command` are `commands` items for the process, `things` the objects told by these records. `lines` is -1 where it
    takes more than this to read them.
    """

    __slots__ = ("command", "commands", "lines", "opening", "records", "things", "written")

    def __init__(self, lines: int, records: list[DecodedRecord], opening: bytes = b"", end: bytes = b"") -> None:
        self.lines = lines
        self.records = records
        self.opening = opening
        self.written = b"".join([record.written for record in records]) + end
        self.commands, self.command = 0, b""
        self.things: dict[str, Thing] = {}


NOT_USUAL = Others(-1, [])


class Writer:
    """Writes for one encoder; holds what it has written, in tables with a bound."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.interpreter = Interpreter()
        self._callers: dict[bytes, Caller | None] = {}
        self._starts: dict[tuple[str, Copies], dict[bytes, Start]] = {}
        self._started = 0  # how many these are
        self._others: dict[bytes, Others] = {}
        self._openings = encoder.opening("auditd"), encoder.opening("summary")
        self._records = encoder.opening("records", of_list=True)
        self._words = encoder.words
        record = encoder.opening("")[2] + encoder.item("type", "SYSCALL") + encoder.comma
        self._call = tuple(record + fields for fields in encoder.opening("fields"))
        self._other = (
            encoder.comma + encoder.opening("")[2] + encoder.name("type"),
            encoder.comma + encoder.name("fields"),
        )

    def write(self, run: re.Match[bytes], signature: Signature) -> Written | None:
        """The parts of one event (see `usual.DETAILED`); None for what `interpret` must read.

        Budget: the hot path of the forms with objects, read in one go.
        """
        key, call, exit, a0, _, numbers, own, text = run.groups()
        caller = self._callers.get(own) or self._caller(own)
        if caller is None:
            return None
        numbers = b"a0=" + a0 + b" " + numbers
        if exit is None:
            start = caller.starts.get(call)
        elif exit[:1] == b"-":
            start = caller.starts.get(call + exit)
        else:  # no error: a number like the others
            start = caller.starts.get(call + b"+")
            numbers = b"exit=" + exit + b" " + numbers
        start = start or self._start(call, exit, caller)
        stamp = b" msg=audit(" + key + b"): "
        bare = text.replace(stamp, b" ")
        others = self._others.get(bare) or self._behind(bare)
        if len(text) - len(bare) != others.lines * (len(stamp) - 1) or not start.size:
            return None
        things = others.things if start.by_others else caller.things
        thing = things.get(start.key)
        if thing is None:
            thing = self._thing(start, caller, others)
            if len(things) < MAX_THINGS:
                things[start.key] = thing
        items, item, events, event = thing
        return (
            events,
            2 + caller.processes + others.commands,
            caller.parts,
            event,
            (signature.written or self._process(signature), caller.process, others.command),
            (
                caller.before[items], item, caller.after,
                others.opening, self._call[start.size + 7 + caller.size],
                start.fields, self._words(numbers), caller.fields, others.written,
            ),
        )  # fmt: skip

    def _process(self, signature: Signature) -> bytes:
        """The numbers of a process, written once."""
        actor = signature.actor
        signature.written = self.encoder.items({"pid": actor.pid, "parent": {"pid": actor.ppid}})
        return signature.written

    def _behind(self, text: bytes) -> Others:
        """The records behind the first, but for EOE, by their lines without stamps."""
        others = self._read(text)
        if len(text) <= MAX_TEXT:
            if len(self._others) >= MAX_OTHERS:
                self._others.clear()
            self._others[text] = others
        return others

    def _read(self, text: bytes) -> Others:
        known, read = self.interpreter.known, self.interpreter.record
        if b" msg=audit(" in text:  # a stamp in a value, or one that ends otherwise: whose it was is not seen any more
            return NOT_USUAL
        lines = text.split(b"\n")
        found: list[DecodedRecord] = []
        executed = None
        for line in lines[:MAX_LINES]:
            record = known.get(line)
            if record is None:
                record = None if line in known else read(line)
                if record is None:
                    continue
            if not record.written:
                self._record(record)
            if record.leads or (record.args is not None and executed is not None):
                return NOT_USUAL
            if record.args is not None:
                executed = record
            found.append(record)
        if len(lines) > MAX_LINES or not found or found[-1].title is None:
            return NOT_USUAL
        others = Others(len(lines), found, self._records[len(found) + 1], self.encoder.end_list + self.encoder.end)
        told = executed if executed is not None and executed.args else found[-1]
        others.commands, others.command = told.command
        return others

    def _record(self, record: DecodedRecord) -> None:
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
        tail = self.interpreter.tail(own)
        mine = {name: value for name, value in tail.fields.items() if name not in _FRONT}
        copies = tuple((name, value) for name, value in tail.fields.items() if name in _FRONT)
        odd = not mine.keys().isdisjoint(_NUMBERS) or any(value.__class__ is not str for _, value in copies)
        caller = None
        if mine and tail.actor and len(mine) <= MAX_FIELDS and not odd:
            caller = Caller(self.encoder, self._openings, tail, mine, copies)
            if len(self._starts) >= MAX_KNOWN:
                self._forget()
            caller.starts = self._starts.setdefault((tail.call, copies), {})
        if len(self._callers) >= MAX_KNOWN:
            self._callers.clear()
        if len(own) <= MAX_BODY:
            self._callers[own] = caller
        return caller

    def _start(self, call: bytes, exit: bytes | None, caller: Caller) -> Start:
        """The beginning of a record, with an error; any other `exit` is only counted."""
        counted = exit is not None and exit[:1] != b"-"
        call_head = self.interpreter.call_head(call[:-1] if exit is None or counted else call + b"exit=" + exit)
        copies = dict(caller.copies)
        name = first(caller.record.fields.get("syscall")) or call_head.call
        means = self.interpreter.meaning("", name, call_head.outcome)
        size, text = 0, b""
        if copies.keys() <= call_head.fields.keys() <= _FRONT:
            size = len(call_head.fields) + counted
            text = self.encoder.items({**call_head.fields, **copies}) + self.encoder.comma
        if self._started >= MAX_KNOWN:
            self._forget()
        by_others = means.place[:1] == "@" or means.place == "saddr"
        found = Start(f"{name} {call_head.outcome}", means, by_others, size, text)
        key = call + (b"" if exit is None else b"+" if counted else exit)
        if len(key) <= MAX_BODY:
            caller.starts[key] = found
            self._started += 1
        return found

    def _forget(self) -> None:
        """All callers, and with them all beginnings."""
        self._callers.clear()
        self._starts.clear()
        self._started = 0

    def _thing(self, start: Start, caller: Caller, others: Others) -> Thing:
        """The object, told by either of them."""
        means, fields = start.means, caller.record.fields
        records = [caller.record, *others.records]
        what, primary, action = object_of(means.event.get("action"), means, "SYSCALL", fields, records)
        found: dict[str, Any] = {"type": what} if what and what != "unknown" else {}
        if primary is not None and primary != "(null)":
            found["primary"] = primary
        item = self.encoder.comma + self.encoder.item("object", found) if found else b""
        event = {**means.event, "action": action} if action else means.event
        return Thing(len(item) > 0, item, len(event), self.encoder.items(event))
