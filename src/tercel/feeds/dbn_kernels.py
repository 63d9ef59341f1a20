"""Kernels from Databento order-by-order records to rows of a tape, and the layout of records, state and report.

In the source `T` (aggressor) and `F` (resting) leave the book alone; a `C` or `M` of the same order, later in the same
event, has its result. Here the `F` becomes the EXECUTE and the `C` or `M` only the rest of the change. Then:
* `M` at the same price with fewer lots keeps the place (REDUCE), any other is DELETE and ADD: it goes to the end.
* An `F` on the side of its `T` is the aggressor's own and passes. An `F` that no `C` or `M` of its event follows, or
  what it has beyond the lots that the order shows (an iceberg), is a hidden execution as far as the book can tell.
* Lots of a `T` with a side beyond its fills (matched against implied or hidden orders) are a hidden execution.
* An `A` flagged as the top of the book replaces all that its side showed; without a price it takes it away.
* A `T` without side and with fills without side is an auction (CROSS); its orders leave as withdrawals, since no
  aggressor met them. A `T` without side and without fills is a hidden execution.
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tercel.core.jit import Bytes, Longs, Packed, kernel
from tercel.core.vocabulary import MOST_LOTS
from tercel.feeds.tape_rows import put_row
from tercel.market.book.order_ids import Ids, entry_of, find_entry, remove_entry
from tercel.market.tape import schema

Words = NDArray[np.int64]
"""int64[n, 7]: a record of 56 bytes is seven words."""
# Words of a record.
HEAD, TS_EVENT, ORDER_ID, PRICE, BODY, TS_RECV, TAIL = range(7)
RECORD_WORDS: Final = 7
MBO: Final = 0xA0
# Bits of a record's flags.
LAST: Final = 128
SNAPSHOT: Final = 32
TOB: Final = 64
"""The best price of a side and its lots, which replace the side: no order of its own."""
MAYBE_BAD: Final = 4
BID_SIDE: Final = 1
ASK_SIDE: Final = 2
"""Ids of the orders that stand for a side."""
NO_PRICE: Final = 2**63 - 1
NO_SIZE: Final = 2**32 - 1
# Facts of a resting order.
AT, LOTS, SIDE, DONE = range(4)
"""Ticks; lots; side; lots executed since its last `C` or `M`."""
FACTS: Final = 4
# Slots of the state that goes from one call to the next.
CLOCK, SEQ, ROWS, LIVE, FREE, OPEN, AGGRESSOR = range(7)
"""`OPEN` is 1 while there were only snapshots; `SEQ` begins at -1 when a snapshot comes first, so that it is 0."""
STATE: Final = 8
# Slots of the current record.
ACTION, OWN, LEFT, KEY, TICKS, MARK, RECEIVED, REPLACES = range(8)
"""Its letter; side; size; order; price in ticks; flags of its row; when it was received; whether it replaces its side."""
NOW: Final = 8
COUNTS: Final = (
    *(
        "unknown_ids",
        "unknown_modifies",
        "duplicate_ids",
        "maybe_bad_book",
        "clock_back",
        "undefined",
        "fills_without_change",
    ),
    *("fills_over_shown", "contradicted_fills", "trades_without_fill", "auctions", "cleared"),
    "trades_over_fills",
)
"""Counts of a day: the first slots of the report, under the names that `extra` and the warnings use."""
(
    UNKNOWN,
    UNKNOWN_MODIFIES,
    DUPLICATE,
    MAYBE,
    CLOCK_BACK,
    UNDEFINED,
    NO_CHANGE,
    OVER,
    REFIT,
    BARE,
    AUCTIONS,
    CLEARED,
    REST,
) = range(len(COUNTS))
"""`UNKNOWN`: cancels and modifies of orders that are not in the book; `UNKNOWN_MODIFIES`: the latter. `NO_CHANGE`: fills
that no change of their order follows. `OVER`: fills of more lots than the order showed, or of orders that are not in the
book. `REFIT`: changes that contradict the fills before them; the change is believed. `REST`: trades of more lots than the fills
after them."""
CODE, WHERE, EVENTS, REPORT = range(len(COUNTS), len(COUNTS) + 4)
"""Code of a fault, and its record; events; the length of the report."""
BAD_SIDE, BAD_PRICE, FINE_TICK, BAD_SIZE, BAD_DAY, BAD_ACTION = range(2, 8)
"""Codes of a record's faults."""
A, B, C, F, M, N, R, T = (ord(letter) for letter in "ABCFMNRT")


