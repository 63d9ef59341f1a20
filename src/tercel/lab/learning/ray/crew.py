"""Who holds the shards: this process, or Ray's workers, which may die."""

from collections.abc import Mapping
from typing import Any, Protocol

from tercel.core.errors import ConfigError
from tercel.core.progress import say
from tercel.lab.learning.port import LearningError
from tercel.lab.learning.ray.cluster import Cluster, theirs
from tercel.lab.learning.ray.shards import Make, ShardWorker

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
