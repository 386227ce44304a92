"""The forms that leave event by event: JSON and msgpack. And no form at all, for runs that only learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from annotator.formats.json import document

if TYPE_CHECKING:
    from collections.abc import Callable

    from annotator.core.model import Attribution, Event


class Documents:
    """One object an event, by its `encode` (`json.encode` or `msgpack.encode`) as bytes.

    `interpret` is the backend's, `node` names the host where the records do not. For `original`, `fields` and `lean`
    see `json.document`.
    """

    ordered = False
    shows_parents = True

    def __init__(
        self,
        encode: Callable[[dict[str, Any]], bytes],
        interpret: Callable[[Event], dict[str, Any]],
        *,
        node: str = "",
        original: bool = False,
        fields: frozenset[str] | None = None,
        lean: bool = False,
    ) -> None:
        self.encode = encode
        self.interpret = interpret
        self.node = node.encode()
        self.original = original
        self.fields = fields
        self.lean = lean
        self.message = fields is None or "message" in fields

    def write(self, event: Event, answer: Attribution) -> bytes:
        """One object."""
        node = event.node or self.node
        parts = self.interpret(event)
        found = document(
            event, answer, parts, node=node, original=self.original, fields=self.fields, lean=self.lean,
            message=self.message,
        )  # fmt: skip
        return self.encode(found)


class Nothing:
    """No output."""

    ordered = False
    shows_parents = False

    def write(self, event: Event, answer: Attribution) -> bytes:  # noqa: ARG002
        """No bytes."""
        return b""
