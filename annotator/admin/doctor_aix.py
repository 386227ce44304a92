"""The checks of doctor on AIX: which ways to find the WPAR of a process work, and whether the audit pipe can run."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

from annotator.admin import install_aix
from annotator.admin.check_result import bad, note, ok, warning
from annotator.admin.install_plan import LOGS
from annotator.aix import inventory, zones
from annotator.aix.inventory_scan import run_command
from annotator.aix.live import Strategy, commands, strategies, this_host
from annotator.core.errors import SourceError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from annotator.admin.check_result import CheckResult
    from annotator.admin.machine import Machine
    from annotator.aix.host import AixHost
    from annotator.plugin.config import Config

AUDIT: Final = "/etc/security/audit"
NEEDED: Final = frozenset(("PROC_Create", "PROC_Execute", "PROC_Delete"))
"""Events without which a process cannot be followed."""

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
    running = sorted(name.decode("utf-8", "backslashreplace") for name in host.inventory.names())
    yield from audit_configuration(machine.text(f"{AUDIT}/config"), machine.text(f"{AUDIT}/streamcmds"), running)
    yield from subsystem()
    yield time_zone(os.environ.get("TZ", ""))
    yield from results(strategies(host))
    yield agreement(host)


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


def audit_configuration(config: str | None, streamcmds: str | None, wpars: Sequence[str]) -> Iterator[CheckResult]:
    """Stream mode, classes, and the WPARs that are audited from Global, by the texts of `config` and `streamcmds`."""
    if config is None:
        yield note("audit config", f"{AUDIT}/config cannot be read", "Ask as root.")
        return
    stanzas = inventory.stanzas(config)
    if stanzas.get("start", {}).get("streammode") == "on":
        yield ok("stream", "streammode = on")
    else:
        yield bad("stream", "streammode is not on", f"Set it in stanza start: of {AUDIT}/config, and restart audit.")
    if stanzas.get("stream", {}).get("streamcompact", "off") != "off":
        yield bad("stream", "records are compressed", f"Set streamcompact = off in {AUDIT}/config.")
    events = {name.strip() for row in stanzas.get("classes", {}).values() for name in row.split(",")}
    if missing := sorted(NEEDED - events):
        yield warning(
            "classes",
            f"no class has {', '.join(missing)}",
            f"Lineage needs it: {install_aix.FOLDER}/audit-config.txt",
        )
    audited = stanzas.get("WPARS", {})
    if missing := [name for name in wpars if name not in audited]:
        yield warning(
            "WPARS", f"not audited from Global: {', '.join(missing[:8])}{' ...' * (len(missing) > 8)}",
            f"Add `NAME = CLASS,...` to the stanza WPARS: of {AUDIT}/config, then: audit start -@ NAME",
        )  # fmt: skip
    elif wpars:
        yield ok("WPARS", f"all {len(wpars)} are audited from Global")
    lines = [line for line in (streamcmds or "").splitlines() if line.strip()]
    if any("stream.out" in line for line in lines):
        yield note("streamcmds", "every record is also written to stream.out, which grows without end", "Empty it.")
    elif streamcmds is not None:
        yield ok("streamcmds", f"{len(lines)} commands")


def subsystem(run: Callable[[Sequence[str]], bytes] = run_command) -> Iterator[CheckResult]:
    """Whether SRC knows the program, and whether it runs (`lssrc -s`, whose last word of the line is its state)."""
    try:
        lines = run(("/usr/bin/lssrc", "-s", install_aix.SUBSYSTEM)).decode("ascii", "backslashreplace").splitlines()
    except SourceError:
        yield note("subsystem", "SRC knows no subsystem annotator", f"annotator install; {install_aix.NEXT}")
        return
    states = [line.split()[-1] for line in lines if line.split()[:1] == [install_aix.SUBSYSTEM]]
    if states == ["active"]:
        yield ok("subsystem", "active")
    else:
        yield bad("subsystem", "not active", f"startsrc -s {install_aix.SUBSYSTEM}; see {LOGS}/src.log")


def time_zone(text: str) -> CheckResult:
    """Whether `--tz` can have what this machine's trails are printed in; live records are printed in UTC."""
    if not text:
        return note("time zone", "TZ is not set", "Give --tz the zone of /etc/environment when you replay a trail.")
    try:
        zones.read(text)
    except UsageError as err:
        return note("time zone", f"TZ={text}: {err.what.partition(': ')[2]}", err.advice)
    return ok("time zone", f"replay a printed trail of this machine with --tz '{text}'")


def agreement(host: AixHost) -> CheckResult:
    """Whether psinfo (or getprocs64) was seen to agree with another source on a CID above 0."""
    if host.report.get("psinfo"):
        return note("CIDs", "processes are asked by ps only, which shows names: CIDs come from the WPARs' lists")
    if host.cids_agree:
        return ok("CIDs", "a CID above 0 agrees with ps, perfstat or the corrals index")
    return note(
        "CIDs", "no WPAR runs, or no source names its CID: that the place in psinfo is right is not proven",
        "Start a WPAR and ask again: until then CID 0 is Global only while no WPAR runs.",
    )  # fmt: skip


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
