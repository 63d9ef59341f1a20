"""Vector environments of Gymnasium as Stable-Baselines3's `VecEnv`: the one adapter."""

from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium.spaces import Box, Discrete
from scipy.special import softmax

from tercel.execution.policies.model_policy import BOUND, RECORD
from tercel.lab.learning.metrics import ReturnTracker
from tercel.lab.learning.port import (
    AnyVectorEnv,
    act_and_restart,
    check_env,
    vectors,
)
from tercel.lab.learning.sb3.settings import require_module

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import VecEnv as Sb3VecEnv


def to_sb3(
    env: AnyVectorEnv, seed: int, *, shares: bool = False, returns: ReturnTracker | None = None
) -> "Sb3VecEnv":
    """Wrap `env` as a Stable-Baselines3 VecEnv, with action masks for sb3-contrib; `returns` is fed each step's
    rewards.

    Parameters
    ----------
    env : gymnasium.vector.VectorEnv
        Of those that learners take (:func:`~tercel.lab.learning.port.check_env`), with Gymnasium's wrappers or without.
    seed : int
        Of every reset.
    shares : bool
        Whether actions are the softmax of the network's output.
    returns : ReturnTracker, optional
        Gets every reward.

    Notes
    -----
    Where an episode of an `ExecutionVec` ends, its info has `is_bps`, the shortfall, and `terminal_observation`.
    """
    require_module()
    width, (numbers, entries) = check_env(env)
    from stable_baselines3.common.vec_env import VecEnv as Base

    attributes = {"render_mode": None, "vec": env.unwrapped, "shares": shares}
    space = vectors(width)
    vars(space)[RECORD] = vars(env.single_observation_space).get(RECORD, {})
    attributes |= {"action_masks": True} if hasattr(env, "mask") and numbers else {}

    class Adapter(Base):
        """Stable-Baselines3 VecEnv around `env`."""

        def __init__(self) -> None:
            """Declare spaces and number of slots of `env`."""
            super().__init__(
                env.num_envs,
                space,
                Box(-BOUND, BOUND, (entries,), np.float32) if entries else Discrete(numbers),
            )

        def reset(self) -> Any:
            """Start all episodes from the seed; returns observations."""
            return env.reset(seed=seed)[0].astype(np.float32)

        def step_async(self, actions: Any) -> None:
            """Keep the actions for :meth:`step_wait`."""
            self.actions = actions

        def step_wait(self) -> Any:
            """Take the step: observations, rewards, ends, and infos with terminal observations and shortfalls."""
            actions: Any = np.asarray(self.actions, np.float32 if entries else np.int64)
            obs, reward, done, truncated, info = act_and_restart(
                env, softmax(actions, axis=1) if shares else actions
            )
            if returns is not None:
                returns.add(reward, done)
            infos: list[dict[str, Any]] = [{} for _ in range(env.num_envs)]
            for i in np.flatnonzero(done) if "final_obs" in info else ():
                infos[i] = {
                    "terminal_observation": np.array(info["final_obs"][i], np.float32),
                    "TimeLimit.truncated": bool(truncated[i]),
                }
                if "is_bps" in info:
                    infos[i]["is_bps"] = float(info["is_bps"][i])
            return obs.astype(np.float32), np.array(reward, np.float32), done, infos

        def close(self) -> None:
            """Nothing to close."""

        def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
            """Value of a known attribute, once per episode slot; AttributeError for any other."""
            if attr_name not in attributes:
                raise AttributeError(attr_name)
            return [attributes[attr_name]] * env.num_envs

        def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
            """Raise NotImplementedError: not supported."""
            raise NotImplementedError

        def env_method(
            self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any
        ) -> list[Any]:
            """Result of `action_masks` per slot; NotImplementedError for any other method."""
            if method_name == "action_masks" and hasattr(env, "mask"):
                return list(env.mask().copy())
            raise NotImplementedError

        def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
            """False for every slot."""
            return [False] * env.num_envs

    return Adapter()


def with_monitor(env: "Sb3VecEnv") -> "Sb3VecEnv":
    """Wrap `env` so that Stable-Baselines3 logs each episode's reward, length and shortfall."""
    from stable_baselines3.common.vec_env import VecMonitor

    return VecMonitor(env, info_keywords=("is_bps",))
