"""The record form: CONTAINER_ID records as the v11 patch writes them, for user space with contid support.

The record stands before the one it speaks for, which gets ` record=N` at its end (SYSCALL, OBJ_PID, NETFILTER_PKT); a
user-space record has it behind, without the link. A packet that is in no container gets the raw form's `cont_src` and
`cont_dst`. Stock tools split or drop such events: never the default. Source:
logs of a kernel with the v11 patches.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from annotator.core.model import Attribution, Chain, Event, Status
from annotator.formats.raw import MAX_LINE, ends_of, own_fields
from annotator.formats.values import kernel_list

if TYPE_CHECKING:
    from annotator.core.contracts import Backend, Place
    from annotator.core.stats import Stats

_CONTID = re.compile(rb"\): (?:record=\d{1,9} )?(?:contid=|op=[a-z]+ opid=\d+ (?:old-)?contid=)")
"""A CONTAINER_ID or CONTAINER_OP, by its body: an audit system without the patches has other names for them."""


class Record:
    """Edits `Event.lines` in place: a record that is put in and the line it belongs to are one entry."""

    ordered = True
    shows_parents = False

    def __init__(self, backend: Backend, stats: Stats) -> None:
        self.backend = backend
        self.stats = stats

    def write(self, event: Event, answer: Attribution) -> None:
        """Give one decided event its records; one that came with contid records is left as it is."""
        inside = answer.status is Status.CONTAINER
        if not (inside or answer.src or answer.dst or answer.targets or b"contid=" in event.text):
            self.stats.passed += event.size
            return
        already = sum(_CONTID.search(line, 0, 1024) is not None for line in event.lines)
        if already:
            self.stats.already += already
            self.stats.passed += event.size - already
            return
        edits = _Edits(event)
        if inside and not answer.unset:
            place = self.backend.place(event)
            if place is not None:
                edits.add(place, answer.chains, linked=self.backend.is_linked(event))
        elif answer.src or answer.dst:
            place = self.backend.place(event)
            if place is not None:
                begin = self.backend.own_fields(event, place)
                end, _ = own_fields(event.line(place.record), begin, place.offset)
                edits.end(place, b"".join(ends_of(answer)), is_there=end >= 0)
        if answer.targets:
            places = self.backend.targets(event)
            if len(places) == len(answer.targets):  # else it cannot be told whose is whose
                for target, place in zip(answer.targets, places, strict=True):
                    edits.add(place, target.chains, linked=True)
        self.stats.annotated += edits.number + edits.ended
        self.stats.already += edits.already
        self.stats.left_out_fields += edits.left_out
        self.stats.passed += event.size - edits.number - edits.ended - edits.already


class _Edits:
    """The records given to one event so far; `number` is that of the last. `ended`: a packet got its ends."""

    def __init__(self, event: Event) -> None:
        self.event = event
        self.number = 0
        self.left_out = self.ended = self.already = 0
        line = event.line(max(event.at, 0))
        self.head = line[: max(line.find(b"type=", 0, 1024), 0)]  # `node=`, and what a relay wrote before
        self.head += b"type=CONTAINER_ID msg=audit(" + event.key.rpartition(b" ")[2] + b"): record="

    def end(self, place: Place, fields: bytes, *, is_there: bool) -> None:
        """Say in the raw form's words whose a packet's addresses are: the patches have no record for that."""
        line = self.event.lines[place.record]
        if is_there:
            self.already = 1
        elif len(line) + len(fields) >= MAX_LINE:
            self.left_out += 1
        else:
            self.event.lines[place.record] = line[: place.offset] + fields + line[place.offset :]
            self.ended = 1

    def add(self, place: Place, chains: tuple[Chain, ...], *, linked: bool) -> None:
        """One record, unless a container has no contid, or a line would become too long: without its link it lies."""
        if not chains or b"?" in kernel_list(chains):
            return
        lines = self.event.lines
        line = lines[place.record]
        number = b"%d" % (self.number + 1)
        cr = b"\r" if line[-1:] == b"\r" else b""
        record = self.head + number + b" contid=" + kernel_list(chains) + cr
        if linked:
            line = line[: place.offset] + b" record=" + number + line[place.offset :]
        if max(len(line), len(record)) >= MAX_LINE:
            self.left_out += 1
            return
        self.number += 1
        in_front = linked is not self.event.reversed
        lines[place.record] = record + b"\n" + line if in_front else line + b"\n" + record
