"""`submit_and_leave`: one limit order for everything, left alone until the horizon."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tercel.core.errors import ConfigError
from tercel.execution.intent import AT_TOUCH, REST0, Intents, K
from tercel.execution.strategy import Strategy, hold, ladder, settle
from tercel.execution.view import View


@dataclass(frozen=True)
class SubmitAndLeave(Strategy):
    """Rest the whole order at the own touch of arrival, then hold; what is left at the horizon is forced.

    Where nothing is live yet (the first decision, or the first after a halt) the order is placed.

    Parameters
    ----------
    level : int
        Ticks behind the own touch, 0 to 3; -1 is one tick inside it.

    >>> from tercel.testing.strategy import view_of
    >>> SubmitAndLeave().decide(view_of(left=[90, 80], live=[0, 80], rest2=[0, 80]))[:, REST0:].tolist()
    [[0, 90, 0, 0, 0], [0, 0, 80, 0, 0]]
    """

    level: int = 0
    name: ClassVar[str] = "submit_and_leave"

    def __post_init__(self) -> None:
        if not 0 <= AT_TOUCH + self.level < K:
            raise ConfigError("a level from -1 to 3", f"{self.level}", "0 rests at the touch")

    def decide(self, view: View) -> Intents:
        """Everything on one rung, or hold."""
        intents = ladder(view)
        intents[:, REST0 + AT_TOUCH + self.level] = view.left
        placed = view.live > 0
        return settle(np.where(placed[:, None], hold(view), intents), view)
