"""Inputs of a forecaster: trades, flow, moves and queues of the last seconds, in units of the market's own past.

A market keeps its last seconds and sums over events that it forgets (`simulator.past_seconds`).
Prices are divided by the standard deviation of its own one-second moves, lots by its own mean queue or mean volume,
distances in the book by its mean spread, so that names of any tick, price and activity look alike. All is oriented by
the heavier queue at the touch: the forecast is of the move towards the thinner one, and a mirrored market gets exactly
the mirrored forecast.

| features | what |
|---|---|
| `move_W` | move of the mid in W seconds over its standard deviation for them |
| `queue`, `near` | imbalance of lots at the touch, and up to a mean spread behind it |
| `micro` | microprice less mid, in standard deviations of a second |
| `gap`, `gap_heavy`, `gap_thin` | from the touch to the second level: thin less heavy, and each |
| `heavy`, `thin` | lots at the touch of each side over the mean queue, log |
| `spread`, `wide` | spread over its mean; half of it in standard deviations of a second |
| `pace_10`, `unrest`, `bounce` | events and moves against the past; moves of 1 s against those of 10 s |
| `last` | price of the last trade, hidden ones too, less the mid |
| `mean_T` | mid less its exponential mean of T seconds |
| `signs_T`, `taken_T` | aggressors' signs; their lots over the mean volume and one mean queue; forgotten in T seconds |
| `newest`, `step` | side of the last aggressor, less the longer ago; last move of the mid |
| `hidden` | hidden trades above the mid less those below it, forgotten in 3 s |
"""

import math
from typing import Final

from tercel.core.jit import Floats, Longs, Packed, kernel
from tercel.core.vocabulary import NO_ASK, NO_BID, NS_PER_SECOND
from tercel.execution.features import imbalance
from tercel.market.book.book_records import in_window, level_at
from tercel.market.simulator import recent_sums
from tercel.market.simulator.past_seconds import WIDEST
from tercel.market.simulator.records import second_at, state_at

# Of the features: a forecaster of another is refused.
VERSION: Final = 2
# Seconds that moves are measured over.
WINDOWS: Final = (1, 3, 10, 30, 300)
# Seconds of the past that all is scaled by.
PAST_S: Final = 900
# Seconds of the past without which nothing is said.
LEAST_S: Final = 60
# A market without an event for 10 s or 30 s in which so many were usual shows a book that is old: nothing is said.
STALLED: Final = 40.0
# Names of the features, in order.
NAMES: Final = (
    *(f"move_{window}" for window in WINDOWS),
    *("queue", "near", "micro", "gap", "last"),
    *("mean_1", "mean_5", "mean_30"),
    *("signs_1", "signs_3", "signs_10", "taken_0.3", "taken_1", "taken_3"),
    *("newest", "step", "hidden"),
    *("gap_heavy", "gap_thin", "heavy", "thin", "spread", "wide", "pace_10", "unrest", "bounce"),
)
FEATURES: Final = len(NAMES)
# Of the features those that change their sign in the mirror come first.
ODD: Final = NAMES.index("gap_heavy")
_MOVE, _QUEUE, _MEAN, _SIGNS, _TAKEN, _NEWEST, _EVEN = (
    NAMES.index(name)
    for name in ("move_1", "queue", "mean_1", "signs_1", "taken_0.3", "newest", "gap_heavy")
)
SIGN, UNIT, WIDTH = range(FEATURES, FEATURES + 3)


# A forecaster's arithmetic: a sum of trees and of a line, walked by compiled code.
#
# Trees lie end to end in three arrays, 16 bytes a node, so that all of them stay near the processor. An inner node sends
# a value of its `feature` up to its `value` to the next node, others to `right`; a leaf has a `feature` of -1. Sums run
# in the order of the trees, as LightGBM adds them.
MILLI = 1000.0


# SIGN: +1 where the bid is heavier; UNIT: standard deviation of a second's move, half-ticks; WIDTH: words of a row
@kernel
def is_unusable_quote(bid: int, ask: int) -> bool:
    """Whether a quote cannot be learned from: locked or crossed, or wider than 1 % of the mid."""
    return ask <= bid or (ask - bid) * WIDEST > max(abs(bid + ask), WIDEST)


@kernel
def measure_side(b: Packed, side: int, touch: int, near: float, x: Floats, index: int) -> None:
    """Write three features of one side from `x[index]` on: public lots at the touch, those up to `near` ticks behind it (touch
    included), and ticks to the second occupied level (0 if none is in the window)."""
    x[index] = x[index + 1] = x[index + 2] = 0.0
    price = touch
    n = 0
    while in_window(b, side, price) and (n < 2 or (touch - price) * side <= near):
        lv = level_at(b, side, price)
        lots = lv.lots - lv.own_lots
        if lots > 0:
            if n == 0:
                x[index] = lots
            elif n == 1:
                x[index + 2] = (touch - price) * side
            if (touch - price) * side <= near:
                x[index + 1] += lots
            n += 1
        price -= side


