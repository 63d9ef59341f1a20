"""Blocks: a session that crosses orders at mid with hidden interest, and how much to send there.

Hidden interest of the other side arrives, rests for a while, and is crossed at mid with what a client has in the session,
continuously or at fixed times, if both minimum quantities are met. Some of it knows where the price goes: after its
trades the price moves against the client. A partial fill tells the other side that more is to come.

Sources: Ganchev, Nevmyvaka, Kearns & Vaughan 2010 (allocation by Kaplan-Meier tails); Kratz & Schöneborn 2014 (optimal
liquidation with a session beside the book).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tercel.core.arrays import Bools, Floats, Ints
from tercel.core.errors import ConfigError

# -- session --------------------------------------------------------------------------------------


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
        What the price moves in its favour after its trade.
    leak_bps : float
        What a partial fill moves the price against the client, bps for each time of the filled quantity that is left, at
        most once.
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
        """Refuse numbers that are none."""
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

    @property
    def mean_markout(self) -> float:
        """Expected move after a cross in the client's favour, bps: minus the share of the informed times their move."""
        return -self.informed * self.move_bps


@dataclass(frozen=True)
class Crossed:
    """What orders in a session came to, (m,) each.

    Attributes
    ----------
    lots : float64
        Units crossed at mid.
    after_s : float64
        When, s after they were sent; NaN where nothing was.
    markout_bps : float64
        What the price moves in the client's favour afterwards because of who was met: below 0 where it knew.
    leak_bps : float64
        What the price moves against the client because a partial fill reveals that more is to come.
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
        """Whether anything was crossed."""
        return np.asarray(self.lots > 0.0)


def cross(
    session: CrossingSession,
    size: Floats,
    least: ArrayLike,
    seconds: float,
    rng: np.random.Generator,
) -> Crossed:
    """Send orders to a session and wait: the first interest that fits is crossed.

    Parameters
    ----------
    session : Session
    size : float64 (m,)
        Units sent; 0: none.
    least : float or float64 (m,)
        Smallest quantity that the client trades.
    seconds : float
        How long the order waits at most.
    rng : Generator
        Draws as many numbers whatever was sent.

    >>> found = cross(CrossingSession(per_hour=1e6), np.array([3.0, 0.0]), 0.0, 60.0, np.random.default_rng(1))
    >>> found.filled.tolist()
    [True, False]
    """
    n = len(size)
    most = 1 + int(np.ceil(4.0 * session.per_hour * (seconds + session.rests_s) / 3600.0))
    most = min(most, 200)
    # what is there when the order comes has arrived before and not left: a stationary queue in all
    gaps = rng.exponential(3600.0 / max(session.per_hour, 1e-9), (n, most))
    arrival = np.cumsum(gaps, axis=1) - session.rests_s * 4.0
    rests = rng.exponential(session.rests_s, (n, most))
    interest = session.size * np.exp(session.spread * rng.standard_normal((n, most)))
    knows = rng.random((n, most)) < session.informed
    met = np.maximum(arrival, 0.0)
    if session.every_s:
        met = np.ceil(met / session.every_s) * session.every_s
    lots = np.minimum(interest, size[:, None])
    fits = (
        (met <= np.minimum(arrival + rests, seconds))
        & (lots >= session.minimum * interest)
        & (lots >= np.broadcast_to(least, (n,))[:, None])
        & (lots > 0.0)
    )
    first = np.where(fits, met, np.inf).argmin(axis=1)
    at = (np.arange(n), first)
    filled = fits.any(axis=1)
    done = np.where(filled, lots[at], 0.0)
    left = np.divide(size - done, done, out=np.zeros(n), where=filled)
    return Crossed(
        done,
        np.where(filled, met[at], np.nan),
        np.where(filled & knows[at], -session.move_bps, 0.0),
        np.where(filled, session.leak_bps * np.minimum(left, 1.0), 0.0),
        (knows & (arrival > 0.0) & (arrival <= seconds)).sum(axis=1),
    )


# -- how much to send -----------------------------------------------------------------------------


def survival(filled: Ints, sent: Ints, longest: int | None = None) -> Floats:
    """Tails ``P(available >= k)``, k = 1 ... `longest`, from what was filled of what was sent (Kaplan & Meier 1958).

    A whole fill says only that there was as much or more; it does not count as the end of what was available.

    >>> survival(np.array([0, 1, 2, 2]), np.array([2, 2, 2, 3])).round(3).tolist()
    [0.75, 0.5, 0.0]
    """
    longest = int(sent.max(initial=0)) if longest is None else longest
    tails = np.zeros(longest)
    tail = 1.0
    for k in range(longest):
        there = ((filled >= k) & (sent > k)).sum()
        ended = ((filled == k) & (sent > k)).sum()
        tail = tail * (1.0 - ended / there) if there else 0.0
        tails[k] = tail
    return tails


def allocation(tails: list[Floats], lots: int) -> list[int]:
    """Lots to each session so that most are expected to be filled: each goes where the next one is likeliest to be.

    >>> allocation([0.8 * 0.5 ** np.arange(6), 0.5 * 0.9 ** np.arange(6)], 6)
    [2, 4]
    """
    sent = [0] * len(tails)
    for _ in range(lots):
        gains = [one[n] if n < len(one) else 0.0 for one, n in zip(tails, sent, strict=True)]
        sent[int(np.argmax(gains))] += 1
    return sent


def dark_liquidation(left_s: ArrayLike, rate: float, cost: float, risk: float = 0.0) -> Floats:
    """Marginal cost C of what is left beside a session that crosses all of it at `rate`: trade ``C x / cost`` a second in
    the book and leave x in the session (Kratz & Schöneborn 2014, one asset).

    Solves ``C' = C^2 / cost + rate C - risk`` backwards from an infinite C at the end.

    Parameters
    ----------
    left_s : float or array
        Time left.
    rate : float
        Crosses of everything a unit of time.
    cost : float
        Of trading at the speed v in the book, ``cost v^2`` a unit of time.
    risk : float
        Of holding x, ``risk x^2`` a unit of time.

    >>> dark_liquidation(4.0, 0.5, 1.0).round(4).item()
    0.0783
    """
    root = np.sqrt(rate**2 + 4.0 * risk / cost)
    if root == 0.0:
        return np.asarray(cost / np.asarray(left_s, np.float64))
    up = 0.5 * cost * (root - rate)
    down = 0.5 * cost * (root + rate)
    decay = np.exp(-root * np.asarray(left_s, np.float64))
    return np.asarray((up + down * decay) / -np.expm1(-root * np.asarray(left_s, np.float64)))
