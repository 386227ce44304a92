"""The process that does everything but reading: configuration, rights, pipeline, outputs, state, metrics.

Other sources of facts are attached in `Worker.watched`: a descriptor, and what to call when it can be read. Facts they
give are applied to `Worker.tables` at their own stamp, before the lines that came after them.

Budget: the whole life of the process, from its start to its last line, is on one page.
"""

from __future__ import annotations

import gc
import json
import select
import socket
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from annotator.core.errors import AnnotatorError, SourceError, UsageError
from annotator.core.stats import Stats
from annotator.engine.pipeline import Tables
from annotator.io.sources import Cutter
from annotator.linux.backend import Linux
from annotator.plugin import capabilities, ipc
from annotator.plugin import config as configuration
from annotator.plugin.log import Notes
from annotator.plugin.outputs.outputs import Outlets
from annotator.plugin.outputs.router import Fanout
from annotator.plugin.reader.supervisor import CONFIG_CODE, RELOAD_CODE
from annotator.plugin.worker.ack import Progress
from annotator.plugin.worker.startup import settle
from annotator.plugin.worker.state import Memory, Orphaned
from annotator.plugin.worker.truncation import ADVICE, ENOUGH, count_cut

if TYPE_CHECKING:
    from collections.abc import Callable

    from annotator.core.model import Container
    from annotator.plugin.config import Config
    from annotator.plugin.control_server import Questions
    from annotator.plugin.worker.attach import Attached

PART = 100
"""Lines that are fed at once while this machine's processes are followed: some 2 ms."""

CHECKED = 20_000
"""Lines after each start that are looked at for auditd's own truncation."""


def run(path: str, link: socket.socket) -> int:
    """Be the worker until the reader says that it is over; returns the exit code."""
    from annotator.plugin.worker.follow import begin
    from annotator.plugin.worker.scheduler import Periodic

    gc.freeze()
    gc.set_threshold(200_000, 20, 100)  # as in cli: events hold no cycles
    try:
        config = configuration.load(Path(path) if path else None)
        notes = Notes(config.log.syslog, stderr=config.log.stderr, level=config.log.level, part="worker")
        settle(config, notes)
        node = config.input.node or socket.gethostname()
        followed = config.host.live and config.host.processes
        follower = begin(node.encode(), link.fileno()) if followed else None  # before any thread is there
        worker = Worker(config, Path(path) if path else None, link, notes)
    except Orphaned:
        return 0
    except UsageError as err:
        Notes(stderr=True, part="worker").error("bad-configuration", what=err.what, advice=err.advice)
        return CONFIG_CODE
    try:
        worker.ready()
        worker.memory.learn(worker.tables, worker.pipeline.grouper)
        worker.follow(follower)
        worker.listen()
        periodic = Periodic(worker, time.monotonic())
        while worker.code is None:
            periodic.tick(time.monotonic())  # before, since after the last step all is closed
            worker.step(periodic.wait_s)
        periodic.last()
    except Exception as err:  # noqa: BLE001  (the loop's: stderr is /dev/null, and the reader starts another worker)
        at = traceback.extract_tb(err.__traceback__)[-1]
        notes.error("worker-failed", what=repr(err)[:500], where=f"{Path(at.filename).name}:{at.lineno} {at.name}")
        return 1
    for what in worker.stats.check():
        notes.error("counts-do-not-add-up", what=what)
    worker.notes.info("worker-ends", code=worker.code, summary=worker.stats.summary())
    return worker.code


