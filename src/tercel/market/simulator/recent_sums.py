"""Sums over recent events with exponential decay, for forecasts: signed trades, hidden executions, moves of the mid.

A market with room for seconds (`past_seconds`) keeps these sums; any other leaves them 0. They change where the book and
its tallies do (`account`), by rows that the live driver receives too, and never by what a bound of replay draws. A sum is
stored as it stood at the last event of its kind: the reader discounts it for the time since.
"""

import math
from typing import Final

from tercel.core.jit import Longs, kernel
from tercel.market.simulator import layout as sim
from tercel.market.simulator.records import put_real, real, state_at

RECENT_TRADES: Final = 0  # signs of aggressors, three; their lots, three
MOVES: Final = 6  # moves of the mid, half-ticks, three: how far it is from its own exponential mean
PRINTS: Final = 9  # hidden executions: above the mid less below it
END: Final = 10
TAUS_S: Final = (1.0, 3.0, 10.0, 0.3, 1.0, 3.0, 1.0, 5.0, 30.0, 3.0)
"""Seconds in which a sum falls to 1/e."""


@kernel
def decayed_sum(state: Longs, place: int, since_ns: int) -> float:
    """Value, decayed to now, of the sum stored in `place` at `since_ns`."""
    past = (state_at(state).now - since_ns) * 1e-9
    return real(state, sim.LATELY + place) * math.exp(-past / TAUS_S[place])


@kernel
def decay_sums(state: Longs, first: int, end: int, since_ns: int) -> None:
    """Decay the sums `first` to `end` - 1 from `since_ns` to now."""
    for place in range(first, end):
        put_real(state, sim.LATELY + place, decayed_sum(state, place, since_ns))


@kernel
def add_to(state: Longs, place: int, value: float) -> None:
    """Add a value to a stored sum that is already decayed to now."""
    put_real(state, sim.LATELY + place, real(state, sim.LATELY + place) + value)


@kernel
def record_trade(state: Longs, side: int, price: int, lots: int) -> None:
    """Add a trade to the recent sums: an aggressor took `lots` of `side`'s resting orders."""
    s = state_at(state)
    if s.seconds_room <= 0:
        return
    decay_sums(state, RECENT_TRADES, MOVES, s.traded_ns)
    for j in range(3):
        add_to(state, RECENT_TRADES + j, -side)
        add_to(state, RECENT_TRADES + 3 + j, -side * lots)
    s.traded_ns = s.now
    s.traded_side = -side
    s.traded_price = price


@kernel
def record_hidden_trade(state: Longs, price: int) -> None:
    """Add a hidden execution to the recent sums: +1 above the mid, -1 below, 0 at it."""
    s = state_at(state)
    if s.seconds_room <= 0:
        return
    decay_sums(state, PRINTS, END, s.printed_ns)
    add_to(state, PRINTS, int(2 * price > s.mid2) - int(2 * price < s.mid2))
    s.printed_ns = s.now
    s.traded_price = price


@kernel
def record_mid_move(state: Longs, by: int) -> None:
    """Add a move of the mid, half-ticks, to the recent sums."""
    s = state_at(state)
    if s.seconds_room <= 0:
        return
    decay_sums(state, MOVES, PRINTS, s.moved_ns)
    for place in range(MOVES, PRINTS):
        add_to(state, place, by)
    s.moved_ns = s.now
    s.moved_by = by
