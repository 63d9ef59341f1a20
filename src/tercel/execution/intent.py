"""The intent: the decision of every strategy, an int32 row per market.

It has the lots to take now and the lots wanted at rest on a ladder of prices; lots in neither are held back. It is the
*wanted* state: reconcile compares it with the live own orders and sends the fewest commands. Rung `j` rests at
``anchor - side * step * j``; a rung at or through the far touch is a marketable limit.
"""

from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, Self, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tercel.core.arrays import Bools, Floats, Ints
from tercel.core.errors import ConfigError
from tercel.core.vocabulary import NO_ASK
from tercel.execution import columns as c
from tercel.market.simulator.layout import PAST_FEATURES, PAST_INTERVALS, RUNGS

Values = TypeVar("Values", Ints, Floats)

# Lots to take now.
TAKE: Final = 0
# Worst price for them, ticks.
TAKE_LIMIT: Final = 1
# Price of rung 0, ticks.
ANCHOR: Final = 2
# Treatment of own orders off the ladder: KEEP or CANCEL.
OUTSIDE: Final = 3
# Ticks between rungs.
STEP: Final = 4
# Lots wanted on rung 0; REST0 + j on rung j.
REST0: Final = 5
# Rungs.
K: Final = RUNGS
# Columns of an intent.
WIDTH: Final = REST0 + K

KEEP: Final = 0
CANCEL: Final = 1

# Rung one tick inside the own touch, on the default ladder.
IMPROVE: Final = 0
# Rung at the own touch, on the default ladder.
AT_TOUCH: Final = 1
# ``side * MARKET_LIMIT`` as take_limit means any price.
MARKET_LIMIT: Final = NO_ASK

# Beyond it no price can be said: rows are int32.
FARTHEST: Final = 2**31 - 1

# int32 (n, WIDTH).
Intents = NDArray[np.int32]


class _Column(Generic[Values]):
    """A column of a view by name, or `count` of them, (n,) or (n, count); in parts of a unit where it has parts."""

    array = "x"

    def __init__(self, first: int, doc: str, count: int = 0, parts: float = 0.0) -> None:
        self.at: Any = slice(first, first + count) if count else first
        self.parts = parts
        self.__doc__ = doc

    @overload
    def __get__(self, view: None, kind: type | None = None) -> Self: ...
    @overload
    def __get__(self, view: "View", kind: type | None = None) -> Values: ...
    def __get__(self, view: "View | None", kind: type | None = None) -> Any:
        if view is None:
            return self
        columns = getattr(view, self.array)[:, self.at]
        return columns / self.parts if self.parts else columns


class _Order(_Column[Ints]):
    """A private column."""


class _Scaled(_Column[Floats]):
    """A private column in parts of a unit."""


class _Market(_Column[Ints]):
    """A column of the market."""

    array = "m"


class _Outlook(_Column[Floats]):
    """Column of a forecaster; 0 without a forecaster."""

    array = "outlook_rows"


