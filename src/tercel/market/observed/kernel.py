"""One pass over a tape: a compact book of level totals, and a row for every public event.

Prices are numbered by rank among the prices that the tape ever names, so that the book is dense, walks over it are
short and a stub quote costs nothing. The book: ``level[side, rank, column]``, side 0 bid and 1 ask. Orders are known by
a dense number until their level leaves the feed's window (the level's epoch rises).
"""

from typing import Any, Final, NamedTuple

from tercel.core.jit import kernel
from tercel.core.vocabulary import BUY, NS_PER_SECOND, SELL
from tercel.market.tape import schema
from tercel.market.tape.events import Columns

# -- kinds of public events --

LIMIT_IN_SPREAD, LIMIT_AT_BEST, LIMIT_DEEPER, CANCEL_AT_BEST, CANCEL_DEEPER, MARKET = range(6)
KINDS: Final = 6
NAMES: Final = (
    "limit in spread",
    "limit at best",
    "limit deeper",
    "cancel at best",
    "cancel deeper",
    "market",
)


LOTS, ANON, EPOCH, PRINTED, COLUMNS = range(5)
"""Of a level: all lots, anonymous lots, times it left the window, (L2) lots traded since it was last set."""
LEFT, RANK, SIDE, BORN, FIELDS = range(5)
"""Of a known order: lots left, rank of its price, side index, its level's epoch when it came."""
(
    BID,
    ASK,
    HALTED,
    ROWS,
    EXEC_NS,
    EXEC_SIDE,
    EXEC_ROW,
    CLEAR_NS,
    CLEAR_SEQ,
    LEVELS_BID,
    LEVELS_ASK,
    UNKNOWN,
    HALTS,
    CLEARS,
    OUTSIDE,
    HIDDEN,
    HIDDEN_ROWS,
    STATE,
) = range(18)
"""Running state: ranks of the touch (-1 and the number of ranks when a side is empty), halted or not, rows written,
the last execution and its row, the last CLEAR, occupied levels a side; then counts: messages of unknown orders, halts,
clears, events outside the window of levels, hidden lots, rows of hidden executions written."""


class Tally(NamedTuple):
    """State of the pass: levels int64[2, ranks, COLUMNS], known orders int64[orders, FIELDS], counters, rows."""

    level: Any
    known: Any
    state: Any
    wide: Any
    book: Any


@kernel
def play(
    tape: Columns,
    dense: Any,
    rank: Any,
    prices: Any,
    start: int,
    stop: int,
    window: int,
    tables: Tally,
    grid2: Any,
    hidden: Any,
) -> None:
    """Replay the rows; write events, the book before each, hidden executions, and the touch at every full second.

    `wide` int64[rows, 8]: ns, kind, side, price, distance, lots, order id, remainder. `book` int32[rows, 4, L]: bid
    prices, ask prices, bid lots, ask lots. `grid2` int64[seconds + 1, 2]: bid + ask and ask - bid, the last values
    where a side is missing. `hidden` int64[hidden executions, 5]: ns, price, lots, best bid, best ask.
    """
    t, _, seq, kind, order_id, side, price, qty, flags = tape
    level, state = tables.level, tables.state
    n, none = t.shape[0], prices.shape[0]
    state[BID], state[ASK], state[EXEC_NS], state[EXEC_ROW] = -1, none, -1, -1
    state[CLEAR_NS], state[CLEAR_SEQ] = -1, -1
    grid, k, r = start, 0, 0
    while r < n:
        while grid <= t[r] and grid <= stop:
            _second(state, prices, grid2, k)
            grid += NS_PER_SECOND
            k += 1
        what = kind[r]
        if what == schema.LEVEL_SET:
            end = (
                r + 1
            )  # a message of many levels: what leaves goes first, so that the book never crosses on the way
            while end < n and kind[end] == schema.LEVEL_SET and seq[end] == seq[r]:
                end += 1
            for growing in range(2):
                for i in range(r, end):
                    _set(i, growing == 1, tape, rank, prices, start, stop, window, tables)
            r = end
            continue
        if what == schema.STATUS:
            state[HALTS] += price[r] != 1 and not state[HALTED] and start <= t[r] and t[r] < stop
            state[HALTED] = price[r] != 1
        elif what == schema.CLEAR:
            _clear(level, state, none)
            state[CLEAR_NS], state[CLEAR_SEQ] = t[r], seq[r]
            state[CLEARS] += 1
        elif what == schema.TRADE_HIDDEN:
            if start <= t[r] and t[r] < stop:
                _hidden(t[r], price[r], qty[r], prices, state, hidden)
        elif side[r] == BUY or side[r] == SELL:
            s = 0 if side[r] == BUY else 1
            order = dense[r] if order_id[r] != 0 else -1
            open_now = start <= t[r] and t[r] < stop and not _snapshot(r, t, seq, flags, state)
            _row(
                what, t[r], s, rank[r], qty[r], order, order_id[r], open_now, prices, window, tables
            )
        r += 1
    while grid <= stop:
        _second(state, prices, grid2, k)
        grid += NS_PER_SECOND
        k += 1


