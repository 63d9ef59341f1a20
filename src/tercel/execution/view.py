"""`View`: what a strategy sees at a decision of n markets, by named columns."""

from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar, overload

import numpy as np

from tercel.core.arrays import Bools, Floats, Ints
from tercel.core.vocabulary import NO_ASK
from tercel.execution import columns as c
from tercel.market.simulator.layout import PAST_FEATURES, PAST_INTERVALS, RUNGS

Values = TypeVar("Values", Ints, Floats)


class _Column(Generic[Values]):
    """Property of a view: a column by name, (n,), or `count` columns, (n, count); divided by `parts` if given."""

    array = "x"

    def __init__(self, first: int, doc: str, count: int = 0, parts: float = 0.0) -> None:
        self.index: Any = slice(first, first + count) if count else first
        self.parts = parts
        self.__doc__ = doc

    @overload
    def __get__(self, view: None, kind: type | None = None) -> Self: ...
    @overload
    def __get__(self, view: "View", kind: type | None = None) -> Values: ...
    def __get__(self, view: "View | None", kind: type | None = None) -> Any:
        if view is None:
            return self
        columns = getattr(view, self.array)[:, self.index]
        return columns / self.parts if self.parts else columns


class _Order(_Column[Ints]):
    """Property: a private column, integers."""


class _Scaled(_Column[Floats]):
    """Property: a private column as a fraction of a unit."""


class _Market(_Column[Ints]):
    """Property: a market column, integers."""

    array = "m"


class _Outlook(_Column[Floats]):
    """Property: a column of a forecaster; 0 without a forecaster."""

    array = "outlook_rows"


