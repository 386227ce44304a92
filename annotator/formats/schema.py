"""The published schema of the JSON form: which field names there are."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.resources import files
from typing import Any

Schema = dict[str, Any]


@lru_cache(maxsize=1)
def schema() -> Schema:
    """`data/event.schema.json`."""
    found: Schema = json.loads((files("annotator") / "data" / "event.schema.json").read_text("utf-8"))
    return found


@lru_cache(maxsize=1)
def paths() -> frozenset[str]:
    """Every name that a field can have, dotted; one that ends in `.*` stands for whatever the log has there."""
    root = schema()
    return frozenset(_paths(root, root, ""))


def unknown(names: frozenset[str]) -> list[str]:
    """Those of the names that no event can have."""
    known = paths()
    return sorted(name for name in names if name not in known and not _is_open(name, known))


def _is_open(name: str, known: frozenset[str]) -> bool:
    parts = name.split(".")
    return any(".".join([*parts[:at], "*"]) in known for at in range(1, len(parts)))


def _paths(part: Schema, root: Schema, prefix: str) -> set[str]:
    while "$ref" in part:
        part = _target(root, part["$ref"])
    found: set[str] = set()
    for branch in (*part.get("oneOf", ()), *part.get("anyOf", ())):
        found |= _paths(branch, root, prefix)
    if part.get("type") == "array" and isinstance(part.get("items"), dict):
        found |= _paths(part["items"], root, prefix)
    for name, inner in part.get("properties", {}).items():
        path = f"{prefix}.{name}" if prefix else name
        found |= {path} | _paths(inner, root, path)
    is_object = part.get("type") == "object" and prefix
    if is_object and (isinstance(part.get("additionalProperties"), dict) or "additionalProperties" not in part):
        found.add(f"{prefix}.*")
    return found


def _target(root: Schema, reference: str) -> Schema:
    found: Schema = root
    for name in reference.removeprefix("#/").split("/"):
        found = found[name]
    return found
