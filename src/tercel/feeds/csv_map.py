"""Maps of the columns of tick files: TOML, read into frozen models; unknown keys are refused.

A map says where a day belongs (`[instrument]`), what each kind of file looks like (one `[[file]]` each: how its name
gives symbol and date, its columns, its clock) and which rows are quotes, trades, level updates or order events, and
which rules clean it (`[clean]`). Maps that are shipped are used by name; any other value is the path of a file.
"""

import re
from fractions import Fraction
from importlib import resources
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from tercel.core.errors import suggest_name
from tercel.core.json_schema import schema_of
from tercel.core.tables.table_map import FRACTION, MapTable, TextFormat, Words
from tercel.core.toml import read_toml
from tercel.core.validation import validate_model
from tercel.core.vocabulary import LEAST_TICK, MOST_LOTS, MOST_TICK
from tercel.market.tape.local_times import DAY_S, clock_s, local_ns, midnight_ns

UNIT_NS: Final = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
MAPS: Final = resources.files("tercel.feeds") / "maps"
ROLES: Final = ("quote", "trade", "level", "order")


def _require(*rules: tuple[object, str]) -> None:
    """Raise ValueError with the text of the first rule, (holds, text), that does not hold."""
    for holds, expected in rules:
        if not holds:
            raise ValueError(expected)


