"""A machine in a directory."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Tree = dict[str, tuple[int, bytes]]


def tree_of(root: Path) -> Tree:
    """Everything below a directory: mode, and bytes of files, targets of links; a directory has no bytes."""
    found: Tree = {}
    for path in sorted(root.rglob("*")):
        info = path.lstat()
        if stat.S_ISLNK(info.st_mode):
            data = os.fsencode(path.readlink())
        else:
            data = path.read_bytes() if stat.S_ISREG(info.st_mode) else b""
        found[str(path.relative_to(root))] = (info.st_mode, data)
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine with auditd 3 or 4: its directories, a rule and a plugin of others."""
    for name in ("etc/audit/plugins.d", "etc/audit/rules.d", "usr/local/share/man", "var/log", "var/lib"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "etc/audit/rules.d/audit.rules").write_text("-D\n-b 8192\n")
    (tmp_path / "etc/audit/plugins.d/syslog.conf").write_text("active = no\n")
    return tmp_path


@pytest.fixture
def snapshot() -> Callable[[Path], Tree]:
    """What is below a directory, to be compared."""
    return tree_of
