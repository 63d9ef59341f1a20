"""What happened lately, for whoever forecasts: sums over events, each forgotten with a time constant of its own.

A market with room for seconds (`past_seconds`) keeps them; any other leaves them 0. They change where the book and its
tallies do (`account`), by rows that the live driver hears as well, and never by what a bound of replay draws. A sum is
stored as it stood at the last event of its kind: who reads it takes off what is forgotten since.
"""

import math
from typing import Final

from tercel.core.jit import Longs, kernel
from tercel.market.simulator import layout as sim
from tercel.market.simulator.records import put_real, real, state_at

# -- the sums: places behind `sim.LATELY` ------------------------------------------------------------------------------
TRADES: Final = 0  # signs of aggressors, three; their lots, three
MOVES: Final = 6  # moves of the mid, half-ticks, three: how far it is from its own exponential mean
PRINTS: Final = 9  # hidden executions: above the mid less below it
END: Final = 10
TAUS_S: Final = (1.0, 3.0, 10.0, 0.3, 1.0, 3.0, 1.0, 5.0, 30.0, 3.0)
"""Seconds in which a sum falls to 1/e."""


@kernel
def left_of(k: Longs, place: int, since_ns: int) -> float:
    """What is left now of a sum that stood in `place` at `since_ns`."""
    past = (state_at(k).now - since_ns) * 1e-9
    return real(k, sim.LATELY + place) * math.exp(-past / TAUS_S[place])


@kernel
def forget(k: Longs, first: int, end: int, since_ns: int) -> None:
    """Take off the sums `first` to `end` what is forgotten since `since_ns`."""
    for place in range(first, end):
        put_real(k, sim.LATELY + place, left_of(k, place, since_ns))


@kernel
def add_to(k: Longs, place: int, value: float) -> None:
    """Add to a sum that stands as of now."""
    put_real(k, sim.LATELY + place, real(k, sim.LATELY + place) + value)


@kernel
def traded(k: Longs, side: int, price: int, lots: int) -> None:
    """A public aggressor took `lots` of `side`'s resting orders."""
    s = state_at(k)
    if s.seconds_room <= 0:
        return
    forget(k, TRADES, MOVES, s.traded_ns)
    for j in range(3):
        add_to(k, TRADES + j, -side)
        add_to(k, TRADES + 3 + j, -side * lots)
    s.traded_ns = s.now
    s.traded_side = -side
    s.traded_price = price


@kernel
def printed(k: Longs, price: int) -> None:
    """A hidden order was executed."""
    s = state_at(k)
    if s.seconds_room <= 0:
        return
    forget(k, PRINTS, END, s.printed_ns)
    add_to(k, PRINTS, int(2 * price > s.mid2) - int(2 * price < s.mid2))
    s.printed_ns = s.now
    s.traded_price = price


@kernel
def moved(k: Longs, by: int) -> None:
    """The mid moved, half-ticks."""
    s = state_at(k)
    if s.seconds_room <= 0:
        return
    forget(k, MOVES, PRINTS, s.moved_ns)
    for place in range(MOVES, PRINTS):
        add_to(k, place, by)
    s.moved_ns = s.now
    s.moved_by = by
