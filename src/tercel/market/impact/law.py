"""Law of impact as a record: which numbers are priors, which measured, and the packed words of the kernel.

`translation` (the default): own volume in mean trades under ``G(t) = (1 + t / td)^-beta`` is Phi; the price is
``y sigma sgn(Phi) |Phi / trades|^exponent`` above its level without own orders, sigma and trades those of one
`horizon_s`, linear below one mean trade. With exponent 1/2 that is the square-root law (Almgren, Thum, Hauptmann & Li
2005; Bouchaud, Bonart, Donier & Gould 2018): the exponent is a prior, no public tape can teach it. `weights`: Phi leans
on the weights of public market orders against our flow (Noble, Rosenbaum & Souilmi 2026).

G is a sum of exponentials, so that what a market remembers has a fixed size.

Impact in the event loop: own fills add to the kernel, and the public book shifts.

Own volume in mean trades, under a kernel G that is a sum of exponentials, is Phi. By the law the public book is
``scale x sgn(Phi) |Phi|^exponent`` ticks above its level without own orders, ``scale x Phi`` below a mean trade. By
themselves own lots move nothing for good (`market.simulator.background`), so the law is all there is. It is paid at
once, one tick at a time, and charged to the lots of one order as they match: paid late, it would give back what fast
trading saves. Ticks are whole, the law is not: the fraction is rounded by a threshold that is drawn once a world from
the state of its flow's stream (which is read, not advanced), so that the expected shift is the law's.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from tercel.core.errors import ConfigError
from tercel.core.jit import Floats, Longs, Packed, fixed, kernel, late_kernel
from tercel.core.seeds import mix
from tercel.core.vocabulary import FOREVER_NS, NO_ASK, NO_BID, NS_PER_SECOND
from tercel.market.book import layout as lay
from tercel.market.book.ladder import (
    in_window,
    insert_own,
    is_own,
    ledger_at,
    level_at,
    link_after,
    lots_at,
    order_at,
    own_order_at,
    reduce,
    ring_level,
    side_at,
    unlink,
)
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import (
    fill_crossed,
    first_own,
    outside_feed,
    owe,
    public_take,
    write,
)
from tercel.market.simulator.past_seconds import moved
from tercel.market.simulator.records import put_real, real, state_at
from tercel.market.tape.schema import DELETE, REDUCE

# -- layout ----------------------------------------------------------------------------------------
# Layout of the law of impact in the flow's parameters: float64 words from flow[IMPACT_AT] on.

LAW, SCALE, EXPONENT, MEAN_TRADE, STEP_S, COMPONENTS, DELAYS = range(7)
# LAW: as IMPACT in the simulator's layout
# SCALE: ticks at Phi = 1; (WEIGHTS) log factor at Phi = 1
# MEAN_TRADE: lots
# STEP_S: between looks at how the kernel decays
# DELAYS: equally likely delays after which lots that own orders took come back; 0: never
HEAD = 8  # rates[COMPONENTS] a second, weights[COMPONENTS], delays[DELAYS] in seconds


LAWS: Final = {"none": sim.NO_IMPACT, "translation": sim.TRANSLATION, "weights": sim.WEIGHTS}
HORIZON_S: Final = 600.0
KERNEL_STEP_S: Final = 1.0
"""Between looks at how the kernel decays; own fills are seen at once."""
KERNEL_COMPONENTS: Final = 14
_LOG_STEP: Final = 0.75
_LOG_FIRST: Final = -7.5


@dataclass(frozen=True)
class ImpactLaw:
    """Law of own trades' price impact beyond the lots they take.

    Parameters
    ----------
    law : str
        `translation` or `weights`.
    mean_trade_lots : float
        Lots of the MEAN public trade: the unit of volume. The median is another unit, often several times smaller.
    trades : float
        Mean trades of public volume in `horizon_s`.
    sigma_ticks : float
        Standard deviation of the mid's move in `horizon_s`.
    y : float
        The prefactor of the square-root law; 0.5 to 1.5 is what markets show.
    td_s, beta : float
        Kernel ``(1 + t / td)^-beta``.
    permanent : float
        Share of the kernel that never decays.
    exponent : float
        Of the target in Phi: 1/2, or 1 for a linear propagator.
    strength : float
        (weights) Log factor of the market orders of a side at Phi = 1.
    horizon_s : float
        Of `trades` and `sigma_ticks`.
    replenishment_s : tuple of float
        Equally likely delays, seconds, after which lots that own orders took come back
        (`market.impact.fitted`); none: they stay away for as long as their order lives, as on a tape.
    explicit : tuple of (float, float)
        A kernel of its own: rates (1/s, 0 stays) and weights, which sum to 1; `td_s`, `beta` and `permanent` are then
        not read.

    Raises
    ------
    ConfigError
        For an unknown law or numbers that are none.
    """

    law: str
    mean_trade_lots: float
    trades: float
    sigma_ticks: float
    y: float = 1.0
    td_s: float = 900.0
    beta: float = 1.0
    permanent: float = 0.0
    exponent: float = 0.5
    strength: float = 0.0
    horizon_s: float = HORIZON_S
    replenishment_s: tuple[float, ...] = ()
    explicit: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        """Raise ConfigError for parameters out of range."""
        positive = (
            self.mean_trade_lots,
            self.trades,
            self.td_s,
            self.beta,
            self.exponent,
            self.horizon_s,
        )
        numbers = (*positive, self.sigma_ticks, self.y, self.strength, *self.replenishment_s)
        fine = (
            all(map(math.isfinite, numbers))
            and min(positive) > 0.0
            and min(self.sigma_ticks, self.y, *self.replenishment_s) >= 0.0
        )
        if (
            self.law not in LAWS
            or self.law == "none"
            or not fine
            or not 0.0 <= self.permanent <= 1.0
        ):
            raise ConfigError(
                "an impact law: translation or weights, its sizes and times above 0, 0 <= permanent <= 1",
                f"{self}",
                "measure one: `tercel market calibrate` puts it on the card",
            )

    @property
    def scale_ticks(self) -> float:
        """Displacement after one mean trade, ticks."""
        return float(self.y * self.sigma_ticks / self.trades**self.exponent)

    def target(self, phi: float | Floats) -> Floats:
        """Displacement at Phi, ticks: a square root beyond one mean trade, linear below.

        A root is infinitely steep at 0, where one lot would move the price; that impact is linear in the smallest
        volumes is seen (Bucci, Benzaquen, Lillo & Bouchaud 2019).
        """
        size = np.abs(np.asarray(phi, np.float64))
        return np.asarray(
            self.scale_ticks * np.sign(phi) * np.where(size < 1.0, size, size**self.exponent)
        )

    def kernel(self) -> tuple[Floats, Floats]:
        """Rates (1/s) and weights of the exponentials whose sum is the kernel; the weights sum to 1."""
        if self.explicit:
            rates, weights = np.array(self.explicit, np.float64).T
            return rates, weights
        rates, weights = exponentials(self.beta, self.td_s)
        if self.permanent == 0.0:
            return rates, weights
        return np.append(rates, 0.0), np.append(weights * (1.0 - self.permanent), self.permanent)

    def left(self, seconds: float) -> float:
        """Share of a volume traded evenly over some seconds that has not decayed at their end."""
        rates, weights = self.kernel()
        x = rates * seconds
        held = np.where(x > 0.0, -np.expm1(-x) / np.where(x > 0.0, x, 1.0), 1.0)
        return float(weights @ held)

    def wanted_ticks(self, share: float, seconds: float) -> float:
        """Displacement at the end of a metaorder of a share of the volume expected in its time."""
        phi = share * self.trades * seconds / self.horizon_s * self.left(seconds)
        return float(self.target(phi))

    def packed(self) -> Floats:
        """Words read by kernels below."""
        rates, weights = self.kernel()
        head = np.zeros(HEAD)
        head[LAW] = LAWS[self.law]
        head[SCALE] = self.scale_ticks if self.law == "translation" else self.strength
        head[EXPONENT], head[MEAN_TRADE] = self.exponent, self.mean_trade_lots
        head[STEP_S], head[COMPONENTS] = KERNEL_STEP_S, len(rates)
        head[DELAYS] = len(self.replenishment_s)
        return np.concatenate((head, rates, weights, self.replenishment_s))

    def card(self) -> dict[str, Any]:
        """Entry on a preset's card."""
        stated = {**asdict(self), "replenishment_s": list(self.replenishment_s)}
        if not self.explicit:
            del stated["explicit"]
        return stated


