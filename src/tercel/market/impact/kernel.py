"""Impact as the market goes: own fills add to it, instalments are paid.

Own volume in mean trades, under a kernel G that is a sum of exponentials, is Phi. The law wants the price to stand
``scale x sgn(Phi) |Phi|^exponent`` above where it would be without us; our lots by themselves move it by `k1` ticks a
mean trade for good. The difference is owed, and paid with a time constant by translating the public book, one tick at
a time. Ticks are whole, what is owed is not: the fraction is rounded by a threshold that is drawn once a world from
the state of its flow's stream (which is read, not advanced), so that the expected shift is what is owed.
"""

import math

import numpy as np

from tercel.core.jit import Floats, Longs, Packed, kernel
from tercel.core.seeds import mix
from tercel.core.vocabulary import FOREVER_NS, NO_ASK, NO_BID, NS_PER_SECOND
from tercel.market.impact.translate import translate
from tercel.market.simulator import layout as sim
from tercel.market.simulator.reals import put_real, real

# -- parameters, from flow[IMPACT_AT] on: float64 words ---------------------------------------------------------------
LAW = 0  # as IMPACT
SCALE = 1  # ticks at Phi = 1; (WEIGHTS) log factor at Phi = 1
EXPONENT = 2
K1 = 3  # ticks that a mean trade of ours moves the mid for good by itself
MEAN_TRADE = 4  # lots
PAY_S = 5  # time constant of payment
STEP_S = 6  # between instalments
COMPONENTS = 7
HEAD = 8  # rates[n] a second, then weights[n]

_MOST = 0.1
"""Ticks beyond the threshold before a shift is turned back: the book does not chatter about it."""
_MOST_BIAS = 4.0
_LITTLE = 1e-6


@kernel
def impact_event(b: Packed, k: Longs, flow: Floats) -> None:
    """An instalment falls due at IMPACT_NS, or own lots have just traded; when the next one does."""
    p = int(flow[sim.IMPACT_AT])
    if p == 0:
        k[sim.IMPACT_NS] = FOREVER_NS
        return
    if real(k, sim.ROUNDING) == 0.0:
        put_real(k, sim.ROUNDING, rounding(k))
        k[sim.LAW_NS] = k[sim.NOW]
    phi, moving = decayed(k, flow, p, 1e-9 * (k[sim.NOW] - k[sim.LAW_NS]))
    k[sim.IMPACT_NS] = k[sim.NOW] + int(flow[p + STEP_S] * NS_PER_SECOND)
    if int(flow[p + LAW]) == sim.WEIGHTS:
        phi += fold_in(k, flow, p)
        moving += abs(phi)
        put_real(k, sim.BIAS, min(max(flow[p + SCALE] * phi, -_MOST_BIAS), _MOST_BIAS))
    else:
        want = target(phi, flow, p) - flow[p + K1] * real(k, sim.FILLED)
        paid = real(k, sim.PAID)
        paid += (want - paid) * (1.0 - math.exp(-1e-9 * (k[sim.NOW] - k[sim.LAW_NS]) / flow[p + PAY_S]))
        put_real(k, sim.PAID, paid)
        moving += abs(want - paid)
        if k[sim.PENDING] != 0:
            fold_in(k, flow, p)
            moving = 1.0
        pay(b, k, paid)
    k[sim.LAW_NS] = k[sim.NOW]
    if moving < _LITTLE and k[sim.IMPACT_NS] > k[sim.NOW]:
        k[sim.IMPACT_NS] = FOREVER_NS


@kernel
def target(phi: float, flow: Floats, p: int) -> float:
    """Where the law wants the price, ticks above where it would be without us."""
    if phi == 0.0:
        return 0.0
    size = flow[p + SCALE] * abs(phi) ** flow[p + EXPONENT]
    return size if phi > 0.0 else -size


@kernel
def decayed(k: Longs, flow: Floats, p: int, dt_s: float) -> tuple[float, float]:
    """Let the kernel's components decay; Phi, and how much of it will still move."""
    n = int(flow[p + COMPONENTS])
    phi, moving = 0.0, 0.0
    for j in range(n):
        rate = flow[p + HEAD + j]
        z = real(k, sim.KERNEL + j) * math.exp(-rate * dt_s)
        put_real(k, sim.KERNEL + j, z)
        phi += flow[p + HEAD + n + j] * z
        if rate > 0.0:
            moving += flow[p + HEAD + n + j] * abs(z)
    return phi, moving


@kernel
def fold_in(k: Longs, flow: Floats, p: int) -> float:
    """Own lots that traded since the last event join the kernel; how many mean trades they were, buying positive."""
    q = k[sim.PENDING] / flow[p + MEAN_TRADE]
    k[sim.PENDING] = 0
    put_real(k, sim.FILLED, real(k, sim.FILLED) + q)
    for j in range(int(flow[p + COMPONENTS])):
        put_real(k, sim.KERNEL + j, real(k, sim.KERNEL + j) + q)
    return q


@kernel
def pay(b: Packed, k: Longs, paid: float) -> None:
    """Move the book one tick if what is paid has come a tick away from what was shifted; more follow at once."""
    gap = paid + real(k, sim.ROUNDING) - k[sim.SHIFT]
    ticks = 0
    if gap >= 1.0 + 0.5 * _MOST:
        ticks = 1
    elif gap < -0.5 * _MOST:
        ticks = -1
    if ticks == 0 or k[sim.HALTED] != 0:
        return
    if k[sim.LAST_BID] == NO_BID or k[sim.LAST_ASK] == NO_ASK or k[sim.LAST_BID] + ticks < 2:
        return
    translate(b, k, ticks)
    k[sim.IMPACT_NS] = k[sim.NOW]


@kernel
def rounding(k: Longs) -> float:
    """This world's threshold in (0, 1): a hash of its flow's stream as it stands."""
    word = mix(k[sim.FLOW_RNG] ^ k[sim.FLOW_RNG + 1])
    return (float(word >> np.uint64(12)) + 0.5) / 4503599627370496.0
