"""A contest on a cluster: the episodes of what is missing run on Ray, their costs are kept here like all others."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tercel.core.errors import ConfigError
from tercel.evaluation.contest.cells import Cell, is_kept, keep, run_to_the_end
from tercel.evaluation.contest.contenders import Contender
from tercel.evaluation.contest.hold import Elsewhere
from tercel.evaluation.contest.places import Place, build_place
from tercel.evaluation.experiment import BATCH
from tercel.learning.ray import Cluster, available, connect, run_strategy_on


def on_cluster(address: str) -> Elsewhere:
    """What runs the cells of a contest on a cluster: its address, or "local" (:func:`connect`).

    Raises
    ------
    ConfigError
        There is no Ray.
    """
    if not available():
        raise ConfigError("Ray for --ray", "a Python without it", "pip install 'tercel[scale]'")

    def run(cells: Sequence[Cell], out: Path) -> None:
        with connect(address) as cluster:
            hold_on(cluster, cells, out)

    return run


def hold_on(cluster: Cluster, cells: Sequence[Cell], out: Path) -> None:
    """Run the costs that are missing of some cells on a cluster, strategy by strategy.

    What is recorded besides costs (decisions, fills, twins, the bound) is little and is left to this machine, with the
    first cell of its place.
    """
    for place, contender, missing in _by_strategy(cells, out):
        ground = build_place(place)
        rows = np.concatenate([np.arange(cell.first, min(cell.first + BATCH, len(ground.plan))) for cell in missing])
        strategy = contender.strategy(ground.market)
        plan = ground.plan.take(rows)
        costs = run_strategy_on(cluster, ground.source, place.settings.task, plan, strategy, piece=BATCH)
        costs.check()
        for cell in missing:
            mine = costs.select((rows >= cell.first) & (rows < cell.first + BATCH))
            run_out = run_to_the_end(cell.first, len(mine), len(ground.plan)) & cell.recorded
            keep(cell, contender, replace(mine, run_out=run_out.astype(np.int64)), out)


def _by_strategy(cells: Sequence[Cell], out: Path) -> list[tuple[Place, Contender, list[Cell]]]:
    """For each strategy in each place, the cells whose costs are missing."""
    found: dict[tuple[Place, Contender], list[Cell]] = {}
    for cell in cells:
        for one in cell.contenders:
            if not (cell.recorded and cell.first == 0) and not is_kept(cell, one, out):
                found.setdefault((cell.place, one), []).append(cell)
    return [(place, one, missing) for (place, one), missing in found.items()]
