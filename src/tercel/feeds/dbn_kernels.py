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

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tercel.core.jit import Bytes, Longs, Packed, kernel
from tercel.market.book.tape_kernels import Ids, find, forget, place_of
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
MAYBE_BAD: Final = 4

NO_PRICE: Final = 2**63 - 1
NO_SIZE: Final = 2**32 - 1
MOST: Final = 2**30

# Facts of a resting order.
AT, LOTS, SIDE, DONE = range(4)
"""Ticks; lots; side; lots executed since its last `C` or `M`."""
FACTS: Final = 4


class Resting(NamedTuple):
    """The resting orders: an id map, facts of each, int64[orders, 4], and free slots."""

    ids: Ids
    facts: Longs
    free: Packed


# Slots of the state that goes from one call to the next.
CLOCK, SEQ, ROWS, LIVE, FREE, OPEN, AGGRESSOR = range(7)
"""`OPEN` is 1 while there were only snapshots; `SEQ` begins at -1 when a snapshot comes first, so that it is 0."""
STATE: Final = 8

# Slots of the record at hand.
ACTION, OWN, LEFT, KEY, TICKS, MARK, RECEIVED = range(7)
"""Its letter; side; size; order; price in ticks; flags of its row; when it was received."""
NOW: Final = 8

COUNTS: Final = (
    *(
        "unknown_ids",
        "duplicate_ids",
        "maybe_bad_book",
        "clock_back",
        "undefined",
        "fills_without_change",
    ),
    *("fills_over_shown", "contradicted_fills", "trades_without_fill", "auctions", "cleared"),
)
"""What is counted in a day: the first slots of the report, under the names that `extra` and the warnings use."""
(
    UNKNOWN,
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
) = range(len(COUNTS))
"""`NO_CHANGE`: fills that no change of their order follows. `OVER`: fills of more lots than the order showed, or of
orders that are not in the book. `REFIT`: changes that contradict the fills before them; the change is believed."""
CODE, WHERE, OTHER, OFF, OWN_FILLS, EXECUTED, EVENTS, REPORT = range(len(COUNTS), len(COUNTS) + 8)
"""What is wrong, and the record that is; further counts; the length of the report."""

BAD_SIDE, BAD_PRICE, FINE_TICK, BAD_SIZE, BAD_DAY, BAD_ACTION = range(2, 8)
"""What is wrong with a record."""

A, B, C, F, M, N, R, T = (ord(letter) for letter in "ABCFMNRT")


@kernel
def record_offsets(data: Bytes, start: int, offsets: Longs) -> tuple[int, int]:
    """Where the MBO records of a stream begin; returns how many, and how many others, or -1 - the place of a cut one.

    `data` uint8[n], the records from `start`; `offsets` int64 with room for all.
    """
    n, others, at = 0, 0, start
    while at < data.shape[0]:
        length = 4 * int(data[at])
        if length < 16 or at + length > data.shape[0]:
            return n, -1 - at
        if data[at + 1] == MBO:
            offsets[n] = at
            n += 1
        else:
            others += 1
        at += length
    return n, others


