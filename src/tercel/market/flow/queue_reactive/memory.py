"""State variables of the queue-reactive flow; the same code reads them on tape (fitting) and in simulation.

All mids here are in half-ticks.
"""

import math
from typing import Any

from tercel.core.exponential import exp
from tercel.core.jit import Floats, Longs, inlined_kernel, kernel, record_at
from tercel.core.seeds import uniform
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.flow.queue_reactive import layout as q
from tercel.market.simulator import layout as sim
from tercel.market.simulator.records import put_real, real, record_of, state_at

# -- the words by name: `memory_at(k).mid` is a word of the market's state --

_WORDS = (
    *(
        "p_kind",
        "p_side",
        "p2_kind",
        "p2_side",
        "wait",
        "seen_ns",
        "trade_ns",
        "trade_sign",
        "trade_moved",
        "move",
    ),
    *(
        "mid",
        "minute_end",
        "at_minute",
        "block_left",
        "activity",
        "day",
        "last_side",
        "last_price",
        "last_lots",
    ),
    *(
        "i_state",
        "i_before",
        "i_before2",
        "i_place",
        "i_trade",
        "i_emptied",
        "i_vacated",
        "i_fresh",
        "i_signs",
    ),
    *("i_alone", "i_runs", "i_behind", "i_retreat", "i_pressure", "i_insides", "i_withdrawn"),
    *("n_events", "n_market", "spread_sum", "refills", "repairs", "void", "lean_ns"),
)
_REALS = (
    *(
        "mean_slow",
        "mean_fast",
        "mean_value",
        "sign_flow",
        "slow_signs",
        "takers",
        "pressure",
        "pace",
        "markets",
    ),
    *("rate", "lean", "lean_up", "lean_down"),
)
MEMORY = record_of(
    {name: getattr(q, name.upper()) for name in (*_WORDS, *_REALS)},
    sim.FLOW_MEMORY + q.USED,
    _REALS,
)

_memory = record_at(MEMORY)


@inlined_kernel
def memory_at(k: Longs) -> Any:
    """Record of the flow's memory in a market, without its tables."""
    return _memory(k, 0)


@kernel
def class_of(flow: Floats, edges: int, count: int, x: float) -> int:
    """Class of x: the number of the `count` ascending edges not above it."""
    i = 0
    for j in range(count):
        i += int(flow[edges + j] <= x)
    return i


@kernel
def touch_class(flow: Floats, same: int, opposite: int) -> int:
    """Class of the two best queues: a pair of queue classes, or the imbalance."""
    if flow[q.BY_IMBALANCE] != 0.0:
        imbalance = (same - opposite) / max(same + opposite, 1)
        return class_of(flow, q.IMBALANCE_EDGES, q.TOUCHES - 1, imbalance)
    own = class_of(flow, q.QUEUE_EDGES, q.QUEUES - 1, same)
    return own * q.QUEUES + class_of(flow, q.QUEUE_EDGES, q.QUEUES - 1, opposite)


@kernel
def touch(k: Longs, side: int) -> int:
    """The best public price of a side, NO_BID or NO_ASK."""
    s = state_at(k)
    return int(s.public_bid if side > 0 else s.public_ask)


@kernel
def quarters(x: float, power: float) -> float:
    """x to the power of `power` quarters: 0, 1, 2 or 4 (a general power would dominate run time)."""
    if power == 4.0:
        return x
    if power == 2.0:
        return math.sqrt(x)
    return math.sqrt(math.sqrt(x)) if power == 1.0 else 1.0


