"""Kernel of the bars: what every message of a tape did to the first levels of the book.

The order flow imbalance of level m after message n, with prices P and lots q of its m-th occupied levels (Cont, Kukanov
& Stoikov 2014, equation 10; Xu, Gould & Howison 2018 for m > 1):

    e = 1{Pb_n >= Pb_(n-1)} qb_n - 1{Pb_n <= Pb_(n-1)} qb_(n-1)
      - 1{Pa_n <= Pa_(n-1)} qa_n + 1{Pa_n >= Pa_(n-1)} qa_(n-1)

A message's rows belong together: levels are read after its last row, so that a level which rolls into the feed's window
is no flow. At the first level the sum over messages is what agents observe (`market.simulator.account`).
"""

import math

from tercel.core import (
    ADD,
    CLEAR,
    DELETE,
    EXECUTE,
    NO_ASK,
    NO_BID,
    REDUCE,
    TRADE_HIDDEN,
    Floats,
    Longs,
    Packed,
    kernel,
)
from tercel.execution import imbalance
from tercel.market.book import Ids, apply_row, in_window, level_at, public_depth, side_at
from tercel.market.tape import MESSAGE_END, OPENING, Columns

# columns of the state after each message, int64
NS, BID, ASK, SIGNED, TRADED, TRADES, COUNT, LOTS0 = 0, 1, 2, 3, 4, 5, 6, 7
"""Time, touches, aggressor lots signed and unsigned, executions, public events; then L bid lots, L ask lots."""


@kernel
def level_prices(b: Packed, side: int, touch: int, out: Longs, at: int, levels: int) -> None:
    """Prices of the best occupied public levels of a side into `out[at : at + levels]`; NO_BID, NO_ASK for none."""
    for n in range(levels):
        out[at + n] = NO_BID if side > 0 else NO_ASK
    if touch == NO_BID or touch == NO_ASK:
        return
    price, n = touch, 0
    while n < levels and in_window(b, side, price):
        lv = level_at(b, side, price)
        if lv.lots > lv.own_lots:
            out[at + n] = price
            n += 1
        price -= side


@kernel
def side_flow(side: int, price: int, lots: int, price_before: int, lots_before: int) -> int:
    """Order flow imbalance of a level of one side, lots: + for lots wanted more by buyers."""
    better = (price - price_before) * side
    flow = 0
    if better >= 0:
        flow += lots
    if better <= 0:
        flow -= lots_before
    return side * flow


@kernel
def read_levels(b: Packed, levels: int, seen: Longs) -> None:
    """Prices and lots of both sides into `seen`: L bid prices, L bid lots, L ask prices, L ask lots."""
    bid, ask = side_at(b, 1).best, side_at(b, -1).best
    level_prices(b, 1, bid, seen, 0, levels)
    public_depth(b, 1, bid, seen, levels, levels)
    level_prices(b, -1, ask, seen, 2 * levels, levels)
    public_depth(b, -1, ask, seen, 3 * levels, levels)


@kernel
def flow_of_tape(
    b: Packed, ids: Ids, key_of: Longs, tape: Columns, levels: int, state: Longs, flow: Longs, seen: Longs,
    before: Longs,
) -> int:  # fmt: skip
    """Play a tape from an empty book; per message its flow int64 (n, L) and state int64 (n, 7 + 2 L). Returns how many.

    The opening snapshot makes no flow. `seen` and `before`, int64 (4 L,), are scratch.
    """
    n, signed, traded, trades, events = 0, 0, 0, 0, 0
    started = False
    kind, side, qty = tape.kind, tape.side, tape.qty_lots
    for i in range(kind.shape[0]):
        what = kind[i]
        apply_row(b, ids, key_of, what, tape.order_id[i], side[i], tape.price_ticks[i], qty[i])
        opening = tape.flags[i] & OPENING != 0
        if what == EXECUTE or what == TRADE_HIDDEN:
            trades += 1
            if what == EXECUTE:
                traded += qty[i]
                signed -= side[i] * qty[i]
        if what == ADD or what == REDUCE or what == DELETE or what == EXECUTE or what == CLEAR:
            events += 1
        if tape.flags[i] & MESSAGE_END == 0:
            continue
        read_levels(b, levels, seen)
        state[n, NS], state[n, BID], state[n, ASK] = (
            tape.exch_ns[i],
            side_at(b, 1).best,
            side_at(b, -1).best,
        )
        state[n, SIGNED], state[n, TRADED], state[n, TRADES], state[n, COUNT] = (
            signed,
            traded,
            trades,
            events,
        )
        for m in range(levels):
            state[n, LOTS0 + m] = seen[levels + m]
            state[n, LOTS0 + levels + m] = seen[3 * levels + m]
            flow[n, m] = 0
            if started and not opening:
                flow[n, m] = side_flow(
                    1, seen[m], seen[levels + m], before[m], before[levels + m]
                ) + side_flow(
                    -1,
                    seen[2 * levels + m],
                    seen[3 * levels + m],
                    before[2 * levels + m],
                    before[3 * levels + m],
                )
        for m in range(4 * levels):
            before[m] = seen[m]
        started = True
        signed, traded, trades, events = 0, 0, 0, 0
        n += 1
    return n


