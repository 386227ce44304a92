"""Live on AIX: the records of `auditstream | auditpr`, a pipe that is started and supervised here, or is on stdin.

    auditstream ──pipe──> auditpr ──pipe──> a reading thread ──queue──> the loop ──queues──> one thread for each output

Each record is printed with a heading that holds a random number of this run, so that no tail can imitate one
(`annotator.aix.headings`). With `records = "binary"` there is no auditpr, and what the kernel wrote is read.

One process and no auditd: when the queue is full reading stops, and records wait in the kernel's own buffer. When
either program dies both are started again, after a pause; the records of that time are lost, so that nothing is
believed that only an unbroken trail would prove. WPARs are read between two chunks of records, and written to
`host.journal` for a replay. Nothing is kept over a restart: on AIX the record itself names its WPAR.
SIGHUP reads the configuration again. Outputs, log, metrics and the control socket change between two chunks. Where a
setting of the input has changed, the pipe is started again; on standard input the setting is kept, and that is logged.

Budget: one run, with what begins, ends and changes it, shares its state.
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
from annotator.core.errors import AnnotatorError, ExitCode, FormatError, FormError, SourceError, UsageError
from annotator.core.model import Gap, Stamp
from annotator.history import Observations
from annotator.io.log import Log
from annotator.io.sources import Cutter
from annotator.plugin import config_load
from annotator.plugin.aix.service import AT_ONCE, AixService
from annotator.plugin.aix.site import backend_of, header_of, host_of
from annotator.plugin.journal import journaling, noting, path_of
from annotator.plugin.outputs.outputs import check

if TYPE_CHECKING:
    from pathlib import Path

    from annotator.aix.host import AixHost
    from annotator.engine.observation_log import Journaling
    from annotator.plugin.config import Aix, Config


def run(source: str, path: Path | None) -> int:
    """Be the plugin for `auditstream` (we run the pipe) or `auditpr` (it is on standard input); the exit code.

    Raises UsageError where the configuration is invalid: a program is missing, or an output is not for AIX.
    """
    config: Config | None = _load(path)
    log = Log(part="aix")
    signals = Signals()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: signals.stop.set())
    signal.signal(signal.SIGHUP, lambda *_: signals.reload.set())
    while config is not None and not signals.stop.is_set():
        live = AuditStream(
            config, log, _pipe(config.aix) if source == "auditstream" else None, path=path, signals=signals
        )
        live.run()
        config = live.successor
    return int(ExitCode.DONE)


def _load(path: Path | None) -> Config:
    config = config_load.load(path)
    if any(one.expr for one in config.output):
        raise UsageError("`expr` is for Linux: the audit library cannot read AIX records", "Remove it.")
    return config


def _pipe(aix: Aix) -> Pipe:
    first, second = commands(aix.auditstream, aix.auditpr, aix.classes, numeric=aix.numeric)
    return Pipe(first, [] if aix.records == "binary" else second)


class Signals:
    """The requests of signals, which may come between two runs."""

    def __init__(self) -> None:
        self.stop, self.reload = threading.Event(), threading.Event()


class AuditStream:
    """One run of the pipe, or of standard input. `successor` is the configuration of the run that follows.

    `host` is for tests; None: this machine, as configured. Raises UsageError.
    """

    def __init__(
        self,
        config: Config,
        log: Log,
        pipe: Pipe | None,
        host: AixHost | None = None,
        *,
        path: Path | None = None,
        signals: Signals | None = None,
    ) -> None:
        self.config, self.log, self.pipe, self.path = config, log, pipe, path
        self.service = AixService(config, log, self.counts)
        self.pipeline, self.stats = self.service.pipeline, self.service.stats
        self.signals = signals or Signals()
        self.successor: Config | None = None
        self.scans: InventoryScans | None = None
        self.journal: Journaling | None = None
        self._host = host
        self._cutter = Cutter("auditpr")
        self._chunks: queue.Queue[bytes] = queue.Queue((config.queue.memory_mib << 20) // READ)
        self._reading = self._has_said_missing = False
        self._is_binary = pipe is not None and config.aix.records == "binary"
        self._until_s = 0.0
        self._came_s = time.monotonic()

    # --- the loop -----------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Run until standard input ends, a signal asks to stop, or another run follows."""
        try:
            self._start(time.monotonic())  # first, so that nothing waits in the kernel while the machine is read
            self._attach_host()
            self.service.listen()
            while self._step(time.monotonic()):
                self.service.tick()
                if self.journal is not None:
                    self.journal.flush()
                if self.signals.reload.is_set():
                    self.signals.reload.clear()
                    self._reload()
            self._finish()
        except AnnotatorError as err:
            self.log.error("stopped", what=err.what, advice=err.advice)
            raise
        finally:
            self.close()
        self.log.info("ends", summary=self.stats.summary(), **self.counts())

    def close(self) -> None:
        """End the pipe; the queues of outputs and journal are written."""
        if self.pipe is not None:
            self.pipe.close()
        self.service.close()
        if self.journal is not None:
            self.journal.close()

    @property
    def _ends(self) -> bool:
        """Whether this run is ending; the rest of the pipe is still read, for at most `process.drain_s`."""
        return self.signals.stop.is_set() or self.successor is not None

    def _step(self, now_s: float) -> bool:
        """One chunk, or a pause; whether to go on."""
        if self._ends and not self._until_s:
            self._until_s = now_s + self.config.process.drain_s
            if self.pipe is None or not self._reading:
                return False
            self.pipe.stop()
        if self._until_s and now_s >= self._until_s:
            return False
        if not self._reading or self.service.paused():
            return self._reading or self._again(now_s)
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
        self.log.warning("pipe-ended", what=self.pipe.ended(now_s), deaths=self.pipe.deaths)
        return True

    def _start(self, now_s: float) -> None:
        fd = self.pipe.start(now_s) if self.pipe is not None else os.dup(0)
        if self.pipe is not None:
            self.pipeline.grouper.begin(binary=self._is_binary, nonce=self.pipe.nonce)
            self._has_said_missing = False
        self._reading = True
        threading.Thread(target=drain, args=(fd, self._chunks), name="reader", daemon=True).start()

    def _again(self, now_s: float) -> bool:
        """Start the pipe when that is due; another pause when it fails."""
        assert self.pipe is not None  # noqa: S101  (standard input is read once)
        if now_s < self.pipe.retry_at_s:
            self.signals.stop.wait(min(0.1, self.pipe.retry_at_s - now_s))
            return True
        try:
            self._start(now_s)
        except SourceError as err:
            self.log.error("pipe-not-started", what=err.what, deaths=self.pipe.deaths)
        return True

    def _pause(self, now_s: float) -> None:
        """Nothing came: after a while the last record has its whole tail. A pipe that half died is ended."""
        self._read_inventory()
        if now_s - self._came_s >= self.config.process.event_timeout_ms / 1000 and not self._cutter.held:
            self.pipeline.idle()
        if self.pipe is not None and self.pipe.is_over(now_s):
            self._reading = False  # its thread ends with what it reads from
            self._chunks = queue.Queue(self._chunks.maxsize)
            self._run_is_over()
            self.log.warning("pipe-ended", what=self.pipe.ended(now_s), deaths=self.pipe.deaths)

    # --- another configuration ----------------------------------------------------------------------------------

    def _reload(self) -> None:
        """Use the configuration as the file is now; where that is invalid, the one before."""
        try:
            config = _load(self.path)
            kept = dataclasses.replace(self.config, **{name: getattr(config, name) for name in AT_ONCE})
            if self.pipe is not None and kept != config:  # how records are read: the pipe and its titles come anew
                _pipe(config.aix)
                check(config, self.service.node, backend_of(config, self.service.node, self.log))
                self.log.info("reloading", what="the pipe is started anew")
                self.successor = config
                return
            check(kept, self.service.node, self.service.backend)
        except AnnotatorError as err:
            self.log.error("bad-configuration", what=err.what, advice=err.advice, kept="the one before")
            return
        if kept != config:
            self.log.warning("reload-partial", why="how standard input is read holds from the next start on")
        self.service.reconfigure(kept)
        self.config = kept
        self.log.info("reloaded")

    # --- records ------------------------------------------------------------------------------------------------

    def _take(self, chunk: bytes) -> None:
        self._came_s = time.monotonic()
        self._read_inventory()  # the WPARs that run are known before the records are read
        if self._is_binary:
            self._take_binary(chunk)
            return
        try:
            block = self._cutter.feed(chunk)
        except SourceError as err:
            self.log.error("line-too-long", what=err.what)
            self._cutter = Cutter("auditpr")
            self.stats.lines += 1
            self.stats.rejected += 1
            return
        if block is not None:
            self.pipeline.feed(block.lines)
        headings = self.pipeline.grouper.headings
        if headings is not None and headings.missing and not self._has_said_missing:
            self._has_said_missing = True
            self.log.error(
                "no-headings", why="auditpr -t2 -m did not print its message before the first record",
                effect="a file name can imitate a record, so no WPAR column is proof: its answers are `inferred`",
            )  # fmt: skip

    def _take_binary(self, chunk: bytes) -> None:
        """What the kernel wrote. When it cannot be read, the pipe is started anew with auditpr, which can."""
        try:
            self.pipeline.feed([chunk])
        except (FormError, FormatError) as err:
            self.log.error("binary-not-readable", what=err.what, effect="records are read as auditpr prints them")
            self.successor = dataclasses.replace(
                self.config, aix=dataclasses.replace(self.config.aix, records="printed")
            )
            self._chunks = queue.Queue(self._chunks.maxsize)
            self._reading = False
            self.pipeline.grouper.give_up()

    def _run_is_over(self) -> None:
        """The open record is complete, titles come again, and what happens until then is not in the trail."""
        self._reading = False
        last = self._cutter.end()
        self._cutter = Cutter("auditpr")
        if last is not None:
            self.pipeline.feed(last.lines)
        self.pipeline.grouper.begin(binary=False)
        self.pipeline.feed([])
        self.pipeline.tables.membership.apply(Gap(0), None, None, b"", Stamp(0, 0))

    def _finish(self) -> None:
        """Let out what was read."""
        for _ in range(self._chunks.qsize()):
            self._take(self._chunks.get())
        last = self._cutter.end()
        if last is not None:
            self.pipeline.feed(last.lines)
        self.pipeline.finish()

    # --- the machine --------------------------------------------------------------------------------------------

    def _attach_host(self) -> None:
        """Ask this machine, if it may be asked: for its WPARs, and for processes whose record names no WPAR."""
        config, header = self.config, header_of(self.service.node)
        if (host := self._host or host_of(config, self.service.node, self.log)) is None:
            return
        journal = journaling(path_of(config, aix=True), config, header, self.stats, self.log)
        self.journal = journal
        writer = Writer(journal.append) if journal is not None else None
        every_ms = int(self.config.aix.inventory_interval_s * 1000)
        self.scans = InventoryScans(host, every_ms, writer.note if writer else None)
        self.service.backend.inventory, self.service.now = host.inventory, host.now
        tables = self.pipeline.tables
        names = frozenset((b"", self.service.node.encode()))
        tables.observations = Observations(
            tables.registry,
            host=host,
            note=noting(journal, writer) if journal is not None and writer is not None else None,
            names=names,
            processes=tables.processes,
            has_inventory=is_wpar,
        )
        self.service.log_conflicts(host.inventory.conflicts)
        heard = self.scans.heard
        self.pipeline.watch = lambda event, _reading, _life, _answer: heard(event)

    def _read_inventory(self) -> None:
        """Read the WPARs of this machine, if that is due."""
        if self.scans is not None and self.scans.tick():
            self.service.log_conflicts(self.scans.host.inventory.conflicts)

    def counts(self) -> dict[str, int]:
        """The counts of this part."""
        counts = {"notes_dropped": self.log.dropped}
        if self.pipe is not None:
            counts |= {"pipe_starts": self.pipe.starts, "pipe_deaths": self.pipe.deaths}
        if self.scans is not None:
            counts["inventory_looks"] = self.scans.count
        return counts
