"""Verification of an order-by-order tape against the ten levels that Databento derives from the same feed (mbp-10).

A file of the schema mbp-10 has a row for each change within ten levels: prices, sizes and numbers of orders. Every row
must be the state of the book at some row of the tape of the same time, in order; what its venue does between two events
of one time is thus checked as well, except that a trade and the change of its order are one row of the tape. Of CSV::

    ts_event,...,bid_px_00,bid_sz_00,bid_ct_00,ask_px_00,ask_sz_00,ask_ct_00,bid_px_01,...,symbol
    2025-07-17T07:05:09.035627674Z,...,24.100000000,150,2,24.300000000,90,1,24.050000000,...,ARL
"""

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tercel.core.errors import FeedError
from tercel.core.jit import Longs, Packed, kernel
from tercel.feeds import dbn_level_kernels as words
from tercel.feeds.dbn_csv import read_csv_records
from tercel.feeds.dbn_kernels import NO_PRICE, NO_SIZE
from tercel.feeds.dbn_records import Records, is_csv, metadata_of, read_dbn_records
from tercel.feeds.members import Member, members
from tercel.feeds.survey import Findings
from tercel.feeds.verify_kernels import read_book, run_with_room
from tercel.market.book.book_records import in_window, order_at, side_at
from tercel.market.book.ladder import head_at
from tercel.market.book.order_ids import Ids
from tercel.market.book.tape_kernels import apply_row
from tercel.market.tape.events import Columns, Events, Instrument

LEVELS: Final = 10
PX = 0
SZ = 1
CT = 2
# Slots of the report.
MATCHED: Final = 0
BAD_ROW: Final = 1
"""First row that differs, -1 none; its level and side, and what: 0 price, 1 size, 2 orders; wanted and got."""
BAD_LEVEL, BAD_SIDE, BAD_WHAT, WANTED, GOT = range(2, 7)
REPORT: Final = 8


@kernel
def orders_at(b: Packed, side: int, price: int) -> int:
    """Number of orders that rest on a side at a price."""
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
def same_levels(b: Packed, expected: Longs, got: Packed, work: Longs) -> bool:
    """Whether the book shows `expected` int64[2 sides, 3, L] (below 0: anything); `work` int64[5] gets the first difference."""
    for h in range(2):
        side = 1 - 2 * h
        n = read_book(b, side, got[0], got[1])
        for level in range(expected.shape[2]):
            price = got[0, level] if level < n else 0
            lots = got[1, level] if level < n else 0
            orders = orders_at(b, side, price) if level < n else 0
            for field in range(3):
                actual = price if field == PX else (lots if field == SZ else orders)
                if actual != expected[h, field, level] and expected[h, field, level] >= 0:
                    work[0] = level
                    work[1] = side
                    work[2] = field
                    work[3] = expected[h, field, level]
                    work[4] = actual
                    return False
    return True


@kernel
def compare(
    b: Packed,
    ids: Ids,
    key_of: Longs,
    tape: Columns,
    times: Longs,
    expected: Longs,
    got: Packed,
    work: Longs,
    report: Longs,
) -> None:
    """Replay a tape and match each row of `expected` int64[rows, 2, 3, L] with a state of its time; `report` counts matches."""
    ns, _, _, kind, order_id, side, price, qty, _ = tape
    tape_row = 0
    for row in range(times.shape[0]):
        while tape_row < ns.shape[0] and ns[tape_row] < times[row]:
            apply_row(
                b,
                ids,
                key_of,
                kind[tape_row],
                order_id[tape_row],
                side[tape_row],
                price[tape_row],
                qty[tape_row],
            )
            tape_row += 1
        matches = same_levels(b, expected[row], got, work)
        while not matches and tape_row < ns.shape[0] and ns[tape_row] <= times[row]:
            apply_row(
                b,
                ids,
                key_of,
                kind[tape_row],
                order_id[tape_row],
                side[tape_row],
                price[tape_row],
                qty[tape_row],
            )
            tape_row += 1
            matches = same_levels(b, expected[row], got, work)
        if matches:
            report[MATCHED] += 1
        elif report[BAD_ROW] < 0:
            report[BAD_ROW] = row
            for i in range(5):
                report[BAD_LEVEL + i] = work[i]


