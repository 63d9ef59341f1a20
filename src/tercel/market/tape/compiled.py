"""A day of tape compiled for replay, with checkpoints: every order gets a slot by its life on the tape.

Replay then needs no id map: a row names the slot, -1 where the id is unknown. A slot is used again once the tape is
done with its order, whatever the agent did to it in between. On the way the compiled day notes the book every quarter
of an hour, so that a window can start anywhere (`Checkpoint`).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tercel.core.errors import CapacityError, TapeError
from tercel.core.jit import Longs, Packed, kernel
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.book import layout as lay
from tercel.market.book.book_records import order_at
from tercel.market.book.ladder import first_at, insert, reduce
from tercel.market.book.order_ids import Ids, find_entry, new_ids
from tercel.market.book.price_window import allocate, release
from tercel.market.book.tape_kernels import (
    add_block,
    add_id,
    clear,
    drop_level,
    modify_id,
    take_id,
    take_unknown,
)
from tercel.market.tape import schema
from tercel.market.tape.crossed import describe_crossed
from tercel.market.tape.events import Columns, Events, Instrument
from tercel.market.tape.schema import (
    CLEAR,
    CROSS,
    LEVEL_SET,
    ROLL_IN,
    ROLL_OUT,
    STATUS,
    TRADE,
    TRADE_HIDDEN,
)

ROW: Final = 6
"""Words of a compiled row: ns, kind, slot, side, price, lots."""
ALL_LOTS = 1 << 30
CHECKPOINT_NS = 900 * NS_PER_SECOND
MAX_ORDERS = 1 << 17
WIDTH = 1024


@kernel
def compile_levels(
    book: Packed, tape: Columns, start: int, stop: int, rows: Longs, end: int
) -> int:
    """Compile rows `[start, stop)` behind `rows[:end]`; returns the new length, -1 - row for a row of single orders."""
    ns = tape.exch_ns
    side = tape.side
    price = tape.price_ticks
    qty = tape.qty_lots
    for i in range(start, stop):
        kind = tape.kind[i]
        slot = first_at(book, side[i], price[i]) if side[i] != 0 else -1
        if kind == LEVEL_SET or kind == ROLL_IN or kind == ROLL_OUT:
            if kind == ROLL_OUT or qty[i] == 0:
                if slot >= 0:  # crypto feeds remove levels that they never showed
                    end = emit(rows, end, ns[i], kind, slot, side[i], price[i], 0)
                    reduce(book, slot, ALL_LOTS)
                    release(book, slot)
                continue
            if slot >= 0:
                reduce(book, slot, ALL_LOTS)
                insert(book, slot, side[i], price[i], qty[i])
                end = emit(rows, end, ns[i], LEVEL_SET, slot, side[i], price[i], qty[i])
            else:
                slot = allocate(book)
                if slot < 0:
                    continue
                insert(book, slot, side[i], price[i], qty[i])
                end = emit(rows, end, ns[i], kind, slot, side[i], price[i], qty[i])
            order_at(book, slot).marks |= lay.ANONYMOUS
        elif kind == TRADE or kind == TRADE_HIDDEN or kind == STATUS:
            end = emit(
                rows, end, ns[i], kind, slot if kind == TRADE else -1, side[i], price[i], qty[i]
            )
        elif kind == CLEAR:
            for public_slot in range(book[lay.HIGH]):
                if order_at(book, public_slot).qty > 0:
                    reduce(book, public_slot, ALL_LOTS)
                    release(book, public_slot)
            end = emit(rows, end, ns[i], kind, -1, 0, 0, 0)
        elif kind != CROSS:
            return -1 - i
    return end


@kernel
def emit(
    rows: Longs, row: int, ns: int, kind: int, slot: int, side: int, price: int, lots: int
) -> int:
    """Write one compiled row; returns the place of the next."""
    rows[row, 0] = ns
    rows[row, 1] = kind
    rows[row, 2] = slot
    rows[row, 3] = side
    rows[row, 4] = price
    rows[row, 5] = lots
    return row + 1


@kernel
def compile_modify(
    book: Packed,
    ids: Ids,
    key_of: Longs,
    rows: Longs,
    end: int,
    ns: int,
    key: int,
    price: int,
    qty: int,
) -> int:
    """Compile a MODIFY row into a reduction in place, or into a delete and a new order at the end of the queue; new length.
    Nothing is written for an unknown id.
    """
    entry = find_entry(ids, key)
    if entry < 0:
        return end
    slot = ids[entry].slot
    order = order_at(book, slot)
    side = order.side
    old_price = order.price
    old_qty = order.qty
    modify_id(book, ids, key_of, key, price, qty)
    if price == old_price and qty < old_qty:
        return emit(rows, end, ns, schema.REDUCE, slot, side, price, old_qty - qty)
    end = emit(rows, end, ns, schema.DELETE, slot, side, old_price, ALL_LOTS)
    entry = find_entry(ids, key)
    if entry >= 0:
        end = emit(rows, end, ns, schema.ADD, ids[entry].slot, side, price, qty)
    return end


@kernel
def compile_rows(
    book: Packed,
    ids: Ids,
    key_of: Longs,
    tape: Columns,
    start: int,
    stop: int,
    rows: Longs,
    end: int,
) -> int:
    """Compile tape rows `[start, stop)` behind `rows[:end]`; returns the new length, or -1 - row for an L2 row."""
    ns = tape.exch_ns
    side = tape.side
    price = tape.price_ticks
    qty = tape.qty_lots
    for i in range(start, stop):
        kind = tape.kind[i]
        key = tape.order_id[i]
        if kind == schema.ADD:
            entry = find_entry(ids, key)
            if entry >= 0 and qty[i] > 0:
                end = emit(
                    rows, end, ns[i], schema.DELETE, ids[entry].slot, side[i], price[i], ALL_LOTS
                )
            slot = add_id(book, ids, key_of, key, side[i], price[i], qty[i])
            if slot >= 0:  # lots without an id are an anonymous block
                end = emit(
                    rows,
                    end,
                    ns[i],
                    schema.ADD if key != 0 else schema.ROLL_IN,
                    slot,
                    side[i],
                    price[i],
                    qty[i],
                )
        elif kind == schema.REDUCE or kind == schema.DELETE or kind == schema.EXECUTE:
            entry = find_entry(ids, key) if key != 0 else -1
            if entry >= 0:
                lots = ALL_LOTS if kind == schema.DELETE else qty[i]
                end = emit(rows, end, ns[i], kind, ids[entry].slot, side[i], price[i], lots)
                take_id(book, ids, entry, lots)
            else:
                end = emit(rows, end, ns[i], kind, -1, side[i], price[i], qty[i])
                take_unknown(book, side[i], price[i], qty[i], kind == schema.EXECUTE)
        elif kind == schema.ROLL_OUT:
            drop_level(book, ids, key_of, side[i], price[i])
            end = emit(rows, end, ns[i], kind, -1, side[i], price[i], qty[i])
        elif kind == schema.ROLL_IN:
            slot = add_block(book, side[i], price[i], qty[i])
            if slot >= 0:
                end = emit(rows, end, ns[i], kind, slot, side[i], price[i], qty[i])
        elif kind == schema.MODIFY:
            end = compile_modify(book, ids, key_of, rows, end, ns[i], key, price[i], qty[i])
        elif kind == schema.CLEAR or kind == schema.STATUS or kind == schema.TRADE_HIDDEN:
            if kind == schema.CLEAR:
                clear(book, ids)
            end = emit(rows, end, ns[i], kind, -1, side[i], price[i], qty[i])
        elif kind == schema.LEVEL_SET:
            return -1 - i
    return end


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The book between two compiled rows.

    Parameters
    ----------
    ns : int
        Every row up to this time is in the book.
    row : int
        The next compiled row.
    halted : bool
        Whether trading stood still.
    last_bid, last_ask, mid2 : int
        Last known touches in ticks and last two-sided mid in half-ticks.
    orders : int64 (n, 6)
        Slot, side, price, lots, arrival number, 1 for an anonymous block; by arrival.
    """

    ns: int
    row: int
    halted: bool
    last_bid: int
    last_ask: int
    mid2: int
    orders: Longs


