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


class CheckResult(NamedTuple):
    """One finding: of what, what was found, and what to do ("": nothing)."""

    level: Level
    topic: str
    found: str
    do: str = ""


def ok(topic: str, found: str) -> CheckResult:
    """As it should be."""
    return CheckResult(Level.OK, topic, found)


def note(topic: str, found: str, do: str = "") -> CheckResult:
    """Good to know."""
    return CheckResult(Level.NOTE, topic, found, do)


def warning(topic: str, found: str, do: str) -> CheckResult:
    """It works, but less well than it could."""
    return CheckResult(Level.WARNING, topic, found, do)


def bad(topic: str, found: str, do: str) -> CheckResult:
    """It does not work."""
    return CheckResult(Level.BAD, topic, found, do)


def skipped(topic: str, why: str) -> CheckResult:
    """It was not asked."""
    return CheckResult(Level.SKIPPED, topic, why)
