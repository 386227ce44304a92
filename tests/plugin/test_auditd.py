"""Under a real auditd: its own configuration directory, its own log, and rules that only see this test's processes."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.audit_lock import audit_of_this_machine, auditctl
from tests.plugin.driver import PROGRAM, configure, content, until

if TYPE_CHECKING:
    from collections.abc import Iterator

AUID = 54_321
RULE = ["exit,always", "-F", "arch=b64", "-S", "execve,clone,clone3,vfork,exit_group", "-F", f"auid={AUID}"]

CONF = """
local_events = yes
write_logs = yes
log_file = {directory}/log/audit.log
log_group = root
log_format = {log_format}
flush = NONE
freq = 0
max_log_file = 100
num_logs = 5
priority_boost = 4
name_format = NONE
max_log_file_action = IGNORE
space_left = 2
space_left_action = IGNORE
admin_space_left = 1
admin_space_left_action = IGNORE
disk_full_action = IGNORE
disk_error_action = IGNORE
q_depth = 2000
overflow_action = SYSLOG
max_restarts = 10
plugin_dir = {directory}/plugins.d
end_of_event_timeout = 2
"""
PLUGIN = "active = yes\ndirection = out\npath = {program}\ntype = always\nargs = {config}\nformat = {format}\n"

WORK = """
import os, subprocess
open("/proc/self/loginuid", "w").write("{auid}")
for _ in range({count}):
    subprocess.run(["/bin/true", "mark-{word}"])
"""


def settings() -> dict[str, str]:
    """What `auditctl -s` says."""
    return dict(line.split(maxsplit=1) for line in auditctl("-s").splitlines() if " " in line)


pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(os.geteuid() != 0 or not Path("/usr/sbin/auditd").exists(), reason="needs root and auditd"),
]


def work(word: str, count: int) -> None:
    """Start that many processes under our own auid."""
    script = WORK.format(auid=AUID, count=count, word=word)
    subprocess.run([sys.executable, "-c", script], check=True)


class Auditd:
    """A running auditd and what belongs to it."""

    def __init__(self, directory: Path, form: str, log_format: str) -> None:
        self.directory = directory
        for name in ("log", "plugins.d"):
            (directory / name).mkdir(mode=0o750)
        (directory / "auditd.conf").write_text(CONF.format(directory=directory, log_format=log_format), "ascii")
        config = configure(directory)
        config.write_text(config.read_text("utf-8").replace('syslog = ""', f'syslog = "{directory}/syslog"'), "utf-8")
        self.syslog = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)  # auditd gives its plugins /dev/null as stderr
        self.syslog.setblocking(False)
        self.syslog.bind(str(directory / "syslog"))
        plugin = directory / "plugins.d" / "contid.conf"
        plugin.write_text(PLUGIN.format(program=PROGRAM, config=config, format=form), "ascii")
        for path in (plugin, directory / "auditd.conf"):
            path.chmod(0o640)
        self.process = subprocess.Popen(
            ["/usr/sbin/auditd", "-n", "-s", "enable", "-c", directory],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.said = b""

    def plugin(self) -> int:
        """The reader's pid, 0 while there is none."""
        path = Path(f"/proc/{self.process.pid}/task")
        children = " ".join(content(task / "children").decode() for task in path.iterdir()).split()
        return int(children[0]) if children else 0

    def log(self) -> bytes:
        """What the plugin said so far."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self.said += self.syslog.recv(65536) + b"\n"
        return self.said

    def out(self) -> list[bytes]:
        """The plugin's lines without EOE, which auditd does not write to its own log."""
        return [line for line in content(self.directory / "out.log").splitlines() if not line.startswith(b"type=EOE")]

    def disk(self) -> list[bytes]:
        """Auditd's own log."""
        return content(self.directory / "log" / "audit.log").splitlines()


@contextlib.contextmanager
def auditd(directory: Path, form: str = "string", log_format: str = "ENRICHED") -> Iterator[Auditd]:
    """Auditd with the plugin, and nobody else's rules; afterwards audit is as it was before."""
    with audit_of_this_machine():
        yield from _auditd(directory, form, log_format)


