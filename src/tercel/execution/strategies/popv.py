"""`popv`: take a percentage of the displayed volume when much is displayed, and rest otherwise.

The liquidity-opportunistic rule (percentage of posted volume) of Espana, Hafsi, Lillo and Vittori (2025, "Reinforcement
learning in queue-reactive models"), whose edge is to wait for a large far touch; with a pace, so that waiting ends.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tercel.execution.intent import AT_TOUCH, REST0, TAKE, Intents
from tercel.execution.strategies.vector import Layout, Tunable, sigmoid
from tercel.execution.strategy import ladder, settle
from tercel.execution.view import View


@dataclass(frozen=True, eq=False)
class Popv(Tunable):
    """Percentage of posted volume.

    Parameters by name: ``share`` log of the share of the displayed far touch that is taken; ``trigger`` log of the far
    touch over the far side's mean level from where on; ``pace`` log of the multiple of TWAP's line that may be left;
    ``show`` logit of the share of what is left that rests; ``behind`` logit of the share of that a tick behind.

    >>> from tercel.testing.strategy import view_of
    >>> rule = Popv({"share": float(np.log(0.5)), "trigger": 0.0, "show": -30.0})
    >>> rule.decide(view_of(left=90, far1=[80, 10], far2=100))[:, 0].tolist()
    [40, 0]
    """

    name: ClassVar[str] = "popv"
    layout: ClassVar[Layout] = Layout(
        "popv",
        {"share": -2.0, "trigger": 0.5, "pace": 1.0, "show": 0.0, "behind": 0.0},
        {"share": 1.5, "show": 2.0, "behind": 2.0},
    )

    def decide(self, view: View) -> Intents:
        """Take where much is displayed, or where the clock says so; rest a share of what is left."""
        intents = ladder(view)
        far = view.far_depth[:, 0]
        large = far >= np.exp(self.value("trigger")) * np.maximum(view.far_depth.mean(axis=1), 1.0)
        lots = np.where(large, np.floor(np.minimum(np.exp(self.value("share")) * far, 2.0**40)), 0.0)
        allowed = np.exp(self.value("pace")) * view.qty0 * view.decisions_left / view.decisions
        overdue = np.maximum(view.left - np.ceil(allowed - 1e-9), 0.0)
        take = np.minimum(np.maximum(lots, overdue), view.left).astype(np.int64)
        rest = np.floor(sigmoid(self.value("show")) * (view.left - take) + 0.5).astype(np.int64)
        back = np.floor(sigmoid(self.value("behind")) * rest + 0.5).astype(np.int64)
        intents[:, TAKE] = take
        intents[:, REST0 + AT_TOUCH] = rest - back
        intents[:, REST0 + AT_TOUCH + 1] = back
        return settle(intents, view)
