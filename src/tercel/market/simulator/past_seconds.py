"""What a market was like, second by second: a ring of rows behind its state, for whoever looks back.

A row is written when time moves beyond its second, so that it has seen everything up to the end of it. Tallies are
those of the state; moves, spreads and lots at the touch are added up over the seconds, so that a mean over any past is
a difference of two rows. A market without room for seconds keeps none.
"""

from typing import Final

from tercel.core.jit import Longs, Packed, kernel
from tercel.core.vocabulary import FOREVER_NS, NO_ASK, NO_BID, NS_PER_SECOND
from tercel.market.book.ladder import in_window, level_at
from tercel.market.simulator.records import second_at, state_at

FARTHEST: Final = 500
"""A move counts up to so manieth a part of the mid in half-ticks, 20 bps; a lone absurd quote moves farther."""
WIDEST: Final = 200
"""A spread counts up to so manieth a part of it, 1 % of the price; what is wider is no quote to learn from."""


@kernel
def touch_lots(b: Packed, side: int, touch: int) -> int:
    """Public lots at the touch of a side; 0 where there is none."""
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
    if last - s.second >= s.seconds_room:  # longer than anybody looks back: it begins anew
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
    """Write the next second as the market stands."""
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
    """The state's tallies of volume and flow begin at 0 again: those of the seconds kept are counted from here."""
    s = state_at(k)
    if s.seconds_room > 0:
        for second in range(max(s.first_second, s.second - s.seconds_room), s.second):
            row = second_at(k, second)
            row.bought -= s.bought
            row.sold -= s.sold
            row.ofi -= s.ofi
    s.variance = s.bought = s.sold = s.ofi = 0
