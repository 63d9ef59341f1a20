"""Hidden executions of the queue-reactive flow, which leave the book unchanged.

They come in bursts at one price: each is followed by another with the chance HIDDEN_AGAIN, so that bursts are geometric
and begin with 1 - HIDDEN_AGAIN of the rate that the tape has.
"""

from tercel.core.jit import Floats, Longs, kernel
from tercel.core.seeds import uniform
from tercel.market.flow.queue_reactive import layout as q
from tercel.market.flow.queue_reactive.memory import record_taker
from tercel.market.flow.queue_reactive.memory_record import memory_at, touch
from tercel.market.flow.queue_reactive.touch_history import last_place
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import hidden_trade
from tercel.market.simulator.records import state_at


@kernel
def trade_hidden(state: Longs, flow: Floats, side: int) -> None:
    """Draw and record the hidden executions that come with a market order, on `side`, from which it takes."""
    mean = flow[
        q.HIDDEN + last_place(state, side) * q.SPREADS + memory_at(state).i_state // q.TOUCHES
    ]
    bursts = int(mean * (1.0 - flow[q.HIDDEN_AGAIN]) + uniform(state, sim.FLOW_RNG))
    _bursts(state, flow, side, bursts)


@kernel
def trade_hidden_alone(state: Longs, flow: Floats) -> None:
    """Draw a side and record hidden executions on it, and their taker, without a market order; often none. Before each event."""
    base = q.HIDDEN + q.LAST_PLACES * q.SPREADS + memory_at(state).i_state // q.TOUCHES
    bid = flow[base + last_place(state, 1) * q.SPREADS] * (1.0 - flow[q.HIDDEN_AGAIN])
    ask = flow[base + last_place(state, -1) * q.SPREADS] * (1.0 - flow[q.HIDDEN_AGAIN])
    bursts = int(bid + ask + uniform(state, sim.FLOW_RNG))
    if bursts == 0:
        return
    side = 1 if uniform(state, sim.FLOW_RNG) * (bid + ask) < bid else -1
    price = _bursts(state, flow, side, bursts)
    record_taker(state, memory_at(state).seen_ns, -side, price)


@kernel
def _bursts(state: Longs, flow: Floats, side: int, bursts: int) -> int:
    """Record a number of bursts of hidden executions on a side; returns the price of the last."""
    price = touch(state, side)
    for _ in range(bursts):
        price = _price(state, flow, side)
        while True:
            lots = int(flow[q.HIDDEN_LOTS + int(uniform(state, sim.FLOW_RNG) * q.GAP_POINTS)])
            hidden_trade(state, side, price, lots)
            if uniform(state, sim.FLOW_RNG) >= flow[q.HIDDEN_AGAIN]:
                break
    return price


@kernel
def _price(state: Longs, flow: Floats, side: int) -> int:
    """Draw a price of hidden lots: the last trade's, or their side's touch plus a share of the spread, whole ticks."""
    s = state_at(state)
    place = last_place(state, side)
    if uniform(state, sim.FLOW_RNG) < flow[q.HIDDEN_SAME + place]:
        return int(memory_at(state).last_trade)
    law = place * q.SPREADS + memory_at(state).i_state // q.TOUCHES
    i = int(uniform(state, sim.FLOW_RNG) * q.HIDDEN_POINTS)
    away = flow[q.HIDDEN_AT + law * q.HIDDEN_POINTS + i] * (s.public_ask - s.public_bid)
    return int(touch(state, side) + side * int(away + 0.5))
