"""The audit rules: each system call that is read for a fact has one, on each machine, and the kernel takes them."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from annotator.admin import rules
from annotator.core.errors import UsageError
from annotator.linux.records import translate
from annotator.linux.records.tables import SYSCALLS
from tests.audit_lock import audit_of_this_machine, auditctl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MACHINES = {
    "x86_64": ("x86_64", "i386"),
    "aarch64": ("aarch64", "armeb"),
    "ppc64le": ("ppc64le", ""),
    "s390x": ("s390x", "s390"),
    "riscv64": ("riscv64", ""),
    "i686": ("", "i386"),
}


def always(machine: str) -> dict[str, set[str]]:
    """The system calls that all levels together ask for, by arch."""
    found: dict[str, set[str]] = {"b64": set(), "b32": set()}
    for level in rules.LEVELS:
        for rule in rules.read(rules.render(rules.source(level), machine)):
            if rule.action == "always,exit":
                found[rule.arch].update(rule.calls)
    return found


@pytest.mark.parametrize("machine", MACHINES)
def test_every_system_call_the_backend_reads_has_a_rule(machine: str) -> None:
    """What is read for a fact and never asked for would be a fact that never comes."""
    asked = always(machine)
    for arch, table in zip(("b64", "b32"), MACHINES[machine], strict=True):
        known = set(SYSCALLS.get(table, {}).values())
        assert set(translate._KINDS) & known <= asked[arch]
        assert asked[arch] <= known


@pytest.mark.parametrize("machine", MACHINES)
def test_no_rule_names_what_the_machine_lacks(machine: str) -> None:
    """A name that auditctl does not know makes it refuse the file, and augenrules everything behind it."""
    for level in rules.LEVELS:
        for rule in rules.read(rules.render(rules.source(level), machine)):
            known = set(SYSCALLS[MACHINES[machine][rule.arch == "b32"]].values())
            assert set(rule.calls) <= known


def test_x86_64_has_the_files_as_they_are() -> None:
    """They are written for it; and a machine nobody knows gets them too."""
    for level in rules.LEVELS:
        assert rules.render(rules.source(level), "x86_64") == rules.source(level)
        assert rules.render(rules.source(level), "vax") == rules.source(level)


def test_on_s390x_the_flags_of_clone_are_its_second_argument() -> None:
    """As facts reads them there."""
    text = rules.render(rules.source("lineage") + rules.source("namespaces"), "s390x")
    clones = [rule for rule in rules.read(text) if rule.calls == ("clone",)]
    assert len(clones) == 4
    assert all(rule.rest.startswith(" -F a1&0x") for rule in clones)


def test_every_file_says_what_it_is_for() -> None:
    """The fact it feeds, what is lost without it, what it proves; and all else in it is auditctl's grammar."""
    for level, name in rules.LEVELS.items():
        text = rules.source(level)
        for head in ("## Feeds: ", "## Lost without it: ", "## Proves"):
            assert head in text, f"{name}: {head}"
        assert all(re.match(r"^(#|-a |$)", line) for line in text.splitlines()), name
        assert re.match(r"^7\d-annotator-[a-z]+\.rules$", name)
    assert sorted(rules.LEVELS.values()) == sorted(path.name for path in rules.directory().glob("*.rules"))
    assert list(rules.LEVELS.values()) == sorted(rules.LEVELS.values())


def test_a_level_that_is_none_is_refused() -> None:
    """With those there are."""
    with pytest.raises(UsageError, match="no rule level"):
        rules.source("everything")


def test_a_listing_tells_which_levels_are_loaded() -> None:
    """Only rules without a filter on who count, since attribution needs whole chains; `-S all` counts as all."""
    listing = (
        "-a always,exit -F arch=b64 -S execve -F auid>=1000 -F key=x\n-a always,exit -F arch=b32 -S all -F key=y\n"
    )
    lacking = rules.missing(listing, "x86_64")
    assert lacking["minimal"] == ["b64:execve", "b64:execveat"]
    assert rules.missing("No rules\n", "x86_64")["contid"] == []
    whole = "-a always,exit -F arch=b64 -S execveat,execve -F success=1 -F key=x\n" + listing.replace(
        "-F auid>=1000 ", ""
    )
    assert rules.missing(whole, "x86_64")["minimal"] == []


@pytest.fixture
def kernel() -> Iterator[None]:
    """This kernel."""
    with audit_of_this_machine():
        yield


@pytest.mark.live
@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("level", rules.LEVELS)
def test_the_kernel_takes_the_rules(level: str) -> None:
    """Each file loads as auditctl(8) -R loads it, and what is loaded then is what the file asks for."""
    path = rules.directory() / rules.LEVELS[level]
    done = subprocess.run(["auditctl", "-R", path], capture_output=True, text=True, check=False)
    listing = auditctl("-l")
    wanted = rules.read(rules.source(level))
    assert done.returncode == 0, done.stderr
    assert sum(line.startswith("-a") for line in listing.splitlines()) == len(wanted)
    assert rules.missing(listing, os.uname().machine)[level] == []


@pytest.mark.live
@pytest.mark.usefixtures("kernel")
def test_all_levels_load_together(tmp_path: Path) -> None:
    """As augenrules joins them: in one file, in their order."""
    whole = tmp_path / "audit.rules"
    whole.write_text("".join(rules.source(level) for level in rules.LEVELS))
    whole.chmod(0o600)
    done = subprocess.run(["auditctl", "-R", whole], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not any(rules.missing(auditctl("-l"), os.uname().machine).values())


@pytest.mark.live
@pytest.mark.usefixtures("kernel")
def test_stock_auditctl_refuses_contid_rules(tmp_path: Path) -> None:
    """Why the lines of the contid level are comments: here they would stop all rules behind them."""
    lines = [line[1:] for line in rules.source("contid").splitlines() if line.startswith("#-a")]
    assert lines
    for line in lines:
        path = tmp_path / "one.rules"
        path.write_text(line + "\n")
        done = subprocess.run(["auditctl", "-R", path], capture_output=True, text=True, check=False)
        assert done.returncode != 0
