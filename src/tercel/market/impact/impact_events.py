"""The law of impact in the event loop: own fills add to the decaying kernel, and its target moves the public book.

Own volume in mean trades, under a kernel G that is a sum of exponentials, is Phi. By the law the public book is
``scale x sgn(Phi) |Phi|^exponent`` ticks above its level without own orders, ``scale x Phi`` below a mean trade. By
themselves own lots move nothing for good (`market.simulator.background`), so the law is all there is. It is paid at
once, one tick at a time, and charged to the lots of one order as they match: paid late, it would give back what fast
trading saves. Ticks are whole, the law is not: the fraction is rounded by a threshold that is drawn once a world from
the state of its flow's stream (which is read, not advanced), so that the expected shift is the law's.
"""

import math

import numpy as np

from tercel.core.jit import Floats, Longs, Packed, kernel, late_kernel
from tercel.core.seeds import mix
from tercel.core.vocabulary import FOREVER_NS, NO_ASK, NO_BID, NS_PER_SECOND
from tercel.market.impact.book_shift import translate
from tercel.market.impact.law import (
    COMPONENTS,
    EXPONENT,
    HEAD,
    LAW,
    MEAN_TRADE,
    PASSIVE,
    SCALE,
    STEP_S,
)
from tercel.market.simulator import layout as sim
from tercel.market.simulator.records import put_real, real, state_at

# Hysteresis: ticks beyond the threshold before a shift is turned back, so that the book does not jump to and fro by a tick.
_HYSTERESIS = 0.1
_MAX_BIAS = 4.0
_NEGLIGIBLE = 1e-6
# Lots, more than any order has.
_ALL = 1 << 40


@late_kernel
def impact_event(book: Packed, state: Longs, flow: Floats) -> None:
    """Decay the kernel, add own fills, and apply the law: a tick of the book, or the flow's bias; sets the next event's time."""
    s = state_at(state)
    law_at = int(flow[sim.IMPACT_AT])
    if law_at == 0:
        s.impact_ns = FOREVER_NS
        return
    begin_law(state)
    phi, moving = decay_kernel(state, flow, law_at, 1e-9 * (s.now - s.law_ns))
    s.impact_ns = s.now + int(flow[law_at + STEP_S] * NS_PER_SECOND)
    if s.pending != 0:
        phi += add_own_volume(state, flow, law_at)
        moving += abs(phi)
    if int(flow[law_at + LAW]) == sim.WEIGHTS:
        s.bias = min(max(flow[law_at + SCALE] * phi, -_MAX_BIAS), _MAX_BIAS)
    else:
        move_towards_target(book, state, target(phi, flow, law_at))
    s.law_ns = s.now
    if moving < _NEGLIGIBLE and s.impact_ns > s.now:
        s.impact_ns = FOREVER_NS


@kernel
def target(phi: float, flow: Floats, law_at: int) -> float:
    """Displacement of the price by the law for signed own volume `phi`, mean trades; ticks, of the sign of `phi`."""
    if abs(phi) < 1.0:
        return flow[law_at + SCALE] * phi
    size = flow[law_at + SCALE] * abs(phi) ** flow[law_at + EXPONENT]
    return size if phi > 0.0 else -size


@kernel
def ticks_owed(state: Longs, flow: Floats, side: int) -> tuple[int, int]:
    """Ticks towards `side` that the law is about to move the book by for own lots just traded, and lots until the next tick.

    How far the kernel has decayed since the law last looked, a second at most, is left out.
    """
    s = state_at(state)
    law_at = int(flow[sim.IMPACT_AT]) if flow.shape[0] > sim.IMPACT_AT else 0
    if law_at == 0 or int(flow[law_at + LAW]) != sim.TRANSLATION or flow[law_at + SCALE] <= 0.0:
        return 0, _ALL
    begin_law(state)
    n = int(flow[law_at + COMPONENTS])
    phi = own_volume(state, flow, law_at)
    for j in range(n):
        phi += flow[law_at + HEAD + n + j] * real(state, sim.KERNEL + j)
    # round as `move_towards_target` does: upwards one tick and a little above the threshold, downwards a little below it
    threshold = s.shift - s.rounding + (1.0 + 0.5 * _HYSTERESIS if side > 0 else -0.5 * _HYSTERESIS)
    owed = max(math.floor((target(phi, flow, law_at) - threshold) * side) + 1, 0)
    level = threshold + side * owed
    phi_at_level = abs(level) / flow[law_at + SCALE]
    if phi_at_level > 1.0:
        phi_at_level **= 1.0 / flow[law_at + EXPONENT]
    lots = (
        ((phi_at_level if level > 0.0 else -phi_at_level) - phi) * side * flow[law_at + MEAN_TRADE]
    )
    return owed, (min(max(math.ceil(lots), 1), _ALL) if lots < _ALL else _ALL)


