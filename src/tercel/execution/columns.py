"""Columns of what a strategy sees: `x`, its own private state, and `m`, the public market without its own
orders.

Both are int64 arrays with a leading axis over markets. Nothing in `m` depends on own orders being in the
book, so a row of `x` may be paired with another market's row of `m` (that is how adaptability is measured).
Prices are ticks, lots are lots, times ns; `touch` is the best public price on the task's own side (where it
would rest), `far` on the other side (where it would take).
"""

from typing import Final

from tercel.execution.intent import K
from tercel.market.simulator.layout import PAST_INTERVALS, PAST_WORDS

# x: private columns

SIDE: Final = 0
"""+1 when the order buys, -1 when it sells."""
QTY0: Final = 1
"""Lots of the parent order."""
LEFT: Final = 2
"""Lots not yet filled."""
DECISION: Final = 3
"""Number of this decision, from 0."""
DECISIONS: Final = 4
"""Decisions in the horizon."""
TIME_LEFT_NS: Final = 5
HORIZON_NS: Final = 6
LIVE: Final = 7
"""Own lots not known dead: in flight, resting, cancel pending."""
OUTSIDE_LOTS: Final = 8
"""Own resting lots off the default ladder."""
INFLIGHT: Final = 9
"""Own lots sent and not yet at the market."""
REST0: Final = 10
"""Own lots at improve (touch + side); REST0 + j stands j ticks behind it."""
AHEAD0: Final = REST0 + K
"""Lots ahead of the first own order at rung 0, -1 when none; AHEAD0 + j for rung j."""
ALPHA: Final = AHEAD0 + K
"""Expected move of the mid against the order, milli-bps: positive says that waiting costs."""
ALPHA_SD: Final = ALPHA + 1
"""Standard deviation of that forecast, milli-bps."""
HALF_LIFE_NS: Final = ALPHA + 2
"""Half of the expected move is over after so long; 0: no forecast."""
URGENCY: Final = ALPHA + 3
"""Posture's urgency, 0 to a million."""
MAX_PARTICIPATION: Final = ALPHA + 4
"""Posture's cap on own lots a million lots traded; a million: no cap."""
STYLES: Final = ALPHA + 5
"""Allowed styles, bits of `core.messages.Style`."""
SIZE_MULTIPLIER: Final = ALPHA + 6
"""Posture's size multiplier, millionths."""
PX: Final = ALPHA + 7
"""Number of private columns."""

# m: market columns

TOUCH: Final = 0
"""Best public price on the own side, ticks; NO_BID or NO_ASK when that side is empty."""
FAR: Final = 1
"""Best public price on the far side, ticks."""
MID2: Final = 2
"""Bid + ask, half ticks; the last two-sided one when a side is empty."""
ARRIVAL_MID2: Final = 3
OWN1: Final = 4
"""Public lots on the first occupied level of the own side; OWN1 + k for level k + 1."""
LEVELS: Final = 5
"""Occupied levels shown of each side."""
FAR1: Final = OWN1 + LEVELS
"""Public lots on the first occupied level of the far side."""
V_SEEN: Final = FAR1 + LEVELS
"""Public lots traded since arrival, own trades excluded."""
V_SAME: Final = V_SEEN + 1
"""Aggressor lots on the task's side in the last interval."""
V_AGAINST: Final = V_SAME + 1
"""Aggressor lots against the task's side in the last interval."""
OFI: Final = V_AGAINST + 1
"""Order flow imbalance of the last interval, lots, positive towards the task's side."""
RV: Final = OFI + 1
"""Sum of squared half-tick moves of the mid in the last interval."""
EVENTS: Final = RV + 1
"""Public events in the last interval."""
HALTED: Final = EVENTS + 1
"""1 while trading is halted."""
RV_LONG: Final = HALTED + 1
"""Squared half-tick moves of the mid a decision interval, on average since the warm-up began."""
DRIFT: Final = RV_LONG + 1
"""Half ticks that the mid moved in the last interval, positive towards the task's side."""
PAST0: Final = DRIFT + 1
"""What the decision intervals before the last one showed, `PAST_FEATURES` columns an interval, the youngest first:
volume with and against, order flow imbalance, variance, events, drift; zeros where the order is younger."""
AGE_NS: Final = PAST0 + PAST_WORDS
"""Nanoseconds since the warm-up began, long before the arrival: what the next three columns add up over."""
LONG_SAME: Final = AGE_NS + 1
"""Aggressor lots on the task's side since the warm-up began, own trades excluded."""
LONG_AGAINST: Final = AGE_NS + 2
"""Aggressor lots against the task's side since the warm-up began."""
LONG_OFI: Final = AGE_NS + 3
"""Order flow imbalance since the warm-up began, lots, positive towards the task's side."""
SEEN_AGAINST: Final = AGE_NS + 4
"""Aggressor lots against the task's side since arrival: what resting orders could have been filled by."""
LONG_DRIFT: Final = AGE_NS + 5
"""Half ticks that the mid moved since the warm-up began, positive towards the task's side."""
MX: Final = AGE_NS + 6
"""Number of market columns."""

# the rest of the numbered columns, and all names in order

REST1, REST2, REST3, REST4 = (REST0 + j for j in range(1, K))
AHEAD1, AHEAD2, AHEAD3, AHEAD4 = (AHEAD0 + j for j in range(1, K))
OWN2, OWN3, OWN4, OWN5 = (OWN1 + k for k in range(1, LEVELS))
FAR2, FAR3, FAR4, FAR5 = (FAR1 + k for k in range(1, LEVELS))
(
    PAST_SAME1, PAST_AGAINST1, PAST_OFI1, PAST_RV1, PAST_EVENTS1, PAST_DRIFT1,
    PAST_SAME2, PAST_AGAINST2, PAST_OFI2, PAST_RV2, PAST_EVENTS2, PAST_DRIFT2,
    PAST_SAME3, PAST_AGAINST3, PAST_OFI3, PAST_RV3, PAST_EVENTS3, PAST_DRIFT3,
) = range(PAST0, AGE_NS)  # fmt: skip

X_NAMES: Final = (
    *("side", "qty0", "left", "decision", "decisions", "time_left_ns", "horizon_ns"),
    *("live", "outside_lots", "inflight"),
    *(f"rest{j}" for j in range(K)),
    *(f"ahead{j}" for j in range(K)),
    *("alpha", "alpha_sd", "half_life_ns", "urgency", "max_participation", "styles", "size_multiplier"),
)
M_NAMES: Final = (
    *("touch", "far", "mid2", "arrival_mid2"),
    *(f"own{k}" for k in range(1, LEVELS + 1)),
    *(f"far{k}" for k in range(1, LEVELS + 1)),
    *("v_seen", "v_same", "v_against", "ofi", "rv", "events", "halted", "rv_long", "drift"),
    *(
        f"past_{what}{back}"
        for back in range(1, PAST_INTERVALS + 1)
        for what in ("same", "against", "ofi", "rv", "events", "drift")
    ),
    *("age_ns", "long_same", "long_against", "long_ofi", "seen_against", "long_drift"),
)
