"""A made-up trail, one event a call: who acted, and what changed by it. Time goes on by 100 ms an event."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotator.core.model import (
    UNSET_ID,
    Actor,
    EngineCommand,
    Executed,
    Exited,
    Fact,
    Forked,
    Moved,
    Ns,
    Role,
    Stamp,
    Status,
    Translation,
)
from annotator.engine.pipeline import Tables

if TYPE_CHECKING:
    from collections.abc import Iterable

    from annotator.core.model import Attribution, Flag, Reason
    from annotator.core.stats import Stats

START = 1_700_000_000_000

HIGHEST = 32_768
"""The highest pid that was seen: numbers do not come round in a few events."""


class World:
    """Tables, and a clock that a test moves."""

    def __init__(self) -> None:
        self.tables = Tables()
        self.ms = START
        self.serial = 0
        self.programs: dict[int, bytes] = {}

    def event(
        self, pid: int, ppid: int, *facts: Fact, uid: int = 0, ses: int = UNSET_ID, ms: int | None = None,
        node: bytes = b"", exe: bytes = b"", reading: Translation | None = None,
    ) -> Attribution:  # fmt: skip
        """One event of a process: its answer, before its facts were applied."""
        self.serial += 1
        self.ms += 100
        stamp = Stamp(self.ms if ms is None else ms, self.serial)
        exe = exe or next(
            (fact.exe for fact in facts if isinstance(fact, Executed)), self.programs.get(pid, b"/bin/true")
        )
        self.programs[pid] = exe
        actor = Actor(pid, ppid, 1000, uid, ses, exe=exe)
        self.tables.processes.node(node).highest = HIGHEST
        life = self.tables.processes.see(node, actor, stamp, facts)
        reading = reading or Translation(actor, facts)
        self.tables.recorder.record(reading, life, node, stamp)
        answer = self.tables.attributor.attribute(reading, life, node, stamp)
        for fact in facts:
            self.tables.membership.apply(fact, life, actor, node, stamp)
        return answer

    def fork(self, pid: int, ppid: int, child: int, ns: Ns | None = Ns.NONE, **more: int) -> Attribution:
        """A fork, and nothing of the child yet."""
        return self.event(pid, ppid, Forked(pid, child, ns=ns), **more)

    def engine(
        self, pid: int, ppid: int, id: str, role: Role = Role.CREATE, *, uid: int = 0, target: int = -1, name: str = ""
    ) -> Attribution:
        """An engine's program with its command line."""
        exe = b"/usr/bin/runc"
        command = EngineCommand(pid, role, "runc", id, name, uid=uid, how="runc", target=target)
        return self.event(pid, ppid, Executed(pid, exe, engine=True), command, uid=uid, exe=exe)

    def container(self, pid: int, id: str, ppid: int = 1, uid: int = 0) -> None:
        """`pid` becomes the engine, `pid + 1` the container's init."""
        self.engine(pid, ppid, id, uid=uid)
        self.fork(pid, ppid, pid + 1, uid=uid)
        self.event(pid + 1, pid, Moved(pid + 1, Ns.MNT, joined=False), uid=uid, exe=b"/usr/bin/runc")
        self.event(pid + 1, pid, Executed(pid + 1, b"/bin/sh"), uid=uid)

    def exit(self, pid: int, ppid: int) -> Attribution:
        """The process ends."""
        return self.event(pid, ppid, Exited(pid))


def where(answer: Attribution) -> str:
    """`a` in a container, `b^a` in one nested in it, else the status."""
    if answer.chains:
        return ",".join("^".join(one.id or str(one.contid) for one in chain) for chain in answer.chains)
    return str(answer.status)


def decided(stats: Stats, status: Status, reason: Reason | None = None, flags: Iterable[Flag] = ()) -> None:
    """Count one event as answered, as the pipeline does."""
    stats.events += 1
    if status is Status.UNKNOWN:
        stats.unknown += 1
        if reason is not None:
            stats.reasons[reason] += 1
    else:
        setattr(stats, status.value, getattr(stats, status.value) + 1)
    for flag in flags:
        stats.flags[flag] += 1
