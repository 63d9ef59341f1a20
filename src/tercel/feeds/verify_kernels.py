"""The compiled half of `verify`: the shared book replays a tape and is compared with an orderbook file row by row."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tercel.core.errors import CapacityError
from tercel.core.jit import Bytes, Longs, Packed, kernel
from tercel.core.vocabulary import NO_ASK, NO_BID
from tercel.feeds.lobster_csv import EMPTY_ASK, EMPTY_BID, MOST
from tercel.market.book import Book
from tercel.market.book.ladder import (
    best,
    first_at,
    in_window,
    level_at,
    lots_at,
    order_at,
    side_at,
)
from tercel.market.book.layout import HIGH
from tercel.market.book.tape_kernels import Ids, apply_one, find
from tercel.market.tape import schema
from tercel.market.tape.events import Columns, Events
from tercel.market.tape.schema import EXECUTE, MESSAGE_END, OPENING, REDUCE, ROLL_IN, ROLL_OUT

ORDERS: Final = 1 << 16
MOST_ORDERS: Final = 1 << 22

# -- verify kernels -------------------------------------------------------------------------------

BY_MESSAGE, BY_ROLL_IN, UNEXPLAINED, OPENING_MATCHES, BAD_ROW, BAD_LEVEL, BAD_SIDE, WANTED = range(
    8
)
GOT, ILLEGAL, MESSAGES, STAYED, REPORT = 9, 11, 12, 13, 15
"""Slots of the report and its length: from `BAD_ROW` on the first row that differs (-1 none), its level and side, price
and lots expected, price and lots of the book; rows with a roll that does not follow from the book and the message;
levels stayed on each side (scratch)."""


@kernel
def read_book(b: Packed, side: int, prices: Packed, lots: Packed) -> int:
    """All occupied levels of a side of the book, best first, as many as fit; returns how many."""
    n = 0
    most = prices.shape[0]
    left = side_at(b, side).levels
    price = best(b, side)
    while left > 0 and n < most and in_window(b, side, price):
        total = level_at(b, side, price).lots
        if total > 0:
            prices[n], lots[n] = price, total
            n += 1
            left -= 1
        price -= side
    slot = side_at(b, side).far
    while slot >= 0:
        o = order_at(b, slot)
        k = 0
        while k < n and (prices[k] - o.price) * side > 0:
            k += 1
        if k < n and prices[k] == o.price:
            lots[k] += o.qty
        elif k < most:
            n = min(n + 1, most)
            for j in range(n - 1, k, -1):
                prices[j], lots[j] = prices[j - 1], lots[j - 1]
            prices[k], lots[k] = o.price, o.qty
        slot = o.next
    return n


@kernel
def wanted_levels(book: Longs, unit: int, on_tick: bool, empty: Longs, want: Packed) -> None:
    """Rows of an orderbook file, int64[4 L, rows], to `want` int32[rows, 2 sides (bid first), 2 (price, lots), L].

    Nothing is refused: what makes no sense becomes a price of 0 or lots of -1, which no book has. With `on_tick`
    prices off the tick make no sense either; without it they are rounded and merged as the importer does.
    """
    for i in range(book.shape[1]):
        for h in range(2):
            side = 1 - 2 * h
            n = 0
            want[i, h, 0] = empty[h]
            want[i, h, 1] = 0
            for k in range(book.shape[0] // 4):
                price, size = book[4 * k + 2 - 2 * h, i], book[4 * k + 3 - 2 * h, i]
                size = size if 0 <= size < MOST else -1
                at = price // unit
                rounded = at * unit != price
                at += rounded and side < 0
                if price == (EMPTY_BID if side > 0 else EMPTY_ASK):
                    at = empty[h]
                elif price <= 0 or at >= MOST or (rounded and on_tick) or size == 0:
                    at = 0
                else:
                    at = max(at, 1)
                if not on_tick and n > 0 and want[i, h, 0, n - 1] == at and at != empty[h]:
                    want[i, h, 1, n - 1] += size
                    continue
                want[i, h, 0, n], want[i, h, 1, n] = at, size
                n += 1


@kernel
def _mark(
    row: int,
    side: int,
    empty: int,
    want: Packed,
    got: Packed,
    n_got: int,
    level_ok: Bytes,
    report: Longs,
) -> None:
    """Clear `level_ok` where a level of one side differs, and keep the first difference of all."""
    levels = want.shape[1]
    for k in range(max(levels, n_got)):  # more levels than the file shows: none of them may stay
        price, lots = (got[0, k], got[1, k]) if k < n_got else (empty, 0)
        price_wanted, lots_wanted = (want[0, k], want[1, k]) if k < levels else (empty, 0)
        if price_wanted == price and lots_wanted == lots:
            continue
        level_ok[min(k, levels - 1)] = 0
        if report[BAD_ROW] < 0:
            report[BAD_ROW], report[BAD_LEVEL], report[BAD_SIDE] = row, k, side
            report[WANTED], report[WANTED + 1] = price_wanted, lots_wanted
            report[GOT], report[GOT + 1] = price, lots


@kernel
def _touch_equal(b: Packed, want: Packed) -> bool:
    """Whether both best prices and their lots are those of `want` int32[2 sides, 2, L]."""
    for h in range(2):
        at = best(b, 1 - 2 * h)
        lots = lots_at(b, 1 - 2 * h, at) if NO_BID < at < NO_ASK else 0
        if at != want[h, 0, 0] or lots != want[h, 1, 0]:
            return False
    return True


@kernel
def compare(
    b: Packed,
    ids: Ids,
    key_of: Longs,
    tape: Columns,
    want: Packed,
    empty: Longs,
    work: Packed,
    level_ok: Bytes,
    matched: Longs,
    report: Longs,
) -> None:
    """Replay every row; after each message compare with its row of `want` (see `wanted_levels`).

    `empty` int64[2] are the prices of no bid and no ask; `matched` int64[L] counts equal levels from the second row;
    `work` int32[2, 2, 2, L + 8] and `level_ok` uint8[L] are scratch.
    """
    _, _, seq, kind, order_id, side, price, qty, flags = tape
    got, stayed = work[0], work[1]
    levels = matched.shape[0]
    i = 0
    n = seq.shape[0]
    while i < n:
        row = seq[i] - 1
        removed, removed_side = 0, 0
        legal, snapshot, before = True, False, True
        stop = i
        while not flags[stop] & MESSAGE_END:
            stop += 1
        for j in range(i, stop + 1):
            rolls = kind[j] == ROLL_OUT or kind[j] == ROLL_IN
            opening = (flags[j] & OPENING) != 0
            if rolls and not opening:
                if not snapshot:
                    for h in range(2):
                        report[STAYED + h] = read_book(b, 1 - 2 * h, stayed[h, 0], stayed[h, 1])
                    snapshot, before = True, _touch_equal(b, want[row])
                h = 0 if side[j] > 0 else 1
                if kind[j] == ROLL_OUT:
                    legal &= (
                        report[STAYED + h] > levels
                        and (stayed[h, 0, levels - 1] - price[j]) * side[j] > 0
                    )
                else:
                    gone = removed if removed_side == side[j] else 0
                    legal &= _legal_in(
                        stayed[h, 0], report[STAYED + h], levels, gone, side[j], price[j]
                    )
            held = lots_at(b, side[j], price[j]) if REDUCE <= kind[j] <= EXECUTE else 0
            apply_one(b, ids, key_of, kind[j], order_id[j], side[j], price[j], qty[j])
            if held > 0 and lots_at(b, side[j], price[j]) == 0:
                removed, removed_side = price[j], side[j]
        i = stop + 1
        if row < 0:
            continue
        level_ok[:] = 1
        for h in range(2):
            n_got = read_book(b, 1 - 2 * h, got[h, 0], got[h, 1])
            _mark(row, 1 - 2 * h, empty[h], want[row, h], got[h], n_got, level_ok, report)
        touch = _touch_equal(b, want[row])
        report[MESSAGES] += 1
        report[ILLEGAL] += not legal
        if row == 0:
            report[OPENING_MATCHES] = legal
            for k in range(levels):
                report[OPENING_MATCHES] &= level_ok[k]
            continue
        for k in range(levels):
            matched[k] += level_ok[k]
        if before and touch:
            report[BY_MESSAGE] += 1
        elif legal and touch:
            report[BY_ROLL_IN] += 1
        else:
            report[UNEXPLAINED] += 1


@kernel
def _legal_in(
    stayed: Packed, n_stayed: int, levels: int, removed: int, side: int, price: int
) -> bool:
    """Strictly worse than every level stayed and than the level removed, where fewer than `levels` are stayed."""
    if n_stayed >= levels or (n_stayed > 0 and (stayed[n_stayed - 1] - price) * side <= 0):
        return False
    return removed == 0 or (removed - price) * side > 0


# -- verify survey --------------------------------------------------------------------------------
# One pass over a tape of any kind: what makes no sense in it, counted, and whether every lot is accounted for.

Signs = NDArray[np.int8]

COUNTS: Final = (
    "messages",
    "crossed",
    "crossed_not_trading",
    "locked",
    "one_sided",
    "prints",
    "prints_outside_quotes",
    "executed_behind_best",
    "executed_off_head",
    "executed_not_trading",
    "hidden_prints",
    "hidden_outside_quotes",
    "auction_prints",
    "auction_lots",
    "halts",
    "level_repeats",
    "levels_gone_unknown",
    "lots_added",
    "lots_executed",
    "lots_cancelled",
    "lots_shown",
    "lots_hidden_again",
    "lots_cleared",
)
"""Slots of the report, in order."""
(
    SURVEYED,
    CROSSED,
    QUOTING,
    LOCKED,
    ONE_SIDED,
    PRINTS,
    OUTSIDE,
    BEHIND,
    OFF_HEAD,
    NOT_TRADING,
    HIDDEN,
    HIDDEN_OUTSIDE,
    AUCTIONS,
    AUCTION_LOTS,
    HALTS,
    REPEATS,
    GONE,
    ADDED,
    EXECUTED,
    CANCELLED,
    SHOWN,
    HIDDEN_AGAIN,
    CLEARED,
) = range(len(COUNTS))


@kernel
def _account(kind: int, change: int, report: Longs) -> None:
    """Book a change of a level's lots under what caused it."""
    if kind == schema.EXECUTE:
        report[EXECUTED] -= change
    elif kind == schema.ROLL_IN or kind == schema.ROLL_OUT:
        report[SHOWN if kind == schema.ROLL_IN else HIDDEN_AGAIN] += abs(change)
    elif change > 0:
        report[ADDED] += change
    else:
        report[CANCELLED] -= change


