"""The law of Cheridito & Weiss (2025, arXiv 2507.06345, in the details of their published code), event by event.

A noise trader sends limit orders at distance i = 1 .. L from the opposite best, market orders and cancels; a level's
cancel rate is proportional to all its lots, own ones included. What it cancels are its own orders, newest first: the
starting book and the hidden trader's orders are never cancelled. The time to its next event is drawn from the rates
before the present one. With imbalance I of both sides' lots, weights `DAMPING ** j` at the j-th price behind the own
best, buying and bids come at 1 + REACTION max(I, 0) times their rate, selling and asks at 1 + REACTION max(-I, 0), and
the cancels of a side at the factor of the *other* side's orders.

The hidden trader buys or sells all episode long, with probability 1/2: every few seconds a market order, and a limit
order one tick inside the opposite best as it was before that.

PLAIN is another law: a cancel cuts the order of a uniformly drawn public lot, whosever it is, and own lots are not
counted in its rate.
"""

import math
from typing import Any

from studies.flows.cheridito_weiss import layout as cw
from tercel.core import (
    DELETE,
    NO_ASK,
    NO_BID,
    REDUCE,
    Floats,
    Longs,
    Packed,
    kernel,
    late_kernel,
    uniform,
)
from tercel.market import head_at, is_own, market_order
from tercel.market.book import allocate, best, in_window, level_at, lots_at, order_at
from tercel.market.simulator import layout as sim, public_add, public_take, state_at


@late_kernel
def cheridito_weiss_event(b: Packed, k: Longs, flow: Floats) -> None:
    """Next act of the noise or hidden trader at time FLOW_NS, and the time of the one after it."""
    if k[cw.NOISE_NS] <= k[cw.STRATEGIC_AT]:
        _noise(b, k, flow)
    else:
        _strategic(b, k, flow)
        k[cw.STRATEGIC_AT] += int(flow[cw.STRATEGIC_NS])
    state_at(k).flow_ns = min(k[cw.NOISE_NS], k[cw.STRATEGIC_AT])


@kernel
def _noise(b: Packed, k: Longs, flow: Floats) -> None:
    s = state_at(k)
    bid, ask = best(b, 1), best(b, -1)
    if bid == NO_BID or ask == NO_ASK:
        _mend(b, k, flow, bid, ask)
        k[cw.NOISE_NS] = s.now + cw.RETRY_NS
        return
    limit, sells, buys, pace = flow[cw.LIMIT_TOTAL], flow[cw.MARKET_RATE], flow[cw.MARKET_RATE], 1.0
    if s.regime != 0:
        pace = s.cancel_factor * s.pace_factor
        market = s.market_factor * s.pace_factor
        limit *= s.limit_factor * s.pace_factor
        sells *= market * (1.0 - s.lean)
        buys *= market * (1.0 + s.lean)
    if s.impact == sim.WEIGHTS:
        sells *= math.exp(max(s.bias, 0.0))
        buys *= math.exp(max(-s.bias, 0.0))
    withdrawn_bid, heavy_bid = weigh(b, flow, 1, bid, ask - bid)
    withdrawn_ask, heavy_ask = weigh(b, flow, -1, ask, ask - bid)
    up = down = 1.0
    if flow[cw.REACTION] > 0.0 and heavy_bid + heavy_ask > 0.0:
        imbalance = (heavy_bid - heavy_ask) / (heavy_bid + heavy_ask)
        up += flow[cw.REACTION] * max(imbalance, 0.0)
        down += flow[cw.REACTION] * max(-imbalance, 0.0)
    sells *= down
    buys *= up
    cut_bid, cut_ask = withdrawn_bid * down * pace, withdrawn_ask * up * pace
    total = sells + buys + limit * (up + down) + cut_bid + cut_ask
    k[cw.NOISE_NS] = s.now + 1 + int(-math.log(1.0 - uniform(k, sim.FLOW_RNG)) * 1e9 / total)
    u = uniform(k, sim.FLOW_RNG) * total
    lots = _size(k, flow)
    if u < sells + buys:
        _trade(b, k, -1 if u < sells else 1, lots)
        return
    u -= sells + buys
    if u < limit * (up + down):
        side = 1 if u < limit * up else -1
        u = u / (limit * up) if side > 0 else (u - limit * up) / (limit * down)
        _rest(b, k, side, best(b, -side) - side * _distance(flow, u), lots, True)
        return
    u -= limit * (up + down)
    if u < cut_bid:
        _cut(b, k, flow, 1, u / (down * pace), lots)
    else:
        _cut(b, k, flow, -1, (u - cut_bid) / (up * pace), lots)


@kernel
def _mend(b: Packed, k: Longs, flow: Floats, bid: int, ask: int) -> None:
    """An empty side gets as many lots as the best price of the other has, a tick away from it."""
    if bid == NO_BID and ask == NO_ASK:
        _rest(b, k, 1, int(flow[cw.START]), int(flow[cw.FALLBACK]), True)
    elif bid == NO_BID:
        _rest(b, k, 1, ask - 1, lots_at(b, -1, ask), True)
    else:
        _rest(b, k, -1, bid + 1, lots_at(b, 1, bid), True)


@kernel
def _seen(b: Packed, flow: Floats, lv: Any) -> int:
    """Lots of a level that its cancel rate counts."""
    if flow[cw.PLAIN] != 0.0:
        return int(lv.lots - lv.own_lots)
    return int(lv.lots)


