"""Orders and trades of China's exchanges in one sequence: files of two vendors' columns to days, days to tapes.

A row of orders and one of trades (600519, 1 February 2023), which `BizIndex` puts in order::

    DataStatus,OrderIndex,OrderChannel,SecurityID,OrderTime,OrderType,OrderNO,OrderPrice,Balance,OrderBSFlag,BizIndex,...
    0,68342,6,600519,09:15:00.350,A,2544,1801.779999999999972,100,B,76842,...
    DataStatus,TradeIndex,TradeChan,SecurityID,TradTime,TradPrice,TradVolume,TradeMoney,TradeBuyNo,TradeSellNo,TradeBSFlag,...
    0,8502,6,600519,09:25:00.940,1854.980000000000018,100,185498,113304,38420,N,78259,...
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

import numpy as np
import polars as pl

from tercel.core.arrays import Ints
from tercel.core.errors import FeedError, UnknownNameError
from tercel.core.jit import Longs, Packed
from tercel.core.vocabulary import MOST_LOTS, NS_PER_SECOND
from tercel.feeds import order_trade_kernels as k, typed_csv as c
from tercel.feeds.csv_columns import ROW
from tercel.feeds.lobster_tick import UNITS_PER_DOLLAR, find_unit
from tercel.feeds.members import Member, members
from tercel.feeds.recording_notes import recording_notes
from tercel.feeds.verify_kernels import run_with_room
from tercel.market.book.order_ids import Ids
from tercel.market.feed import FeedOptions, Imported
from tercel.market.tape import Events, schema
from tercel.market.tape.events import Instrument
from tercel.market.tape.local_times import midnight_ns

Names = Mapping[str, tuple[str, ...]]
"""Columns that a field may have, by vendor."""
COMMON: Final[Names] = {
    "seq": ("BizIndex", "ApplSeqNum"),
    "channel": ("OrderChannel", "TradeChan", "ChannelNo"),
    "symbol": ("SecurityID",),
    "ns": ("OrderTime", "TradTime", "TransactTime", "MDTime"),
    "price": ("OrderPrice", "TradPrice", "TradePrice", "Price", "LastPx"),
    "lots": ("Balance", "TradVolume", "TradeQty", "OrderQty", "LastQty"),
}
ORDERS: Final[Names] = {"what": ("OrderType", "OrdType"), "side": ("OrderBSFlag", "Side")}
TRADES: Final[Names] = {
    "buy": ("TradeBuyNo", "BidApplSeqNum"),
    "sell": ("TradeSellNo", "OfferApplSeqNum"),
}
OPENS, BREAKS, RESUMES, CALLS, CLOSES = (
    (3600 * hour + 60 * minute) * NS_PER_SECOND
    for hour, minute in ((9, 30), (11, 30), (13, 0), (14, 57), (15, 0))
)
"""Continuous trading, ns since midnight: it opens, breaks for lunch, resumes, and ends in a closing call (or without one)."""
TIMEZONE: Final = "Asia/Shanghai"
_DATE: Final = "MDDate"
_MONEY: Final = "TradeMoney"
_MOST_WORTH: Final = 50
"""Times the money of a trade that price times shares may be: a bond's shares may be lots."""
_FIRST: Final = 9 * 3600 * NS_PER_SECOND
_LAST: Final = 16 * 3600 * NS_PER_SECOND
_SLACK: Final = NS_PER_SECOND
"""By which a trade of continuous trading may be stamped after its end."""
_SIDES: Final = (("buy", 1), ("sell", -1))
_ROWS: Final = ("seq", "channel", *k.MESSAGE_FIELDS, ROW)
_KEYS: Final = (
    (
        "symbol",
        re.compile(r"\d{6}(\.(SH|SS|SZ|XSHG|XSHE))?", re.IGNORECASE),
        "a symbol of six digits",
    ),
    ("date", re.compile(r"\d{4}([-./]?)\d\d\1\d\d"), "a date as 2023.07.11 or 20230711"),
)
"""What names a day, its form, and that in words."""
_MOST_TICKS: Final = 1 << 24
_MOST_BACK: Final = 0.01
"""Share of rows whose clock may go back, in order of their numbers."""
_WHOLE: Final = "rows are missing: fetch orders and trades of the day whole, and import it again with `replace=True`"
_TEXTS: Final = {
    "unknown_deletes": "deletes of orders that the files never added",
    "unknown_trades": "trades with resting orders that the files never added, taken as prints outside the book",
    "trades_over_shown": "trades of more shares than their order had left",
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
    id, flag : tuple of str
        Columns of an order's id, and of a trade's code.
    settle : callable
        One symbol's rows in sequence to those with what is left of an order after immediate matching.
    priced : tuple of int
        What needs a price above 0.
    """

    name: str
    venue: str
    types: Mapping[str, int]
    sides: Mapping[str, int]
    flags: Mapping[str, int]
    id: tuple[str, ...]
    flag: tuple[str, ...]
    settle: Callable[[pl.DataFrame], pl.DataFrame]
    priced: tuple[int, ...] = (k.ADD, k.TRADE)

    def fields_of(self, member: Member) -> dict[str, c.Field]:
        """Fields of a file of orders, or of trades (with `buy`), by its header; none of a file of neither kind.

        Raises
        ------
        FeedError
            For a missing column.
        """
        header, values = c.head_of(member)
        if not set(header).isdisjoint(TRADES["buy"]):
            names = {**COMMON, **TRADES, "side": self.flag}
            codes = {"side": self.flags}
        elif not set(header).isdisjoint(ORDERS["what"]):
            names = {**COMMON, **ORDERS, "id": self.id}
            codes = {"what": self.types, "side": self.sides}
        else:
            return {}
        column = {field: next(filter(header.__contains__, names[field]), "") for field in names}
        for field in names:
            if not column[field]:
                raise FeedError(
                    f"a column {' or '.join(names[field])}",
                    f"none in {member.location}, which has {', '.join(header[:12])}",
                    f"rename the column that has it; `{self.name}` reads no other",
                )
        time = dict(zip(header, values, strict=False)).get(column["ns"], "")
        fields = {
            **{field: c.whole_number(column[field]) for field in names},
            **{field: c.code(column[field], table) for field, table in codes.items()},
            "symbol": c.Field(column["symbol"], pl.Categorical),
            "ns": c.Field(
                column["ns"],
                pl.String,
                ns_of_clock if ":" in time else _ns_of_digits,
                "a time in China from 09:00 to 16:00, as 09:30:00.010 or 93000010, throughout,",
                "give the exchange's times, to the thousandth of a second",
            ),
            "price": c.price_units(column["price"], UNITS_PER_DOLLAR),
            "lots": c.whole_number(column["lots"], 1, MOST_LOTS - 1),
            **{
                name: c.or_zero(c.Field(_MONEY, pl.Float64))
                for name in ("money",)
                if _MONEY in header
            },
        }
        if _DATE in header:
            fields["date"] = c.Field(_DATE, pl.Categorical)
        elif len(time) == len("20230711093000010"):
            fields["date"] = c.Field(column["ns"], pl.String, lambda text: text.str.head(8))
        return fields


def ns_of_clock(text: pl.Expr) -> pl.Expr:
    """Times such as 09:30:00.010 as ns since midnight; null for others, and those at which the exchange is closed."""
    hours, minutes = (text.str.slice(at, 2).cast(pl.Int64, strict=False) for at in (0, 3))
    seconds = text.str.slice(6).cast(pl.Float64, strict=False)
    return _if_open(3600 * hours + 60 * minutes, (seconds * NS_PER_SECOND).round().cast(pl.Int64))


def _ns_of_digits(text: pl.Expr) -> pl.Expr:
    """Times such as 93000010 or 20230711093000010 as ns since midnight; null for others, and those of a closed exchange."""
    digits = pl.when(text.str.len_bytes().is_in([8, 9, 17])).then(text).cast(pl.Int64, strict=False)
    minutes = digits // 10**7 % 100 * 60 + digits // 10**5 % 100
    return _if_open(60 * minutes, digits % 10**5 * (NS_PER_SECOND // 1000))


def _if_open(seconds: pl.Expr, ns: pl.Expr) -> pl.Expr:
    """Sum of both as ns since midnight, null where the exchange is closed."""
    time = seconds * NS_PER_SECOND + ns
    return time.map_batches(lambda x: x.set(~x.is_between(_FIRST, _LAST), None), pl.Int64)


def _is_trades(rows: pl.DataFrame) -> bool:
    """Whether rows are of a file of trades."""
    return bool(rows["what"][0] == k.TRADE)


class OrderTradeFeed:
    """Files of an exchange's orders and trades as a :class:`tercel.market.feed.Feed`; a subclass names the exchange."""

    exchange: ClassVar[Exchange]

    @property
    def name(self) -> str:
        """Name of the feed."""
        return self.exchange.name

    @contextmanager
    def days(self, paths: Sequence[Path], options: FeedOptions) -> Iterator[list["OrderTradeDay"]]:
        """Context with a day for each symbol and date in the files, which are read here, as only they know their days.

        Raises
        ------
        FeedError
            For a cell that does not fit, an unknown date, or a symbol of which one kind of rows or one channel is missing.
        UnknownNameError
            When the options select no day.
        """
        with members(paths) as opened:
            files = c.CsvFiles(opened)
            days: dict[tuple[str, str], list[pl.DataFrame]] = {}
            notes: list[str] = []
            for number in range(len(opened)):
                for key, part in self._read_parts(files, number, options.date, notes):
                    days.setdefault(key, []).append(part)
            if paths and not days:
                raise FeedError(
                    "CSV files of orders and of trades",
                    ", ".join(member.location for member in opened[:3]),
                    "check the path, and the columns of the files",
                )
            keys = [
                (symbol, date)
                for symbol, date in sorted(days)
                if options.symbol in (None, symbol) and options.date in (None, date)
            ]
            if days and not keys:
                raise UnknownNameError(
                    "a symbol and day of the files",
                    f"`symbol={options.symbol}`, `date={options.date}`",
                    f"give one of {', '.join(' '.join(key) for key in sorted(days)[:8])}",
                )
            traded = {
                date for (_, date), parts in days.items() for part in parts if _is_trades(part)
            }
            yield [
                self._make_day(files, key, days[key], key[1] in traded, options.tick, notes)
                for key in keys
            ]

    def _read_parts(
        self, files: c.CsvFiles, number: int, date: str | None, notes: list[str]
    ) -> Iterator[tuple[tuple[str, str], pl.DataFrame]]:
        """Yield the rows of each (symbol, date) in a file, with `what`, `side` (of a trade its code), `buy` and `sell`; none
        of a file of another kind. `date` is that of a file without one; `notes` takes warnings."""
        member = files.members[number]
        fields = self.exchange.fields_of(member)
        if not fields:
            return
        rows, cut = files.read(number, fields)
        notes += cut
        if "date" not in fields:
            named = c.date_named(member.location)
            if date is None and named is None:
                raise FeedError(
                    "a date, in a column or in the name of the file or its folder",
                    member.location,
                    "give `date=YYYY-MM-DD`",
                )
            if named not in (None, date or named):
                notes.append(f"{member.location} is named {named} and imported as {date}")
            rows = rows.with_columns(date=pl.lit(date or named, pl.Categorical))
        if "money" in fields:
            files.refuse(
                rows.with_columns(pl.col("price") / UNITS_PER_DOLLAR).filter(
                    pl.col("money") > 0,
                    pl.col("price") * pl.col("lots") > _MOST_WORTH * pl.col("money"),
                ),
                "price",
                f"prices in yuan, which times the shares are {_MONEY},",
                "write the prices of orders and of trades in yuan: divide them by 100, 1,000 or 10,000",
            )
        if "buy" in fields:
            rows = rows.with_columns(what=pl.lit(k.TRADE, pl.Int8))
        else:
            ids = {name: pl.when(side=sign).then("id").otherwise(0) for name, sign in _SIDES}
            rows = rows.with_columns(**ids).drop("id")
        for name, shape, expected in _KEYS:
            for text in rows[name].unique().cast(pl.String):
                if not shape.fullmatch(text):
                    files.refuse(rows.filter(pl.col(name).cast(pl.String) == text), name, expected)
        parts = rows.select("symbol", "date", *_ROWS).partition_by("symbol", "date", as_dict=True)
        for (symbol, day), part in parts.items():
            yield (symbol[:6], c.date_named(day) or ""), part.select(_ROWS)

    def _make_day(
        self,
        files: c.CsvFiles,
        key: tuple[str, str],
        parts: Sequence[pl.DataFrame],
        has_traded: bool,
        tick: float | None,
        notes: Sequence[str],
    ) -> "OrderTradeDay":
        """One day from its parts of files; FeedError where one kind of rows, or its one channel, is missing.

        `has_traded`: other symbols have trades on that day.
        """
        symbol, date = key
        kinds = {_is_trades(part) for part in parts}
        if kinds == {True} or (kinds == {False} and not has_traded):
            present, missing = ("trades", "orders") if True in kinds else ("orders", "trades")
            raise FeedError(
                f"orders and trades of {symbol} on {date}",
                f"{present} alone, in {files.place(parts[0][ROW][0])}",
                f"give the file of {missing} of that day too",
            )
        rows, again = files.in_sequence(pl.concat(parts))
        channel = rows["channel"][0]
        files.refuse(
            rows.filter(pl.col("channel") != channel),
            "channel",
            f"channel {channel} for all rows of {symbol}, as numbers count within a channel,",
            "give its orders and trades of one channel",
        )
        unpriced = rows.filter((pl.col("price") == 0) & pl.col("what").is_in(self.exchange.priced))
        files.refuse(unpriced, "price", "a price above 0")
        silent = f"{symbol} has no trade on {date}: if it traded, a channel or a file is missing"
        day_notes = (*notes, *again, *[silent][: len(kinds) == 1])
        return OrderTradeDay(files, symbol, date, rows, tick, day_notes, self.exchange)


@dataclass(frozen=True, eq=False)
class OrderTradeDay(c.TypedDay):
    """The orders and trades of one symbol of six digits and day, in sequence; ticks in yuan.

    Parameters
    ----------
    exchange : Exchange
        Whose.
    """

    exchange: Exchange

    def read(self) -> Imported:
        """Tape of the day, with warnings on all that does not fit together.

        Raises
        ------
        FeedError
            When the clock goes back in more than 1 % of the rows.
        """
        back, back_notes = self.rows_back()
        self.files.refuse(
            back[: back.height > _MOST_BACK * self.rows.height],
            "seq",
            "one sequence of numbers, in which orders and trades are in order of time",
            "give files in which they share one (BizIndex, or ApplSeqNum of a channel)",
        )
        rows = self.exchange.settle(self.rows)
        prices = rows["price"].filter(rows["price"] > 0).to_numpy()
        unit = find_unit(self.tick, prices, self.source[0])
        far = rows.filter(pl.col("price") >= unit * _MOST_TICKS)
        far = far.with_columns(pl.col("price") / UNITS_PER_DOLLAR)
        self.files.refuse(
            far, "price", f"a price below {_MOST_TICKS:,} ticks of {unit / UNITS_PER_DOLLAR:g}"
        )
        midnight = midnight_ns(self.date, TIMEZONE)
        closes = closing_ns(rows)
        events, report = to_tape(messages_of(rows, unit), closes, midnight)
        firsts = rows[ROW].gather(report[len(k.COUNTS) : k.EXECUTED])
        counts = dict(zip(k.COUNTS, report.tolist(), strict=False))
        warnings = [
            f"{counts[name]:,} {_TEXTS[name]}, the first in {self.files.place(row)}; {_WHOLE}"
            for name, row in zip(k.COUNTS, firsts, strict=True)
            if counts[name]
        ]
        about = {"feed": self.exchange.name, "messages": rows.height, "clock_back": back.height}
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
            extra={**about, "executions": int(report[k.EXECUTED]), **counts},
        )
        warnings += back_notes + recording_notes(instrument, events)
        return Imported(instrument, events, (*self.notes, *warnings))


