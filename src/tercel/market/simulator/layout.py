"""Layout of a market's int64 array: clock, random streams, tallies, own account, commands, grid.

A market is two packed arrays: its book (int32, `tercel.market.book.layout`) and this one (int64). A batch stacks them
with a leading axis; copying row i of both copies world i. Kernels read and write the words by name (`records`).
"""

from typing import Final
from zlib import crc32

import numpy as np

from tercel.core.arrays import Ints
from tercel.core.messages import ANY_STYLE
from tercel.core.vocabulary import FOREVER_NS, NO_ASK, NO_BID
from tercel.market.tape import schema

# Clock and stop rules.
NOW, FLOW_NS, DUE_NS, DUE_EVENTS, DUE_VOLUME, DUE_HELD, HALTED, MODEL, ATTENTION = range(9)
# FLOW_NS: when the flow's next event happens
# DUE_NS, DUE_EVENTS, DUE_VOLUME: when the next decision falls due, or after how many flow events, or at which traded
#     volume (FOREVER: not by them)
# DUE_HELD: a decision fell due in a halt and waits for its end
# MODEL: one of the values from SANTA_FE on, below
# ATTENTION: own lots were acknowledged dead while new lots wait for them
CURSOR, CURSOR_END, FEED_LEVELS, ATTENTIVE, RECORD = range(9, 14)
# CURSOR, CURSOR_END, FEED_LEVELS: (replay) next tape row, end of the tape, levels the feed shows (0 all of them)
# ATTENTIVE: (exchange) stop after every moment in which own orders traded
# RECORD: rows written to the record

# Random streams (xoroshiro128+, two words each, as signed numbers).
FLOW_RNG, ENTRY_RNG, DRAW_RNG = range(14, 20, 2)
# the flow's stream, order-entry latency, a random strategy's draws

# Public tallies, all since the start, own lots excluded.
EVENTS, BOUGHT, SOLD, OFI, VARIANCE, MID2, PUBLIC_BID, PUBLIC_ASK, LAST_BID, LAST_ASK = range(
    20, 30
)
# BOUGHT: lots that public buyers took from public sellers
# OFI: order flow imbalance at the public touch, bid side positive (Cont, Kukanov & Stoikov 2014)
# VARIANCE: sum of squared mid moves, half-ticks^2
# MID2: last two-sided public mid, half-ticks (bid + ask)
# LAST_BID, LAST_ASK: last known public touches
REFILLED, DOUBLE_LOTS = range(30, 32)
# REFILLED: (martingale) the walk's mid, ticks
# DOUBLE_LOTS: (replay, rule 6) lots filled on tape and here

# Tallies as they stood at the previous observation.
SEEN: Final = 32  # SEEN_WORDS words: EVENTS, BOUGHT, SOLD, OFI, VARIANCE, MID2
SEEN_WORDS: Final = 6
ARRIVED: Final = 38  # five words: the same without MID2, at arrival

# The parent order and the own account.
(
    SIDE,
    QUANTITY,
    LEFT,
    START_NS,
    HORIZON_NS,
    DECISION,
    DECISIONS,
    PHASE,
    ARRIVAL_MID2,
    OWN_SEQUENCE,
) = range(43, 53)
# LEFT: lots of the parent not yet filled
# DECISION: decisions taken
# PHASE: WARMING, WORKING, CLOSING, DONE
WAITING_TAKE, WAITING_LIMIT, WAITING_ANCHOR, WAITING_STEP, WAITING_REST = range(53, 58)
# WAITING_TAKE: lots to take that wait for cancels to be acknowledged; WAITING_REST: RUNGS words
RUNGS: Final = 5
OWN_OVERFLOW, LATENCY_KIND, LATENCY_A, LATENCY_B, AT_MID = range(62, 67)
# OWN_OVERFLOW: own orders that found no ledger place
# LATENCY_KIND: CONSTANT, UNIFORM, EXPONENTIAL
# LATENCY_A: ns: the constant, the lower bound
# LATENCY_B: ns: the upper bound, or the mean above the lower bound
# AT_MID: book every own fill at the mid of its time (the martingale guard)

# Costs, half-ticks x lots.
SPREAD, WALK, TIMING, FORCED_SPREAD, FORCED_WALK, FORCED_TIMING = range(67, 73)
PASSIVE_LOTS, FORCED_LOTS, UNFILLED_LOTS, FILL_ROWS, STEP_CASH, DECISION_MID2, CLOCK_EVENTS = range(
    73, 80
)
# STEP_CASH: execution against the mid at decision since the last decision: sum s (2 p - mid2_decision) q
# CLOCK_EVENTS: flow events between decisions, 0: decisions fall on a time grid

