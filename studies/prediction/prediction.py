"""Prediction of tape by simulation: costs and fills of the same strategies in a market and on recorded days.

Rank correlation over strategies says whether who is cheap in simulation is cheap on tape. Its interval redraws the
tape's days and the simulated episodes; its ceiling is what the tape says of itself: the days' ranking in one half
against that in the other, stepped up to all days. Of pairs of strategies whose difference is significant on tape,
after correction for all pairs, it is counted in how many simulation has the same sign.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import Final

import numpy as np

from studies.prediction.split_half import split_half
from tercel.core import Floats, Record, spearman
from tercel.core.stats import Estimate, Replicates, moments_of_mean, ranks
from tercel.execution import Costs
from tercel.lab.evaluation import ComparisonLedger, ResampledScores, Scores

RESTING: Final = 0.5
"""Who has so much of the order filled while it rests, in simulation or on tape, counts as resting."""
LEAST: Final = 3
"""Fewer strategies have no ranking."""
CALLED: Final = 0.05
SAME: Final = 9
"""Decimals of a bp: strategies that differ in later ones did the same, and floating point alone tells them apart."""
NEAR: Final = 0.10
"""Passive and late shares that lie so near one another agree."""


@dataclass(frozen=True, eq=False)
class StrategyCosts:
    """Costs and fills of strategies on the episodes of one place.

    Parameters
    ----------
    costs : mapping of name to Costs
        All over the same n episodes.
    seed : int
        Of the bootstrap.
    """

    costs: Mapping[str, Costs]
    seed: int = 0

    @cached_property
    def scores(self) -> Scores:
        """Shortfalls of the strategies, bps."""
        return Scores.of(self.costs, {})

    @cached_property
    def resampled(self) -> ResampledScores:
        """Mean shortfalls under the same draws of clusters."""
        return ResampledScores.of(self.scores, np.random.default_rng(self.seed))

    @cached_property
    def means(self) -> dict[str, Replicates]:
        """Mean shortfall of each strategy."""
        return self.resampled.replicates(np.random.default_rng(self.seed))

    @property
    def episodes(self) -> int:
        """Number of orders of each strategy."""
        return len(self.scores)

    def point(self, names: Sequence[str]) -> Floats:
        """Mean shortfalls, float64 (K,)."""
        return np.array([self.means[name].point for name in names]).round(SAME)

    def draws(self, names: Sequence[str]) -> Floats:
        """Resampled mean shortfalls, float64 (B, K)."""
        return np.stack([self.means[name].draws for name in names], axis=1).round(SAME)

    def passive(self, name: str) -> float:
        """Share of the order filled while it rested, mean over episodes."""
        return float((self.costs[name].passive_lots / self.costs[name].qty).mean())

    def late(self, name: str) -> float:
        """Share of the order that the horizon forced, mean over episodes."""
        return float((self.costs[name].forced_lots / self.costs[name].qty).mean())

    def doubled(self) -> float:
        """Share of all lots that the tape gave to its own orders too."""
        return sum(int(c.double_lots.sum()) for c in self.costs.values()) / sum(
            int(c.qty.sum()) for c in self.costs.values()
        )


@dataclass(frozen=True)
class RankCorrelation(Record):
    """Spearman over strategies; None where there are too few, bounds and ceiling with a single day too.

    Parameters
    ----------
    mean, ci_low, ci_high : float or None
        With its interval over days and episodes.
    ceiling : float or None
        What the tape says of itself, all days.
    halves : float or None
        The same of random halves of its days, in the mean.
    """

    mean: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    ceiling: float | None = None
    halves: float | None = None


@dataclass(frozen=True)
class Signs(Record):
    """Pairs of strategies, those told apart on tape, and the share of these that simulation orders alike."""

    pairs: int
    told: int
    agree: float | None


@dataclass(frozen=True)
class Shares(Record):
    """How many of the strategies have both shares near the tape's, and how far apart they are in the mean."""

    near: int
    of: int
    passive_share: float
    late_share: float


