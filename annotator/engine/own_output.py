"""Answers out of this program's own output: a log that it has annotated is not asked anew what it already says.

Only fields at the place where the program puts them count (the backend's `own_fields`). What the records themselves
prove is worked out as ever, and stands where it names the same container, since it says more (who entered, and how). A
container that only the fields name is entered in the registry, and its process is in it from then on, so that filters
and reports know of both, also where the log is the rest of a longer one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotator.core.membership.containers import move_in
from annotator.core.model import (
    OWN_SESSION,
    Attribution,
    Chain,
    ContId,
    Evidence,
    Flag,
    Reason,
    Session,
    Status,
    Target,
)
from annotator.core.residence import Residence
from annotator.formats.raw import fields_of, own_fields

if TYPE_CHECKING:
    from annotator.core.contracts import Backend
    from annotator.core.lifetimes import ProcessLifetime
    from annotator.core.model import Event, Translation
    from annotator.engine.pipeline import Tables

_EVIDENCE = {one.value: one for one in Evidence}
_FLAGS = {one.value: one for one in Flag}
_REASONS = {one.value: one for one in Reason}
_CONTAINER = ("contid", "container_id", "container_name")


class OwnOutput:
    """Reads the fields of events that were annotated before."""

    def __init__(self, backend: Backend, tables: Tables) -> None:
        self._backend = backend
        self._tables = tables
        self._sessions: dict[tuple[bytes, str], Session] = {}

    def answer(
        self, event: Event, reading: Translation, life: ProcessLifetime | None, proven: Attribution
    ) -> Attribution:
        """The answer that stands in the event; `proven`, what its records prove, where none does."""
        values = self._values(event) if b" cont" in event.text else {}
        if not values or _says(proven, values):
            return proven
        if not any(name in values for name in _CONTAINER):
            return self._of_others(values, event.node, reading, proven)
        chain = self._chain(values, event)
        how = _EVIDENCE.get(values.get("cont_how", ""), Evidence.RECORD)
        flags = tuple(_FLAGS[name] for name in values.get("cont_flags", "").split("+") if name in _FLAGS)
        session = self._session(event.node, values.get("cont_session", ""), proven)
        key = life.key if life is not None else None
        answer = Attribution(Status.CONTAINER, (chain,), (how,), flags=flags, session=session, key=key)
        if life is not None and reading.packet is None and proven.container is not chain[0]:
            kept = tuple(one for one in flags if one not in (Flag.CROSSED, Flag.SHARED, Flag.LATE_NAME))
            move_in(self._tables.membership, life, Residence(event.stamp, chain[0], how, session, kept))
        return self._of_others(values, event.node, reading, answer)

    def _values(self, event: Event) -> dict[str, str]:
        """The fields as text; a value that is not quoted, and no list, is hex."""
        place = self._backend.place(event)
        if place is None:
            return {}
        begin = self._backend.own_fields(event, place)
        _, found = own_fields(event.line(place.record), begin, place.offset)
        return {name: _text(name, value) for name, value in found.items()}

    def _chain(self, values: dict[str, str], event: Event) -> Chain:
        """The containers, nearest first, by their numbers and the nearest's id."""
        numbers = values.get("contid", "").partition(",")[0].split("^")
        contids = tuple(ContId(int(number)) for number in numbers if number.isdigit())
        return self._tables.registry.written(
            event.node,
            contids,
            (values.get("container_id", ""), values.get("container_name", "")),
            (values.get("container_image", ""), values.get("container_engine", "")),
            event.stamp,
        )

    def _session(self, node: bytes, name: str, proven: Attribution) -> Session | None:
        """The session of this id; that which the records prove says more of it."""
        if proven.session is not None and proven.session.id == name:
            return proven.session
        if name in ("", "0"):
            return OWN_SESSION if name else None
        if len(self._sessions) > 65_536:
            self._sessions.clear()
        return self._sessions.setdefault((node, name), Session(name))

    def _of_others(self, values: dict[str, str], node: bytes, reading: Translation, answer: Attribution) -> Attribution:
        """Why it is unknown, whom it was aimed at, and whose addresses a packet has."""
        how, colon, reason = values.get("cont_how", "").partition(":")
        if how == "unknown" and colon and answer.status is Status.UNKNOWN:
            answer = answer._replace(reason=_REASONS.get(reason, answer.reason))
        source, target = (self._numbered(node, values.get(name, "")) for name in ("cont_src", "cont_dst"))
        answer = answer._replace(src=source or answer.src, dst=target or answer.dst)
        aimed = values.get("cont_target", "").split(",")
        if values.get("cont_target") and len(aimed) == len(reading.targets):
            targets = tuple(self._target(node, pid, one) for pid, one in zip(reading.targets, aimed, strict=True))
            return answer._replace(targets=targets)
        return answer

    def _target(self, node: bytes, pid: int, text: str) -> Target:
        if text == "-1":
            return Target(pid, Status.HOST)
        chains = self._numbered(node, text)
        return Target(pid, Status.CONTAINER, chains) if chains else Target(pid, Status.UNKNOWN, reason=Reason.NOT_SEEN)

    def _numbered(self, node: bytes, text: str) -> tuple[Chain, ...]:
        lists = [one.split("^") for one in text.split(",")]
        return tuple(
            self._tables.registry.numbered_chain(node, tuple(ContId(int(number)) for number in one))
            for one in lists
            if all(number.isdigit() for number in one)
        )


def _text(name: str, value: bytes) -> str:
    """A value as the raw form wrote it."""
    if value[:1] == b'"':
        value = value[1:-1]
    elif name not in ("contid", "cont_target", "cont_src", "cont_dst"):
        value = bytes.fromhex(value.decode("ascii"))
    return value.decode("utf-8", "surrogateescape")


def _says(proven: Attribution, values: dict[str, str]) -> bool:
    """Whether what the records prove is what the fields say."""
    fields = dict(field[1:].split(b"=", 1) for field in fields_of(proven))
    return {name.decode(): _text(name.decode(), value) for name, value in fields.items()} == values
