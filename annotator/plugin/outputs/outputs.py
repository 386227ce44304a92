"""All outputs of one configuration: opened together, joined in one fan, closed together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from annotator.core.stats import Stats
from annotator.plugin.outputs.output import Output, maker
from annotator.plugin.outputs.router import Fan, channel

if TYPE_CHECKING:
    from annotator.aix.backend import Aix
    from annotator.linux.backend import Linux
    from annotator.plugin.config import Config
    from annotator.plugin.log import Notes


class Outlets:
    """`lines` counts the lines of each by its name; those of the first are in the pipeline's own `stats`.

    Raises UsageError for an output that cannot be meant, before any is opened.
    """

    def __init__(self, config: Config, node: str, backend: Linux | Aix, stats: Stats, notes: Notes) -> None:
        check(config, node, backend)
        made = [maker(one, Path(one.path), node) for one in config.output]
        self.outputs = [Output(one, notes, make) for one, make in zip(config.output, made, strict=True)]
        self.lines = {one.name: stats if at == 0 else Stats() for at, one in enumerate(self.outputs)}
        self.fan = Fan([channel(one.settings, node, backend, self.lines[one.name], one) for one in self.outputs])

    def close(self, until_s: float) -> None:
        """Write what waits until then (monotonic seconds); the rest is counted as dropped."""
        for output in self.outputs:
            output.close(until_s)


class _Nowhere:
    """For an output that is looked at and not opened."""

    def put(self, data: bytes, units: int) -> None:
        """Nothing is kept."""


def check(config: Config, node: str, backend: Linux | Aix) -> None:
    """Raise UsageError where an output cannot be meant: a user who is not there, a form that the backend has not."""
    for one in config.output:
        maker(one, Path(one.path), node)
        channel(one, node, backend, Stats(), _Nowhere())
