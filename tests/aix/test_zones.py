"""Zones by POSIX rules: as the database has them where a zone has one rule; refused where a rule says too little."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from annotator.aix import dates, zones
from annotator.core.errors import UsageError

SAME = {
    "CET-1CEST,M3.5.0,M10.5.0/3": ("Europe/Berlin", 1997),
    "CET-1CEST-2,M3.5.0/02:00:00,M10.5.0/03:00:00": ("Europe/Paris", 1997),
    "GMT0BST,M3.5.0/1,M10.5.0": ("Europe/London", 1997),
    "EST5EDT,M3.2.0,M11.1.0": ("America/New_York", 2008),
    "AEST-10AEDT,M10.1.0,M4.1.0/3": ("Australia/Sydney", 2009),
    "NZST-12NZDT,M9.5.0,M4.1.0/3": ("Pacific/Auckland", 2008),
    "IST-5:30": ("Asia/Kolkata", 1980),
    "JST-9": ("Asia/Tokyo", 1980),
    "<+0545>-5:45": ("Asia/Kathmandu", 1990),
    "<-03>3": ("America/Sao_Paulo", 2020),
    "HST10": ("Pacific/Honolulu", 1980),
    "EET-2EEST,M3.5.0/3,M10.5.0/4": ("Europe/Helsinki", 1997),
}
"""A rule, the zone of the database that has had it since a year."""


@pytest.mark.parametrize("rule", SAME)
@given(st.data())
def test_as_the_database_has_it(rule: str, data: st.DataObject) -> None:
    """Local time to UTC, both readings of the hour that is repeated or skipped, and UTC to local time."""
    name, since = SAME[rule]
    zone, known = zones.read(rule), ZoneInfo(name)
    local = data.draw(any_time(since) | near_a_change(known, since))
    for fold in (0, 1):
        ours, theirs = local.replace(tzinfo=zone, fold=fold), local.replace(tzinfo=known, fold=fold)
        assert ours.utcoffset() == theirs.utcoffset(), (local, fold)
    utc = local.replace(tzinfo=UTC)
    assert utc.astimezone(zone).replace(tzinfo=None) == utc.astimezone(known).replace(tzinfo=None)
    assert utc.astimezone(zone).fold == utc.astimezone(known).fold
    assert utc.astimezone(zone).astimezone(UTC) == utc


@lru_cache
def near_a_change(zone: ZoneInfo, since: int) -> st.SearchStrategy[datetime]:
    """Local times within three hours of a change of the offset."""
    changes = []
    for year in range(since, 2037):
        day = datetime(year, 1, 2, tzinfo=UTC)
        while day.year == year:
            after = day + timedelta(days=1)
            if day.astimezone(zone).utcoffset() != after.astimezone(zone).utcoffset():
                changes.append(day)
            day = after
    if not changes:
        return any_time(since)
    moments = st.tuples(st.sampled_from(changes), st.integers(-3 * 3600, 27 * 3600))
    return moments.map(lambda one: (one[0].astimezone(zone) + timedelta(seconds=one[1])).replace(tzinfo=None))


def any_time(since: int) -> st.SearchStrategy[datetime]:
    """Local times without a zone."""
    first, last = datetime(since, 1, 2, tzinfo=UTC), datetime(2037, 12, 30, tzinfo=UTC)
    return st.datetimes(first.replace(tzinfo=None), last.replace(tzinfo=None))


@given(st.text(max_size=40))
@example("CET-1CEST,M13.5.0,M10.5.0")
@example("CET-1CEST,J0,J365")
@example("CET-99")
def test_any_text_is_a_zone_or_refused(text: str) -> None:
    """Never another error."""
    try:
        zone = zones.read(text)
    except UsageError:
        return
    assert dates.parse(b"Sat Aug 26 19:35:00 2017", zone) is not None


@pytest.mark.parametrize("rule", ["CET-1CEST", "GMT0BST", "EST5EDT4"])
def test_summer_time_without_its_days_is_refused(rule: str) -> None:
    """What such a rule means differs: the advice shows how to say it. A database may know the same letters."""
    with pytest.raises(UsageError, match="when summer time begins"):
        zones.read(rule)


def test_names_and_rules_of_all_kinds() -> None:
    """Days by number, with and without February 29; summer that lasts over New Year; its own names."""
    julian = zones.read("ABC0DEF,J60/0,J300/0")
    plain = zones.read("ABC0DEF,59/0,300/0")
    march = datetime(2024, 3, 1, 12, tzinfo=julian)
    assert (march.utcoffset(), march.tzname()) == (timedelta(hours=1), "DEF")
    assert datetime(2024, 2, 29, 12, tzinfo=julian).utcoffset() == timedelta(0)
    assert datetime(2024, 2, 29, 12, tzinfo=plain).utcoffset() == timedelta(hours=1)
    south = zones.read("AEST-10AEDT,M10.1.0,M4.1.0/3")
    assert datetime(2026, 1, 1, tzinfo=south).dst() == timedelta(hours=1)
    assert zones.read("UTC0") is UTC
    assert datetime(2026, 7, 1, tzinfo=zones.read("BEIST-8")).utcoffset() == timedelta(hours=8)
