"""Which of the reader's chunks have left: until then the reader keeps them, for a worker that dies."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from annotator.core.model import Event
    from annotator.events import EventAssembler
    from annotator.plugin.outputs.output import Output

WRITTEN_S = 1.0
"""How long a chunk is kept because an output has not written it: one that is slow or dead is not waited for."""


class Chunk(NamedTuple):
    """One chunk: `events` were open after it, `marks` are what the outputs had been given. Seconds, monotonic."""

    events: list[Event]
    marks: list[int]
    until: float


class Progress:
    """Counts chunks: `read` so far, and how many of them have `left`, in their order."""

    def __init__(self, grouper: EventAssembler, outputs: Sequence[Output]) -> None:
        self.read = self.left = 0
        self._grouper = grouper
        self._outputs = outputs
        self._open: deque[Chunk] = deque()

    def took(self, now: float) -> None:
        """Another chunk was fed to the pipeline."""
        self.read += 1
        grouper = self._grouper
        waiting = [*grouper.open.values(), *([grouper._current] if grouper._current is not None else [])]
        self._open.append(Chunk(waiting, [output.accepted for output in self._outputs], now + WRITTEN_S))

    def settle(self, now: float) -> bool:
        """See what has left meanwhile; whether anything has."""
        before = self.left
        while self._open and self._has_left(self._open[0], now):
            self._open.popleft()
            self.left += 1
        return self.left != before

    def finish(self) -> None:
        """Everything was let out."""
        self._open.clear()
        self.left = self.read

    def _has_left(self, chunk: Chunk, now: float) -> bool:
        """All its events are closed (those of the chunks before it were, too), and it is written."""
        if not all(event.closed for event in chunk.events):
            return False
        written = (output.done >= mark for output, mark in zip(self._outputs, chunk.marks, strict=True))
        return now >= chunk.until or all(written)
