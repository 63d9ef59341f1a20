"""Keys and values of a limit file: readers into internal units, writers back, default values, the JSON schema."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from tercel.core.bounded_parsing import JsonSchema, Tables
from tercel.core.errors import LimitsError
from tercel.desk.limits.limit_sets import (
    MONEY,
    MS,
    WHOLE,
    AgentLimits,
    DeskLimits,
    Hours,
    InstrumentLimits,
    Limits,
    ScopeLimits,
)

MAX_LIMIT: Final = 10**15
"""The largest number that is a limit: a larger one is a typing error."""


# Defaults of missing keys. The drawdown defaults to the daily loss, a legged value to the gross value, a collar of quotes to
# that of orders, a band of fills to twice the collar: an order leaves within the collar, and the mid may have moved as far
# since. By default no dealer receives a request for quotes, and no strategy takes a quote.
DEFAULTS: Final[Tables] = {
    "warn": Decimal("0.8"),
    "executions": 0,
    "executions_ms": 60_000,
    "rfq_value_per_hour": 0,
    "dealers_per_day": 0,
    "person_accepts": True,
}


@dataclass(frozen=True, slots=True)
class Place:
    """Section and key of a value in a limit file, for errors."""

    source: str
    section: str
    key: str = ""

    def refusal(self, expected: str, received: str, remedy: str) -> LimitsError:
        """Limits error that names the place of the value, for the caller to raise."""
        place = (
            f"key {self.key} of [{self.section}] in {self.source}"
            if self.key
            else f"[{self.section}] in {self.source}"
        )
        return LimitsError(expected, f"{received} at {place}", remedy)


def _read_whole(value: Any, place: Place, least: int = 0) -> int:
    """A whole number from `least` to `MAX_LIMIT`; anything else is refused."""
    if type(value) is not int or value < least:
        raise place.refusal(
            f"a whole number, at least {least}",
            f"{format_value(value)}",
            "write it without quotes or a point",
        )
    return int(_check_most(value, place))


def _check_most(value: int | Decimal, place: Place) -> int | Decimal:
    """The number itself, refused above `MAX_LIMIT`."""
    if value > MAX_LIMIT:
        raise place.refusal(
            f"a number of at most {MAX_LIMIT}", f"{Decimal(value):.3e}", "write a smaller number"
        )
    return value


def _read_money(value: Any, place: Place) -> int:
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


def _read_positive_ms(value: Any, place: Place) -> int:
    """A time in ns, above 0, from milliseconds."""
    return _read_whole(value, place, least=1) * MS


def _read_ms(value: Any, place: Place) -> int:
    """A time in ns, 0 or more, from milliseconds."""
    return _read_whole(value, place) * MS


def _read_bps(value: Any, place: Place) -> int:
    """A band in basis points, 1 to 9999."""
    bps = _read_whole(value, place, least=1)
    if bps >= 10_000:
        raise place.refusal(
            "a band under 10000 bps", str(bps), "10000 bps reach down to a price of zero"
        )
    return bps


def _read_share(value: Any, place: Place) -> int:
    """A share above 0 and up to 1, of at most 4 decimals, in ten thousandths."""
    is_number = type(value) is int or (isinstance(value, Decimal) and value.is_finite())
    if not is_number or not 0 < value <= 1 or value * WHOLE != int(value * WHOLE):
        raise place.refusal(
            "a share above 0, at most 1, of at most 4 decimals", format_value(value), "write 0.8"
        )
    return int(value * WHOLE)


def _read_flag(value: Any, place: Place) -> bool:
    """A boolean, written true or false."""
    if type(value) is not bool:
        raise place.refusal("true or false", format_value(value), "write it without quotes")
    return value


def _read_hours(value: Any, place: Place) -> Hours:
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


def _parse_time_of_day(text: str, place: Place) -> int:
    """Time of day HH:MM[:SS] as ns after midnight."""
    parts = text.split(":")
    if len(parts) in (2, 3) and all(
        len(part) == 2 and part.isascii() and part.isdigit() for part in parts
    ):
        hour, minute, second = (*map(int, parts), 0)[:3]
        if hour < 24 and minute < 60 and second < 60:
            return (hour * 3600 + minute * 60 + second) * 10**9
    raise place.refusal("a time of day as HH:MM:SS", format_value(text), "write 09:30:00")


_Reader = Callable[[Any, Place], Any]
_READERS: Final[dict[str, _Reader]] = {
    **dict.fromkeys(
        ("order_lots", "messages", "long_lots", "short_lots", "executions"), _read_whole
    ),
    **dict.fromkeys(
        ("order_value", "gross_value", "daily_loss", "drawdown", "legged_value"), _read_money
    ),
    "rfq_value_per_hour": _read_money,
    "dealers_per_day": _read_whole,
    "person_accepts": _read_flag,
    **dict.fromkeys(("window_ms", "executions_ms", "reference_age_ms"), _read_positive_ms),
    **{
        "duplicate_ms": _read_ms,
        "warn": _read_share,
        "collar_bps": _read_bps,
        "quote_collar_bps": _read_bps,
        "fill_band_bps": _read_bps,
        "hours": _read_hours,
    },
}


def key_of(name: str) -> str:
    """The file key of a limit's field name: times are in milliseconds there."""
    return f"{name.removesuffix('_ns')}_ms" if name.endswith("_ns") else name


