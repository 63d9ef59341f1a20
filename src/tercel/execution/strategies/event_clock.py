"""Strategies on the event clock: the clock itself, `guarded`, and takes that wait for their moment.

`EventClock` lets any strategy decide between the decisions of the schedule. `guarded` is the rule and the guard of the
shipped agents without their networks, `rest_and_take` the same for orders too large to rest; `spread_rule` takes a slice
when the spread is narrow, `take_timed` when a forecast says so too.

An order's slices are those of a TWAP. Within a slice a lot is taken when what taking costs now is small beside what it
usually costs, and the later in the slice the less it has to be; at the slice's end overdue lots are taken at any price.
Both decide on the clock of events, so that they see moments between decisions of the schedule.

Cost is half the spread for the spread rule, and half the spread less the expected cost of waiting for `take_timed`.
Without a forecast `take_timed` is the spread rule.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any, ClassVar, Final

import numpy as np

from tercel.core.arrays import Floats, Ints
from tercel.core.errors import refuse_if
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.execution.decoders import CatchUp, round_lots
from tercel.execution.foresight.forecaster import Forecaster, heard, shipped, spread_alone
from tercel.execution.intent import ANCHOR, AT_TOUCH, REST0, STEP, TAKE, Intents, K, View
from tercel.execution.strategies.baselines import MarketEstimates
from tercel.execution.strategies.tunable import FOR_ANY_MARKET, TwapRepeg
from tercel.execution.strategy import Strategy, Wrapper, hold, ladder, settle

# -- events clock ---------------------------------------------------------------------------------
# `EventClock`: any strategy, with further decisions when a touch moved or an own order was filled.
#
# A task's decisions are those of a schedule: so many slices, one decision at the beginning of each. Under this clock a
# strategy decides between them as well. It looks every `gap_ns`, and decides if a public touch moved or an own resting
# order was filled since its last decision, and at every tenth look, whatever happened. The number of a decision and what
# the market did "in the last interval" stay those of the schedule. So a schedule is the same at both clocks, and a
# strategy that holds between its slices acts as without the clock, to the byte.
# Between slices the lots at the touch or inside it stay there, up to the lots wanted in all, so that a touch that
# flickers costs no place in the queue. The rest changes by whole grains of the order (`execution.decoders`) or not at all,
# so that an agent that decides more often sends few more messages, and does not rest in tiny orders.

# Time between two looks.
GAP_NS: Final = NS_PER_SECOND


@dataclass(frozen=True)
class EventClock(Wrapper):
    """`inner`'s intents, decided on the clock of events.

    Parameters
    ----------
    inner : Strategy
        Anything.
    gap_ns : int
        Time between two looks.

    Raises
    ------
    ConfigError
        A gap below a millisecond.

    >>> from tercel.execution.strategies import build
    >>> EventClock(build("peg_touch")).name, EventClock(build("peg_touch")).gap_ns
    ('peg_touch+events', 1000000000)
    """

    suffix: ClassVar[str] = "+events"
    inner: Strategy
    gap_ns: int = GAP_NS

    def __post_init__(self) -> None:
        refuse_if(
            self.gap_ns < NS_PER_SECOND // 1000,
            "a gap of 1,000,000 ns or more",
            f"{self.gap_ns}",
            "a second, 1,000,000,000, is usual",
        )

    def decide(self, view: View) -> Intents:
        """Intents of the inner strategy; between two slices they give way to the resting lots."""
        return between_slices(self.inner.decide(view).astype(np.int32, casting="same_kind"), view)


def between_slices(intents: Intents, view: View) -> Intents:
    """`intents`, changed in place where the decision is none of the schedule's: lots at the touch or inside
    stays, up to the lots that are wanted at rest, and what changes are whole grains.

    >>> from tercel.execution.intent import ladder
    >>> from tercel.execution.observation import view_of
    >>> view = view_of(qty0=240, left=240, decisions=10, decision=1, time_left_ns=95, horizon_ns=100, rest1=50)
    >>> wanted = ladder(view.side, view.touch)
    >>> wanted[:, REST0] = 80
    >>> between_slices(wanted, view)[:, REST0 : REST0 + 2].tolist()
    [[30, 50]]
    """
    between = ~view.on_schedule
    if between.any():
        changed = intents[between]
        wanted = changed[:, REST0:].astype(np.int64)
        on_ladder = (changed[:, ANCHOR] == (view.touch + view.side)[between]) & (
            changed[:, STEP] == 1
        )
        at_best = on_ladder[:, None] & (np.arange(K) <= AT_TOUCH)
        resting = _first(np.where(at_best, view.rest[between], 0), wanted.sum(axis=1))
        more = _first(np.maximum(wanted - resting, 0), (wanted - resting).sum(axis=1))
        changed[:, REST0:] = resting + more
        round_lots(np.ascontiguousarray(view.x[between]), changed)
        intents[between] = changed
    return intents


def _first(lots: Ints, most: Ints) -> Ints:
    """First `most` (n,) lots of (n, K), from the first column on."""
    so_far: Ints = np.diff(np.minimum(np.cumsum(lots, axis=1), most[:, None]), axis=1, prepend=0)
    return so_far


# -- size -----------------------------------------------------------------------------------------

# Share of the expected volume up to which every agent and rule was tuned: beyond it passive orders wait for trades that do
# not come, and in a thin market lots left at the horizon are expensive.
BEYOND: Final = 0.20
# Strategy that takes what cannot rest beyond it, to compare with.
TAKES: Final = "rest_and_take"


def most_share(limits: Mapping[str, Any]) -> float:
    """The largest order that a policy is for, as a share of the expected volume: its card's, or `BEYOND` if that is more;
    infinite where the card says nothing of orders.

    >>> most_share({"share": [0.05, 0.2]}), most_share({"share": 0.1}), most_share({"share": 1.0}), most_share({})
    (0.2, 0.2, 1.0, inf)
    """
    span = span_of(limits.get("share"), 1.0)
    return inf if span is None else max(span[1], BEYOND)


def span_of(value: Any, scale: float) -> tuple[float, float] | None:
    """A number, or [lowest, highest]; None for what says nothing."""
    ends = value if isinstance(value, list | tuple) and len(value) == 2 else (value, value)
    if any(isinstance(end, bool) or not isinstance(end, int | float) for end in ends):
        return None
    return scale * ends[0], scale * ends[1]


# -- timed ----------------------------------------------------------------------------------------

# Least time between two looks.
LOOK_NS: Final = NS_PER_SECOND // 10
# Time before the horizon from which on all is overdue.
LAST_NS: Final = 10 * NS_PER_SECOND


@dataclass(frozen=True, eq=False)
class SpreadRule(Strategy):
    """Take a slice when the spread is small against its own past; at its end whatever it is.

    Parameters
    ----------
    narrow : float
        Spread over the usual one at or below which is taken as a slice begins.
    ease : float
        By how much more it may be at the slice's end.

    >>> from tercel.execution.strategies import build
    >>> build("spread_rule").gap_ns
    100000000
    """

    name: ClassVar[str] = "spread_rule"
    gap_ns: ClassVar[int] = LOOK_NS
    narrow: float = 0.5
    ease: float = 0.4

    def __post_init__(self) -> None:
        refuse_if(
            not (np.isfinite([self.narrow, self.ease]).all() and self.ease >= 0.0),
            "finite numbers, ease from 0",
            f"{self.narrow}, {self.ease}",
            "such as 0.5, 0.4",
        )

    @property
    def forecaster(self) -> Forecaster:
        """No forecasts, the usual spread alone."""
        return spread_alone()

    def cost(self, view: View) -> Floats:
        """Cost of taking over its usual value; NaN where the usual spread is not known."""
        usual = view.usual_spread
        return np.where(usual > 0, view.spread / np.where(usual > 0, usual, 1.0), np.nan)

    def decide(self, view: View) -> Intents:
        """Take the lots due in this slice when taking is cheap, and at its end."""
        intents = ladder(view)
        due, into = slices(view)
        cheap = self.cost(view) <= self.narrow + self.ease * into
        late, _ = slices(view, after=1)
        # no more than is shown at the touch: the rest of a slice has time
        intents[:, TAKE] = np.where(
            cheap, np.maximum(due, np.minimum(late, view.far_depth[:, 0])), due
        )
        return settle(intents, view)


@dataclass(frozen=True, eq=False)
class TakeTimed(SpreadRule):
    """Take a slice when half the spread less the expected cost of waiting is small, or at its end.

    Parameters
    ----------
    narrow, ease : float
        As of the spread rule.
    weight : float
        Of the forecast: above 1 for a forecast that shrinks uncertain moves to 0.
    model : str
        A pre-trained forecaster, or its folder; empty: the default one.
    """

    name: ClassVar[str] = "take_timed"
    narrow: float = 0.3
    ease: float = 0.6
    weight: float = 1.5
    model: str = ""

    @property
    def forecaster(self) -> Forecaster:
        """The shipped one, or that of a folder."""
        return heard(self.model) if self.model else shipped()

    def cost(self, view: View) -> Floats:
        """Half the spread less the weighted forecast, over half the usual spread."""
        tick_bps = 2e4 / np.maximum(np.abs(view.mid2), 1)
        said = np.where(view.forecast_10_sd_bps > 0, view.forecast_10_bps, 0.0)
        usual = np.where(view.usual_spread > 0, view.usual_spread, np.nan)
        return np.asarray((view.spread - 2.0 * self.weight * said / tick_bps) / usual)


def slices(view: View, after: int = 0) -> tuple[Ints, Floats]:
    """Lots that a TWAP of the task's decisions has behind it and we have not, at the slice `after` this one; and how
    much of the slice is over, 0 to 1.

    >>> from tercel.execution.observation import view_of
    >>> view = view_of(qty0=100, left=100, decisions=10, time_left_ns=690 * 10**9, horizon_ns=1000 * 10**9)
    >>> slices(view)[0].tolist()
    [30]
    """
    passed = (view.horizon_ns - view.time_left_ns) / np.maximum(view.horizon_ns, 1) * view.decisions
    slice_ = np.minimum(np.floor(passed + 1e-9), view.decisions - 1)
    target = -(-view.qty0 * (slice_ + after).astype(np.int64) // np.maximum(view.decisions, 1))
    target = np.where(view.time_left_ns <= LAST_NS, view.qty0, np.minimum(target, view.qty0))
    due: Ints = np.clip(target - view.done - view.inflight, 0, view.left)
    return due, np.clip(passed - slice_, 0.0, 1.0)


# -- guarded --------------------------------------------------------------------------------------

# Thresholds of the shipped agents' guard.
GUARD: Final = CatchUp(0.7, 0.5)
# What an order that rests pays over half the spread (`View.waiting`) in the presets' markets; a test measures it.
WAITING: Final = {"csco": 0.18, "ibm": 0.23, "amzn": 0.4, "goog": 0.06}


@dataclass(frozen=True)
class Guarded(Strategy):
    """`twap_repeg` with its generic numbers, moved in whole grains, behind a guard against late fills; on the clock of
    events.

    Parameters
    ----------
    base : Strategy
    guard : CatchUp, optional

    >>> from tercel.execution.observation import view_of
    >>> late = view_of(qty0=100, left=[80, 100], decision=59, decisions=60, far1=500)
    >>> Guarded().decide(late)[:, 0].tolist()
    [71, 91]
    """

    base: Strategy = field(default_factory=lambda: TwapRepeg(FOR_ANY_MARKET))
    guard: CatchUp | None = GUARD
    name: ClassVar[str] = "guarded"
    gap_ns: ClassVar[int] = GAP_NS

    def decide(self, view: View) -> Intents:
        """Intents of the rule, brought back to the schedule by taking where it is too late."""
        intents = self.base.decide(view)
        round_lots(view.x, intents)
        return between_slices(
            intents if self.guard is None else self.guard.applied(intents, view), view
        )


@dataclass(frozen=True, eq=False)
class RestAndTake(Strategy):
    """`guarded`, and lots beyond those that can rest are taken evenly, every ten seconds.

    Parameters
    ----------
    estimates : MarketEstimates
    most : float
        Share of the volume to come that may wait for it.

    >>> from tercel.execution.observation import view_of
    >>> large = view_of(qty0=1000, left=1000, far1=500, time_left_ns=100 * 10**9, horizon_ns=100 * 10**9)
    >>> RestAndTake(MarketEstimates(expected_volume=1000.0)).decide(large)[:, 0].tolist()
    [60]
    """

    name: ClassVar[str] = "rest_and_take"
    gap_ns: ClassVar[int] = NS_PER_SECOND
    estimates: MarketEstimates
    most: float = 0.4
    base: Strategy = field(default_factory=Guarded)

    def decide(self, view: View) -> Intents:
        """Intents of `guarded` at the schedule's decisions, what rests as it is between them, and an even take."""
        intents = self.base.decide(view).astype(np.int32, casting="same_kind")
        intents[~view.on_schedule] = hold(view)[~view.on_schedule]
        passed = 1.0 - view.time_left_ns / np.maximum(view.horizon_ns, 1)
        may_wait = self.most * self.estimates.volume_left(passed)
        step = np.maximum(np.minimum(10 * self.gap_ns, view.horizon_ns / view.decisions), 1)
        steps = np.maximum(np.ceil(view.time_left_ns / step - 1e-9), 1)
        lots = np.floor(np.maximum(view.left - may_wait, 0.0) / steps + 0.5)
        intents[:, TAKE] = np.maximum(intents[:, TAKE], lots)
        return settle(intents, view)