@kernel
def _hidden(now: int, price: int, qty: int, prices: Any, state: Any, hidden: Any) -> None:
    """An execution of hidden lots, and the touch that it met; without a touch its lots alone are counted."""
    state[HIDDEN] += qty
    if _quoted(state, prices):
        row = state[HIDDEN_ROWS]
        state[HIDDEN_ROWS] += 1
        hidden[row, 0], hidden[row, 1], hidden[row, 2] = now, price, qty
        hidden[row, 3], hidden[row, 4] = prices[state[BID]], prices[state[ASK]]


@kernel
def _second(state: Any, prices: Any, grid2: Any, k: int) -> None:
    """The touch at the k-th full second."""
    bid, ask = state[BID], state[ASK]
    if 0 <= bid < ask < prices.shape[0]:
        grid2[k, 0], grid2[k, 1] = prices[bid] + prices[ask], prices[ask] - prices[bid]
    elif k > 0:
        grid2[k, 0], grid2[k, 1] = grid2[k - 1, 0], grid2[k - 1, 1]


@kernel
def _snapshot(r: int, t: Any, seq: Any, flags: Any, state: Any) -> bool:
    """Whether a row tells how the book stood: at the head of the tape, or right after it was cleared."""
    return (flags[r] & schema.OPENING) != 0 or t[r] == state[CLEAR_NS] or seq[r] == state[CLEAR_SEQ]


@kernel
def _row(
    what: int,
    now: int,
    s: int,
    p: int,
    qty: int,
    order: int,
    order_id: int,
    open_now: bool,
    prices: Any,
    window: int,
    tables: Tally,
) -> None:
    """An order-level row, or a print."""
    level, known, state = tables.level, tables.known, tables.state
    if what == schema.ADD:
        remainder = now == state[EXEC_NS] and s != state[EXEC_SIDE]
        _limit(now, s, p, qty, order_id, remainder, open_now, prices, window, tables)
        _rest(level, known, state, order, s, p, qty)
    elif what == schema.ROLL_IN:
        _rest(level, known, state, -1, s, p, qty)
    elif what == schema.ROLL_OUT:
        if level[s, p, LOTS] > 0:
            _change(level, state, s, p, -level[s, p, LOTS])
        level[s, p, ANON] = 0
        level[s, p, EPOCH] += 1
    elif what == schema.EXECUTE or what == schema.TRADE:
        _market(now, s, p, qty, order_id, open_now, prices, tables)
        if what == schema.EXECUTE:
            state[UNKNOWN] += _take(level, known, state, order, s, p, qty) < 0
        else:
            level[s, p, PRINTED] += qty
    elif what == schema.REDUCE or what == schema.DELETE:
        gone = _held(level, known, order, s, p)
        if what == schema.REDUCE or not _alive(level, known, order, s, p):
            gone = min(qty, gone)
        if gone > 0:
            _cancel(now, s, p, gone, order_id, open_now, prices, window, tables)
        state[UNKNOWN] += _take(level, known, state, order, s, p, gone) < 0
    elif (
        what == schema.MODIFY
        and order >= 0
        and _alive(level, known, order, known[order, SIDE], known[order, RANK])
    ):
        s, old, left = known[order, SIDE], known[order, RANK], known[order, LEFT]
        stays = p == old and qty < left
        gone = left - qty if stays else left
        _cancel(now, s, old, gone, order_id, open_now, prices, window, tables)
        _take(level, known, state, order, s, old, gone)
        if not stays and qty > 0:
            remainder = now == state[EXEC_NS] and s != state[EXEC_SIDE]
            _limit(now, s, p, qty, order_id, remainder, open_now, prices, window, tables)
            _rest(level, known, state, order, s, p, qty)


