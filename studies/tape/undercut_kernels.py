"""Improvements of the touch on compiled tapes, and what became of them: filled, cancelled, undercut, matched.

A *quote* is an order that came to rest at a better price than its side's touch. It is followed until its first lots
trade, its last are cancelled, or a limit order of its side comes at a strictly better price, whatever is first. A
*ghost* stands at a price inside the spread where nobody put an order; nobody can answer to it. It is followed in the
same way, and it trades where an order that stood there would: with the first execution of its side, or when an order
of the other side reaches it.
"""

from typing import Final

from tercel.core import (
    ADD,
    CLEAR,
    DELETE,
    EXECUTE,
    NO_ASK,
    NO_BID,
    REDUCE,
    ROLL_IN,
    ROLL_OUT,
    STATUS,
    Longs,
    kernel,
    mix_seeds as mix,
)
from tercel.market.simulator import layout as sim

# -- a touch after each row: int64 columns ----------------------------------------------------------------------------
BID, ASK, BID_BEFORE, ASK_BEFORE, TOUCHES = range(5)
# -- a quote or a ghost: int64 columns --------------------------------------------------------------------------------
Q_ROW, Q_NS, Q_SIDE, Q_PRICE, Q_LOTS, Q_SLOT, Q_SPREAD, Q_ROOM, Q_STEP = range(9)
# Q_ROW: tape row it came with (a ghost: the row before); Q_SPREAD: before it; Q_ROOM: prices left inside; Q_STEP: ticks
# that it is better than the touch
Q_END_NS, Q_WHY, Q_MATCHED_NS, Q_BY, QUOTE = range(9, 14)
# Q_MATCHED_NS: first order of its side at its price, 0: none; Q_BY: row of the undercutting order, -1: none
STOOD, FILLED, CANCELLED, UNDERCUT = range(4)
FAR_TICKS: Final = 1 << 21


@kernel
def _next(lots: Longs, side: int, price: int, low: int, high: int) -> int:
    """Best occupied price from `price` on, away from the other side."""
    while low <= price <= high:
        if lots[price] > 0:
            return price
        price -= side
    return NO_BID if side > 0 else NO_ASK


@kernel
def _take(
    live: Longs, bids: Longs, asks: Longs, slot: int, side: int, price: int, lots: int
) -> None:
    """Lots leave an order, or (slot -1) the orders without an id at a price."""
    for j in range(slot if slot >= 0 else 0, slot + 1 if slot >= 0 else live.shape[0]):
        if slot < 0 and (live[j, 3] == 0 or live[j, 0] != side or live[j, 1] != price):
            continue
        taken = min(lots, live[j, 2])
        if taken > 0:
            lots -= taken
            live[j, 2] -= taken
            if live[j, 0] > 0:
                bids[live[j, 1]] -= taken
            else:
                asks[live[j, 1]] -= taken


