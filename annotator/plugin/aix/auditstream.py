"""Live on AIX: records of `auditstream | auditpr`, which is run and watched over here, or of such a pipe on stdin.

    auditstream ──pipe──> auditpr ──pipe──> a reading thread ──queue──> the loop ──queues──> one thread for each output

One process and no auditd: when the queue is full reading stops, and what then waits, waits in the kernel's own buffer.
When either program dies both are started again, after a pause; what happened meanwhile is lost, so that nothing is
believed that only an unbroken trail would prove. The machine's WPARs are looked at between two chunks of records, by
`annotator.aix.live.InventoryScans`. Nothing is kept over a restart: on AIX the record itself says its WPAR.
What the scans show is written to `host.journal`, for a replay.

SIGHUP reads the configuration anew. Outputs, log, metrics and the control socket change between two chunks, and the
pipe goes on; where something is said that concerns how records are read, the pipe is started anew, or, on standard
input, which cannot be, that part is kept as it was, and said.
"""

from __future__ import annotations

import dataclasses
import os
import queue
import signal
import threading
import time
from typing import TYPE_CHECKING

from annotator.aix.journal import Writer
from annotator.aix.live import READ, InventoryScans, Pipe, commands, drain
from annotator.aix.record import is_wpar
from annotator.core.errors import AnnotatorError, ExitCode, SourceError, UsageError
from annotator.core.model import Gap, Stamp
from annotator.history import Observations
from annotator.io.sources import Cutter
from annotator.plugin import config as configuration
from annotator.plugin.aix.service import AT_ONCE, Front
from annotator.plugin.aix.site import backend_of, header_of, host_of
from annotator.plugin.log import Notes
from annotator.plugin.outputs.outputs import check
from annotator.plugin.worker.journal import journaling, noting

if TYPE_CHECKING:
    from pathlib import Path

    from annotator.aix.host import AixHost
    from annotator.engine.observation_log import Journaling
    from annotator.plugin.config import Config


def run(source: str, path: Path | None) -> int:
    """Be the plugin for `auditstream` (we run the pipe) or `auditpr` (it is on standard input); the exit code.

    UsageError where the programs are not there, or an output is not for AIX.
    """
    config: Config | None = _load(path)
    notes = Notes(part="aix")
    wishes = Wishes()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: wishes.stop.set())
    signal.signal(signal.SIGHUP, lambda *_: wishes.reload.set())
    while config is not None and not wishes.stop.is_set():
        live = Stream(config, notes, _pipe(config.aix) if source == "auditstream" else None, path=path, wishes=wishes)
        live.run()
        config = live.successor
    return int(ExitCode.DONE)


def _load(path: Path | None) -> Config:
    config = configuration.load(path)
    if any(one.expr for one in config.output):
        raise UsageError("`expr` is for Linux: the audit library cannot read AIX records", "Remove it.")
    return config


def _pipe(aix: configuration.Aix) -> Pipe:
    return Pipe(*commands(aix.auditstream, aix.auditpr, aix.classes, numeric=aix.numeric))


class Wishes:
    """What signals ask for; they may come between two runs."""

    def __init__(self) -> None:
        self.stop, self.reload = threading.Event(), threading.Event()


