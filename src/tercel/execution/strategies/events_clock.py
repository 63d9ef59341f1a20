"""`OnEvents`: any strategy, asked again whenever something happened that matters to it.

A task's decisions are those of a schedule: so many slices, one decision at the beginning of each. Under this clock a
strategy decides between them as well. It looks every `gap_ns`, and decides if a public touch moved or an own resting
order was filled since its last decision, and at every tenth look, whatever happened. The number of a decision and what
the market did "in the last interval" stay those of the schedule. So a schedule is the same at both clocks, and who
holds between its slices does what it does without the clock, to the byte.

Between slices what stands at the touch or inside it stays there, up to what is wanted in all, so that a touch that
flickers costs no place in the queue. The rest changes by whole grains of the order (`execution.grains`) or not at all,
so that an agent that is asked more often sends few messages more, and does not stand in crumbs.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from tercel.core.arrays import Ints
from tercel.core.errors import ConfigError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.execution.grains import keep_grains
from tercel.execution.intent import ANCHOR, AT_TOUCH, REST0, STEP, Intents, K
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
            raise ConfigError(
                "a gap of 1,000,000 ns or more",
                f"{self.gap_ns}",
                "a second, 1,000,000,000, is usual",
            )

    @property
    def name(self) -> str:
        """Name of the inner strategy with +events."""
        return f"{self.inner.name}+events"

    def decide(self, view: View) -> Intents:
        """Intents of the inner strategy; between two slices they give way to what stands."""
        return between_slices(self.inner.decide(view).astype(np.int32, casting="same_kind"), view)


def between_slices(intents: Intents, view: View) -> Intents:
    """`intents`, changed in place where the decision is none of the schedule's: what stands at the touch or inside
    stays, up to the lots that are wanted at rest, and what changes are whole grains.

    >>> from tercel.execution.intent import ladder
    >>> from tercel.execution.probes import view_of
    >>> view = view_of(qty0=240, left=240, decisions=10, decision=1, time_left_ns=95, horizon_ns=100, rest1=50)
    >>> wanted = ladder(view.side, view.touch)
    >>> wanted[:, REST0] = 80
    >>> between_slices(wanted, view)[:, REST0 : REST0 + 2].tolist()
    [[30, 50]]
    """
    between = ~view.on_schedule
    if between.any():
        changed = intents[between]
        wanted = changed[:, REST0:].astype(np.int64)
        on_ladder = (changed[:, ANCHOR] == (view.touch + view.side)[between]) & (
            changed[:, STEP] == 1
        )
        at_best = on_ladder[:, None] & (np.arange(K) <= AT_TOUCH)
        stands = _first(np.where(at_best, view.rest[between], 0), wanted.sum(axis=1))
        more = _first(np.maximum(wanted - stands, 0), (wanted - stands).sum(axis=1))
        changed[:, REST0:] = stands + more
        keep_grains(np.ascontiguousarray(view.x[between]), changed)
        intents[between] = changed
    return intents


def _first(lots: Ints, most: Ints) -> Ints:
    """Of lots (n, K) the first `most` (n,), from the first column on."""
    so_far: Ints = np.diff(np.minimum(np.cumsum(lots, axis=1), most[:, None]), axis=1, prepend=0)
    return so_far
