"""Acknowledgements of the reader's chunks: until a chunk has left, the reader keeps it for a worker that dies."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from annotator.core.model import Event
    from annotator.events import EventAssembler
    from annotator.plugin.outputs.output import Output

WRITTEN_S = 1.0
"""How long a chunk is kept because an output has not written it: an output that is slow or dead is not waited for."""


class Chunk(NamedTuple):
    """One chunk.

    `events` were open after it, `marks` are the bytes that each output had been given by then, `until_s` is the time
    (monotonic) up to which the outputs are waited for.
    """

    events: list[Event]
    marks: list[int]
    until_s: float


class Acknowledgements:
    """Counts chunks: `read` so far, and how many of them have `left`, in their order."""

    def __init__(self, assembler: EventAssembler, outputs: Sequence[Output]) -> None:
        self.read = self.left = 0
        self._assembler = assembler
        self._outputs = outputs
        self._chunks: deque[Chunk] = deque()

    def add_chunk(self, now_s: float) -> None:
        """Another chunk was fed to the pipeline."""
        self.read += 1
        assembler = self._assembler
        current = [assembler.current] if assembler.current is not None else []
        marks = [output.accepted for output in self._outputs]
        self._chunks.append(Chunk([*assembler.open.values(), *current], marks, now_s + WRITTEN_S))

    def update(self, now_s: float) -> bool:
        """Count the chunks that have left meanwhile; whether there are any."""
        before = self.left
        while self._chunks and self._has_left(self._chunks[0], now_s):
            self._chunks.popleft()
            self.left += 1
        return self.left != before

    def finish(self) -> None:
        """Everything was let out."""
        self._chunks.clear()
        self.left = self.read

    def _has_left(self, chunk: Chunk, now_s: float) -> bool:
        """Whether all its events are closed (those of the chunks before it were, too), and it is written."""
        if not all(event.closed for event in chunk.events):
            return False
        written = (output.done >= mark for output, mark in zip(self._outputs, chunk.marks, strict=True))
        return now_s >= chunk.until_s or all(written)