# Commands in flight: a ring.
COMMAND_HEAD, COMMAND_TAIL, COMMAND_LAST_NS, COMMAND_OVERFLOW, CLOCK_VOLUME, RUN_OUT, BEGAN_NS = (
    range(80, 87)
)
# COMMAND_LAST_NS: arrival of the newest: commands of one session never overtake
# CLOCK_VOLUME: public lots between decisions, 0: not by volume
# RUN_OUT: 1: an order filled early still runs to its horizon (for the grid of mids)
# BEGAN_NS: start of the warm-up
(
    RECORD_AT,
    RECORD_ROWS,
    LOG_AT,
    LOG_ROWS,
    AGGRESSOR_MID2,
    AGGRESSOR_SIDE,
    AGGRESSOR_NS,
    THEIRS,
    LIMIT,
) = range(87, 96)
# RECORD_AT, RECORD_ROWS: where the record lies in this array; its capacity, 0: nothing is recorded
# LOG_AT, LOG_ROWS: the same of the log of own fills
# AGGRESSOR_MID2: mid that the public aggressor of this moment met, just before it arrived
# AGGRESSOR_SIDE, AGGRESSOR_NS: (replay) rows of one time and side are one aggressor
# THEIRS: (replay) 1: what a trade at an own order's price filled twice stays the tape's
# LIMIT: worst price that the parent order may trade at, ticks; 0: any
COMMANDS: Final = 96
COMMAND_SLOTS: Final = 64
AT_NS, WHAT, WHO, AT_PRICE, HOW_MANY, HOW, COMMAND = range(7)
# words of a command: arrival ns, what, own index, price, lots, flags; how many they are

# The time grid of mids, and guidance of signals and risk as integers (see `execution.guidance`).
GRID_NEXT: Final = COMMANDS + COMMAND_SLOTS * COMMAND  # index of the next grid point
GRID_POINTS: Final = GRID_NEXT + 1
ALPHA, ALPHA_SD, HALF_LIFE_NS, URGENCY, MAX_PARTICIPATION, STYLES, SIZE_MULTIPLIER = range(
    GRID_NEXT + 2, GRID_NEXT + 9
)
# ALPHA, ALPHA_SD: expected move of the mid over its horizon, up is positive, and its standard deviation, milli-bps
# HALF_LIFE_NS: how fast it is used up
# URGENCY: 0 to MILLION
# MAX_PARTICIPATION: own lots a million lots traded, own included; MILLION: no cap
# STYLES: bits of `core.messages.Style`
# SIZE_MULTIPLIER: millionths
MILLION: Final = 1_000_000

# Memory of the flow model: FLOW_WORDS words of its own, floats as their bits (`records.real`).
FLOW_MEMORY: Final = GRID_NEXT + 10
FLOW_WORDS: Final = 176
SESSION_NS: Final = (
    FLOW_MEMORY  # (all models) when the session opened, so that NOW - SESSION_NS is the time of day
)

# Regimes: the law in force (`market.regimes`).
REGIME_NS, REGIME, REGIME_RNG = range(FLOW_MEMORY + FLOW_WORDS, FLOW_MEMORY + FLOW_WORDS + 3)
# when it changes next (FOREVER: never); number of the regime in force; two words: the stream of the chain
REGIME_MEMORY: Final = REGIME_NS + 4
REGIME_WORDS: Final = 24
LIMIT_FACTOR, MARKET_FACTOR, CANCEL_FACTOR, PACE_FACTOR, LEAN = range(
    REGIME_MEMORY, REGIME_MEMORY + 5
)
# reals, read where REGIME is not 0 (0: the market as it was calibrated)
# LEAN: -1 to 1: how far the flow leans to buying
CHANGE_NS, PHASE_NS, SEASON_NS, REGIME_PHASE, ENTRY, SEASON = range(
    REGIME_MEMORY + 5, REGIME_MEMORY + 11
)
# CHANGE_NS: when the chain or the script changes it; PHASE_NS: when its next phase begins
# SEASON_NS: when the next step of the season begins; SEASON: real: factor of the time of day
# REGIME_PHASE: the phase in force, counted over all regimes
# ENTRY: the script's next entry

