"""The queue-reactive flow, event by event (after Huang, Lehalle & Rosenbaum 2015).

A wait is drawn given the previous event, the wait before it, the activity of the minute, the spread and how long ago a
market order emptied a best price; then the kind of the event, with weights that are a product of tables:

- `state`: the spread and both best queues (or their imbalance), with the factors that pilots turned by the spread;
- `before`, `before2`: the previous event and this wait; the two previous events;
- `place`: the mid over its mean of two seconds, which goes along with what market orders do, and its last move;
- `pressure`: half a minute of flow at the best prices, less what was laid behind;
- `insides`, `withdrawn`: orders in the spread and cancels at the best of the last seconds, a side;
- `trade`: the flow of trade signs, the last market order's age and sign, whether it moved the mid, how narrow it is;
- `signs`, `runs`: a slower mean of the signs; market orders of the last seconds a side, and how narrow it is;
- `emptied`, `vacated`: best prices that market orders and cancels emptied: how long ago, how far off, or back;
- `retreat`: how far the best prices are behind their means of the last seconds, and how narrow it is;
- `fresh`, `alone`, `behind`: age and origin of best prices, orders alone at them, the gaps behind them;
- `activity` of the minute.

What moves the mid leans (`lean_of`): with the last half minute, against the last minutes, with aggressors.
Narrow are spreads in which market orders come more readily. Cancels at the best weigh by the ages and sizes of the
orders there, deeper ones in proportion to the lots. Then price, size, or which order. Hidden executions come with
market orders and between events.

References
----------
Huang, Lehalle & Rosenbaum (2015), Simulating and analyzing order book data: the queue-reactive model, Journal of the
American Statistical Association 110(509), 107-122.

Hidden executions of the queue-reactive flow, which leave the book unchanged.

They come in bursts at one price: each is followed by another with the chance HIDDEN_AGAIN, so that bursts are geometric
and begin with 1 - HIDDEN_AGAIN of the rate that the tape has.
"""

from tercel.core.exponential import exp
from tercel.core.jit import Floats, Longs, Packed, kernel, late_kernel
from tercel.core.seeds import uniform
from tercel.core.vocabulary import NO_ASK, NO_BID, NS_PER_SECOND
from tercel.market.book import layout as lay
from tercel.market.book.ladder import order_at
from tercel.market.flow.queue_reactive import layout as q
from tercel.market.flow.queue_reactive.events import (
    cancel,
    limit,
    purge,
    refill,
    repair,
    stand,
    take,
    wants,
    withdraw,
)
from tercel.market.flow.queue_reactive.memory import (
    dropped,
    gone,
    memory_at,
    next_minute,
    next_wait,
    remember,
    see,
    took,
    touch,
)
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import hidden_trade
from tercel.market.simulator.records import put_real, real, state_at

# -- hidden executions --


