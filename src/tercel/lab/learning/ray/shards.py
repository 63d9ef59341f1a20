"""A shard: some slots of an environment, and the learner's twin that acts in them for a rollout.

Nothing here knows of Ray: a worker calls these methods, in this process or in another.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tercel.core.arrays import AnyArray, Bools, Float32, Floats
from tercel.lab.learning.native.blas import one_thread
from tercel.lab.learning.native.normalise import merge_moments
from tercel.lab.learning.native.ppo import Ppo, PpoSettings
from tercel.lab.learning.port import AnyVecEnv, MaskedVecEnv, RestorableVecEnv, State, action_sizes

Make = Callable[[int], AnyVecEnv]
"""Slots -> an environment with so many. It is sent to workers: a module's function or a `partial` of one."""

DERIVED = ("floats", "rewards", "advantages")
"""Arrays of a rollout that the learner computes itself."""
NOISE = 0x990


def shard_seed(seed: int, shard: int, restarts: int) -> int:
    """Seed of a shard's environment; another one after each restart, the same on every machine.

    >>> shard_seed(1, 0, 0) == shard_seed(1, 0, 0), shard_seed(1, 0, 0) == shard_seed(1, 0, 1)
    (True, False)
    """
    word = np.random.SeedSequence([seed, 0x5A4D, shard, restarts]).generate_state(1)[0]
    return int(word) % 2**30  # training streams are those of -1 - seed: far from the pilot's


@dataclass(frozen=True)
class ShardOrders:
    """What a worker needs of a learner for one rollout; sent once for all its shards."""

    kind: type[Ppo]
    settings: PpoSettings
    seed: int
    state: State
    """`params`, `normaliser`, `frames`, `updates`: see :meth:`Ppo.state`."""


@dataclass(frozen=True)
class ShardRollout:
    """One shard's rollout."""

    arrays: dict[str, AnyArray]
    """By name as in the learner's `Rollout`, with as many slots as the shard has."""
    moments: Floats
    """Of the raw observations seen, as :func:`merge_moments` has them."""
    metrics: dict[str, float]
    """The environment's own `take_metrics()`, empty where it has none."""


class _Seen:
    """The shard's environment as its twin sees it: never reset, and what it shows is counted."""

    def __init__(self, env: Any, obs: Float32) -> None:
        self.env = env
        self.obs = obs
        self.n = env.n
        self.observation_size = env.observation_size
        self.n_actions, self.action_size = action_sizes(env)
        self.moments = np.zeros((2, env.observation_size + 1))
        if isinstance(env, MaskedVecEnv):
            self.mask = env.mask

    def reset(self, seed: int) -> Float32:
        """What is seen now: the episodes go on."""
        return self.obs

    def step(self, actions: Any) -> tuple[Float32, AnyArray, Bools, dict[str, Any]]:
        obs, reward, done, info = self.env.step(actions)
        self.obs[:] = obs
        merge_moments(self.obs, self.moments)
        return self.obs, reward, done, info


class Shard:
    """`slots` episodes of one environment; see the module."""

    def __init__(self, make: Make, slots: int, number: int) -> None:
        self.env: Any = make(slots)
        self.number = number
        self.seen = _Seen(self.env, np.zeros((slots, self.env.observation_size), np.float32))
        self.twin: Ppo | None = None

    def traits(self) -> dict[str, Any]:
        """Sizes of the environment, and what it can do besides stepping."""
        env = self.env
        return {
            "observation_size": env.observation_size,
            "n_actions": self.seen.n_actions,
            "action_size": self.seen.action_size,
            "masked": isinstance(env, MaskedVecEnv),
            "restorable": isinstance(env, RestorableVecEnv),
        }

    def reset(self, seed: int) -> Float32:
        self.seen.obs[:] = self.env.reset(seed)
        return self.seen.obs.copy()

    def step(self, actions: AnyArray) -> tuple[Float32, AnyArray, Bools]:
        obs, reward, done, _ = self.env.step(actions)
        self.seen.obs[:] = obs
        return obs.copy(), np.array(reward), done.copy()

    def mask(self) -> Bools:
        return np.array(self.env.mask())

    def state(self) -> State:
        state: State = self.env.state()
        return state

    def restore(self, state: State) -> Float32:
        self.seen.obs[:] = self.env.restore(state)
        return self.seen.obs.copy()

    def metrics(self) -> dict[str, float]:
        """What the environment says of its episodes since it was last asked."""
        take = getattr(self.env, "take_metrics", None)
        return {} if take is None else take()

    def roll(self, orders: ShardOrders) -> ShardRollout:
        """One rollout with the learner's weights and noise of (seed, shard, number of the update)."""
        if self.twin is None or self.twin.settings.steps != orders.settings.steps:
            settings = replace(
                orders.settings, minibatch=orders.settings.steps * self.env.n, threads=1
            )
            self.twin = orders.kind(self.seen, settings, 0)
        rng = np.random.default_rng([orders.seed, NOISE, self.number, int(orders.state["updates"])])
        self.twin.restore({**self.twin.state(), **orders.state, "rng": rng.bit_generator.state})
        if hasattr(self.env, "progress"):  # a curriculum
            self.env.progress(int(orders.state["frames"]))
        self.seen.moments[:] = 0.0
        with one_thread():
            self.twin.collect()
        filled = {name: a for name, a in vars(self.twin.rollout).items() if name not in DERIVED}
        return ShardRollout(filled, self.seen.moments.copy(), self.metrics())


class ShardWorker:
    """What a worker is: some shards, by their numbers, and the calls to them."""

    def __init__(self, make: Make, slots: int) -> None:
        self.make = make
        self.slots = slots
        self.shards: dict[int, Shard] = {}

    def adopt(self, numbers: list[int]) -> dict[str, Any]:
        """Make these shards; returns what their environment is like."""
        for number in numbers:
            self.shards[number] = Shard(self.make, self.slots, number)
        return self.shards[numbers[0]].traits()

    def pid(self) -> int:
        """Of the process that this is."""
        return os.getpid()

    def cpu_seconds(self) -> float:
        """That this process has used."""
        return time.process_time()

    def call(
        self, method: str, arguments: dict[int, tuple[Any, ...]], shared: tuple[Any, ...] = ()
    ) -> dict[int, Any]:
        """`method(*own, *shared)` of each shard named; results by shard."""
        return {
            number: getattr(self.shards[number], method)(*own, *shared)
            for number, own in arguments.items()
        }
