"""Ghosts on a tape: one pass that notes what each row did to the book, and one walk for each ghost.

A ghost is an order that is not there. It joins a queue behind what stands and takes nothing from anybody, so ghosts
know nothing of each other and each is a walk of its own over the rows that follow.

Its queue is that of the tape's tick, first in, first out. What an execution at its price takes, whichever order the
tape names, it takes from the front: the lots ahead first, then the ghost. (Where prices were finer than the tick,
the tape's own orders had a priority that the tick does not show.) An execution at a worse price, or an opposite order
that comes to rest at its price or past it, would have met the ghost first and fills it whole. A hidden execution does
so only strictly through its price: at it, the print may be a finer price inside the touch that was rounded.

While a level is out of the feed's window the lots ahead are frozen; at its return they are at most the block that
rolls in. Lots of nobody known are withdrawn from the back.
"""

from typing import Final

from tercel.core import BUY, NO_ASK, NO_BID, NS_PER_SECOND, SELL, Floats, Longs, kernel
from tercel.market.tape import schema

NS, KIND, SLOT, SIDE, PRICE, LOTS = range(6)
"""A compiled row (`tape.compiled`)."""
BORN, TOOK, BID, ASK, BEFORE, SEEN = range(6)
"""What a row did: the row that brought its order (-1: nobody's, or no order), lots that left the book, the touch after
it, and for lots that came to rest the best price of their side before."""
ALL, NOBODYS = range(2)
"""Of a level: all lots, and those of nobody known."""
WHOSE, LEFT, RANK, EPOCH, ORDER = range(5)
"""Of a slot: the row that brought the order, lots left, rank of its price, times its level had been forgotten."""
STAND_PRICE, STAND_LOTS, STAND_NOBODYS, STAND = range(4)
"""How a level stood when a ghost joined it."""
FILLED, AWAY, BACK, CANCEL_AHEAD, CANCEL_BEHIND, AHEAD_S, BEHIND_S, FOUND = range(8)
"""What became of a ghost: seconds to its whole fill, until a better quote stood before it, until that was gone again;
lots cancelled ahead of it and behind it and the lot-seconds that stood there, while it was young and at the touch."""
(G_SIDE, G_PRICE, G_LEFT, G_TOTAL, G_AHEAD, G_NOBODYS, G_NOBODYS_BEHIND, G_JOINED, GHOST) = range(9)
"""A waiting ghost: lots of it left, all lots at its price, those ahead, how many ahead and behind are nobody's, and
the first row after it joined."""
NEVER: Final = 1e18
YOUNG_NS: Final = 30 * NS_PER_SECOND


@kernel
def replay(
    rows: Longs,
    rank: Longs,
    prices: Longs,
    starts: Longs,
    distances: Longs,
    level: Longs,
    epoch: Longs,
    order: Longs,
    seen: Longs,
    first: Longs,
    stand: Longs,
) -> None:
    """Note what every row did (`seen` [n, SEEN]) and how the levels stood at each start.

    `first` [G] gets the first row after a start, `stand` [G, 2, D, STAND] the levels `distances` ticks behind the
    touch. An execution while trading is halted is an auction's: its row becomes a CROSS.
    """
    none, halted, g = prices.shape[0], False, 0
    best_bid, best_ask = -1, none
    for r in range(rows.shape[0]):
        while g < starts.shape[0] and starts[g] < rows[r, NS]:
            _stand(g, r, best_bid, best_ask, prices, distances, level, first, stand)
            g += 1
        what, side, p, s = rows[r, KIND], rows[r, SIDE], rank[r], 0 if rows[r, SIDE] == BUY else 1
        seen[r, BORN] = -1
        if what == schema.STATUS:
            halted = rows[r, PRICE] != 1
        elif what == schema.CLEAR:
            _forget_all(level, epoch)
            best_bid, best_ask = -1, none
        elif side == BUY or side == SELL:
            if what == schema.ADD or what == schema.ROLL_IN:
                best = best_bid if s == 0 else best_ask
                seen[r, BEFORE] = (
                    prices[best] if 0 <= best < none else (NO_BID if s == 0 else NO_ASK)
                )
                seen[r, BORN] = r if what == schema.ADD else -1
                _rest(rows, r, s, p, what == schema.ADD, level, epoch, order)
                if s == 0:
                    best_bid = max(best_bid, p)
                else:
                    best_ask = min(best_ask, p)
            elif what != schema.TRADE_HIDDEN:
                _leave(rows, r, s, p, level, epoch, order, seen)
                if halted and what == schema.EXECUTE:
                    rows[r, KIND] = schema.CROSS
            while best_bid >= 0 and level[0, best_bid, ALL] <= 0:
                best_bid -= 1
            while best_ask < none and level[1, best_ask, ALL] <= 0:
                best_ask += 1
        seen[r, BID] = prices[best_bid] if best_bid >= 0 else NO_BID
        seen[r, ASK] = prices[best_ask] if best_ask < none else NO_ASK
    while g < starts.shape[0]:
        _stand(g, rows.shape[0], best_bid, best_ask, prices, distances, level, first, stand)
        g += 1


