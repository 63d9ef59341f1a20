"""Strategies of the study: submit and leave, one fixed action, and a table that was swept."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from replications.nevmyvaka.state import jobs_of, market_state, one_price
from tercel import View
from tercel.execution import Intents, Shares, hold, shares

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SubmitAndLeave:
    """One limit order at arrival, `offset` ticks through the own touch; what is left at the horizon is taken."""

    offset: int
    name: str = "submit_and_leave"

    def decide(self, view: View) -> Intents:
        first = one_price(view, np.full(view.n, self.offset))
        return np.where((view.decision > 0)[:, None], hold(view), first)

    def expected(self, view: View) -> Shares:
        return shares(self.decide(view), view)


@dataclass(frozen=True, eq=False)
class Swept:
    """The action that a table names for the time, the units left and the market cell.

    Parameters
    ----------
    name : str
    actions : int8 (T, I, C)
        Numbers of offsets.
    offsets : int64 (A,)
        Ticks through the own touch, or `state.MARKET`.
    cuts : float64 (I, 4, 2)
        See `state.jobs_of`; the cost of a market order depends on the units left.
    which : tuple of int
        Variables of `state.VARIABLES` that the cells are made of.
    """

    name: str
    actions: NDArray[np.int8]
    offsets: NDArray[np.int64]
    cuts: Floats
    which: tuple[int, ...]

    def decide(self, view: View) -> Intents:
        steps, units, _ = self.actions.shape
        level = np.clip(np.rint(view.left * units / view.qty0).astype(np.int64), 1, units) - 1
        lots = (level + 1) * view.qty0 // units
        cell = jobs_of(market_state(view, lots), self.cuts[level], self.which)
        step = np.minimum(view.decision, steps - 1)
        return one_price(view, self.offsets[self.actions[step, level, cell]])

    def expected(self, view: View) -> Shares:
        return shares(self.decide(view), view)
