"""Layout of the model's parameters in its float array, and of its memory in a market's int64 array."""

from typing import Final

from tercel.market.simulator import layout as sim

# -- parameters --------------------------------------------------------------------------------------------------------
REACTION, DAMPING, PLAIN, STRATEGIC_NS, STRATEGIC_MARKET, STRATEGIC_LIMIT = range(6)
# REACTION: how strongly rates answer to imbalance, 0: not at all
# DAMPING: weight of a level in the imbalance over that of the level before it
# PLAIN: 1: cancels take from any public order; 0: from the noise trader's own, newest first
# STRATEGIC_NS: ns between two acts of the hidden trader, 0: there is none
# STRATEGIC_MARKET, STRATEGIC_LIMIT: lots of its market orders and of its limit orders
MARKET_RATE, LIMIT_TOTAL, LEVELS, SIZES, FALLBACK, START, TABLES = range(
    sim.FLOW_HEAD, sim.FLOW_HEAD + 7
)
# MARKET_RATE, LIMIT_TOTAL: per side and second
# LEVELS: levels with rates, counted from the opposite best; SIZES: orders have 1 to so many lots
# FALLBACK, START: lots of the first order in an empty book, and its price, ticks
# TABLES: limit alias share[L], index[L], cancel rate[L], size alias share[S], index[S]

REACH: Final = 20
"""Levels of a side in the imbalance: the weight of the 21st is 2e-6."""

# -- memory ------------------------------------------------------------------------------------------------------------
NOISE_NS, STRATEGIC_AT, DIRECTION, TOOK_BUY, TOOK_SELL, LAID_BID, LAID_ASK, OWNERS = range(
    sim.FLOW_MEMORY + 1, sim.FLOW_MEMORY + 9
)
# NOISE_NS, STRATEGIC_AT: when the noise trader and the hidden trader act next
# DIRECTION: +1 it buys, -1 it sells, 0 not drawn yet
# TOOK_BUY, TOOK_SELL: lots that public market orders traded since the world began, own lots included
# LAID_BID, LAID_ASK: lots of public limit orders since the world began
# OWNERS: bits: which order slots hold the noise trader's orders
OWNER_BITS: Final = 32  # ... in a word
MOST_ORDERS: Final = 2048
"""Order slots that the bits cover."""

LATE_NS: Final = 1
"""The hidden trader acts that long after a full second, so that an agent that decides at it comes first."""
RETRY_NS: Final = 1000
"""Wait after an order that mended an empty side."""