@dataclass(frozen=True, eq=False)
class CompiledDay:
    """A day ready for replay.

    Parameters
    ----------
    instrument : Instrument
        Of the tape it was compiled from; its content hash keys the checkpoints.
    rows : int64 (n, 6)
        Time, kind, slot, side, price, lots.
    slots : int
        Slots that the day uses at once.
    checkpoints : tuple of Checkpoint
        The first is the empty book at the start of the tape.
    crossed : str
        Message on a crossed tape, whose fills would not be meaningful (`describe_crossed`).
    """

    instrument: Instrument
    rows: Longs
    slots: int
    checkpoints: tuple[Checkpoint, ...]
    crossed: str = ""

    @property
    def by_level(self) -> bool:
        """Whether the tape is of level totals, so that queue positions come from a queue model."""
        return bool(np.any(self.rows[:, 1] == schema.LEVEL_SET))


def compile_day(instrument: Instrument, events: Events) -> CompiledDay:
    """Compile a day and note its book at every quarter of an hour.

    Raises
    ------
    TapeError
        For a tape that mixes level totals with single orders.
    CapacityError
        When more orders rest at once than a replay book can hold.
    """
    book = lay.new_book(MAX_ORDERS, WIDTH)
    ids = new_ids(MAX_ORDERS)
    key_of = np.zeros(MAX_ORDERS, np.int64)
    rows = np.zeros((2 * events.n, ROW), np.int64)
    end = 0
    tape = events.columns()
    checkpoints = [
        Checkpoint(
            int(events.exch_ns[0]) - 1 if events.n else 0,
            0,
            False,
            0,
            0,
            0,
            np.zeros((0, 6), np.int64),
        )
    ]
    status = np.flatnonzero(events.kind == schema.STATUS)
    by_level = bool(np.any(events.kind == schema.LEVEL_SET))
    for start, stop, ns in _quarters(events):
        if by_level:
            end = compile_levels(book, tape, start, stop, rows, end)
        else:
            end = compile_rows(book, ids, key_of, tape, start, stop, rows, end)
        if end < 0:
            raise TapeError(
                "a tape of single orders or of level totals",
                f"a {schema.KIND_NAMES[int(events.kind[-1 - end])]} in row {-1 - end} among level totals in "
                f"{instrument.symbol} {instrument.date}",
                "import orders and levels as two tapes",
            )
        before = status[status < stop]
        halted = bool(len(before) and events.price_ticks[before[-1]] != 1)
        checkpoints.append(_checkpoint(book, ns, end, halted, checkpoints[-1]))
    if book[lay.OVERFLOW]:
        raise CapacityError(
            f"at most {MAX_ORDERS} orders resting at once",
            f"{int(book[lay.OVERFLOW])} more in {instrument.date}",
            "cut the tape to the session, or raise MAX_ORDERS",
        )
    crossed = describe_crossed(instrument, events)
    return CompiledDay(
        instrument, rows[:end].copy(), max(int(book[lay.HIGH]), 1), tuple(checkpoints), crossed
    )