@kernel
def see(
    k: Longs,
    flow: Floats,
    now: int,
    bid: int,
    ask: int,
    bid_lots: int,
    ask_lots: int,
    bids: int,
    asks: int,
) -> None:
    """Compute the classes that the next event's weights depend on, in the frame of the previous event's side.

    `bids`, `asks`: orders at the best prices, at most AT_BEST of them counted.
    """
    m = memory_at(k)
    side = m.p_side
    mid2 = bid + ask
    _age(k, flow, now)
    if mid2 != m.mid:  # also where others than the flow moved it
        m.move = 1 if mid2 > m.mid else -1
        m.mid = mid2
    spread = class_of(flow, q.SPREAD_EDGES, q.SPREADS - 1, ask - bid)
    same, opposite = (bid_lots, ask_lots) if side > 0 else (ask_lots, bid_lots)
    m.i_state = spread * q.TOUCHES + touch_class(flow, same, opposite)
    m.i_before = m.p_kind * q.WAITS + m.wait
    m.i_before2 = (m.p_kind * q.PREVIOUS + m.p2_kind) * 2 + (0 if m.p2_side == side else 1)
    place = class_of(flow, q.FAST_EDGES, q.FAST - 1, side * (mid2 - m.mean_fast))
    m.i_place = place * q.MOVES + (0 if m.move * side >= 0 else 1)
    narrow = class_of(flow, q.NARROW_EDGES, q.NARROWS - 1, ask - bid)
    trade = class_of(flow, q.FLOW_EDGES, q.FLOWS - 1, side * m.sign_flow) * q.AGES
    trade += class_of(flow, q.AGE_EDGES, q.AGES - 1, now - m.trade_ns)
    trade = trade * 2 + (0 if m.trade_sign * side >= 0 else 1)
    m.i_trade = (trade * 2 + m.trade_moved) * q.NARROWS + narrow
    k[q.TOUCH], k[q.TOUCH + 1] = bid, ask
    own, other = (bids, asks) if side > 0 else (asks, bids)
    m.i_alone = (min(max(own, 1), q.AT_BEST) - 1) * q.AT_BEST + min(max(other, 1), q.AT_BEST) - 1
    _recall(k, flow, now, side, narrow)


@kernel
def _age(k: Longs, flow: Floats, now: int) -> None:
    """Time has passed: means move towards what stood, market orders are forgotten."""
    m = memory_at(k)
    elapsed = now - m.seen_ns
    if elapsed <= 0:
        return
    m.seen_ns = now
    keep = exp(-elapsed / flow[q.RUN_NS])
    half = exp(-elapsed / flow[q.SLOW_NS])
    m.mean_slow = m.mid + (m.mean_slow - m.mid) * half
    m.mean_fast = m.mid + (m.mean_fast - m.mid) * exp(-elapsed / flow[q.FAST_NS])
    m.mean_value = m.mid + (m.mean_value - m.mid) * exp(-elapsed / flow[q.VALUE_NS])
    m.takers = m.takers * half
    m.pressure = m.pressure * half
    for at in range(2):
        for what in (q.RUN, q.INSIDE_RUN, q.WITHDRAWN_RUN):
            put_real(k, what + at, real(k, what + at) * keep)
        mean = real(k, q.TOUCH_MEAN + at)
        put_real(k, q.TOUCH_MEAN + at, mean + (k[q.TOUCH + at] - mean) * (1.0 - keep))


@kernel
def _recall(k: Longs, flow: Floats, now: int, side: int, narrow: int) -> None:
    """The classes of what was seen before: touches emptied, where they stood, their age, market orders."""
    m = memory_at(k)
    m.i_emptied = left(k, flow, now, side, q.EMPTIED) * q.TOUCHED + left(
        k, flow, now, -side, q.EMPTIED
    )
    m.i_vacated = left(k, flow, now, side, q.VACATED) * q.TOUCHED + left(
        k, flow, now, -side, q.VACATED
    )
    m.i_fresh = young(k, flow, now, side) * q.MADES + young(k, flow, now, -side)
    at = 0 if side > 0 else 1
    runs = class_of(flow, q.RUN_EDGES, q.RUNS - 1, real(k, q.RUN + at)) * q.RUNS
    runs += class_of(flow, q.RUN_EDGES, q.RUNS - 1, real(k, q.RUN + 1 - at))
    m.i_runs = runs * q.NARROWS + narrow
    m.i_behind = class_of(flow, q.BEHIND_EDGES, q.GAPS - 1, k[q.BEHIND + at]) * q.GAPS
    m.i_behind += class_of(flow, q.BEHIND_EDGES, q.GAPS - 1, k[q.BEHIND + 1 - at])
    both = class_of(flow, q.RETREAT_EDGES, q.RETREATS - 1, retreat(k, side)) * q.RETREATS
    both += class_of(flow, q.RETREAT_EDGES, q.RETREATS - 1, retreat(k, -side))
    m.i_retreat = both * q.NARROWS + narrow
    m.i_signs = class_of(flow, q.SIGN_EDGES, q.SIGNS - 1, side * m.slow_signs)
    m.i_pressure = class_of(flow, q.PRESSURE_EDGES, q.PRESSURES - 1, side * m.pressure)
    both = class_of(flow, q.INSIDES_EDGES, q.INSIDES - 1, real(k, q.INSIDE_RUN + at)) * q.INSIDES
    m.i_insides = both + class_of(
        flow, q.INSIDES_EDGES, q.INSIDES - 1, real(k, q.INSIDE_RUN + 1 - at)
    )
    both = (
        class_of(flow, q.WITHDRAWN_EDGES, q.WITHDRAWN - 1, real(k, q.WITHDRAWN_RUN + at))
        * q.WITHDRAWN
    )
    m.i_withdrawn = both + class_of(
        flow, q.WITHDRAWN_EDGES, q.WITHDRAWN - 1, real(k, q.WITHDRAWN_RUN + 1 - at)
    )


