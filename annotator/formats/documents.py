"""The forms that leave event by event: JSON and msgpack. And no form at all, for runs that only learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from annotator.core.model import Attribution, Event
    from annotator.formats.frame import Frame


class Render(Protocol):
    """One event as bytes: `json.render` or `msgpack.render`."""

    def __call__(
        self,
        event: Event,
        attribution: Attribution,
        parts: dict[str, Any],
        /,
        *,
        original: bool = False,
        fields: frozenset[str] | None = None,
    ) -> bytes:
        """The bytes."""
        ...


class Documents:
    """One object an event. `node` names the host where the records do not.

    `frame` makes objects of usual events without a detour; it knows nothing of `original` and `fields`.
    """

    ordered = False

    def __init__(
        self,
        render: Render,
        interpret: Callable[[Event], dict[str, Any]],
        *,
        node: str = "",
        original: bool = False,
        fields: frozenset[str] | None = None,
        frame: Frame | None = None,
    ) -> None:
        self.render = render
        self.interpret = interpret
        self.node = node.encode()
        self.original = original
        self.fields = fields
        self.frame = frame

    def write(self, event: Event, answer: Attribution) -> bytes:
        """One object."""
        written = self.frame.whole(event, answer) if self.frame is not None else None
        if written is not None:
            return written
        if self.node and not event.node:
            event.node = self.node
        return self.render(event, answer, self.interpret(event), original=self.original, fields=self.fields)


class Nothing:
    """No output."""

    ordered = False

    def write(self, event: Event, answer: Attribution) -> bytes:  # noqa: ARG002
        """No bytes."""
        return b""
