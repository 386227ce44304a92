"""U30: times as people type them, in the zone of the machine."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotator.cli.times import human_time
from annotator.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

ZONE = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 3, 11, 15, 4, 5, tzinfo=ZONE)
"""A Wednesday."""


@pytest.fixture(autouse=True)
def _zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def at(text: str, *, end: bool = False) -> datetime:
    """What a text means at NOW."""
    return datetime.fromtimestamp(human_time(text, end=end, now_s=NOW.timestamp()) / 1000, ZONE)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("now", NOW),
        ("recent", NOW.replace(minute=54, hour=14)),
        ("this-hour", NOW.replace(minute=0, second=0)),
        ("today", datetime(2026, 3, 11, tzinfo=ZONE)),
        ("yesterday", datetime(2026, 3, 10, tzinfo=ZONE)),
        ("this-week", datetime(2026, 3, 8, tzinfo=ZONE)),
        ("week-ago", datetime(2026, 3, 4, tzinfo=ZONE)),
        ("this-month", datetime(2026, 3, 1, tzinfo=ZONE)),
        ("this-year", datetime(2026, 1, 1, tzinfo=ZONE)),
        ("-1h", NOW.replace(hour=14)),
        ("-1h30m", NOW.replace(hour=13, minute=34)),
        ("2d ago", NOW.replace(day=9)),
        ("14:05", datetime(2026, 3, 11, 14, 5, tzinfo=ZONE)),
        ("9:05:07", datetime(2026, 3, 11, 9, 5, 7, tzinfo=ZONE)),
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=ZONE)),
        ("2026-01-31T14:05", datetime(2026, 1, 31, 14, 5, tzinfo=ZONE)),
        ("2026-01-31 14:05:06", datetime(2026, 1, 31, 14, 5, 6, tzinfo=ZONE)),
        ("2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("1700000000.123:42", datetime.fromtimestamp(1700000000.123, UTC)),
    ],
)
def test_u30_a_time(text: str, wanted: datetime) -> None:
    """Words of ausearch, spans, local times, RFC 3339, stamps."""
    assert at(text) == wanted


def test_u30_the_end_of_a_day() -> None:
    """--until a day, or a word for one, has all of it."""
    assert at("2026-01-31", end=True).isoformat() == "2026-01-31T23:59:59.999000+01:00"
    assert at("yesterday", end=True).isoformat() == "2026-03-10T23:59:59.999000+01:00"
    assert at("today", end=True).isoformat() == "2026-03-11T23:59:59.999000+01:00"


@given(st.text(max_size=30))
def test_u30_any_text_is_a_time_or_an_error_that_says_what_is_one(text: str) -> None:
    """Nothing else comes of it."""
    try:
        found = human_time(text, now_s=NOW.timestamp())
    except UsageError as error:
        found = len(error.advice)
    assert isinstance(found, int)
