"""Results of scenarios: run the missing jobs, in processes or on a cluster, and read the costs of all candidates."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from tercel.core.arrays import Bools, Floats, Indices
from tercel.core.pool import Pool
from tercel.core.progress import progress, say
from tercel.execution.costs import Costs
from tercel.lab.evaluation.adaptability import Response
from tercel.lab.evaluation.arrivals import Arrivals
from tercel.lab.evaluation.pipeline.array_files import open_arrays, read_record
from tercel.lab.evaluation.pipeline.candidates import Candidate
from tercel.lab.evaluation.pipeline.fill_checks import read_fill_checks
from tercel.lab.evaluation.pipeline.jobs import (
    HINDSIGHT,
    TWINS,
    Job,
    batch_path,
    first_episodes,
    is_done,
    jobs_of,
    results_folder,
    run_job,
)
from tercel.lab.evaluation.routing import WaysExplained
from tercel.lab.evaluation.scenario import Scenario

JobRunner = Callable[[Sequence[Job], Path], None]
"""Runs the missing results of jobs and stores them in a folder."""
Work = tuple[Scenario, Sequence[Candidate], bool]
"""A scenario, its candidates, and whether everything is recorded (:class:`Job`)."""
Key = TypeVar("Key")


@dataclass(frozen=True, eq=False)
class ScenarioCosts:
    """Costs of all candidates in one scenario, with recorded decisions and markets without own orders.

    Parameters
    ----------
    scenario : Scenario
    costs : dict of key to Costs
    responses : dict of key to Response
        Where decisions were recorded.
    arrivals : Arrivals or None
        The markets at arrival, and their course without own orders; this and the rest where everything was wanted.
    fill_counts : Counter or None
        Counts of checked fills (`fill_checks.CHECKS`).
    hindsight_bps : float64 (n,) or None
        Cost of each order with perfect foresight of the path.
    parts : tuple of ScenarioCosts
        The scenarios that this one joins, in order; `scenario` is the first.
    plan_rows : intp (n,) or None
        Rows of the scenario's plan, where some were left out.
    ways : dict of key to WaysExplained
        Of routers: why they took their way, for the dealers of the first seed.
    """

    scenario: Scenario
    costs: dict[str, Costs]
    responses: dict[str, Response]
    arrivals: Arrivals | None = None
    fill_counts: Counter[str] | None = None
    hindsight_bps: Floats | None = None
    parts: tuple["ScenarioCosts", ...] = ()
    plan_rows: Indices | None = None
    ways: dict[str, WaysExplained] = field(default_factory=dict)

    def without(self, excluded: Collection[str]) -> "ScenarioCosts":
        """Results without the candidates `excluded`."""
        costs = {key: run for key, run in self.costs.items() if key not in excluded}
        responses = {
            key: response for key, response in self.responses.items() if key not in excluded
        }
        return replace(self, costs=costs, responses=responses)

    def select(self, mask: Bools) -> "ScenarioCosts":
        """Results of the episodes in `mask`; `responses` still cover all recorded episodes."""
        rows = np.flatnonzero(mask)
        return replace(
            self,
            plan_rows=rows if self.plan_rows is None else self.plan_rows[rows],
            costs={key: run.select(mask) for key, run in self.costs.items()},
            arrivals=None if self.arrivals is None else self.arrivals.select(mask),
            hindsight_bps=None if self.hindsight_bps is None else self.hindsight_bps[mask],
        )


def read_costs(
    scenario: Scenario, candidates: Sequence[Candidate], out_dir: Path, recorded: bool = False
) -> ScenarioCosts:
    """Read the results of all jobs of a scenario; unless recorded, costs are totals without their course in time.
    Recorded ones raise TercelError for a suspicious fill.

    Raises
    ------
    ConfigError
        A file is damaged.
    """
    folder = results_folder(scenario, recorded, out_dir)
    market = scenario.preset
    firsts = first_episodes(scenario)
    costs: dict[str, Costs] = {}
    responses: dict[str, Response] = {}
    ways: dict[str, WaysExplained] = {}
    for candidate in candidates:
        name = candidate.fingerprint(market)
        parts = []
        for first in firsts:
            with open_arrays(batch_path(folder, name, first)) as data:
                batch_costs: Costs = read_record(Costs, "costs", data)
                parts.append(batch_costs if recorded else batch_costs.totals())
                if "ways.mean" in data and first == 0:
                    ways[candidate.key] = read_record(WaysExplained, "ways", data)
                if "response.rows" in data:
                    responses[candidate.key] = read_record(Response, "response", data)
        costs[candidate.key] = Costs.concat(parts)
    if not recorded:
        return ScenarioCosts(scenario, costs, responses)
    twins = []
    bounds = []
    for first in firsts:
        with open_arrays(batch_path(folder, TWINS, first)) as data:
            twins.append(read_record(Arrivals, "twins", data))
        with open_arrays(batch_path(folder, HINDSIGHT, first)) as data:
            bounds.append(np.asarray(data["bps"]))
    fill_counts = read_fill_checks(scenario, candidates, folder)
    arrivals = Arrivals.concat(twins)
    hindsight_bps = np.concatenate(bounds)
    return ScenarioCosts(
        scenario, costs, responses, arrivals, fill_counts, hindsight_bps, ways=ways
    )


def run_jobs(
    work: Mapping[Key, Work],
    out_dir: Path,
    label: str = "judge on unseen episodes",
    runner: JobRunner | None = None,
    in_process: bool = False,
) -> dict[Key, ScenarioCosts]:
    """Run missing jobs, in processes of this machine or by `runner`, and read all results, by key.

    Parameters
    ----------
    work : mapping of key to Work
    out_dir : Path
        Folder of the evaluation; jobs lie in `jobs` in it.
    label : str
        Shown beside the bar.
    runner : callable, optional
        Runs the costs of jobs on other machines (`studies.ray.on_cluster`).
    in_process : bool
        In this process, one job after the other, without a bar: for strategies that are objects of it.
    """
    jobs = [job for scenario_work in work.values() for job in jobs_of(*scenario_work)]
    done = {job: is_done(job, out_dir) for job in jobs}
    # what own code reads beside its modules and the files it names is not known: nothing is run again
    user_keys = dict.fromkeys(
        candidate.key
        for job in jobs
        for candidate in (job.candidates if done[job] else ())
        if isinstance(candidate.user_strategy, str)
    )
    if user_keys:
        say(
            f"results of {', '.join(user_keys)} that are stored in {out_dir} are used again; another `out=` runs them again"
        )
    missing = [job for job in jobs if not done[job]]
    if runner is not None:
        runner(missing, out_dir)
        missing = [job for job in missing if not is_done(job, out_dir)]
    todo: list[tuple[Job, Path]] = [(job, out_dir) for job in missing]
    if in_process:
        for job, _ in todo:
            run_job(job, out_dir)
    elif todo:
        with progress(counted=True) as display, Pool(len(todo)) as pool:
            before = len(jobs) - len(todo)
            bar = display.add_task(label, total=len(jobs), completed=before)
            pool.run(run_job, todo, lambda done: display.update(bar, completed=before + done))
    return {
        key: read_costs(scenario, candidates, out_dir, recorded)
        for key, (scenario, candidates, recorded) in work.items()
    }
