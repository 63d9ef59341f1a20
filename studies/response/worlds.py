"""Worlds that many styles meet alike: warmed up once, gone back to for every order, and let run on after it."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from studies.legs.legs import begin_legs
from studies.response.styles import NoTrading
from tercel import Task
from tercel.execution import Costs, Strategy, columns as c
from tercel.lab.evaluation import Episodes, Plan
from tercel.market.impact import whole_order_ticks
from tercel.market.simulator import Source, layout as sim

Ints = NDArray[np.int64]

LOG_ROWS: Final = 4096


class Worlds:
    """One batch of worlds, warmed up once: each order, and the twin, finds them as they were at arrival."""

    def __init__(self, source: Source, task: Task, plan: Plan, record_rows: int = 0) -> None:
        self.task = task
        self.episodes = Episodes(
            source, task, len(plan), log_rows=LOG_ROWS, record_rows=record_rows
        )
        self.episodes.start(plan)
        self.episodes.states[:, sim.RECORD] = 0  # the warm-up is not read
        self._arrived = self.episodes.snapshot()
        self.side: Ints = self.episodes.states[:, sim.SIDE].copy()
        self.start_ns: Ints = self.episodes.states[:, sim.START_NS].copy()

    def run(self, strategy: Strategy, lots: int) -> Costs:
        """Costs of an order of so many lots; the episodes stand at its end."""
        run = self.episodes
        run.restore(self._arrived)
        run.states[:, [sim.QUANTITY, sim.LEFT]] = lots
        run.states[:, sim.UNFILLED_TICKS] = whole_order_ticks(run.source.flow, lots)
        run.view.x[:, [c.QTY0, c.LEFT]] = lots
        while run.working.any():
            run.step(strategy.decide(run.view))
        return run.costs()

    def later(self) -> Ints:
        """Let the worlds run on alone to twice the horizon; their mids then, half ticks."""
        run, n = self.episodes, self.episodes.n
        until = self.start_ns + 2 * self.task.horizon_ns
        begin_legs(
            run, np.arange(n), side=self.side, lots=0, until_ns=until, decisions=1, run_out=True
        )
        while run.working.any():
            run.step(NoTrading().decide(run.view))
        return run.states[:, sim.MID2].copy()
