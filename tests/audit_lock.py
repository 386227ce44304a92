"""This machine's audit, for one test at a time: rules and daemon belong to whoever has them, and are left alone."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCK = Path("/run/lock/annotator-audit.lock")
"""Held by every test that uses this machine's audit."""

WAIT_S = 120


def auditctl(*words: str) -> str:
    """Run it, and give what it says."""
    done = subprocess.run(["auditctl", *words], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@contextlib.contextmanager
def audit_of_this_machine() -> Iterator[None]:
    """With no rule and no audit daemon: neither before nor afterwards, and settings as they were. Skips elsewhere."""
    if os.geteuid() != 0 or shutil.which("auditctl") is None:
        pytest.skip("needs root and auditctl")
    lock = os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        until = time.monotonic() + WAIT_S
        while not _locked(lock) and time.monotonic() < until:
            time.sleep(0.2)
        before = _settings()
        while not _is_free(before) and time.monotonic() < until:
            time.sleep(0.2)
            before = _settings()
        if not _is_free(before):
            pytest.skip("somebody's audit rules or daemon are in use here: they are left alone")
        try:
            yield
        finally:
            auditctl("-D")
            auditctl("-e", before["enabled"])
            auditctl("-b", before["backlog_limit"])
    finally:
        os.close(lock)


def _settings() -> dict[str, str]:
    return dict(re.findall(r"^(\w+) (\d+)$", auditctl("-s"), re.MULTILINE))


def _is_free(settings: dict[str, str]) -> bool:
    return settings.get("pid") == "0" and auditctl("-l").strip() == "No rules"


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
