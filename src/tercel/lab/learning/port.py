"""Port of learners, the Gymnasium environments that they act in, and the training loop.

The loop belongs to the caller: :meth:`Learner.update` collects one batch, improves once and hands back a row of
metrics. :func:`train` is that loop with metrics, checkpoints and a polite stop.
"""

import math
from collections.abc import Callable
from typing import Any, Protocol

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from tercel.core.arrays import AnyArray, Bools, Float32
from tercel.core.errors import ConfigError, TercelError, refuse_if
from tercel.execution.policies.mlp import MlpPolicy
from tercel.execution.policies.onnx_policy import OnnxPolicy

Metrics = dict[str, float]
# Nested dictionaries with string keys; leaves are arrays, numbers, strings, booleans, None and lists of those.
State = dict[str, Any]
# Arrays with further results of a step, by name.
Info = dict[str, Any]
AnyVectorEnv = VectorEnv[Any, Any, Any]


class LearningError(TercelError):
    """Raised when learning cannot go on: values that are not finite, or a state that does not fit."""


class SameStepVectorEnv(gymnasium.vector.VectorEnv[Float32, AnyArray, AnyArray]):
    """Base class of Gymnasium vector environments whose episodes restart in the step that ends them.

    Observations are float32[n, D]. The horizon is part of them, so no episode is truncated. Arrays that :meth:`reset` and
    :meth:`step` return may be the environment's own buffers, valid until the next call.

    Learners take any ``gymnasium.vector.VectorEnv`` that :func:`check_env` accepts, and use these methods where the
    environment itself (not one that a wrapper hides) has them:

    | method | |
    |---|---|
    | ``mask()`` | allowed actions now, bool[n, A]; at least one in each row |
    | ``state()``, ``restore(state)`` | everything that its future depends on, for a bit-identical resume; `restore` \
    returns the observations that were current then, float32[n, D] |
    | ``roll(learner)`` | fills the rollout of a `Ppo` as `Ppo.collect` does, in other processes or on other machines, and \
    merges what was observed into its observation normaliser |
    | ``progress(frames)`` | moves a curriculum |
    | ``take_metrics()`` | means over the episodes that ended since the last call |

    >>> env = SameStepVectorEnv(3, 4, gymnasium.spaces.Discrete(2))
    >>> env.num_envs, env.observation_space.shape, action_sizes(env)
    (3, (3, 4), (2, 0))
    """

    metadata: dict[str, Any] = {"autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012

    def __init__(self, n: int, observation_size: int, actions: gymnasium.Space[Any]) -> None:
        """Declare the spaces of `n` episodes side by side: observations of one length, and the actions of each."""
        self.num_envs = n
        self.single_observation_space = Box(-np.inf, np.inf, (observation_size,), np.float32)
        self.single_action_space = actions
        self.observation_space = batch_space(self.single_observation_space, n)
        self.action_space = batch_space(actions, n)
        self.truncated = np.zeros(n, np.bool_)


def vectors(size: int) -> Box:
    """Space of action vectors of `size` numbers, without bounds."""
    return Box(-np.inf, np.inf, (size,), np.float32)


def act_and_restart(
    env: AnyVectorEnv, actions: AnyArray
) -> tuple[AnyArray, AnyArray, Bools, Bools, Info]:
    """Take a step: observations (of the next episodes where some ended), rewards, done, truncated and info with `final_obs`.

    An environment whose autoreset is DISABLED, as Gymnasium's wrappers of observations want it, is told to restart.
    """
    obs, rewards, terminated, truncated, info = env.step(actions)
    done = terminated | truncated
    if env.metadata["autoreset_mode"] is AutoresetMode.DISABLED and done.any():
        info = {**info, "final_obs": obs.copy()}
        obs = env.reset(options={"reset_mask": done.copy()})[0]
    return obs, rewards, done, truncated, info


def action_sizes(env: AnyVectorEnv) -> tuple[int, int]:
    """Number of discrete actions and length of action vectors; the one that does not apply is 0.

    Raises
    ------
    ConfigError
        Other actions: fewer than two, not from 0 on, or no flat vectors.
    """
    space = env.single_action_space
    if isinstance(space, Discrete) and space.start == 0 and space.n > 1:
        return int(space.n), 0
    if isinstance(space, Box) and len(space.shape) == 1 and space.shape[0]:
        return 0, space.shape[0]
    raise ConfigError(
        "two or more actions from 0 on, or flat vectors of numbers",
        f"{space}",
        "take another set of actions, or a wrapper that flattens them",
    )


def observation_size(env: AnyVectorEnv) -> int:
    """Numbers in the observation of one episode.

    Raises
    ------
    ConfigError
        Observations that are no flat rows of numbers.
    """
    space = env.single_observation_space
    shape = space.shape if isinstance(space, Box) else ()
    refuse_if(
        len(shape) != 1 or not shape[0],
        "observations that are flat rows of numbers",
        f"{space}",
        "wrap the environment in gymnasium's FlattenObservation",
    )
    return shape[0]


class Learner(Protocol):
    """Protocol of a learner, which improves a policy by acting in a ``gymnasium.vector.VectorEnv``."""

    name: str

    @property
    def frames(self) -> int:
        """Frames (decisions over all episodes) taken so far."""

    def update(self) -> Metrics:
        """Collect one batch and improve the policy; the metrics have at least `frames` and `return_mean`."""

    def policy(self) -> MlpPolicy | OnnxPolicy:
        """The current greedy policy, a copy that further learning does not touch."""

    def state(self) -> State:
        """State that further learning depends on, with the environment's state if it has one."""

    def restore(self, state: State) -> None:
        """Restore from `state`: bit-identical if the environment has `state` and `restore`, else with new episodes."""


def train(
    learner: Learner,
    frames: int,
    on_update: Callable[[Metrics], None] | None = None,
    checkpoint: Callable[[State], None] | None = None,
    every: int = 10,
    stop: Callable[[], bool] | None = None,
) -> bool:
    """Update a learner until it has taken `frames` frames in all, earlier ones included; returns False if `stop` ended
    it earlier.

    `checkpoint` receives the state every `every` updates and at the end. An interrupt (Ctrl-C) between checkpoints
    loses at most the updates since the last one: the stored state is always one between two updates.
    """
    refuse_if(every < 1, "checkpoints every 1 or more updates", f"{every}", "leave the default")
    done = 0
    while learner.frames < frames:
        if stop is not None and stop():
            break
        metrics = learner.update()
        done += 1
        if on_update is not None:
            on_update(metrics)
        if checkpoint is not None and done % every == 0:
            checkpoint(learner.state())
    if checkpoint is not None and done % every:
        checkpoint(learner.state())
    return learner.frames >= frames


def check_finite(metrics: Metrics, name: str) -> Metrics:
    """Return `metrics` after checking that the gradient's norm is finite.

    Raises
    ------
    LearningError
        If the norm is NaN or infinite.
    """
    if not math.isfinite(metrics["gradient_norm"]):
        raise LearningError(
            "finite losses and gradients",
            f"gradient norm {metrics['gradient_norm']} of {name} after {int(metrics['frames'])} frames",
            "look for NaN in observations or rewards, or lower the learning rate; resume from the last checkpoint",
        )
    return metrics


def check_env(env: Any) -> tuple[int, tuple[int, int]]:
    """Size of the observation and sizes of the actions (:func:`action_sizes`) of an environment; raises for one that learners
    cannot act in: no Gymnasium vector environment, one that restarts episodes in a later step, other observations than
    flat rows of numbers, fewer than 2 actions.

    Raises
    ------
    ConfigError
        With the remedy.
    """
    refuse_if(
        not isinstance(env, VectorEnv),
        "a gymnasium.vector.VectorEnv",
        type(env).__name__,
        "such as gymnasium.make_vec('tercel/Execution-v1', num_envs=64)",
    )
    mode = env.metadata.get("autoreset_mode")
    refuse_if(
        mode not in (AutoresetMode.SAME_STEP, AutoresetMode.DISABLED),
        "an environment whose episodes restart in the step that ends them, or by reset(options={'reset_mask': ...})",
        f"autoreset_mode {mode} of {env}",
        "make it with autoreset_mode=gymnasium.vector.AutoresetMode.SAME_STEP, or DISABLED",
    )
    return observation_size(env), action_sizes(env)
