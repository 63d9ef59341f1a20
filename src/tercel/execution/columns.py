"""Columns of a strategy's view: `x`, private state of the order, and `m`, the public market without own orders.

Both are int64 arrays with a leading axis over markets. Nothing in `m` depends on own orders being in the
book, so a row of `x` may be paired with another market's row of `m` (that is how adaptability is measured).
Prices are ticks, lots are lots, times ns; `touch` is the best public price on the task's own side (where it
would rest), `far` on the other side (where it would take).
"""

from typing import Final

from tercel.market.simulator.layout import PAST_INTERVALS, PAST_WORDS, RUNGS

# The default observation, that of the packaged policies (`execution.observation`).
OBSERVATION: Final = "v3"

# x: private columns. The fields of `View` say what each is, in units of people where they differ.

SIDE, QTY0, LEFT, DECISION, DECISIONS, TIME_LEFT_NS, HORIZON_NS, LIVE, OUTSIDE_LOTS, INFLIGHT = (
    range(10)
)
REST0, REST1, REST2, REST3, REST4 = range(10, 10 + RUNGS)
# own lots at improve (touch + side); REST0 + j is j ticks behind it
AHEAD0, AHEAD1, AHEAD2, AHEAD3, AHEAD4 = range(REST0 + RUNGS, REST0 + 2 * RUNGS)
ALPHA, ALPHA_SD, HALF_LIFE_NS, URGENCY, MAX_PARTICIPATION, STYLES, SIZE_MULTIPLIER, UNDERCUT, PX = (
    range(AHEAD4 + 1, AHEAD4 + 10)
)
# ALPHA and ALPHA_SD in milli-bps; URGENCY, MAX_PARTICIPATION and SIZE_MULTIPLIER in millionths; UNDERCUT:
# ticks by which drawn orders (the bound `undercut`) are better than `touch`; PX: number of columns

# m: market columns

TOUCH, FAR, MID2, ARRIVAL_MID2 = range(4)
# TOUCH: NO_BID or NO_ASK when that side is empty; MID2: the last two-sided one when a side is empty
# Occupied levels shown of each side.
LEVELS: Final = 5
OWN1, OWN2, OWN3, OWN4, OWN5 = range(4, 4 + LEVELS)
FAR1, FAR2, FAR3, FAR4, FAR5 = range(OWN1 + LEVELS, OWN1 + 2 * LEVELS)
V_SEEN, V_SAME, V_AGAINST, OFI, RV, EVENTS, HALTED, RV_LONG, DRIFT, PAST0 = range(
    FAR1 + LEVELS, FAR1 + LEVELS + 10
)
# PAST0: what the decision intervals before the last one showed, `PAST_FEATURES` columns an interval, the youngest first
AGE_NS: Final = PAST0 + PAST_WORDS
LONG_SAME, LONG_AGAINST, LONG_OFI, SEEN_AGAINST, LONG_DRIFT, MX = range(AGE_NS + 1, AGE_NS + 7)
# AGE_NS: what the next three columns add up over; SEEN_AGAINST: what resting orders could have been filled by; MX: how
# many there are
(
    PAST_SAME1,
    PAST_AGAINST1,
    PAST_OFI1,
    PAST_RV1,
    PAST_EVENTS1,
    PAST_DRIFT1,
    PAST_SAME2,
    PAST_AGAINST2,
    PAST_OFI2,
    PAST_RV2,
    PAST_EVENTS2,
    PAST_DRIFT2,
    PAST_SAME3,
    PAST_AGAINST3,
    PAST_OFI3,
    PAST_RV3,
    PAST_EVENTS3,
    PAST_DRIFT3,
) = range(PAST0, AGE_NS)

# the outlook: columns of a forecaster, in markets with one

USUAL_SPREAD, FORECAST_10, FORECAST_10_SD, FORECAST_30, FORECAST_30_SD, WAITING, FEES, OUTLOOK = (
    range(8)
)
# USUAL_SPREAD: mean of the last quarter hour, thousandths of a tick, 0: not known; the others milli-bps, a standard
# deviation of 0: no forecast; WAITING: what resting cost on earlier days, millionths of the half spread, 0: not known;
# FEES: what a taker is charged more than a maker, milli-bps; OUTLOOK: how many there are

X_NAMES: Final = (
    *("side", "qty0", "left", "decision", "decisions", "time_left_ns", "horizon_ns"),
    *("live", "outside_lots", "inflight"),
    *(f"rest{j}" for j in range(RUNGS)),
    *(f"ahead{j}" for j in range(RUNGS)),
    *(
        "alpha",
        "alpha_sd",
        "half_life_ns",
        "urgency",
        "max_participation",
        "styles",
        "size_multiplier",
        "undercut",
    ),
)
M_NAMES: Final = (
    *("touch", "far", "mid2", "arrival_mid2"),
    *(f"own{k}" for k in range(1, LEVELS + 1)),
    *(f"far{k}" for k in range(1, LEVELS + 1)),
    *("v_seen", "v_same", "v_against", "ofi", "rv", "events", "halted", "rv_long", "drift"),
    *(
        f"past_{quantity}{back}"
        for back in range(1, PAST_INTERVALS + 1)
        for quantity in ("same", "against", "ofi", "rv", "events", "drift")
    ),
    *("age_ns", "long_same", "long_against", "long_ofi", "seen_against", "long_drift"),
)
