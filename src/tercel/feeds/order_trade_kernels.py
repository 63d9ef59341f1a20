"""Kernel from orders and trades in one sequence to rows of a tape, on the shared book; layout of its messages and report.

An order rests with what is left after immediate matching. A trade takes from the resting order alone, an auction's trade
from both orders. A trade at another price than its order's, and what it has beyond the order's shares, is a print
outside the book.
"""

from typing import Final

from tercel.core.jit import Longs, Packed, kernel
from tercel.core.vocabulary import NO_ASK, NO_BID
from tercel.market.book.book_records import best, order_at
from tercel.market.book.order_ids import Ids, find_entry
from tercel.market.book.tape_kernels import apply_row
from tercel.market.tape import schema

MESSAGE_FIELDS: Final = ("ns", "what", "side", "buy", "sell", "price", "lots")
NS, WHAT, SIDE, BUY, SELL, TICKS, LOTS, MARK, MESSAGE = range(9)
"""Columns of a message: time; one of the below; side of the order or aggressor (0: an auction); ids; price (0: the best of
its own side); shares; flags. `MESSAGE`: the length."""
ADD, DELETE, TRADE = range(3)
COUNTS: Final = (
    *("unknown_deletes", "unknown_trades", "trades_over_shown", "trades_off_price"),
    *("trades_behind_best", "crossed", "duplicate_ids", "deletes_of_other_lots", "no_best_price"),
)
"""Counts of a day: the first slots of the report; the number of the first such message, from 0, comes behind."""
(
    UNKNOWN_DELETE,
    UNKNOWN_TRADE,
    OVER,
    OFF_PRICE,
    BEHIND,
    CROSSED,
    DUPLICATE,
    OTHER_LOTS,
    NO_BEST,
) = range(len(COUNTS))
EXECUTED, ROWS, REPORT = range(2 * len(COUNTS), 2 * len(COUNTS) + 3)
"""Executions against resting orders; rows written; the length of the report."""


@kernel
def count(report: Longs, slot: int, message: int) -> None:
    """Count an oddity in `report`, and store the number of the message where it came first."""
    if report[slot] == 0:
        report[len(COUNTS) + slot] = message
    report[slot] += 1


@kernel
def put(
    b: Packed,
    ids: Ids,
    key_of: Longs,
    rows: Longs,
    row: int,
    kind: int,
    key: int,
    side: int,
    ticks: int,
    lots: int,
) -> int:
    """Write a row of the tape, times, sequence and flags left out, and apply it to the book; returns the next place."""
    rows[row, 3] = kind
    rows[row, 4] = key
    rows[row, 5] = side
    rows[row, 6] = ticks
    rows[row, 7] = lots
    rows[row, 8] = 0
    apply_row(b, ids, key_of, kind, key, side, ticks, lots)
    return row + 1


@kernel
def _trade(
    b: Packed,
    ids: Ids,
    key_of: Longs,
    messages: Longs,
    i: int,
    side: int,
    rows: Longs,
    row: int,
    report: Longs,
) -> int:
    """Take a trade's shares from its order on `side`; returns the next place.

    With an aggressor that is an EXECUTE row, with a print for what the order cannot explain; in an auction a REDUCE or
    DELETE row, as the auction's own row is the print.
    """
    key = messages[i, BUY] if side > 0 else messages[i, SELL]
    ticks = messages[i, TICKS]
    left = messages[i, LOTS]
    is_auction = messages[i, SIDE] == 0
    entry = find_entry(ids, key)
    if entry < 0:
        count(report, UNKNOWN_TRADE, i)
    else:
        order = order_at(b, ids[entry].slot)
        price = int(order.price)
        have = int(order.qty)
        taken = min(left, have)
        if taken < left:
            count(report, OVER, i)
        if is_auction or price != ticks:
            kind = schema.REDUCE if taken < have else schema.DELETE
            if not is_auction:
                count(report, OFF_PRICE, i)
        else:
            kind = schema.EXECUTE
            left -= taken
            report[EXECUTED] += 1
            if price != best(b, side):
                count(report, BEHIND, i)
        row = put(b, ids, key_of, rows, row, kind, key, side, price, taken)
    if left > 0 and not is_auction:
        row = put(b, ids, key_of, rows, row, schema.TRADE_HIDDEN, 0, side, ticks, left)
    return row


