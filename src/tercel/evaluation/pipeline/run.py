"""Hold an evaluation: every job that is missing, side by side, stopped politely and gone on with."""

from collections.abc import Callable, Sequence
from pathlib import Path

from tercel.core.pool import Pool
from tercel.evaluation.pipeline.candidates import Candidate
from tercel.evaluation.pipeline.jobs import Job, is_done, jobs_of, run_job
from tercel.evaluation.pipeline.scenarios import Scenario
from tercel.report.terminal import progress, say

JobRunner = Callable[[Sequence[Job], Path], None]
"""Runs what is missing of some jobs and keeps it in a folder."""


def run_jobs(
    work: Sequence[tuple[Scenario, Sequence[Candidate], bool]],
    out: Path,
    what: str = "judge on unseen episodes",
    elsewhere: JobRunner | None = None,
    here: bool = False,
) -> None:
    """Run what is missing: in processes of this machine, or on a cluster.

    Parameters
    ----------
    work : sequence of (scenario, candidates, recorded)
    out : Path
        Folder of the evaluation; jobs lie in `jobs` in it.
    what : str
        Shown beside the bar.
    elsewhere : callable, optional
        Runs the costs of jobs on other machines (`learning.ray.jobs.on_cluster`).
    here : bool
        In this process, one job after the other, without a bar: for strategies that are objects of it.
    """
    jobs = [job for scenario, candidates, recorded in work for job in jobs_of(scenario, candidates, recorded)]
    if elsewhere is not None:
        elsewhere([job for job in jobs if not is_done(job, out)], out)
    todo: list[tuple[Job, Path]] = [(job, out) for job in jobs if not is_done(job, out)]
    _report_reuse([job for job in jobs if (job, out) not in todo], out)
    if not todo:
        return
    if here:
        for job, _ in todo:
            run_job(job, out)
        return
    with progress(counted=True) as judged_table, Pool(len(todo)) as pool:
        before = len(jobs) - len(todo)
        bar = judged_table.add_task(what, total=len(jobs), completed=before)
        pool.run(run_job, todo, lambda done: judged_table.update(bar, completed=before + done))


def _report_reuse(stored: Sequence[Job], out: Path) -> None:
    """Say whose own code was not run: what it reads beside its modules and the files that it names is not known."""
    own = dict.fromkeys(one.key for job in stored for one in job.candidates if isinstance(one.own, str))
    if own:
        say(f"results of {', '.join(own)} that are stored in {out} are used again; another --out runs them anew")
