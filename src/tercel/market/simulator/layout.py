"""Layout of a market's int64 array: clock, random streams, tallies, own account, commands, grid.

A market is two packed arrays: its book (int32, `tercel.market.book.layout`) and this one (int64). A batch stacks them
with a leading axis; copying row i of both copies world i. Kernels read and write the words by name (`records`).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from tercel.market.tape import schema

# -- clock and stop rules ----------------------------------------------------------------------------------------------
NOW: Final = 0
FLOW_NS: Final = 1  # when the flow's next event happens
DUE_NS: Final = 2  # when the next decision falls due
DUE_EVENTS: Final = 3  # ... or after how many flow events (FOREVER: not by events)
DUE_VOLUME: Final = 4  # ... or at which traded volume (FOREVER: not by volume)
DUE_HELD: Final = 5  # a decision fell due in a halt and waits for its end
HALTED: Final = 6
MODEL: Final = 7  # SANTA_FE, REPLAY, MARTINGALE, QUEUE_REACTIVE, HAWKES, CHERIDITO_WEISS
ATTENTION: Final = 8  # own lots were acknowledged dead while new lots wait for them
CURSOR: Final = 9  # (replay) next tape row
CURSOR_END: Final = 10  # (replay) end of the tape
FEED_LEVELS: Final = 11  # (replay) levels the feed shows, 0 all of them
ATTENTIVE: Final = 12  # (exchange) stop after every moment in which own orders traded
RECORD: Final = 13  # rows written to the record

# -- random streams (xoroshiro128+ words as signed numbers) ------------------------------------------------------------
FLOW_RNG: Final = 14  # two words: the flow's stream
ENTRY_RNG: Final = 16  # two words: order-entry latency
DRAW_RNG: Final = 18  # two words: a random strategy's draws

# -- public tallies, all since the start, own lots excluded ------------------------------------------------------------
EVENTS: Final = 20
BOUGHT: Final = 21  # lots that public buyers took from public sellers
SOLD: Final = 22
OFI: Final = 23  # order flow imbalance at the public touch, bid side positive (Cont, Kukanov & Stoikov 2014)
VARIANCE: Final = 24  # sum of squared mid moves, half-ticks^2
MID2: Final = 25  # last two-sided public mid, half-ticks (bid + ask)
PUBLIC_BID: Final = 26
PUBLIC_ASK: Final = 27
LAST_BID: Final = 28  # last known public touches
LAST_ASK: Final = 29
REFILLED: Final = 30  # (martingale) the walk's mid, ticks
DOUBLE_LOTS: Final = 31  # (replay, rule 6) lots filled on tape and here

# -- tallies as they stood at the previous observation -----------------------------------------------------------------
SEEN: Final = 32  # SEEN_WORDS words: EVENTS, BOUGHT, SOLD, OFI, VARIANCE, MID2
SEEN_WORDS: Final = 6
ARRIVED: Final = 38  # five words: the same without MID2, at arrival

# -- the parent order and the own account ------------------------------------------------------------------------------
SIDE: Final = 43
QUANTITY: Final = 44
LEFT: Final = 45  # lots of the parent not yet filled
START_NS: Final = 46
HORIZON_NS: Final = 47
DECISION: Final = 48  # decisions taken
DECISIONS: Final = 49
PHASE: Final = 50  # WARMING, WORKING, CLOSING, DONE
ARRIVAL_MID2: Final = 51
OWN_SEQUENCE: Final = 52
WAITING_TAKE: Final = 53  # lots to take that wait for cancels to be acknowledged
WAITING_LIMIT: Final = 54
WAITING_ANCHOR: Final = 55
WAITING_STEP: Final = 56
WAITING_REST: Final = 57  # RUNGS words
RUNGS: Final = 5
OWN_OVERFLOW: Final = 62  # own orders that found no ledger place
LATENCY_KIND: Final = 63  # CONSTANT, UNIFORM, EXPONENTIAL
LATENCY_A: Final = 64  # ns: the constant, the lower bound
LATENCY_B: Final = 65  # ns: the upper bound, or the mean above the lower bound
AT_MID: Final = 66  # book every own fill at the mid of its time (the martingale guard)

# -- costs, half-ticks x lots ------------------------------------------------------------------------------------------
SPREAD, WALK, TIMING, FORCED_SPREAD, FORCED_WALK, FORCED_TIMING = range(67, 73)
PASSIVE_LOTS, FORCED_LOTS, UNFILLED_LOTS, FILL_ROWS = range(73, 77)
STEP_CASH: Final = 77  # execution against the mid at decision since the last decision: sum s (2 p - mid2_decision) q
DECISION_MID2: Final = 78
CLOCK_EVENTS: Final = 79  # flow events between decisions, 0: decisions fall on a time grid

# -- commands in flight: a ring ----------------------------------------------------------------------------------------
COMMAND_HEAD: Final = 80
COMMAND_TAIL: Final = 81
COMMAND_LAST_NS: Final = 82  # arrival of the newest: commands of one session never overtake
COMMAND_OVERFLOW: Final = 83
CLOCK_VOLUME: Final = 84  # public lots between decisions, 0: not by volume
RUN_OUT: Final = 85  # 1: an order filled early still runs to its horizon (for the grid of mids)
BEGAN_NS: Final = 86  # start of the warm-up
RECORD_AT: Final = 87  # where the record lies in this array
RECORD_ROWS: Final = 88  # its capacity, 0: nothing is recorded
LOG_AT: Final = 89  # where the log of own fills lies
LOG_ROWS: Final = 90
AGGRESSOR_MID2: Final = 91  # mid that the public aggressor of this moment met, just before it arrived
AGGRESSOR_SIDE: Final = 92  # (replay) rows of one time and side are one aggressor
AGGRESSOR_NS: Final = 93
THEIRS: Final = 94  # (replay) 1: what a trade at an own order's price filled twice stays the tape's
LIMIT: Final = 95  # worst price that the parent order may trade at, ticks; 0: any
LIMIT_PARTS: Final = 100_000_000  # what a limit of the mid at arrival is told in
COMMANDS: Final = 96
COMMAND_SLOTS: Final = 64
COMMAND: Final = 6  # words: arrival ns, what, own index, price, lots, flags
AT_NS, WHAT, WHO, AT_PRICE, HOW_MANY, HOW = range(6)

# -- the time grid of mids ---------------------------------------------------------------------------------------------
GRID_NEXT: Final = COMMANDS + COMMAND_SLOTS * COMMAND  # index of the next grid point
GRID_POINTS: Final = GRID_NEXT + 1

# -- guidance: what signals and risk say, as integers (see `execution.guidance`) ---------------------------------------
ALPHA: Final = GRID_NEXT + 2  # expected move of the mid over its horizon, milli-bps, up is positive
ALPHA_SD: Final = ALPHA + 1  # its standard deviation, milli-bps
HALF_LIFE_NS: Final = ALPHA + 2  # ... and how fast it is used up
URGENCY: Final = ALPHA + 3  # 0 to MILLION
MAX_PARTICIPATION: Final = ALPHA + 4  # own lots a million lots traded, own included; MILLION: no cap
STYLES: Final = ALPHA + 5  # bits of `core.messages.Style`
SIZE_MULTIPLIER: Final = ALPHA + 6  # millionths
GUIDANCE: Final = 8  # words
MILLION: Final = 1_000_000

# -- memory of the flow model: FLOW_WORDS words of its own, floats as their bits (`float_bits`) --
FLOW_MEMORY: Final = ALPHA + GUIDANCE
FLOW_WORDS: Final = 160
SESSION_NS: Final = FLOW_MEMORY  # (all models) when the session opened, so that NOW - SESSION_NS is the time of day

# -- regimes: what is in force now (`market.regimes`) ------------------------------------------------------------------
REGIME_NS: Final = FLOW_MEMORY + FLOW_WORDS  # when it changes next; FOREVER: never
REGIME: Final = REGIME_NS + 1  # number of the regime in force
REGIME_RNG: Final = REGIME_NS + 2  # two words: the stream of the chain
REGIME_MEMORY: Final = REGIME_NS + 4
REGIME_WORDS: Final = 24
LIMIT_FACTOR: Final = REGIME_MEMORY  # reals, read where REGIME is not 0 (0: the market as it was calibrated)
MARKET_FACTOR: Final = REGIME_MEMORY + 1
CANCEL_FACTOR: Final = REGIME_MEMORY + 2
PACE_FACTOR: Final = REGIME_MEMORY + 3
LEAN: Final = REGIME_MEMORY + 4  # -1 to 1: how far the flow leans to buying
CHANGE_NS: Final = REGIME_MEMORY + 5  # when the chain or the script changes it
PHASE_NS: Final = REGIME_MEMORY + 6  # when its next phase begins
SEASON_NS: Final = REGIME_MEMORY + 7  # when the next step of the season begins
REGIME_PHASE: Final = REGIME_MEMORY + 8  # the phase in force, counted over all regimes
ENTRY: Final = REGIME_MEMORY + 9  # the script's next entry
SEASON: Final = REGIME_MEMORY + 10  # real: factor of the time of day

# -- impact: own volume under its kernel, what is owed, what was shifted (`market.impact`) -----------------------------
IMPACT_NS: Final = REGIME_NS + REGIME_WORDS  # when the next instalment falls due; FOREVER: none
IMPACT: Final = IMPACT_NS + 1  # NO_IMPACT, TRANSLATION, WEIGHTS
SHIFT: Final = IMPACT_NS + 2  # ticks by which the public book was translated since the world began
IMPACT_MEMORY: Final = IMPACT_NS + 3
IMPACT_WORDS: Final = 40
BIAS: Final = IMPACT_MEMORY  # (WEIGHTS) real: log factor of public market sells, above 0 after own buying
PENDING: Final = IMPACT_MEMORY + 1  # own lots traded since the law last looked, buying positive
LAW_NS: Final = IMPACT_MEMORY + 2  # when it last looked
ROUNDING: Final = IMPACT_MEMORY + 3  # real in (0, 1): where this world rounds up; 0: nothing of ours has traded
KERNEL: Final = IMPACT_MEMORY + 4  # reals: own mean trades under each exponential of the kernel
KERNEL_WORDS: Final = IMPACT_WORDS - 7

# -- what the venue asks and how late it speaks (`market.simulator.terms`) ---------------------------------------------
TERMS: Final = IMPACT_NS + IMPACT_WORDS
MAKER_FEE: Final = TERMS  # a lot, FEE_UNIT-ths of a half-tick; below 0: a rebate
TAKER_FEE: Final = TERMS + 1
MAKER_RATE: Final = TERMS + 2  # of the value, FEE_UNIT-ths
TAKER_RATE: Final = TERMS + 3
FEES: Final = TERMS + 4  # charged on own fills so far, half-ticks x lots
FEES_REST: Final = TERMS + 5  # ... and what was rounded off, FEE_UNIT-ths
FEE_UNIT: Final = 100_000_000
HIDDEN_LOTS: Final = TERMS + 6  # lots of hidden executions
FEED_KIND: Final = TERMS + 7  # feed latency, as LATENCY_KIND, LATENCY_A, LATENCY_B
FEED_A: Final = TERMS + 8
FEED_B: Final = TERMS + 9
FEED_AT_NS: Final = TERMS + 10  # the moment for which it was last drawn
FEED_DRAWN: Final = TERMS + 11  # ... and how long it was
FEED_RNG: Final = TERMS + 12  # two words: the stream of feed latency
LATENCY_VALUES: Final = 32  # equally likely values of an EMPIRICAL latency
ENTRY_TABLE: Final = TERMS + 14
FEED_TABLE: Final = ENTRY_TABLE + LATENCY_VALUES
TERMS_WORDS: Final = 80

# -- what the decision intervals before the last one showed (`execution.observation`) ----------------------------------
PAST: Final = TERMS + TERMS_WORDS  # the interval before the last first; zeros where the order is younger
PAST_INTERVALS: Final = 3
PAST_FEATURES: Final = 6  # volume with and against, order flow imbalance, variance, events, drift
PAST_WORDS: Final = PAST_INTERVALS * PAST_FEATURES

# -- the background market: the public's book without us (`market.simulator.background`) -------------------------------
APART: Final = PAST + PAST_WORDS  # TOGETHER, WILL_PART, PARTED
RESTORE_NS: Final = APART + 1  # when lots that own orders took come back next; FOREVER: none do
BACKGROUND: Final = APART + 2  # the background's own EVENTS to LAST_ASK, while ours stand in their places
TALLIES: Final = 10
MIRROR_ROW: Final = BACKGROUND + TALLIES  # rows of its record, where they lie, how many there is room for
MIRROR_AT: Final = MIRROR_ROW + 1
MIRROR_ROOM: Final = MIRROR_ROW + 2
TRANSLATED_LOTS: Final = MIRROR_ROW + 3  # own resting lots that the law's move of the book filled
CROSSED_LOTS: Final = MIRROR_ROW + 4  # own resting lots that arriving public limit orders filled
WORST_PAID: Final = MIRROR_ROW + 6  # worst price of the parent order so far, 0: it has traded nothing
UNFILLED_TICKS: Final = MIRROR_ROW + 5  # what lots that the book cannot fill pay beyond the end of the ladder
UNFILLED_PAID: Final = MIRROR_ROW + 7  # what those were booked at: sum s (2 p - arrival mid2) q, half-ticks x lots
BEGAN_MID2: Final = MIRROR_ROW + 8  # mid when the warm-up began
MIRROR: Final = APART + 24
MIRROR_ROWS: Final = 128  # of one event of the flow; more: the book on show is laid anew

GRID: Final = MIRROR + MIRROR_ROWS * 8  # mids[G], lots[G], forced lots[G]; then the record, then the log


# -- values ------------------------------------------------------------------------------------------------------------
SANTA_FE, REPLAY, MARTINGALE, QUEUE_REACTIVE, HAWKES, CHERIDITO_WEISS = range(6)

TOGETHER: Final = 0  # one book: the flow sees own orders
WILL_PART: Final = 1  # one book so far; with the first own order the public has one of its own
PARTED: Final = 2
ALWAYS_APART: Final = (QUEUE_REACTIVE, HAWKES)
"""Models whose flow never sees own orders; the others do, unless they are under the law of impact."""

NO_IMPACT, TRANSLATION, WEIGHTS = range(3)
"""The public book stands where the law wants it; own flow leans on the weights of public events."""

# -- the head that every flow model's parameters begin with: float64 words ---------------------------------------------
# words 0 to 5 are the model's own
REGIMES_AT: Final = 6  # where the regimes' parameters lie in the same array, 0: there are none
IMPACT_AT: Final = 7  # ... and the impact law's
FLOW_HEAD: Final = 8

WARMING, WORKING, CLOSING, DONE = range(4)
"""Phases of a parent order; closing: the order at the horizon is on its way."""

NEW: Final = 1
CANCEL: Final = 2
IMMEDIATE: Final = 1  # flag of NEW: what cannot match at once is dropped
FORCED: Final = 2  # flag of NEW: the order sent at the horizon
UNFILLED: Final = 2  # in the log of fills, word forced

CONSTANT, UNIFORM, EXPONENTIAL, EMPIRICAL = range(4)
"""Latencies; the last draws one of LATENCY_VALUES values."""

DUE, ACKNOWLEDGED, NO_MORE = range(3)
"""Why `advance` returned."""

# -- the record: 8-word rows -------------------------------------------------------------------------------------------
R_NS, R_KIND, R_WHO, R_SIDE, R_PRICE, R_LOTS, R_MID2, R_TOUCH2, RECORD_WORDS = range(9)
"""Kind: of the tape, or an own kind below. Who: order slot or own index. Of own fills the mid before the aggressor
arrived and the doubled touch that it met; of public executions 1 in the touch when an own order was the aggressor."""
OWN_REST: Final = 33
OWN_FILL: Final = 34
OWN_DEAD: Final = 35
"""Lots of an own order acknowledged dead: cancelled, or the dropped rest of an immediate order."""
OWN_SENT: Final = 36
"""A command leaves: side is NEW or CANCEL, mid2 its flags, touch2 when it arrives."""
WALKED: Final = 37
"""(martingale) the walk's mid is now `price`."""
GUIDED: Final = 38
"""New guidance: who is alpha, side its sd, price its half-life, lots the urgency, mid2 the participation cap, touch2
styles << 32 | size multiplier."""
OWN_DENIED: Final = 39
"""As OWN_DEAD, of a command that was not let through: nothing that waits is tried before the next decision."""
SHIFTED: Final = schema.SHIFTED
REGIME_IS: Final = 41
"""Regime `price` is in force from here on, in its phase `lots`."""

