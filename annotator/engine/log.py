"""Questions about a whole log: which containers were there, who entered them, what was this process."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from annotator.core.model import NO_PID, Executed, Stamp, Status
from annotator.core.stats import Stats
from annotator.core.times import parse_time
from annotator.engine.factory import Options, interpret
from annotator.engine.pipeline import Tables
from annotator.engine.replay import Replay
from annotator.engine.snapshots import session_of, shown

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from annotator.core import model
    from annotator.core.lifetimes import ProcessLifetime
    from annotator.engine.values import Evidence, Flag, Reason, Session
    from annotator.io.sources import Block

__all__ = ["ContainerSummary", "Log", "ProcessSummary", "SessionSummary"]

MAX_PROGRAMS = 64
"""How many different programs of a session are listed."""

MAX_ANCESTORS = 64
"""Processes of the longest chain that `Log.process` gives."""

_ANY_SERIAL = 2**63
"""A stamp with it comes after all events of its millisecond that a kernel wrote."""


@dataclass(frozen=True, slots=True)
class ContainerSummary:
    """What a log shows of one container. Times are Unix milliseconds; `started_ms` and `ended_ms` None if not known.

    `inside` are the containers around it, nearest first, each by its id, else name, else contid. `events`, `processes`
    and `sessions` count those in it, not those in containers inside it. `shares_netns_with` are containers that packets
    showed to have the same network namespace.
    """

    contid: int | None
    id: str
    name: str
    engine: str
    image: str
    inside: tuple[str, ...]
    node: str
    first_ms: int
    last_ms: int
    started_ms: int | None
    ended_ms: int | None
    events: int
    processes: int
    sessions: int
    shares_netns_with: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SessionSummary:
    """Who entered a container from outside, and what they ran there. Times are Unix milliseconds.

    `container` is the container's id, else its name, else its contid. `ran` are the command lines, each once, as they
    first came, at most 64; the executable where the log has no arguments.
    """

    session: Session
    container: str
    name: str
    node: str
    first_ms: int
    last_ms: int
    events: int
    ran: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProcessSummary:
    """One process at one time. Times are Unix milliseconds, None if not known.

    `born_ms` is when it was born, or first seen. `parent_proven` says that its parent is known from a record of its
    birth. `container` is its container and those around it, nearest first, each by its id, else name, else contid;
    `session` is None where it is not known.
    """

    pid: int
    ppid: int | None
    exe: str
    born_ms: int
    ended_ms: int | None
    parent_proven: bool
    status: Status
    reason: Reason | None
    evidence: tuple[Evidence, ...]
    flags: tuple[Flag, ...]
    container: tuple[str, ...]
    name: str
    session: Session | None


def show_id(container: model.Container) -> str:
    """A container as one word: its engine's id, else its name, else its contid."""
    return container.id or container.name or str(container.contid)


class Log:
    """A log that was read as a whole. `annotator.open` makes it; the answers are values, in the order of the log."""

    def __init__(self, blocks: Iterable[Block], options: Options) -> None:
        self._tables = Tables(keep_all=True)
        self._containers: dict[int, _ContainerNotes] = {}
        self._sessions: dict[tuple[int, str], _SessionNotes] = {}
        self._stats = Stats()
        run = Replay(options, stats=self._stats, tables=self._tables, observer=self._observe)
        for block in blocks:
            run.feed(block)
        run.finish()
        self.warnings = tuple(run.warnings)  # what is doubtful about the machines the files are of, for a person

    @property
    def counts(self) -> dict[str, int]:
        """What was counted, by name: `lines`, `events`, `container`, `host`, `unknown`, `rejected` and others."""
        return self._stats.as_dict()

    def containers(self) -> tuple[ContainerSummary, ...]:
        """The containers that events were in, in the order they were first seen, and then those only named."""
        notes = dict(self._containers)
        for node in self._tables.registry.nodes.values():
            for container in node.remembered:
                if id(container) not in notes and container.start_ms is not None:
                    notes[id(container)] = _ContainerNotes(container, container.start_ms, container.start_ms)
        return tuple(one.summary() for one in notes.values())

    def sessions(self) -> tuple[SessionSummary, ...]:
        """Those who entered a container from outside, by the time of their first event."""
        notes = sorted(self._sessions.values(), key=lambda one: one.first_ms)
        return tuple(one.summary() for one in notes)

    def process(self, pid: int, *, at: int | str | datetime, node: str = "") -> tuple[ProcessSummary, ...]:
        """The process that had this pid at that time, and its ancestors up to init as far as they are known.

        `pid` is of the node's first pid namespace, `at` Unix milliseconds, an aware datetime, or text (RFC 3339 with a
        zone, or seconds of the epoch), `node` as the records have it: a log of one node does not need it. () for a pid
        that was not seen then. Raises UsageError for a time without a zone.
        """
        tables, stamp = self._tables, Stamp(_ms(at), _ANY_SERIAL)
        name = node.encode("utf-8", "surrogateescape")
        if not node and len(tables.processes.nodes) == 1:
            name = next(iter(tables.processes.nodes))
        life = tables.processes.at(name, pid, stamp)
        links: list[ProcessSummary] = []
        while life is not None and len(links) < MAX_ANCESTORS:
            links.append(_link(tables, life, stamp))
            above = tables.processes.parent_of(life, life.born)
            if above is not None and life.bound:
                stamp = life.birth
            life = above
        return tuple(links)

    def _observe(
        self,
        event: model.Event,
        translation: model.Translation,
        life: ProcessLifetime | None,
        answer: model.Attribution,
    ) -> None:
        ms = event.stamp.ms
        for chain in answer.chains:
            for container in chain:
                notes = self._containers.get(id(container))
                if notes is None:
                    notes = self._containers[id(container)] = _ContainerNotes(container, ms, ms)
                notes.first_ms = min(notes.first_ms, ms)
                notes.last_ms = max(notes.last_ms, ms)
            self._containers[id(chain[0])].event(chain, life, answer)
        nearest, session = answer.container, answer.session
        if nearest is not None and session is not None and session.id != "0":
            entered = self._sessions.get((id(nearest), session.id))
            if entered is None:
                entered = self._sessions[id(nearest), session.id] = _SessionNotes(session, nearest, ms, ms)
            entered.session = session  # who it was for may be known only when its program begins
            entered.event(event, translation)


