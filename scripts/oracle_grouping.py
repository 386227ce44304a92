"""Grouping: which records are one event, held against what the audit library (auparse) makes of the same log.

The library is known to split and drop events. Its rules are written down here (`library_rules`) and followed, so that a
difference counts as known only when the rules foretell exactly what the library did. Sources: auparse/auparse.c,
ellist.c and common/common.c of audit 3.0.9 and 4.2.1, and experiments with 3.0.9.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from oracle_auparse import TIMEOUT, Assembler, Key

from annotator.core.stats import Stats
from annotator.events import EventAssembler, Missing
from annotator.io.sources import READ, Cutter, Form, recognise
from annotator.linux.backend import Linux
from annotator.linux.records.syntax import type_number

if TYPE_CHECKING:
    from collections.abc import Callable

    from annotator.core.model import Event


KNOWN = {
    "user-space": "A record of user space (LOGIN, SERVICE_START ...) shares the stamp of a system call. auparse takes "
    "it for an event of its own and makes the records around it others (LOGIN: mended in audit 4.0).",
    "unknown-name": "The library does not know the name of a record's type (CONTAINER_ID, CONTAINER_OP). auparse 3.x "
    "takes such a record for the end of its event (mended in audit 4.0).",
    "after-end": "Records come after the PROCTITLE or EOE of their event. auparse makes them another event.",
    "own-event": "KERNEL, netlabel and IPsec records: auparse takes each for an event of its own.",
    "timeout": "Records of an event come when others, of 2 s and more later, were read: auparse has given it up.",
    "eoe": "auparse swallows an EOE whose event is closed (by PROCTITLE) or has no other record.",
    "text-before": "Text stands before the record (a relay's, a comment's). auparse drops the line, or takes a word "
    "that begins with n for a node; we read the record.",
    "other-node": "A relay names the machine in the text before the record, or `node=` has a name with a blank. "
    "For us that is the event's node; auparse drops the line, or joins it to the events that name no node.",
    "odd-head": "The line does not begin `type=TYPE msg=audit(SECONDS.MILLIS:SERIAL):`, or its numbers or names are "
    "beyond all bounds. auparse reads some of these lines and drops others; so do we, but not the same.",
}
"""Each class of known differences, with its reason."""


def ours(data: bytes) -> Assembler:
    """The events as this program groups them; a straggler counts with its event."""
    late: dict[Key, int] = {}

    def on_late(event: Event, line: bytes) -> bytes:
        key = Key(event.node, *event.stamp)
        late[key] = late.get(key, 0) + 1
        return line

    reverse = recognise(data) is Form.AUSEARCH
    grouper = EventAssembler(Linux().completes, Stats(), on_late=on_late, reversed_records=reverse)
    cutter = Cutter("log")
    blocks = [cutter.feed(data[at : at + READ]) for at in range(0, len(data), READ)]
    closed = [
        event for block in (*blocks, cutter.end()) if block is not None for event in grouper.feed_text(block.text)
    ]
    closed += grouper.flush()
    groups: Assembler = {}
    for event in closed:
        if isinstance(event, Missing):
            continue
        groups.setdefault(Key(event.node, *event.stamp), []).append(event.size)
        event.closed = True
    grouper.drain()
    for key, count in late.items():
        groups[key][-1] += count
    return groups


# --- the library's rules ---------------------------------------------------------------------------------------------

_RECORD = re.compile(rb"(?:(?<!\S)node=(.{1,255}?) )?(?<!\S)type=\S+ msg=audit\((\d{1,11})\.(\d{3}):(\d{1,20})\):")
_RELAY = re.compile(
    rb"(?:<\d+>)?(?:\d )?(?:[A-Z][a-z]{2} [ \d]\d (?:\d{4} )?\d\d:\d\d:\d\d|\d{4}-\d\d-\d\d[T ][\d:.,]+)\S* "
    rb"([A-Za-z0-9][^\s\[\]]*)(?<!:) "
)
"""The time and the machine that a syslog relay puts before a record; a word that ends in a colon is a program's."""
_NUMBER = re.compile(rb"[ \t]*([+-]?\d{1,20})")


def library_head(line: bytes) -> tuple[Key, int] | None:
    """What auparse takes for the stamp and type of a line; None when it drops the line (`extract_timestamp`)."""
    text = line.split(b"\0", 1)[0]
    text = text[: 340 if text[:1] == b"n" else 80]
    words = [word for word in text.split(b" ") if word]
    node = b""
    if words and words[0][:1] == b"n":
        node = words.pop(0)[5:]
        if not node:
            return None
    if len(words) < 2:
        return None
    kind, word = words[:2]
    at = 9 if word[9:10] == b"(" else word.find(b"(")
    stamp = _library_stamp(word[at + 1 :])
    if at < 0 or stamp is None:
        return None
    return Key(node, *stamp), type_number(kind[5:]) if kind[:5] == b"type=" else -1


