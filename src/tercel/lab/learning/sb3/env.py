"""Our environments as Stable-Baselines3 wants them."""

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from tercel.core.arrays import Float32
from tercel.core.errors import ConfigError
from tercel.lab.learning.metrics import ReturnTracker
from tercel.lab.learning.port import AnyVecEnv, MaskedVecEnv, action_sizes

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import VecEnv as Sb3VecEnv


BOUND = 1e3
"""Of vectors: Stable-Baselines3 wants one and cuts actions there; it is far beyond what any decoder tells apart."""


def require(module: str = "stable_baselines3") -> None:
    """Say what to install when `module` cannot be imported.

    Raises
    ------
    ConfigError
    """
    from importlib.util import find_spec

    if find_spec(module) is None:
        raise ConfigError(
            f"{module} for learner 'sb3'", "a Python without it", "pip install 'tercel[learn]'"
        )


def softmax(x: Float32) -> Float32:
    """Shares float32[n, A] that vectors stand for."""
    weights = np.exp(x - x.max(axis=1, keepdims=True))
    return np.asarray((weights / weights.sum(axis=1, keepdims=True)).astype(np.float32))


def to_sb3(
    env: AnyVecEnv, seed: int, *, shares: bool = False, returns: ReturnTracker | None = None
) -> "Sb3VecEnv":
    """`env` as a Stable-Baselines3 VecEnv: discrete actions, or vectors; masks as sb3-contrib asks.

    Parameters
    ----------
    env : AnyVecEnv
    seed : int
        Of every reset.
    shares : bool
        What the environment gets is the softmax of what the network puts out.
    returns : ReturnTracker, optional
        Told every reward.

    Notes
    -----
    Where an episode of an `ExecutionVec` ends, its info has `is_bps`, the shortfall, and `terminal_observation`.
    """
    require()
    import gymnasium as gym
    from stable_baselines3.common.vec_env import VecEnv as Base

    numbers, entries = action_sizes(env)
    own = {"render_mode": None, "vec": env, "shares": shares}
    own |= {"action_masks": True} if isinstance(env, MaskedVecEnv) and numbers else {}

    class Adapter(Base):
        def __init__(self) -> None:
            space = gym.spaces.Box(-np.inf, np.inf, (env.observation_size,), np.float32)
            choice = (
                gym.spaces.Box(-BOUND, BOUND, (entries,), np.float32)
                if entries
                else gym.spaces.Discrete(numbers)
            )
            super().__init__(env.n, space, choice)
            self.infos: list[dict[str, Any]] = [{} for _ in range(env.n)]

        def reset(self) -> Any:
            return env.reset(seed).copy()

        def step_async(self, actions: Any) -> None:
            self.actions = actions

        def step_wait(self) -> Any:
            actions: Any = np.asarray(self.actions, np.float32 if entries else np.int64)
            obs, reward, done, info = env.step(cast(Any, softmax(actions)) if shares else actions)
            if returns is not None:
                returns.add(reward, done)
            infos = [*self.infos]
            for i in info.get("which", ()):
                infos[i] = {
                    "terminal_observation": info["final_obs"][i].copy(),
                    "is_bps": float(info["is_bps"][i]),
                }
            return obs.copy(), np.array(reward, np.float32), done.copy(), infos

        def close(self) -> None:
            pass

        def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
            if attr_name not in own:
                raise AttributeError(attr_name)
            return [own[attr_name]] * env.n

        def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
            raise NotImplementedError

        def env_method(
            self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any
        ) -> list[Any]:
            if method_name == "action_masks" and isinstance(env, MaskedVecEnv):
                return list(env.mask().copy())
            raise NotImplementedError

        def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
            return [False] * env.n

    return Adapter()


def monitored(env: "Sb3VecEnv") -> "Sb3VecEnv":
    """`env` with each episode's reward, length and shortfall counted, from which Stable-Baselines3 logs its curves."""
    from stable_baselines3.common.vec_env import VecMonitor

    return VecMonitor(env, info_keywords=("is_bps",))
