"""Rules of linux.netlink.proc_events: what is decoded, what is counted as lost, and what the kernel must say first."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.core.errors import SourceError
from annotator.linux.netlink import proc_events
from annotator.linux.netlink.proc_events import Kind, ProcEvent, ProcEvents

if TYPE_CHECKING:
    from collections.abc import Iterator

FORK, EXEC, UID, EXIT = 1, 2, 4, 0x80000000
ROOT = os.geteuid() == 0


def message(what: int, *numbers: int, seq: int = 0, cpu: int = 0, ns: int = 1_000, ack: int = 0) -> bytes:
    """One message as the kernel writes it (linux/netlink.h, linux/connector.h, linux/cn_proc.h)."""
    union = struct.pack("=6I", *numbers, *[0] * (6 - len(numbers)))
    return struct.pack("=IHHII IIIIHH IIQ", 76, 3, 0, seq, 0, 1, 1, seq, ack, 40, 0, what, cpu, ns) + union


class Kernel(socket.socket):
    """A socket that plays the kernel: acknowledges, then gives what a test put into it."""

    def __init__(self, *, answers: bool = True, error: int = 0, sender: int = 0) -> None:
        super().__init__(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.mine, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.mine.setblocking(False)
        self.answers, self.error, self.sender = answers, error, sender
        self.full = 0

    def fileno(self) -> int:
        """Of the pair, until both are closed."""
        return self.mine.fileno() if hasattr(self, "mine") else super().fileno()

    def send(self, data: bytes, flags: int = 0) -> int:  # type: ignore[override]
        """A request: LISTEN is acknowledged by its number plus one."""
        seq, operation = struct.unpack_from("=I", data, 24)[0], struct.unpack_from("=I", data, 36)[0]
        if operation == 1 and self.answers:
            self.theirs.send(message(0, self.error, ack=(seq + 1) & 0xFFFFFFFF, seq=99, cpu=7))
        return len(data)

    def recvfrom_into(self, buffer: bytearray, nbytes: int = 0, flags: int = 0) -> tuple[int, tuple[int, int]]:  # type: ignore[override]
        """What comes next; ENOBUFS as often as `full` says."""
        if self.full:
            self.full -= 1
            raise OSError(105, "No buffer space available")
        return self.mine.recv_into(buffer), (self.sender, 1)

    def setsockopt(self, *values: object) -> None:
        """Any size will do."""

    def close(self) -> None:
        """Both ends."""
        self.mine.close()
        self.theirs.close()
        super().close()


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    """One that answers."""
    made = Kernel()
    yield made
    made.close()


def test_events_are_those_of_processes(kernel: Kernel) -> None:
    """Forks, execs and exits of processes, in Unix time; threads and other kinds are left out."""
    events = ProcEvents(5_000, sock=kernel)
    for number, data in enumerate(
        [
            message(FORK, 11, 10, 20, 20, seq=0),
            message(FORK, 10, 10, 21, 20, seq=1),
            message(EXEC, 21, 20, seq=2),
            message(UID, 20, 20, 0, 0, seq=3),
            message(EXIT, 21, 20, 0, 0, 10, 10, seq=4),
            message(EXIT, 20, 20, 0, 17, 10, 10, seq=5),
        ]
    ):
        assert number < 6
        kernel.theirs.send(data)
    want = [ProcEvent(6_000, Kind.FORK, 20, 10), ProcEvent(6_000, Kind.EXEC, 20), ProcEvent(6_000, Kind.EXIT, 20, 10)]
    assert events.drain() == want
    assert events.drain() == []
    assert (events.lost, events.overrun) == (0, False)
    events.close()
    events.close()


def test_a_hole_in_the_numbers_of_one_cpu_is_a_loss(kernel: Kernel) -> None:
    """Each CPU counts for itself, and from 2**32-1 on to 0."""
    events = ProcEvents(0, sock=kernel)
    for cpu, seq in ((0, 2**32 - 1), (1, 5), (0, 0), (1, 6), (1, 10), (0, 1)):
        kernel.theirs.send(message(EXEC, 1, 1, seq=seq, cpu=cpu))
    assert len(events.drain()) == 6
    assert (events.lost, events.overrun, events.overruns) == (3, True, 0)
    events.close()


def test_a_queue_that_ran_over_is_said(kernel: Kernel) -> None:
    """ENOBUFS is no error: it says to scan again. What is behind it is still read."""
    events = ProcEvents(0, sock=kernel)
    kernel.theirs.send(message(EXEC, 1, 1))
    kernel.full = 2
    assert len(events.drain()) == 1
    assert (events.overruns, events.overrun) == (2, True)
    events.close()


def test_an_exit_that_an_exec_follows_was_a_thread_s(kernel: Kernel) -> None:
    """An exec by another thread than the first ends the first one; unless the pid was forked anew between."""
    events = ProcEvents(0, sock=kernel)
    story = [(EXIT, 20, 20), (EXEC, 20, 20), (EXIT, 30, 30), (FORK, 1, 1, 30, 30), (EXEC, 30, 30), (EXIT, 20, 20)]
    for seq, (what, *numbers) in enumerate(story):
        kernel.theirs.send(message(what, *numbers, seq=seq))
    kinds = [(event.kind, event.pid) for event in events.drain()]
    assert kinds == [(Kind.EXEC, 20), (Kind.EXIT, 30), (Kind.FORK, 30), (Kind.EXEC, 30), (Kind.EXIT, 20)]
    events.close()


@pytest.fixture
def short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """An acknowledgement that does not come is not waited for: a kernel of ours answers at once or never."""
    monkeypatch.setattr(proc_events, "ACK_SECONDS", 0.05)


@pytest.mark.usefixtures("short_wait")
def test_only_the_kernel_is_believed() -> None:
    """A message of another process has its port, never 0: here that is also the acknowledgement."""
    kernel = Kernel(sender=4711)
    with pytest.raises(SourceError, match="acknowledge"):
        ProcEvents(0, sock=kernel)
    kernel.close()


@pytest.mark.usefixtures("short_wait")
@pytest.mark.parametrize(("answers", "error", "words"), [(False, 0, "first pid"), (True, 22, "Invalid argument")])
def test_a_kernel_that_does_not_let_us_listen(answers: bool, error: int, words: str) -> None:
    """No acknowledgement, or one with an error: said with what to do, and the socket is closed."""
    kernel = Kernel(answers=answers, error=error)
    with pytest.raises(SourceError, match=words):
        ProcEvents(0, sock=kernel)
    assert kernel.fileno() == -1


@given(
    st.lists(
        st.binary(max_size=120) | st.integers(0, 2**32 - 1).map(lambda what: message(what, 1, 2, 3, 3)), max_size=5
    )
)
def test_any_message_is_an_event_or_nothing(messages: list[bytes]) -> None:
    """Short, long, of other kinds: nothing raises."""
    kernel = Kernel()
    events = ProcEvents(0, sock=kernel)
    for data in messages:
        kernel.theirs.send(data)
    assert all(isinstance(event, ProcEvent) for event in events.drain())
    events.close()


STORM = """
import os
for _ in range(2000):
    pid = os.posix_spawn("/bin/true", ["true"], {}) if _ % 10 == 0 else os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
