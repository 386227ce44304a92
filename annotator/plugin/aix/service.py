"""The AIX plugin's outputs, control socket, metrics and log. A reload replaces all of them at once."""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING

from annotator.core.errors import UsageError
from annotator.core.model import Container
from annotator.core.stats import Stats
from annotator.plugin.aix.site import backend_of
from annotator.plugin.control_server import listen, prepare
from annotator.plugin.outputs.outputs import Outputs
from annotator.plugin.outputs.router import OutputRouter, RoutedPipeline
from annotator.plugin.scheduler import Job, Reports, Scheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from annotator.aix.backend import Aix
    from annotator.aix.grouping import TrailGrouper
    from annotator.aix.wpar_lifetimes import Conflict
    from annotator.io.log import Log
    from annotator.plugin.config import Config
    from annotator.plugin.control_server import ControlServer
    from annotator.plugin.outputs.output import Output

AT_ONCE = ("process", "control", "log", "metrics", "output")
"""The tables of the configuration that concern this side only; the others concern the input."""

FORGET_S = 10.0
"""How often processes that ended long ago are forgotten."""

KEPT_MS = 120_000
"""How long a process that has ended is remembered."""


HELD_S = 0.05
"""The pause before an output that keeps all, and is behind, is looked at again."""


class AixPipeline(RoutedPipeline):
    """The pipeline over all outputs. Each record is an event, so that no line is late."""

    grouper: TrailGrouper

    def __init__(self, backend: Aix, router: OutputRouter, stats: Stats) -> None:
        assembler = backend.grouper(stats, ordered=bool(router.line_channels))
        super().__init__(backend, router, stats, grouper=assembler)

    def replace_outputs(self, router: OutputRouter) -> None:
        """Use other outputs from now on: between two feeds no decided event waits."""
        self.form = router
        self.grouper.ordered = bool(router.line_channels)


class AixService:
    """The part of the plugin that does not read. `counts` gives the counts of the part that reads.

    Raises UsageError for an output that is invalid.
    """

    def __init__(self, config: Config, log: Log, counts: Callable[[], dict[str, int]]) -> None:
        self.config, self.log = config, log
        self._counts = counts
        self._set_log()
        self.node = config.input.node or socket.gethostname()
        self.stats = Stats()
        self.backend = backend_of(config, self.node, log)
        self._outputs = Outputs(config, self.node, self.backend, self.stats, log)
        self.pipeline = AixPipeline(self.backend, self._outputs.router, self.stats)
        self._set_schedule()
        self.control: ControlServer | None = None
        self._conflicts = 0
        self.now: Callable[[], int] = lambda: time.time_ns() // 1_000_000
        """Unix milliseconds, by the clock of the machine whose WPARs these are."""

    def reconfigure(self, config: Config) -> None:
        """Use this configuration, whose outputs were checked. The queues of the outputs before are written first."""
        self.close()
        self.config = config
        self._set_log()
        self._outputs = Outputs(config, self.node, self.backend, self.stats, self.log)
        self.pipeline.replace_outputs(self._outputs.router)
        self._set_schedule()
        self.listen()

    def listen(self) -> None:
        """Answer questions on the control socket, where that is configured."""
        try:
            prepare(self.config)
        except (OSError, UsageError) as err:
            self.log.warning("no-control-directory", path=self.config.control.socket, why=err)
        self.control = listen(self, None)

    def tick(self) -> None:
        """Run the jobs that are due, and answer questions."""
        self._scheduler.tick(time.monotonic())
        if self.control is not None:
            self.control.serve()

    def paused(self) -> bool:
        """Pause shortly where an output that keeps all is behind, so that no more input may be taken; whether it is."""
        if self._outputs.is_held:
            time.sleep(HELD_S)
            return True
        return False

    def log_conflicts(self, conflicts: Sequence[Conflict]) -> None:
        """Log each contradiction between sources about this machine's WPARs once. `conflicts`: all, oldest first."""
        for conflict in conflicts[self._conflicts :]:
            self.log.warning("wpar-sources-differ", **conflict._asdict())
        self._conflicts = len(conflicts)

    def close(self) -> None:
        """Stop answering; the queues are written within `process.drain_s`, and the rest is counted as dropped."""
        if self.control is not None:
            self.control.close()
            self.control = None
        self._outputs.close(time.monotonic() + max(0.5, self.config.process.drain_s))
        self._reports.finish()

    def _set_log(self) -> None:
        settings = self.config.log
        self.log.syslog, self.log.level = settings.syslog, settings.level
        self.log.stderr = settings.stderr or os.isatty(2)

    def _set_schedule(self) -> None:
        self._reports = Reports(self)
        jobs = [*self._reports.jobs(), Job(FORGET_S, self._forget)]
        self._scheduler = Scheduler(jobs, start_s=time.monotonic(), at_once=True)

    def _forget(self) -> None:
        observations = self.pipeline.tables.observations
        if observations is not None:
            observations.forget(time.time_ns() // 1_000_000 - KEPT_MS)

    # --- what is shown of this plugin ----------------------------------------------------------------------------

    @property
    def outputs(self) -> list[Output]:
        """The outputs of the present configuration."""
        return self._outputs.all

    @property
    def lines(self) -> dict[str, Stats]:
        """Their counts of lines, by name."""
        return self._outputs.lines

    @property
    def input_counts(self) -> dict[str, int]:
        """The counts of the part that reads."""
        return self._counts()

    @property
    def own_counts(self) -> dict[str, int]:
        """Nothing: all counts are those of the part that reads."""
        return {}

    def containers(self) -> list[Container]:
        """The WPARs that are known; one that does not run has no CID."""
        now_ms, inventory = self.now(), self.backend.inventory
        known = (inventory.container_for(name, now_ms) for name in sorted(inventory.names()))
        return [container for container in known if isinstance(container, Container)]