def closing_ns(rows: pl.DataFrame) -> int:
    """When continuous trading ends, ns since midnight: 14:57, or 15:00 for a day with trades of an aggressor between."""
    late = (  # after 15:05 STAR trades at its close
        (pl.col("what") == k.TRADE)
        & (pl.col("side") != 0)
        & pl.col("ns").is_between(CALLS + _SLACK, CLOSES)
    )
    return CLOSES if rows.filter(late).height else CALLS


def messages_of(rows: pl.DataFrame, unit: int) -> Ints:
    """Messages int64[n, MESSAGE] of rows with prices in ticks of `unit`, rounded away from the touch; times never go back."""
    columns = [column.to_numpy() for column in rows.select(*k.MESSAGE_FIELDS, mark=0)]
    messages = np.stack(columns, axis=1, dtype=np.int64)
    messages[:, k.NS] = np.maximum.accumulate(messages[:, k.NS])
    ticks, is_off = c.ticks_away(messages[:, k.TICKS], unit, messages[:, k.SIDE])
    messages[:, k.TICKS] = ticks
    messages[:, k.MARK] = is_off * schema.OFF_TICK
    return messages


def to_tape(messages: Ints, closes: int, midnight: int) -> tuple[Events, Ints]:
    """Tape of messages, STATUS rows at the session's times put in, and the report of :mod:`order_trade_kernels`."""
    trades = int(np.count_nonzero(messages[:, k.WHAT] == k.TRADE))
    phases = np.array([(0, 0), (OPENS, 1), (BREAKS, 0), (RESUMES, 1), (closes, 0)], np.int64)
    phases = phases[np.count_nonzero(phases[:, 0] <= messages[0, k.NS]) - 1 :]
    phases[0, 0] = messages[0, k.NS]  # what is in force then
    rows = np.empty((len(messages) + 2 * trades + len(phases), len(schema.COLUMNS)), np.int64)
    report = np.zeros(k.REPORT, np.int64)

    def write(b: Packed, ids: Ids, key_of: Longs) -> None:
        """Write the rows and the report on the arrays of an empty book."""
        report[:] = 0
        k.to_rows(b, ids, key_of, messages, phases, rows, report)

    run_with_room(write)
    events = Events.from_table(rows[: report[k.ROWS]])
    np.add(events.exch_ns, midnight, out=events.exch_ns)
    np.add(events.recv_ns, midnight, out=events.recv_ns)
    return events, report