@kernel
def _see_print(
    b: Packed, kind: int, side: int, price: int, lots: int, trading: int, report: Longs
) -> None:
    """Count a print by its place relative to the quotes just before it."""
    bid, ask = best(b, 1), best(b, -1)
    outside = (bid != NO_BID and price < bid) or (ask != NO_ASK and price > ask)
    if kind == schema.CROSS:
        report[AUCTIONS] += 1
        report[AUCTION_LOTS] += lots
    elif kind == schema.TRADE_HIDDEN:
        report[HIDDEN] += 1
        report[HIDDEN_OUTSIDE] += outside
    else:
        report[PRINTS] += 1
        report[OUTSIDE] += outside
        report[NOT_TRADING] += trading <= 0
        touch = bid if side > 0 else ask
        if kind == schema.EXECUTE and touch != NO_BID and touch != NO_ASK:
            report[BEHIND] += (touch - price) * side > 0


@kernel
def survey(
    b: Packed,
    ids: Ids,
    key_of: Longs,
    kind: Bytes,
    order_id: Longs,
    side: Signs,
    price: Packed,
    qty: Packed,
    flags: Bytes,
    report: Longs,
) -> None:
    """Replay every row and count; see `COUNTS`."""
    trading = 1
    running = 0
    for i in range(kind.shape[0]):
        what, s, p = kind[i], side[i], price[i]
        if what == schema.STATUS:
            trading = p
            report[HALTS] += p < 0
        elif (
            what == schema.EXECUTE
            or what == schema.TRADE
            or what == schema.TRADE_HIDDEN
            or what == schema.CROSS
        ):
            _see_print(b, what, s, p, qty[i], trading, report)
        on_level = (
            what <= schema.EXECUTE
            or what == schema.MODIFY
            or what == schema.LEVEL_SET
            or what == schema.ROLL_IN
            or what == schema.ROLL_OUT
        )
        old_side, old_price, old_lots = 0, 0, 0
        if what == schema.EXECUTE and order_id[i] != 0:
            at = find(ids, order_id[i])
            report[OFF_HEAD] += at >= 0 and first_at(b, s, p) != ids[at].slot
        elif (what == schema.ADD or what == schema.MODIFY) and order_id[i] != 0:
            at = find(ids, order_id[i])
            if at >= 0:  # the order leaves where it was
                o = order_at(b, ids[at].slot)
                old_side, old_price = o.side, o.price
                old_lots = lots_at(b, old_side, old_price)
                s = old_side if what == schema.MODIFY else s
        before = lots_at(b, s, p) if on_level and s != 0 else 0
        if what == schema.LEVEL_SET:
            report[GONE] += qty[i] == 0 and before == 0
            report[REPEATS] += qty[i] == before and before > 0
        apply_one(b, ids, key_of, what, order_id[i], side[i], p, qty[i])
        if on_level and s != 0:
            change = lots_at(b, s, p) - before
            running += change
            _account(what, change, report)
            if old_side != 0 and (old_side != s or old_price != p):
                change = lots_at(b, old_side, old_price) - old_lots
                running += change
                _account(schema.DELETE, change, report)
        elif what == schema.CLEAR:
            report[CLEARED] += running
            running = 0
        if flags[i] & schema.MESSAGE_END:
            bid, ask = best(b, 1), best(b, -1)
            report[SURVEYED] += flags[i] & schema.OPENING == 0
            report[CROSSED if trading > 0 else QUOTING] += bid > ask
            report[LOCKED] += bid == ask
            report[ONE_SIDED] += (bid == NO_BID) != (ask == NO_ASK)


