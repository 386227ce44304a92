"""The process that auditd starts: it reads, queues, hands on, and supervises the worker. Light imports; it never waits.

What the versions of auditd do, and the answer here (read from their sources and measured on 3.0.9):
- All signals are ignored, and in a plugin that was restarted TERM, HUP, USR1, USR2, CHLD, CONT are blocked too (before
  4.2); the environment is empty; restarted plugins have auditd's oom_score_adj of -1000.
- Stop before 4.2: SIGTERM, then the end of stdin; systemd may send TERM to us before auditd has written all. From 4.2
  on: the end of stdin, and SIGTERM 50 ms later. So after either, stdin is read until its end or `process.drain_s`.
- SIGHUP before 4.2: read the configuration again. From 4.2 on plugins are stopped and started instead.

Budget: reading, queueing, handing on and ending are one loop over one state; its order is read in one go.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections import deque
from typing import TYPE_CHECKING

from annotator.io.log import Log
from annotator.plugin import ipc
from annotator.plugin.reader.input import Input
from annotator.plugin.reader.queue import Queue
from annotator.plugin.reader.supervisor import ReaderSettings, Supervisor, reset_process

if TYPE_CHECKING:
    import socket

WINDOW = 4
"""Batches that are sent to the worker before it has read them."""
RELOAD_S = 10.0
"""While records wait a worker works at least so long before it is reloaded, however many signals come."""
GATHERED = 32_768
"""So many bytes are handed on at once, without waiting for more."""
PATIENCE_S = 5.0
"""A worker that is told to end is killed so long after `process.drain_s`; a loaded machine gives it little time."""
SAVE_S = 60.0
"""A worker that has let everything out, and saves what it has learnt, is waited for so much longer."""
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
        self.log = Log(stderr=os.isatty(2), part="reader")
        self.settings = ReaderSettings()
        self.input = Input(self.settings, self.log, fd)
        self.queue = Queue()
        self.supervisor = Supervisor(config, self.log)
        self._terminated = False
        self._stop_at = 0.0  # when draining must be over; 0 before a signal or the end of the input
        self._end_sent = self._saving = False
        self._ready_at = self._handed_at = 0.0
        self._reload_wanted = self._reload_sent = False  # asked for by a signal; sent, and not answered yet
        self._sent: deque[bytes] = deque()  # chunks that have not left the worker yet
        self._sent_size = 0
        self._messages: deque[tuple[memoryview, bool]] = deque()  # messages for it, and whether each is a chunk
        self._full_since = self._inherit_until = 0.0
        self._inherited = False
        self._last_counts = (0.0, "")
        self.times_full = self.resent = self.lost = 0
        self.seconds_full = 0.0

    # --- the loop -----------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Run until the input ends, or a signal asks to stop; returns the exit code."""
        wake = reset_process()
        self._spawn(wake)
        while not self.supervisor.over:
            self._poll(wake, time.monotonic())
            now = time.monotonic()
            self._queue_input(self.input.flush_quiet(now))
            if self.supervisor.channel is None and now >= self.supervisor.retry_at and not self.supervisor.over:
                self._spawn(wake)
            self._stop_in_time(now)
        return self._finish()

    def _spawn(self, wake: int) -> None:
        self.supervisor.spawn(again=bool(self._sent), close=(wake, *self.input.connected, *self.queue.descriptors))

    def _poll(self, wake: int, now: float) -> None:
        poll = select.poll()
        poll.register(wake, select.POLLIN)
        full = self.queue.is_full(self._sent_size)
        self._note_full(now, full=full)
        source = -1 if full else self.input.source(now, stopping=bool(self._stop_at))
        if source >= 0:
            poll.register(source, select.POLLIN)
        worker = self.supervisor.channel
        if worker is not None:
            self._hand_on()
            self._send_counts()
            poll.register(worker.fileno(), select.POLLIN | (select.POLLOUT if self._messages else 0))
        for fd, _ in poll.poll(self._wait_ms(now)):
            if fd == wake:
                for number in os.read(wake, 64):
                    self._handle_signal(number)
            elif fd == source:
                self._queue_input(self.input.read(source))
        if worker is not None:
            self._exchange(worker)

    def _wait_ms(self, now: float) -> int:
        due = [now + 1.0]
        if self._stop_at:
            due.append(max(self._stop_at, now + 0.01))
        if self.input.quiet_at:
            due.append(self.input.quiet_at)
        if self.supervisor.channel is None:
            due.append(self.supervisor.retry_at)
        if self._inherit_until:
            due.append(now + 0.02)
        if self.queue.waiting and self._is_gathering(now):
            due.append(self._handed_at + ipc.GATHER_S)
        return max(0, int((min(due) - now) * 1000) + 1)

    def _queue_input(self, chunk: bytes) -> None:
        if chunk:
            self.queue.put(chunk, self._sent_size)
        if self.input.eof and not self._stop_at and self.supervisor.ready and not self.settings.socket:
            self._stop_at = time.monotonic() + self.settings.drain_s

    # --- to the worker and from it ------------------------------------------------------------------------------

    def _hand_on(self) -> None:
        """Queue the messages that the worker may have now."""
        if not self.supervisor.ready or self._reload_sent or self._end_sent or not self._has_inherited():
            return
        now = time.monotonic()
        if not self._is_gathering(now):
            while self.supervisor.given - self.supervisor.read < WINDOW and (batch := self.queue.take()) is not None:
                self._send_chunk(batch[0], passed=batch[1])
                self._handed_at = now
        free = not self.queue.waiting or now - self._ready_at >= RELOAD_S
        if self._reload_wanted and free and not self._stop_at:
            self._reload_wanted, self._reload_sent = False, True
            self._queue_message(ipc.RELOAD)
            return
        if self._stop_at and self._is_input_done() and not self.queue.waiting:
            self._end_worker()

    def _is_gathering(self, now: float) -> bool:
        """Whether waiting bytes may wait a little longer, since others were handed on just before."""
        if self._stop_at or self._reload_wanted or self.queue.waiting >= GATHERED:
            return False
        return now < self._handed_at + ipc.GATHER_S

    def _has_inherited(self) -> bool:
        """Whether the files of earlier runs are open: until then nothing newer is handed on."""
        if self._inherit_until:
            self._inherited = self.queue.inherit(clean=self.settings.clean)
            if not self._inherited and time.monotonic() < self._inherit_until:
                return False
            self._inherit_until, self._inherited = 0.0, True
            for why in self.queue.refused:
                self.log.warning("backlog-refused", why=why)
            self.queue.refused.clear()
        return True

    def _send_chunk(self, chunk: bytes, *, passed: bool) -> None:
        self.supervisor.given += 1
        self._sent.append(chunk)
        self._sent_size += len(chunk)
        self._queue_message(ipc.PASS if passed else ipc.LINES, chunk)

    def _queue_message(self, kind: bytes, payload: bytes = b"") -> None:
        self._messages.append((memoryview(ipc.pack(kind, payload)), kind in (ipc.PASS, ipc.LINES)))

    def _end_worker(self) -> None:
        self._send_counts(force=True)
        self._end_sent = True
        self._queue_message(ipc.END)

    def _exchange(self, worker: socket.socket) -> None:
        """Send what the socket takes, receive what came, and notice the end of the worker."""
        try:
            while self._messages:
                message, is_chunk = self._messages[0]
                done = worker.send(message)
                if done < len(message):
                    self._messages[0] = (message[done:], is_chunk)
                    break
                self._messages.popleft()
                if is_chunk:
                    self.queue.hand_on()
        except BlockingIOError:
            pass
        except OSError:
            self._messages.clear()  # it is dying: its last messages are still to be read
        for kind, payload in self.supervisor.receive():
            if kind == ipc.SETTLED:
                self._apply_settings(payload)
            elif kind == ipc.READY:
                self._handle_ready(payload)
            elif kind == ipc.SAVING:
                self._saving = True
            elif kind == ipc.DONE and len(payload) == ipc.COUNTS.size:
                for _ in range(self.supervisor.acknowledge(*ipc.COUNTS.unpack(payload))):
                    self._sent_size -= len(self._sent.popleft())
                    self.queue.leave()
        if self.supervisor.channel is None:
            self._messages.clear()
            self._reload_sent = self._end_sent = self._saving = False
            self.supervisor.handle_end(stopping=bool(self._stop_at), left=bool(self._sent or self.queue.waiting))

    def _apply_settings(self, payload: bytes) -> bool:
        """A worker has read the configuration: from now on chunks are kept where that says. False for a bad message."""
        settings = self.settings
        if not settings.update(payload):
            self.log.error("bad-message")
            return False
        self.log.syslog, self.log.level = settings.syslog, settings.level
        self.log.stderr = self.log.stderr or settings.stderr
        self.queue.configure(settings.limit, settings.policy, settings.spill_max, settings.directory)
        return True

    def _handle_ready(self, payload: bytes) -> None:
        """A new worker takes records, or a worker that could not reload goes on."""
        first = not self.supervisor.ready
        if not self._apply_settings(payload):
            return
        self._reload_sent, self.supervisor.ready = False, True
        if not first:
            return
        self._ready_at = time.monotonic()
        if self.settings.caps is not None:
            self.supervisor.drop_rights_once(self.settings.caps, self.settings.oom_score_adj)
        if self.settings.inherit and not self._inherited:
            self._inherit_until = time.monotonic() + INHERIT_S
        self._resend()

    def _resend(self) -> None:
        """Give a new worker the chunks that the one before had not finished; one that kills every worker is dropped."""
        chunks = list(self._sent)
        self._sent.clear()
        self._sent_size = 0
        self.queue.restart()
        for at, chunk in enumerate(chunks):
            if at == 0 and self.supervisor.deaths >= 4:
                self.lost += chunk.count(b"\n") or 1
                self.log.error("lines-lost", bytes=len(chunk), why="every worker dies of them", start=chunk[:200])
                self.queue.leave()
                continue
            self.resent += chunk.count(b"\n") or 1
            self._send_chunk(chunk, passed=at == 0 and self.supervisor.deaths >= 2)

    # --- signals, and the end -----------------------------------------------------------------------------------

    def _handle_signal(self, number: int) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            self._terminated = True
            if not self._stop_at:
                self._stop_at = time.monotonic() + self.settings.drain_s
                self.log.info("stopping", signal=number)
        elif number == signal.SIGHUP:
            self._reload_wanted = True

    def _is_input_done(self) -> bool:
        by_socket = bool(self.settings.socket) and self._terminated
        return self.input.eof or by_socket or time.monotonic() >= self._stop_at

    def _stop_in_time(self, now: float) -> None:
        """When time is up, the worker is told to end, and the chunks that it has not got wait for the next run."""
        if not self._stop_at or now < self._stop_at or self.supervisor.over:
            return
        if self.supervisor.channel is None:
            self.supervisor.over = True
        elif self.supervisor.ready and not self._end_sent:
            self._end_worker()
        elif now >= self._stop_at + self.settings.drain_s + (SAVE_S if self._saving else PATIENCE_S):
            self.supervisor.kill()

    def _finish(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # Python's end takes our handlers away before the process is gone
        unfinished = list(self._sent)
        left = self.queue.waiting + sum(map(len, unfinished))
        lost = self.queue.leave_to_next_run(unfinished)
        note = self.log.error if lost else self.log.warning if left else self.log.info
        note("stopped", code=self.supervisor.code, **self._counts(), left_bytes=left - lost, lost_bytes=lost)
        return self.supervisor.code or int(lost > 0)

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
            "read_lines": self.input.lines,
            "read_bytes": self.input.bytes,
            "rejected_bytes": self.input.rejected,
            "queue_full": self.times_full,
            "queue_full_seconds": self.seconds_full,
            "queue_deepest_bytes": self.queue.deepest,
            "spilled_bytes": self.queue.spilled,
            "spill_failures": self.queue.spill_failures,
            "resent_lines": self.resent,
            "reader_lost_lines": self.lost,
            "worker_restarts": self.supervisor.restarts,
        }

    def _send_counts(self, *, force: bool = False) -> None:
        """Send the counts to the worker, which writes the metrics: once a second, if they have changed."""
        now = time.monotonic()
        if not self.supervisor.ready or self._end_sent or (now - self._last_counts[0] < 1.0 and not force):
            return
        import json

        text = json.dumps(self._counts())
        if text != self._last_counts[1]:
            self._queue_message(ipc.INPUT_COUNTS, text.encode())
        self._last_counts = (now, text)
