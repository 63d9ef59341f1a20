"""Orders and trades of China's exchanges in one sequence: files of two vendors' columns to days, days to tapes.

A row of orders and one of trades (600519, 1 February 2023), which `BizIndex` puts in order::

    DataStatus,OrderIndex,OrderChannel,SecurityID,OrderTime,OrderType,OrderNO,OrderPrice,Balance,OrderBSFlag,BizIndex,...
    0,68342,6,600519,09:15:00.350,A,2544,1801.779999999999972,100,B,76842,...
    DataStatus,TradeIndex,TradeChan,SecurityID,TradTime,TradPrice,TradVolume,TradeMoney,TradeBuyNo,TradeSellNo,TradeBSFlag,...
    0,8502,6,600519,09:25:00.940,1854.980000000000018,100,185498,113304,38420,N,78259,...
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from tercel.core.arrays import Ints
from tercel.core.errors import FeedError, UnknownNameError
from tercel.core.jit import Longs, Packed
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.feeds import order_trade_kernels as k, typed_csv as c
from tercel.feeds.csv_columns import ROW
from tercel.feeds.lobster_tick import UNITS_PER_DOLLAR, infer_unit, stated_unit
from tercel.feeds.members import Member, members
from tercel.feeds.verify_kernels import run_with_room
from tercel.market.book.order_ids import Ids
from tercel.market.feed import FeedOptions, Imported
from tercel.market.tape import Events, schema
from tercel.market.tape.events import Extra, Instrument
from tercel.market.tape.local_times import midnight_ns

TIMEZONE: Final = "Asia/Shanghai"
COLUMNS: Final = {
    "seq": ("BizIndex", "ApplSeqNum"),
    "channel": ("OrderChannel", "TradeChan", "ChannelNo"),
    "symbol": ("SecurityID",),
    "time": ("OrderTime", "TradTime", "TransactTime", "MDTime"),
    "price": ("OrderPrice", "TradPrice", "TradePrice", "Price", "LastPx"),
    "lots": ("Balance", "TradVolume", "TradeQty", "OrderQty", "LastQty"),
}
"""Columns of both kinds of files, by vendor."""
TYPE: Final = ("OrderType", "OrdType")
ORDER_SIDE: Final = ("OrderBSFlag", "Side")
BUY: Final = ("TradeBuyNo", "BidApplSeqNum")
SELL: Final = ("TradeSellNo", "OfferApplSeqNum")
DATE: Final = "MDDate"
FILES_OF: Final = "orders and trades as CSV, of the columns that the page on data names"
OPENS, BREAKS, RESUMES, CALLS, CLOSES = (
    (3600 * hour + 60 * minute) * NS_PER_SECOND
    for hour, minute in ((9, 30), (11, 30), (13, 0), (14, 57), (15, 0))
)
"""Continuous trading, ns since midnight: it opens, breaks for lunch, resumes, and ends in a closing call (or without one)."""
_TIMES: Final = (9 * 3600 * NS_PER_SECOND, 16 * 3600 * NS_PER_SECOND)
_SLACK: Final = NS_PER_SECOND
"""By which a trade of continuous trading may be stamped after its end."""
_SIDES: Final = (("buy", 1), ("sell", -1))
_SYMBOL: Final = re.compile(r"(\d{6})(?:\.(?:SH|SS|SZ|XSHG|XSHE))?", re.IGNORECASE)
_MOST_BACK: Final = 0.01
"""Share of rows whose clock may go back, in order of their numbers."""
_WHOLE: Final = "rows are missing: fetch orders and trades of the day whole, and import them again with `replace=True`"
_TEXTS: Final = {
    "unknown_deletes": "deletes of orders that the files never added",
    "unknown_trades": "trades with resting orders that the files never added, taken as prints outside the book",
    "trades_over_shown": "trades of more shares than their resting order had left",
    "trades_off_price": "trades at another price than their resting order's",
    "trades_behind_best": "trades behind the best price",
    "crossed": "messages that leave the book crossed or locked while it trades",
    "duplicate_ids": "orders added under an id that rested; the older one was withdrawn",
    "deletes_of_other_lots": "deletes of other shares than their order had left; it went whole",
    "no_best_price": "orders at their own side's best price where there is none, passed over",
}


@dataclass(frozen=True)
class Exchange:
    """An exchange's rules of reading: its names, what the codes of its files mean, and what its order stream shows.

    Parameters
    ----------
    name, venue : str
        Of the feed; in the lake.
    types, sides, flags : dict
        Codes of an order's type, of its side, and of a trade.
    order_id, flag : tuple of str
        Columns of an order's id, and of a trade's code.
    settle : callable
        One symbol's rows in sequence to those with what is left of an order after immediate matching.
    always_priced : bool
        Whether an order or trade at price 0 is an error.
    """

    name: str
    venue: str
    types: Mapping[str, int]
    sides: Mapping[str, int]
    flags: Mapping[str, int]
    order_id: tuple[str, ...]
    flag: tuple[str, ...]
    settle: Callable[[pl.DataFrame], pl.DataFrame]
    always_priced: bool = True

    def fields(
        self, header: Sequence[str], first: Sequence[str], location: str
    ) -> dict[str, c.Field] | None:
        """Fields of a file by its header and first row, those of trades with `buy`; None for a file of neither kind.

        Raises
        ------
        FeedError
            For a file that lacks a column.
        """
        names = dict(COLUMNS)
        if any(name in header for name in BUY):
            names |= {"buy": BUY, "sell": SELL, "flag": self.flag}
        elif any(name in header for name in TYPE):
            names |= {"type": TYPE, "side": ORDER_SIDE, "id": self.order_id}
        else:
            return None
        column: dict[str, str] = {}
        for field, candidates in names.items():
            present = [name for name in candidates if name in header]
            if not present:
                raise FeedError(
                    f"a column {' or '.join(candidates)}",
                    f"none in {location}, which has {', '.join(header[:12])}",
                    f"rename the column that has it; `{self.name}` reads no other",
                )
            column[field] = present[0]
        numbers = ("seq", "channel", "buy", "sell", "id")
        codes = {"type": self.types, "side": self.sides, "flag": self.flags}
        time = dict(zip(header, first, strict=False)).get(column["time"], "")
        fields = {name: c.whole_number(column[name]) for name in numbers if name in column}
        fields |= {name: c.code(column[name], codes[name]) for name in codes if name in column}
        fields |= {
            "symbol": c.Field(column["symbol"], pl.Categorical),
            "ns": c.Field(
                column["time"],
                pl.String,
                _ns_of_clock if ":" in time else _ns_of_digits,
                "a time in China, 09:00 to 16:00, as 09:30:00.010 or 93000010, as in the first row,",
                "give the exchange's times, to the thousandth of a second",
            ),
            "price": c.price_units(column["price"], UNITS_PER_DOLLAR),
            "lots": c.whole_number(column["lots"], 1, c.MOST - 1),
        }
        if DATE in header:
            fields["date"] = c.Field(DATE, pl.Categorical)
        elif len(time) == len("20230711093000010"):
            fields["date"] = c.Field(column["time"], pl.String, lambda text: text.str.head(8))
        return fields


def _ns_of_clock(text: pl.Expr) -> pl.Expr:
    """Times such as 09:30:00.010 as ns since midnight; null for others, and those at which the exchange is closed."""
    ns = text.str.to_time("%H:%M:%S%.f", strict=False).cast(pl.Int64)
    return pl.when(ns.is_between(*_TIMES)).then(ns)


def _ns_of_digits(text: pl.Expr) -> pl.Expr:
    """Times such as 93000010 or 20230711093000010 as ns since midnight; null for others, and those of a closed exchange."""
    digits = text.str.tail(9).str.zfill(9)
    clock = pl.concat_str(
        *(digits.str.slice(start, 2) + ":" for start in (0, 2)),
        digits.str.slice(4, 2) + "." + digits.str.tail(3),
    )
    return pl.when(text.str.len_bytes().is_in([8, 9, 17])).then(_ns_of_clock(clock))


def read_days(
    exchange: Exchange, files: Sequence[Member], options: FeedOptions
) -> list["OrderTradeDay"]:
    """Days in files of orders and of trades that the options select, by symbol and date; other files are passed over.

    Raises
    ------
    FeedError
        For a cell that does not fit, an unknown date, or a symbol of which one kind of rows or one channel is missing.
    UnknownNameError
        When the options select no day.
    """
    places = c.Places([member.location for member in files])
    groups: dict[tuple[str, str], list[pl.DataFrame]] = {}
    notes: list[str] = []
    for number, member in enumerate(files):
        source = member.path or member.content()
        fields = exchange.fields(*c.head_of(source), member.location)
        if fields is None:
            continue
        rows = _message_rows(c.read_fields(source, member.location, fields, number), "buy" in fields)
        if c.is_cut(source):
            notes.append(
                f"{places.of(rows[ROW][-1])} ends without a line end: compare it with its source, it may be cut"
            )
        stated = c.date_named(member.location)
        if "date" not in fields:
            day = options.date or stated
            if day is None:
                raise FeedError(
                    "a date, in a column or in the name of the file or its folder",
                    member.location,
                    "give `date=YYYY-MM-DD`",
                )
            if stated not in (None, day):
                notes.append(f"{member.location} is named {stated} and imported as {day}")
            rows = rows.with_columns(date=pl.lit(day))
        for (name, date), part in rows.partition_by("symbol", "date", as_dict=True).items():
            key = _symbol_of(str(name), part, places), _date_of(str(date), part, places)
            groups.setdefault(key, []).append(part.drop("symbol", "date"))
    if not groups:
        raise FeedError(
            FILES_OF, ", ".join(places.files[:3]), f"give the files that `{exchange.name}` reads"
        )
    wanted = {
        key: parts
        for key, parts in groups.items()
        if options.symbol in (None, key[0]) and options.date in (None, key[1])
    }
    if not wanted:
        known = ", ".join(" ".join(key) for key in sorted(groups)[:8])
        raise UnknownNameError(
            "a symbol and day of the files",
            f"`symbol={options.symbol}`, `date={options.date}`",
            f"give one of {known}",
        )
    with_trades = {date for (_, date), parts in groups.items() if any(map(_has_trades, parts))}
    return [
        _make_day(exchange, key, parts, places, options.tick, notes, key[1] in with_trades)
        for key, parts in sorted(wanted.items())
    ]


def _message_rows(frame: pl.DataFrame, is_trades: bool) -> pl.DataFrame:
    """Rows of a file with the columns of both kinds: `what`, `side` (of a trade its code), `buy`, `sell`."""
    if is_trades:
        frame = frame.with_columns(what=pl.lit(k.TRADE, pl.Int64), side=pl.col("flag")).drop("flag")
    else:
        side = pl.col("side")
        ids = {name: pl.when(side == sign).then("id").otherwise(0) for name, sign in _SIDES}
        frame = frame.with_columns(what=pl.col("type"), **ids).drop("type", "id")
    return frame.select(sorted(frame.columns))


def _has_trades(rows: pl.DataFrame) -> bool:
    """Whether rows are of a file of trades."""
    return bool(rows["what"][0] == k.TRADE)


def _symbol_of(name: str, rows: pl.DataFrame, places: c.Places) -> str:
    """Symbol of six digits of a name such as 600536.SH; FeedError, with its first row, for another name."""
    match = _SYMBOL.fullmatch(name.strip().zfill(6))
    if match is None:
        places.fail("a symbol of six digits", repr(name), rows[ROW][0], c.TORN)
    return match[1]


def _date_of(text: str, rows: pl.DataFrame, places: c.Places) -> str:
    """ISO date of a date in a file; FeedError, with its first row, for other text."""
    date = c.iso_date(text)
    if date is None:
        places.fail("a date as 2023.07.11 or 20230711", repr(text), rows[ROW][0], c.TORN)
    return date


def _make_day(
    exchange: Exchange,
    key: tuple[str, str],
    parts: Sequence[pl.DataFrame],
    places: c.Places,
    tick: float | None,
    notes: Sequence[str],
    others_traded: bool,
) -> "OrderTradeDay":
    """One day from its parts of files; FeedError where one kind of rows, or its one channel, is missing."""
    symbol, date = key
    kinds = {_has_trades(part): part for part in parts}
    if len(kinds) == 1 and not (False in kinds and others_traded):
        kind, other = ("trades", "orders") if True in kinds else ("orders", "trades")
        raise FeedError(
            f"orders and trades of {symbol} on {date}",
            f"{kind} alone, in {places.of(parts[0][ROW][0])}",
            f"give the file of {other} of that day too",
        )
    rows, again = c.in_sequence(pl.concat(parts), places)
    other = rows.filter(pl.col("channel") != rows["channel"][0])
    places.refuse(
        other,
        "channel",
        f"channel {rows['channel'][0]} for all rows of {symbol}, as numbers hold in one channel,",
        "give the orders and trades of one channel",
    )
    unpriced = (pl.col("price") == 0) & ((pl.col("what") == k.ADD) | (pl.col("what") == k.TRADE))
    if exchange.always_priced:
        places.refuse(rows.filter(unpriced), "price", "a price above 0", c.TORN)
    silent = [f"{symbol} has no trade on {date}: if it traded, a channel or file is missing"]
    return OrderTradeDay(
        exchange, symbol, date, places, rows, tick, (*notes, *again, *silent[: len(kinds) == 1])
    )


@dataclass(frozen=True, eq=False)
class OrderTradeDay:
    """The orders and trades of one symbol and day, in sequence.

    Parameters
    ----------
    exchange : Exchange
        Whose.
    symbol, date : str
        Six digits; ISO date.
    places : Places
        The files.
    rows : polars.DataFrame
        Their rows by number.
    tick : float or None
        Stated tick in yuan.
    notes : tuple of str
        Warnings so far.
    """

    exchange: Exchange
    symbol: str
    date: str
    places: c.Places
    rows: pl.DataFrame
    tick: float | None
    notes: tuple[str, ...]

    @property
    def source(self) -> tuple[str, ...]:
        """Names of the day's files."""
        numbers = np.unique(self.rows[ROW].to_numpy() >> c.FILE_SHIFT).tolist()
        return tuple(Path(self.places.files[number]).name for number in numbers)

    def read(self) -> Imported:
        """Tape of the day, with warnings on all that does not fit together; FeedError for a clock that contradicts the numbers.

        Raises
        ------
        FeedError
            When the clock goes back in more than 1 % of the rows.
        """
        back = self._count_back()
        rows = self.exchange.settle(self.rows)
        prices = rows["price"].to_numpy()
        seen = prices[prices > 0]
        unit = (
            infer_unit(seen)
            if self.tick is None
            else stated_unit(self.tick, seen, ", ".join(self.source))
        )
        midnight = midnight_ns(self.date, TIMEZONE)
        messages = messages_of(rows, unit)
        messages[:, k.NS] += midnight
        closes = closing(rows)
        phases = np.array(
            [(int(messages[0, k.NS]) - midnight, 0), (OPENS, 1), (BREAKS, 0), (RESUMES, 1), (closes, 0)],
            np.int64,
        )
        phases[:, 0] += midnight
        events, report = to_tape(messages, phases)
        counts = dict(zip(k.COUNTS, report.tolist(), strict=False))
        first_rows = rows[ROW].gather(report[len(k.COUNTS) : 2 * len(k.COUNTS)])
        warnings = [
            f"{counts[name]:,} {_TEXTS[name]}, the first in {self.places.of(row)}; {_WHOLE}"
            for name, row in zip(k.COUNTS, first_rows, strict=True)
            if counts[name]
        ]
        about: Extra = {
            "feed": self.exchange.name,
            "messages": rows.height,
            "executions": int(report[k.EXECUTED]),
            "clock_back": back,
        }
        instrument = Instrument(
            venue=self.exchange.venue,
            symbol=self.symbol,
            date=self.date,
            tick=unit / UNITS_PER_DOLLAR,
            timezone=TIMEZONE,
            source=self.source,
            session_open_ns=midnight + OPENS,
            session_close_ns=midnight + closes,
            rows=events.n,
            tick_rule="inferred" if self.tick is None else "stated",
            off_tick_rows=int(np.count_nonzero(events.flags & schema.OFF_TICK)),
            extra=about | counts,
        )
        return Imported(instrument, events, (*self.notes, *warnings))

    def _count_back(self) -> int:
        """Rows whose clock is before that of the row above, by number; FeedError for more than 1 % of them."""
        back = self.rows.filter(pl.col("ns").diff() < 0)
        if back.height > _MOST_BACK * self.rows.height:
            self.places.refuse(
                back,
                "seq",
                "one sequence of numbers in which orders and trades come in order of time",
                "give files in which they share one (BizIndex, or ApplSeqNum of a channel)",
            )
        return back.height


