"""JSON, one object a line: the event as its backend interprets it, with where it happened.

`data/event.schema.json` is the published schema. What is not known is absent; text that is not UTF-8 is shown with
backslash escapes. Field names: https://www.elastic.co/docs/reference/ecs
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from annotator.formats import json_text
from annotator.formats.answer import Answers, entity_id

if TYPE_CHECKING:
    from annotator.core.model import Attribution, Event, Parent

ECS = {"version": "9.0.0"}

_LINUX = {"type": "linux"}
_NOT_LEAN = ("records", "summary")

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  (written without its zone)
_FIRST_SECOND, _LAST_SECOND = -62135596800, 253402300799
"""0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z: RFC 3339 has no later year, and Python no earlier one."""

_answers = Answers()
entity = lru_cache(maxsize=8192)(entity_id)


@lru_cache(maxsize=1024)
def _second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).isoformat()


def timestamp(ms: int) -> str | None:
    """RFC 3339 in UTC with milliseconds; None for a stamp before the year 1 or beyond 9999."""
    seconds, rest = divmod(ms, 1000)
    return f"{_second(seconds)}.{rest:03d}Z" if _FIRST_SECOND <= seconds <= _LAST_SECOND else None


def document(
    event: Event,
    attribution: Attribution,
    parts: dict[str, Any],
    *,
    node: bytes = b"",
    original: bool = False,
    fields: frozenset[str] | None = None,
    lean: bool = False,
    message: bool = True,
) -> dict[str, Any]:
    """The object, as plain data. Parts of it are shared with other events: never change it.

    `parts` are what the backend's `interpret` gave; `node` names the host. `fields`, when given, are the only ones that
    are kept: dotted names of leaves or of whole parts (`process.pid`, `container`). Of lists all elements are kept.
    `lean`: without the decoded records and the audit library's summary. `message`: with the event as a sentence.
    """
    answer = _answers.of(attribution)
    found: dict[str, Any] = {}
    if (when := timestamp(event.stamp.ms)) is not None:
        found["@timestamp"] = when
    module = parts.get("event", {}).get("module", "auditd")
    found.update(parts)
    found["ecs"], found["host"] = ECS, _host(parts, node)
    found["event"] = {**parts.get("event", {}), "dataset": f"{module}.log", "sequence": event.stamp.serial}
    if original:
        found["event"]["original"] = b"\n".join(event.in_order()).decode("utf-8", "backslashreplace")
    if attribution.key is not None or attribution.vpid is not None:
        found["process"] = _process(parts.get("process", {}), attribution)
    named = (("container", answer.container), ("orchestrator", answer.orchestrator))
    found |= {name: part for name, part in named if part is not None}
    found["provenance"] = answer.attributor
    if message:
        from annotator.formats.text import message as sentence

        found["message"] = sentence(found)
    if lean:
        _make_lean(found)
    return found if fields is None else _pick(found, _tree(fields))


def _host(parts: dict[str, Any], node: bytes) -> dict[str, Any]:
    """The machine: its name, and the system whose trail it is, which the backend may know better."""
    host: dict[str, Any] = {"os": _LINUX, **parts.get("host", {})}
    return {"name": node.decode("utf-8", "backslashreplace"), **host} if node else host


def _make_lean(found: dict[str, Any]) -> None:
    kept = {name: part for name, part in found.pop("auditd", {}).items() if name not in _NOT_LEAN}
    if kept:
        found["auditd"] = kept


def _process(given: dict[str, Any], attribution: Attribution) -> dict[str, Any]:
    """The `process` part with what is known of it beyond its records: its identity, and its parent as it is known."""
    process = dict(given)
    if attribution.vpid is not None:
        process["vpid"] = attribution.vpid
    if attribution.key is not None:
        process["entity_id"] = entity(attribution.key)
    parent = attribution.parent
    if parent is not None and process.get("parent", {}).get("pid") == parent.key.pid:
        process["parent"] = {"pid": parent.key.pid, "entity_id": entity(parent.key), **_program(parent)}
    return process


@lru_cache(maxsize=4096)
def _program(parent: Parent) -> dict[str, str]:
    named = (("executable", parent.exe), ("name", parent.comm), ("command_line", parent.command))
    return {name: value.decode("utf-8", "backslashreplace") for name, value in named if value}


def encode(document: dict[str, Any]) -> bytes:
    """One line of JSON, with its newline."""
    return json_text.dumps(document) + b"\n"


_Tree = dict[str, Any]


@lru_cache(maxsize=16)
def _tree(fields: frozenset[str]) -> _Tree:
    """Dotted names as a tree; an empty branch keeps all below it."""
    found: _Tree = {}
    for name in sorted(fields):  # a whole part comes before its leaves, and swallows them
        branch, parts = found, name.split(".")
        for part in parts[:-1]:
            if branch.get(part) == {}:
                break
            branch = branch.setdefault(part, {})
        else:
            branch.setdefault(parts[-1], {})
    return found


def _pick(value: Any, tree: _Tree) -> Any:
    if not tree:
        return value
    if isinstance(value, list):
        return [_pick(inner, tree) for inner in value]
    if not isinstance(value, dict):
        return value
    kept = ((name, _pick(value[name], branch)) for name, branch in tree.items() if name in value)
    return {name: inner for name, inner in kept if inner != {}}
