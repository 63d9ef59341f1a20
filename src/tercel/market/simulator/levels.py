"""Replay of level-total tapes (L2): queue position of own orders by a queue model.

A print of n lots executes the first n lots of the level; a total that falls by more than was printed since lost the
rest by cancels, and the feed does not say whose they were. A queue model gives the share of them that was ahead of the own order,
from the lots ahead of it and behind it (`MODELS`, below). A new order goes behind the whole total that is shown; lots
that come later go behind it. Against hftbacktest three things differ: lots
are whole (what rounding leaves is carried to the next fall of the order's level, nothing is drawn), lots printed but
not yet taken off the total do not count as back, and several own orders in one queue keep their order.

Rules of replay, for levels: (1) lots that an own order took stay taken until the tape's own level loses them, by
prints, by the model's share of cancels at the head of the queue, or whole; a total that is said again brings none back.
(2) A print first fills own orders at better prices, then those at its price in their place in the queue, up to its
size; the tape's level loses it in full all the same. (3) A total that rises through an own order fills it, up to the
rise. The remaining rules hold as they are.
"""

import math
from typing import Final

from tercel.core.errors import ConfigError
from tercel.core.jit import Longs, Packed, fixed, kernel, late_kernel
from tercel.core.vocabulary import NO_ASK, NO_BID
from tercel.market.book import layout as lay
from tercel.market.book.ladder import (
    first_at,
    in_window,
    insert,
    ledger_at,
    level_at,
    order_at,
    own_order_at,
    public_lots_at,
    reduce,
    unlink,
)
from tercel.market.book.tape_kernels import free_piece, next_own, settle_frozen
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import fill_own_head, first_own, hit_own, meet, settle, write
from tercel.market.simulator.past_seconds import traded
from tercel.market.simulator.records import put_real, real, state_at
from tercel.market.tape.schema import LEVEL_SET, TRADE

# -- queue models ----------------------------------------------------------------------------------
# Queue models: share of a level's cancels that stood ahead of an own order, by the lots ahead and behind.
#
# P is the probability that a cancel is *behind* the order. The models are named as in hftbacktest (`models/queue.rs`,
# after Rigtorp, "Estimating order queue position", 2013):
#
# ================ ======================================================================
# ``risk_averse``  P = 1: prints alone advance (until nothing is left behind)
# ``power_prob``   P = f(back) / (f(back) + f(front)), f(x) = x^n
# ``power_prob2``  P = f(back) / f(back + front), f(x) = x^n
# ``power_prob3``  P = 1 - f(front / (front + back)), f(x) = x^n
# ``log_prob``     P = f(back) / (f(back) + f(front)), f(x) = ln(1 + x)
# ``log_prob2``    P = f(back) / f(back + front), f(x) = ln(1 + x)
# ``first``        P = 0: the orders ahead cancel first (not a model of hftbacktest: the most optimistic)
# ================ ======================================================================
#
# At the head of the queue nothing is ahead to be cancelled (P = 1), at its tail nothing behind (P = 0).

_NAMES: Final = (
    "risk_averse",
    "power_prob",
    "power_prob2",
    "power_prob3",
    "log_prob",
    "log_prob2",
    "first",
)
RISK_AVERSE, POWER_PROB, POWER_PROB2, POWER_PROB3, LOG_PROB, LOG_PROB2, FIRST = range(1, 8)
MODELS: Final = {name: code for code, name in enumerate(_NAMES, start=1)}
DEFAULT: Final = "power_prob"
EXPONENT: Final = 3.0
"""The default of the exponent n."""


def queue_model(name: str) -> tuple[int, float]:
    """Code and exponent of a queue model: a name, or a power with exponent as in ``power_prob:3``.

    >>> queue_model("log_prob"), queue_model("power_prob")
    ((5, 3.0), (2, 3.0))

    Raises
    ------
    ConfigError
        For an unknown name, or an exponent that is not above 0.
    """
    base, _, exponent = name.partition(":")
    if base not in MODELS:
        raise ConfigError(f"a queue model: {', '.join(MODELS)}", repr(name), f"such as {DEFAULT}")
    try:
        n = float(exponent) if exponent else EXPONENT
    except ValueError:
        n = -1.0
    if not 0 < n <= 100 or (exponent and not base.startswith("power")):
        raise ConfigError(
            "an exponent above 0 behind a power model", repr(name), "such as power_prob:3"
        )
    return MODELS[base], n