@dataclass(frozen=True, eq=False)
class View:
    """One decision of `n` markets. Strategies read it by name and never write to it.

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
        """A copy that cannot be written to and that no later decision overwrites.

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
        """Whether this decision is one of the schedule, bool (n,); on a clock of events others fall between."""
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
        "Move of the mid expected in 10 s, against the order; bps, positive: waiting costs.",
        parts=1000.0,
    )
    forecast_10_sd_bps = _Outlook(
        c.FORECAST_10_SD,
        "Standard deviation of that forecast, bps; 0: no forecast.",
        parts=1000.0,
    )
    forecast_30_bps = _Outlook(
        c.FORECAST_30,
        "Move of the mid expected in 30 s, against the order; bps, positive: waiting costs.",
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
        """Best public price on the own side, ticks; in replay with the orders that a bound drew."""
        return np.asarray(self.m[:, c.TOUCH] + self.x[:, c.SIDE] * self.x[:, c.UNDERCUT])

    far = _Market(c.FAR, "Best public price on the far side, ticks.")

    @property
    def spread(self) -> Ints:
        """Ticks between the best public prices; 0 where a side is not quoted."""
        touch, far = self.touch, self.far
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
        """(n, 3, 6) the intervals before the last one, the youngest first: volume with and against, order flow
        imbalance, variance, events, drift."""
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
        """True where the market is open and both sides are quoted: elsewhere every strategy holds."""
        quoted: Bools = (np.abs(self.touch) < NO_ASK) & (np.abs(self.far) < NO_ASK)
        return quoted & ~self.halted


def fields() -> dict[str, str]:
    """Fields of a view: description by name.

    >>> fields()["far"]
    'Best public price on the far side, ticks.'
    """
    given = {
        "draw": "float64 (n,) one uniform number in [0, 1) a decision.",
    }
    named = {
        name: str(one.__doc__)
        for name, one in vars(View).items()
        if isinstance(one, _Column | property)
    }
    return {name: " ".join(text.split()) for name, text in (named | given).items()}


def empty(n: int) -> Intents:
    """Create `n` empty intents: no lots, and all own orders cancelled.

    Anchor and take_limit are 0; see :func:`ladder` for intents ready to be filled in.

    >>> empty(2).tolist()
    [[0, 0, 0, 1, 1, 0, 0, 0, 0, 0], [0, 0, 0, 1, 1, 0, 0, 0, 0, 0]]
    """
    intents = np.zeros((n, WIDTH), np.int32)
    intents[:, OUTSIDE] = CANCEL
    intents[:, STEP] = 1
    return intents


def ladder(side: Ints, touch: Ints) -> Intents:
    """Intents with no lots yet on the default ladder: improve, touch, touch-1, touch-2, touch-3; taking at
    any price.

    Parameters
    ----------
    side : int64 (n,)
        +1 buy, -1 sell.
    touch : int64 (n,)
        Best public price of the own side, ticks.

    >>> ladder(np.array([1, -1]), np.array([100, 101]))[:, [TAKE_LIMIT, ANCHOR]].tolist()
    [[1073741824, 101], [-1073741824, 100]]
    """
    intents = empty(len(side))
    intents[:, TAKE_LIMIT] = side * MARKET_LIMIT
    intents[:, ANCHOR] = touch + side
    return intents


def clip(intents: Intents, left: Ints) -> Intents:
    """The same intents, in place, with negative lots at 0 and take + rest at most `left`.

    Excess lots are cut from the back: the deepest rung first, the take last.

    >>> row = empty(1)
    >>> row[0, [TAKE, REST0, REST0 + 1]] = 4, 4, 4
    >>> clip(row, np.array([10]))[0].tolist()
    [4, 0, 0, 1, 1, 4, 2, 0, 0, 0]
    """
    lots = np.empty((len(intents), 1 + K), np.int64)
    lots[:, 0] = intents[:, TAKE]
    lots[:, 1:] = intents[:, REST0:]
    np.maximum(lots, 0, out=lots)
    upto = np.minimum(np.cumsum(lots, axis=1), np.maximum(left, 0)[:, None])
    intents[:, TAKE] = upto[:, 0]
    intents[:, REST0:] = np.diff(upto, axis=1)
    return intents


@dataclass(frozen=True, eq=False)
class Intent:
    """Intent of a strategy at a decision, by named fields; :meth:`rows` converts it to the int32 rows that markets
    read.

    Every field is one whole number for all markets, or an array of n, one for each. By default resting orders stay and
    nothing is taken: ``Intent()`` changes nothing. Lots beyond the order's remaining lots are cut, the deepest rung
    first and the take last.

    Parameters
    ----------
    take : int or int (n,)
        Lots to take now. 0 if left out.
    take_limit : int or int (n,), optional
        Worst price for them, ticks. Any price if left out.
    rest : int, int (n,), int (n, 5) or int (1, 5), optional
        Lots wanted at rest from now on. One number per market: all of them at `anchor`, or at the best price of the own
        side where `anchor` is left out. Five a market: at ``anchor - side * step * j`` for j = 0 .. 4. Orders already
        at these prices count and keep their queue positions. Left out: own orders stay as they are.
    anchor : int or int (n,), optional
        Price of the first rung, ticks. Left out, with five numbers a market: one tick better than the best price of
        the own side, so that the second rung is at it.
    step : int or int (n,)
        Ticks between two rungs. 1 if left out.
    outside : {"keep", "cancel"}, optional
        Treatment of own orders on no rung. If left out: "keep" without `rest`, "cancel" with it.

    Raises
    ------
    ConfigError
        From :meth:`rows`: no whole numbers, lots below zero, or another number of rows.

    >>> from tercel.execution.observation import view_of
    >>> view = view_of(left=[30, 20], touch=500)
    >>> Intent(take=(view.left + 1) // 2).rows(view)[:, TAKE].tolist()
    [15, 10]
    >>> Intent(rest=view.left).rows(view)[:, REST0:].tolist()
    [[0, 30, 0, 0, 0], [0, 20, 0, 0, 0]]
    """

    take: ArrayLike = 0
    take_limit: ArrayLike | None = None
    rest: ArrayLike | None = None
    anchor: ArrayLike | None = None
    step: ArrayLike = 1
    outside: Literal["keep", "cancel"] | None = None

    def rows(self, view: View) -> Intents:
        """Convert to int32 (n, WIDTH), cut to the remaining lots.

        Parameters
        ----------
        view : View
            The decision of n markets that it answers.
        """
        if self.outside not in (None, "keep", "cancel"):
            raise ConfigError(
                "outside as keep or cancel", repr(self.outside), "leave it out for the default"
            )
        if self.rest is None and self.anchor is not None:
            raise ConfigError("rest beside anchor", "anchor alone", "say how many lots rest there")
        n, most = view.n, np.maximum(view.left, 0)
        rows = ladder(view.side, view.touch)
        rows[:, TAKE] = np.minimum(_column("take", _lots("take", self.take), n), most)
        if self.take_limit is not None:
            rows[:, TAKE_LIMIT] = _prices("take_limit", self.take_limit, n)
        keep = self.rest is None if self.outside is None else self.outside == "keep"
        rows[:, OUTSIDE] = KEEP if keep else CANCEL
        if self.rest is None:
            rows[:, REST0:] = view.rest
            return clip(rows, view.left)
        if self.anchor is not None:
            rows[:, ANCHOR] = _prices("anchor", self.anchor, n)
        rows[:, STEP] = _prices("step", self.step, n)
        rungs = _lots("rest", self.rest)
        if rungs.ndim < 2:
            rows[:, REST0 + (AT_TOUCH if self.anchor is None else 0)] = np.minimum(
                _column("rest", rungs, n), most
            )
        else:
            rows[:, REST0:] = np.minimum(_spread("rest", rungs, (n, K)), most[:, None])
        return clip(rows, view.left)


def _whole(name: str, value: Any) -> Ints:
    array = np.asarray(value)
    if array.dtype.kind not in "iu":
        remedy = (
            "round it, such as numpy.ceil(x).astype(int)"
            if array.dtype.kind == "f"
            else "give numbers"
        )
        raise ConfigError(
            f"whole numbers as {name}", f"{array.dtype} of shape {array.shape}", remedy
        )
    return array.astype(np.int64)


def _lots(name: str, value: Any) -> Ints:
    array = _whole(name, value)
    if (least := int(array.min(initial=0))) < 0:
        where = "" if array.ndim == 0 else f" in market {int(np.argwhere(array == least)[0][0])}"
        raise ConfigError(
            f"0 lots or more as {name}", f"{least}{where}", f"write numpy.maximum({name}, 0)"
        )
    return array


def _spread(name: str, array: Ints, shape: tuple[int, ...]) -> Ints:
    if array.ndim and (
        array.ndim != len(shape)
        or array.shape[-1] != shape[-1]
        or array.shape[0] not in (1, shape[0])
    ):
        expected = f"{name} as one number, or of shape {shape}" + (
            f" or (1, {K})" if len(shape) > 1 else ""
        )
        raise ConfigError(expected, f"shape {array.shape}", "give one row per market")
    return np.broadcast_to(array, shape)


def _column(name: str, value: Any, n: int) -> Ints:
    return _spread(name, _whole(name, value), (n,))


def _prices(name: str, value: Any, n: int) -> Ints:
    array = _column(name, value, n)
    most = int(np.abs(array).max(initial=0))
    if most > FARTHEST:
        raise ConfigError(
            f"{name} within {FARTHEST} ticks",
            f"{most}",
            "prices are whole ticks, as view.touch says",
        )
    return array
