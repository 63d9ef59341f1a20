"""Rules without tuned parameters: immediate, random, TWAP, VWAP, percentage of volume, pegs, submit and leave.

There are two ways to follow a schedule: take the missing lots, or rest first and cross the unfilled lots. A schedule
says how many lots should be done by the end of the coming interval (`target`) and, for the passive way, how many should
have been done by now (`due`). Between two decisions nothing can be done, so the end of a slice is the next decision.

`immediate`: take everything at once.

`random`: at every decision one of the placement actions, each as likely as the others.

`twap_take` and `twap_passive`: the same number of lots in every interval.

`vwap_take` and `vwap_passive`: in step with the market's volume, seen so far and expected from here on.

The share of the order that should be done once V lots have traded and R more are expected is V / (V + R), own
lots excluded. A decision acts on the coming interval, so it aims at the interval's end: with R(u) the volume
curve (expected public lots after a share u of the horizon), now at u and the next decision at u',

    share now  = V_seen / (V_seen + R(u))
    share next = (V_seen + R(u) - R(u')) / (V_seen + R(u))

which is the same formula with the coming interval's volume at its expectation. At the horizon R = 0 and the
share is 1. Where no volume has been seen and none is expected the shares are those of TWAP.

`pov`: a fixed percentage of the volume that others trade.

`submit_and_leave`: one limit order for everything, left alone until the horizon.

`imbalance_peg`: at the touch while the best queues lean against the order, else a tick behind; it ends by taking.

A best queue that is longer on the own side than on the far side says that the price is likely to go away next (for a
buyer: up), so the order rests where trades come first; else it waits a tick behind for the price to come.

`peg_behind` and `peg_touch`: everything a tick behind the own touch, or at it, moved along at every decision.
"""

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from tercel.core.arrays import Floats, Ints
from tercel.core.errors import refuse_if
from tercel.execution.decoders import PLACEMENT_LABELS, decode_placement
from tercel.execution.intent import AT_TOUCH, REST0, TAKE, Intents, K
from tercel.execution.strategies.market_estimates import MarketEstimates
from tercel.execution.strategy import (
    Shares,
    Strategy,
    expected_shares,
    finish_intents,
    hold,
    ladder,
)
from tercel.execution.view import View

ACTIONS = len(PLACEMENT_LABELS)
# Decisions at the end that rest at the touch, whatever the queues; the very last takes.
LAST: Final = 6


def lots_of(share: Floats, view: View) -> Ints:
    """`share` of the parent order in whole lots, int64 (n,), half a lot rounded up."""
    return np.floor(share * view.qty0 + 0.5).astype(np.int64)


def take_to(target: Ints, view: View) -> Intents:
    """Intents that take the lots missing to `target` lots done; nothing rests."""
    intents = ladder(view)
    intents[:, TAKE] = np.clip(target - view.done, 0, view.left)
    return finish_intents(intents, view)


def rest_then_cross(due: Ints, target: Ints, view: View) -> Intents:
    """Intents that take the lots missing to `due` lots done, and rest those missing from there to `target` at the own touch.

    The resting lots have the coming interval to fill; what does not is in arrears at the next decision and
    crosses.
    """
    intents = ladder(view)
    take = np.clip(due - view.done, 0, view.left)
    intents[:, TAKE] = take
    intents[:, REST0 + AT_TOUCH] = np.clip(target - view.done - take, 0, view.left - take)
    return finish_intents(intents, view)


@dataclass(frozen=True)
class Immediate(Strategy):
    """Take all lots left at every decision.

    >>> from tercel.execution.probe_views import view_of
    >>> Immediate().decide(view_of(left=90))[0, TAKE]
    np.int32(90)
    """

    name: ClassVar[str] = "immediate"

    def decide(self, view: View) -> Intents:
        """Intents that take everything at any price."""
        intents = ladder(view)
        intents[:, TAKE] = view.left
        return finish_intents(intents, view)


