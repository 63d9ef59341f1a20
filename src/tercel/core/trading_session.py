"""`TradingSession`: the hours of a market: windows of a day, nights, auctions, holidays and half days, as dates and times.

[session]
timezone = "Asia/Shanghai"
calendar = "XSHG"                                     # of exchange_calendars: holidays and early closes
windows = [["09:00", "10:15"], ["10:30", "11:30"], ["13:30", "15:00"]]
night = [["21:00", "23:00"]]                          # on the evening before; none before a holiday
"""

from collections.abc import Iterator
from datetime import date as calendar_date, datetime, time, timedelta
from functools import lru_cache
from typing import Annotated, Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from tercel.core.errors import ConfigError
from tercel.core.extras import import_optional
from tercel.core.validation import TomlTable
from tercel.core.venue_rules import TradingWindow, windows_of
from tercel.core.vocabulary import NS_PER_SECOND

Clock = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?$")]
Span = tuple[Clock, Clock]
LONGEST_PAUSE: Final = 30
"""Days among which the next trading day is looked for."""
SATURDAY: Final = 5


class _Year(NamedTuple):
    """Trading days of a year, and those of them that end early, with when (local time)."""

    days: frozenset[calendar_date]
    early_closes: dict[calendar_date, str]


@lru_cache(maxsize=64)
def _read_year(calendar: str, year: int) -> _Year:
    """Trading days of a year in a calendar of exchange_calendars; ConfigError for an unknown one or a year beyond it."""
    library = import_optional("exchange_calendars", "calendars")
    try:
        found = library.get_calendar(calendar, start=f"{year}-01-01", end=f"{year}-12-31")
    except (library.errors.InvalidCalendarName, ValueError) as error:
        raise ConfigError(
            f"a calendar of exchange_calendars that has the year {year}",
            f"{calendar!r}: {' '.join(str(error).split())[:160]}",
            "correct calendar, update exchange_calendars, or list holidays and half_days instead",
        ) from None
    closes = {
        session.date(): f"{found.session_close(session).tz_convert(found.tz):%H:%M}"
        for session in found.early_closes
    }
    return _Year(frozenset(session.date() for session in found.sessions), closes)


