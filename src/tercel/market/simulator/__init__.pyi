from tercel.market.simulator import engine as engine
from tercel.market.simulator import layout as layout
from tercel.market.simulator.account import public_add as public_add
from tercel.market.simulator.account import public_take as public_take
from tercel.market.simulator.days import observed_day as observed_day
from tercel.market.simulator.days import simulated_day as simulated_day
from tercel.market.simulator.synthetic_days import synthetic_day as synthetic_day
from tercel.market.simulator.layout import NOW as NOW
from tercel.market.simulator.layout import OWN_ORDERS as OWN_ORDERS
from tercel.market.simulator.layout import blank_state as blank_state
from tercel.market.simulator.levels import QUEUE as QUEUE
from tercel.market.simulator.records import put_real as put_real
from tercel.market.simulator.records import real as real
from tercel.market.simulator.records import state_at as state_at
from tercel.market.simulator.bounds import AGE_S as AGE_S
from tercel.market.simulator.source import NO_TAPE as NO_TAPE
from tercel.market.simulator.bounds import ROOM_BPS as ROOM_BPS
from tercel.market.simulator.bounds import SIZE_OVER_USUAL as SIZE_OVER_USUAL
from tercel.market.simulator.source import Source as Source
from tercel.market.simulator.tape_source import TapeDay as TapeDay
from tercel.market.simulator.source import first_world as first_world
from tercel.market.simulator.source import reactive as reactive
from tercel.market.simulator.tape_source import replay as replay_source
from tercel.market.simulator.source import run_free as run_free
from tercel.market.simulator.tape_source import source_of as source_of
from tercel.market.simulator.bounds import OPTIMISTIC as OPTIMISTIC
from tercel.market.simulator.bounds import PESSIMISTIC as PESSIMISTIC
from tercel.market.simulator.bounds import with_depth_bound as with_depth_bound
from tercel.market.simulator.bounds import with_strict_bound as with_strict_bound

__all__ = [
    "AGE_S",
    "NOW",
    "NO_TAPE",
    "OPTIMISTIC",
    "OWN_ORDERS",
    "PESSIMISTIC",
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
    "synthetic_day",
    "with_depth_bound",
    "with_strict_bound",
]