@kernel
def _set(
    i: int,
    growing: bool,
    tape: Columns,
    rank: Any,
    prices: Any,
    start: int,
    stop: int,
    window: int,
    tables: Tally,
) -> None:
    """(L2) A level's new total: more than what trades left of it is a limit order, less is a cancel."""
    t, _, seq, _, _, side, _, qty, flags = tape
    level, state = tables.level, tables.state
    s, p = 0 if side[i] == BUY else 1, rank[i]
    have = level[s, p, LOTS]
    if (qty[i] > have) != growing or (qty[i] == have and level[s, p, PRINTED] == 0):
        return
    now = t[i]
    open_now = start <= now < stop and not _snapshot(i, t, seq, flags, state)
    traded = min(level[s, p, PRINTED], have)
    level[s, p, PRINTED] = 0
    if traded > 0:
        _change(level, state, s, p, -traded)
    more = qty[i] - level[s, p, LOTS]
    if more > 0:
        _limit(now, s, p, more, 0, False, open_now, prices, window, tables)
    elif more < 0:
        _cancel(now, s, p, -more, 0, open_now, prices, window, tables)
    if more != 0:
        _change(level, state, s, p, more)
    level[s, p, ANON] = level[s, p, LOTS]


# -- events ----------------------------------------------------------------------------------------------------------


@kernel
def _quoted(state: Any, prices: Any) -> bool:
    """Whether both sides have a quote, uncrossed, and trading is on."""
    return 0 <= state[BID] < state[ASK] < prices.shape[0] and not state[HALTED]


@kernel
def _shown(level: Any, state: Any, s: int, p: int, window: int) -> bool:
    """Whether fewer than `window` occupied levels are better (a window of 0 shows all)."""
    if window == 0:
        return True
    better = 0
    at = state[BID + s]
    step = 2 * s - 1  # away from the touch: bids down, asks up
    while (p - at) * step > 0 and 0 <= at < level.shape[1]:
        better += level[s, at, LOTS] > 0
        if better >= window:
            return False
        at += step
    return True


@kernel
def _limit(
    now: int,
    s: int,
    p: int,
    qty: int,
    order_id: int,
    remainder: bool,
    open_now: bool,
    prices: Any,
    window: int,
    tables: Tally,
) -> None:
    level, state = tables.level, tables.state
    if not open_now or not _quoted(state, prices):
        return
    distance = prices[state[ASK]] - prices[p] if s == 0 else prices[p] - prices[state[BID]]
    if distance <= 0:
        return
    if not _shown(level, state, s, p, window):
        state[OUTSIDE] += 1
        return
    best = state[BID + s]
    what = LIMIT_AT_BEST
    if p != best:
        what = LIMIT_IN_SPREAD if (p > best) == (s == 0) else LIMIT_DEEPER
    _write(now, what, 1 - 2 * s, prices[p], distance, qty, order_id, remainder, prices, tables)


@kernel
def _cancel(
    now: int,
    s: int,
    p: int,
    gone: int,
    order_id: int,
    open_now: bool,
    prices: Any,
    window: int,
    tables: Tally,
) -> None:
    level, state = tables.level, tables.state
    if not open_now or not _quoted(state, prices):
        return
    if not _shown(level, state, s, p, window):
        state[OUTSIDE] += 1
        return
    distance = prices[state[ASK]] - prices[p] if s == 0 else prices[p] - prices[state[BID]]
    what = CANCEL_AT_BEST if p == state[BID + s] else CANCEL_DEEPER
    _write(now, what, 1 - 2 * s, prices[p], distance, gone, order_id, False, prices, tables)


@kernel
def _market(
    now: int, s: int, p: int, qty: int, order_id: int, open_now: bool, prices: Any, tables: Tally
) -> None:
    """An execution against side `s`: of the market order before it when stamp and side are the same."""
    state, wide = tables.state, tables.wide
    same = now == state[EXEC_NS] and s == state[EXEC_SIDE]
    state[EXEC_NS], state[EXEC_SIDE] = now, s
    if same and state[EXEC_ROW] >= 0:
        wide[state[EXEC_ROW], 5] += qty
        return
    state[EXEC_ROW] = -1
    if open_now and _quoted(state, prices):
        state[EXEC_ROW] = state[ROWS]
        _write(now, MARKET, 2 * s - 1, prices[p], 0, qty, order_id, False, prices, tables)


