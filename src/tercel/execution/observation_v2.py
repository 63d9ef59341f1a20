"""`Observation-v2`: one policy for orders of any size, horizon and urgency, in markets of any depth.

A function of the two integer rows alone, computed by the policy's own encoder: what a market records stays as it is.
Lots are measured in `d`, the mean of the ten displayed levels; moves of the mid in `s`, the standard deviation of a
decision interval so far; so that markets of other ticks, depths and speeds look alike, and `d` and `s` themselves are
entries of their own. Everything is oriented by the order's side. `slog x` is sign(x) log(1 + |x|).

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
"""

import math
from typing import Final

from tercel.core.jit import Longs, Singles, kernel
from tercel.core.vocabulary import NO_ASK, NO_BID, NS_PER_SECOND
from tercel.execution import columns as c
from tercel.execution import intent as it
from tercel.execution.microstructure import imbalance, signed_log
from tercel.market.simulator.layout import PAST_FEATURES, PAST_INTERVALS

OBS2_NAMES: Final = (
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
"""Names of the entries, in order."""
OBS2_SIZE: Final = len(OBS2_NAMES)
STACKED: Final = ("order_flow_imbalance", "volume", "volume_imbalance", "volatility_now", "drift")
"""What is stacked of an earlier interval."""
MOST: Final = 1 + PAST_INTERVALS
"""Decision intervals that can be seen at once."""
MARKET: Final = 21
"""The first entry that is the market's alone."""

_HALF_HOUR_S = 1800.0


@kernel
def mean_depth(m: Longs) -> float:
    """Mean of the ten displayed levels, lots, at least 1: what lots are measured in."""
    depth = 0.0
    for n in range(2 * c.LEVELS):
        depth += m[c.OWN1 + n]
    return max(depth / (2 * c.LEVELS), 1.0)


@kernel
def encode_v2(x: Longs, m: Longs, o: Singles) -> None:
    """The float row of an integer pair (see the module's table)."""
    depth = mean_depth(m)
    _encode_order(x, m, depth, o)
    _encode_book(x, m, depth, o)
    _encode_moves(x, m, depth, o)


@kernel
def _encode_order(x: Longs, m: Longs, depth: float, o: Singles) -> None:
    """Entries 0 to 20 without the forecast."""
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
    """Spread, depths, imbalances, and what is measured in spreads."""
    side = 1 if m[c.FAR] > m[c.TOUCH] else -1
    quoted = m[c.TOUCH] > NO_BID and m[c.TOUCH] < NO_ASK and m[c.FAR] > NO_BID and m[c.FAR] < NO_ASK
    spread = max((m[c.FAR] - m[c.TOUCH]) * side, 0) if quoted else 0
    bps = spread / max(m[c.MID2] / 2.0, 1.0) * 1e4
    o[20] = signed_log(x[c.ALPHA] / 1000.0 / max(bps, 0.1))
    o[21] = math.log1p(float(spread))
    own, far = 0.0, 0.0
    for n in range(c.LEVELS):
        own += m[c.OWN1 + n]
        far += m[c.FAR1 + n]
        if n == 0:
            o[28] = imbalance(own, far)
            o[22], o[25] = math.log1p(own / depth), math.log1p(far / depth)
        elif n == 1:
            o[23] = math.log1p(m[c.OWN1 + n] / depth)
            o[26] = math.log1p(m[c.FAR1 + n] / depth)
        elif n == 2:
            o[29] = imbalance(own, far)
    o[30] = imbalance(own, far)
    o[24] = math.log1p((own - m[c.OWN1] - m[c.OWN1 + 1]) / depth)
    o[27] = math.log1p((far - m[c.FAR1] - m[c.FAR1 + 1]) / depth)
    o[31] = 0.5 * spread * o[28]
    o[41] = math.log1p(depth)
    o[42] = math.log1p(bps)


@kernel
def _encode_moves(x: Longs, m: Longs, depth: float, o: Singles) -> None:
    """Flow, volatility and moves of the mid."""
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
def encode_past(m: Longs, back: int, at: int, o: Singles) -> None:
    """Entries `at` and on: the interval `back` (from 1) before the last one."""
    depth = mean_depth(m)
    sd = math.sqrt(max(float(m[c.RV_LONG]), 1.0))
    first = c.PAST0 + (back - 1) * PAST_FEATURES
    same, against = float(m[first]), float(m[first + 1])
    o[at] = signed_log(m[first + 2] / depth)
    o[at + 1] = math.log1p((same + against) / depth)
    o[at + 2] = imbalance(same, against)
    o[at + 3] = math.log1p(math.sqrt(float(m[first + 3])) / sd)
    o[at + 4] = signed_log(m[first + 5] / sd)


@kernel
def encode_v2_rows(x: Longs, m: Longs, out: Singles) -> None:
    """:func:`encode_v2` of every row: int64 (n, PX), int64 (n, MX) -> `out`, float32 (n, OBS2_SIZE + 5 (stack - 1))."""
    for row in range(out.shape[0]):
        encode_v2(x[row], m[row], out[row])
        for back in range(1, 1 + (out.shape[1] - OBS2_SIZE) // len(STACKED)):
            encode_past(m[row], back, OBS2_SIZE + (back - 1) * len(STACKED), out[row])
