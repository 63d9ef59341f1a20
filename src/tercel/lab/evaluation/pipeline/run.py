"""Jobs of an evaluation run side by side, stopped politely and resumed; and their results read."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from tercel.core.pool import Pool
from tercel.core.progress import progress, say
from tercel.lab.evaluation.pipeline.candidates import Candidate
from tercel.lab.evaluation.pipeline.jobs import (
    Job,
    Results,
    is_done,
    jobs_of,
    read_results,
    run_job,
)
from tercel.lab.evaluation.pipeline.scenarios import Scenario

JobRunner = Callable[[Sequence[Job], Path], None]
"""Runs what is missing of some jobs and keeps it in a folder."""
Work = tuple[Scenario, Sequence[Candidate], bool]
"""A scenario, who is judged in it, and whether everything is recorded (:class:`Job`)."""
Key = TypeVar("Key")


def run_jobs(
    work: Mapping[Key, Work],
    out: Path,
    what: str = "judge on unseen episodes",
    elsewhere: JobRunner | None = None,
    here: bool = False,
) -> dict[Key, Results]:
    """Run missing jobs, in processes of this machine or on a cluster, and read all results.

    Parameters
    ----------
    work : mapping of key to Work
    out : Path
        Folder of the evaluation; jobs lie in `jobs` in it.
    what : str
        Shown beside the bar.
    elsewhere : callable, optional
        Runs the costs of jobs on other machines (`learning.ray.jobs.on_cluster`).
    here : bool
        In this process, one job after the other, without a bar: for strategies that are objects of it.
    """
    jobs = [job for its in work.values() for job in jobs_of(*its)]
    done = {job: is_done(job, out) for job in jobs}
    _report_reuse([job for job in jobs if done[job]], out)
    missing = [job for job in jobs if not done[job]]
    if elsewhere is not None:
        elsewhere(missing, out)
        missing = [job for job in missing if not is_done(job, out)]
    todo: list[tuple[Job, Path]] = [(job, out) for job in missing]
    if here:
        for job, _ in todo:
            run_job(job, out)
    elif todo:
        with progress(counted=True) as shown, Pool(len(todo)) as pool:
            before = len(jobs) - len(todo)
            bar = shown.add_task(what, total=len(jobs), completed=before)
            pool.run(run_job, todo, lambda done: shown.update(bar, completed=before + done))
    return {
        key: read_results(scenario, candidates, out, recorded)
        for key, (scenario, candidates, recorded) in work.items()
    }


def _report_reuse(stored: Sequence[Job], out: Path) -> None:
    """Say whose own code is not run again: what it reads beside its modules and the files it names is not known."""
    own = dict.fromkeys(
        one.key for job in stored for one in job.candidates if isinstance(one.own, str)
    )
    if own:
        say(
            f"results of {', '.join(own)} that are stored in {out} are used again; another `out=` runs them anew"
        )
