"""Kernels that replay a tape on the shared book and compare it with an orderbook file row by row."""

from collections.abc import Callable
from typing import Final

from tercel.core.errors import CapacityError
from tercel.core.jit import Bytes, Longs, Packed, kernel
from tercel.core.vocabulary import MOST_LOTS, NO_ASK, NO_BID
from tercel.feeds.lobster_kernels import EMPTY_ASK, EMPTY_BID
from tercel.market.book import Book
from tercel.market.book.book_records import best, order_at, side_at
from tercel.market.book.ladder import lots_at
from tercel.market.book.order_ids import Ids
from tercel.market.book.tape_kernels import apply_row, best_levels
from tercel.market.tape.events import Columns
from tercel.market.tape.schema import EXECUTE, MESSAGE_END, OPENING, REDUCE, ROLL_IN, ROLL_OUT

ORDERS: Final = 1 << 16
MOST_ORDERS: Final = 1 << 22
BY_MESSAGE, BY_ROLL_IN, UNEXPLAINED, OPENING_MATCHES, BAD_ROW, BAD_LEVEL, BAD_SIDE, WANTED = range(
    8
)
GOT = 9
ILLEGAL = 11
STAYED = 13
REPORT = 15
"""Slots of the report and its length: from `BAD_ROW` on the first row that differs (-1 none), its level and side, price
and lots expected, price and lots of the book; rows with a roll that does not follow from the book and the message;
levels stayed on each side (scratch)."""


@kernel
def read_book(b: Packed, side: int, prices: Packed, lots: Packed) -> int:
    """Write all levels of one side of the book into `prices` and `lots`, best first, as many as fit; returns their number."""
    room = prices.shape[0]
    n = best_levels(b, side, prices, lots)
    slot = side_at(b, side).far
    while slot >= 0:
        o = order_at(b, slot)
        k = 0
        while k < n and (prices[k] - o.price) * side > 0:
            k += 1
        if k < n and prices[k] == o.price:
            lots[k] += o.qty
        elif k < room:
            n = min(n + 1, room)
            for j in range(n - 1, k, -1):
                prices[j], lots[j] = prices[j - 1], lots[j - 1]
            prices[k] = o.price
            lots[k] = o.qty
        slot = o.next
    return n


@kernel
def expected_levels(book: Longs, unit: int, on_tick: bool, empty: Longs, expected: Packed) -> None:
    """Convert an orderbook file's rows, int64[4 L, rows], to the levels that a book should show, into `expected`.

    `expected` is int32[rows, 2 sides (bid first), 2 (price, lots), L].

    Nothing is refused: what makes no sense becomes a price of 0 or lots of -1, which no book has. With `on_tick`
    prices off the tick make no sense either; without it they are rounded and merged as the importer does.
    """
    for i in range(book.shape[1]):
        for h in range(2):
            side = 1 - 2 * h
            n = 0
            expected[i, h, 0] = empty[h]
            expected[i, h, 1] = 0
            for k in range(book.shape[0] // 4):
                price, size = book[4 * k + 2 - 2 * h, i], book[4 * k + 3 - 2 * h, i]
                size = size if 0 <= size < MOST_LOTS else -1
                ticks = price // unit
                rounded = ticks * unit != price
                ticks += rounded and side < 0
                if price == (EMPTY_BID if side > 0 else EMPTY_ASK):
                    ticks = empty[h]
                elif price <= 0 or ticks >= MOST_LOTS or (rounded and on_tick) or size == 0:
                    ticks = 0
                else:
                    ticks = max(ticks, 1)
                if (
                    not on_tick
                    and n > 0
                    and expected[i, h, 0, n - 1] == ticks
                    and ticks != empty[h]
                ):
                    expected[i, h, 1, n - 1] += size
                    continue
                expected[i, h, 0, n], expected[i, h, 1, n] = ticks, size
                n += 1


@kernel
def _mark_differences(
    row: int,
    side: int,
    empty: int,
    expected: Packed,
    got: Packed,
    n_got: int,
    level_ok: Bytes,
    report: Longs,
) -> None:
    """Set `level_ok` to 0 where a level of one side differs from `expected`; store the first difference in `report`."""
    levels = expected.shape[1]
    for k in range(max(levels, n_got)):  # more levels than the file shows: none of them may stay
        price, lots = (got[0, k], got[1, k]) if k < n_got else (empty, 0)
        price_wanted, lots_wanted = (expected[0, k], expected[1, k]) if k < levels else (empty, 0)
        if price_wanted == price and lots_wanted == lots:
            continue
        level_ok[min(k, levels - 1)] = 0
        if report[BAD_ROW] < 0:
            report[BAD_ROW] = row
            report[BAD_LEVEL] = k
            report[BAD_SIDE] = side
            report[WANTED], report[WANTED + 1] = price_wanted, lots_wanted
            report[GOT], report[GOT + 1] = price, lots


@kernel
def _touch_equal(b: Packed, expected: Packed) -> bool:
    """Whether both best prices and their lots are those of `expected` int32[2 sides, 2, L]."""
    for h in range(2):
        price = best(b, 1 - 2 * h)
        lots = lots_at(b, 1 - 2 * h, price) if NO_BID < price < NO_ASK else 0
        if price != expected[h, 0, 0] or lots != expected[h, 1, 0]:
            return False
    return True


@kernel
def compare(
    b: Packed,
    ids: Ids,
    key_of: Longs,
    tape: Columns,
    expected: Packed,
    empty: Longs,
    work: Packed,
    level_ok: Bytes,
    matched: Longs,
    report: Longs,
) -> None:
    """Replay a tape and compare the book after each message with its row of `expected`; counts in `report`, `matched` by level.

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
        legal = True
        snapshot = False
        before = True
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
                    snapshot = True
                    before = _touch_equal(b, expected[row])
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
            lots_before = lots_at(b, side[j], price[j]) if REDUCE <= kind[j] <= EXECUTE else 0
            apply_row(b, ids, key_of, kind[j], order_id[j], side[j], price[j], qty[j])
            if lots_before > 0 and lots_at(b, side[j], price[j]) == 0:
                removed, removed_side = price[j], side[j]
        i = stop + 1
        if row < 0:
            continue
        level_ok[:] = 1
        for h in range(2):
            n_got = read_book(b, 1 - 2 * h, got[h, 0], got[h, 1])
            _mark_differences(
                row, 1 - 2 * h, empty[h], expected[row, h], got[h], n_got, level_ok, report
            )
        touch = _touch_equal(b, expected[row])
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
    """Whether a level may roll in: fewer levels stayed than are shown, and it is strictly worse than those and the removed one.

    And fewer than `levels` stayed.
    """
    if n_stayed >= levels or (n_stayed > 0 and (stayed[n_stayed - 1] - price) * side <= 0):
        return False
    return removed == 0 or (removed - price) * side > 0


def run_with_room(run: Callable[[Packed, Ids, Longs], None]) -> Book:
    """Run a kernel on an empty book, again on larger ones until all orders fit; returns the book. CapacityError above 2**22."""
    orders = ORDERS
    while True:
        book = Book(orders=orders, own_orders=0)
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
