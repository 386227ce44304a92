"""What a check says."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    """How bad it is. `NOTE` is nothing wrong, but something to know; `SKIPPED` could not be asked."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    BAD = "bad"
    SKIPPED = "skipped"


class Finding(NamedTuple):
    """One finding: of what, what was found, and what to do ("": nothing)."""

    level: Level
    topic: str
    found: str
    do: str = ""


def ok(topic: str, found: str) -> Finding:
    """As it should be."""
    return Finding(Level.OK, topic, found)


def note(topic: str, found: str, do: str = "") -> Finding:
    """Good to know."""
    return Finding(Level.NOTE, topic, found, do)


def warning(topic: str, found: str, do: str) -> Finding:
    """It works, but less well than it could."""
    return Finding(Level.WARNING, topic, found, do)


def bad(topic: str, found: str, do: str) -> Finding:
    """It does not work."""
    return Finding(Level.BAD, topic, found, do)


def skipped(topic: str, why: str) -> Finding:
    """It was not asked."""
    return Finding(Level.SKIPPED, topic, why)
