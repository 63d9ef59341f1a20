"""What a strategy sees at a decision, for a batch of markets at once."""

from dataclasses import dataclass

import numpy as np

from tercel.core.arrays import Bools, Float32, Floats, Ints
from tercel.core.vocabulary import NO_ASK
from tercel.execution import columns as c
from tercel.execution.intent import K
from tercel.market.simulator.layout import PAST_FEATURES, PAST_INTERVALS


@dataclass(frozen=True, eq=False)
class View:
    """One decision of `n` markets. Strategies read it by name and never write to it.

    Every property is an array with a row a market: int64 (n,) where nothing else is said; prices in ticks, mids in half
    ticks, sizes in lots, times in ns. A user's strategy, observation and reward get a copy whose arrays refuse to be
    written to (:meth:`read_only`), so that it may be kept.

    Parameters
    ----------
    x : int64 (n, PX)
        Private columns: the order, time, own orders.
    m : int64 (n, MX)
        Market columns, own orders excluded.
    obs : float32 (n, D)
        The same, scaled for networks.
    draw : float64 (n,)
        One uniform number in [0, 1) a decision, fixed by the market's seed: all the randomness a strategy may
        use.

    >>> x, m = np.zeros((1, c.PX), np.int64), np.zeros((1, c.MX), np.int64)
    >>> view = View(x, m, np.zeros((1, 0), np.float32), np.zeros(1))
    >>> view.x[0, [c.QTY0, c.LEFT]] = 100, 60
    >>> view.n, view.done.tolist()
    (1, [40])
    """

    x: Ints
    m: Ints
    obs: Float32
    draw: Floats

    def read_only(self) -> "View":
        """A copy that cannot be written to and that no later decision overwrites.

        >>> view = View(*(np.zeros((1, 99)) for _ in range(3)), np.zeros(1)).read_only()
        >>> view.left.flags.writeable
        False
        """
        copy = View(self.x.copy(), self.m.copy(), self.obs.copy(), self.draw.copy())
        for array in (copy.x, copy.m, copy.obs, copy.draw):
            array.setflags(write=False)
        return copy

    @property
    def n(self) -> int:
        """Number of markets."""
        return len(self.x)

    # the order

    @property
    def side(self) -> Ints:
        """+1 buy, -1 sell."""
        return self.x[:, c.SIDE]

    @property
    def qty0(self) -> Ints:
        """Lots of the parent order."""
        return self.x[:, c.QTY0]

    @property
    def left(self) -> Ints:
        """Lots not yet filled."""
        return self.x[:, c.LEFT]

    @property
    def done(self) -> Ints:
        """Lots filled."""
        return self.qty0 - self.left

    @property
    def decision(self) -> Ints:
        """Number of this decision, from 0."""
        return self.x[:, c.DECISION]

    @property
    def decisions(self) -> Ints:
        """Decisions in the horizon."""
        return self.x[:, c.DECISIONS]

    @property
    def decisions_left(self) -> Ints:
        """Decisions from this one on, at least 1."""
        left: Ints = np.maximum(self.decisions - self.decision, 1)
        return left

    @property
    def time_left_ns(self) -> Ints:
        """Nanoseconds to the horizon."""
        return self.x[:, c.TIME_LEFT_NS]

    @property
    def horizon_ns(self) -> Ints:
        """Nanoseconds from arrival to the horizon."""
        return self.x[:, c.HORIZON_NS]

    # own orders

    @property
    def live(self) -> Ints:
        """Own lots not known dead: in flight, resting, cancel pending."""
        return self.x[:, c.LIVE]

    @property
    def outside_lots(self) -> Ints:
        """Own resting lots off the default ladder."""
        return self.x[:, c.OUTSIDE_LOTS]

    @property
    def inflight(self) -> Ints:
        """Own lots sent and not yet at the market."""
        return self.x[:, c.INFLIGHT]

    @property
    def rest(self) -> Ints:
        """(n, K) own lots resting at improve, touch, touch-1, touch-2, touch-3."""
        return self.x[:, c.REST0 : c.REST0 + K]

    @property
    def ahead(self) -> Ints:
        """(n, K) lots ahead of the first own order there, -1 where none."""
        return self.x[:, c.AHEAD0 : c.AHEAD0 + K]

    # guidance of signals and risk

    @property
    def alpha_bps(self) -> Floats:
        """Expected move of the mid against the order over the forecast's life, bps; positive: waiting costs."""
        return self.x[:, c.ALPHA] / 1000.0

    @property
    def alpha_sd_bps(self) -> Floats:
        """Standard deviation of that forecast, bps."""
        return self.x[:, c.ALPHA_SD] / 1000.0

    @property
    def half_life_ns(self) -> Ints:
        """Time in which half of the expected move is over; 0: no forecast."""
        return self.x[:, c.HALF_LIFE_NS]

    @property
    def urgency(self) -> Floats:
        """Posture's urgency, 0 to 1."""
        return self.x[:, c.URGENCY] / 1e6

    @property
    def max_participation(self) -> Floats:
        """Posture's cap on the own share of all lots traded; 1: none."""
        return self.x[:, c.MAX_PARTICIPATION] / 1e6

    @property
    def styles(self) -> Ints:
        """Allowed styles, bits of `core.messages.Style`."""
        return self.x[:, c.STYLES]

    @property
    def size_multiplier(self) -> Floats:
        """Posture's size multiplier."""
        return self.x[:, c.SIZE_MULTIPLIER] / 1e6

    # the market

    @property
    def touch(self) -> Ints:
        """Best public price on the own side, ticks."""
        return self.m[:, c.TOUCH]

    @property
    def far(self) -> Ints:
        """Best public price on the far side, ticks."""
        return self.m[:, c.FAR]

    @property
    def spread(self) -> Ints:
        """Ticks between the best public prices; 0 where a side is not quoted."""
        quoted = (np.abs(self.touch) < NO_ASK) & (np.abs(self.far) < NO_ASK)
        spread: Ints = np.where(quoted, (self.far - self.touch) * self.side, 0)
        return spread

    @property
    def mid2(self) -> Ints:
        """Bid + ask, half ticks."""
        return self.m[:, c.MID2]

    @property
    def arrival_mid2(self) -> Ints:
        """Bid + ask at arrival, half ticks."""
        return self.m[:, c.ARRIVAL_MID2]

    @property
    def own_depth(self) -> Ints:
        """(n, 5) public lots on the occupied levels of the own side, best first."""
        return self.m[:, c.OWN1 : c.OWN1 + c.LEVELS]

    @property
    def far_depth(self) -> Ints:
        """(n, 5) public lots on the occupied levels of the far side, best first."""
        return self.m[:, c.FAR1 : c.FAR1 + c.LEVELS]

    @property
    def v_seen(self) -> Ints:
        """Public lots traded since arrival, own trades excluded."""
        return self.m[:, c.V_SEEN]

    @property
    def v_same(self) -> Ints:
        """Aggressor lots on the task's side in the last interval."""
        return self.m[:, c.V_SAME]

    @property
    def v_against(self) -> Ints:
        """Aggressor lots against the task's side in the last interval."""
        return self.m[:, c.V_AGAINST]

    @property
    def ofi(self) -> Ints:
        """Order flow imbalance of the last interval, lots, towards the task's side."""
        return self.m[:, c.OFI]

    @property
    def rv(self) -> Ints:
        """Sum of squared half-tick moves of the mid in the last interval."""
        return self.m[:, c.RV]

    @property
    def events(self) -> Ints:
        """Public events in the last interval."""
        return self.m[:, c.EVENTS]

    @property
    def halted(self) -> Bools:
        """True while trading is halted."""
        halted: Bools = self.m[:, c.HALTED] != 0
        return halted

    @property
    def rv_long(self) -> Ints:
        """Squared half-tick moves of the mid a decision interval, on average since the warm-up began."""
        return self.m[:, c.RV_LONG]

    @property
    def drift(self) -> Ints:
        """Half ticks that the mid moved in the last interval, towards the task's side."""
        return self.m[:, c.DRIFT]

    @property
    def past(self) -> Ints:
        """(n, 3, 6) the intervals before the last one, the youngest first: volume with and against, order flow
        imbalance, variance, events, drift."""
        return self.m[:, c.PAST0 :].reshape(self.n, PAST_INTERVALS, PAST_FEATURES)

    @property
    def tradable(self) -> Bools:
        """True where the market is open and both sides are quoted: elsewhere every strategy holds."""
        quoted: Bools = (np.abs(self.touch) < NO_ASK) & (np.abs(self.far) < NO_ASK)
        return quoted & ~self.halted