# -- the log of own fills: 7-word rows ---------------------------------------------------------------------------------
FILL_WORDS: Final = 7  # ns, price ticks, lots, mid2, touch2, passive, forced (UNFILLED: booked, nobody sold them)


# -- the tape as kernels read it: int64[n, 6] rows ---------------------------------------------------------------------
T_NS, T_KIND, T_SLOT, T_SIDE, T_PRICE, T_LOTS, TAPE_WORDS = range(7)


def extend(k: NDArray[np.int64], grid_points: int, record_rows: int = 0, log_rows: int = 0) -> NDArray[np.int64]:
    """Extend a market's int64 array (or a stack) by a grid of mids, a record and a log of own fills.

    Parameters
    ----------
    k : int64[..., >= GRID]
        Only its first GRID words are kept.
    grid_points, record_rows, log_rows : int
        Points of the time grid, rows of each store (a full record wraps, a full log stops).
    """
    record_at = GRID + 3 * grid_points
    log_at = record_at + record_rows * RECORD_WORDS
    out = np.zeros((*k.shape[:-1], log_at + log_rows * FILL_WORDS), np.int64)
    out[..., :GRID] = k[..., :GRID]
    out[..., GRID_POINTS] = grid_points
    out[..., [RECORD_AT, RECORD_ROWS, LOG_AT, LOG_ROWS]] = record_at, record_rows, log_at, log_rows
    return out