def _auditd(directory: Path, form: str, log_format: str) -> Iterator[Auditd]:
    one = Auditd(directory, form, log_format)
    try:
        until("auditd is registered", 10, lambda: settings().get("pid") == str(one.process.pid))
        auditctl("-b", "8192")
        auditctl("-a", *RULE)
        until("the plugin runs", 10, one.plugin)
        yield one
    finally:
        auditctl("-d", *RULE)
        one.process.terminate()
        try:
            one.process.wait(15)
        finally:
            one.process.kill()
            one.log()
            one.syslog.close()


@pytest.mark.parametrize("form", ["string", "binary"])
@pytest.mark.parametrize("log_format", ["ENRICHED", "RAW"])
def test_the_plugin_gets_what_auditd_writes(tmp_path: Path, form: str, log_format: str) -> None:
    """Every record of auditd's own log is in the plugin's file, in its order, and nothing else."""
    with auditd(tmp_path, form, log_format) as one:
        work("a", 100)
        until("auditd has written it", 10, lambda: b"".join(one.disk()).count(b"mark-a") >= 100)
        time.sleep(0.3)
    disk = one.disk()
    found = one.out()
    assert len(disk) > 400
    late = [line for line in disk if line not in set(found)]
    assert all(b"DAEMON_END" in line or b"op=remove_rule" in line for line in late), late[:3]
    assert found == [line for line in disk if line in set(found)]
    assert b"event=stopped" in one.said
    assert b"records-cut" not in one.said


def test_a_killed_plugin_is_started_again_by_auditd(tmp_path: Path) -> None:
    """Kill -9: auditd notices at its next write and starts another; from then on everything is there."""
    with auditd(tmp_path) as one:
        work("before", 20)
        until("it is there", 10, lambda: b"".join(one.out()).count(b"mark-before") >= 20)
        first = one.plugin()
        os.kill(first, signal.SIGKILL)

        def another() -> bool:
            work("between", 1)  # auditd sees it when it writes, and the dead one may still be dying
            return one.plugin() not in (0, first)

        until("another plugin", 20, another)
        work("after", 50)
        until("it is there", 10, lambda: b"".join(one.out()).count(b"mark-after") >= 50)
    found = one.out()
    assert {line for line in one.disk() if b"mark-after" in line or b"mark-before" in line} <= set(found)
    assert len(found) == len(set(found)), "nothing is there twice"


def test_a_reload_of_auditd_loses_nothing(tmp_path: Path) -> None:
    """SIGHUP while events come: auditd 3.0 passes it on, and not one record is missing or twice."""
    with auditd(tmp_path) as one:
        for at in range(4):
            work(f"round-{at}", 30)
            one.process.send_signal(signal.SIGHUP)
        work("last", 30)
        until("it is there", 10, lambda: b"".join(one.out()).count(b"mark-last") >= 30)
    wanted = [line for line in one.disk() if b"mark-" in line]
    assert [line for line in one.out() if b"mark-" in line] == wanted
    assert one.said.count(b"event=reloaded") >= 1


def test_a_plugin_that_hangs_costs_the_machine_nothing_at_first(tmp_path: Path) -> None:
    """With its worker stopped, the reader still empties auditd's socket: auditd's queue stays empty."""
    with auditd(tmp_path) as one:
        work("a", 1)
        until("a worker", 10, lambda: content(Path(f"/proc/{one.plugin()}/task/{one.plugin()}/children")))
        until("it works", 10, lambda: b"mark-a" in b"".join(one.out()))
        worker = int(content(Path(f"/proc/{one.plugin()}/task/{one.plugin()}/children")).split()[0])
        os.kill(worker, signal.SIGSTOP)
        try:
            work("b", 300)
            until("auditd has written it", 10, lambda: b"".join(one.disk()).count(b"mark-b") >= 300)
            Path("/run/auditd.state").unlink(missing_ok=True)
            one.process.send_signal(signal.SIGCONT)
            until("auditd tells its state", 10, lambda: b"plugin queue" in content(Path("/run/auditd.state")))
            state = content(Path("/run/auditd.state")).decode()
        finally:
            os.kill(worker, signal.SIGCONT)
        until("it is there", 10, lambda: b"".join(one.out()).count(b"mark-b") >= 300)
    depth = re.search(r"current plugin queue depth\s*=\s*(\d+)", state)
    assert depth is not None
    assert int(depth[1]) < 50, state
