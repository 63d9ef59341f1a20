"""Records of a strategy in the table of an evaluation: its cost figures and its counts; module `judge` computes them."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from tercel.core.records import Record
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
RESAMPLES = 2000
"""Bootstrap resamples of every interval."""
LEVEL = 0.95
"""Nominal coverage of every interval."""
Cell = Estimate | None


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
