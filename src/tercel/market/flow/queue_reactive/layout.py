"""Layout of the queue-reactive flow's parameters (one float64 array) and memory (`FLOW_MEMORY`).

Kinds of events, in the order of `market.observed`; an event index is ``2 kind + (0 same side, 1 opposite side)``, sides
as seen from the side of the previous event (bid for a buyer), so that bid and ask share one table.
"""

from typing import Final

from tercel.market.simulator.layout import FLOW_HEAD, FLOW_MEMORY

VERSION: Final = 5

# Kinds.
LIMIT_IN_SPREAD, LIMIT_AT_BEST, LIMIT_DEEPER, CANCEL_AT_BEST, CANCEL_DEEPER, MARKET, KINDS = range(
    7
)
EVENTS: Final = 2 * KINDS
CANCEL_MOVED, MARKET_MOVED, PREVIOUS = range(KINDS, KINDS + 3)
"""(previous kind) a cancel at the best that moved the mid; a market order that did; the number of previous kinds."""

# Classes.
SPREADS: Final = 12
QUEUES: Final = 6
TOUCHES: Final = QUEUES * QUEUES
WAITS: Final = 10
ACTIVITIES: Final = 4
WIDTHS: Final = 4  # groups of spread classes in the law of waits
YOUNG: Final = 3  # ages of a best price that a limit order has made; older: all alike
ORIGINS: Final = (
    3  # of such a price: new, the side's last one again, the one that the other side has lost
)
FAST: Final = 5  # displacement from the fast mean of the mid
MOVES: Final = 2
FLOWS: Final = 5
GAPS: Final = 5  # ticks from a best price to the next level behind it
SHIFTS: Final = 8  # of the mid from its fast mean, where orders in the spread come
NARROWS: Final = 4  # groups of spreads by how readily market orders come in them
RUNS: Final = 5  # of the market orders of a side in the last seconds
INSIDES: Final = 5  # ... of its orders in the spread
WITHDRAWN: Final = 4  # ... of its cancels at the best
PRESSURES: Final = 7  # half a minute of flow at the best prices, see `memory.pressure_of`
AT_BEST: Final = 4  # orders at a best price: 1, 2, 3, more
SIGNS: Final = 7  # of the slow mean of trade signs
AGES: Final = 5  # of the last market order
LASTLY: Final = (
    4  # where in the spread the last trade was: outside, own half, other half, and just now
)
LASTS: Final = 6  # ticks by which a best price is better than the last trade's
SINCE: Final = 4  # ages since a touch was emptied, by a market order or by a cancel; older: as if it had not been
FELL: Final = 5  # ages since a best price fell back, for whatever reason
REACHES: Final = 3  # how far into the spread a price lies: up to a quarter, a half, beyond
ROOMS: Final = (
    SPREADS // 2 * REACHES
)  # pairs of classes of the spread, and how far a price lies into it
LAST_PLACES: Final = 6  # of the last trade, see `touch_history.last_place`
DROPS: Final = 3  # ticks by which a touch is behind the price that it has lost
GONE: Final = SINCE * DROPS
CAUSES: Final = 2  # of a best price that fell back: a market order, a cancel
AGAINS: Final = 8  # ages since then; older: forgotten
# Classes of a side's last emptied best price: 0 none within memory; 1 .. GONE by age and by how many ticks the best price
# is still behind it; then by age, once the best price is back.
TOUCHED: Final = 1 + GONE + SINCE
LEVELS: Final = 5
WAIT_POINTS: Final = 17
SIZE_POINTS: Final = 256
DEEP_POINTS: Final = 64
INSIDE_POINTS: Final = 32
TAKE_POINTS: Final = 64
GAP_POINTS: Final = 64
RANKS: Final = 8
LIFE: Final = 10  # ages of an order at the best, counted in limit orders that came after it
HIDDEN_POINTS: Final = 16
STAY_CLASSES: Final = 4  # sizes of orders that stay or go
SEASONS: Final = 26
MINUTE: Final = 4  # words of a minute: activity, market factor, day, (free)
BLOCK: Final = 20  # minutes that are drawn together
DAYS: Final = 4

