"""The books of all symbols of an ITCH file, and what they say of it: nothing crossed, no share lost."""

# mypy: disable-error-code="arg-type, return-value"
from dataclasses import asdict, dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from tercel.core.arrays import Bytes
from tercel.core.errors import FeedError
from tercel.core.jit import Longs, Packed, kernel
from tercel.feeds import itch_kernels as f
from tercel.feeds.itch import FileCounts, ItchStore, Progress, run_chunks
from tercel.feeds.itch_kernels import (
    U32,
    allocate,
    be2,
    be4,
    be8,
    begin,
    forget,
    look_ahead,
    odd,
    place_of,
    release,
)
from tercel.feeds.members import Member

# -- itch book kernels ----------------------------------------------------------------------------
# The books of all symbols at once, straight from the bytes of an ITCH file.
#
# Every order has a record that says which level it is in, and a place in the queue of that level: what happens to an
# order needs no search, until its level is empty. The levels of a symbol and side are rungs of a ladder, price and level,
# in one stretch of a shared pool, sorted, the best last: nearly all that comes is near the end. A stretch that is full
# moves to the end of the pool with twice the room.

S_BASE, S_N, S_CAP, S_BEST = range(4)
"""A stretch of rungs, int32[2 * 65536, 8], at locate * 2 (bids) and locate * 2 + 1 (asks), one cache line for both:
its start, rungs, room, price of the last rung (if any)."""
SIDE = 8
FIRST_LEVELS = 8

R_PRICE, R_LEVEL = range(2)
"""A rung, int32[pool, 2]."""
L_SHARES, L_HEAD, L_TAIL = range(3)
"""A level, int32[levels, 4]; the head of a free one is the next free."""

SUMS = (
    *("added", "executed", "withdrawn", "messages", "off_best", "off_head"),
    *("crossed", "locked", "crossed_off", "locked_off", "hidden", "cross", "broken"),
)
"""Sums of a symbol, int64[65536, 16]: shares added, executed, and cancelled, deleted or replaced; executions of an
order that is not at the best price, or not the first at its price; messages after which the symbol's book is crossed,
or locked, while it trades, and while it does not; shares printed against hidden orders, and in crosses; trades broken.
"""
(P_ADDED, P_EXECUTED, P_WITHDRAWN, P_MESSAGES, P_OFF_BEST, P_OFF_HEAD) = range(6)
(P_CROSSED, P_LOCKED, P_CROSSED_OFF, P_LOCKED_OFF, P_HIDDEN, P_CROSS, P_BROKEN, P_STATUS) = range(
    6, 14
)
"""The last: 0 not reported (taken as trading), 1 trading, 2 quoting only, 3 halted."""
PER = 16
LINEAR = 24
"""Levels looked at one by one from the best before the search halves."""
MOST = 1 << 30


class Books(NamedTuple):
    """The books of all symbols: stretches of rungs, rungs, levels, sums."""

    sides: Packed
    rungs: Packed
    levels: Packed
    per: Longs


@kernel
def rung_of(sides: Packed, rungs: Packed, place: int, price: int) -> int:
    """Index of the rung at a price, or -1 - the index where it would go."""
    base = sides[place, S_BASE]
    sign = 1 - 2 * (place & 1)
    low = base
    i = base + sides[place, S_N] - 1
    stop = max(base, i - LINEAR)
    while i >= stop:
        gap = ((rungs[i, R_PRICE] & U32) - price) * sign
        if gap <= 0:
            return i if gap == 0 else -2 - i
        i -= 1
    high = i + 1  # rungs from here on are better
    while low < high:
        middle = (low + high) >> 1
        gap = ((rungs[middle, R_PRICE] & U32) - price) * sign
        if gap == 0:
            return middle
        if gap < 0:
            low = middle + 1
        else:
            high = middle
    return -1 - low