@kernel
def touches(tape: Longs, first: Longs, live: Longs, bids: Longs, asks: Longs, out: Longs) -> None:
    """Touches before and after every row of a day.

    Parameters
    ----------
    tape : int64 (n, TAPE_WORDS)
    first : int64 (m, 6)
        Orders of the book that the day begins with: slot, side, price, lots, arrival, whether it has no id.
    live : int64 (slots, 4)
        Room to work in: side, price, lots, whether it has no id.
    bids, asks : int64 (prices,)
        Room to work in, zeros: lots at each price.
    out : int64 (n, TOUCHES)
    """
    low, high = 0, bids.shape[0] - 1
    bid, ask = NO_BID, NO_ASK
    for i in range(first.shape[0] + tape.shape[0]):
        row = i - first.shape[0]
        if row < 0:
            kind, slot, side, price, qty = ADD, first[i, 0], first[i, 1], first[i, 2], first[i, 3]
        else:
            kind, slot, side = tape[row, sim.T_KIND], tape[row, sim.T_SLOT], tape[row, sim.T_SIDE]
            price, qty = tape[row, sim.T_PRICE], tape[row, sim.T_LOTS]
            out[row, BID_BEFORE], out[row, ASK_BEFORE] = bid, ask
        if kind == ADD or kind == ROLL_IN:
            if slot >= 0 and qty > 0 and low <= price <= high:
                live[slot, 0], live[slot, 1], live[slot, 2] = side, price, qty
                live[slot, 3] = 1 if kind == ROLL_IN or (row < 0 and first[i, 5] != 0) else 0
                if side > 0:
                    bids[price] += qty
                    bid = max(bid, price)
                else:
                    asks[price] += qty
                    ask = min(ask, price)
        elif kind == EXECUTE or kind == REDUCE or kind == DELETE:
            _take(live, bids, asks, slot, side, price, qty)
        elif kind == ROLL_OUT or kind == CLEAR:
            for j in range(live.shape[0]):
                if live[j, 2] > 0 and (
                    kind == CLEAR or (live[j, 0] == side and live[j, 1] == price)
                ):
                    if live[j, 0] > 0:
                        bids[live[j, 1]] -= live[j, 2]
                    else:
                        asks[live[j, 1]] -= live[j, 2]
                    live[j, 2] = 0
        if bid != NO_BID and bids[bid] == 0:
            bid = _next(bids, 1, bid, low, high)
        if ask != NO_ASK and asks[ask] == 0:
            ask = _next(asks, -1, ask, low, high)
        if row >= 0:
            out[row, BID], out[row, ASK] = bid, ask


@kernel
def quotes(tape: Longs, seen: Longs, begin: int, end: int, out: Longs) -> int:
    """Improvements of the touch between two times, with a touch on both sides; how many there are.

    `out` int64 (m, QUOTE) is filled as far as it goes, up to Q_STEP.
    """
    n = 0
    for i in range(tape.shape[0]):
        ns, side, price = tape[i, sim.T_NS], tape[i, sim.T_SIDE], tape[i, sim.T_PRICE]
        if tape[i, sim.T_KIND] != ADD or ns < begin or ns >= end or tape[i, sim.T_LOTS] <= 0:
            continue
        bid, ask = seen[i, BID_BEFORE], seen[i, ASK_BEFORE]
        touch, far = (bid, ask) if side > 0 else (ask, bid)
        if (
            bid == NO_BID
            or ask == NO_ASK
            or (price - touch) * side <= 0
            or (far - price) * side <= 0
        ):
            continue
        if n < out.shape[0]:
            q = out[n]
            q[Q_ROW], q[Q_NS], q[Q_SIDE], q[Q_PRICE], q[Q_LOTS] = (
                i,
                ns,
                side,
                price,
                tape[i, sim.T_LOTS],
            )
            q[Q_SLOT], q[Q_SPREAD] = tape[i, sim.T_SLOT], ask - bid
            q[Q_ROOM], q[Q_STEP] = (far - price) * side - 1, (price - touch) * side
        n += 1
    return n


@kernel
def follow(tape: Longs, q: Longs, most_ns: int) -> None:
    """What became of a quote (or, with Q_SLOT -1, a ghost) within `most_ns`; writes the words from Q_END_NS on."""
    side, price, slot, left = q[Q_SIDE], q[Q_PRICE], q[Q_SLOT], q[Q_LOTS]
    until = q[Q_NS] + most_ns
    q[Q_END_NS], q[Q_WHY], q[Q_MATCHED_NS], q[Q_BY] = until, STOOD, 0, -1
    for i in range(q[Q_ROW] + 1, tape.shape[0]):
        ns, kind = tape[i, sim.T_NS], tape[i, sim.T_KIND]
        if ns >= until:
            return
        why, better = STOOD, (tape[i, sim.T_PRICE] - price) * side
        if kind == ADD:
            if tape[i, sim.T_SIDE] == side:
                if better > 0:
                    why = UNDERCUT
                elif better == 0 and q[Q_MATCHED_NS] == 0:
                    q[Q_MATCHED_NS] = ns
            elif better <= 0:
                why = FILLED
        elif slot < 0:
            if kind == EXECUTE and tape[i, sim.T_SIDE] == side:
                why = FILLED
        elif tape[i, sim.T_SLOT] == slot and (kind == EXECUTE or kind == REDUCE or kind == DELETE):
            left -= tape[i, sim.T_LOTS]
            if kind == EXECUTE:
                why = FILLED
            elif left <= 0:
                why = CANCELLED
        if kind == CLEAR or kind == STATUS:
            q[Q_END_NS] = ns
            return
        if why != STOOD:
            q[Q_END_NS], q[Q_WHY] = ns, why
            if why == UNDERCUT:
                q[Q_BY] = i
            return
    q[Q_END_NS] = tape[-1, sim.T_NS]


