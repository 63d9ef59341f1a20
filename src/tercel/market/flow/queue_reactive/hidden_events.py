"""Hidden executions of the queue-reactive flow, which leave the book unchanged.

They come in bursts at one price: each is followed by another with the chance HIDDEN_AGAIN, so that bursts are geometric
and begin with 1 - HIDDEN_AGAIN of the rate that the tape has.
"""

from tercel.core.jit import Floats, Longs, kernel
from tercel.core.seeds import uniform
from tercel.market.flow.queue_reactive import layout as q
from tercel.market.flow.queue_reactive.memory import dropped, gone, took, touch
from tercel.market.flow.queue_reactive.records import memory_at
from tercel.market.simulator import layout as sim
from tercel.market.simulator.account import hidden_trade
from tercel.market.simulator.records import state_at


@kernel
def hidden(k: Longs, flow: Floats, side: int) -> None:
    """Hidden executions along a market order's path."""
    mean = flow[q.HIDDEN + gone(k, side) * q.SPREADS + memory_at(k).i_state // q.TOUCHES]
    bursts = int(mean * (1.0 - flow[q.HIDDEN_AGAIN]) + uniform(k, sim.FLOW_RNG))
    _bursts(k, flow, side, bursts)


@kernel
def hidden_alone(k: Longs, flow: Floats) -> None:
    """Hidden executions without a market order; drawn before each event."""
    at = q.HIDDEN + q.STATES_OF_TOUCH * q.SPREADS + memory_at(k).i_state // q.TOUCHES
    bid = flow[at + gone(k, 1) * q.SPREADS] * (1.0 - flow[q.HIDDEN_AGAIN])
    ask = flow[at + gone(k, -1) * q.SPREADS] * (1.0 - flow[q.HIDDEN_AGAIN])
    bursts = int(bid + ask + uniform(k, sim.FLOW_RNG))
    if bursts == 0:
        return
    side = 1 if uniform(k, sim.FLOW_RNG) * (bid + ask) < bid else -1
    _bursts(k, flow, side, bursts)
    took(k, memory_at(k).seen_ns, -side)


@kernel
def _bursts(k: Longs, flow: Floats, side: int, bursts: int) -> None:
    """So many bursts of hidden executions on a side."""
    for _ in range(bursts):
        price = _price(k, flow, side)
        while True:
            lots = int(flow[q.HIDDEN_LOTS + int(uniform(k, sim.FLOW_RNG) * q.GAP_POINTS)])
            hidden_trade(k, side, price, lots)
            if uniform(k, sim.FLOW_RNG) >= flow[q.HIDDEN_AGAIN]:
                break


@kernel
def _price(k: Longs, flow: Floats, side: int) -> int:
    """Where hidden lots rest: a share of the spread away from their side, at most half of it, whole ticks."""
    s = state_at(k)
    law = dropped(k, side) * q.SPREADS + memory_at(k).i_state // q.TOUCHES
    i = int(uniform(k, sim.FLOW_RNG) * q.HIDDEN_POINTS)
    away = flow[q.HIDDEN_AT + law * q.HIDDEN_POINTS + i] * (s.public_ask - s.public_bid)
    return int(touch(k, side) + side * int(away + 0.5))
