"""Past of a market for forecasts: a ring of rows, one a second, and sums over events with exponential decay.

A row is written when time moves beyond its second, so that it has seen everything up to the end of it. Tallies are
those of the state; moves, spreads and lots at the touch are added up over the seconds, so that a mean over any past is
a difference of two rows. A market without room for seconds keeps none.
"""

import math
from typing import Final

from tercel.core.jit import Longs, Packed, kernel
from tercel.core.vocabulary import FOREVER_NS, NO_ASK, NO_BID, NS_PER_SECOND
from tercel.market.book.ladder import in_window, level_at
from tercel.market.simulator import layout as sim
from tercel.market.simulator.records import put_real, real, second_at, state_at

FARTHEST: Final = 500
"""A move counts up to mid2 / FARTHEST half-ticks, 20 bps; a single erroneous quote moves farther."""
WIDEST: Final = 200
"""A spread counts up to mid2 / WIDEST, 1 % of the price; a wider quote carries no information."""


@kernel
def touch_lots(b: Packed, side: int, touch: int) -> int:
    """Public lots at the touch of a side; 0 if the side is empty."""
    if touch == NO_BID or touch == NO_ASK or not in_window(b, side, touch):
        return 0
    lv = level_at(b, side, touch)
    return int(lv.lots - lv.own_lots)


@kernel
def keep_seconds(b: Packed, k: Longs, until: int) -> None:
    """Write the seconds that end before `until`, to which time moves on; none before the first two-sided quote."""
    s = state_at(k)
    if s.seconds_room == 0 or until >= FOREVER_NS or s.mid2 == 0:
        return
    if s.second == 0:
        s.first_second = s.second = s.now // NS_PER_SECOND + 1
    last = (until - 1) // NS_PER_SECOND
    if (
        last - s.second >= s.seconds_room
    ):  # longer than the longest look back: the ring starts again
        s.first_second = s.second = last
    while s.second <= last:
        keep_second(b, k)


@kernel
def counted(move: int, mid2: int) -> int:
    """A move as far as it counts."""
    most = max(abs(mid2) // FARTHEST, 4)
    return min(max(move, -most), most)


@kernel
def keep_second(b: Packed, k: Longs) -> None:
    """Write the next second from the market's state."""
    s = state_at(k)
    now = second_at(k, s.second)
    move, far, squares, tens, spreads, depths = 0, 0, 0, 0, 0, 0
    if s.second > s.first_second:
        before = second_at(k, s.second - 1)
        squares, tens, spreads, depths = before.squares, before.tens, before.spreads, before.depths
        move = counted(s.mid2 - before.mid2, s.mid2)
        far = counted(s.mid2 - second_at(k, max(s.second - 10, s.first_second)).mid2, s.mid2)
    now.bought = s.bought
    now.sold = s.sold
    now.ofi = s.ofi
    now.hidden = s.hidden_lots
    now.events = s.events
    now.mid2 = s.mid2
    now.squares = squares + move * move
    now.tens = tens + far * far
    now.spreads = spreads + min(max(s.last_ask - s.last_bid, 1), max(abs(s.mid2) // WIDEST, 1))
    now.depths = depths + touch_lots(b, 1, s.public_bid) + touch_lots(b, -1, s.public_ask)
    s.second += 1


@kernel
def forget_tallies(k: Longs) -> None:
    """The state's tallies of volume and flow begin at 0 again: those of the stored seconds are counted from here."""
    s = state_at(k)
    if s.seconds_room > 0:
        for second in range(max(s.first_second, s.second - s.seconds_room), s.second):
            row = second_at(k, second)
            row.bought -= s.bought
            row.sold -= s.sold
            row.ofi -= s.ofi
    s.variance = s.bought = s.sold = s.ofi = 0


# -- the sums: places behind `sim.LATELY` ------------------------------------------------------------------------------
RECENT_TRADES: Final = 0  # signs of aggressors, three; their lots, three
# -- lately ----------------------------------------------------------------------------------------
# What happened lately, for forecasts: sums over events, each forgotten with a time constant of its own.
#
# A market with room for seconds (`past_seconds`) keeps them; any other leaves them 0. They change where the book and its
# tallies do (`account`), by rows that the live driver receives too, and never by what a bound of replay draws. A sum is
# stored as it stood at the last event of its kind: the reader discounts it for the time since.

MOVES: Final = 6  # moves of the mid, half-ticks, three: how far it is from its own exponential mean
PRINTS: Final = 9  # hidden executions: above the mid less below it
END: Final = 10
TAUS_S: Final = (1.0, 3.0, 10.0, 0.3, 1.0, 3.0, 1.0, 5.0, 30.0, 3.0)
"""Seconds in which a sum falls to 1/e."""


@kernel
def left_of(k: Longs, place: int, since_ns: int) -> float:
    """Decayed value, now, of the sum stored in `place` at `since_ns`."""
    past = (state_at(k).now - since_ns) * 1e-9
    return real(k, sim.LATELY + place) * math.exp(-past / TAUS_S[place])


@kernel
def forget(k: Longs, first: int, end: int, since_ns: int) -> None:
    """Decay the sums `first` to `end` - 1 from `since_ns` to now."""
    for place in range(first, end):
        put_real(k, sim.LATELY + place, left_of(k, place, since_ns))


@kernel
def add_to(k: Longs, place: int, value: float) -> None:
    """Add to a sum dated now."""
    put_real(k, sim.LATELY + place, real(k, sim.LATELY + place) + value)


@kernel
def traded(k: Longs, side: int, price: int, lots: int) -> None:
    """A public aggressor took `lots` of `side`'s resting orders."""
    s = state_at(k)
    if s.seconds_room <= 0:
        return
    forget(k, RECENT_TRADES, MOVES, s.traded_ns)
    for j in range(3):
        add_to(k, RECENT_TRADES + j, -side)
        add_to(k, RECENT_TRADES + 3 + j, -side * lots)
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