@kernel
def _write(
    now: int,
    what: int,
    side: int,
    price: int,
    distance: int,
    lots: int,
    order_id: int,
    remainder: bool,
    prices: Any,
    tables: Tally,
) -> None:
    """Write one event and the levels of the book before it."""
    level, _, state, wide, book = tables
    row = state[ROWS]
    state[ROWS] += 1
    wide[row, 0], wide[row, 1], wide[row, 2], wide[row, 3] = now, what, side, price
    wide[row, 4], wide[row, 5], wide[row, 6], wide[row, 7] = distance, lots, order_id, remainder
    deepest = book.shape[2]
    for s in range(2):
        found, at, step = 0, state[BID + s], 2 * s - 1
        most = min(deepest, state[LEVELS_BID + s])
        while found < most and 0 <= at < prices.shape[0]:
            if level[s, at, LOTS] > 0:
                book[row, s, found], book[row, 2 + s, found] = prices[at], level[s, at, LOTS]
                found += 1
            at += step


# -- the compact book ------------------------------------------------------------------------------------------------


@kernel
def _change(level: Any, state: Any, s: int, p: int, lots: int) -> None:
    """Add lots (or take them) at a level; occupied levels and the touch follow."""
    had = level[s, p, LOTS] > 0
    level[s, p, LOTS] += lots
    has = level[s, p, LOTS] > 0
    state[LEVELS_BID + s] += int(has) - int(had)
    if has and not had:
        state[BID + s] = max(state[BID], p) if s == 0 else min(state[ASK], p)
    elif had and not has and state[BID + s] == p:
        step = 2 * s - 1
        at = p
        if state[LEVELS_BID + s] == 0:
            at = -1 if s == 0 else level.shape[1]
        else:
            while level[s, at, LOTS] <= 0:
                at += step
        state[BID + s] = at


@kernel
def _rest(level: Any, known: Any, state: Any, order: int, s: int, p: int, qty: int) -> None:
    """Put an order (or, with order -1, an anonymous block) to rest."""
    if qty <= 0:
        return
    _change(level, state, s, p, qty)
    if order < 0:
        level[s, p, ANON] += qty
    else:
        known[order, LEFT], known[order, RANK] = qty, p
        known[order, SIDE], known[order, BORN] = s, level[s, p, EPOCH]


@kernel
def _alive(level: Any, known: Any, order: int, s: int, p: int) -> bool:
    """Whether an order is known to rest at this price."""
    return (
        order >= 0
        and known[order, LEFT] > 0
        and known[order, RANK] == p
        and known[order, SIDE] == s
        and known[order, BORN] == level[s, p, EPOCH]
    )


@kernel
def _held(level: Any, known: Any, order: int, s: int, p: int) -> int:
    """Lots that a message about an order can take: the order's, or anonymous ones at its price."""
    return known[order, LEFT] if _alive(level, known, order, s, p) else level[s, p, ANON]


@kernel
def _take(level: Any, known: Any, state: Any, order: int, s: int, p: int, qty: int) -> int:
    """Remove up to `qty` lots of an order, or anonymous lots at its price; what was removed, -1 when there were none."""
    alive = _alive(level, known, order, s, p)
    gone = min(qty, _held(level, known, order, s, p))
    if gone <= 0:
        return -1
    if alive:
        known[order, LEFT] -= gone
    else:
        level[s, p, ANON] -= gone
    _change(level, state, s, p, -gone)
    return gone


@kernel
def _clear(level: Any, state: Any, none: int) -> None:
    """Empty the book."""
    for s in range(2):
        for p in range(level.shape[1]):
            if level[s, p, LOTS] != 0:
                level[s, p, LOTS], level[s, p, ANON], level[s, p, PRINTED] = 0, 0, 0
                level[s, p, EPOCH] += 1
    state[BID], state[ASK], state[LEVELS_BID], state[LEVELS_ASK] = -1, none, 0, 0