class InstrumentMap(MapTable):
    """Section [instrument] of a map: venue, tick, lot, session, timezone.

    Parameters
    ----------
    venue, timezone : str
        Folder name in the lake; IANA zone that dates and clocks without a zone are in.
    tick : float
        Tick in price units; 0: the largest that all prices of a day's books (else of its trades) are on.
    lot : int or float
        Shares (contracts, coins) of a lot, by which sizes are divided: a whole number, or one over a whole number (0.01).
        0: 1, or else the largest that all sizes of a day are on.
    session : tuple of str
        Continuous trading, local "HH:MM" or "HH:MM:SS"; empty for around the clock. One that ends no later than it
        begins goes across midnight: a trading day begins then on the evening before its date.
    uppercase : bool
        Whether symbols are written in capitals, whatever the file says.
    lowest_price : float, optional
        How low the instrument may trade, at or below zero (a future, a spread); without it such prices are refused.
    rules : str
        Rules of its hours and orders (a shipped name such as SHFE-0230, a file.toml), instead of those of its symbol.
    """

    venue: str
    tick: float = Field(ge=0, le=MOST_TICK)
    timezone: str = "America/New_York"
    lot: int | float = Field(default=1, ge=0, lt=MOST_LOTS)
    session: Words = ()
    uppercase: bool = True
    lowest_price: float | None = Field(default=None, le=0)
    rules: str = ""

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        """Refuse an unknown zone, a session not as HH:MM, a lowest price below -2**29 ticks, a lot neither n nor 1/n.

        A session that ends before it begins crosses midnight.
        """
        midnight_ns("2000-01-03", self.timezone)
        clock = re.compile(r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?")
        sound = len(self.session) in (0, 2) and all(clock.fullmatch(text) for text in self.session)
        _require(
            (
                sound,
                "a session as HH:MM, 23:59 at most, when it begins and when it ends; none for around the clock",
            ),
            (
                not sound or self.begins_s > -DAY_S,
                "a session that begins after 00:00, or none for around the clock",
            ),
            (
                self.tick >= LEAST_TICK or (self.tick == 0 and self.lowest_price is None),
                f"a tick of at least {LEAST_TICK:g}, or 0 where no lowest_price counts in it",
            ),
            (
                -(2**29) * self.tick <= (self.lowest_price or 0.0),
                "a lowest_price at most 2**29 ticks below zero",
            ),
            (
                1 in (Fraction(str(self.lot)).numerator, Fraction(str(self.lot)).denominator),
                "a lot that is a whole number, or one over a whole number such as 0.01",
            ),
        )
        return self

    @property
    def lots_a_unit(self) -> int:
        """Lots of one share or coin: 1, or more where a lot is a fraction of one."""
        return Fraction(str(self.lot)).denominator

    @property
    def begins_s(self) -> int:
        """Start of a trading day, seconds after midnight of its date: 0, or below 0 for a session across midnight."""
        opens, closes = (clock_s(text) for text in self.session or ("00:00", "24:00"))
        return opens - DAY_S if closes <= opens else 0

    def session_ns(self, date: str) -> tuple[int, int]:
        """Opening and close of a trading day's session, ns since 1970-01-01 UTC; (0, 0) around the clock."""
        if not self.session:
            return 0, 0
        opens, closes = (clock_s(text) for text in self.session)
        return local_ns(date, self.timezone, self.begins_s or opens), local_ns(
            date, self.timezone, closes
        )


class TimeMap(MapTable):
    """Columns, unit, format and timezone of a file's times.

    Parameters
    ----------
    column : tuple of str
        One column, or several that are joined by a blank (date and time).
    unit : str
        "s", "ms", "us", "ns"; "auto" for whichever of them the size of each number since 1970 shows; or "text".
        ISO times, such as 2024-01-31T15:30:00.123Z, are read as text by any of them.
    origin : str
        "midnight" (local) or "epoch" (UTC); of text without a zone, "epoch" says that it is UTC.
    format : str
        Of text other than ISO, as in strftime with "%.f" for a fraction with its point, "%3f" for three digits of one,
        and "%z" for a zone such as +00:00 or Z.
    timezone : str
        Of text without a zone in it; empty for the instrument's.
    received : str
        Column of receive times in the same unit; empty for none.
    order : str
        "time": rows are put in order of time. "receipt": they stay in the order of the file, in which they were received,
        and belong to the day of their receipt; a time before the day, or before that of the row above, becomes that.
    repeated_hour : str
        Which pass of an hour that the clocks repeat its rows are of, "first" or "second", where their order does not
        show it (text without a zone); empty: such rows are refused.
    """

    column: Words
    unit: Literal["s", "ms", "us", "ns", "auto", "text"] = "ms"
    origin: Literal["midnight", "epoch"] = "midnight"
    format: str = ""
    timezone: str = ""
    received: str = ""
    order: Literal["time", "receipt"] = "time"
    repeated_hour: Literal["", "first", "second"] = ""

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        """Refuse `%f`, `auto` without an epoch, and an order of receipt without its times."""
        _require(
            ("%f" not in self.format, FRACTION),
            (
                self.unit != "auto" or self.origin == "epoch",
                'origin = "epoch" where the unit is "auto"',
            ),
            (
                self.order == "time" or self.received,
                'received, a column, where the order is that of "receipt"',
            ),
        )
        return self


class RowsMap(MapTable):
    """Kinds of rows in a mixed file, by the values of one column."""

    column: str = ""
    quote: Words = ()
    trade: Words = ()
    level: Words = ()
    order: Words = ()


class QuoteMap(MapTable):
    """Rows that show the best `levels` of both sides.

    Parameters
    ----------
    bid, bid_size, ask, ask_size : str
        Columns; with `levels` above 1 a template such as "bid_{n}", or "bid_{nn}" for 01. Without size columns a side is
        one lot.
    levels, first : int
        Levels a row shows, and the number of the best one in a template.
    size_unit : int
        Shares of one unit of size (100 where sizes are in round lots).
    exchange : str
        Column of the exchange that quotes; empty when there is one.
    exchanges : tuple of str
        Those to keep; empty: all, and the best over them is the quote.
    zero_side : str
        Meaning of a side without a price: "none" (the side is empty) or "keep" (the row is about the other side only).
        An empty price is none, and a price of 0 with a size of 0 or without a column of sizes. A price of 0 with a
        size is one, and needs `lowest_price`; with "none" 0 is never a price, with "keep" only without it.
    suspicious : str
        Column that is not 0 in rows to leave out.
    """

    bid: str
    ask: str
    bid_size: str = ""
    ask_size: str = ""
    levels: PositiveInt = 1
    first: int = Field(default=1, ge=0)
    size_unit: PositiveInt = 1
    exchange: str = ""
    exchanges: Words = ()
    zero_side: Literal["", "none", "keep"] = ""
    suspicious: str = ""

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        """Refuse several levels without a template, and sizes of one side only."""
        _require(
            (
                self.levels == 1 or "{n}" in self.bid or "{nn}" in self.bid,
                "columns with {n} for several levels",
            ),
            ((self.bid_size == "") == (self.ask_size == ""), "sizes of both sides or of none"),
        )
        return self

    def columns(self, template: str) -> list[str]:
        """Columns of the levels that a template names, best first.

        >>> QuoteMap(bid="b{nn}", ask="a{nn}", levels=2, first=0).columns("b{nn}")
        ['b00', 'b01']
        """
        numbers = range(self.first, self.first + self.levels)
        return [template.replace("{nn}", f"{n:02}").replace("{n}", str(n)) for n in numbers]


class TradeMap(MapTable):
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
        Column with the side of the aggressor; empty: signed by quotes and ticks.
    buy, sell, hidden : tuple of str
        Its values; any other leaves the sign to quotes and ticks. Those of `hidden` met no order on show, whatever their
        side.
    in_quotes : bool
        Whether each row of quotes says what was traded since the row before, with a size of 0 for nothing.
    id : str or sequence of str, optional
        Column of the trade's id, or several that make it: rows of one id and equal content count once.
    condition : str
        Column of sale conditions.
    condition_code : str
        "letters" (each character is a condition), "numbers" (numbers or words, separated; taken for "letters" where a
        condition below has several characters, or all cells are numbers) or "bits" (hexadecimal).
    cross, drop, keep : tuple of str
        Conditions of auction prints; those left out; if not empty, all that may occur in a row that passes.
    correction : str
        Column of corrections; rows with other values than `good` are left out.
    good : tuple of str
        See `correction`.
    suspicious : str
        Column that is not 0 in rows to leave out.
    """

    price: str
    size: str
    size_unit: PositiveInt = 1
    exchange: str = ""
    exchanges: Words = ()
    aggressor: str = ""
    buy: Words = ()
    sell: Words = ()
    hidden: Words = ()
    in_quotes: bool = False
    id: Words | None = None
    condition: str = ""
    condition_code: Literal["letters", "numbers", "bits"] = "letters"
    cross: Words = ()
    drop: Words = ()
    keep: Words = ()
    correction: str = ""
    good: Words = ("0", "00", "01", "1")
    suspicious: str = ""


class LevelMap(MapTable):
    """Rows that set the total of one level (0 removes it).

    Parameters
    ----------
    side, price, size : str
        Columns.
    size_unit : int
        Shares of one unit of size.
    bid, ask : tuple of str
        Values of `side`.
    snapshot : str, optional
        Column that marks rows of a snapshot, which replaces the book: rows that follow each other at one time are one,
        or within a second where each time shows one side and no level comes twice.
    full, update : tuple of str
        Its values, in small letters.
    """

    side: str
    price: str
    size: str
    size_unit: PositiveInt = 1
    bid: Words = ("B", "b", "bid", "buy", "1")
    ask: Words = ("A", "a", "S", "ask", "sell", "-1")
    snapshot: str | None = None
    full: Words = ("true", "t", "yes", "y", "1", "1.0", "snapshot", "snap", "partial", "full")
    update: Words = (
        *("false", "f", "no", "n", "0", "0.0", "", "update", "delta", "diff", "change"),
        *("l2update", "incremental", "set", "insert", "delete"),
    )


class OrderMap(LevelMap):
    """Rows that are events of single orders: an id, what happened, and to how many lots.

    An id may be any text. Ids that are whole numbers below 2**63 all day are those of the tape; others are numbered
    within the day, in the order of their texts.
    """

    id: str
    action: str
    add: Words = ()
    reduce: Words = ()
    delete: Words = ()
    execute: Words = ()
    modify: Words = ()
    hidden: Words = ()
    cross: Words = ()


class FileMap(TextFormat):
    """Section [[file]] of a map: names, columns, clock and row kinds of one kind of file.

    How its text is written is said as :class:`tercel.core.tables.table_map.TextFormat`.

    Parameters
    ----------
    name : str
        Regular expression for whole file names (inside archives too), with groups `symbol`, `date` and `venue` where it
        has them; empty: any name.
    date_format : str
        Of the group `date`, as in strptime; empty: 20240131 or 2024-01-31.
    trading_day : bool
        Whether the date in the name is the trading day of all rows, also of those of an evening before.
    header : bool or str
        Whether the first row names the columns; else `columns` names them. "maybe": as the first row shows; where it has
        names, `columns` stand in their stead.
    columns : tuple of str
        Names of the columns of a file without header.
    symbol : str
        Column of symbols, where the name does not say; where it does, rows of others are left out and counted.
    sequence : str
        Column of whole numbers that grow from row to row; empty: none. Rows whose number goes back are told.
    gapless : bool
        Whether each of these numbers is that of the row above plus one, so that missing rows are told.
    price_scale : int
        Prices in the file are dollars times this.
    """

    time: TimeMap
    name: str = ""
    date_format: str = ""
    trading_day: bool = False
    header: bool | Literal["maybe"] = True
    columns: Words = ()
    symbol: str = ""
    sequence: str = ""
    gapless: bool = False
    price_scale: PositiveInt = 1
    rows: RowsMap = RowsMap()
    quote: QuoteMap | None = None
    trade: TradeMap | None = None
    level: LevelMap | None = None
    order: OrderMap | None = None

    @property
    def roles(self) -> list[str]:
        """Kinds of rows (quote, trade, level, order) that a file of this map holds."""
        return [role for role in ROLES if getattr(self, role) is not None]

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        """Refuse an invalid name pattern, missing columns, or a file without kinds of rows."""
        try:
            re.compile(self.name)
        except re.error as error:
            raise ValueError(f"name as a regular expression ({error})") from error
        _require(
            (self.header is True or self.columns, "columns for a file without header"),
            (self.roles, "a [file.quote], [file.trade], [file.level] or [file.order]"),
            (
                len(self.roles) == 1
                or self.rows.column
                or (self.trade is not None and self.trade.in_quotes),
                "[file.rows] where one file holds several kinds of rows",
            ),
        )
        return self


class CleanMap(MapTable):
    """Section [clean] of a map: the rules that remove bad ticks (see `csv_clean`); false or 0 switches one off.

    `uncross` is for level updates and order events, whose feed may have lost the row that takes a level away: what a
    better level of the other side reaches goes.
    """

    zero: bool = True
    session: bool = True
    negative_spread: bool = True
    wide_spread: float = 50.0
    outliers: float = 10.0
    window: int = Field(default=50, ge=2)
    merge: Literal["off", "last", "median"] = "off"
    trade_outliers: bool = True
    uncross: bool = False


class CsvMap(MapTable):
    """A whole map of tick files: instrument, kinds of files, cleaning rules."""

    instrument: InstrumentMap
    file: tuple[FileMap, ...] = Field(min_length=1)
    clean: CleanMap = CleanMap()
    about: str = ""

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        """Refuse times without dates where a session begins the day before."""
        dated = all(file.time.unit == "text" or file.time.origin == "epoch" for file in self.file)
        crosses = self.instrument.begins_s < 0
        _require(
            (
                dated or not crosses,
                "times with their date (text, or since 1970): the session begins the day before",
            )
        )
        return self


def shipped_maps() -> list[str]:
    """Names of the maps that come with the package."""
    return sorted(f.name.removesuffix(".toml") for f in MAPS.iterdir() if f.name.endswith(".toml"))


def schema() -> dict[str, Any]:
    """JSON schema of a map's file, in which one value may replace a list and a code may be a number."""
    loosened: dict[str, Any] = _loosen(schema_of(CsvMap, "a map of a CSV file"))
    return loosened


def _loosen(part: Any) -> Any:
    """A schema that also allows single values for lists of text, and numbers for text."""
    if isinstance(part, list):
        return [_loosen(item) for item in part]
    if not isinstance(part, dict):
        return part
    inner = {key: _loosen(value) for key, value in part.items()}
    if inner.get("type") == "array" and inner["items"].get("type") == "string":
        code = {"type": ["string", "integer"]}
        about = {key: inner.pop(key) for key in ("default", "title") if key in inner}
        return about | {"anyOf": [code, inner | {"items": code}]}
    return inner


def load_map(name: str) -> CsvMap:
    """The shipped map with this name, or else the map in this file; ConfigError if it is neither, or invalid.

    Raises
    ------
    ConfigError
        For no such map, text that is no TOML, unknown or missing keys, values of the wrong kind.
    """
    known = ", ".join(shipped_maps())
    remedy = suggest_name(name, shipped_maps(), f"name a file of TOML, or a shipped map: {known}")
    return validate_model(CsvMap, read_toml(map_path(name), remedy, "a map"), name, "a map")


def map_path(name: str) -> Path:
    """File of the shipped map with this name; of another name the path that it is."""
    return Path(str(MAPS / f"{name}.toml")) if name in shipped_maps() else Path(name)
