"""The Hawkes flow, event by event: twelve event types that excite one another, spread and queues in their rates.

The law is that of `fit`: rate(s, i) = F x, with x the base rate times the season plus what earlier events left, and F
a factor of spread, imbalance and queue; cancels go with the lots that rest. An event excites with weight
1 / max(F, LEAST_FACTOR), which keeps the means of x at or below those of a linear Hawkes law whatever the book does:
its spectral radius is below 1, so rates cannot run away. Factors of a regime or of impact, f, multiply rates and divide
the weight, so that they scale the flow and leave its branching as it is.

Events are drawn by Ogata's (1981) thinning: between events every x falls, so the rates as they stand bound those to
come; a wait longer than `REFRESH_S` ends there and rates are looked at again.
The book holds public orders alone: own orders stand in another (`market.simulator.background`).
"""

import math

from studies.flows.hawkes import layout as at
from tercel.core import DELETE, NO_ASK, NO_BID, Floats, Longs, Packed, kernel, late_kernel, uniform
from tercel.market import market_order
from tercel.market.book import allocate, best, in_window, layout as lay, level_at, order_at
from tercel.market.simulator import layout as sim, public_add, public_take, put_real, real, state_at

TRIES = 256
"""Orders looked at for one to cancel."""
REDRAWS = 16


@kernel
def class_of(flow: Floats, edges: int, classes: int, value: int) -> int:
    """Class of a value: the number of the `classes` - 1 edges it reaches."""
    found = 0
    while found < classes - 1 and value >= flow[edges + found]:
        found += 1
    return found


@kernel
def imbalance_class(own: int, other: int) -> int:
    """Class of (own - other) / (own + other), 0 to IMBALANCES - 1."""
    if own + other <= 0:
        return at.IMBALANCES // 2
    return min(int(at.IMBALANCES * own / (own + other)), at.IMBALANCES - 1)


@kernel
def touch(b: Packed, k: Longs, side: int) -> int:
    """Best price of a side; while it is empty, its last one, kept clear of the other side."""
    s = state_at(k)
    price = best(b, side)
    if price != NO_BID and price != NO_ASK:
        return price
    price = s.last_bid if side > 0 else s.last_ask
    far = best(b, -side)
    if far != NO_BID and far != NO_ASK and (price - far) * side >= 0:
        price = far - side
    return price


@kernel
def _at_touch(b: Packed, side: int) -> int:
    """Lots at the best price of a side; 0 where it is empty."""
    price = best(b, side)
    return 0 if price == NO_BID or price == NO_ASK else level_at(b, side, price).lots


@kernel
def _resting(b: Packed, flow: Floats, side: int) -> float:
    """Lots on occupied levels 2 to 5, each times its relative cancel rate."""
    price = best(b, side)
    if price == NO_BID or price == NO_ASK:
        return 0.0
    total, level = 0.0, 1
    for away in range(1, at.REACH):
        price -= side
        if not in_window(b, side, price):
            break
        lv = level_at(b, side, price)
        if lv.lots > 0:
            total += lv.lots * flow[at.THETA + away]
            level += 1
            if level == at.DEPTH_LEVELS:
                break
    return total


@kernel
def _look(b: Packed, k: Longs, flow: Floats) -> None:
    """Write the state factors of all event types."""
    spread = touch(b, k, -1) - touch(b, k, 1)
    wide = class_of(flow, at.SPREAD_EDGE, at.SPREADS, spread)
    for s in range(2):
        side = 1 - 2 * s
        own, other = _at_touch(b, side), _at_touch(b, -side)
        lean = imbalance_class(own, other)
        queue = class_of(flow, at.QUEUE_EDGE, at.QUEUES, own)
        hit = class_of(flow, at.QUEUE_EDGE, at.QUEUES, other)
        for i in range(at.KINDS):
            factor = flow[at.STATE + (i * at.SPREADS + wide) * at.IMBALANCES + lean]
            factor *= flow[at.QUEUE + i * at.QUEUES + (hit if i == at.MARKET else queue)]
            if i == at.CANCEL_DEEPER:
                factor *= flow[at.DEPTH_SCALE] * _resting(b, flow, side)
            elif (
                (i == at.CANCEL_BEST and own == 0)
                or (i == at.MARKET and other == 0)
                or (i == at.IN_SPREAD and spread < 2)
            ):
                factor = 0.0
            put_real(k, at.FACTORS + s * at.KINDS + i, factor)


@kernel
def _venue(k: Longs, s: int, i: int) -> float:
    """Factor of the regime in force and of own impact on an event type."""
    state = state_at(k)
    factor = 1.0
    if state.regime != 0:
        factor = state.pace_factor
        lean = state.lean
        if i == at.MARKET:
            factor *= state.market_factor * (1.0 + lean if s == 0 else 1.0 - lean)
        elif i == at.CANCEL_BEST or i == at.CANCEL_DEEPER:
            factor *= state.cancel_factor
        else:
            factor *= state.limit_factor
    if i == at.MARKET and state.impact == sim.WEIGHTS:
        bias = state.bias
        factor *= math.exp(max(bias, 0.0)) if s == 1 else math.exp(max(-bias, 0.0))
    return factor


