"""`peg_behind` and `peg_touch`: everything a tick behind the own touch, or at it, moved along at every decision."""

from dataclasses import dataclass
from typing import ClassVar

from tercel.core.errors import ConfigError
from tercel.execution.intent import AT_TOUCH, REST0, Intents, K
from tercel.execution.strategy import Strategy, ladder, settle
from tercel.execution.view import View


@dataclass(frozen=True)
class Peg(Strategy):
    """Rest what is left at a fixed distance from the touch; what is left at the horizon is forced.

    A yardstick rather than a baseline: a rule this plain says how much of a learned policy's gain is placement that
    one line could have written.

    Parameters
    ----------
    level : int
        Ticks behind the own touch, 0 to 3; -1 is one tick inside it.

    >>> from tercel.testing.strategy import view_of
    >>> Peg().decide(view_of(left=[90]))[:, REST0:].tolist()
    [[0, 0, 90, 0, 0]]
    """

    level: int = 1
    name: ClassVar[str] = "peg_behind"

    def __post_init__(self) -> None:
        if not 0 <= AT_TOUCH + self.level < K:
            raise ConfigError("a level from -1 to 3", f"{self.level}", "1 rests one tick behind the touch")

    def decide(self, view: View) -> Intents:
        """Everything on one rung of the ladder at today's touch."""
        intents = ladder(view)
        intents[:, REST0 + AT_TOUCH + self.level] = view.left
        return settle(intents, view)


@dataclass(frozen=True)
class PegTouch(Peg):
    """Rest what is left at the touch of every decision: a primary peg.

    >>> from tercel.testing.strategy import view_of
    >>> PegTouch().decide(view_of(left=[90]))[:, REST0:].tolist()
    [[0, 90, 0, 0, 0]]
    """

    level: int = 0
    name: ClassVar[str] = "peg_touch"