@kernel
def make_level(w: Longs, books: Books, place: int, at: int, price: int) -> int:
    """A new, empty level with a rung at index `at` of its stretch, which may have to move; returns the level."""
    sides, rungs, levels, _ = books
    base, n = sides[place, S_BASE], sides[place, S_N]
    if n == sides[place, S_CAP]:
        room = max(2 * n, FIRST_LEVELS)
        new = w[f.POOL]
        w[f.POOL] += room
        for i in range(n):
            rungs[new + i, R_PRICE], rungs[new + i, R_LEVEL] = (
                rungs[base + i, R_PRICE],
                rungs[base + i, R_LEVEL],
            )
        sides[place, S_BASE], sides[place, S_CAP] = new, room
        at += new - base
        base = new
    for i in range(base + n, at, -1):
        rungs[i, R_PRICE], rungs[i, R_LEVEL] = rungs[i - 1, R_PRICE], rungs[i - 1, R_LEVEL]
    level = w[f.FREE_LEVEL]
    if level >= 0:
        w[f.FREE_LEVEL] = levels[level, L_HEAD]
    else:
        level = w[f.HIGH_LEVEL]
        w[f.HIGH_LEVEL] += 1
    levels[level, L_SHARES] = 0
    levels[level, L_HEAD] = levels[level, L_TAIL] = -1
    rungs[at, R_PRICE], rungs[at, R_LEVEL] = price, level
    sides[place, S_N] = n + 1
    sides[place, S_BEST] = rungs[base + n, R_PRICE]
    w[f.MOST_LEVELS] = max(w[f.MOST_LEVELS], n + 1)
    return level


@kernel
def drop_level(w: Longs, books: Books, place: int, level: int, price: int) -> None:
    """Give an empty level back and close the gap in its ladder."""
    sides, rungs, levels, _ = books
    levels[level, L_HEAD] = w[f.FREE_LEVEL]
    w[f.FREE_LEVEL] = level
    last = sides[place, S_BASE] + sides[place, S_N] - 1
    for i in range(rung_of(sides, rungs, place, price), last):
        rungs[i, R_PRICE], rungs[i, R_LEVEL] = rungs[i + 1, R_PRICE], rungs[i + 1, R_LEVEL]
    sides[place, S_N] -= 1
    if sides[place, S_N] > 0:
        sides[place, S_BEST] = rungs[last - 1, R_PRICE]


@kernel
def enter(
    w: Longs,
    table: Longs,
    orders: Packed,
    books: Books,
    ref: int,
    place: int,
    shares: int,
    price: int,
) -> None:
    """A new order at the end of its queue; one without shares is refused, one without a price only remembered."""
    sides, rungs, levels, per = books
    if shares == 0 or shares >= MOST:
        odd(w, f.NO_SHARES if shares == 0 else f.CUT_SHARES)
        return
    where = place_of(table, ref)
    if table[where, 1] >= 0:
        odd(w, f.DUPLICATE_REF)
        slot = table[where, 1]
        per[orders[slot, f.O_PLACE] >> 1, P_WITHDRAWN] += orders[slot, f.O_SHARES]
        unlink(w, orders, books, slot, orders[slot, f.O_SHARES])
    else:
        slot = allocate(w, orders)
        table[where, 0], table[where, 1] = ref, slot
    orders[slot, f.O_PRICE], orders[slot, f.O_SHARES], orders[slot, f.O_PLACE] = (
        price,
        shares,
        place,
    )
    orders[slot, f.O_NEXT] = -1
    per[place >> 1, P_ADDED] += shares
    if price == 0:
        odd(w, f.NO_PRICE)
        return
    at = rung_of(sides, rungs, place, price)
    level = rungs[at, R_LEVEL] if at >= 0 else make_level(w, books, place, -1 - at, price)
    tail = levels[level, L_TAIL]
    orders[slot, f.O_PREV], orders[slot, f.O_LEVEL] = tail, level
    if tail >= 0:
        orders[tail, f.O_NEXT] = slot
    else:
        levels[level, L_HEAD] = slot
    levels[level, L_TAIL] = slot
    levels[level, L_SHARES] += shares


