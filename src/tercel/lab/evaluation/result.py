"""Result of a judged run, and its JSON: one object, floats never rounded."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from tercel.core.plain import plain
from tercel.core.record import Record
from tercel.core.stats import Estimate

MEANINGS: Mapping[str, str] = {
    "is_bps": "implementation shortfall against the arrival mid; the sum of the five that follow",
    "spread_bps": "touch against mid: paid when taking, earned when passive",
    "impact_bps": "walking past the touch, and the displacement that own trading causes on average",
    "timing_bps": "what the market did meanwhile, displacement taken out",
    "forced_bps": "all of the above, of the lots left at the horizon and sent to the market",
    "fees_bps": "fees",
    "timing_risk_bps": "standard deviation of the shortfall over episodes",
    "passive_share": "lots filled while resting over lots of the order, mean over episodes",
    "adaptability": "share of the variance of decisions that the market causes",
}
"""What each key says, for captions."""

FEW_NOTE = "under 20 clusters"
REPLAY_NOTE = "nothing answers own trading"
"""How the two notes begin that a printed table says in its own words."""

Cell = Estimate | None


@dataclass(frozen=True)
class CostRow(Record):
    """The figures of a strategy, each as `MEANINGS` says; None where it does not exist (impact on a tape)."""

    is_bps: Estimate
    spread_bps: Cell
    impact_bps: Cell
    timing_bps: Cell
    forced_bps: Cell
    fees_bps: Cell
    timing_risk_bps: Cell
    passive_share: Cell
    adaptability: Cell

    @property
    def known(self) -> dict[str, Estimate]:
        """What exists, by key, in the order of the table."""
        return {key: cell for key in KEYS if (cell := getattr(self, key)) is not None}


KEYS = tuple(one.name for one in fields(CostRow))
"""One set of keys everywhere, in the order of the table."""


@dataclass(frozen=True)
class Counts(Record):
    """Lots of a strategy that deserve a remark, shares of all its lots, and orders and cancels that it sends."""

    unfilled_lots: int
    unfilled_share: float
    forced_share: float
    double_filled_share: float
    messages_per_order: float | None = None


@dataclass(frozen=True)
class JudgedRun(Record):
    """The judged table with everything needed to read it.

    Parameters
    ----------
    strategies : mapping of name to CostRow
    kinds : mapping of name to kind
        "baseline", "random", "learned" or "own".
    best_baseline : str
        Lowest mean shortfall among the written strategies; `random` is not one of them.
    paired_vs_best_baseline : mapping of policy to Estimate
        Cost saved against it, bps: positive is better. For all that is no written strategy of ours.
    paired : mapping of policy to mapping of opponent to Estimate
        The same against every other strategy.
    paired_by_seed : mapping of policy to mapping of opponent to list of Estimate
        The same for each training seed by itself, against the opponent's same seed where it has as many.
    counts : mapping of name to Counts
    episodes, clusters : int
        Paired episodes, and what is independent among them.
    cluster : str
        What a cluster is: "episode seed", "bank entry", "day", "30-minute block of one day".
    seeds : list of int
        Training seeds.
    market : str
        Name of the market.
    task : mapping
        The task's parameters.
    notes : tuple of str
        What a reader must know: few clusters, one day, lots that could not be filled ...
    level : float
        Nominal coverage of every interval.
    resamples : int
        Bootstrap resamples.
    correlation : float or None
        Of the costs of two written strategies in one episode, the median over pairs.
    out : str or None
        Folder of the run.
    """

    strategies: Mapping[str, CostRow]
    kinds: Mapping[str, str]
    best_baseline: str
    paired_vs_best_baseline: Mapping[str, Estimate]
    paired: Mapping[str, Mapping[str, Estimate]]
    paired_by_seed: Mapping[str, Mapping[str, list[Estimate]]]
    counts: Mapping[str, Counts]
    episodes: int
    clusters: int
    seeds: list[int]
    market: str
    task: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    level: float = 0.95
    resamples: int = 2000
    cluster: str = "episode seed"
    correlation: float | None = None
    out: str | None = field(default=None)

    def to_json(self) -> dict[str, Any]:
        """The run as plain dicts, lists and numbers; an absent key of a strategy is null."""
        found: dict[str, Any] = plain(self)
        return found

    @property
    def ranked(self) -> list[str]:
        """Strategies, cheapest first."""
        return sorted(self.strategies, key=lambda name: self.strategies[name].is_bps.mean)