def _quarters(events: Events) -> list[tuple[int, int, int]]:
    """First row, end row and checkpoint time of each quarter of an hour."""
    if events.n == 0:
        return []
    first = int(events.exch_ns[0])
    last = int(events.exch_ns[-1])
    ends = [*range((first // CHECKPOINT_NS + 1) * CHECKPOINT_NS, last, CHECKPOINT_NS), last]
    cuts = [0, *np.searchsorted(events.exch_ns, ends, side="right").tolist()]
    return [(cuts[i], cuts[i + 1], ends[i]) for i in range(len(ends))]


def _checkpoint(
    book: NDArray[np.int32], ns: int, row: int, halted: bool, before: Checkpoint
) -> Checkpoint:
    """Checkpoint of the book after a compiled row, with the last touches and mid, and the resting orders by arrival."""
    records = (
        book[lay.HEADER : lay.HEADER + int(book[lay.HIGH]) * lay.ORDER]
        .reshape(-1, lay.ORDER)
        .astype(np.int64)
    )
    live = np.flatnonzero(records[:, lay.QTY] > 0)
    rec = records[live]
    anonymous = (rec[:, lay.FLAGS] & lay.ANONYMOUS) != 0
    orders = np.stack(
        [
            live,
            rec[:, lay.SIDE],
            rec[:, lay.PRICE],
            rec[:, lay.QTY],
            rec[:, lay.ARR],
            anonymous.astype(np.int64),
        ],
        axis=1,
    )
    orders = orders[np.argsort(orders[:, 4], kind="stable")]
    bids = orders[orders[:, 1] > 0, 2]
    asks = orders[orders[:, 1] < 0, 2]
    bid = int(bids.max()) if len(bids) else before.last_bid
    ask = int(asks.min()) if len(asks) else before.last_ask
    two_sided = len(bids) > 0 and len(asks) > 0
    return Checkpoint(ns, row, halted, bid, ask, bid + ask if two_sided else before.mid2, orders)
