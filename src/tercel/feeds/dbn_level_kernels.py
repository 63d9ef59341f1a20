"""Kernels from Databento's records of levels and trades (mbp-10, mbp-1, tbbo, trades) to rows of a tape.

A record shows the levels after it (of tbbo before it). A trade (`T`) leaves them alone: what follows in its event takes the
lots. So a trade's row comes before those of its record's levels.
"""

from typing import Final

from tercel.core.jit import Longs, kernel
from tercel.core.vocabulary import MOST_LOTS
from tercel.feeds.csv_kernels import put_change, snapshot_changes
from tercel.feeds.dbn_kernels import NO_PRICE, NO_SIZE, T, Words, side_of, ticks_of
from tercel.feeds.tape_rows import append_level
from tercel.market.tape import schema

# Words of a record before its levels, each of which has four: bid, ask, their sizes, their numbers of orders.
HEAD, TS_EVENT, PRICE, BODY, TS_RECV, TAIL, LEVEL = range(7)
LEVEL_WORDS: Final = 4
BAD_PRICE, BAD_SIZE, BAD_ORDER, FINE_TICK = range(1, 5)
"""Codes of a record's faults: a price at or below 0, a size of 2**30 or more, levels out of order, a tick too fine."""
CODE, WHERE, REPEATS, OLD, STATE = range(5)
"""Slots of the report: code and record of a fault; records that change no level; where the last levels are; its length."""


@kernel
def read_levels(records: Words, i: int, unit: int, shown: Longs) -> tuple[int, int]:
    """Write the levels of record `i`, ticks and lots, into `shown` int32[2 sides, 2, levels]; returns its fault's code or 0, and
    flags of its rows."""
    flags = 0
    for h in range(2):
        side = 1 - 2 * h
        n = 0
        for word in range(LEVEL, records.shape[1], LEVEL_WORDS):
            raw = records[i, word + h]
            lots = (records[i, word + 2] >> 32 * h) & NO_SIZE
            if raw == NO_PRICE or lots == 0:
                break
            ticks = ticks_of(raw, unit, side)
            if ticks * unit != raw:
                flags = schema.OFF_TICK
            if raw <= 0:
                return BAD_PRICE, 0
            if ticks >= MOST_LOTS and unit > 1:
                return FINE_TICK, 0
            if lots >= MOST_LOTS:
                return BAD_SIZE, 0
            ticks = max(ticks, 1)
            if n > 0 and (ticks - shown[h, 0, n - 1]) * side > 0:
                return BAD_ORDER, 0
            n = append_level(shown[h], n, ticks, lots)
        shown[h, :, n:] = 0
    return 0, flags


@kernel
def write_level_rows(
    records: Words,
    unit: int,
    is_first: bool,
    is_before: bool,
    shown: Longs,
    rows: Longs,
    report: Longs,
) -> int:
    """Write the rows of records into `rows` int64[rows, 6] as `csv_kernels.snapshot_changes` has them, until a record is at fault
    (`report` says); returns their number.

    `shown` int64[2, 2 sides, 2, levels] holds at `report[OLD]` the levels before the first record, then those after the last.
    `is_first` says that there is no record before, `is_before` that a record shows the levels before its trade. With a
    `unit` of 1 prices stay in 1e-9. `rows` has room for 4 levels + 1 rows a record.
    """
    n = 0
    old = report[OLD]
    for i in range(records.shape[0]):
        body = records[i, BODY]
        is_trade = (body >> 32) & 255 == T
        first = is_first and i == 0
        changes = 0 if is_before else 1
        for step in range(2):
            if step == changes and records.shape[1] > LEVEL:
                code, flags = read_levels(records, i, unit, shown[1 - old])
                if code != 0:
                    report[CODE] = code
                    report[WHERE] = i
                    return n
                flags |= schema.OPENING if first and not is_trade else 0
                more = snapshot_changes(
                    i, first and not is_trade, flags, shown[old], shown[1 - old], rows, n
                )
                report[REPEATS] += more == n
                n = more
                old = 1 - old
            elif step != changes and is_trade and records[i, PRICE] != NO_PRICE:
                side = -side_of((body >> 40) & 255)
                lots = body & NO_SIZE
                price = records[i, PRICE]
                ticks = ticks_of(price, unit, 0)
                too_fine = unit > 1 and ticks >= MOST_LOTS
                if price <= 0 or too_fine or lots == 0 or lots >= MOST_LOTS:
                    report[CODE] = BAD_PRICE if price <= 0 else FINE_TICK if too_fine else BAD_SIZE
                    report[WHERE] = i
                    return n
                off = ticks * unit != price
                if off and 2 * (price - ticks * unit) >= unit:
                    ticks += 1
                kind = schema.TRADE if side != 0 else schema.TRADE_HIDDEN
                n = put_change(
                    rows, n, i, kind, side, max(ticks, 1), lots, schema.OFF_TICK if off else 0
                )
    report[OLD] = old
    return n
