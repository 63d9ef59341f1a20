"""Hold a contest: every cell that is missing, side by side, stopped politely and gone on with."""

from collections.abc import Callable, Sequence
from pathlib import Path

from tercel.core.pool import Pool
from tercel.evaluation.contest.cells import Cell, cells_of, is_done, run_cell
from tercel.evaluation.contest.contenders import Contender
from tercel.evaluation.contest.places import Place
from tercel.report.terminal import progress

Elsewhere = Callable[[Sequence[Cell], Path], None]
"""Runs what is missing of some cells and keeps it in a folder."""


def hold(
    work: Sequence[tuple[Place, Sequence[Contender], bool]],
    out: Path,
    what: str = "judge on unseen episodes",
    elsewhere: Elsewhere | None = None,
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
    elsewhere : callable, optional
        Runs the costs of cells on other machines (`learning.ray.contest.on_cluster`).
    here : bool
        In this process, one cell after the other, without a bar: for strategies that are objects of it.
    """
    cells = [cell for place, contenders, recorded in work for cell in cells_of(place, contenders, recorded)]
    if elsewhere is not None:
        elsewhere([cell for cell in cells if not is_done(cell, out)], out)
    todo: list[tuple[Cell, Path]] = [(cell, out) for cell in cells if not is_done(cell, out)]
    if not todo:
        return
    if here:
        for cell, _ in todo:
            run_cell(cell, out)
        return
    with progress(counted=True) as shown, Pool(len(todo)) as pool:
        before = len(cells) - len(todo)
        bar = shown.add_task(what, total=len(cells), completed=before)
        pool.run(run_cell, todo, lambda done: shown.update(bar, completed=before + done))
