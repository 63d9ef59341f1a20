"""The limit file: TOML with sections for desk, agents and instruments, validated whole or refused.

``[desk]``, ``[instruments.NAME]`` and ``[agents.NAME]``; a section named ``"*"`` holds where a name has no
line of its own. `default.toml` beside this file explains every key.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeVar

from tercel.core.errors import LimitsError, offer
from tercel.core.serialization import JsonSchema, Tables, parse_tables

MONEY: Final = 2_000_000_000
"""Money is counted in integers of half a billionth of the currency: the mid lies on half a tick."""
DAY_NS: Final = 86_400 * 10**9
MS: Final = 10**6
ANY: Final = "*"
WHOLE: Final = 10_000
"""A share of one."""
MOST: Final = 10**15
"""The largest number that is a limit: a larger one is a typing error."""

Hours = tuple[int, int] | None
"""From, until (ns of the day; until before from: over midnight). None: always."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeLimits:
    """Limits common to desk, instruments and agents. `drawdown`: from the day's highest equity at a mark.

    `warn`: the share of every limit, in ten thousandths, at which people are warned.
    """

    order_lots: int
    order_value: int
    gross_value: int
    messages: int
    window_ns: int
    daily_loss: int
    drawdown: int
    warn: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskLimits(ScopeLimits):
    """Limits of all agents and instruments together. Values in `MONEY`; lots and messages as they are.

    `rfq_value_per_hour`: of requests for quotes, at the mid. `person_accepts`: no strategy takes a quote.
    `legged_value`: of what all pairs may have unhedged.
    """

    duplicate_ns: int
    legged_value: int = 0
    rfq_value_per_hour: int = 0
    person_accepts: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentLimits(ScopeLimits):
    """Limits of one agent; `long_lots`, `short_lots` and `executions` (of one side within `executions_ns`) in each instrument.

    `executions` 0: as many as come.
    """

    long_lots: int
    short_lots: int
    executions: int
    executions_ns: int
    legged_value: int = 0
    rfq_value_per_hour: int = 0
    person_accepts: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentLimits(ScopeLimits):
    """Limits of all agents together in one instrument.

    `fill_band_bps`: an execution farther from the reference is implausible (`reported.ReportedCounts.implausible`).
    `dealers_per_day`: different dealers that receive requests for quotes. `quote_collar_bps`: of a quote around the mid.
    """

    long_lots: int
    short_lots: int
    collar_bps: int
    fill_band_bps: int
    reference_age_ns: int
    hours: Hours
    dealers_per_day: int = 0
    quote_collar_bps: int = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """All limits of a desk, as read from a file.

    Parameters
    ----------
    desk : DeskLimits
    instruments, agents : mapping of name to limits
        `"*"` holds for every name that has none of its own.
    source, sha256 : str
        Where they were read, and the hash of what stood there.
    """

    desk: DeskLimits
    instruments: Mapping[str, InstrumentLimits]
    agents: Mapping[str, AgentLimits]
    source: str = "limits"
    sha256: str = ""

    def of_instrument(self, name: str) -> InstrumentLimits | None:
        """Limits of an instrument; None: trading it is not allowed."""
        return self.instruments.get(name, self.instruments.get(ANY))

    def of_agent(self, name: str) -> AgentLimits | None:
        """Limits of an agent; None: it is not allowed to trade."""
        return self.agents.get(name, self.agents.get(ANY))


@dataclass(frozen=True, slots=True)
class _Place:
    """Place of a value in a limit file, for errors."""

    source: str
    section: str
    key: str = ""

    def refuse(self, expected: str, received: str, remedy: str) -> LimitsError:
        where = (
            f"key {self.key} of [{self.section}] in {self.source}"
            if self.key
            else f"[{self.section}] in {self.source}"
        )
        return LimitsError(expected, f"{received} at {where}", remedy)


def _whole(value: Any, place: _Place, least: int = 0) -> int:
    if type(value) is not int or value < least:
        raise place.refuse(
            f"a whole number, at least {least}",
            f"{_shown(value)}",
            "write it without quotes or a point",
        )
    return int(_at_most(value, place))