@dataclass(frozen=True)
class Random(Strategy):
    """A random one of the eight placement actions, drawn by `view.draw`."""

    name: ClassVar[str] = "random"

    def decide(self, view: View) -> Intents:
        """Intents of the action that ``view.draw`` falls on."""
        return decode_placement((view.draw * ACTIONS).astype(np.int64), view)

    def expected(self, view: View) -> Shares:
        """Mean shares over the eight actions, each as likely, whatever `view.draw` is."""
        return expected_shares(np.full(ACTIONS, 1 / ACTIONS), decode_placement, view)


def twap_target(view: View, slices: Ints) -> Ints:
    """Lots that TWAP should have done after `slices` decisions, int64 (n,): Q slices / N, half a lot rounded up."""
    lots: Ints = (2 * view.qty0 * slices + view.decisions) // (2 * view.decisions)
    return lots


@dataclass(frozen=True)
class TwapTake(Strategy):
    """TWAP that takes: at decision k take the lots missing to (k + 1) / N of the order.

    >>> from tercel.execution.probe_views import view_of
    >>> TwapTake().decide(view_of(qty0=100, left=75, decision=2, decisions=10))[0, 0]
    np.int32(5)
    """

    name: ClassVar[str] = "twap_take"

    def decide(self, view: View) -> Intents:
        """Intents that take the lots missing to the next point of TWAP's line, arrears included; nothing rests."""
        return take_to(twap_target(view, view.decision + 1), view)


@dataclass(frozen=True)
class TwapPassive(Strategy):
    """TWAP that rests: take the lots missing to k / N, rest slice k at the own touch until the next decision."""

    name: ClassVar[str] = "twap_passive"

    def decide(self, view: View) -> Intents:
        """Intents that take the arrears to TWAP's line and rest this decision's slice at the own touch."""
        return rest_then_cross(
            twap_target(view, view.decision), twap_target(view, view.decision + 1), view
        )


def shares_done(view: View, estimates: MarketEstimates) -> tuple[Floats, Floats]:
    """Shares of the order that should be done now and at the next decision, by volume seen and expected, float64 (n,) each."""
    elapsed = 1.0 - view.time_left_ns / np.maximum(view.horizon_ns, 1)
    last = view.decisions_left == 1
    next_elapsed = np.where(last, 1.0, elapsed + (1.0 - elapsed) / view.decisions_left)
    to_come = estimates.volume_left(elapsed)
    total = view.v_seen + to_come
    silent = total <= 0
    total = np.where(silent, 1.0, total)
    due = np.where(silent, elapsed, view.v_seen / total)
    target = np.where(
        silent, next_elapsed, (view.v_seen + to_come - estimates.volume_left(next_elapsed)) / total
    )
    return due, np.where(last, 1.0, target)


@dataclass(frozen=True, eq=False)
class VwapTake(Strategy):
    """VWAP that takes: the lots missing to the share of the order due at the end of the coming interval."""

    estimates: MarketEstimates
    name: ClassVar[str] = "vwap_take"

    def decide(self, view: View) -> Intents:
        """Intents that take the lots missing to the share due at the next decision, arrears included; nothing rests."""
        return take_to(lots_of(shares_done(view, self.estimates)[1], view), view)


@dataclass(frozen=True, eq=False)
class VwapPassive(Strategy):
    """VWAP that rests: take the arrears against the volume seen, rest the coming share at the own touch."""

    estimates: MarketEstimates
    name: ClassVar[str] = "vwap_passive"

    def decide(self, view: View) -> Intents:
        """Intents that take the arrears to the share due now and rest the coming interval's share at the own touch."""
        due, target = shares_done(view, self.estimates)
        return rest_then_cross(lots_of(due, view), lots_of(target, view), view)


@dataclass(frozen=True, eq=False)
class Pov(Strategy):
    """Percentage of volume: take the lots missing to ``rate`` times the public volume seen since arrival.

    The rate is fixed at arrival, so that the order would be done on the expected volume: Q over it. Nothing
    is taken ahead of volume; lots left at the horizon, the last interval's share at least, go in the horizon order.

    Parameters
    ----------
    rate : float, optional
        Own lots per public lot, instead of Q over the expected volume.
    """

    estimates: MarketEstimates
    rate: float | None = None
    name: ClassVar[str] = "pov"

    def __post_init__(self) -> None:
        refuse_if(
            self.rate is not None and not 0 < self.rate < np.inf,
            "a rate above 0",
            f"{self.rate}",
            "0.1 is one own lot to ten public ones",
        )

    def decide(self, view: View) -> Intents:
        """Intents that take the lots missing to the rate (without one, order over expected volume) times the volume seen."""
        expected = max(self.estimates.expected_volume, 1.0)
        rate = view.qty0 / expected if self.rate is None else np.full(view.n, self.rate)
        target = np.floor(rate * view.v_seen + 0.5).astype(np.int64)
        return take_to(np.minimum(target, view.qty0), view)


