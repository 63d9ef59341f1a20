"""One pass over a tape: a compact book of level totals, and a row for every public event.

Prices are numbered by rank among the prices that the tape ever names, so that the book is dense, walks over it are
short and a stub quote costs nothing. The book: ``level[side, rank, column]``, side 0 bid and 1 ask. Orders are known by
a dense number until their level leaves the feed's window (the level's epoch rises).
"""

from typing import Any

from tercel.core.jit import kernel
from tercel.core.vocabulary import BUY, NS_PER_SECOND, SELL
from tercel.market.observed.event_columns import (
    ANON,
    ASK,
    BID,
    BORN,
    CANCEL_AT_BEST,
    CANCEL_DEEPER,
    CLEAR_NS,
    CLEAR_SEQ,
    CLEARS,
    EPOCH,
    EXEC_NS,
    EXEC_ROW,
    EXEC_SIDE,
    HALTED,
    HALTS,
    HIDDEN,
    HIDDEN_ROWS,
    LEFT,
    LEVELS_ASK,
    LEVELS_BID,
    LIMIT_AT_BEST,
    LIMIT_DEEPER,
    LIMIT_IN_SPREAD,
    LOTS,
    MARKET,
    OUTSIDE,
    PRINTED,
    RANK,
    ROWS,
    SIDE,
    UNKNOWN,
    Tally,
)
from tercel.market.tape import schema
from tercel.market.tape.events import Columns