@kernel
def _rates(b: Packed, k: Longs, flow: Floats) -> float:
    """Write the rates of all event types as the book stands now; gives their sum."""
    state = state_at(k)
    _look(b, k, flow)
    when = int((state.now - state.session_ns) * 1e-9 / flow[at.SEASON_S])
    season = flow[at.SEASON + min(max(when, 0), at.SEASONS - 1)]
    total = 0.0
    for s in range(2):
        for i in range(at.KINDS):
            x = flow[at.BASE + i] * season
            word = s * at.KINDS + i
            for d in range(at.DECAYS):
                x += real(k, at.EXCITED + word * at.DECAYS + d)
            venue = _venue(k, s, i)
            rate = real(k, at.FACTORS + word) * venue * x
            put_real(k, at.VENUE + word, venue)
            put_real(k, at.RATES + word, rate)
            total += rate
    return total


@kernel
def _fade(k: Longs, flow: Floats) -> None:
    """Bring the excitation to now."""
    s = state_at(k)
    wait = (s.now - k[at.SINCE_NS]) * 1e-9
    k[at.SINCE_NS] = s.now
    for d in range(at.DECAYS):
        fade = math.exp(-flow[at.BETA + d] * wait)
        for word in range(2 * at.KINDS):
            place = at.EXCITED + word * at.DECAYS + d
            put_real(k, place, real(k, place) * fade)


@kernel
def _excite(k: Longs, flow: Floats, s: int, kind: int) -> None:
    """An event of this side and kind leaves its mark."""
    word = s * at.KINDS + kind
    venue = real(k, at.VENUE + word)
    if venue <= 0.0:
        return
    weight = 1.0 / (max(real(k, at.FACTORS + word), at.LEAST_FACTOR) * venue)
    for r in range(2):
        to = at.EXCITED + (s ^ r) * at.KINDS * at.DECAYS
        jump = at.JUMP + (kind * 2 + r) * at.KINDS * at.DECAYS
        for n in range(at.KINDS * at.DECAYS):
            put_real(k, to + n, real(k, to + n) + weight * flow[jump + n])


@kernel
def _drawn(k: Longs, flow: Floats, table: int, entries: int) -> int:
    return int(flow[table + int(uniform(k, sim.FLOW_RNG) * entries)])


@kernel
def _edge(b: Packed, flow: Floats, side: int) -> int:
    """Ticks from the own best to the last level that the tape would have shown; REACH where it showed all."""
    levels, price = int(flow[at.WINDOW]), best(b, side)
    if levels == 0 or price == NO_BID or price == NO_ASK:
        return at.REACH
    level = 1
    for away in range(1, at.REACH):
        price -= side
        if not in_window(b, side, price):
            break
        if level_at(b, side, price).lots > 0:
            level += 1
            if level == levels:
                return away
    return at.REACH


@kernel
def _place(b: Packed, k: Longs, flow: Floats, side: int, kind: int) -> bool:
    """A limit order comes to rest."""
    own, far = touch(b, k, side), touch(b, k, -side)
    wide = class_of(flow, at.SPREAD_EDGE, at.SPREADS, (far - own) * side)
    price = own
    if kind == at.IN_SPREAD:
        inside = _drawn(k, flow, at.IMPROVE + wide * at.PLACES, at.PLACES)
        lost = (k[at.LOST + (0 if side > 0 else 1)] - own) * side
        if k[at.LOST + (0 if side > 0 else 1)] != 0 and 0 < lost < (far - own) * side:
            back = flow[at.BACK + k[at.LOST_HOW + (0 if side > 0 else 1)]]
            if uniform(k, sim.FLOW_RNG) < back:
                inside = lost
        elif (
            wide == at.SPREADS - 1
        ):  # the widest class is open: what was seen at its edge grows with the spread
            inside = int(
                inside * ((far - own) * side) / max(flow[at.SPREAD_EDGE + at.SPREADS - 2], 1.0)
            )
        price += side * max(inside, 1)
    elif kind == at.DEEPER:
        edge = _edge(b, flow, side)
        away = _drawn(k, flow, at.DISTANCE + wide * at.PLACES, at.PLACES)
        for _ in range(REDRAWS):
            if away <= edge:
                break
            away = _drawn(k, flow, at.DISTANCE + wide * at.PLACES, at.PLACES)
        price -= side * min(away, edge)
    if (price - far) * side >= 0:
        price = far - side
    lots = _drawn(k, flow, at.SIZE + kind * at.SIZES, at.SIZES)
    slot = allocate(b) if price > 0 else -1
    if slot < 0:
        return False
    public_add(b, k, slot, side, price, lots)
    return True


