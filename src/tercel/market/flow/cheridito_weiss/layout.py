"""Layout of the model's parameters in its float array, and of its memory in a market's int64 array."""

from typing import Final

from tercel.market.simulator import layout as sim

# -- parameters --------------------------------------------------------------------------------------------------------
REACTION: Final = 0  # how strongly rates answer to imbalance, 0: not at all
DAMPING: Final = 1  # weight of a level in the imbalance over that of the level before it
PLAIN: Final = 2  # 1: cancels take from any public order; 0: from the noise trader's own, newest first
STRATEGIC_NS: Final = 3  # ns between two acts of the hidden trader, 0: there is none
STRATEGIC_MARKET: Final = 4  # lots of its market orders
STRATEGIC_LIMIT: Final = 5  # lots of its limit orders
MARKET_RATE: Final = sim.FLOW_HEAD  # per side and second
LIMIT_TOTAL: Final = sim.FLOW_HEAD + 1  # per side and second
LEVELS: Final = sim.FLOW_HEAD + 2  # levels with rates, counted from the opposite best
SIZES: Final = sim.FLOW_HEAD + 3  # orders have 1 to so many lots
FALLBACK: Final = sim.FLOW_HEAD + 4  # lots of the first order in an empty book
START: Final = sim.FLOW_HEAD + 5  # ... and its price, ticks
TABLES: Final = sim.FLOW_HEAD + 6  # limit alias share[L], index[L], cancel rate[L], size alias share[S], index[S]

REACH: Final = 20
"""Levels of a side in the imbalance: the weight of the 21st is 2e-6."""

# -- memory ------------------------------------------------------------------------------------------------------------
NOISE_NS: Final = sim.FLOW_MEMORY + 1  # when the noise trader acts next
STRATEGIC_AT: Final = sim.FLOW_MEMORY + 2  # when the hidden trader does
DIRECTION: Final = sim.FLOW_MEMORY + 3  # +1 it buys, -1 it sells, 0 not drawn yet
TOOK_BUY: Final = sim.FLOW_MEMORY + 4  # lots that public market orders traded since the world began, own lots included
TOOK_SELL: Final = sim.FLOW_MEMORY + 5
LAID_BID: Final = sim.FLOW_MEMORY + 6  # lots of public limit orders since the world began
LAID_ASK: Final = sim.FLOW_MEMORY + 7
OWNERS: Final = sim.FLOW_MEMORY + 8  # bits: which order slots hold the noise trader's orders
OWNER_BITS: Final = 32  # ... in a word
MOST_ORDERS: Final = 2048
"""Order slots that the bits cover."""

LATE_NS: Final = 1
"""The hidden trader acts that long after a full second, so that an agent that decides at it comes first."""
RETRY_NS: Final = 1000
"""Wait after an order that mended an empty side."""
