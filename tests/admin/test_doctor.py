"""What doctor says of machines that lack something: each is found, named, and has something to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from annotator.admin import doctor, doctor_audit, doctor_install, install, install_plan, manifest, rules
from annotator.admin.check_result import Level
from annotator.admin.machine import Machine, files_below, settings, this_machine
from annotator.plugin.config_load import parse

if TYPE_CHECKING:
    from pathlib import Path

    from annotator.admin.check_result import CheckResult

STATUS = """enabled 1
failure 1
pid 812
rate_limit 0
backlog_limit 8192
lost 0
backlog 4
backlog_wait_time 60000
backlog_wait_time_actual 0
loginuid_immutable 0 unlocked
"""


def machine(root: Path, **said: str | None) -> Machine:
    """A machine whose auditctl prints this; by default one where all is well."""
    listing = "".join(rules.source(level) for level in rules.LEVELS)
    answers = {"-v": "auditctl version 3.0.9\n", "-s": STATUS, "-l": listing, **{f"-{k}": v for k, v in said.items()}}
    (root / "proc").mkdir(exist_ok=True)
    (root / "proc/cmdline").write_text("root=/dev/vda audit=1 quiet\n")
    return Machine(root, lambda command: answers[command[1]], lambda: "", "x86_64")


def bad_of(found: list[CheckResult]) -> str:
    """Everything worse than a note, in one text; each of them says what to do."""
    grave = [one for one in found if one.level in (Level.BAD, Level.WARNING)]
    assert all(one.advice for one in grave)
    return " | ".join(one.outcome for one in grave)


def test_a_machine_where_all_is_well_has_no_audit_finding(root: Path) -> None:
    """No warning for what is right."""
    assert bad_of(list(doctor_audit.check(machine(root)))) == ""


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({"v": None}, ""),
        ({"v": "auditctl version 2.6\n"}, "older than any"),
        ({"s": STATUS.replace("enabled 1", "enabled 0")}, "auditing is off"),
        ({"s": STATUS.replace("pid 812", "pid 0")}, "no audit daemon"),
        ({"s": STATUS.replace("lost 0", "lost 77")}, "lost 77 records"),
        ({"s": STATUS.replace("8192", "64")}, "holds 64 records"),
        ({"l": "No rules\n"}, "minimal: not asked for"),
        ({"l": "-a never,task\n"}, "never,task"),
        ({"l": "-a always,exclude -F msgtype=SYSCALL\n"}, "excluded"),
    ],
)
def test_what_audit_lacks_is_found(root: Path, said: dict[str, str | None], found: str) -> None:
    """One thing at a time."""
    assert found in bad_of(list(doctor_audit.check(machine(root, **said))))


def test_rules_with_a_filter_on_who_do_not_count(root: Path) -> None:
    """The rules of most hardening guides: they miss everything that runs in containers."""
    listing = rules.source("minimal").replace("-k ", "-F auid>=1000 -F auid!=unset -k ")
    assert "minimal: not asked for without a filter" in bad_of(list(doctor_audit.loaded(machine(root, l=listing))))


@pytest.mark.parametrize("version", ["4.2", "4.2.1"])
def test_auditd_that_cuts_records_is_found(root: Path, version: str) -> None:
    """4.2.0 and 4.2.1 with log_format RAW and no node name; with a name, or enriched, they do not."""
    conf = root / "etc/audit/auditd.conf"
    conf.write_text("log_format = RAW\nname_format = NONE\n")
    asked = machine(root, v=f"auditctl version {version}\n")
    assert "cuts the last 16 bytes" in bad_of(list(doctor_audit.check(asked)))
    conf.write_text("log_format = RAW\nname_format = hostname\n")
    assert bad_of(list(doctor_audit.check(asked))) == ""


def test_queues_that_are_short_or_ran_over_are_found(root: Path) -> None:
    """As configured, and as auditd says."""
    (root / "etc/audit/auditd.conf").write_text("q_depth = 400\noverflow_action = ignore\n")
    (root / "run/audit").mkdir(parents=True)
    state = "max plugin queue depth used = 400\nplugin queue overflow detected = yes\n"
    (root / "run/audit/auditd.state").write_text(state)
    found = bad_of(list(doctor_audit.check(machine(root))))
    assert "q_depth of auditd.conf is 400" in found
    assert "overflow_action is ignore" in found
    assert "has overflowed (deepest 400)" in found


def test_an_installation_as_it_should_be_is_well(root: Path) -> None:
    """What install writes is what doctor wants."""
    made = manifest.load(root)
    install.apply(root, install.steps(root, install_plan.plan(root, install_plan.Options()), made), made)
    assert list(doctor_install.installed(files_below(root))) == []


@pytest.mark.parametrize(
    ("path", "mode", "found"),
    [
        (f"{install_plan.PLUGINS[0]}/{install_plan.STANZA}", 0o666, "auditd refuses it"),
        (f"{install_plan.PLUGINS[0]}/{install_plan.STANZA}", 0o660, "auditd refuses it"),
        (install_plan.PROGRAM, 0o640, "auditd refuses it"),
        (install_plan.PROGRAM, 0o770, "auditd refuses it"),
        (install_plan.PROGRAM, None, "cannot be read"),
        (f"{install_plan.PLUGINS[0]}/{install_plan.STANZA}", None, "is not there"),
    ],
)
def test_files_that_auditd_refuses_are_found(root: Path, path: str, mode: int | None, found: str) -> None:
    """Gone, or with other rights than auditd allows; what it refuses it says only in its own log."""
    made = manifest.load(root)
    install.apply(root, install.steps(root, install_plan.plan(root, install_plan.Options()), made), made)
    if mode is None:
        (root / path[1:]).unlink()
    else:
        (root / path[1:]).chmod(mode)
    assert found in bad_of(list(doctor_install.installed(files_below(root))))


def test_files_changed_by_hand_are_named(root: Path) -> None:
    """So that one knows what an upgrade will keep."""
    made = manifest.load(root)
    install.apply(root, install.steps(root, install_plan.plan(root, install_plan.Options()), made), made)
    (root / install_plan.CONFIG[1:]).write_text("[queue]\n")
    assert any(install_plan.CONFIG in one.outcome for one in doctor_install.installed(files_below(root)))


def test_a_user_who_may_not_write_the_output_is_found(root: Path) -> None:
    """The worker opens it as that user."""
    log = root / "var/log"
    log.chmod(0o755)
    text = '[process]\nuser = "{}"\n[[output]]\nname = "o"\npath = "/var/log/x"\n'
    assert "may not write" in bad_of(list(doctor.disks(files_below(root), parse(text.format("nobody").encode(), "t"))))
    assert "no user" in bad_of(list(doctor.disks(files_below(root), parse(text.format("nosuch1").encode(), "t"))))
    assert "may not" not in bad_of(list(doctor.disks(files_below(root), parse(text.format("").encode(), "t"))))


@pytest.mark.parametrize(
    ("mounts", "found"),
    [
        ("cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n", "version 2"),
        ("c /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n", "version 1"),
        ("c /c cgroup rw 0 0\nd /d cgroup2 rw 0 0\n", "version 1 and version 2 (hybrid)"),
        ("proc /proc proc rw 0 0\n", "none is mounted"),
    ],
)
def test_the_layout_of_cgroups_is_told(root: Path, mounts: str, found: str) -> None:
    """By what is mounted."""
    asked = machine(root)
    (root / "proc/self").mkdir()
    (root / "proc/self/mounts").write_text(mounts)
    assert [one.outcome for one in doctor.cgroups(asked)] == [found]


def test_counters_that_tell_of_trouble_are_said() -> None:
    """Drops, a full queue, restarts, cut records, and much that is unknown."""
    counts = {
        ("output_queue_dropped_lines", "siem"): 5.0,
        ("plugin_queue_full", ""): 2.0,
        ("plugin_worker_restarts", ""): 1.0,
        ("plugin_cut_lines", ""): 9.0,
        ("events", ""): 2000.0,
        ("unknown", ""): 500.0,
        ("unknown_reasons", "gone"): 400.0,
        ("unknown_reasons", "gap"): 100.0,
    }
    found = list(doctor.counters(counts))
    assert len(found) == 5
    assert "25 % of the events could not be told, most for the reason gone" in bad_of(found)
    assert list(doctor.counters({("events", ""): 2000.0, ("output_queue_dropped_lines", "x"): 0.0})) == []


def test_all_checks_run_on_files_alone(root: Path) -> None:
    """--root: what needs the running machine is skipped, not guessed."""
    found = doctor.check(files_below(root))
    assert {one.topic for one in found if one.level is Level.SKIPPED} >= {"auditd", "audit", "rules", "proc connector"}
    assert doctor.worst(found) is Level.BAD
    assert doctor.worst([]) is Level.OK


@pytest.mark.live
def test_all_checks_run_on_this_machine() -> None:
    """Whatever this machine is, each check ends with a finding, and the kernel's own answers are there."""
    found = doctor.check(this_machine())
    assert {"annotator", "audit", "rules", "cgroup", "proc connector", "plugin"} <= {one.topic for one in found}


def test_settings_are_read_as_auditd_reads_them() -> None:
    """Comments and lines without `=` say nothing; names are the same in any case."""
    assert settings("# a = b\nLog_Format = RAW\nx\n") == {"log_format": "RAW"}
