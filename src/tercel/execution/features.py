"""The two integer rows that strategies read at a decision, and the float features on which drift is measured.

The features are a float row, a function of the integer rows alone; the first 15 depend on the private row only,
the rest on the market row only, so that the two can be paired freely. Everything is oriented by the order's side: buying
and selling look alike. What policies observe is made of the same rows (`execution.observation`).

| entries | private | | entries | market |
|---|---|---|---|---|
| 0 | time left / horizon | | 15 | spread, log(1 + ticks) |
| 1 | lots left / order | | 16-20 | own-side depth, 5 occupied levels, log(1 + lots) |
| 2 | lots left share - time left share | | 21-25 | far-side depth, same |
| 3-7 | own lots at improve, touch, -1, -2, -3 / left | | 26-28 | imbalance of 1, 3, 5 levels |
| 8 | own lots off the ladder / left | | 29 | microprice - mid, ticks |
| 9 | own lots in flight / left | | 30 | order flow imbalance, last interval, signed log |
| 10-14 | queue: log(1 + lots ahead), -1 where no own order | | 31-33 | volume with, against, both as imbalance |
| | | | 34-35 | short and long volatility, log(1 + half-ticks^2) |
| | | | 36 | volume since arrival, log(1 + lots) |
| | | | 37-38 | mid since arrival, in the last interval, signed log half-ticks |
| | | | 39 | public events, last interval, log(1 + n) |
"""

import math

import numpy as np

from tercel.core.arrays import Float32, Ints
from tercel.core.jit import Longs, Packed, Singles, kernel, load_fixed
from tercel.core.vocabulary import NO_ASK, NO_BID
from tercel.execution import columns as c, intent as it
from tercel.execution.reconcile import is_take, open_lots, rung_of, standing_lots
from tercel.market.book import layout as lay
from tercel.market.book.book_records import ledger_at
from tercel.market.book.ladder import public_depth
from tercel.market.simulator import layout as sim
from tercel.market.simulator.public_touch import rival_improvement
from tercel.market.simulator.records import state_at

__all__ = ["imbalance", "public_depth", "signed_log"]


# Names of the float row's entries, in order.
FEATURES = (
    *("time_left", "lots_left", "lots_left_ahead_of_time"),
    *(f"own_lots_{rung}" for rung in ("improve", "touch", "touch_1", "touch_2", "touch_3")),
    *("own_lots_off_ladder", "own_lots_in_flight"),
    *(f"queue_{rung}" for rung in ("improve", "touch", "touch_1", "touch_2", "touch_3")),
    "spread",
    *(f"own_depth_{level}" for level in range(1, 6)),
    *(f"far_depth_{level}" for level in range(1, 6)),
    *("imbalance_1", "imbalance_3", "imbalance_5", "microprice", "order_flow_imbalance"),
    *("volume_with", "volume_against", "volume_imbalance", "volatility_short", "volatility_long"),
    *("volume_since_arrival", "drift_since_arrival", "drift", "events"),
)
N_FEATURES = len(FEATURES)


@kernel
def imbalance(own_lots: float, far_lots: float) -> float:
    """(own - far) / (own + far), 0 when both are empty."""
    total = own_lots + far_lots
    return (own_lots - far_lots) / total if total > 0 else 0.0


@kernel
def signed_log(x: float) -> float:
    """sign(x) log(1 + |x|): lots and squared moves span decades."""
    return math.log1p(x) if x >= 0 else -math.log1p(-x)


