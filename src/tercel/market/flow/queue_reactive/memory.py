"""State variables of the queue-reactive flow, updated by each event; the same code runs on tape (fitting) and in simulation.

All mids here are in half-ticks.
"""

import math
from typing import Final

from tercel.core.exponential import exp
from tercel.core.jit import Floats, Longs, kernel
from tercel.core.seeds import uniform
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.flow.queue_reactive import layout as q
from tercel.market.flow.queue_reactive.memory_record import class_of, memory_at, touch_class
from tercel.market.flow.queue_reactive.touch_history import (
    emptied_class,
    last_class,
    lost_price,
    made_class,
    of_side,
    touch_class_since,
)
from tercel.market.simulator import layout as sim
from tercel.market.simulator.records import put_real, real, state_at


@kernel
def update_classes(
    state: Longs,
    flow: Floats,
    now: int,
    bid: int,
    ask: int,
    bid_lots: int,
    ask_lots: int,
    bids: int,
    asks: int,
) -> None:
    """Compute the state classes on which the weights of the next event depend, seen from the side of the previous event.

    `bids`, `asks`: orders at the best prices, at most AT_BEST of them counted.
    """
    m = memory_at(state)
    side = m.p_side
    mid2 = bid + ask
    _decay(state, flow, now)
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
    state[q.TOUCH], state[q.TOUCH + 1] = bid, ask
    own_orders, opposite_orders = (bids, asks) if side > 0 else (asks, bids)
    m.i_alone = (
        (min(max(own_orders, 1), q.AT_BEST) - 1) * q.AT_BEST
        + min(max(opposite_orders, 1), q.AT_BEST)
        - 1
    )
    _classify_past(state, flow, now, side, narrow)


@kernel
def _decay(state: Longs, flow: Floats, now: int) -> None:
    """Decay the means and sums of the memory to now."""
    m = memory_at(state)
    elapsed = now - m.seen_ns
    if elapsed <= 0:
        return
    m.seen_ns = now
    decay = exp(-elapsed / flow[q.RUN_NS])
    slow_decay = exp(-elapsed / flow[q.SLOW_NS])
    m.mean_slow = m.mid + (m.mean_slow - m.mid) * slow_decay
    m.mean_fast = m.mid + (m.mean_fast - m.mid) * exp(-elapsed / flow[q.FAST_NS])
    m.mean_value = m.mid + (m.mean_value - m.mid) * exp(-elapsed / flow[q.VALUE_NS])
    m.takers = m.takers * slow_decay
    m.pressure = m.pressure * slow_decay
    for column in range(2):
        for run in (q.RUN, q.INSIDE_RUN, q.WITHDRAWN_RUN):
            put_real(state, run + column, real(state, run + column) * decay)


