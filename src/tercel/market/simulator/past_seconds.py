"""Past of a market for forecasts: a ring of rows, one for each second.

A row is written when time moves beyond its second, so that it has seen everything up to the end of it. Tallies are
those of the state; moves, spreads and lots at the touch are added up over the seconds, so that a mean over any past is
a difference of two rows. A market without room for seconds keeps none.
"""

from typing import Final

from tercel.core.jit import Longs, Packed, kernel
from tercel.core.vocabulary import FOREVER_NS, NO_ASK, NO_BID, NS_PER_SECOND
from tercel.market.book.book_records import in_window, level_at
from tercel.market.simulator.records import second_at, state_at

FARTHEST: Final = 500
"""A move counts up to mid2 / FARTHEST half-ticks, 20 bps; a single erroneous quote moves farther."""
WIDEST: Final = 200
"""A spread counts up to mid2 / WIDEST, 1 % of the price; a wider quote carries no information."""


@kernel
def touch_lots(book: Packed, side: int, touch: int) -> int:
    """Public lots at the touch of a side; 0 if the side is empty."""
    if touch == NO_BID or touch == NO_ASK or not in_window(book, side, touch):
        return 0
    level = level_at(book, side, touch)
    return int(level.lots - level.own_lots)


@kernel
def store_seconds(book: Packed, state: Longs, until: int) -> None:
    """Write the seconds that end before `until`, to which time moves on; none before the first two-sided quote."""
    s = state_at(state)
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
        store_second(book, state)


@kernel
def clip_move(move: int, mid2: int) -> int:
    """A move of the mid, half-ticks, clipped to plus or minus mid2 / FARTHEST, at least 4."""
    max_move = max(abs(mid2) // FARTHEST, 4)
    return min(max(move, -max_move), max_move)


@kernel
def store_second(book: Packed, state: Longs) -> None:
    """Write the next second from the market's state."""
    s = state_at(state)
    now = second_at(state, s.second)
    move = 0
    far = 0
    squares = 0
    tens = 0
    spreads = 0
    depths = 0
    if s.second > s.first_second:
        before = second_at(state, s.second - 1)
        squares = before.squares
        tens = before.tens
        spreads = before.spreads
        depths = before.depths
        move = clip_move(s.mid2 - before.mid2, s.mid2)
        far = clip_move(s.mid2 - second_at(state, max(s.second - 10, s.first_second)).mid2, s.mid2)
    now.bought = s.bought
    now.sold = s.sold
    now.ofi = s.ofi
    now.hidden = s.hidden_lots
    now.events = s.events
    now.mid2 = s.mid2
    now.squares = squares + move * move
    now.tens = tens + far * far
    now.spreads = spreads + min(max(s.last_ask - s.last_bid, 1), max(abs(s.mid2) // WIDEST, 1))
    now.depths = depths + touch_lots(book, 1, s.public_bid) + touch_lots(book, -1, s.public_ask)
    s.second += 1


@kernel
def reset_tallies(state: Longs) -> None:
    """Reset the state's tallies of volume, flow and variance to 0, and count volume and flow of the stored seconds from there."""
    s = state_at(state)
    if s.seconds_room > 0:
        for second in range(max(s.first_second, s.second - s.seconds_room), s.second):
            row = second_at(state, second)
            row.bought -= s.bought
            row.sold -= s.sold
            row.ofi -= s.ofi
    s.variance = s.bought = s.sold = s.ofi = 0