@kernel
def retreat(k: Longs, side: int) -> float:
    """Ticks from a side's best price to its mean."""
    at = 0 if side > 0 else 1
    return (real(k, q.TOUCH_MEAN + at) - k[q.TOUCH + at]) * side


@kernel
def young(k: Longs, flow: Floats, now: int, side: int) -> int:
    """1 + class by origin and age of a side's best price that an order in the spread made; 0: old, or otherwise."""
    at = 0 if side > 0 else 1
    if k[q.TOUCH + at] != k[q.MADE + at]:
        return 0
    age = class_of(flow, q.YOUNG_EDGES, q.YOUNG, now - k[q.MADE_NS + at])
    return 0 if age == q.YOUNG else 1 + k[q.ORIGIN + at] * q.YOUNG + age


@kernel
def left(k: Longs, flow: Floats, now: int, side: int, what: int) -> int:
    """Class of the time since a side's touch was EMPTIED or VACATED, and of its return (`layout.TOUCHED`)."""
    at = 0 if side > 0 else 1
    age = class_of(flow, q.SINCE_EDGES, q.SINCE, now - k[what + 2 + at])
    if age == q.SINCE:
        return 0
    drop = (k[what + at] - k[q.TOUCH + at]) * side
    return (
        1 + q.GONE + age
        if drop <= 0
        else 1 + age * q.DROPS + class_of(flow, q.DROP_EDGES, q.DROPS - 1, drop)
    )


@kernel
def _of_side(k: Longs, cell: int, side: int) -> int:
    """Class of one side in a cell of EMPTIES, in the frame of the previous event: see `layout.TOUCHED`."""
    return cell // q.TOUCHED if side == memory_at(k).p_side else cell % q.TOUCHED


@kernel
def dropped(k: Longs, side: int) -> int:
    """1 + class of the ticks by which a side's best price is behind one that vanished; 0: none."""
    m = memory_at(k)
    found = 0
    for cell in (m.i_emptied, m.i_vacated):
        own = _of_side(k, cell, side)
        if 0 < own <= q.GONE:
            found = max(found, 1 + (own - 1) % q.DROPS)
    return found


@kernel
def gone(k: Longs, side: int) -> int:
    """Whether a side's best price vanished and is not yet back: 1 by a market order, 2 by a cancel, 0 neither."""
    m = memory_at(k)
    if 0 < _of_side(k, m.i_emptied, side) <= q.GONE:
        return 1
    return 2 if 0 < _of_side(k, m.i_vacated, side) <= q.GONE else 0


@kernel
def _fell_ns(k: Longs, side: int) -> int:
    """When a side's best price fell back, by a market order or by a cancel."""
    at = 0 if side > 0 else 1
    return int(max(k[q.EMPTIED_NS + at], k[q.VACATED_NS + at]))


@kernel
def since_fell(k: Longs, flow: Floats, now: int, side: int) -> int:
    """Class of the time since a side's best price retreated."""
    return class_of(flow, q.FELL_EDGES, q.FELL - 1, now - _fell_ns(k, side))


