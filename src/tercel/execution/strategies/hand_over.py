"""`HandOver`: a strategy up to a size of order, another that takes what cannot rest beyond it."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, Final

from tercel.core.arrays import Bools
from tercel.execution.intent import Intents
from tercel.execution.strategy import Strategy, Wrapper, gap_of, hold
from tercel.execution.view import View

BEYOND: Final = 0.20
"""Share of the expected volume up to which every agent and rule works by itself: who rests for more of it waits for
trades that do not come, and pays for what is left at the horizon."""
TAKES: Final = "rest_and_take"
"""Who takes over beyond it."""


@dataclass(frozen=True)
class HandOver(Wrapper):
    """`inner`'s intents in markets whose order is at most so large, `takes`' in the others.

    Parameters
    ----------
    inner, takes : Strategy
    most_lots : float
        The largest order that `inner` works in `horizon_ns`; of other horizons in proportion.
    horizon_ns : int

    >>> from tercel.execution.strategies import build
    >>> from tercel.execution.probes import view_of
    >>> both = HandOver(build("peg_touch"), build("twap_take"), 50.0, 600 * 10**9)
    >>> both.name, both.decide(view_of(qty0=[40, 100], left=[40, 100]))[:, 0].tolist()
    ('peg_touch', [0, 10])
    """

    inner: Strategy
    takes: Strategy
    most_lots: float
    horizon_ns: int

    @property
    def name(self) -> str:
        """Name of the inner strategy."""
        return self.inner.name

    @property
    def gap_ns(self) -> int:
        """The inner strategy's, or else that of who takes over."""
        return gap_of(self.inner) or gap_of(self.takes)

    def beyond(self, view: View) -> Bools:
        """Whether each market's order is too large for the inner strategy, bool (n,)."""
        large: Bools = view.qty0 * float(self.horizon_ns) > self.most_lots * view.horizon_ns
        return large

    def decide(self, view: View) -> Intents:
        """Intents of the inner strategy, or of who takes over where the order is too large."""
        large = self.beyond(view)
        if large.all():
            return self.takes.decide(view)
        intents = self.inner.decide(view)
        if self.gap_ns and not gap_of(self.inner):  # the inner strategy keeps the schedule's clock
            intents[~view.on_schedule] = hold(view)[~view.on_schedule]
        if large.any():
            intents[large] = self.takes.decide(view)[large]
        return intents


def most_share(limits: Mapping[str, Any]) -> float:
    """The largest order that a policy works itself, as a share of the expected volume: its card's, or `BEYOND` if that
    is more; infinite where the card says nothing of orders.

    >>> most_share({"share": [0.05, 0.2]}), most_share({"share": 0.1}), most_share({"share": 1.0}), most_share({})
    (0.2, 0.2, 1.0, inf)
    """
    span = span_of(limits.get("share"), 1.0)
    return inf if span is None else max(span[1], BEYOND)


def span_of(value: Any, scale: float) -> tuple[float, float] | None:
    """A number, or [lowest, highest]; None for what says nothing."""
    ends = value if isinstance(value, list | tuple) and len(value) == 2 else (value, value)
    if any(isinstance(end, bool) or not isinstance(end, int | float) for end in ends):
        return None
    return scale * ends[0], scale * ends[1]