def of_card(card: dict[str, Any]) -> ImpactLaw | None:
    """Impact law on a preset's card; None if the card has no entry `impact`.

    Raises
    ------
    ConfigError
        For an entry that is no law.
    """
    stated = card.get("impact")
    if stated is None:
        return None
    try:
        explicit = tuple(
            (float(rate), float(weight)) for rate, weight in stated.get("explicit", ())
        )
        delays = tuple(float(delay) for delay in stated.get("replenishment_s", ()))
        return ImpactLaw(**{**stated, "explicit": explicit, "replenishment_s": delays})
    except (TypeError, ValueError, AttributeError) as error:
        raise ConfigError(
            "an impact law of this version on the card",
            f"{stated}",
            "calibrate again with `tercel market calibrate`",
        ) from error


def exponentials(beta: float, td_s: float) -> tuple[Floats, Floats]:
    """Rates and weights whose sum of exponentials is ``(1 + t / td)^-beta``.

    The kernel is a mixture of exponentials with Gamma-distributed rates; the integral over the logarithm of the rate
    is taken by the trapezoid rule (14 terms: within 0.0005 for beta 1 up to t = 50 td).

    >>> rates, weights = exponentials(1.0, 600.0)
    >>> round(float(weights @ np.exp(-600.0 * rates)), 3)
    0.5
    """
    s = np.exp(_LOG_FIRST + _LOG_STEP * np.arange(KERNEL_COMPONENTS))
    weights = s**beta * np.exp(-s)
    return s / td_s, weights / weights.sum()


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
    s.impact_ns = s.now + int(flow[p + STEP_S] * NS_PER_SECOND)
    if s.pending != 0:
        phi += fold_in(k, flow, p)
        moving += abs(phi)
    if int(flow[p + LAW]) == sim.WEIGHTS:
        s.bias = min(max(flow[p + SCALE] * phi, -_MOST_BIAS), _MOST_BIAS)
    else:
        pay(b, k, target(phi, flow, p))
    s.law_ns = s.now
    if moving < _LITTLE and s.impact_ns > s.now:
        s.impact_ns = FOREVER_NS