def _library_stamp(text: bytes) -> tuple[int, int] | None:
    """Milliseconds and serial as `str2event` reads them: what is no number is 0. (0, 0): it gives the event no time."""
    clock, _, serial = text.partition(b")")[0].partition(b":")
    seconds, _, millis = clock.partition(b".")
    found = _number(seconds), _number(millis), _number(serial)
    if not 0 <= found[1] <= 999 or max(found) >= 2**64:
        return None
    return (found[0] * 1000 + found[1], found[2]) if found[0] else (0, 0)


def _number(text: bytes) -> int:
    found = _NUMBER.match(text)
    return int(found[1]) if found is not None else 0


def _closing_3(kind: int) -> str:
    """Why a record closes its event in audit 3.x; "" when it does not."""
    if kind in (1327, 1320):
        return "after-end"
    if kind == 2000 or 1406 <= kind <= 1419:
        return "own-event"
    if kind == -1:
        return "unknown-name"
    return "user-space" if kind < 1300 or kind >= 2100 else ""


def _closing_4(kind: int) -> str:
    """As `_closing_3`, for audit 4.x: LOGIN and unknown names no longer close."""
    return _closing_3(kind) if kind in (1005, 1320, 1327, 2000) or kind > 1006 else ""


class Library:
    """The library's grouping, followed record by record.

    `groups` is what it makes of the log, `truth` how many records each key has, `why` what it does and we do not.
    """

    def __init__(self, closing: Callable[[int], str]) -> None:
        self.closing = closing
        self.groups: Assembler = {}
        self.truth: dict[Key, int] = {}
        self.why: dict[Key, set[str]] = {}
        self.open: dict[Key, int] = {}
        self.closed: dict[Key, str] = {}
        self._second = 0

    def take(self, line: bytes) -> None:
        """One line."""
        head = library_head(line)
        self._look(line, head)
        if head is None:
            return
        key, kind = head
        if key in self.open:
            self.groups[key][-1] += 1
        elif kind == 1320:
            self._note(key, "eoe")
            return
        else:
            if key in self.closed:
                self._note(key, self.closed[key])
            self.groups.setdefault(key, []).append(1)
            self.open[key] = key.ms // 1000
        if why := self.closing(kind):
            self._close(key, why)
        self._age(key.ms // 1000)

    def _look(self, line: bytes, head: tuple[Key, int] | None) -> None:
        """Count the record where it truly belongs, and note why the library may see it otherwise."""
        found = _RECORD.search(line, 0, 1024)
        key = relay = None
        if found is not None:
            relay = None if found[1] else _RELAY.match(line, 0, found.start())
            key = Key(found[1] or (relay[1] if relay else b""), int(found[2] + found[3]), int(found[4]))
            self.truth[key] = self.truth.get(key, 0) + 1
        if key != (head and head[0]):
            why = "text-before" if found is not None and found.start() else "odd-head"
            if key is not None and (relay is not None or b" " in key.node):
                why = "other-node"
            for one in (key, head and head[0]):
                if one is not None:
                    self._note(one, why)

    def _age(self, second: int) -> None:
        if second != self._second:
            self._second = second
            for key in [key for key, began in self.open.items() if began + TIMEOUT <= second]:
                self._close(key, "timeout")

    def _close(self, key: Key, why: str) -> None:
        del self.open[key]
        self.closed[key] = why

    def _note(self, key: Key, why: str) -> None:
        self.why.setdefault(key, set()).add(why)


def library_rules(data: bytes, closing: Callable[[int], str]) -> Library:
    """What the library must make of a log by its rules."""
    library = Library(closing)
    for line in data.split(b"\n"):
        if line:
            library.take(line)
    return library


# --- the comparison --------------------------------------------------------------------------------------------------


class Grouping(NamedTuple):
    """What came of it: how many events we made, how many keys differ by known class, and what nothing explains."""

    events: int
    known: dict[str, int]
    unexplained: list[str]


def grouping(data: bytes, theirs: Assembler) -> Grouping:
    """Our events against those of auparse (`theirs`).

    A difference is known when auparse did what its rules foretell *and* we made one event of all records of the stamp.
    """
    mine = ours(data)
    rules = [library_rules(data, closing) for closing in (_closing_3, _closing_4)]
    library = max(rules, key=lambda one: sum(_same(theirs.get(key), sizes) for key, sizes in one.groups.items()))
    known: dict[str, int] = {}
    unexplained: list[str] = []
    for key in mine.keys() | theirs.keys():
        if _same(mine.get(key), theirs.get(key)):
            continue
        reasons = library.why.get(key)
        right = _same(mine.get(key), [library.truth[key]] if key in library.truth else None)
        if reasons and right and _same(library.groups.get(key), theirs.get(key)):
            for reason in reasons:
                known[reason] = known.get(reason, 0) + 1
        else:
            unexplained.append(f"{key}: {_said(mine.get(key))}, auparse {_said(theirs.get(key))}")
    return Grouping(sum(map(len, mine.values())), known, sorted(unexplained))


def _same(one: list[int] | None, two: list[int] | None) -> bool:
    """The order of two events of one key is nobody's promise."""
    return sorted(one or ()) == sorted(two or ())


def _said(sizes: list[int] | None) -> str:
    return "no event" if sizes is None else f"{len(sizes)} of {'+'.join(map(str, sizes))} records"
