"""The raw form: the input's lines as they came, with fields appended to one record of each event in a container.

Grammar: `fields = 1*(SP name "=" value)`, directly before 0x1D or the end of the line, only those known, in the order
of `NAMES`. What stock tools make of it was measured: appended fields leave every report of ausearch and aureport as it
was; an inserted record, or fields after 0x1D, do not.

Decisions (2026-11): no line grows beyond MAX_LINE, since ausearch reads records into a buffer of 8970 bytes; fields are
then left out from the end. A tail that is there already is left as it is, so annotating twice changes nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from annotator.core.contracts import Place
from annotator.core.model import Attribution, Event, Status
from annotator.formats.values import list_text, quoted, targets_text

if TYPE_CHECKING:
    from annotator.core.contracts import Backend
    from annotator.core.stats import Stats

MAX_LINE = 8960
"""Bytes of an annotated line, its newline included."""

NAMES = (
    "contid", "container_id", "container_name", "container_image", "container_engine", "cont_session", "cont_how",
    "cont_flags", "cont_target", "cont_src", "cont_dst",
)  # fmt: skip

_LISTS = ("contid", "cont_target", "cont_src", "cont_dst")
_LIST = rb"[0-9?^,-]+"
_STRING = rb'(?:"[\x21\x23-\x7e]*"|(?:[0-9A-F]{2})+)'
_FIELDS = rb"(?= cont)" + b"".join(
    b"(?: (%s)=(%s))?" % (name.encode(), _LIST if name in _LISTS else _STRING) for name in NAMES
)
_TAIL = re.compile(_FIELDS + rb"\r?\Z")
_HERE = re.compile(_FIELDS + rb"(?=[ \x1d\r#]|\Z)")


def tail_start(part: bytes) -> int:
    """Where our own fields begin in a body, or -1. Only a tail of the exact grammar is ours."""
    at = part.rfind(b" contid=")
    if at >= 0 and _TAIL.match(part, at):
        return at
    at = part.find(b" cont", max(0, len(part) - MAX_LINE))
    while at >= 0:
        if _TAIL.match(part, at):
            return at
        at = part.find(b" cont", at + 1)
    return -1


def own_fields(line: bytes, begin: int, place: int) -> tuple[int, dict[str, bytes]]:
    """Our fields that begin at that byte of a line: where they end (-1: there are none), and their values as written.

    `begin` and `place` are the backend's: ours end at the place for new ones, or begin there.
    """
    match = _HERE.match(line, begin) if begin >= 0 else None
    if match is None or place not in (begin, match.end()):
        return -1, {}
    groups = iter(match.groups())
    return match.end(), {name.decode(): value for name, value in zip(groups, groups, strict=True) if name}


def fields_of(answer: Attribution, *, mark_unknown: bool = False) -> list[bytes]:
    """The fields of an answer, each with its leading blank; [] for host and unknown."""
    found: list[bytes] = []
    if answer.status is Status.CONTAINER:
        found += _container(answer)
    elif mark_unknown and answer.status is Status.UNKNOWN and answer.reason is not None:
        found.append(b" cont_how=" + quoted(f"unknown:{answer.reason}"))
    if answer.targets and _elsewhere(answer):
        found.append(b" cont_target=" + targets_text(answer.targets))
    return found + ends_of(answer)


def ends_of(answer: Attribution) -> list[bytes]:
    """Whose the addresses of a packet are; those of nobody that is known are absent."""
    ends = ((b" cont_src=", answer.src), (b" cont_dst=", answer.dst))
    return [name + list_text(chains) for name, chains in ends if chains]


def _container(answer: Attribution) -> list[bytes]:
    found: list[bytes] = []
    contids = list_text(answer.chains)
    if b"?" not in contids and not answer.unset:
        found.append(b" contid=" + contids)
    container = answer.container
    if container is not None:
        found += [
            b" container_" + name + b"=" + quoted(value)
            for name, value in (
                (b"id", container.id),
                (b"name", container.name),
                (b"image", container.image),
                (b"engine", container.engine),
            )
            if value
        ]
    if answer.session is not None:
        found.append(b" cont_session=" + quoted(answer.session.id))
    if answer.evidence:
        found.append(b" cont_how=" + quoted(answer.evidence[0].value))
    if answer.flags:
        found.append(b" cont_flags=" + quoted("+".join(answer.flags)))
    return found


def _elsewhere(answer: Attribution) -> bool:
    """Whether some target is, or may be, not where the actor is."""
    inside = answer.status is Status.CONTAINER
    return any(target.chains != answer.chains if target.chains else inside for target in answer.targets)


class Raw:
    """Appends to one line of the event in place: to the record that the backend names, where it says."""

    ordered = True
    shows_parents = False

    def __init__(
        self,
        backend: Backend,
        stats: Stats,
        *,
        mark_unknown: bool = False,
        reannotate: bool = False,
        fields: frozenset[str] | None = None,
    ) -> None:
        self.backend = backend
        self.stats = stats
        self.mark_unknown = mark_unknown
        self.reannotate = reannotate
        self.only = None if fields is None else frozenset(b" " + name.encode() for name in fields)
        self._cache: dict[int, tuple[Attribution, int, list[bytes], int]] = {}

    def write(self, event: Event, answer: Attribution) -> None:
        """Annotate one decided event."""
        count = event.size
        status = answer.status
        wanted = status is Status.CONTAINER or answer.targets or answer.src or answer.dst or self.mark_unknown
        if (wanted or b" cont" in event.text) and self._annotate(event, answer):
            count -= 1
        self.stats.passed += count

    def _annotate(self, event: Event, answer: Attribution) -> bool:
        """Returns whether one line has been counted as annotated or already."""
        place = self.backend.place(event)
        if place is None:
            return False
        fields, size = self._fields(answer)
        line = event.line(place.record)
        if b" cont" in line:
            start = self.backend.own_fields(event, place)
            end, _ = own_fields(line, start, place.offset)
            if end >= 0:
                if not self.reannotate:
                    self.stats.already += 1
                    return True
                line = line[:start] + line[end:]
                place = Place(place.record, start)
                event.put(place.record, line)
        if not fields:
            return False
        room = MAX_LINE - 1 - len(line)
        while size > room and fields:
            size -= len(fields[-1])
            fields = fields[:-1]
            self.stats.left_out_fields += 1
        if not fields:
            return False
        event.put(place.record, line[: place.offset] + b"".join(fields) + line[place.offset :])
        if self._unreadable(event):
            event.put(place.record, line)
            self.stats.left_out_fields += len(fields)
            return False
        self.stats.annotated += 1
        return True

    def _unreadable(self, event: Event) -> bool:
        """Whether nobody could read the fields back: the record was cut off before the field with which it ends."""
        place = self.backend.place(event)
        return place is None or self.backend.own_fields(event, place) < 0

    def _fields(self, answer: Attribution) -> tuple[list[bytes], int]:
        """The fields and their size; the same answer object is rendered once per version of its container's names."""
        container = answer.container
        version = container.version if container is not None else 0
        known = self._cache.get(id(answer))
        if known is not None and known[0] is answer and known[1] == version:
            return known[2], known[3]
        fields = fields_of(answer, mark_unknown=self.mark_unknown)
        if self.only is not None:
            fields = [one for one in fields if one.partition(b"=")[0] in self.only]
        size = sum(map(len, fields))
        if len(self._cache) >= 16_384:
            self._cache.clear()
        self._cache[id(answer)] = (answer, version, fields, size)
        return fields, size
