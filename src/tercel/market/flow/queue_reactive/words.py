"""Where everything lies in the queue-reactive flow's parameters (one float64 array) and in its memory (`FLOW_MEMORY`).

Kinds of events, in the order of `market.observed`; an event index is ``2 kind + (0 same side, 1 opposite side)``, sides
as seen from the side of the previous event (bid for a buyer), so that bid and ask share one table.
"""

from typing import Final

from tercel.market.simulator.layout import FLOW_HEAD, FLOW_MEMORY

VERSION: Final = 1

# -- kinds ------------------------------------------------------------------------------------------------------------
LIMIT_IN_SPREAD: Final = 0
LIMIT_AT_BEST: Final = 1
LIMIT_DEEPER: Final = 2
CANCEL_AT_BEST: Final = 3
CANCEL_DEEPER: Final = 4
MARKET: Final = 5
KINDS: Final = 6
EVENTS: Final = 12
CANCEL_MOVED: Final = 6
"""(previous kind) a cancel at the best that moved the mid."""
MARKET_MOVED: Final = 7
"""(previous kind) a market order that moved the mid."""
PREVIOUS: Final = 8

# -- classes ----------------------------------------------------------------------------------------------------------
SPREADS: Final = 10
QUEUES: Final = 6
TOUCHES: Final = QUEUES * QUEUES
WAITS: Final = 10
ACTIVITIES: Final = 4
WIDTHS: Final = 3  # groups of spread classes in the law of waits
SLOW: Final = 9  # displacement from the slow mean of the mid
FAST: Final = 5  # ... from the fast one
MOVES: Final = 2
FLOWS: Final = 5
AGES: Final = 3
LEVELS: Final = 5
WAIT_POINTS: Final = 17
SIZE_POINTS: Final = 256
DEEP_POINTS: Final = 64
INSIDE_POINTS: Final = 32
TAKE_POINTS: Final = 64
GAP_POINTS: Final = 64
RANKS: Final = 8
STAY_CLASSES: Final = 4
SEASONS: Final = 26
MINUTE: Final = 4  # words of a minute: activity, market factor, day, (free)
BLOCK: Final = 20  # minutes that are drawn together
DAYS: Final = 4

# -- scalars of the parameters ----------------------------------------------------------------------------------------
VERSION_AT: Final = 0
RESOLUTION: Final = FLOW_HEAD  # ns to which stamps are rounded
SESSION: Final = FLOW_HEAD + 1  # ns of a session
CLOCK: Final = FLOW_HEAD + 2  # factor of all waits
SLOW_NS: Final = FLOW_HEAD + 3
FAST_NS: Final = FLOW_HEAD + 4
DRIFT_SD: Final = FLOW_HEAD + 5
DRIFT_NS: Final = FLOW_HEAD + 6
WINDOW: Final = FLOW_HEAD + 7  # ticks behind the best within which levels are kept
LIMITED: Final = FLOW_HEAD + 8  # 1: nothing happens beyond the LEVELS-th level
BY_IMBALANCE: Final = FLOW_HEAD + 9
MINUTES: Final = FLOW_HEAD + 10
DAY_COUNT: Final = FLOW_HEAD + 11
BEYOND: Final = FLOW_HEAD + 12  # share of the deeper cancels that lie beyond the LEVELS-th level
LIVE_MEAN: Final = FLOW_HEAD + 13
TOUCH_POWER: Final = FLOW_HEAD + 14  # quarters: 0, 1, 2 or 4
TOUCH_MEAN: Final = FLOW_HEAD + 15
NEWEST: Final = FLOW_HEAD + 16  # excess probability that a cancel at the best takes the newest order
SHORT_NS: Final = FLOW_HEAD + 17  # waits below are not scaled by activity
HOLE: Final = FLOW_HEAD + 18  # ticks behind the best within which another level is kept
DEEP_POWER: Final = FLOW_HEAD + 19  # quarters
AMONG: Final = FLOW_HEAD + 20  # (limited) share of deeper limit orders that are placed by level, not by distance
SCALARS: Final = FLOW_HEAD + 24

