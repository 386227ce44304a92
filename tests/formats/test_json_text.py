"""JSON by orjson and by the standard library: the same bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from annotator.formats.json_text import dumps, with_orjson, with_standard_library

SAMPLES = Path(__file__).parents[2] / "samples"

NUMBERS = st.integers(-(2**70), 2**70)
PLAIN = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def test_all_samples_are_written_alike() -> None:
    """Each object that is expected of a sample."""
    count = 0
    for path in sorted(SAMPLES.glob("**/expected*.json")):
        for line in path.read_text("utf-8").splitlines():
            value = json.loads(line) if line.startswith("{") and line.endswith("}") else line
            assert with_standard_library(value) == with_orjson(value)
            count += 1
    assert count > 500


@given(PLAIN)
@example({"a": "\ud800 half a surrogate"})
@example({"a": [2**64 - 1, 2**64, -(2**63), -(2**63) - 1]})
@example('\x00\x1f\x7f\u2028\b\f\n\r\t"\\/é😀')
def test_any_value_is_written_alike(value: Any) -> None:
    """Text with control characters or without an encoding, and numbers of any size, too."""
    assert with_standard_library(value) == with_orjson(value) == dumps(value)
    json.loads(dumps(value))