@kernel
def grow_map(ids: Ids, larger: Ids) -> None:
    """Put every id of one map into a larger, empty one."""
    for i in range(ids.shape[0]):
        if ids[i].slot >= 0:
            at = place_of(larger, ids[i].key)
            larger[at].key = ids[i].key
            larger[at].slot = ids[i].slot


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
def put(
    out: Longs,
    at: int,
    state: Longs,
    now: Longs,
    what: int,
    key: int,
    side: int,
    ticks: int,
    lots: int,
    mark: int,
) -> int:
    """Write a row of the tape at `at` of `out` int64[rows, 9]; returns the next place."""
    out[at, 0], out[at, 1], out[at, 2] = state[CLOCK], now[RECEIVED], state[SEQ]
    out[at, 3], out[at, 4], out[at, 5] = what, key, side
    out[at, 6], out[at, 7], out[at, 8] = ticks, lots, mark
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
def read_record(
    words: Words,
    p: int,
    unit: int,
    day: Longs,
    opening: bool,
    state: Longs,
    now: Longs,
    report: Longs,
) -> int:
    """Fields of record `p` to `now`, and the clock; returns what there is to do: 1, nothing: 0, an error: its code."""
    body = words[p, BODY]
    bits, action, side = (body >> 32) & 255, action_of(body), side_of((body >> 56) & 255)
    size, raw = body & NO_SIZE, words[p, PRICE]
    ns = words[p, TS_EVENT]
    if bits & SNAPSHOT:
        ns = state[CLOCK] if state[CLOCK] > 0 else day[2]
    elif ns < state[CLOCK]:
        report[CLOCK_BACK] += 1
        ns = state[CLOCK]
    if ns < day[0] or ns > day[1]:
        return BAD_DAY
    state[CLOCK] = ns
    report[MAYBE] += (bits & MAYBE_BAD) != 0
    now[RECEIVED] = words[p, TS_RECV] if words[p, TS_RECV] > 0 else ns
    now[ACTION], now[OWN], now[LEFT], now[KEY] = action, side, size, words[p, ORDER_ID]
    now[TICKS], now[MARK] = 0, schema.OPENING if opening else 0
    if action == N or action == R:
        report[OTHER] += action == N
        return int(action == R)
    if action != A and action != C and action != M and action != T and action != F:
        return BAD_ACTION
    if size == NO_SIZE or (action != C and raw == NO_PRICE):
        report[UNDEFINED] += 1
        return 0
    if raw != NO_PRICE:
        now[TICKS] = ticks_of(raw, unit, side)
        if now[TICKS] * unit != raw:
            now[MARK] |= schema.OFF_TICK
    if action != C and raw <= 0:
        return BAD_PRICE
    if action != C and now[TICKS] >= MOST:
        return FINE_TICK
    if size >= MOST or (size == 0 and (action == A or action == T or action == F)):
        return BAD_SIZE
    if (action == A or action == M) and side == 0:
        return BAD_SIDE
    if raw > 0:
        now[TICKS] = max(now[TICKS], 1)
    return 1


@kernel
def cleared(orders: Resting, out: Longs, at: int, state: Longs, now: Longs, report: Longs) -> int:
    """`R`: the book is empty; a row says so unless it never was anything else."""
    ids, free = orders.ids, orders.free
    report[CLEARED] += 1
    if state[ROWS] > 0 or at > 0:
        at = put(out, at, state, now, schema.CLEAR, 0, 0, 0, 0, 0)
    for i in range(ids.shape[0]):
        ids[i].slot = -1
    for i in range(free.shape[0]):
        free[i] = free.shape[0] - 1 - i
    state[LIVE], state[FREE] = 0, free.shape[0]
    return at


@kernel
def traded(
    words: Words, p: int, end: int, out: Longs, at: int, state: Longs, now: Longs, report: Longs
) -> int:
    """`T`: remember the aggressor; a row of its own where no fills tell the trade, or where it is an auction."""
    state[AGGRESSOR] = now[OWN]
    if not (p + 1 < end and action_of(words[p + 1, BODY]) == F):
        report[BARE] += 1
        return put(
            out, at, state, now, schema.TRADE_HIDDEN, 0, -now[OWN], now[TICKS], now[LEFT], now[MARK]
        )
    if now[OWN] == 0:
        report[AUCTIONS] += 1
        return put(out, at, state, now, schema.CROSS, 0, 0, now[TICKS], now[LEFT], now[MARK])
    return at


@kernel
def filled(
    words: Words,
    p: int,
    end: int,
    orders: Resting,
    out: Longs,
    at: int,
    state: Longs,
    now: Longs,
    report: Longs,
) -> int:
    """`F`: the execution of a resting order as far as the book shows it, the rest as hidden."""
    ids, facts = orders.ids, orders.facts
    key, own, size = now[KEY], now[OWN], now[LEFT]
    if own == 0 or own == state[AGGRESSOR]:
        report[OWN_FILLS] += own != 0
        return at
    found = find(ids, key)
    lots = 0
    if found >= 0 and changes_later(words, p, end, key):
        slot = ids[found].slot
        lots = min(size, facts[slot, LOTS])
        if lots > 0:
            facts[slot, LOTS] -= lots
            facts[slot, DONE] += lots
            report[EXECUTED] += 1
            at = put(out, at, state, now, schema.EXECUTE, key, own, facts[slot, AT], lots, 0)
        report[OVER] += size > lots
    else:
        report[NO_CHANGE] += 1
    if size > lots:
        at = put(
            out, at, state, now, schema.TRADE_HIDDEN, 0, own, now[TICKS], size - lots, now[MARK]
        )
    return at