@kernel
def observe_private(b: Packed, k: Longs, x: Longs) -> None:
    """Write the private row `x`: the order, time left, guidance, own orders on the default ladder at the public touch."""
    s = state_at(k)
    side = s.side
    x[c.UNDERCUT] = rival_improvement(b, k)
    anchor = (s.public_bid if side > 0 else s.public_ask) + side * (1 + x[c.UNDERCUT])
    x[c.SIDE] = side
    x[c.QTY0] = s.quantity
    x[c.LEFT] = s.left
    x[c.DECISION] = s.decision
    x[c.DECISIONS] = s.decisions
    x[c.TIME_LEFT_NS] = max(s.start_ns + s.horizon_ns - s.now, 0)
    x[c.HORIZON_NS] = s.horizon_ns
    x[c.LIVE] = open_lots(b)
    x[c.ALPHA] = side * s.alpha
    for j in range(1, c.UNDERCUT - c.ALPHA):
        x[c.ALPHA + j] = k[sim.ALPHA + j]
    x[c.OUTSIDE_LOTS] = 0
    x[c.INFLIGHT] = 0
    room = s.left
    for j in range(it.K):
        x[c.REST0 + j] = 0
        x[c.AHEAD0 + j] = -1
    for i in range(load_fixed(b, lay.OWN)):
        led = ledger_at(b, i)
        lots = standing_lots(b, i)
        if lots == 0:
            continue
        rung = rung_of(b, i, side, anchor, 1)
        if led.state == lay.IN_FLIGHT:
            x[c.INFLIGHT] += lots
        room -= lots
        if rung < 0:
            if not is_take(b, i):
                x[c.OUTSIDE_LOTS] += lots
            continue
        x[c.REST0 + rung] += lots
        if led.state == lay.RESTING and (x[c.AHEAD0 + rung] < 0 or led.ahead < x[c.AHEAD0 + rung]):
            x[c.AHEAD0 + rung] = led.ahead
    # lots that wait for an acknowledgement are wanted at their future rung, as far as the order has lots for them
    for j in range(it.K):
        waiting = min(k[sim.WAITING_REST + j], room)
        if waiting > 0:
            away = (anchor - s.waiting_anchor) * side + s.waiting_step * j
            if 0 <= away < it.K:
                x[c.REST0 + away] += waiting
                room -= waiting


@kernel
def begin_interval(k: Longs) -> None:
    """Copy the current tallies of the market's state to where the next interval is counted from."""
    for j in range(sim.SEEN_WORDS):
        k[sim.SEEN + j] = k[sim.EVENTS + j]


@kernel
def observe_market(b: Packed, k: Longs, m: Longs) -> None:
    """Write the market row `m`, without own orders; then start the next interval, unless one of the schedule still lasts."""
    s = state_at(k)
    side = s.side
    m[c.TOUCH] = s.public_bid if side > 0 else s.public_ask
    m[c.FAR] = s.public_ask if side > 0 else s.public_bid
    m[c.MID2] = s.mid2
    m[c.ARRIVAL_MID2] = s.arrival_mid2
    public_depth(b, side, m[c.TOUCH], m, c.OWN1, c.LEVELS)
    public_depth(b, -side, m[c.FAR], m, c.FAR1, c.LEVELS)
    bought = s.bought - s.seen_bought
    sold = s.sold - s.seen_sold
    m[c.V_SEEN] = s.bought + s.sold - s.arrived_bought - s.arrived_sold
    m[c.V_SAME] = bought if side > 0 else sold
    m[c.V_AGAINST] = sold if side > 0 else bought
    m[c.OFI] = side * (s.ofi - s.seen_ofi)
    m[c.RV] = s.variance - s.seen_variance
    m[c.EVENTS] = s.events - s.seen_events
    m[c.HALTED] = s.halted
    passed = (s.now - s.began_ns) // max(s.horizon_ns // max(s.decisions, 1), 1)
    m[c.RV_LONG] = s.variance // max(passed, 1)
    m[c.DRIFT] = side * (s.mid2 - s.seen_mid2)
    for j in range(sim.PAST_WORDS):
        m[c.PAST0 + j] = k[sim.PAST + j]
    m[c.AGE_NS] = s.now - s.began_ns
    m[c.LONG_SAME] = s.bought if side > 0 else s.sold
    m[c.LONG_AGAINST] = s.sold if side > 0 else s.bought
    m[c.LONG_OFI] = side * s.ofi
    m[c.LONG_DRIFT] = side * (s.mid2 - s.began_mid2)
    m[c.SEEN_AGAINST] = s.sold - s.arrived_sold if side > 0 else s.bought - s.arrived_bought
    if s.gap_ns > 0 and s.seen_slice == s.decision + 1:
        return  # an interval lasts from one decision of the schedule to the next
    s.seen_slice = s.decision + 1
    for j in range(sim.PAST_WORDS - 1, sim.PAST_FEATURES - 1, -1):
        k[sim.PAST + j] = k[sim.PAST + j - sim.PAST_FEATURES]
    k[sim.PAST] = m[c.V_SAME]
    k[sim.PAST + 1] = m[c.V_AGAINST]
    k[sim.PAST + 2] = m[c.OFI]
    k[sim.PAST + 3] = m[c.RV]
    k[sim.PAST + 4] = m[c.EVENTS]
    k[sim.PAST + 5] = m[c.DRIFT]
    begin_interval(k)


