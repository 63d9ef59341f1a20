"""`guarded`: the rule and the guard that the shipped agents are made of, without their networks; `rest_and_take`: the
same for orders too large to rest.
"""

from dataclasses import dataclass, field
from typing import ClassVar, Final

import numpy as np

from tercel.core.vocabulary import NS_PER_SECOND
from tercel.execution.actions import residual as r
from tercel.execution.actions.guard import CatchUp
from tercel.execution.actions.kernels import keep_grains
from tercel.execution.intent import TAKE, Intents, View
from tercel.execution.observation import LAST, N_LAST, encode_rows
from tercel.execution.strategies.baselines import MarketEstimates
from tercel.execution.strategies.timed import GAP_NS, between_slices
from tercel.execution.strategies.tunable import FOR_ANY_MARKET, TwapRepeg
from tercel.execution.strategies.vector import Layout, Tunable
from tercel.execution.strategy import Strategy, hold, settle

# -- guarded --------------------------------------------------------------------------------------

GUARD: Final = CatchUp(0.7, 0.5)
"""Thresholds of the shipped agents' guard."""
WAITING: Final = {"csco": 0.18, "ibm": 0.23, "amzn": 0.4, "goog": 0.06}
"""What an order that rests pays over half the spread (`View.waiting`) in the presets' markets; a test measures it."""


@dataclass(frozen=True)
class Guarded(Strategy):
    """`twap_repeg` with its generic numbers, moved in whole grains, behind a guard against late fills; on the clock of
    events.

    Parameters
    ----------
    base : Strategy
    guard : CatchUp, optional

    >>> from tercel.execution.probes import view_of
    >>> late = view_of(qty0=100, left=[80, 100], decision=59, decisions=60, far1=500)
    >>> Guarded().decide(late)[:, 0].tolist()
    [71, 91]
    """

    base: Strategy = field(default_factory=lambda: TwapRepeg(FOR_ANY_MARKET))
    guard: CatchUp | None = GUARD
    name: ClassVar[str] = "guarded"
    gap_ns: ClassVar[int] = GAP_NS

    def decide(self, view: View) -> Intents:
        """Intents of the rule, brought back to the schedule by taking where it is too late."""
        intents = self.base.decide(view)
        keep_grains(view.x, intents)
        return between_slices(
            intents if self.guard is None else self.guard.applied(intents, view), view
        )


@dataclass(frozen=True, eq=False)
class RestAndTake(Strategy):
    """`guarded`, and what is more than can rest is taken evenly, every ten seconds.

    Parameters
    ----------
    estimates : MarketEstimates
    most : float
        Share of the volume to come that may wait for it.

    >>> from tercel.execution.probes import view_of
    >>> large = view_of(qty0=1000, left=1000, far1=500, time_left_ns=100 * 10**9, horizon_ns=100 * 10**9)
    >>> RestAndTake(MarketEstimates(expected_volume=1000.0)).decide(large)[:, 0].tolist()
    [60]
    """

    name: ClassVar[str] = "rest_and_take"
    gap_ns: ClassVar[int] = NS_PER_SECOND
    estimates: MarketEstimates
    most: float = 0.4
    base: Strategy = field(default_factory=Guarded)

    def decide(self, view: View) -> Intents:
        """Intents of `guarded` at the schedule's decisions, what rests as it is between them, and an even take."""
        intents = self.base.decide(view).astype(np.int32, casting="same_kind")
        intents[~view.on_schedule] = hold(view)[~view.on_schedule]
        passed = 1.0 - view.time_left_ns / np.maximum(view.horizon_ns, 1)
        may_wait = self.most * self.estimates.volume_left(passed)
        step = np.maximum(np.minimum(10 * self.gap_ns, view.horizon_ns / view.decisions), 1)
        steps = np.maximum(np.ceil(view.time_left_ns / step - 1e-9), 1)
        lots = np.floor(np.maximum(view.left - may_wait, 0.0) / steps + 0.5)
        intents[:, TAKE] = np.maximum(intents[:, TAKE], lots)
        return settle(intents, view)


