"""The same order on the tape: what is to be sold within a period is taken slice by slice from the displayed book."""

from typing import Any, Final

import gymnasium
import numpy as np
from numpy.typing import NDArray

from replications.ning.world import EVEN, OBSERVED, PERIODS, SPEEDS, Float32, Floats, observe, sold
from tercel import Task
from tercel.core import AnyArray, CapacityError
from tercel.execution import BPS, columns, finish_intents, intent, ladder
from tercel.lab.evaluation import Episodes, Plan
from tercel.lab.learning import Info, SameStepVectorEnv
from tercel.market.simulator import Source, layout as sim

SLICES: Final = 12
"""Of a period: one a minute."""
TASK: Final = Task(horizon_s=3600.0, decisions=PERIODS * SLICES, warmup_s=0.0, grid_points=3601)


class TakeVec(SameStepVectorEnv):
    """Hours of a tape as a vector environment with the actions and the observation of `world.MidVec`.

    The rewards of an episode sum to minus its implementation shortfall, bps: spread, depth and mid's move.
    """

    def __init__(self, source: Source, plan: Plan, n: int = 16) -> None:
        super().__init__(n, len(OBSERVED), gymnasium.spaces.Discrete(len(SPEEDS)))
        self.source, self.plan = source, plan
        self.episodes = Episodes(source, TASK, n)
        self.rng = np.random.default_rng(0)
        self.period, self.variation = 0, np.zeros(n)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float32, Info]:
        """New hours in all slots."""
        self.rng = np.random.default_rng((seed or 0, 0x218))
        return self._begin(), {}

    def _begin(self) -> Float32:
        return self.begin(self.plan.take(self.rng.integers(len(self.plan), size=self.num_envs)))

    def begin(self, plan: Plan) -> Float32:
        """These hours, one a slot."""
        self.episodes.start(plan)
        self.period, self.variation = 0, np.zeros(self.num_envs)
        return self.observed()

    def observed(self) -> Float32:
        """float32 (n, 4), see `world.OBSERVED`."""
        view = self.episodes.view
        move = -view.side * (view.mid2 / view.arrival_mid2 - 1) * BPS
        return observe(self.period, view.left / view.qty0, move, np.sqrt(self.variation))

    def period_of(self, actions: NDArray[Any]) -> Floats:
        """Trade through one period; what it earned, bps of the order, float64 (n,)."""
        e, last = self.episodes, self.period == PERIODS - 1
        view, earned = e.view, np.zeros(self.num_envs)
        goal = np.rint(
            sold(np.asarray(actions, np.int64), view.left / view.qty0, last) * view.qty0
        ).astype(np.int64)
        goal, before = np.where(last, view.left, goal), view.left.copy()
        for number in range(SLICES):
            view = e.view
            intents = ladder(view)
            due = -(-goal * (number + 1) // SLICES) - (before - view.left)
            intents[:, intent.TAKE] = np.clip(due, 0, view.left)
            e.step(finish_intents(intents, view))
            k = e.states
            earned -= (
                (e.reward_terms[:, 0] + e.reward_terms[:, 1])
                / (k[:, sim.ARRIVAL_MID2] * k[:, sim.QUANTITY])
                * BPS
            )
            self.variation += e.view.m[:, columns.RV] / k[:, sim.ARRIVAL_MID2] ** 2.0 * BPS**2
        self.period += 1
        return earned

    def step(self, actions: AnyArray) -> tuple[Float32, AnyArray, AnyArray, AnyArray, Info]:
        """One period."""
        earned = self.period_of(actions)
        done = np.full(self.num_envs, self.period == PERIODS)
        return self._begin() if done[0] else self.observed(), earned, done, self.truncated, {}


def shortfall(source: Source, plan: Plan, policy: Any = None) -> Floats:
    """Implementation shortfall of each hour, bps, float64 (n,): of a policy, or of selling evenly."""
    env = TakeVec(source, plan, len(plan))
    obs = env.begin(plan)
    for _ in range(PERIODS):
        env.period_of(np.full(env.num_envs, EVEN) if policy is None else policy.act(obs))
        obs = env.observed()
    costs = env.episodes.costs()
    if costs.overflow.any():
        raise CapacityError(
            "orders that all find a place",
            f"{int(costs.overflow.sum())} without",
            "use fewer shares",
        )
    return costs.shortfall / costs.denominator * BPS
