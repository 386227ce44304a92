"""Questions about a whole log: which containers were there, who entered them, what was this process.

Each report watches a replay and is asked at its end. Rows are plain data for tables and JSON; ids are strings.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from annotator.core.model import UNSET_ID, Attribution, Container, Event, Executed, Session, Stamp, Status, Translation

if TYPE_CHECKING:
    from collections.abc import Callable

    from annotator.core.lifetimes import ProcessLifetime
    from annotator.core.membership import Residence
    from annotator.engine.pipeline import Tables

COMMANDS = 64
"""How many different programs of a session are listed."""


@dataclass(slots=True)
class Seen:
    """What a log showed of one container."""

    container: Container
    first_ms: int
    last_ms: int
    events: int = 0
    lives: set[int] = field(default_factory=set)
    sessions: set[str] = field(default_factory=set)
    shared_net: set[str] = field(default_factory=set)


class ContainersReport:
    """`annotator containers`: one row a container, in the order they were first seen."""

    def __init__(self) -> None:
        self.seen: dict[int, Seen] = {}

    def watch(self, event: Event, reading: Translation, life: ProcessLifetime | None, answer: Attribution) -> None:  # noqa: ARG002
        """Take note of one decided event."""
        ms = event.stamp.ms
        for chain in answer.chains:
            for container in chain:
                found = self.seen.get(id(container))
                if found is None:
                    found = self.seen[id(container)] = Seen(container, ms, ms)
                found.first_ms = min(found.first_ms, ms)
                found.last_ms = max(found.last_ms, ms)
            nearest = self.seen[id(chain[0])]
            nearest.events += 1
            if len(answer.chains) > 1:
                nearest.shared_net.update(show_id(other[0]) for other in answer.chains if other is not chain)
            elif life is not None:
                nearest.lives.add(id(life))
            if answer.session is not None and answer.session.id != "0":
                nearest.sessions.add(answer.session.id)

    def rows(self, tables: Tables) -> list[dict[str, Any]]:
        """The containers that events were in, and those only named."""
        for node in tables.registry.nodes.values():
            for container in node.remembered:
                if id(container) not in self.seen and container.start_ms is not None:
                    self.seen[id(container)] = Seen(container, container.start_ms, container.start_ms)
        return [self._row(found) for found in self.seen.values()]

    @staticmethod
    def _row(found: Seen) -> dict[str, Any]:
        one = found.container
        row: dict[str, Any] = {
            "contid": None if one.contid is None else str(one.contid),
            "id": one.id,
            "name": one.name,
            "engine": one.engine,
            "image": one.image,
            "inside": [show_id(outer) for outer in one.chain()[1:]],
            "node": one.node.decode("utf-8", "backslashreplace"),
            "first": found.first_ms,
            "last": found.last_ms,
            "started": one.start_ms,
            "ended": one.end_ms,
            "events": found.events,
            "processes": len(found.lives),
            "sessions": len(found.sessions),
            "shares_netns_with": sorted(found.shared_net),
        }
        return {name: value for name, value in row.items() if value not in ("", None, [])}


class SessionsReport:
    """`annotator sessions`: who entered which container, when, how, and what they ran."""

    def __init__(self, interpret: Callable[[Event], dict[str, Any]]) -> None:
        self.found: dict[tuple[int, str], dict[str, Any]] = {}
        self.interpret = interpret

    def watch(self, event: Event, reading: Translation, life: ProcessLifetime | None, answer: Attribution) -> None:  # noqa: ARG002
        """Take note of one decided event."""
        session, container = answer.session, answer.container
        if session is None or container is None or session.id == "0":
            return
        row = self.found.get((id(container), session.id))
        if row is None:
            row = self.found[id(container), session.id] = self._row(session, container, event.stamp.ms)
        row["first"] = min(row["first"], event.stamp.ms)
        row["last"] = max(row["last"], event.stamp.ms)
        row["events"] += 1
        for fact in reading.facts:
            if isinstance(fact, Executed) and len(row["ran"]) < COMMANDS:
                line = self.interpret(event).get("process", {}).get("command_line")
                ran = line or fact.exe.decode("utf-8", "backslashreplace")
                if ran not in row["ran"]:
                    row["ran"].append(ran)

    @staticmethod
    def _row(session: Session, container: Container, ms: int) -> dict[str, Any]:
        by = {"exe": session.exe, "tty": session.tty, "pid": session.pid}
        by |= {
            name: str(value)
            for name, value in (("auid", session.auid), ("ses", session.ses), ("uid", session.uid))
            if value != UNSET_ID
        }
        return {
            "session": session.id,
            "container": show_id(container),
            "name": container.name,
            "how": session.how,
            "by": {name: value for name, value in by.items() if value not in ("", -1)},
            "first": ms,
            "last": ms,
            "events": 0,
            "ran": [],
        }

    def rows(self, tables: Tables) -> list[dict[str, Any]]:  # noqa: ARG002
        """In the order they entered."""
        return sorted(self.found.values(), key=lambda row: row["first"])


def who(tables: Tables, node: bytes, pid: int, at_ms: int) -> list[dict[str, Any]]:
    """The chain of processes from `pid` up to init, or to the container's edge and on, each with its evidence."""
    stamp = Stamp(at_ms, 2**63)
    life = tables.processes.at(node, pid, stamp)
    rows: list[dict[str, Any]] = []
    while life is not None and len(rows) < 64:
        rows.append(_link(tables, life, stamp))
        above = life.parent if life.bound else tables.processes.at(node, life.ppid, life.born)
        if above is life:
            break
        if above is not None and life.bound:
            stamp = life.hinted or life.born
        life = above
    return rows


def _link(tables: Tables, life: ProcessLifetime, stamp: Stamp) -> dict[str, Any]:
    answer = tables.attributor.of(life, stamp)
    stay: Residence | None = tables.membership.where(life, stamp)
    row: dict[str, Any] = {
        "pid": life.pid,
        "ppid": life.ppid,
        "exe": life.exe.decode("utf-8", "backslashreplace"),
        "born": life.born.ms,
        "ended": life.end.ms if life.end is not None else None,
        "parent_proven": life.bound,
        "status": answer.status.value,
        "reason": answer.reason.value if answer.reason is not None else None,
        "evidence": [one.value for one in answer.evidence],
        "flags": [one.value for one in answer.flags],
    }
    if answer.status is Status.CONTAINER and answer.container is not None:
        row["container"] = [show_id(one) for one in answer.chains[0]]
        row["name"] = answer.container.name
    if stay is not None and stay.session is not None:
        row["session"] = stay.session.id
        row["how"] = stay.session.how
    return {name: value for name, value in row.items() if value not in (None, "", [], -1)}


def show_id(container: Container) -> str:
    """A container as one word: its engine's id, else its name, else its contid."""
    return container.id or container.name or str(container.contid)
