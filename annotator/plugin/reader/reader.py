"""The process auditd starts: reads, keeps, hands on, and watches over the worker. It imports little, and never waits.

What auditd's versions do, and what is done about it (read from their sources and measured on 3.0.9):
- All signals are ignored, and in a plugin that was restarted TERM, HUP, USR1, USR2, CHLD, CONT are blocked too (before
  4.2); the environment is empty; restarted plugins have auditd's oom_score_adj of -1000.
- Stop before 4.2: SIGTERM, then the end of stdin; systemd may send TERM to us before auditd has written all. From 4.2
  on: the end of stdin, and SIGTERM 50 ms later. So after either, stdin is read until its end or `process.drain_s`.
- SIGHUP before 4.2: read the configuration anew. From 4.2 on plugins are stopped and started instead.

Budget: what is read, kept, handed on and given up is one loop over one state; its order is read in one go.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections import deque
from typing import TYPE_CHECKING

from annotator.plugin import ipc
from annotator.plugin.log import Notes
from annotator.plugin.reader.input import Intake
from annotator.plugin.reader.queue import Backlog
from annotator.plugin.reader.supervisor import Settings, Upkeep, take_back

if TYPE_CHECKING:
    import socket

WINDOW = 4
"""Batches that the worker has and has not read."""
RELOAD_S = 10.0
"""While records wait a worker works at least so long before it is reloaded: many signals do not keep it from that."""
GATHERED = 32_768
"""Bytes that do not wait for others to be handed on with."""
INHERIT_S = 5.0
"""How long the files of a reader that is still ending are waited for."""


def start(arguments: list[str] | None = None) -> int:
    """Run; returns the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    check = "--check-config" in given
    paths = [one for one in given if one != "--check-config"]
    if len(paths) > 1 or any(one.startswith("-") for one in paths):
        sys.stderr.write("usage: audisp-contid [--check-config] [CONFIG]\n")
        return 2
    path = paths[0] if paths else ""
    if check:
        from annotator.plugin.worker.startup import check_config

        return check_config(path)
    return Reader(path).run()


