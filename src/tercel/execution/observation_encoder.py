"""Float entries of the observations `v2` and `v3`, computed by kernels from the integer rows of a decision.

A function of the two integer rows alone (`execution.features`), computed by the policy's own encoder: what a market
records stays as it is. Lots are measured in `d`, the mean of the ten displayed levels; moves of the mid in `s`, the
standard deviation of a decision interval so far; so that markets of other ticks, depths and speeds look alike, and `d`
and `s` themselves are entries of their own. Everything is oriented by the order's side. `slog x` is
sign(x) log(1 + |x|).

| entries | private | | entries | market |
|---|---|---|---|---|
| 0 | time left / horizon | | 21 | spread, log(1 + ticks) |
| 1 | lots left / order | | 22-24 | own depth, levels 1, 2, 3-5, log(1 + lots / d) |
| 2 | lots left share - time left share | | 25-27 | far depth, same |
| 3 | horizon, log(seconds / 1800) | | 28-30 | imbalance of 1, 3, 5 levels |
| 4 | time left, log(1 + seconds / 60) | | 31 | microprice - mid, ticks |
| 5 | order / d, log | | 32 | order flow imbalance of the last interval / d, slog |
| 6 | lots left / lots at the far touch, log(1 + x) | | 33-34 | volume with, against / d, log(1 + x) |
| 7 | lots left a decision / d, log(1 + x) | | 35 | their imbalance |
| 8 | lots left a decision / public lots an interval, log(1 + x) | | 36 | events of the last interval, log(1 + n) |
| 9 | urgency | | 37 | volatility of the last interval / s, log(1 + x) |
| 10-14 | own lots at improve, touch, -1, -2, -3 / left | | 38 | s, log(1 + half-ticks) |
| 15 | own lots off the ladder / left | | 39 | mid in the last interval / s, slog |
| 16 | own lots in flight / left | | 40 | mid since arrival / (s sqrt of intervals passed), slog |
| 17-19 | queue ahead at improve, touch, -1: log(1 + lots / d), -1: none | | 41 | d, log(1 + lots) |
| 20 | forecast of the mid against the order, in spreads, slog | | 42 | spread in bps of the mid, log(1 + x) |

Stacked, the decision intervals before the last one follow, the youngest first, five entries each: order flow imbalance
(as 32), volume and its imbalance, volatility (as 37), drift (as 39). They come out of the market row, so that a stacked
policy is a function of one view like any other; the order's own past is not stacked.

Last come own fills, the own share of the volume and the market's slow flow; `"v2"` is the observation without them. "Since
the warm-up" goes back to long before the arrival, and flow is that of aggressors, in lots.

| entry | |
|---|---|
| `fill_rate` | lots done a decision so far, over lots left a decision to come: log, from -4 to 4; 0 at arrival |
| `fill_share` | lots done, over them and all flow against the order since arrival |
| `flow_to_come` | flow against the order, an interval on average, times decisions to come, over lots left: log(1 + x) |
| `pace` | flow an interval since arrival over that since the warm-up: log, from -4 to 4 |
| `lean` | (flow with - flow against) / (flow with + flow against), since the warm-up |
| `lean_since_arrival` | the same since arrival |
| `long_order_flow_imbalance` | order flow imbalance an interval since the warm-up / d, slog |
"""

import math
from typing import Final

from tercel.core.jit import Longs, Singles, kernel
from tercel.core.vocabulary import NO_ASK, NO_BID, NS_PER_SECOND
from tercel.execution import columns as c, intent as it
from tercel.execution.features import imbalance, signed_log
from tercel.market.simulator.layout import PAST_FEATURES, PAST_INTERVALS

# Entries of the order, the book and the last interval, in order.
LAST: Final = (
    *("time_left", "lots_left", "lots_left_ahead_of_time", "horizon", "seconds_left"),
    *("order_in_depths", "left_in_far_touches", "slice_in_depths", "slice_in_volume", "urgency"),
    *(f"own_lots_{rung}" for rung in ("improve", "touch", "touch_1", "touch_2", "touch_3")),
    *(
        "own_lots_off_ladder",
        "own_lots_in_flight",
        "queue_improve",
        "queue_touch",
        "queue_touch_1",
        "forecast",
    ),
    *(
        "spread",
        "own_depth_1",
        "own_depth_2",
        "own_depth_3_5",
        "far_depth_1",
        "far_depth_2",
        "far_depth_3_5",
    ),
    *("imbalance_1", "imbalance_3", "imbalance_5", "microprice", "order_flow_imbalance"),
    *("volume_with", "volume_against", "volume_imbalance", "events"),
    *("volatility_now", "volatility", "drift", "drift_since_arrival", "depth", "spread_bps"),
)
N_LAST: Final = len(LAST)
# Entries of an earlier interval that are stacked.
STACKED: Final = ("order_flow_imbalance", "volume", "volume_imbalance", "volatility_now", "drift")
# Decision intervals that can be seen at once.
MOST: Final = 1 + PAST_INTERVALS
# Entries of own fills and the slow flow, in order.
SLOW: Final = (
    *("fill_rate", "fill_share", "flow_to_come"),
    *("pace", "lean", "lean_since_arrival", "long_order_flow_imbalance"),
)
# The first entry that is the market's alone.
MARKET: Final = 21
_HALF_HOUR_S = 1800.0
_MOST_RATIO: Final = 4.0