@dataclass(frozen=True)
class Bound(Record):
    """What is found with one bound on double fills; `double_share`: of all lots that were filled twice."""

    spearman: RankCorrelation
    spearman_resting: RankCorrelation
    signs: Signs
    double_share: float


@dataclass(frozen=True)
class PredictedRow(Record):
    """A strategy; mappings are by place: simulated, tape, and theirs where it was asked.

    Parameters
    ----------
    interval_bps : mapping of place to Estimate
        Mean shortfall, bps.
    passive_share, late_share : mapping of place to float
        Of the order, filled while it rested and forced at the horizon.
    rank : mapping of place to float
        1 the cheapest.
    resting : bool
    """

    interval_bps: Mapping[str, Estimate]
    passive_share: Mapping[str, float]
    late_share: Mapping[str, float]
    rank: Mapping[str, float]
    resting: bool

    def json_fields(self) -> dict[str, object]:
        """The mean shortfalls by themselves too."""
        return {
            f"{where}_bps": cell.mean for where, cell in self.interval_bps.items()
        } | super().json_fields()


@dataclass(frozen=True)
class Prediction(Record):
    """How simulated costs compare with the tape's.

    Parameters
    ----------
    shares : Shares
    bounds : mapping of way to Bound
        Lots filled twice counted as ours, and as theirs where that was asked.
    strategies : mapping of name to PredictedRow
        Cheapest on tape first.
    """

    shares: Shares
    bounds: Mapping[str, Bound]
    strategies: Mapping[str, PredictedRow]

    @property
    def ours(self) -> Bound:
        """What the table shows."""
        return self.bounds["ours"]

    @property
    def resting(self) -> list[str]:
        """Strategies that mostly rest."""
        return [name for name, row in self.strategies.items() if row.resting]

    def json_fields(self) -> dict[str, object]:
        """What is found with lots filled twice as ours stands at the top."""
        ours = self.ours.json_fields()
        del ours["double_share"]
        ours["spearman_resting"] = self.ours.spearman_resting.json_fields() | {
            "strategies": self.resting
        }
        return ours | super().json_fields()


def predict(
    simulated: StrategyCosts,
    tape: StrategyCosts,
    theirs: StrategyCosts | None = None,
    seed: int = 0,
) -> Prediction:
    """Compare simulated costs with the tape's.

    Parameters
    ----------
    simulated, tape : StrategyCosts
        The same strategies; the tape's clusters are days.
    theirs : StrategyCosts, optional
        The tape with the other bound on double fills (`bounds.with_strict_bound`).
    seed : int
        Of the halves of days.
    """
    names = sorted(tape.costs, key=lambda name: tape.means[name].point)
    resting = [
        name for name in names if max(simulated.passive(name), tape.passive(name)) >= RESTING
    ]
    places = {"simulated": simulated, "tape": tape} | ({} if theirs is None else {"theirs": theirs})
    ranked = {where: ranks(places[where].point(names)).tolist() for where in ("simulated", "tape")}
    ways = {"ours": tape} | ({} if theirs is None else {"theirs": theirs})
    bounds = {
        way: Bound(
            correlation(simulated, side, names, seed),
            correlation(simulated, side, resting, seed),
            signs(simulated, side, names),
            side.doubled(),
        )
        for way, side in ways.items()
    }
    rows = {
        name: PredictedRow(
            {where: side.means[name].estimate() for where, side in places.items()},
            {where: side.passive(name) for where, side in places.items()},
            {where: side.late(name) for where, side in places.items()},
            {where: row[number] for where, row in ranked.items()},
            name in resting,
        )
        for number, name in enumerate(names)
    }
    return Prediction(_shares(simulated, tape, names), bounds, rows)