@kernel
def target(phi: float, flow: Floats, p: int) -> float:
    """Displacement of the price that the law implies, ticks."""
    if abs(phi) < 1.0:
        return flow[p + SCALE] * phi
    size = flow[p + SCALE] * abs(phi) ** flow[p + EXPONENT]
    return size if phi > 0.0 else -size


@kernel
def ticks_owed(k: Longs, flow: Floats, side: int) -> tuple[int, int]:
    """Ticks towards `side` by which the law is about to move the book for own lots just traded, and how many lots more
    of that side there are until it moves a tick further: at least 1, as many as there are without a law.

    How far the kernel has decayed since the law last looked, a second at most, is left out.
    """
    s = state_at(k)
    p = int(flow[sim.IMPACT_AT]) if flow.shape[0] > sim.IMPACT_AT else 0
    if p == 0 or int(flow[p + LAW]) != sim.TRANSLATION or flow[p + SCALE] <= 0.0:
        return 0, _ALL
    begin_law(k)
    n = int(flow[p + COMPONENTS])
    phi = s.pending / flow[p + MEAN_TRADE]
    for j in range(n):
        phi += flow[p + HEAD + n + j] * real(k, sim.KERNEL + j)
    # round as `pay` does: upwards one tick and a little above the threshold, downwards a little below it
    first = s.shift - s.rounding + (1.0 + 0.5 * _MOST if side > 0 else -0.5 * _MOST)
    owed = max(math.floor((target(phi, flow, p) - first) * side) + 1, 0)
    goal = first + side * owed
    wanted = abs(goal) / flow[p + SCALE]
    if wanted > 1.0:
        wanted **= 1.0 / flow[p + EXPONENT]
    lots = ((wanted if goal > 0.0 else -wanted) - phi) * side * flow[p + MEAN_TRADE]
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
    if p == 0 or int(flow[p + LAW]) != sim.TRANSLATION:
        return 0
    return math.ceil(target(lots / flow[p + MEAN_TRADE], flow, p))