@kernel
def begin_law(state: Longs) -> None:
    """Draw a world's rounding threshold, before its first own fill."""
    s = state_at(state)
    if s.rounding == 0.0:
        s.rounding = rounding(state)
        s.law_ns = s.now


@kernel
def whole_order_ticks(flow: Floats, lots: int) -> int:
    """Ticks by which an order of `lots` taken at once moves the price, rounded up; 0 without a law that moves the book."""
    law_at = int(flow[sim.IMPACT_AT]) if flow.shape[0] > sim.IMPACT_AT else 0
    if law_at == 0 or int(flow[law_at + LAW]) != sim.TRANSLATION:
        return 0
    return math.ceil(target(lots / flow[law_at + MEAN_TRADE], flow, law_at))


@kernel
def decay_kernel(state: Longs, flow: Floats, law_at: int, dt_s: float) -> tuple[float, float]:
    """Decay the kernel's components to now; returns Phi, and the part of it that will still decay."""
    n = int(flow[law_at + COMPONENTS])
    phi = 0.0
    moving = 0.0
    for j in range(n):
        rate = flow[law_at + HEAD + j]
        z = real(state, sim.KERNEL + j) * math.exp(-rate * dt_s)
        put_real(state, sim.KERNEL + j, z)
        phi += flow[law_at + HEAD + n + j] * z
        if rate > 0.0:
            moving += flow[law_at + HEAD + n + j] * abs(z)
    return phi, moving


@kernel
def own_volume(state: Longs, flow: Floats, law_at: int) -> float:
    """Signed size of own fills since the last event, mean trades taken; a lot that rested counts `passive_impact`."""
    s = state_at(state)
    lots = s.pending - (1.0 - flow[law_at + PASSIVE]) * s.rested
    return float(lots / flow[law_at + MEAN_TRADE])


@kernel
def add_own_volume(state: Longs, flow: Floats, law_at: int) -> float:
    """Add own fills since the last event to the kernel; their signed size in mean trades."""
    s = state_at(state)
    added = own_volume(state, flow, law_at)
    s.pending = 0
    s.rested = 0
    for j in range(int(flow[law_at + COMPONENTS])):
        put_real(state, sim.KERNEL + j, real(state, sim.KERNEL + j) + added)
    return added


@kernel
def move_towards_target(book: Packed, state: Longs, target_ticks: float) -> None:
    """Translate the book by one tick if the law's target is a tick or more away; further ticks follow at once."""
    s = state_at(state)
    gap = target_ticks + s.rounding - s.shift
    ticks = 0
    if gap >= 1.0 + 0.5 * _HYSTERESIS:
        ticks = 1
    elif gap < -0.5 * _HYSTERESIS:
        ticks = -1
    if ticks == 0 or s.halted != 0:
        return
    if s.last_bid == NO_BID or s.last_ask == NO_ASK or s.last_bid + ticks < 2:
        return
    translate(book, state, ticks)
    s.impact_ns = s.now


@kernel
def rounding(state: Longs) -> float:
    """Rounding threshold of a world, in (0, 1): a hash of the state of its flow's random stream."""
    word = mix(state[sim.FLOW_RNG] ^ state[sim.FLOW_RNG + 1])
    return (float(word >> np.uint64(12)) + 0.5) / 4503599627370496.0
