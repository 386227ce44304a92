r"""The text of a JSON value: the only door to orjson, and the standard library where that package cannot be had.

Both give the same bytes: no blanks, UTF-8 without escapes for letters, lower-case `\u00XX` for control characters.
"""

from __future__ import annotations

import json
import re
from typing import Any

from annotator.formats.values import writable

try:
    import orjson
except ImportError:  # it is written in Rust: there is none for AIX
    HAS_ORJSON = False
else:
    HAS_ORJSON = True

_LARGE = re.compile(rb"\d{19}")
"""As many digits as the smallest number beyond 63 bits has."""


def with_orjson(value: Any) -> bytes:
    """The text, by orjson."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:  # half a surrogate in a name out of a state file, a number beyond 64 bits
        return orjson.dumps(writable(value))


def with_standard_library(value: Any) -> bytes:
    """The same bytes by the standard library, which takes several times as long."""
    try:
        text = _dump(value)
    except UnicodeEncodeError:  # half a surrogate
        return _dump(writable(value))
    return _dump(writable(value)) if _LARGE.search(text) else text


def _dump(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), check_circular=False).encode()


dumps = with_orjson if HAS_ORJSON else with_standard_library
"""Any plain value to its text. Text that UTF-8 cannot hold is escaped, and a number beyond 64 bits becomes text."""
