"""The object of the JSON form, as a stream of msgpack maps without anything between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from annotator.core.errors import FormatError
from annotator.formats.json import document
from annotator.formats.values import writable
from annotator.storage import codec

if TYPE_CHECKING:
    from annotator.core.model import Attribution, Event


def render(
    event: Event,
    attribution: Attribution,
    parts: dict[str, Any],
    *,
    original: bool = False,
    fields: frozenset[str] | None = None,
) -> bytes:
    """One map."""
    found = document(event, attribution, parts, original=original, fields=fields)
    try:
        return codec.pack(found, errors="backslashreplace")
    except FormatError:  # a number beyond 64 bits
        return codec.pack(writable(found), errors="backslashreplace")
