"""The parts of a running plugin that its control socket and its reports show, on Linux and on AIX."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from annotator.core.model import Container
    from annotator.core.stats import Stats
    from annotator.io.log import Log
    from annotator.plugin.config import Config
    from annotator.plugin.outputs.output import Output


class StatusSource(Protocol):
    """A running plugin. `node` is the name of this machine, `stats` the counts of the pipeline."""

    config: Config
    log: Log
    node: str
    stats: Stats

    @property
    def outputs(self) -> Sequence[Output]:
        """The outputs, in the order of the configuration."""
        ...

    @property
    def lines(self) -> Mapping[str, Stats]:
        """The counts of lines of each output, by its name."""
        ...

    @property
    def input_counts(self) -> Mapping[str, float]:
        """The counts of the part that reads the records, by name."""
        ...

    @property
    def own_counts(self) -> Mapping[str, int]:
        """Counts that are in the metrics only."""
        ...

    def containers(self) -> list[Container]:
        """The containers that live, newest first."""
        ...
