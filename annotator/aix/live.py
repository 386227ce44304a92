"""Live on AIX: the pipe that prints the audit stream, the looks at the machine's WPARs, and which ways are used.

    /usr/sbin/auditstream [-c CLASS,...] | /usr/sbin/auditpr -t2 -v -r -h e,l,r,R,t,p,P,T,c,W -m NONCE

or, with `records = "binary"`, the first alone: what the kernel wrote, in which no text can imitate a record.

Flags are from IBM's pages of both commands. `auditstream` reads /dev/audit: root only. The children get an environment
of their own: LC_ALL=C (months follow the locale), TZ=UTC0 (auditpr prints local time), and no AIX_AUDITBUFSZ, which
makes records late. None of this was seen on a real system by us.

No clock here: every time is handed in. `*_s` are seconds of a monotonic clock, `*_ms` Unix milliseconds.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import signal
import subprocess
from typing import TYPE_CHECKING, NamedTuple

from annotator.aix import getprocs, inventory_scan, perfstat
from annotator.aix.grouping import RecordEvent
from annotator.aix.host import AixHost
from annotator.aix.wpar import SECOND_MS
from annotator.aix.wpar_commands import LIFETIME_VERBS
from annotator.core.errors import SourceError, UsageError

if TYPE_CHECKING:
    import queue
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from annotator.aix.listing import Listing
    from annotator.core.model import Event

READ = 64 * 1024
"""Bytes of one read of what is printed."""

LETTERS = "e,l,r,R,t,p,P,T,c,W"
"""Everything an answer can use; W, the WPAR's name, before all."""

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0
"""How long is waited before the pipe is started again: twice as long each time, up to this."""

HEALTHY_S = 60.0
"""A run that lasted so long does not count as a failure of the next one."""

GRACE_S = 3.0
"""How long the other program of the pipe may go on alone: it prints what it has."""

SETTLE_MS = 30_000
"""After a command that starts or stops a WPAR no CID of it is believed for so long: it may be about to change."""


class Strategy(NamedTuple):
    """One way to learn something of this machine: whether it is used, and why not ("" when it is)."""

    name: str
    used: bool
    why: str


def this_host(root: Path, now: Callable[[], int], node: bytes = b"") -> AixHost:
    """The host view of the machine this runs on. `now` gives Unix ms. What cannot be loaded is in its `report`."""
    missing: dict[str, str] = {}
    total = call = None
    try:
        total = perfstat.load()
    except SourceError as err:
        missing["perfstat"] = err.what
    try:
        call = getprocs.load()
    except SourceError as err:
        missing["getprocs64"] = err.what
    host = AixHost(
        root, now, (os.getpid(), os.getppid()), run=inventory_scan.run_command, total=total, call=call, node=node
    )
    host.report.update(missing)
    return host


def strategies(host: AixHost) -> list[Strategy]:
    """Every way of the host view, in the order in which they are tried: of a process first, of the WPARs then.

    `parent` always holds: a process whose parent is in a WPAR is there too. It never says Global.
    """
    ways = ("psinfo", "getprocs64", "ps")
    found = [Strategy(name, not host.report.get(name), host.report.get(name, "")) for name in ways]
    found.append(Strategy("parent", True, ""))
    where = host.report.get("uname -W", "not asked")
    found.append(Strategy("uname -W", where == "Global", "" if where == "Global" else where))
    sources = (name for name in host.report if name not in (*ways, "uname -W"))
    found += [Strategy(f"WPARs by {name}", not host.report[name], host.report[name]) for name in sources]
    return found


# --- the pipe ---------------------------------------------------------------------------------------------------------


def commands(
    auditstream: str, auditpr: str, classes: Sequence[str] = (), *, numeric: bool = True
) -> tuple[list[str], list[str]]:
    """The two programs with their arguments. UsageError when one is not there: this is no AIX, or it has no audit.

    `numeric`: ids as numbers, since auditpr would translate a WPAR's ids by Global's own users. `Pipe` adds the message
    of the run, `-m`.
    """
    for program in (auditstream, auditpr):
        if not os.access(program, os.X_OK):
            raise UsageError(
                f"{program.rpartition('/')[2]} is not on this system ({program})",
                "It is part of AIX. Elsewhere read what it printed: annotator replay, or --source auditpr.",
            )
    first = [auditstream, *(["-c", ",".join(classes)] if classes else [])]
    return first, [auditpr, "-t2", "-v", *(["-r"] if numeric else []), "-h", LETTERS]


