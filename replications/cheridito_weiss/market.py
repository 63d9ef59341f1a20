"""The tasks as episodes: a batch that rules act in, and the environment that learners act in."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from replications.cheridito_weiss import columns as c, rules
from replications.cheridito_weiss.cells import TASK, Cell
from studies.flows.cheridito_weiss import layout as cw
from tercel.core import AnyArray, Bools, Float32
from tercel.execution import E_INDEX, Intents, intent as it
from tercel.lab.evaluation import Episodes
from tercel.lab.learning import Info, SameStepVectorEnv, State, vectors
from tercel.market.simulator import layout as sim

Floats = NDArray[np.float64]
Longs = NDArray[np.int64]
BATCH = 250
"""Markets at once when judging."""


class Batch:
    """`n` markets of a cell, their columns and what they earn."""

    def __init__(self, cell: Cell, n: int, threads: int = 1) -> None:
        self.cell, self.n = cell, n
        self.episodes = Episodes(cell.source(), TASK, n, run_out=False, threads=threads)
        self.columns = np.zeros((n, c.COLUMNS))
        self.obs = np.zeros((n, c.OBSERVED), np.float32)
        self.rewards = np.zeros(n)
        self.seen = np.zeros((n, c.SEEN), np.int64)
        self._all = np.arange(n)

    def start(self, seed: int, first: int, which: Longs | None = None) -> None:
        """Start the episodes (seed, first ...) in the markets `which`."""
        which = self._all if which is None else which
        self.episodes.start(self.cell.plan(seed, first, len(which)), which)
        self._look(which)

    def start_rows(self, seed: int, index: Longs) -> None:
        """Start the episodes (seed, index[i]) in all markets."""
        plan = self.cell.plan(seed, 0, self.n)
        plan.rows[:, E_INDEX] = index
        self.episodes.start(plan)
        self._look(self._all)

    def step(self, intents: Intents) -> None:
        """Act in all markets; see what became of it."""
        self.episodes.step(intents)
        c.earn(self.episodes.states, self.seen, self.rewards)
        self._look(self._all)

    def _look(self, which: Longs) -> None:
        e = self.episodes
        c.look_batch(e.books, e.states, which, self.seen, self.columns, self.obs)

    @property
    def working(self) -> NDArray[np.bool_]:
        """Markets whose episode goes on."""
        return self.episodes.working


def earned(
    cell: Cell,
    rule: rules.Rule,
    seed: int,
    n: int,
    first: int = 0,
    progress: Callable[[int], None] = lambda _: None,
) -> Floats:
    """Reward of each of the episodes (seed, first ... first + n - 1) under a rule: float64 (n,)."""
    parts = []
    for start in range(0, n, BATCH):
        progress(start)
        size = min(BATCH, n - start)
        batch, total, step = Batch(cell, size), np.zeros(size), 0
        batch.start(seed, first + start)
        while batch.working.any():
            batch.step(rule.decide(batch.columns, step))
            total += batch.rewards
            step += 1
        parts.append(total)
    return np.concatenate(parts)


def directions(cell: Cell, seed: int, n: int) -> Longs:
    """Which way the hidden trader goes in each episode, 0 where there is none: int64 (n,).

    It is drawn before anybody decides, so that it is the same for all rules.
    """
    parts = []
    for first in range(0, n, BATCH):
        batch = Batch(cell, min(BATCH, n - first))
        batch.start(seed, first)
        parts.append(batch.episodes.states[:, cw.DIRECTION].copy())
    return np.concatenate(parts)


class CellVec(SameStepVectorEnv):
    """A cell as a learner's environment: continuous actions, `n` episodes side by side.

    Parameters
    ----------
    cell : Cell
    base : float64 (13,), optional
        Parameters of the rule that actions are residuals of; None: actions are the seven shares of the paper.
    n : int
        Episodes at once.
    threads : int
        Threads that the markets are spread over.
    """

    def __init__(
        self, cell: Cell, base: Floats | None = None, n: int = 320, threads: int = 1
    ) -> None:
        super().__init__(n, c.OBSERVED, vectors(7 if base is None else rules.RESIDUAL))
        self.cell = cell
        self.base = None if base is None else np.asarray(base, np.float64)[None].copy()
        self.batch = Batch(cell, n, threads)
        self._intents = np.zeros((n, it.WIDTH), np.int32)
        self.seed, self.started = 0, 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float32, Info]:
        """Start the first `n` episodes of `seed`; their streams have negative seeds, which none is judged on."""
        self.seed, self.started = -1 - int(seed or 0), self.num_envs
        self.batch.start(self.seed, 0)
        return self.batch.obs, {}

    def step(self, actions: AnyArray) -> tuple[Float32, AnyArray, AnyArray, AnyArray, Info]:
        """Act; start the next episodes where some ended."""
        actions = np.ascontiguousarray(actions, np.float32)
        if self.base is None:
            rules.allocate_rows(actions, self.batch.columns, self._intents)
        else:
            rules.decide_rows(self.base, self.batch.columns, actions, self._intents)
        self.batch.step(self._intents)
        done: Bools = self.batch.episodes.states[:, sim.PHASE] == sim.DONE
        which = np.flatnonzero(done)
        if len(which):
            self.batch.start(self.seed, self.started, which)
            self.started += len(which)
        return self.batch.obs, self.batch.rewards, done, self.truncated, {}

    # -- Restorable ------------------------------------------------------------------------------------------------

    def _arrays(self) -> dict[str, NDArray[Any]]:
        b = self.batch
        markets: dict[str, NDArray[Any]] = {"books": b.episodes.books, "states": b.episodes.states}
        return {**markets, "columns": b.columns, "obs": b.obs, "seen": b.seen}

    def state(self) -> State:
        """Everything that its future depends on."""
        state: State = {name: array.copy() for name, array in self._arrays().items()}
        return {**state, "seed": self.seed, "started": self.started}

    def restore(self, state: State) -> Float32:
        """Go back to `state`."""
        for name, array in self._arrays().items():
            array[:] = state[name]
        self.seed, self.started = int(state["seed"]), int(state["started"])
        return self.batch.obs
