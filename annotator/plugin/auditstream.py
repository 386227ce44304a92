"""Live on AIX: records of `auditstream | auditpr`, which is run and watched over here, or of such a pipe on stdin.

    auditstream ──pipe──> auditpr ──pipe──> a reading thread ──queue──> the loop ──queues──> one thread for each output

One process and no auditd: when the queue is full reading stops, and what then waits, waits in the kernel's own buffer.
When either program dies both are started again, after a pause; what happened meanwhile is lost, so that nothing is
believed that only an unbroken trail would prove. The machine's WPARs are looked at between two chunks of records, by
`annotator.aix.live.Looks`. Nothing is kept over a restart: on AIX the record itself says its WPAR.
"""

from __future__ import annotations

import os
import queue
import signal
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from annotator import config as configuration
from annotator.aix import site
from annotator.aix.live import READ, Looks, Pipe, commands, drain, strategies, this_host
from annotator.errors import AnnotatorError, ExitCode, SourceError, UsageError
from annotator.events import Missing
from annotator.formats.raw import tail_start
from annotator.model import Gap, Stamp
from annotator.pipeline import Pipeline
from annotator.plugin.chores import Chores
from annotator.plugin.fanout import Fan, channel
from annotator.plugin.notes import Notes
from annotator.plugin.outputs import Output, maker
from annotator.sightings import Sightings
from annotator.sources import Cutter
from annotator.stats import Stats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from annotator.aix.backend import Aix
    from annotator.aix.grouping import TrailGrouper
    from annotator.aix.host import AixHost
    from annotator.config import Config
    from annotator.model import Event

EVENTS = Path("/etc/security/audit/events")
"""How this machine prints each event."""


def run(source: str, path: Path | None) -> int:
    """Be the plugin for `auditstream` (we run the pipe) or `auditpr` (it is on standard input); the exit code.

    UsageError when this cannot be meant: the programs are not there, or an output is not for AIX.
    """
    config = configuration.load(path)
    if any(one.expr for one in config.output):
        raise UsageError("`expr` is for Linux: the audit library cannot read AIX records", "Remove it.")
    argv = (
        commands(config.aix.auditstream, config.aix.auditpr, config.aix.classes, numeric=config.aix.numeric)
        if source == "auditstream"
        else None
    )
    notes = Notes(config.log.syslog, stderr=config.log.stderr or os.isatty(2), level=config.log.level, part="aix")
    live = Stream(config, notes, Pipe(*argv) if argv else None)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: live.stop())
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the terminal that started us may go
    return live.run()


