"""Time zones by the names and the rules that sites give: `UTC`, `Europe/Berlin`, `CET-1CEST,M3.5.0,M10.5.0/3`.

UTC and POSIX rules need no database of zones: AIX may have none, and Python's `tzdata` package is not everywhere.
Grammar of a rule: POSIX, *Environment Variables*, TZ, as IBM's page *environment File* has it too. `NAME OFFSET` may be
followed by the name of summer time (and its offset) and by when that begins and ends: `Mm.w.d`, `Jn` or `n`, with
`/time`, 02:00 by default. Offsets count west of Greenwich. A rule with summer time but without its days (`CET-1CEST`)
that is no name of the database is refused: which days are meant differs between releases, and an hour that is wrong is
worse than none.
"""

from __future__ import annotations

import re
from calendar import isleap, monthrange
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import NamedTuple

from annotator.core.errors import UsageError

_NAME = r"[A-Za-z]{3,32}|<[A-Za-z0-9+-]{3,32}>"
_TIME = r"[+-]?\d{1,3}(?::\d\d(?::\d\d)?)?"
_DAY = rf"(?:M(?:1[0-2]|[1-9])\.[1-5]\.[0-6]|J?\d{{1,3}})(?:/{_TIME})?"
_RULE = re.compile(
    rf"(?P<std>{_NAME})(?P<offset>{_TIME})(?:(?P<dst>{_NAME})(?P<dst_offset>{_TIME})?(?:,(?P<start>{_DAY}),(?P<end>{_DAY}))?)?"
)


class Day(NamedTuple):
    """When summer time begins or ends: a day of the year, and seconds of local time from its midnight.

    `kind` is "M" (month, week of it, day of the week; week 5 is the last), "J" (1 to 365, February 29 never counts) or
    "" (0 to 365, it counts).
    """

    kind: str
    numbers: tuple[int, ...]
    seconds: int

    def of(self, year: int) -> datetime:
        """That local time in this year."""
        if self.kind == "M":
            month, week, weekday = self.numbers
            first = (date(year, month, 1).weekday() + 1) % 7  # Sunday is 0
            day = 1 + (weekday - first) % 7 + 7 * (week - 1)
            while day > monthrange(year, month)[1]:
                day -= 7
            base = datetime(year, month, day)  # noqa: DTZ001  (local time of the zone)
        else:
            number = self.numbers[0]
            if self.kind == "J":
                number += -1 + (number >= 60 and isleap(year))
            base = datetime(year, 1, 1) + timedelta(days=number)  # noqa: DTZ001
        return base + timedelta(seconds=self.seconds)


class PosixZone(tzinfo):
    """A zone by its rule. `summer` is None where there is no summer time.

    In the hour that is skipped or repeated `fold` chooses as PEP 495 says: 0 what held before, 1 what holds after.
    """

    def __init__(self, rule: str, names: tuple[str, str], standard: timedelta, summer: timedelta | None) -> None:
        self.rule = rule
        self.names = names
        self.standard = standard
        self.summer = summer
        self.days: tuple[Day, Day] | None = None
        self._changes = lru_cache(maxsize=64)(self._changes_about)

    def utcoffset(self, dt: datetime | None) -> timedelta:
        """East of Greenwich."""
        if dt is None or self.summer is None:
            return self.standard
        local = dt.replace(tzinfo=None)
        fits = [one for one in (self.standard, self.summer) if self._offset_at(local - one) == one]
        if len(fits) == 1:
            return fits[0]
        is_repeated = len(fits) == 2  # else the time is skipped: the clock went to the larger offset
        return (min, max)[is_repeated != bool(dt.fold)](self.standard, self.summer)

    def dst(self, dt: datetime | None) -> timedelta:
        """How much summer time adds."""
        return self.utcoffset(dt) - self.standard

    def tzname(self, dt: datetime | None) -> str:
        """The zone's own name for that time."""
        return self.names[self.utcoffset(dt) != self.standard]

    def fromutc(self, dt: datetime) -> datetime:
        """The local time of a time in UTC."""
        utc = dt.replace(tzinfo=None)
        offset = self._offset_at(utc)
        local = (utc + offset).replace(tzinfo=self)
        return local if self.utcoffset(local) == offset else local.replace(fold=1)

    def __repr__(self) -> str:
        return f"PosixZone({self.rule!r})"

    def _offset_at(self, utc: datetime) -> timedelta:
        offset = self.standard
        for when, after in self._changes(utc.year) if self.summer is not None else ():
            if when > utc:
                break
            offset = after
        return offset

    def _changes_about(self, year: int) -> list[tuple[datetime, timedelta]]:
        """The changes of this year and its neighbours, in UTC, with the offset from then on."""
        assert self.days is not None and self.summer is not None  # noqa: S101, PT018  (asked only where there is summer)
        start, end = self.days
        changes: list[tuple[datetime, timedelta]] = []
        for one in range(max(year - 1, 1), min(year + 1, 9998) + 1):
            changes.append((end.of(one) - self.summer, self.standard))
            changes.append((start.of(one) - self.standard, self.summer))
        return sorted(changes, key=lambda change: (change[0], change[1] == self.summer))


def read(text: str) -> tzinfo:
    """The zone of a name or a POSIX rule. UsageError where it is neither, or says less than is needed."""
    if text in ("UTC", "UTC0", "GMT0", "<UTC>0"):
        return UTC
    match = _RULE.fullmatch(text)
    if match is not None and (match["dst"] is None or match["start"] is not None):
        return _posix(text, match)
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError) as err:
        if match is not None:
            raise UsageError(
                f"--tz: {text!r} does not say when summer time begins and ends",
                f"Add its days as that country has them, such as {text},M3.5.0,M10.5.0/3, or name it: Europe/Berlin.",
            ) from err
        advice = "Give a name such as Europe/Berlin, or a POSIX rule such as CET-1CEST,M3.5.0,M10.5.0/3."
        raise UsageError(f"--tz: {text!r} is no time zone that is known here", advice) from err


def _posix(text: str, match: re.Match[str]) -> PosixZone:
    standard = -_seconds(match["offset"])
    names = (match["std"].strip("<>"), (match["dst"] or match["std"]).strip("<>"))
    summer = standard + 3600 if match["dst_offset"] is None else -_seconds(match["dst_offset"])
    if max(abs(standard), abs(summer)) >= 24 * 3600:
        raise UsageError(f"--tz: {text!r}: no zone is so far from UTC", "Hours are 0 to 23.")
    if match["dst"] is None:
        return PosixZone(text, names, timedelta(seconds=standard), None)
    zone = PosixZone(text, names, timedelta(seconds=standard), timedelta(seconds=summer))
    zone.days = (_day(match["start"], text), _day(match["end"], text))
    return zone


def _day(word: str, text: str) -> Day:
    day, _, time = word.partition("/")
    kind = day[0] if day[0] in "MJ" else ""
    numbers = tuple(int(number) for number in day.lstrip("MJ").split("."))
    if kind != "M" and not (kind == "J") <= numbers[0] <= 365:
        raise UsageError(f"--tz: {text!r}: {day} is no day of a year", "J1 to J365, or 0 to 365.")
    return Day(kind, numbers, _seconds(time) if time else 7200)


def _seconds(time: str) -> int:
    hours, minutes, seconds = (*time.lstrip("+-").split(":"), "0", "0")[:3]
    total = int(hours) * 3600 + int(minutes) * 60 + int(seconds)
    return -total if time.startswith("-") else total
