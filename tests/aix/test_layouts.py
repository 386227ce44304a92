"""The byte layouts come to the totals that the sources document, and cut bytes where they should."""

from __future__ import annotations

import ctypes
import struct
from typing import Any

import pytest

from annotator.aix import layouts
from annotator.core.errors import FormatError

TOTALS = {
    layouts.PSINFO: 328,
    layouts.LWPSINFO: 36,
    layouts.PROCENTRY64: 4944,
    layouts.WPAR_TOTAL_71: 72,
    layouts.WPAR_TOTAL_61: 64,
    layouts.WPAR_ID_64: 104,
    layouts.WPAR_ID_32: 96,
    layouts.AUDIT_RECORD: 84,
    layouts.AUDIT_EXTENSION: 16,
    layouts.BIN_32: 24,
    layouts.BIN_64: 32,
    layouts.BIN_64_PACKED: 28,
}

CTYPES = {"b": ctypes.c_int8, "B": ctypes.c_uint8, "h": ctypes.c_int16, "H": ctypes.c_uint16, "i": ctypes.c_int32,
          "I": ctypes.c_uint32, "q": ctypes.c_int64, "Q": ctypes.c_uint64}  # fmt: skip


def test_every_layout_is_checked() -> None:
    """A layout that is added must state its documented total here."""
    assert set(layouts.ALL) == set(TOTALS)


@pytest.mark.parametrize("layout", layouts.ALL, ids=lambda layout: layout.name)
def test_totals(layout: layouts.Layout) -> None:
    """The table, its struct and the documented total agree, in both byte orders; and the source is named."""
    assert layout.size == TOTALS[layout]
    assert layouts.packer(layout).size == layouts.packer(layout, "<").size == layout.size
    assert layout.source


@pytest.mark.parametrize("layout", layouts.ALL, ids=lambda layout: layout.name)
def test_ctypes_agree(layout: layouts.Layout) -> None:
    """A packed big-endian ctypes structure of the same members reads the same values at the same offsets."""
    members: list[tuple[str, type]] = []
    at = 0
    for field in layout.fields:
        if field.offset > at:
            members.append((f"_pad{at}", ctypes.c_uint8 * (field.offset - at)))
        width = struct.calcsize(">" + field.code)
        members.append((field.name, CTYPES.get(field.code) or ctypes.c_uint8 * width))
        at = field.offset + width
    structure: Any = type("Structure", (ctypes.BigEndianStructure,), {"_pack_": 1, "_fields_": members})
    data = bytes((at * 7 + 3) % 256 for at in range(layout.size))
    there = structure.from_buffer_copy(data.ljust(ctypes.sizeof(structure), b"\0"))
    for name, value in layouts.unpack(layout, data).items():
        other = getattr(there, name)
        assert value == (bytes(other) if isinstance(value, bytes) else other), name
        assert getattr(structure, name).offset == next(field.offset for field in layout.fields if field.name == name)


def test_where_the_cid_is() -> None:
    """pr_cid lies at 144, right behind two timestamps; pr_lwp starts at 328."""
    assert next(field.offset for field in layouts.PSINFO.fields if field.name == "pr_cid") == 144


def test_a_table_that_overlaps_is_refused() -> None:
    """A wrong table fails when it is first used, not in somebody's log."""
    wrong = layouts.Layout("wrong", "", 8, False, (layouts.Field(0, "Q", "a"), layouts.Field(4, "I", "b")))
    with pytest.raises(FormatError):
        layouts.packer(wrong)


def test_too_few_bytes() -> None:
    """Short input is our own error."""
    with pytest.raises(FormatError):
        layouts.unpack(layouts.PSINFO, b"\0" * 327)
