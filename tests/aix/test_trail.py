"""The binary trail: bins and streams, both byte orders, both kernels, and what is not known refused or inferred."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotator.aix.record import Form, Passed, Record
from annotator.aix.trail import TrailParser
from annotator.core.errors import AnnotatorError, FormatError, FormError
from annotator.core.model import Evidence

if TYPE_CHECKING:
    from pathlib import Path

    from annotator.aix.record import Piece

NAMES = [b"webapp_prod", b"db_test-01"]


def parse(data: bytes, size: int = 0) -> list[Piece]:
    """All pieces, fed in portions; each byte is checked to come out once."""
    parser = TrailParser(lambda: NAMES)
    pieces: list[Piece] = []
    for at in range(0, len(data), size or len(data) or 1):
        pieces += parser.feed(data[at : at + (size or len(data))])
    pieces += parser.flush()
    assert b"".join(raw for piece in pieces for raw in piece.lines) == data
    return pieces


def records(data: bytes) -> list[Record]:
    """The records of a trail."""
    return [piece for piece in parse(data) if isinstance(piece, Record)]


@pytest.mark.parametrize("case", ["trail-stream-v3", "trail-bins64", "trail-bins32", "trail-unknown-extension"])
def test_samples(samples: Path, case: str) -> None:
    """Every sample holds the same five records, whatever frames them; portions change nothing."""
    data = (samples / case / "input.bin").read_bytes()
    found = records(data)
    assert [one.event for one in found] == [
        b"PROC_Create", b"PROC_Execute", b"FILE_Open", b"FILE_Unlink", b"USER_SU"
    ]  # fmt: skip
    assert [one.status for one in found] == [b"OK", b"OK", b"OK", b"FAIL_ACCESS", b"FAIL_AUTH"]
    assert [one.pid for one in found] == [8257904, 9240796, 9306452, 9437508, 9502210]
    assert [one.time_ms // 1000 - 1772446501 for one in found] == [0, 0, 20, 21, 22]
    assert [one.ordinal for one in found] == [1, 2, 3, 4, 5]
    assert (found[2].login, found[2].ruser, found[2].command) == (b"210", b"0", b"vi")
    assert found[1].tail.endswith(b"/usr/sbin/sshd -D -R\0")
    for size in (1, 7, 100):
        assert parse(data, size) == parse(data)


def test_kernel_width(samples: Path) -> None:
    """The flag of the kernel's width is kept, and bin heads pass through as they are."""
    for case, wide, head in (("trail-bins64", True, 32), ("trail-bins32", False, 24)):
        pieces = parse((samples / case / "input.bin").read_bytes())
        assert [len(piece.lines[0]) for piece in pieces if isinstance(piece, Passed)] == [head, head]
        assert {piece.kernel64 for piece in pieces if isinstance(piece, Record)} == {wide}


def test_public_layout_has_no_wpar(samples: Path) -> None:
    """The layout of 5.3 has no WPAR: None, never Global."""
    assert {one.wpar for one in records((samples / "trail-stream-v3/input.bin").read_bytes())} == {None}


def test_unknown_extension_is_inferred(samples: Path) -> None:
    """A known name in an unknown extension counts as inferred; one that is not in the inventory does not count."""
    data = (samples / "trail-unknown-extension/input.bin").read_bytes()
    assert {(one.wpar, one.wpar_evidence) for one in records(data)} == {(b"webapp_prod", Evidence.INFERRED)}
    parser = TrailParser(lambda: [b"another"])
    assert {one.wpar for one in parser.feed(data) if isinstance(one, Record)} == {None}


def test_two_names_are_no_answer(samples: Path) -> None:
    """Two known names in one extension: none is picked."""
    data = (samples / "trail-unknown-extension/input.bin").read_bytes()
    parser = TrailParser(lambda: [b"webapp_prod", b"Global"])
    doubled = data[:120] + b"Global\0" + data[127:]
    assert isinstance(first := parser.feed(doubled)[0], Record)
    assert first.wpar is None


@pytest.mark.parametrize("order", [">", "<"])
@pytest.mark.parametrize("bins", ["", "32", "64", "64packed"])
@pytest.mark.parametrize("kernel64", [False, True])
@pytest.mark.parametrize("version", [2, 3, 5])
def test_every_form_against_truth(sim: Any, order: str, bins: str, kernel64: bool, version: int) -> None:
    """Byte order, kernel width, record version, no bins or any of their heads: the simulator's truth comes out."""
    machine = sim.scenario()
    found = records(machine.trail(version, kernel64, bins, order))
    assert [(one.event.decode(), one.pid, one.form) for one in found] == [
        (record.event, record.pid, Form.BINARY) for record in machine.records
    ]
    assert [one.time_ms for one in found] == [
        record.seconds * 1000 + record.nanos // 1_000_000 for record in machine.records
    ]
    assert {one.kernel64 for one in found} == {kernel64}


def test_compressed_bin_is_refused(sim: Any) -> None:
    """A compressed bin is refused with what to do, after what came before it."""
    machine = sim.scenario()
    with pytest.raises(FormError) as caught:
        parse(machine.trail(bins="compressed"))
    assert "auditcat -u" in str(caught.value)
    parser = TrailParser()
    pieces = parser.feed(machine.trail() + machine.trail(bins="compressed"))
    assert len(pieces) == len(machine.records)
    with pytest.raises(FormError):
        parser.flush()


def test_not_a_trail() -> None:
    """Text, or a trail cut in the middle of a record, is refused with its offset."""
    with pytest.raises(FormatError) as caught:
        parse(b"event           login    status      time" * 10)
    assert caught.value.offset == 0


def test_torn_end(sim: Any) -> None:
    """A record that the end cuts off passes through and is said to be torn."""
    pieces = parse(sim.scenario().trail()[:-3])
    assert isinstance(pieces[-1], Passed)
    assert pieces[-1].why == "torn"


def test_64_bit_time(samples: Path) -> None:
    """The 64-bit time is used only where it agrees with the 32 bits of the record."""
    data = bytearray((samples / "trail-stream-v3/input.bin").read_bytes())
    data[92:96] = (2).to_bytes(4, "big")
    assert records(bytes(data))[0].time_ms // 1000 == (2 << 32) + 1772446501
    data[96:100] = b"\0\0\0\1"
    assert records(bytes(data))[0].time_ms // 1000 == 1772446501


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_bytes_in_any_portions(sim: Any, data: st.DataObject) -> None:
    """Any bytes, damaged trails too, give pieces or our own error; portions change nothing."""
    base = bytearray(sim.scenario().trail(version=5, bins=data.draw(st.sampled_from(["", "32", "64"])))[:2000])
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(base) - 1))
        base[at : at + 4] = data.draw(st.binary(max_size=6))
    trail = data.draw(st.one_of(st.just(bytes(base)), st.binary(max_size=300)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(trail)), max_size=5)))

    def run(ends: list[int]) -> tuple[list[Piece], str]:
        parser = TrailParser(lambda: NAMES)
        pieces: list[Piece] = []
        at = 0
        try:
            for end in [*ends, len(trail)]:
                pieces += parser.feed(trail[at:end])
                at = end
            pieces += parser.flush()
            pieces += parser.flush()
        except AnnotatorError as error:
            return pieces, str(error)
        return pieces, ""

    whole = run([])
    assert run(cuts) == whole
    out = b"".join(raw for piece in whole[0] for raw in piece.lines)
    assert trail.startswith(out)
    assert whole[1] or out == trail
