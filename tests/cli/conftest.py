"""Commands as a person types them: in this process, or under a terminal of a given width."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from typing import TYPE_CHECKING, NamedTuple

import pytest

from annotator.cli.main import main
from tests.scoring import SAMPLES, text_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAME = "hostnet-RAW"
"""A container of the log."""


class Said(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log with five containers, three of which were entered by `podman exec`."""
    path = tmp_path / "audit.log"
    path.write_bytes(text_of(SAMPLES / "stock-s04", "input.log"))
    return path


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Run a command in this process."""

    def one(*words: object) -> Said:
        code = main([str(word) for word in words])
        said = capfd.readouterr()
        return Said(code, said.out, said.err)

    return one


def on_terminal(*words: object, columns: int, rows: int = 50, seconds: float = 20, keys: bytes = b"") -> str:
    """What a command draws on a terminal of that size; `keys` are typed once it has drawn something."""
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color"}
    for name in ("COLUMNS", "LINES", "NO_COLOR"):
        environment.pop(name, None)
    command = [sys.executable, "-m", "annotator", *map(str, words)]
    with subprocess.Popen(
        command, stdin=terminal, stdout=terminal, stderr=terminal, env=environment, start_new_session=True
    ) as process:
        os.close(terminal)
        out = b""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if not select.select([controller], [], [], 0.2)[0]:
                if process.poll() is not None:
                    break
                continue
            try:
                data = os.read(controller, 65536)
            except OSError:
                break
            if not data:
                break
            out += data
            if keys:
                os.write(controller, keys)
                keys = b""
        process.kill()
    os.close(controller)
    return out.decode("utf-8", "replace")