@kernel
def bars_of_flow(state: Longs, flow: Floats, edges: Longs, levels: int, out: Floats) -> None:
    """Sum messages into bars: bar j holds those with `edges[j] < ns <= edges[j + 1]`; see :data:`BAR_COLUMNS`.

    A message at the very open (its time equals the first edge) is the book that bars start from.
    """
    i, count = 0, state.shape[0]
    mid = math.nan
    bid, ask = NO_BID, NO_ASK
    while i < count and state[i, NS] <= edges[0]:
        bid, ask = state[i, BID], state[i, ASK]
        if bid != NO_BID and ask != NO_ASK:
            mid = 0.5 * (bid + ask)
        i += 1
    for j in range(edges.shape[0] - 1):
        for c in range(out.shape[1]):
            out[j, c] = 0.0
        began = mid
        while i < count and state[i, NS] <= edges[j + 1]:
            bid, ask = state[i, BID], state[i, ASK]
            for m in range(levels):
                out[j, FIRST_FLOW + m] += flow[i, m]
            out[j, B_SIGNED] += state[i, SIGNED]
            out[j, B_VOLUME] += state[i, TRADED]
            out[j, B_TRADES] += state[i, TRADES]
            out[j, B_EVENTS] += state[i, COUNT]
            if bid != NO_BID and ask != NO_ASK:
                now = 0.5 * (bid + ask)
                if math.isnan(mid):
                    began = now  # a tape that starts inside the first bar
                else:
                    out[j, B_RV] += (2.0 * (now - mid)) ** 2
                mid = now
            i += 1
        out[j, B_MID] = mid
        out[j, B_MOVE] = mid - began
        last = i - 1
        quoted = last >= 0 and bid != NO_BID and ask != NO_ASK
        out[j, B_SPREAD] = float(ask - bid) if quoted else math.nan
        own, far = 0.0, 0.0
        for m in range(levels):
            if last >= 0:
                own += state[last, LOTS0 + m]
                far += state[last, LOTS0 + levels + m]
            if m == 0:
                out[j, B_IMBALANCE] = imbalance(own, far)
                out[j, B_MICRO] = 0.5 * out[j, B_SPREAD] * out[j, B_IMBALANCE]
            if m == min(2, levels - 1):
                out[j, B_IMBALANCE3] = imbalance(own, far)
        out[j, B_IMBALANCE5] = imbalance(own, far)
        out[j, B_DEPTH] = math.log1p(own + far)


B_MID, B_MOVE, B_SPREAD, B_IMBALANCE, B_IMBALANCE3, B_IMBALANCE5, B_MICRO, B_DEPTH = (
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
)
B_SIGNED, B_VOLUME, B_TRADES, B_EVENTS, B_RV, FIRST_FLOW = 8, 9, 10, 11, 12, 13
BAR_COLUMNS = (
    "mid", "move", "spread", "imbalance_1", "imbalance_3", "imbalance", "microprice", "depth",
    "signed_volume", "volume", "trades", "events", "rv",
)  # fmt: skip
"""Ticks, lots and half-ticks squared (rv), as agents observe them; `imbalance_3` is over at most three levels,
`imbalance` over all that are shown; `depth` is a log. Then `ofi_1` .. `ofi_L`."""