def closing(rows: pl.DataFrame) -> int:
    """When continuous trading ends, ns since midnight: 14:57, or 15:00 for a day with trades of an aggressor after that."""
    late = (pl.col("what") == k.TRADE) & (pl.col("side") != 0) & (pl.col("ns") > CALLS + _SLACK)
    return CLOSES if rows.filter(late).height else CALLS


def messages_of(rows: pl.DataFrame, unit: int) -> Ints:
    """Messages int64[n, MESSAGE] of rows with prices in ticks of `unit`, rounded away from the touch; times never go back."""
    price = rows["price"].to_numpy()
    side = rows["side"].to_numpy()
    ticks, rest = np.divmod(price, unit)
    is_off = rest != 0
    messages = np.empty((rows.height, k.MESSAGE), np.int64)
    messages[:, k.NS] = np.maximum.accumulate(rows["ns"].to_numpy())
    messages[:, k.TICKS] = np.where(price > 0, np.maximum(ticks + (is_off & (side < 0)), 1), 0)
    messages[:, k.MARK] = is_off * schema.OFF_TICK
    messages[:, k.SIDE] = side
    names = ((k.WHAT, "what"), (k.BUY, "buy"), (k.SELL, "sell"), (k.LOTS, "lots"))
    for column, name in names:
        messages[:, column] = rows[name].to_numpy()
    return messages


def to_tape(messages: Ints, phases: Ints) -> tuple[Events, Ints]:
    """Tape of messages with the STATUS rows of `phases`, and the report of :mod:`order_trade_kernels`."""
    trades = int(np.count_nonzero(messages[:, k.WHAT] == k.TRADE))
    rows = np.empty((len(messages) + 2 * trades + len(phases), len(schema.COLUMNS)), np.int64)
    report = np.zeros(k.REPORT, np.int64)
    written = 0

    def run(b: Packed, ids: Ids, key_of: Longs) -> None:
        """Translate on the arrays of an empty book."""
        nonlocal written
        report[:] = 0
        written = int(k.to_rows(b, ids, key_of, messages, phases, rows, report))

    run_with_room(run)
    return Events.from_table(rows[:written]), report


def order_trade_days(
    exchange: Exchange, paths: Sequence[Path], options: FeedOptions
) -> Iterator[list[OrderTradeDay]]:
    """Yield the days of files once, for a feed's context."""
    with members(paths) as files:
        yield read_days(exchange, files, options) if paths else []