# Impact: own volume under its kernel, shift that is due, shift that is done (`market.impact`).
IMPACT_NS: Final = REGIME_NS + REGIME_WORDS  # when the next instalment falls due; FOREVER: none
IMPACT: Final = IMPACT_NS + 1  # NO_IMPACT, TRANSLATION, WEIGHTS
SHIFT: Final = IMPACT_NS + 2  # ticks by which the public book was translated since the world began
IMPACT_MEMORY: Final = IMPACT_NS + 3
IMPACT_WORDS: Final = 40
BIAS, PENDING, LAW_NS, ROUNDING, RESTED, KERNEL = range(IMPACT_MEMORY, IMPACT_MEMORY + 6)
# BIAS: (WEIGHTS) real: log factor of public market sells, above 0 after own buying
# PENDING, LAW_NS: own lots traded since the law last looked, buying positive; when it last looked
# RESTED: those of PENDING that resting orders filled
# ROUNDING: real in (0, 1): where this world rounds up; 0: no own order has traded
# KERNEL: reals: own mean trades under each exponential of the kernel
KERNEL_WORDS: Final = IMPACT_WORDS - 8

# Fees and latencies of the venue (`market.simulator.terms`).
TERMS: Final = IMPACT_NS + IMPACT_WORDS
MAKER_FEE, TAKER_FEE, MAKER_RATE, TAKER_RATE, FEES, FEES_REST, HIDDEN_LOTS = range(TERMS, TERMS + 7)
# MAKER_FEE, TAKER_FEE: a lot, FEE_UNIT-ths of a half-tick; below 0: a rebate
# MAKER_RATE, TAKER_RATE: of the value, FEE_UNIT-ths
# FEES, FEES_REST: charged on own fills so far, half-ticks x lots, and what was rounded off, FEE_UNIT-ths
# HIDDEN_LOTS: lots of hidden executions
FEED_KIND, FEED_A, FEED_B, FEED_AT_NS, FEED_DRAWN, FEED_RNG = range(TERMS + 7, TERMS + 13)
# FEED_KIND, FEED_A, FEED_B: feed latency, as LATENCY_KIND, LATENCY_A, LATENCY_B
# FEED_AT_NS, FEED_DRAWN: the moment for which it was last drawn, and how long it was
# FEED_RNG: two words: the stream of feed latency
LATENCY_VALUES: Final = 32  # equally likely values of an EMPIRICAL latency
ENTRY_TABLE: Final = TERMS + 14
FEED_TABLE: Final = ENTRY_TABLE + LATENCY_VALUES
DELAY_NS: Final = FEED_TABLE + LATENCY_VALUES
"""Mean time from what a decision sees until its orders arrive, as the task has it: feed and order entry together."""
TERMS_WORDS: Final = 80

# What earlier decision intervals showed (`execution.observation`).
PAST: Final = (
    TERMS + TERMS_WORDS
)  # the interval before the last first; zeros where the order is younger
PAST_INTERVALS: Final = 3
PAST_FEATURES: Final = 6  # volume with and against, order flow imbalance, variance, events, drift
PAST_WORDS: Final = PAST_INTERVALS * PAST_FEATURES

# The background: the public's book without own orders (`market.simulator.background`).
APART, RESTORE_NS, BACKGROUND = range(PAST + PAST_WORDS, PAST + PAST_WORDS + 3)
# APART: TOGETHER, WILL_PART, PARTED
# RESTORE_NS: when lots that own orders took come back next; FOREVER: none do
# BACKGROUND: the background's own EVENTS to LAST_ASK, while those of the shown book take their places
TALLIES: Final = 10
MIRROR_ROW, MIRROR_AT, MIRROR_ROOM = range(BACKGROUND + TALLIES, BACKGROUND + TALLIES + 3)
# rows of its record, where they lie, how many there is room for
TRANSLATED_LOTS, CROSSED_LOTS, UNFILLED_TICKS = range(MIRROR_ROW + 3, MIRROR_ROW + 6)
# TRANSLATED_LOTS: own resting lots that the law's move of the book filled
# CROSSED_LOTS: own resting lots that arriving public limit orders filled
# UNFILLED_TICKS: what lots that the book cannot fill pay beyond the end of the ladder
WORST_PAID, UNFILLED_PAID, BEGAN_MID2 = range(MIRROR_ROW + 6, MIRROR_ROW + 9)
# WORST_PAID: worst price of the parent order so far, 0: it has traded nothing
# UNFILLED_PAID: what those lots were booked at: sum s (2 p - arrival mid2) q, half-ticks x lots
# BEGAN_MID2: mid when the warm-up began
RESIDUAL, SPARES = range(MIRROR_ROW + 9, MIRROR_ROW + 11)
# how many residual orders there are, and below which all spare slots in use lie (`market.simulator.background`)
MIRROR: Final = APART + 24
MIRROR_ROWS: Final = 128  # of one event of the flow; more: the visible book is rebuilt

