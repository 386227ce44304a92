"""The object of the JSON form, as a stream of msgpack maps without anything between them."""

from __future__ import annotations

from typing import Any

from annotator.core.errors import FormatError
from annotator.formats.values import writable
from annotator.storage import codec


def encode(document: dict[str, Any]) -> bytes:
    """One map."""
    try:
        return codec.pack(document, errors="backslashreplace")
    except FormatError:  # a number beyond 64 bits
        return codec.pack(writable(document), errors="backslashreplace")