# Scalars of the parameters.
VERSION_AT: Final = 0
RESOLUTION, SESSION, CLOCK, SLOW_NS, FAST_NS, VALUE_NS, UNIT, WINDOW, LIMITED = range(
    FLOW_HEAD, FLOW_HEAD + 9
)
# RESOLUTION, SESSION: ns to which stamps are rounded, ns of a session
# CLOCK: factor of all waits
# UNIT: half-ticks in which the lean counts displacements
# WINDOW: ticks behind the best within which levels are simulated
# LIMITED: 1: nothing happens beyond the LEVELS-th level
BY_IMBALANCE, MINUTES, BEYOND, LIVE_MEAN, LEAVES_MEAN, LEAVES_MOST = range(
    FLOW_HEAD + 9, FLOW_HEAD + 15
)
# BEYOND: share of the deeper cancels that lie beyond the LEVELS-th level
# LEAVES_MEAN: mean sum of LEAVES over the orders at a best price; 0: the tape did not tell
# LEAVES_MOST: the largest of LEAVES
SHORT_NS, HOLE, DEEP_POWER, RUN_NS, HIDDEN_AGAIN, TAKE_TILT, AMONG, LONE = range(
    FLOW_HEAD + 15, FLOW_HEAD + 23
)
# SHORT_NS: waits below are not scaled by activity
# HOLE: ticks behind the best within which another level is refilled
# DEEP_POWER: quarters
# RUN_NS: how fast market orders are forgotten
# HIDDEN_AGAIN: chance that a hidden execution is followed by another of its side
# TAKE_TILT: power of the uniform that draws what a market order takes; below 1: more
# AMONG: share of the orders behind the second level that are placed by level, not by distance
# LONE: two words: how readily an order behind the best goes that is alone at its price, or not
TREND, VALUE, PUSH, SWEEP, FOLLOW, SWING, FOLLOW_NS = range(FLOW_HEAD + 24, FLOW_HEAD + 31)
# TREND, VALUE, PUSH, FOLLOW: of the lean, see `kernel.update_lean`
# FOLLOW_NS: how fast the last trade's price ceases to draw the mid
# SWING: power by which the pace of a minute exceeds that of its class
# SWEEP: ticks beyond the best that market orders reach at most
SCALARS: Final = FLOW_HEAD + 31

# Edges: padded with infinities.
SPREAD_EDGES: Final = SCALARS  # SPREADS - 1: class = number of edges <= spread
WIDTH_EDGES: Final = SPREAD_EDGES + SPREADS - 1
NARROW_EDGES: Final = WIDTH_EDGES + WIDTHS - 1
QUEUE_EDGES: Final = NARROW_EDGES + NARROWS - 1
IMBALANCE_EDGES: Final = QUEUE_EDGES + QUEUES - 1
FAST_EDGES: Final = IMBALANCE_EDGES + TOUCHES - 1
FLOW_EDGES: Final = FAST_EDGES + FAST - 1
SIGN_EDGES: Final = FLOW_EDGES + FLOWS - 1
RUN_EDGES: Final = SIGN_EDGES + SIGNS - 1
INSIDES_EDGES: Final = RUN_EDGES + RUNS - 1
WITHDRAWN_EDGES: Final = INSIDES_EDGES + INSIDES - 1
PRESSURE_EDGES: Final = WITHDRAWN_EDGES + WITHDRAWN - 1
AGAIN_EDGES: Final = PRESSURE_EDGES + PRESSURES - 1  # AGAINS, the last is where memory ends
BEHIND_EDGES: Final = AGAIN_EDGES + AGAINS  # [GAPS - 1] ticks
SHIFT_EDGES: Final = BEHIND_EDGES + GAPS - 1  # SHIFTS - 1, half-ticks
LAST_EDGES: Final = SHIFT_EDGES + SHIFTS - 1  # LASTS - 1, ticks
AGE_EDGES: Final = LAST_EDGES + LASTS - 1
SINCE_EDGES: Final = AGE_EDGES + AGES - 1  # SINCE, the last is where memory ends
DROP_EDGES: Final = SINCE_EDGES + SINCE  # DROPS - 1
FELL_EDGES: Final = DROP_EDGES + DROPS - 1  # FELL - 1
YOUNG_EDGES: Final = FELL_EDGES + FELL - 1  # YOUNG
WAIT_EDGES: Final = YOUNG_EDGES + YOUNG
ACTIVITY_EDGES: Final = WAIT_EDGES + WAITS - 1
ACTIVITY_MEAN: Final = ACTIVITY_EDGES + ACTIVITIES - 1
SEASON: Final = ACTIVITY_MEAN + ACTIVITIES
PULL: Final = (
    SEASON + SEASONS
)  # of a lot on level 2 to LEVELS on the weight of deeper cancels, mean total 1
HAZARD: Final = PULL + LEVELS - 1  # of lots ^ (DEEP_POWER / 4) on them, which level it is
TABLES: Final = HAZARD + LEVELS - 1

