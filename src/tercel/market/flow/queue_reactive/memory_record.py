"""The queue-reactive flow's memory in a market by name (`memory_at(state).mid`), and the classes of its values.

All mids here are in half-ticks.
"""

import math
from typing import Any

from tercel.core.jit import Floats, Longs, inlined_kernel, kernel, record_at
from tercel.market.flow.queue_reactive import layout as q
from tercel.market.simulator import layout as sim
from tercel.market.simulator.records import record_of, state_at

_WORDS = (
    *(
        "p_kind",
        "p_side",
        "p2_kind",
        "p2_side",
        "wait",
        "seen_ns",
        "trade_ns",
        "trade_sign",
        "trade_moved",
        "move",
    ),
    *(
        "mid",
        "minute_end",
        "at_minute",
        "block_left",
        "activity",
        "day",
        "last_trade",
        "last_side",
        "last_price",
        "last_lots",
    ),
    *(
        "i_state",
        "i_before",
        "i_before2",
        "i_place",
        "i_trade",
        "i_emptied",
        "i_vacated",
        "i_fresh",
        "i_signs",
    ),
    *("i_alone", "i_runs", "i_behind", "i_last", "i_pressure", "i_insides", "i_withdrawn"),
    *("n_events", "n_market", "spread_sum", "refills", "repairs", "void", "lean_ns"),
)
_REALS = (
    *(
        "mean_slow",
        "mean_fast",
        "mean_value",
        "sign_flow",
        "slow_signs",
        "takers",
        "pressure",
        "pace",
        "markets",
    ),
    *("rate", "lean", "lean_up", "lean_down"),
)
MEMORY = record_of(
    {name: getattr(q, name.upper()) for name in (*_WORDS, *_REALS)},
    sim.FLOW_MEMORY + q.USED,
    _REALS,
)
_memory = record_at(MEMORY)


@inlined_kernel
def memory_at(state: Longs) -> Any:
    """Record of the flow's memory in a market, without its tables."""
    return _memory(state, 0)


@kernel
def class_of(flow: Floats, edges: int, count: int, x: float) -> int:
    """Class of x: the number of the `count` ascending edges not above it."""
    i = 0
    for j in range(count):
        i += int(flow[edges + j] <= x)
    return i


@kernel
def touch_class(flow: Floats, same: int, opposite: int) -> int:
    """Class of the two best queues: a pair of queue classes, or the imbalance."""
    if flow[q.BY_IMBALANCE] != 0.0:
        imbalance = (same - opposite) / max(same + opposite, 1)
        return class_of(flow, q.IMBALANCE_EDGES, q.TOUCHES - 1, imbalance)
    same_class = class_of(flow, q.QUEUE_EDGES, q.QUEUES - 1, same)
    return same_class * q.QUEUES + class_of(flow, q.QUEUE_EDGES, q.QUEUES - 1, opposite)


@kernel
def touch(state: Longs, side: int) -> int:
    """The best public price of a side; NO_BID or NO_ASK if there is none."""
    s = state_at(state)
    return int(s.public_bid if side > 0 else s.public_ask)


@kernel
def quarters(x: float, power: float) -> float:
    """x to the power of `power` quarters: 0, 1, 2 or 4 (a general power would dominate run time)."""
    if power == 4.0:
        return x
    if power == 2.0:
        return math.sqrt(x)
    return math.sqrt(math.sqrt(x)) if power == 1.0 else 1.0
