"""The result of a check."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    """The severity. `NOTE` is nothing wrong, but worth knowing; `SKIPPED`: the check could not be made."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    BAD = "bad"
    SKIPPED = "skipped"


class CheckResult(NamedTuple):
    """One result: the subject of the check, its outcome, and what to do ("": nothing)."""

    level: Level
    topic: str
    outcome: str
    advice: str = ""


def ok(topic: str, outcome: str) -> CheckResult:
    """The check passed."""
    return CheckResult(Level.OK, topic, outcome)


def note(topic: str, outcome: str, advice: str = "") -> CheckResult:
    """Worth knowing."""
    return CheckResult(Level.NOTE, topic, outcome, advice)


def warning(topic: str, outcome: str, advice: str) -> CheckResult:
    """It works, but less well than it could."""
    return CheckResult(Level.WARNING, topic, outcome, advice)


def bad(topic: str, outcome: str, advice: str) -> CheckResult:
    """It does not work."""
    return CheckResult(Level.BAD, topic, outcome, advice)


def skipped(topic: str, why: str) -> CheckResult:
    """The check could not be made."""
    return CheckResult(Level.SKIPPED, topic, why)
