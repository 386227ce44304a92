"""The plugin killed, reloaded and restarted while events storm: what is lost, and that nothing else goes wrong.

What auditd wrote to its own log is held against our raw output, line by line; the answers are held against the witness.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from annotator.formats.raw import tail_start
from annotator.plugin.reader.disk_queue import DiskQueue
from annotator.plugin.reader.reader import RELOAD_S
from tests.live import judge
from tests.live.lab import Lab, Refused, scenario, text

if TYPE_CHECKING:
    from collections.abc import Callable

OUTSIDE = os.geteuid() == 0 and os.readlink("/proc/self/ns/pid") == "pid:[4026531836]"  # noqa: PTH115
TOOLS = ("auditd", "auditctl", "runc", "busybox")
pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not OUTSIDE, reason="needs root in the first pid namespace"),
    pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason="scripts/setup --dev installs what this needs"),
]

SERIAL = re.compile(rb"msg=audit\((\d+)\.(\d{3}):(\d+)\)")
OWN = (b"type=EOE ", b"type=DAEMON_")
"""Records that auditd keeps from its own log, or writes there alone."""


class Held(NamedTuple):
    """Our raw output against auditd's log, as counts of lines. `foreign`: not, as a whole line, in auditd's log."""

    wanted: int
    missing: list[bytes]
    foreign: list[bytes]
    twice: int

    @property
    def events(self) -> set[bytes]:
        """The events that a line is missing of."""
        return {found[0] for line in self.missing if (found := SERIAL.search(line))}


def stripped(line: bytes) -> bytes:
    """A record without the fields that we add before the first 0x1D."""
    body, mark, rest = line.partition(b"\x1d")
    at = tail_start(body)
    return (body[:at] if at >= 0 else body) + mark + rest


def held(folder: Path) -> Held:
    """Compare."""
    disk = [line for line in (folder / "audit.log").read_bytes().splitlines() if not line.startswith(OWN)]
    raw = (folder / "ours.raw").read_bytes()
    assert raw.endswith(b"\n")
    out = [stripped(line) for line in raw.splitlines() if not line.startswith(OWN)]
    wanted, found = set(disk), set(out)
    return Held(
        len(disk),
        [line for line in disk if line not in found],
        [line for line in out if line not in wanted],
        len(out) - len(found),
    )


def waiting(folder: Path) -> set[bytes]:
    """The lines that the next plugin would read first."""
    found: set[bytes] = set()
    for path in sorted((folder / "state").glob("backlog-*")):
        spool = DiskQueue(str(path), create=False, clean=False)
        while (taken := spool.take()) is not None:
            found |= set(taken[0].splitlines())
        os.close(spool.fd)
    return found


def at_auditds_end(folder: Path, gone: set[bytes]) -> bool:
    """Whether these lines are the last before ends of auditd: 3.0.9 does not hand on what is in its own queue then."""
    inside = False
    for line in (folder / "audit.log").read_bytes().splitlines():
        if line.startswith(b"type=DAEMON_END "):
            inside = False
        elif line in gone:
            inside = True
        elif inside and not line.startswith(OWN):
            return False
    return not inside


class Siege:
    """A laboratory in which something is done to the plugin again and again while containers storm."""

    def __init__(self, folder: Path, seconds: float, every_s: float, act: Callable[[Lab], None]) -> None:
        self.folder = folder
        self.times: list[float] = []
        over = threading.Event()
        with Lab(folder, laurel=False, raw=True) as lab:

            def acting() -> None:
                while not over.wait(every_s):
                    with contextlib.suppress(ProcessLookupError):
                        act(lab)
                        self.times.append(time.time())

            thread = threading.Thread(target=acting)
            thread.start()
            try:
                self.run = scenario(lab, "siege", lasting=seconds)
            finally:
                over.set()
                thread.join()
            lab.caught_up()  # or not: what an overloaded machine does not get done waits for the next plugin
            self.run["settled"] = time.time()
            self.lost = lab.lost()
        self.log = text(folder / "plugin.err")
        self.held = held(folder)
        self.gone = set(self.held.missing) - waiting(folder)
        self.judge = judge.Judge(folder, [self.run])
        self.score = self.judge.score(judge.ours(folder / "ours.json"))["siege"]

    def report(self, what: str) -> str:
        """For people."""
        log = (self.folder / "audit.log").read_bytes()
        events, gone, count = set(SERIAL.findall(log)), self.held.events, self.score
        each = f", {len(gone) / len(self.times):.1f} each" if self.times else ""
        return (
            f"\n{what}: {len(self.times)} times; {len(events)} events ({self.held.wanted} records) in auditd's log, "
            f"{len(gone)} not in ours{each} "
            f"({len(self.gone)} of their records lost, the others wait); "
            f"{len(self.held.foreign)} torn, {self.held.twice} twice; "
            f"kernel lost {self.lost}; we said {self.possible_loss()} may be; answers "
            f"right {count['right'] + count['host']}, wrong {judge.wrong(count)}, unknown {judge.unknown(count)}\n"
        )

    def was_behind(self) -> bool:
        """Whether our queue was full, so that auditd's own ran over; and all of that was said."""
        full = re.search(r"queue_full=[1-9]", self.log) is not None
        return full and self.possible_loss() >= len(self.held.events)

    def lost_events(self) -> set[bytes]:
        """Events that are lost, before the last one that was written.

        A hole is known, and said, when records from behind it are read: not yet where these wait.
        """
        with (self.folder / "ours.raw").open("rb") as lines:
            written = [int(found[3]) for line in lines if (found := SERIAL.search(line))]
        gone = {found[0]: int(found[3]) for line in self.gone if (found := SERIAL.search(line))}
        return {event for event, serial in gone.items() if serial < max(written, default=0)}

    def possible_loss(self) -> int:
        """Events that the plugins themselves said may be missing, in all their lives."""
        return sum(map(int, re.findall(r"possible_loss=(\d+)", self.log)))