@dataclass(frozen=True)
class ImbalancePeg(Strategy):
    """Rest the remaining lots at the touch or one tick behind it, by the imbalance of the best level.

    >>> from tercel.execution.probe_views import view_of
    >>> view = view_of(left=90, own1=[300, 100], far1=[100, 300])
    >>> ImbalancePeg().decide(view)[:, REST0:].tolist()
    [[0, 90, 0, 0, 0], [0, 0, 90, 0, 0]]
    """

    name: ClassVar[str] = "imbalance_peg"

    def decide(self, view: View) -> Intents:
        """Intents with all lots at the touch if the own queue is longer or the end is near, else a tick behind; at the last
        decision they are taken."""
        intents = ladder(view)
        last = view.decisions_left == 1
        front = (view.own_depth[:, 0] > view.far_depth[:, 0]) | (view.decisions_left <= LAST)
        intents[:, TAKE] = np.where(last, view.left, 0)
        intents[:, REST0 + AT_TOUCH] = np.where(front & ~last, view.left, 0)
        intents[:, REST0 + AT_TOUCH + 1] = np.where(front, 0, view.left)
        return finish_intents(intents, view)


@dataclass(frozen=True)
class Peg(Strategy):
    """Rest the remaining lots at a fixed distance from the touch; lots left at the horizon are forced.

    A yardstick rather than a baseline: a rule this plain says how much of a learned policy's gain is placement that
    one line could have written.

    Parameters
    ----------
    level : int
        Ticks behind the own touch, 0 to 3; -1 is one tick inside it.

    >>> from tercel.execution.probe_views import view_of
    >>> Peg().decide(view_of(left=[90]))[:, REST0:].tolist()
    [[0, 0, 90, 0, 0]]
    """

    level: int = 1
    name: ClassVar[str] = "peg_behind"

    def __post_init__(self) -> None:
        refuse_if(
            not 0 <= AT_TOUCH + self.level < K,
            "a level from -1 to 3",
            f"{self.level}",
            "1 rests one tick behind the touch",
        )

    def decide(self, view: View) -> Intents:
        """Intents with all lots on one rung of the ladder at the current touch."""
        intents = ladder(view)
        intents[:, REST0 + AT_TOUCH + self.level] = view.left
        return finish_intents(intents, view)


@dataclass(frozen=True)
class PegTouch(Peg):
    """Rest the remaining lots at the touch of every decision: a primary peg.

    >>> from tercel.execution.probe_views import view_of
    >>> PegTouch().decide(view_of(left=[90]))[:, REST0:].tolist()
    [[0, 90, 0, 0, 0]]
    """

    level: int = 0
    name: ClassVar[str] = "peg_touch"


@dataclass(frozen=True)
class SubmitAndLeave(Peg):
    """Rest the whole order at the own touch of arrival, then hold; lots left at the horizon are forced.

    Where nothing is live yet (the first decision, or the first after a halt) the order is placed.

    Parameters
    ----------
    level : int
        Ticks behind the own touch, 0 to 3; -1 is one tick inside it.

    >>> from tercel.execution.probe_views import view_of
    >>> SubmitAndLeave().decide(view_of(left=[90, 80], live=[0, 80], rest2=[0, 80]))[:, REST0:].tolist()
    [[0, 90, 0, 0, 0], [0, 0, 80, 0, 0]]
    """

    level: int = 0
    name: ClassVar[str] = "submit_and_leave"

    def decide(self, view: View) -> Intents:
        """Intents with all lots on one rung where no own order lives (at arrival), else a hold."""
        return finish_intents(
            np.where((view.live > 0)[:, None], hold(view), super().decide(view)), view
        )
