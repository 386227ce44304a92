"""What the worker does from time to time: state, metrics, what was dropped, heartbeats."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from annotator.plugin.outputs.metrics import Drops, heartbeat, metrics, write_metrics

if TYPE_CHECKING:
    from collections.abc import Callable

    from annotator.plugin.outputs.output import Output
    from annotator.plugin.worker.worker import Worker


class Periodic:
    """The appointments of one worker. Times are seconds of the monotonic clock."""

    def __init__(self, worker: Worker, now: float) -> None:
        self.worker = worker
        config = worker.config
        self._drops = Drops()
        self._saved_lines = 0
        self._failed = False
        self._jobs: list[tuple[float, Callable[[], None]]] = [
            (config.state.save_interval_s, self._save),
            (config.log.report_interval_s, self._report),
            (1.0, self._follow),
        ]
        if config.metrics.file:
            self._jobs.append((config.metrics.interval_s, self._metrics))
        if worker.questions is not None:
            self._jobs.append((1.0, worker.questions.serve))  # who does not ask is not waited for
        for output in worker.outputs:
            if output.settings.heartbeat_s:
                self._jobs.append((output.settings.heartbeat_s, partial(self._beat, output)))
        self._due = [now + every for every, _ in self._jobs]

    @property
    def wait_s(self) -> float:
        """How long nothing has to be done, at most the 0.1 s after which quiet events are looked at."""
        return max(0.0, min(0.1, min(self._due) - time.monotonic()))

    def tick(self, now: float) -> None:
        """Do what is due."""
        for at, (every, job) in enumerate(self._jobs):
            if now >= self._due[at]:
                self._due[at] = now + every
                job()

    def last(self) -> None:
        """At the end: the last word on what was dropped, and the last counts."""
        self._report()
        if self.worker.config.metrics.file:
            self._metrics()

    def _save(self) -> None:
        if self.worker.stats.lines != self._saved_lines:
            self._saved_lines = self.worker.stats.lines
            self.worker.save()

    def _report(self) -> None:
        self._drops.report(self.worker.outputs, self.worker.notes)

    def _follow(self) -> None:
        if self.worker.live is not None:
            self.worker.live.tick()

    def _metrics(self) -> None:
        worker = self.worker
        own = {"cut_lines": worker.cut_lines, "notes_dropped": worker.notes.dropped}
        text = metrics(worker.stats, worker.outputs, worker.lines, worker.told, own)
        try:
            write_metrics(Path(worker.config.metrics.file), text)
        except OSError as err:
            if not self._failed:
                worker.notes.error("metrics-not-written", path=worker.config.metrics.file, why=err.strerror)
            self._failed = True
        else:
            self._failed = False

    def _beat(self, output: Output) -> None:
        worker = self.worker
        now_ms = time.time_ns() // 1_000_000
        output.put(heartbeat(output.settings.format, now_ms, worker.node, worker.stats, worker.told), 1)