# Weights: EVENTS to a cell.
STATES: Final = SPREADS * TOUCHES
BEFORE: Final = PREVIOUS * WAITS
BEFORE2: Final = PREVIOUS * PREVIOUS * 2
PLACES: Final = FAST * MOVES
TRADES: Final = FLOWS * AGES * 2 * 2 * NARROWS
ALONE: Final = AT_BEST * AT_BEST
BOTH_RUNS: Final = RUNS * RUNS * NARROWS
BOTH_GAPS: Final = GAPS * GAPS
BOTH_LASTS: Final = LASTS * LASTS * AGES
BOTH_INSIDES: Final = INSIDES * INSIDES
BOTH_WITHDRAWN: Final = WITHDRAWN * WITHDRAWN
MADES: Final = 1 + ORIGINS * YOUNG  # 0 old, else by origin and age
FRESH: Final = MADES * MADES  # same side, opposite side
EMPTIES: Final = TOUCHED * TOUCHED  # same side, opposite side
W_STATE: Final = TABLES
W_BEFORE: Final = W_STATE + STATES * EVENTS
W_BEFORE2: Final = W_BEFORE + BEFORE * EVENTS
W_EMPTIED: Final = W_BEFORE2 + BEFORE2 * EVENTS
W_VACATED: Final = W_EMPTIED + EMPTIES * EVENTS
W_BEHIND: Final = W_VACATED + EMPTIES * EVENTS
W_LAST: Final = W_BEHIND + BOTH_GAPS * EVENTS
# products of two tables, so that an event reads fewer: place x pressure, insides x withdrawn, fresh x alone,
# runs x signs, trade x activity
W_PLACED: Final = W_LAST + BOTH_LASTS * EVENTS
W_LATELY: Final = W_PLACED + PLACES * PRESSURES * EVENTS
W_BEST: Final = W_LATELY + BOTH_INSIDES * BOTH_WITHDRAWN * EVENTS
W_SIGNED: Final = W_BEST + FRESH * ALONE * EVENTS
W_TRADED: Final = W_SIGNED + BOTH_RUNS * SIGNS * EVENTS