class Stream:
    """One run of the pipe, or of standard input. `successor`: the configuration another run shall have.

    `host` is for tests; None: this machine, as configured. Raises UsageError.
    """

    def __init__(
        self,
        config: Config,
        notes: Notes,
        pipe: Pipe | None,
        host: AixHost | None = None,
        *,
        path: Path | None = None,
        wishes: Wishes | None = None,
    ) -> None:
        self.config, self.notes, self.pipe, self.path = config, notes, pipe, path
        self.front = Front(config, notes, self.counts)
        self.trail, self.stats = self.front.trail, self.front.stats
        self.wishes = wishes or Wishes()
        self.successor: Config | None = None
        self.scans: InventoryScans | None = None
        self.journal: Journaling | None = None
        self._host = host
        self._cutter = Cutter("auditpr")
        self._chunks: queue.Queue[bytes] = queue.Queue((config.queue.memory_mib << 20) // READ)
        self._reading = False
        self._until_s = 0.0
        self._came_s = time.monotonic()

    # --- the loop -----------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Until standard input ends, we are told to stop, or another run shall be."""
        try:
            self._start(time.monotonic())  # first, so that nothing waits in the kernel while the machine is looked at
            self._ask()
            self.front.listen()
            while self._step(time.monotonic()):
                self.front.tick()
                if self.journal is not None:
                    self.journal.flush()
                if self.wishes.reload.is_set():
                    self.wishes.reload.clear()
                    self._reload()
            self._finish()
        except AnnotatorError as err:
            self.notes.error("stopped", what=err.what, advice=err.advice)
            raise
        finally:
            self.close()
        self.notes.info("ends", summary=self.stats.summary(), **self.counts())

    def close(self) -> None:
        """End the pipe; what waits for outputs and journal is written."""
        if self.pipe is not None:
            self.pipe.close()
        self.front.close()
        if self.journal is not None:
            self.journal.close()

    @property
    def _ends(self) -> bool:
        """Nothing new is wanted; what the pipe holds is still read, for at most `process.drain_s`."""
        return self.wishes.stop.is_set() or self.successor is not None

    def _step(self, now_s: float) -> bool:
        """One chunk, or a pause; whether to go on."""
        if self._ends and not self._until_s:
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
        if self.pipe is None or self._ends:
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
            self.wishes.stop.wait(min(0.1, self.pipe.retry_at_s - now_s))
            return True
        try:
            self._start(now_s)
        except SourceError as err:
            self.notes.error("pipe-not-started", what=err.what, deaths=self.pipe.deaths)
        return True

    def _pause(self, now_s: float) -> None:
        """Nothing came: after a while the last record has its whole tail. A pipe that half died is ended."""
        self._look()
        if now_s - self._came_s >= self.config.process.event_timeout_ms / 1000 and not self._cutter.held:
            self.trail.idle()
        if self.pipe is not None and self.pipe.is_over(now_s):
            self._reading = False  # its thread ends with what it reads from
            self._chunks = queue.Queue(self._chunks.maxsize)
            self._run_is_over()
            self.notes.warning("pipe-ended", what=self.pipe.ended(now_s), deaths=self.pipe.deaths)

    # --- another configuration ----------------------------------------------------------------------------------

    def _reload(self) -> None:
        """Go on with what the file says now; when that is no good, with what it said before."""
        try:
            config = _load(self.path)
            kept = dataclasses.replace(self.config, **{name: getattr(config, name) for name in AT_ONCE})
            if self.pipe is not None and kept != config:  # how records are read: the pipe and its titles come anew
                _pipe(config.aix)
                check(config, self.front.node, backend_of(config, self.front.node, self.notes))
                self.notes.info("reloading", what="the pipe is started anew")
                self.successor = config
                return
            check(kept, self.front.node, self.front.backend)
        except AnnotatorError as err:
            self.notes.error("bad-configuration", what=err.what, advice=err.advice, kept="the one before")
            return
        if kept != config:
            self.notes.warning("reload-partial", why="how standard input is read holds from the next start on")
        self.front.turn(kept)
        self.config = kept
        self.notes.info("reloaded")

    # --- records ------------------------------------------------------------------------------------------------

    def _take(self, chunk: bytes) -> None:
        self._came_s = time.monotonic()
        self._look()  # who runs is known before the records are read
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
        host = self._host or host_of(self.config, self.front.node, self.notes)
        if host is None:
            return
        kept = journaling(self.config.host.journal, header_of(self.front.node), self.stats, self.notes)
        self.journal = kept
        writer = Writer(kept.append) if kept is not None else None
        every_ms = int(self.config.aix.inventory_interval_s * 1000)
        self.scans = InventoryScans(host, every_ms, writer.note if writer else None)
        self.front.backend.inventory, self.front.now = host.inventory, host.now
        tables = self.trail.tables
        tables.observations = Observations(
            tables.registry,
            host=host,
            note=noting(kept, writer) if kept is not None and writer is not None else None,
            names=frozenset((b"", self.front.node.encode())),
            processes=tables.processes,
            has_inventory=is_wpar,
        )
        self.front.differ(host.inventory.conflicts)
        heard = self.scans.heard
        self.trail.watch = lambda event, _reading, _life, _answer: heard(event)

    def _look(self) -> None:
        """If it is time."""
        if self.scans is not None and self.scans.tick():
            self.front.differ(self.scans.host.inventory.conflicts)

    def counts(self) -> dict[str, int]:
        """What is counted here."""
        found = {"notes_dropped": self.notes.dropped}
        if self.pipe is not None:
            found |= {"pipe_starts": self.pipe.starts, "pipe_deaths": self.pipe.deaths}
        if self.scans is not None:
            found["inventory_looks"] = self.scans.count
        return found