@dataclass(slots=True)
class _ContainerNotes:
    """What was seen of one container so far. `lives` are kept by the tables, so that their id() is theirs alone."""

    container: model.Container
    first_ms: int
    last_ms: int
    events: int = 0
    lives: set[int] = field(default_factory=set)
    sessions: set[str] = field(default_factory=set)
    shared_net: set[str] = field(default_factory=set)

    def event(self, chain: model.Chain, life: ProcessLifetime | None, answer: model.Attribution) -> None:
        """Count an event of which this is the nearest container of one chain."""
        self.events += 1
        if len(answer.chains) > 1:
            self.shared_net.update(show_id(other[0]) for other in answer.chains if other is not chain)
        elif life is not None:
            self.lives.add(id(life))
        if answer.session is not None and answer.session.id != "0":
            self.sessions.add(answer.session.id)

    def summary(self) -> ContainerSummary:
        """As a value, with the names that are known by now."""
        container = self.container
        return ContainerSummary(
            contid=container.contid,
            id=container.id,
            name=container.name,
            engine=container.engine,
            image=container.image,
            inside=tuple(show_id(outer) for outer in container.chain()[1:]),
            node=shown(container.node),
            first_ms=self.first_ms,
            last_ms=self.last_ms,
            started_ms=container.start_ms,
            ended_ms=container.end_ms,
            events=self.events,
            processes=len(self.lives),
            sessions=len(self.sessions),
            shares_netns_with=tuple(sorted(self.shared_net)),
        )


@dataclass(slots=True)
class _SessionNotes:
    """What was seen of one session so far."""

    session: model.Session
    container: model.Container
    first_ms: int
    last_ms: int
    events: int = 0
    ran: dict[str, None] = field(default_factory=dict)
    inside: str = field(init=False)
    name: str = field(init=False)

    def __post_init__(self) -> None:
        self.inside, self.name = show_id(self.container), self.container.name

    def event(self, event: model.Event, translation: model.Translation) -> None:
        """Count an event of it."""
        ms = event.stamp.ms
        self.first_ms, self.last_ms = min(self.first_ms, ms), max(self.last_ms, ms)
        self.events += 1
        for fact in translation.facts:
            if isinstance(fact, Executed) and len(self.ran) < MAX_PROGRAMS:
                line: str | None = interpret(event).get("process", {}).get("command_line")
                self.ran.setdefault(line or shown(fact.exe))

    def summary(self) -> SessionSummary:
        """As a value."""
        return SessionSummary(
            session=session_of(self.session),
            container=self.inside,
            name=self.name,
            node=shown(self.container.node),
            first_ms=self.first_ms,
            last_ms=self.last_ms,
            events=self.events,
            ran=tuple(self.ran),
        )


def _link(tables: Tables, life: ProcessLifetime, stamp: Stamp) -> ProcessSummary:
    answer = tables.attributor.of(life, stamp)
    session = answer.session
    inside = answer.status is Status.CONTAINER and answer.container is not None
    return ProcessSummary(
        pid=life.pid,
        ppid=None if life.ppid == NO_PID else life.ppid,
        exe=shown(life.exe),
        born_ms=life.born.ms,
        ended_ms=life.end.ms if life.end is not None else None,
        parent_proven=life.bound,
        status=answer.status,
        reason=answer.reason,
        evidence=answer.evidence,
        flags=answer.flags,
        container=tuple(show_id(one) for one in answer.chains[0]) if inside else (),
        name=answer.container.name if answer.container is not None and inside else "",
        session=session_of(session) if session is not None else None,
    )


def _ms(at: int | str | datetime) -> int:
    """A time as people and programs give it, in milliseconds."""
    if isinstance(at, int):
        return at
    return parse_time(at if isinstance(at, str) else at.isoformat())
