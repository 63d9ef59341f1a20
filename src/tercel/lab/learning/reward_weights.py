"""Weights of the three costs in the reward of a decision, and the kernel that computes the rewards of one step."""

from dataclasses import asdict, dataclass

import numpy as np

from tercel.core.errors import refuse_if
from tercel.core.jit import Bytes, Floats, Longs, kernel
from tercel.market.simulator import layout as sim
from tercel.market.simulator.records import state_at

COSTS = ("execution", "impact", "left")


@dataclass(frozen=True)
class RewardWeights:
    """Weights of the three costs in the reward; all finite and not negative.

    Parameters
    ----------
    execution : float
        Of what was filled, against the mid at decision.
    impact : float
        Of the mid's move on the remaining lots.
    left : float
        Ticks per lot for each lot sent at the horizon, on top of what it costs there.
    """

    execution: float = 1.0
    impact: float = 1.0
    left: float = 0.0

    def __post_init__(self) -> None:
        """Refuse weights that are negative or not finite."""
        for name, value in asdict(self).items():
            refuse_if(
                not (np.isfinite(value) and value >= 0),
                f"a finite weight {name!r} >= 0",
                f"{value}",
                "1, 1, 0 add up to the shortfall",
            )

    @property
    def array(self) -> Floats:
        """Weights as float64 (3,)."""
        return np.array([self.execution, self.impact, self.left])


@kernel
def settle_rewards(
    ks: Longs,
    reward_terms: Longs,
    weights: Floats,
    costs: Floats,
    sums: Floats,
    rewards: Floats,
    done: Bytes,
    ended_markets: Longs,
) -> int:
    """Write `costs`, `sums`, `rewards`, `done` and `ended_markets` of one step, from `reward_terms`; number of episodes ended.

    Parameters
    ----------
    ks, reward_terms : int64 (n, ...), int64 (n, 3)
        See `execution.step`.
    weights, costs, sums, rewards, done, ended_markets
        float64 (3,) in; out: float64 (3, n) costs of the step, the same summed over the episode (a sum that was
        finished by the step before starts again), float64 (n,), uint8 (n,), int64 (n,).
    """
    ended = 0
    for i in range(ks.shape[0]):
        if done[i] != 0:
            for j in range(3):
                sums[j, i] = 0.0
        s = state_at(ks[i])
        per_lot = 1.0 / (2.0 * s.quantity)
        costs[0, i] = reward_terms[i, 0] * per_lot
        costs[1, i] = reward_terms[i, 1] * per_lot
        costs[2, i] = reward_terms[i, 2] * 2.0 * per_lot
        reward = 0.0
        for j in range(3):
            sums[j, i] += costs[j, i]
            reward -= weights[j] * costs[j, i]
        rewards[i] = reward
        done[i] = 0
        if s.phase == sim.DONE:
            done[i] = 1
            ended_markets[ended] = i
            ended += 1
    return ended
