"""Undercutting in replay: public orders that come because an own order improves the touch (the bound `undercut`).

A tape does not answer. Where an own order is alone inside the public spread, an order at a better price is drawn
with the measured hazard: so much more often are public orders undercut that improved the touch than a better price
comes where no order improved it (`source.bounded`). The tape's own better prices come as they came, so the excess alone
is drawn. It goes by the room left inside the spread in bps, how long the own order has stood alone there, and its size
over the usual one.

What is drawn is an order of the visible book. Tape trades meet it before own orders by price and time; it rests for
a drawn time, or until the tape's own touch reaches it or passes. Nothing of it is on the tape: its lots count in no
volume. It is drawn from a stream of the episode's seed that nothing else draws from.
"""

import math
from typing import Final

from tercel.core.jit import Floats, Longs, Packed, fixed, kernel, late_kernel
from tercel.core.seeds import seed_stream, uniform
from tercel.core.vocabulary import FOREVER_NS, NO_ASK, NO_BID, NS_PER_SECOND
from tercel.market.book import layout as lay
from tercel.market.book.ladder import best, level_at, order_at
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import public_add, public_take
from tercel.market.simulator.records import state_at
from tercel.market.tape.schema import DELETE

# -- rates, float64 words from flow[UNDERCUT] on -----------------------------------------------------------------------
ROOMS: Final = 5
AGES: Final = 6
SIZES: Final = 3
DRAWS: Final = 16
USUAL: Final = 0  # usual lots of an order
RATES: Final = 1  # ROOMS x AGES, 1/s
BY_SIZE: Final = RATES + ROOMS * AGES  # factors of them
# equally likely: ticks better than the own order over the room, lots over the usual ones, seconds that it rests
STEPS: Final = BY_SIZE + SIZES
LOTS: Final = STEPS + DRAWS
LIVES: Final = LOTS + DRAWS
RATE_WORDS: Final = LIVES + DRAWS
LEAST_NS: Final = 1_000_000
"""The shortest life of an undercutting order: the clock of the older tapes."""


@kernel
def room_class(bps: float) -> int:
    """Class of the room left inside the spread, bps: it begins at 0, 2, 4, 8, 16."""
    return 0 if bps < 2.0 else 1 if bps < 4.0 else 2 if bps < 8.0 else 3 if bps < 16.0 else 4


@kernel
def age_class(age_s: float) -> int:
    """Class of an order's age, s: it begins at 0, .1, 1, 3, 10, 30."""
    if age_s < 3.0:
        return 0 if age_s < 0.1 else 1 if age_s < 1.0 else 2
    return 3 if age_s < 10.0 else 4 if age_s < 30.0 else 5


@kernel
def _age_ends_ns(age: int) -> int:
    """When a class of age ends."""
    if age == 0:
        return 100_000_000
    return NS_PER_SECOND * (1 if age == 1 else 3 if age == 2 else 10 if age == 3 else 30)


@kernel
def size_class(over_usual: float) -> int:
    """Class of a size over the usual one: it begins at 0, .5, 2."""
    return 0 if over_usual < 0.5 else 1 if over_usual < 2.0 else 2


@kernel
def begin_undercut(k: Longs, seed: int, index: int) -> None:
    """Start an episode's stream; nothing without a table of rates."""
    s = state_at(k)
    if s.undercut == 0:
        return
    seed_stream(k, sim.UNDERCUT_RNG, seed, index, 6)
    s.undercut_ns = FOREVER_NS
    s.alone_at = NO_BID
    s.hazard = 0.0
    s.hazard_left = -math.log(1.0 - uniform(k, sim.UNDERCUT_RNG))


@kernel
def alone(b: Packed, k: Longs) -> int:
    """Own price that is alone inside the public spread with room for a better one; NO_BID: none."""
    s = state_at(k)
    if b[lay.OWN_RESTING] == 0 or s.halted != 0:
        return NO_BID
    near, far = best(b, s.side), best(b, -s.side)
    if (
        near == NO_BID
        or near == NO_ASK
        or far == NO_BID
        or far == NO_ASK
        or (far - near) * s.side < 2
    ):
        return NO_BID
    lv = level_at(b, s.side, near)
    return int(near) if lv.lots == lv.own_lots else NO_BID


