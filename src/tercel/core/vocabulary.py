"""Sides, units and bounds: the words that every room uses.

Prices are int32 ticks, quantities int32 lots, times int64 ns, cash int64 half-ticks x lots (a mid lies on a half tick).
"""

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
FOREVER_NS: Final = 2**62
"""A time that never comes."""
