"""Layout of the Hawkes flow's parameters (one float64 array) and memory (words of `FLOW_MEMORY`)."""

from typing import Final

from tercel.market.simulator import layout as sim

IN_SPREAD, AT_BEST, DEEPER, CANCEL_BEST, CANCEL_DEEPER, MARKET, KINDS = range(7)
"""Kinds of events, of either side: limit orders by where they come to rest, cancels by where they rested, market orders
(side: the aggressor's)."""
DECAYS: Final = 5
SPREADS: Final = 8
"""Spread classes; the first is one tick."""
IMBALANCES: Final = 7
"""Classes of (own - other) / (own + other) lots at the touch, evenly from -1 to 1."""
QUEUES: Final = 6
"""Classes of lots at the touch: the own one, for market orders the one they hit."""
SIZES: Final = 128
PLACES: Final = 64
REACH: Final = 256
"""Distances from the own best that cancel rates tell apart."""
SEASONS: Final = 13
DEPTH_LEVELS: Final = 5
"""Cancels beyond the touch are weighed by the lots on levels 2 to 5."""

LEAST_FACTOR: Final = 0.5
"""An event excites with weight 1 / F, F not below this: bounded, and as likely as no weight at all."""

# -- parameters --------------------------------------------------------------------------------------------------------
DEPTH_SCALE, SEASON_S, MOST_RATE, REFRESH_S, THETA_MAX, WINDOW = range(6)
# DEPTH_SCALE: of the lots on levels 2 to 5, each times its cancel rate
# SEASON_S: seconds of each entry of the season
# MOST_RATE: events a second that are never exceeded
# REFRESH_S: no rate stays unlooked-at for longer
# WINDOW: levels a side that the flow's tape showed, 0 all
BETA: Final = sim.FLOW_HEAD
BASE: Final = BETA + DECAYS
JUMP: Final = BASE + KINDS  # [source kind][0 same side, 1 other][target kind][decay]
SPREAD_EDGE: Final = JUMP + KINDS * 2 * KINDS * DECAYS  # least spread of classes 1, 2, ...
QUEUE_EDGE: Final = SPREAD_EDGE + SPREADS - 1  # least lots of classes 1, 2, ...
STATE: Final = QUEUE_EDGE + QUEUES - 1  # [kind][spread class][imbalance class]
QUEUE: Final = STATE + KINDS * SPREADS * IMBALANCES  # [kind][queue class]
THETA: Final = (
    QUEUE + KINDS * QUEUES
)  # relative cancel rate by distance from the own best, 0 unused
SIZE: Final = THETA + REACH  # [in spread, at best, deeper][quantile], lots
LESS: Final = (
    SIZE + 3 * SIZES
)  # [queue class][quantile]: lots of market orders that leave some of the queue
MORE: Final = (
    LESS + QUEUES * PLACES
)  # [quantile]: lots over the queue's of those that take more than it
IMPROVE: Final = MORE + PLACES  # [spread class][quantile]: ticks inside the own best
DISTANCE: Final = IMPROVE + SPREADS * PLACES  # [spread class][quantile]: ticks behind the own best
SWEEP: Final = DISTANCE + SPREADS * PLACES  # [queue class][takes exactly the queue, takes less]
SEASON: Final = SWEEP + 2 * QUEUES
BACK: Final = (
    SEASON + SEASONS
)  # share of orders in the spread at the price last lost: after a cancel, after a trade
WORDS: Final = BACK + 2

# -- memory: reals in FLOW_MEMORY --------------------------------------------------------------------------------------
BOUND, SINCE_NS, LOST = range(sim.FLOW_MEMORY + 1, sim.FLOW_MEMORY + 4)
# BOUND: rate that the wait was drawn with; 0: look again, nothing happens
# SINCE_NS: time that the excitation stands for (an integer)
# LOST: [side]: best price last given up, net of translation (an integer; 0: none)
LOST_HOW: Final = LOST + 2  # [side]: 0 by a cancel, 1 by a trade
FACTORS: Final = LOST_HOW + 2  # [side][kind]: state factors
VENUE: Final = FACTORS + 2 * KINDS  # [side][kind]: factors of regime and impact
RATES: Final = VENUE + 2 * KINDS  # [side][kind]
EXCITED: Final = RATES + 2 * KINDS  # [side][kind][decay]
USED: Final = 7 + 6 * KINDS + 2 * KINDS * DECAYS
assert USED <= sim.FLOW_WORDS
