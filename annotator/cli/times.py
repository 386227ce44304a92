"""Times as people type them, in the zone of this machine: the words of ausearch(8), `-1h`, a date, a time of day.

The clock is read here and nowhere below: a log's own times are in its stamps.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from annotator.core.errors import UsageError
from annotator.core.times import parse_time

if TYPE_CHECKING:
    from datetime import time as TimeOfDay

_PART = re.compile(r"(\d{1,9})\s*(s|sec|min|m|h|d|w)")
_AGO = re.compile(
    r"(?:-\s*)((?:\d{1,9}\s*(?:sec|min|s|m|h|d|w)\s*)+)(?:ago)?|((?:\d{1,9}\s*(?:sec|min|s|m|h|d|w)\s*)+)ago"
)
_SECONDS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_CLOCK = re.compile(r"\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")

RECENT_S = 600
"""ausearch's `recent`: ten minutes ago."""

ADVICE = (
    "Give a word (now, recent, this-hour, today, yesterday, this-week, week-ago, this-month, this-year), a span (-90m, "
    "-1h30m, -2d), a date or time of this machine's zone (2026-01-31, 14:05, 2026-01-31T14:05), RFC 3339, or a stamp."
)


def human_time(text: str, *, end: bool = False, now_s: float | None = None) -> int:
    """Milliseconds of the epoch. `end`: a day or a word for one means its end, as --until wants it.

    `now_s` is Unix time in seconds, by default the clock's. Raises UsageError for what is no time.
    """
    given = text.strip()
    now = datetime.fromtimestamp(time.time() if now_s is None else now_s, UTC).astimezone()
    if (span := _AGO.fullmatch(given)) is not None:
        seconds = sum(int(count) * _SECONDS[unit] for count, unit in _PART.findall(span[1] or span[2]))
        return _ms(now) - seconds * 1000
    word = _word(given.lower(), now, end=end)
    if word is not None:
        return word
    try:
        if _CLOCK.fullmatch(given):
            return _local(
                now.date(), datetime.fromisoformat(f"2000-01-01T{given if given[1] != ':' else '0' + given}").time()
            )
        if _DATE.fullmatch(given):
            day = date.fromisoformat(given)
            return _local(day + timedelta(days=1)) - 1 if end else _local(day)
        when = datetime.fromisoformat(given)
    except (ValueError, OverflowError):
        when = None
    if when is not None and when.tzinfo is None and not given.isdigit():
        return _ms(when.astimezone())
    try:
        return parse_time(given)
    except UsageError as err:
        raise UsageError(f"{text!r} is no time", ADVICE) from err


def _word(word: str, now: datetime, *, end: bool) -> int | None:
    """The words of ausearch(8); with `end`, of a day or a longer span its last millisecond, at most now."""
    today = now.date()
    if word == "now":
        return _ms(now)
    if word == "recent":
        return _ms(now) - RECENT_S * 1000
    if word == "this-hour":
        return _ms(now) if end else _ms(now.replace(minute=0, second=0, microsecond=0))
    if word == "yesterday":
        return _local(today) - 1 if end else _local(today - timedelta(days=1))
    begins = {
        "today": today,
        "this-week": today - timedelta(days=(today.weekday() + 1) % 7),
        "week-ago": today - timedelta(days=7),
        "this-month": today.replace(day=1),
        "this-year": today.replace(month=1, day=1),
    }
    if word not in begins:
        return None
    return _local(today + timedelta(days=1)) - 1 if end and word != "week-ago" else _local(begins[word])


def _local(day: date, at: TimeOfDay | None = None) -> int:
    """A time of day in this machine's zone; midnight without one."""
    return _ms(datetime.combine(day, at or datetime.min.time()).astimezone())


def _ms(when: datetime) -> int:
    return round(when.timestamp() * 1000)
