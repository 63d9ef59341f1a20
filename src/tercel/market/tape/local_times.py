"""Local dates and times of an exchange as ns since 1970-01-01 UTC, and lists of working days."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date as calendar_date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tercel.core.errors import ConfigError, TapeError
from tercel.core.vocabulary import NS_PER_SECOND

_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?|24:00(?::00)?")
FIRST_YEAR = 1970
LAST_YEAR = 2261
DAY_S = 86_400
FIRST_SYNTHETIC_DATE = "2030-01-02"
"""Date of the first day that a market makes; it names the day and nothing else."""


def clock_s(text: str) -> int:
    """Seconds after midnight of a time of day, HH:MM or HH:MM:SS; 24:00 is the end of the day.

    >>> clock_s("9:45"), clock_s("24:00")
    (35100, 86400)

    Raises
    ------
    ConfigError
        No time of day.
    """
    match = _CLOCK.fullmatch(text.strip())
    if match is None:
        raise ConfigError("a time of day as HH:MM or HH:MM:SS", repr(text), "write it as in 12:45")
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return 3600 * hours + 60 * minutes + seconds if match.group(1) else 86_400


def local_ns(date: str, timezone: str, after_s: int) -> int:
    """Time, ns since 1970-01-01 UTC, at which local clocks show `after_s` seconds after midnight of a date.

    Below 0 it is of the day before, from 86,400 on of the day after; of a time that comes twice the first.

    >>> (local_ns("2024-03-10", "America/New_York", 43_200) - midnight_ns("2024-03-10", "America/New_York")) // 10**9
    39600

    Raises
    ------
    TapeError
        When the time zone is not known, or the date is none from 1970 to 2261 (where int64 nanoseconds end).
    """
    try:
        day = calendar_date.fromisoformat(date)
    except ValueError as error:
        raise TapeError(
            "a date YYYY-MM-DD", repr(date), "write the date as in 2012-06-21"
        ) from error
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise TapeError(
            f"a date from {FIRST_YEAR} to {LAST_YEAR}",
            repr(date),
            "correct the date in the file name or in `date=`",
        )
    try:
        start = datetime.combine(day, datetime.min.time(), ZoneInfo(timezone)) + timedelta(
            seconds=after_s
        )
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise TapeError(
            "an IANA time zone", repr(timezone), "write it as in America/New_York"
        ) from error
    return int(start.timestamp()) * NS_PER_SECOND


def midnight_ns(date: str, timezone: str) -> int:
    """Start of the local day, ns since 1970-01-01 UTC; see :func:`local_ns`.

    >>> midnight_ns("2012-06-21", "America/New_York") // 10**9
    1340251200
    """
    return local_ns(date, timezone, 0)


def day_ns(date: str, timezone: str, begins_s: int = 0) -> tuple[int, int]:
    """Start and end of a trading day that begins so many seconds after midnight (below 0: on a day before); it ends at that time
    of its date, or with it.

    >>> start, end = day_ns("2024-11-03", "America/New_York")
    >>> (end - start) // (3600 * 10**9)
    25
    """
    return local_ns(date, timezone, begins_s), local_ns(date, timezone, begins_s % DAY_S or DAY_S)


def working_days(first: str, count: int) -> Iterator[str]:
    """ISO dates of `count` days from Monday to Friday, from `first` on; holidays are not left out.

    >>> list(working_days("2030-01-04", 2))
    ['2030-01-04', '2030-01-07']
    """
    day = calendar_date.fromisoformat(first)
    while count:
        if day.weekday() < 5:
            yield day.isoformat()
            count -= 1
        day += timedelta(days=1)
