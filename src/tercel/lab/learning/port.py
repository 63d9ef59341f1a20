"""What a learner needs of an environment, and what everyone else may ask of a learner.

The loop belongs to the caller: :meth:`Learner.update` collects one batch, improves once and hands back a row of
metrics. :func:`train` is that loop with metrics, checkpoints and a polite stop.
"""

import math
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from tercel.core.arrays import AnyArray, Bools, Float32, Ints
from tercel.core.errors import ConfigError, TercelError
from tercel.execution.policies.mlp import MlpPolicy
from tercel.execution.policies.onnx_file import OnnxPolicy

Metrics = dict[str, float]
State = dict[str, Any]
"""Nested dictionaries with string keys; leaves are arrays, numbers, strings, booleans, None and lists of those."""


class LearningError(TercelError):
    """Learning that cannot go on: numbers that are none, or a state of something else."""


class VecEnv(Protocol):
    """`n` episodes side by side, each starting again by itself.

    The horizon is part of what is observed, so `done` is always a true end: nothing is bootstrapped past it. The
    observation that comes with `done` is the first of the next episode.
    """

    n: int
    observation_size: int
    n_actions: int

    def reset(self, seed: int) -> Float32:
        """Start all episodes; the same seed gives the same episodes. Returns observations float32[n, D]."""

    def step(self, actions: Ints) -> tuple[Float32, AnyArray, Bools, dict[str, Any]]:
        """Act in all episodes: observations float32[n, D], rewards float[n], done bool[n], arrays to look at.

        The arrays may be the environment's own buffers, valid until the next call.
        """


class ContinuousVecEnv(Protocol):
    """As :class:`VecEnv`, with actions that are vectors: `action_size` numbers each, in place of `n_actions`.

    What the numbers mean is the environment's affair: any vector, or shares that add up to 1, as learners draw them.
    """

    n: int
    observation_size: int
    action_size: int

    def reset(self, seed: int) -> Float32:
        """As :meth:`VecEnv.reset`."""

    def step(self, actions: Float32) -> tuple[Float32, AnyArray, Bools, dict[str, Any]]:
        """As :meth:`VecEnv.step`, with actions float32[n, A]."""


AnyVecEnv = VecEnv | ContinuousVecEnv


def action_sizes(env: AnyVecEnv) -> tuple[int, int]:
    """(number of actions, entries of an action); the one that does not apply is 0.

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


@runtime_checkable
class MaskedVecEnv(Protocol):
    """An environment that forbids actions."""

    def mask(self) -> Bools:
        """Allowed actions now, bool[n, A]; at least one in each row."""


@runtime_checkable
class RestorableVecEnv(Protocol):
    """An environment that can be put back where it was: what a bit-identical resume needs."""

    def state(self) -> State:
        """Everything that its future depends on."""

    def restore(self, state: State) -> Float32:
        """Go back to `state`; returns the observations that were current then, float32[n, D]."""


@runtime_checkable
class RolloutVecEnv(Protocol):
    """An environment that takes whole rollouts by itself, in other processes or on other machines."""

    def roll(self, learner: Any) -> None:
        """Do what :meth:`tercel.lab.learning.native.ppo.Ppo.collect` does, for that learner: fill its rollout.

        Everything up to `earned` and `last` is filled, and the learner's observation normaliser has seen what was
        observed; scaling, advantages and the improvement remain the learner's.
        """


class Learner(Protocol):
    """Something that improves a policy by acting in a :class:`VecEnv`."""

    name: str

    @property
    def frames(self) -> int:
        """Frames (decisions over all episodes) taken so far."""

    def update(self) -> Metrics:
        """Collect one batch and improve; the row has at least `frames` and `return_mean`."""

    def policy(self) -> MlpPolicy | OnnxPolicy:
        """The greedy policy as it stands, a copy that further learning does not touch."""

    def state(self) -> State:
        """Everything that further learning depends on, the environment's state included where it has one."""

    def restore(self, state: State) -> None:
        """Go on from `state`: bit-identical where the environment is :class:`RestorableVecEnv`, else with new
        episodes."""


def train(
    learner: Learner,
    frames: int,
    on_update: Callable[[Metrics], None] | None = None,
    checkpoint: Callable[[State], None] | None = None,
    every: int = 10,
    stop: Callable[[], bool] | None = None,
) -> bool:
    """Update until `frames` frames are taken in all; True if that was reached, False if `stop` said so.

    `checkpoint` receives the state every `every` updates and at the end. An interrupt (Ctrl-C) between checkpoints
    loses at most the updates since the last one: what is on disk is always a state between two updates.
    """
    if every < 1:
        raise ConfigError("checkpoints every 1 or more updates", f"{every}", "leave the default")
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
    """`metrics`, unless the gradient's norm says that the weights are lost.

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


def check_env(env: AnyVecEnv) -> None:
    """Refuse an environment without episodes, observations or a choice.

    Raises
    ------
    ConfigError
        If a size is not positive.
    """
    numbers, entries = action_sizes(env)
    sizes = {"n": (env.n, 1), "observation_size": (env.observation_size, 1)}
    sizes |= {"action_size": (entries, 1)} if entries else {"n_actions": (numbers, 2)}
    for name, (value, least) in sizes.items():
        if value < least:
            raise ConfigError(
                f"a usable {name}", str(value), "look at the environment's constructor"
            )