@late_kernel
def watch_alone(b: Packed, k: Longs, flow: Floats) -> None:
    """After anything happened: use the hazard up to now, and say when the next undercutting order comes or goes."""
    s = state_at(k)
    s.hazard_left -= s.hazard * (s.now - s.hazard_ns) / NS_PER_SECOND
    s.hazard_ns = s.now
    s.hazard = 0.0
    s.undercut_ns = FOREVER_NS
    if s.rivals > 0:
        _count_rivals(b, k)
    price = alone(b, k)
    if price != s.alone_at:
        s.alone_at = price
        s.alone_since = s.now
    if price == NO_BID:
        return
    age = age_class((s.now - s.alone_since) / NS_PER_SECOND)
    room = (best(b, -s.side) - price) * s.side - 1
    own = level_at(b, s.side, price).own_lots
    at, size = s.undercut, size_class(own / flow[s.undercut + USUAL])
    s.hazard = (
        flow[at + RATES + AGES * room_class(1e4 * room / abs(price)) + age]
        * flow[at + BY_SIZE + size]
    )
    if age < AGES - 1:
        s.undercut_ns = min(s.undercut_ns, s.alone_since + _age_ends_ns(age))
    if s.hazard > 0.0 and s.hazard_left < s.hazard * 86_400.0:
        s.undercut_ns = min(
            s.undercut_ns, s.now + 1 + int(max(s.hazard_left, 0.0) / s.hazard * NS_PER_SECOND)
        )


@kernel
def _count_rivals(b: Packed, k: Longs) -> None:
    """Count the undercutting orders that stand, and when the first of them goes."""
    s = state_at(k)
    s.rivals = 0
    for j in range(sim.RIVAL_SLOTS):
        if order_at(b, fixed(b, lay.ORDERS) - sim.RIVAL_SLOTS + j).qty == 0:
            k[sim.RIVAL_UNTIL + j] = 0
        else:
            s.rivals += 1
            s.undercut_ns = min(s.undercut_ns, k[sim.RIVAL_UNTIL + j])


@late_kernel
def undercut_event(b: Packed, k: Longs, flow: Floats) -> None:
    """Undercutting orders whose time is over go; where the hazard is used up, one comes."""
    s = state_at(k)
    first = fixed(b, lay.ORDERS) - sim.RIVAL_SLOTS
    for j in range(sim.RIVAL_SLOTS):
        if 0 < k[sim.RIVAL_UNTIL + j] <= s.now:
            public_take(b, k, first + j, order_at(b, first + j).qty, DELETE, False)
    watch_alone(b, k, flow)
    if s.hazard_left > 0.0 or s.alone_at == NO_BID:
        return
    s.hazard_left = -math.log(1.0 - uniform(k, sim.UNDERCUT_RNG))
    step, lots, life = _drawn(k, flow, STEPS), _drawn(k, flow, LOTS), _drawn(k, flow, LIVES)
    price, side = s.alone_at, s.side
    room = (best(b, -side) - price) * side - 1
    for j in range(sim.RIVAL_SLOTS):
        if k[sim.RIVAL_UNTIL + j] == 0:
            k[sim.RIVAL_UNTIL + j] = s.now + max(int(life * NS_PER_SECOND), LEAST_NS)
            s.rivals += 1
            better = min(max(math.ceil(step * room), 1), room)
            public_add(
                b,
                k,
                first + j,
                side,
                price + side * better,
                max(round(lots * flow[s.undercut + USUAL]), 1),
            )
            return


@kernel
def _drawn(k: Longs, flow: Floats, at: int) -> float:
    """One of DRAWS equally likely values."""
    return float(flow[state_at(k).undercut + at + int(uniform(k, sim.UNDERCUT_RNG) * DRAWS)])