@kernel
def cause(k: Longs, side: int) -> int:
    """Cause of the last fall of a side's best price: 0 a market order, 1 a cancel."""
    at = 0 if side > 0 else 1
    return 1 if k[q.VACATED_NS + at] > k[q.EMPTIED_NS + at] else 0


@kernel
def again_cell(k: Longs, flow: Floats, now: int, side: int) -> int:
    """Cell of AGAIN_LOTS of an order where the side's last one in the spread stood; -1: that is forgotten."""
    age = class_of(flow, q.AGAIN_EDGES, q.AGAINS, now - _fell_ns(k, side))
    return -1 if age == q.AGAINS else cause(k, side) * q.AGAINS + age


@kernel
def lost_cell(k: Longs, flow: Floats, now: int, side: int) -> int:
    """Cell of LOST_PRICE and FOLLOW_PRICE by how a side's best price fell back; -1: none is gone."""
    drop = dropped(k, side)
    return (
        -1
        if drop == 0
        else (cause(k, side) * q.FELL + since_fell(k, flow, now, side)) * q.DROPS + drop - 1
    )


@kernel
def lost_price(k: Longs, side: int) -> int:
    """Better of the former best prices of a side that were removed; call it only where `lost_cell` found one."""
    m, at = memory_at(k), 0 if side > 0 else 1
    price = k[q.TOUCH + at]
    if 0 < _of_side(k, m.i_emptied, side) <= q.GONE:
        price = k[q.EMPTIED + at]
    if 0 < _of_side(k, m.i_vacated, side) <= q.GONE and (k[q.VACATED + at] - price) * side > 0:
        price = k[q.VACATED + at]
    return int(price)


@kernel
def recency(k: Longs, flow: Floats, now: int) -> int:
    """Class of the time since a market order last emptied a touch: the law of waits depends on it."""
    return class_of(
        flow, q.SINCE_EDGES, q.SINCE - 1, now - max(k[q.EMPTIED_NS], k[q.EMPTIED_NS + 1])
    )


@kernel
def wait_row(k: Longs, flow: Floats, spread: int, activity: int) -> int:
    """Row of the wait law for the next wait, right after an event."""
    m = memory_at(k)
    width = class_of(flow, q.WIDTH_EDGES, q.WIDTHS - 1, spread)
    row = ((m.p_kind * q.WAITS + m.wait) * q.ACTIVITIES + activity) * q.WIDTHS + width
    return row * q.SINCE + recency(k, flow, m.seen_ns)


@kernel
def remember(k: Longs, now: int, kind: int, side: int, price: int, lots: int, mid2: int) -> None:
    """Update the state variables with an event: `price` and `lots` of its order, `mid2` after it."""
    m = memory_at(k)
    moved = mid2 != m.mid
    if moved:
        m.move = 1 if mid2 > m.mid else -1
        if kind == q.MARKET:  # what trades do to the price stays: the mean goes along
            m.mean_fast = m.mean_fast + mid2 - m.mid
        m.mid = mid2
    m.p2_kind = m.p_kind
    m.p2_side = m.p_side
    m.p_kind = kind
    at = 0 if side > 0 else 1
    if moved and kind == q.CANCEL_AT_BEST:
        m.p_kind = q.CANCEL_MOVED
        _empty(k, now, side, q.VACATED, m.i_vacated)
    if kind == q.MARKET:
        if moved:
            m.p_kind = q.MARKET_MOVED
            _empty(k, now, -side, q.EMPTIED, m.i_emptied)
        took(k, now, side)
        m.trade_moved = 1 if moved else 0
    m.p_side = side
    m.pressure = m.pressure + side * pushes(kind)
    if kind == q.LIMIT_IN_SPREAD:
        k[q.ORIGIN + at] = _origin(k, side, price)
        k[q.MADE + at], k[q.MADE_NS + at], k[q.MADE_LOTS + at] = price, now, lots
        put_real(k, q.INSIDE_RUN + at, real(k, q.INSIDE_RUN + at) + 1.0)
    if kind == q.CANCEL_AT_BEST:
        put_real(k, q.WITHDRAWN_RUN + at, real(k, q.WITHDRAWN_RUN + at) + 1.0)
    m.last_lots = lots
    if kind != q.MARKET:
        m.last_side = side
        m.last_price = price
    else:
        m.last_side = 0
    if kind == q.CANCEL_AT_BEST or kind == q.CANCEL_DEEPER:
        k[q.GONE_PRICE + at] = price
        k[q.GONE_LOTS + at] = lots