@kernel
def mean_depth(m: Longs) -> float:
    """Mean lots of the ten displayed levels, at least 1: the unit d of lots."""
    depth = 0.0
    for n in range(2 * c.LEVELS):
        depth += m[c.OWN1 + n]
    return max(depth / (2 * c.LEVELS), 1.0)


@kernel
def encode_last(x: Longs, m: Longs, o: Singles) -> None:
    """Write entries 0 to 42 (order, book and last interval) into `o` from the integer rows `x` and `m`."""
    depth = mean_depth(m)
    _encode_order(x, m, depth, o)
    _encode_book(x, m, depth, o)
    _encode_moves(x, m, depth, o)


@kernel
def _encode_order(x: Longs, m: Longs, depth: float, o: Singles) -> None:
    """Write entries 0 to 19 (the order); lots are in units of `depth`. The forecast, 20, is written by `_encode_book`."""
    left = max(x[c.LEFT], 1)
    decisions_left = max(x[c.DECISIONS] - x[c.DECISION], 1)
    # public lots an interval: since arrival, where that is at least one interval long, with the one just over
    seen = m[c.V_SEEN] if x[c.DECISION] > 0 else m[c.V_SAME] + m[c.V_AGAINST]
    pace = seen / max(x[c.DECISION], 1)
    o[0] = x[c.TIME_LEFT_NS] / x[c.HORIZON_NS]
    o[1] = x[c.LEFT] / max(x[c.QTY0], 1)
    o[2] = o[1] - o[0]
    o[3] = math.log(x[c.HORIZON_NS] / NS_PER_SECOND / _HALF_HOUR_S)
    o[4] = math.log1p(x[c.TIME_LEFT_NS] / NS_PER_SECOND / 60.0)
    o[5] = math.log(max(x[c.QTY0], 1) / depth)
    o[6] = math.log1p(x[c.LEFT] / max(m[c.FAR1], 1))
    o[7] = math.log1p(x[c.LEFT] / decisions_left / depth)
    o[8] = math.log1p(x[c.LEFT] / decisions_left / max(pace, 1.0))
    o[9] = x[c.URGENCY] / 1e6
    for j in range(it.K):
        o[10 + j] = x[c.REST0 + j] / left
    o[15] = x[c.OUTSIDE_LOTS] / left
    o[16] = x[c.INFLIGHT] / left
    for j in range(3):
        ahead = x[c.AHEAD0 + j]
        o[17 + j] = math.log1p(ahead / depth) if ahead >= 0 else -1.0


@kernel
def _encode_book(x: Longs, m: Longs, depth: float, o: Singles) -> None:
    """Write the entries of forecast (20), spread, depths, imbalances and microprice; lots are in units of `depth`."""
    side = 1 if m[c.FAR] > m[c.TOUCH] else -1
    quoted = m[c.TOUCH] > NO_BID and m[c.TOUCH] < NO_ASK and m[c.FAR] > NO_BID and m[c.FAR] < NO_ASK
    spread = max((m[c.FAR] - m[c.TOUCH]) * side, 0) if quoted else 0
    bps = spread / max(m[c.MID2] / 2.0, 1.0) * 1e4
    o[20] = signed_log(x[c.ALPHA] / 1000.0 / max(bps, 0.1))
    o[21] = math.log1p(float(spread))
    own_lots = 0.0
    far_lots = 0.0
    for n in range(c.LEVELS):
        own_lots += m[c.OWN1 + n]
        far_lots += m[c.FAR1 + n]
        if n == 0:
            o[28] = imbalance(own_lots, far_lots)
            o[22] = math.log1p(own_lots / depth)
            o[25] = math.log1p(far_lots / depth)
        elif n == 1:
            o[23] = math.log1p(m[c.OWN1 + n] / depth)
            o[26] = math.log1p(m[c.FAR1 + n] / depth)
        elif n == 2:
            o[29] = imbalance(own_lots, far_lots)
    o[30] = imbalance(own_lots, far_lots)
    o[24] = math.log1p((own_lots - m[c.OWN1] - m[c.OWN1 + 1]) / depth)
    o[27] = math.log1p((far_lots - m[c.FAR1] - m[c.FAR1 + 1]) / depth)
    o[31] = 0.5 * spread * o[28]
    o[41] = math.log1p(depth)
    o[42] = math.log1p(bps)


