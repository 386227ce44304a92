"""What the plugin on AIX shows: outputs, control socket, metrics, notes. A reload changes all of it at once."""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING

from annotator.core.errors import UsageError
from annotator.core.model import Container
from annotator.core.stats import Stats
from annotator.plugin.aix.scheduler import Chores
from annotator.plugin.aix.site import backend_of
from annotator.plugin.control_server import Questions, listen, prepare
from annotator.plugin.outputs.outputs import Outlets
from annotator.plugin.outputs.router import Fan, Fanned

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from annotator.aix.backend import Aix
    from annotator.aix.grouping import TrailGrouper
    from annotator.aix.wpar_lifetimes import Conflict
    from annotator.plugin.config import Config
    from annotator.plugin.log import Notes
    from annotator.plugin.outputs.output import Output

AT_ONCE = ("process", "control", "log", "metrics", "output")
"""The tables of the configuration that are only about this side; the others are about what is read."""


class Trail(Fanned):
    """The pipeline over all outputs. Each record is an event, so that no line is late."""

    grouper: TrailGrouper

    def __init__(self, backend: Aix, fan: Fan, stats: Stats) -> None:
        super().__init__(backend, fan, stats, grouper=backend.grouper(stats, ordered=bool(fan.lined)))

    def turn(self, fan: Fan) -> None:
        """To other outputs from now on: between two feeds nothing that is decided waits."""
        self.form = fan
        self.grouper.ordered = bool(fan.lined)


class Front:
    """`counts` are those of who reads. Raises UsageError for an output that cannot be meant."""

    def __init__(self, config: Config, notes: Notes, counts: Callable[[], dict[str, int]]) -> None:
        self.config, self.notes, self.counts = config, notes, counts
        self._say_where()
        self.node = config.input.node or socket.gethostname()
        self.stats = Stats()
        self.backend = backend_of(config, self.node, notes)
        self.outlets = Outlets(config, self.node, self.backend, self.stats, notes)
        self.trail = Trail(self.backend, self.outlets.fan, self.stats)
        self.chores = Chores(self)
        self.questions: Questions | None = None
        self._differed = 0
        self.now: Callable[[], int] = lambda: time.time_ns() // 1_000_000
        """Unix milliseconds, by the clock of the machine whose WPARs these are."""

    def turn(self, config: Config) -> None:
        """To this configuration, whose outputs were checked. What waits for the outputs of before is written first."""
        self.close()
        self.config = config
        self._say_where()
        self.outlets = Outlets(config, self.node, self.backend, self.stats, self.notes)
        self.trail.turn(self.outlets.fan)
        self.chores = Chores(self)
        self.listen()

    def listen(self) -> None:
        """Answer questions, where that is wanted."""
        try:
            prepare(self.config)
        except (OSError, UsageError) as err:
            self.notes.warning("no-control-directory", path=self.config.control.socket, why=err)
        self.questions = listen(self, None)

    def tick(self) -> None:
        """Do what is due, answer who asks."""
        self.chores.tick(time.monotonic())
        if self.questions is not None:
            self.questions.serve()

    def differ(self, conflicts: Sequence[Conflict]) -> None:
        """What sources of this machine say differently of its WPARs (all of it, oldest first): each is said once."""
        for one in conflicts[self._differed :]:
            self.notes.warning("wpar-sources-differ", **one._asdict())
        self._differed = len(conflicts)

    def close(self) -> None:
        """No more answers; what waits is written within `process.drain_s`, and the rest counted as dropped."""
        if self.questions is not None:
            self.questions.close()
            self.questions = None
        self.outlets.close(time.monotonic() + max(0.5, self.config.process.drain_s))
        self.chores.last()

    def _say_where(self) -> None:
        log = self.config.log
        self.notes.syslog, self.notes.level, self.notes.stderr = log.syslog, log.level, log.stderr or os.isatty(2)

    # --- for who asks -------------------------------------------------------------------------------------------

    @property
    def outputs(self) -> list[Output]:
        """Those of the configuration of now."""
        return self.outlets.outputs

    @property
    def lines(self) -> dict[str, Stats]:
        """Their counts of lines, by name."""
        return self.outlets.lines

    @property
    def told(self) -> dict[str, int]:
        """The counts of who reads."""
        return self.counts()

    def containers(self) -> list[Container]:
        """The WPARs that are known; one that does not run has no CID."""
        now_ms, inventory = self.now(), self.backend.inventory
        found = (inventory.container_for(name, now_ms) for name in sorted(inventory.names()))
        return [one for one in found if isinstance(one, Container)]
