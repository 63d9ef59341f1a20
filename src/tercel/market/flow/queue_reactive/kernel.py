"""The queue-reactive flow, event by event (after Huang, Lehalle & Rosenbaum 2015).

A wait is drawn given the previous event, the wait before it, the activity of the minute, the spread and how long ago a
market order emptied a best price. Then the kind of the event is drawn with a weight that is a product of entries, one
from each of these tables ("a side": bid and ask apart):

- `state`: the spread and both best queues (or their imbalance), with factors by spread that pilot runs have set;
- `before`, `before2`: the previous event and this wait; the two previous events;
- `place`: the mid over its mean of two seconds (with the pressure), and its last move;
- `pressure`: half a minute of flow at the best prices, less what was placed behind;
- `insides`, `withdrawn`: orders in the spread and cancels at the best of the last seconds, a side;
- `trade`: the flow of trade signs, the last market order's age and sign, whether it moved the mid, the spread's group;
- `signs`, `runs`: a slower mean of the signs; market orders of the last seconds a side, and the spread's group;
- `emptied`, `vacated`: best prices that market orders and cancels emptied: how long ago, how far off, or back;
- `last`: how far the best prices are from the last trade's, and its age;
- `fresh`, `alone`, `behind`: age and origin of best prices, orders alone at them, the gaps behind them;
- `activity` of the minute.

The spread's group (NARROWS) goes by how readily market orders come in it. Events that move the mid up have another weight
than those that move it down (the lean, `update_lean`): with the last half minute, against the last minutes, with
aggressors. Cancels at the best weigh by the ages and sizes of the orders there, deeper ones in proportion to the lots.
Last come price, size, or which order. Hidden executions come with market orders and between events.

References
----------
Huang, Lehalle & Rosenbaum (2015), Simulating and analyzing order book data: the queue-reactive model, Journal of the
American Statistical Association 110(509), 107-122.
"""

from tercel.core.exponential import exp
from tercel.core.jit import Floats, Longs, Packed, kernel, late_kernel
from tercel.core.seeds import uniform
from tercel.core.vocabulary import NO_ASK, NO_BID, NS_PER_SECOND
from tercel.market.book import layout as lay
from tercel.market.book.book_records import order_at
from tercel.market.flow.queue_reactive import layout as q
from tercel.market.flow.queue_reactive.cancellation import (
    best_cancel_weight,
    draw_order_to_cancel,
    withdraw,
)
from tercel.market.flow.queue_reactive.events import (
    place_limit,
    purge,
    refill,
    repair,
    scan_missing_level,
    send_market_order,
)
from tercel.market.flow.queue_reactive.hidden_executions import trade_hidden, trade_hidden_alone
from tercel.market.flow.queue_reactive.memory import (
    next_minute,
    next_wait,
    record_event,
    update_classes,
)
from tercel.market.flow.queue_reactive.memory_record import memory_at
from tercel.market.simulator import layout as sim
from tercel.market.simulator.records import put_real, real, state_at


@late_kernel
def queue_reactive_event(book: Packed, state: Longs, flow: Floats) -> None:
    """One event of the flow at time FLOW_NS, and the time of the next."""
    s = state_at(state)
    m = memory_at(state)
    now = s.flow_ns
    if now >= m.minute_end:
        next_minute(state, flow, now)
    after_bid = scan_missing_level(book, state, flow, 1)
    after_ask = scan_missing_level(book, state, flow, -1)
    if after_bid == -1 or after_ask == -1:
        repair(book, state, flow)
        after_bid = scan_missing_level(book, state, flow, 1)
        after_ask = scan_missing_level(book, state, flow, -1)
    if m.n_events & 3 == 0:
        purge(book, state, flow)
    bid, ask = state[q.SCAN], state[q.SCAN + q.SCAN_SIDE]
    weight_bid = best_cancel_weight(book, state, flow, 1)
    weight_ask = best_cancel_weight(book, state, flow, -1)
    bids, asks = state[q.STANDING], state[q.STANDING + 1]
    if flow[q.LEAVES_MEAN] > 0.0:
        put_real(state, q.READY, weight_bid / flow[q.LEAVES_MEAN])
        put_real(state, q.READY + 1, weight_ask / flow[q.LEAVES_MEAN])
    for column in range(2):
        state[q.BEHIND + column] = abs(
            state[q.SCAN + column * q.SCAN_SIDE] - state[q.SCAN + column * q.SCAN_SIDE + 1]
        )
    update_classes(
        state,
        flow,
        now,
        bid,
        ask,
        state[q.SCAN + q.LEVELS],
        state[q.SCAN + q.SCAN_SIDE + q.LEVELS],
        bids,
        asks,
    )
    update_lean(state, flow, now)
    m.n_events += 1
    m.spread_sum += ask - bid
    if after_bid >= 0:
        _refill_event(book, state, flow, now, 1, after_bid)
    elif after_ask >= 0:
        _refill_event(book, state, flow, now, -1, after_ask)
    else:
        trade_hidden_alone(state, flow)
        event = draw_event(state, flow, ask - bid, book[lay.LIVE])
        side = m.p_side if event & 1 == 0 else -m.p_side
        _apply_event(book, state, flow, now, event >> 1, side)
    s.flow_ns = now + next_wait(state, flow, s.public_ask - s.public_bid)


