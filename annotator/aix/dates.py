"""The two dates of `auditpr`, local time to milliseconds of the epoch.

`Sat Aug 26 19:35:00 2017` (column t) and `25 sep 2022 23:10:00.924334` (column d; rendered in public samples). Month
names follow the locale of the process that printed them: English ones are read in any case, others are refused, because
a guess here would move an event in time.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import NamedTuple

from annotator.core.errors import FormError

MONTHS = {
    name: number
    for number, name in enumerate(
        (b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"), 1
    )
}

ADVICE = "Print the trail again with English names: LC_ALL=C auditpr …"

_WORD = rb"[^\s\d]{2,12}"
_CLOCK = rb"(?P<H>\d\d):(?P<M>\d\d):(?P<S>\d\d)"
_SECONDS = re.compile(
    rb"(?P<day>" + _WORD + rb")\s+(?P<mon>" + _WORD + rb")\s+(?P<d>\d\d?)\s+" + _CLOCK + rb"\s+(?P<y>\d{4})(?=\s|$)"
)
_MICROS = re.compile(
    rb"(?P<d>\d\d?)\s+(?P<mon>" + _WORD + rb")\s+(?P<y>\d{4})\s+" + _CLOCK + rb"\.(?P<u>\d{1,7})(?=\s|$)"
)
ANY = re.compile(rb"(?:(?<=\s)|^)(?:" + re.sub(rb"\?P<\w+>", b"?:", _SECONDS.pattern + b"|" + _MICROS.pattern) + rb")")
"""Either date, standing alone; for finding the time in a line whose columns are not known."""


class Moment(NamedTuple):
    """Milliseconds of the epoch, and whether the local time named more than one moment, or none."""

    ms: int
    ambiguous: bool


def is_date(value: bytes) -> bool:
    """Whether this is one of the two forms, in whatever language."""
    value = value.strip()
    return bool(_SECONDS.fullmatch(value) or _MICROS.fullmatch(value))


@lru_cache(maxsize=4096)
def parse(value: bytes, zone: tzinfo) -> Moment | None:
    """The moment of a printed date; None when it is no date. FormError when its month is not English.

    In the hour that a clock change repeats, the first reading is taken and said to be ambiguous; so is a time that the
    change leaves out.
    """
    value = value.strip()
    match = _SECONDS.fullmatch(value) or _MICROS.fullmatch(value)
    if match is None:
        return None
    month = MONTHS.get(match["mon"].lower().rstrip(b"."))
    if month is None:
        name = match["mon"].decode("utf-8", "backslashreplace")
        raise FormError(f"the month name {name!r} is not English, so the time of the record is not certain", ADVICE)
    return _moment(match, month, zone)


def _moment(match: re.Match[bytes], month: int, zone: tzinfo) -> Moment | None:
    micros = int(match["u"].ljust(6, b"0")[:6]) if "u" in match.re.groupindex else 0
    day, hour, minute, second = (int(match[name]) for name in ("d", "H", "M", "S"))
    try:
        local = datetime(int(match["y"]), month, day, hour, minute, second, micros, tzinfo=zone)
        early, late = (_ms(local.replace(fold=fold)) for fold in (0, 1))
    except (ValueError, OverflowError):
        return None
    return Moment(early, early != late)


def _ms(local: datetime) -> int:
    passed = local.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (passed.days * 86400 + passed.seconds) * 1000 + passed.microseconds // 1000