class Resting(NamedTuple):
    """The resting orders: a map of ids to slots, facts int64[orders, 4] by slot, and free slots."""

    ids: Ids
    facts: Longs
    free: Packed


@kernel
def record_offsets(data: Bytes, start: int, offsets: Longs) -> tuple[int, int]:
    """Write the offsets of a stream's MBO records; returns their number, and that of other records, or in place of the latter
    -1 - the offset of a record that is cut.

    `data` uint8[n], the records from `start`; `offsets` int64 with room for all.
    """
    n = 0
    others = 0
    offset = start
    while offset < data.shape[0]:
        length = 4 * int(data[offset])
        if length < 16 or offset + length > data.shape[0]:
            return n, -1 - offset
        if data[offset + 1] == MBO:
            offsets[n] = offset
            n += 1
        else:
            others += 1
        offset += length
    return n, others


@kernel
def grow_map(ids: Ids, larger: Ids) -> None:
    """Copy every id of a map into a larger, empty map."""
    for i in range(ids.shape[0]):
        if ids[i].slot >= 0:
            place = entry_of(larger, ids[i].key)
            larger[place].key = ids[i].key
            larger[place].slot = ids[i].slot


@kernel
def side_of(letter: int) -> int:
    """Side of a record's letter: +1 for B, -1 for A, 0 otherwise."""
    return 1 if letter == B else (-1 if letter == A else 0)


@kernel
def action_of(body: int) -> int:
    """Action letter of a record's body word, as its code."""
    return (body >> 48) & 255


@kernel
def ticks_of(price: int, unit: int, side: int) -> int:
    """Price in ticks of `unit`; off the tick rounded down, for asks (side below 0) up."""
    ticks = price // unit
    return ticks + 1 if side < 0 and ticks * unit != price else ticks


@kernel
def put(
    rows: Longs,
    row: int,
    state: Longs,
    now: Longs,
    kind: int,
    key: int,
    side: int,
    ticks: int,
    lots: int,
    mark: int,
) -> int:
    """Write a row of the tape at `row` of `rows` int64[rows, 9]; returns the next place."""
    rows[row, 0] = state[CLOCK]
    rows[row, 1] = now[RECEIVED]
    rows[row, 2] = state[SEQ]
    return put_row(rows, row, kind, key, side, ticks, lots, mark)


@kernel
def changes_later(records: Words, p: int, stop: int, key: int) -> bool:
    """Whether a `C` or `M` of the order comes after record `p` and before `stop`."""
    for q in range(p + 1, stop):
        if records[q, ORDER_ID] == key:
            action = action_of(records[q, BODY])
            if action == C or action == M:
                return True
    return False


@kernel
def read_record(
    records: Words,
    p: int,
    unit: int,
    day: Longs,
    opening: bool,
    state: Longs,
    now: Longs,
    report: Longs,
) -> int:
    """Read record `p` into `now` and advance the clock in `state`; returns 1 (to apply), 0 (to skip) or an error code above 1."""
    body = records[p, BODY]
    bits = (body >> 32) & 255
    action = action_of(body)
    side = side_of((body >> 56) & 255)
    size = body & NO_SIZE
    raw = records[p, PRICE]
    ns = records[p, TS_EVENT]
    if bits & SNAPSHOT:
        ns = state[CLOCK] if state[CLOCK] > 0 else day[2]
    elif ns < state[CLOCK]:
        report[CLOCK_BACK] += 1
        ns = state[CLOCK]
    if ns < day[0] or ns > day[1]:
        return BAD_DAY
    state[CLOCK] = ns
    report[MAYBE] += (bits & MAYBE_BAD) != 0
    now[RECEIVED] = records[p, TS_RECV] if records[p, TS_RECV] > 0 else ns
    now[ACTION] = action
    now[OWN] = side
    now[LEFT] = size
    now[KEY] = records[p, ORDER_ID]
    now[TICKS] = 0
    now[MARK] = schema.OPENING if opening else 0
    now[REPLACES] = action == A and bits & TOB != 0
    if action == N or action == R:
        return int(action == R)
    if action != A and action != C and action != M and action != T and action != F:
        return BAD_ACTION
    if now[REPLACES]:  # one order stands for the side; without a price there is none
        now[KEY] = BID_SIDE if side > 0 else ASK_SIDE
        if raw == NO_PRICE or size == 0:
            now[LEFT] = 0
            return 1
    if size == NO_SIZE or (action != C and raw == NO_PRICE):
        report[UNDEFINED] += 1
        return 0
    if raw != NO_PRICE:
        now[TICKS] = ticks_of(raw, unit, side)
        if now[TICKS] * unit != raw:
            now[MARK] |= schema.OFF_TICK
    if action != C and raw <= 0:
        return BAD_PRICE
    if action != C and now[TICKS] >= MOST_LOTS:
        return FINE_TICK
    if size >= MOST_LOTS or (size == 0 and (action == A or action == T or action == F)):
        return BAD_SIZE
    if (action == A or action == M) and side == 0:
        return BAD_SIDE
    if raw > 0:
        now[TICKS] = max(now[TICKS], 1)
    return 1