KEYS: Final[dict[type, dict[str, tuple[str, _Reader]]]] = {
    kind: {(key := key_of(each.name)): (each.name, _READERS[key]) for each in fields(kind)}
    for kind in (DeskLimits, AgentLimits, InstrumentLimits)
}


def schema() -> JsonSchema:
    """The JSON schema of a limit file."""
    text = {"type": "string"}
    money_schema = {"type": "number", "minimum": 0}
    hours = {
        "anyOf": [
            {"const": "always"},
            {"type": "array", "items": text, "minItems": 2, "maxItems": 2},
        ]
    }
    least: dict[_Reader, int] = {_read_whole: 0, _read_positive_ms: 1, _read_ms: 0, _read_bps: 1}
    share = {"type": "number", "exclusiveMinimum": 0, "maximum": 1}
    schemas: dict[_Reader, JsonSchema] = {
        _read_hours: hours,
        _read_money: money_schema,
        _read_share: share,
    }
    schemas[_read_flag] = {"type": "boolean"}

    def section(kind: type, *, is_complete: bool) -> JsonSchema:
        """Schema of one section's keys, which are required where it must be complete."""
        rows = {
            key: schemas.get(reader) or {"type": "integer", "minimum": least[reader]}
            for key, (_, reader) in KEYS[kind].items()
        }
        needed = (
            {
                "required": [
                    key for key in rows if key not in (*DEFAULTS, "drawdown", "legged_value")
                ]
            }
            if is_complete
            else {}
        )
        return {"type": "object", "properties": rows, "additionalProperties": False, **needed}

    def each(kind: type) -> JsonSchema:
        """Schema of a table of named sections."""
        return {
            "type": "object",
            "additionalProperties": section(kind, is_complete=False),
            "minProperties": 1,
        }

    sections = {
        "desk": section(DeskLimits, is_complete=True),
        "instruments": each(InstrumentLimits),
        "agents": each(AgentLimits),
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "hard limits",
        "type": "object",
        "properties": sections,
        "required": list(sections),
        "additionalProperties": False,
    }


def format_value(value: Any) -> str:
    """A value as it would be written, for errors."""
    return str(value) if isinstance(value, Decimal) else repr(value)


def in_file_units(limits: Limits) -> Tables:
    """Limits in the file's keys and units: ``source``, ``sha256``, ``desk``, ``instruments``, ``agents``."""
    return {
        "source": limits.source,
        "sha256": limits.sha256,
        "desk": _as_written(limits.desk),
        "instruments": {name: _as_written(each) for name, each in limits.instruments.items()},
        "agents": {name: _as_written(each) for name, each in limits.agents.items()},
    }


def _as_written(scope: ScopeLimits) -> Tables:
    """A scope's limits by the file's keys, in the file's units."""
    rows = KEYS[type(scope)].items()
    return {key: _WRITERS.get(reader, int)(getattr(scope, name)) for key, (name, reader) in rows}


def _hours_text(hours: Hours) -> str | list[str]:
    """Trading hours as a limit file has them: "always", or two times of day."""
    return (
        "always"
        if hours is None
        else [str(timedelta(microseconds=ns // 1000)).zfill(8) for ns in hours]
    )


# Values of a file from those in internal units; the others are the same whole numbers.
_WRITERS: Final[dict[_Reader, Callable[[Any], Any]]] = {
    _read_money: lambda value: value / MONEY,
    _read_share: lambda value: value / WHOLE,
    _read_hours: _hours_text,
    _read_flag: bool,
    **dict.fromkeys((_read_positive_ms, _read_ms), lambda ns: ns // MS),
}