@kernel
def hidden(k: Longs, flow: Floats, side: int) -> None:
    """Hidden executions along a market order's path."""
    mean = flow[q.HIDDEN + gone(k, side) * q.SPREADS + memory_at(k).i_state // q.TOUCHES]
    bursts = int(mean * (1.0 - flow[q.HIDDEN_AGAIN]) + uniform(k, sim.FLOW_RNG))
    _bursts(k, flow, side, bursts)


@kernel
def hidden_alone(k: Longs, flow: Floats) -> None:
    """Hidden executions without a market order; drawn before each event."""
    at = q.HIDDEN + q.STATES_OF_TOUCH * q.SPREADS + memory_at(k).i_state // q.TOUCHES
    bid = flow[at + gone(k, 1) * q.SPREADS] * (1.0 - flow[q.HIDDEN_AGAIN])
    ask = flow[at + gone(k, -1) * q.SPREADS] * (1.0 - flow[q.HIDDEN_AGAIN])
    bursts = int(bid + ask + uniform(k, sim.FLOW_RNG))
    if bursts == 0:
        return
    side = 1 if uniform(k, sim.FLOW_RNG) * (bid + ask) < bid else -1
    _bursts(k, flow, side, bursts)
    took(k, memory_at(k).seen_ns, -side)


@kernel
def _bursts(k: Longs, flow: Floats, side: int, bursts: int) -> None:
    """So many bursts of hidden executions on a side."""
    for _ in range(bursts):
        price = _price(k, flow, side)
        while True:
            lots = int(flow[q.HIDDEN_LOTS + int(uniform(k, sim.FLOW_RNG) * q.GAP_POINTS)])
            hidden_trade(k, side, price, lots)
            if uniform(k, sim.FLOW_RNG) >= flow[q.HIDDEN_AGAIN]:
                break


@kernel
def _price(k: Longs, flow: Floats, side: int) -> int:
    """Price of hidden lots: a share of the spread away from their side, at most half of it, whole ticks."""
    s = state_at(k)
    law = dropped(k, side) * q.SPREADS + memory_at(k).i_state // q.TOUCHES
    i = int(uniform(k, sim.FLOW_RNG) * q.HIDDEN_POINTS)
    away = flow[q.HIDDEN_AT + law * q.HIDDEN_POINTS + i] * (s.public_ask - s.public_bid)
    return int(touch(k, side) + side * int(away + 0.5))


@late_kernel
def queue_reactive_event(b: Packed, k: Longs, flow: Floats) -> None:
    """One event of the flow at time FLOW_NS, and the time of the next."""
    s, m = state_at(k), memory_at(k)
    now = s.flow_ns
    if now >= m.minute_end:
        next_minute(k, flow, now)
    after_bid, after_ask = wants(b, k, flow, 1), wants(b, k, flow, -1)
    if after_bid == -1 or after_ask == -1:
        repair(b, k, flow)
        after_bid, after_ask = wants(b, k, flow, 1), wants(b, k, flow, -1)
    if m.n_events & 3 == 0:
        purge(b, k, flow)
    bid, ask = k[q.SCAN], k[q.SCAN + q.SCAN_SIDE]
    ready_bid, ready_ask = stand(b, k, flow, 1), stand(b, k, flow, -1)
    bids, asks = k[q.STANDING], k[q.STANDING + 1]
    if flow[q.LEAVES_MEAN] > 0.0:
        put_real(k, q.READY, ready_bid / flow[q.LEAVES_MEAN])
        put_real(k, q.READY + 1, ready_ask / flow[q.LEAVES_MEAN])
    for at in range(2):
        k[q.BEHIND + at] = abs(k[q.SCAN + at * q.SCAN_SIDE] - k[q.SCAN + at * q.SCAN_SIDE + 1])
    see(
        k, flow, now, bid, ask, k[q.SCAN + q.LEVELS], k[q.SCAN + q.SCAN_SIDE + q.LEVELS], bids, asks
    )
    lean_of(k, flow, now)
    m.n_events += 1
    m.spread_sum += ask - bid
    if after_bid >= 0:
        _lay(b, k, flow, now, 1, after_bid)
    elif after_ask >= 0:
        _lay(b, k, flow, now, -1, after_ask)
    else:
        hidden_alone(k, flow)
        event = choose(k, flow, ask - bid, b[lay.LIVE])
        side = m.p_side if event & 1 == 0 else -m.p_side
        _act(b, k, flow, now, event >> 1, side)
    s.flow_ns = now + next_wait(k, flow, s.public_ask - s.public_bid)


@kernel
def _lay(b: Packed, k: Longs, flow: Floats, now: int, side: int, after: int) -> None:
    """The event is an order that a thin side wants."""
    s = state_at(k)
    slot = refill(b, k, flow, side, after)
    if slot >= 0:
        o = order_at(b, slot)
        mid2 = s.public_bid + s.public_ask
        remember(k, now, q.LIMIT_DEEPER, side, o.price, o.qty, mid2)


@kernel
def _act(b: Packed, k: Longs, flow: Floats, now: int, kind: int, side: int) -> None:
    s, m = state_at(k), memory_at(k)
    lots, price = 0, 0
    if kind == q.MARKET:
        hidden(k, flow, -side)
        lots = take(b, k, flow, side)
        m.n_market += 1
    elif kind <= q.LIMIT_DEEPER:
        lots = limit(b, k, flow, kind, side)
        price = m.last_price
    else:
        slot = cancel(b, k, flow, kind, side)
        if slot >= 0:
            price, lots = order_at(b, slot).price, order_at(b, slot).qty
            withdraw(b, k, slot)
    if lots == 0:
        m.void += 1
        return
    if s.public_bid == NO_BID or s.public_ask == NO_ASK:
        repair(b, k, flow)
    remember(k, now, kind, side, price, lots, s.public_bid + s.public_ask)


@kernel
def lean_of(k: Longs, flow: Floats, now: int) -> None:
    """Four times a second, how far the events that move the mid lean up.

    With the mid over its mean of half a minute, in units, at most two; against the mid over its mean of minutes, at
    most six; with the takers of the last half minute, buyers less sellers, at most four.
    """
    m = memory_at(k)
    if now - m.lean_ns < NS_PER_SECOND // 4:
        return
    m.lean_ns = now
    unit = flow[q.UNIT]
    lean = flow[q.TREND] * min(max((m.mid - m.mean_slow) / unit, -2.0), 2.0)
    lean -= flow[q.VALUE] * min(max((m.mid - m.mean_value) / unit, -6.0), 6.0)
    lean += flow[q.PUSH] * min(max(m.takers, -4.0), 4.0)
    m.lean = lean
    m.lean_up = exp(lean)
    m.lean_down = exp(-lean)


@kernel
def choose(k: Longs, flow: Floats, spread: int, live: int) -> int:
    """Draw the event by the product of its weights in the cells found by `see`.

    No branch depends on the draw: an event is chosen by counting, and a factor that is not in force is 1.
    """
    s, m = state_at(k), memory_at(k)
    flip = 0 if m.p_side > 0 else 1
    near, far, deep_near, deep_far = offsets(k, flow, flip, live)
    markets = m.markets
    inside = 1.0 if spread > 1 else 0.0
    w0, w1 = product(k, flow, 0) * inside, product(k, flow, 1) * inside
    w2, w3 = product(k, flow, 2), product(k, flow, 3)
    w4, w5 = product(k, flow, 4), product(k, flow, 5)
    w6, w7 = product(k, flow, 6) * near, product(k, flow, 7) * far
    w8, w9 = product(k, flow, 8) * deep_near, product(k, flow, 9) * deep_far
    w10, w11 = product(k, flow, 10) * markets, product(k, flow, 11) * markets
    plain = w0 + w1 + w2 + w3 + w4 + w5 + w6 + w7 + w8 + w9 + w10 + w11
    up, down = (m.lean_up, m.lean_down) if m.p_side > 0 else (m.lean_down, m.lean_up)
    w0, w6, w10 = w0 * up, w6 * down, w10 * up
    w1, w7, w11 = w1 * down, w7 * up, w11 * down
    if s.regime != 0 or s.impact == sim.WEIGHTS:
        limit, market, market2, cancel, lean = leans(k)
        w0, w1 = w0 * (limit * (1.0 + lean)), w1 * (limit * (1.0 - lean))
        w2, w3, w4, w5 = w2 * limit, w3 * limit, w4 * limit, w5 * limit
        w6, w7 = w6 * (cancel * (1.0 - lean)), w7 * (cancel * (1.0 + lean))
        w8, w9 = w8 * cancel, w9 * cancel
        w10, w11 = w10 * market, w11 * market2
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
    u = uniform(k, sim.FLOW_RNG) * (w10 + w11)
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
def product(k: Longs, flow: Floats, e: int) -> float:
    """Weight of event `e` as a product over its cells."""
    m = memory_at(k)
    w = flow[q.W_STATE + m.i_state * q.EVENTS + e] * flow[q.W_BEFORE + m.i_before * q.EVENTS + e]
    w *= flow[q.W_BEFORE2 + m.i_before2 * q.EVENTS + e]
    w *= flow[q.W_PLACED + (m.i_place * q.PRESSURES + m.i_pressure) * q.EVENTS + e]
    w *= (
        flow[q.W_EMPTIED + m.i_emptied * q.EVENTS + e]
        * flow[q.W_VACATED + m.i_vacated * q.EVENTS + e]
    )
    w *= flow[q.W_BEST + (m.i_fresh * q.ALONE + m.i_alone) * q.EVENTS + e]
    w *= flow[q.W_SIGNED + (m.i_runs * q.SIGNS + m.i_signs) * q.EVENTS + e]
    w *= flow[q.W_RETREAT + m.i_retreat * q.EVENTS + e]
    w *= flow[q.W_BEHIND + m.i_behind * q.EVENTS + e]
    w *= flow[q.W_LATELY + (m.i_insides * q.BOTH_WITHDRAWN + m.i_withdrawn) * q.EVENTS + e]
    return w * flow[q.W_TRADED + (m.i_trade * q.ACTIVITIES + m.activity) * q.EVENTS + e]


@kernel
def offsets(k: Longs, flow: Floats, flip: int, live: int) -> tuple[float, float, float, float]:
    """Factors on cancels at the best and deeper, same side and opposite, by resting lots."""
    same = q.SCAN + flip * q.SCAN_SIDE
    opposite = q.SCAN + (1 - flip) * q.SCAN_SIDE
    near, far = real(k, q.READY + flip), real(k, q.READY + 1 - flip)
    beyond = flow[q.BEYOND] * live / flow[q.LIVE_MEAN]
    deep_near = deep_far = beyond
    for n in range(1, q.LEVELS):
        if n < k[same + 2 * q.LEVELS]:
            deep_near += flow[q.PULL + n - 1] * k[same + q.LEVELS + n]
        if n < k[opposite + 2 * q.LEVELS]:
            deep_far += flow[q.PULL + n - 1] * k[opposite + q.LEVELS + n]
    return near, far, deep_near, deep_far


@kernel
def leans(k: Longs) -> tuple[float, float, float, float, float]:
    """Factors on the weights by regime and own-trade impact; 1 (and 0) where none applies.

    Of limit orders, of market orders on the side of the frame and on the opposite one, of cancels; the regime's lean to
    that side.
    """
    s, m = state_at(k), memory_at(k)
    side = float(m.p_side)
    limit = market = cancel = 1.0
    lean = 0.0
    if s.regime != 0:
        limit, market, cancel = s.limit_factor, s.market_factor, s.cancel_factor
        lean = side * s.lean
    same, opposite = market * (1.0 + lean), market * (1.0 - lean)
    if s.impact == sim.WEIGHTS:
        bias = s.bias
        same *= exp(abs(bias)) if side * bias < 0.0 else 1.0
        opposite *= exp(abs(bias)) if side * bias > 0.0 else 1.0
    return limit, same, opposite, cancel, lean
