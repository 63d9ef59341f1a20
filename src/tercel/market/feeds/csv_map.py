"""What the columns of a tick file mean: a map in TOML, read into frozen dataclasses; unknown keys are refused.

A map says where a day belongs (`[instrument]`), what each kind of file looks like (one `[[file]]` each: how its name
gives symbol and date, its columns, its clock) and which rows are quotes, trades, level updates or order events, and
which rules clean it (`[clean]`). Maps that are shipped are used by name; any other value is the path of a file.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

from tercel.core.errors import ConfigError
from tercel.core.names import offer
from tercel.core.schema import schema_of
from tercel.core.toml import parse_toml
from tercel.market.tape.instrument import midnight_ns

UNIT_NS: Final = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
MAPS: Final = "tercel.market.feeds.maps"


@dataclass(frozen=True)
class InstrumentMap:
    """Where a day belongs and in what units it is kept.

    Parameters
    ----------
    venue, timezone : str
        Folder name in the lake; IANA zone that dates and clocks without a zone are in.
    tick : float
        Tick in price units.
    lot : int
        Shares (contracts) of a lot: sizes are divided by it.
    session : tuple of str
        Continuous trading, local "HH:MM" or "HH:MM:SS"; empty for around the clock.
    uppercase : bool
        Whether symbols are kept in capitals, whatever the file says.
    """

    venue: str
    tick: float
    timezone: str = "America/New_York"
    lot: int = 1
    session: tuple[str, ...] = ()
    uppercase: bool = True


@dataclass(frozen=True)
class TimeMap:
    """The clock of a file.

    Parameters
    ----------
    column : tuple of str
        One column, or several that are joined by a blank (date and time).
    unit : str
        "s", "ms", "us", "ns", or "text".
    origin : str
        "midnight" (local) or "epoch" (UTC); of numbers only.
    format : str
        Of text, as in strftime with "%.f" for a fraction and "%:z" for a zone such as +00:00.
    timezone : str
        Of text without a zone in it; empty for the instrument's.
    received : str
        Column of receive times in the same unit; empty when there is none.
    """

    column: tuple[str, ...]
    unit: str = "ms"
    origin: str = "midnight"
    format: str = ""
    timezone: str = ""
    received: str = ""


@dataclass(frozen=True)
class RowsMap:
    """Which rows of a mixed file are what: values of one column."""

    column: str = ""
    quote: tuple[str, ...] = ()
    trade: tuple[str, ...] = ()
    level: tuple[str, ...] = ()
    order: tuple[str, ...] = ()


@dataclass(frozen=True)
class QuoteMap:
    """Rows that show the best `levels` of both sides.

    Parameters
    ----------
    bid, bid_size, ask, ask_size : str
        Columns; with `levels` above 1 a template such as "bid_{n}", n from 1. Without size columns a side is one lot.
    levels : int
        Levels a row shows.
    size_unit : int
        Shares of one unit of size (100 where sizes are in round lots).
    exchange : str
        Column of the exchange that quotes; empty when there is one.
    exchanges : tuple of str
        Those to keep; empty: all, and the best over them is the quote.
    zero_side : str
        What a side without a price says: "none" (there is none) or "keep" (the row is about the other side alone).
    suspicious : str
        Column that is not 0 in rows to leave out.
    """

    bid: str
    ask: str
    bid_size: str = ""
    ask_size: str = ""
    levels: int = 1
    size_unit: int = 1
    exchange: str = ""
    exchanges: tuple[str, ...] = ()
    zero_side: str = "none"
    suspicious: str = ""


@dataclass(frozen=True)
class TradeMap:
    """Rows that are prints.

    Parameters
    ----------
    price, size : str
        Columns.
    size_unit : int
        Shares of one unit of size.
    exchange, exchanges
        As in quotes; empty: all.
    aggressor : str
        Column that says who traded actively; empty: signed by quotes and ticks.
    buy, sell : tuple of str
        Its values; any other leaves the sign to quotes and ticks.
    condition : str
        Column of sale conditions; `condition_code` "letters" (each character one condition) or "bits" (hexadecimal).
    cross, drop, keep : tuple of str
        Conditions of auction prints; those left out; if not empty, all that may stand in a row that is kept.
    correction : str
        Column of corrections; rows with other values than `good` are left out.
    good : tuple of str
        See `correction`.
    suspicious : str
        Column that is not 0 in rows to leave out.
    """

    price: str
    size: str
    size_unit: int = 1
    exchange: str = ""
    exchanges: tuple[str, ...] = ()
    aggressor: str = ""
    buy: tuple[str, ...] = ()
    sell: tuple[str, ...] = ()
    condition: str = ""
    condition_code: str = "letters"
    cross: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    correction: str = ""
    good: tuple[str, ...] = ("0", "00", "01", "1")
    suspicious: str = ""


@dataclass(frozen=True)
class LevelMap:
    """Rows that set the total of one level (0 removes it)."""

    side: str
    price: str
    size: str
    bid: tuple[str, ...] = ("B", "b", "bid", "buy", "1")
    ask: tuple[str, ...] = ("A", "a", "S", "ask", "sell", "-1")


@dataclass(frozen=True)
class OrderMap:
    """Rows that are events of single orders: an id, what happened, and to how many lots."""

    id: str
    action: str
    side: str
    price: str
    size: str
    bid: tuple[str, ...] = ("B", "b", "bid", "buy", "1")
    ask: tuple[str, ...] = ("A", "a", "S", "ask", "sell", "-1")
    add: tuple[str, ...] = ()
    reduce: tuple[str, ...] = ()
    delete: tuple[str, ...] = ()
    execute: tuple[str, ...] = ()
    modify: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    cross: tuple[str, ...] = ()


@dataclass(frozen=True)
class FileMap:
    """One kind of file.

    Parameters
    ----------
    name : str
        Regular expression for whole file names (inside archives too), with groups `symbol` and `date` where it has
        them; empty: any name.
    date_format : str
        Of the group `date`.
    header : bool
        Whether the first row names the columns; else `columns` names them.
    columns : tuple of str
        Names of the columns of a file without header.
    separator : str
        Between fields.
    symbol : str
        Column of symbols, where the name does not say.
    price_scale : int
        Prices in the file are dollars times this.
    """

    time: TimeMap
    name: str = ""
    date_format: str = "%Y%m%d"
    header: bool = True
    columns: tuple[str, ...] = ()
    separator: str = ","
    symbol: str = ""
    price_scale: int = 1
    rows: RowsMap = field(default_factory=RowsMap)
    quote: QuoteMap | None = None
    trade: TradeMap | None = None
    level: LevelMap | None = None
    order: OrderMap | None = None


@dataclass(frozen=True)
class CleanMap:
    """The rules that remove bad ticks (see `csv_clean`); false or 0 switches one off."""

    zero: bool = True
    session: bool = True
    negative_spread: bool = True
    wide_spread: float = 50.0
    outliers: float = 10.0
    window: int = 50
    merge: str = "off"
    trade_outliers: bool = True


@dataclass(frozen=True)
class CsvMap:
    """A whole map; see the module."""

    instrument: InstrumentMap
    file: tuple[FileMap, ...]
    clean: CleanMap = field(default_factory=CleanMap)
    about: str = ""


def shipped() -> list[str]:
    """Names of the maps that come with the package."""
    return sorted(f.name.removesuffix(".toml") for f in resources.files(MAPS).iterdir() if f.name.endswith(".toml"))


def schema() -> dict[str, Any]:
    """The JSON schema of a map: one value may stand where several may, and a code may be a number."""
    made: dict[str, Any] = _loosened(schema_of(CsvMap, "a map of a CSV file"))
    return made


def _loosened(part: Any) -> Any:
    if isinstance(part, list):
        return [_loosened(one) for one in part]
    if not isinstance(part, dict):
        return part
    inner = {key: _loosened(one) for key, one in part.items()}
    if inner.get("type") == "array" and inner["items"].get("type") == "string":
        code = {"type": ["string", "integer"]}
        about = {key: inner.pop(key) for key in ("default", "title") if key in inner}
        return about | {"anyOf": [code, inner | {"items": code}]}
    return inner


def load_map(name: str) -> CsvMap:
    """The shipped map of a name, or the map in a file.

    Raises
    ------
    ConfigError
        For no such map, text that is no TOML, unknown or missing keys, values of the wrong kind.
    """
    return parse_map(map_text(name), name)


def map_text(name: str) -> str:
    """The TOML of a map, as it stands."""
    if name in shipped():
        return (resources.files(MAPS) / f"{name}.toml").read_text(encoding="utf-8")
    path = Path(name)
    if not path.is_file():
        received = f"{name}, which is neither"
        raise ConfigError(f"a shipped map ({', '.join(shipped())}) or a file", received, offer(name, shipped()))
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("a map as TOML text", f"{path}: {error}", "check the file") from error


def parse_map(text: str, where: str = "the map") -> CsvMap:
    """A map from its text; see :func:`load_map`."""
    raw = parse_toml(text, where, "correct the line", "a map")
    made: CsvMap = _build(CsvMap, raw, where, "")
    _check(made, where)
    return made


def _build(kind: Any, raw: Mapping[str, Any], where: str, at: str) -> Any:
    """A dataclass from a table of TOML."""
    known = {f.name: f for f in fields(kind)}
    for key in raw:
        if key not in known:
            raise ConfigError(f"keys {', '.join(known)} in {at or 'a map'}", f"{key!r} in {where}", offer(key, known))
    hints = typing.get_type_hints(kind)
    values: dict[str, Any] = {}
    for name, f in known.items():
        if name in raw:
            values[name] = _value(hints[name], raw[name], where, f"{at}.{name}".strip("."))
        elif f.default is MISSING and f.default_factory is MISSING:
            raise ConfigError(f"{name} in {at or 'a map'}", f"none in {where}", "add the key")
    return kind(**values)


def _value(hint: Any, given: Any, where: str, at: str) -> Any:
    if isinstance(hint, types.UnionType):
        hint = next(a for a in typing.get_args(hint) if a is not type(None))
    if is_dataclass(hint):
        if isinstance(given, Mapping):
            return _build(hint, given, where, f"[{at.replace('[', '').replace(']', '')}]")
    elif typing.get_origin(hint) is tuple:
        of = typing.get_args(hint)[0]
        many = given if isinstance(given, list) else [given]
        return tuple(_value(of, one, where, at) for one in many)
    elif hint is float and isinstance(given, int | float):
        return float(given)
    elif hint is str and isinstance(given, int) and not isinstance(given, bool):
        return str(given)  # codes may be written as numbers
    elif type(given) is hint:
        return given
    expected = getattr(hint, "__name__", str(hint)).replace("Map", " table")
    raise ConfigError(f"{at} as {expected}", f"{given!r} in {where}", "correct the value")


def _check(made: CsvMap, where: str) -> None:
    def need(holds: bool, expected: str, received: object) -> None:
        if not holds:
            raise ConfigError(expected, f"{received!r} in {where}", "correct the map")

    one = made.instrument
    midnight_ns("2000-01-03", one.timezone)
    need(one.tick > 0 and one.lot > 0, "a tick and a lot above 0", (one.tick, one.lot))
    need(len(one.session) in (0, 2), 'session = ["HH:MM", "HH:MM"]', one.session)
    for clock in one.session:
        need(re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?", clock) is not None, "a session as HH:MM", clock)
    need(bool(made.file), "at least one [[file]]", 0)
    need(made.clean.merge in ("off", "last", "median"), 'merge = "off", "last" or "median"', made.clean.merge)
    need(made.clean.window >= 2, "a window of 2 or more", made.clean.window)
    for f in made.file:
        _check_file(f, need)


def _check_file(f: FileMap, need: Any) -> None:
    need(f.header or bool(f.columns), "columns for a file without header", f.columns)
    need(f.price_scale > 0, "a price_scale above 0", f.price_scale)
    need(f.time.unit in (*UNIT_NS, "text"), f"time.unit one of {', '.join(UNIT_NS)}, text", f.time.unit)
    need(f.time.origin in ("midnight", "epoch"), "time.origin midnight or epoch", f.time.origin)
    need(f.time.unit != "text" or bool(f.time.format), "time.format for text", f.time.format)
    roles = [r for r in ("quote", "trade", "level", "order") if getattr(f, r) is not None]
    need(bool(roles), "a [file.quote], [file.trade], [file.level] or [file.order]", f.name)
    need(len(roles) == 1 or bool(f.rows.column), "[file.rows] where one file holds several kinds of rows", roles)
    try:
        re.compile(f.name)
    except re.error as error:
        need(False, f"name as a regular expression ({error})", f.name)
    if f.quote is not None:
        need(f.quote.levels >= 1, "levels of 1 or more", f.quote.levels)
        need(f.quote.levels == 1 or "{n}" in f.quote.bid, "columns with {n} for several levels", f.quote.bid)
        need(f.quote.zero_side in ("none", "keep"), 'zero_side = "none" or "keep"', f.quote.zero_side)
        need((f.quote.bid_size == "") == (f.quote.ask_size == ""), "sizes of both sides or of none", f.quote.bid_size)
    if f.trade is not None:
        need(f.trade.condition_code in ("letters", "bits"), "condition_code letters or bits", f.trade.condition_code)
