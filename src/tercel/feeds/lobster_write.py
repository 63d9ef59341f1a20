"""A tape, recorded or simulated, as LOBSTER's message and book rows: what other people's judges read."""

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tercel.core.jit import Longs, Packed, kernel
from tercel.feeds.lobster_day import with_rolls
from tercel.feeds.lobster_kernels import EMPTY_ASK, EMPTY_BID
from tercel.feeds.lobster_tick import UNITS_PER_DOLLAR
from tercel.feeds.verify import in_room
from tercel.market.book.id_map import Ids
from tercel.market.book.tape_kernels import apply_one, best_levels
from tercel.market.tape.events import Columns, Events
from tercel.market.tape.instrument import Instrument
from tercel.market.tape.schema import ADD, DELETE, EXECUTE, MESSAGE_END, OPENING, REDUCE, TRADE_HIDDEN

NS, TYPE, ID, SIZE, PRICE, DIRECTION = range(6)
"""Columns of a message: time (ns, as on the tape), LOBSTER's type, order id, shares, dollars x 10,000, +1 buy."""
FIELDS: Final = 6


@kernel
def is_message(kind: int) -> bool:
    """Whether a row is one of LOBSTER's types 1 to 5, which count as the tape does."""
    return kind == ADD or kind == REDUCE or kind == DELETE or kind == EXECUTE or kind == TRADE_HIDDEN


@kernel
def write_rows(
    b: Packed, ids: Ids, key_of: Longs, tape: Columns, row: Longs, book: Packed, prices: Packed, lots: Packed
) -> int:
    """Play a tape; keep the rows (`row`) that change the levels shown, and hidden trades, with the book after each.

    `book` int32[n, 4 L]: ask price, ask lots, bid price, bid lots of each level, 0 lots where there is none. Levels
    that roll in or out with a message belong to it. Returns how many rows were kept.
    """
    n, pending, levels = 0, -1, prices.shape[0]
    kind, seq, side, price, qty = tape.kind, tape.seq, tape.side, tape.price_ticks, tape.qty_lots
    for i in range(kind.shape[0]):
        apply_one(b, ids, key_of, kind[i], tape.order_id[i], side[i], price[i], qty[i])
        if is_message(kind[i]) and (tape.flags[i] & OPENING) == 0:
            pending = i
        if pending < 0 or (i + 1 < kind.shape[0] and seq[i + 1] == seq[i] and not is_message(kind[i + 1])):
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


def as_lobster(instrument: Instrument, events: Events, levels: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Messages and book rows of a tape of orders, through a window of so many levels.

    Parameters
    ----------
    instrument : Instrument
        Its tick is in dollars.
    events : Events
    levels : int

    Returns
    -------
    messages : int64 (n, 6)
        See the module's columns.
    book : int64 (n, 4 L)
        After each message, in LOBSTER's order and units, with its fillers where a level is empty.

    Raises
    ------
    CapacityError
        When more than 4 million orders rest at once.
    """
    row, book = np.zeros(events.n + 1, np.int64), np.zeros((events.n + 1, 4 * levels), np.int32)
    prices, lots, found = np.zeros(levels, np.int32), np.zeros(levels, np.int32), np.zeros(1, np.int64)

    def play(b: Packed, ids: Ids, key_of: Longs) -> None:
        found[0] = write_rows(b, ids, key_of, events.columns(), row, book, prices, lots)

    in_room(play)
    kept = row[: found[0]]
    unit = round(instrument.tick * UNITS_PER_DOLLAR)
    messages = np.zeros((len(kept), FIELDS), np.int64)
    messages[:, NS], messages[:, TYPE], messages[:, ID] = events.exch_ns[kept], events.kind[kept], events.order_id[kept]
    messages[:, SIZE] = events.qty_lots[kept].astype(np.int64) * instrument.lot
    messages[:, PRICE] = events.price_ticks[kept].astype(np.int64) * unit
    messages[:, DIRECTION] = events.side[kept]
    return messages, _in_units(book[: len(kept)].astype(np.int64), unit, instrument.lot)


def as_shown(instrument: Instrument, events: Events, levels: int) -> tuple[Instrument, Events]:
    """A tape of orders as a feed of so many levels would have it: what lies beyond is forgotten, and rolls in again.

    Parameters
    ----------
    instrument : Instrument
        Its tick is in dollars.
    events : Events
    levels : int

    Returns
    -------
    instrument : Instrument
        Of lots of one share.
    events : Events
        Opening blocks, messages within the window and the rolls between them, as the importer writes them.
    """
    messages, book = as_lobster(instrument, events, levels)
    unit = round(instrument.tick * UNITS_PER_DOLLAR)
    plain = Events.from_columns(
        {
            "exch_ns": messages[:, NS],
            "recv_ns": messages[:, NS],
            "seq": np.arange(1, len(messages) + 1),
            "kind": messages[:, TYPE],
            "order_id": np.where(messages[:, TYPE] == TRADE_HIDDEN, 0, messages[:, ID]),
            "side": messages[:, DIRECTION],
            "price_ticks": messages[:, PRICE] // unit,
            "qty_lots": messages[:, SIZE],
            "flags": np.full(len(messages), MESSAGE_END),
        }
    )
    seen, _ = with_rolls(plain, np.ascontiguousarray(book.T), unit, f"{instrument.symbol} {instrument.date}")
    return replace(instrument, lot=1, levels=levels, rows=seen.n), seen


def _in_units(book: NDArray[np.int64], unit: int, lot: int) -> NDArray[np.int64]:
    """Ticks and lots as dollars x 10,000 and shares; fillers where nothing stands."""
    empty = np.repeat(book[:, 1::2] == 0, 2, axis=1)
    book[:, 0::2] *= unit
    book[:, 1::2] *= lot
    fillers = np.tile([EMPTY_ASK, 0, EMPTY_BID, 0], book.shape[1] // 4)
    result: NDArray[np.int64] = np.where(empty, fillers, book)
    return result
