"""Crossing sessions: block orders that cross at mid with hidden interest, and how much of it is available.

Hidden interest of the other side arrives, rests for a while, and is crossed at mid with what a client has in the session,
continuously or at fixed times, if both minimum quantities are met. Some of it knows where the price goes: after its
trades the price moves against the client. A partial fill tells the other side that more is to come.

Source: Ganchev, Nevmyvaka, Kearns & Vaughan 2010 (Kaplan-Meier tails of what was available).
"""

from dataclasses import dataclass, fields
from typing import Final, Self

import numpy as np
from numpy.typing import ArrayLike

from tercel.core.arrays import Bools, Floats, Ints
from tercel.core.errors import ConfigError

MAX_ARRIVALS: Final = 4096
"""Arrivals on a side that are drawn at most."""


@dataclass(frozen=True)
class CrossingSession:
    """A crossing session of one instrument. All numbers are priors, to be set from a desk's own crosses.

    Attributes
    ----------
    per_hour : float
        Arrivals of interest an hour on each side.
    size, spread : float
        Median size of interest, in the client's units, and the standard deviation of its logarithm.
    rests_s : float
        Mean time that interest rests, s (exponential).
    minimum : float
        Smallest part of its own size that interest trades.
    informed : float
        Probability that interest knows where the price goes.
    move_bps : float
        Move of the price in its favour after its trade.
    leak_bps : float
        Move of the price against the client by a partial fill, bps for each time of the filled quantity that is left,
        at most once.
    every_s : float
        Seconds between crosses; 0: continuous.
    """

    per_hour: float = 3.0
    size: float = 5.0
    spread: float = 1.2
    rests_s: float = 120.0
    minimum: float = 0.2
    informed: float = 0.3
    move_bps: float = 3.0
    leak_bps: float = 0.5
    every_s: float = 0.0

    def __post_init__(self) -> None:
        """Refuse parameters of a crossing session that are out of range."""
        numbers = np.array(
            [self.per_hour, self.spread, self.rests_s, self.move_bps, self.leak_bps, self.every_s]
        )
        shares = np.array([self.minimum, self.informed])
        if not (
            (numbers >= 0.0).all()
            and self.size > 0.0
            and (shares >= 0.0).all()
            and (shares <= 1.0).all()
        ):
            raise ConfigError(
                "a session: sizes and rates from 0, minimum and informed from 0 to 1",
                f"{self}",
                "correct it",
            )


@dataclass(frozen=True)
class CrossingOutcome:
    """Outcome of each order in a crossing session, arrays (m,).

    Attributes
    ----------
    lots : float64
        Units crossed at mid.
    after_s : float64
        When, s after they were sent; NaN where nothing was.
    markout_bps : float64
        Move of the price in the client's favour after the match, due to the counterparty; below 0 if it was informed.
    leak_bps : float64
        Move of the price against the client because a partial fill reveals that more is to come.
    informed : int64
        Arrivals of interest that knows, whether it was met or not: each moves the price in its own favour.
    """

    lots: Floats
    after_s: Floats
    markout_bps: Floats
    leak_bps: Floats
    informed: Ints

    @property
    def filled(self) -> Bools:
        """Whether any lots of each order were crossed, bools (m,)."""
        return np.asarray(self.lots > 0.0)


@dataclass(frozen=True, eq=False)
class Interest:
    """Interest that arrives at a crossing session on m sides, a row each, in the order of arrival: (m, a).

    Attributes
    ----------
    arrival, leaves : float64
        s from the begin; below 0: it was there before.
    size : float64
        Units.
    knows : bool
        Whether it knows where the price goes.
    gone : bool
        Whether it was crossed; :func:`cross` writes it.
    """

    arrival: Floats
    leaves: Floats
    size: Floats
    knows: Bools
    gone: Bools

    @classmethod
    def draw(
        cls, session: CrossingSession, sides: int, seconds: float, rng: np.random.Generator
    ) -> Self:
        """Draw the interest that arrives within `seconds` and the interest present at the start: a stationary queue."""
        before = 4.0 * session.rests_s
        usual = session.per_hour * (seconds + before) / 3600.0
        shape = sides, min(int(usual + 6.0 * usual**0.5) + 6, MAX_ARRIVALS)
        gaps = rng.exponential(3600.0 / max(session.per_hour, 1e-9), shape)
        arrival = np.cumsum(gaps, axis=1) - before
        leaves = arrival + rng.exponential(session.rests_s, shape)
        size = session.size * np.exp(session.spread * rng.standard_normal(shape))
        knows = rng.random(shape) < session.informed
        return cls(arrival, leaves, size, knows, np.zeros(shape, np.bool_))

    def take(self, rows: Ints) -> "Interest":
        """The interest at the given sides (rows) alone, copied."""
        return Interest(*(getattr(self, field.name)[rows] for field in fields(self)))

    def count_informed(self, begin: ArrayLike, end: ArrayLike) -> Ints:
        """Number of informed interests that arrive after `begin` and until `end`, s; int64 (m,)."""
        ends = np.reshape(end, (-1, 1))
        came = (self.arrival > np.reshape(begin, (-1, 1))) & (self.arrival <= ends)
        return np.asarray((self.knows & came).sum(axis=1), np.int64)


