"""`EventClock` lets any strategy decide on market events, between the decisions of its schedule."""

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from tercel.core.errors import refuse_if
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.execution.decoder_kernels import keep_touch_rows
from tercel.execution.intent import Intents
from tercel.execution.strategy import Strategy, Wrapper
from tercel.execution.view import View

# `EventClock`: any strategy, with further decisions when a touch moved or an own order was filled.
#
# A task's decisions are those of a schedule: so many slices, one decision at the beginning of each. Under this clock a
# strategy decides between them as well. It looks every `gap_ns`, and decides if a public touch moved or an own resting
# order was filled since its last decision, and at every tenth look, whatever happened. The number of a decision and what
# the market did "in the last interval" stay those of the schedule. So a schedule is the same at both clocks, and a
# strategy that holds between its slices acts as without the clock, to the byte.
# Between slices the lots at the touch or inside it stay there, up to the lots wanted in all, so that a touch that
# flickers costs no place in the queue. The rest changes by whole grains of the order (`execution.decoders`) or not at all,
# so that an agent that decides more often sends few more messages, and does not rest in tiny orders.

# Time between two looks.
GAP_NS: Final = NS_PER_SECOND


@dataclass(frozen=True)
class EventClock(Wrapper):
    """Inner strategy that decides on the event clock, also between decisions of the schedule.

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
    >>> EventClock(build("peg_touch")).name, EventClock(build("peg_touch")).gap_ns
    ('peg_touch+events', 1000000000)
    """

    suffix: ClassVar[str] = "+events"
    inner: Strategy
    gap_ns: int = GAP_NS

    def __post_init__(self) -> None:
        refuse_if(
            self.gap_ns < NS_PER_SECOND // 1000,
            "a gap of 1,000,000 ns or more",
            f"{self.gap_ns}",
            "a second, 1,000,000,000, is usual",
        )

    def decide(self, view: View) -> Intents:
        """Intents of the inner strategy; between scheduled decisions lots at the touch stay, and changes are whole grains."""
        return between_slices(self.inner.decide(view).astype(np.int32, casting="same_kind"), view)


def between_slices(intents: Intents, view: View) -> Intents:
    """Change intents in place, and return them, at decisions between scheduled ones: lots at the touch or inside stay, other
    changes are whole grains.

    >>> from tercel.execution.intent import REST0, ladder
    >>> from tercel.execution.probe_views import view_of
    >>> view = view_of(qty0=240, left=240, decisions=10, decision=1, time_left_ns=95, horizon_ns=100, rest1=50)
    >>> wanted = ladder(view.side, view.touch)
    >>> wanted[:, REST0] = 80
    >>> between_slices(wanted, view)[:, REST0 : REST0 + 2].tolist()
    [[30, 50]]
    """
    keep_touch_rows(view.x, view.m, intents)
    return intents
