"""The rows of `annotator containers`, `sessions`, `who` and `tree`: the API's answers as data for tables and JSON.

Ids are strings, times milliseconds of the epoch, and what is not known is absent.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from annotator.core.errors import UsageError
from annotator.engine.factory import filter_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from annotator.api import ContainerSummary, Log, ProcessSummary, Session, SessionSummary
    from annotator.core.model import Attribution, Event
    from annotator.engine.factory import Options
    from annotator.engine.pipeline import Tables
    from annotator.engine.process_tree import ProcessNode

SHOWN_NAMES = 20
"""How many names an error lists."""


def wanted_events(options: Options, node: str) -> Callable[[Event, Attribution], bool] | None:
    """Which events a report counts: by time, and by the host's name; None: all. Containers are chosen by their rows."""
    by_time = filter_of(replace(options, container="", contid=None, only_containers=False), None)
    if not node:
        return by_time
    name = node.encode("utf-8", "surrogateescape")
    return lambda event, answer: event.node == name and (by_time is None or by_time(event, answer))


def is_container(given: str, *, id: str, name: str, contid: int | str | None = None) -> bool:
    """Whether a container is the one that was named: by its name, the beginning of its id, or its contid."""
    return bool(given) and (name == given or id.startswith(given) or str(contid) == given)


def require_container(tables: Tables, given: str, contid: int | None = None) -> None:
    """Raises UsageError where no container of the log is called so, with those that there are."""
    known = [one for node in tables.registry.nodes.values() for one in node.remembered]
    for one in known:
        if contid is not None and one.contid != contid:
            continue
        if not given or is_container(given, id=one.id, name=one.name):
            return
    raise no_container(given or str(contid), [one.name or one.id[:12] or str(one.contid) for one in known])


def no_container(given: str, names: Iterable[str]) -> UsageError:
    """The error for a container that is not in the log."""
    known = sorted({name for name in names if name})
    listed = ", ".join(known[:SHOWN_NAMES]) + (
        f" and {len(known) - SHOWN_NAMES} more" if len(known) > SHOWN_NAMES else ""
    )
    return UsageError(
        f"no container of this log is called {given!r}, or has an id that begins so",
        f"It shows: {listed}." if known else "It shows no container at all.",
    )


def container_rows(log: Log, container: str = "") -> list[dict[str, Any]]:
    """One row a container, in the order they were first seen; of one container it and those nested in it."""
    summaries = log.containers()
    if not container:
        return [_container(one) for one in summaries]
    ids = {
        one.id or one.name for one in summaries if is_container(container, id=one.id, name=one.name, contid=one.contid)
    }
    if not ids:
        require_container(log.tables, container)
    return [_container(one) for one in summaries if (one.id or one.name) in ids or ids.intersection(one.inside)]


def session_rows(log: Log, container: str = "") -> list[dict[str, Any]]:
    """One row a session, in the order they entered."""
    summaries = log.sessions()
    if not container:
        return [_session(one) for one in summaries]
    rows = [one for one in summaries if is_container(container, id=one.container, name=one.name)]
    if not rows:
        require_container(log.tables, container)
    return [_session(one) for one in rows]


def process_rows(log: Log, pid: int, at_ms: int, node: str) -> list[dict[str, Any]]:
    """One row a process: that with this pid at this time, and those above it."""
    return [_process(one) for one in log.process(pid, at=at_ms, node=node)]


def nearest_life(log: Log, pid: int, at_ms: int, node: str) -> int | None:
    """A time at which a process had this pid, the nearest to the given one; None where none ever had."""
    times: list[int] = []
    for one in log.lives(pid, node):
        times += [one.born_ms] if one.born_ms > at_ms or one.ended_ms is None else [one.ended_ms]
    return min(times, key=lambda ms: abs(ms - at_ms), default=None)


def tree_rows(trees: Iterable[ProcessNode]) -> list[dict[str, Any]]:
    """One row a process, each below its parent, with its depth."""
    return [_node(depth, node) for tree in trees for depth, node in tree.flat()]


def _known(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value not in (None, "", [])}


def _node(depth: int, one: ProcessNode) -> dict[str, Any]:
    return _known(
        {
            "depth": depth,
            "pid": one.pid,
            "ppid": one.ppid,
            "node": one.node,
            "born": one.born_ms,
            "ended": one.ended_ms,
            "exit": one.exit_code,
            "uid": None if one.uid is None else str(one.uid),
            "status": one.status.value,
            "container": one.container,
            "name": one.name,
            "session": one.session,
            "how": one.how,
            "events": one.events,
            "exe": one.exe,
            "ran": [command.line for command in one.commands],
        }
    )


def _container(one: ContainerSummary) -> dict[str, Any]:
    return _known(
        {
            "contid": None if one.contid is None else str(one.contid),
            "id": one.id,
            "name": one.name,
            "engine": one.engine,
            "image": one.image,
            "inside": list(one.inside),
            "node": one.node,
            "first": one.first_ms,
            "last": one.last_ms,
            "started": one.started_ms,
            "ended": one.ended_ms,
            "events": one.events,
            "processes": one.processes,
            "sessions": one.sessions,
            "shares_netns_with": list(one.shares_netns_with),
        }
    )


def _session(one: SessionSummary) -> dict[str, Any]:
    return {
        "session": one.session.id,
        "container": one.container,
        "name": one.name,
        "how": one.session.how,
        "by": _by(one.session),
        "first": one.first_ms,
        "last": one.last_ms,
        "events": one.events,
        "ran": list(one.ran),
    }


def _by(session: Session) -> dict[str, Any]:
    """Who entered: the process as it was then."""
    by: dict[str, Any] = {"exe": session.exe, "tty": session.tty, "pid": session.pid, "inferred": session.inferred}
    by["unattended"] = session.unattended or None
    for name, number in (("auid", session.auid), ("ses", session.ses), ("uid", session.uid)):
        by[name] = None if number is None else str(number)
    return {name: value for name, value in by.items() if value not in ("", None)}


def _process(one: ProcessSummary) -> dict[str, Any]:
    row: dict[str, Any] = {
        "pid": one.pid,
        "ppid": one.ppid,
        "exe": one.exe,
        "born": one.born_ms,
        "ended": one.ended_ms,
        "parent_proven": one.parent_proven,
        "status": one.status.value,
        "reason": one.reason.value if one.reason is not None else None,
        "evidence": [evidence.value for evidence in one.evidence],
        "flags": [flag.value for flag in one.flags],
    }
    if one.container:
        row |= {"container": list(one.container), "name": one.name}
    if one.session is not None:
        row |= {"session": one.session.id, "how": one.session.how}
    return _known(row)
