"""Session times: days and times of day a session is open, and when its numbers are reset."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tercel.core.errors import ConfigError

_WEEK = range(7)


@dataclass(frozen=True)
class SessionTimes:
    """Opening times of a session in a time zone, daylight saving included.

    Parameters
    ----------
    start, end : datetime.time
        An end that is not after the start is on a later day.
    zone : str
        IANA name of the place's time zone.
    days : collection of int
        Days on which it starts, Monday is 0.
    ends_on : int, optional
        Day on which it ends, for a session that lasts longer than a day.

    >>> times = SessionTimes(time(18), time(17), "America/New_York", days=(6, 0, 1, 2, 3))
    >>> open_, close = times.window(1_700_010_000 * 10**9)
    >>> datetime.fromtimestamp(open_ / 1e9, UTC), datetime.fromtimestamp(close / 1e9, UTC).hour
    (datetime.datetime(2023, 11, 14, 23, 0, tzinfo=datetime.timezone.utc), 22)
    """

    start: time
    end: time
    zone: str = "UTC"
    days: tuple[int, ...] = tuple(_WEEK)
    ends_on: int | None = None

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ConfigError(
                "the IANA name of a time zone", repr(self.zone), "name one like Europe/Zurich"
            ) from None
        if not self.days or not {*self.days, self.ends_on or 0} <= set(_WEEK):
            raise ConfigError(
                "days from 0, Monday, to 6",
                f"{self.days}, {self.ends_on}",
                "mend the session's days",
            )

    def window(self, now_ns: int) -> tuple[int, int] | None:
        """Start and end of the session open at a time, ns since 1970; None when none is."""
        today = datetime.fromtimestamp(now_ns // 1_000_000_000, ZoneInfo(self.zone)).date()
        for back in range(9):
            day = today - timedelta(days=back)
            if day.weekday() in self.days:
                start, end = (
                    self._ns(day, self.start),
                    self._ns(day + timedelta(days=self._lasts(day)), self.end),
                )
                if start <= now_ns < end:
                    return start, end
        return None

    def _lasts(self, day: date) -> int:
        """Days from the start to the end of a session."""
        if self.ends_on is None:
            return int(self.end <= self.start)
        return (self.ends_on - day.weekday()) % 7 or (7 if self.end <= self.start else 0)

    def _ns(self, day: date, at: time) -> int:
        local = datetime.combine(day, at, ZoneInfo(self.zone))
        return int(local.astimezone(UTC).timestamp()) * 1_000_000_000
