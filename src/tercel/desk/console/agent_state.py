"""Counters and costs of one agent, as a desk's state folds them from its journal."""

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Final

from tercel.core.stats.mean_intervals import WeightedSums
from tercel.desk.console.agent_report import Seat
from tercel.desk.trading.journal.agent_bodies import CostEntry

MOST_INTENTS: Final = 200
PARTS: Final = ("spread", "walk", "timing", "forced", "fees")
"""Parts that add up to a shortfall (`trading.tca.measure.ParentCost`)."""


@dataclass
class Agent:
    """Counters and costs of one agent, folded from its desk's journal."""

    name: str
    strategy: str = ""
    share: dict[str, float] = field(default_factory=dict)
    fills: int = 0
    qty: int = 0
    """Filled quantity, 10^-8 of a lot."""
    unfilled: int = 0
    """Unfilled quantity of its finished parents, 10^-8 of a lot."""
    orders: int = 0
    denials: int = 0
    drift: str = ""
    drifting: bool = False
    fallback: str = ""
    seat: Seat = field(default_factory=lambda: Seat())  # noqa: PLW0108 (mypy)
    """Its last `agent_assignment` entry."""
    model: str = ""
    """Hash of its last parent's weights."""
    promoted: str = ""
    """Champion that its strategy replaced in this session."""
    parents: int = 0
    """Number of finished and analysed parents that its strategies alone worked."""
    by_hand: int = 0
    """Number of finished and analysed parents that a person worked in part: their costs are not the agent's."""
    costs: WeightedSums = field(default_factory=WeightedSums, repr=False)
    spent: Counter[str] = field(default_factory=Counter, repr=False)
    """Sums over its analysed parents: each of PARTS in basis points, times the parent's weight; "": the weights."""
    intents: deque[str] = field(default_factory=lambda: deque(maxlen=MOST_INTENTS), repr=False)


def contribution(cost: CostEntry) -> dict[str, float]:
    """Cost parts in bps times the parent's weight, the weight under ""; {} without a cost, or if a person worked it in part."""
    if cost.is_bps is None or cost.by_hand is not None:
        return {}
    parts = (cost.spread_bps, cost.walk_bps, cost.timing_bps, cost.forced_bps, cost.fees_bps)
    spent = {part: cost.notional * (value or 0.0) for part, value in zip(PARTS, parts, strict=True)}
    return spent | {"": cost.notional}
