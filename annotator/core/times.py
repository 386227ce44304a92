"""Times as people give and read them: RFC 3339 with a zone, or seconds of the epoch; inside, milliseconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from annotator.core.errors import UsageError

_EPOCH = re.compile(r"(\d{1,11})(?:\.(\d{1,9}))?(?::\d+)?")


def parse_time(text: str) -> int:
    """Milliseconds of the epoch. Accepts a stamp as audit prints it; raises UsageError for a time without a zone."""
    epoch = _EPOCH.fullmatch(text.strip())
    if epoch:
        return int(epoch[1]) * 1000 + int((epoch[2] or "").ljust(3, "0")[:3])
    try:
        when = datetime.fromisoformat(text.strip())
    except ValueError as err:
        raise UsageError(f"{text!r} is no time", "Give RFC 3339 with a zone, 2026-01-31T12:00:00Z, or epoch.") from err
    if when.tzinfo is None:
        raise UsageError(f"{text!r} has no zone", "Add Z for UTC, or an offset such as +02:00.")
    return round(when.timestamp() * 1000)


def show_time(ms: int) -> str:
    """RFC 3339 in UTC with milliseconds; a time no calendar has is shown as seconds."""
    try:
        return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{ms % 1000:03d}Z"
    except (ValueError, OverflowError, OSError):
        return f"{ms // 1000}.{ms % 1000:03d}"