@kernel
def share_ahead(model: int, n: float, front: float, back: float) -> float:
    """Share 1 - P of a level's cancels that stood ahead of an order with `front` lots ahead and `back` behind."""
    if front <= 0.0 or model == RISK_AVERSE:
        return 0.0
    if back <= 0.0 or model == FIRST:
        return 1.0
    if model == POWER_PROB3:
        return (front / (front + back)) ** n
    if model == POWER_PROB or model == POWER_PROB2:
        ratio = back / (front + back)  # powers of ratios: those of lots could overflow
        other = front / (front + back)
        return 1.0 - ratio**n if model == POWER_PROB2 else other**n / (ratio**n + other**n)
    behind = math.log1p(back)
    if model == LOG_PROB2:
        return 1.0 - behind / math.log1p(front + back)
    return math.log1p(front) / (behind + math.log1p(front))


# -- memory of a replay market (in the words of the flow model) -------------------------------------------------------
QUEUE: Final = sim.FLOW_MEMORY + 1  # the model, 0: the tape is of single orders
POWER: Final = sim.FLOW_MEMORY + 2  # real: the exponent n
CARRY: Final = (
    sim.FLOW_MEMORY + 8
)  # for each own order: its sequence number + 1, real: lots that rounding left
CARRIED: Final = 64
ALL: Final = 1 << 30


@kernel
def shows_levels(k: Longs) -> bool:
    """Whether a market is of level totals; in one that a flow moves the word is the flow's."""
    return bool(state_at(k).model == sim.REPLAY and k[QUEUE] != 0)


@kernel
def guess_queues(k: Longs) -> None:
    """Places in queues go by the default model: a follower's first total, nothing said of one."""
    if k[QUEUE] == 0:
        k[QUEUE] = POWER_PROB
        put_real(k, POWER, EXPONENT)


# -- the orders at a price -------------------------------------------------------------------------------------------


@kernel
def next_at(b: Packed, slot: int) -> int:
    """The next order at the same price, in whatever order they are stored."""
    price = order_at(b, slot).price
    slot = order_at(b, slot).next
    while slot >= 0 and order_at(b, slot).price != price:
        slot = order_at(b, slot).next
    return slot


@kernel
def block_between(b: Packed, side: int, price: int, low: int, high: int, printed: bool) -> int:
    """Earliest anonymous order of a price whose arrival number lies between two others, -1 none."""
    found, arrival = -1, high
    slot = first_at(b, side, price)
    while slot >= 0:
        o = order_at(b, slot)
        if o.marks & lay.ANONYMOUS and ((o.marks & lay.PRINTED) != 0) == printed:
            if low < o.arrival < arrival:
                found, arrival = slot, o.arrival
        slot = next_at(b, slot)
    return found


@kernel
def take_between(
    b: Packed, side: int, price: int, low: int, high: int, lots: int, printed: bool
) -> int:
    """Take lots from anonymous orders between two arrival numbers, earliest first; returns the lots taken."""
    done = 0
    while done < lots:
        slot = block_between(b, side, price, low, high, printed)
        if slot < 0:
            break
        done += reduce(b, slot, lots - done)
    return done


# -- lots that go behind ----------------------------------------------------------------------------------------------


@kernel
def last_at(b: Packed, side: int, price: int) -> int:
    """The order of a price that came last, own ones included, -1 none."""
    found, arrival = -1, -1
    slot = first_at(b, side, price)
    while slot >= 0:
        if order_at(b, slot).arrival > arrival:
            found, arrival = slot, order_at(b, slot).arrival
        slot = next_at(b, slot)
    return found


@kernel
def join_pieces(b: Packed) -> None:
    """Merge pieces with no own order ahead into the block in front."""
    first = fixed(b, lay.ORDERS) + fixed(b, lay.OWN)
    for piece in range(first, first + fixed(b, lay.OWN)):
        o = order_at(b, piece)
        before = o.prev
        if o.qty == 0 or o.marks & (lay.FAR | lay.PRINTED) or before < 0:
            continue
        if order_at(b, before).marks & (lay.ANONYMOUS | lay.PRINTED) != lay.ANONYMOUS:
            continue
        order_at(b, before).qty += o.qty
        o.qty = 0
        unlink(b, level_at(b, o.side, o.price), piece)


