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
from tercel.core.jit import Longs, Packed
from tercel.feeds import typed_csv as c, verify_mbp10 as m
from tercel.feeds.members import Member, members
from tercel.feeds.order_trade import BREAKS, CALLS, OPENS, RESUMES, ns_of_clock
from tercel.feeds.survey import Findings
from tercel.feeds.verify_kernels import run_with_room
from tercel.market.book.order_ids import Ids
from tercel.market.tape import schema
from tercel.market.tape.events import Events, Instrument

LEVELS: Final = 10
UNITS: Final = 10_000
"""Parts of a yuan in which prices are compared."""
_SIDES: Final = (("Bid", "B"), ("Ask", "S"))
_NEEDED: Final = ("UpdateTime", "SecurityID", "TradNumber", "BidPrice1", "AskPrice1")


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
    with members([path]) as files:
        tables = [_read_snapshots(member) for member in files]
    rows = pl.concat([table for table in tables if table is not None] or [pl.DataFrame()])
    if rows.height:
        rows = rows.filter(pl.col("symbol").cast(pl.String).str.head(6) == instrument.symbol)
    if not rows.height:
        raise FeedError(
            f"snapshots of {instrument.symbol}, with {', '.join(_NEEDED)}...",
            f"none in {path}",
            "give the exchange's snapshots of that day",
        )
    continuous = pl.col("ns").is_between(OPENS, BREAKS) | pl.col("ns").is_between(RESUMES, CALLS)
    rows = rows.filter(continuous)
    levels = m.levels_in_ticks(_levels_of(rows), round(instrument.tick * UNITS))
    report = np.zeros(m.REPORT, np.int64)
    tape = events.columns()._replace(exch_ns=_trade_keys(events))

    def run(b: Packed, ids: Ids, key_of: Longs) -> None:
        """Compare on the arrays of an empty book."""
        report[:] = 0
        report[m.BAD_ROW] = -1
        got = np.zeros((2, levels.shape[3]), np.int32)
        work = np.zeros(5, np.int64)
        m.compare(b, ids, key_of, tape, 2 * rows["trades"].to_numpy(), levels, got, work, report)

    run_with_room(run)
    matched = int(report[m.MATCHED])
    return {
        "rows": rows.height,
        "levels": levels.shape[3],
        "matched": matched,
        "first_mismatch": None if report[m.BAD_ROW] < 0 else m.row_mismatch(report),
        "explained": matched == rows.height,
    }


def _trade_keys(events: Events) -> Ints:
    """Position of each row among trades: 2 n - 1 for rows of the n-th trade's message, 2 n for those between it and the next."""
    kinds = (schema.EXECUTE, schema.TRADE_HIDDEN, schema.CROSS)
    trade_seqs = np.unique(events.seq[np.isin(events.kind, kinds)])
    so_far = np.searchsorted(trade_seqs, events.seq, side="right")
    return 2 * so_far - np.isin(events.seq, trade_seqs)


def _read_snapshots(member: Member) -> pl.DataFrame | None:
    """Snapshots of a file: symbol, ns since midnight, trades, and `LEVELS` of both sides; None for a file of another kind."""
    source = member.path or member.content()
    names, _ = c.head_of(source)
    if any(name not in names for name in _NEEDED):
        return None
    empty = {"": 0}
    fields = {
        "symbol": c.Field("SecurityID", pl.String),
        "ns": c.Field("UpdateTime", pl.String, lambda text: ns_of_clock(text).fill_null(0)),
        "trades": c.whole_number("TradNumber"),
    }
    for name in names:
        if name.startswith(("BidPrice", "AskPrice")):
            fields[name] = c.Field(name, pl.Float64, _price_or_none)
        elif name.startswith(("BidVolume", "AskVolume", "NumOrders")):
            fields[name] = c.Field(name, pl.Int64, lambda value: value.fill_null(0))
    return c.read_fields(source, member.location, fields)
