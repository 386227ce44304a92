"""The checks of doctor but those of audit itself: installation, kernel, engines, security, disks, plugin."""

from __future__ import annotations

import os
import pwd
import stat
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from annotator import __version__
from annotator.admin import doctor_aix, doctor_audit, doctor_install, install_plan, plugin_client
from annotator.admin.check_result import CheckResult, Level, bad, note, ok, skipped, warning
from annotator.admin.machine import running
from annotator.admin.status import dropped
from annotator.core.errors import AnnotatorError
from annotator.linux.engines import Engines
from annotator.plugin import config_load
from annotator.plugin.config import Config

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from annotator.admin.machine import Machine

FREE_BYTES: Final = 1 << 30
FEW_EVENTS: Final = 1000
MUCH_UNKNOWN: Final = 0.05
INITIAL_CGROUP: Final = "cgroup:[4026531835]"
INITIAL_PID: Final = "pid:[4026531836]"
INITIAL_USER: Final = "user:[4026531837]"
"""The first namespaces (include/linux/proc_ns.h)."""


def check(machine: Machine, given: Path | None = None) -> list[CheckResult]:
    """All checks, in the order in which a person would make them. `given`: the plugin's configuration, if elsewhere."""
    configured, config_results = _config(machine, given)
    if doctor_aix.is_aix(machine):
        return [
            version(),
            *config_results,
            *doctor_aix.check(machine, configured),
            *disks(machine, configured),
        ]
    results = [*versions(machine), *doctor_audit.check(machine), *doctor_install.installed(machine), *config_results]
    results += [
        *namespaces(machine),
        *cgroups(machine),
        *connector(machine, configured),
        *engines(machine),
        *security(machine),
    ]
    results += [*disks(machine, configured), *plugin(machine, configured)]
    return results


def version() -> CheckResult:
    """The version of this program."""
    return ok("annotator", f"version {__version__}, Python {sys.version.split()[0]}")


def versions(machine: Machine) -> Iterator[CheckResult]:
    """The versions of this program and of what it needs of the system."""
    yield version()
    if find_spec("auparse") is None:
        yield note(
            "auparse", "the binding is not installed", "Only --expr needs it: package python3-audit or python-audit."
        )
    else:
        yield ok("auparse", "there")
    if not machine.is_this:
        return
    if machine.path("/proc/self/audit_containerid").exists():
        yield ok("kernel", f"{machine.release}, with the audit container identifier patches")
    else:
        yield ok("kernel", f"{machine.release}, without contid: containers are derived")


def namespaces(machine: Machine) -> Iterator[CheckResult]:
    """Whether this is the host's own view: in a container the pids are others than those of the records."""
    if not machine.is_this:
        return
    inner = [want for want in (INITIAL_PID, INITIAL_USER) if _link(want) != want]
    if inner:
        yield bad("namespaces", "this runs inside a container", "Records have the host's pids: run it on the host.")
    else:
        yield ok("namespaces", "the first pid and user namespace")


def cgroups(machine: Machine) -> Iterator[CheckResult]:
    """The mounted hierarchies, and whether their paths can be read completely."""
    mounts = machine.text("/proc/self/mounts")
    if mounts is None:
        yield skipped("cgroup", "no /proc")
        return
    kinds = {
        words[2] for line in mounts.splitlines() if len(words := line.split()) > 2 and words[2].startswith("cgroup")
    }
    shown = {"cgroup2": "version 2", "cgroup": "version 1"}
    if not kinds:
        yield bad("cgroup", "none is mounted", "Containers are found by cgroup first: mount /sys/fs/cgroup.")
    else:
        both = " (hybrid)" if len(kinds) > 1 else ""
        yield ok("cgroup", " and ".join(shown.get(one, one) for one in sorted(kinds)) + both)
    if machine.is_this and _link(INITIAL_CGROUP) != INITIAL_CGROUP:
        yield bad("cgroup", "a private cgroup namespace hides the paths' upper parts", "Run auditd in the host's own.")


def connector(machine: Machine, configured: Config | None) -> Iterator[CheckResult]:
    """Whether the kernel tells forks, execs and exits."""
    why = machine.connector()
    if not why:
        yield ok("proc connector", "answers")
    elif not machine.is_this:
        yield skipped("proc connector", why)
    else:
        wanted = configured is None or configured.host.processes
        make = warning if wanted else note
        yield make(
            "proc connector", why, "Without it load the rules `lineage`, and short-lived processes may be missed."
        )


def engines(machine: Machine) -> Iterator[CheckResult]:
    """The engines whose containers can be named."""
    try:
        files = Engines(machine.root, owners=machine.is_this)
    except OSError as err:
        yield skipped("engines", f"{machine.root}: {err.strerror}")
        return
    try:
        containers = files.scan()
    finally:
        files.close()
    counts = Counter(container.engine or "unknown" for container in containers)
    if not counts:
        yield note("engines", "no container is known to any engine whose files can be read")
    else:
        yield ok("engines", ", ".join(f"{name}: {count}" for name, count in sorted(counts.items())))