@kernel
def changed(orders: Resting, out: Longs, at: int, state: Longs, now: Longs, report: Longs) -> int:
    """`A`, `C` or `M`: what is more than the fills before it, as withdrawal, reduction or new order."""
    ids, facts, free = orders
    action, key, own, left, ticks, mark = (
        now[ACTION],
        now[KEY],
        now[OWN],
        now[LEFT],
        now[TICKS],
        now[MARK],
    )
    found = find(ids, key)
    if found < 0:
        report[UNKNOWN] += action != A
        if action == C:
            if (
                ticks > 0 and own != 0
            ):  # written as it came, so that a replay of the tape counts it too
                at = put(out, at, state, now, schema.DELETE, key, own, ticks, left, mark)
            return at
        return _rests(orders, found, own, ticks, left, out, at, state, now, report)
    slot = ids[found].slot
    had, done, was = facts[slot, LOTS], facts[slot, DONE], facts[slot, AT]
    own = facts[slot, SIDE]
    facts[slot, DONE] = 0
    report[DUPLICATE] += action == A
    if action == C:
        left, ticks = max(had + done - left, 0), was
    if action != A and ticks == was and left <= had:
        if left < had:
            at = put(
                out,
                at,
                state,
                now,
                schema.REDUCE if left > 0 else schema.DELETE,
                key,
                own,
                was,
                had - left,
                0,
            )
        facts[slot, LOTS] = left
    else:
        report[REFIT] += action != A and ticks == was and done > 0 and had > 0
        if had > 0:
            at = put(out, at, state, now, schema.DELETE, key, own, was, had, 0)
        if left > 0:
            at = _rests(orders, found, own, ticks, left, out, at, state, now, report)
    if left == 0:
        forget(ids, found)
        free[state[FREE]] = slot
        state[FREE] += 1
        state[LIVE] -= 1
    return at


@kernel
def _rests(
    orders: Resting,
    found: int,
    side: int,
    ticks: int,
    lots: int,
    out: Longs,
    at: int,
    state: Longs,
    now: Longs,
    report: Longs,
) -> int:
    """An order comes to rest at the end of its level, in its old slot or in a new one; one of no lots does not."""
    ids, facts, free = orders
    key = now[KEY]
    if lots == 0:
        return at
    if found < 0:
        state[FREE] -= 1
        state[LIVE] += 1
        found = place_of(ids, key)
        ids[found].key = key
        ids[found].slot = free[state[FREE]]
    slot = ids[found].slot
    facts[slot, AT], facts[slot, LOTS], facts[slot, SIDE], facts[slot, DONE] = ticks, lots, side, 0
    report[OFF] += (now[MARK] & schema.OFF_TICK) != 0
    return put(out, at, state, now, schema.ADD, key, side, ticks, lots, now[MARK])


@kernel
def translate(
    words: Words,
    ends: Bytes,
    start: int,
    stop: int,
    unit: int,
    day: Longs,
    orders: Resting,
    out: Longs,
    now: Longs,
    state: Longs,
    report: Longs,
) -> int:
    """Records `[start, stop)`, whole events, to rows of the tape from place 0 on; returns how many rows.

    `ends` uint8[n] marks the last record of each event; `day` int64[3] is the first and the last nanosecond and the
    stamp of an opening snapshot; `out` int64[rows, 9] has room for two rows a record. Stops at the first record that
    makes no sense, which `report` names.
    """
    at, begin = 0, start
    while begin < stop:
        end = begin + 1
        while end < stop and not ends[end - 1]:
            end += 1
        first = at
        opening = state[OPEN] != 0 and (words[begin, BODY] >> 32) & SNAPSHOT != 0
        state[SEQ] += 1
        state[AGGRESSOR] = 0
        report[EVENTS] += 1
        for p in range(begin, end):
            code = read_record(words, p, unit, day, opening, state, now, report)
            if code > 1:
                report[CODE], report[WHERE] = code, p
                return at
            if code == 0:
                continue
            action = now[ACTION]
            if action == R:
                at = cleared(orders, out, at, state, now, report)
            elif action == T:
                at = traded(words, p, end, out, at, state, now, report)
            elif action == F:
                at = filled(words, p, end, orders, out, at, state, now, report)
            else:
                at = changed(orders, out, at, state, now, report)
        if at > first:
            out[at - 1, 8] |= schema.MESSAGE_END
            state[OPEN] &= opening
        else:
            state[SEQ] -= 1
        state[ROWS] += at - first
        begin = end
    return at
