"""Jobs of an evaluation: batches of a scenario's episodes through all candidates, stored on disk and never run twice."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from tercel.core.arrays import Bools
from tercel.core.pool import should_stop
from tercel.execution.costs import Costs
from tercel.execution.policies.parts import PlaceboForecast
from tercel.execution.strategy import Strategy
from tercel.lab.evaluation.adaptability import Decisions, measure_response
from tercel.lab.evaluation.arrivals import run_arrivals
from tercel.lab.evaluation.market import cached_market
from tercel.lab.evaluation.pipeline.array_files import narrow, write_arrays
from tercel.lab.evaluation.pipeline.candidates import Candidate
from tercel.lab.evaluation.pipeline.fill_checks import check_fills
from tercel.lab.evaluation.pipeline.leaks import refuse_trained_seeds
from tercel.lab.evaluation.routing import WaysExplained, inform_router
from tercel.lab.evaluation.runs import BATCH, run_strategies
from tercel.lab.evaluation.scenario import Scenario
from tercel.lab.evaluation.windows import placebo_plan

RECORDED_EPISODES = 200
"""Episodes of a scenario whose decisions are recorded, for adaptability."""
TWINS = "twins"
HINDSIGHT = "hindsight"
JOBS = "cells"
THINNED_FROM = 512
"""Episodes of a scenario from which on only a quarter of the pairs runs to its horizon, for displacement; the others
end with their order."""
FULL_RUN_SHARE = 0.25


@dataclass(frozen=True)
class Job:
    """A job: up to :data:`BATCH` episodes from `first` on of a scenario, run by some candidates.

    Parameters
    ----------
    scenario : Scenario
    first : int
    candidates : tuple of Candidate
    recorded : bool
        Whether everything is wanted: twins, the whole course of mids (runs_to_horizon), and in the first job
        decisions and fills. Otherwise costs alone, and an episode ends with its order.
    """

    scenario: Scenario
    first: int
    candidates: tuple[Candidate, ...]
    recorded: bool

    def folder(self, out_dir: Path) -> Path:
        """Folder of the job's results below `out_dir`."""
        return results_folder(self.scenario, self.recorded, out_dir)

    @property
    def shared_results(self) -> tuple[str, ...]:
        """Names of results of the episodes themselves (twins, hindsight), besides the candidates' costs; none if not recorded."""
        return (TWINS, HINDSIGHT) if self.recorded else ()


def jobs_of(scenario: Scenario, candidates: Sequence[Candidate], recorded: bool) -> list[Job]:
    """Jobs that cover all episodes of a scenario for some candidates."""
    return [Job(scenario, first, tuple(candidates), recorded) for first in first_episodes(scenario)]


def first_episodes(scenario: Scenario) -> list[int]:
    """Number of the first episode of each job; in markets with dealers all episodes of a job have one seed."""
    episodes = episode_count(scenario)
    seeds = len(scenario.seeds) if scenario.market.dealers else 1
    parts = np.array_split(np.arange(episodes), seeds)
    return [first for part in parts if len(part) for first in range(part[0], part[-1] + 1, BATCH)]


def episode_count(scenario: Scenario) -> int:
    """Number of episodes of a scenario; builds the market if it is on tape."""
    if scenario.orders and not scenario.validation:
        return len(scenario.orders)
    return len(cached_market(scenario).plan) if scenario.market.on_tape else scenario.episodes