def _at_most(value: int | Decimal, place: _Place) -> int | Decimal:
    if value > MOST:
        raise place.refuse(
            f"a number of at most {MOST}", f"{Decimal(value):.3e}", "write a smaller number"
        )
    return value


def _money(value: Any, place: _Place) -> int:
    if type(value) is not int and not (isinstance(value, Decimal) and value.is_finite()):
        raise place.refuse(
            "an amount of money", _shown(value), "write a number such as 250_000 or 12.50"
        )
    if value < 0:
        raise place.refuse(
            "an amount of money, at least 0", _shown(value), "a limit is written without its sign"
        )
    scaled = Decimal(_at_most(value, place)) * MONEY
    if scaled != int(scaled):
        raise place.refuse("an amount of at most 9 decimals", _shown(value), "round it")
    return int(scaled)


def _since(value: Any, place: _Place) -> int:
    """A time in ns, above 0, from milliseconds."""
    return _whole(value, place, least=1) * MS


def _within(value: Any, place: _Place) -> int:
    """A time in ns, 0 or more, from milliseconds."""
    return _whole(value, place) * MS


def _bps(value: Any, place: _Place) -> int:
    bps = _whole(value, place, least=1)
    if bps >= 10_000:
        raise place.refuse(
            "a band under 10000 bps", str(bps), "10000 bps reach down to a price of zero"
        )
    return bps


def _share(value: Any, place: _Place) -> int:
    """A share of one, in ten thousandths."""
    known = type(value) is int or (isinstance(value, Decimal) and value.is_finite())
    if not known or not 0 < value <= 1 or value * WHOLE != int(value * WHOLE):
        raise place.refuse(
            "a share above 0, at most 1, of at most 4 decimals", _shown(value), "write 0.8"
        )
    return int(value * WHOLE)


def _flag(value: Any, place: _Place) -> bool:
    if type(value) is not bool:
        raise place.refuse("true or false", _shown(value), "write it without quotes")
    return value


def _hours(value: Any, place: _Place) -> Hours:
    if value == "always":
        return None
    if isinstance(value, list) and len(value) == 2 and all(isinstance(each, str) for each in value):
        start, end = (_time_of_day(each, place) for each in value)
        if start != end:
            return start, end
    raise place.refuse(
        '"always" or two times of day', _shown(value), 'write ["09:30:00", "16:00:00"]'
    )


def _time_of_day(text: str, place: _Place) -> int:
    parts = text.split(":")
    if len(parts) in (2, 3) and all(
        len(part) == 2 and part.isascii() and part.isdigit() for part in parts
    ):
        hour, minute, second = (*map(int, parts), 0)[:3]
        if hour < 24 and minute < 60 and second < 60:
            return (hour * 3600 + minute * 60 + second) * 10**9
    raise place.refuse("a time of day as HH:MM:SS", _shown(text), "write 09:30:00")


_Reader = Callable[[Any, _Place], Any]
_READERS: Final[dict[str, _Reader]] = {
    **dict.fromkeys(("order_lots", "messages", "long_lots", "short_lots", "executions"), _whole),
    **dict.fromkeys(
        ("order_value", "gross_value", "daily_loss", "drawdown", "legged_value"), _money
    ),
    "rfq_value_per_hour": _money,
    "dealers_per_day": _whole,
    "person_accepts": _flag,
    **dict.fromkeys(("window_ms", "executions_ms", "reference_age_ms"), _since),
    **{
        "duplicate_ms": _within,
        "warn": _share,
        "collar_bps": _bps,
        "quote_collar_bps": _bps,
        "fill_band_bps": _bps,
        "hours": _hours,
    },
}


def key_of(name: str) -> str:
    """The file key of a limit's field name: times are in milliseconds there."""
    return f"{name.removesuffix('_ns')}_ms" if name.endswith("_ns") else name


_KEYS: Final[dict[type, dict[str, tuple[str, _Reader]]]] = {
    kind: {(key := key_of(each.name)): (each.name, _READERS[key]) for each in fields(kind)}
    for kind in (DeskLimits, AgentLimits, InstrumentLimits)
}
# Defaults of missing keys. The drawdown defaults to the daily loss, a legged value to the gross value, a collar of quotes to
# that of orders, a band of fills to twice the collar: an order leaves within the collar, and the mid may have moved as far
# since. By default no dealer receives a request for quotes, and no strategy takes a quote.
_OTHERWISE: Final[Tables] = {
    "warn": Decimal("0.8"),
    "executions": 0,
    "executions_ms": 60_000,
    "rfq_value_per_hour": 0,
    "dealers_per_day": 0,
    "person_accepts": True,
}
_Kind = TypeVar("_Kind", DeskLimits, AgentLimits, InstrumentLimits)


