"""What became of a side's best prices: by what they were emptied, how long ago, how far the price is behind, how it came back."""

from tercel.core.jit import Floats, Longs, kernel
from tercel.market.flow.queue_reactive import layout as q
from tercel.market.flow.queue_reactive.memory_record import class_of, memory_at


@kernel
def beyond_last(state: Longs, side: int) -> int:
    """Ticks by which a side's best price is better than the last trade's; below 0: behind it."""
    column = 0 if side > 0 else 1
    return int((state[q.TOUCH + column] - memory_at(state).last_trade) * side)


@kernel
def last_place(state: Longs, side: int) -> int:
    """Place of the last trade seen from a side: 0 behind its best, 1 to 4 a quarter of the spread, 5 beyond the other."""
    into = -beyond_last(state, side)
    spread = state[q.TOUCH + 1] - state[q.TOUCH]
    if into < 0 or into > spread:
        return 0 if into < 0 else 5
    return 1 + int(4 * into > spread) + int(2 * into > spread) + int(4 * into > 3 * spread)


@kernel
def lastly(state: Longs, flow: Floats, side: int) -> int:
    """Place of the last trade in the spread, seen from a side: 0 outside, 1 its half, 2 the other half, 3 there just now."""
    m = memory_at(state)
    place = last_place(state, side)
    if place == 0 or place == 5:
        return 0
    if place <= 2:
        return 1
    return 3 if m.seen_ns - m.trade_ns < flow[q.AGE_EDGES] else 2


@kernel
def last_class(state: Longs, flow: Floats, side: int) -> int:
    """Class of the distance of a side's best price from the last trade's."""
    return class_of(flow, q.LAST_EDGES, q.LASTS - 1, beyond_last(state, side))


@kernel
def made_class(state: Longs, flow: Floats, now: int, side: int) -> int:
    """1 + class by origin and age of a best price that a limit order in the spread made; 0: older or made otherwise."""
    column = 0 if side > 0 else 1
    if state[q.TOUCH + column] != state[q.MADE + column]:
        return 0
    age = class_of(flow, q.YOUNG_EDGES, q.YOUNG, now - state[q.MADE_NS + column])
    return 0 if age == q.YOUNG else 1 + state[q.ORIGIN + column] * q.YOUNG + age


@kernel
def touch_class_since(state: Longs, flow: Floats, now: int, side: int, which: int) -> int:
    """Class of how long ago a side's best price was emptied (`which`: EMPTIED, VACATED) and how far it is behind; 0: long ago."""
    column = 0 if side > 0 else 1
    age = class_of(flow, q.SINCE_EDGES, q.SINCE, now - state[which + 2 + column])
    if age == q.SINCE:
        return 0
    drop = (state[which + column] - state[q.TOUCH + column]) * side
    return (
        1 + q.GONE + age
        if drop <= 0
        else 1 + age * q.DROPS + class_of(flow, q.DROP_EDGES, q.DROPS - 1, drop)
    )


@kernel
def of_side(state: Longs, cell: int, side: int) -> int:
    """Class of one side within a cell of EMPTIES, seen from the side of the previous event."""
    return cell // q.TOUCHED if side == memory_at(state).p_side else cell % q.TOUCHED


@kernel
def drop_class(state: Longs, side: int) -> int:
    """1 + class of the ticks by which a side's best price is behind one that vanished; 0: none."""
    m = memory_at(state)
    worst = 0
    for cell in (m.i_emptied, m.i_vacated):
        side_class = of_side(state, cell, side)
        if 0 < side_class <= q.GONE:
            worst = max(worst, 1 + (side_class - 1) % q.DROPS)
    return worst


@kernel
def _fell_ns(state: Longs, side: int) -> int:
    """Time at which a side's best price last retreated, by a market order or a cancel."""
    column = 0 if side > 0 else 1
    return int(max(state[q.EMPTIED_NS + column], state[q.VACATED_NS + column]))


@kernel
def fall_class(state: Longs, flow: Floats, now: int, side: int) -> int:
    """Class of the time since a side's best price retreated."""
    return class_of(flow, q.FELL_EDGES, q.FELL - 1, now - _fell_ns(state, side))


@kernel
def cause(state: Longs, side: int) -> int:
    """Cause of the last retreat of a side's best price: 0 a market order, 1 a cancel."""
    column = 0 if side > 0 else 1
    return 1 if state[q.VACATED_NS + column] > state[q.EMPTIED_NS + column] else 0


@kernel
def again_cell(state: Longs, flow: Floats, now: int, side: int) -> int:
    """Cell of AGAIN_LOTS for an order at the price of the side's last one in the spread; -1: that is too long ago."""
    age = class_of(flow, q.AGAIN_EDGES, q.AGAINS, now - _fell_ns(state, side))
    return -1 if age == q.AGAINS else cause(state, side) * q.AGAINS + age


@kernel
def lost_cell(state: Longs, flow: Floats, now: int, side: int) -> int:
    """Cell of LOST_PRICE and FOLLOW_PRICE by how a side's best price retreated; -1: none has."""
    drop = drop_class(state, side)
    return (
        -1
        if drop == 0
        else (cause(state, side) * q.FELL + fall_class(state, flow, now, side)) * q.DROPS + drop - 1
    )


@kernel
def lost_price(state: Longs, side: int) -> int:
    """The better of a side's former best prices that are gone; to be called only where `lost_cell` is 0 or more."""
    m = memory_at(state)
    column = 0 if side > 0 else 1
    price = state[q.TOUCH + column]
    if 0 < of_side(state, m.i_emptied, side) <= q.GONE:
        price = state[q.EMPTIED + column]
    if (
        0 < of_side(state, m.i_vacated, side) <= q.GONE
        and (state[q.VACATED + column] - price) * side > 0
    ):
        price = state[q.VACATED + column]
    return int(price)


@kernel
def emptied_class(state: Longs, flow: Floats, now: int) -> int:
    """Class of the time since a market order last emptied a touch: the law of waits depends on it."""
    return class_of(
        flow, q.SINCE_EDGES, q.SINCE - 1, now - max(state[q.EMPTIED_NS], state[q.EMPTIED_NS + 1])
    )