class Worker:
    """Pipeline and outputs of one configuration."""

    def __init__(self, config: Config, path: Path | None, link: socket.socket, notes: Notes) -> None:
        self.config, self.path, self.link, self.notes = config, path, link, notes
        self.node = config.input.node or socket.gethostname()
        self.stats = Stats()
        self.tables = Tables()
        self.code: int | None = None
        self.told: dict[str, float] = {}
        self.cut_lines = 0
        backend = Linux()
        self._tell(ipc.SETTLED, json.dumps(self._settings()).encode())
        self.memory = Memory(config, self.node, notes, link)  # before the outputs: see there
        self.outlets = Outlets(config, self.node, backend, self.stats, notes)
        self.outputs, self.lines = self.outlets.outputs, self.outlets.lines
        self.pipeline = Fanout(backend, self.outlets.fan, self.stats, self.tables, config.process.event_timeout_ms)
        self.watched: dict[int, Callable[[], None]] = {link.fileno(): self._hear}
        self._inbox = ipc.Inbox()
        self._cutter = Cutter("auditd")
        self._came = self._saw = time.monotonic()
        self._progress = Progress(self.pipeline.grouper, self.outputs)
        self._check = CHECKED
        self.live: Attached | None = None
        self.questions: Questions | None = None

    def ready(self) -> None:
        """Tell the reader that records may come, and what it may take of those that an earlier run left."""
        memory = {"inherit": self.memory.ours, "clean": self.memory.clean}
        self._tell(ipc.READY, json.dumps(self._settings() | memory).encode())

    def _settings(self) -> dict[str, object]:
        """What the reader must know of the configuration."""
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

    def follow(self, follower: socket.socket | None) -> None:
        """This machine's own processes, from now on."""
        from annotator.plugin.worker.attach import attach

        try:
            self.live = attach(self, follower)
        except AnnotatorError as err:
            self.notes.error("host-not-asked", what=err.what, advice=err.advice)
            return
        if self.live is not None and self.live.fileno() >= 0:
            self.watched = {self.live.fileno(): self.see, **self.watched}

    def listen(self) -> None:
        """Answer questions and registrations from now on."""
        from annotator.plugin.control_server import listen
        from annotator.plugin.worker.registrations import Registrations

        self.questions = listen(self, Registrations(self))
        if self.questions is not None:
            self.watched[self.questions.fileno()] = self.questions.serve

    def see(self, *, fence: bool = False) -> None:
        """Take what this machine has told; with `fence` all that happened until now."""
        if self.live is not None:
            self.live.see(fence=fence)
            self._saw = time.monotonic()

    def containers(self) -> list[Container]:
        """Those that live, newest first."""
        nodes = self.tables.registry.nodes.values()
        return [one for node in nodes for one in reversed(node.remembered) if one.end_ms is None]

    # --- the loop -----------------------------------------------------------------------------------------------

    def step(self, wait_s: float) -> None:
        """Wait for something to happen, at most so long, and see to it."""
        poll = select.poll()
        rests = self._saw + ipc.GATHER_S - time.monotonic()  # what this machine tells is not taken bit by bit
        follower = self.live.fileno() if self.live is not None and rests > 0 else -1
        for fd in self.watched:
            if fd != follower:
                poll.register(fd, select.POLLIN)
        for fd, _ in poll.poll(1000 * (min(wait_s, rests) if follower >= 0 else wait_s)):
            self.watched[fd]()
        quiet = time.monotonic() - self._came
        if quiet >= 0.05 and self.code is None:
            self.pipeline.idle(int(quiet * 1000))
            self._acknowledge()

    def _hear(self) -> None:
        data = self.link.recv(1 << 20)
        if not data:
            self._end()  # the reader was killed: what we have goes out
            return
        for kind, payload in self._inbox.feed(data):
            if kind in (ipc.LINES, ipc.PASS):
                self._take(payload, passing=kind == ipc.PASS)
            elif kind == ipc.RELOAD:
                self._reload()
            elif kind == ipc.END:
                self._end()
            elif kind == ipc.TELL:
                self.told = json.loads(payload)

    def _take(self, chunk: bytes, *, passing: bool) -> None:
        self._came = time.monotonic()
        self.see(fence=True)  # what happened before these lines is known before they are read
        try:
            block = self._cutter.feed(chunk)
        except SourceError as err:
            self.notes.error("line-too-long", what=err.what)
            self._cutter, block = Cutter("auditd"), None
            self.stats.lines += 1
            self.stats.rejected += 1
        if block is not None:
            before = self.stats.rejected
            self.pipeline.passing = passing
            self._feed(block.lines)
            if self._check > 0 or self.stats.rejected != before:
                self._look_for_cuts(block.lines)
        self._progress.took(self._came)
        self._acknowledge(always=True)

    def _feed(self, lines: list[bytes]) -> None:
        """A long block in parts, so that what this machine tells does not wait long."""
        if self.live is None:
            self.pipeline.feed(lines)
            return
        for at in range(0, len(lines), PART):
            self.see()
            self.pipeline.feed(lines[at : at + PART])

    def _acknowledge(self, *, always: bool = False) -> None:
        """Tell the reader what it need not keep any more."""
        if self._progress.settle(time.monotonic()) or always:
            self._tell(ipc.DONE, ipc.COUNTS.pack(self._progress.read, self._progress.left))

    def _look_for_cuts(self, lines: list[bytes]) -> None:
        self._check -= len(lines)
        found = count_cut(lines)
        if found and self.cut_lines < ENOUGH <= self.cut_lines + found:
            self.notes.error("records-cut", what="auditd sends records without their end", advice=ADVICE)
        self.cut_lines += found

    # --- the end ------------------------------------------------------------------------------------------------

    def _reload(self) -> None:
        """End, to be started again with the new configuration; when that is no good, go on with the old one."""
        try:
            configuration.load(self.path)
        except UsageError as err:
            self.notes.error("bad-configuration", what=err.what, advice=err.advice, kept="the one before")
            self.ready()
            return
        self._end(RELOAD_CODE)

    def _end(self, code: int = 0) -> None:
        """Let everything out, within `process.drain_s`."""
        if self.code is not None:
            return
        until = time.monotonic() + max(0.5, self.config.process.drain_s)
        last = self._cutter.end()
        if last is not None:
            self.pipeline.feed(last.lines)
        self.see()
        self.pipeline.finish()
        self._progress.finish()
        self.outlets.close(until)
        self._tell(ipc.DONE, ipc.COUNTS.pack(self._progress.read, self._progress.left))
        self.memory.close()  # before the state, which can be large: the reader does not wait for ever
        self.save()
        for one in (self.questions, self.live):
            if one is not None:
                one.close()
        self.code = code

    def save(self) -> None:
        """Keep what is known."""
        self.memory.save(self.tables, self.pipeline.grouper)

    def _tell(self, kind: bytes, payload: bytes) -> None:
        try:
            self.link.sendall(ipc.pack(kind, payload))
        except OSError:
            return  # the reader is gone; the next read says so
