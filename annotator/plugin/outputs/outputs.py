"""All outputs of one configuration: opened together, joined in one router, closed together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from annotator.core.stats import Stats
from annotator.plugin.outputs.output import Output, repeats_finder, sink_opener
from annotator.plugin.outputs.router import OutputRouter, channel

if TYPE_CHECKING:
    from annotator.aix.backend import Aix
    from annotator.io.log import Log
    from annotator.linux.backend import Linux
    from annotator.plugin.config import Config


class Outputs:
    """The outputs of a configuration, in its order (`all`).

    `lines` counts the lines of each by its name; those of the first are in the pipeline's own `stats`. Raises
    UsageError where the settings of an output are invalid, before any is opened. `repeated`: the first lines may have
    been written by a worker that was killed.
    """

    def __init__(
        self, config: Config, node: str, backend: Linux | Aix, stats: Stats, log: Log, *, repeated: bool = False
    ) -> None:
        check(config, node, backend)
        openers = [sink_opener(one, Path(one.path), node) for one in config.output]
        finders = [repeats_finder(one, Path(one.path)) if repeated else None for one in config.output]
        parts = zip(config.output, openers, finders, strict=True)
        self.all = [Output(one, log, opener, finder) for one, opener, finder in parts]
        self.lines = {one.name: stats if at == 0 else Stats() for at, one in enumerate(self.all)}
        channels = [channel(one.settings, node, backend, self.lines[one.name], one) for one in self.all]
        self.router = OutputRouter(channels)

    @property
    def is_held(self) -> bool:
        """Whether nothing more should be put, since an output that keeps all is behind."""
        return any(output.is_held for output in self.all)

    def close(self, until_s: float) -> None:
        """Write what is queued until then (monotonic seconds); the rest is counted as dropped."""
        for output in self.all:
            output.end()  # all at once, so that they end at the same time
        for output in self.all:
            output.close(until_s)


class _NullQueue:
    """The queue of an output that is checked and not opened."""

    def put(self, data: bytes, units: int) -> None:
        """Drop the bytes."""


def check(config: Config, node: str, backend: Linux | Aix) -> None:
    """Raise UsageError where an output is invalid: an unknown user or group, a form that the backend does not have."""
    for one in config.output:
        sink_opener(one, Path(one.path), node)
        channel(one, node, backend, Stats(), _NullQueue())