@kernel
def unlink(w: Longs, orders: Packed, books: Books, slot: int, shares: int) -> None:
    """Take an order with so many shares left out of its queue, and the level with it when it was the last."""
    levels = books.levels
    price, place = orders[slot, f.O_PRICE] & U32, orders[slot, f.O_PLACE]
    if price == 0:
        return
    level = orders[slot, f.O_LEVEL]
    before, behind = orders[slot, f.O_PREV], orders[slot, f.O_NEXT]
    if before >= 0:
        orders[before, f.O_NEXT] = behind
    else:
        levels[level, L_HEAD] = behind
    if behind >= 0:
        orders[behind, f.O_PREV] = before
    else:
        levels[level, L_TAIL] = before
    levels[level, L_SHARES] -= shares
    if levels[level, L_HEAD] < 0:
        drop_level(w, books, place, level, price)


@kernel
def look_at_levels(b: Bytes, start: int, n: int, w: Longs, orders: Packed, books: Books) -> None:
    """As `look_ahead`, for the neighbours in the queue, and for the sums, levels and best rungs of the symbols."""
    sides, rungs, levels, per = books
    at = start
    seen = 0
    for k in range(n):
        locate = be2(b, at + 3)
        seen ^= per[locate, P_ADDED] ^ sides[2 * locate, S_BASE]
        at += 2 + be2(b, at)
        slot = w[f.SPOTS + k]
        if slot >= 0:
            before, behind = orders[slot, f.O_PREV], orders[slot, f.O_NEXT]
            seen ^= orders[max(before, 0), f.O_PRICE] ^ orders[max(behind, 0), f.O_PRICE]
            seen ^= levels[orders[slot, f.O_LEVEL], L_SHARES]
    at = start
    for _ in range(n):
        letter = b[at + 2]
        if letter == f.ADDED:
            place = 2 * be2(b, at + 3) + (b[at + 21] == 83)
            last = sides[place, S_BASE] + sides[place, S_N] - 1
            seen ^= rungs[max(last, 0), R_PRICE] ^ rungs[max(last - 8, 0), R_PRICE]
        at += 2 + be2(b, at)
    w[f.SEEN] ^= seen


@kernel
def book(
    b: Bytes,
    start: int,
    stop: int,
    w: Longs,
    lengths: Longs,
    names: Longs,
    picks: Longs,
    wanted: Bytes,
    table: Longs,
    orders: Packed,
    books: Books,
) -> int:
    """Apply whole messages of `b[start:stop]`; returns where it stopped, why in `w[STOP]`."""
    sides, rungs, levels, per = books
    i = start
    far = table.shape[0] >= f.FAR
    ahead = 0
    while True:
        if far and ahead <= 0:
            ahead = look_ahead(b, i, stop, w, table, orders)
            look_at_levels(b, i, ahead, w, orders, books)
        ahead -= 1
        if w[f.LIVE] + 1 >= orders.shape[0]:
            w[f.STOP] = f.NEED_ORDERS
            return i
        no_rungs = w[f.POOL] + 2 * w[f.MOST_LEVELS] + FIRST_LEVELS > rungs.shape[0]
        if no_rungs or w[f.HIGH_LEVEL] + 1 >= levels.shape[0]:
            w[f.STOP] = f.NEED_LEVELS
            return i
        n = begin(b, i, stop, w, lengths, names, picks, wanted)
        if n == 0:
            return i
        m = i + 2
        y = np.int64(b[m])
        locate = be2(b, m + 1)
        if lengths[y] == 0 or wanted[locate] != 1:
            i = m + n
            continue
        i = m + n
        per[locate, P_MESSAGES] += 1
        if y == f.ADDED or y == f.ATTRIBUTED:
            letter = b[m + 19]
            if letter != 66 and letter != 83:
                odd(w, f.ODD_FIELD)
                continue
            place, ref, shares = 2 * locate + (letter == 83), be8(b, m + 11), be4(b, m + 20)
            enter(w, table, orders, books, ref, place, shares, be4(b, m + 32))
        elif (
            y == f.EXECUTED
            or y == f.EXECUTED_AT
            or y == f.CANCELLED
            or y == f.DELETED
            or y == f.REPLACED
        ):
            change(b, m, y, locate, w, table, orders, books)
        elif y == f.ACTION:
            state = b[m + 19]
            per[locate, P_STATUS] = 1 if state == 84 else 2 if state == 81 else 3
            if state != 84 and state != 81 and state != 72 and state != 80:
                odd(w, f.ODD_FIELD)
            continue
        elif y == f.PRINT:
            per[locate, P_HIDDEN] += be4(b, m + 20)
            continue
        elif y == f.CROSSED:
            per[locate, P_CROSS] += be8(b, m + 11)
            continue
        elif y == f.BROKEN:
            per[locate, P_BROKEN] += 1
            continue
        else:
            continue
        if sides[2 * locate, S_N] > 0 and sides[2 * locate + 1, S_N] > 0:
            bid, ask = sides[2 * locate, S_BEST] & U32, sides[2 * locate + 1, S_BEST] & U32
            if bid >= ask:
                off = 2 if per[locate, P_STATUS] > 1 else 0
                per[locate, (P_CROSSED if bid > ask else P_LOCKED) + off] += 1


