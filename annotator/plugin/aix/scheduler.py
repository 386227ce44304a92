"""What the plugin does from time to time while it reads an AIX trail: metrics, drops, heartbeats, forgetting."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from annotator.plugin.outputs.metrics import Drops, heartbeat, metrics, write_metrics

if TYPE_CHECKING:
    from annotator.plugin.aix.service import Front

FORGET_MS = 120_000
"""What ended so long ago is forgotten."""


class Chores:
    """What is done from time to time: metrics, what outputs dropped, heartbeats, forgetting. Monotonic seconds."""

    def __init__(self, front: Front) -> None:
        self.front = front
        self._drops = Drops()
        config = front.config
        self._due = {"report": 0.0, "metrics": 0.0, "forget": 0.0}
        self._every = {
            "report": config.log.report_interval_s, "metrics": config.metrics.interval_s, "forget": 10.0
        }  # fmt: skip
        self._beats = {one: 0.0 for one in front.outputs if one.settings.heartbeat_s}
        self._failed = False

    def tick(self, now_s: float) -> None:
        """Do what is due."""
        for name, job in (("report", self._report), ("metrics", self._metrics), ("forget", self._forget)):
            if now_s >= self._due[name]:
                self._due[name] = now_s + self._every[name]
                job()
        front = self.front
        for output, due in self._beats.items():
            if now_s >= due:
                self._beats[output] = now_s + output.settings.heartbeat_s
                now_ms = time.time_ns() // 1_000_000
                output.put(heartbeat(output.settings.format, now_ms, front.node, front.stats, front.counts()), 1)

    def last(self) -> None:
        """The last word."""
        self._report()
        self._metrics()

    def _report(self) -> None:
        self._drops.report(self.front.outputs, self.front.notes)

    def _forget(self) -> None:
        observations = self.front.trail.tables.observations
        if observations is not None:
            observations.forget(time.time_ns() // 1_000_000 - FORGET_MS)

    def _metrics(self) -> None:
        front, file = self.front, self.front.config.metrics.file
        if not file:
            return
        try:
            write_metrics(Path(file), metrics(front.stats, front.outputs, front.lines, {}, front.counts()))
        except OSError as err:
            if not self._failed:
                front.notes.error("metrics-not-written", path=file, why=err.strerror)
            self._failed = True
