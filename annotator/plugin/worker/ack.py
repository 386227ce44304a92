"""Acknowledgements of the reader's chunks: until a chunk has left, the reader keeps it for a worker that dies."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from annotator.core.model import Event
    from annotator.events import EventAssembler
    from annotator.plugin.outputs.output import Output

WRITTEN_S = 1.0
"""How long a chunk is kept because an output that may drop has not written it: one that is slow or dead is not waited
for."""


@dataclass(slots=True, eq=False)
class Chunk:
    """One chunk.

    `events` were open after it. Once they are closed, `marks` are the bytes that each output had been given by then,
    and `until_s` is the time (monotonic) up to which outputs that may drop are waited for.
    """

    events: list[Event]
    marks: list[int] | None = None
    until_s: float = 0.0


class Acknowledgements:
    """Counts chunks: `read` so far, and how many of them have `left`, in their order."""

    def __init__(self, assembler: EventAssembler, outputs: Sequence[Output]) -> None:
        self.read = self.left = 0
        self._assembler = assembler
        self._outputs = outputs
        self._chunks: deque[Chunk] = deque()

    def add_chunk(self) -> None:
        """Another chunk was fed to the pipeline."""
        self.read += 1
        assembler = self._assembler
        current = [assembler.current] if assembler.current is not None else []
        self._chunks.append(Chunk([*assembler.open.values(), *current]))

    def update(self, now_s: float) -> bool:
        """Count the chunks that have left meanwhile; whether there are any."""
        before = self.left
        while self._chunks and self._has_left(self._chunks[0], now_s):
            self._chunks.popleft()
            self.left += 1
        return self.left != before

    def finish(self) -> None:
        """Everything was let out, and the outputs are closed: only an output that keeps all may lack something."""
        self.update(float("inf"))

    def _has_left(self, chunk: Chunk, now_s: float) -> bool:
        """Whether all its events are closed (those of the chunks before it were, too), and it is written."""
        if chunk.marks is None:
            if not all(event.closed for event in chunk.events):
                return False
            chunk.marks = [output.accepted for output in self._outputs]
            chunk.until_s = now_s + WRITTEN_S
        return all(
            output.done >= mark or (now_s >= chunk.until_s and not output.keeps_all)
            for output, mark in zip(self._outputs, chunk.marks, strict=True)
        )