@kernel
def _order(
    b: Packed,
    ids: Ids,
    key_of: Longs,
    messages: Longs,
    i: int,
    rows: Longs,
    row: int,
    report: Longs,
) -> int:
    """Add or delete an order; returns the next place."""
    side = messages[i, SIDE]
    key = messages[i, BUY] if side > 0 else messages[i, SELL]
    ticks = messages[i, TICKS]
    lots = messages[i, LOTS]
    entry = find_entry(ids, key)
    if messages[i, WHAT] == ADD:
        if ticks == 0:
            ticks = best(b, side)
            if ticks == NO_BID or ticks == NO_ASK:
                count(report, NO_BEST, i)
                return row
        if lots < 0:
            count(report, OVER, i)
            return row
        if entry >= 0:
            count(report, DUPLICATE, i)
        return put(b, ids, key_of, rows, row, schema.ADD, key, side, ticks, lots)
    if entry < 0:
        count(report, UNKNOWN_DELETE, i)
        if ticks == 0:
            return row
    else:
        order = order_at(b, ids[entry].slot)
        if order.qty != lots:
            count(report, OTHER_LOTS, i)
        side = int(order.side)
        ticks = int(order.price)
        lots = int(order.qty)
    return put(b, ids, key_of, rows, row, schema.DELETE, key, side, ticks, lots)


@kernel
def to_rows(
    b: Packed, ids: Ids, key_of: Longs, messages: Longs, phases: Longs, rows: Longs, report: Longs
) -> int:
    """Write messages int64[n, MESSAGE] as rows of a tape into `rows` int64[rows, 9]; returns how many.

    `phases` int64[k, 2] are times at which continuous trading ends (0) or begins (1), each a STATUS row before the first
    message from then on. `report` int64[REPORT] gathers counts. A message is at most three rows.
    """
    row = 0
    seq = 0
    phase = 0
    trading = 1
    for i in range(messages.shape[0]):
        ns = messages[i, NS]
        while phase < phases.shape[0] and phases[phase, 0] <= ns:
            trading = phases[phase, 1]
            seq += 1
            row = put(b, ids, key_of, rows, row, schema.STATUS, 0, 0, trading, 0)
            rows[row - 1, 0] = rows[row - 1, 1] = phases[phase, 0]
            rows[row - 1, 2] = seq
            rows[row - 1, 8] = schema.MESSAGE_END
            phase += 1
        first = row
        side = messages[i, SIDE]
        if messages[i, WHAT] != TRADE:
            row = _order(b, ids, key_of, messages, i, rows, row, report)
        elif side == 0:
            row = put(
                b, ids, key_of, rows, row, schema.CROSS, 0, 0, messages[i, TICKS], messages[i, LOTS]
            )
            row = _trade(b, ids, key_of, messages, i, 1, rows, row, report)
            row = _trade(b, ids, key_of, messages, i, -1, rows, row, report)
        else:
            row = _trade(b, ids, key_of, messages, i, -side, rows, row, report)
        if row == first:
            continue
        seq += 1
        for r in range(first, row):
            rows[r, 0] = rows[r, 1] = ns
            rows[r, 2] = seq
        rows[first, 8] |= messages[i, MARK]
        rows[row - 1, 8] |= schema.MESSAGE_END
        bid = best(b, 1)
        ask = best(b, -1)
        if trading == 1 and bid != NO_BID and ask != NO_ASK and bid >= ask:
            count(report, CROSSED, i)
    return row
