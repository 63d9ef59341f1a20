"""Hindsight of a training episode: later moves of the undisturbed market, for the critic alone.

Most of what an order costs is what the market did by itself meanwhile. Own orders do not stir that
(`docs/simulator.md`, *Own orders apart*; on tape neither), so the mids of an episode without own orders are an input
that no action changes. What a baseline knows of such an input leaves the gradient of the policy unbiased and takes
the input's noise out of it (Mao, Venkatakrishnan, Schwarzkopf & Alizadeh 2019, "Variance reduction for reinforcement
learning in input-driven environments"). Both uses are here:

- **Potential.** A reward gains Phi(after) - Phi(before), with Phi = -left W and W what spreading the rest evenly over
  the decisions to come would lose to the market: the mean of the mids to come, less the mid now. Returns change by the
  same number for all policies (Ng, Harada & Russell 1999), namely W at arrival.
- **Inputs of the critic**, in units of the reward: W, and how far the mid moves within 1, 3, 10 decisions and until the
  horizon, each alone and times the share that is left.

Training draws from a pool of episodes whose mids are known: each was run through once without orders, and is bought and
sold in by turns.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from tercel.core.arrays import Float32, Floats, Ints
from tercel.execution import step as kernels
from tercel.execution.intent import empty
from tercel.lab.evaluation.episodes import Episodes, Plan
from tercel.lab.evaluation.experiment import without_orders
from tercel.market.simulator import layout as sim

SPANS: Final = (1, 3, 10)
"""Decisions that the critic looks ahead, besides the whole."""
SIZE: Final = 2 * (2 + len(SPANS))
"""Entries that it sees."""


def future_means(mids: Floats, ends: Ints) -> Floats:
    """Mean of the mids at the decisions to come, less the mid now.

    Parameters
    ----------
    mids : float64 (n, D + 1)
        At decisions 0 to D.
    ends : int64 (n,)
        Last decision that counts, the horizon, at most D.

    Returns
    -------
    float64 (n, D + 1)
        0 from the horizon on.

    >>> future_means(np.array([[0.0, 2.0, 4.0, 9.0]]), np.array([2])).tolist()
    [[3.0, 2.0, 0.0, 0.0]]
    """
    later = np.arange(mids.shape[1]) <= ends[:, None]
    count = np.maximum(ends[:, None] - np.arange(mids.shape[1]), 0)
    sums = np.cumsum((mids * later)[:, ::-1], axis=1)[:, ::-1] - mids * later
    return np.asarray(np.where(count > 0, sums / np.maximum(count, 1) - mids, 0.0))


def undisturbed(episodes: Episodes, plan: Plan) -> tuple[Ints, Ints]:
    """Run a plan's episodes without own orders, a row an episode.

    Returns
    -------
    mids : int64 (m, D + 1)
        Half-ticks at every decision and at the horizon; the last known one where a decision was left out in a halt.
    ends : int64 (m,)
        Number of each episode's decisions.
    """
    episodes.start(without_orders(plan), np.arange(episodes.n))
    ends, hold = episodes.view.decisions.copy(), empty(episodes.n)
    columns = np.arange(int(ends.max()) + 1)
    mids = np.repeat(episodes.view.mid2[:, None], len(columns), axis=1)
    while (live := episodes.working).any():
        episodes.step(hold)
        view = episodes.view
        over = episodes.states[live, sim.PHASE] == sim.DONE
        later = columns >= np.where(over, ends[live], view.decision[live])[:, None]
        mids[live] = np.where(later, view.mid2[live, None], mids[live])
    return mids, ends


class Hindsight:
    """Pool of training episodes with the later moves of their markets.

    Parameters
    ----------
    plan : Plan
        The pool, each episode once; `E_SIDE` as the first turn has it.
    turn : bool
        Whether every episode is bought and sold in by turns.
    make : callable
        Number of markets -> `Episodes` of the training's source and task.
    n : int
        Slots.
    unit : float
        Ticks per lot that count as a reward of 1.
    """

    def __init__(
        self, plan: Plan, turn: bool, make: Callable[[int], Episodes], n: int, unit: float
    ) -> None:
        self.plan = plan
        self.turn = turn
        self.unit = unit
        parts = []
        for first in range(0, len(plan), 256):
            part = plan.take(slice(first, first + 256))
            parts.append(undisturbed(make(len(part)), part))
        width = max(mids.shape[1] for mids, _ in parts)
        wide = [np.pad(mids, ((0, 0), (0, width - mids.shape[1])), "edge") for mids, _ in parts]
        self.mids = np.concatenate(wide).astype(np.float64)
        self.ends = np.concatenate([ends for _, ends in parts])
        self.means = future_means(self.mids, self.ends)
        self.slots = np.zeros(n, np.int64)

    def _turns(self, first: int, n: int) -> Ints:
        """Which of the pool the `n` episodes from number `first` on are."""
        return np.arange(first, first + n) // (2 if self.turn else 1) % len(self.plan)

    def episodes(self, first: int, n: int) -> Plan:
        """Training episodes, `n` from number `first` on."""
        plan = self.plan.take(self._turns(first, n))
        rows = plan.rows.copy()
        if self.turn:
            rows[:, kernels.E_SIDE] = np.where(np.arange(first, first + n) % 2 == 0, 1, -1)
        return Plan(rows, plan.cluster)

    def begin(self, first: int, which: Ints) -> None:
        """Those from number `first` on begin in the slots `which`."""
        self.slots[which] = self._turns(first, len(which))

    def _now(self, k: Ints, decision: Ints) -> tuple[Ints, Floats, Floats]:
        """Columns of the decisions, side over units of the reward, share left, one a slot."""
        at = np.minimum(decision, self.ends[self.slots])
        return (
            at,
            k[:, sim.SIDE] / (2.0 * self.unit),
            k[:, sim.LEFT] / np.maximum(k[:, sim.QUANTITY], 1),
        )

    def potential(self, k: Ints, decision: Ints) -> Floats:
        """Phi of every slot, float64 (n,), in units of the reward; 0 where an episode is over."""
        at, side, left = self._now(k, decision)
        over = k[:, sim.PHASE] == sim.DONE
        return np.asarray(np.where(over, 0.0, -side * left * self.means[self.slots, at]))

    def inputs(self, k: Ints, decision: Ints) -> Float32:
        """Inputs of the critic, float32 (n, SIZE)."""
        at, side, left = self._now(k, decision)
        now, ends = self.mids[self.slots, at], self.ends[self.slots]
        later = [self.mids[self.slots, np.minimum(at + span, ends)] for span in SPANS]
        moves = [
            self.means[self.slots, at],
            *(mid - now for mid in (*later, self.mids[self.slots, ends])),
        ]
        alone = np.stack([side * move for move in moves], axis=1)
        return np.concatenate([alone, left[:, None] * alone], axis=1).astype(np.float32)
