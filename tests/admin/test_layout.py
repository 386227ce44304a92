"""What auditd asks of a plugin's files is kept."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.admin import install_plan
from annotator.admin.machine import settings
from annotator.core.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


@given(st.text(max_size=200).map(lambda text: "/" + text))
def test_a_stanza_is_one_that_auditd_reads_or_refused(program: str) -> None:
    """Every line is short enough, has blanks around `=`, and the path is one word."""
    try:
        text = install_plan.stanza(program).decode()
    except UsageError:
        return
    found = settings(text)
    assert found["path"] == program
    assert all(len(line.encode()) < 160 for line in text.splitlines())
    assert all(line.startswith("#") or line.count(" = ") == 1 for line in text.splitlines())


def test_the_files_have_the_modes_auditd_wants(root: Path) -> None:
    """Program 0750, stanza writable by root alone, one dot in its name."""
    modes = {entry.path: entry.mode for entry in install_plan.plan(root, install_plan.Options())}
    assert modes[install_plan.PROGRAM] & 0o750 == 0o750
    assert not any(mode & 0o022 for mode in modes.values())
    assert install_plan.STANZA.count(".") == 1


@pytest.mark.parametrize("python", ["python3", "/opt/a b/python", "/" + "x" * 130])
def test_an_interpreter_that_no_first_line_can_name_is_refused(python: str) -> None:
    """The kernel reads 127 bytes of it in older versions, and stops at blanks."""
    with pytest.raises(UsageError):
        install_plan.launcher(python)


def test_the_hook_is_json(root: Path) -> None:
    """As oci-hooks(5) has it."""
    found = json.loads(install_plan.hook("/usr/local/bin/annotator-oci-hook"))
    assert found["stages"] == ["createRuntime"]
    assert found["hook"]["path"] == "/usr/local/bin/annotator-oci-hook"
    with pytest.raises(UsageError):
        install_plan.hook('/x"')


def test_an_own_program_is_named_and_none_is_written(root: Path) -> None:
    """As a package of a distribution does."""
    plan = install_plan.plan(
        root, install_plan.Options(program="/usr/sbin/audisp-contid", active=False, documents=False)
    )
    assert install_plan.PROGRAM not in {entry.path for entry in plan}
    found = settings(plan[-1].data.decode())
    assert found == {
        "active": "no",
        "direction": "out",
        "path": "/usr/sbin/audisp-contid",
        "type": "always",
        "format": "string",
    }