# The clock of events: decisions between those of the schedule (`execution.step`).
GAP_NS, LAST_NS, HAPPENED, SEEN_SLICE, TAKEN = range(
    MIRROR + MIRROR_ROWS * 8, MIRROR + MIRROR_ROWS * 8 + 5
)
# GAP_NS: time between two looks at what happened, 0: decisions of the schedule alone
# LAST_NS, HAPPENED: when the last decision was taken; 1: something that matters happened since
# SEEN_SLICE: number of the decision of the schedule that the last observation belonged to, from 1; 0: there was none
# TAKEN: decisions taken, whatever called for them
LONGEST_GAPS: Final = 10
"""A decision falls due so many gaps after the last one at the latest, whatever happened."""

# Undercutting: public orders drawn because an own order improves the touch (`market.simulator.undercutting`).
UNDERCUT: Final = GAP_NS + 5
UNDERCUT_NS, RIVALS, ALONE_AT, ALONE_SINCE, HAZARD_NS = range(UNDERCUT + 1, UNDERCUT + 6)
# UNDERCUT: (replay) where the rates lie among the flow's parameters, 0: no undercutting
# UNDERCUT_NS: when the next undercutting order comes or goes, or its rate changes; FOREVER: none
# RIVALS: number of them in the book
# ALONE_AT, ALONE_SINCE: own price alone inside the public spread (NO_BID: none), and since when
# HAZARD_NS: up to when the hazard was used up
HAZARD_LEFT, HAZARD, UNDERCUT_RNG = range(UNDERCUT + 6, UNDERCUT + 9)
# HAZARD_LEFT, HAZARD: reals: hazard left until the next one comes, and the rate in force, 1/s; UNDERCUT_RNG: two words
RIVAL_UNTIL: Final = UNDERCUT + 10
RIVAL_SLOTS: Final = 8
"""The last public slots of a replayed book are for undercutting orders; RIVAL_UNTIL: end of each order, 0: free."""

# The market second by second, and its forecast (`simulator.past_seconds`).
SECONDS_AT, SECONDS_ROOM, SECOND, FIRST_SECOND, USUAL_SPREAD, FORECAST = range(
    RIVAL_UNTIL + RIVAL_SLOTS, RIVAL_UNTIL + RIVAL_SLOTS + 6
)
# SECONDS_AT, SECONDS_ROOM: where the ring of seconds lies in this array, for how many it has room; 0: none are stored,
#     below 0: they are frozen while the background acts
# SECOND, FIRST_SECOND: the next one to be stored, and the first one that was, seconds of the market's clock; 0: none yet
# USUAL_SPREAD: mean spread of the stored seconds, thousandths of a tick; 0: not known
# FORECAST: expected move of the mid, up is positive, and its standard deviation, milli-bps, over 10 s and over 30 s; a
#     standard deviation of 0: no forecast
FORECAST_WORDS: Final = 4
PAST_SECONDS: Final = 1024
"""Seconds that a ring has room for: the longest past that anything looks at, and some."""

# Recent events and their decaying sums (`simulator.recent_sums`).
TRADED_NS, TRADED_SIDE, TRADED_PRICE, PRINTED_NS, MOVED_NS, MOVED_BY, LATELY = range(
    FORECAST + FORECAST_WORDS, FORECAST + FORECAST_WORDS + 7
)
# TRADED_NS, PRINTED_NS, MOVED_NS: the last trade, hidden execution, move of the mid
# TRADED_SIDE, TRADED_PRICE: the last aggressor's side; price of the last trade, hidden ones too, 0: there was none
# MOVED_BY: the mid's last move, half-ticks
# LATELY: reals: sums as they stood then
LATELY_WORDS: Final = 10

# Residual orders (`market.simulator.residual_orders`).
RESIDUAL_SLOTS: Final = 64
"""Room for residual public orders; so many of the last public slots of the visible book are spare."""
RESIDUAL_AT: Final = LATELY + LATELY_WORDS  # slots of the residual orders
SPARE_AT: Final = (
    RESIDUAL_AT + RESIDUAL_SLOTS
)  # of each spare slot: 1 + the background's slot whose order it shows, 0: none
EARLY: Final = SPARE_AT + RESIDUAL_SLOTS
# two words, of own bids and of own asks: lots that limit orders traded with them and that aggressors will not

GRID: Final = EARLY + 2  # mids[G], lots[G], forced lots[G]; then the record, the log, the seconds