@dataclass(frozen=True, eq=False)
class View:
    """What a strategy sees at one decision of `n` markets, by named read-only columns.

    Every property is an array with one row per market: int64 (n,) unless stated otherwise; prices in ticks, mids in half
    ticks, sizes in lots, times in ns. A user's strategy, observation and reward get a copy whose arrays refuse to be
    written to (:meth:`read_only`), so that it may be stored.

    Parameters
    ----------
    x : int64 (n, PX)
        Private columns: the order, time, own orders.
    m : int64 (n, MX)
        Market columns, own orders excluded.
    draw : float64 (n,)
        One uniform number in [0, 1) a decision, fixed by the market's seed: all the randomness a strategy may
        use.
    outlook : int64 (n, OUTLOOK), optional
        Columns of a forecaster; None without a forecaster.

    >>> x, m = np.zeros((1, c.PX), np.int64), np.zeros((1, c.MX), np.int64)
    >>> view = View(x, m, np.zeros(1))
    >>> view.x[0, [c.QTY0, c.LEFT]] = 100, 60
    >>> view.n, view.done.tolist()
    (1, [40])
    """

    x: Ints
    m: Ints
    draw: Floats
    outlook: Ints | None = None

    def read_only(self) -> "View":
        """A copy whose arrays cannot be written to and are not overwritten by later decisions.

        >>> view = View(*(np.zeros((1, 99)) for _ in range(2)), np.zeros(1)).read_only()
        >>> view.left.flags.writeable
        False
        """
        outlook = None if self.outlook is None else self.outlook.copy()
        copy = View(self.x.copy(), self.m.copy(), self.draw.copy(), outlook)
        for array in (copy.x, copy.m, copy.draw, copy.outlook):
            if array is not None:
                array.setflags(write=False)
        return copy

    @property
    def n(self) -> int:
        """Number of markets."""
        return len(self.x)

    # the order

    side = _Order(c.SIDE, "+1 buy, -1 sell.")
    qty0 = _Order(c.QTY0, "Lots of the parent order.")
    left = _Order(c.LEFT, "Lots not yet filled.")

    @property
    def done(self) -> Ints:
        """Lots filled."""
        return self.qty0 - self.left

    decision = _Order(c.DECISION, "Number of this decision, from 0.")
    decisions = _Order(c.DECISIONS, "Decisions in the horizon.")

    @property
    def decisions_left(self) -> Ints:
        """Decisions from this one on, at least 1."""
        return np.asarray(np.maximum(self.decisions - self.decision, 1))

    @property
    def on_schedule(self) -> Bools:
        """Whether this decision is one of the schedule, bool (n,); on the event clock other decisions fall between."""
        passed: Ints = self.horizon_ns - self.time_left_ns
        return np.asarray(
            passed == self.decision * self.horizon_ns // np.maximum(self.decisions, 1)
        )

    time_left_ns = _Order(c.TIME_LEFT_NS, "Nanoseconds to the horizon.")
    horizon_ns = _Order(c.HORIZON_NS, "Nanoseconds from arrival to the horizon.")

    # own orders

    live = _Order(c.LIVE, "Own lots not known dead: in flight, resting, cancel pending.")
    outside_lots = _Order(c.OUTSIDE_LOTS, "Own resting lots off the default ladder.")
    inflight = _Order(c.INFLIGHT, "Own lots sent and not yet at the market.")
    rest = _Order(
        c.REST0, "(n, RUNGS) own lots resting at improve, touch, touch-1, touch-2, touch-3.", RUNGS
    )
    ahead = _Order(
        c.AHEAD0, "(n, RUNGS) lots ahead of the first own order there, -1 where none.", RUNGS
    )

    # guidance of signals and risk

    alpha_bps = _Scaled(
        c.ALPHA,
        "Expected move of the mid against the order over the forecast's life, bps; positive: waiting costs.",
        parts=1000.0,
    )
    alpha_sd_bps = _Scaled(c.ALPHA_SD, "Standard deviation of that forecast, bps.", parts=1000.0)
    half_life_ns = _Order(
        c.HALF_LIFE_NS, "Time in which half of the expected move is over; 0: no forecast."
    )
    urgency = _Scaled(c.URGENCY, "Urgency of the risk state, 0 to 1.", parts=1e6)
    max_participation = _Scaled(
        c.MAX_PARTICIPATION,
        "Cap of the risk state on the own share of all lots traded; 1: none.",
        parts=1e6,
    )
    styles = _Order(c.STYLES, "Allowed styles, bits of `core.messages.Style`.")
    size_multiplier = _Scaled(c.SIZE_MULTIPLIER, "Size multiplier of the risk state.", parts=1e6)

    # the outlook: what a forecaster says

    @property
    def outlook_rows(self) -> Ints:
        """Columns of a forecaster, (n, OUTLOOK); zeros without a forecaster."""
        return np.zeros((self.n, c.OUTLOOK), np.int64) if self.outlook is None else self.outlook

    usual_spread = _Outlook(
        c.USUAL_SPREAD, "Mean spread of the last quarter hour, ticks; 0: not known.", parts=1000.0
    )
    forecast_10_bps = _Outlook(
        c.FORECAST_10,
        "Move of the mid expected in 10 s, from when an order sent now arrives, against the order; bps, positive: waiting costs.",
        parts=1000.0,
    )
    forecast_10_sd_bps = _Outlook(
        c.FORECAST_10_SD,
        "Standard deviation of that forecast, bps; 0: no forecast.",
        parts=1000.0,
    )
    forecast_30_bps = _Outlook(
        c.FORECAST_30,
        "Move of the mid expected in 30 s, from when an order sent now arrives, against the order; bps, positive: waiting costs.",
        parts=1000.0,
    )
    forecast_30_sd_bps = _Outlook(
        c.FORECAST_30_SD,
        "Standard deviation of that forecast, bps; 0: no forecast.",
        parts=1000.0,
    )

    waiting = _Outlook(
        c.WAITING,
        "What an order that rests cost on earlier days, own impact and fees left out, over the half spread; 0: not known.",
        parts=1e6,
    )
    fees_bps = _Outlook(
        c.FEES,
        "What taking is charged more than resting, bps; 0 without fees, and where they are not known.",
        parts=1000.0,
    )

    # the market

    undercut = _Order(
        c.UNDERCUT,
        "Ticks by which the best order drawn by the fill assumption `undercut` is better than the tape's best price.",
    )

    @property
    def touch(self) -> Ints:
        """Best public price on the own side, ticks; in replay it includes orders that a fill assumption adds."""
        return np.asarray(self.m[:, c.TOUCH] + self.x[:, c.SIDE] * self.x[:, c.UNDERCUT])

    far = _Market(c.FAR, "Best public price on the far side, ticks.")

    @property
    def spread(self) -> Ints:
        """Ticks between the best public prices, (n,); 0 if a side is not quoted, 0 or below if prices lock or cross."""
        touch = self.touch
        far = self.far
        quoted = (np.abs(touch) < NO_ASK) & (np.abs(far) < NO_ASK)
        return np.where(quoted, (far - touch) * self.side, 0)

    mid2 = _Market(c.MID2, "Bid + ask, half ticks.")
    arrival_mid2 = _Market(c.ARRIVAL_MID2, "Bid + ask at arrival, half ticks.")
    own_depth = _Market(
        c.OWN1, "(n, 5) public lots on the occupied levels of the own side, best first.", c.LEVELS
    )
    far_depth = _Market(
        c.FAR1, "(n, 5) public lots on the occupied levels of the far side, best first.", c.LEVELS
    )
    v_seen = _Market(c.V_SEEN, "Public lots traded since arrival, own trades excluded.")
    v_same = _Market(c.V_SAME, "Aggressor lots on the task's side in the last interval.")
    v_against = _Market(c.V_AGAINST, "Aggressor lots against the task's side in the last interval.")
    ofi = _Market(
        c.OFI, "Order flow imbalance of the last interval, lots, towards the task's side."
    )
    rv = _Market(c.RV, "Sum of squared half-tick moves of the mid in the last interval.")
    events = _Market(c.EVENTS, "Public events in the last interval.")

    @property
    def halted(self) -> Bools:
        """True while trading is halted."""
        return np.asarray(self.m[:, c.HALTED] != 0)

    rv_long = _Market(
        c.RV_LONG,
        "Squared half-tick moves of the mid a decision interval, on average since the warm-up began.",
    )
    drift = _Market(
        c.DRIFT, "Half ticks that the mid moved in the last interval, towards the task's side."
    )

    @property
    def past(self) -> Ints:
        """The intervals before the last one, youngest first, (n, 3, 6): volume with and against, order flow imbalance, squared
        moves, events and drift."""
        return self.m[:, c.PAST0 : c.AGE_NS].reshape(self.n, PAST_INTERVALS, PAST_FEATURES)

    age_ns = _Market(c.AGE_NS, "Nanoseconds since the warm-up began, long before the arrival.")
    long_same = _Market(c.LONG_SAME, "Aggressor lots on the task's side since the warm-up began.")
    long_against = _Market(
        c.LONG_AGAINST, "Aggressor lots against the task's side since the warm-up began."
    )
    long_ofi = _Market(
        c.LONG_OFI, "Order flow imbalance since the warm-up began, lots, towards the task's side."
    )
    long_drift = _Market(
        c.LONG_DRIFT, "Half ticks that the mid moved the task's way since the warm-up began."
    )
    seen_against = _Market(c.SEEN_AGAINST, "Aggressor lots against the task's side since arrival.")

    @property
    def tradable(self) -> Bools:
        """Whether the market is open and both sides are quoted, bool (n,); elsewhere every strategy holds."""
        quoted: Bools = (np.abs(self.touch) < NO_ASK) & (np.abs(self.far) < NO_ASK)
        return quoted & ~self.halted


def fields() -> dict[str, str]:
    """Description of every field of a view, by name; properties included.

    >>> fields()["far"]
    'Best public price on the far side, ticks.'
    """
    draw_field = {
        "draw": "float64 (n,) one uniform number in [0, 1) a decision.",
    }
    named = {
        name: str(attribute.__doc__)
        for name, attribute in vars(View).items()
        if isinstance(attribute, _Column | property)
    }
    return {name: " ".join(text.split()) for name, text in (named | draw_field).items()}
