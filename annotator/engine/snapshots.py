"""Frozen copies of events and answers, made when an event is decided: what is learnt later does not change them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from annotator.core.model import NO_PID, UNSET_ID, Event
from annotator.engine.values import AnnotatedEvent, Attribution, Container, Session, Target
from annotator.formats.answer import entity_id

if TYPE_CHECKING:
    from annotator.core import model

MAX_KNOWN = 4096
"""Copies that are kept, of containers and of answers each; when there are more, all are forgotten."""


def shown(text: bytes) -> str:
    """Bytes of a log as text, with backslash escapes for what is not UTF-8."""
    return text.decode("utf-8", "backslashreplace")


def is_set(number: int) -> int | None:
    """An id of a user or a login session; None for the kernel's "not set"."""
    return None if number == UNSET_ID else number


class _Copy(NamedTuple):
    """A container's copies: the public one, and one that the output forms read. `state` says when they are stale."""

    container: model.Container
    state: tuple[object, ...]
    public: Container
    inner: model.Container


class _Answer(NamedTuple):
    """An answer's copies, with the copies of the containers that it names."""

    answer: model.Attribution
    copies: tuple[_Copy, ...]
    public: Attribution
    inner: model.Attribution


class Snapshots:
    """Copies what changes, each version of it once."""

    def __init__(self) -> None:
        self._containers: dict[int, _Copy] = {}
        self._answers: dict[int, _Answer] = {}

    def of(self, answer: model.Attribution) -> tuple[Attribution, model.Attribution]:
        """The public copy of an answer, and one of the same type as it."""
        if len(self._answers) >= MAX_KNOWN or len(self._containers) >= MAX_KNOWN:
            self._answers.clear()
            self._containers.clear()
        named = [*answer.chains, *answer.src, *answer.dst]
        for target in answer.targets:
            named += target.chains
        copies = tuple(self._copy(container) for chain in named for container in chain)
        known = self._answers.get(id(answer))
        if known is None or known.answer is not answer or known.copies != copies:
            known = self._answers[id(answer)] = _Answer(answer, copies, self._public(answer), self._inner(answer))
        return known.public, known.inner

    def _copy(self, container: model.Container) -> _Copy:
        above = self._copy(container.parent) if container.parent is not None else None
        state = (
            container.version, container.start_ms, container.end_ms, container.shared, container.late_name,
            id(above.inner) if above is not None else 0,
        )  # fmt: skip
        known = self._containers.get(id(container))
        if known is None or known.container is not container or known.state != state:
            inner = replace(
                container,
                parent=above.inner if above else None,
                labels={**container.labels},
                identifiers={**container.identifiers},
            )
            known = self._containers[id(container)] = _Copy(container, state, _container(container), inner)
        return known

    def _public_chains(self, chains: tuple[model.Chain, ...]) -> tuple[tuple[Container, ...], ...]:
        return tuple(tuple(self._copy(one).public for one in chain) for chain in chains)

    def _inner_chains(self, chains: tuple[model.Chain, ...]) -> tuple[model.Chain, ...]:
        return tuple(tuple(self._copy(one).inner for one in chain) for chain in chains)

    def _public(self, answer: model.Attribution) -> Attribution:
        return Attribution(
            status=answer.status,
            chains=self._public_chains(answer.chains),
            evidence=answer.evidence,
            reason=answer.reason,
            flags=answer.flags,
            session=session_of(answer.session) if answer.session is not None else None,
            targets=tuple(
                Target(one.pid, one.status, self._public_chains(one.chains), one.reason) for one in answer.targets
            ),
            src=self._public_chains(answer.src),
            dst=self._public_chains(answer.dst),
            netns=answer.netns,
            vpid=answer.vpid,
            entity_id=entity_id(answer.key) if answer.key is not None else "",
        )

    def _inner(self, answer: model.Attribution) -> model.Attribution:
        return answer._replace(
            chains=self._inner_chains(answer.chains),
            targets=tuple(replace(one, chains=self._inner_chains(one.chains)) for one in answer.targets),
            src=self._inner_chains(answer.src),
            dst=self._inner_chains(answer.dst),
        )


def _container(container: model.Container) -> Container:
    return Container(
        contid=container.contid,
        id=container.id,
        name=container.name,
        engine=container.engine,
        image=container.image,
        node=shown(container.node),
        uuid=container.uuid,
        pod=container.pod,
        pod_name=container.pod_name,
        namespace=container.namespace,
        labels=tuple(container.labels.items()),
        start_ms=container.start_ms,
        end_ms=container.end_ms,
        wpar=tuple(container.identifiers.items()),
    )


def session_of(session: model.Session) -> Session:
    """The public copy of a session."""
    return Session(
        id=session.id,
        how=session.how,
        auid=is_set(session.auid),
        ses=is_set(session.ses),
        uid=is_set(session.uid),
        tty=session.tty,
        exe=session.exe,
        pid=None if session.pid == NO_PID else session.pid,
        inferred=session.inferred,
        unattended=session.unattended,
    )


class Collector:
    """An output form that writes nothing: `take` gives the events that were decided since it was last asked.

    `node` names the host where the records do not.
    """

    ordered = False
    shows_parents = True

    def __init__(self, *, is_linux: bool, node: str = "") -> None:
        self._is_linux = is_linux
        self._node = node.encode()
        self._snapshots = Snapshots()
        self._events: list[AnnotatedEvent] = []

    def write(self, event: Event, answer: model.Attribution) -> bytes:
        """One decided event, before what it says has changed anything."""
        public, inner = self._snapshots.of(answer)
        if self._is_linux:
            event = _alone(event)
        if self._node and not event.node:
            event.node = self._node
        ms, serial = event.stamp
        self._events.append(
            AnnotatedEvent(ms, serial, shown(event.node), tuple(event.in_order()), public, event, inner)
        )
        return b""

    def take(self) -> list[AnnotatedEvent]:
        """The events since the last call, in the order they were decided."""
        events, self._events = self._events, []
        return events


def _alone(event: Event) -> Event:
    """The event with lines of its own: not what a parser of whole blocks holds on to."""
    lines = event.lines
    own = Event(event.key, event.node, event.stamp, lines[0])
    own.lines = list(lines)
    own.at, own.reversed = event.at, event.reversed
    return own
