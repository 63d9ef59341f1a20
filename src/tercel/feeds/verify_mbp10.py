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
from tercel.feeds.dbn import read_records
from tercel.feeds.dbn_kernels import NO_PRICE, NO_SIZE
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
MATCHED, BAD_ROW = range(2)
"""Slots of the report: rows that match; the first that does not, -1 none. Behind them comes its first difference, as
`find_difference` has it."""
REPORT: Final = 7


@kernel
def orders_at(b: Packed, side: int, price: int) -> int:
    """Number of orders that rest on a side at a price."""
    n = 0
    is_near = in_window(b, side, price)
    slot = head_at(b, side, price) if is_near else side_at(b, side).far
    while slot >= 0:
        n += is_near or order_at(b, slot).price == price
        slot = order_at(b, slot).next
    return n


@kernel
def find_difference(
    b: Packed, expected: Longs, got: Packed
) -> tuple[bool, tuple[int, int, int, int, int]]:
    """Whether the book differs from `expected` int64[2 sides, 3, L] (below 0: anything), and level, side, field (`PX`, `SZ`,
    `CT`), wanted and got of the first difference; `got` int32[2, L] is scratch."""
    for h in range(2):
        side = 1 - 2 * h
        n = read_book(b, side, got[0], got[1])
        for level in range(expected.shape[2]):
            price = got[0, level] if level < n else 0
            lots = got[1, level] if level < n else 0
            orders = orders_at(b, side, price) if level < n else 0
            for field in range(3):
                actual = price if field == PX else (lots if field == SZ else orders)
                wanted = expected[h, field, level]
                if actual != wanted and wanted >= 0:
                    return True, (level, side, field, wanted, actual)
    return False, (0, 0, 0, 0, 0)


@kernel
def compare(
    b: Packed,
    ids: Ids,
    key_of: Longs,
    tape: Columns,
    times: Longs,
    expected: Longs,
    got: Packed,
    report: Longs,
) -> None:
    """Replay a tape and match each row of `expected` int64[rows, 2, 3, L] with a state of its time; `report` counts matches."""
    ns, _, _, kind, order_id, side, price, qty, _ = tape
    i = 0
    for row in range(times.shape[0]):
        while True:
            is_wrong = i < ns.shape[0] and ns[i] < times[row]
            difference = (0, 0, 0, 0, 0)
            if not is_wrong:
                is_wrong, difference = find_difference(b, expected[row], got)
            if not is_wrong or i == ns.shape[0] or ns[i] > times[row]:
                break
            apply_row(b, ids, key_of, kind[i], order_id[i], side[i], price[i], qty[i])
            i += 1
        report[MATCHED] += not is_wrong
        if is_wrong and report[BAD_ROW] < 0:
            report[BAD_ROW] = row
            report[BAD_ROW + 1 :] = difference


def compare_book(tape: Columns, times: Longs, expected: Longs) -> Findings:
    """Findings of a tape's replay, of which each row of levels `expected` int64[rows, 2, 3, L] must be a state at its time; the
    tape's `exch_ns` and `times` int64[rows] may be any numbers that do not fall."""
    report = np.zeros(REPORT, np.int64)

    def run(b: Packed, ids: Ids, key_of: Longs) -> None:
        """Compare on the arrays of an empty book."""
        report[:] = 0
        report[BAD_ROW] = -1
        got = np.zeros((2, LEVELS), np.int32)
        compare(b, ids, key_of, tape, times, expected, got, report)

    run_with_room(run)
    matched, row, level, side, field, wanted, got = report.tolist()
    mismatch = {
        "row": row + 1,
        "level": level + 1,
        "side": "bid" if side > 0 else "ask",
        "field": ("price", "size", "orders")[field],
        "expected": wanted,
        "got": got,
    }
    return {
        "rows": len(times),
        "levels": LEVELS,
        "matched": matched,
        "first_mismatch": mismatch if row >= 0 else None,
        "explained": matched == len(times),
    }


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
    return compare_book(events.columns(), times, expected)


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
    records = read_records(member)
    if records.schema != "mbp-10":
        raise FeedError(
            "a whole file of the schema mbp-10",
            f"{records.schema} in {member.location}",
            "give the mbp-10 file of this day",
        )
    numbers = [number for (number, _), name in records.symbols.items() if name == symbol]
    instruments = records.rows[:, words.HEAD] >> 32 & NO_SIZE
    rows = records.rows[np.isin(instruments, numbers)] if records.symbols else records.rows
    shown = rows[:, words.LEVEL :].reshape(-1, LEVELS, words.LEVEL_WORDS)
    counts = shown[:, :, 2:, None] >> np.array([0, 32]) & NO_SIZE
    levels = np.concatenate([shown[:, :, None, :2], counts], axis=2).transpose(0, 3, 2, 1)
    levels[:, :, CT][levels[:, :, CT] == NO_SIZE] = -1
    return rows[:, words.TS_EVENT], levels
