"""Units of limits: how a value stands in a limit file, how it is read into integers, written back, and its JSON schema."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from tercel.core.bounded_parsing import JsonSchema
from tercel.core.errors import LimitsError

MONEY: Final = 2_000_000_000
"""Money is counted in integers of half a billionth of the currency: the mid lies on half a tick."""
DAY_NS: Final = 86_400 * 10**9
MS: Final = 10**6
WHOLE: Final = 10_000
"""A share of one."""
Hours = tuple[int, int] | None
"""From, until (ns of the day; until before from: over midnight). None: always."""
MAX_LIMIT: Final = 10**15
"""The largest number that is a limit: a larger one is a typing error."""


@dataclass(frozen=True, slots=True)
class LimitKey:
    """Section and key of a value in a limit file, for errors."""

    source: str
    section: str
    key: str = ""

    def refusal(self, expected: str, received: str, remedy: str) -> LimitsError:
        """Limits error that names the place of the value, for the caller to raise."""
        key = f"key {self.key} of " if self.key else ""
        return LimitsError(
            expected, f"{received} at {key}[{self.section}] in {self.source}", remedy
        )


def _read_whole(value: Any, place: LimitKey, least: int = 0) -> int:
    """A whole number from `least` to `MAX_LIMIT`; anything else is refused."""
    if type(value) is not int or value < least:
        raise place.refusal(
            f"a whole number, at least {least}",
            f"{format_value(value)}",
            "write it without quotes or a point",
        )
    return int(_check_most(value, place))


def _check_most(value: int | Decimal, place: LimitKey) -> int | Decimal:
    """The number itself, refused above `MAX_LIMIT`."""
    if value > MAX_LIMIT:
        raise place.refusal(
            f"a number of at most {MAX_LIMIT}", f"{Decimal(value):.3e}", "write a smaller number"
        )
    return value


def _read_money(value: Any, place: LimitKey) -> int:
    """An amount of money, 0 or more, of at most 9 decimals, in integer units of `MONEY`."""
    if type(value) is not int and not (isinstance(value, Decimal) and value.is_finite()):
        raise place.refusal(
            "an amount of money", format_value(value), "write a number such as 250_000 or 12.50"
        )
    if value < 0:
        raise place.refusal(
            "an amount of money, at least 0",
            format_value(value),
            "a limit is written without its sign",
        )
    scaled = Decimal(_check_most(value, place)) * MONEY
    if scaled != int(scaled):
        raise place.refusal("an amount of at most 9 decimals", format_value(value), "round it")
    return int(scaled)


def _read_bps(value: Any, place: LimitKey) -> int:
    """A band in basis points, 1 to 9999."""
    bps = _read_whole(value, place, least=1)
    if bps >= 10_000:
        raise place.refusal(
            "a band under 10000 bps", str(bps), "10000 bps reach down to a price of zero"
        )
    return bps


def _read_share(value: Any, place: LimitKey) -> int:
    """A share above 0 and up to 1, of at most 4 decimals, in ten thousandths."""
    is_number = type(value) is int or (isinstance(value, Decimal) and value.is_finite())
    if not is_number or not 0 < value <= 1 or value * WHOLE != int(value * WHOLE):
        raise place.refusal(
            "a share above 0, at most 1, of at most 4 decimals", format_value(value), "write 0.8"
        )
    return int(value * WHOLE)


def _read_flag(value: Any, place: LimitKey) -> bool:
    """A boolean, written true or false."""
    if type(value) is not bool:
        raise place.refusal("true or false", format_value(value), "write it without quotes")
    return value


def _read_hours(value: Any, place: LimitKey) -> Hours:
    """Trading hours as (from, until) in ns of the day; None for "always"."""
    if value == "always":
        return None
    if isinstance(value, list) and len(value) == 2 and all(isinstance(each, str) for each in value):
        start, end = (_parse_time_of_day(each, place) for each in value)
        if start != end:
            return start, end
    raise place.refusal(
        '"always" or two times of day', format_value(value), 'write ["09:30:00", "16:00:00"]'
    )


def _parse_time_of_day(text: str, place: LimitKey) -> int:
    """Time of day HH:MM[:SS] as ns after midnight."""
    parts = text.split(":")
    if len(parts) in (2, 3) and all(
        len(part) == 2 and part.isascii() and part.isdigit() for part in parts
    ):
        hour, minute, second = (*map(int, parts), 0)[:3]
        if hour < 24 and minute < 60 and second < 60:
            return (hour * 3600 + minute * 60 + second) * 10**9
    raise place.refusal("a time of day as HH:MM:SS", format_value(text), "write 09:30:00")


def format_value(value: Any) -> str:
    """A value as it would be written, for errors."""
    return str(value) if isinstance(value, Decimal) else repr(value)


def _hours_text(hours: Hours) -> str | list[str]:
    """Trading hours as a limit file has them: "always", or two times of day."""
    return (
        "always"
        if hours is None
        else [str(timedelta(microseconds=ns // 1000)).zfill(8) for ns in hours]
    )


def are_hours_within(hours: Hours, of: Hours) -> bool:
    """Whether trading hours lie within the hours `of` (None: always), over midnight or not.

    >>> are_hours_within((8, 9), (7, 9)), are_hours_within((7, 9), (8, 9))
    (True, False)
    >>> are_hours_within(None, (8, 9)), are_hours_within((8, 9), None)
    (False, True)
    """
    if of is None or hours is None:
        return of is None
    from_ns = (hours[0] - of[0]) % DAY_NS
    return from_ns + (hours[1] - hours[0]) % DAY_NS <= (of[1] - of[0]) % DAY_NS


@dataclass(frozen=True, slots=True)
class LimitUnit:
    """One way to write limits: `read` gives a file's value as integers, `write` gives it back, `schema` is its JSON schema."""

    read: Callable[[Any, LimitKey], Any]
    schema: JsonSchema
    write: Callable[[Any], Any] = int


COUNT: Final = LimitUnit(_read_whole, {"type": "integer", "minimum": 0})
AMOUNT: Final = LimitUnit(
    _read_money, {"type": "number", "minimum": 0}, lambda value: value / MONEY
)
MILLISECONDS: Final = LimitUnit(
    lambda value, place: _read_whole(value, place) * MS,
    {"type": "integer", "minimum": 0},
    lambda ns: ns // MS,
)
POSITIVE_MS: Final = LimitUnit(
    lambda value, place: _read_whole(value, place, least=1) * MS,
    {"type": "integer", "minimum": 1},
    lambda ns: ns // MS,
)
BPS: Final = LimitUnit(_read_bps, {"type": "integer", "minimum": 1})
SHARE: Final = LimitUnit(
    _read_share,
    {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
    lambda value: value / WHOLE,
)
FLAG: Final = LimitUnit(_read_flag, {"type": "boolean"}, bool)
HOURS: Final = LimitUnit(
    _read_hours,
    {
        "anyOf": [
            {"const": "always"},
            {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2},
        ]
    },
    _hours_text,
)