def host_of(config: Config, node: str, notes: Notes) -> AixHost | None:
    """This machine, when it is an AIX and may be asked."""
    if not config.host.live:
        return None
    if os.uname().sysname != "AIX":
        notes.info("host-not-asked", why="this is not AIX")
        return None
    host = this_host(Path("/"), lambda: time.time_ns() // 1_000_000, node.encode())
    for one in strategies(host):
        notes.info("host-view", way=one.name, used=one.used, why=one.why or "-")
    return host


def backend_of(config: Config, node: str, notes: Notes) -> Aix:
    """The backend, with the formats of this machine's own events file where it can be read."""
    given = config.aix

    def made(events: str) -> Aix:
        return site.backend(own_tail=tail_start, node=node, tz=given.tz, origin=given.origin, events=events)

    if not EVENTS.exists():
        return made("")
    try:
        return made(str(EVENTS))
    except UsageError:
        raise
    except AnnotatorError as err:
        notes.warning("events-file-unused", what=err.what)
        return made("")


class Trail(Pipeline):
    """The pipeline over all outputs. Each record is an event, so that no line is late."""

    grouper: TrailGrouper

    def __init__(self, backend: Aix, fan: Fan, stats: Stats) -> None:
        super().__init__(backend, fan, stats, grouper=backend.grouper(stats, ordered=bool(fan.lined)))
        self.fan = fan

    def _leave(self, closed: Sequence[Event | Missing]) -> bytes:
        for event in closed:
            if not isinstance(event, Missing):  # ordinals are ours: none is missing
                self._decide(event)
        if closed:
            self._count()
        self.fan.send(self.grouper.drain())
        return b""


class Stream:
    """One run. `host` is for tests; None: this machine, as configured."""

    def __init__(self, config: Config, notes: Notes, pipe: Pipe | None, host: AixHost | None = None) -> None:
        self.config, self.notes, self.pipe = config, notes, pipe
        self.node = config.input.node or socket.gethostname()
        self.stats = Stats()
        backend = backend_of(config, self.node, notes)
        self.outputs: list[Output] = []
        made = [maker(one, Path(one.path), self.node) for one in config.output]
        self.outputs += [Output(one, notes, make) for one, make in zip(config.output, made, strict=True)]
        self.lines = {one.name: self.stats if at == 0 else Stats() for at, one in enumerate(self.outputs)}
        channels = [channel(one.settings, self.node, backend, self.lines[one.name], one) for one in self.outputs]
        self.trail = Trail(backend, Fan(channels), self.stats)
        self.backend = backend
        self.looks: Looks | None = None
        self._host = host
        self._cutter = Cutter("auditpr")
        self._chunks: queue.Queue[bytes] = queue.Queue((config.queue.memory_mib << 20) // READ)
        self._reading = False
        self._stopping = threading.Event()
        self._until_s = 0.0
        self._came_s = time.monotonic()

    def stop(self) -> None:
        """End: what the pipe holds is still read, for at most `process.drain_s`. For signal handlers."""
        self._stopping.set()

    # --- the loop -----------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Until standard input ends, or we are told to stop; the exit code."""
        chores = Chores(self)
        try:
            self._start(time.monotonic())  # first, so that nothing waits in the kernel while the machine is looked at
            self._ask()
            while self._step(time.monotonic()):
                chores.tick(time.monotonic())
            self._finish()
        except AnnotatorError as err:
            self.notes.error("stopped", what=err.what, advice=err.advice)
            raise
        finally:
            if self.pipe is not None:
                self.pipe.close()
            until = time.monotonic() + max(0.5, self.config.process.drain_s)
            for output in self.outputs:
                output.close(until)
            chores.last()
        self.notes.info("ends", summary=self.stats.summary(), **self.counts())
        return int(ExitCode.DONE)

    def _step(self, now_s: float) -> bool:
        """One chunk, or a pause; whether to go on."""
        if self._stopping.is_set() and not self._until_s:
            self._until_s = now_s + self.config.process.drain_s
            if self.pipe is None or not self._reading:
                return False
            self.pipe.stop()
        if self._until_s and now_s >= self._until_s:
            return False
        if not self._reading:
            return self._again(now_s)
        try:
            chunk = self._chunks.get(timeout=0.1)
        except queue.Empty:
            self._pause(now_s)
            return True
        if chunk:
            self._take(chunk)
            return True
        self._run_is_over()
        if self.pipe is None or self._stopping.is_set():
            return False
        self.notes.warning("pipe-ended", what=self.pipe.ended(now_s), deaths=self.pipe.deaths)
        return True

    def _start(self, now_s: float) -> None:
        fd = self.pipe.start(now_s) if self.pipe is not None else os.dup(0)
        self._reading = True
        threading.Thread(target=drain, args=(fd, self._chunks), name="reader", daemon=True).start()

    def _again(self, now_s: float) -> bool:
        """Start the pipe when it is time; another pause when that fails."""
        assert self.pipe is not None  # noqa: S101  (standard input is read once)
        if now_s < self.pipe.retry_at_s:
            self._stopping.wait(min(0.1, self.pipe.retry_at_s - now_s))
            return True
        try:
            self._start(now_s)
        except SourceError as err:
            self.notes.error("pipe-not-started", what=err.what, deaths=self.pipe.deaths)
        return True

    def _pause(self, now_s: float) -> None:
        """Nothing came: after a while the last record has its whole tail. A pipe that half died is ended."""
        if self.looks is not None:
            self.looks.tick()
        if now_s - self._came_s >= self.config.process.event_timeout_ms / 1000 and not self._cutter.held:
            self.trail.idle()
        if self.pipe is not None and self.pipe.is_over(now_s):
            self._reading = False  # its thread ends with what it reads from
            self._chunks = queue.Queue(self._chunks.maxsize)
            self._run_is_over()
            self.notes.warning("pipe-ended", what=self.pipe.ended(now_s), deaths=self.pipe.deaths)

    # --- records ------------------------------------------------------------------------------------------------

    def _take(self, chunk: bytes) -> None:
        self._came_s = time.monotonic()
        if self.looks is not None:
            self.looks.tick()  # who runs is known before the records are read
        try:
            block = self._cutter.feed(chunk)
        except SourceError as err:
            self.notes.error("line-too-long", what=err.what)
            self._cutter = Cutter("auditpr")
            self.stats.lines += 1
            self.stats.rejected += 1
            return
        if block is not None:
            self.trail.feed(block.lines)

    def _run_is_over(self) -> None:
        """What was open is whole, the titles come anew, and what happens until then is not in the trail."""
        self._reading = False
        last = self._cutter.end()
        self._cutter = Cutter("auditpr")
        if last is not None:
            self.trail.feed(last.lines)
        self.trail.grouper.begin(binary=False)
        self.trail.feed([])
        self.trail.tables.membership.apply(Gap(0), None, None, b"", Stamp(0, 0))

    def _finish(self) -> None:
        """What was read leaves."""
        for _ in range(self._chunks.qsize()):
            self._take(self._chunks.get())
        last = self._cutter.end()
        if last is not None:
            self.trail.feed(last.lines)
        self.trail.finish()

    # --- the machine --------------------------------------------------------------------------------------------

    def _ask(self) -> None:
        """Look at this machine, if it may be asked: its WPARs, and processes of which a record does not say where."""
        host = self._host or host_of(self.config, self.node, self.notes)
        if host is None:
            return
        self.looks = Looks(host, int(self.config.aix.inventory_interval_s * 1000))
        self.backend.inventory = host.inventory
        tables = self.trail.tables
        names = frozenset((b"", self.node.encode()))
        tables.provenance.sightings = Sightings(tables.registry, host=host, names=names, processes=tables.processes)
        looks = self.looks
        self.trail.watch = lambda event, _reading, _life, _answer: looks.heard(event)

    def counts(self) -> dict[str, int]:
        """What is counted here."""
        found = {"notes_dropped": self.notes.dropped}
        if self.pipe is not None:
            found |= {"pipe_starts": self.pipe.starts, "pipe_deaths": self.pipe.deaths}
        if self.looks is not None:
            found["inventory_looks"] = self.looks.count
        return found
