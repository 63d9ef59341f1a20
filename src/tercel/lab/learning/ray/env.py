"""An environment whose slots live in shards, with others: a `VecEnv` that takes whole rollouts by itself."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tercel.core.arrays import AnyArray, Bools, Float32, Floats
from tercel.core.errors import ConfigError
from tercel.lab.learning.native.ppo import Ppo
from tercel.lab.learning.port import LearningError, State
from tercel.lab.learning.ray.cluster import Cluster
from tercel.lab.learning.ray.crew import (
    DERIVED,
    LocalShardWorkers,
    Make,
    RayShardWorkers,
    ShardOrders,
    ShardRollout,
    ShardWorkers,
    shard_seed,
)

SHARDS = 4
ATTEMPTS = 5
"""Times that a shard may be lost in one call before training gives up."""


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


class ShardedVec:
    """`n` slots in shards that `crew` holds.

    A rollout (:meth:`roll`) is taken by all shards at once, each beginning with the learner's normaliser and going on
    with its own; what they saw is merged afterwards, in the order of the shards. :meth:`step` works too, one round
    trip a decision, for learners that act step by step.
    """

    def __init__(self, crew: ShardWorkers, slots: int) -> None:
        self.crew = crew
        self.slots = slots
        self.n = slots * crew.shards
        self.observation_size = int(crew.traits["observation_size"])
        self.n_actions = int(crew.traits["n_actions"])
        self.action_size = int(crew.traits["action_size"])
        if crew.traits["masked"]:
            self.mask = self._mask
        if crew.traits["restorable"]:
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
        """New episodes, of another seed, for shards that were made anew."""
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

    # -- the VecEnv port ---------------------------------------------------------------------------------------------

    def reset(self, seed: int) -> Float32:
        """Start all episodes."""
        self.seed = int(seed)
        self.restarts = [0] * self.crew.shards
        seeds = {s: (shard_seed(self.seed, s, 0),) for s in range(self.crew.shards)}
        seen = self.crew.call("reset", seeds)
        lost = [shard for shard in seeds if shard not in seen]
        return self._joined(seen | (self._reset_lost(lost) if lost else {}))

    def step(self, actions: AnyArray) -> tuple[Float32, AnyArray, Bools, dict[str, Any]]:
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
        return obs, reward, done, {}

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
            if whole.shape[:2] == (steps, self.n):
                whole[:, columns] = mine
            elif whole.shape[0] == steps * self.n:
                shape = whole.shape[1:]
                whole.reshape(steps, self.n, *shape)[:, columns] = mine.reshape(
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
    if shards < 1 or n % shards:
        raise ConfigError(
            f"shards that {n} slots can be dealt into evenly", f"{shards}", f"a divisor of {n}"
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
        See :func:`tercel.lab.learning.ray.cluster.connect`.
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
