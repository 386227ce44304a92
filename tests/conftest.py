"""Rules of every run: how hard hypothesis tries, and that in CI a skipped test is a failed run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    import pytest

# No deadline: the machines are shared. In CI the examples are the same each time, so that a failure can be repeated.
settings.register_profile(
    "default",
    max_examples=100,
    deadline=None,
    derandomize="CI" in os.environ,
    database=None if "CI" in os.environ else settings().database,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("full", settings.get_profile("default"), max_examples=2000, derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--no-skips`, which the environment variable CI implies."""
    parser.addoption("--no-skips", action="store_true", help="a skipped test fails the run (implied by CI)")


def _forbidden(config: pytest.Config) -> list[pytest.TestReport | pytest.CollectReport]:
    """The skips of a run that allows none."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not (config.getoption("--no-skips") or os.environ.get("CI")):
        return []
    return list(reporter.stats.get("skipped", []))


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """What is not run is not checked: a green run that skipped something is turned red."""
    if exitstatus == 0 and _forbidden(session.config):
        session.exitstatus = 1


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say why a run in which nothing failed is red (which tests it were, pytest's `-ra` says)."""
    if skipped := _forbidden(config):
        terminalreporter.write_line(f"{len(skipped)} skipped, and skips are failures in this run", red=True, bold=True)