@kernel
def _refill_event(
    book: Packed, state: Longs, flow: Floats, now: int, side: int, after: int
) -> None:
    """Place the order that a side with too few levels lacks, as the next event."""
    s = state_at(state)
    slot = refill(book, state, flow, side, after)
    if slot >= 0:
        order = order_at(book, slot)
        mid2 = s.public_bid + s.public_ask
        record_event(state, now, q.LIMIT_DEEPER, side, order.price, order.qty, mid2)


@kernel
def _apply_event(book: Packed, state: Longs, flow: Floats, now: int, kind: int, side: int) -> None:
    """Apply an event of a kind and side to the book: place, cancel or trade an order, and record the event."""
    s = state_at(state)
    m = memory_at(state)
    lots, price = 0, 0
    if kind == q.MARKET:
        trade_hidden(state, flow, -side)
        lots = send_market_order(book, state, flow, side)
        m.n_market += 1
    elif kind <= q.LIMIT_DEEPER:
        lots = place_limit(book, state, flow, kind, side)
        price = m.last_price
    else:
        slot = draw_order_to_cancel(book, state, flow, kind, side)
        if slot >= 0:
            price, lots = order_at(book, slot).price, order_at(book, slot).qty
            withdraw(book, state, slot)
    if lots == 0:
        m.void += 1
        return
    if s.public_bid == NO_BID or s.public_ask == NO_ASK:
        repair(book, state, flow)
    record_event(state, now, kind, side, price, lots, s.public_bid + s.public_ask)


@kernel
def update_lean(state: Longs, flow: Floats, now: int) -> None:
    """Update, four times a second and after trades, the lean: log factor of events that move the mid up over those down.

    With the mid over its mean of half a minute, in units, at most two; against the mid over its mean of minutes, at
    most six; with the takers of the last half minute, buyers less sellers, at most four; to the last trade's price, at most
    three, for seconds.
    """
    m = memory_at(state)
    if now - m.lean_ns < NS_PER_SECOND // 4:
        return
    m.lean_ns = now
    unit = flow[q.UNIT]
    lean = flow[q.TREND] * min(max((m.mid - m.mean_slow) / unit, -2.0), 2.0)
    lean -= flow[q.VALUE] * min(max((m.mid - m.mean_value) / unit, -6.0), 6.0)
    lean += flow[q.PUSH] * min(max(m.takers, -4.0), 4.0)
    behind = min(max((2 * m.last_trade - m.mid) / unit, -3.0), 3.0)
    lean += flow[q.FOLLOW] * behind * exp((m.trade_ns - now) / flow[q.FOLLOW_NS])
    m.lean = lean
    m.lean_up = exp(lean)
    m.lean_down = exp(-lean)


@kernel
def draw_event(state: Longs, flow: Floats, spread: int, live: int) -> int:
    """Draw the next event's index (2 kind + 0 on the frame's side, 1 opposite) by the product of its weights in the cells found.

    No branch depends on the draw: an event is chosen by counting, and a factor that is not in force is 1.
    """
    s = state_at(state)
    m = memory_at(state)
    flip = 0 if m.p_side > 0 else 1
    near, far, deep_near, deep_far = cancel_factors(state, flow, flip, live)
    markets = m.markets
    inside = 1.0 if spread > 1 else 0.0
    w0 = event_weight(state, flow, 0) * inside
    w1 = event_weight(state, flow, 1) * inside
    w2 = event_weight(state, flow, 2)
    w3 = event_weight(state, flow, 3)
    w4 = event_weight(state, flow, 4)
    w5 = event_weight(state, flow, 5)
    w6 = event_weight(state, flow, 6) * near
    w7 = event_weight(state, flow, 7) * far
    w8 = event_weight(state, flow, 8) * deep_near
    w9 = event_weight(state, flow, 9) * deep_far
    w10 = event_weight(state, flow, 10) * markets
    w11 = event_weight(state, flow, 11) * markets
    plain = w0 + w1 + w2 + w3 + w4 + w5 + w6 + w7 + w8 + w9 + w10 + w11
    up, down = (m.lean_up, m.lean_down) if m.p_side > 0 else (m.lean_down, m.lean_up)
    w0 = w0 * up
    w6 = w6 * down
    w10 = w10 * up
    w1 = w1 * down
    w7 = w7 * up
    w11 = w11 * down
    if s.regime != 0 or s.impact == sim.WEIGHTS:
        limit, market, market2, cancel, lean = regime_factors(state)
        w0 = w0 * (limit * (1.0 + lean))
        w1 = w1 * (limit * (1.0 - lean))
        w2 = w2 * limit
        w3 = w3 * limit
        w4 = w4 * limit
        w5 = w5 * limit
        w6 = w6 * (cancel * (1.0 - lean))
        w7 = w7 * (cancel * (1.0 + lean))
        w8 = w8 * cancel
        w9 = w9 * cancel
        w10 = w10 * market
        w11 = w11 * market2
        m.rate = (w0 + w1 + w2 + w3 + w4 + w5 + w6 + w7 + w8 + w9 + w10 + w11) / plain
    w1 += w0
    w2 += w1
    w3 += w2
    w4 += w3
    w5 += w4
    w6 += w5
    w7 += w6
    w8 += w7
    w9 += w8
    w10 += w9
    u = uniform(state, sim.FLOW_RNG) * (w10 + w11)
    return (
        int(w0 <= u)
        + int(w1 <= u)
        + int(w2 <= u)
        + int(w3 <= u)
        + int(w4 <= u)
        + int(w5 <= u)
        + int(w6 <= u)
        + int(w7 <= u)
        + int(w8 <= u)
        + int(w9 <= u)
        + int(w10 <= u)
    )


