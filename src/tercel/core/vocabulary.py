"""Constants of all packages: sides, bounds of prices and lots, kinds of book events, laws of impact on recorded days.

Prices are int32 ticks, quantities int32 lots, times int64 ns, cash int64 half-ticks x lots (a mid lies on a half tick).
"""

from datetime import date
from typing import Final

BUY: Final = 1
SELL: Final = -1
SIDE_NAMES: Final = {BUY: "buy", SELL: "sell"}
NS_PER_SECOND: Final = 1_000_000_000
DAY_NS: Final = 86_400 * NS_PER_SECOND
NO_BID: Final = -(2**30)
"""Price in ticks that means "no bid": worse than every bid."""
NO_ASK: Final = 2**30
"""Price in ticks that means "no ask": worse than every ask."""
MOST_LOTS: Final = 2**30
"""Lots of an order or of a row are fewer, and a price in ticks is less: sums of two fit an int32."""
LEAST_TICK: Final = 1e-12
MOST_TICK: Final = 1e6
"""Ticks in price units."""
FIRST_DAY: Final = date(1800, 1, 1)
LAST_DAY: Final = date(2199, 12, 31)
"""Days that a table may speak of: others are slips of the pen, and nanoseconds of some do not fit an int64."""
FOREVER_NS: Final = 2**62
"""A time that never comes."""

# Kinds of rows of tapes and of a venue's market data.
ADD: Final = 1
"""A limit order comes to rest: order_id, side, price, lots."""
REDUCE: Final = 2
"""A resting order loses `qty_lots` by its owner's will and keeps its place."""
DELETE: Final = 3
"""A resting order is withdrawn whole (`qty_lots` is what the feed says was left)."""
EXECUTE: Final = 4
"""`qty_lots` of a resting, visible order are executed."""
TRADE_HIDDEN: Final = 5
"""An execution against a hidden order: the book stays as it is."""
CROSS: Final = 6
"""An auction print: the book stays as it is."""
STATUS: Final = 7
"""Trading status; `price_ticks` is -1 halted, 0 quoting only, 1 trading."""
BREAK: Final = -2
"""Of STATUS, never on a tape of a lake: a break of `lots` ns begins, by which orders at work end later."""
MODIFY: Final = 8
"""An order's price and lots become these; fewer lots at the same price keep the place, else it is lost."""
CLEAR: Final = 9
"""The book is emptied."""
LEVEL_SET: Final = 10
"""(L2 feeds) the level's total becomes `qty_lots`; 0 removes it."""
ROLL_OUT: Final = 11
"""The level at `price_ticks` left the feed's window: its orders are forgotten."""
ROLL_IN: Final = 12
"""A level came into the feed's window: `qty_lots` of unknown orders as one anonymous block."""
TRADE: Final = 13
"""(L2 feeds) A print against the visible `side`: the book stays as it is, a LEVEL_SET says what became of the level."""
SHIFTED: Final = 40
"""Never on a tape, in a simulated venue's market data: the public book was moved by `price` ticks (up is positive)."""
KIND_NAMES: Final = {
    ADD: "add",
    REDUCE: "reduce",
    DELETE: "delete",
    EXECUTE: "execute",
    TRADE_HIDDEN: "trade_hidden",
    CROSS: "cross",
    STATUS: "status",
    MODIFY: "modify",
    CLEAR: "clear",
    LEVEL_SET: "level_set",
    ROLL_OUT: "roll_out",
    ROLL_IN: "roll_in",
    TRADE: "trade",
}
TAPE_LAWS: Final = ("none", "square_root", "propagator")
"""See `fitted.tape_law`."""