@kernel
def free_slot(b: Packed, slot: int) -> int:
    """The level's own slot if it is empty, else a free piece, else -1."""
    if slot >= 0 and order_at(b, slot).qty == 0:
        return slot
    piece = free_piece(b)
    if piece < 0:
        join_pieces(b)
        piece = free_piece(b)
    if piece < 0:
        b[lay.OVERFLOW] += 1
    return piece


@kernel
def put_behind(b: Packed, slot: int, side: int, price: int, lots: int, flags: int) -> None:
    """Add anonymous lots at the end of a queue, to the last block or a new one."""
    last = last_at(b, side, price)
    if last >= 0:
        o = order_at(b, last)
        if o.marks & lay.ANONYMOUS and (o.marks & lay.PRINTED) == flags:
            o.qty += lots
            if in_window(b, side, price):
                level_at(b, side, price).lots += lots
            return
    place = free_slot(b, slot if flags == 0 else -1)
    if place >= 0:  # else the lots are missing, as if they were taken: counted
        insert(b, place, side, price, lots)
        order_at(b, place).marks |= lay.ANONYMOUS | flags


# -- prints -----------------------------------------------------------------------------------------------------------


@kernel
def taken_lots(b: Packed, slot: int, side: int, price: int) -> int:
    """Lots the tape counts on a level but own orders took."""
    return max(order_at(b, slot).tag - public_lots_at(b, side, price), 0)


@kernel
def advance_queue(b: Packed, slot: int, side: int, price: int, lots: int) -> None:
    """The tape executes a level's first lots: those that own orders took go first, the rest advances the queue.

    The total stays until the tape takes it back; until then printed lots rest at the end of the queue, where they delay no order.
    """
    gone = min(taken_lots(b, slot, side, price), lots)
    order_at(b, slot).tag -= gone
    moved = take_between(b, side, price, -1, ALL, lots - gone, False)
    if moved > 0:
        put_behind(b, slot, side, price, moved, lay.PRINTED)


@kernel
def lots_before(b: Packed, side: int, price: int, own: int) -> int:
    """Lots ahead of an own order, ALL if unknown."""
    led = ledger_at(b, own)
    return led.ahead if led.ahead_state == lay.AHEAD_KNOWN else ALL


@late_kernel
def print_row(
    b: Packed, k: Longs, slot: int, side: int, price: int, lots: int, fills: bool
) -> None:
    """The tape trades `lots` of `side`'s resting orders at `price`; without `fills` own ones are left to reports."""
    s = state_at(k)
    s.events += 1
    on = s.halted == 0  # auction prints fill no own order
    if side != 0 and on:
        k[sim.SOLD if side > 0 else sim.BOUGHT] += lots
        traded(k, side, price, lots)
    write(k, TRADE, slot, side, price, lots, 0, 0)
    left = lots
    if not fills:
        if slot >= 0 and side != 0 and on:
            advance_queue(b, slot, side, price, lots)
        return
    if b[lay.OWN_RESTING] > 0 and on:
        meet(k, -side)
    while side != 0 and on and left > 0 and b[lay.OWN_RESTING] > 0:
        own = first_own(b, side, price, False)
        if own >= 0:
            done = fill_own_head(b, k, own, left)
            s.double_lots += done
        else:
            own = next_own(b, side, price, -1)
            done = min(left, lots_before(b, side, price, own)) if own >= 0 else left
        if slot >= 0:
            advance_queue(b, slot, side, price, done)
        elif own < 0:
            break
        left -= done
    if (
        slot >= 0 and side != 0 and left > 0
    ):  # no own order waits: only what own orders took is worth keeping count of
        advance_queue(b, slot, side, price, min(left, taken_lots(b, slot, side, price)))


# -- totals -----------------------------------------------------------------------------------------------------------


@kernel
def whole_ahead(k: Longs, front: int, back: int, drop: int, carry_at: int, sequence: int) -> int:
    """Whole cancelled lots ahead; the fraction is carried by the order with this sequence number."""
    exact = share_ahead(k[QUEUE], real(k, POWER), float(front), float(back)) * drop
    if carry_at >= 0:
        if k[carry_at] == sequence + 1:
            exact += real(k, carry_at + 1)
        k[carry_at] = sequence + 1
    lots = math.floor(exact + 1e-9)
    if carry_at >= 0:
        put_real(k, carry_at + 1, max(exact - lots, 0.0))
    return lots


