"""`TrendSwitch`: any strategy, until slow flow says that the market trends (`execution.trend`)."""

from dataclasses import dataclass

from tercel.execution.intent import Intents
from tercel.execution.strategy import Strategy, Wrapper
from tercel.execution.trend import Trend
from tercel.execution.view import View


@dataclass(frozen=True)
class TrendSwitch(Trend, Wrapper):
    """`inner`'s intents, unless the market trends; exactly `inner`'s where nothing says so.

    Parameters
    ----------
    inner : Strategy
        Anything.

    >>> from tercel.execution.strategies import build
    >>> TrendSwitch(build("peg_touch")).name
    'peg_touch+trend'
    """

    inner: Strategy

    @property
    def name(self) -> str:
        """Name of the inner strategy with +trend."""
        return f"{self.inner.name}+trend"

    def decide(self, view: View) -> Intents:
        """Intents of the inner strategy; in a trend against the order all of it, in one with it nothing."""
        return self.applied(self.inner.decide(view), view)
