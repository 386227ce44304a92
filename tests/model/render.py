"""Events as lines, and the truth of each by what identifies it in any output: node, stamp and serial."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.model.machine import Event

Key = tuple[str, int, int]
"""Node, milliseconds, serial."""


@dataclass(eq=False, slots=True)
class Written:
    """A log, and whose each event is. `lines` hold the number of their event beside the text."""

    node: str
    lines: list[tuple[int, str]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def truths(self) -> dict[Key, Event]:
        """Events that have a truth, by key. Two that cannot be told apart have none."""
        found: dict[Key, Event] = {}
        twice: set[Key] = set()
        for event in self.events:
            key = (self.node, event.ms, event.serial)
            if key in found:
                twice.add(key)
            found[key] = event
        return {key: event for key, event in found.items() if key not in twice and event.truth is not None}

    def text(self) -> str:
        """The log, with `node=` if it has a name."""
        node = f"node={self.node} " if self.node else ""
        return "".join(f"{node}{line}\n" for _, line in self.lines)


def render(events: Sequence[Event], node: str = "") -> Written:
    """One line a record; records of an event stand together."""
    written = Written(node, events=list(events))
    add = written.lines.append
    for n, event in enumerate(events):
        head = f" msg=audit({event.ms // 1000}.{event.ms % 1000:03d}:{event.serial}):"
        for kind, body in event.records:
            add((n, f"type={kind}{head} {body}" if body else f"type={kind}{head}"))
    return written
