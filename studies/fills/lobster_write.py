"""A tape of orders, recorded or simulated, through a window of some levels, as LOBSTER shows one."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tercel.core import ADD, DELETE, EXECUTE, REDUCE, TRADE_HIDDEN, Longs, Packed, kernel
from tercel.feeds import EMPTY_ASK, EMPTY_BID, run_with_room, with_rolls
from tercel.market import best_levels
from tercel.market.book import Ids, apply_row
from tercel.market.tape import MESSAGE_END, OPENING, Columns, Events, Instrument


@kernel
def is_message(kind: int) -> bool:
    """Whether a row is one of LOBSTER's types 1 to 5, which count as the tape does."""
    return (
        kind == ADD or kind == REDUCE or kind == DELETE or kind == EXECUTE or kind == TRADE_HIDDEN
    )


@kernel
def write_rows(
    b: Packed,
    ids: Ids,
    key_of: Longs,
    tape: Columns,
    row: Longs,
    book: Packed,
    prices: Packed,
    lots: Packed,
) -> int:
    """Play a tape; keep the rows (`row`) that change the levels shown, and hidden trades, with the book after each.

    `book` int32[n, 4 L]: ask price, ask lots, bid price, bid lots of each level, 0 lots where there is none. Levels
    that roll in or out with a message belong to it. Returns how many rows were kept.
    """
    n, pending, levels = 0, -1, prices.shape[0]
    kind, seq, side, price, qty = tape.kind, tape.seq, tape.side, tape.price_ticks, tape.qty_lots
    for i in range(kind.shape[0]):
        apply_row(b, ids, key_of, kind[i], tape.order_id[i], side[i], price[i], qty[i])
        if is_message(kind[i]) and (tape.flags[i] & OPENING) == 0:
            pending = i
        if pending < 0 or (
            i + 1 < kind.shape[0] and seq[i + 1] == seq[i] and not is_message(kind[i + 1])
        ):
            continue
        changed = n == 0 or kind[pending] == TRADE_HIDDEN
        for s in range(2):
            found = best_levels(b, 2 * s - 1, prices, lots)
            for level in range(levels):
                at = 4 * level + 2 * s
                p, q = (prices[level], lots[level]) if level < found else (0, 0)
                changed = changed or book[n - 1, at] != p or book[n - 1, at + 1] != q
                book[n, at], book[n, at + 1] = p, q
        if changed:
            row[n] = pending
            n += 1
        pending = -1
    return n


def rows_shown(events: Events, levels: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which rows of a tape a window of so many levels shows, int64[n], and the book after each, int64[n, 4 L].

    See :func:`write_rows`.

    Raises
    ------
    CapacityError
        When more than 4 million orders rest at once.
    """
    row, book = np.zeros(events.n + 1, np.int64), np.zeros((events.n + 1, 4 * levels), np.int32)
    prices, lots, found = (
        np.zeros(levels, np.int32),
        np.zeros(levels, np.int32),
        np.zeros(1, np.int64),
    )

    def play(b: Packed, ids: Ids, key_of: Longs) -> None:
        found[0] = write_rows(b, ids, key_of, events.columns(), row, book, prices, lots)

    run_with_room(play)
    return row[: found[0]], book[: found[0]].astype(np.int64)


def as_shown(instrument: Instrument, events: Events, levels: int) -> tuple[Instrument, Events]:
    """A tape of orders as a feed of so many levels would have it: what lies beyond is forgotten, and rolls in again.

    Parameters
    ----------
    instrument : Instrument
    events : Events
    levels : int

    Returns
    -------
    instrument : Instrument
        Of lots of one share.
    events : Events
        Opening blocks, messages within the window and the rolls between them, as the importer writes them.
    """
    kept, book = rows_shown(events, levels)
    plain = Events(*(column[kept] for column in events.columns()))
    plain.recv_ns[:], plain.seq[:], plain.flags[:] = (
        plain.exch_ns,
        np.arange(1, plain.n + 1),
        MESSAGE_END,
    )
    plain.order_id[plain.kind == TRADE_HIDDEN] = 0
    plain.qty_lots[:] *= instrument.lot
    shown = np.ascontiguousarray(in_units(book, 1, instrument.lot).T)
    seen, _ = with_rolls(plain, shown, 1, f"{instrument.symbol} {instrument.date}")
    return replace(instrument, lot=1, levels=levels, rows=seen.n), seen


def in_units(book: NDArray[np.int64], unit: int, lot: int) -> NDArray[np.int64]:
    """Ticks and lots in units of a tick and in shares; LOBSTER's fillers where nothing stands."""
    empty = np.repeat(book[:, 1::2] == 0, 2, axis=1)
    book[:, 0::2] *= unit
    book[:, 1::2] *= lot
    fillers = np.tile([EMPTY_ASK, 0, EMPTY_BID, 0], book.shape[1] // 4)
    return np.where(empty, fillers, book)
