"""The compiled half of the Databento importer: order-by-order records to tape rows.

In the source `T` (aggressor) and `F` (resting) leave the book alone; a `C` or `M` of the same order, later in the same
event, says what became of it. Here the `F` becomes the EXECUTE and the `C` or `M` only what is more than that, so that
an execution is one row and no withdrawal. After each event the book is what `A`, `C`, `M` and `R` alone make of it:

* `M` at the same price with fewer lots keeps the place (REDUCE), any other is DELETE and ADD: it goes to the end.
* An `F` on the side of its `T` is the aggressor's own and passes. An `F` that no `C` or `M` of its event follows, or
  what it has beyond the lots that the order shows (an iceberg), is a hidden execution as far as the book can tell.
* A `T` without side and with fills without side is an auction (CROSS); its orders leave as withdrawals, since no
  aggressor met them. A `T` without side and without fills is a hidden execution.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tercel.core.jit import Bytes, Longs, Packed, kernel
from tercel.market.book.tape_kernels import find, forget, place_of
from tercel.market.tape.schema import (
    ADD,
    CLEAR,
    CROSS,
    DELETE,
    EXECUTE,
    MESSAGE_END,
    OFF_TICK,
    OPENING,
    REDUCE,
    TRADE_HIDDEN,
)

Signs = NDArray[np.int8]
Words = NDArray[np.int64]
"""int64[n, 7]: a record of 56 bytes is seven words."""

# Words of a record.
HEAD, TS_EVENT, ORDER_ID, PRICE, BODY, TS_RECV, TAIL = range(7)
RECORD_WORDS: Final = 7
MBO: Final = 0xA0

# Bits of a record's flags.
LAST: Final = 128
SNAPSHOT: Final = 32
MAYBE_BAD: Final = 4

NO_PRICE: Final = 2**63 - 1
NO_SIZE: Final = 2**32 - 1
NO_TIME: Final = -1
MOST: Final = 2**30

# What is kept of a resting order.
AT, LOTS, SIDE, DONE = range(4)
"""Ticks; lots; side; lots executed since its last `C` or `M`."""
KEPT: Final = 4

# Slots of the state that goes from one call to the next.
CLOCK, SEQ, ROWS, LIVE, FREE, OPEN = range(6)
"""`OPEN` is 1 while there were only snapshots; `SEQ` begins at -1 when a snapshot comes first, so that it is 0."""
STATE: Final = 8

# Slots of the report.
CODE: Final = 0
"""What is wrong, and the record that is."""
WHERE: Final = 1
UNKNOWN: Final = 2
DUPLICATE: Final = 3
NO_CHANGE: Final = 4
"""Fills that no change of their order follows."""
OVER: Final = 5
"""Fills of more lots than the order showed, or of orders that are not in the book."""
REFIT: Final = 6
"""Changes that contradict the fills before them; the change is believed."""
BARE: Final = 7
"""Trades without fills."""
AUCTIONS: Final = 8
MAYBE: Final = 9
UNDEFINED: Final = 10
CLOCK_BACK: Final = 11
OTHER: Final = 12
CLEARED: Final = 13
OFF: Final = 14
OWN_FILLS: Final = 15
EXECUTED: Final = 16
EVENTS: Final = 17
REPORT: Final = 20

BAD_SIDE: Final = 1
BAD_PRICE: Final = 2
FINE_TICK: Final = 3
BAD_SIZE: Final = 4
BAD_DAY: Final = 5
BAD_ACTION: Final = 6

A: Final = 65
B: Final = 66
C: Final = 67
F: Final = 70
M: Final = 77
N: Final = 78
R: Final = 82
T: Final = 84


@kernel
def record_offsets(data: Bytes, start: int, offsets: Longs) -> int:
    """Where the MBO records of a stream begin; returns how many, or -1 - the place where a record is cut.

    `data` uint8[n], the records from `start`; `offsets` int64 with room for all.
    """
    n, at = 0, start
    while at < data.shape[0]:
        length = 4 * int(data[at])
        if length < 16 or at + length > data.shape[0]:
            return -1 - at
        if data[at + 1] == MBO:
            offsets[n] = at
            n += 1
        at += length
    return n


@kernel
def grow_map(keys: Longs, slots: Packed, new_keys: Longs, new_slots: Packed) -> None:
    """Put every id of one map into a larger, empty one."""
    for i in range(slots.shape[0]):
        if slots[i] >= 0:
            at = place_of(new_keys, new_slots, keys[i])
            new_keys[at], new_slots[at] = keys[i], slots[i]


@kernel
def side_of(letter: int) -> int:
    return 1 if letter == B else (-1 if letter == A else 0)


@kernel
def action_of(body: int) -> int:
    return (body >> 48) & 255


@kernel
def ticks_of(price: int, unit: int, side: int) -> int:
    """A price in ticks, one off the tick rounded away from the touch."""
    at = price // unit
    return at + 1 if side < 0 and at * unit != price else at


@kernel
def emit(
    exch: Longs, recv: Longs, seq: Longs, kind: Bytes, order_id: Longs, side: Signs, price: Packed, qty: Packed,
    flags: Bytes, at: int, state: Longs, received: int, mark: int,
    what: int, key: int, of_side: int, ticks: int, lots: int,
) -> int:  # fmt: skip
    """Write a row at `at`; returns the next place."""
    exch[at], recv[at], seq[at] = state[CLOCK], received, state[SEQ]
    kind[at], order_id[at], side[at], price[at], qty[at], flags[at] = what, key, of_side, ticks, lots, mark
    return at + 1


@kernel
def changes_later(words: Words, p: int, stop: int, key: int) -> bool:
    """Whether a `C` or `M` of the order comes after record `p` and before `stop`."""
    for q in range(p + 1, stop):
        if words[q, ORDER_ID] == key:
            action = action_of(words[q, BODY])
            if action == C or action == M:
                return True
    return False


@kernel
def translate(
    words: Words, ends: Bytes, start: int, stop: int, unit: int, day: Longs,
    keys: Longs, slots: Packed, kept: Longs, free: Packed,
    exch: Longs, recv: Longs, seq: Longs, kind: Bytes, order_id: Longs, side: Signs, price: Packed, qty: Packed,
    flags: Bytes, state: Longs, report: Longs,
) -> int:  # fmt: skip
    """Records `[start, stop)`, whole events, to rows of the tape from place 0 on; returns how many rows.

    `ends` uint8[n] marks the last record of each event; `day` int64[3] is the first and the last nanosecond and the
    stamp of an opening snapshot; `keys`, `slots`, `kept` int64[orders, 4] and `free` hold the resting orders. There is
    room for two rows a record. Stops at the first record that makes no sense, which `report` names.
    """
    at = 0
    begin = start
    while begin < stop:
        end = begin + 1
        while end < stop and not ends[end - 1]:
            end += 1
        first = at
        opening = state[OPEN] != 0 and (words[begin, BODY] >> 32) & SNAPSHOT != 0
        state[SEQ] += 1
        report[EVENTS] += 1
        aggressor = 0
        for p in range(begin, end):
            body = words[p, BODY]
            bits, action, own = (body >> 32) & 255, action_of(body), side_of((body >> 56) & 255)
            size, key, raw = body & NO_SIZE, words[p, ORDER_ID], words[p, PRICE]
            report[MAYBE] += (bits & MAYBE_BAD) != 0
            ns = words[p, TS_EVENT]
            if bits & SNAPSHOT:
                ns = state[CLOCK] if state[CLOCK] > 0 else day[2]
            elif ns < state[CLOCK]:
                report[CLOCK_BACK] += 1
                ns = state[CLOCK]
            if ns < day[0] or ns > day[1]:
                report[CODE], report[WHERE] = BAD_DAY, p
                return at
            state[CLOCK] = ns
            received = words[p, TS_RECV]
            if received <= 0:
                received = ns
            if action == N:
                report[OTHER] += 1
                continue
            if action == R:
                report[CLEARED] += 1
                if state[ROWS] > 0 or at > 0:
                    at = emit(
                        exch, recv, seq, kind, order_id, side, price, qty, flags, at, state, received, 0,
                        CLEAR, 0, 0, 0, 0,
                    )  # fmt: skip
                for i in range(slots.shape[0]):
                    slots[i] = -1
                for i in range(free.shape[0]):
                    free[i] = free.shape[0] - 1 - i
                state[LIVE], state[FREE] = 0, free.shape[0]
                continue
            if action != A and action != C and action != M and action != T and action != F:
                report[CODE], report[WHERE] = BAD_ACTION, p
                return at
            needs_price = action != C
            if size == NO_SIZE or (needs_price and raw == NO_PRICE):
                report[UNDEFINED] += 1
                continue
            mark = OPENING if opening else 0
            ticks = 0
            if raw != NO_PRICE:
                ticks = ticks_of(raw, unit, own)
                if ticks * unit != raw:
                    mark |= OFF_TICK
            if needs_price and (raw <= 0 or ticks >= MOST):
                report[CODE], report[WHERE] = BAD_PRICE if raw <= 0 else FINE_TICK, p
                return at
            if size >= MOST or (size == 0 and (action == A or action == T or action == F)):
                report[CODE], report[WHERE] = BAD_SIZE, p
                return at
            if (action == A or action == M) and own == 0:
                report[CODE], report[WHERE] = BAD_SIDE, p
                return at
            if action == T:
                aggressor = own
                filled = p + 1 < end and action_of(words[p + 1, BODY]) == F
                what = 0
                if not filled:
                    report[BARE] += 1
                    what = TRADE_HIDDEN
                elif own == 0:
                    report[AUCTIONS] += 1
                    what = CROSS
                if what != 0:
                    at = emit(
                        exch, recv, seq, kind, order_id, side, price, qty, flags, at, state, received, mark,
                        what, 0, -own, max(ticks, 1), size,
                    )  # fmt: skip
                continue
            found = find(keys, slots, key)
            slot = slots[found] if found >= 0 else 0
            if action == F:
                if own == 0 or own == aggressor:
                    report[OWN_FILLS] += own != 0
                    continue
                lots = 0
                if found >= 0 and changes_later(words, p, end, key):
                    lots = min(size, kept[slot, LOTS])
                else:
                    report[NO_CHANGE] += 1
                if lots > 0:
                    kept[slot, LOTS] -= lots
                    kept[slot, DONE] += lots
                    report[EXECUTED] += 1
                    at = emit(
                        exch, recv, seq, kind, order_id, side, price, qty, flags, at, state, received, 0,
                        EXECUTE, key, own, kept[slot, AT], lots,
                    )  # fmt: skip
                if size > lots:
                    report[OVER] += lots > 0
                    at = emit(
                        exch, recv, seq, kind, order_id, side, price, qty, flags, at, state, received, mark,
                        TRADE_HIDDEN, 0, own, max(ticks, 1), size - lots,
                    )  # fmt: skip
                continue
            had, done, was = 0, 0, 0
            if found >= 0:
                had, done, was = kept[slot, LOTS], kept[slot, DONE], kept[slot, AT]
                kept[slot, DONE] = 0
                if action == A:
                    report[DUPLICATE] += 1
            elif action != A:
                report[UNKNOWN] += 1
            if found < 0 and action == C:
                if raw > 0 and raw != NO_PRICE and ticks > 0 and own != 0:
                    at = emit(
                        exch, recv, seq, kind, order_id, side, price, qty, flags, at, state, received, mark,
                        DELETE, key, own, ticks, size,
                    )  # fmt: skip
                continue
            if found >= 0:
                own = kept[slot, SIDE]
            if action == C:
                left, ticks, mark = max(had + done - size, 0), was, 0
            else:
                left, ticks = size, max(ticks, 1)
            stays = found >= 0 and action != A and ticks == was
            if stays and left <= had:
                if left < had:
                    at = emit(
                        exch, recv, seq, kind, order_id, side, price, qty, flags, at, state, received, mark,
                        REDUCE if left > 0 else DELETE, key, own, was, had - left,
                    )  # fmt: skip
                kept[slot, LOTS] = left
            else:
                report[REFIT] += stays and done > 0 and had > 0
                if had > 0:
                    at = emit(
                        exch, recv, seq, kind, order_id, side, price, qty, flags, at, state, received, 0,
                        DELETE, key, own, was, had,
                    )  # fmt: skip
                if left > 0:
                    if found < 0:
                        state[FREE] -= 1
                        slot = free[state[FREE]]
                        found = place_of(keys, slots, key)
                        keys[found], slots[found] = key, slot
                        state[LIVE] += 1
                        kept[slot, DONE] = 0
                    kept[slot, AT], kept[slot, LOTS], kept[slot, SIDE] = ticks, left, own
                    report[OFF] += (mark & OFF_TICK) != 0
                    at = emit(
                        exch, recv, seq, kind, order_id, side, price, qty, flags, at, state, received, mark,
                        ADD, key, own, ticks, left,
                    )  # fmt: skip
            if left == 0 and found >= 0:
                forget(keys, slots, found)
                free[state[FREE]] = slot
                state[FREE] += 1
                state[LIVE] -= 1
        if at > first:
            flags[at - 1] |= MESSAGE_END
            state[OPEN] &= opening
        else:
            state[SEQ] -= 1
        state[ROWS] += at - first
        begin = end
    return at
