from tercel.market.simulator import layout as layout
from tercel.market.simulator import lockstep as lockstep
from tercel.market.simulator.days import simulated_day as simulated_day
from tercel.market.simulator.layout import NOW as NOW
from tercel.market.simulator.records import state_at as state_at
from tercel.market.simulator.source import NO_TAPE as NO_TAPE
from tercel.market.simulator.source import OWN_ORDERS as OWN_ORDERS
from tercel.market.simulator.source import Source as Source
from tercel.market.simulator.source import blank_state as blank_state
from tercel.market.simulator.source import first_world as first_world
from tercel.market.simulator.source import reactive as reactive
from tercel.market.simulator.source import run_free as run_free
from tercel.market.simulator.tape_source import TapeDay as TapeDay
from tercel.market.simulator.tape_source import replay as replay_source
from tercel.market.simulator.tape_source import source_of as source_of

__all__ = [
    "NOW",
    "NO_TAPE",
    "OWN_ORDERS",
    "Source",
    "TapeDay",
    "blank_state",
    "first_world",
    "layout",
    "lockstep",
    "reactive",
    "replay_source",
    "run_free",
    "simulated_day",
    "source_of",
    "state_at",
]