class Reader:
    """One run of the plugin."""

    def __init__(self, config: str, fd: int = 0) -> None:
        self.notes = Notes(stderr=os.isatty(2), part="reader")
        self.settings = Settings()
        self.intake = Intake(self.settings, self.notes, fd)
        self.backlog = Backlog()
        self.upkeep = Upkeep(config, self.notes)
        self._term = False
        self._until = 0.0  # when draining must be over; 0 before anybody wants us to stop
        self._ended = False
        self._ready_at = self._handed_at = 0.0
        self._reload = self._paused = False  # asked for; and sent, and not answered
        self._sent: deque[bytes] = deque()  # has not left the worker yet
        self._sent_size = 0
        self._out: deque[tuple[memoryview, bool]] = deque()  # messages that go to it, and whether it is a chunk
        self._full_since = self._inherit_until = 0.0
        self._inherited = False
        self._told = (0.0, "")
        self.times_full = self.resent = self.lost = 0
        self.seconds_full = 0.0

    # --- the loop -----------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Until the input ends, or we are told to stop."""
        wake = take_back()
        self._spawn(wake)
        while not self.upkeep.over:
            self._poll(wake, time.monotonic())
            now = time.monotonic()
            self._keep(self.intake.quiet(now))
            if self.upkeep.channel is None and now >= self.upkeep.retry_at and not self.upkeep.over:
                self._spawn(wake)
            self._stop_in_time(now)
        return self._leave()

    def _spawn(self, wake: int) -> None:
        self.upkeep.spawn(close=(wake, *self.intake.connected, *self.backlog.descriptors))

    def _poll(self, wake: int, now: float) -> None:
        poll = select.poll()
        poll.register(wake, select.POLLIN)
        full = self.backlog.is_full(self._sent_size)
        self._note_full(now, full=full)
        source = -1 if full else self.intake.source(now, stopping=bool(self._until))
        if source >= 0:
            poll.register(source, select.POLLIN)
        worker = self.upkeep.channel
        if worker is not None:
            self._hand_on()
            self._tell()
            poll.register(worker.fileno(), select.POLLIN | (select.POLLOUT if self._out else 0))
        for fd, _ in poll.poll(self._wait_ms(now)):
            if fd == wake:
                for number in os.read(wake, 64):
                    self._signalled(number)
            elif fd == source:
                self._keep(self.intake.read(source))
        if worker is not None:
            self._exchange(worker)

    def _wait_ms(self, now: float) -> int:
        due = [now + 1.0]
        if self._until:
            due.append(max(self._until, now + 0.01))
        if self.intake.quiet_at:
            due.append(self.intake.quiet_at)
        if self.upkeep.channel is None:
            due.append(self.upkeep.retry_at)
        if self._inherit_until:
            due.append(now + 0.02)
        if self.backlog.waiting and self._gathers(now):
            due.append(self._handed_at + ipc.GATHER_S)
        return max(0, int((min(due) - now) * 1000) + 1)

    def _keep(self, chunk: bytes) -> None:
        if chunk:
            self.backlog.put(chunk, self._sent_size)
        if self.intake.eof and not self._until and self.upkeep.ready and not self.settings.socket:
            self._until = time.monotonic() + self.settings.drain_s

    # --- to the worker and from it ------------------------------------------------------------------------------

    def _hand_on(self) -> None:
        """Queue what the worker may have now."""
        if not self.upkeep.ready or self._paused or self._ended or not self._has_inherited():
            return
        now = time.monotonic()
        if not self._gathers(now):
            while self.upkeep.given - self.upkeep.read < WINDOW and (batch := self.backlog.take()) is not None:
                self._send(batch[0], passed=batch[1])
                self._handed_at = now
        free = not self.backlog.waiting or now - self._ready_at >= RELOAD_S
        if self._reload and free and not self._until:
            self._reload, self._paused = False, True
            self._say(ipc.RELOAD)
            return
        if self._until and self._is_read_out() and not self.backlog.waiting:
            self._end()

    def _gathers(self, now: float) -> bool:
        """Whether what waits may wait a little longer, since something was handed on just before."""
        if self._until or self._reload or self.backlog.waiting >= GATHERED:
            return False
        return now < self._handed_at + ipc.GATHER_S

    def _has_inherited(self) -> bool:
        """Whether what an earlier run left is known: until then nothing newer is handed on."""
        if self._inherit_until:
            self._inherited = self.backlog.inherit(clean=self.settings.clean)
            if not self._inherited and time.monotonic() < self._inherit_until:
                return False
            self._inherit_until, self._inherited = 0.0, True
            for why in self.backlog.refused:
                self.notes.warning("backlog-refused", why=why)
            self.backlog.refused.clear()
        return True

    def _send(self, chunk: bytes, *, passed: bool) -> None:
        self.upkeep.given += 1
        self._sent.append(chunk)
        self._sent_size += len(chunk)
        self._say(ipc.PASS if passed else ipc.LINES, chunk)

    def _say(self, kind: bytes, payload: bytes = b"") -> None:
        self._out.append((memoryview(ipc.pack(kind, payload)), kind in (ipc.PASS, ipc.LINES)))

    def _end(self) -> None:
        self._tell(force=True)
        self._ended = True
        self._say(ipc.END)

    def _exchange(self, worker: socket.socket) -> None:
        """Send what goes, take what came; a worker that is gone is seen here."""
        try:
            while self._out:
                message, is_chunk = self._out[0]
                done = worker.send(message)
                if done < len(message):
                    self._out[0] = (message[done:], is_chunk)
                    break
                self._out.popleft()
                if is_chunk:
                    self.backlog.hand()
        except BlockingIOError:
            pass
        except OSError:
            self._out.clear()  # it is dying: what it said last is still to be read
        for kind, payload in self.upkeep.receive():
            if kind == ipc.SETTLED:
                self._settle(payload)
            elif kind == ipc.READY:
                self._ready(payload)
            elif kind == ipc.DONE and len(payload) == ipc.COUNTS.size:
                for _ in range(self.upkeep.progress(*ipc.COUNTS.unpack(payload))):
                    self._sent_size -= len(self._sent.popleft())
                    self.backlog.leave()
        if self.upkeep.channel is None:
            self._out.clear()
            self._paused = self._ended = False
            self.upkeep.gone(stopping=bool(self._until), left=bool(self._sent or self.backlog.waiting))

    def _settle(self, payload: bytes) -> bool:
        """A worker has its configuration: from now on what is read is kept where it says."""
        settings = self.settings
        if not settings.take(payload):
            self.notes.error("bad-message")
            return False
        self.notes.syslog, self.notes.level = settings.syslog, settings.level
        self.notes.stderr = self.notes.stderr or settings.stderr
        self.backlog.configure(settings.limit, settings.policy, settings.spill_max, settings.directory)
        return True

    def _ready(self, payload: bytes) -> None:
        """A new worker takes records, or one that could not reload goes on."""
        first = not self.upkeep.ready
        if not self._settle(payload):
            return
        self._paused, self.upkeep.ready = False, True
        if not first:
            return
        self._ready_at = time.monotonic()
        if self.settings.caps is not None:
            self.upkeep.limit_once(self.settings.caps, self.settings.oom_score_adj)
        if self.settings.inherit and not self._inherited:
            self._inherit_until = time.monotonic() + INHERIT_S
        self._resend()

    def _resend(self) -> None:
        """Give a new worker what the one before had not finished; what kills every worker is not looked at again."""
        chunks = list(self._sent)
        self._sent.clear()
        self._sent_size = 0
        self.backlog.again()
        for at, chunk in enumerate(chunks):
            if at == 0 and self.upkeep.deaths >= 4:
                self.lost += chunk.count(b"\n") or 1
                self.notes.error("lines-lost", bytes=len(chunk), why="every worker dies of them", start=chunk[:200])
                self.backlog.leave()
                continue
            self.resent += chunk.count(b"\n") or 1
            self._send(chunk, passed=at == 0 and self.upkeep.deaths >= 2)

    # --- signals, and the end -----------------------------------------------------------------------------------

    def _signalled(self, number: int) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            self._term = True
            if not self._until:
                self._until = time.monotonic() + self.settings.drain_s
                self.notes.info("stopping", signal=number)
        elif number == signal.SIGHUP:
            self._reload = True

    def _is_read_out(self) -> bool:
        by_socket = bool(self.settings.socket) and self._term
        return self.intake.eof or by_socket or time.monotonic() >= self._until

    def _stop_in_time(self, now: float) -> None:
        """When time is up, the worker is told to end, and what it has not got waits for the next run."""
        if not self._until or now < self._until or self.upkeep.over:
            return
        if self.upkeep.channel is None:
            self.upkeep.over = True
        elif self.upkeep.ready and not self._ended:
            self._end()
        elif now >= self._until + self.settings.drain_s + 2.0:
            self.upkeep.kill()

    def _leave(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # Python's end takes our handlers away before the process is gone
        unfinished = list(self._sent)
        left = self.backlog.waiting + sum(map(len, unfinished))
        lost = self.backlog.keep(unfinished)
        note = self.notes.error if lost else self.notes.warning if left else self.notes.info
        note("stopped", code=self.upkeep.code, **self._counts(), left_bytes=left - lost, lost_bytes=lost)
        return self.upkeep.code

    # --- counts -------------------------------------------------------------------------------------------------

    def _note_full(self, now: float, *, full: bool) -> None:
        if full and not self._full_since:
            self._full_since = now
            self.times_full += 1
        elif not full and self._full_since:
            self.seconds_full += now - self._full_since
            self._full_since = 0.0

    def _counts(self) -> dict[str, object]:
        return {
            "read_lines": self.intake.lines,
            "read_bytes": self.intake.bytes,
            "rejected_bytes": self.intake.rejected,
            "queue_full": self.times_full,
            "queue_full_seconds": self.seconds_full,
            "queue_deepest_bytes": self.backlog.deepest,
            "spilled_bytes": self.backlog.spilled,
            "spill_failures": self.backlog.spill_failures,
            "resent_lines": self.resent,
            "reader_lost_lines": self.lost,
            "worker_restarts": self.upkeep.restarts,
        }

    def _tell(self, *, force: bool = False) -> None:
        """The worker writes the metrics: once a second it hears what is counted here."""
        now = time.monotonic()
        if not self.upkeep.ready or self._ended or (now - self._told[0] < 1.0 and not force):
            return
        import json

        text = json.dumps(self._counts())
        if text != self._told[1]:
            self._say(ipc.TELL, text.encode())
        self._told = (now, text)