@kernel
def weigh(b: Packed, flow: Floats, side: int, near: int, spread: int) -> tuple[float, float]:
    """Cancel rate of a side whose best price is `near`, and its damped lots (0 where rates do not react)."""
    levels = int(flow[cw.LEVELS])
    rate_at = cw.TABLES + 2 * levels + spread - 1
    deep = cw.REACH if flow[cw.REACTION] > 0.0 else levels - spread + 1
    cancel, heavy, weight = 0.0, 0.0, 1.0
    for j in range(deep):
        price = near - side * j
        if not in_window(b, side, price):
            break
        lv = level_at(b, side, price)
        if spread + j <= levels:
            cancel += flow[rate_at + j] * _seen(b, flow, lv)
        heavy += weight * lv.lots
        weight *= flow[cw.DAMPING]
    return cancel, heavy


@kernel
def _size(k: Longs, flow: Floats) -> int:
    sizes = int(flow[cw.SIZES])
    x = uniform(k, sim.FLOW_RNG) * sizes
    i = int(x)
    table = cw.TABLES + 3 * int(flow[cw.LEVELS])
    return 1 + (i if x - i < flow[table + i] else int(flow[table + sizes + i]))


@kernel
def _distance(flow: Floats, u: float) -> int:
    """Ticks from the opposite best of a limit order, from a uniform number."""
    levels = int(flow[cw.LEVELS])
    x = min(u, 1.0) * levels
    i = min(int(x), levels - 1)
    return 1 + (i if x - i < flow[cw.TABLES + i] else int(flow[cw.TABLES + levels + i]))


@kernel
def _trade(b: Packed, k: Longs, side: int, lots: int) -> None:
    k[cw.TOOK_BUY if side > 0 else cw.TOOK_SELL] += lots
    market_order(b, k, side, lots)


@kernel
def _rest(b: Packed, k: Longs, side: int, price: int, lots: int, noise: bool) -> None:
    """A public limit order comes to rest; whose it is is kept."""
    slot = allocate(b)
    if slot < 0 or lots <= 0:
        return
    word, bit = cw.OWNERS + slot // cw.OWNER_BITS, 1 << (slot % cw.OWNER_BITS)
    k[word] = (k[word] | bit) if noise else (k[word] & ~bit)
    k[cw.LAID_BID if side > 0 else cw.LAID_ASK] += lots
    public_add(b, k, slot, side, price, lots)


@kernel
def is_noise(k: Longs, slot: int) -> bool:
    """Whether the order in a slot is the noise trader's."""
    return bool((k[cw.OWNERS + slot // cw.OWNER_BITS] >> (slot % cw.OWNER_BITS)) & 1)


@kernel
def _cut(b: Packed, k: Longs, flow: Floats, side: int, u: float, lots: int) -> None:
    """A cancel of `lots`: `u`, uniform below the side's cancel rate, picks the level."""
    levels = int(flow[cw.LEVELS])
    far, near = best(b, -side), best(b, side)
    for i in range((near - far) * -side, levels + 1):
        price = far - side * i
        if not in_window(b, side, price):
            return
        lv = level_at(b, side, price)
        u -= flow[cw.TABLES + 2 * levels + i - 1] * _seen(b, flow, lv)
        if u < 0.0:
            if flow[cw.PLAIN] != 0.0:
                _cut_any(b, k, side, price, _seen(b, flow, lv), lots)
            else:
                _cut_newest(b, k, side, price, lots)
            return


@kernel
def _cut_newest(b: Packed, k: Longs, side: int, price: int, lots: int) -> None:
    """Lots of the noise trader's own orders at a price go, the newest order first."""
    slot = level_at(b, side, price).tail
    while slot >= 0 and lots > 0:
        o = order_at(b, slot)
        before = o.prev
        if not is_own(b, slot) and is_noise(k, slot):
            have = o.qty
            lots -= public_take(
                b, k, slot, min(lots, have), DELETE if lots >= have else REDUCE, False
            )
        slot = before


@kernel
def _cut_any(b: Packed, k: Longs, side: int, price: int, public: int, lots: int) -> None:
    """Lots of the order that a uniformly drawn public lot at a price belongs to go."""
    which = int(uniform(k, sim.FLOW_RNG) * public)
    slot = head_at(b, side, price)
    while slot >= 0:
        o = order_at(b, slot)
        if not is_own(b, slot):
            have = o.qty
            if which < have:
                public_take(b, k, slot, min(lots, have), DELETE if lots >= have else REDUCE, False)
                return
            which -= have
        slot = o.next


@kernel
def _strategic(b: Packed, k: Longs, flow: Floats) -> None:
    """The hidden trader: the limit price is that of before its own market order."""
    if k[cw.DIRECTION] == 0:
        k[cw.DIRECTION] = 1 if uniform(k, sim.FLOW_RNG) < 0.5 else -1
    side = k[cw.DIRECTION]
    far = best(b, -side)
    if far == NO_BID or far == NO_ASK:
        return
    _trade(b, k, side, int(flow[cw.STRATEGIC_MARKET]))
    # it buys: a bid one tick below the ask; it sells: an ask one tick above the bid
    _rest(b, k, side, far - side, int(flow[cw.STRATEGIC_LIMIT]), False)