@kernel
def decayed(k: Longs, flow: Floats, p: int, dt_s: float) -> tuple[float, float]:
    """Decay the kernel's components; Phi, and how much of it will still move."""
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
    """Add own fills since the last event to the kernel; their signed size in mean trades."""
    s = state_at(k)
    q = s.pending / flow[p + MEAN_TRADE]
    s.pending = 0
    for j in range(int(flow[p + COMPONENTS])):
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


# -- translate -------------------------------------------------------------------------------------
# Translation of the public book by whole ticks, own orders staying in place.
#
# What own orders see of it keeps the rules of price-time priority: public lots that reach or cross an own order trade
# with it first, as if they arrived; of the others, lots that come to an own order's price from a better one are ahead
# of it, lots that come from a worse one behind it (lots that stood at its price have left it). Slots and the order of
# the queues stay. The record has the trades, then one row SHIFTED, which followers apply with `shift_public`.


@kernel
def translate(b: Packed, k: Longs, ticks: int) -> None:
    """Move the public book by `ticks`, up is positive; not 0."""
    if b[lay.OWN_RESTING] > 0:
        trade_crossed(b, k, ticks)
    shift_public(b, k, ticks)


# -- what trades on the way -------------------------------------------------------------------------------------------


@kernel
def trade_crossed(b: Packed, k: Longs, ticks: int) -> None:
    """Public orders that would reach or cross an own order trade with it, best first, against the mid before."""
    s = state_at(k)
    side = 1 if ticks > 0 else -1
    s.aggressor_mid2 = s.mid2
    while b[lay.OWN_RESTING] > 0:
        touch = s.public_bid if side > 0 else s.public_ask
        if touch == NO_BID or touch == NO_ASK or first_own(b, -side, touch + ticks, True) < 0:
            return
        slot = first_public(b, side, touch)
        lots = order_at(b, slot).qty
        left = fill_crossed(b, k, side, touch + ticks, lots)
        s.translated_lots += lots - left
        public_take(b, k, slot, lots - left, REDUCE if left > 0 else DELETE, False)
        owe(b, k, slot)


@kernel
def first_public(b: Packed, side: int, price: int) -> int:
    """First public order in priority at a price that has one."""
    if in_window(b, side, price):
        slot = level_at(b, side, price).head
        while is_own(b, slot):
            slot = order_at(b, slot).next
        return slot
    found, arrival = -1, -1
    slot = side_at(b, side).far
    while slot >= 0:
        o = order_at(b, slot)
        if o.price == price and not is_own(b, slot) and (found < 0 or o.arrival < arrival):
            found, arrival = slot, o.arrival
        slot = o.next
    return found


# -- the move ---------------------------------------------------------------------------------------------------------


@kernel
def shift_public(b: Packed, k: Longs, ticks: int) -> None:
    """Move every public order by `ticks`; touches, mid and its squared moves follow. Nothing trades."""
    s = state_at(k)
    write(k, sim.SHIFTED, -1, 0, ticks, 0, 0, 0)
    own_rests = b[lay.OWN_RESTING] > 0
    if own_rests:
        take_own_out(b)
    # arrival numbers below `room` are for own orders that public lots come behind
    room = 2 * fixed(b, lay.OWN) + 2 if own_rests else 0
    for side in (1, -1):
        shift_side(b, side, ticks, room)
    b[lay.ARRIVAL] += room
    if own_rests:
        put_own_back(b, k, ticks)
    for at in (sim.PUBLIC_BID, sim.PUBLIC_ASK, sim.LAST_BID, sim.LAST_ASK):
        if k[at] != NO_BID and k[at] != NO_ASK:
            k[at] += ticks
    if s.mid2 != 0:
        moved(k, 2 * ticks)
        s.mid2 += 2 * ticks
        s.variance += 4 * ticks * ticks
    s.shift += ticks