@kernel
def replay_tape(
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

    `event_rows` int64[rows, 8]: ns, kind, side, price, distance, lots, order id, remainder. `book` int32[rows, 4, L]: bid
    prices, ask prices, bid lots, ask lots. `grid2` int64[seconds + 1, 2]: bid + ask and ask - bid, the last values
    where a side is missing. `hidden` int64[hidden executions, 6]: ns, price, lots, best bid, best ask, side.
    """
    t, _, seq, kind, order_id, side, price, qty, flags = tape
    level = tables.level
    state = tables.state
    n = t.shape[0]
    none = prices.shape[0]
    state[BID] = -1
    state[ASK] = none
    state[EXEC_NS] = -1
    state[EXEC_ROW] = -1
    state[CLEAR_NS], state[CLEAR_SEQ] = -1, -1
    grid = start
    second = 0
    r = 0
    while r < n:
        while grid <= t[r] and grid <= stop:
            _write_second(state, prices, grid2, second)
            grid += NS_PER_SECOND
            second += 1
        row_kind = kind[r]
        if row_kind == schema.LEVEL_SET:
            end = (
                r + 1
            )  # a message of many levels: what leaves goes first, so that the book never crosses on the way
            while end < n and kind[end] == schema.LEVEL_SET and seq[end] == seq[r]:
                end += 1
            for growing in range(2):
                for i in range(r, end):
                    _set_level(i, growing == 1, tape, rank, prices, start, stop, window, tables)
            r = end
            continue
        if row_kind == schema.STATUS:
            state[HALTS] += price[r] != 1 and not state[HALTED] and start <= t[r] and t[r] < stop
            state[HALTED] = price[r] != 1
        elif row_kind == schema.CLEAR:
            _clear(level, state, none)
            state[CLEAR_NS], state[CLEAR_SEQ] = t[r], seq[r]
            state[CLEARS] += 1
        elif row_kind == schema.TRADE_HIDDEN:
            if start <= t[r] and t[r] < stop:
                _write_hidden(t[r], price[r], qty[r], side[r], prices, state, hidden)
        elif side[r] == BUY or side[r] == SELL:
            s = 0 if side[r] == BUY else 1
            order = dense[r] if order_id[r] != 0 else -1
            open_now = start <= t[r] and t[r] < stop and not _is_snapshot(r, t, seq, flags, state)
            _apply_row(
                row_kind,
                t[r],
                s,
                rank[r],
                qty[r],
                order,
                order_id[r],
                open_now,
                prices,
                window,
                tables,
            )
        r += 1
    while grid <= stop:
        _write_second(state, prices, grid2, second)
        grid += NS_PER_SECOND
        second += 1


@kernel
def _write_hidden(
    now: int, price: int, qty: int, side: int, prices: Any, state: Any, hidden: Any
) -> None:
    """Write the row of a hidden execution with the touch that it met; without a touch only its lots are counted."""
    state[HIDDEN] += qty
    if _has_quotes(state, prices):
        row = state[HIDDEN_ROWS]
        state[HIDDEN_ROWS] += 1
        hidden[row, 0] = now
        hidden[row, 1] = price
        hidden[row, 2] = qty
        hidden[row, 3], hidden[row, 4] = prices[state[BID]], prices[state[ASK]]
        hidden[row, 5] = side


@kernel
def _write_second(state: Any, prices: Any, grid2: Any, second: int) -> None:
    """Write bid + ask and ask - bid at a full second to `grid2`; the last values while a side is missing or the book crossed."""
    bid, ask = state[BID], state[ASK]
    if 0 <= bid < ask < prices.shape[0]:
        grid2[second, 0], grid2[second, 1] = prices[bid] + prices[ask], prices[ask] - prices[bid]
    elif second > 0:
        grid2[second, 0], grid2[second, 1] = grid2[second - 1, 0], grid2[second - 1, 1]


@kernel
def _is_snapshot(r: int, t: Any, seq: Any, flags: Any, state: Any) -> bool:
    """Whether a row belongs to a snapshot of the book: at the head of the tape, or right after a CLEAR."""
    return (flags[r] & schema.OPENING) != 0 or t[r] == state[CLEAR_NS] or seq[r] == state[CLEAR_SEQ]


@kernel
def _apply_row(
    kind: int,
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
    """Apply an order-level row, or a print, to the compact book, and write its event if `open_now` (counted, no snapshot)."""
    level = tables.level
    known = tables.known
    state = tables.state
    if kind == schema.ADD:
        remainder = now == state[EXEC_NS] and s != state[EXEC_SIDE]
        _write_limit(now, s, p, qty, order_id, remainder, open_now, prices, window, tables)
        _rest_order(level, known, state, order, s, p, qty)
    elif kind == schema.ROLL_IN:
        _rest_order(level, known, state, -1, s, p, qty)
    elif kind == schema.ROLL_OUT:
        if level[s, p, LOTS] > 0:
            _change_level(level, state, s, p, -level[s, p, LOTS])
        level[s, p, ANON] = 0
        level[s, p, EPOCH] += 1
    elif kind == schema.EXECUTE or kind == schema.TRADE:
        _write_market(now, s, p, qty, order_id, open_now, prices, tables)
        if kind == schema.EXECUTE:
            state[UNKNOWN] += _take(level, known, state, order, s, p, qty) < 0
        else:
            level[s, p, PRINTED] += qty
    elif kind == schema.REDUCE or kind == schema.DELETE:
        removed = _available_lots(level, known, order, s, p)
        if kind == schema.REDUCE or not _alive(level, known, order, s, p):
            removed = min(qty, removed)
        if removed > 0:
            _write_cancel(now, s, p, removed, order_id, open_now, prices, window, tables)
        state[UNKNOWN] += _take(level, known, state, order, s, p, removed) < 0
    elif (
        kind == schema.MODIFY
        and order >= 0
        and _alive(level, known, order, known[order, SIDE], known[order, RANK])
    ):
        s = known[order, SIDE]
        old_rank = known[order, RANK]
        lots_left = known[order, LEFT]
        stays = p == old_rank and qty < lots_left
        removed = lots_left - qty if stays else lots_left
        _write_cancel(now, s, old_rank, removed, order_id, open_now, prices, window, tables)
        _take(level, known, state, order, s, old_rank, removed)
        if not stays and qty > 0:
            remainder = now == state[EXEC_NS] and s != state[EXEC_SIDE]
            _write_limit(now, s, p, qty, order_id, remainder, open_now, prices, window, tables)
            _rest_order(level, known, state, order, s, p, qty)


@kernel
def _set_level(
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
    """(L2) Set a level's total: lots beyond what trades left are a limit order, missing lots a cancel.
    Nothing is done where the total grows and `growing` is false, or the reverse: shrinking levels come first.
    """
    t, _, seq, _, _, side, _, qty, flags = tape
    level = tables.level
    state = tables.state
    s = 0 if side[i] == BUY else 1
    p = rank[i]
    level_lots = level[s, p, LOTS]
    if (qty[i] > level_lots) != growing or (qty[i] == level_lots and level[s, p, PRINTED] == 0):
        return
    now = t[i]
    open_now = start <= now < stop and not _is_snapshot(i, t, seq, flags, state)
    traded = min(level[s, p, PRINTED], level_lots)
    level[s, p, PRINTED] = 0
    if traded > 0:
        _change_level(level, state, s, p, -traded)
    change = qty[i] - level[s, p, LOTS]
    if change > 0:
        _write_limit(now, s, p, change, 0, False, open_now, prices, window, tables)
    elif change < 0:
        _write_cancel(now, s, p, -change, 0, open_now, prices, window, tables)
    if change != 0:
        _change_level(level, state, s, p, change)
    level[s, p, ANON] = level[s, p, LOTS]


@kernel
def _has_quotes(state: Any, prices: Any) -> bool:
    """Whether both sides have a quote, uncrossed, and trading is on."""
    return 0 <= state[BID] < state[ASK] < prices.shape[0] and not state[HALTED]


@kernel
def _is_visible(level: Any, state: Any, s: int, p: int, window: int) -> bool:
    """Whether fewer than `window` occupied levels are better (a window of 0 shows all)."""
    if window == 0:
        return True
    better = 0
    rank = state[BID + s]
    step = 2 * s - 1  # away from the touch: bids down, asks up
    while (p - rank) * step > 0 and 0 <= rank < level.shape[1]:
        better += level[s, rank, LOTS] > 0
        if better >= window:
            return False
        rank += step
    return True


@kernel
def _write_limit(
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
    """Write the row of a limit order that came to rest, if `open_now`, the book is quoted and its price visible.
    `remainder`: it is what a market order left.
    """
    level = tables.level
    state = tables.state
    if not open_now or not _has_quotes(state, prices):
        return
    distance = prices[state[ASK]] - prices[p] if s == 0 else prices[p] - prices[state[BID]]
    if distance <= 0:
        return
    if not _is_visible(level, state, s, p, window):
        state[OUTSIDE] += 1
        return
    best = state[BID + s]
    kind = LIMIT_AT_BEST
    if p != best:
        kind = LIMIT_IN_SPREAD if (p > best) == (s == 0) else LIMIT_DEEPER
    _write_event(
        now, kind, 1 - 2 * s, prices[p], distance, qty, order_id, remainder, prices, tables
    )


@kernel
def _write_cancel(
    now: int,
    s: int,
    p: int,
    removed: int,
    order_id: int,
    open_now: bool,
    prices: Any,
    window: int,
    tables: Tally,
) -> None:
    """Write the row of lots that were cancelled, if `open_now`, the book is quoted and their price visible."""
    level = tables.level
    state = tables.state
    if not open_now or not _has_quotes(state, prices):
        return
    if not _is_visible(level, state, s, p, window):
        state[OUTSIDE] += 1
        return
    distance = prices[state[ASK]] - prices[p] if s == 0 else prices[p] - prices[state[BID]]
    kind = CANCEL_AT_BEST if p == state[BID + s] else CANCEL_DEEPER
    _write_event(
        now, kind, 1 - 2 * s, prices[p], distance, removed, order_id, False, prices, tables
    )


@kernel
def _write_market(
    now: int, s: int, p: int, qty: int, order_id: int, open_now: bool, prices: Any, tables: Tally
) -> None:
    """Add an execution against side `s` to the market order before it, of the same stamp and side, or write a new row.
    A new row is written only if `open_now` and the book is quoted.
    """
    state = tables.state
    event_rows = tables.event_rows
    same = now == state[EXEC_NS] and s == state[EXEC_SIDE]
    state[EXEC_NS] = now
    state[EXEC_SIDE] = s
    if same and state[EXEC_ROW] >= 0:
        event_rows[state[EXEC_ROW], 5] += qty
        return
    state[EXEC_ROW] = -1
    if open_now and _has_quotes(state, prices):
        state[EXEC_ROW] = state[ROWS]
        _write_event(now, MARKET, 2 * s - 1, prices[p], 0, qty, order_id, False, prices, tables)


@kernel
def _write_event(
    now: int,
    kind: int,
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
    level, _, state, event_rows, book = tables
    row = state[ROWS]
    state[ROWS] += 1
    event_rows[row, 0] = now
    event_rows[row, 1] = kind
    event_rows[row, 2] = side
    event_rows[row, 3] = price
    event_rows[row, 4] = distance
    event_rows[row, 5] = lots
    event_rows[row, 6] = order_id
    event_rows[row, 7] = remainder
    deepest = book.shape[2]
    for s in range(2):
        n_levels = 0
        rank = state[BID + s]
        step = 2 * s - 1
        max_levels = min(deepest, state[LEVELS_BID + s])
        while n_levels < max_levels and 0 <= rank < prices.shape[0]:
            if level[s, rank, LOTS] > 0:
                book[row, s, n_levels], book[row, 2 + s, n_levels] = (
                    prices[rank],
                    level[s, rank, LOTS],
                )
                n_levels += 1
            rank += step


@kernel
def _change_level(level: Any, state: Any, s: int, p: int, lots: int) -> None:
    """Add lots (below 0: take them) at a level; update the number of occupied levels and the touch."""
    was_occupied = level[s, p, LOTS] > 0
    level[s, p, LOTS] += lots
    is_occupied = level[s, p, LOTS] > 0
    state[LEVELS_BID + s] += int(is_occupied) - int(was_occupied)
    if is_occupied and not was_occupied:
        state[BID + s] = max(state[BID], p) if s == 0 else min(state[ASK], p)
    elif was_occupied and not is_occupied and state[BID + s] == p:
        step = 2 * s - 1
        rank = p
        if state[LEVELS_BID + s] == 0:
            rank = -1 if s == 0 else level.shape[1]
        else:
            while level[s, rank, LOTS] <= 0:
                rank += step
        state[BID + s] = rank


@kernel
def _rest_order(level: Any, known: Any, state: Any, order: int, s: int, p: int, qty: int) -> None:
    """Put an order (or, with order -1, an anonymous block) to rest."""
    if qty <= 0:
        return
    _change_level(level, state, s, p, qty)
    if order < 0:
        level[s, p, ANON] += qty
    else:
        known[order, LEFT] = qty
        known[order, RANK] = p
        known[order, SIDE] = s
        known[order, BORN] = level[s, p, EPOCH]


@kernel
def _alive(level: Any, known: Any, order: int, s: int, p: int) -> bool:
    """Whether an order is known and still rests at this price."""
    return (
        order >= 0
        and known[order, LEFT] > 0
        and known[order, RANK] == p
        and known[order, SIDE] == s
        and known[order, BORN] == level[s, p, EPOCH]
    )


@kernel
def _available_lots(level: Any, known: Any, order: int, s: int, p: int) -> int:
    """Lots that a message about an order can take: the order's, or anonymous ones at its price."""
    return known[order, LEFT] if _alive(level, known, order, s, p) else level[s, p, ANON]


@kernel
def _take(level: Any, known: Any, state: Any, order: int, s: int, p: int, qty: int) -> int:
    """Remove up to `qty` lots of an order, or anonymous lots at its price; returns lots removed, -1 when there were none."""
    alive = _alive(level, known, order, s, p)
    removed = min(qty, _available_lots(level, known, order, s, p))
    if removed <= 0:
        return -1
    if alive:
        known[order, LEFT] -= removed
    else:
        level[s, p, ANON] -= removed
    _change_level(level, state, s, p, -removed)
    return removed


@kernel
def _clear(level: Any, state: Any, none: int) -> None:
    """Empty the book."""
    for s in range(2):
        for p in range(level.shape[1]):
            if level[s, p, LOTS] != 0:
                level[s, p, LOTS] = 0
                level[s, p, ANON] = 0
                level[s, p, PRINTED] = 0
                level[s, p, EPOCH] += 1
    state[BID] = -1
    state[ASK] = none
    state[LEVELS_BID] = 0
    state[LEVELS_ASK] = 0
