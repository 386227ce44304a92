"""Tails by the formats of the events file, printed and binary."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator.aix import tail_format
from annotator.core.errors import AnnotatorError, FormatError

if TYPE_CHECKING:
    from pathlib import Path


def test_events_file(samples: Path) -> None:
    """The site's file gives a format for each event, with labels taken from its words."""
    formats = tail_format.parse_events((samples / "events-file/input.txt").read_bytes())
    assert len(formats) == 31
    execute = formats[b"PROC_Execute"]
    assert [part.label for part in execute.parts if part.conversion] == ["euid", "egid", "epriv", "epriv_2", "name"]


def test_the_forms_of_a_definition() -> None:
    """No tail, a printf, or a program; comments and other stanzas are skipped."""
    data = (
        b'* c\nother:\n\tX = printf "%d"\nauditpr:\n\n\tA =\n*\tB = \n\tC = printf "100%% %s\\n"\n\tD = /bin/show -a\n'
    )
    formats = tail_format.parse_events(data)
    assert set(formats) == {b"A", b"C", b"D"}
    assert formats[b"A"] == tail_format.Format()
    assert formats[b"C"].parts[0].words == b"100% "
    assert formats[b"D"].program == b"/bin/show -a"


def test_not_an_events_file() -> None:
    """A file without the stanza is refused, with what to give instead."""
    with pytest.raises(FormatError):
        tail_format.parse_events(b"classes:\n\tgeneral = A,B\n")


def test_printed_tail() -> None:
    """Values by label; a tail of other words gives nothing."""
    form = tail_format.BUILT_IN[b"PROC_Execute"]
    tail = tail_format.read_text(form, b"euid: 0 egid: -1 epriv: 0:ff name /usr/bin/sh -c a  b")
    assert tail is not None
    assert (tail.number("euid"), tail.number("egid"), tail.number("epriv_2", 16)) == (0, -1, 255)
    assert tail.values["name"] == b"/usr/bin/sh -c a  b"
    assert tail_format.read_text(form, b"uid 0") is None


def test_ambiguous_text_is_said() -> None:
    """A file name that holds the words of the format could end elsewhere: that is said, not hidden."""
    form = tail_format.BUILT_IN[b"FILE_Rename"]
    plain = tail_format.read_text(form, b"frompath: /a topath: /b")
    forged = tail_format.read_text(form, b"frompath: /a topath: /b topath: /c")
    assert plain is not None
    assert forged is not None
    assert (plain.ambiguous, forged.ambiguous) == (False, True)


def test_binary_tail() -> None:
    """4 bytes a number, 8 for the long forms, text to its NUL; printed values in the format's base."""
    form = tail_format.parse_printf(b"a: %d b: %o c: %lx s: %s t: %s")
    data = b"\xff\xff\xff\xfe\0\0\1\xa4" + b"\0\0\0\1\0\0\0\0" + b"one\0two\0"
    tail = tail_format.read_binary(form, data)
    assert tail is not None
    assert tail.values == {"a": b"-2", "b": b"644", "c": b"100000000", "s": b"one", "t": b"two"}
    swapped = tail_format.read_binary(form, b"\xfe\xff\xff\xff" + data[4:], "<")
    assert swapped is not None
    assert swapped.values["a"] == b"-2"


def test_binary_tail_stops_at_the_unknown() -> None:
    """A structured argument is not public: what was read before it stands, the rest stays bytes."""
    tail = tail_format.read_binary(tail_format.BUILT_IN[b"TCP_kbind"], b"\0\0\0\x0b\1\2\3")
    assert tail == tail_format.Tail({"fd": b"11"}, False, b"\1\2\3")
    assert tail_format.read_binary(tail_format.BUILT_IN[b"PROC_Kill"], b"\0\0\0") is None


def test_long_tails_take_no_time() -> None:
    """Taking a tail apart is linear, whoever wrote it."""
    form = tail_format.parse_printf(b"a %s b %s c %s d %s")
    started = time.perf_counter()
    tail_format.read_text(form, (b"a " + b" b" * 10 + b" c" * 10_000)[: tail_format.MAX_TAIL])
    assert time.perf_counter() - started < 1


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.binary(max_size=200))
def test_any_bytes(file: bytes, tail: bytes) -> None:
    """Any events file and any tail give an answer or our own error."""
    form = tail_format.parse_printf(file)
    for known in (form, *tail_format.BUILT_IN.values()):
        tail_format.read_text(known, tail)
        tail_format.read_binary(known, tail)
    for data in (file, b"auditpr:\n" + file):
        try:
            tail_format.parse_events(data)
        except AnnotatorError:
            pass


def test_an_events_file_may_continue_its_lines() -> None:
    """As IBM's own example does, within the quotes."""
    text = rb"""auditpr:
	FILE_Open = printf "flags: %d mode: %o \
		fd: %d filename %s"
	FILE_Unlink = printf "filename: %s"
"""
    formats = tail_format.parse_events(text)
    tail = tail_format.read_text(formats[b"FILE_Open"], b"flags: 2 mode: 644 fd: 3 filename /etc/a b")
    assert tail is not None
    assert tail.values == {"flags": b"2", "mode": b"644", "fd": b"3", "filename": b"/etc/a b"}
    assert set(formats) == {b"FILE_Open", b"FILE_Unlink"}


@pytest.mark.parametrize("letter", [b"A", b"D", b"G", b"L", b"P", b"S", b"T", b"z"])
def test_a_structured_argument_ends_a_binary_tail(letter: bytes) -> None:
    """Its length is not public: what follows it is kept as bytes, and no value is made up of them."""
    form = tail_format.parse_printf(b"%" + letter + b" fd%d")
    tail = tail_format.read_binary(form, b"\0\2\0\x16\0\0\0\3")
    assert tail is not None
    assert tail.values == {}
    assert tail.rest == b"\0\2\0\x16\0\0\0\3"


@pytest.mark.parametrize("letter", [b"L", b"S"])
def test_a_printed_socket_is_text(letter: bytes) -> None:
    """Up to the words that follow it."""
    tail = tail_format.read_text(tail_format.parse_printf(b"%" + letter + b" fd%d"), b"inet 10.0.0.1:22 fd3")
    assert tail is not None
    assert list(tail.values.values()) == [b"inet 10.0.0.1:22", b"3"]
