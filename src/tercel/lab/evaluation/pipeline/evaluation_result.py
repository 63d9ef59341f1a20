"""What an evaluation found: the table of `tercel run` and everything that questions it, read by attribute."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tercel.core.serialization import Record
from tercel.core.stats import DeflatedScore, Estimate, PairedGain
from tercel.lab.evaluation.claims import Claim
from tercel.lab.evaluation.comparisons import JudgedRun, ScenarioCell
from tercel.lab.evaluation.risk_statistics import SampleSize, ScheduleRatios


@dataclass(frozen=True)
class RegimeCell(ScenarioCell):
    """A regime, and its share of the time; None where it was run by itself."""

    share_of_time: float | None = None


@dataclass(frozen=True)
class MarketCell(ScenarioCell):
    """A market, and the written strategy that was cheapest on the judged episodes."""

    best_baseline: str = ""

    @classmethod
    def among(cls, written: Sequence[str], cell: ScenarioCell) -> "MarketCell":
        """The cell with the cheapest of the written strategies."""
        return cls(
            **vars(cell), best_baseline=min(written, key=lambda name: cell.is_bps[name].mean)
        )


@dataclass(frozen=True)
class Validation(Record):
    """The written strategies on the episodes on which the best of them was chosen."""

    best_baseline: str
    episodes: int
    is_bps: Mapping[str, float]


@dataclass(frozen=True)
class HindsightBound(Record):
    """What no strategy can attain: the cost of the same orders to somebody who knows the path."""

    label: str
    is_bps: Estimate


@dataclass(frozen=True)
class Pooled(Record):
    """Gains over all markets, policy -> opponent: for such as could have been chosen, and for these."""

    markets: list[str] = field(default_factory=list)
    any_markets: Mapping[str, Mapping[str, PairedGain]] = field(default_factory=dict)
    these_markets: Mapping[str, Mapping[str, PairedGain]] = field(default_factory=dict)

    def json_fields(self) -> dict[str, object]:
        """Nothing for a single market."""
        return super().json_fields() if self.markets else {}


@dataclass(frozen=True)
class SeedsGain(Estimate):
    """Interquartile mean of gains over training seeds and markets; `by_seed`: the gain in each market, by seed."""

    by_seed: list[list[float]]


@dataclass(frozen=True)
class ConditionCell(Record):
    """Shortfalls under another latency, fee or size of order, and what each policy saves."""

    is_bps: Mapping[str, Estimate]
    paired_vs_best_baseline: Mapping[str, Estimate]


@dataclass(frozen=True)
class AdaptationCell(Record):
    """A regime that begins half-way.

    Parameters
    ----------
    is_bps : mapping of strategy to Estimate
    paired : mapping of policy to opponent to Estimate
    specialist : str or None
        The policy trained in the regime.
    difference_to_specialist, loss_to_specialist : mapping of strategy to Estimate, or None
        What each costs more, bps and as a share; None without a specialist.
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
    def beside_specialist(self) -> dict[str, tuple[Estimate, Estimate]]:
        """Difference and loss of each strategy."""
        losses = self.loss_to_specialist or {}
        return {
            name: (more, losses[name])
            for name, more in (self.difference_to_specialist or {}).items()
        }

    @property
    def is_cost(self) -> bool:
        """Whether the specialist's interval lies above 0: of anything else a percentage says nothing."""
        low = None if self.specialist is None else self.is_bps[self.specialist].ci_low
        return low is not None and low > 0


@dataclass(frozen=True, kw_only=True)
class EvaluationResult(JudgedRun):
    """The JSON of an evaluation, field by field.

    Parameters
    ----------
    paired : mapping of policy to opponent to PairedGain
        Corrected for all comparisons.
    evaluation_seeds : list of int
        Base seeds of the judged episodes.
    policies : mapping of policy to its record
    handed_over : mapping of policy to str
        The schedule that took its orders over.
    recipes : mapping of recipe to list of policies
    claims : mapping of row to Claim
    by_regime, by_market, by_market_and_regime, by_liquidity : mapping of part to cell
    validation : Validation
    sample_size : SampleSize or None
    hindsight : HindsightBound or None
    ratios : mapping of policy to ScheduleRatios
    bars : mapping of market to row to ScheduleRatios
    cvar95_bps : mapping of strategy to Estimate
        Mean of the dearest 5 % of episodes, bps.
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
    pooled : Pooled
    iqm : mapping of recipe to SeedsGain
    sensitivity : mapping of axis to value to ConditionCell
    adaptation : mapping of regime to AdaptationCell
    comparisons : int
        How many were corrected.
    checks : list of str
        What was made sure of, in words.
    apart : mapping of part to Estimate or None, optional
        What each part of a strategy saves, bps, None where it has none; None where that was not asked.
    bound : str or None
        (on tape) The bound on fills that verdicts are by.
    by_bound : mapping of bound to strategy to Estimate
        Mean shortfall under every bound, bps; empty in a simulated market, or on level totals.
    """

    paired: Mapping[str, Mapping[str, PairedGain]]
    evaluation_seeds: list[int]
    policies: Mapping[str, Mapping[str, object]]
    handed_over: Mapping[str, str] = field(default_factory=dict)
    recipes: Mapping[str, list[str]]
    claims: Mapping[str, Claim]
    by_regime: Mapping[str, RegimeCell]
    by_market: Mapping[str, MarketCell]
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
    pooled: Pooled
    iqm: Mapping[str, SeedsGain]
    sensitivity: Mapping[str, Mapping[str, ConditionCell]]
    adaptation: Mapping[str, AdaptationCell]
    comparisons: int
    checks: list[str]
    apart: Mapping[str, Estimate | None] | None = None
    bound: str | None = None
    by_bound: Mapping[str, Mapping[str, Estimate]] = field(default_factory=dict)

    @property
    def reported_rows(self) -> list[str]:
        """Rows that verdicts are told of: recipes, and policies that belong to none."""
        inside = {member for members in self.recipes.values() for member in members}
        return [name for name in self.paired if name not in inside]

    @property
    def thirds(self) -> dict[str, ScenarioCell]:
        """Cells by liquidity at arrival: "thin depth" and the like."""
        return {
            f"{third} {axis}": cell
            for axis, row in self.by_liquidity.items()
            for third, cell in row.items()
        }