@kernel
def _stand(
    g: int,
    r: int,
    best_bid: int,
    best_ask: int,
    prices: Longs,
    distances: Longs,
    level: Longs,
    first: Longs,
    stand: Longs,
) -> None:
    """How the levels stand at a start; no price where a side is empty or the book is crossed."""
    first[g] = r
    if best_bid < 0 or best_ask >= prices.shape[0] or best_bid >= best_ask:
        return
    for s in range(2):
        best, step = (best_bid, -1) if s == 0 else (best_ask, 1)
        for d in range(distances.shape[0]):
            price, p = prices[best] + step * distances[d], best
            while 0 <= p + step < prices.shape[0] and (price - prices[p]) * step > 0:
                p += step
            stand[g, s, d, STAND_PRICE] = price
            if prices[p] == price:
                stand[g, s, d, STAND_LOTS], stand[g, s, d, STAND_NOBODYS] = (
                    level[s, p, ALL],
                    level[s, p, NOBODYS],
                )


@kernel
def _rest(
    rows: Longs, r: int, s: int, p: int, known: bool, level: Longs, epoch: Longs, order: Longs
) -> None:
    """Lots come to rest: an order in its slot, or a block of nobody's."""
    lots = rows[r, LOTS]
    level[s, p, ALL] += lots
    if known:
        slot = rows[r, SLOT]
        order[slot, WHOSE], order[slot, LEFT] = r, lots
        order[slot, RANK], order[slot, EPOCH] = p, epoch[s, p]
    else:
        level[s, p, NOBODYS] += lots


@kernel
def _leave(
    rows: Longs, r: int, s: int, p: int, level: Longs, epoch: Longs, order: Longs, seen: Longs
) -> None:
    """Lots leave: of an order, of nobody's, or a whole level that the feed no longer shows."""
    slot = rows[r, SLOT]
    if rows[r, KIND] == schema.ROLL_OUT:
        seen[r, TOOK] = level[s, p, ALL]
        level[s, p, ALL], level[s, p, NOBODYS] = 0, 0
        epoch[s, p] += 1
    elif slot >= 0 and order[slot, RANK] == p and order[slot, EPOCH] == epoch[s, p]:
        seen[r, BORN], seen[r, TOOK] = order[slot, WHOSE], min(rows[r, LOTS], order[slot, LEFT])
        order[slot, LEFT] -= seen[r, TOOK]
        level[s, p, ALL] -= seen[r, TOOK]
    else:
        seen[r, TOOK] = min(rows[r, LOTS], level[s, p, NOBODYS])
        level[s, p, ALL] -= seen[r, TOOK]
        level[s, p, NOBODYS] -= seen[r, TOOK]


@kernel
def _forget_all(level: Longs, epoch: Longs) -> None:
    """The tape clears the book."""
    for s in range(2):
        for p in range(level.shape[1]):
            level[s, p, ALL], level[s, p, NOBODYS] = 0, 0
            epoch[s, p] += 1


@kernel
def ghosts(
    rows: Longs,
    seen: Longs,
    starts: Longs,
    first: Longs,
    stand: Longs,
    lots: int,
    wait_ns: int,
    w: Longs,
    found: Floats,
) -> None:
    """Outcomes of a ghost of `lots` that joins at each start, on each side.

    `stand` [G, 2, STAND]: how its level stood; `w` [GHOST]: room to work in; `found` [G, 2, FOUND].
    """
    for g in range(starts.shape[0]):
        for s in range(2):
            if stand[g, s, STAND_PRICE] != 0:
                w[G_SIDE], w[G_PRICE], w[G_LEFT] = (
                    (BUY if s == 0 else SELL),
                    stand[g, s, STAND_PRICE],
                    lots,
                )
                w[G_TOTAL] = w[G_AHEAD] = stand[g, s, STAND_LOTS]
                w[G_NOBODYS], w[G_NOBODYS_BEHIND], w[G_JOINED] = (
                    stand[g, s, STAND_NOBODYS],
                    0,
                    first[g],
                )
                found[g, s, FILLED], found[g, s, AWAY], found[g, s, BACK] = NEVER, NEVER, NEVER
                _wait(rows, seen, starts[g], wait_ns, s, w, found[g, s])


