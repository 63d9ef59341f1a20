"""`OnEvents`: any strategy, asked again whenever something happened that matters to it.

A task's decisions are those of a schedule: so many slices, one decision at the beginning of each. Under this clock a
strategy decides between them as well. It looks every `gap_ns`, and decides if a public touch moved or an own resting
order was filled since its last decision, and at every tenth look, whatever happened. The number of a decision and what
the market did "in the last interval" stay those of the schedule. So a schedule is the same at both clocks, and who
holds between its slices does what it does without the clock, to the byte.

Between slices a place changes by whole grains of the order (`execution.grains`) or not at all, so that an agent that is
asked more often sends few messages more, and does not stand in crumbs.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from tercel.core.errors import ConfigError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.execution.grains import keep_grains
from tercel.execution.intent import Intents
from tercel.execution.strategy import Strategy, Wrapper
from tercel.execution.view import View

GAP_NS: Final = NS_PER_SECOND
"""Time between two looks."""


@dataclass(frozen=True)
class OnEvents(Wrapper):
    """`inner`'s intents, decided on the clock of events.

    Parameters
    ----------
    inner : Strategy
        Anything.
    gap_ns : int
        Time between two looks.

    Raises
    ------
    ConfigError
        A gap below a millisecond.

    >>> from tercel.execution.strategies import build
    >>> OnEvents(build("peg_touch")).name, OnEvents(build("peg_touch")).gap_ns
    ('peg_touch+events', 1000000000)
    """

    inner: Strategy
    gap_ns: int = GAP_NS

    def __post_init__(self) -> None:
        if self.gap_ns < NS_PER_SECOND // 1000:
            raise ConfigError("a gap of 1,000,000 ns or more", f"{self.gap_ns}", "a second, 1,000,000,000, is usual")

    @property
    def name(self) -> str:
        """Name of the inner strategy with +events."""
        return f"{self.inner.name}+events"

    def decide(self, view: View) -> Intents:
        """Intents of the inner strategy; between two slices what rests changes by whole grains alone."""
        intents = self.inner.decide(view).astype(np.int32, casting="same_kind")
        between = view.horizon_ns - view.time_left_ns != view.decision * view.horizon_ns // view.decisions
        if between.any():
            whole = intents[between]
            keep_grains(np.ascontiguousarray(view.x[between]), whole)
            intents[between] = whole
        return intents