def runs_to_horizon(first: int, n: int, episodes: int) -> Bools:
    """Mask of the `n` episodes from `first` on that run to their horizon although their order is filled.

    Which pairs, follows from their numbers alone, without a period: on tape every so many rows lie at one hour.

    >>> chosen = runs_to_horizon(256, 256, 1000)
    >>> bool((chosen[::2] == chosen[1::2]).all()), 40 < int(chosen.sum()) < 90, bool(runs_to_horizon(0, 10, 100).all())
    (True, True, True)
    """
    if episodes < THINNED_FROM:
        return np.ones(n, np.bool_)
    chosen_pairs = np.random.default_rng(7).random((first + n + 1) // 2) < FULL_RUN_SHARE
    return np.repeat(chosen_pairs, 2)[first : first + n]


def is_done(job: Job, out_dir: Path) -> bool:
    """Whether all results of a job are on disk."""
    folder = job.folder(out_dir)
    market = job.scenario.preset
    fingerprints = [candidate.fingerprint(market) for candidate in job.candidates]
    files = [batch_path(folder, name, job.first) for name in (*job.shared_results, *fingerprints)]
    if job.recorded and job.first == 0:
        files += [folder / name / "guard.npz" for name in fingerprints]
    return all(path.exists() for path in files)


def is_stored(job: Job, candidate: Candidate, out_dir: Path) -> bool:
    """Whether a candidate's costs in a job are on disk."""
    return batch_path(
        job.folder(out_dir), candidate.fingerprint(job.scenario.preset), job.first
    ).exists()


def store_costs(job: Job, candidate: Candidate, costs: Costs, out_dir: Path) -> None:
    """Store a candidate's costs in a job that ran elsewhere, for instance on a cluster."""
    _write_records(
        batch_path(job.folder(out_dir), candidate.fingerprint(job.scenario.preset), job.first),
        costs=costs,
    )


def run_job(job: Job, out_dir: Path) -> bool:
    """Run the missing results of a job in a worker process; returns False if it was stopped."""
    built = cached_market(job.scenario)
    folder = job.folder(out_dir)
    ends = [*first_episodes(job.scenario), len(built.plan)]
    span = slice(job.first, ends[ends.index(job.first) + 1])
    plan = built.plan.take(span)
    task = job.scenario.task
    refuse_trained_seeds(job.scenario, plan)
    if should_stop():
        return False
    if not all(batch_path(folder, name, job.first).exists() for name in job.shared_results):
        arrivals, bps = run_arrivals(built.judged, task, plan)
        _write_records(batch_path(folder, TWINS, job.first), twins=arrivals)
        write_arrays(batch_path(folder, HINDSIGHT, job.first), {"bps": bps})
    missing: list[tuple[str, Strategy]] = []
    for candidate in job.candidates:
        name = candidate.fingerprint(job.scenario.preset)
        if not batch_path(folder, name, job.first).exists():
            missing.append((name, inform_router(candidate.strategy(built), built, plan)))
    decisions = list[Decisions]() if job.recorded and job.first == 0 else None
    run_out = runs_to_horizon(job.first, len(plan), len(built.plan)) & job.recorded
    strategies = [strategy for _, strategy in missing]
    placebo = (
        placebo_plan(built.plan)
        if any(isinstance(strategy, PlaceboForecast) for strategy in strategies)
        else None
    )
    placebo_batch = None if placebo is None else placebo.take(span)
    runs = run_strategies(
        built.judged, task, plan, strategies, should_stop, decisions, run_out, placebo_batch
    )
    for (name, strategy), costs in zip(missing, runs, strict=False):
        costs.check()
        response = None
        if decisions is not None:
            recorded = decisions.pop(0).select(slice(RECORDED_EPISODES))
            response = measure_response(recorded, strategy.expected, np.random.default_rng((7, 7)))
        ways = WaysExplained.of(strategy, built)
        _write_records(
            batch_path(folder, name, job.first), costs=costs, response=response, ways=ways
        )
    if decisions is not None:
        for candidate in job.candidates:
            if not should_stop():
                check_fills(built, job.scenario, candidate, folder)
    return not should_stop()


def results_folder(scenario: Scenario, recorded: bool, out_dir: Path) -> Path:
    """Folder of a scenario's results; runs without recorded courses have a folder of their own."""
    return out_dir / JOBS / f"{scenario.id}{'' if recorded else '-costs'}"


def batch_path(folder: Path, name: str, first: int) -> Path:
    """Path of the npz file of one batch: a candidate's fingerprint, then the first episode."""
    return folder / name / f"{first}.npz"


def _write_records(path: Path, **records: Any) -> None:
    """Write the arrays of dataclasses (None: nothing) to an npz file by names `name.field`, integers narrowed."""
    arrays = {
        f"{name}.{column.name}": narrow(getattr(record, column.name))
        for name, record in records.items()
        if record is not None
        for column in fields(record)
    }
    write_arrays(path, arrays)
