"""Processes as a tree: what each ran, when it lived, how it ended, where it was. Noted while a log is read."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from annotator.core.model import NO_PID, UNSET_ID, Executed, Exited, Status
from annotator.engine.factory import interpret
from annotator.engine.snapshots import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from annotator.core import model
    from annotator.core.lifetimes import ProcessLifetime, ProcessTable

MAX_COMMANDS = 16
"""Programs of one process that are listed."""

MAX_DEPTH = 64


@dataclass(frozen=True, slots=True)
class Command:
    """A program that a process began, at that time (Unix milliseconds), or failed to begin."""

    ms: int
    line: str
    failed: bool = False


@dataclass(frozen=True, slots=True)
class ProcessNode:
    """One process, with those it started that belong to the same question, in the order of their birth.

    Times are Unix milliseconds, `ended_ms` None where no end was seen. `exit_code` is None where none was recorded.
    `container` is its container's id, else name, else contid; "" on the host, and where it is not known.
    """

    pid: int
    ppid: int | None
    node: str
    exe: str
    born_ms: int
    ended_ms: int | None
    exit_code: int | None
    uid: int | None
    status: Status
    container: str
    name: str
    session: str
    how: str
    events: int
    commands: tuple[Command, ...]
    children: tuple[ProcessNode, ...] = ()

    def flat(self, depth: int = 0) -> Iterable[tuple[int, ProcessNode]]:
        """This process and those below it, each with its depth."""
        yield depth, self
        for child in self.children:
            yield from child.flat(depth + 1)


@dataclass(slots=True)
class _Notes:
    """What was seen of one process so far."""

    life: ProcessLifetime
    answer: model.Attribution
    events: int = 0
    exit_code: int | None = None
    commands: list[Command] = field(default_factory=list)

    def value(self, name_of: Callable[[model.Container], str]) -> ProcessNode:
        """As a value, without children."""
        life, answer = self.life, self.answer
        container, session = answer.container, answer.session
        return ProcessNode(
            pid=life.pid,
            ppid=None if life.ppid == NO_PID else life.ppid,
            node=shown(life.node),
            exe=shown(life.runs or life.exe),
            born_ms=life.birth.ms,
            ended_ms=life.end.ms if life.end is not None else None,
            exit_code=self.exit_code,
            uid=None if life.uid == UNSET_ID else life.uid,
            status=answer.status,
            container=name_of(container) if container is not None else "",
            name=container.name if container is not None else "",
            session=session.id if session is not None else "",
            how=session.how if session is not None else "",
            events=self.events,
            commands=tuple(self.commands),
        )


class ProcessNotes:
    """All processes that events showed. The lives are kept by the tables, so that their id() is theirs alone."""

    def __init__(self) -> None:
        self._known: dict[int, _Notes] = {}

    def event(
        self, event: model.Event, translation: model.Translation, life: ProcessLifetime, answer: model.Attribution
    ) -> None:
        """Note one event of a process. The nearest container that was ever proven of it is kept."""
        notes = self._known.get(id(life))
        if notes is None:
            notes = self._known[id(life)] = _Notes(life, answer)
        elif answer.status is Status.CONTAINER or notes.answer.status is not Status.CONTAINER:
            notes.answer = answer
        notes.events += 1
        for fact in translation.facts:
            if isinstance(fact, Executed):
                self._began(notes, event, fact)
            elif isinstance(fact, Exited):
                notes.exit_code = interpret(event).get("process", {}).get("exit_code")

    @staticmethod
    def _began(notes: _Notes, event: model.Event, fact: Executed) -> None:
        if len(notes.commands) < MAX_COMMANDS:
            line = interpret(event).get("process", {}).get("command_line") or shown(fact.exe)
            notes.commands.append(Command(event.stamp.ms, line))

    def trees(
        self,
        processes: ProcessTable,
        wanted: Callable[[ProcessNode], bool],
        name_of: Callable[[model.Container], str],
        *,
        below: bool,
    ) -> tuple[ProcessNode, ...]:
        """The processes that are wanted, each below its parent where that is wanted too.

        `below`: those whose parent is wanted are wanted too (the descendants of one process).
        """
        nodes = {key: notes.value(name_of) for key, notes in self._known.items()}
        parents = {key: self._parent(processes, notes.life) for key, notes in self._known.items()}
        chosen = {key for key, node in nodes.items() if wanted(node)}
        if below:
            chosen = {key for key in nodes if _has_above(key, parents, chosen)}
        children: dict[int, list[int]] = {}
        roots: list[int] = []
        for key in chosen:
            above = parents[key]
            (children.setdefault(above, []) if above is not None and above in chosen else roots).append(key)

        def build(key: int, depth: int) -> ProcessNode:
            inner = sorted(children.get(key, ()), key=lambda one: nodes[one].born_ms) if depth < MAX_DEPTH else ()
            return replace(nodes[key], children=tuple(build(one, depth + 1) for one in inner))

        return tuple(build(key, 0) for key in sorted(roots, key=lambda one: nodes[one].born_ms))

    def _parent(self, processes: ProcessTable, life: ProcessLifetime) -> int | None:
        """The parent at birth, if it showed itself too; it is not younger."""
        parent = processes.parent_of(life, life.birth)
        if parent is None or id(parent) not in self._known or parent.birth > life.birth:
            return None
        return id(parent)


def _has_above(key: int, parents: dict[int, int | None], chosen: set[int]) -> bool:
    at: int | None = key
    for _ in range(MAX_DEPTH):
        if at is None:
            return False
        if at in chosen:
            return True
        at = parents.get(at)
    return False
