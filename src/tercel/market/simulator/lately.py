"""What happened lately, for whoever forecasts: sums over events, each forgotten with a time constant of its own.

A market with room for seconds (`past_seconds`) keeps them; any other leaves them 0. They change where the book and its
tallies do (`account`), by rows that the live driver hears as well, and never by what a bound of replay draws. A sum is
stored as it stood at the last event of its kind: who reads it takes off what is forgotten since.
"""

import math
from typing import Final

from tercel.core.jit import Longs, kernel
from tercel.core.vocabulary import NO_ASK, NO_BID
from tercel.market.simulator import layout as sim
from tercel.market.simulator.records import put_real, real, state_at

# -- the sums: places behind `sim.LATELY` ------------------------------------------------------------------------------
TRADES: Final = 0  # signs of aggressors, three; their lots, three
MOVES: Final = 6  # moves of the mid, half-ticks, three: how far it is from its own exponential mean
FLOWS: Final = 9  # orders added at the touch; lots that came or went near it; bid side positive
PRINTS: Final = 11  # hidden executions: above the mid less below it
END: Final = 12
TAUS_S: Final = (1.0, 3.0, 10.0, 0.3, 1.0, 3.0, 1.0, 5.0, 30.0, 3.0, 10.0, 3.0)
"""Seconds in which a sum falls to 1/e."""
NEAR: Final = 2
"""Lots are near the touch up to so many spreads behind it."""


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
    forget(k, MOVES, FLOWS, s.moved_ns)
    for place in range(MOVES, FLOWS):
        add_to(k, place, by)
    s.moved_ns = s.now
    s.moved_by = by


@kernel
def flowed(k: Longs, side: int, price: int, lots: int) -> None:
    """Public lots come to rest, below 0: leave; the touch is that of before."""
    s = state_at(k)
    bid, ask = s.public_bid, s.public_ask
    if s.seconds_room <= 0 or bid == NO_BID or ask == NO_ASK:
        return
    behind = ((bid if side > 0 else ask) - price) * side
    if behind > NEAR * (ask - bid):
        return
    forget(k, FLOWS, PRINTS, s.flowed_ns)
    if behind <= 0 and lots > 0:
        add_to(k, FLOWS, side)
    add_to(k, FLOWS + 1, side * lots)
    s.flowed_ns = s.now
