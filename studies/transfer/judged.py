"""Agents of one market judged in others: the same trained policies, each market's own episodes and baselines."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tercel.app.job.judging import Candidate, read_costs, strategy_of, write_costs
from tercel.app.job.market import JobMarket, build_market
from tercel.app.job.settings import RunSettings
from tercel.app.job.training import LEARNERS
from tercel.evaluation.experiment import run_strategy
from tercel.execution.costs import Costs, attribute
from tercel.execution.strategies import NAMES, YARDSTICK
from tercel.stats import Estimate, mean_interval, paired_difference

WRITTEN = (*(name for name in NAMES if name != "random"), YARDSTICK)
"""What the learned are held against; the yardstick is one line of placement and competes."""


@dataclass(frozen=True)
class Transfer:
    """One line of the table: where a learner was trained, where it is judged, and what that makes of it.

    Parameters
    ----------
    learner, trained_in, judged_in : str
    is_bps : Estimate
        Mean implementation shortfall over training seeds and episodes.
    best_written : str
        The written strategy with the lowest mean on the same episodes, the yardstick included.
    written_bps : float
        Its mean.
    gain_bps : Estimate
        What the learned saves against it, paired; positive is better.
    against_home_bps : Estimate or None
        What it saves against the same learner trained in the market judged in; None at home, or where none was trained.
    """

    learner: str
    trained_in: str
    judged_in: str
    is_bps: Estimate
    best_written: str
    written_bps: float
    gain_bps: Estimate
    against_home_bps: Estimate | None


@lru_cache(maxsize=1)
def _market(settings: RunSettings) -> JobMarket:
    return build_market(settings)


def judge_elsewhere(settings: RunSettings, home: Path, out: Path, candidate: Candidate) -> bool:
    """Run a candidate whose policy lies in run folder `home` through the episodes of `settings`; keep its costs."""
    path = out / candidate.file
    if not path.exists():
        market = _market(settings)
        strategy = strategy_of(candidate, market, home)
        costs = run_strategy(market.judged, settings.task, market.plan, strategy)
        costs.check()
        write_costs(path, costs)
    return True


def candidates_of(settings: RunSettings) -> list[Candidate]:
    """The trained policies of a run."""
    return [Candidate(name, seed) for name in LEARNERS for seed in settings.training_seeds]


def compare(
    judged_in: str, folders: dict[str, Path], written: Path, settings: RunSettings, rng: np.random.Generator
) -> list[Transfer]:
    """Lines of the table for one judged market.

    Parameters
    ----------
    judged_in : str
    folders : dict of str to Path
        Where a market was trained in -> folder of its policies' costs here.
    written : Path
        Folder of the written strategies' costs here.
    settings : RunSettings
        Whose training seeds the policies have.
    rng : numpy Generator
    """
    costs = {name: read_costs(written / Candidate(name).file) for name in WRITTEN}
    shortfall = {name: attribute(run, None)["is_bps"] for name, run in costs.items()}
    best = min(shortfall, key=lambda name: float(np.mean(shortfall[name])))
    cluster = costs[best].cluster
    means = {
        (home, learner): np.mean([_shortfall(folder, learner, s) for s in settings.training_seeds], axis=0)
        for home, folder in folders.items()
        for learner in LEARNERS
    }
    lines = []
    for (home, learner), mine in means.items():
        native = means.get((judged_in, learner)) if home != judged_in else None
        lines.append(
            Transfer(
                learner,
                home,
                judged_in,
                mean_interval(mine, cluster, rng),
                best,
                float(np.mean(shortfall[best])),
                paired_difference(shortfall[best], mine, cluster, rng),
                None if native is None else paired_difference(native, mine, cluster, rng),
            )
        )
    return lines


def _shortfall(folder: Path, learner: str, seed: int) -> NDArray[np.float64]:
    costs: Costs = read_costs(folder / Candidate(learner, seed).file)
    return attribute(costs, None)["is_bps"]