@kernel
def features(b: Packed, k: Longs, x: Floats) -> bool:
    """Write the features of a market now into `x`, float64 (WIDTH,), and return True; False if they are not known.

    They are not where a side is not quoted, trading is halted, the feed is stale, or the past is too short.
    """
    s = state_at(k)
    bid = s.public_bid
    ask = s.public_ask
    last = s.second - 1
    if (
        s.seconds_room == 0
        or bid == NO_BID
        or ask == NO_ASK
        or s.halted != 0
        or is_unusable_quote(bid, ask)
    ):
        return False
    first = max(s.first_second, last - PAST_S)
    if last - first < LEAST_S or s.now // NS_PER_SECOND - last > 1:
        return False
    start = second_at(k, first)
    end = second_at(k, last)
    seconds = float(last - first)
    unit = math.sqrt(max(end.tens - start.tens, 4) / (10.0 * seconds))
    second = math.sqrt(max(end.squares - start.squares, 4) / seconds)
    usual_spread = (end.spreads - start.spreads) / seconds
    usual_lots = max((end.depths - start.depths) / (2.0 * seconds), 1.0)
    usual_volume = max((end.bought + end.sold - start.bought - start.sold) / seconds, 1.0 / seconds)
    usual_events = max((end.events - start.events) / seconds, 1.0 / seconds)
    for back in (10, 30):
        same = s.events == second_at(k, max(last - back, first)).events
        if same and usual_events * back > STALLED:
            return False
    measure_side(b, 1, bid, usual_spread, x, 0)
    measure_side(b, -1, ask, usual_spread, x, 3)
    bid1 = x[0]
    bid_near = x[1]
    bid_gap = x[2]
    ask1 = x[3]
    ask_near = x[4]
    ask_gap = x[5]
    ten = second_at(k, max(last - 10, first))
    sign = 1.0 if bid1 > ask1 or (bid1 == ask1 and s.ofi >= ten.ofi) else -1.0
    spread = float(ask - bid)
    for j in range(len(WINDOWS)):
        row = second_at(k, max(last - WINDOWS[j], first))
        x[_MOVE + j] = sign * (s.mid2 - row.mid2) / (unit * math.sqrt(WINDOWS[j]))
    index = _QUEUE
    x[index] = sign * imbalance(bid1, ask1)
    x[index + 1] = sign * imbalance(bid_near, ask_near)
    x[index + 2] = x[index] * spread / unit
    x[index + 3] = sign * (ask_gap - bid_gap) / usual_spread
    x[index + 4] = sign * (2 * s.traded_price - s.mid2) / unit if s.traded_price != 0 else 0.0
    for j in range(3):
        x[_MEAN + j] = sign * recent_sums.decayed_sum(k, recent_sums.MOVES + j, s.moved_ns) / unit
        x[_SIGNS + j] = sign * recent_sums.decayed_sum(
            k, recent_sums.RECENT_TRADES + j, s.traded_ns
        )
        usual = usual_volume * recent_sums.TAUS_S[recent_sums.RECENT_TRADES + 3 + j] + usual_lots
        x[_TAKEN + j] = (
            sign
            * recent_sums.decayed_sum(k, recent_sums.RECENT_TRADES + 3 + j, s.traded_ns)
            / usual
        )
    index = _NEWEST
    x[index] = sign * s.traded_side / (1.0 + math.log1p((s.now - s.traded_ns) * 1e-8))
    x[index + 1] = sign * s.moved_by / unit
    x[index + 2] = sign * recent_sums.decayed_sum(k, recent_sums.PRINTS, s.printed_ns)
    index = _EVEN
    x[index] = (bid_gap if sign > 0 else ask_gap) / usual_spread
    x[index + 1] = (ask_gap if sign > 0 else bid_gap) / usual_spread
    x[index + 2] = math.log1p((bid1 if sign > 0 else ask1) / usual_lots)
    x[index + 3] = math.log1p((ask1 if sign > 0 else bid1) / usual_lots)
    x[index + 4] = spread / usual_spread
    x[index + 5] = spread / unit
    x[index + 6] = (s.events - ten.events) / (usual_events * 10)
    row = second_at(k, max(last - 60, first))
    x[index + 7] = math.sqrt((end.squares - row.squares) / 60) / second
    x[index + 8] = second / unit
    x[SIGN] = sign
    x[UNIT] = unit
    return True


@kernel
def write_usual_spread(k: Longs) -> None:
    """Write the mean spread of up to 900 stored seconds into the state, thousandths of a tick; 0 if they are too few or old."""
    s = state_at(k)
    s.usual_spread = 0
    last = s.second - 1
    if s.seconds_room == 0 or s.now // NS_PER_SECOND - last > 1:
        return
    first = max(s.first_second, last - PAST_S)
    if last - first >= LEAST_S:
        s.usual_spread = (
            1000 * (second_at(k, last).spreads - second_at(k, first).spreads) // (last - first)
        )