# -- best response --------------------------------------------------------------------------------
# `best_response`: the best linear policy with the agent's own observation and actions.
#
# A linear policy: entries z of the observation, centred and cut, and actions of the `residual` set, W z + b,
# around the intents of `twap_repeg`. With all numbers 0 it is that rule, moved in whole grains; `tercel agent tune
# best_response` finds W and b in a market, so that what it costs there is what an agent has to be held against.

ENTRIES: Final = {
    "time_left": (0.6, 0.3),
    "lots_left_ahead_of_time": (-0.1, 0.15),
    "left_in_far_touches": (1.5, 1.1),
    "queue_touch": (-0.5, 0.6),
    "spread": (1.5, 0.5),
    "imbalance_1": (0.0, 0.6),
    "imbalance_5": (0.0, 0.3),
    "order_flow_imbalance": (0.0, 1.0),
    "volume_imbalance": (0.0, 0.7),
    "volatility_now": (0.6, 0.25),
    "drift": (0.0, 0.4),
    "drift_since_arrival": (0.2, 0.4),
}
"""What it sees, with a centre and a width: about their means and standard deviations while `twap_repeg` trades."""
SEEN: Final = np.array([LAST.index(name) for name in ENTRIES])
CENTRE, WIDTH = (np.array(column) for column in zip(*ENTRIES.values(), strict=True))
CUT: Final = 3.0
"""Entries are cut at so many widths from their centres."""
_BASE: Final = TwapRepeg.layout
_WEIGHTS: Final = [f"{label}.{entry}" for label in r.LABELS for entry in ("bias", *ENTRIES)]
_STEP, _WIDER = 0.05, 2.0
"""First steps of a search for weights; wider for takes, which a band keeps back, and for what is constant."""


def _scale(name: str) -> float:
    action, entry = name.split(".")
    return _STEP * (_WIDER if action == "take" else 1.0) * (_WIDER if entry == "bias" else 1.0)


LAYOUT: Final = Layout(
    "best_response",
    {**_BASE.generic, **dict.fromkeys(_WEIGHTS, 0.0)},
    {**dict.fromkeys(_BASE.generic, 0.3), **{name: _scale(name) for name in _WEIGHTS}},
)
"""The numbers of `twap_repeg`, then the rows of W: ``touch.spread`` is what the spread adds to the action `touch`."""


@dataclass(frozen=True, eq=False)
class BestResponse(Tunable):
    """Linear policy around `twap_repeg`: the rule's takes and places moved by W z + b.

    >>> from tercel.execution.probes import view_of
    >>> view = view_of(qty0=1000, left=1000, far1=20, decision=30, decisions=60)
    >>> BestResponse().decide(view)[0, [0, 5, 6, 7, 8, 9]].tolist()
    [0, 0, 634, 366, 0, 0]
    >>> BestResponse({"take.bias": 1.5}).decide(view)[0, 0]
    np.int32(20)
    """

    layout: ClassVar[Layout] = LAYOUT
    begins: ClassVar[str] = TwapRepeg.name

    def decide(self, view: View) -> Intents:
        """Intents of the rule, moved by W z + b."""
        rows, known = np.atleast_2d(self.vector), len(_BASE.generic)
        intents = TwapRepeg(rows[:, :known], self.estimates).decide(view)
        obs = np.empty((view.n, N_LAST), np.float32)
        encode_rows(view.x, view.m, 0, obs)
        z = np.clip((obs[:, SEEN] - CENTRE) / WIDTH, -CUT, CUT)
        table = rows[:, known:].reshape(len(rows), r.SIZE, 1 + len(ENTRIES))
        actions = np.ascontiguousarray(
            np.matmul(table[:, :, 1:], z[:, :, None])[:, :, 0] + table[:, :, 0]
        )
        lots, weights = np.zeros((2, r.PLACES), np.int64), np.zeros(r.PLACES)
        r.decode_residual(actions, intents, view.x, view.m, r.DEAD, lots, weights, intents)
        keep_grains(view.x, intents)
        return intents