@kernel
def change(
    b: Bytes, m: int, y: int, locate: int, w: Longs, table: Longs, orders: Packed, books: Books
) -> None:
    """Apply a message on an order in a book."""
    sides, levels, per = books.sides, books.levels, books.per
    where = place_of(table, be8(b, m + 11))
    slot = table[where, 1]
    if slot < 0 or orders[slot, f.O_PLACE] >> 1 != locate:
        odd(w, f.UNKNOWN_REF)
        return
    left, place = orders[slot, f.O_SHARES], orders[slot, f.O_PLACE]
    if y == f.DELETED or y == f.REPLACED:
        per[locate, P_WITHDRAWN] += left
        unlink(w, orders, books, slot, left)
        forget(table, where)
        release(w, orders, slot)
        if y == f.REPLACED:
            enter(w, table, orders, books, be8(b, m + 19), place, be4(b, m + 27), be4(b, m + 31))
        return
    taken = be4(b, m + 19)
    if taken == 0:
        odd(w, f.NO_SHARES)
        return
    if taken > left:
        odd(w, f.BEYOND_LEFT)
        taken = left
    price = orders[slot, f.O_PRICE] & U32
    if y == f.CANCELLED:
        per[locate, P_WITHDRAWN] += taken
    else:
        per[locate, P_EXECUTED] += taken
        if y == f.EXECUTED and price != 0:
            per[locate, P_OFF_BEST] += (sides[place, S_BEST] & U32) != price
            per[locate, P_OFF_HEAD] += orders[slot, f.O_PREV] >= 0
    if taken == left:
        unlink(w, orders, books, slot, left)
        forget(table, where)
        release(w, orders, slot)
        return
    orders[slot, f.O_SHARES] = left - taken
    if price != 0:
        levels[orders[slot, f.O_LEVEL], L_SHARES] -= taken


# -- itch book ------------------------------------------------------------------------------------

FIRST_POOL: Final = 1 << 14


@dataclass(frozen=True)
class SymbolCheck:
    """One symbol at the end of the file (prices in dollars, 0 none; shares).

    `conserved` says that what was added equals what was executed, withdrawn or rests.
    """

    symbol: str
    messages: int
    added: int
    executed: int
    withdrawn: int
    resting: int
    orders: int
    bid: float
    ask: float
    crossed: int
    locked: int
    crossed_off: int
    locked_off: int
    off_best: int
    off_head: int
    hidden: int
    cross: int
    broken: int

    @property
    def conserved(self) -> bool:
        """Whether no share was lost."""
        return self.added == self.executed + self.withdrawn + self.resting


