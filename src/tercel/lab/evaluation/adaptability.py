"""Adaptability: the share of the variance of a strategy's decisions that the market explains.

With x = (time, inventory, own orders), m = the market features and a(x, m) the expected intent (take and
rungs, as shares of the remaining lots, no prices):

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

from tercel.core.array_records import ArrayRecord
from tercel.core.arrays import Bools, Floats, Indices, Ints
from tercel.core.errors import TercelError
from tercel.core.stats import Moments, cluster_index, cluster_sums
from tercel.execution import columns as c
from tercel.execution.view import View

Expected = Callable[[View], Floats]
"""View of n decisions -> expected (take, rungs) as shares of the remaining lots, float64 (n, V)."""
REDRAWS = 8
"""J: markets that every recorded x is paired with."""
# Summed variance below which decisions do not vary: shares are of order 1, rounding of order 1e-16.
_NO_VARIANCE = 1e-24


@dataclass(frozen=True, eq=False)
class Decisions(ArrayRecord):
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
        """Raise TercelError unless all arrays have the same episodes and decisions (only shapes are compared)."""
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
    """Sums by episode from which the adaptability A of a strategy follows.

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
        """Sums by cluster for the bootstrap, whose one statistic is the adaptability A."""
        index, count = cluster_index(self.cluster)
        columns = np.column_stack([self.within, self.second, self.first])
        return Moments(
            cluster_sums(columns, index, count),
            cluster_sums(self.rows, index, count),
            _adaptability,
        )


def measure_response(
    decisions: Decisions, expected: Expected, rng: np.random.Generator, redraws: int = REDRAWS
) -> Response:
    """Sums for the adaptability of a strategy, from its intents on markets swapped between episodes.

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
        J, at least 2; fewer if there are fewer other episodes.

    Returns
    -------
    Response
    """
    if redraws < 2:
        raise TercelError("at least 2 redraws of the market", f"{redraws}", "ask for 8 or 16")
    episodes, steps = decisions.live.shape
    rows = np.zeros(episodes)
    within = np.zeros(episodes)
    second = np.zeros(episodes)
    intents_by_decision: list[tuple[Indices, Floats]] = []
    for t in range(steps):
        for side in (1, -1):
            peers = np.flatnonzero(decisions.x[:, t, c.SIDE] == side)
            count = min(redraws, len(peers) - 1)
            if count < 2:
                continue
            partner = _draw_partners(len(peers), count, rng)
            deciding = decisions.live[peers, t]
            if deciding.any():
                deciders = peers[deciding]
                intents_by_decision.append(
                    (
                        deciders,
                        _expected_intents(
                            decisions, expected, t, deciders, peers[partner[deciding]]
                        ),
                    )
                )
    if not intents_by_decision:
        return Response(decisions.cluster, rows, within, np.zeros((episodes, 1)), second)
    centre = np.concatenate([intents.mean(axis=1) for _, intents in intents_by_decision]).mean(
        axis=0
    )
    first = np.zeros((episodes, len(centre)))
    for deciders, intents in intents_by_decision:  # no array of indices has an episode twice
        deviation = intents - centre
        rows[deciders] += 1.0
        # from the first redraw, so that a market without influence leaves exactly nothing
        within[deciders] += (intents - intents[:, :1]).var(axis=1, ddof=1).sum(axis=1)
        first[deciders] += deviation.mean(axis=1)
        second[deciders] += (deviation**2).sum(axis=2).mean(axis=1)
    return Response(decisions.cluster, rows, within, first, second)


def _draw_partners(count: int, redraws: int, rng: np.random.Generator) -> Indices:
    """Draw for each of `count` episodes `redraws` different other episodes, intp (count, redraws).

    One random circle, and the neighbours at `redraws` random distances around it: every episode serves as
    often as any other, and none meets itself.
    """
    circle = rng.permutation(count)
    distances = 1 + rng.permutation(count - 1)[:redraws]
    partner = np.empty((count, redraws), np.intp)
    partner[circle] = circle[(np.arange(count)[:, None] + distances) % count]
    return partner


def _expected_intents(
    decisions: Decisions, expected: Expected, t: int, deciders: Indices, markets: Indices
) -> Floats:
    """Intents that a strategy expects at decision `t` with its own state and the markets of other episodes: (w, J, V)."""
    redraws = markets.shape[1]
    private_rows = np.repeat(deciders, redraws)
    market_rows = markets.ravel()
    view = View(
        decisions.x[private_rows, t],
        decisions.m[market_rows, t],
        decisions.draw[private_rows, t],
    )
    return np.asarray(expected(view), np.float64).reshape(len(deciders), redraws, -1)


def _adaptability(means: Floats) -> Floats:
    """Adaptability A, (B, 1) in [0, 1], from means (B, 2 + V) of the sums (within, second, first moments) of a
    response; 0 where decisions do not vary.
    """
    within = means[:, 0]
    second = means[:, 1]
    first = means[:, 2:]
    total = second - (first**2).sum(axis=1)
    varies = total > _NO_VARIANCE
    share = np.divide(within, total, out=np.zeros_like(total), where=varies)
    return np.asarray(np.clip(share, 0.0, 1.0)[:, None])
