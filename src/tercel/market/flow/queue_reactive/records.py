"""Named words of the queue-reactive flow's memory: `memory_at(k).mid` is a word of the market's state."""

from typing import Any

from tercel.core.jit import Longs, inlined_kernel
from tercel.core.memory import record_at
from tercel.market.flow.queue_reactive import layout as q
from tercel.market.simulator import layout as sim
from tercel.market.simulator.records import record_of

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
    *("i_alone", "i_runs", "i_behind", "i_retreat", "i_pressure", "i_insides", "i_withdrawn"),
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
def memory_at(k: Longs) -> Any:
    """Record of the flow's memory in a market, without its tables."""
    return _memory(k, 0)