class TradingSession(TomlTable):
    """When an instrument trades: windows of local time on trading days.

    Parameters
    ----------
    timezone : str
        IANA name.
    calendar : str
        Of `exchange_calendars` (the extra `calendars`), such as XSHG: holidays and early closes. "": weekdays.
    windows : tuple of (begin, end)
        Continuous trading, local times HH:MM, in order; (): trading never ends.
    night : tuple of (begin, end)
        On the evening of the trading day before; an end before the begin is after midnight. They belong to the trading
        day that follows, and are left out where a holiday lies between.
    auctions : tuple of (begin, end)
        Calls; a desk does not trade in them.
    holidays : tuple of str
        Further dates without trading, YYYY-MM-DD.
    half_days : mapping of str to str
        Further dates that end early: when.

    >>> hours = TradingSession(timezone="Asia/Shanghai", windows=[["09:30", "11:30"], ["13:00", "14:57"]])
    >>> [(w.end_ns - w.start_ns) // (60 * 10**9) for w in hours.day("2023-02-01")]
    [120, 117]
    >>> hours.trading_date(hours.day("2023-02-03")[1].end_ns)  # the Friday is over
    '2023-02-06'
    """

    timezone: str
    calendar: str = ""
    windows: tuple[Span, ...] = ()
    night: tuple[Span, ...] = ()
    auctions: tuple[Span, ...] = ()
    holidays: tuple[calendar_date, ...] = ()
    half_days: dict[calendar_date, Clock] = Field(default_factory=dict)

    @field_validator("timezone")
    @classmethod
    def _is_known(cls, timezone: str) -> str:
        """Refuse a time zone that does not exist."""
        try:
            ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError("an IANA time zone such as Asia/Shanghai") from None
        return timezone

    @field_validator("windows", "auctions")
    @classmethod
    def _are_in_order(cls, spans: tuple[Span, ...]) -> tuple[Span, ...]:
        """Refuse windows that overlap or go back."""
        times = [clock for span in spans for clock in span]
        if any(end <= begin for begin, end in spans) or times != sorted(times):
            raise ValueError('windows in order that do not overlap, such as [["09:30", "11:30"]]')
        return spans

    def is_trading_day(self, date: str | calendar_date) -> bool:
        """Whether the market trades on a date, YYYY-MM-DD."""
        day = _as_date(date)
        if not self.windows or day in self.holidays:
            return not self.windows
        if not self.calendar:
            return day.weekday() < SATURDAY
        return day in _read_year(self.calendar, day.year).days

    def day(self, date: str | calendar_date) -> tuple[TradingWindow, ...]:
        """Windows of a trading day, night first, ns since 1970-01-01 UTC; () on other days, and where trading never ends."""
        day = _as_date(date)
        if not self.windows or not self.is_trading_day(day):
            return ()
        spans = [self._span(day, begin, end) for begin, end in self.windows]
        if (close := self._early_close(day)) is not None:
            close_ns = self._local_ns(day, close)
            spans = [(begin, min(end, close_ns)) for begin, end in spans if begin < close_ns]
        evening = next(self._days(day, -1))
        between = [evening + timedelta(days=n) for n in range(1, (day - evening).days)]
        if all(other.weekday() >= SATURDAY for other in between):  # no holiday
            spans = [self._span(evening, begin, end) for begin, end in self.night] + spans
        return windows_of(spans)

    def trading_date(self, ns: int) -> str:
        """The trading day, YYYY-MM-DD, that a time belongs to: the first whose last window has not ended by then."""
        local = datetime.fromtimestamp(ns // NS_PER_SECOND, ZoneInfo(self.timezone)).date()
        if not self.windows:
            return local.isoformat()
        days = self._days(local - timedelta(days=1), 1)
        return next(day for day in days if ns < self.day(day)[-1].end_ns).isoformat()

    def span(self, ns: int, days: int = 1) -> tuple[TradingWindow, ...]:
        """Windows of the trading day that a time belongs to, and of further ones: `days` in all."""
        upcoming = self._days(_as_date(self.trading_date(ns)) - timedelta(days=1), 1)
        return tuple(
            window
            for _, day in zip(range(days), upcoming, strict=False)
            for window in self.day(day)
        )

    def _days(self, day: calendar_date, step: int) -> Iterator[calendar_date]:
        """Trading days after (or, with a step of -1, before) a date."""
        last = day
        while abs((day - last).days) < LONGEST_PAUSE:
            day += timedelta(days=step)
            if self.is_trading_day(day):
                last = day
                yield day
        raise ConfigError(
            f"a trading day within {LONGEST_PAUSE} days", f"none to {day}", "correct the holidays"
        )

    def _early_close(self, day: calendar_date) -> str | None:
        """When a half day ends, local time; None on other days."""
        listed = _read_year(self.calendar, day.year).early_closes if self.calendar else {}
        return self.half_days.get(day, listed.get(day))

    def _span(self, day: calendar_date, begin: str, end: str) -> tuple[int, int]:
        """Begin and end of a window that begins on a date, ns; an end before the begin is of the next day."""
        last_day = day + timedelta(days=int(end <= begin))
        return self._local_ns(day, begin), self._local_ns(last_day, end)

    def _local_ns(self, day: calendar_date, clock: str) -> int:
        """A local time of a date, ns since 1970-01-01 UTC."""
        moment = datetime.combine(day, time.fromisoformat(clock), ZoneInfo(self.timezone))
        return int(moment.timestamp()) * NS_PER_SECOND


def _as_date(date: str | calendar_date) -> calendar_date:
    """A date of its ISO text; ConfigError for none."""
    try:
        return date if isinstance(date, calendar_date) else calendar_date.fromisoformat(date)
    except ValueError:
        raise ConfigError("a date YYYY-MM-DD", repr(date), "write it as in 2023-02-01") from None
