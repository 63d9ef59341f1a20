"""Does an order-by-order tape give the ten levels that Databento derives from the same feed?

A file of the schema mbp-10 has a row for each change within ten levels: prices, sizes and numbers of orders. Every row
must be the state of the book at some row of the tape of the same time, in order; what its venue does between two events
of one time is thus checked as well, except that a trade and the change of its order are one row of the tape. Of CSV::

    ts_event,...,bid_px_00,bid_sz_00,bid_ct_00,ask_px_00,ask_sz_00,ask_ct_00,bid_px_01,...,symbol
    2025-07-17T07:05:09.035627674Z,...,24.100000000,150,2,24.300000000,90,1,24.050000000,...,ARL
"""

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tercel.core.errors import FeedError
from tercel.core.jit import Longs, Packed, kernel
from tercel.feeds.dbn_kernels import NO_PRICE
from tercel.feeds.dbn_records import (
    csv_number,
    csv_price,
    csv_time,
    is_csv,
    metadata_of,
    read_csv,
    symbols_of,
)
from tercel.feeds.members import Member, members
from tercel.feeds.verify import in_room
from tercel.feeds.verify_kernels import Findings, read_book
from tercel.market.book.ladder import head_at, in_window, order_at, side_at
from tercel.market.book.tape_kernels import Ids, apply_one
from tercel.market.tape.events import Columns, Events, Instrument

LEVELS: Final = 10
PX, SZ, CT = 0, 1, 2
RTYPE: Final = 0x0A
_LEVEL: Final = np.dtype(
    [
        ("bid_px", "<i8"),
        ("ask_px", "<i8"),
        ("bid_sz", "<u4"),
        ("ask_sz", "<u4"),
        ("bid_ct", "<u4"),
        ("ask_ct", "<u4"),
    ]
)
_RECORD: Final = np.dtype(
    [
        *(
            ("length", "u1"),
            ("rtype", "u1"),
            ("publisher_id", "<u2"),
            ("instrument_id", "<u4"),
            ("ts_event", "<u8"),
        ),
        *(
            ("price", "<i8"),
            ("size", "<u4"),
            ("action", "u1"),
            ("side", "u1"),
            ("flags", "u1"),
            ("depth", "u1"),
        ),
        *(
            ("ts_recv", "<u8"),
            ("ts_in_delta", "<i4"),
            ("sequence", "<u4"),
            ("levels", _LEVEL, (LEVELS,)),
        ),
    ]
)

# Slots of the report.
MATCHED: Final = 0
BAD_ROW: Final = 1
"""First row that differs, -1 none; its level and side, and what: 0 price, 1 size, 2 orders; wanted and got."""
BAD_LEVEL, BAD_SIDE, BAD_WHAT, WANTED, GOT = range(2, 7)
REPORT: Final = 8


@kernel
def orders_at(b: Packed, side: int, price: int) -> int:
    """Number of orders that rest at a price."""
    n = 0
    if in_window(b, side, price):
        slot = head_at(b, side, price)
        while slot >= 0:
            n += 1
            slot = order_at(b, slot).next
        return n
    slot = side_at(b, side).far
    while slot >= 0:
        n += order_at(b, slot).price == price
        slot = order_at(b, slot).next
    return n


@kernel
def same_levels(b: Packed, want: Longs, got: Packed, work: Longs) -> bool:
    """Whether the book shows `want` int64[2 sides, 3, L]; `work` int64[5] becomes the first difference."""
    for h in range(2):
        side = 1 - 2 * h
        n = read_book(b, side, got[0], got[1])
        for level in range(want.shape[2]):
            price = got[0, level] if level < n else 0
            lots = got[1, level] if level < n else 0
            orders = orders_at(b, side, price) if level < n else 0
            for what in range(3):
                have = price if what == PX else (lots if what == SZ else orders)
                if have != want[h, what, level] and want[h, what, level] >= 0:
                    work[0], work[1], work[2], work[3], work[4] = (
                        level,
                        side,
                        what,
                        want[h, what, level],
                        have,
                    )
                    return False
    return True


@kernel
def compare(
    b: Packed,
    ids: Ids,
    key_of: Longs,
    tape: Columns,
    times: Longs,
    want: Longs,
    got: Packed,
    work: Longs,
    report: Longs,
) -> None:
    """Replay a tape and look for each row of `want` int64[rows, 2, 3, L] among the states of its time."""
    ns, _, _, kind, order_id, side, price, qty, _ = tape
    at = 0
    for row in range(times.shape[0]):
        while at < ns.shape[0] and ns[at] < times[row]:
            apply_one(b, ids, key_of, kind[at], order_id[at], side[at], price[at], qty[at])
            at += 1
        same = same_levels(b, want[row], got, work)
        while not same and at < ns.shape[0] and ns[at] <= times[row]:
            apply_one(b, ids, key_of, kind[at], order_id[at], side[at], price[at], qty[at])
            at += 1
            same = same_levels(b, want[row], got, work)
        if same:
            report[MATCHED] += 1
        elif report[BAD_ROW] < 0:
            report[BAD_ROW] = row
            for i in range(5):
                report[BAD_LEVEL + i] = work[i]


