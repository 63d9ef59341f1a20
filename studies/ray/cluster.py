"""A Ray cluster, running at an address or started on this machine, and evaluations on it."""

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from tercel import Task, TercelError
from tercel.core import ConfigError, refuse_if
from tercel.core.kernel_keys import source_hash
from tercel.execution import Costs, Strategy
from tercel.execution.policies import PLACEBO
from tercel.lab.evaluation import BATCH, Plan, Scenario, batches, run_strategy
from tercel.lab.evaluation.pipeline import Candidate, cached_market
from tercel.lab.evaluation.pipeline.jobs import Job, is_stored, runs_to_horizon, store_costs
from tercel.lab.evaluation.pipeline.scenario_costs import JobRunner
from tercel.lab.learning import LearningError
from tercel.market.simulator import Source

# -- cluster --------------------------------------------------------------------------------------

LOCAL = "local"
LOOPBACK = "127.0.0.1"
ANSWER_S = 5.0
# Object store of a local cluster: weights and rollouts, a few MB each.
STORE_BYTES = 200 * 10**6


def available() -> bool:
    """Whether Ray can be imported."""
    return find_spec("ray") is not None


@dataclass(frozen=True)
class Cluster:
    """A connection to a cluster; made by :func:`connect`."""

    address: str
    # The module.
    ray: Any

    def actor(self, kind: type) -> Any:
        """`kind` as an actor class of one core, with objects sent once for many calls."""
        made = type(kind.__name__, (_Checked, kind), {"expected": sources()})
        return self.ray.remote(num_cpus=1, scheduling_strategy="SPREAD")(made)

    @property
    def cores(self) -> int:
        """Cores of all nodes."""
        return int(self.ray.cluster_resources().get("CPU", 0))

    @property
    def nodes(self) -> int:
        """Nodes that live."""
        return sum(bool(node["Alive"]) for node in self.ray.nodes())

    def describe(self) -> str:
        """In words."""
        return f"{self.nodes} nodes with {self.cores} cores at {self.address}"


def sources() -> str:
    """Digest of the sources that decide the bytes of a rollout: the package's and these."""
    return f"{source_hash()}-{source_hash(Path(__file__).parent)}"


class _Checked:
    """An actor of the very sources that the caller runs; other sources would give other bytes."""

    expected = ""

    def adopt(self, numbers: list[int]) -> Any:
        """Make these shards, if the sources are the same."""
        found = sources()
        if found != self.expected:
            raise ConfigError(
                f"workers with the sources {self.expected} of this process",
                f"{found} on {os.uname().nodename}",
                "install the same version of Tercel and of Python on every node",
            )
        return super().adopt(numbers)  # type: ignore[misc]

    def call_sent(self, method: str, arguments: dict[int, tuple[Any, ...]], *shared: Any) -> Any:
        """`call` with shared arguments that Ray has fetched once for this worker."""
        return self.call(method, arguments, shared)  # type: ignore[attr-defined]


@contextmanager
def connect(address: str = LOCAL, cores: int | None = None) -> Iterator[Cluster]:
    """Connect to the cluster at `address`, or start one on this machine ("local", loopback alone), and leave it.

    Parameters
    ----------
    address : str
        "local", "auto" (the one that runs on this machine), "host:port" or "ray://host:port".
    cores : int, optional
        Workers that a local cluster has room for; as many as there are cores by default.

    Raises
    ------
    ConfigError
        Ray is not installed, or nothing answers at the address.
    """
    refuse_if(
        not available(),
        "Ray for `ray=`",
        "a Python without it",
        "pip install 'tercel-studies[scale]'",
    )
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray would report to its makers
    os.environ.setdefault(
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0"
    )  # and warn of a default that changes
    import ray

    mine = not ray.is_initialized()
    if mine:
        _join(ray, address, cores)
    try:
        yield Cluster(address, ray)
    finally:
        if mine:
            ray.shutdown()


