"""The process that does everything but reading: configuration, rights, pipeline, outputs, state, metrics.

Other sources of facts are in `Worker.watched`: a descriptor, and the function to call when it can be read. Their facts
are applied to `Worker.tables` at their own stamp, before the lines that came after them.

Budget: the whole life of the process, from its start to its last line, is on one page.
"""

from __future__ import annotations

import gc
import json
import select
import socket
import time
import traceback
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from annotator.core.errors import AnnotatorError, SourceError, UsageError
from annotator.core.stats import Stats
from annotator.engine.pipeline import Tables
from annotator.io.log import Log
from annotator.io.sources import Cutter
from annotator.linux.backend import Linux
from annotator.linux.engines.programs import engines_of
from annotator.plugin import capabilities, config_load, ipc
from annotator.plugin.control_server import listen
from annotator.plugin.outputs.outputs import Outputs
from annotator.plugin.outputs.router import PluginPipeline
from annotator.plugin.scheduler import Job, Reports, Scheduler
from annotator.plugin.worker.ack import Acknowledgements
from annotator.plugin.worker.registrations import Registrations
from annotator.plugin.worker.startup import apply_process_settings
from annotator.plugin.worker.state import ReaderGone, WorkerState
from annotator.plugin.worker.truncation import ADVICE, ENOUGH, count_cut

if TYPE_CHECKING:
    from collections.abc import Callable

    from annotator.core.model import Container
    from annotator.plugin.config import Config
    from annotator.plugin.control_server import ControlServer
    from annotator.plugin.worker.attach import HostSource

SLICE = 100
"""Lines that are fed at once while this machine's processes are followed: some 2 ms."""

CHECKED = 20_000
"""Lines after each start that are checked for auditd's own truncation."""

QUIET_S = 0.05
"""After a pause of so long in the input, events that are probably whole are closed."""

MAX_WAIT_S = 0.1
"""The longest wait for input: open events are looked at this often."""


def run(path: str, link: socket.socket, *, again: bool = False) -> int:
    """Be the worker until the reader says that it is over; returns the exit code.

    `again`: the reader has chunks that a worker had before, which was killed.
    """
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)  # as in cli: events hold no cycles
    try:
        config = config_load.load(Path(path) if path else None)
        log = Log(config.log.syslog, stderr=config.log.stderr, level=config.log.level, part="worker")
        apply_process_settings(config, log)
        follower = _start_follower(config, link)  # before any thread is there
        worker = Worker(config, Path(path) if path else None, link, log, again=again)
    except ReaderGone:
        return 0
    except UsageError as err:
        Log(stderr=True, part="worker").error("bad-configuration", what=err.what, advice=err.advice)
        return ipc.CONFIG_CODE
    try:
        return worker.run(follower)
    except Exception as err:  # noqa: BLE001  (the loop's: stderr is /dev/null, and the reader starts another worker)
        at = traceback.extract_tb(err.__traceback__)[-1]
        log.error("worker-failed", what=repr(err)[:500], where=f"{Path(at.filename).name}:{at.lineno} {at.name}")
        return 1


def _start_follower(config: Config, link: socket.socket) -> socket.socket | None:
    """Start the process that follows this machine's processes, where that is configured; the socket from it."""
    if not (config.host.live and config.host.processes):
        return None
    from annotator.plugin.worker.follow import start  # imported where this machine is asked, and not else

    return start((config.input.node or socket.gethostname()).encode(), link.fileno())


