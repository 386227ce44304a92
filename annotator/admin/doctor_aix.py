"""The checks of doctor on AIX: which ways to find the WPAR of a process work, and whether the audit pipe can run."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

from annotator.admin.check_result import bad, note, ok, warning
from annotator.aix.inventory_scan import run_command
from annotator.aix.live import Strategy, commands, strategies, this_host
from annotator.core.errors import SourceError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from annotator.admin.check_result import CheckResult
    from annotator.admin.machine import Machine
    from annotator.plugin.config import Config

SYSTEM: Final = "AIX"
"""As uname(1) -s prints it."""


def is_aix(machine: Machine) -> bool:
    """Whether this machine is one, and not a tree of files from one."""
    return machine.is_this and os.uname().sysname == SYSTEM


def check(machine: Machine, config: Config | None) -> Iterator[CheckResult]:
    """The pipe, then the ways."""
    if config is not None:
        try:
            commands(config.aix.auditstream, config.aix.auditpr)
        except UsageError as err:
            yield bad("audit", err.what, "Install the fileset bos.rte.security, or see [aix] in annotator.toml(5).")
        else:
            yield ok("audit", f"{config.aix.auditstream} and {config.aix.auditpr} are there")
    yield from auditing()
    host = this_host(machine.root, lambda: time.time_ns() // 1_000_000)
    yield from results(strategies(host))


def auditing(run: Callable[[Sequence[str]], bytes] = run_command) -> Iterator[CheckResult]:
    """Whether auditing is on, and where its records go (`audit query`, as IBM's *audit Command* shows it; not seen).

    Words are looked for, not places: a line `auditing on`, and the classes and modes that follow.
    """
    try:
        shown = run(("/usr/sbin/audit", "query")).decode("ascii", "backslashreplace").lower()
    except SourceError as err:
        yield note("auditing", f"not known: {err.what}", "Ask as root, in Global: audit query")
        return
    if "auditing on" in shown:
        yield ok("auditing", "on")
    else:
        yield bad("auditing", "audit query does not say that it is on", "Start it: audit start")


def results(tried: Iterable[Strategy]) -> Iterator[CheckResult]:
    """One result for each way. A way that does not work is no fault, as long as another one does."""
    ways = list(tried)
    for one in ways:
        topic = f"way {one.name}"
        if one.used:
            yield ok(topic, "used")
        elif one.name == "uname -W":
            yield bad(topic, f"{one.why}: Global cannot be told", "Run it in Global: what is in a WPAR is seen there.")
        else:
            yield note(topic, f"not used: {one.why}")
    if not any(one.used for one in ways if one.name in ("psinfo", "getprocs64", "ps")):
        yield warning(
            "processes",
            "no way shows the WPAR of a process",
            "Records that say their WPAR are answered all the same: print the column W.",
        )
