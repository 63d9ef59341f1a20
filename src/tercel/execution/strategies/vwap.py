"""`vwap_take` and `vwap_passive`: in step with the market's volume, seen so far and expected from here on.

The share of the order that should be done once V lots have traded and R more are expected is V / (V + R), own
lots excluded. A decision acts on the coming interval, so it aims at the interval's end: with R(u) the volume
curve (expected public lots after a share u of the horizon), now at u and the next decision at u',

    share now  = V_seen / (V_seen + R(u))
    share next = (V_seen + R(u) - R(u')) / (V_seen + R(u))

which is the same formula with the coming interval's volume at its expectation. At the horizon R = 0 and the
share is 1. Where no volume has been seen and none is expected the shares are those of TWAP.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tercel.core.arrays import Floats
from tercel.execution.intent import Intents
from tercel.execution.strategies.estimates import MarketEstimates
from tercel.execution.strategies.schedule import lots_of, rest_then_cross, take_to
from tercel.execution.strategy import Strategy
from tercel.execution.view import View


def shares_done(view: View, estimates: MarketEstimates) -> tuple[Floats, Floats]:
    """Shares of the order, float64 (n,) each, that should be done now and at the next decision."""
    now = 1.0 - view.time_left_ns / np.maximum(view.horizon_ns, 1)
    last = view.decisions_left == 1
    then = np.where(last, 1.0, now + (1.0 - now) / view.decisions_left)
    to_come = estimates.volume_left(now)
    total = view.v_seen + to_come
    silent = total <= 0
    total = np.where(silent, 1.0, total)
    due = np.where(silent, now, view.v_seen / total)
    target = np.where(silent, then, (view.v_seen + to_come - estimates.volume_left(then)) / total)
    return due, np.where(last, 1.0, target)


@dataclass(frozen=True, eq=False)
class VwapTake(Strategy):
    """At every decision take what is missing to the share of the order due at the end of the coming
    interval."""

    estimates: MarketEstimates
    name: ClassVar[str] = "vwap_take"

    def decide(self, view: View) -> Intents:
        """Take the coming interval's share."""
        return take_to(lots_of(shares_done(view, self.estimates)[1], view), view)


@dataclass(frozen=True, eq=False)
class VwapPassive(Strategy):
    """Take the arrears against the volume seen, then rest the coming interval's share at the own touch."""

    estimates: MarketEstimates
    name: ClassVar[str] = "vwap_passive"

    def decide(self, view: View) -> Intents:
        """Cross the arrears, rest the coming interval's share."""
        due, target = shares_done(view, self.estimates)
        return rest_then_cross(lots_of(due, view), lots_of(target, view), view)
