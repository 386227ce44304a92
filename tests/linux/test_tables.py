"""The generated tables are what the generator makes of the audit library it names."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from annotator.linux.records import tables
from annotator.linux.records.ecs import leads

ROOT = Path(__file__).parents[2]
PYTHON = "/usr/bin/python3"
"""The distribution's: the bindings are built for it."""


def has_library() -> bool:
    """Whether the generator can run, and with the library the tables name."""
    if shutil.which(PYTHON) is None:
        return False
    probe = subprocess.run([PYTHON, "-c", "import audit, auparse"], capture_output=True, check=False)
    return probe.returncode == 0


def test_tables_are_what_the_generator_makes() -> None:
    """Running scripts/gen-tables gives the module that is committed, byte for byte."""
    if not has_library():
        pytest.skip("no audit bindings")
    made = subprocess.run(
        [PYTHON, str(ROOT / "scripts" / "gen-tables")], capture_output=True, check=True
    ).stdout.decode()
    if f'LIBRARY = "{tables.LIBRARY}"' not in made:
        pytest.skip(f"another audit library than {tables.LIBRARY}")
    assert made == (ROOT / "annotator" / "linux" / "records" / "tables.py").read_text("utf-8")


def test_the_tables_know_what_everything_rests_on() -> None:
    """A few facts of the kernel's headers that must never change, whatever library the tables were made from."""
    assert tables.TYPES[1300] == "SYSCALL"
    assert tables.ARCHES["c000003e"] == "x86_64"
    assert (tables.SYSCALLS["x86_64"]["59"], tables.SYSCALLS["x86_64"]["435"]) == ("execve", "clone3")
    assert (tables.SYSCALLS["i386"]["11"], tables.SYSCALLS["aarch64"]["221"]) == ("execve", "execve")
    assert tables.SYSCALLS["riscv64"]["221"] == "execve"
    assert tables.ERRORS["-13"] == "EACCES(Permission denied)"
    assert tables.FAMILIES[16] == "netlink"
    assert tables.CALLS["execve"][0] == "executed"
    assert tables.RECORDS["USER_ACCT"][0] == "was-authorized"


def test_every_type_the_tables_know_has_a_whole_row() -> None:
    """Rows have all their columns, and only types that say something lead an event."""
    assert {len(row) for row in tables.RECORDS.values()} == {6}
    assert {len(row) for row in tables.CALLS.values()} == {5}
    assert {len(row) for row in tables.LEADERS.values()} == {4}
    assert leads("USER_AUTH")
    assert not leads("SYSCALL")
    assert not leads("PATH")