def schema() -> JsonSchema:
    """The JSON schema of a limit file."""
    text, amount = {"type": "string"}, {"type": "number", "minimum": 0}
    hours = {
        "anyOf": [
            {"const": "always"},
            {"type": "array", "items": text, "minItems": 2, "maxItems": 2},
        ]
    }
    least: dict[_Reader, int] = {_whole: 0, _since: 1, _within: 0, _bps: 1}
    share = {"type": "number", "exclusiveMinimum": 0, "maximum": 1}
    other: dict[_Reader, JsonSchema] = {_hours: hours, _money: amount, _share: share}
    other[_flag] = {"type": "boolean"}

    def section(kind: type, *, whole: bool) -> JsonSchema:
        rows = {
            key: other.get(reader) or {"type": "integer", "minimum": least[reader]}
            for key, (_, reader) in _KEYS[kind].items()
        }
        needed = (
            {
                "required": [
                    key for key in rows if key not in (*_OTHERWISE, "drawdown", "legged_value")
                ]
            }
            if whole
            else {}
        )
        return {"type": "object", "properties": rows, "additionalProperties": False, **needed}

    def each(kind: type) -> JsonSchema:
        return {
            "type": "object",
            "additionalProperties": section(kind, whole=False),
            "minProperties": 1,
        }

    sections = {
        "desk": section(DeskLimits, whole=True),
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


def default_file() -> Path:
    """The limits that the demo desk trades under, with every key explained."""
    return Path(__file__).with_name("default.toml")


def read(path: Path) -> Limits:
    """Read a limit file.

    Raises
    ------
    LimitsError
        When it is absent or holds anything that cannot be applied to the letter: nothing of it is in force then.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise LimitsError(
            "a limit file", f"{path}: {error.strerror}", "name a TOML file of limits"
        ) from None
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise LimitsError(
            "a limit file in UTF-8", f"{path}, byte {error.start}", "save it as UTF-8"
        ) from None
    return parse(text, str(path))


def parse(text: str, source: str = "limits") -> Limits:
    """Parse the text of a limit file.

    Raises
    ------
    LimitsError
        See `read`.

    >>> limits = parse(default_file().read_text())
    >>> limits.of_agent("anyone").order_lots, limits.of_instrument("CSCO").collar_bps
    (5000, 500)
    """
    try:
        data = parse_tables(text, decimals=True)
    except (ValueError, ArithmeticError) as error:  # of numbers that no reader takes too
        raise LimitsError("a TOML file", f"{source}: {error}", "correct the line") from None
    _refuse_desks(data, source)
    sections = ("desk", "instruments", "agents")
    for name in data:
        if name not in sections:
            raise _unknown(name, sections, f"section {name}", source)
    for name in sections:
        if not isinstance(data.get(name), dict) or not data[name]:
            example = f"[{name}]" if name == "desk" else f'[{name}."*"]'
            raise LimitsError(
                f"a section {example} of limits",
                f"none in {source}" if name not in data else f"{_shown(data[name])} in {source}",
                "`tercel limits show-default` prints an example",
            )
    return Limits(
        _section(DeskLimits, data["desk"], {}, _Place(source, "desk")),
        _sections(InstrumentLimits, data["instruments"], "instruments", source),
        _sections(AgentLimits, data["agents"], "agents", source),
        source,
        hashlib.sha256(text.encode()).hexdigest(),
    )


def _refuse_desks(data: Tables, source: str) -> None:
    """A desk's file has a section [desk] too: name which of the two this is."""
    desk = data.get("desk")
    lists = any(isinstance(data.get(name), list) for name in ("agent", "instrument"))
    if not (
        lists
        or (
            isinstance(desk, dict)
            and not desk.keys().isdisjoint(("rounds", "round_s", "decision_s"))
        )
    ):
        return
    limits = data.get("limits")
    named = limits.get("file") if isinstance(limits, dict) else None
    raise LimitsError(
        "a limit file",
        f"{source}: this is a desk's file; its limits are named in [limits] file",
        f"check {named}, the limit file that it names" if named else _NO_FILE,
    )


_NO_FILE: Final = (
    "it names none and trades under the packaged limits, which `tercel limits show-default` prints"
)


def _sections(kind: type[_Kind], data: Tables, room: str, source: str) -> dict[str, _Kind]:
    """The limits of each name; what a name leaves out is taken from `"*"`."""
    found: dict[str, _Kind] = {}
    for name, section in data.items():
        if not isinstance(section, dict):
            raise _Place(source, room, name).refuse(
                f"a section [{room}.NAME]", _shown(section), f"give [{room}] names"
            )
    for name, section in data.items():
        found[name] = _section(kind, section, data.get(ANY, {}), _Place(source, f'{room}."{name}"'))
    return found


def _section(kind: type[_Kind], data: Tables, otherwise: Tables, place: _Place) -> _Kind:
    keys = _KEYS[kind]
    loss, collar = (data.get(key, otherwise.get(key)) for key in ("daily_loss", "collar_bps"))
    band = (
        {"fill_band_bps": min(2 * collar, WHOLE - 1), "quote_collar_bps": collar}
        if type(collar) is int
        else {}
    )
    gross = data.get("gross_value", otherwise.get("gross_value"))
    said = {"drawdown": loss, "legged_value": gross}
    said = {key: value for key, value in said.items() if value is not None}
    otherwise = _OTHERWISE | said | band | otherwise
    for key in data:
        if key not in keys:
            raise _unknown(key, tuple(keys), f"key {key} of [{place.section}]", place.source)
    missing = [key for key in keys if key not in data and key not in otherwise]
    if missing:
        raise place.refuse(
            f"a limit {missing[0]}",
            "none",
            "set the limit: without it every order is refused",
        )
    values = {
        name: reader(
            data[key] if key in data else otherwise[key], _Place(place.source, place.section, key)
        )
        for key, (name, reader) in keys.items()
    }
    return kind(**values)


def value_of(kind: type[ScopeLimits], section: str, key: str, value: Any) -> tuple[str, Any]:
    """A limit's field name and value in internal units, from a key and value of the file.

    Raises
    ------
    LimitsError
        For a key that the section does not have, or a value that the key cannot.
    """
    place = _Place("the change", section, key)
    if key not in _KEYS[kind]:
        raise _unknown(key, tuple(_KEYS[kind]), f"key {key} of [{section}]", place.source)
    name, reader = _KEYS[kind][key]
    return name, reader(value, place)


def _unknown(name: str, known: tuple[str, ...], what: str, source: str) -> LimitsError:
    return LimitsError(
        f"one of {', '.join(known)}", f"{what} in {source}", offer(name, known, "take it out")
    )


def _shown(value: Any) -> str:
    return str(value) if isinstance(value, Decimal) else repr(value)


def understood(limits: Limits) -> Tables:
    """Limits in the file's keys and units: ``source``, ``sha256``, ``desk``, ``instruments``, ``agents``."""
    return {
        "source": limits.source,
        "sha256": limits.sha256,
        "desk": _as_written(limits.desk),
        "instruments": {name: _as_written(each) for name, each in limits.instruments.items()},
        "agents": {name: _as_written(each) for name, each in limits.agents.items()},
    }


def _as_written(scope: ScopeLimits) -> Tables:
    rows = _KEYS[type(scope)].items()
    return {key: _WRITERS.get(reader, int)(getattr(scope, name)) for key, (name, reader) in rows}


def _hours_of(hours: Hours) -> str | list[str]:
    return (
        "always"
        if hours is None
        else [str(timedelta(microseconds=ns // 1000)).zfill(8) for ns in hours]
    )


# Values of a file from those in internal units; the others are the same whole numbers.
_WRITERS: Final[dict[_Reader, Callable[[Any], Any]]] = {
    _money: lambda value: value / MONEY,
    _share: lambda value: value / WHOLE,
    _hours: _hours_of,
    _flag: bool,
    **dict.fromkeys((_since, _within), lambda ns: ns // MS),
}
