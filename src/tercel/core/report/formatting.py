"""Numbers, money, percentages, counts and times as text, the same on pages, terminals and in sentences."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from tercel.core.estimate import Estimate
from tercel.core.fixed_point import IN_TICKS
from tercel.core.report.cells import NOTHING, is_known
from tercel.core.vocabulary import NS_PER_SECOND

EPOCH_NS: Final = 10**17
"""Venue times (ns) from here on (1973) are calendar times; earlier ones belong to a simulated day."""
_WHOLE: Final = 1000
"""Amounts of money from here on have no decimals."""
_LEAST: Final = 5e-10
"""5 % of the least amount that is no rounding error: a satoshi, 10^-8 of a bitcoin."""


def format_number(
    value: float | None,
    digits: int = 2,
    *,
    signed: bool = False,
    thousands: bool = False,
    missing: str = NOTHING,
) -> str:
    """A number with `digits` decimals, no minus sign before a rounded zero; `missing` if it is not finite.

    >>> format_number(-0.001), format_number(1.5, signed=True), format_number(0.0, signed=True), format_number(None)
    ('0.00', '+1.50', '0.00', '–')
    >>> format_number(1234.5, 1, thousands=True), format_number(None, missing="not yet due")
    ('1,234.5', 'not yet due')
    """
    if not is_known(value):
        return missing
    rounded = round(value, digits) + 0.0
    return f"{rounded:{'+' if signed and rounded else ''}{',' if thousands else ''}.{digits}f}"


def format_interval(interval: Estimate | None, *, digits: int = 2, signed: bool = False) -> str:
    """An estimate with its interval in brackets, or alone if a bound is missing; a dash without a mean.

    >>> format_interval(Estimate(0.5, -0.001, 0.75), signed=True), format_interval(Estimate(0.5, None, None))
    ('+0.50 [0.00, +0.75]', '0.50')
    """
    if interval is None:
        return NOTHING
    mean, low, high = (
        format_number(value, digits, signed=signed)
        for value in (interval.mean, interval.ci_low, interval.ci_high)
    )
    return mean if NOTHING in (low, high) else f"{mean} [{low}, {high}]"


def format_half_width(
    mean: float | None, half: float | None, digits: int = 1, *, missing: str = NOTHING
) -> str:
    """A mean with half the width of its interval behind it, or alone without that; `missing` without a mean.

    >>> format_half_width(1.26, 0.31), format_half_width(1.26, None), format_half_width(None, None)
    ('1.3 ± 0.3', '1.3', '–')
    """
    text = format_number(mean, digits, missing=missing)
    return text if mean is None or half is None else f"{text} ± {format_number(half, digits)}"


def format_percent(share: float | None, digits: int = 0) -> str:
    """A share as a percentage with `digits` decimals; a dash if it is missing.

    >>> format_percent(0.347), format_percent(0.347, 1), format_percent(None)
    ('35 %', '34.7 %', '–')
    """
    return f"{format_number(100 * share, digits)} %" if is_known(share) else NOTHING


def format_percent_interval(share: Estimate, *, signed: bool = False) -> str:
    """A share with its interval as a percentage with one decimal.

    >>> format_percent_interval(Estimate(0.1, 0.08, 0.12), signed=True)
    '+10.0 [+8.0, +12.0] %'
    """
    return f"{format_interval(share.times(100), digits=1, signed=signed)} %"


def format_money(amount: float | None, currency: str = "", digits: int | None = None) -> str:
    """An amount of money with its currency; without `digits`, two decimals below 1000 and none from there on.

    A small amount, such as one in a coin, gets the digits that show it to 5 %.

    >>> format_money(1234567.8, "USD"), format_money(-0.07), format_money(992.4, "USD", 0), format_money(None)
    ('1,234,568 USD', '-0.07', '992 USD', '–')
    >>> format_money(0.00034, "BTC"), format_money(0.0, "BTC", 0), format_money(1e-12, "BTC")
    ('0.00034 BTC', '0 BTC', '0.00 BTC')
    """
    if digits is None:
        digits = 0 if is_known(amount) and abs(amount) >= _WHOLE else 2
    while is_known(amount) and abs(round(amount, digits) - amount) > 0.05 * abs(amount) >= _LEAST:
        digits += 1
    return f"{format_number(amount, digits, thousands=True)} {format_currency(currency)}".strip()


def format_currency(currency: str) -> str:
    """A currency as it follows an amount; the unit of an unknown currency in parentheses.

    >>> format_currency("USD"), format_currency(IN_TICKS)
    ('USD', '(ticks x lots)')
    """
    return currency if currency != IN_TICKS else f"({IN_TICKS})"


def format_amounts(rows: Iterable[tuple[float | None, str]]) -> str:
    """Amounts with their currencies, joined by semicolons; a dash without any.

    >>> format_amounts([(1200.0, "USD"), (3.0, "EUR")])
    '1,200 USD; 3.00 EUR'
    """
    return "; ".join(format_money(amount, currency) for amount, currency in rows) or NOTHING


def format_count(number: float, noun: str) -> str:
    """A number with its noun, in the plural unless it is 1.

    >>> format_count(1, "order"), format_count(1200, "order")
    ('1 order', '1,200 orders')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def format_venue_time(ns: int) -> str:
    """A time in ns at a venue: date and minute in UTC, or hour and minute of a simulated day.

    >>> format_venue_time(5_400 * 10**9), format_venue_time(100_000 * 10**9), format_venue_time(1_795_000_000 * 10**9)
    ('01:30', '03:46 of day 2', '2026-11-18 11:06')
    """
    if ns >= EPOCH_NS:
        return f"{datetime.fromtimestamp(ns // NS_PER_SECOND, UTC):%Y-%m-%d %H:%M}"
    day, second = divmod(ns // NS_PER_SECOND, 86_400)
    return f"{second // 3600:02d}:{second % 3600 // 60:02d}" + (f" of day {day + 1}" if day else "")


def format_clock(ns: int, zone: ZoneInfo) -> str:
    """Time of day with milliseconds in a time zone, from ns since 1970.

    >>> format_clock(86_400_500_000_000, ZoneInfo("UTC"))
    '00:00:00.500'
    """
    return f"{datetime.fromtimestamp(ns // NS_PER_SECOND, zone):%H:%M:%S}.{ns % NS_PER_SECOND // 10**6:03d}"


def format_minute(seconds: float) -> str:
    """Time of day, rounded to a minute, from seconds after midnight.

    >>> format_minute(34_200.0), format_minute(86_400.0)
    ('09:30', '00:00')
    """
    minutes = round(seconds / 60)
    return f"{minutes // 60 % 24:02d}:{minutes % 60:02d}"
