"""Rewards: user-defined functions, and risk aversion."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from tercel.core.arrays import Bools, Floats, Ints
from tercel.core.errors import ConfigError, check_known, refuse_if
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.execution.costs import BPS
from tercel.execution.intent import View
from tercel.execution.observation import name_of
from tercel.execution.user_strategy import place_of, remedy_of
from tercel.lab.evaluation.episodes import Episodes
from tercel.lab.learning.port import State
from tercel.market.simulator import layout as sim

# -- own reward -----------------------------------------------------------------------------------
# A reward of the user's: a function of what one decision came to, by name, in n markets at once.
#
# def my_reward(step):
#     return -step.cost_bps - 2.0 * step.forced / step.quantity


@dataclass(frozen=True, eq=False)
class Step:
    """Outcome of one decision in n markets: every column a read-only array (n,).

    Parameters
    ----------
    side : int64
        +1 buy, -1 sell.
    quantity : int64
        Lots of the order.
    filled : int64
        Lots filled since the decision, those of the horizon among them.
    forced : int64
        Lots that the horizon sent to the market; 0 before it.
    left : int64
        Lots not yet filled.
    decision, decisions : int64
        Number of the next decision, from 1, and how many there are in the horizon.
    time_left : float64
        Seconds to the horizon.
    horizon : float64
        Seconds from arrival to the horizon.
    execution_bps : float64
        Cost of the fills against the mid at the decision: bps of the order at the mid of its arrival.
    impact_bps : float64
        Cost of the mid's move since the decision for the remaining lots, in the same unit.
    cost_bps : float64
        Both together: what the decision cost. The sum over an episode is its implementation shortfall.
    shortfall_bps : float64
        That sum so far; where `done`, the arrival shortfall.
    spread : int64
        Ticks between the best public prices; 0 where a side is not quoted.
    mid, arrival_mid : float64
        Ticks.
    volume : int64
        Public lots traded since arrival.
    done : bool
        Whether the episode ended with this decision.
    view : View
        All else that can be seen now: what the next decision would see, also where the episode is over.

    >>> [column.name for column in fields(Step)][:4]
    ['side', 'quantity', 'filled', 'forced']
    """

    side: Ints
    quantity: Ints
    filled: Ints
    forced: Ints
    left: Ints
    decision: Ints
    decisions: Ints
    time_left: Floats
    horizon: Floats
    execution_bps: Floats
    impact_bps: Floats
    cost_bps: Floats
    shortfall_bps: Floats
    spread: Ints
    mid: Floats
    arrival_mid: Floats
    volume: Ints
    done: Bools
    view: View

    @classmethod
    def of(cls, episodes: Episodes, left_before: Ints, costs: Floats, sums: Floats) -> Self:
        """Outcome of a step of `episodes`.

        Parameters
        ----------
        episodes : Episodes
        left_before : int64 (n,)
            Lots that were left at the decision.
        costs, sums : float64 (3, n)
            Of the step and of the episode so far: execution and impact in ticks per lot, share sent at the horizon.
        """
        view, k = episodes.view.read_only(), episodes.states
        arrival_mid = k[:, sim.ARRIVAL_MID2] / 2
        per_tick = BPS / arrival_mid
        made = cls(
            side=view.side,
            quantity=view.qty0,
            filled=left_before - view.left,
            forced=episodes.terms[:, 2].copy(),
            left=view.left,
            decision=view.decision,
            decisions=view.decisions,
            time_left=view.time_left_ns / NS_PER_SECOND,
            horizon=view.horizon_ns / NS_PER_SECOND,
            execution_bps=costs[0] * per_tick,
            impact_bps=costs[1] * per_tick,
            cost_bps=(costs[0] + costs[1]) * per_tick,
            shortfall_bps=(sums[0] + sums[1]) * per_tick,
            spread=view.spread,
            mid=view.mid2 / 2,
            arrival_mid=arrival_mid,
            volume=view.v_seen,
            done=k[:, sim.PHASE] == sim.DONE,
            view=view,
        )
        for column in fields(cls):
            if column.name != "view":
                getattr(made, column.name).setflags(write=False)
        return made


# A reward of the user's: a :class:`Step` of n markets -> n numbers, more being better.
Reward = Callable[[Step], Any]


def rewards_of(function: Reward, step: Step) -> Floats:
    """Rewards of a function, after checks of kind and shape: float64 (n,).

    Raises
    ------
    ConfigError
        Anything but a finite number a market; an `if` on a column.
    """
    name, n = name_of(function), len(step.side)
    try:
        found = np.asarray(function(step))
    except ValueError as error:
        if not (remedy := remedy_of(error)):
            raise
        raise ConfigError(f"a reward from {name}", f"{error}{place_of(error)}", remedy) from error
    if found.dtype.kind not in "fiub" or found.shape != (n,):
        raise ConfigError(
            f"numbers of shape ({n},) from {name}",
            f"{found.dtype} of shape {found.shape}",
            "such as return -step.cost_bps",
        )
    rewards = found.astype(np.float64)
    if not np.isfinite(rewards).all():
        row = int(np.argmin(np.isfinite(rewards)))
        raise ConfigError(
            f"finite numbers from {name}",
            f"{rewards[row]} in row {row}",
            "look for divisions by zero: nothing may be filled",
        )
    return rewards


# -- risk -----------------------------------------------------------------------------------------
# Aversion to risk: the same episodes, paid by a utility of their total cost.
#
# With L the total cost of an episode (minus the sum of its rewards) and `a` the aversion,
#
#     cvar           (1 - a) E L + a CVaR(L),  CVaR(L) = min_w  w + E (L - w)+ / (1 - level)
#     mean_variance  E L + a Var(L),           Var(L)  = min_w  E (L - w)^2
#
# Both are the least value over a threshold w of the mean of a function u(L; w), so for a given w each episode has a price
# of its own and any learner can minimise its mean (Rockafellar and Uryasev 2000; Buehler et al. 2019, "Deep hedging",
# train w beside the network). Here w follows the policy: it is the best w for the latest episodes, the quantile or mean.
#
# The price is paid as the cost comes in, u(cost so far) - u(cost before), which adds up to u(L) - u(0). The best action
# depends on the cost so far; a policy that does not observe it finds the best among policies without that observation.

Measure = Literal["cvar", "mean_variance"]
MEASURES: tuple[Measure, ...] = ("cvar", "mean_variance")
# Episodes that the threshold is taken from.
MEMORY = 1_000


@dataclass(frozen=True)
class Risk:
    """Risk objective to minimise.

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
        check_known(self.measure, MEASURES, "a risk measure among", error=ConfigError)
        most = 1.0 if self.measure == "cvar" else np.inf
        refuse_if(
            not 0.0 <= self.aversion <= most or not np.isfinite(self.aversion),
            f"a risk aversion from 0 to {most}",
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
        """u(cost; threshold)."""
        beyond = cost - threshold
        if self.measure == "mean_variance":
            return np.asarray(cost + self.aversion * beyond**2)
        tail = threshold + np.maximum(beyond, 0.0) / (1.0 - self.level)
        return np.asarray((1.0 - self.aversion) * cost + self.aversion * tail)

    def threshold(self, costs: Floats) -> float:
        """The threshold at which the mean price of `costs` is least."""
        return float(np.quantile(costs, self.level) if self.measure == "cvar" else costs.mean())

    def value(self, costs: Floats) -> float:
        """The objective for a sample of total costs."""
        return float(self.price(costs, np.full(costs.shape, self.threshold(costs))).mean())


class RiskTransform:
    """Turns the rewards of `n` episode slots into what the risk has them pay, step by step."""

    def __init__(self, n: int, risk: Risk) -> None:
        self.risk = risk
        self.cost = np.zeros(n)
        self._threshold = np.zeros(n)
        self._recent: Floats = np.zeros(0)

    @property
    def threshold(self) -> float:
        """That of the episodes which start now: of the latest costs; 0 before the first."""
        return self.risk.threshold(self._recent) if len(self._recent) else 0.0

    def begin(self, which: slice = slice(None)) -> None:
        """Begin new episodes in these slots; the learned threshold stays."""
        self.cost[which], self._threshold[which] = 0.0, self.threshold

    def pay(self, reward: NDArray[np.floating], done: Bools) -> Floats:
        """Risk-adjusted rewards [n] for the rewards [n] of one step; `done` [n] are the episodes that end with it."""
        before = self.risk.price(self.cost, self._threshold)
        self.cost -= reward
        paid = before - self.risk.price(self.cost, self._threshold)
        if done.any():
            self._recent = np.concatenate([self._recent, self.cost[done]])[-MEMORY:]
            self.cost[done], self._threshold[done] = 0.0, self.threshold
        return np.asarray(paid)

    def state(self) -> State:
        return {
            "cost": self.cost.copy(),
            "threshold": self._threshold.copy(),
            "recent": self._recent.copy(),
        }

    def restore(self, state: State) -> None:
        self.cost[:], self._threshold[:] = state["cost"], state["threshold"]
        self._recent = np.array(state["recent"])


def risk_transform(n: int, aversion: float, measure: str, level: float) -> RiskTransform | None:
    """For settings of a learner; None when it is indifferent to risk."""
    risk = Risk(aversion, measure, level)  # type: ignore[arg-type]  # refuses a measure that is none
    return RiskTransform(n, risk) if aversion else None
