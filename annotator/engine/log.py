"""Questions about a whole log: which containers were there, who entered them, what was this process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from annotator.core.model import NO_PID, Stamp, Status
from annotator.core.stats import Stats
from annotator.core.times import parse_time
from annotator.engine.pipeline import Tables
from annotator.engine.process_tree import ProcessNode, ProcessNotes
from annotator.engine.replay import Replay
from annotator.engine.snapshots import session_of, shown
from annotator.engine.summaries import ContainerNotes, ContainerSummary, SessionNotes, SessionSummary, show_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from annotator.core import model
    from annotator.core.lifetimes import ProcessLifetime
    from annotator.engine.factory import Options
    from annotator.engine.values import Evidence, Flag, Reason, Session
    from annotator.io.sources import Block

__all__ = ["ContainerSummary", "Log", "ProcessNode", "ProcessSummary", "SessionSummary"]

MAX_ANCESTORS = 64
"""Processes of the longest chain that `Log.process` gives."""

_ANY_SERIAL = 2**63
"""A stamp with it comes after all events of its millisecond that a kernel wrote."""


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


class Log:
    """A log that was read as a whole. `annotator.open` makes it; the answers are values, in the order of the log."""

    def __init__(
        self,
        blocks: Iterable[Block],
        options: Options,
        *,
        wanted: Callable[[model.Event, model.Attribution], bool] | None = None,
        with_processes: bool = False,
    ) -> None:
        """`wanted`: the events that count, else all. `with_processes`: `processes` will be asked for."""
        self._wanted = wanted
        self._processes = ProcessNotes() if with_processes else None
        self._tables = Tables(keep_all=True)
        self._containers: dict[int, ContainerNotes] = {}
        self._sessions: dict[tuple[int, str], SessionNotes] = {}
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
                if id(container) not in notes and container.start_ms is not None and self._wanted is None:
                    notes[id(container)] = ContainerNotes(container, container.start_ms, container.start_ms)
        return tuple(one.summary() for one in notes.values())

    def sessions(self) -> tuple[SessionSummary, ...]:
        """Those who entered a container from outside, by the time of their first event."""
        notes = sorted(self._sessions.values(), key=lambda one: one.first_ms)
        return tuple(one.summary() for one in notes)

    def process(self, pid: int, *, at: int | str | datetime, node: str = "") -> tuple[ProcessSummary, ...]:
        """The process that had this pid at that time, and its ancestors up to init as far as they are known.

        `pid` is of the node's first pid namespace, `at` Unix milliseconds, an aware datetime, or text (RFC 3339 with a
        zone, or seconds of the epoch), `node` as the records have it ("": the only one there is). () for a pid that was
        not seen then. Raises UsageError for a time without a zone.
        """
        tables, stamp = self._tables, Stamp(_ms(at), _ANY_SERIAL)
        life = tables.processes.at(self._node(node), pid, stamp)
        links: list[ProcessSummary] = []
        while life is not None and len(links) < MAX_ANCESTORS:
            links.append(_link(tables, life, stamp))
            above = tables.processes.parent_of(life, life.born)
            if above is not None and life.bound:
                stamp = life.birth
            life = above
        return tuple(links)

    @property
    def nodes(self) -> tuple[str, ...]:
        """The machines of which processes were seen, as the records name them; "" where they name none."""
        return tuple(sorted(map(shown, self._tables.processes.nodes)))

    def lives(self, pid: int, node: str = "") -> tuple[ProcessSummary, ...]:
        """All processes that had this pid on that node, each as it was when last seen, in the order of their birth."""
        table = self._tables.processes.peek(self._node(node))
        lives = [*table.past.get(pid, ()), *([table.now[pid]] if pid in table.now else ())]
        return tuple(_link(self._tables, life, life.seen) for life in sorted(lives, key=lambda life: life.born))

    def processes(self, wanted: Callable[[ProcessNode], bool], *, below: bool = False) -> tuple[ProcessNode, ...]:
        """The wanted processes as trees; see `ProcessNotes.trees`. Raises ValueError where none were noted."""
        if self._processes is None:
            raise ValueError("the log was read without its processes")
        return self._processes.trees(self._tables.processes, wanted, show_id, below=below)

    @property
    def tables(self) -> Tables:
        """What is known of the log at its end. It is not to be changed."""
        return self._tables

    def _node(self, node: str) -> bytes:
        """The node of that name; "" is the only one there is, or where there are several the one without a name."""
        known = self._tables.processes.nodes
        return next(iter(known)) if not node and len(known) == 1 else node.encode("utf-8", "surrogateescape")

    def _observe(
        self,
        event: model.Event,
        translation: model.Translation,
        life: ProcessLifetime | None,
        answer: model.Attribution,
    ) -> None:
        if self._wanted is not None and not self._wanted(event, answer):
            return
        ms = event.stamp.ms
        if self._processes is not None and life is not None:
            self._processes.event(event, translation, life, answer)
        for chain in answer.chains:
            for container in chain:
                notes = self._containers.get(id(container))
                if notes is None:
                    notes = self._containers[id(container)] = ContainerNotes(container, ms, ms)
                notes.first_ms = min(notes.first_ms, ms)
                notes.last_ms = max(notes.last_ms, ms)
            self._containers[id(chain[0])].event(chain, life, answer)
        nearest, session = answer.container, answer.session
        if nearest is not None and session is not None and session.id != "0":
            entered = self._sessions.get((id(nearest), session.id))
            if entered is None:
                entered = self._sessions[id(nearest), session.id] = SessionNotes(session, nearest, ms, ms)
            entered.session = session  # who it was for may be known only when its program begins
            entered.event(event, translation)


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