def security(machine: Machine) -> Iterator[CheckResult]:
    """SELinux and AppArmor."""
    if (machine.text("/sys/fs/selinux/enforce") or "").strip() == "1":
        yield warning(
            "SELinux",
            "enforcing: a plugin runs as auditd_t, which may not look at other domains' processes",
            f"See {install_plan.DOC}/selinux.md; denials: ausearch -m AVC -c {Path(install_plan.PROGRAM).name}",
        )
    profiles = machine.text("/sys/kernel/security/apparmor/profiles") or ""
    if any(line.startswith(("auditd ", "/usr/sbin/auditd ", "/sbin/auditd ")) for line in profiles.splitlines()):
        yield note(
            "AppArmor", "auditd has a profile, which its plugins inherit", f"See {install_plan.DOC}/apparmor.md."
        )


def disks(machine: Machine, configured: Config | None) -> Iterator[CheckResult]:
    """The free space for the outputs, and whether the worker may write there."""
    for output in configured.output if configured is not None else ():
        if output.type != "file":
            continue
        directory = machine.path(output.path).parent
        try:
            room = os.statvfs(directory)
        except OSError as err:
            yield bad("output", f"{output.name}: {directory}: {err.strerror}", f"mkdir -m 0750 {directory}")
            continue
        free = room.f_bavail * room.f_frsize
        if free < FREE_BYTES:
            yield warning(
                "output", f"{output.name}: {free >> 20} MiB are free", "Make room, or lower max_mib and keep."
            )
        else:
            yield ok("output", f"{output.name}: {output.path}, {free >> 30} GiB free")
        yield from _writable(directory, configured.process.user if configured is not None else "")


def _writable(directory: Path, user: str) -> Iterator[CheckResult]:
    """The worker opens its outputs as `process.user`."""
    if not user:
        return
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        yield bad("config", f"process.user: there is no user `{user}`", f"useradd --system {user}, or name another.")
        return
    info = directory.stat()
    groups = os.getgrouplist(entry.pw_name, entry.pw_gid)
    own = info.st_uid == entry.pw_uid and info.st_mode & stat.S_IWUSR
    if not own and not (info.st_gid in groups and info.st_mode & stat.S_IWGRP):
        yield bad("output", f"{user} (process.user) may not write in {directory}", f"chown {user} {directory}")


def plugin(machine: Machine, configured: Config | None) -> Iterator[CheckResult]:
    """Whether the plugin runs, and its counters."""
    if not machine.is_this:
        return
    processes = running(machine)
    if not processes:
        yield bad(
            "plugin", "not running", "Restart auditd (service auditd restart); then see its log for audisp-contid."
        )
        return
    if len(processes) < 2:
        yield bad(
            "plugin", f"one process only ({processes[0].pid}): the worker is gone", "See the log for audisp-contid."
        )
        return
    yield ok("plugin", f"running for {processes[0].age_s / 3600:.1f} h, process {processes[0].pid}")
    if configured is None or not configured.control.socket:
        return
    try:
        status = plugin_client.counts(configured.control.socket)
    except AnnotatorError as err:
        yield note("plugin", err.what, err.advice)
        return
    yield from counters(status.counts)


def counters(counts: Mapping[tuple[str, str], float]) -> Iterator[CheckResult]:
    """The counters of the plugin: drops, a full queue, restarts, and the share of unknown events."""
    for label, value in dropped(counts).items():
        if value:
            yield warning(
                "plugin", f"output {label} dropped {value:.0f} lines", "Is its disk full, or its receiver slow or gone?"
            )
    if full := counts.get(("plugin_queue_full", "")):
        what = f"the queue was full {full:.0f} times, {counts.get(('plugin_queue_full_seconds', ''), 0):.1f} s in all"
        yield warning("plugin", what, "Raise queue.memory_mib, or load fewer rules; see queue.when_full.")
    if again := counts.get(("plugin_worker_restarts", "")):
        yield warning("plugin", f"the worker was started again {again:.0f} times", "See the log for audisp-contid.")
    if cut := counts.get(("plugin_cut_lines", "")):
        yield bad("plugin", f"{cut:.0f} records came without their end", "Set log_format = ENRICHED in auditd.conf.")
    events, unknown = counts.get(("events", ""), 0), counts.get(("unknown", ""), 0)
    if events >= FEW_EVENTS and unknown > events * MUCH_UNKNOWN:
        reasons = ((value, label) for (name, label), value in counts.items() if name == "unknown_reasons" and value)
        most = max(reasons, default=(0, "?"))[1]
        yield warning(
            "plugin",
            f"{100 * unknown / events:.0f} % of the events could not be told, most for the reason {most}",
            "See the findings above: rules, proc connector, rights.",
        )


def worst(results: list[CheckResult]) -> Level:
    """The most severe level of all."""
    order = (Level.SKIPPED, Level.OK, Level.NOTE, Level.WARNING, Level.BAD)
    return max((result.level for result in results), key=order.index, default=Level.OK)


def _config(machine: Machine, given: Path | None) -> tuple[Config | None, list[CheckResult]]:
    path = given or machine.path(install_plan.CONFIG)
    try:
        if given is None and not path.exists():
            return Config(), [note("config", f"{path} is not there: the defaults hold")]
        return config_load.load(path), [ok("config", f"{path} is usable")]
    except PermissionError:
        return None, [skipped("config", f"{path} cannot be read: not root")]
    except AnnotatorError as err:
        return None, [bad("config", err.what, err.advice)]


def _link(namespace: str) -> str:
    """Our own namespace of the same kind as `namespace` (`pid:[NUMBER]`), in the same form."""
    return str(Path(f"/proc/self/ns/{namespace.partition(':')[0]}").readlink())
