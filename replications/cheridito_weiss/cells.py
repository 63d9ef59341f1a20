"""The six tasks of the paper and what was published on them."""

from dataclasses import dataclass
from functools import cache
from typing import Final

from tercel import Task
from tercel.core import SELL
from tercel.lab.evaluation import Plan, seeded_plan
from tercel.market.flow import load
from tercel.market.simulator import Source, reactive

TASK: Final = Task(
    side=SELL, share=0.1, horizon_s=150.0, decisions=10, warmup_s=15.0, grid_points=2
)
"""Sell within 150 s, a decision every 15 s, after 15 s of warm-up."""


@dataclass(frozen=True)
class Figure:
    """Mean and standard deviation of an episode's reward, ticks a lot over the arrival bid."""

    mean: float
    sd: float


@dataclass(frozen=True)
class Cell:
    """A market, the lots to be sold in it, and what was published (10,000 episodes).

    Parameters
    ----------
    market : str
        noise, flow or strategic.
    quantity : int
    sl, twap : Figure
        Submit and leave; a slice at bid + 1 every 15 s.
    logistic_normal, dirichlet : Figure
        The learned policies.
    """

    market: str
    quantity: int
    sl: Figure
    twap: Figure
    logistic_normal: Figure
    dirichlet: Figure

    @property
    def name(self) -> str:
        """Such as noise_20."""
        return f"{self.market}_{self.quantity}"

    @property
    def published_best(self) -> float:
        """Mean of the better learned policy."""
        return max(self.logistic_normal.mean, self.dirichlet.mean)

    def source(self) -> Source:
        """The market, ready to run in."""
        return _source(self.market)

    def plan(self, seed: int, first: int, n: int) -> Plan:
        """`n` episodes from number `first` on, each with a stream of (seed, number)."""
        return seeded_plan(TASK, self.quantity, seed, first, n)


@cache
def _source(market: str) -> Source:
    return reactive(load(f"cw-{market}"))


def _cell(market: str, quantity: int, *pairs: tuple[float, float]) -> Cell:
    return Cell(market, quantity, *(Figure(*pair) for pair in pairs))


CELLS: Final = {
    cell.name: cell
    for cell in (
        _cell("noise", 20, (0.52, 1.19), (-0.06, 0.94), (0.64, 0.88), (0.58, 0.90)),
        _cell("noise", 60, (-1.09, 1.34), (-1.40, 0.98), (-0.81, 0.93), (-0.74, 0.92)),
        _cell("flow", 20, (0.10, 1.43), (0.48, 0.68), (0.79, 0.67), (0.73, 0.67)),
        _cell("flow", 60, (-3.36, 0.99), (-0.96, 0.95), (-0.24, 0.66), (-0.41, 0.63)),
        _cell("strategic", 20, (-1.64, 2.95), (-0.36, 3.03), (1.11, 2.23), (0.86, 1.92)),
        _cell("strategic", 60, (-2.51, 3.67), (-1.45, 3.46), (0.11, 2.42), (-0.02, 1.90)),
    )
}
"""By name."""