def correlation(
    simulated: StrategyCosts, tape: StrategyCosts, names: Sequence[str], seed: int = 0
) -> RankCorrelation:
    """Spearman over strategies with its interval over days and episodes, and the tape's ceiling.

    `halves` is the mean over random halves of the tape's clusters, `ceiling` that stepped up to all of them.
    """
    if len(names) < LEAST:
        return RankCorrelation()
    point = float(spearman(simulated.point(names), tape.point(names)))
    drawn = spearman(simulated.draws(names), tape.draws(names))
    freedom = min(simulated.resampled.clusters, tape.resampled.clusters) - 1.0
    estimate = Replicates(point, drawn, ((float(drawn.var()), freedom),)).estimate()
    costs = np.concatenate([tape.scores.bps[name] for name in names]).T
    means = replace(moments_of_mean(costs, tape.scores.cluster), statistic=_same)
    halves, ceiling = split_half(means, np.random.default_rng(seed))
    return RankCorrelation(
        *map(_within, (point, estimate.ci_low, estimate.ci_high, ceiling, halves))
    )


def _same(means: Floats) -> Floats:
    """Means without what floating point alone tells apart."""
    return means.round(SAME)


def _within(value: float | None) -> float | None:
    """A correlation, None for none."""
    return None if value is None or np.isnan(value) else float(min(max(value, -1.0), 1.0))


def signs(simulated: StrategyCosts, tape: StrategyCosts, names: Sequence[str]) -> Signs:
    """Pairs whose difference is told on tape (Benjamini and Hochberg over all pairs), and the share that agrees."""
    ledger, pairs = ComparisonLedger(), list(combinations(names, 2))
    gaps = {(a, b): tape.means[a] - tape.means[b] for a, b in pairs}
    rows = {pair: ledger.enter(gap) for pair, gap in gaps.items() if gap.error > 10.0**-SAME}
    ledger.adjust()
    agree = [
        (simulated.means[a].point - simulated.means[b].point) * row.mean > 0.0
        for (a, b), row in rows.items()
        if row.p_adjusted is not None and row.p_adjusted < CALLED
    ]
    return Signs(len(pairs), len(agree), float(np.mean(agree)) if agree else None)


def _shares(simulated: StrategyCosts, tape: StrategyCosts, names: Sequence[str]) -> Shares:
    """How many strategies have both shares within `NEAR` of the tape's, and how far apart they are in the mean."""
    passive = [abs(simulated.passive(name) - tape.passive(name)) for name in names]
    late = [abs(simulated.late(name) - tape.late(name)) for name in names]
    near = np.maximum(passive, late) <= NEAR
    return Shares(int(near.sum()), len(names), float(np.mean(passive)), float(np.mean(late)))


def in_words(found: Prediction, market: str, judged: str) -> list[str]:
    """Summary in at most five sentences."""
    rest, pairs, near = found.ours.spearman_resting, found.ours.signs, found.shares
    sentences = [
        _ranked(
            found.ours.spearman, f"{market} ranks {len(found.strategies)} strategies as {judged} do"
        )
    ]
    if rest.mean is not None:
        sentences.append(_ranked(rest, f"Over the {len(found.resting)} that mostly rest it is"))
    agreed = (
        ""
        if pairs.agree is None
        else f", and simulation has the same sign in {pairs.agree:.0%} of these"
    )
    sentences.append(f"{pairs.told} of {pairs.pairs} pairs differ significantly on tape{agreed}.")
    sentences.append(
        f"{near.near} of {near.of} have passive and late shares within {NEAR:.2f} of the tape's."
    )
    other = found.bounds.get("theirs")
    if other is not None and other.spearman.mean is not None:
        sentences.append(
            f"{found.ours.double_share:.0%} of the lots were filled twice; counted as the tape's, the correlation is "
            f"{other.spearman.mean:.2f}."
        )
    return sentences


def _ranked(row: RankCorrelation, what: str) -> str:
    if row.mean is None:
        return f"{what}: too few to rank."
    span = "" if row.ci_low is None else f" [{row.ci_low:.2f}, {row.ci_high:.2f}]"
    ceiling = "" if row.ceiling is None else f"; the tape's own ceiling is {row.ceiling:.2f}"
    return f"{what}: Spearman {row.mean:.2f}{span}{ceiling}."