@kernel
def _origin(k: Longs, side: int, price: int) -> int:
    """Origin of an order in the spread: see `layout.ORIGINS`."""
    if price == k[q.MADE + (0 if side > 0 else 1)]:
        return 1
    return 2 if price == lost_price(k, -side) else 0


@kernel
def took(k: Longs, now: int, side: int) -> None:
    """Somebody of a side took: by a market order, or what was hidden."""
    m = memory_at(k)
    at = q.RUN + (0 if side > 0 else 1)
    m.sign_flow = 0.5 * m.sign_flow + 0.5 * side
    m.slow_signs = 0.92 * m.slow_signs + 0.08 * side
    m.takers = m.takers + side
    m.trade_ns = now
    m.trade_moved = 0
    m.trade_sign = side
    put_real(k, at, real(k, at) + 1.0)


@kernel
def pushes(kind: int) -> float:
    """Contribution of an event of the bid, or of a buyer, to the pressure: flow at the best less orders placed behind
    it."""
    return -1.0 if kind == q.CANCEL_AT_BEST or kind == q.LIMIT_DEEPER else 1.0


@kernel
def _empty(k: Longs, now: int, side: int, what: int, cell: int) -> None:
    """A side's touch is EMPTIED or VACATED now; a better price that is still gone is not forgotten for it."""
    at = 0 if side > 0 else 1
    if not 0 < _of_side(k, cell, side) <= q.GONE:
        k[what + at] = k[q.TOUCH + at]
    k[what + 2 + at] = now


@kernel
def next_minute(k: Longs, flow: Floats, now: int) -> None:
    """Activity of the next minute: the next of its block, or the first of a newly drawn block."""
    s, m = state_at(k), memory_at(k)
    minutes = int(flow[q.MINUTES])
    if m.block_left <= 0 or m.at_minute + 1 >= minutes:
        starts = max(minutes - q.BLOCK + 1, 1)
        m.at_minute = int(uniform(k, sim.FLOW_RNG) * starts)
        m.block_left = q.BLOCK
    else:
        m.at_minute += 1
    m.block_left -= 1
    row = q.MINUTE_TABLE + m.at_minute * q.MINUTE
    session = int(flow[q.SESSION])
    time_of_day = (now - s.session_ns) % session
    season = flow[q.SEASON + min(int(time_of_day * q.SEASONS / session), q.SEASONS - 1)]
    activity = season * flow[row]
    m.activity = class_of(flow, q.ACTIVITY_EDGES, q.ACTIVITIES - 1, activity)
    m.pace = min(max(activity / flow[q.ACTIVITY_MEAN + m.activity], 0.25), 4.0)
    m.markets = flow[row + 1]
    m.day = int(flow[row + 2])
    m.minute_end = now - (now - s.session_ns) % (60 * NS_PER_SECOND) + 60 * NS_PER_SECOND


@kernel
def next_wait(k: Longs, flow: Floats, spread: int) -> int:
    """Draw the class and length of the wait to the next event, ns."""
    s, m = state_at(k), memory_at(k)
    law = q.WAIT_LAW + wait_row(k, flow, spread, m.activity) * q.WAITS
    u = uniform(k, sim.FLOW_RNG)
    i = class_of(flow, law, q.WAITS - 1, u)
    m.wait = i
    x = uniform(k, sim.FLOW_RNG) * (q.WAIT_POINTS - 1)
    j = int(x)
    at = q.WAIT_NS + i * q.WAIT_POINTS + j
    wait = flow[at] + (x - j) * (flow[at + 1] - flow[at])
    if wait >= flow[q.SHORT_NS]:
        wait *= flow[q.CLOCK] / m.pace
    if s.regime != 0:
        wait /= max(s.pace_factor * m.rate, 1e-6)
    step = flow[q.RESOLUTION]
    return int(math.floor(wait / step + 0.5) * step)
