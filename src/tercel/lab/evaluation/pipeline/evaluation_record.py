"""The figures of an evaluation as a record, as its JSON file holds it; `analyses` computes them from costs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tercel.core.records import Record
from tercel.core.report.judged_table import UNRANKED
from tercel.core.serialization import to_jsonable
from tercel.core.stats import DeflatedScore, Estimate, PairedGain
from tercel.lab.evaluation.claims import BEST, Claim
from tercel.lab.evaluation.comparisons import ScenarioCell
from tercel.lab.evaluation.cost_rows import LEVEL, RESAMPLES, CostRow, Counts
from tercel.lab.evaluation.risk_statistics import ScheduleRatios
from tercel.lab.evaluation.sample_size import SampleSize


@dataclass(frozen=True)
class Validation(Record):
    """Scores of the rules on the validation episodes, on which the best rule was chosen."""

    best_baseline: str
    episodes: int
    is_bps: Mapping[str, float]


@dataclass(frozen=True)
class HindsightBound(Record):
    """Lower bound of the cost of the same orders, with perfect foresight of the price path."""

    label: str
    is_bps: Estimate


@dataclass(frozen=True)
class SeedsGain(Estimate):
    """Interquartile mean of gains over training seeds and markets; `by_seed`: gain in each market, by seed."""

    by_seed: list[list[float]]


@dataclass(frozen=True)
class ConditionCell(Record):
    """Shortfalls, and savings of each policy, under another latency, fee or order size."""

    is_bps: Mapping[str, Estimate]
    paired_vs_best_baseline: Mapping[str, Estimate]


@dataclass(frozen=True)
class AdaptationCell(Record):
    """Results where a regime begins half-way through the order: shortfalls, gains, and losses to the specialist.

    Parameters
    ----------
    is_bps : mapping of strategy to Estimate
    paired : mapping of policy to opponent to Estimate
    specialist : str or None
        The policy trained in the regime.
    difference_to_specialist, loss_to_specialist : mapping of strategy to Estimate, or None
        Additional cost of each, bps and as a share; None without a specialist.
    frozen : list of str
        Schedules frozen at arrival.
    """

    is_bps: Mapping[str, Estimate]
    paired: Mapping[str, Mapping[str, Estimate]]
    specialist: str | None
    difference_to_specialist: Mapping[str, Estimate] | None
    frozen: list[str]
    loss_to_specialist: Mapping[str, Estimate] | None

    @property
    def versus_specialist(self) -> dict[str, tuple[Estimate, Estimate]]:
        """Additional cost of each strategy against the regime's specialist, bps and as a share; empty without a specialist."""
        losses = self.loss_to_specialist or {}
        return {
            name: (difference, losses[name])
            for name, difference in (self.difference_to_specialist or {}).items()
        }

    @property
    def is_cost(self) -> bool:
        """Whether the specialist's cost is significantly above 0, so that a percentage of it is meaningful."""
        low = None if self.specialist is None else self.is_bps[self.specialist].ci_low
        return low is not None and low > 0


