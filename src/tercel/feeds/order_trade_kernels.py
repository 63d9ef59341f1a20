"""Kernel from orders and trades in one sequence to rows of a tape; layout of its messages and report.

An order rests with what is left after immediate matching. A trade takes from the resting order alone, an auction's trade
from both orders. A trade at another price than its order's, and what it has beyond the order's shares, is a print
outside the book.
"""

from typing import Final

from tercel.core.jit import Longs, Packed, kernel
from tercel.core.vocabulary import NO_ASK, NO_BID
from tercel.feeds.tape_rows import end_message, put_row
from tercel.market.book.book_records import best, order_at
from tercel.market.book.order_ids import Ids, find_entry
from tercel.market.book.tape_kernels import add_id, take_id
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
def _trade(
    b: Packed, ids: Ids, messages: Longs, i: int, side: int, rows: Longs, row: int, report: Longs
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
        price = order.price
        have = order.qty
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
        row = put_row(rows, row, kind, key, side, price, taken, 0)
        take_id(b, ids, entry, taken)
    if left > 0 and not is_auction:
        row = put_row(rows, row, schema.TRADE_HIDDEN, 0, side, ticks, left, 0)
    return row


@kernel
def _add(
    b: Packed,
    ids: Ids,
    key_of: Longs,
    messages: Longs,
    i: int,
    rows: Longs,
    row: int,
    report: Longs,
) -> int:
    """Rest an order; returns the next place."""
    side = messages[i, SIDE]
    key = messages[i, BUY] if side > 0 else messages[i, SELL]
    ticks = messages[i, TICKS] or best(b, side)
    if ticks == NO_BID or ticks == NO_ASK:
        count(report, NO_BEST, i)
        return row
    if messages[i, LOTS] < 0:
        count(report, OVER, i)
        return row
    if find_entry(ids, key) >= 0:
        count(report, DUPLICATE, i)
    add_id(b, ids, key_of, key, side, ticks, messages[i, LOTS])
    return put_row(rows, row, schema.ADD, key, side, ticks, messages[i, LOTS], 0)


@kernel
def _delete(
    b: Packed, ids: Ids, messages: Longs, i: int, rows: Longs, row: int, report: Longs
) -> int:
    """Delete an order, or one that is not known as it came, so that a replay counts it too; returns the next place."""
    side = messages[i, SIDE]
    key = messages[i, BUY] if side > 0 else messages[i, SELL]
    entry = find_entry(ids, key)
    if entry < 0:
        last = max(i - 1, 0)
        if (
            messages[last, WHAT] == ADD
            and messages[last, TICKS] == 0
            and max(messages[last, BUY], messages[last, SELL]) == key
        ):
            report[NO_BEST] -= 1  # the exchange cancels what finds no price
        else:
            count(report, UNKNOWN_DELETE, i)
        if messages[i, TICKS] == 0:
            return row
        return put_row(
            rows, row, schema.DELETE, key, side, messages[i, TICKS], messages[i, LOTS], 0
        )
    order = order_at(b, ids[entry].slot)
    row = put_row(rows, row, schema.DELETE, key, order.side, order.price, order.qty, 0)
    if order.qty != messages[i, LOTS]:
        count(report, OTHER_LOTS, i)
    take_id(b, ids, entry, order.qty)
    return row


@kernel
def to_rows(
    b: Packed,
    ids: Ids,
    key_of: Longs,
    messages: Longs,
    phases: Longs,
    rows: Longs,
    report: Longs,
) -> None:
    """Write messages int64[n, MESSAGE] as rows of a tape into `rows` int64[rows, 9]; `report` int64[REPORT] gathers counts.

    `phases` int64[k, 2] are times at which continuous trading ends (0) or begins (1), each a STATUS row before the first
    message from then on. A message is at most three rows. The shares of an added order's message are those it has left.
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
            row = put_row(rows, row, schema.STATUS, 0, 0, trading, 0, 0)
            end_message(rows, row - 1, row, phases[phase, 0], seq)
            phase += 1
        first = row
        side = messages[i, SIDE]
        if messages[i, WHAT] == ADD:
            row = _add(b, ids, key_of, messages, i, rows, row, report)
        elif messages[i, WHAT] == DELETE:
            row = _delete(b, ids, messages, i, rows, row, report)
        elif side == 0:
            row = put_row(rows, row, schema.CROSS, 0, 0, messages[i, TICKS], messages[i, LOTS], 0)
            row = _trade(b, ids, messages, i, 1, rows, row, report)
            row = _trade(b, ids, messages, i, -1, rows, row, report)
        else:
            row = _trade(b, ids, messages, i, -side, rows, row, report)
        if row == first:
            continue
        seq += 1
        rows[first, 8] |= messages[i, MARK]
        end_message(rows, first, row, ns, seq)
        if trading == 1 and best(b, 1) >= best(b, -1):
            count(report, CROSSED, i)
    report[ROWS] = row
