"""The judged table of one evaluation as a record: figures of each strategy, counts and notes; module `judge` computes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from tercel.core.records import Record
from tercel.core.renamed import refuse_former_names
from tercel.core.report.judged_table import UNRANKED
from tercel.core.serialization import to_jsonable
from tercel.core.stats import Estimate

MEANINGS: Mapping[str, str] = {
    "is_bps": "implementation shortfall against the arrival mid; the sum of the five that follow",
    "spread_bps": "touch against mid: paid when taking, earned when passive",
    "impact_bps": "depth cost beyond the touch, and the displacement that own trading causes on average",
    "timing_bps": "what the market did meanwhile, displacement taken out",
    "forced_bps": "all of the above, of the lots left at the horizon and sent to the market",
    "fees_bps": "fees",
    "timing_risk_bps": "standard deviation of the shortfall over episodes",
    "passive_share": "lots filled while resting over lots of the order, mean over episodes",
    "adaptability": "share of the variance of decisions that the market causes",
}
"""Description of each key, for captions."""
FEW_NOTE = "under 20 clusters"
REPLAY_NOTE = "nothing answers own trading"
"""First words of two notes for which a printed table has other texts."""
RAN_OUT_NOTE = "The depth of the book, or the limit price, ran out"
ALIKE_NOTE = "Exactly alike"
"""First words of two notes that change the meaning of a figure."""
UNFILLED_NOTE_SHARE = 0.01
"""Share of unfilled lots from which `RAN_OUT_NOTE` is added."""
Cell = Estimate | None


@refuse_former_names
@dataclass(frozen=True)
class CostRow(Record):
    """Cost figures of a strategy, as `MEANINGS` explains them; None for a figure that does not exist (impact on a
    tape).
    """

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
    def estimates(self) -> dict[str, Estimate]:
        """Estimates that exist, by key, in the order of the table's columns."""
        return {key: cell for key in KEYS if (cell := getattr(self, key)) is not None}


KEYS = tuple(column.name for column in fields(CostRow))
"""One set of keys everywhere, in the order of the table."""


@dataclass(frozen=True)
class Counts(Record):
    """Shares of a strategy's lots that were unfilled, forced or filled twice, and messages sent per order."""

    unfilled_lots: int
    unfilled_share: float
    forced_share: float
    double_filled_share: float
    messages_per_order: float | None = None


@dataclass(frozen=True)
class JudgedRun(Record):
    """The judged table: cost figures of all strategies, with comparisons, counts and notes.

    Parameters
    ----------
    strategies : mapping of name to CostRow
    kinds : mapping of name to kind
        "baseline", "random", "learned" or "own".
    best_baseline : str
        Lowest mean shortfall among the rules; `random` is not one of them.
    paired_vs_best_baseline : mapping of policy to Estimate
        Cost saved against it, bps: positive is better. For all candidates but built-in rules.
    paired : mapping of policy to mapping of opponent to Estimate
        The same against every other strategy.
    paired_by_seed : mapping of policy to mapping of opponent to list of Estimate
        The same for each training seed by itself, against the opponent's same seed where it has as many.
    counts : mapping of name to Counts
    episodes, clusters : int
        Paired episodes, and the independent clusters among them.
    cluster : str
        Kind of a cluster: "episode seed", "bank entry", "day", "30-minute block of one day".
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
    correlation : float or None
        Of the costs of two rules in one episode, the median over pairs.
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
        """The run as plain dicts, lists and numbers; null for a key that a strategy lacks."""
        return dict(to_jsonable(self))

    @property
    def ranked(self) -> list[str]:
        """Names of strategies, cheapest first; unranked ones and those without a mean last."""
        costs = {name: row.is_bps.mean for name, row in self.strategies.items()}
        last = {name for name, cost in costs.items() if np.isnan(cost) or self.is_unranked(name)}
        return sorted(costs, key=lambda name: (name in last, costs[name]))

    def is_unranked(self, name: str) -> bool:
        """Whether so many lots of a strategy stayed unfilled that its figure is not the cost of the order."""
        return self.counts[name].unfilled_share > UNRANKED