@kernel
def clear_book(
    orders: Resting, rows: Longs, row: int, state: Longs, now: Longs, report: Longs
) -> int:
    """Apply an `R` record: empty the book, and write a CLEAR row unless no row was written before; returns the next row."""
    ids = orders.ids
    free = orders.free
    report[CLEARED] += 1
    if state[ROWS] > 0 or row > 0:
        row = put(rows, row, state, now, schema.CLEAR, 0, 0, 0, 0, 0)
    for i in range(ids.shape[0]):
        ids[i].slot = -1
    for i in range(free.shape[0]):
        free[i] = free.shape[0] - 1 - i
    state[LIVE] = 0
    state[FREE] = free.shape[0]
    return row


@kernel
def write_trade(
    records: Words, p: int, end: int, rows: Longs, row: int, state: Longs, now: Longs, report: Longs
) -> int:
    """Apply a `T` record: store the aggressor's side; write a hidden trade of what no fill after it has, a CROSS for an
    auction.

    Returns the next row.
    """
    state[AGGRESSOR] = now[OWN]
    first_fill = q = p + 1
    hidden = now[LEFT]
    while q < end and action_of(records[q, BODY]) == F:
        if side_of((records[q, BODY] >> 56) & 255) == -now[OWN]:
            hidden -= records[q, BODY] & NO_SIZE
        q += 1
    has_fills = q > first_fill
    if not has_fills or (now[OWN] != 0 and hidden > 0):
        report[REST if has_fills else BARE] += 1
        return put(
            rows,
            row,
            state,
            now,
            schema.TRADE_HIDDEN,
            0,
            -now[OWN],
            now[TICKS],
            hidden,
            now[MARK],
        )
    if now[OWN] == 0:
        report[AUCTIONS] += 1
        return put(rows, row, state, now, schema.CROSS, 0, 0, now[TICKS], now[LEFT], now[MARK])
    return row


@kernel
def write_fill(
    records: Words,
    p: int,
    end: int,
    orders: Resting,
    rows: Longs,
    row: int,
    state: Longs,
    now: Longs,
    report: Longs,
) -> int:
    """Apply an `F` record: an EXECUTE row for what the book shows, a hidden trade for the rest; returns the next row.

    The aggressor's own fill, or one without side, writes nothing.
    """
    ids = orders.ids
    facts = orders.facts
    key = now[KEY]
    side = now[OWN]
    size = now[LEFT]
    if side == 0 or side == state[AGGRESSOR]:
        return row
    place = find_entry(ids, key)
    lots = 0
    if place >= 0 and changes_later(records, p, end, key):
        slot = ids[place].slot
        lots = min(size, facts[slot, LOTS])
        if lots > 0:
            facts[slot, LOTS] -= lots
            facts[slot, DONE] += lots
            row = put(rows, row, state, now, schema.EXECUTE, key, side, facts[slot, AT], lots, 0)
        report[OVER] += size > lots
    else:
        report[NO_CHANGE] += 1
    if size > lots:
        row = put(
            rows, row, state, now, schema.TRADE_HIDDEN, 0, side, now[TICKS], size - lots, now[MARK]
        )
    return row


