"""Adaptability: the share of a strategy's decisions that the market explains.

With x = (time, inventory, own orders), m = the market features and a(x, m) the expected intent (take and
rungs, as shares of what is left, no prices):

    A = E_x Var_m' a(x, m') / Var a(x, m')

m' is drawn at the same decision from other episodes, independently of x; variances of the components are
added. A schedule fixed in advance has A = 0; a rule that ignores time, inventory and own orders has A = 1;
of a = f(x) + g(m) it is Var g / (Var f + Var g): the total-effect index of Sobol' of the market block, whose
estimator over redrawn blocks this is.

Only decisions with lots left count. The two variances are estimated over J redraws for each x: the numerator
with J - 1, the total uncorrected, since the mean over x of the variance over redraws plus the variance of
their means is already free of J. Everything is a function of sums by episode, so intervals come from the same
cluster bootstrap as those of the costs.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tercel.core.arrays import Bools, Floats, Indices, Ints
from tercel.core.errors import TercelError
from tercel.core.stats import Moments, cluster_index, cluster_sums
from tercel.execution import columns as c
from tercel.execution.intent import View

Expected = Callable[[View], Floats]
"""View of n decisions -> expected (take, rungs) as shares of what is left, float64 (n, V)."""

REDRAWS = 8
"""J: markets that every recorded x is paired with."""
# Summed variance below which decisions do not vary: shares are of order 1, rounding of order 1e-16.
_NO_VARIANCE = 1e-24


@dataclass(frozen=True, eq=False)
class Decisions:
    """Recorded decisions: what a strategy saw at each of T decisions of E episodes.

    Parameters
    ----------
    x : int64 (E, T, PX)
        Private columns.
    m : int64 (E, T, MX)
        Market columns, recorded whether or not lots were left.
    draw : float64 (E, T)
        The strategy's own uniform random number.
    live : bool (E, T)
        True where lots were left, so that there was something to decide.
    cluster : int64 (E,)
        Cluster label of each episode.
    """

    x: Ints
    m: Ints
    draw: Floats
    live: Bools
    cluster: Ints

    def __post_init__(self) -> None:
        """Refuse arrays that do not describe the same decisions."""
        grid = self.live.shape
        shapes = [a.shape[:2] for a in (self.x, self.m, self.draw)]
        if any(shape != grid for shape in shapes) or self.cluster.shape != grid[:1]:
            raise TercelError(
                f"recorded decisions of shape {grid}",
                f"x, m, draw of {shapes}, clusters of {self.cluster.shape}",
                "record every column at every decision",
            )


@dataclass(frozen=True, eq=False)
class Response:
    """Sums by episode from which adaptability A follows.

    Parameters
    ----------
    cluster : int64 (E,)
        Cluster label of each episode.
    rows : float64 (E,)
        Decisions with lots left that could be paired with other markets.
    within : float64 (E,)
        Sum over them of the variance over redraws, J - 1 in the denominator.
    first : float64 (E, V)
        Sum of the mean intent over redraws, less the overall mean.
    second : float64 (E,)
        Sum of the mean squared length of the same.
    """

    cluster: Ints
    rows: Floats
    within: Floats
    first: Floats
    second: Floats

    def moments(self) -> Moments:
        """Moments whose one statistic is A."""
        index, count = cluster_index(self.cluster)
        columns = np.column_stack([self.within, self.second, self.first])
        return Moments(
            cluster_sums(columns, index, count), cluster_sums(self.rows, index, count), _share
        )


def respond(
    decisions: Decisions, expected: Expected, rng: np.random.Generator, redraws: int = REDRAWS
) -> Response:
    """Response of a strategy: each recorded x paired with markets of other episodes at the same decision.

    Markets are drawn without replacement among the other episodes of the same side (market columns are
    oriented by it), whether or not those still had lots left. Decisions that have fewer than two such
    episodes do not count.

    Parameters
    ----------
    decisions : Decisions
    expected : callable
        `Strategy.expected`: a pure function of a view of any length.
    rng : numpy Generator
    redraws : int
        J, at least 2; fewer where there are fewer other episodes.

    Returns
    -------
    Response
    """
    if redraws < 2:
        raise TercelError("at least 2 redraws of the market", f"{redraws}", "ask for 8 or 16")
    episodes, steps = decisions.live.shape
    rows, within, second = np.zeros(episodes), np.zeros(episodes), np.zeros(episodes)
    wanted: list[tuple[Indices, Floats]] = []
    for t in range(steps):
        for side in (1, -1):
            peers = np.flatnonzero(decisions.x[:, t, c.SIDE] == side)
            count = min(redraws, len(peers) - 1)
            if count < 2:
                continue
            partner = _partners(len(peers), count, rng)
            deciding = decisions.live[peers, t]
            if deciding.any():
                who = peers[deciding]
                wanted.append(
                    (who, _intents(decisions, expected, t, who, peers[partner[deciding]]))
                )
    if not wanted:
        return Response(decisions.cluster, rows, within, np.zeros((episodes, 1)), second)
    centre = np.concatenate([intents.mean(axis=1) for _, intents in wanted]).mean(axis=0)
    first = np.zeros((episodes, len(centre)))
    for who, intents in wanted:  # each `who` holds an episode at most once
        away = intents - centre
        rows[who] += 1.0
        # from the first redraw, so that a market without influence leaves exactly nothing
        within[who] += (intents - intents[:, :1]).var(axis=1, ddof=1).sum(axis=1)
        first[who] += away.mean(axis=1)
        second[who] += (away**2).sum(axis=2).mean(axis=1)
    return Response(decisions.cluster, rows, within, first, second)


def _partners(count: int, redraws: int, rng: np.random.Generator) -> Indices:
    """For each of `count` episodes, `redraws` different others in random order, intp (count, redraws).

    One random circle, and the neighbours at `redraws` random distances around it: every episode serves as
    often as any other, and none meets itself.
    """
    circle = rng.permutation(count)
    distances = 1 + rng.permutation(count - 1)[:redraws]
    partner = np.empty((count, redraws), np.intp)
    partner[circle] = circle[(np.arange(count)[:, None] + distances) % count]
    return partner


def _intents(
    decisions: Decisions, expected: Expected, t: int, who: Indices, markets: Indices
) -> Floats:
    """What is wanted at decision t by episodes `who` (w,) in each of `markets` (w, J), float64 (w, J, V)."""
    redraws = markets.shape[1]
    own, other = np.repeat(who, redraws), markets.ravel()
    view = View(
        decisions.x[own, t],
        decisions.m[other, t],
        decisions.draw[own, t],
    )
    return np.asarray(expected(view), np.float64).reshape(len(who), redraws, -1)


def _share(means: Floats) -> Floats:
    """A from the means of (within, second, first...), float64 (B, 2 + V) -> (B, 1), clipped to [0, 1]."""
    within, second, first = means[:, 0], means[:, 1], means[:, 2:]
    total = second - (first**2).sum(axis=1)
    varies = total > _NO_VARIANCE
    share = np.divide(within, total, out=np.zeros_like(total), where=varies)
    return np.asarray(np.clip(share, 0.0, 1.0)[:, None])
