"""Jobs that are due from time to time: a scheduler, and the reports that the plugin makes on Linux and on AIX.

Times are seconds of the monotonic clock. A job never waits, and is called between two pieces of input.
"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from annotator.plugin.outputs.metrics import DropReport, heartbeat, metrics, write_metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from annotator.plugin.outputs.output import Output
    from annotator.plugin.status import StatusSource


class Job(NamedTuple):
    """Something to do every `interval_s` seconds."""

    interval_s: float
    run: Callable[[], None]


class Scheduler:
    """Runs jobs, in their order, when they are due. The first time is `start_s`, or an interval later."""

    def __init__(self, jobs: Sequence[Job], *, start_s: float, at_once: bool = False) -> None:
        self._jobs = jobs
        self._due_s = [start_s if at_once else start_s + job.interval_s for job in jobs]

    def wait_s(self, now_s: float) -> float:
        """How long no job is due; 0 when one is."""
        return max(0.0, min(self._due_s) - now_s)

    def tick(self, now_s: float) -> None:
        """Run the jobs that are due."""
        for at, job in enumerate(self._jobs):
            if now_s >= self._due_s[at]:
                self._due_s[at] = now_s + job.interval_s
                job.run()


class Reports:
    """The reports of a running plugin: records that outputs dropped (to the log), the metrics file, heartbeats."""

    def __init__(self, source: StatusSource) -> None:
        self._source = source
        self._drops = DropReport()
        self._metrics_failed = False

    def jobs(self) -> list[Job]:
        """The jobs that the configuration asks for."""
        config = self._source.config
        jobs = [Job(config.log.report_interval_s, self._report_drops)]
        if config.metrics.file:
            jobs.append(Job(config.metrics.interval_s, self._write_metrics))
        outputs = [output for output in self._source.outputs if output.settings.heartbeat_s]
        beats = [Job(output.settings.heartbeat_s, partial(self._send_heartbeat, output)) for output in outputs]
        return jobs + beats

    def finish(self) -> None:
        """Make the last reports."""
        self._report_drops()
        if self._source.config.metrics.file:
            self._write_metrics()

    def _report_drops(self) -> None:
        self._drops.report(self._source.outputs, self._source.log)

    def _write_metrics(self) -> None:
        source = self._source
        path = source.config.metrics.file
        text = metrics(source.stats, source.outputs, source.lines, source.input_counts, source.own_counts)
        try:
            write_metrics(Path(path), text)
        except OSError as err:
            if not self._metrics_failed:
                source.log.error("metrics-not-written", path=path, why=err.strerror)
            self._metrics_failed = True
        else:
            self._metrics_failed = False

    def _send_heartbeat(self, output: Output) -> None:
        source = self._source
        now_ms = time.time_ns() // 1_000_000
        output.put(heartbeat(output.settings.format, now_ms, source.node, source.stats, source.input_counts), 1)
