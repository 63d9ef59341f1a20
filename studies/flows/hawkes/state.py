"""State factors of the Hawkes flow: effect of spread, imbalance and queues on every kind's rate, from counts.

The factor of kind i is STATE[i, spread class, imbalance class] x QUEUE[i, queue class], for cancels beyond the touch
also the lots that rest there, each times the relative cancel rate of its distance. With what the rest of the law says
of a kind (x integrated over the time spent in each class) as exposure, the tables are events over exposure, raked until
both margins fit (the maximum likelihood of a multiplicative Poisson rate), with `PRIOR` events at the mean rate added
to every class, and normalised to a time mean of 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from studies.flows.hawkes import layout as at
from tercel.core import Floats, Int8, Int32, Ints

PRIOR = 5.0
LEAST, MOST = 0.02, 50.0
ROUNDS = 12
FEW = 20.0
"""Expected events below which a spread class takes the factors of the one below it."""
THETA_EDGES = (1, 2, 3, 4, 5, 7, 10, 15, 22, 33, 50, 80, 130)
"""Least distances of the classes of cancel rates."""


@dataclass(frozen=True, eq=False)
class States:
    """State classes of the book before each of n events; columns [n, 2] are bid and ask.

    Parameters
    ----------
    spread : int64[n]
    imbalance, queue : int64[n, 2]
        The queue is the side's own; a market order meets the other one.
    depth : float64[n, 2]
        Lots on levels 2 to 5, each times the relative cancel rate of its distance.
    """

    spread: Ints
    imbalance: Ints
    queue: Ints
    depth: Floats

    def cells(self, kind: int) -> Ints:
        """(spread, imbalance, queue) of a kind as one number: int64[n, 2]."""
        queue = self.queue[:, ::-1] if kind == at.MARKET else self.queue
        return (self.spread[:, None] * at.IMBALANCES + self.imbalance) * at.QUEUES + queue


@dataclass(frozen=True, eq=False)
class HawkesFactors:
    """Factors STATE float64[6, 8, 7] and QUEUE float64[6, 6], and the depth multiplier."""

    state: Floats
    queue: Floats
    depth_scale: float

    def of(self, states: States) -> Floats:
        """Factor in force before each event: float64[n, 2, 6]."""
        out = np.empty((len(states.spread), 2, at.KINDS))
        for i in range(at.KINDS):
            table = (self.state[i][:, :, None] * self.queue[i]).ravel()
            out[:, :, i] = table[states.cells(i)]
        out[:, :, at.CANCEL_DEEPER] *= self.depth_scale * states.depth
        return out


def edges(values: Ints, weights: Floats, classes: int) -> Ints:
    """Class edges at weighted quantiles, heavy atoms a class each; the upper tail has finer classes.

    >>> edges(np.array([1, 2, 3, 4, 5]), np.ones(5), 3).tolist()
    [2, 4]
    """
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(weights[order]) / weights.sum()
    shares = 1.0 - (1.0 - np.arange(classes - 1) / (classes - 1)) ** 1.5
    found: list[int] = []
    least = int(values.min()) + 1
    for share in shares:
        value = max(
            int(values[order][min(np.searchsorted(cumulative, share), len(values) - 1)]), least
        )
        found.append(value)
        least = value + 1
    return np.array(found)


def classify(
    bid_px: Int32,
    ask_px: Int32,
    bid_lots: Floats,
    ask_lots: Floats,
    spread_edges: Ints,
    queue_edges: Ints,
    theta: Floats,
) -> States:
    """State classes of books given as occupied levels, best first, 0 lots where there is none."""
    spread = np.searchsorted(spread_edges, ask_px[:, 0] - bid_px[:, 0], side="right")
    own = np.stack((bid_lots[:, 0], ask_lots[:, 0]), axis=1)
    share = own / np.maximum(own.sum(axis=1, keepdims=True), 1e-9)
    imbalance = np.minimum((at.IMBALANCES * share).astype(np.int64), at.IMBALANCES - 1)
    queue = np.searchsorted(queue_edges, own, side="right")
    depth = np.stack((resting(bid_px, bid_lots, theta), resting(ask_px, ask_lots, theta)), axis=1)
    return States(spread, imbalance, queue, depth)


def resting(px: Int32, lots: Floats, theta: Floats) -> Floats:
    """Lots on levels 2 to 5 of a side, each times the relative cancel rate of its distance: float64[n]."""
    away = np.clip(np.abs(px[:, 1:].astype(np.int64) - px[:, :1]), 0, at.REACH - 1)
    return np.asarray((lots[:, 1:] * theta[away]).sum(axis=1))


def cancel_rates(away: Ints, rested: Ints, lot_seconds: Floats) -> Floats:
    """Relative cancel rate by distance from the own best, classes of `THETA_EDGES`, largest 1: float64[REACH].

    Parameters
    ----------
    away : int64[c]
        Distances of the cancels within the levels shown.
    rested : int64[r]
        Distances of levels behind the touch ...
    lot_seconds : float64[r]
        ... and what rested there, times how long.
    """
    classes = len(THETA_EDGES)
    which = np.searchsorted(THETA_EDGES, np.arange(at.REACH), side="right") - 1
    died = np.bincount(which[np.clip(away, 1, at.REACH - 1)], minlength=classes).astype(np.float64)
    alive = np.bincount(
        which[np.clip(rested, 1, at.REACH - 1)], weights=lot_seconds, minlength=classes
    )
    mean = died.sum() / max(alive.sum(), 1e-12)
    rates = (died + PRIOR) / (alive + PRIOR / max(mean, 1e-12))
    theta = rates[np.maximum(which, 0)]
    theta[0] = 0.0
    return np.asarray(theta / theta.max())


def rake(
    states: Sequence[States],
    kinds: Sequence[Int8],
    sides: Sequence[Int8],
    waits: Sequence[Floats],
    exposure: Sequence[Floats],
) -> HawkesFactors:
    """Factors by iterative proportional fitting to the days' events and exposures.

    Parameters
    ----------
    states, kinds, sides, waits : one for each day
        `sides` are 0 buy, 1 sell; `waits` float64[n] seconds since the event before.
    exposure : one float64[n, 2, 6] for each day
        Integral of x (or, to begin with, the waits).
    """
    seconds = sum(float(w.sum()) for w in waits)
    depth = sum(float((w[:, None] * s.depth).sum()) for w, s in zip(waits, states, strict=True))
    scale = 2.0 * seconds / max(depth, 1e-12)
    shape = (at.SPREADS * at.IMBALANCES, at.QUEUES)
    state = np.ones((at.KINDS, at.SPREADS, at.IMBALANCES))
    queue = np.ones((at.KINDS, at.QUEUES))
    for i in range(at.KINDS):
        events, exposed, time = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        for s, kind, side, wait, x in zip(states, kinds, sides, waits, exposure, strict=True):
            cells = s.cells(i)
            weight = scale * s.depth if i == at.CANCEL_DEEPER else np.ones_like(s.depth)
            own = cells[np.arange(len(kind)), side][kind == i]
            events += np.bincount(own, minlength=events.size).reshape(shape)
            exposed += np.bincount(
                cells.ravel(), (x[:, :, i] * weight).ravel(), events.size
            ).reshape(shape)
            time += np.bincount(
                cells.ravel(), (wait[:, None] * weight).ravel(), events.size
            ).reshape(shape)
        table, queues = _raked(events, exposed)
        seen = (
            exposed.reshape(at.SPREADS, -1).sum(axis=1) * events.sum() / max(exposed.sum(), 1e-12)
        )
        wide = table.reshape(at.SPREADS, at.IMBALANCES)
        for c in range(2, at.SPREADS):
            if (
                seen[c] < FEW
            ):  # hardly ever so wide: as if a little narrower, so that the spread is drawn back
                wide[c] = wide[c - 1]
        if i == at.IN_SPREAD:
            table[: at.IMBALANCES] = 0.0
        mean = (time * table[:, None] * queues).sum() / max(time.sum(), 1e-12)
        state[i] = np.clip(table / max(mean, 1e-12), 0.0, MOST).reshape(at.SPREADS, at.IMBALANCES)
        queue[i] = queues
    return HawkesFactors(state, queue, scale)


def _raked(events: Floats, exposed: Floats) -> tuple[Floats, Floats]:
    """Row and column factors whose product times the exposure has the margins of the events."""
    exposed = exposed * (events.sum() / max(exposed.sum(), 1e-12))
    rows, columns = np.ones(len(events)), np.ones(events.shape[1])
    for _ in range(ROUNDS):
        rows = np.clip((events.sum(axis=1) + PRIOR) / (exposed @ columns + PRIOR), LEAST, MOST)
        columns = np.clip((events.sum(axis=0) + PRIOR) / (rows @ exposed + PRIOR), LEAST, MOST)
    return rows, columns