@kernel
def cancel_lots(b: Packed, k: Longs, side: int, price: int, taken: int, drop: int) -> None:
    """Cancel `drop` lots of a level, split between own orders by the queue model.

    `taken` lots at the head are those that own orders took: cancels among them take nothing from the queue.
    """
    resting = public_lots_at(b, side, price)
    gone = 0
    if taken > 0:
        gone = whole_ahead(k, taken, resting, drop, -1, 0)
        gone = min(max(gone, drop - resting), taken, drop)
    drop -= gone
    done, before, own_lots, last = 0, 0, 0, -1
    while True:
        own = next_own(b, side, price, last)
        if own < 0:
            break
        o = own_order_at(b, own)
        led = ledger_at(b, own)
        front = led.ahead - own_lots + done  # public lots ahead, as they were
        back = resting - front
        at = CARRY + 2 * own if own < CARRIED else -1
        want = whole_ahead(k, taken + front, back, drop + gone, at, led.sent) - gone
        want = max(want, drop - back, done)
        want = min(want, done + front - before, drop)
        take_between(b, side, price, last, o.arrival, want - done, False)
        own_lots += o.qty
        done, before, last = want, front, o.arrival
    take_between(b, side, price, last, ALL, drop - done, False)


@kernel
def alone(b: Packed, side: int, price: int) -> bool:
    """Whether a price holds nothing but its level's own block: the common, fast case."""
    for slot in range(fixed(b, lay.ORDERS), fixed(b, lay.ORDERS) + 2 * fixed(b, lay.OWN)):
        o = order_at(b, slot)
        if o.qty > 0 and o.price == price and o.side == side:
            return False
    return True


@kernel
def set_block(
    b: Packed, k: Longs, slot: int, side: int, price: int, stated: int, total: int, fills: bool
) -> None:
    """Set the total of a level that is one block."""
    o = order_at(b, slot)
    resting = o.qty
    if total <= stated:
        drop, gone = stated - total, 0
        if total == 0:
            gone = drop - resting
        elif (
            stated > resting
        ):  # cancels among the lots that own orders took, at the head, take nothing
            gone = whole_ahead(k, stated - resting, resting, drop, -1, 0)
            gone = min(max(gone, drop - resting), stated - resting, drop)
        reduce(b, slot, drop - gone)
        return
    rise = total - stated
    if fills and b[lay.OWN_RESTING] > 0:
        rise -= hit_own(b, k, side, price, rise)
    if rise > 0 and resting == 0:
        insert(b, slot, side, price, rise)
        o.marks |= lay.ANONYMOUS
    elif rise > 0:
        o.qty += rise
        if not o.marks & lay.FAR:
            level_at(b, side, price).lots += rise


@late_kernel
def level_row(
    b: Packed, k: Longs, slot: int, side: int, price: int, total: int, fills: bool
) -> None:
    """Apply a level total of the tape; without `fills` what it does to own orders is left to reports."""
    s = state_at(k)
    s.events += 1
    write(k, LEVEL_SET, slot, side, price, total, 0, 0)
    stated = order_at(b, slot).tag
    touch = s.public_bid if side > 0 else s.public_ask
    none = touch == NO_BID or touch == NO_ASK
    if none or (price - touch) * side > 0 or price == touch:
        s.ofi += side * (total - stated)
    order_at(b, slot).tag = total
    if alone(b, side, price):
        set_block(b, k, slot, side, price, stated, total, fills)
        settle(b, k, side, price)
        return
    resting = public_lots_at(b, side, price)
    if total == 0:
        take_between(b, side, price, -1, ALL, ALL, False)
        take_between(b, side, price, -1, ALL, ALL, True)
        settle(b, k, side, price)
        return
    taken = max(stated - resting, 0)
    rest = stated - take_between(b, side, price, -1, ALL, ALL, True)
    if total < rest:
        cancel_lots(b, k, side, price, taken, rest - total)
    elif total > rest:
        rise = total - rest
        if fills and b[lay.OWN_RESTING] > 0:
            rise -= hit_own(b, k, side, price, rise)
            if stated == 0 and rise > 0:
                settle_frozen(b, side, price)
        if rise > 0:
            put_behind(b, slot, side, price, rise, 0)
    settle(b, k, side, price)


@kernel
def tell(b: Packed, slot: int, lots: int) -> None:
    """Record the tape's total for the level of a slot."""
    if slot >= 0:
        order_at(b, slot).tag = lots


@kernel
def untell(b: Packed) -> None:
    """Forget the tape's totals of all levels."""
    for slot in range(fixed(b, lay.ORDERS)):
        order_at(b, slot).tag = 0