@kernel
def _wait(
    rows: Longs, seen: Longs, start: int, wait_ns: int, s: int, w: Longs, found: Floats
) -> None:
    """Walk on from a start until the ghost is filled or has waited long enough."""
    r, now, end = w[G_JOINED], start, start + wait_ns
    best = seen[r - 1, BID + s] if r > 0 else w[G_PRICE]
    while r < rows.shape[0] and rows[r, NS] <= end and w[G_LEFT] > 0:
        young = best == w[G_PRICE] and now < start + YOUNG_NS
        if young:
            lasted = (min(rows[r, NS], start + YOUNG_NS) - now) / NS_PER_SECOND
            found[AHEAD_S] += lasted * w[G_AHEAD]
            found[BEHIND_S] += lasted * max(w[G_TOTAL] - w[G_AHEAD], 0)
        now = rows[r, NS]
        age = (now - start) / NS_PER_SECOND
        _meet(rows, seen, r, w, young and now <= start + YOUNG_NS, found)
        best = seen[r, BID + s]
        if w[G_LEFT] <= 0:
            found[FILLED] = age
        elif (best - w[G_PRICE]) * w[G_SIDE] > 0:
            found[AWAY] = min(found[AWAY], age)
        elif found[AWAY] < NEVER:
            found[BACK] = min(found[BACK], age)
        r += 1


@kernel
def _meet(rows: Longs, seen: Longs, r: int, w: Longs, young: bool, found: Floats) -> None:
    """One row of the tape meets the ghost."""
    what, gap = rows[r, KIND], (rows[r, PRICE] - w[G_PRICE]) * w[G_SIDE]
    if what == schema.CLEAR:
        w[G_TOTAL], w[G_AHEAD], w[G_NOBODYS], w[G_NOBODYS_BEHIND] = 0, 0, 0, 0
    elif rows[r, SIDE] == -w[G_SIDE]:
        if (what == schema.ADD or what == schema.ROLL_IN) and gap <= 0:
            w[G_LEFT] = 0
    elif rows[r, SIDE] == w[G_SIDE] and gap < 0:
        if what == schema.EXECUTE or what == schema.TRADE_HIDDEN:
            w[G_LEFT] = 0
    elif rows[r, SIDE] == w[G_SIDE] and gap == 0:
        if what == schema.EXECUTE:
            _executed(rows[r, LOTS], seen[r, TOOK], w)
        elif what == schema.REDUCE or what == schema.DELETE or what == schema.CROSS:
            near = _withdrawn(seen[r, BORN], seen[r, TOOK], w)
            if young and what != schema.CROSS:
                found[CANCEL_AHEAD] += near
                found[CANCEL_BEHIND] += seen[r, TOOK] - near
        else:
            _came(what, rows[r, LOTS], w)


@kernel
def _executed(lots: int, took: int, w: Longs) -> None:
    """An execution at the ghost's price takes from the front."""
    front = min(w[G_AHEAD], lots)
    w[G_TOTAL] -= took
    w[G_AHEAD] -= front
    w[G_NOBODYS] = min(w[G_NOBODYS], w[G_AHEAD])
    w[G_LEFT] -= lots - front


@kernel
def _withdrawn(born: int, took: int, w: Longs) -> int:
    """Lots leave the ghost's level by their owner's will, or in an auction; those that stood ahead."""
    near: int = took if 0 <= born < w[G_JOINED] else 0
    if born < 0:
        late = min(w[G_NOBODYS_BEHIND], took)
        w[G_NOBODYS_BEHIND] -= late
        near = int(min(took - late, w[G_NOBODYS]))
        w[G_NOBODYS] -= near
    near = int(min(near, w[G_AHEAD]))
    w[G_AHEAD] -= near
    w[G_TOTAL] -= took
    return near


@kernel
def _came(what: int, lots: int, w: Longs) -> None:
    """Lots come to rest at the ghost's price, or its level leaves the feed's window or is back."""
    if what == schema.ROLL_OUT:
        w[G_TOTAL], w[G_NOBODYS], w[G_NOBODYS_BEHIND] = 0, w[G_AHEAD], 0
    elif what == schema.ADD or what == schema.ROLL_IN:
        if what == schema.ROLL_IN and w[G_TOTAL] == 0:
            w[G_AHEAD] = w[G_NOBODYS] = min(w[G_AHEAD], lots)
        w[G_NOBODYS_BEHIND] += (
            lots - (w[G_AHEAD] if w[G_TOTAL] == 0 else 0) if what == schema.ROLL_IN else 0
        )
        w[G_TOTAL] += lots
