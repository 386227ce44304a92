"""The rows of `annotator containers`, `sessions` and `who`: the API's answers as plain data for tables and JSON.

Ids are strings, times milliseconds of the epoch, and what is not known is absent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from annotator.api import ContainerSummary, Log, ProcessSummary, Session, SessionSummary


def container_rows(log: Log) -> list[dict[str, Any]]:
    """One row a container, in the order they were first seen."""
    return [_container(one) for one in log.containers()]


def session_rows(log: Log) -> list[dict[str, Any]]:
    """One row a session, in the order they entered."""
    return [_session(one) for one in log.sessions()]


def process_rows(log: Log, pid: int, at_ms: int, node: str) -> list[dict[str, Any]]:
    """One row a process: that with this pid at this time, and those above it."""
    return [_process(one) for one in log.process(pid, at=at_ms, node=node)]


def _container(one: ContainerSummary) -> dict[str, Any]:
    row: dict[str, Any] = {
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
    return {name: value for name, value in row.items() if value not in ("", None, [])}


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
    return {name: value for name, value in row.items() if value not in (None, "", [])}
