"""`submit_and_leave_tuned`: one limit order at a tuned distance from the touch, left alone until the horizon."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tercel.execution.intent import ANCHOR, AT_TOUCH, REST0, Intents, K
from tercel.execution.strategies.vector import Layout, Tunable
from tercel.execution.strategy import hold, ladder, settle
from tercel.execution.view import View

DEEPEST = 60


@dataclass(frozen=True, eq=False)
class SubmitAndLeaveTuned(Tunable):
    """As `submit_and_leave`, as deep in the book as wanted.

    Parameters by name: ``level`` ticks behind the own touch, rounded, -1 to 60.

    >>> from tercel.testing.strategy import view_of
    >>> SubmitAndLeaveTuned({"level": 7.0}).decide(view_of(left=90, touch=500))[0, [2, 9]].tolist()
    [497, 90]
    """

    name: ClassVar[str] = "submit_and_leave_tuned"
    layout: ClassVar[Layout] = Layout("submit_and_leave_tuned", {"level": 1.0}, {"level": 1.5})

    def decide(self, view: View) -> Intents:
        """Everything at one price, or hold."""
        intents = ladder(view)
        level = np.broadcast_to(np.clip(np.rint(self.value("level")), -1, DEEPEST).astype(np.int64), view.n)
        rung = np.minimum(level + AT_TOUCH, K - 1)
        # the ladder ends three ticks behind the touch: for deeper orders its anchor moves back
        intents[:, ANCHOR] -= (view.side * (level + AT_TOUCH - rung)).astype(np.int32)
        intents[np.arange(view.n), REST0 + rung] = view.left
        placed = view.live > 0
        return settle(np.where(placed[:, None], hold(view), intents), view)