def _check_answer(address: str) -> None:
    """Refuse an address where nothing listens: Ray itself would try for a minute."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if address == "auto" or not (host and port.isdigit()):
        return
    hosts = [host, socket.gethostname()] if host in (LOOPBACK, "localhost") else [host]
    for one in hosts:
        try:
            socket.create_connection((one, int(port)), ANSWER_S).close()
        except (OSError, OverflowError) as error:
            reason = error
        else:
            return
    raise ConnectionError(f"{reason}")


def _join(ray: Any, address: str, cores: int | None) -> None:
    quiet = {"include_dashboard": None, "logging_level": "ERROR", "log_to_driver": False}
    try:
        if address == LOCAL:
            local = {
                "include_dashboard": False,
                "num_cpus": cores,
                "object_store_memory": STORE_BYTES,
            }
            ray.init(address=LOCAL, **{**quiet, **local}, _node_ip_address=LOOPBACK)
        else:
            _check_answer(address)
            ray.init(address=address, **quiet)
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ConfigError(
            "a Ray cluster that answers",
            f"{address}: {reason[0][:200]}",
            "start a head with `ray start`, give its address, or use `ray=local`",
        ) from error


@contextmanager
def theirs() -> Iterator[None]:
    """Raise what a worker raised as if it had been raised here; deaths of workers pass through."""
    import ray

    try:
        yield
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, TercelError):
            raise error.cause from None
        raise LearningError(
            "workers that do their work", f"{error.cause!r} in one", "look at its traceback"
        ) from error


# -- episodes -------------------------------------------------------------------------------------
# A plan's episodes judged by a cluster: the same costs, byte for byte, as :func:`run_strategy` gives here.

# Episodes of a piece of work.
PIECE = 256
# Times that a piece is done again after its worker died.
RETRIES = 3


def _piece(given: tuple[Source, Task, Strategy], plan: Plan) -> Costs:
    source, task, strategy = given
    return run_strategy(source, task, plan, strategy)


def run_strategy_on(
    where: Cluster,
    source: Source,
    task: Task,
    plan: Plan,
    strategy: Strategy,
    progress: Callable[[int], None] | None = None,
    *,
    piece: int = PIECE,
) -> Costs:
    """Costs of a strategy over all episodes of a plan, in the plan's order.

    Every episode has a stream of its own, so it does not matter who runs it beside which others. A piece whose worker
    dies is run again by another.
    """
    ray = where.ray
    work = ray.remote(num_cpus=1, max_retries=RETRIES)(_piece)
    given = ray.put((source, task, strategy))
    promises = {
        work.remote(given, part): number for number, part in enumerate(batches(plan, piece))
    }
    waiting, done = list(promises), {}
    while waiting:
        finished, waiting = ray.wait(waiting, num_returns=1)
        for promise in finished:
            with theirs():
                costs: Any = ray.get(promise)
            done[promises[promise]] = costs
            if progress is not None:
                progress(len(costs.qty))
    return Costs.concat([done[number] for number in range(len(done))])


def on_cluster(address: str) -> JobRunner:
    """What runs the jobs of an evaluation on a cluster: its address, or "local" (:func:`connect`).

    Raises
    ------
    ConfigError
        There is no Ray.
    """
    refuse_if(
        not available(),
        "Ray for `ray=`",
        "a Python without it",
        "pip install 'tercel-studies[scale]'",
    )

    def run(jobs: Sequence[Job], out: Path) -> None:
        with connect(address) as cluster:
            run_jobs_on(cluster, jobs, out)

    return run


def run_jobs_on(cluster: Cluster, jobs: Sequence[Job], out: Path) -> None:
    """Run the costs that are missing of some jobs on a cluster, strategy by strategy.

    What is recorded besides costs (decisions, fills, twins, the bound) is little and is left to this machine, with the
    first job of its scenario; so are placebos, which see forecasts of other episodes.
    """
    for scenario, candidate, missing in _by_strategy(jobs, out):
        built = cached_market(scenario)
        rows = np.concatenate(
            [np.arange(job.first, min(job.first + BATCH, len(built.plan))) for job in missing]
        )
        strategy = candidate.strategy(built)
        plan = built.plan.take(rows)
        costs = run_strategy_on(cluster, built.judged, scenario.task, plan, strategy, piece=BATCH)
        costs.check()
        for job in missing:
            mine = costs.select((rows >= job.first) & (rows < job.first + BATCH))
            run_out = runs_to_horizon(job.first, len(mine), len(built.plan)) & job.recorded
            store_costs(job, candidate, replace(mine, run_out=run_out.astype(np.int64)), out)


def _by_strategy(jobs: Sequence[Job], out: Path) -> list[tuple[Scenario, Candidate, list[Job]]]:
    """For each strategy in each scenario, the jobs whose costs are missing."""
    found: dict[tuple[Scenario, Candidate], list[Job]] = {}
    for job in jobs:
        for one in job.candidates:
            here = one.lacks == PLACEBO or (job.recorded and job.first == 0)
            if not here and not is_stored(job, one, out):
                found.setdefault((job.scenario, one), []).append(job)
    return [(scenario, one, missing) for (scenario, one), missing in found.items()]