def besieged(folder: Path, seconds: float, every_s: float, act: Callable[[Lab], None], what: str) -> Siege:
    """Run it, and print what it gave."""
    try:
        found = Siege(folder, seconds, every_s, act)
    except Refused as why:
        pytest.skip(f"this machine's audit cannot be used: {why}")
    if sys.__stdout__ is not None:
        sys.__stdout__.write(found.report(what))
    assert found.run["code"] == 0, found.run["out"]
    return found


def kill(lab: Lab) -> None:
    """Kill -9 of what auditd started, when it is at work.

    Until its worker has read where the backlog is to be, what the reader has read is in its memory alone: a loss too,
    but of as much as comes in that time, which has no bound on a loaded machine.
    """
    limit = time.monotonic() + 5
    while not (keeps_backlog(pid := lab.reader())):
        if time.monotonic() > limit:
            raise ProcessLookupError
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)


def keeps_backlog(pid: int) -> bool:
    """Whether that plugin has a file for what it reads."""
    found = False
    for one in Path(f"/proc/{pid or 'none'}/fd").glob("*"):
        with contextlib.suppress(OSError):
            found |= "/state/backlog-" in str(one.readlink())
    return found


def check(siege: Siege) -> None:
    """Whatever was done to it: no torn line, none twice, no untrue answer."""
    assert siege.held.foreign == [], siege.held.foreign[:3]
    assert siege.held.twice == 0 or "event=stopped part=reader code=1" in siege.log, "a worker was killed at the end"
    examples = {k: v for k, v in siege.judge.examples.items() if k[1].split()[1] in ("wrong", "false", "claimed")}
    assert judge.wrong(siege.score) == 0, examples
    assert siege.score["right"] > 20


SPANS = pytest.mark.parametrize(
    ("seconds", "every_s"), [pytest.param(9, 2.5, id="short"), pytest.param(60, 4, id="long", marks=pytest.mark.slow)]
)


@SPANS
def test_a_plugin_that_is_killed_again_and_again(tmp_path: Path, seconds: float, every_s: float) -> None:
    """Kill -9 in a storm: auditd starts it anew. Lost is what the socket between them held, and it is counted.

    That holds some 170 records; what the plugin had read from it is not lost. What waits for the next plugin is not
    counted as lost, and what was lost between two records that wait is counted when these are read.
    """
    siege = besieged(tmp_path, seconds, every_s, kill, "kill -9")
    check(siege)
    assert len(siege.times) >= 2
    assert siege.log.count("event=processes-scanned") >= 2
    assert len(siege.gone) <= 400 * len(siege.times)
    assert siege.possible_loss() >= len(siege.lost_events())
    assert "state-unused" not in siege.log
    assert "counts-do-not-add-up" not in siege.log


@pytest.mark.parametrize(
    ("seconds", "every_s"),
    [
        pytest.param(RELOAD_S + 2, 2.5, id="short"),  # a worker that is behind all the time is reloaded after that
        pytest.param(60, 4, id="long", marks=pytest.mark.slow),
    ],
)
def test_a_plugin_that_is_reloaded_again_and_again(tmp_path: Path, seconds: float, every_s: float) -> None:
    """SIGHUP in a storm: not one line is lost while we take what auditd has; if its queue ran over, that is said.

    What auditd still had when the laboratory ended it was never given to us.
    """
    siege = besieged(tmp_path, seconds, every_s, Lab.reload, "SIGHUP")
    check(siege)
    assert siege.log.count("event=reloaded") >= 1
    assert siege.gone == set() or at_auditds_end(tmp_path, siege.gone) or siege.was_behind(), len(siege.gone)


@SPANS
def test_an_auditd_that_is_restarted_again_and_again(tmp_path: Path, seconds: float, every_s: float) -> None:
    """Stop and start of auditd in a storm: what it handed on before its end, and after its start, is all there."""
    siege = besieged(tmp_path, seconds, every_s, Lab.restart, "restart of auditd")
    check(siege)
    assert at_auditds_end(tmp_path, siege.gone) or siege.was_behind(), len(siege.gone)


def test_a_host_without_any_container(tmp_path: Path) -> None:
    """Nothing is named, nothing is a container: every answer is the host, or unknown, and that seldom."""
    try:
        with Lab(tmp_path, laurel=False, raw=True) as lab:
            run = scenario(lab, "host")
    except Refused as why:
        pytest.skip(f"this machine's audit cannot be used: {why}")
    assert run["code"] == 0
    found = judge.Judge(tmp_path, [run]).score(judge.ours(tmp_path / "ours.json"))["host"]
    assert found["events"] > 20
    assert judge.wrong(found) == found["right"] == 0
    assert judge.unknown(found) <= 0.1 * found["events"] + 1
    assert held(tmp_path).missing == held(tmp_path).foreign == []
    assert b" contid=" not in (tmp_path / "ours.raw").read_bytes()
