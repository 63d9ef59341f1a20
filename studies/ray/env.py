"""An environment in shards, held by this process or by Ray's workers; it takes whole rollouts by itself."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import gymnasium
import numpy as np

from studies.ray.cluster import Cluster, theirs
from tercel.core import (
    AnyArray,
    Bools,
    ConfigError,
    Float32,
    Floats,
    refuse_if,
    say_progress as say,
)
from tercel.lab.learning import (
    AnyVectorEnv,
    Info,
    LearningError,
    Ppo,
    PpoSettings,
    SameStepVectorEnv,
    State,
    observation_size,
)
from tercel.lab.learning.native.learner import one_thread
from tercel.lab.learning.native.normalisation import merge_moments

# -- shards ---------------------------------------------------------------------------------------
# A shard: some slots of an environment, and the learner's twin that acts in them for a rollout.
#
# Nothing here knows of Ray: a worker calls these methods, in this process or in another.

# Slots -> an environment with so many. It is sent to workers: a module's function or a `partial` of one.
Make = Callable[[int], AnyVectorEnv]

# Arrays of a rollout that the learner computes itself.
DERIVED = ("floats", "rewards", "advantages")
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
    # `params`, `normaliser`, `frames`, `updates`: see :meth:`Ppo.state`.
    state: State


@dataclass(frozen=True)
class ShardRollout:
    """One shard's rollout."""

    # By name as in the learner's `Rollout`, with as many slots as the shard has.
    arrays: dict[str, AnyArray]
    # Of the raw observations seen, as :func:`merge_moments` has them.
    moments: Floats
    # The environment's own `take_metrics()`, empty where it has none.
    metrics: dict[str, float]


@dataclass(frozen=True)
class Traits:
    """Observations and actions of a shard's environment, and whether it forbids actions and can be restored."""

    observation_size: int
    actions: gymnasium.Space[Any]
    masked: bool
    restorable: bool


class _Seen(SameStepVectorEnv):
    """The shard's environment as its twin sees it: never reset, and what it shows is counted."""

    def __init__(self, env: Any, obs: Float32) -> None:
        super().__init__(len(obs), obs.shape[1], env.single_action_space)
        self.env = env
        self.obs = obs
        self.moments = np.zeros((2, obs.shape[1] + 1))
        if hasattr(env, "mask"):
            self.mask = env.mask

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float32, Info]:
        """What is seen now: the episodes go on."""
        return self.obs, {}

    def step(self, actions: AnyArray) -> tuple[Float32, AnyArray, AnyArray, AnyArray, Info]:
        obs, *others = self.env.step(actions)
        self.obs[:] = obs
        merge_moments(self.obs, self.moments)
        return self.obs, *others


class Shard:
    """`slots` episodes of one environment; see the module."""

    def __init__(self, make: Make, slots: int, number: int) -> None:
        self.env: Any = make(slots)
        self.number = number
        self.seen = _Seen(self.env, np.zeros((slots, observation_size(self.env)), np.float32))
        self.twin: Ppo | None = None

    def traits(self) -> Traits:
        """Sizes of the environment, and what it can do besides stepping."""
        env = self.env
        spaces = observation_size(env), env.single_action_space
        return Traits(*spaces, hasattr(env, "mask"), hasattr(env, "restore"))

    def reset(self, seed: int) -> Float32:
        self.seen.obs[:] = self.env.reset(seed=seed)[0]
        return self.seen.obs.copy()

    def step(self, actions: AnyArray) -> tuple[Float32, AnyArray, Bools]:
        obs, reward, terminated, truncated, _ = self.env.step(actions)
        self.seen.obs[:] = obs
        return obs.copy(), np.array(reward), terminated | truncated

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
                orders.settings, minibatch=orders.settings.steps * self.env.num_envs, threads=1
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

    def adopt(self, numbers: list[int]) -> Traits:
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


