"""The table of `test_accuracy`: a plugin that prints it at the end of the test run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.scoring import BAD, share

if TYPE_CHECKING:
    from collections import Counter

    import pytest

_rows: dict[tuple[str, str], Counter[str]] = {}


def add(case: str, way: str, count: Counter[str]) -> None:
    """One row."""
    _rows[case, way] = count


def table() -> list[str]:
    """The rows, in the order they were measured, with what is untrue in full."""
    if not _rows:
        return []
    columns = ("case", "log", "named", "right", "missed", "absent", "two truths", "host", *BAD)
    lines = [f"{columns[0]:24}{columns[1]:34}" + "".join(f"{name:>13}" for name in columns[2:])]
    for (case, way), count in sorted(_rows.items()):
        inside = count["right"] + count["missed"] + count["wrong"] + count["host-claimed"]
        named = f"{100 * share(count):.2f} %" if inside else "-"
        values = (named, *(count[name] for name in ("right", "missed", "absent", "mixed", "host", *BAD)))
        lines.append(f"{case:24}{way:34}" + "".join(f"{value:>13}" for value in values))
    return lines


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The table, when anything was measured."""
    if lines := table():
        terminalreporter.section("accuracy against the truth of recorded logs")
        for line in lines:
            terminalreporter.write_line(line)
