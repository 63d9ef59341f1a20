"""`imbalance_peg`: at the touch while the best queues lean against the order, else a tick behind; it ends by taking.

A best queue that is longer on the own side than on the far side says that the price is likely to go away next (for a
buyer: up), so the order stands where trades come first; else it waits a tick behind for the price to come.
"""

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from tercel.execution.intent import AT_TOUCH, REST0, TAKE, Intents
from tercel.execution.strategy import Strategy, ladder, settle
from tercel.execution.view import View

LAST: Final = 6
"""Decisions at the end that rest at the touch, whatever the queues; the very last takes."""


@dataclass(frozen=True)
class ImbalancePeg(Strategy):
    """Rest what is left at the touch or one tick behind it, by the imbalance of the best level.

    >>> from tercel.testing.strategy import view_of
    >>> view = view_of(left=90, own1=[300, 100], far1=[100, 300])
    >>> ImbalancePeg().decide(view)[:, REST0:].tolist()
    [[0, 90, 0, 0, 0], [0, 0, 90, 0, 0]]
    """

    name: ClassVar[str] = "imbalance_peg"

    def decide(self, view: View) -> Intents:
        """Everything on one rung of the ladder at today's touch, or taken at the last decision."""
        intents = ladder(view)
        last = view.decisions_left == 1
        front = (view.own_depth[:, 0] > view.far_depth[:, 0]) | (view.decisions_left <= LAST)
        intents[:, TAKE] = np.where(last, view.left, 0)
        intents[:, REST0 + AT_TOUCH] = np.where(front & ~last, view.left, 0)
        intents[:, REST0 + AT_TOUCH + 1] = np.where(front, 0, view.left)
        return settle(intents, view)
