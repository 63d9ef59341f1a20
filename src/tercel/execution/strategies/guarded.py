"""`guarded`: the rule and the guard that the shipped agents are made of, without their networks."""

from dataclasses import dataclass, field
from typing import ClassVar, Final

from tercel.execution.actions.guard import CatchUp
from tercel.execution.grains import keep_grains
from tercel.execution.intent import Intents
from tercel.execution.strategies.tunable import FOR_ANY_MARKET, TwapRepeg
from tercel.execution.strategy import Strategy
from tercel.execution.view import View

GUARD: Final = CatchUp(0.7, 0.5)
"""Thresholds of the shipped agents' guard."""


@dataclass(frozen=True)
class Guarded(Strategy):
    """`twap_repeg` with its generic numbers, moved in whole grains, behind a guard against late fills.

    Parameters
    ----------
    base : Strategy
    guard : CatchUp

    >>> from tercel.api.testing.strategy import view_of
    >>> late = view_of(qty0=100, left=[80, 100], decision=59, decisions=60, far1=500)
    >>> Guarded().decide(late)[:, 0].tolist()
    [71, 91]
    """

    base: Strategy = field(default_factory=lambda: TwapRepeg(FOR_ANY_MARKET))
    guard: CatchUp = GUARD
    name: ClassVar[str] = "guarded"

    def decide(self, view: View) -> Intents:
        """Intents of the rule, brought back to the schedule by taking where it is too late."""
        intents = self.base.decide(view)
        keep_grains(view.x, intents)
        return self.guard.applied(intents, view)
