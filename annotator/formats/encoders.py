"""JSON and msgpack for those who write an object piece by piece: see `backend.Encoder`."""

from __future__ import annotations

from typing import Any

import orjson

from annotator.core.errors import FormatError
from annotator.formats.values import writable
from annotator.storage import codec

MAX_COUNT = 128
"""What is in a map or a list that is written so; of more an object is made."""


class Json:
    """JSON without blanks."""

    comma = b","
    end = b"}"
    end_list = b"]"

    def value(self, value: Any) -> bytes:
        """Any plain value."""
        try:
            return orjson.dumps(value)
        except orjson.JSONEncodeError:  # half a surrogate in a name out of a state file, a number beyond 64 bits
            return orjson.dumps(writable(value))

    def name(self, name: str) -> bytes:
        """A name, before its value."""
        return self.value(name) + b":"

    def item(self, name: str, value: Any) -> bytes:
        """A name and any plain value."""
        return self.value(name) + b":" + self.value(value)

    def items(self, values: dict[str, Any]) -> bytes:
        """All items of a map."""
        return self.value(values)[1:-1]

    def opening(self, name: str, *, of_list: bool = False) -> tuple[bytes, ...]:
        """No number of items is written."""
        return ((self.name(name) if name else b"") + (b"[" if of_list else b"{"),) * MAX_COUNT

    def words(self, text: bytes) -> bytes:
        """Quotes around all of them."""
        return b'"' + text.replace(b"=", b'":"').replace(b" ", b'","') + b'"'

    def number(self, value: int) -> bytes:
        """Its digits."""
        return b"%d" % value if value < 1 << 64 else self.value(value)


class Msgpack:
    """The same as maps and arrays of msgpack, which begin with how many there are."""

    comma = b""
    end = b""
    end_list = b""

    def value(self, value: Any) -> bytes:
        """Any plain value."""
        try:
            return codec.pack(value, errors="backslashreplace")
        except FormatError:  # a number beyond 64 bits
            return codec.pack(writable(value), errors="backslashreplace")

    def name(self, name: str) -> bytes:
        """A name, before its value."""
        return self.value(name)

    def item(self, name: str, value: Any) -> bytes:
        """A name and any plain value."""
        return self.value(name) + self.value(value)

    def items(self, values: dict[str, Any]) -> bytes:
        """All items of a map: its header has one byte, for more than fifteen three, and beyond 65,535 five."""
        size = len(values)
        return self.value(values)[1 if size < 16 else 3 if size < 65_536 else 5 :]

    def opening(self, name: str, *, of_list: bool = False) -> tuple[bytes, ...]:
        """A header for each number: what is left of a map, or an array, when its entries of one byte are cut off."""
        start = self.value(name) if name else b""
        if of_list:
            return tuple(start + codec.pack([0] * count)[: -count or None] for count in range(MAX_COUNT))
        return tuple(
            start + codec.pack(dict.fromkeys(range(count), 0))[: -2 * count or None] for count in range(MAX_COUNT)
        )

    def words(self, text: bytes) -> bytes:
        """One by one."""
        parts: list[bytes] = []
        for word in text.split(b" "):
            name, _, value = word.partition(b"=")
            parts += (self._text(name), self._text(value))
        return b"".join(parts)

    def number(self, value: int) -> bytes:
        """In as few bytes as it takes; most serials take five."""
        return b"\xce" + value.to_bytes(4, "big") if 0xFFFF < value <= 0xFFFF_FFFF else self.value(value)

    def _text(self, ascii_: bytes) -> bytes:
        return _SHORT[len(ascii_)] + ascii_ if len(ascii_) < len(_SHORT) else self.value(ascii_.decode("ascii"))


_SHORT = tuple(bytes((0xA0 | size,)) for size in range(32))
"""What stands before a text of less than 32 bytes."""
