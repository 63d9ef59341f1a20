"""Checks of simulated fills against the market that was shown: takes at the mid or better, and beyond displayed lots."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tercel.core.arrays import Ints
from tercel.core.errors import TercelError
from tercel.execution.strategy import Strategy
from tercel.execution.task import Latency, Task
from tercel.lab.evaluation.market import BuiltMarket
from tercel.lab.evaluation.pipeline.array_files import open_arrays, write_arrays
from tercel.lab.evaluation.pipeline.candidates import Candidate
from tercel.lab.evaluation.plans import Plan
from tercel.lab.evaluation.routing import inform_router
from tercel.lab.evaluation.runs import markets_of
from tercel.lab.evaluation.scenario import Scenario
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import Source

LOG_ROWS = 2048
NS, PRICE, LOTS, MID2, TOUCH2, PASSIVE, FORCED = range(7)


CHECKED_EPISODES = 32
"""Episodes whose fills are checked one by one."""


CHECKS = ("takes", "at_mid", "decisions", "beyond")
"""What is counted: fills of orders that took, before the horizon, and those of them at the mid that they met, or better;
decisions that took at the touch they saw, without latency, and those of them that got more lots there than were displayed.
"""


def check_strategy_fills(
    source: Source, task: Task, plan: Plan, strategy: Strategy
) -> Counter[str]:
    """Run a strategy over a plan with its fills logged, and count by `CHECKS`; beyond the display only without latency."""
    episodes = markets_of(strategy, source, task, plan, LOG_ROWS)
    quotes: list[tuple[Ints, Ints, Ints]] = []
    while episodes.working.any():
        view = episodes.view
        quotes.append(
            (episodes.states[:, sim.NOW].copy(), view.far.copy(), view.far_depth[:, 0].copy())
        )
        episodes.work(strategy)
    is_immediate = task.latency == Latency() and task.feed_latency == Latency()
    counts = Counter[str]()
    for number in range(len(plan)):
        fills = episodes.fills(number)
        takes = fills[(fills[:, PASSIVE] == 0) & (fills[:, FORCED] == 0)]
        decisions, beyond = (
            _count_beyond_display(takes, [(w[number], f[number], d[number]) for w, f, d in quotes])
            if is_immediate
            else (0, 0)
        )
        at_mid = _count_at_mid(takes, int(episodes.states[number, sim.SIDE]))
        counts.update(takes=len(takes), at_mid=at_mid, decisions=decisions, beyond=beyond)
    return counts


def _count_at_mid(takes: Ints, side: int) -> int:
    """Number of taking fills at the mid or at a better price, which no taker should get."""
    return int((side * (2 * takes[:, PRICE] - takes[:, MID2]) <= 0).sum())


def _count_beyond_display(
    takes: Ints, quotes: list[tuple[np.int64, np.int64, np.int64]]
) -> tuple[int, int]:
    """Number of decisions that took at the displayed touch, and of those filled beyond the displayed lots."""
    decisions = beyond = 0
    for time_ns, far, depth in {
        int(time_ns): (int(time_ns), int(far), int(depth)) for time_ns, far, depth in quotes
    }.values():
        lots = int(takes[(takes[:, NS] == time_ns) & (takes[:, PRICE] == far), LOTS].sum())
        decisions += lots > 0
        beyond += lots > depth
    return decisions, beyond


def check_fills(built: BuiltMarket, scenario: Scenario, candidate: Candidate, folder: Path) -> None:
    """Count suspicious fills of a candidate in the first episodes and store the counts, without raising
    (`read_fill_checks` does); skip if they are stored.
    """
    path = _guard_path(folder, candidate, scenario)
    if path.exists():
        return
    counts = check_strategy_fills(
        built.judged,
        scenario.task,
        built.plan.take(slice(0, CHECKED_EPISODES)),
        inform_router(candidate.strategy(built), built, built.plan),
    )
    write_arrays(path, {"guard": np.array([counts[check] for check in CHECKS], np.int64)})


def read_fill_checks(
    scenario: Scenario, candidates: Sequence[Candidate], folder: Path
) -> Counter[str]:
    """Sum of the stored counts of checked fills over all candidates; raises for a single suspicious fill.

    Raises
    ------
    TercelError
        A fill at mid, or beyond what was displayed.
    """
    total = Counter[str]()
    for candidate in candidates:
        with open_arrays(_guard_path(folder, candidate, scenario)) as data:
            counts = dict(zip(CHECKS, np.asarray(data["guard"]).tolist(), strict=True))
        takes, at_mid, _, beyond = counts.values()
        if at_mid or beyond:
            raise TercelError(
                "fills at quoted prices and displayed sizes",
                f"{candidate.key}: {at_mid} of {takes} takes at mid, {beyond} beyond the display",
                "look for crossed states with `tercel data verify`; without any this is a defect: report it",
            )
        total.update(counts)
    return total


def _guard_path(folder: Path, candidate: Candidate, scenario: Scenario) -> Path:
    """Path of the file with a candidate's counts of checked fills."""
    return folder / candidate.fingerprint(scenario.preset) / "guard.npz"
