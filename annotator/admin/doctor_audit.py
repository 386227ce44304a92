"""Checks of audit itself: the daemon's version and settings, the kernel's state, the rules, the queues.

What versions of auditd do was read from their sources and ChangeLogs: the 16 bytes that 4.2.0 and 4.2.1 cut from each
record (log_format RAW, no node name; fixed in 4.2.2), queue sizes and defaults, the place of the state file.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from annotator.admin import rules
from annotator.admin.check_result import CheckResult, bad, note, ok, skipped, warning
from annotator.admin.machine import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from annotator.admin.machine import Machine

BACKLOG = 8192
"""What upstream's own base rules set (10-base-config.rules); the kernel's default is 64."""

QUEUE = 2000
"""The default of q_depth since 3.0.9."""


def check(machine: Machine) -> Iterator[CheckResult]:
    """Everything about audit."""
    version = release(machine)
    conf = settings(machine.text("/etc/audit/auditd.conf") or "")
    yield from daemon(machine, version, conf)
    yield from kernel(machine)
    yield from loaded(machine)
    yield from queues(machine, conf)


def release(machine: Machine) -> tuple[int, ...]:
    """The version of auditd, () when it cannot be asked."""
    found = re.search(r"version (\d+)\.(\d+)(?:\.(\d+))?", machine.run(["auditctl", "-v"]) or "")
    return tuple(int(one or 0) for one in found.groups()) if found else ()


def daemon(machine: Machine, version: tuple[int, ...], conf: dict[str, str]) -> Iterator[CheckResult]:
    """Version and settings of auditd."""
    shown = ".".join(map(str, version))
    if not version:
        if machine.is_this:
            yield bad("auditd", "auditctl cannot be run", "Install auditd (package auditd or audit), and be root.")
        else:
            yield skipped("auditd", "not the running machine")
        return
    cuts = (4, 2, 0) <= version < (4, 2, 2) and conf.get("log_format", "").upper() == "RAW"
    if cuts and conf.get("name_format", "none").lower() == "none":
        yield bad(
            "auditd",
            f"version {shown} with log_format RAW cuts the last 16 bytes of each record it gives to plugins",
            "Set log_format = ENRICHED in /etc/audit/auditd.conf, or update to 4.2.2.",
        )
    elif version < (2, 8):
        yield warning("auditd", f"version {shown} is older than any this was built for", "Update auditd.")
    else:
        yield ok("auditd", f"version {shown}")
    if conf.get("log_format", "ENRICHED").upper() == "RAW":
        yield note("auditd.conf", "log_format is RAW: names of users are not in the log", "ENRICHED adds them.")
    if conf.get("write_logs", "yes").lower() == "no":
        yield note("auditd.conf", "write_logs is no: what the plugin writes is the only copy")


def kernel(machine: Machine) -> Iterator[CheckResult]:
    """The kernel's audit state, and whether processes older than auditd are audited."""
    state = dict(_pairs(machine.run(["auditctl", "-s"]) or ""))
    if not state:
        yield skipped("audit", "auditctl -s gives nothing: not root, or not the running machine")
        return
    if state.get("enabled") == 0:
        yield bad("audit", "auditing is off (enabled 0)", "Start auditd, or: auditctl -e 1")
    elif not state.get("pid"):
        yield bad("audit", "no audit daemon is connected to the kernel (pid 0)", "Start auditd.")
    else:
        yield ok("audit", f"on, auditd is process {state['pid']}")
    if state.get("enabled") == 2:
        yield note("audit", "rules are immutable (enabled 2)", "New rules take effect at the next boot.")
    if state.get("lost", 0):
        yield warning(
            "audit",
            f"the kernel has lost {state['lost']} records since boot",
            "Raise the backlog (-b in /etc/audit/rules.d), or load fewer rules.",
        )
    if 0 < state.get("backlog_limit", BACKLOG) < BACKLOG:
        yield warning(
            "audit",
            f"the kernel's backlog holds {state['backlog_limit']} records",
            f"Put `-b {BACKLOG}` into a rules file: one start of a container is a burst of hundreds.",
        )
    words = (machine.text("/proc/cmdline") or "").split()
    if "audit=1" not in words:
        yield warning(
            "audit",
            "the kernel was not started with audit=1",
            "Processes older than that are never audited. Add audit=1 to the kernel's command line.",
        )


def loaded(machine: Machine) -> Iterator[CheckResult]:
    """Which levels of rules are loaded, and what is lost without the others."""
    listing = machine.run(["auditctl", "-l"])
    if listing is None:
        yield skipped("rules", "auditctl -l gives nothing: not root, or not the running machine")
        return
    if re.search(r"^-a (?:never,task|task,never)", listing, re.MULTILINE):
        yield bad(
            "rules",
            "`-a never,task` is loaded: no system call of a new process is audited",
            "Remove it: on Fedora and RHEL it comes from /etc/audit/rules.d/audit.rules or 10-no-audit.rules.",
        )
    if re.search(r"^-a (?:always,exclude|exclude,always).*msgtype=(?:SYSCALL|EXECVE)\b", listing, re.MULTILINE):
        yield bad("rules", "SYSCALL or EXECVE records are excluded", "Remove that exclude rule.")
    lacking = rules.missing(listing, machine.name)
    for level, lost in rules.LOST.items():
        if not lacking[level]:
            yield ok("rules", f"{level}: loaded")
            continue
        names = lacking[level]
        more = f" and {len(names) - 6} more" if len(names) > 6 else ""
        found = f"{level}: not asked for without a filter: {' '.join(names[:6])}{more}"
        do = f"Lost without it: {lost}. Add `{level}` to `annotator install --rules`, then: augenrules --load"
        make = {"minimal": bad, "namespaces": warning}.get(level, note)
        yield make("rules", found, do)


def queues(machine: Machine, conf: dict[str, str]) -> Iterator[CheckResult]:
    """The queue between auditd and its plugins: as configured, and as auditd itself says it was used."""
    depth = conf.get("q_depth", "")
    if depth.isdecimal() and int(depth) < QUEUE:
        yield warning(
            "queue",
            f"q_depth of auditd.conf is {depth}",
            f"Set q_depth = {QUEUE} or more (with older auditd the default is 250 to 1200).",
        )
    if conf.get("overflow_action", "").lower() == "ignore":
        yield warning("queue", "overflow_action is ignore: lost records are not reported", "Set it to syslog.")
    state = machine.text("/run/audit/auditd.state") or machine.text("/var/run/auditd.state")
    if state is None:
        yield note("queue", "auditd has written no state file", "To have one: auditctl --signal cont, then look again.")
        return
    values = settings(state)
    used, overflow = values.get("max plugin queue depth used", "?"), values.get("plugin queue overflow detected", "no")
    if overflow.lower() not in ("no", "0"):
        yield bad(
            "queue", f"auditd's queue for plugins has overflowed (deepest {used})", "Raise q_depth in auditd.conf."
        )
    else:
        yield ok("queue", f"deepest so far: {used} records (as of the last auditctl --signal cont)")


def _pairs(text: str) -> Iterator[tuple[str, int]]:
    """`auditctl -s` prints `name number` lines, old versions one line of `name=number`."""
    for name, value in re.findall(r"\b([a-z_]+)[ =](\d+)\b", text):
        yield name, int(value)
