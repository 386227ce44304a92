"""The status of a running plugin, asked over its control socket, with the names of its metrics file."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from annotator.core.model import Flag, Reason
from annotator.io.control import ask

Counts = dict[tuple[str, str], float]
"""A count by its name, without `annotator_` and `_total`, and its label ("" where it has none)."""

MAX_PAGES: Final = 200
"""Of containers: an answer of the plugin has as many as fit."""

_REASONS: Final = {f"unknown_{one.value.replace('-', '_')}": one.value for one in Reason}
_FLAGS: Final = {f"flag_{one.value.replace('-', '_')}": one.value for one in Flag}


class PluginStatus(NamedTuple):
    """The pid of the process that answers (0: not known), how long it has answered, and all counters."""

    pid: int
    uptime_s: float
    counts: Counts


def counts(socket: str) -> PluginStatus:
    """Ask for the counters. Raises AnnotatorError when no plugin answers."""
    reply = ask(socket, {"op": "status"})
    counters: Counts = {}
    pid, uptime_s = reply.get("pid"), reply.get("uptime_s")
    for name, value in _numbers(reply.get("counts")):
        if name in _REASONS:
            counters["unknown_reasons", _REASONS[name]] = value
        elif name in _FLAGS:
            counters["answer_flags", _FLAGS[name]] = value
        else:
            counters[name, ""] = value
    for name, value in _numbers(reply.get("reader")):
        counters[f"plugin_{name}", ""] = value
    outputs = reply.get("outputs")
    for label, values in outputs.items() if isinstance(outputs, dict) else ():
        for name, value in _numbers(values):
            counters[f"output_{name}", str(label)] = value
    return PluginStatus(
        pid if isinstance(pid, int) else 0, uptime_s if isinstance(uptime_s, int | float) else 0.0, counters
    )


def containers(socket: str, limit: int) -> list[dict[str, Any]]:
    """The containers that live, newest first. Raises AnnotatorError when no plugin answers."""
    alive: list[dict[str, Any]] = []
    for _ in range(MAX_PAGES):
        reply = ask(socket, {"op": "containers", "from": len(alive)})
        rows = reply.get("containers")
        if not isinstance(rows, list) or not rows:
            break
        alive += [_row(row) for row in rows if isinstance(row, dict)]
        total = reply.get("total")
        if not isinstance(total, int) or len(alive) >= min(limit, total):
            break
    return alive[:limit]


def _row(answer: dict[str, Any]) -> dict[str, Any]:
    """A row as `status` makes it of the state file: `started` is in milliseconds."""
    row = {("started" if name == "start_ms" else name): value for name, value in answer.items()}
    if isinstance(row.get("inside"), str):
        row["inside"] = [row["inside"]]
    return row


def _numbers(values: Any) -> list[tuple[str, float]]:
    if not isinstance(values, dict):
        return []
    return [(str(name), value) for name, value in values.items() if isinstance(value, int | float)]
