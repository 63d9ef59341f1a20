"""Protocols of environments and learners, and the training loop.

The loop belongs to the caller: :meth:`Learner.update` collects one batch, improves once and hands back a row of
metrics. :func:`train` is that loop with metrics, checkpoints and a polite stop.
"""

import math
from collections.abc import Callable
from typing import Any, Protocol

from tercel.core.arrays import AnyArray, Bools, Float32
from tercel.core.errors import ConfigError, TercelError, refuse_if
from tercel.execution.policies.mlp import MlpPolicy
from tercel.execution.policies.onnx_policy import OnnxPolicy

Metrics = dict[str, float]
# Nested dictionaries with string keys; leaves are arrays, numbers, strings, booleans, None and lists of those.
State = dict[str, Any]
# Arrays with further results of a step, by name.
Info = dict[str, Any]


class LearningError(TercelError):
    """Raised when learning cannot go on: values that are not finite, or a state that does not fit."""


class VecEnv(Protocol):
    """Protocol of `n` episodes side by side, each of which restarts by itself.

    The horizon is part of the observation, so `done` is always a true end: nothing is bootstrapped past it. The
    observation that comes with `done` is the first of the next episode.

    An environment of discrete actions has `n_actions`; one whose actions are vectors has `action_size`, the numbers of
    each, and what they mean is its affair: any vector, or shares that add up to 1, as learners draw them.

    Optional methods, each used where it is there:

    | method | |
    |---|---|
    | ``mask()`` | allowed actions now, bool[n, A]; at least one in each row |
    | ``state()``, ``restore(state)`` | everything that its future depends on, for a bit-identical resume; `restore` \
    returns the observations that were current then, float32[n, D] |
    | ``roll(learner)`` | fills the rollout of a `Ppo` as `Ppo.collect` does, in other processes or on other machines, and \
    merges what was observed into its observation normaliser |
    | ``progress(frames)`` | moves a curriculum |
    | ``take_metrics()`` | means over the episodes that ended since the last call |
    """

    n: int
    observation_size: int

    def reset(self, seed: int) -> Float32:
        """Start all episodes; the same seed gives the same episodes. Returns observations float32[n, D]."""

    def step(self, actions: Any) -> tuple[Float32, AnyArray, Bools, Info]:
        """Act in all episodes: observations float32[n, D], rewards float[n], done bool[n], info of arrays.

        `actions` are int64[n], or float32[n, A]. The arrays may be the environment's own buffers, valid until the next
        call.
        """


def action_sizes(env: VecEnv) -> tuple[int, int]:
    """Number of discrete actions and length of action vectors; the one that does not apply is 0.

    Raises
    ------
    ConfigError
        If the environment has both or neither.
    """
    sizes = int(getattr(env, "n_actions", 0)), int(getattr(env, "action_size", 0))
    if bool(sizes[0]) == bool(sizes[1]):
        raise ConfigError(
            "an environment with a positive n_actions or action_size, and not both",
            f"n_actions {sizes[0]}, action_size {sizes[1]}",
            "look at the environment's constructor",
        )
    return sizes


class Learner(Protocol):
    """Protocol of a learner, which improves a policy by acting in a :class:`VecEnv`."""

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


def check_env(env: VecEnv) -> None:
    """Refuse an environment without episodes or observations, or with fewer than 2 actions or vectors of no entry.

    Raises
    ------
    ConfigError
        If a size is not positive.
    """
    numbers, entries = action_sizes(env)
    sizes = {"n": (env.n, 1), "observation_size": (env.observation_size, 1)}
    sizes |= {"action_size": (entries, 1)} if entries else {"n_actions": (numbers, 2)}
    for name, (value, minimum) in sizes.items():
        refuse_if(
            value < minimum, f"a usable {name}", str(value), "look at the environment's constructor"
        )