@dataclass(frozen=True, kw_only=True)
class EvaluationRecord(Record):
    """All figures of an evaluation, field by field as in its JSON file; `analyses.analyse` makes it.

    Parameters
    ----------
    strategies : mapping of name to CostRow
    kinds : mapping of name to kind
        "baseline", "random", "learned" or "own".
    best_baseline : str
        Lowest mean shortfall on validation episodes; `random` is not one of them.
    paired_vs_best_baseline : mapping of policy to Estimate
        Cost saved against it, bps: positive is better. For all candidates but built-in rules.
    paired : mapping of policy to opponent to PairedGain
        The same against every other strategy, corrected for all comparisons.
    paired_by_seed : mapping of policy to mapping of opponent to list of Estimate
        The same for each training seed by itself, against the opponent's same seed where it has as many.
    counts : mapping of name to Counts
    episodes, clusters : int
        Paired episodes, and the independent clusters among them.
    seeds : list of int
        Training seeds.
    market : str
        Name of the market.
    task : mapping
        The task's parameters.
    notes : tuple of str
        Caveats: few clusters, one day, lots that could not be filled ...
    level : float
        Nominal coverage of every interval.
    resamples : int
        Bootstrap resamples.
    cluster : str
        Kind of a cluster: "episode seed", "bank entry", "day", "30-minute block of one day".
    correlation : float or None
        Of the costs of two rules in one episode, the median over pairs.
    out : str or None
        Folder of the run.
    evaluation_seeds : list of int
        Base seeds of the judged episodes.
    policies : mapping of policy to its record
    recipes : mapping of recipe to list of policies
    claims : mapping of row to Claim
    by_regime, by_market, by_market_and_regime, by_liquidity : mapping of part to cell
    validation : Validation
    sample_size : SampleSize or None
    hindsight : HindsightBound or None
    ratios : mapping of policy to ScheduleRatios
    bars : mapping of market to row to ScheduleRatios
    cvar95_bps : mapping of strategy to Estimate
        Mean of the most expensive 5 % of episodes, bps.
    wins : mapping of policy to opponent to Estimate
        Share of episodes in which the policy is cheaper.
    price_move_beta : mapping of strategy to Estimate
        Slope of the cost on the adverse move, bps a bp.
    by_side : mapping of strategy to side to float
        Mean shortfall of buys and of sells, bps.
    adaptability_vs : mapping of policy to opponent to Estimate or None
    power : mapping of policy to opponent to float or None
        Smallest true gain that is found with 80 % power, bps.
    deflated : mapping of policy to DeflatedScore or None
    pooled : mapping
        For readers of the file: gains of every policy on every rule pooled over all markets, as in `claims`, by view;
        empty for a single market.
    iqm : mapping of recipe to SeedsGain
    sensitivity : mapping of axis to value to ConditionCell
    adaptation : mapping of regime to AdaptationCell
    assumptions : mapping of assumption to row to opponent to PairedGain, or None
        Gains with one assumption changed, pooled over the markets, corrected together (Holm for those on the best rule,
        :data:`~tercel.lab.evaluation.claims.BEST`); None: not examined.
    passive_impact : float
        Impact of a resting fill to that of a take, in the market as it is.
    comparisons : int
        Number of corrected comparisons.
    checks : list of str
        Checks that passed, in words.
    apart : mapping of part to Estimate or None, optional
        Cost saving of each part of a strategy, bps; None for a part that it does not have, and None in all if not
        requested.
    bound : str or None
        (on tape) The bound on fills that verdicts are by.
    by_bound : mapping of bound to strategy to Estimate
        Mean shortfall under every bound of the tape, bps; empty in a simulated market.
    """

    strategies: Mapping[str, CostRow]
    kinds: Mapping[str, str]
    best_baseline: str
    paired_vs_best_baseline: Mapping[str, Estimate]
    paired: Mapping[str, Mapping[str, PairedGain]]
    paired_by_seed: Mapping[str, Mapping[str, list[Estimate]]]
    counts: Mapping[str, Counts]
    episodes: int
    clusters: int
    seeds: list[int]
    market: str
    task: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    level: float = LEVEL
    resamples: int = RESAMPLES
    cluster: str = "episode seed"
    correlation: float | None = None
    out: str | None = None
    evaluation_seeds: list[int]
    policies: Mapping[str, Mapping[str, object]]
    recipes: Mapping[str, list[str]]
    claims: Mapping[str, Claim]
    by_regime: Mapping[str, ScenarioCell]
    by_market: Mapping[str, ScenarioCell]
    by_market_and_regime: Mapping[str, Mapping[str, ScenarioCell]]
    by_liquidity: Mapping[str, Mapping[str, ScenarioCell]]
    validation: Validation
    sample_size: SampleSize | None
    hindsight: HindsightBound | None
    ratios: Mapping[str, ScheduleRatios]
    bars: Mapping[str, Mapping[str, ScheduleRatios]]
    cvar95_bps: Mapping[str, Estimate]
    wins: Mapping[str, Mapping[str, Estimate]]
    price_move_beta: Mapping[str, Estimate]
    by_side: Mapping[str, Mapping[str, float]]
    adaptability_vs: Mapping[str, Mapping[str, Estimate | None]]
    power: Mapping[str, Mapping[str, float | None]]
    deflated: Mapping[str, DeflatedScore | None]
    pooled: Mapping[str, object]
    iqm: Mapping[str, SeedsGain]
    sensitivity: Mapping[str, Mapping[str, ConditionCell]]
    adaptation: Mapping[str, AdaptationCell]
    assumptions: Mapping[str, Mapping[str, Mapping[str, PairedGain]]] | None = None
    passive_impact: float = 1.0
    comparisons: int
    checks: list[str]
    apart: Mapping[str, Estimate | None] | None = None
    bound: str | None = None
    by_bound: Mapping[str, Mapping[str, Estimate]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The record as plain dicts, lists and numbers; null for a key that a strategy lacks."""
        return dict(to_jsonable(self))

    def json_fields(self) -> dict[str, object]:
        """Fields of the record; the cell of a regime has its share of the time also where that is null."""
        return super().json_fields() | {
            "by_regime": {
                regime: {**cell.json_fields(), "share_of_time": cell.share_of_time}
                for regime, cell in self.by_regime.items()
            }
        }

    @property
    def ranked(self) -> list[str]:
        """Names of strategies, cheapest first; unranked ones and those without a mean last."""
        costs = {name: row.is_bps.mean for name, row in self.strategies.items()}
        last = {name for name, cost in costs.items() if np.isnan(cost) or self.is_unranked(name)}
        return sorted(costs, key=lambda name: (name in last, costs[name]))

    def is_unranked(self, name: str) -> bool:
        """Whether so many lots of a strategy stayed unfilled that its figure is not the cost of the order."""
        return self.counts[name].unfilled_share > UNRANKED

    @property
    def reported_rows(self) -> list[str]:
        """Names of rows with verdicts, largest gain first: recipes and single policies; unranked rows are left out.

        Empty if the best rule is unranked.
        """
        inside = {member for members in self.recipes.values() for member in members}
        if self.is_unranked(self.best_baseline):
            return []
        gains = {
            name: self.gain_on_best(name).mean
            for name in self.paired
            if name not in inside and not self.is_unranked(name)
        }
        return sorted(gains, key=lambda name: (np.isnan(gains[name]), -gains[name]))

    def gains_by_assumption(self, name: str, opponent: str) -> dict[str, PairedGain]:
        """Gains of a row on an opponent (:data:`BEST`, `random` or the agents' base rule) by examined assumption."""
        return {
            label: rows[name][opponent]
            for label, rows in (self.assumptions or {}).items()
            if opponent in rows.get(name, {})
        }

    def gain_on_best(self, name: str) -> PairedGain:
        """Gain of a row over the best rule of each market, pooled if there are several markets."""
        primary = self.claims[name].primary if len(self.by_market) > 1 else {}
        return primary[BEST].gain if BEST in primary else self.paired[name][self.best_baseline]

    @property
    def thirds(self) -> dict[str, ScenarioCell]:
        """Cells by liquidity at arrival, with names such as "thin depth"."""
        return {
            f"{third} {axis}": cell
            for axis, row in self.by_liquidity.items()
            for third, cell in row.items()
        }
