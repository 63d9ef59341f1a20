"""Execution as a Gymnasium environment of one market: `tercel/Execution-v1`, which `api.environment` makes in any market.

`envs.ExecutionVec` is the same for many markets in one compiled loop.
"""

from typing import Any

import gymnasium
import numpy as np

from tercel.core.arrays import Float32
from tercel.lab.learning.envs import ExecutionVec
from tercel.lab.learning.gym_frame import METADATA, frame_of
from tercel.lab.learning.port import Info


class ExecutionEnv(gymnasium.Env[Float32, Any]):
    """Buy or sell a given quantity within a given time, at the least cost against the mid at arrival.

    | | |
    |---|---|
    | Action space | ``Discrete(8)`` (`placement`, the default) |
    | Observation space | ``Box(-inf, inf, (50,), float32)`` |
    | Import | ``gymnasium.make("tercel/Execution-v1")`` after ``import tercel.api.envs`` |

    **Description.** A market of limit orders runs by itself: order flow calibrated from a tape (by default `goog`:
    queue-reactive, under a law of impact), or recorded days. An order of 10 % of the volume expected in half an hour is
    to be executed in that half hour, with a decision every 30 seconds (see `Task` for all of it). Whatever is left at
    the horizon is bought or sold at market.

    **Action space** (`placement`; others by argument `actions`)

    | Num | Action |
    |---|---|
    | 0 | hold: own orders stay as they are |
    | 1 | rest all that is left one tick inside the own touch (improve) |
    | 2 | rest all that is left at the own touch |
    | 3 | rest all that is left 1 tick behind it |
    | 4 | rest all that is left 3 ticks behind it |
    | 5, 6, 7 | take 25, 50, 100 % of the slice, rest the other remaining lots at the touch |

    The slice is the remaining lots over the remaining decisions, rounded up. In a halt every action holds. `fraction`
    is Discrete(7): take 0, 5, 10, 20, 30, 50, 100 % of the remaining lots; `level` is Discrete(6): rest all that is
    left at improve, touch, touch-1, touch-2, touch-3, nowhere.

    **Observation space.** 50 numbers, own orders excluded from those of the market, oriented by the order's side so
    that buying and selling look alike. d is the mean of the ten displayed levels, s the standard deviation of a decision
    interval so far, slog x is sign(x) log(1 + abs x):

    | Num | Observation | Num | Observation |
    |---|---|---|---|
    | 0 | time left / horizon | 25-27 | far depth, levels 1, 2, 3-5, log(1 + lots / d) |
    | 1 | lots left / order | 28-30 | imbalance of 1, 3, 5 levels |
    | 2 | lots left share - time left share | 31 | microprice - mid, ticks |
    | 3 | horizon, log(seconds / 1800) | 32 | order flow imbalance, last interval / d, slog |
    | 4 | time left, log(1 + seconds / 60) | 33-34 | volume with, against / d, log(1 + x) |
    | 5 | order / d, log | 35 | their imbalance |
    | 6 | lots left / far touch, log(1 + x) | 36 | events of the last interval, log(1 + n) |
    | 7 | lots left a decision / d, log(1 + x) | 37 | volatility of it / s, log(1 + x) |
    | 8 | lots left a decision / volume, log(1 + x) | 38 | s, log(1 + half-ticks) |
    | 9 | urgency | 39 | mid in the last interval / s, slog |
    | 10-14 | own lots at improve, touch, -1, -2, -3 / left | 40 | mid since arrival / s, slog |
    | 15 | own lots elsewhere / left | 41 | d, log(1 + lots) |
    | 16 | own lots in flight / left | 42 | spread in bps, log(1 + x) |
    | 17-19 | queue ahead / d, log(1 + x), -1: no order | 43-45 | own fills, share, flow to come |
    | 20 | forecast of the mid, in spreads, slog | 46 | pace since arrival |
    | 21 | spread, log(1 + ticks) | 47-48 | lean of the flow, whole and since arrival |
    | 22-24 | own depth, levels 1, 2, 3-5, log(1 + lots / d) | 49 | order flow imbalance since the warm-up / d |

    **Rewards.** Minus the weighted sum of costs (`reward_terms`) in ticks per lot of the order: `execution` against the mid at
    decision (weight 1), the mid's move on the remaining lots (`impact`, weight 1), and `left`, the share sent at the
    horizon (weight 0). With these weights the undiscounted return is exactly minus the implementation shortfall in
    ticks per lot (`is_bps` is in basis points). Each cost is in `info` unweighted. `weights` may be a function of a
    `lab.learning.rewards.Step` instead.

    **Starting state.** One of 64 warmed books, run on for the task's warm-up (observed by "v2": one decision interval)
    with its own random stream, with nothing done yet. Sides alternate.

    **Episode end.** `terminated` when all lots are filled: at the horizon at the latest, which is part of the
    observation. Never truncated. `info["is_bps"]` then is the arrival shortfall in basis points.

    **Arguments.**

    - `vec`: an `ExecutionVec` of one market.

    **Its arguments.**

    - `source`, `sampler`: a market, and what draws its episodes.
    - `task`: a `Task`.
    - `actions`: "placement", "fraction" or "level"; the continuous "allocation" (shares, Box(0, inf, (7,))) and
      "residual" (Box(-inf, inf, (7,)), see `execution.action_sets`), with `action_parameters`.
    - `observation`: "v3", "v2" (the first 43 entries; `execution.observation`), or a function of a `View`.
    - `weights`: a `RewardWeights`, or a function of a `Step`.

    - `render_mode`: None, or "rgb_array": :meth:`render` then draws the book (`lab.learning.gym_env`).

    ``reset(seed=s)`` starts the first episode of seed s, each ``reset()`` after it the next; the same seed and actions
    give the same bytes. A ``step`` before the first ``reset`` raises ``gymnasium.error.ResetNeeded``.
    """

    metadata = METADATA

    def __init__(self, vec: ExecutionVec) -> None:
        """Keep the one market of `vec`."""
        self.render_mode = vec.render_mode
        self.vec = vec
        self.observation_space = self.vec.single_observation_space
        self.action_space = self.vec.single_action_space

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float32, Info]:
        """Start the next episode, or the first of `seed` (of a drawn one before any): observation and empty info."""
        super().reset(seed=seed)
        obs = (
            self.vec.restart(np.zeros(1, np.int64))
            if seed is None and self.vec.started
            else self.vec.reset(seed=seed)[0]
        )
        return obs[0].copy(), {}

    def step(self, action: Any) -> tuple[Float32, float, bool, bool, Info]:
        """Take one decision: observation, reward, terminated, truncated, info with costs (and `is_bps` at the end)."""
        obs, rewards, done, _, info = self.vec.advance(np.asarray([action]))
        names = (*self.vec.weights.names, "is_bps") if done[0] else self.vec.weights.names
        return (
            obs[0].copy(),
            float(rewards[0]),
            bool(done[0]),
            False,
            {name: float(info[name][0]) for name in names},
        )

    def render(self) -> Any:
        """Picture of the market, uint8 (320, 480, 3); None without a `render_mode`."""
        return frame_of(self.vec.episodes, 0) if self.render_mode else None