@kernel
def resting_lots(b: Packed) -> int:
    """Lots of all orders in a book, whatever its levels say."""
    total = 0
    for slot in range(b[HIGH]):
        total += order_at(b, slot).qty
    return total


Findings = dict[str, Any]
"""Results of a verification, the JSON of `tercel data verify`; `explained` is its verdict."""


def described(events: Events) -> str:
    """Kind of a tape, in words.

    >>> described(Events.empty(0))
    'orders'
    """
    if bool(np.any(events.kind == schema.LEVEL_SET)):
        return "level totals"
    return "orders within a window" if bool(np.any(events.kind == schema.ROLL_OUT)) else "orders"


def clocks(events: Events) -> dict[str, int]:
    """Oddities of times and numbers: receive times that go back or lie before the exchange's, jumps in sequence."""
    jumps = np.diff(events.seq)
    gaps = jumps > 1
    return {
        "receive_backwards": int(np.count_nonzero(np.diff(events.recv_ns) < 0)),
        "received_before_sent": int(np.count_nonzero(events.recv_ns < events.exch_ns)),
        "sequence_gaps": int(np.count_nonzero(gaps)),
        "sequence_missing": int((jumps[gaps] - 1).sum()),
    }


def findings(events: Events, report: NDArray[np.int64], resting: int) -> Findings:
    """The counts of a report that can be other than 0 on this kind of tape."""
    found = {name: int(report[i]) for i, name in enumerate(COUNTS)}
    there = set(np.unique(events.kind).tolist())
    if not there & {schema.EXECUTE, schema.TRADE}:
        for name in COUNTS[PRINTS:HIDDEN]:
            del found[name]
    elif schema.EXECUTE not in there:
        del found["executed_behind_best"], found["executed_off_head"], found["lots_executed"]
    if schema.TRADE_HIDDEN not in there:
        del found["hidden_prints"], found["hidden_outside_quotes"]
    if schema.CROSS not in there:
        del found["auction_prints"], found["auction_lots"]
    if schema.LEVEL_SET not in there:
        del found["level_repeats"], found["levels_gone_unknown"]
    if not there & {schema.ROLL_IN, schema.ROLL_OUT}:
        del found["lots_shown"], found["lots_hidden_again"]
    if schema.CLEAR not in there:
        del found["lots_cleared"]
    signs = {"lots_added": 1, "lots_shown": 1}
    accounted = sum(
        signs.get(name, -1) * n for name, n in found.items() if name.startswith("lots_")
    )
    found["lots_resting"] = resting
    found["lots_unaccounted"] = accounted - resting
    return found


def in_room(run: Callable[[Packed, Ids, Longs], None]) -> Book:
    """Run on the arrays of an empty book that has room for all orders; returns the book."""
    orders = ORDERS
    while True:
        book = Book(orders=orders, own=0)
        run(book.state, book._ids, book._key_of)
        if book.overflow == 0:
            return book
        orders *= 4
        if orders > MOST_ORDERS:
            raise CapacityError(
                f"at most {MOST_ORDERS} resting orders",
                f"{book.overflow} more",
                "cut the tape into days, or report the feed",
            )
