"""Verification of a tape of orders and trades against the snapshots that its exchange publishes every three seconds.

A snapshot says how many trades there were so far, so each must be a state of the book between that trade and the next;
clocks do not matter. Those of continuous trading count, as an auction shows what it would match::

    UpdateTime,SecurityID,...,InstruStatus,TradNumber,...,AskPrice1,AskVolume1,...,BidPrice1,BidVolume1,...,NumOrdersB1,...
"""

from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from tercel.core.arrays import Ints
from tercel.core.errors import FeedError
from tercel.feeds import typed_csv as c, verify_mbp10 as m
from tercel.feeds.dbn_kernels import NO_PRICE
from tercel.feeds.lobster_tick import UNITS_PER_DOLLAR
from tercel.feeds.members import Member, members
from tercel.feeds.order_trade import BREAKS, CALLS, OPENS, RESUMES, ns_of_clock
from tercel.feeds.survey import Findings
from tercel.market.tape import schema
from tercel.market.tape.events import Events, Instrument

_LEVEL: Final = (
    ("BidPrice{}", "BidVolume{}", "NumOrdersB{}"),
    ("AskPrice{}", "AskVolume{}", "NumOrdersS{}"),
)
"""Columns of a level by side: its price, shares and number of orders, levels from 1."""
_STATUS: Final = "InstruStatus"
_NEEDED: Final = (
    *("UpdateTime", "SecurityID", _STATUS, "TradNumber"),
    *(column.format(1) for side in _LEVEL for column in side[:2]),
)


def verify_snapshots(instrument: Instrument, events: Events, path: Path) -> Findings:
    """Replay a tape and compare it with a file of snapshots, plain, compressed or in an archive; findings by name.

    Returns
    -------
    dict
        ``rows`` of continuous trading, ``levels`` of each side, ``matched`` of the rows: prices, shares and, where the
        file has them, numbers of orders; ``first_mismatch`` (None, or row of those compared, level from 1, side, field,
        expected and got, prices in ticks); ``explained``, whether all rows match.

    Raises
    ------
    FeedError
        When the file has no snapshot of this symbol.
    """
    with members([path]) as opened:
        files = c.CsvFiles(opened)
        fields = {number: _fields_of(member) for number, member in enumerate(opened)}
        tables = [files.read(number, its)[0] for number, its in fields.items() if its]
    is_compared = (
        pl.col("symbol").str.head(6).eq(instrument.symbol)
        & pl.col("status").str.starts_with("TRADE")
        & (pl.col("ns").is_between(OPENS, BREAKS) | pl.col("ns").is_between(RESUMES, CALLS))
    )
    rows = pl.concat(table.filter(is_compared) for table in tables) if tables else pl.DataFrame()
    if not rows.height:
        raise FeedError(
            f"snapshots of {instrument.symbol} in continuous trading, with {', '.join(_NEEDED)}...",
            f"none in {path}",
            "give the exchange's snapshots of that day",
        )
    levels = m.levels_in_ticks(_levels_of(rows), round(instrument.tick * UNITS_PER_DOLLAR))
    tape = events.columns()._replace(exch_ns=_trade_keys(events))
    return m.compare_book(tape, 2 * rows["trades"].to_numpy(), levels)


def _trade_keys(events: Events) -> Ints:
    """Place of each row among trades: 2 n - 1 for rows of the n-th trade's message, 2 n for those between it and the next."""
    kinds = (schema.EXECUTE, schema.TRADE_HIDDEN, schema.CROSS)
    trades = np.unique(events.seq[np.isin(events.kind, kinds)])
    return 2 * np.searchsorted(trades, events.seq, side="right") - np.isin(events.seq, trades)


def _fields_of(member: Member) -> dict[str, c.Field]:
    """Fields of a file of snapshots, by its header: symbol, status, time, trades so far, levels; none of another file."""
    header, _ = c.head_of(member)
    if not set(_NEEDED) <= set(header):
        return {}
    fields = {
        "symbol": c.Field("SecurityID", pl.String),
        "status": c.Field(_STATUS, pl.String),
        "ns": c.Field("UpdateTime", pl.String, lambda text: ns_of_clock(text).fill_null(0)),
        "trades": c.whole_number("TradNumber"),
    }
    numbers = range(1, m.LEVELS + 1)
    prices = [price.format(n) for price, _, _ in _LEVEL for n in numbers]
    sizes = [size.format(n) for _, *names in _LEVEL for size in names for n in numbers]
    fields |= {name: c.Field(name, pl.Float64, _price_or_none) for name in prices}
    fields |= {name: c.or_zero(c.whole_number(name)) for name in sizes}
    return {name: field for name, field in fields.items() if field.column in header}


def _price_or_none(value: pl.Expr) -> pl.Expr:
    """Prices in parts of a yuan; NO_PRICE where there is none."""
    units = (value * UNITS_PER_DOLLAR).round().cast(pl.Int64)
    return pl.when(value > 0).then(units).otherwise(NO_PRICE)


def _levels_of(rows: pl.DataFrame) -> Ints:
    """Levels int64[rows, 2 sides, 3 (price, shares, orders), L] of snapshots; -1 where the file has no such column."""
    names = [name.format(n) for side in _LEVEL for name in side for n in range(1, m.LEVELS + 1)]
    none = {name: pl.lit(-1, pl.Int64) for name in names if name not in rows.columns}
    return rows.with_columns(**none).select(names).to_numpy().reshape(-1, 2, 3, m.LEVELS)