@kernel
def _encode_moves(x: Longs, m: Longs, depth: float, o: Singles) -> None:
    """Write entries 32 to 40: flow of the last interval (in units of `depth`), volatility and moves of the mid."""
    side = 1 if m[c.FAR] > m[c.TOUCH] else -1
    sd = math.sqrt(max(float(m[c.RV_LONG]), 1.0))
    passed = max(x[c.DECISION], 1)
    o[32] = signed_log(m[c.OFI] / depth)
    o[33] = math.log1p(m[c.V_SAME] / depth)
    o[34] = math.log1p(m[c.V_AGAINST] / depth)
    o[35] = imbalance(float(m[c.V_SAME]), float(m[c.V_AGAINST]))
    o[36] = math.log1p(float(m[c.EVENTS]))
    o[37] = math.log1p(math.sqrt(float(m[c.RV])) / sd)
    o[38] = math.log1p(sd)
    o[39] = signed_log(m[c.DRIFT] / sd)
    o[40] = signed_log(side * (m[c.MID2] - m[c.ARRIVAL_MID2]) / (sd * math.sqrt(float(passed))))


@kernel
def encode_past(m: Longs, back: int, offset: int, o: Singles) -> None:
    """Write the five `STACKED` entries of the interval `back` before the last one into `o`, from `offset` on."""
    depth = mean_depth(m)
    sd = math.sqrt(max(float(m[c.RV_LONG]), 1.0))
    first = c.PAST0 + (back - 1) * PAST_FEATURES
    same = float(m[first])
    against = float(m[first + 1])
    o[offset] = signed_log(m[first + 2] / depth)
    o[offset + 1] = math.log1p((same + against) / depth)
    o[offset + 2] = imbalance(same, against)
    o[offset + 3] = math.log1p(math.sqrt(float(m[first + 3])) / sd)
    o[offset + 4] = signed_log(m[first + 5] / sd)


@kernel
def _log_ratio(over: float, under: float) -> float:
    """log(over / under) clipped to -4 and 4; 0 if neither is above 0, 4 or -4 if only one is."""
    if over <= 0.0 or under <= 0.0:
        return (
            0.0 if over <= 0.0 and under <= 0.0 else (_MOST_RATIO if over > 0.0 else -_MOST_RATIO)
        )
    return min(max(math.log(over / under), -_MOST_RATIO), _MOST_RATIO)


@kernel
def encode_slow(x: Longs, m: Longs, offset: int, o: Singles) -> None:
    """Write the seven `SLOW` entries (own fills and slow flow) into `o`, from `offset` on."""
    depth = mean_depth(m)
    passed = x[c.DECISION]
    to_come = max(x[c.DECISIONS] - x[c.DECISION], 1)
    intervals = max(m[c.AGE_NS] / max(x[c.HORIZON_NS] / max(x[c.DECISIONS], 1), 1.0), 1.0)
    left = float(max(x[c.LEFT], 1))
    done = float(max(x[c.QTY0] - x[c.LEFT], 0))
    same = float(m[c.LONG_SAME])
    against = float(m[c.LONG_AGAINST])
    seen = float(m[c.V_SEEN])
    seen_against = float(m[c.SEEN_AGAINST])
    o[offset] = _log_ratio(done / max(passed, 1), left / to_come) if passed > 0 else 0.0
    o[offset + 1] = done / max(done + seen_against, 1.0)
    o[offset + 2] = math.log1p(against / intervals * to_come / left)
    o[offset + 3] = (
        _log_ratio(seen / max(passed, 1), (same + against) / intervals) if passed > 0 else 0.0
    )
    o[offset + 4] = imbalance(same, against)
    o[offset + 5] = imbalance(seen - seen_against, seen_against)
    o[offset + 6] = signed_log(m[c.LONG_OFI] / intervals / depth)


@kernel
def encode_rows(x: Longs, m: Longs, slow: int, entries: Singles) -> None:
    """Write all entries of n decisions into `entries`, float32 (n, N_LAST + 5 (stack - 1) + slow), from int64 (n, PX) and
    (n, MX); `slow`: number of entries of slow flow, 0 or 7; the stack follows from the width.
    """
    behind = entries.shape[1] - slow
    for row in range(entries.shape[0]):
        encode_last(x[row], m[row], entries[row])
        for back in range(1, 1 + (behind - N_LAST) // len(STACKED)):
            encode_past(m[row], back, N_LAST + (back - 1) * len(STACKED), entries[row])
        if slow > 0:
            encode_slow(x[row], m[row], behind, entries[row])