@kernel
def event_weight(state: Longs, flow: Floats, e: int) -> float:
    """Weight of event `e` as a product over its cells."""
    m = memory_at(state)
    w = flow[q.W_STATE + m.i_state * q.EVENTS + e] * flow[q.W_BEFORE + m.i_before * q.EVENTS + e]
    w *= flow[q.W_BEFORE2 + m.i_before2 * q.EVENTS + e]
    w *= flow[q.W_PLACED + (m.i_place * q.PRESSURES + m.i_pressure) * q.EVENTS + e]
    w *= (
        flow[q.W_EMPTIED + m.i_emptied * q.EVENTS + e]
        * flow[q.W_VACATED + m.i_vacated * q.EVENTS + e]
    )
    w *= flow[q.W_BEST + (m.i_fresh * q.ALONE + m.i_alone) * q.EVENTS + e]
    w *= flow[q.W_SIGNED + (m.i_runs * q.SIGNS + m.i_signs) * q.EVENTS + e]
    w *= flow[q.W_LAST + m.i_last * q.EVENTS + e]
    w *= flow[q.W_BEHIND + m.i_behind * q.EVENTS + e]
    w *= flow[q.W_LATELY + (m.i_insides * q.BOTH_WITHDRAWN + m.i_withdrawn) * q.EVENTS + e]
    return w * flow[q.W_TRADED + (m.i_trade * q.ACTIVITIES + m.activity) * q.EVENTS + e]


@kernel
def cancel_factors(
    state: Longs, flow: Floats, flip: int, live: int
) -> tuple[float, float, float, float]:
    """Factors on cancels at the best (by age and size of orders), then deeper (by lots); each the frame's side, then opposite."""
    same = q.SCAN + flip * q.SCAN_SIDE
    opposite = q.SCAN + (1 - flip) * q.SCAN_SIDE
    near = real(state, q.READY + flip)
    far = real(state, q.READY + 1 - flip)
    beyond = flow[q.BEYOND] * live / flow[q.LIVE_MEAN]
    deep_near = deep_far = beyond
    for n in range(1, q.LEVELS):
        if n < state[same + 2 * q.LEVELS]:
            deep_near += flow[q.PULL + n - 1] * state[same + q.LEVELS + n]
        if n < state[opposite + 2 * q.LEVELS]:
            deep_far += flow[q.PULL + n - 1] * state[opposite + q.LEVELS + n]
    return near, far, deep_near, deep_far


@kernel
def regime_factors(state: Longs) -> tuple[float, float, float, float, float]:
    """Factors on the weights by regime and own-trade impact; 1 (and 0) where none applies.

    Of limit orders, of market orders on the side of the frame and on the opposite one, of cancels; the regime's lean to
    that side.
    """
    s = state_at(state)
    m = memory_at(state)
    side = float(m.p_side)
    limit = market = cancel = 1.0
    lean = 0.0
    if s.regime != 0:
        limit = s.limit_factor
        market = s.market_factor
        cancel = s.cancel_factor
        lean = side * s.lean
    same = market * (1.0 + lean)
    opposite = market * (1.0 - lean)
    if s.impact == sim.WEIGHTS:
        bias = s.bias
        same *= exp(abs(bias)) if side * bias < 0.0 else 1.0
        opposite *= exp(abs(bias)) if side * bias > 0.0 else 1.0
    return limit, same, opposite, cancel, lean
