"""The only door to msgpack: it gives an object back as it was, or says FormatError."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator.core.errors import FormatError
from annotator.storage.codec import Limits, Stream, pack, unpack

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.binary(max_size=20)
)
OBJECTS = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)


def read_all(stream: Stream, data: bytes) -> list[Any]:
    """Everything complete after this piece."""
    stream.feed(data)
    return list(stream)


@given(OBJECTS)
@settings(max_examples=100, deadline=None)
def test_what_is_written_is_read_back(obj: object) -> None:
    """Packing and unpacking gives the same object, text and bytes kept apart."""
    assert unpack(pack(obj)) == obj


def test_a_contid_needs_all_64_bits() -> None:
    """The unset contid, 2**64-1, survives; one more does not fit and says so."""
    assert unpack(pack(2**64 - 1)) == 2**64 - 1
    with pytest.raises(FormatError):
        pack(2**64)


@given(st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_bytes_give_an_object_or_our_error(data: bytes) -> None:
    """Hostile bytes raise FormatError or are an object, in one piece and as a stream."""
    try:
        unpack(data)
    except FormatError:
        pass
    try:
        read_all(Stream(max_bytes=100), data)
    except FormatError:
        pass


@given(st.lists(OBJECTS, max_size=5), st.lists(st.integers(1, 9), max_size=20))
@settings(max_examples=100, deadline=None)
def test_a_stream_is_the_same_however_it_is_cut(objects: list[object], cuts: list[int]) -> None:
    """Chunking does not change what a stream gives, and nothing is pending after the last object."""
    data = b"".join(pack(obj) for obj in objects)
    stream, found, at = Stream(), [], 0
    for cut in cuts:
        found += read_all(stream, data[at : at + cut])
        at += cut
    found += read_all(stream, data[at:])
    assert found == objects
    assert stream.pending == 0


HOSTILE = {
    "nothing": b"",
    "cut short": pack("text")[:-1],
    "bytes after the object": pack(1) + b"\x01",
    "reserved byte": b"\xc1",
    "text that is not utf-8": b"\xa1\xff",
    "array of 2**32-1": b"\xdd\xff\xff\xff\xff",
    "map of 2**32-1": b"\xdf\xff\xff\xff\xff",
    "text of 2**32-1": b"\xdb\xff\xff\xff\xff",
    "binary of 2**32-1": b"\xc6\xff\xff\xff\xff",
    "deeper than the stack": b"\x91" * 100_000,
    "big arrays nested": b"\xdc\x10\x00" * 3000,
    "extension": b"\xd4\x05\x00",
    "timestamp": b"\xd6\xff\x00\x00\x00\x00",
    "empty extension": b"\xc7\x00\x01",
    "number as key": b"\x81\x01\x02",
    "array as key": b"\x81\x90\x02",
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_bytes_are_refused(data: bytes) -> None:
    """Each known trick is a FormatError, never another exception and never an answer."""
    with pytest.raises(FormatError):
        unpack(data)


INCOMPLETE = ("nothing", "cut short", "bytes after the object")


@pytest.mark.parametrize("name", sorted(set(HOSTILE) - set(INCOMPLETE)))
def test_hostile_streams_are_refused_and_stay_refused(name: str) -> None:
    """A stream refuses what a message refuses, at the latest after `max_bytes` more, and is of no use afterwards."""
    stream = Stream(max_bytes=200_000)
    with pytest.raises(FormatError):
        for piece in (HOSTILE[name], b"x" * 150_000, b"x" * 150_000):
            read_all(stream, piece)
    with pytest.raises(FormatError):
        list(stream)
    with pytest.raises(FormatError):
        stream.feed(b"\x01")


@pytest.mark.parametrize(
    ("limits", "obj"),
    [
        (Limits(max_str_len=3), "four"),
        (Limits(max_bin_len=3), b"four"),
        (Limits(max_array_len=3), [1, 2, 3, 4]),
        (Limits(max_map_len=1), {"a": 1, "b": 2}),
    ],
)
def test_each_limit_holds(limits: Limits, obj: object) -> None:
    """One more than a limit is refused; without that limit it is read."""
    assert unpack(pack(obj)) == obj
    with pytest.raises(FormatError):
        unpack(pack(obj), limits=limits)
    with pytest.raises(FormatError):
        read_all(Stream(limits=limits), pack(obj))


def test_a_message_longer_than_allowed_is_refused() -> None:
    """`max_bytes` bounds one message, and the error says where it was exceeded."""
    with pytest.raises(FormatError) as caught:
        unpack(pack("x" * 20), max_bytes=10)
    assert caught.value.offset == 10


def test_an_object_in_small_pieces_cannot_grow_without_end() -> None:
    """The library eats an unfinished array item by item; the object is refused all the same when it gets too long."""
    stream = Stream(max_bytes=100)
    stream.feed(b"\x9f")
    with pytest.raises(FormatError):
        for _ in range(15):
            read_all(stream, pack("x" * 30))


def test_a_finished_object_over_the_limit_is_refused() -> None:
    """An object that is complete in the buffer but longer than allowed is not given out."""
    with pytest.raises(FormatError) as caught:
        read_all(Stream(max_bytes=100), b"\x01" + pack(["x" * 60, "y" * 60]))
    assert caught.value.offset == 1


def test_a_piece_longer_than_the_buffer_is_refused() -> None:
    """What is fed and not read is bounded too."""
    with pytest.raises(FormatError):
        Stream(max_bytes=100).feed(b"\x01" * 1000)


def test_text_that_is_not_utf8_is_kept_when_asked() -> None:
    """A name read from disk can hold lone surrogates: `surrogatepass` keeps them, `strict` says FormatError."""
    name = b"a\xff".decode("utf-8", "surrogateescape") + "\ud800"
    with pytest.raises(FormatError):
        pack(name)
    assert unpack(pack(name, errors="surrogatepass"), errors="surrogatepass") == name
    assert unpack(pack(name, errors="backslashreplace")) == "a\\udcff\\ud800"
