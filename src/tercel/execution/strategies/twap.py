"""`twap_take` and `twap_passive`: the same number of lots in every interval."""

from dataclasses import dataclass
from typing import ClassVar

from tercel.core.arrays import Ints
from tercel.execution.intent import Intents
from tercel.execution.strategies.schedule import rest_then_cross, take_to
from tercel.execution.strategy import Strategy
from tercel.execution.view import View


def target(view: View, slices: Ints) -> Ints:
    """int64 (n,): lots done after `slices` of all decisions, Q slices / N, half a lot rounded up; exact
    integers."""
    lots: Ints = (2 * view.qty0 * slices + view.decisions) // (2 * view.decisions)
    return lots


@dataclass(frozen=True)
class TwapTake(Strategy):
    """At decision k take what is missing to (k + 1) / N of the order.

    >>> from tercel.testing.strategy import view_of
    >>> TwapTake().decide(view_of(qty0=100, left=75, decision=2, decisions=10))[0, 0]
    np.int32(5)
    """

    name: ClassVar[str] = "twap_take"

    def decide(self, view: View) -> Intents:
        """Take this decision's slice."""
        return take_to(target(view, view.decision + 1), view)


@dataclass(frozen=True)
class TwapPassive(Strategy):
    """At decision k take what is missing to k / N, then rest slice k at the own touch until the next
    decision."""

    name: ClassVar[str] = "twap_passive"

    def decide(self, view: View) -> Intents:
        """Cross the arrears, rest this decision's slice."""
        return rest_then_cross(target(view, view.decision), target(view, view.decision + 1), view)
