"""What a running plugin says of itself over its control socket, in the form of its metrics file."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from annotator.core.model import Flag, Reason
from annotator.io.control import ask

Counts = dict[tuple[str, str], float]
"""A count by its name, without `annotator_` and `_total`, and its label ("" where it has none)."""

MAX_PAGES: Final = 200
"""Of containers: the plugin sends as many at once as fit into an answer."""

_REASONS: Final = {f"unknown_{one.value.replace('-', '_')}": one.value for one in Reason}
_FLAGS: Final = {f"flag_{one.value.replace('-', '_')}": one.value for one in Flag}


class PluginStatus(NamedTuple):
    """The answering process's pid (0: not said), for how long it has answered, and all counters."""

    pid: int
    uptime_s: float
    counts: Counts


def counts(socket: str) -> PluginStatus:
    """One look. Raises AnnotatorError when nobody answers."""
    reply = ask(socket, {"op": "status"})
    found: Counts = {}
    pid, uptime_s = reply.get("pid"), reply.get("uptime_s")
    for name, value in _numbers(reply.get("counts")):
        if name in _REASONS:
            found["unknown_reasons", _REASONS[name]] = value
        elif name in _FLAGS:
            found["answer_flags", _FLAGS[name]] = value
        else:
            found[name, ""] = value
    for name, value in _numbers(reply.get("reader")):
        found[f"plugin_{name}", ""] = value
    outputs = reply.get("outputs")
    for label, said in outputs.items() if isinstance(outputs, dict) else ():
        for name, value in _numbers(said):
            found[f"output_{name}", str(label)] = value
    return PluginStatus(
        pid if isinstance(pid, int) else 0, uptime_s if isinstance(uptime_s, int | float) else 0.0, found
    )


def containers(socket: str, limit: int) -> list[dict[str, Any]]:
    """Those that live, newest first. Raises AnnotatorError when nobody answers."""
    found: list[dict[str, Any]] = []
    for _ in range(MAX_PAGES):
        reply = ask(socket, {"op": "containers", "from": len(found)})
        rows = reply.get("containers")
        if not isinstance(rows, list) or not rows:
            break
        found += [_row(one) for one in rows if isinstance(one, dict)]
        total = reply.get("total")
        if not isinstance(total, int) or len(found) >= min(limit, total):
            break
    return found[:limit]


def _row(said: dict[str, Any]) -> dict[str, Any]:
    """As the state file's rows are: `started` is in milliseconds."""
    row = {("started" if name == "start_ms" else name): value for name, value in said.items()}
    if isinstance(row.get("inside"), str):
        row["inside"] = [row["inside"]]
    return row


def _numbers(said: Any) -> list[tuple[str, float]]:
    if not isinstance(said, dict):
        return []
    return [(str(name), value) for name, value in said.items() if isinstance(value, int | float)]