# -- edges: padded with infinities ------------------------------------------------------------------------------------
SPREAD_EDGES: Final = SCALARS  # SPREADS - 1: class = number of edges <= spread
WIDTH_EDGES: Final = SPREAD_EDGES + SPREADS - 1
QUEUE_EDGES: Final = WIDTH_EDGES + WIDTHS - 1
IMBALANCE_EDGES: Final = QUEUE_EDGES + QUEUES - 1
SLOW_EDGES: Final = IMBALANCE_EDGES + TOUCHES - 1
FAST_EDGES: Final = SLOW_EDGES + SLOW - 1
FLOW_EDGES: Final = FAST_EDGES + FAST - 1
AGE_EDGES: Final = FLOW_EDGES + FLOWS - 1
WAIT_EDGES: Final = AGE_EDGES + AGES - 1
ACTIVITY_EDGES: Final = WAIT_EDGES + WAITS - 1
ACTIVITY_MEAN: Final = ACTIVITY_EDGES + ACTIVITIES - 1
SEASON: Final = ACTIVITY_MEAN + ACTIVITIES
PULL: Final = SEASON + SEASONS  # of a lot on level 2 to LEVELS on the weight of deeper cancels, mean total 1
HAZARD: Final = PULL + LEVELS - 1  # of lots ^ (DEEP_POWER / 4) on them, which level it is
TABLES: Final = HAZARD + LEVELS - 1

# -- weights: EVENTS to a cell ----------------------------------------------------------------------------------------
STATES: Final = SPREADS * TOUCHES
BEFORE: Final = PREVIOUS * WAITS
BEFORE2: Final = PREVIOUS * PREVIOUS * 2
PLACES: Final = SLOW * FAST * MOVES
TRADES: Final = FLOWS * AGES * 2
W_STATE: Final = TABLES
W_BEFORE: Final = W_STATE + STATES * EVENTS
W_BEFORE2: Final = W_BEFORE + BEFORE * EVENTS
W_PLACE: Final = W_BEFORE2 + BEFORE2 * EVENTS
W_TRADE: Final = W_PLACE + PLACES * EVENTS
W_ACTIVITY: Final = W_TRADE + TRADES * EVENTS

# -- other laws -------------------------------------------------------------------------------------------------------
WAIT_LAW: Final = W_ACTIVITY + ACTIVITIES * EVENTS  # cumulative, [PREVIOUS, WAITS, ACTIVITIES, WIDTHS][WAITS]
WAIT_NS: Final = WAIT_LAW + PREVIOUS * WAITS * ACTIVITIES * WIDTHS * WAITS  # [WAITS][WAIT_POINTS] quantiles
SIZE: Final = WAIT_NS + WAITS * WAIT_POINTS  # [DAYS][3][SIZE_POINTS] lots
DEEP: Final = SIZE + DAYS * 3 * SIZE_POINTS  # [SPREADS][DEEP_POINTS] ticks behind the best
INSIDE: Final = DEEP + SPREADS * DEEP_POINTS  # [SPREADS][INSIDE_POINTS]: > 0 from the own best, < 0 from the opposite
TAKE_EQUAL: Final = INSIDE + SPREADS * INSIDE_POINTS  # [QUEUES] P(size = queue)
TAKE_LESS: Final = TAKE_EQUAL + QUEUES  # [QUEUES] P(size <= queue)
LESS: Final = TAKE_LESS + QUEUES  # [QUEUES][TAKE_POINTS] lots where below the queue
MORE: Final = LESS + QUEUES * TAKE_POINTS  # [QUEUES][TAKE_POINTS] lots beyond the queue
GAP: Final = MORE + QUEUES * TAKE_POINTS  # [GAP_POINTS] ticks from one level to the next
DEEP_LOTS: Final = GAP + GAP_POINTS  # [GAP_POINTS] lots on a level behind the best
REPEAT_SIZE: Final = DEEP_LOTS + GAP_POINTS  # [PREVIOUS][3][2]: size of the previous event again (same side, opposite)
REPEAT_PRICE: Final = REPEAT_SIZE + PREVIOUS * 6  # [PREVIOUS][3]: its price too
REPOST_SIZE: Final = REPEAT_PRICE + PREVIOUS * 3  # [3]: size of the side's last cancelled order
REPOST_PRICE: Final = REPOST_SIZE + 3  # [3]
SLOT: Final = REPOST_PRICE + 3  # [2 (LEVELS - 1)] cumulative: joins level 2.., or makes a new level 2..
BETWEEN: Final = SLOT + 2 * (LEVELS - 1)  # [INSIDE_POINTS] where in the gap: > 0 from its inner end, < 0 from its outer
RANK: Final = BETWEEN + INSIDE_POINTS  # [RANKS] cumulative: rank of the cancelled deeper order among the side's newest
STAYS: Final = RANK + RANKS  # [STAY_CLASSES] chance that a deeper order picked for cancelling goes, by its size
STAY_EDGES: Final = STAYS + STAY_CLASSES  # [STAY_CLASSES - 1] lots
MINUTE_TABLE: Final = STAY_EDGES + STAY_CLASSES - 1  # [MINUTES][MINUTE]
FIXED: Final = MINUTE_TABLE
"""Length of the array but for its minutes."""

