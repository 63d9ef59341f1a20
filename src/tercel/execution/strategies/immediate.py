"""`immediate`: take everything at once."""

from dataclasses import dataclass
from typing import ClassVar

from tercel.execution.intent import TAKE, Intents
from tercel.execution.strategy import Strategy, ladder, settle
from tercel.execution.view import View


@dataclass(frozen=True)
class Immediate(Strategy):
    """Take all that is left at every decision: at the first one everything, later only what the book lacked.

    >>> from tercel.testing.strategy import view_of
    >>> Immediate().decide(view_of(left=90))[0, TAKE]
    np.int32(90)
    """

    name: ClassVar[str] = "immediate"

    def decide(self, view: View) -> Intents:
        """Everything, at any price."""
        intents = ladder(view)
        intents[:, TAKE] = view.left
        return settle(intents, view)
