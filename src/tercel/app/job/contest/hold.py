"""Hold a contest: every cell that is missing, side by side, stopped politely and gone on with."""

from collections.abc import Sequence
from pathlib import Path

from tercel.app.job.contest.cells import Cell, cells_of, is_done, run_cell
from tercel.app.job.contest.cluster import hold_on
from tercel.app.job.contest.contenders import Contender
from tercel.app.job.contest.places import Place
from tercel.app.job.pool import Pool
from tercel.app.output import progress_console
from tercel.core.errors import ConfigError
from tercel.learning.ray import available, connect


def hold(
    work: Sequence[tuple[Place, Sequence[Contender], bool]],
    out: Path,
    what: str = "judge on unseen episodes",
    ray: str | None = None,
    here: bool = False,
) -> None:
    """Run what is missing: in processes of this machine, or on a cluster.

    Parameters
    ----------
    work : sequence of (place, contenders, recorded)
    out : Path
        Folder of the contest; cells lie in `cells` in it.
    what : str
        Shown beside the bar.
    ray : str, optional
        Address of a Ray cluster, or "local" (`learning.ray.connect`).
    here : bool
        In this process, one cell after the other, without a bar: for strategies that are objects of it.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    cells = [cell for place, contenders, recorded in work for cell in cells_of(place, contenders, recorded)]
    if ray is not None:
        with connect(ray) as cluster:
            hold_on(cluster, [cell for cell in cells if not is_done(cell, out)], out)
    todo: list[tuple[Cell, Path]] = [(cell, out) for cell in cells if not is_done(cell, out)]
    if not todo:
        return
    if here:
        for cell, _ in todo:
            run_cell(cell, out)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=progress_console()) as progress, Pool(len(todo)) as pool:
        before = len(cells) - len(todo)
        bar = progress.add_task(what, total=len(cells), completed=before)
        pool.run(run_cell, todo, lambda done: progress.update(bar, completed=before + done))


def refuse_absent(ray: str | None) -> None:
    """Refuse a cluster where there is no Ray, before anything is begun.

    Raises
    ------
    ConfigError
    """
    if ray is not None and not available():
        raise ConfigError("Ray for --ray", "a Python without it", "pip install 'tercel[scale]'")