@kernel
def _cancel_best(b: Packed, k: Longs, side: int) -> bool:
    """One of the orders at the touch dies, each as likely as the others."""
    price = best(b, side)
    if price == NO_BID or price == NO_ASK:
        return False
    head = level_at(b, side, price).head
    count, slot = 0, head
    while slot >= 0:
        count += 1
        slot = order_at(b, slot).next
    left = int(uniform(k, sim.FLOW_RNG) * count)
    slot = head
    while left > 0:
        left -= 1
        slot = order_at(b, slot).next
    public_take(b, k, slot, order_at(b, slot).qty, DELETE, False)
    return True


@kernel
def _cancel_deeper(b: Packed, k: Longs, flow: Floats, side: int) -> bool:
    """An order behind the touch dies, chosen by the cancel rate of its distance.

    Orders chosen beyond the levels that the tape showed die too, unseen, until one within them was.
    """
    price = best(b, side)
    if price == NO_BID or price == NO_ASK:
        return False
    edge = _edge(b, flow, side)
    for _ in range(TRIES):
        x = uniform(k, sim.FLOW_RNG) * b[lay.HIGH]
        slot = int(x)
        o = order_at(b, slot)
        away = min((price - o.price) * side, at.REACH - 1)
        if o.qty == 0 or o.side != side or away <= 0:
            continue
        if (x - slot) * flow[at.THETA_MAX] < flow[at.THETA + away]:
            public_take(b, k, slot, o.qty, DELETE, False)
            if away <= edge:
                return True
    return False


@kernel
def _market(b: Packed, k: Longs, flow: Floats, side: int) -> bool:
    """A market order: exactly the queue it meets, less, or more."""
    queue = _at_touch(b, -side)
    if queue == 0:
        return False
    hit = class_of(flow, at.QUEUE_EDGE, at.QUEUES, queue)
    sweep = at.SWEEP + 2 * hit
    u = uniform(k, sim.FLOW_RNG)
    lots = queue
    if u >= flow[sweep] + flow[sweep + 1]:
        over = flow[at.MORE + int(uniform(k, sim.FLOW_RNG) * at.PLACES)]
        lots = max(int(queue * over + 0.5), queue + 1)
    elif u >= flow[sweep]:
        lots = max(queue - 1, 1)
        for _ in range(REDRAWS):
            drawn = _drawn(k, flow, at.LESS + hit * at.PLACES, at.PLACES)
            if drawn < queue:
                lots = drawn
                break
    market_order(b, k, side, lots)
    return True


@kernel
def _happen(b: Packed, k: Longs, flow: Floats, total: float) -> None:
    """One event, its type drawn by the rates."""
    u = uniform(k, sim.FLOW_RNG) * total
    word = 0
    while word < 2 * at.KINDS - 1 and u >= real(k, at.RATES + word):
        u -= real(k, at.RATES + word)
        word += 1
    s, kind = word // at.KINDS, word % at.KINDS
    side = 1 - 2 * s
    bid, ask = best(b, 1), best(b, -1)
    if kind == at.CANCEL_BEST:
        happened = _cancel_best(b, k, side)
    elif kind == at.CANCEL_DEEPER:
        happened = _cancel_deeper(b, k, flow, side)
    elif kind == at.MARKET:
        happened = _market(b, k, flow, side)
    else:
        happened = _place(b, k, flow, side, kind)
    if happened:
        _excite(k, flow, s, kind)
    if bid != NO_BID and best(b, 1) < bid:
        k[at.LOST] = bid
        k[at.LOST_HOW] = 1 if kind == at.MARKET else 0
    if ask != NO_ASK and best(b, -1) > ask:
        k[at.LOST + 1] = ask
        k[at.LOST_HOW + 1] = 1 if kind == at.MARKET else 0


@late_kernel
def hawkes_event(b: Packed, k: Longs, flow: Floats) -> None:
    """One proposal (thinning) of the flow at time FLOW_NS, and the time of the next."""
    s = state_at(k)
    _fade(k, flow)
    bound = real(k, at.BOUND)
    total = _rates(b, k, flow)
    if bound > 0.0 and uniform(k, sim.FLOW_RNG) * bound < total:
        _happen(b, k, flow, total)
        total = _rates(b, k, flow)
    total = min(total, flow[at.MOST_RATE])
    wait = -math.log(1.0 - uniform(k, sim.FLOW_RNG)) / total if total > 0.0 else flow[at.REFRESH_S]
    if wait >= flow[at.REFRESH_S]:
        wait, total = flow[at.REFRESH_S], 0.0
    put_real(k, at.BOUND, total)
    s.flow_ns = s.now + 1 + int(wait * 1e9)
