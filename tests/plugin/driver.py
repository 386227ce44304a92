"""Starts the real plugin as the versions of auditd start it, and stops it as they do.

What each does is from its source: audispd 2.8 and auditd 3.x (audispd.c, safe_exec), 4.2 (EOF first, TERM 50 ms later).
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ALL = [one for one in signal.valid_signals() if one not in (signal.SIGKILL, signal.SIGSTOP)]
BLOCKED = {signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCHLD, signal.SIGCONT}
PROGRAM = Path(sys.executable).with_name("audisp-contid")

CONFIG = """
[state]
directory = "{directory}/state"
[host]
live = false
[log]
syslog = ""
stderr = true
report_interval_s = 0.2
{control}
{more}
[[output]]
name = "main"
type = "file"
path = "{directory}/out.log"
{output}
"""


def configure(directory: Path, more: str = "", output: str = "", after: str = "") -> Path:
    """A configuration with one file, and what else is wanted."""
    path = directory / "annotator.toml"
    control = "" if "[control]" in more else '[control]\nsocket = ""'  # the machine's own is for its own plugin
    path.write_text(CONFIG.format(directory=directory, more=more, control=control, output=output) + after, "utf-8")
    path.chmod(0o600)
    return path


def records(first: int, count: int, start_s: int = 1_700_000_000) -> bytes:
    """Whole events of host processes, four records each, as auditd 3 sends them in string format."""
    out = []
    for serial in range(first, first + count):
        stamp = f"msg=audit({start_s + serial // 1000}.{serial % 1000:03d}:{serial}):"
        out.append(
            f"type=SYSCALL {stamp} arch=c000003e syscall=59 success=yes exit=0 a0=1 a1=2 a2=3 a3=4 items=1 ppid=1 "
            f"pid={4000 + serial % 500} auid=1000 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=(none) "
            f'ses=3 comm="true" exe="/usr/bin/true" key=(null)\x1dARCH=x86_64 SYSCALL=execve AUID="user"\n'
            f'type=EXECVE {stamp} argc=1 a0="true"\n'
            f"type=PROCTITLE {stamp} proctitle=74727565\n"
            f"type=EOE {stamp}\n"
        )
    return "".join(out).encode()


class Plugin:
    """The plugin under a dispatcher's hands. `stream` is the dispatcher's end of its standard input."""

    def __init__(self, config: Path, *, restarted: bool = False, environment: dict[str, str] | None = None) -> None:
        self.config = config
        self.restarted = restarted
        self.errors = config.parent / "stderr"
        self.started = time.monotonic()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.stream = ours
        with self.errors.open("ab") as errors:
            self.process = subprocess.Popen(
                [PROGRAM, config],
                stdin=theirs,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env=environment or {},
                restore_signals=False,
                preexec_fn=self._as_auditd,
            )
        theirs.close()

    def _as_auditd(self) -> None:
        """All signals ignored, and in a plugin that is started again some blocked as well."""
        for number in ALL:
            with contextlib.suppress(OSError):
                signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, BLOCKED if self.restarted else set())

    def send(self, data: bytes) -> None:
        """Write record by record, as auditd does: blocking."""
        for line in data.splitlines(keepends=True):
            self.stream.sendall(line)

    def stop_3(self, wait: float = 10) -> int:
        """As auditd 2.8 to 4.1: SIGTERM, then the socket is closed."""
        self.process.send_signal(signal.SIGTERM)
        self.stream.close()
        return self.process.wait(wait)

    def stop_4_2(self, wait: float = 10) -> int:
        """As auditd 4.2: the socket is closed, 50 ms later SIGTERM, and it waits."""
        self.stream.close()
        time.sleep(0.05)
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(wait)

    def log(self) -> str:
        """What it said."""
        return self.errors.read_text("utf-8")

    def wait_for(self, text: str, seconds: float = 10) -> str:
        """Wait until it has said this."""
        until = time.monotonic() + seconds
        while text not in self.log():
            assert time.monotonic() < until, f"never said {text!r}:\n{self.log()}"
            time.sleep(0.02)
        return self.log()

    def workers(self) -> list[int]:
        """Its children."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(one) for one in path.read_text("ascii").split()]

    def close(self) -> None:
        """Leave nothing behind."""
        self.stream.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            for pid in [*self.workers(), self.process.pid]:
                os.kill(pid, signal.SIGKILL)
            self.process.wait(10)


@contextlib.contextmanager
def plugin(config: Path, *, restarted: bool = False) -> Iterator[Plugin]:
    """A running plugin."""
    one = Plugin(config, restarted=restarted)
    try:
        yield one
    finally:
        one.close()


def until(what: str, seconds: float, true: object) -> None:
    """Wait until a call is true."""
    limit = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < limit, f"never: {what}"
        time.sleep(0.02)


def content(path: Path) -> bytes:
    """A file's bytes; nothing when it is not there yet."""
    return path.read_bytes() if path.exists() else b""
