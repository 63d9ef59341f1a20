"""Verification of a LOBSTER tape against the orderbook file that it came with, row by row.

Each row from the second on is `by_message` (the touch, both best prices and lots, equals the file's
before and after any roll of that row), `by_roll_in` (equal only after them, and all are legal), or `unexplained_touch`.
A ROLL_IN is legal at a price strictly worse than every level that stays after the message and than the level that the
message removed, where fewer levels stay than the file shows; a ROLL_OUT beyond the levels shown. Rows with one that is
not are `illegal_rolls`; beyond the touch they do not change it. A tape is explained when nothing differs and no roll
is illegal.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tercel.core.errors import FeedError, TapeError
from tercel.core.jit import Longs, Packed
from tercel.core.vocabulary import NO_ASK, NO_BID
from tercel.feeds import verify_kernels as v
from tercel.feeds.lobster_csv import read_orderbook
from tercel.feeds.lobster_kernels import EMPTY_ASK, EMPTY_BID
from tercel.feeds.lobster_tick import UNITS_PER_DOLLAR
from tercel.feeds.members import Member, members
from tercel.feeds.survey import Findings
from tercel.feeds.verify_kernels import run_with_room
from tercel.market.book.order_ids import Ids
from tercel.market.tape.events import Events, Instrument


def verify_against(instrument: Instrument, events: Events, orderbook: Path) -> Findings:
    """Replay a LOBSTER tape and compare it with an orderbook file (plain, compressed or archived), row by row; findings by name.

    Returns
    -------
    dict
        ``rows``, ``levels``, ``by_message``, ``by_roll_in``, ``unexplained_touch``; ``matched_by_level``, for each
        level the rows from the second on in which its four numbers are right; ``opening_matches``, whether the first
        row is right whole; ``illegal_rolls``; ``first_mismatch`` (None, or row and level from 1, side, expected and
        got as [price, size] in the file's units); ``explained``, the verdict.

    Raises
    ------
    FeedError
        When the file cannot be read, or has other rows or levels than the tape.
    TapeError
        When the tape was imported without an orderbook file.
    """
    levels = instrument.levels
    rows = int(events.seq[-1])
    if levels == 0:
        raise TapeError(
            "a tape with levels",
            f"a tape of {', '.join(instrument.source)}",
            "import the messages with their orderbook file",
        )
    with members([orderbook]) as files:
        member = _orderbook_of(files, instrument)
        book = read_orderbook(member)
    if book.shape != (4 * levels, rows):
        raise FeedError(
            f"{rows} rows of {levels} levels, as on the tape",
            f"{book.shape[1]} rows of {book.shape[0] // 4} levels in {member.location}",
            "give the file of this download",
        )
    unit = round(instrument.tick * UNITS_PER_DOLLAR)
    empty = np.array([NO_BID, NO_ASK], np.int64)
    expected = np.empty((rows, 2, 2, levels), np.int32)
    v.expected_levels(
        book, unit, bool(instrument.extra.get("orderbook_on_tick", True)), empty, expected
    )
    report = np.zeros(v.REPORT, np.int64)
    matched = np.zeros(levels, np.int64)

    def compare(b: Packed, ids: Ids, key_of: Longs) -> None:
        """Compare on the arrays of an empty book."""
        report[:] = matched[:] = 0
        report[v.BAD_ROW] = -1
        work = np.zeros((2, 2, 2, levels + 8), np.int32)
        level_ok = np.ones(levels, np.uint8)
        v.compare(
            b, ids, key_of, events.columns(), expected, empty, work, level_ok, matched, report
        )

    run_with_room(compare)
    return _result(rows, levels, unit, report, matched)


def _result(
    rows: int, levels: int, unit: int, report: NDArray[np.int64], matched: NDArray[np.int64]
) -> Findings:
    """Findings of a comparison, from the kernel's report."""
    opening = bool(report[v.OPENING_MATCHES])
    unexplained = int(report[v.UNEXPLAINED])
    illegal = int(report[v.ILLEGAL])
    return {
        "rows": rows,
        "levels": levels,
        "by_message": int(report[v.BY_MESSAGE]),
        "by_roll_in": int(report[v.BY_ROLL_IN]),
        "unexplained_touch": unexplained,
        "matched_by_level": matched.tolist(),
        "opening_matches": opening,
        "illegal_rolls": illegal,
        "first_mismatch": _mismatch(report, unit) if report[v.BAD_ROW] >= 0 else None,
        "explained": opening and unexplained == illegal == 0 and bool((matched == rows - 1).all()),
    }


def _mismatch(report: NDArray[np.int64], unit: int) -> Findings:
    """The first row and level that differ, counted from 1, with price and lots expected and found, from the kernel's report."""

    def price_and_lots(slot: int) -> list[int]:
        """Price in the file's units and lots, from a slot of the report."""
        price = {NO_BID: EMPTY_BID, NO_ASK: EMPTY_ASK}.get(
            int(report[slot]), int(report[slot]) * unit
        )
        return [price, int(report[slot + 1])]

    return {
        "row": int(report[v.BAD_ROW]) + 1,
        "level": int(report[v.BAD_LEVEL]) + 1,
        "side": "bid" if report[v.BAD_SIDE] > 0 else "ask",
        "expected": price_and_lots(v.WANTED),
        "got": price_and_lots(v.GOT),
    }


def _orderbook_of(files: list[Member], instrument: Instrument) -> Member:
    """The orderbook file among given files: the only one, or the one named like the tape's; FeedError without one."""
    if len(files) == 1:
        return files[0]
    tail = f"_orderbook_{instrument.levels}.csv"
    matching = [
        m
        for m in files
        if m.name.startswith(f"{instrument.symbol}_{instrument.date}_") and m.name.endswith(tail)
    ]
    if len(matching) != 1:
        raise FeedError(
            f"one file {instrument.symbol}_{instrument.date}_..{tail}",
            f"{len(matching)} among {len(files)} files",
            "give the orderbook file itself",
        )
    return matching[0]