def cross(
    session: CrossingSession,
    interest: Interest,
    size: Floats,
    min_qty: ArrayLike,
    begin: ArrayLike,
    end: ArrayLike,
) -> CrossingOutcome:
    """Let orders rest in a session: each crosses the first interest that fits, if any, and that interest is marked as gone.

    Parameters
    ----------
    session : CrossingSession
    interest : Interest
        On the other side of each order; crossed interest is removed.
    size : float64 (m,)
        Units sent; 0: none.
    min_qty : float or float64 (m,)
        Smallest quantity that the client trades.
    begin, end : float or float64 (m,)
        From when to when the order rests, s.

    >>> session = CrossingSession(per_hour=1e4)
    >>> there = Interest.draw(session, 2, 60.0, np.random.default_rng(1))
    >>> cross(session, there, np.array([3.0, 0.0]), 0.0, 0.0, 60.0).filled.tolist()
    [True, False]
    """
    n = len(size)
    begins, ends_at, min_lots = (
        np.broadcast_to(bound, (n,))[:, None].astype(np.float64) for bound in (begin, end, min_qty)
    )
    match_s = np.maximum(interest.arrival, begins)
    if session.every_s:
        match_s = np.ceil(match_s / session.every_s) * session.every_s
    lots = np.minimum(interest.size, size[:, None])
    fits = (
        ~interest.gone
        & (match_s <= np.minimum(interest.leaves, ends_at))
        & (lots >= session.minimum * interest.size)
        & (lots >= min_lots)
        & (lots > 0.0)
    )
    first_match = np.where(fits, match_s, np.inf).argmin(axis=1)
    matched = (np.arange(n), first_match)
    filled = fits.any(axis=1)
    interest.gone[matched] |= filled
    crossed_lots = np.where(filled, lots[matched], 0.0)
    remaining_ratio = np.divide(size - crossed_lots, crossed_lots, out=np.zeros(n), where=filled)
    return CrossingOutcome(
        crossed_lots,
        np.where(filled, match_s[matched] - begins[:, 0], np.nan),
        np.where(filled & interest.knows[matched], -session.move_bps, 0.0),
        np.where(filled, session.leak_bps * np.minimum(remaining_ratio, 1.0), 0.0),
        interest.count_informed(begins, ends_at),
    )


def count_available(filled: Ints, sent: Ints, longest: int) -> tuple[Ints, Ints]:
    """Counts for a Kaplan-Meier tail, k = 0 .. longest - 1: orders for more than k units filled exactly k, and filled at least k.

    >>> [one.tolist() for one in count_available(np.array([0, 1, 2, 2]), np.array([2, 2, 2, 3]), 3)]
    [[1, 1, 1], [4, 3, 1]]
    """
    k = np.arange(longest)[:, None]
    asked_more = sent > k
    return ((filled == k) & asked_more).sum(axis=1), ((filled >= k) & asked_more).sum(axis=1)


def survival(events: ArrayLike, at_risk: ArrayLike) -> Floats:
    """Tails ``P(available >= k)``, k = 1 ..., from counts of :func:`count_available` (Kaplan & Meier 1958); 0 without data.

    >>> survival(*count_available(np.array([0, 1, 2, 2]), np.array([2, 2, 2, 3]), 3)).round(3).tolist()
    [0.75, 0.5, 0.0]
    """
    risk_set = np.maximum(np.asarray(at_risk, np.float64), 1e-12)
    conditional = np.where(np.asarray(at_risk) > 0, 1.0 - np.asarray(events) / risk_set, 0.0)
    return np.asarray(np.cumprod(conditional), np.float64)
