"""What a log shows of one container, and of one session: gathered event by event, given as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from annotator.core.model import Executed
from annotator.engine.factory import interpret
from annotator.engine.snapshots import session_of, shown

if TYPE_CHECKING:
    from annotator.core import model
    from annotator.core.lifetimes import ProcessLifetime
    from annotator.engine.values import Session

MAX_PROGRAMS = 64
"""How many different programs of a session are listed."""


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


def show_id(container: model.Container) -> str:
    """A container as one word: its engine's id, else its name, else its contid."""
    return container.id or container.name or str(container.contid)


@dataclass(slots=True)
class ContainerNotes:
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
class SessionNotes:
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
