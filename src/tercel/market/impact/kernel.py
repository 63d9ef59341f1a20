"""Impact in the event loop: own fills add to the kernel, and the public book shifts.

Own volume in mean trades, under a kernel G that is a sum of exponentials, is Phi. The law wants the public book to
stand ``scale x sgn(Phi) |Phi|^exponent`` ticks above where it would be without us, ``scale x Phi`` below a mean trade.
By themselves own lots move nothing for good (`market.simulator.background`), so the law is all there is. It is paid at
once, one tick at a time, and charged to the lots of one order as they match: paid late, it would give back what fast
trading saves. Ticks
are whole, the law is not: the fraction is rounded by a threshold that is drawn once a world from the state of its
flow's stream (which is read, not advanced), so that the expected shift is the law's.
"""

import math

import numpy as np

from tercel.core.jit import Floats, Longs, Packed, kernel, late_kernel
from tercel.core.seeds import mix
from tercel.core.vocabulary import FOREVER_NS, NO_ASK, NO_BID, NS_PER_SECOND
from tercel.market.impact import layout
from tercel.market.impact.translate import translate
from tercel.market.simulator import layout as sim
from tercel.market.simulator.records import put_real, real, state_at

# Ticks beyond the threshold before a shift is turned back: the book does not chatter about it.
_MOST = 0.1
_MOST_BIAS = 4.0
_LITTLE = 1e-6
# Lots, more than any order has.
_ALL = 1 << 40


@late_kernel
def impact_event(b: Packed, k: Longs, flow: Floats) -> None:
    """Process own fills, or the kernel's decay; the time of the next event."""
    s = state_at(k)
    p = int(flow[sim.IMPACT_AT])
    if p == 0:
        s.impact_ns = FOREVER_NS
        return
    begin_law(k)
    phi, moving = decayed(k, flow, p, 1e-9 * (s.now - s.law_ns))
    s.impact_ns = s.now + int(flow[p + layout.STEP_S] * NS_PER_SECOND)
    if s.pending != 0:
        phi += fold_in(k, flow, p)
        moving += abs(phi)
    if int(flow[p + layout.LAW]) == sim.WEIGHTS:
        s.bias = min(max(flow[p + layout.SCALE] * phi, -_MOST_BIAS), _MOST_BIAS)
    else:
        pay(b, k, target(phi, flow, p))
    s.law_ns = s.now
    if moving < _LITTLE and s.impact_ns > s.now:
        s.impact_ns = FOREVER_NS


@kernel
def target(phi: float, flow: Floats, p: int) -> float:
    """Displacement of the price that the law implies, ticks."""
    if abs(phi) < 1.0:
        return flow[p + layout.SCALE] * phi
    size = flow[p + layout.SCALE] * abs(phi) ** flow[p + layout.EXPONENT]
    return size if phi > 0.0 else -size


@kernel
def ticks_owed(k: Longs, flow: Floats, side: int) -> tuple[int, int]:
    """Ticks towards `side` by which the law is about to move the book for own lots just traded, and how many lots more
    of that side there are until it moves a tick further: at least 1, as many as there are without a law.

    How far the kernel has decayed since the law last looked, a second at most, is left out.
    """
    s = state_at(k)
    p = int(flow[sim.IMPACT_AT]) if flow.shape[0] > sim.IMPACT_AT else 0
    if p == 0 or int(flow[p + layout.LAW]) != sim.TRANSLATION or flow[p + layout.SCALE] <= 0.0:
        return 0, _ALL
    begin_law(k)
    n = int(flow[p + layout.COMPONENTS])
    phi = s.pending / flow[p + layout.MEAN_TRADE]
    for j in range(n):
        phi += flow[p + layout.HEAD + n + j] * real(k, sim.KERNEL + j)
    # as `pay` rounds: up from one tick and a little above the threshold, down from a little below it
    first = s.shift - s.rounding + (1.0 + 0.5 * _MOST if side > 0 else -0.5 * _MOST)
    owed = max(math.floor((target(phi, flow, p) - first) * side) + 1, 0)
    goal = first + side * owed
    wanted = abs(goal) / flow[p + layout.SCALE]
    if wanted > 1.0:
        wanted **= 1.0 / flow[p + layout.EXPONENT]
    lots = ((wanted if goal > 0.0 else -wanted) - phi) * side * flow[p + layout.MEAN_TRADE]
    return owed, (min(max(math.ceil(lots), 1), _ALL) if lots < _ALL else _ALL)


@kernel
def begin_law(k: Longs) -> None:
    """Draw this world's rounding threshold, before the first own fill."""
    s = state_at(k)
    if s.rounding == 0.0:
        s.rounding = rounding(k)
        s.law_ns = s.now


@kernel
def whole_order_ticks(flow: Floats, lots: int) -> int:
    """Ticks by which an order of `lots` taken at once moves the price, rounded up; 0 without a law."""
    p = int(flow[sim.IMPACT_AT]) if flow.shape[0] > sim.IMPACT_AT else 0
    if p == 0 or int(flow[p + layout.LAW]) != sim.TRANSLATION:
        return 0
    return math.ceil(target(lots / flow[p + layout.MEAN_TRADE], flow, p))


@kernel
def decayed(k: Longs, flow: Floats, p: int, dt_s: float) -> tuple[float, float]:
    """Decay the kernel's components; Phi, and how much of it will still move."""
    n = int(flow[p + layout.COMPONENTS])
    phi, moving = 0.0, 0.0
    for j in range(n):
        rate = flow[p + layout.HEAD + j]
        z = real(k, sim.KERNEL + j) * math.exp(-rate * dt_s)
        put_real(k, sim.KERNEL + j, z)
        phi += flow[p + layout.HEAD + n + j] * z
        if rate > 0.0:
            moving += flow[p + layout.HEAD + n + j] * abs(z)
    return phi, moving


@kernel
def fold_in(k: Longs, flow: Floats, p: int) -> float:
    """Add own fills since the last event to the kernel; their signed size in mean trades."""
    s = state_at(k)
    q = s.pending / flow[p + layout.MEAN_TRADE]
    s.pending = 0
    for j in range(int(flow[p + layout.COMPONENTS])):
        put_real(k, sim.KERNEL + j, real(k, sim.KERNEL + j) + q)
    return q


@kernel
def pay(b: Packed, k: Longs, wanted: float) -> None:
    """Move the book one tick if the law's target is a tick away; further ticks follow at once."""
    s = state_at(k)
    gap = wanted + s.rounding - s.shift
    ticks = 0
    if gap >= 1.0 + 0.5 * _MOST:
        ticks = 1
    elif gap < -0.5 * _MOST:
        ticks = -1
    if ticks == 0 or s.halted != 0:
        return
    if s.last_bid == NO_BID or s.last_ask == NO_ASK or s.last_bid + ticks < 2:
        return
    translate(b, k, ticks)
    s.impact_ns = s.now


@kernel
def rounding(k: Longs) -> float:
    """This world's rounding threshold in (0, 1): a hash of its flow's random stream."""
    word = mix(k[sim.FLOW_RNG] ^ k[sim.FLOW_RNG + 1])
    return (float(word >> np.uint64(12)) + 0.5) / 4503599627370496.0
