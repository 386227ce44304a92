"""Whole events that are still one text: what is usual is never cut into lines.

What is usual the backend says, by a pattern. It matches all lines of one event, each with the newline before it, and
never more; what stands in its group 1 is the stamp as text, and the annotated record is the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from annotator.core.model import Event, Stamp

if TYPE_CHECKING:
    import re

Usual = tuple[Stamp, "re.Match[bytes]"]
"""An event of the usual shape."""


class Stretch:
    """Whole events that stood one behind the other in the input and of which nobody needs the lines one by one.

    Its lines are `text[start:stop]`, each with the newline before it. `parts` is what leaves instead, when anything
    was added.
    """

    __slots__ = ("events", "parts", "start", "stop", "text")

    def __init__(self, text: bytes, start: int, stop: int, events: list[Usual]) -> None:
        self.text = text
        self.start = start
        self.stop = stop
        self.events = events
        self.parts: list[bytes] = []

    def lines(self) -> bytes:
        """The lines as they leave, without the first newline."""
        return b"".join(self.parts)[1:] if self.parts else self.text[self.start + 1 : self.stop]

    @staticmethod
    def event(usual: Usual) -> Event:
        """One of the events, with its lines."""
        stamp, run = usual
        event = Event(run[1], b"", stamp, b"")
        event.lines = run[0][1:].split(b"\n")
        event.at = 0
        return event
