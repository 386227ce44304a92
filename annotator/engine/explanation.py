"""The chain of evidence of one answer, as values: which step rests on the records of which stamp.

A log is read up to the event; at that moment the tables are walked from its process upwards, as the answer was. What
engines announced, who moved and what was registered is noted meanwhile, since the tables keep only what came of it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from annotator.core.model import (
    NO_PID,
    Attribution,
    EngineCommand,
    Event,
    Evidence,
    Moved,
    Registered,
    Stamp,
    Status,
)
from annotator.engine.snapshots import shown

if TYPE_CHECKING:
    from annotator.core.lifetimes import ProcessLifetime
    from annotator.core.model import Container, Translation
    from annotator.core.residence import Residence
    from annotator.engine.pipeline import Tables

MAX_NOTES = 65_536
"""Announcements, moves and registrations that are kept, of each the newest."""

MAX_STEPS = 64


class StepKind(StrEnum):
    """What a step says of its process."""

    STATED = "stated"  # the event itself states where it was
    BORN = "born"  # its fork record names its parent, whose place it has
    PARENT = "parent"  # its records name a parent (ppid) that is inside
    MOVED = "moved"  # it was born into, made or joined namespaces as announced
    ANNOUNCED = "announced"  # an engine's command line named the container
    REGISTERED = "registered"  # somebody registered it
    SEEN = "seen"  # it was looked at outside the log: its cgroup, its namespaces
    ROOT = "root"  # pid 1, or a kernel thread
    CHILD = "child"  # its fork record names its parent, and of neither it is known where it is
    NOTHING = "nothing"  # nothing is known above here


class Step(NamedTuple):
    """One step. `stamp` is that of the records it rests on (None: of none), `parent` a pid or NO_PID."""

    kind: StepKind
    pid: int
    exe: str
    stamp: Stamp | None
    evidence: Evidence | None = None
    parent: int = NO_PID
    container: str = ""
    words: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """What the node's records show at all, and of the process, or the eldest above it: what an unknown answer lacks.

    `pid` is the eldest's, of which the rest is said. `forks`, `exits`, `moves`: the node's rules record births, ends,
    changes of namespaces. `losses`: how often records were lost before, `losses_since_birth` since then (-1: the birth
    is not recorded). `bound`: it is.
    """

    pid: int
    forks: bool
    exits: bool
    moves: bool
    losses: int
    bound: bool
    losses_since_birth: int
    parent_seen: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """One event, its answer, and the steps from its process up to where the evidence begins."""

    event: Event
    answer: Attribution
    pid: int
    steps: tuple[Step, ...]
    known: Known | None


class _Note(NamedTuple):
    life: ProcessLifetime
    stamp: Stamp
    fact: EngineCommand | Moved | Registered


@dataclass(slots=True)
class Explainer:
    """Watches a run for one event. `explanation` is set once that was decided.

    `milliseconds` None: any event of that serial will do. `others` are the stamps of further ones with that serial.
    """

    tables: Tables
    serial: int
    milliseconds: int | None = None
    node: bytes | None = None
    explanation: Explanation | None = None
    others: list[Stamp] = field(default_factory=list)
    _notes: deque[_Note] = field(default_factory=lambda: deque(maxlen=MAX_NOTES))

    def observe(
        self, event: Event, translation: Translation, life: ProcessLifetime | None, answer: Attribution
    ) -> None:
        """One decided event."""
        stamp = event.stamp
        if stamp.serial == self.serial and self.milliseconds in (None, stamp.ms) and self.node in (None, event.node):
            if self.explanation is None:
                self.explanation = self._explain(event, translation, life, answer)
            elif stamp != self.explanation.event.stamp:
                self.others.append(stamp)
        if life is None:
            return
        for fact in translation.facts:
            if isinstance(fact, EngineCommand | Moved | Registered):
                self._notes.append(_Note(life, stamp, fact))

    def _explain(
        self, event: Event, translation: Translation, life: ProcessLifetime | None, answer: Attribution
    ) -> Explanation:
        steps: list[Step] = []
        strongest = answer.evidence[0] if answer.evidence else None
        if strongest in (Evidence.RECORD, Evidence.TRAIL, Evidence.INVENTORY, Evidence.ADDRESS) or life is None:
            if strongest is not None:
                pid = translation.actor.pid if translation.actor is not None else NO_PID
                steps.append(Step(StepKind.STATED, pid, "", event.stamp, strongest, container=_name(answer.container)))
        else:
            self._walk(life, self._before_own_facts(life, event.stamp, answer), steps)
        own = Event(event.key, event.node, event.stamp, event.text)
        own.reversed = event.reversed
        pid = life.pid if life is not None else NO_PID
        return Explanation(own, answer, pid, tuple(steps), self._known(life, event.stamp) if life is not None else None)

    def _before_own_facts(self, life: ProcessLifetime, stamp: Stamp, answer: Attribution) -> Stamp:
        """As of when to ask: an event's own facts came after its answer, and are in the tables by now."""
        residence = self.tables.membership.where(life, stamp)
        inside = residence.container if residence is not None and not residence.lost else None
        return stamp if inside is answer.container else Stamp(stamp.ms, stamp.serial - 1)

    def _known(self, life: ProcessLifetime, stamp: Stamp) -> Known:
        node = self.tables.processes.peek(life.node)
        while life.bound and life.parent is not None:
            life = life.parent
        since = node.epoch - life.birth_epoch if life.birth_epoch >= 0 else -1
        parent = self.tables.processes.parent_of(life, stamp)
        return Known(life.pid, node.forks, node.exits, node.moves, node.epoch, life.bound, since, parent is not None)

    def _walk(self, life: ProcessLifetime, stamp: Stamp, steps: list[Step]) -> None:
        """Upwards from one process at one time, as `membership.where` goes."""
        at: ProcessLifetime | None = life
        while at is not None and len(steps) < MAX_STEPS:
            residence = self.tables.membership.where(at, stamp)
            if residence is None or residence.lost:
                seen = self._seen(at, stamp)
                parent = self.tables.processes.parent_of(at, stamp)
                if seen is not None or parent is None or not at.bound:
                    steps.append(seen or Step(StepKind.NOTHING, at.pid, shown(at.runs), None))
                    return
                steps.append(Step(StepKind.CHILD, at.pid, shown(at.runs), at.birth, parent=parent.pid))
                at, stamp = parent, at.birth
            else:
                at, stamp = self._step(at, stamp, residence, steps)

    def _step(
        self, life: ProcessLifetime, stamp: Stamp, residence: Residence, steps: list[Step]
    ) -> tuple[ProcessLifetime | None, Stamp]:
        """One process's step; returns whom to ask next, and as of when (None: the evidence begins here)."""
        evidence, inside, exe = residence.evidence, _name(residence.container), shown(life.runs)
        parent = self.tables.processes.parent_of(life, stamp)
        above = parent.pid if parent is not None else NO_PID

        def add(kind: StepKind, at: Stamp | None, words: str = "") -> None:
            steps.append(Step(kind, life.pid, exe, at, evidence, above, inside, words))

        if evidence is Evidence.COMMAND:
            add(StepKind.MOVED, residence.since)
            self._announced(life, residence, steps)
            return None, stamp
        if evidence is Evidence.REGISTERED and (note := self._registration(life, residence)) is not None:
            steps.append(
                Step(
                    StepKind.REGISTERED,
                    life.pid,
                    exe,
                    note.stamp,
                    evidence,
                    note.life.pid,
                    inside,
                    shown(note.life.runs),
                )
            )
            return None, stamp
        if evidence is Evidence.INIT and (life.pid <= 2 or parent is None):
            add(StepKind.ROOT, None)
            return None, stamp
        if evidence in (Evidence.LINEAGE, Evidence.INIT, Evidence.PPID, Evidence.REGISTERED) and parent is not None:
            if life.bound:
                add(StepKind.BORN, life.birth)
                return parent, life.birth
            add(StepKind.PARENT, stamp)
            return parent, stamp
        add(StepKind.STATED if evidence is Evidence.RECORD else StepKind.SEEN, residence.since)
        return None, stamp

    def _seen(self, life: ProcessLifetime, stamp: Stamp) -> Step | None:
        """What was seen of a process outside the log, by a journal or a look."""
        observations = self.tables.observations
        if observations is None:
            return None
        residence = observations.recall(life, stamp).residence
        if residence is None:
            return None
        inside = _name(residence.container)
        return Step(StepKind.SEEN, life.pid, shown(life.runs), None, residence.evidence, container=inside)

    def _registration(self, life: ProcessLifetime, residence: Residence) -> _Note | None:
        for note in reversed(self._notes):
            if isinstance(note.fact, Registered) and note.fact.pid == life.pid and note.stamp <= residence.since:
                return note
        return None

    def _announced(self, life: ProcessLifetime, residence: Residence, steps: list[Step]) -> None:
        """The command line that named the container: the newest before, of the process or one above it."""
        line = {id(life), *map(id, life.ancestors())}
        wanted = residence.container.id if residence.container is not None else ""
        for note in reversed(self._notes):
            fact = note.fact
            if not isinstance(fact, EngineCommand) or note.stamp > residence.since or id(note.life) not in line:
                continue
            if fact.id and fact.id != wanted:
                continue
            steps.append(
                Step(
                    StepKind.ANNOUNCED, note.life.pid, shown(note.life.runs), note.stamp, Evidence.COMMAND, NO_PID,
                    _name(residence.container), fact.how or f"{fact.engine} {fact.role.value}",
                )
            )  # fmt: skip
            return


def _name(container: Container | None) -> str:
    """A container in a word: its name, else its id, else its contid; "" is the host."""
    if container is None:
        return ""
    return container.name or container.id or str(container.contid)


def is_answered(answer: Attribution) -> bool:
    """Whether the answer says where the event happened."""
    return answer.status in (Status.CONTAINER, Status.HOST)