@kernel
def _classify_past(state: Longs, flow: Floats, now: int, side: int, narrow: int) -> None:
    """Compute the classes of the past: emptied best prices, their origin and age, market orders."""
    m = memory_at(state)
    m.i_emptied = touch_class_since(
        state, flow, now, side, q.EMPTIED
    ) * q.TOUCHED + touch_class_since(state, flow, now, -side, q.EMPTIED)
    m.i_vacated = touch_class_since(
        state, flow, now, side, q.VACATED
    ) * q.TOUCHED + touch_class_since(state, flow, now, -side, q.VACATED)
    m.i_fresh = made_class(state, flow, now, side) * q.MADES + made_class(state, flow, now, -side)
    column = 0 if side > 0 else 1
    runs = class_of(flow, q.RUN_EDGES, q.RUNS - 1, real(state, q.RUN + column)) * q.RUNS
    runs += class_of(flow, q.RUN_EDGES, q.RUNS - 1, real(state, q.RUN + 1 - column))
    m.i_runs = runs * q.NARROWS + narrow
    m.i_behind = class_of(flow, q.BEHIND_EDGES, q.GAPS - 1, state[q.BEHIND + column]) * q.GAPS
    m.i_behind += class_of(flow, q.BEHIND_EDGES, q.GAPS - 1, state[q.BEHIND + 1 - column])
    pair_class = last_class(state, flow, side) * q.LASTS + last_class(state, flow, -side)
    m.i_last = pair_class * q.AGES + class_of(flow, q.AGE_EDGES, q.AGES - 1, now - m.trade_ns)
    m.i_signs = class_of(flow, q.SIGN_EDGES, q.SIGNS - 1, side * m.slow_signs)
    m.i_pressure = class_of(flow, q.PRESSURE_EDGES, q.PRESSURES - 1, side * m.pressure)
    pair_class = (
        class_of(flow, q.INSIDES_EDGES, q.INSIDES - 1, real(state, q.INSIDE_RUN + column))
        * q.INSIDES
    )
    m.i_insides = pair_class + class_of(
        flow, q.INSIDES_EDGES, q.INSIDES - 1, real(state, q.INSIDE_RUN + 1 - column)
    )
    pair_class = (
        class_of(flow, q.WITHDRAWN_EDGES, q.WITHDRAWN - 1, real(state, q.WITHDRAWN_RUN + column))
        * q.WITHDRAWN
    )
    m.i_withdrawn = pair_class + class_of(
        flow, q.WITHDRAWN_EDGES, q.WITHDRAWN - 1, real(state, q.WITHDRAWN_RUN + 1 - column)
    )


@kernel
def wait_row(state: Longs, flow: Floats, spread: int, activity: int) -> int:
    """Row of the wait law for the next wait, right after an event."""
    m = memory_at(state)
    width = class_of(flow, q.WIDTH_EDGES, q.WIDTHS - 1, spread)
    row = ((m.p_kind * q.WAITS + m.wait) * q.ACTIVITIES + activity) * q.WIDTHS + width
    return row * q.SINCE + emptied_class(state, flow, m.seen_ns)


@kernel
def record_event(
    state: Longs, now: int, kind: int, side: int, price: int, lots: int, mid2: int
) -> None:
    """Update the state variables with an event: `price` and `lots` of its order, `mid2` after it."""
    m = memory_at(state)
    moved = mid2 != m.mid
    if moved:
        m.move = 1 if mid2 > m.mid else -1
        if kind == q.MARKET:  # what trades do to the price stays: the mean goes along
            m.mean_fast = m.mean_fast + mid2 - m.mid
        m.mid = mid2
    m.p2_kind = m.p_kind
    m.p2_side = m.p_side
    m.p_kind = kind
    column = 0 if side > 0 else 1
    if moved and kind == q.CANCEL_AT_BEST:
        m.p_kind = q.CANCEL_MOVED
        _note_emptied(state, now, side, q.VACATED, m.i_vacated)
    if kind == q.MARKET:
        if moved:
            m.p_kind = q.MARKET_MOVED
            _note_emptied(state, now, -side, q.EMPTIED, m.i_emptied)
        record_taker(state, now, side, state[q.TOUCH + 1 - column])
        m.trade_moved = 1 if moved else 0
    m.p_side = side
    m.pressure = m.pressure + side * pressure_of(kind)
    if kind == q.LIMIT_IN_SPREAD:
        state[q.ORIGIN + column] = _origin(state, side, price)
        state[q.MADE + column] = price
        state[q.MADE_NS + column] = now
        state[q.MADE_LOTS + column] = lots
        put_real(state, q.INSIDE_RUN + column, real(state, q.INSIDE_RUN + column) + 1.0)
    if kind == q.CANCEL_AT_BEST:
        put_real(state, q.WITHDRAWN_RUN + column, real(state, q.WITHDRAWN_RUN + column) + 1.0)
    m.last_lots = lots
    if kind != q.MARKET:
        m.last_side = side
        m.last_price = price
    else:
        m.last_side = 0
    if kind == q.CANCEL_AT_BEST or kind == q.CANCEL_DEEPER:
        state[q.GONE_PRICE + column] = price
        state[q.GONE_LOTS + column] = lots