# Other laws.
# cumulative, [PREVIOUS, WAITS, ACTIVITIES, WIDTHS, SINCE][WAITS]; SINCE a market order emptied a touch
WAIT_LAW: Final = W_TRADED + TRADES * ACTIVITIES * EVENTS
WAIT_NS: Final = (
    WAIT_LAW + PREVIOUS * WAITS * ACTIVITIES * WIDTHS * SINCE * WAITS
)  # [WAITS][WAIT_POINTS] quantiles
SIZE: Final = WAIT_NS + WAITS * WAIT_POINTS  # [DAYS][3][SIZE_POINTS] lots
DEEP_EDGES: Final = (
    SIZE + DAYS * 3 * SIZE_POINTS
)  # [SPREADS - 1] ticks from the best to the next level
DEEP: Final = DEEP_EDGES + SPREADS - 1  # [SPREADS][DEEP_POINTS] ticks behind the best, by that gap
# [SHIFTS][LASTLY][SPREADS][INSIDE_POINTS] > 0 from the own best, < 0 from the opposite
INSIDE: Final = DEEP + SPREADS * DEEP_POINTS
TAKE_EQUAL: Final = INSIDE + SHIFTS * LASTLY * SPREADS * INSIDE_POINTS  # [QUEUES] P(size = queue)
TAKE_LESS: Final = TAKE_EQUAL + QUEUES  # [QUEUES] P(size <= queue)
LESS: Final = TAKE_LESS + QUEUES  # [QUEUES][TAKE_POINTS] lots where below the queue
MORE: Final = LESS + QUEUES * TAKE_POINTS  # [QUEUES][TAKE_POINTS] lots beyond the queue
GAP: Final = MORE + QUEUES * TAKE_POINTS  # [GAP_POINTS] ticks from one level to the next
DEEP_LOTS: Final = GAP + GAP_POINTS  # [GAP_POINTS] lots on a level behind the best
REPEAT_SIZE: Final = (
    DEEP_LOTS + GAP_POINTS
)  # [PREVIOUS][3][2]: size of the previous event again (same side, opposite)
REPEAT_EDGES: Final = REPEAT_SIZE + PREVIOUS * 6  # [STAY_CLASSES - 1] lots
REPEAT_BY: Final = REPEAT_EDGES + STAY_CLASSES - 1  # [3][STAY_CLASSES] factor by the size repeated
REPEAT_PRICE: Final = REPEAT_BY + 3 * STAY_CLASSES  # [PREVIOUS][3]: its price too
REPOST_SIZE: Final = REPEAT_PRICE + PREVIOUS * 3  # [3]: size of the side's last cancelled order
REPOST_PRICE: Final = REPOST_SIZE + 3  # [3]
# chances that an order in the spread is placed where the side's last one there was: [CAUSES][AGAINS][ROOMS], and then
# has its lots: [CAUSES][AGAINS]; that it is placed at the best price that its side has lost, or else the other side:
# [CAUSES][FELL][DROPS][REACHES]; SLOT: [2 (LEVELS - 1)] cumulative: joins level 2.., or makes a new level 2..
AGAIN_PRICE: Final = REPOST_PRICE + 3
AGAIN_LOTS: Final = AGAIN_PRICE + CAUSES * AGAINS * ROOMS
LOST_PRICE: Final = AGAIN_LOTS + CAUSES * AGAINS
FOLLOW_PRICE: Final = LOST_PRICE + CAUSES * FELL * DROPS * REACHES
SLOT: Final = FOLLOW_PRICE + CAUSES * FELL * DROPS * REACHES
BETWEEN: Final = SLOT + 2 * (
    LEVELS - 1
)  # [INSIDE_POINTS] where in the gap: > 0 from its inner end, < 0 from its outer
RANK: Final = (
    BETWEEN + INSIDE_POINTS
)  # [RANKS] cumulative: rank of the cancelled deeper order among the side's newest
STAYS: Final = (
    RANK + RANKS
)  # [STAY_CLASSES] chance that a deeper order picked for cancelling goes, by its size
STAY_EDGES: Final = STAYS + STAY_CLASSES  # [STAY_CLASSES - 1] lots
LIFE_EDGES: Final = STAY_EDGES + STAY_CLASSES - 1  # [LIFE - 1] limit orders that came since
# [LIFE][STAY_CLASSES] how readily an order at the best is withdrawn, by age and size, over the mean
LEAVES: Final = LIFE_EDGES + LIFE - 1
LEAVES_EDGES: Final = LEAVES + LIFE * STAY_CLASSES  # [STAY_CLASSES - 1] lots
# hidden executions of a side: [2][LAST_PLACES][SPREADS] for each market order that takes from it, for each event
HIDDEN: Final = LEAVES_EDGES + STAY_CLASSES - 1
HIDDEN_SAME: Final = (
    HIDDEN + 2 * LAST_PLACES * SPREADS
)  # [LAST_PLACES] chance of the last trade's price
# [LAST_PLACES][SPREADS][HIDDEN_POINTS] share of the spread from that side
HIDDEN_AT: Final = HIDDEN_SAME + LAST_PLACES
HIDDEN_LOTS: Final = HIDDEN_AT + LAST_PLACES * SPREADS * HIDDEN_POINTS  # [GAP_POINTS] lots
MINUTE_TABLE: Final = HIDDEN_LOTS + GAP_POINTS  # [MINUTES][MINUTE]
FIXED: Final = MINUTE_TABLE
"""Length of the array but for its minutes."""