"""


@pytest.mark.live
@pytest.mark.skipif(not ROOT, reason="needs root")
def test_a_storm_of_real_forks_loses_nothing() -> None:
    """2,000 processes: each is forked once by its parent and exits once."""
    events = ProcEvents(0)
    child = subprocess.Popen([sys.executable, "-c", STORM])
    found: list[ProcEvent] = []
    while child.poll() is None:
        found += events.drain()
    found += events.drain(100_000)
    events.close()
    forks = [event.pid for event in found if event.kind is Kind.FORK and event.ppid == child.pid]
    exits = {event.pid for event in found if event.kind is Kind.EXIT}
    execs = {event.pid for event in found if event.kind is Kind.EXEC} & set(forks)
    assert (len(forks), set(forks) - exits, len(execs)) == (2000, set(), 200)
    assert (events.lost, events.overruns, events.overrun) == (0, 0, False)


@pytest.mark.live
@pytest.mark.skipif(not ROOT, reason="needs root")
@pytest.mark.parametrize(("flags", "words"), [(["-p", "-f"], "first pid"), (["-n"], "network namespace")])
def test_from_inside_namespaces_the_kernel_ignores_us(flags: list[str], words: str) -> None:
    """That is noticed at once, not by silence for ever."""
    code = (
        "from annotator.linux.netlink.proc_events import ProcEvents\nfrom annotator.core.errors import SourceError\n"
        "try:\n    ProcEvents(0)\nexcept SourceError as error:\n    print(error)\n"
    )
    run = subprocess.run(
        ["unshare", *flags, sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True, timeout=60
    )
    assert words in run.stdout


@pytest.mark.live
@pytest.mark.skipif(not ROOT, reason="needs root")
def test_an_exec_by_a_second_thread_leaves_its_process_alive() -> None:
    """The kernel reports the first thread's exit; the process goes on under its pid."""
    code = "import os, threading\nthreading.Thread(target=os.execv, args=('/bin/sleep', ['sleep', '0.2'])).start()\n"
    events = ProcEvents(0)
    child = subprocess.Popen([sys.executable, "-c", code + "import time\ntime.sleep(9)"])
    child.wait()
    kinds = [event.kind for event in events.drain(100_000) if event.pid == child.pid]
    events.close()
    assert kinds[0] is Kind.FORK
    assert kinds.count(Kind.EXIT) == 1
    assert kinds[-1] is Kind.EXIT
