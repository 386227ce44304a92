"""Time zones by the names and the rules that sites give: `UTC`, `Europe/Berlin`.

UTC needs no database of zones: AIX may have none, and Python's `tzdata` package is not everywhere.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from annotator.core.errors import UsageError

if TYPE_CHECKING:
    from datetime import tzinfo


def read(text: str) -> tzinfo:
    """The zone of a name. UsageError where neither this system nor the package `tzdata` knows it."""
    if text == "UTC":
        return UTC
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError) as err:
        raise UsageError(f"--tz: {text!r} is no time zone", "Give a name such as Europe/Berlin.") from err
