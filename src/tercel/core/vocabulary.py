"""Sides, units and bounds: the words that every room uses, and what a file or a person may say at most.

Prices are int32 ticks, quantities int32 lots, times int64 ns, cash int64 half-ticks x lots (a mid lies on a half tick).
"""

from datetime import date
from typing import Final

BUY: Final = 1
SELL: Final = -1
SIDE_WORDS: Final = {BUY: "buy", SELL: "sell"}

NS_PER_SECOND: Final = 1_000_000_000
DAY_NS: Final = 86_400 * NS_PER_SECOND
NO_BID: Final = -(2**30)
"""Price in ticks that stands for "no bid": worse than every bid."""
NO_ASK: Final = 2**30
"""Price in ticks that stands for "no ask": worse than every ask."""
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