# Values of the words above.
SANTA_FE, REPLAY, MARTINGALE, QUEUE_REACTIVE = range(4)
SHIPPED: Final = {"santa_fe": SANTA_FE, "queue_reactive": QUEUE_REACTIVE, "resampled": REPLAY}
FOREIGN: Final = 1 << 12
"""Models with a number from here on come from other packages; there are as many numbers."""

TOGETHER, WILL_PART, PARTED = range(3)
"""One book, and the flow sees own orders; one book so far, with the first own order the public has one of its own."""

NO_IMPACT, TRANSLATION, WEIGHTS = range(3)
"""The public book is translated to where the law wants it; own flow leans on the weights of public events."""

# The head that every flow model's parameters begin with: float64 words.
# words 0 to 5, and those from FLOW_HEAD on, are the model's own
REGIMES_AT, IMPACT_AT, FLOW_HEAD = range(6, 9)
# where the regimes' parameters and the impact law's lie in the same array, 0: there are none; how many words they are

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

# The record: 8-word rows.
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

# The log of own fills: 7-word rows.
FILL_WORDS: Final = (
    7  # ns, price ticks, lots, mid2, touch2, passive, forced (UNFILLED: booked, no counterparty)
)


# The ring of seconds: 10-word rows, as the market stood at the end of each.
SECOND_WORDS: Final = 10
SECOND_MID2: Final = 5
# bought, sold, ofi, hidden lots, events, mid2; sums of squared moves of 1 s and of 10 s, of spreads, of lots

# The tape as kernels read it: int64[n, 6] rows.
T_NS, T_KIND, T_SLOT, T_SIDE, T_PRICE, T_LOTS, TAPE_WORDS = range(7)


OWN_ORDERS: Final = 64
"""Own orders that can be alive at once: what keeps its places in many queues while prices wander needs this many."""


def number_of(kind: str, apart: bool) -> int:
    """Number of a flow model by its name, the same in every process and installation.

    Of other packages' models the last bit says that the flow never sees own orders.
    """
    half = FOREIGN // 2
    return SHIPPED.get(kind, FOREIGN + 2 * (crc32(kind.encode()) % half) + apart)


def always_apart(model: int) -> bool:
    """Whether a flow never sees own orders, by choice; others do, unless they are under the law of impact."""
    return model == QUEUE_REACTIVE or (model >= FOREIGN and model % 2 == 1)


def extend(
    state: Ints, grid_points: int, record_rows: int = 0, log_rows: int = 0, seconds: int = 0
) -> Ints:
    """Copy of a market's int64 array (or a stack) with room for a grid of mids, a record, own fills and past seconds.

    Parameters
    ----------
    state : int64[..., >= GRID]
        Only its first GRID words are copied.
    grid_points, record_rows, log_rows, seconds : int
        Points of the time grid, rows of each store (a full record wraps, as seconds do; a full log stops).
    """
    record_at = GRID + 3 * grid_points
    log_at = record_at + record_rows * RECORD_WORDS
    seconds_at = log_at + log_rows * FILL_WORDS
    extended = np.zeros((*state.shape[:-1], seconds_at + seconds * SECOND_WORDS), np.int64)
    extended[..., :GRID] = state[..., :GRID]
    extended[..., GRID_POINTS] = grid_points
    extended[..., [RECORD_AT, RECORD_ROWS, LOG_AT, LOG_ROWS]] = (
        record_at,
        record_rows,
        log_at,
        log_rows,
    )
    extended[..., [SECONDS_AT, SECONDS_ROOM]] = seconds_at if seconds else 0, seconds
    return extended


def blank_state(model: int) -> Ints:
    """A market's initial int64 array, without the grid."""
    state = np.zeros(GRID, np.int64)
    state[MODEL] = model
    state[[DUE_NS, DUE_EVENTS, DUE_VOLUME]] = FOREVER_NS
    state[[FLOW_NS, REGIME_NS, IMPACT_NS, RESTORE_NS, UNDERCUT_NS]] = FOREVER_NS
    state[APART] = WILL_PART if always_apart(model) else TOGETHER
    state[[PUBLIC_BID, PUBLIC_ASK]] = NO_BID, NO_ASK
    state[[LAST_BID, LAST_ASK]] = NO_BID, NO_ASK
    state[[MAX_PARTICIPATION, SIZE_MULTIPLIER]] = MILLION
    state[STYLES] = int(ANY_STYLE)
    state[HORIZON_NS] = 1
    state[DECISIONS] = 1
    return state
