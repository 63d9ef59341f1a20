"""Risk-averse objectives (CVaR, mean-variance), and the change of rewards by which any learner minimises them.

With L the total cost of an episode (minus the sum of its rewards) and `a` the aversion,

    cvar           (1 - a) E L + a CVaR(L),  CVaR(L) = min_w  w + E (L - w)+ / (1 - level)
    mean_variance  E L + a Var(L),           Var(L)  = min_w  E (L - w)^2

Both are the least value over a threshold w of the mean of a function u(L; w), so for a given w each episode has a price
of its own and any learner can minimise its mean (Rockafellar and Uryasev 2000; Buehler et al. 2019, "Deep hedging",
train w beside the network). Here w follows the policy: it is the best w for the latest episodes, the quantile or mean.

The price is paid as the cost comes in, u(cost so far) - u(cost before), which adds up to u(L) - u(0). The best action
depends on the cost so far; a policy that does not observe it finds the best among policies without that observation.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tercel.core.arrays import Bools, Floats
from tercel.core.errors import ConfigError, check_known, refuse_if
from tercel.lab.learning.port import State

Measure = Literal["cvar", "mean_variance"]
MEASURES: tuple[Measure, ...] = ("cvar", "mean_variance")
# Number of latest episodes from which the threshold is computed.
MEMORY = 1_000


@dataclass(frozen=True)
class Risk:
    """Risk-averse objective to minimise: mean cost with a weight on CVaR or variance.

    Parameters
    ----------
    aversion : float
        Weight of the risk; 0 is the mean cost. Of the CVaR at most 1; of the variance per unit of cost.
    measure : {"cvar", "mean_variance"}
    level : float
        Of the CVaR: the mean of the worst 1 - `level` of episodes.

    Raises
    ------
    ConfigError
        If a number is out of range.
    """

    aversion: float = 0.0
    measure: Measure = "cvar"
    level: float = 0.9

    def __post_init__(self) -> None:
        """Refuse an unknown measure, and an aversion or level out of range."""
        check_known(self.measure, MEASURES, "a risk measure among", error=ConfigError)
        maximum = 1.0 if self.measure == "cvar" else np.inf
        refuse_if(
            not 0.0 <= self.aversion <= maximum or not np.isfinite(self.aversion),
            f"a risk aversion from 0 to {maximum}",
            f"{self.aversion}",
            "0 is indifferent to risk",
        )
        refuse_if(
            not 0.0 < self.level < 1.0,
            "a level of the CVaR between 0 and 1",
            f"{self.level}",
            "0.9 is the worst tenth",
        )

    def price(self, cost: Floats, threshold: Floats) -> Floats:
        """Price u(cost; threshold) of each cost, whose mean is the objective at the best threshold."""
        beyond = cost - threshold
        if self.measure == "mean_variance":
            return np.asarray(cost + self.aversion * beyond**2)
        tail = threshold + np.maximum(beyond, 0.0) / (1.0 - self.level)
        return np.asarray((1.0 - self.aversion) * cost + self.aversion * tail)

    def threshold(self, costs: Floats) -> float:
        """Threshold at which the mean price of `costs` is lowest: their quantile or mean."""
        return float(np.quantile(costs, self.level) if self.measure == "cvar" else costs.mean())

    def value(self, costs: Floats) -> float:
        """Value of the objective for a sample of total costs; lower is better."""
        return float(self.price(costs, np.full(costs.shape, self.threshold(costs))).mean())


class RiskTransform:
    """Turns the rewards of `n` episode slots into risk-adjusted rewards, step by step."""

    def __init__(self, n: int, risk: Risk) -> None:
        """Start `n` episode slots at cost 0 under the objective `risk`."""
        self.risk = risk
        self.cost = np.zeros(n)
        self._threshold = np.zeros(n)
        self._recent: Floats = np.zeros(0)

    @property
    def threshold(self) -> float:
        """Threshold for episodes that start now, from the latest costs; 0 before the first."""
        return self.risk.threshold(self._recent) if len(self._recent) else 0.0

    def begin(self, slots: slice = slice(None)) -> None:
        """Begin new episodes in these slots; the learned threshold is kept."""
        self.cost[slots] = 0.0
        self._threshold[slots] = self.threshold

    def pay(self, reward: NDArray[np.floating], done: Bools) -> Floats:
        """Risk-adjusted rewards [n] from the rewards [n] of one step; where `done` [n], the slot begins a new episode."""
        before = self.risk.price(self.cost, self._threshold)
        self.cost -= reward
        paid = before - self.risk.price(self.cost, self._threshold)
        if done.any():
            self._recent = np.concatenate([self._recent, self.cost[done]])[-MEMORY:]
            self.cost[done] = 0.0
            self._threshold[done] = self.threshold
        return np.asarray(paid)

    def state(self) -> State:
        """Copies of costs, thresholds and latest episode costs."""
        return {
            "cost": self.cost.copy(),
            "threshold": self._threshold.copy(),
            "recent": self._recent.copy(),
        }

    def restore(self, state: State) -> None:
        """Restore costs, thresholds and latest episode costs from `state`."""
        self.cost[:] = state["cost"]
        self._threshold[:] = state["threshold"]
        self._recent = np.array(state["recent"])


def risk_transform(n: int, aversion: float, measure: str, level: float) -> RiskTransform | None:
    """Risk transform for a learner's settings; None without aversion to risk."""
    risk = Risk(aversion, measure, level)  # type: ignore[arg-type]  # refuses a measure that is none
    return RiskTransform(n, risk) if aversion else None