class ItchBooks:
    """L3 books of all wanted symbols in flat arrays: a :class:`tercel.feeds.itch.Sink`.

    Examples
    --------
    >>> ItchBooks().check(ItchStore())
    []
    """

    def __init__(self) -> None:
        self.sides = np.zeros((2 * f.LOCATES, SIDE), np.int32)
        self.rungs = np.zeros((FIRST_POOL, 2), np.int32)
        self.levels = np.zeros((FIRST_POOL, 4), np.int32)
        self.per = np.zeros((f.LOCATES, PER), np.int64)

    def take(self, data: Bytes, start: int, store: ItchStore) -> int:
        """Apply whole messages."""
        while True:
            books = Books(self.sides, self.rungs, self.levels, self.per)
            start = int(book(data, start, len(data), *store.head(), books))
            if store.w[f.STOP] != f.NEED_LEVELS:
                return start
            if store.w[f.HIGH_LEVEL] + 1 >= len(self.levels):
                self.levels = np.concatenate((self.levels, np.zeros_like(self.levels)))
            else:
                self.rungs = np.concatenate((self.rungs, np.zeros_like(self.rungs)))

    def check(self, store: ItchStore) -> list[SymbolCheck]:
        """Every symbol with an order or trade, by name."""
        live = store.table[store.table[:, 1] >= 0, 1]
        places = store.orders[live, f.O_PLACE] >> 1
        shares = store.orders[live, f.O_SHARES].astype(np.float64)
        resting = np.bincount(places, shares, minlength=f.LOCATES).astype(np.int64)
        orders = np.bincount(places, minlength=f.LOCATES)
        busy = np.flatnonzero(self.per[:, [P_ADDED, P_HIDDEN, P_CROSS]].any(axis=1))
        found = [
            self._symbol(
                f.unpacked_name(int(store.names[i])), int(i), int(resting[i]), int(orders[i])
            )
            for i in busy
        ]
        return sorted(found, key=lambda s: s.symbol)

    def _symbol(self, name: str, locate: int, resting: int, orders: int) -> SymbolCheck:
        sums = dict(zip(SUMS, self.per[locate].tolist(), strict=False))
        bid, ask = self._best(2 * locate), self._best(2 * locate + 1)
        return SymbolCheck(symbol=name, resting=resting, orders=orders, bid=bid, ask=ask, **sums)

    def _best(self, place: int) -> float:
        if self.sides[place, S_N] == 0:
            return 0.0
        return (int(self.sides[place, S_BEST]) & 0xFFFFFFFF) / 10_000


def check_file(
    member: Member,
    picks: tuple[str, ...] = (),
    allow_cut: bool = False,
    progress: Progress | None = None,
) -> tuple[FileCounts, list[SymbolCheck]]:
    """Keep the books of a file, write nothing.

    Raises
    ------
    FeedError
        As the import; when shares were lost, which would be a fault here.
    """
    store, books = ItchStore(picks), ItchBooks()
    counts = run_chunks(member.chunks(), member.where, store, books, allow_cut, progress)
    symbols = books.check(store)
    for symbol in symbols:
        if not symbol.conserved:
            raise FeedError(
                f"shares of {symbol.symbol} added = executed + withdrawn + resting",
                f"{symbol.added} and {symbol.executed} + {symbol.withdrawn} + {symbol.resting}",
                "report this as a fault of the importer",
            )
    return counts, symbols


def totals(symbols: list[SymbolCheck]) -> dict[str, Any]:
    """Sums over all symbols.

    >>> totals([])["symbols"]
    0
    """
    names = [n for n in SymbolCheck.__dataclass_fields__ if n not in ("symbol", "bid", "ask")]
    rows = [asdict(s) for s in symbols]
    return {"symbols": len(symbols), **{name: sum(row[name] for row in rows) for name in names}}