@kernel
def ghost_of(
    tape: Longs, seen: Longs, q: Longs, joins: bool, window_ns: int, seed: int, out: Longs
) -> bool:
    """A moment of the same spread (to a tenth) near a quote's in which nobody improved the touch; False: there is none.

    With `joins` a moment at which an order of the quote's side joined its touch (the market was as lively, though
    nobody improved); otherwise a moment drawn evenly from the time in which the spread stood.
    """
    side, spread = q[Q_SIDE], q[Q_SPREAD]
    total, chosen, chosen_ns = 0.0, -1, 0
    for way in range(2):
        i = q[Q_ROW] - 1 if way == 0 else q[Q_ROW] + 1
        step = -1 if way == 0 else 1
        while 0 <= i < tape.shape[0] - 1 and abs(tape[i, sim.T_NS] - q[Q_NS]) <= window_ns:
            bid, ask = seen[i, BID], seen[i, ASK]
            if bid != NO_BID and ask != NO_ASK and 10 * abs(ask - bid - spread) <= spread:
                weight = float(tape[i + 1, sim.T_NS] - tape[i, sim.T_NS])
                if joins:
                    touch = bid if side > 0 else ask
                    same = (
                        tape[i, sim.T_KIND] == ADD
                        and tape[i, sim.T_SIDE] == side
                        and tape[i, sim.T_PRICE] == touch
                    )
                    stood = seen[i, BID_BEFORE] == bid and seen[i, ASK_BEFORE] == ask
                    weight = 1.0 if same and stood else 0.0
                if weight > 0:
                    total += weight
                    u = float(mix(seed + i) >> 11) / 9007199254740992.0
                    if u * total < weight:
                        chosen = i
                        v = float(mix(seed - i - 1) >> 11) / 9007199254740992.0
                        chosen_ns = tape[i, sim.T_NS] + (0 if joins else int(v * weight))
            i += step
    if chosen < 0:
        return False
    far = seen[chosen, ASK] if side > 0 else seen[chosen, BID]
    near = seen[chosen, BID] if side > 0 else seen[chosen, ASK]
    price = far - side * (q[Q_ROOM] + 1)
    if (price - near) * side <= 0:
        return False
    out[Q_ROW], out[Q_NS], out[Q_SIDE], out[Q_PRICE], out[Q_LOTS] = (
        chosen,
        chosen_ns,
        side,
        price,
        q[Q_LOTS],
    )
    out[Q_SLOT], out[Q_SPREAD], out[Q_ROOM] = -1, abs(far - near), q[Q_ROOM]
    out[Q_STEP] = (price - near) * side
    return True


@kernel
def follow_all(tape: Longs, seen: Longs, found: Longs, ghosts: Longs, terms: Longs) -> None:
    """Follow every quote and its ghosts.

    Parameters
    ----------
    found : int64 (n, QUOTE)
    ghosts : int64 (2, n, QUOTE)
        Out: of joins, of any moment; Q_SIDE 0 where there is none.
    terms : int64 (3,)
        Longest time followed and half the window of matches, ns; the seed.
    """
    for j in range(found.shape[0]):
        follow(tape, found[j], terms[0])
        for kind in range(2):
            seed = int(mix(terms[2] + 2 * j + kind) >> 2)
            if ghost_of(tape, seen, found[j], kind == 0, terms[1], seed, ghosts[kind, j]):
                follow(tape, ghosts[kind, j], terms[0])
