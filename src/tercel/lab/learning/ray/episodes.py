"""A plan's episodes judged by a cluster: the same costs, byte for byte, as :func:`run_strategy` gives here."""

from typing import Any

from tercel.execution.costs import Costs
from tercel.execution.strategy import Strategy
from tercel.execution.task import Task
from tercel.lab.evaluation.episodes import Plan
from tercel.lab.evaluation.experiment import Progress, batches, run_strategy
from tercel.lab.learning.ray.cluster import Cluster, theirs
from tercel.market.simulator.source import Source

PIECE = 256
"""Episodes of a piece of work."""
RETRIES = 3
"""Times that a piece is done again after its worker died."""


def _piece(given: tuple[Source, Task, Strategy], plan: Plan) -> Costs:
    source, task, strategy = given
    return run_strategy(source, task, plan, strategy)


def run_strategy_on(
    where: Cluster,
    source: Source,
    task: Task,
    plan: Plan,
    strategy: Strategy,
    progress: Progress | None = None,
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