def verify_mbp10(instrument: Instrument, events: Events, path: Path) -> Findings:
    """Replay a tape and compare it with an mbp-10 file, DBN or CSV, plain or compressed; findings by name.

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
    with members([path]) as files:
        if len(files) != 1:
            raise FeedError("one mbp-10 file", f"{len(files)} in {path}", "give the file itself")
        times, levels = _read_levels(files[0], instrument.symbol)
    expected = levels_in_ticks(levels, round(instrument.tick * 10**9))
    if instrument.levels:  # a tape of levels does not say how many orders they have
        expected[:, :, CT] = -1
        expected[:, :, :, instrument.levels :] = -1
    inside = (times >= events.exch_ns[0] - 86_400 * 10**9) & (times <= events.exch_ns[-1])
    if not inside.any():
        raise FeedError(
            f"rows of {instrument.symbol} on {instrument.date}",
            f"none in {path}",
            "give that day's file",
        )
    report = np.zeros(REPORT, np.int64)

    def run(b: Packed, ids: Ids, key_of: Longs) -> None:
        """Compare on the arrays of an empty book."""
        report[:] = 0
        report[BAD_ROW] = -1
        got = np.zeros((2, LEVELS), np.int32)
        work = np.zeros(5, np.int64)
        compare(b, ids, key_of, events.columns(), times, expected, got, work, report)

    run_with_room(run)
    return findings(report, len(times))


def findings(report: NDArray[np.int64], rows: int) -> Findings:
    """Findings of a comparison of so many rows, from the kernel's report."""
    matched = int(report[MATCHED])
    return {
        "rows": rows,
        "levels": LEVELS,
        "matched": matched,
        "first_mismatch": None if report[BAD_ROW] < 0 else _row_mismatch(report),
        "explained": matched == rows,
    }


def _row_mismatch(report: NDArray[np.int64]) -> Findings:
    """The first row, level and side that differ, counted from 1, and what was expected and found, from the kernel's report."""
    return {
        "row": int(report[BAD_ROW]) + 1,
        "level": int(report[BAD_LEVEL]) + 1,
        "side": "bid" if report[BAD_SIDE] > 0 else "ask",
        "field": ("price", "size", "orders")[int(report[BAD_WHAT])],
        "expected": int(report[WANTED]),
        "got": int(report[GOT]),
    }


def levels_in_ticks(levels: NDArray[np.int64], unit: int) -> NDArray[np.int64]:
    """Levels with prices in ticks of `unit` (1e-9): zeros for a missing level, 2**31 for a price off the tick; a copy."""
    expected = levels.copy()
    price = levels[:, :, PX]
    none = price == NO_PRICE
    expected[:, :, PX] = np.where(price % unit == 0, price // unit, 2**31)
    for field in (PX, SZ, CT):
        expected[:, :, field][none] = 0
    return expected


def _read_levels(member: Member, symbol: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Times int64[rows] and levels int64[rows, 2, 3, 10] of one instrument in a file; -1 where unstated.

    Axes: sides, (price in 1e-9, size, orders), levels.
    """
    records = read_csv_records(member) if is_csv(member) else _read_dbn(member)
    if records.schema != "mbp-10":
        raise FeedError(
            "a whole file of the schema mbp-10",
            f"{records.schema} in {member.location}",
            "give the mbp-10 file of this day",
        )
    numbers = [number for (number, _), name in records.symbols.items() if name == symbol]
    instruments = records.rows[:, words.HEAD] >> 32 & NO_SIZE
    rows = records.rows[np.isin(instruments, numbers)] if records.symbols else records.rows
    levels = np.empty((len(rows), 2, 3, LEVELS), np.int64)
    for level in range(LEVELS):
        word = words.LEVEL + words.LEVEL_WORDS * level
        for h in range(2):
            levels[:, h, PX, level] = rows[:, word + h]
            levels[:, h, SZ, level] = rows[:, word + 2] >> 32 * h & NO_SIZE
            levels[:, h, CT, level] = rows[:, word + 3] >> 32 * h & NO_SIZE
    levels[:, :, CT][levels[:, :, CT] == NO_SIZE] = -1
    return rows[:, words.TS_EVENT], levels


def _read_dbn(member: Member) -> Records:
    """Records of a DBN file."""
    data = member.content()
    return read_dbn_records(data, *metadata_of(data, member.location), member.location)