class Worker:
    """Pipeline and outputs of one configuration. `code` is the exit code once the worker has ended."""

    def __init__(
        self, config: Config, path: Path | None, link: socket.socket, log: Log, *, again: bool = False
    ) -> None:
        self.config, self.path, self.link, self.log = config, path, link, log
        self.node = config.input.node or socket.gethostname()
        self.stats = Stats()
        self.tables = Tables()
        self.code: int | None = None
        self.input_counts: dict[str, float] = {}
        self.cut_lines = 0
        backend = Linux(engines_of(config.engines.programs, config.engines.directories))
        self._send(ipc.SETTLED, json.dumps(self._reader_settings()).encode())
        self.state = WorkerState(config, self.node, log, link)  # before the outputs: it waits for the worker before
        repeated = again or not self.state.clean
        self._outputs = Outputs(config, self.node, backend, self.stats, log, repeated=repeated)
        self.outputs, self.lines = self._outputs.all, self._outputs.lines
        timeout_ms = config.process.event_timeout_ms
        self.pipeline = PluginPipeline(backend, self._outputs.router, self.stats, self.tables, timeout_ms)
        self.watched: dict[int, Callable[[], None]] = {link.fileno(): self._receive}
        self._messages = ipc.MessageBuffer()
        self._chunks: deque[tuple[bytes, bool]] = deque()
        """Chunks that came while an output that keeps all was behind, and whether each is passed unattributed."""
        self._cutter = Cutter("auditd")
        self._input_at = self._host_at = time.monotonic()
        self._acks = Acknowledgements(self.pipeline.grouper, self.outputs)
        self._to_check = CHECKED
        self._saved_lines = 0
        self.host: HostSource | None = None
        self.control: ControlServer | None = None

    def run(self, follower: socket.socket | None) -> int:
        """Work until the reader ends it; returns the exit code. `follower` is the socket of the follower process."""
        self._send_ready()
        self.state.load(self.tables, self.pipeline.grouper)
        self._attach_host(follower)
        self._listen()
        reports = Reports(self)
        jobs = [Job(self.config.state.save_interval_s, self._save_if_changed), Job(1.0, self._tick_host)]
        if self.control is not None:
            jobs.append(Job(1.0, self.control.serve))  # drops clients that are connected and do not ask
        scheduler = Scheduler([*jobs, *reports.jobs()], start_s=time.monotonic())
        while self.code is None:
            scheduler.tick(time.monotonic())  # before, since after the last step all is closed
            self._step(min(MAX_WAIT_S, scheduler.wait_s(time.monotonic())))
        reports.finish()
        for problem in self.stats.check():
            self.log.error("counts-do-not-add-up", what=problem)
        self.log.info("worker-ends", code=self.code, summary=self.stats.summary())
        return self.code

    def _send_ready(self) -> None:
        """Tell the reader that records may come, and what it may take of those that an earlier run left."""
        inherited = {"inherit": self.state.is_ours, "clean": self.state.clean}
        self._send(ipc.READY, json.dumps(self._reader_settings() | inherited).encode())

    def _reader_settings(self) -> dict[str, object]:
        """The part of the configuration that the reader needs; see `reader.supervisor.ReaderSettings`."""
        config = self.config
        return {
            "socket": config.input.socket,
            "format": config.input.format,
            "directory": config.state.directory,
            "limit": config.queue.memory_mib << 20,
            "policy": config.queue.when_full,
            "spill_max": config.queue.spill_max_mib << 20,
            "drain_s": config.process.drain_s,
            "oom_score_adj": config.process.oom_score_adj,
            "syslog": config.log.syslog,
            "level": config.log.level,
            "stderr": config.log.stderr,
            "caps": capabilities.mask(capabilities.needed_by_reader(config)),
        }

    def _attach_host(self, follower: socket.socket | None) -> None:
        """Take this machine's own processes as facts from now on, where that is configured."""
        if not self.config.host.live:
            return
        from annotator.plugin.worker.attach import attach  # imported where this machine is asked, and not else

        try:
            self.host = attach(self, follower, on_end=lambda fd: self.watched.pop(fd, None))
        except AnnotatorError as err:
            self.log.error("host-not-asked", what=err.what, advice=err.advice)
            return
        if self.host.fileno() >= 0:
            self.watched = {self.host.fileno(): self.catch_up, **self.watched}

    def _listen(self) -> None:
        """Answer questions and registrations from now on."""
        self.control = listen(self, Registrations(self.tables, self.log, self.catch_up))
        if self.control is not None:
            self.watched[self.control.fileno()] = self.control.serve

    def catch_up(self, *, fence: bool = False) -> None:
        """Apply what the follower has learnt; with `fence` all that happened until now."""
        if self.host is not None:
            self.host.catch_up(fence=fence)
            self._host_at = time.monotonic()

    # --- what is shown of this worker ----------------------------------------------------------------------------

    @property
    def own_counts(self) -> dict[str, int]:
        """Counts that are in the metrics only."""
        return {"cut_lines": self.cut_lines, "notes_dropped": self.log.dropped}

    def containers(self) -> list[Container]:
        """The containers that live, newest first."""
        nodes = self.tables.registry.nodes.values()
        return [container for node in nodes for container in reversed(node.remembered) if container.end_ms is None]

    # --- the loop -----------------------------------------------------------------------------------------------

    def _step(self, wait_s: float) -> None:
        """Wait for something to happen, at most `wait_s`, and handle it."""
        poll = select.poll()
        pause_s = self._host_at + ipc.GATHER_S - time.monotonic()  # the follower's facts are taken in batches
        follower = self.host.fileno() if self.host is not None and pause_s > 0 else -1
        for fd in self.watched:
            if fd != follower:
                poll.register(fd, select.POLLIN)
        for fd, _ in poll.poll(1000 * (min(wait_s, pause_s) if follower >= 0 else wait_s)):
            self.watched[fd]()
        self._take_chunks()
        quiet_s = time.monotonic() - self._input_at
        if quiet_s >= QUIET_S and self.code is None:
            self.pipeline.idle(int(quiet_s * 1000))
            self._acknowledge()

    def _receive(self) -> None:
        try:
            data = self.link.recv(1 << 20)
        except ConnectionResetError:  # the reader was killed before it had read our counts: what it sent comes still
            data = self.link.recv(1 << 20)
        if not data:
            self._end()  # the reader was killed: what we have goes out
            return
        for kind, payload in self._messages.feed(data):
            if kind in (ipc.LINES, ipc.PASS):
                self._chunks.append((payload, kind == ipc.PASS))
                self._take_chunks()
            elif kind == ipc.RELOAD:
                self._reload()
            elif kind == ipc.END:
                self._end()
            elif kind == ipc.INPUT_COUNTS:
                self.input_counts = json.loads(payload)

    def _take_chunks(self) -> None:
        """Take the chunks that came, unless an output that keeps all is behind: then the reader is not told of them."""
        while self._chunks and not self._outputs.is_held and self.code is None:
            chunk, passing = self._chunks.popleft()
            self._take(chunk, passing=passing)

    def _take(self, chunk: bytes, *, passing: bool) -> None:
        self._input_at = time.monotonic()
        self.catch_up(fence=True)  # what happened before these lines is known before they are read
        try:
            block = self._cutter.feed(chunk)
        except SourceError as err:
            self.log.error("line-too-long", what=err.what)
            self._cutter, block = Cutter("auditd"), None
            self.stats.lines += 1
            self.stats.rejected += 1
        if block is not None:
            rejected = self.stats.rejected
            self.pipeline.passing = passing
            self._feed(block.lines)
            if self._to_check > 0 or self.stats.rejected != rejected:
                self._count_cut(block.lines)
        self._acks.add_chunk()
        self._acknowledge(always=True)

    def _feed(self, lines: list[bytes]) -> None:
        """Feed the pipeline; a long block in slices, so that the follower's facts do not wait long."""
        if self.host is None:
            self.pipeline.feed(lines)
            return
        for at in range(0, len(lines), SLICE):
            self.catch_up()
            self.pipeline.feed(lines[at : at + SLICE])

    def _acknowledge(self, *, always: bool = False) -> None:
        """Tell the reader which chunks it need not keep any more."""
        if self._acks.update(time.monotonic()) or always:
            self._send(ipc.DONE, ipc.COUNTS.pack(self._acks.read, self._acks.left))

    def _count_cut(self, lines: list[bytes]) -> None:
        self._to_check -= len(lines)
        cut = count_cut(lines)
        if cut and self.cut_lines < ENOUGH <= self.cut_lines + cut:
            self.log.error("records-cut", what="auditd sends records without their end", advice=ADVICE)
        self.cut_lines += cut

    def _tick_host(self) -> None:
        if self.host is not None:
            self.host.tick()

    def _save_if_changed(self) -> None:
        if self.stats.lines != self._saved_lines:
            self._saved_lines = self.stats.lines
            self._save()

    # --- the end ------------------------------------------------------------------------------------------------

    def _reload(self) -> None:
        """End, to be started again with the new configuration; where that is invalid, go on with the one before."""
        try:
            config_load.load(self.path)
        except UsageError as err:
            self.log.error("bad-configuration", what=err.what, advice=err.advice, kept="the one before")
            self._send_ready()
            return
        self._end(ipc.RELOAD_CODE)

    def _end(self, code: int = 0) -> None:
        """Let everything out, within `process.drain_s`. The reader keeps what an output that keeps all did not take."""
        if self.code is not None:
            return
        until = time.monotonic() + max(0.5, self.config.process.drain_s)
        last = self._cutter.end()
        if last is not None:
            self.pipeline.feed(last.lines)
        self.catch_up()
        self.pipeline.finish()
        self._acks.update(time.monotonic())
        self._outputs.close(until)
        self._acks.finish()
        self._send(ipc.DONE, ipc.COUNTS.pack(self._acks.read, self._acks.left))
        if not self._chunks and self._acks.left == self._acks.read:
            self.state.close()
        self._send(ipc.SAVING, b"")
        self._save()
        for part in (self.control, self.host):
            if part is not None:
                part.close()
        self.code = code

    def _save(self) -> None:
        self.state.save(self.tables, self.pipeline.grouper)

    def _send(self, kind: bytes, payload: bytes) -> None:
        try:
            self.link.sendall(ipc.pack(kind, payload))
        except OSError:
            return  # the reader is gone; the next read says so