@kernel
def take_own_out(b: Packed) -> None:
    """Unlink own orders; their lots are parked in PREV, unused outside a queue (0: it did not rest)."""
    for i in range(fixed(b, lay.OWN)):
        o = own_order_at(b, i)
        lots = o.qty
        if lots > 0:
            reduce(b, fixed(b, lay.ORDERS) + i, lots)
        o.prev = lots


@kernel
def shift_side(b: Packed, side: int, ticks: int, room: int) -> None:
    """Shift one side and its window; arrival numbers grow by `room`."""
    width = fixed(b, lay.WIDTH)
    for n in range(width):
        move_queue(b, ring_level(b, side, n).head, ticks, room)
    move_queue(b, side_at(b, side).far, ticks, room)
    rotate(b, side, width, ticks & (width - 1))
    mine = side_at(b, side)
    if mine.best != NO_BID and mine.best != NO_ASK:
        mine.best += ticks
    if mine.lo != lay.NO_WINDOW:
        mine.lo += ticks


@kernel
def move_queue(b: Packed, slot: int, ticks: int, room: int) -> None:
    """Set new prices and arrival numbers along a linked list."""
    while slot >= 0:
        o = order_at(b, slot)
        o.price += ticks
        o.arrival += room
        slot = o.next


@kernel
def rotate(b: Packed, side: int, width: int, by: int) -> None:
    """Rotate level records: n goes to (n + by) modulo width, by three reversals."""
    if by != 0:
        reverse(b, side, 0, width - 1)
        reverse(b, side, 0, by - 1)
        reverse(b, side, by, width - 1)


@kernel
def reverse(b: Packed, side: int, first: int, last: int) -> None:
    """Level records `first` to `last` in opposite order."""
    while first < last:
        one, other = ring_level(b, side, first), ring_level(b, side, last)
        one.head, other.head = other.head, one.head
        one.tail, other.tail = other.tail, one.tail
        one.lots, other.lots = other.lots, one.lots
        one.own_lots, other.own_lots = other.own_lots, one.own_lots
        first += 1
        last -= 1


@kernel
def put_own_back(b: Packed, k: Longs, ticks: int) -> None:
    """Rest own orders again at their price, in the order of their old arrival."""
    placed = 0
    while True:
        found = -1
        for i in range(fixed(b, lay.OWN)):
            o = own_order_at(b, i)
            waits = o.qty == 0 and o.prev > 0
            if waits and (found < 0 or o.arrival < own_order_at(b, found).arrival):
                found = i
        if found < 0:
            return
        put_back(b, k, found, ticks, placed)
        placed += 1


@kernel
def put_back(b: Packed, k: Longs, own: int, ticks: int, placed: int) -> None:
    """Rest one own order behind those that precede it at its price; `placed` rest in all."""
    slot = fixed(b, lay.ORDERS) + own
    o = order_at(b, slot)
    side, price, lots = o.side, o.price, o.prev
    public_behind = ticks * side > 0
    all_lots, own_before = lots_at(b, side, price), own_lots_at(b, side, price)
    hidden = all_lots == own_before and outside_feed(b, k, side, price)
    insert_own(b, own, side, price, lots, hidden)
    if public_behind:
        ledger_at(b, own).ahead = own_before
        o.arrival = 2 * placed + 1
        if not (o.marks & lay.FAR):
            bring_forward(b, slot)


@kernel
def own_lots_at(b: Packed, side: int, price: int) -> int:
    """Lots of own orders that rest at a price."""
    total = 0
    for i in range(fixed(b, lay.OWN)):
        o = own_order_at(b, i)
        if o.qty > 0 and o.price == price and o.side == side:
            total += o.qty
    return total


@kernel
def bring_forward(b: Packed, slot: int) -> None:
    """Move the last order of a level to the place its arrival number gives."""
    o = order_at(b, slot)
    lv = level_at(b, o.side, o.price)
    unlink(b, lv, slot)
    after = lv.head
    if after < 0 or order_at(b, after).arrival > o.arrival:
        after = -1
    else:
        nxt = order_at(b, after).next
        while nxt >= 0 and order_at(b, nxt).arrival < o.arrival:
            after = nxt
            nxt = order_at(b, after).next
    link_after(b, lv, slot, after)
