"""Checks of fills: none at mid, none beyond what was displayed."""

from dataclasses import astuple, dataclass

import numpy as np

from tercel.core.arrays import Ints
from tercel.execution.strategy import Strategy
from tercel.execution.task import Latency, Task
from tercel.lab.evaluation.episodes import Plan
from tercel.lab.evaluation.experiment import markets_of
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import Source

LOG_ROWS = 2048
NS, PRICE, LOTS, MID2, TOUCH2, PASSIVE, FORCED = range(7)


@dataclass(frozen=True)
class Guard:
    """Counts of a strategy's checked and odd fills.

    Parameters
    ----------
    takes : int
        Fills of orders that took, before the horizon.
    at_mid : int
        Of these, how many at the mid that they met, or better.
    decisions : int
        Decisions that took at the touch they saw, without latency.
    beyond : int
        Of these, how many got more lots there than were displayed.
    """

    takes: int
    at_mid: int
    decisions: int
    beyond: int

    def __add__(self, other: "Guard") -> "Guard":
        """Both together."""
        return Guard(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def to_array(self) -> Ints:
        """The four counts."""
        return np.array(astuple(self), np.int64)


def guard(source: Source, task: Task, plan: Plan, strategy: Strategy) -> Guard:
    """Run a strategy with its fills on record, and check each."""
    episodes = markets_of(strategy, source, task, plan, LOG_ROWS)
    seen: list[tuple[Ints, Ints, Ints]] = []
    while episodes.working.any():
        view = episodes.view
        seen.append(
            (episodes.states[:, sim.NOW].copy(), view.far.copy(), view.far_depth[:, 0].copy())
        )
        episodes.step(strategy.decide(view))
    prompt = task.latency == Latency() and task.feed_latency == Latency()
    total = Guard(0, 0, 0, 0)
    for number in range(len(plan)):
        fills = episodes.fills(number)
        side = int(episodes.states[number, sim.SIDE])
        taken = fills[(fills[:, PASSIVE] == 0) & (fills[:, FORCED] == 0)]
        decisions, beyond = (
            _displayed(taken, [(w[number], f[number], d[number]) for w, f, d in seen])
            if prompt
            else (0, 0)
        )
        total += Guard(len(taken), _at_mid(taken, side), decisions, beyond)
    return total


def _at_mid(taken: Ints, side: int) -> int:
    """How many takes cost nothing against the mid that they met."""
    return int((side * (2 * taken[:, PRICE] - taken[:, MID2]) <= 0).sum())


def _displayed(taken: Ints, seen: list[tuple[np.int64, np.int64, np.int64]]) -> tuple[int, int]:
    """How many decisions took at the touch that they saw, and how many got more than was displayed there."""
    decisions = beyond = 0
    for when, far, depth in {
        int(when): (int(when), int(far), int(depth)) for when, far, depth in seen
    }.values():
        lots = int(taken[(taken[:, NS] == when) & (taken[:, PRICE] == far), LOTS].sum())
        decisions += lots > 0
        beyond += lots > depth
    return decisions, beyond