@kernel
def apply_change(
    orders: Resting, rows: Longs, row: int, state: Longs, now: Longs, report: Longs
) -> int:
    """Apply an `A`, `C` or `M` record: rows for its change beyond the fills before it; returns the next row."""
    ids, facts, free = orders
    action = now[ACTION]
    key = now[KEY]
    side = now[OWN]
    left = now[LEFT]
    ticks = now[TICKS]
    mark = now[MARK]
    place = find_entry(ids, key)
    if place < 0:
        report[UNKNOWN] += action != A
        report[UNKNOWN_MODIFIES] += action == M
        if action == C:
            if (
                ticks > 0 and side != 0
            ):  # written as it came, so that a replay of the tape counts it too
                row = put(rows, row, state, now, schema.DELETE, key, side, ticks, left, mark)
            return row
        return _rest_order(orders, place, side, ticks, left, rows, row, state, now)
    slot = ids[place].slot
    had = facts[slot, LOTS]
    done = facts[slot, DONE]
    was = facts[slot, AT]
    side = facts[slot, SIDE]
    facts[slot, DONE] = 0
    report[DUPLICATE] += action == A and now[REPLACES] == 0
    if action == C:
        left = max(had + done - left, 0)
        ticks = was
    if action != A and ticks == was and left <= had:
        if left < had:
            row = put(
                rows,
                row,
                state,
                now,
                schema.REDUCE if left > 0 else schema.DELETE,
                key,
                side,
                was,
                had - left,
                0,
            )
        facts[slot, LOTS] = left
    else:
        report[REFIT] += action != A and ticks == was and done > 0 and had > 0
        if had > 0:
            row = put(rows, row, state, now, schema.DELETE, key, side, was, had, 0)
        if left > 0:
            row = _rest_order(orders, place, side, ticks, left, rows, row, state, now)
    if left == 0:
        remove_entry(ids, place)
        free[state[FREE]] = slot
        state[FREE] += 1
        state[LIVE] -= 1
    return row


@kernel
def _rest_order(
    orders: Resting,
    place: int,
    side: int,
    ticks: int,
    lots: int,
    rows: Longs,
    row: int,
    state: Longs,
    now: Longs,
) -> int:
    """Put an order at the end of its level, in its old slot or (`place` below 0) a new one, and write its ADD row; the next row.

    An order of no lots does not rest.
    """
    ids, facts, free = orders
    key = now[KEY]
    if lots == 0:
        return row
    if place < 0:
        state[FREE] -= 1
        state[LIVE] += 1
        place = entry_of(ids, key)
        ids[place].key = key
        ids[place].slot = free[state[FREE]]
    slot = ids[place].slot
    facts[slot, AT] = ticks
    facts[slot, LOTS] = lots
    facts[slot, SIDE] = side
    facts[slot, DONE] = 0
    return put(rows, row, state, now, schema.ADD, key, side, ticks, lots, now[MARK])


@kernel
def translate(
    records: Words,
    ends: Bytes,
    start: int,
    stop: int,
    unit: int,
    day: Longs,
    orders: Resting,
    rows: Longs,
    now: Longs,
    state: Longs,
    report: Longs,
) -> int:
    """Records `[start, stop)`, whole events, to rows of the tape from place 0 on, until a record is at fault (`report` says);
    returns how many rows.

    `ends` uint8[n] marks the last record of each event; `day` int64[3] is the first and the last nanosecond and the
    stamp of an opening snapshot; `rows` int64[rows, 9] has room for two rows a record. Stops at the first record that
    makes no sense, which `report` names.
    """
    row = 0
    begin = start
    while begin < stop:
        end = begin + 1
        while end < stop and not ends[end - 1]:
            end += 1
        first_row = row
        opening = state[OPEN] != 0 and (records[begin, BODY] >> 32) & SNAPSHOT != 0
        state[SEQ] += 1
        state[AGGRESSOR] = 0
        report[EVENTS] += 1
        for p in range(begin, end):
            code = read_record(records, p, unit, day, opening, state, now, report)
            if code > 1:
                report[CODE], report[WHERE] = code, p
                return row
            if code == 0:
                continue
            action = now[ACTION]
            if action == R:
                row = clear_book(orders, rows, row, state, now, report)
            elif action == T:
                row = write_trade(records, p, end, rows, row, state, now, report)
            elif action == F:
                row = write_fill(records, p, end, orders, rows, row, state, now, report)
            else:
                row = apply_change(orders, rows, row, state, now, report)
        if row > first_row:
            rows[row - 1, 8] |= schema.MESSAGE_END
            state[OPEN] &= opening
        else:
            state[SEQ] -= 1
        state[ROWS] += row - first_row
        begin = end
    return row