def verify_mbp10(instrument: Instrument, events: Events, path: Path) -> Findings:
    """Replay a tape and compare it with an mbp-10 file, DBN or CSV, plain or compressed.

    Returns
    -------
    dict
        ``rows`` of the file, ``matched`` of them, ``levels``; ``first_mismatch`` (None, or row from 1, level from 1,
        side, field, expected and got, prices in ticks); ``explained``, whether all rows match.

    Raises
    ------
    FeedError
        When the file is no mbp-10 file, or has no row of this instrument and day.
    """
    with members([path]) as found:
        if len(found) != 1:
            raise FeedError("one mbp-10 file", f"{len(found)} in {path}", "give the file itself")
        times, levels = (_csv if is_csv(found[0]) else _dbn)(found[0], instrument.symbol)
    want = wanted(levels, round(instrument.tick * 10**9))
    inside = (times >= events.exch_ns[0] - 86_400 * 10**9) & (times <= events.exch_ns[-1])
    if not inside.any():
        raise FeedError(
            f"rows of {instrument.symbol} on {instrument.date}",
            f"none in {path}",
            "give that day's file",
        )
    report = np.zeros(REPORT, np.int64)

    def run(b: Packed, ids: Ids, key_of: Longs) -> None:
        report[:] = 0
        report[BAD_ROW] = -1
        got, work = np.zeros((2, LEVELS), np.int32), np.zeros(5, np.int64)
        compare(b, ids, key_of, events.columns(), times, want, got, work, report)

    in_room(run)
    matched = int(report[MATCHED])
    return {
        "rows": len(times),
        "levels": LEVELS,
        "matched": matched,
        "first_mismatch": None if report[BAD_ROW] < 0 else _mismatch(report),
        "explained": matched == len(times),
    }


def _mismatch(report: NDArray[np.int64]) -> Findings:
    return {
        "row": int(report[BAD_ROW]) + 1,
        "level": int(report[BAD_LEVEL]) + 1,
        "side": "bid" if report[BAD_SIDE] > 0 else "ask",
        "field": ("price", "size", "orders")[int(report[BAD_WHAT])],
        "expected": int(report[WANTED]),
        "got": int(report[GOT]),
    }


def wanted(levels: NDArray[np.int64], unit: int) -> NDArray[np.int64]:
    """Levels of a file, prices in ticks: all zeros where there is none; off the tick, a price that no book has."""
    want = levels.copy()
    price = levels[:, :, PX]
    none = price == NO_PRICE
    want[:, :, PX] = np.where(price % unit == 0, price // unit, 2**31)
    for what in (PX, SZ, CT):
        want[:, :, what][none] = 0
    return want


def _csv(member: Member, symbol: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Times int64[rows] and levels int64[rows, 2 sides, 3 (price in 1e-9, size, orders), 10] of one instrument.

    A number of orders that the file leaves empty is -1.
    """
    names = [
        f"{side}_{what}_{level:02d}"
        for level in range(LEVELS)
        for side in ("bid", "ask")
        for what in ("px", "sz")
    ]
    text = read_csv(member, ("ts_event", *names))
    if "symbol" in text.frame.columns:
        text = replace(
            text, frame=text.frame.filter(pl.col("symbol").fill_null("").is_in([symbol, ""]))
        )
    columns = {"ts_event": csv_time(text, "ts_event")}
    columns |= {
        name: csv_price(text, name) if "_px_" in name else csv_number(name) for name in names
    }
    for name in (name.replace("_sz_", "_ct_") for name in names if "_sz_" in name):
        if name in text.frame.columns and text.frame[name].is_not_null().any():
            text = replace(text, frame=text.frame.with_columns(pl.col(name).fill_null("0")))
            columns[name] = csv_number(name)
    typed = text.typed(columns, [])
    levels = np.full((typed.height, 2, 3, LEVELS), -1, np.int64)
    for h, side in enumerate(("bid", "ask")):
        for what, short in ((PX, "px"), (SZ, "sz"), (CT, "ct")):
            for level in range(LEVELS):
                if (name := f"{side}_{short}_{level:02d}") in columns:
                    levels[:, h, what, level] = typed[name].to_numpy()
    return typed["ts_event"].to_numpy().astype(np.int64), levels


def _dbn(member: Member, symbol: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The same from a file of records."""
    data = member.content()
    metadata, start = metadata_of(data, member.where)
    size = _RECORD.itemsize
    if (len(data) - start) % size or "mbp" not in str(metadata.schema).lower():
        raise FeedError(
            "a whole DBN file of the schema mbp-10",
            f"{metadata.schema} in {member.where}",
            "give the mbp-10 file of this day",
        )
    rows = np.frombuffer(data, _RECORD, offset=start)
    numbers = {number for (number, _), name in symbols_of(metadata).items() if name == symbol}
    mine = (rows["rtype"] == RTYPE) & (
        np.isin(rows["instrument_id"], list(numbers)) if numbers else True
    )
    rows = rows[mine]
    levels = np.empty((len(rows), 2, 3, LEVELS), np.int64)
    for h, side in enumerate(("bid", "ask")):
        for what, field in ((PX, "px"), (SZ, "sz"), (CT, "ct")):
            levels[:, h, what] = rows["levels"][f"{side}_{field}"]
    return rows["ts_event"].astype(np.int64), levels