# Memory.
_M: Final = FLOW_MEMORY + 1  # word 0 is SESSION_NS
P_KIND, P_SIDE, P2_KIND, P2_SIDE, WAIT, MEAN_SLOW, MEAN_FAST, SEEN_NS, SIGN_FLOW, TRADE_NS = range(
    _M, _M + 10
)
# P_KIND, P2_KIND: kind of the previous event, PREVIOUS values, and of the one before it; P_SIDE: +1 bid or buyer, -1
# WAIT: class of the wait before the event to come
# MEAN_SLOW, MEAN_FAST: reals: means of the mid, half-ticks; SIGN_FLOW: real, -1 to 1
TRADE_SIGN, MOVE, MID, MINUTE_END, AT_MINUTE, BLOCK_LEFT, ACTIVITY, PACE, MARKETS, DAY, LEAN = (
    range(_M + 10, _M + 21)
)
# MOVE, MID: sign of the mid's last move; half-ticks
# MINUTE_END, AT_MINUTE: when the next minute begins; row of the table
# ACTIVITY: class; PACE, MARKETS, LEAN: reals: factor of long waits, of market orders in this minute, lean
LAST_TRADE: Final = _M + 21  # price of the last trade, ticks
LAST_SIDE, LAST_PRICE, LAST_LOTS = range(_M + 22, _M + 25)  # last event, for repeats
GONE_PRICE, GONE_LOTS, RATE = range(_M + 25, _M + 31, 2)
# GONE_PRICE, GONE_LOTS: last cancelled order of each side (bid, ask); RATE: real: sum of regime-weighted over plain
# weights at the last event
# classes as `update_classes` found them
I_STATE, I_BEFORE, I_BEFORE2, I_PLACE, I_TRADE, I_EMPTIED, I_VACATED = range(_M + 30, _M + 37)
I_FRESH, I_SIGNS, I_ALONE, I_RUNS, I_BEHIND, I_LAST, I_PRESSURE, I_INSIDES, I_WITHDRAWN = range(
    _M + 37, _M + 46
)
# tallies
N_EVENTS, N_MARKET, SPREAD_SUM, REFILLS, REPAIRS, VOID = range(_M + 46, _M + 52)
# two words each, bid and ask: touches as last seen; those that market orders emptied last, and when; best prices that
# limit orders made last, and when; those that cancels emptied, and when; lots and
# origins of those that limit orders made
TOUCH, EMPTIED, EMPTIED_NS, MADE, MADE_NS, VACATED, VACATED_NS, MADE_LOTS, ORIGIN = range(
    _M + 52, _M + 70, 2
)
# reals, decaying. One word each: the slow mean of trade signs; the mean of the mid over minutes, half-ticks; takers,
# buyers less sellers; see `memory.pressure_of`
SLOW_SIGNS, MEAN_VALUE, TAKERS, PRESSURE = range(_M + 70, _M + 74)
# ... of buyers and sellers, or bid and ask: market orders, orders in the spread, cancels at the best
RUN, INSIDE_RUN, WITHDRAWN_RUN = range(_M + 74, _M + 80, 2)
READY: Final = _M + 80  # reals (bid, ask): how readily orders there are withdrawn, over the mean
# scan: per side prices and lots of the first LEVELS levels, and how many there are, bid then ask
BEHIND: Final = (
    _M + 82
)  # ticks from the best bid and ask to the next level, set before `memory.update_classes`
SCAN: Final = _M + 84
SCAN_SIDE: Final = 2 * LEVELS + 1  # prices, lots, count
RING: Final = SCAN + 2 * SCAN_SIDE  # newest placements of each side: arrival << 24 | slot
RING_SIZE: Final = 16
RING_AT: Final = RING + 2 * RING_SIZE  # two words
LEAN_NS, LEAN_UP, LEAN_DOWN, TRADE_MOVED = range(RING_AT + 2, RING_AT + 6)
# LEAN_NS: when the lean was last counted; LEAN_UP, LEAN_DOWN: reals: its exponentials
# TRADE_MOVED: whether the last market order moved the mid
# of each side (bid, ask), as long as `lay.CHANGES_BID` of the book is what it was: SCAN, and the orders at the best
SCANNED, STOOD, STOOD_ARRIVAL, STANDING, STANDING_WEIGHT = range(LEAN_NS + 4, LEAN_NS + 14, 2)
# STOOD_ARRIVAL: `lay.ARRIVAL`, by which they age; STANDING: orders there
# STANDING_WEIGHT: reals: sums of the weights with which they are withdrawn
USED: Final = SCANNED + 10 - FLOW_MEMORY
