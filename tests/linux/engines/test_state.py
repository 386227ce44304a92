"""The values in state files: believed when they have their type and range, else not said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.linux.engines import state


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2026-11-21T21:22:30.115929934Z", 1795296150115),
        ("2026-11-21T23:22:30.1+02:00", 1795296150100),
        ("2026-11-21T19:22:30-02:00", 1795296150000),
        ("1970-01-01T00:00:00.999999999Z", 999),
        ("2026-12-31T23:59:60Z", 1798761599000),
        ("0001-01-01T00:00:00Z", None),
        ("2026-13-01T00:00:00Z", None),
        ("2026-11-21T21:22:30", None),
        ("9999-12-31T23:59:59-23:59", None),
        ("", None),
        (None, None),
        (1795296150, None),
    ],
)
def test_times(text: object, ms: int | None) -> None:
    """RFC 3339 as Go writes it, in milliseconds; Go's zero time and anything else is not said."""
    assert state.millis(text) == ms


@given(value=st.none() | st.booleans() | st.floats() | st.text(max_size=40) | st.integers() | st.lists(st.integers()))
def test_no_value_raises(value: object) -> None:
    """Each reader takes anything that JSON can hold."""
    assert isinstance(state.text(value), str)
    assert state.labels(value) == {}
    assert state.mapping(value) == {}
    state.millis(value)
    found = state.pid(value)
    assert found is None or 0 < found <= state.PID_MAX
    start = state.ticks(value)
    assert start is None or 0 < start < 2**64


@given(data=st.binary(max_size=100))
def test_any_bytes_are_json_or_nothing(data: bytes) -> None:
    """Bytes that are no JSON object are an empty one."""
    assert isinstance(state.parse_object(data), dict)


def test_true_is_no_number() -> None:
    """JSON's true is not pid 1."""
    assert state.pid(True) is None
    assert state.pid(1) == 1
    assert state.pid(0) is state.pid(-1) is state.pid(2**22 + 1) is None


@pytest.mark.parametrize("id_", ["a" * 63, "a" * 65, "A" * 64, "g" * 64, "a" * 64 + "\n", ""])
def test_other_ids_are_not_full(id_: str) -> None:
    """Only 64 lower-case hex digits are."""
    assert not state.is_full_id(id_)
    assert state.is_full_id("a" * 64)