# -- memory -----------------------------------------------------------------------------------------------------------
_M: Final = FLOW_MEMORY + 1  # word 0 is SESSION_NS
P_KIND: Final = _M  # kind of the previous event, PREVIOUS values
P_SIDE: Final = _M + 1  # +1 bid or buyer, -1
P2_KIND: Final = _M + 2
P2_SIDE: Final = _M + 3
WAIT: Final = _M + 4  # class of the wait before the event to come
MEAN_SLOW: Final = _M + 5  # reals: means of the mid, half-ticks
MEAN_FAST: Final = _M + 6
SEEN_NS: Final = _M + 7
SIGN_FLOW: Final = _M + 8  # real, -1 to 1
TRADE_NS: Final = _M + 9
TRADE_SIGN: Final = _M + 10
MOVE: Final = _M + 11  # sign of the mid's last move
MID: Final = _M + 12  # half-ticks
MINUTE_END: Final = _M + 13  # when the next minute begins
AT_MINUTE: Final = _M + 14  # row of the table
BLOCK_LEFT: Final = _M + 15
ACTIVITY: Final = _M + 16  # class
PACE: Final = _M + 17  # real: factor of long waits
MARKETS: Final = _M + 18  # real: factor of market orders in this minute
DAY: Final = _M + 19
DRIFT: Final = _M + 20  # real
LAST_KIND: Final = _M + 21  # last event, for repeats: side, price, lots
LAST_SIDE: Final = _M + 22
LAST_PRICE: Final = _M + 23
LAST_LOTS: Final = _M + 24
GONE_PRICE: Final = _M + 25  # last cancelled order of each side (bid, ask): price
GONE_LOTS: Final = _M + 27  # ... and lots
RATE: Final = _M + 29  # real: sum of regime-weighted over plain weights at the last event
# classes as `see` found them
I_STATE: Final = _M + 30
I_BEFORE: Final = _M + 31
I_BEFORE2: Final = _M + 32
I_PLACE: Final = _M + 33
I_TRADE: Final = _M + 34
# tallies
N_EVENTS: Final = _M + 35
N_MARKET: Final = _M + 36
SPREAD_SUM: Final = _M + 37
REFILLS: Final = _M + 38
REPAIRS: Final = _M + 39
VOID: Final = _M + 40
# scan: per side prices and lots of the first LEVELS levels, and how many there are, bid then ask
SCAN: Final = _M + 41
SCAN_SIDE: Final = 2 * LEVELS + 1  # prices, lots, count
RING: Final = SCAN + 2 * SCAN_SIDE  # newest placements of each side: arrival << 24 | slot
RING_SIZE: Final = 16
RING_AT: Final = RING + 2 * RING_SIZE  # two words
WEIGHTS_AT: Final = RING_AT + 2  # EVENTS reals, the cumulative weights
DRIFT_SEEN: Final = WEIGHTS_AT + EVENTS
DRIFT_OF: Final = DRIFT_SEEN + 1  # the drift whose exponentials follow
DRIFT_UP: Final = DRIFT_SEEN + 2
DRIFT_DOWN: Final = DRIFT_SEEN + 3
USED: Final = DRIFT_SEEN + 4 - FLOW_MEMORY