@kernel
def _origin(state: Longs, side: int, price: int) -> int:
    """Origin of an order's price in the spread: 0 new, 1 the side's last one again, 2 the price that the other side has lost."""
    if price == state[q.MADE + (0 if side > 0 else 1)]:
        return 1
    return 2 if price == lost_price(state, -side) else 0


@kernel
def record_taker(state: Longs, now: int, side: int, price: int) -> None:
    """Record that an order of a side took liquidity at a price, visible or hidden."""
    m = memory_at(state)
    run = q.RUN + (0 if side > 0 else 1)
    m.sign_flow = 0.5 * m.sign_flow + 0.5 * side
    m.slow_signs = 0.92 * m.slow_signs + 0.08 * side
    m.takers = m.takers + side
    m.lean_ns = 0  # the lean is counted anew at the next event
    m.trade_ns = now
    m.last_trade = price
    m.trade_moved = 0
    m.trade_sign = side
    put_real(state, run, real(state, run) + 1.0)


@kernel
def pressure_of(kind: int) -> float:
    """Sign with which a bid's or buyer's event enters the pressure: -1 for a cancel at the best or an order behind it, else 1."""
    return -1.0 if kind == q.CANCEL_AT_BEST or kind == q.LIMIT_DEEPER else 1.0


@kernel
def _note_emptied(state: Longs, now: int, side: int, which: int, cell: int) -> None:
    """Record that a side's best price was emptied; a better price that is still gone is kept instead."""
    column = 0 if side > 0 else 1
    if not 0 < of_side(state, cell, side) <= q.GONE:
        state[which + column] = state[q.TOUCH + column]
    state[which + 2 + column] = now


QUIETEST: Final = 1e-6
"""Least activity of a minute, in means."""


@kernel
def next_minute(state: Longs, flow: Floats, now: int) -> None:
    """Load the activity of the next minute: the next one of its block, or the first of a newly drawn block."""
    s = state_at(state)
    m = memory_at(state)
    minutes = int(flow[q.MINUTES])
    if m.block_left <= 0 or m.at_minute + 1 >= minutes:
        starts = max(minutes - q.BLOCK + 1, 1)
        m.at_minute = int(uniform(state, sim.FLOW_RNG) * starts)
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
    activity = max(activity, QUIETEST)  # a power below 0 of a minute without events is infinite
    pace = activity / flow[q.ACTIVITY_MEAN + m.activity] * activity ** flow[q.SWING]
    m.pace = min(max(pace, 0.2), 5.0)
    m.markets = flow[row + 1]
    m.day = int(flow[row + 2])
    m.minute_end = now - (now - s.session_ns) % (60 * NS_PER_SECOND) + 60 * NS_PER_SECOND


@kernel
def next_wait(state: Longs, flow: Floats, spread: int) -> int:
    """Draw the class and length of the wait to the next event, ns."""
    s = state_at(state)
    m = memory_at(state)
    law = q.WAIT_LAW + wait_row(state, flow, spread, m.activity) * q.WAITS
    u = uniform(state, sim.FLOW_RNG)
    i = class_of(flow, law, q.WAITS - 1, u)
    m.wait = i
    x = uniform(state, sim.FLOW_RNG) * (q.WAIT_POINTS - 1)
    j = int(x)
    base = q.WAIT_NS + i * q.WAIT_POINTS + j
    wait = flow[base] + (x - j) * (flow[base + 1] - flow[base])
    if wait >= flow[q.SHORT_NS]:
        wait *= flow[q.CLOCK] / m.pace
    if s.regime != 0:
        wait /= max(s.pace_factor * m.rate, 1e-6)
    step = flow[q.RESOLUTION]
    return int(math.floor(wait / step + 0.5) * step)
