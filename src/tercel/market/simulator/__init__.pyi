from tercel.market.simulator import engine as engine, layout as layout
from tercel.market.simulator.account import public_add as public_add, public_take as public_take
from tercel.market.simulator.days import (
    observed_day as observed_day,
    simulated_day as simulated_day,
    synthetic as synthetic,
)
from tercel.market.simulator.layout import (
    NOW as NOW,
    OWN_ORDERS as OWN_ORDERS,
    blank_state as blank_state,
)
from tercel.market.simulator.levels import QUEUE as QUEUE
from tercel.market.simulator.records import put_real as put_real, real as real, state_at as state_at
from tercel.market.simulator.source import (
    AGE_S as AGE_S,
    NO_TAPE as NO_TAPE,
    ROOM_BPS as ROOM_BPS,
    SIZE_OVER_USUAL as SIZE_OVER_USUAL,
    Source as Source,
    TapeDay as TapeDay,
    first_world as first_world,
    reactive as reactive,
    replay as replay_source,
    run_free as run_free,
    source_of as source_of,
    theirs as theirs,
)

__all__ = [
    "AGE_S",
    "NOW",
    "NO_TAPE",
    "OWN_ORDERS",
    "QUEUE",
    "ROOM_BPS",
    "SIZE_OVER_USUAL",
    "Source",
    "TapeDay",
    "blank_state",
    "engine",
    "first_world",
    "layout",
    "observed_day",
    "public_add",
    "public_take",
    "put_real",
    "reactive",
    "real",
    "replay_source",
    "run_free",
    "simulated_day",
    "source_of",
    "state_at",
    "synthetic",
    "theirs",
]