class Pipe:
    """The programs, started again when either dies. `deaths` counts runs that ended by themselves.

    `second` empty: the first alone. `nonce` is the message of the run that was started last, b"" where none prints one.
    """

    def __init__(self, first: Sequence[str], second: Sequence[str]) -> None:
        self.argv = (list(first), list(second)) if second else (list(first),)
        self.nonce = b""
        self.starts = self.deaths = 0
        self.retry_at_s = 0.0
        self._failures = 0
        self._started_s = 0.0
        self._alone_s: float | None = None
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self, now_s: float) -> int:
        """Start both; the descriptor of what the second prints, which the caller closes. SourceError when it fails."""
        environment = {"LC_ALL": "C", "TZ": "UTC0", "PATH": "/usr/bin:/usr/sbin:/etc"}
        self.starts += 1
        self._started_s, self._alone_s = now_s, None
        given: int = subprocess.DEVNULL
        self.nonce = secrets.token_hex(16).encode() if len(self.argv) > 1 else b""
        message = ["-m", self.nonce.decode()] if self.nonce and "-t2" in self.argv[-1] else []
        # Each in a session of its own: Ctrl-C is for us, what they hold is still read.
        for argv in (*self.argv[:-1], [*self.argv[-1], *message]):
            try:
                one = subprocess.Popen(
                    argv, stdin=given, stdout=subprocess.PIPE, env=environment, start_new_session=True
                )
            except OSError as err:
                raise SourceError(f"{argv[0]}: {err.strerror}; {self.ended(now_s)}") from None
            finally:
                if given >= 0:
                    os.close(given)
            self._running.append(one)
            assert one.stdout is not None  # noqa: S101  (asked for)
            given = os.dup(one.stdout.fileno())
            one.stdout.close()
        return given

    def is_over(self, now_s: float) -> bool:
        """Whether one has died, the other had time to say its last, and its end has not shown: `ended` is due."""
        if not any(_has_ended(one) for one in self._running):
            return False
        if self._alone_s is None:
            self._alone_s = now_s
        return now_s - self._alone_s >= GRACE_S

    def ended(self, now_s: float) -> str:
        """The run is over: end what is left of it, and say how each ended. The next may start at `retry_at_s`."""
        self.deaths += 1
        self._failures = 1 if now_s - self._started_s >= HEALTHY_S else self._failures + 1
        self.retry_at_s = now_s + min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(self._failures - 1, 16))
        return self.close()

    def stop(self) -> None:
        """Nothing new is wanted: the first ends, and so the second when it has printed what it holds."""
        for one in self._running[:1]:
            _signal(one, signal.SIGTERM)

    def close(self) -> str:
        """End both now; how each ended."""
        said = []
        for argv, one in zip(self.argv, self._running, strict=False):
            for _ in range(5):  # the end of what it printed has shown, and it may be about to end by itself
                if by_itself := _has_ended(one):
                    break
                select.select([], [], [], 0.02)
            _signal(one, signal.SIGKILL)  # also what it started: that may hold the pipe open
            code = one.wait()
            said.append(f"{argv[0].rpartition('/')[2]} {f'ended with {code}' if by_itself else 'was ended'}")
        self._running.clear()
        return ", ".join(said) or "neither was started"


def _has_ended(one: subprocess.Popen[bytes]) -> bool:
    """Without taking its code: until that is taken nobody else gets its number, which is that of its session too."""
    return os.waitid(os.P_PID, one.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _signal(one: subprocess.Popen[bytes], number: int) -> None:
    """To a child that was not waited for, and all that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(one.pid, number)


def drain(fd: int, chunks: queue.Queue[bytes]) -> None:
    """Read a descriptor to its end, and close it; the last chunk is empty. The thread's."""
    while True:
        try:
            data = os.read(fd, READ)
        except OSError:
            data = b""  # the other side was cut off
        chunks.put(data)
        if not data:
            os.close(fd)
            return


# --- the machine's WPARs ----------------------------------------------------------------------------------------------


class InventoryScans:
    """When the WPARs of this machine are looked at: every so often, and soon when the trail says something new.

    A name that no source knows, and a command that starts or stops a WPAR, ask for a look; while nothing comes of it
    the next waits twice as long. For `SETTLE_MS` after a command each look is followed by the same doubt as the command
    itself: a WPAR that is being stopped still shows the CID that it is about to lose. `note` is told of every look.
    """

    def __init__(self, host: AixHost, every_ms: int = 30_000, note: Callable[[Listing], None] | None = None) -> None:
        self.host = host
        self.every_ms = every_ms
        self.note = note
        self.count = 1  # the host view looked when it was made
        self._at_ms = host.now()
        self._wait_ms = 1000
        self._settling: dict[str, int] = {}
        self._tell()

    def heard(self, event: Event) -> None:
        """An event that was read: commands of it about the lives of WPARs."""
        told = event.translation if isinstance(event, RecordEvent) else None
        for command in told.commands if told is not None else ():
            if command.verb in LIFETIME_VERBS:
                if len(self._settling) < 1024 or command.name in self._settling:
                    self._settling[command.name] = self.host.now() + SETTLE_MS
                self._wait_ms = 1000

    def tick(self) -> bool:
        """Look if it is time; whether it was."""
        now_ms = self.host.now()
        passed_ms = abs(now_ms - self._at_ms)  # a clock that was put back does not end the looks
        asked = self.host.inventory.stale or bool(self._settling)
        if passed_ms < (min(self._wait_ms, self.every_ms) if asked else self.every_ms):
            return False
        self._at_ms = now_ms
        self._wait_ms = min(self._wait_ms * 2, self.every_ms) if asked else 1000
        self.host.refresh()
        self.count += 1
        self._settling = {name: until for name, until in self._settling.items() if until > now_ms}
        for name in self._settling:
            self.host.inventory.hint(name, now_ms, self.host.shown.took_ms + SECOND_MS)
        self._tell()
        return True

    def _tell(self) -> None:
        if self.note is not None:
            self.note(self.host.shown._replace(doubted=tuple(self._settling)))