@kernel
def encode(x: Longs, m: Longs, o: Singles) -> None:
    """Write the features of one decision, float32 (N_FEATURES,), from its integer rows `x` and `m`."""
    left = max(x[c.LEFT], 1)
    o[0] = x[c.TIME_LEFT_NS] / x[c.HORIZON_NS]
    o[1] = x[c.LEFT] / max(x[c.QTY0], 1)
    o[2] = o[1] - o[0]
    for j in range(it.K):
        o[3 + j] = x[c.REST0 + j] / left
        o[10 + j] = math.log1p(float(x[c.AHEAD0 + j])) if x[c.AHEAD0 + j] >= 0 else -1.0
    o[8] = x[c.OUTSIDE_LOTS] / left
    o[9] = x[c.INFLIGHT] / left

    side = 1 if m[c.FAR] > m[c.TOUCH] else -1
    quoted = m[c.TOUCH] > NO_BID and m[c.TOUCH] < NO_ASK and m[c.FAR] > NO_BID and m[c.FAR] < NO_ASK
    spread = max((m[c.FAR] - m[c.TOUCH]) * side, 0) if quoted else 0
    o[15] = math.log1p(float(spread))
    own_lots = 0.0
    far_lots = 0.0
    for n in range(c.LEVELS):
        o[16 + n] = math.log1p(float(m[c.OWN1 + n]))
        o[21 + n] = math.log1p(float(m[c.FAR1 + n]))
        own_lots += m[c.OWN1 + n]
        far_lots += m[c.FAR1 + n]
        if n == 0:
            o[26] = imbalance(own_lots, far_lots)
        elif n == 2:
            o[27] = imbalance(own_lots, far_lots)
    o[28] = imbalance(own_lots, far_lots)
    # the microprice leans from the mid towards the far side when the own side is heavier (Gatheral & Oomen 2010)
    o[29] = 0.5 * spread * o[26]
    o[30] = signed_log(float(m[c.OFI]))
    o[31] = math.log1p(float(m[c.V_SAME]))
    o[32] = math.log1p(float(m[c.V_AGAINST]))
    o[33] = imbalance(float(m[c.V_SAME]), float(m[c.V_AGAINST]))
    o[34] = math.log1p(float(m[c.RV]))
    o[35] = math.log1p(float(m[c.RV_LONG]))
    o[36] = math.log1p(float(m[c.V_SEEN]))
    o[37] = signed_log(float(side * (m[c.MID2] - m[c.ARRIVAL_MID2])))
    o[38] = signed_log(float(m[c.DRIFT]))
    o[39] = math.log1p(float(m[c.EVENTS]))


@kernel
def encode_rows(x: Longs, m: Longs, features: Singles) -> None:
    """Write the features of n decisions, float32 (n, N_FEATURES), from int64 (n, PX) and int64 (n, MX)."""
    for row in range(features.shape[0]):
        encode(x[row], m[row], features[row])


def features_of(x: Ints, m: Ints) -> Float32:
    """Features of n decisions, float32 (n, N_FEATURES), from int64 (n, PX) and int64 (n, MX)."""
    features = np.empty((len(x), N_FEATURES), np.float32)
    encode_rows(x, m, features)
    return features


@kernel
def observe(b: Packed, k: Longs, x: Longs, m: Longs) -> None:
    """Write both integer rows of one market, `x` and `m`, once a decision; sets the state's mid and cash of a step anew."""
    s = state_at(k)
    observe_private(b, k, x)
    observe_market(b, k, m)
    s.decision_mid2 = s.mid2
    s.step_cash = 0