class LocalShardWorkers:
    """All shards in this process: what the others are compared with."""

    def __init__(self, make: Make, slots: int, shards: int) -> None:
        self.shards = shards
        self.holder = ShardWorker(make, slots)
        self.traits = self.holder.adopt(list(range(shards)))

    def call(
        self, method: str, arguments: Arguments, shared: tuple[Any, ...] = ()
    ) -> dict[int, Any]:
        """Call a method of each shard named; results by shard.

        Shards that are missing from the result were lost with their worker: they have been made again and must be
        reset before they are called again. In this process none is lost.
        """
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
        refuse_if(
            not 1 <= workers <= shards,
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
        refuse_if(
            not heirs,
            "a cluster with room for one worker",
            f"{reason}, the last one",
            "start a node, then go on with `resume=True`",
            LearningError,
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


SHARDS = 4
# Times that a shard may be lost in one call before training gives up.
ATTEMPTS = 5


def merged(a: Floats, b: Floats) -> Floats:
    """Moments of two sets of observations together, in the layout of :func:`merge_moments` (Chan et al. 1979).

    >>> one = np.array([[1.0, 1.0], [0.0, 0.0]])                # mean 1, variance 0, one row
    >>> merged(one, np.array([[4.0, 2.0], [0.0, 0.0]])).tolist()
    [[3.0, 3.0], [2.0, 0.0]]
    """
    na, nb = a[0, -1], b[0, -1]
    total = na + nb
    out = np.zeros_like(a)
    delta = b[0, :-1] - a[0, :-1]
    out[0, :-1] = a[0, :-1] + delta * nb / total
    out[1, :-1] = (a[1, :-1] * na + b[1, :-1] * nb + delta * delta * na * nb / total) / total
    out[0, -1] = total
    return out


class ShardedVec(SameStepVectorEnv):
    """`n` slots in shards that `crew` holds.

    A rollout (:meth:`roll`) is taken by all shards at once, each beginning with the learner's normaliser and going on
    with its own; what they saw is merged afterwards, in the order of the shards. :meth:`step` works too, one round
    trip a decision, for learners that act step by step.
    """

    def __init__(self, crew: "LocalShardWorkers | RayShardWorkers", slots: int) -> None:
        traits = crew.traits
        super().__init__(slots * crew.shards, traits.observation_size, traits.actions)
        self.crew = crew
        self.slots = slots
        if crew.traits.masked:
            self.mask = self._mask
        if crew.traits.restorable:
            self.state = self._state
            self.restore = self._restore
        self.seed = 0
        self.restarts = [0] * crew.shards
        self._ended = np.zeros(crew.shards)
        self._metrics: list[tuple[float, dict[str, float]]] = []

    # -- calls that survive the death of a worker --------------------------------------------------------------------

    def _everywhere(self, arguments: tuple[Any, ...] = ()) -> dict[int, tuple[Any, ...]]:
        return dict.fromkeys(range(self.crew.shards), arguments)

    def _reset_lost(self, lost: list[int]) -> dict[int, Float32]:
        """New episodes, of another seed, for shards that were made again."""
        seen: dict[int, Float32] = {}
        for shard in lost:
            self.restarts[shard] += 1
        waiting = lost
        for _ in range(ATTEMPTS):
            seeds = {s: (shard_seed(self.seed, s, self.restarts[s]),) for s in waiting}
            seen |= self.crew.call("reset", seeds)
            waiting = [shard for shard in waiting if shard not in seen]
            if not waiting:
                return seen
        raise _hopeless(waiting)

    def _call(
        self, method: str, arguments: Mapping[int, tuple[Any, ...]], shared: tuple[Any, ...] = ()
    ) -> tuple[dict[int, Any], dict[int, Float32]]:
        """Results of all shards, and the observations of those that were lost on the way and called again."""
        results: dict[int, Any] = {}
        again: dict[int, Float32] = {}
        for _ in range(ATTEMPTS):
            results |= self.crew.call(
                method, {s: a for s, a in arguments.items() if s not in results}, shared
            )
            lost = [shard for shard in arguments if shard not in results]
            if not lost:
                return results, again
            again |= self._reset_lost(lost)
        raise _hopeless([shard for shard in arguments if shard not in results])

    def _slots_of(self, shard: int) -> slice:
        return slice(shard * self.slots, (shard + 1) * self.slots)

    def _joined(self, parts: Mapping[int, Any]) -> AnyArray:
        return np.concatenate([parts[shard] for shard in range(self.crew.shards)])

    # -- the vector environment ---------------------------------------------------------------------------------------------

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float32, Info]:
        """Start all episodes."""
        self.seed = int(seed or 0)
        self.restarts = [0] * self.crew.shards
        seeds = {s: (shard_seed(self.seed, s, 0),) for s in range(self.crew.shards)}
        seen = self.crew.call("reset", seeds)
        lost = [shard for shard in seeds if shard not in seen]
        return self._joined(seen | (self._reset_lost(lost) if lost else {})), {}

    def step(self, actions: AnyArray) -> tuple[Float32, AnyArray, AnyArray, AnyArray, Info]:
        """Act in all episodes. Those lost with a worker end here, without reward."""
        given = {
            shard: (np.ascontiguousarray(actions[self._slots_of(shard)]),)
            for shard in range(self.crew.shards)
        }
        taken = self.crew.call("step", given)
        lost = [shard for shard in given if shard not in taken]
        for shard, obs in self._reset_lost(lost).items() if lost else ():
            taken[shard] = (obs, np.zeros(self.slots), np.ones(self.slots, np.bool_))
        for shard, (_, _, ends) in taken.items():
            self._ended[shard] += ends.sum()
        parts = [taken[shard] for shard in range(self.crew.shards)]
        obs, reward, done = (np.concatenate([part[i] for part in parts]) for i in range(3))
        return obs, reward, done, self.truncated, {}

    def take_metrics(self) -> dict[str, float]:
        """Means over the episodes that ended since the last call, all shards together; NaN if none ended."""
        rows = self._metrics
        if self._ended.any() or not rows:
            stepped = self._call("metrics", self._everywhere())[0]
            rows = rows + [(self._ended[shard], row) for shard, row in stepped.items()]
        self._metrics, self._ended = [], np.zeros(self.crew.shards)
        return {name: _mean([(ended, row[name]) for ended, row in rows]) for name in rows[0][1]}

    def dismiss(self) -> None:
        """Let the shards' holders go; nothing may be called afterwards."""
        self.crew.dismiss()

    # -- Rolls -------------------------------------------------------------------------------------------------------

    def roll(self, learner: Ppo) -> None:
        """Fill `learner.rollout`; every shard acts with the same weights."""
        state = {
            "params": learner.net.params,
            "normaliser": learner.normaliser.state(),
            "frames": learner.frames,
            "updates": learner.updates,
        }
        orders = ShardOrders(type(learner), learner.settings, learner.seed, state)
        rolled, again = self._call("roll", self._everywhere(), (orders,))
        for shard in again:
            slots = self._slots_of(shard)
            learner.scaler.returns[slots], learner.returns.running[slots] = 0.0, 0.0
            if learner.risk_transform:
                learner.risk_transform.begin(slots)
        moments = learner.normaliser.moments
        for shard in range(self.crew.shards):
            part: ShardRollout = rolled[shard]
            self._put(learner, shard, part)
            moments = merged(moments, part.moments)
            self._metrics.append((float(part.arrays["dones"].sum()), part.metrics))
        if learner.settings.normalise_observations:
            learner.normaliser.restore({"moments": moments})

    def _put(self, learner: Ppo, shard: int, part: ShardRollout) -> None:
        """Copy a shard's arrays into its columns: rows are step * n + slot."""
        steps, columns = learner.settings.steps, self._slots_of(shard)
        for name, whole in vars(learner.rollout).items():
            if name in DERIVED:
                continue
            mine = part.arrays[name]
            if whole.shape[:2] == (steps, self.num_envs):
                whole[:, columns] = mine
            elif whole.shape[0] == steps * self.num_envs:
                shape = whole.shape[1:]
                whole.reshape(steps, self.num_envs, *shape)[:, columns] = mine.reshape(
                    steps, self.slots, *shape
                )
            else:
                whole[columns] = mine

    # -- what it can do where its shards can

    def _mask(self) -> Bools:
        """Allowed actions now, bool[n, A]."""
        return self._joined(self._call("mask", self._everywhere())[0])

    def _state(self) -> State:
        """Of all shards, with what says how they were seeded."""
        shards = self._call("state", self._everywhere())[0]
        return {
            "seed": self.seed,
            "restarts": list(self.restarts),
            "shards": [shards[s] for s in sorted(shards)],
        }

    def _restore(self, state: State) -> Float32:
        """Go back to `state`.

        Raises
        ------
        ConfigError
            If it is of another number of shards.
        """
        if len(state.get("shards", ())) != self.crew.shards:
            raise ConfigError(
                f"a state of {self.crew.shards} shards",
                f"one of {len(state.get('shards', ()))}",
                "resume with the number of shards of the run: results depend on it",
            )
        self.seed = int(state["seed"])
        self.restarts = [int(r) for r in state["restarts"]]
        return self._joined(
            self._call("restore", {s: (part,) for s, part in enumerate(state["shards"])})[0]
        )


def _mean(parts: list[tuple[float, float]]) -> float:
    """Mean of (weight, value) pairs; those without weight or value do not count, NaN when none does."""
    known = [(weight, value) for weight, value in parts if weight and not np.isnan(value)]
    total = sum(weight for weight, _ in known)
    return float(sum(weight * value for weight, value in known) / total) if known else float("nan")


def _hopeless(shards: list[int]) -> LearningError:
    return LearningError(
        "workers that live for one call",
        f"shards {shards} lost {ATTEMPTS} times on end",
        "look for what kills them (memory?), then go on with `resume=True`",
    )


def _slots(n: int, shards: int) -> int:
    refuse_if(
        shards < 1 or n % shards,
        f"shards that {n} slots can be dealt into evenly",
        f"{shards}",
        f"a divisor of {n}",
    )
    return n // shards


def sharded_env(make: Make, n: int = 64, shards: int = SHARDS) -> ShardedVec:
    """The same in this process, without Ray: its results are those of any cluster."""
    slots = _slots(n, shards)
    return ShardedVec(LocalShardWorkers(make, slots, shards), slots)


def ray_env(
    where: Cluster,
    make: Make,
    n: int = 64,
    *,
    shards: int = SHARDS,
    workers: int | None = None,
    patience_s: float = 60.0,
) -> ShardedVec:
    """`n` slots on the workers of a cluster.

    Parameters
    ----------
    where : Cluster
        See :func:`studies.ray.cluster.connect`.
    make : callable
        Slots -> environment; every worker calls it for each of its shards.
    n, shards : int
        Slots in all, and parts that they are dealt into. Results depend on both, not on the workers.
    workers : int, optional
        One a core by default, at most one a shard.
    patience_s
        See :class:`RayShardWorkers`.
    """
    slots = _slots(n, shards)
    count = min(max(where.cores, 1), shards) if workers is None else workers
    return ShardedVec(
        RayShardWorkers(where, make, slots, shards, count, patience_s=patience_s), slots
    )
