"""Who holds the shards: this process, or Ray's workers, which may die."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from tercel.core.arrays import AnyArray, Bools, Float32, Floats
from tercel.core.errors import ConfigError
from tercel.core.progress import say
from tercel.lab.learning.native.learner import one_thread
from tercel.lab.learning.native.net import merge_moments
from tercel.lab.learning.native.ppo import Ppo, PpoSettings
from tercel.lab.learning.port import (
    AnyVecEnv,
    LearningError,
    MaskedVecEnv,
    RestorableVecEnv,
    State,
    action_sizes,
)
from tercel.lab.learning.ray.cluster import Cluster, theirs

# -- shards ---------------------------------------------------------------------------------------
# A shard: some slots of an environment, and the learner's twin that acts in them for a rollout.
#
# Nothing here knows of Ray: a worker calls these methods, in this process or in another.

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


# -- crew -----------------------------------------------------------------------------------------

Arguments = Mapping[int, tuple[Any, ...]]


class ShardWorkers(Protocol):
    """Holders of the shards 0 .. `shards` - 1."""

    shards: int
    traits: dict[str, Any]

    def call(
        self, method: str, arguments: Arguments, shared: tuple[Any, ...] = ()
    ) -> dict[int, Any]:
        """Call a method of each shard named; results by shard.

        Shards that are missing from the result were lost with their worker: they have been made anew and must be
        reset before they are called again.
        """

    def dismiss(self) -> None:
        """Let the holders go."""


class LocalShardWorkers:
    """All shards in this process: what the others are compared with."""

    def __init__(self, make: Make, slots: int, shards: int) -> None:
        self.shards = shards
        self.holder = ShardWorker(make, slots)
        self.traits = self.holder.adopt(list(range(shards)))

    def call(
        self, method: str, arguments: Arguments, shared: tuple[Any, ...] = ()
    ) -> dict[int, Any]:
        return self.holder.call(method, dict(arguments), shared)

    def dismiss(self) -> None:
        self.holder.shards.clear()


class RayShardWorkers:
    """Shards on Ray actors of one core each.

    A worker that dies is replaced; where the cluster has no room for another within `patience_s`, the survivors take
    its shards.

    Parameters
    ----------
    cluster : Cluster
        Where the workers live.
    make : callable
        Slots -> environment.
    slots, shards, workers : int
        Slots of a shard; shards; workers, at most one a shard.
    patience_s : float
        Seconds that a new worker may take to appear.
    """

    def __init__(
        self,
        cluster: Cluster,
        make: Make,
        slots: int,
        shards: int,
        workers: int,
        *,
        patience_s: float = 60.0,
    ) -> None:
        if not 1 <= workers <= shards:
            raise ConfigError(
                f"1 to {shards} workers, as many as there are shards",
                f"{workers}",
                "more shards, or fewer workers",
            )
        self.cluster = cluster
        self.make = make
        self.slots = slots
        self.shards = shards
        self.patience_s = patience_s
        self.workers: list[Any] = [self._hire() for _ in range(workers)]
        self.home = {shard: shard * workers // shards for shard in range(shards)}
        adopting = [
            worker.adopt.remote(self._shards_of(i)) for i, worker in enumerate(self.workers)
        ]
        with theirs():
            try:
                self.traits = cluster.ray.get(adopting, timeout=10 * patience_s)[0]
            except cluster.ray.exceptions.GetTimeoutError as error:
                raise ConfigError(
                    f"a cluster with {workers} free cores",
                    f"{cluster.describe()}",
                    "fewer workers, or more nodes",
                ) from error

    def _hire(self) -> Any:
        return self.cluster.actor(ShardWorker).remote(self.make, self.slots)

    def _shards_of(self, worker: int) -> list[int]:
        return [shard for shard, at in self.home.items() if at == worker]

    def call(
        self, method: str, arguments: Arguments, shared: tuple[Any, ...] = ()
    ) -> dict[int, Any]:
        ray = self.cluster.ray
        sent = [ray.put(item) for item in shared]
        pending = {}
        for worker, actor in enumerate(self.workers):
            own = {
                shard: arguments[shard] for shard in self._shards_of(worker) if shard in arguments
            }
            if own:
                pending[worker] = actor.call_sent.remote(method, own, *sent)
        results: dict[int, Any] = {}
        dead = []
        with theirs():
            for worker, promise in pending.items():
                try:
                    results |= ray.get(promise)
                except ray.exceptions.RayActorError:
                    dead.append(worker)
        for worker in sorted(dead, reverse=True):
            self._replace(worker)
        return results

    def _replace(self, worker: int) -> None:
        """Another worker for the shards of one that died, or the survivors."""
        ray, lost = self.cluster.ray, self._shards_of(worker)
        reason = f"a worker died with shards {lost}"
        new = self._hire()
        try:
            with theirs():
                ray.get(new.adopt.remote(lost), timeout=self.patience_s)
        except (ray.exceptions.GetTimeoutError, ray.exceptions.RayActorError):
            ray.kill(new)
            self._share_out(worker, reason)
            return
        self.workers[worker] = new
        say(f"{reason}; another took its place, with new episodes")

    def _share_out(self, worker: int, reason: str) -> None:
        """Give a dead worker's shards to those that live."""
        ray, lost = self.cluster.ray, self._shards_of(worker)
        heirs = [i for i in range(len(self.workers)) if i != worker]
        if not heirs:
            raise LearningError(
                "a cluster with room for one worker",
                f"{reason}, the last one",
                "start a node, then go on with `resume=True`",
            )
        for number, shard in enumerate(lost):
            self.home[shard] = heirs[number % len(heirs)]
        del self.workers[worker]
        self.home = {shard: at - (at > worker) for shard, at in self.home.items()}
        for at in sorted({self.home[shard] for shard in lost}):
            with theirs():
                ray.get(
                    self.workers[at].adopt.remote(
                        [shard for shard in lost if self.home[shard] == at]
                    )
                )
        say(
            f"{reason}; the cluster has no room for another: {len(self.workers)} workers go on, with new episodes"
        )

    def cpu_seconds(self) -> list[float]:
        """That each worker has used so far."""
        used: list[float] = self.cluster.ray.get(
            [actor.cpu_seconds.remote() for actor in self.workers]
        )
        return used

    def dismiss(self) -> None:
        """End the workers."""
        for actor in self.workers:
            self.cluster.ray.kill(actor)
        self.workers = []
