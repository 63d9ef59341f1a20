"""An evaluation on a cluster: the episodes of what is missing run on Ray, their costs are kept here like all others."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tercel.core.errors import ConfigError
from tercel.execution.policies.strategy import PLACEBO
from tercel.lab.evaluation.market import cached_market
from tercel.lab.evaluation.pipeline.candidates import Candidate
from tercel.lab.evaluation.pipeline.jobs import Job, JobRunner, is_stored, run_to_the_end, store
from tercel.lab.evaluation.runs import BATCH
from tercel.lab.evaluation.scenario import Scenario
from tercel.lab.learning.ray import Cluster, available, connect, run_strategy_on


def on_cluster(address: str) -> JobRunner:
    """What runs the jobs of an evaluation on a cluster: its address, or "local" (:func:`connect`).

    Raises
    ------
    ConfigError
        There is no Ray.
    """
    if not available():
        raise ConfigError("Ray for `ray=`", "a Python without it", "pip install 'tercel[scale]'")

    def run(jobs: Sequence[Job], out: Path) -> None:
        with connect(address) as cluster:
            run_jobs_on(cluster, jobs, out)

    return run


def run_jobs_on(cluster: Cluster, jobs: Sequence[Job], out: Path) -> None:
    """Run the costs that are missing of some jobs on a cluster, strategy by strategy.

    What is recorded besides costs (decisions, fills, twins, the bound) is little and is left to this machine, with the
    first job of its scenario; so are placebos, who are told of other episodes.
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
            run_out = run_to_the_end(job.first, len(mine), len(built.plan)) & job.recorded
            store(job, candidate, replace(mine, run_out=run_out.astype(np.int64)), out)


def _by_strategy(jobs: Sequence[Job], out: Path) -> list[tuple[Scenario, Candidate, list[Job]]]:
    """For each strategy in each scenario, the jobs whose costs are missing."""
    found: dict[tuple[Scenario, Candidate], list[Job]] = {}
    for job in jobs:
        for one in job.candidates:
            here = one.lacks == PLACEBO or (job.recorded and job.first == 0)
            if not here and not is_stored(job, one, out):
                found.setdefault((job.scenario, one), []).append(job)
    return [(scenario, one, missing) for (scenario, one), missing in found.items()]
