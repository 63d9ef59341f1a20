"""Named records over a market's int64 array: `state_at(state).now` is a word of the array itself.

Kernels say names; Python says places (`layout`), since NumPy takes microseconds to find a field of a record.
"""

from typing import Any

import numpy as np

from tercel.core.jit import Longs, inlined_kernel, kernel, record_at
from tercel.market.simulator import layout as sim

# Floats, stored as their bits.


_WORDS = (
    *(
        "now",
        "flow_ns",
        "due_ns",
        "due_events",
        "due_volume",
        "due_held",
        "halted",
        "model",
        "attention",
        "cursor",
    ),
    *("cursor_end", "feed_levels", "attentive", "record"),
    *(
        "events",
        "bought",
        "sold",
        "ofi",
        "variance",
        "mid2",
        "public_bid",
        "public_ask",
        "last_bid",
        "last_ask",
    ),
    *("refilled", "double_lots"),
    *(
        "side",
        "quantity",
        "left",
        "start_ns",
        "horizon_ns",
        "decision",
        "decisions",
        "phase",
        "arrival_mid2",
    ),
    *(
        "own_sequence",
        "waiting_take",
        "waiting_limit",
        "waiting_anchor",
        "waiting_step",
        "own_overflow",
    ),
    *("latency_kind", "latency_a", "latency_b", "at_mid"),
    *("spread", "walk", "timing", "forced_spread", "forced_walk", "forced_timing"),
    *(
        "passive_lots",
        "forced_lots",
        "unfilled_lots",
        "fill_rows",
        "step_cash",
        "decision_mid2",
        "clock_events",
    ),
    *(
        "command_head",
        "command_tail",
        "command_last_ns",
        "command_overflow",
        "clock_volume",
        "run_out",
        "began_ns",
    ),
    *(
        "record_at",
        "record_rows",
        "log_at",
        "log_rows",
        "aggressor_mid2",
        "aggressor_side",
        "aggressor_ns",
    ),
    *("theirs", "limit", "grid_next", "grid_points"),
    *(
        "alpha",
        "alpha_sd",
        "half_life_ns",
        "urgency",
        "max_participation",
        "styles",
        "size_multiplier",
    ),
    *(
        "session_ns",
        "regime_ns",
        "regime",
        "change_ns",
        "phase_ns",
        "season_ns",
        "regime_phase",
        "entry",
    ),
    *("impact_ns", "impact", "shift", "pending", "law_ns", "rested"),
    *("maker_fee", "taker_fee", "maker_rate", "taker_rate", "fees", "fees_rest", "hidden_lots"),
    *("feed_kind", "feed_a", "feed_b", "feed_at_ns", "feed_drawn"),
    *(
        "apart",
        "restore_ns",
        "mirror_row",
        "mirror_at",
        "mirror_room",
        "translated_lots",
        "crossed_lots",
    ),
    *("worst_paid", "unfilled_ticks", "unfilled_paid", "began_mid2", "residual", "spares"),
    *("gap_ns", "last_ns", "happened", "seen_slice", "taken"),
    *("undercut", "undercut_ns", "rivals", "alone_at", "alone_since", "hazard_ns"),
    *("seconds_at", "seconds_room", "second", "first_second", "usual_spread", "forecast"),
    *(
        "traded_ns",
        "traded_side",
        "traded_price",
        "printed_ns",
        "moved_ns",
        "moved_by",
    ),
)
_REALS = (
    *(
        "limit_factor",
        "market_factor",
        "cancel_factor",
        "pace_factor",
        "lean",
        "season",
        "bias",
        "rounding",
    ),
    *("hazard_left", "hazard"),
)
_TALLIES = ("events", "bought", "sold", "ofi", "variance", "mid2")
_PAST = (
    "bought",
    "sold",
    "ofi",
    "hidden",
    "events",
    "mid2",
    "squares",
    "tens",
    "spreads",
    "depths",
)


@kernel
def real(state: Longs, word: int) -> float:
    """The float64 with the bits at `state[word]`."""
    return np.int64(state[word]).view(np.float64)


@kernel
def put_real(state: Longs, word: int, value: float) -> None:
    """Store a float64's bits at `state[word]`."""
    state[word] = np.float64(value).view(np.int64)


def record_of(places: dict[str, int], length: int, reals: tuple[str, ...] = ()) -> Any:
    """Record type with named words of 64 bits: their offsets, and which are floats."""
    formats = [np.float64 if name in reals else np.int64 for name in places]
    offsets = [8 * place for place in places.values()]
    fields = {"names": list(places), "formats": formats, "offsets": offsets, "itemsize": 8 * length}
    return np.dtype((np.record, fields))


def _row(*names: str) -> Any:
    """Record type of a row of 64-bit integers with these names."""
    return record_of({name: place for place, name in enumerate(names)}, len(names))


STATE = record_of(
    {name: getattr(sim, name.upper()) for name in (*_WORDS, *_REALS)}
    | {f"seen_{name}": sim.SEEN + i for i, name in enumerate(_TALLIES)}
    | {f"arrived_{name}": sim.ARRIVED + i for i, name in enumerate(_TALLIES[:5])}
    | {"background_mid2": sim.BACKGROUND + sim.MID2 - sim.EVENTS},
    sim.GRID,
    _REALS,
)
"""Tables, streams, rings and the memory of a flow have no name in it."""
ROW = _row("ns", "kind", "who", "side", "price", "lots", "mid2", "touch2")
COMMAND = _row("ns", "what", "who", "price", "lots", "how")
FILL = _row("ns", "price", "lots", "mid2", "touch2", "passive", "forced")
PAST_SECOND = _row(*_PAST)

_state = record_at(STATE)
_record = record_at(ROW)
_command = record_at(COMMAND)
_fill = record_at(FILL)
_second = record_at(PAST_SECOND)


@inlined_kernel
def state_at(state: Longs) -> Any:
    """State record of a market."""
    return _state(state, 0)


@inlined_kernel
def row_at(rows: Longs, start: int) -> Any:
    """Record of the row whose first word is `rows[start]`."""
    return _record(rows, start)


@inlined_kernel
def recorded_at(state: Longs, n: int) -> Any:
    """Row number `n` of the market's record, which wraps."""
    s = state_at(state)
    return _record(state, s.record_at + n % s.record_rows * sim.RECORD_WORDS)


@inlined_kernel
def command_at(state: Longs, n: int) -> Any:
    """Command number `n` in the ring."""
    return _command(state, sim.COMMANDS + n % sim.COMMAND_SLOTS * sim.COMMAND)


@inlined_kernel
def fill_at(state: Longs, n: int) -> Any:
    """Row `n` of the log of own fills."""
    return _fill(state, state_at(state).log_at + n * sim.FILL_WORDS)


@inlined_kernel
def second_at(state: Longs, second: int) -> Any:
    """The market at the end of a stored second."""
    s = state_at(state)
    return _second(state, s.seconds_at + second % s.seconds_room * sim.SECOND_WORDS)
