"""Tunable rules that rest first: `twap_repeg`, `twap_cross`, `vwap_cross`, `pov_passive`, `popv`, `submit_and_leave_tuned`.

The schedules say, as those in `baselines`, how many lots should be done by now and how many by the end of the
coming interval, and rest the difference at (or a tick behind) the own touch. They differ in the schedule and in
when arrears cross:

    twap_repeg    never before the horizon: arrears and slice rest at the current touch, moved along at every decision;
                  it may show more the later it is
    twap_cross    what exceeds a tolerance, in slices; 0 crosses at once, many slices only at the end
    vwap_cross    the same, in step with the market's volume
    pov_passive   a fixed percentage of the volume that others trade, with the same tolerance

`popv` takes a percentage of the displayed volume when much is displayed, and rests otherwise: the liquidity-opportunistic
rule (percentage of posted volume) of Espana, Hafsi, Lillo and Vittori (2025, "Reinforcement learning in queue-reactive
models"), whose edge is to wait for a large far touch; with a pace, so that waiting ends.

`submit_and_leave_tuned`: one limit order at a tuned distance from the touch, left alone until the horizon.
"""

from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from tercel.core.arrays import Ints
from tercel.core.jit import Floats, Longs, Packed, kernel
from tercel.execution import columns as c
from tercel.execution.decoder_kernels import ROUNDING_PARTS, begin_row, finish_rows
from tercel.execution.intent import ANCHOR, AT_TOUCH, IMPROVE, REST0, TAKE, WIDTH, Intents, K
from tercel.execution.strategies.baselines import lots_of, shares_done
from tercel.execution.strategies.tunable import Layout, Tunable, sigmoid
from tercel.execution.strategy import finish_intents, hold, ladder
from tercel.execution.view import View

# Lots of arrears that no order has.
NEVER = 2**40


# Log of the slices shown; logit of the share of them that rests a tick behind the touch.
_AHEAD = {"ahead": 0.0, "behind": -1.0}
# Log of the slices of arrears that do not cross yet.
_CROSSING = {"tolerance": 0.0, **_AHEAD}
# Slices more that are shown for each slice of arrears; the power of the spread in ticks that divides the share behind:
# with 1 that share rests on average the same part of a spread behind, in markets of any tick.
_CATCH_UP = {"catch_up": 0.0, "spread_power": 0.0}
# Most of the spread that is given up to rest a tick inside it, ahead of the queue: with 0.25, from four ticks on; log
# of the most that is shown there, in mean levels of the own side (a grain of the order at least).
_INSIDE = {"inside": 0.0, "inside_lots": 6.0}
_PLAIN = {**_AHEAD, **_CATCH_UP, **_INSIDE}
_SCALE = {
    "tolerance": 1.5,
    "ahead": 1.5,
    "behind": 2.0,
    "catch_up": 3.0,
    "spread_power": 0.5,
    "inside": 0.1,
    "inside_lots": 1.5,
}
# Generic values of `twap_repeg`, good in markets of any tick and liquidity: chosen in four simulated markets and two
# symbols' recorded days. The packaged agents start from them.
FOR_ANY_MARKET: Final = {
    "ahead": 2.4,
    "behind": 1.0,
    "catch_up": 10.0,
    "spread_power": 1.0,
    "inside": 0.25,
    "inside_lots": 0.7,
}
DEEPEST = 60


def rest_ahead(due: Ints, target: Ints, tolerance: Ints, behind: Floats, view: View) -> Intents:
    """Intents that take arrears to `due` beyond `tolerance` lots, and rest the lots missing to `target`, a share `behind` of
    them one tick behind the touch."""
    take = np.clip(due - view.done - tolerance, 0, view.left)
    rest = np.clip(target - view.done - take, 0, view.left - take)
    return take_and_rest(take, rest, behind, view)


def take_and_rest(take: Ints, rest: Ints, behind: Floats, view: View) -> Intents:
    """Intents that take `take` lots and rest `rest` lots, a share `behind` one tick behind the touch."""
    intents = ladder(view)
    back = np.floor(behind * rest + 0.5).astype(np.int64)
    intents[:, TAKE] = take
    intents[:, REST0 + AT_TOUCH] = rest - back
    intents[:, REST0 + AT_TOUCH + 1] = back
    return finish_intents(intents, view)


@dataclass(frozen=True, eq=False)
class _Passive(Tunable):
    """Base of the schedules: their shared parameters."""

    def _tolerance(self, view: View) -> Ints:
        """Arrears in lots up to which nothing is taken, int64 (n,)."""
        slice_lots = view.qty0 / view.decisions
        return np.minimum(np.floor(np.exp(self.value("tolerance")) * slice_lots), NEVER).astype(
            np.int64
        )

    def _behind(self) -> Floats:
        """Share of resting lots one tick behind the touch, float64 (1,) or (n,)."""
        return sigmoid(self.value("behind"))

    def _behind_by_spread(self, view: View) -> Floats:
        """Share of resting lots one tick behind the touch, smaller the wider the spread."""
        return np.asarray(
            self._behind() / np.maximum(view.spread, 1) ** self.value("spread_power"), np.float64
        )

    def _ahead(self) -> Floats:
        """Slices, float64 (1,) or (n,), by which the lots shown run ahead of those due."""
        return np.exp(self.value("ahead"))

    def _line(self, view: View) -> tuple[Ints, Ints]:
        """Lots due by now by TWAP, and lots to be done or shown: `ahead` slices later, plus `catch_up` times the arrears."""
        elapsed = view.decision / view.decisions
        next_elapsed = np.minimum(elapsed + self._ahead() / view.decisions, 1.0)
        due = lots_of(elapsed, view)
        target = lots_of(next_elapsed, view)
        slow = np.maximum(self.value("catch_up"), 0.0) * np.maximum(due - view.done, 0)
        return due, np.minimum(target + np.floor(slow + 0.5).astype(np.int64), view.qty0)


@dataclass(frozen=True, eq=False)
class TwapRepeg(_Passive):
    """TWAP that rests arrears and coming slices at the touch, repegged at every decision; it crosses at the horizon
    alone.

    An order whose fills are slow shows more: with `catch_up`, so many slices more for each slice of arrears. Where the
    spread is wide, it rests inside: with `inside`, where a tick is no more than that share of the spread.

    >>> from tercel.execution.probe_views import view_of
    >>> view = view_of(qty0=600, left=[590, 580], decision=2, decisions=60)
    >>> TwapRepeg({"ahead": 0.0, "behind": -30.0, "catch_up": 5.0}).decide(view)[:, 6].tolist()
    [70, 10]
    >>> wide = view_of(qty0=600, left=590, decision=2, decisions=60, touch=1000, far=[1003, 1004], own1=30)
    >>> TwapRepeg({"ahead": 0.0, "behind": -30.0, "inside_lots": 0.0}).decide(wide)[:, 5:7].tolist()
    [[0, 120], [25, 0]]
    """

    layout: ClassVar[Layout] = Layout("twap_repeg", FOR_ANY_MARKET, _SCALE, (_PLAIN,))

    def decide(self, view: View) -> Intents:
        """Intents that rest the lots missing to the line at and behind the touch, a tick inside a wide spread instead."""
        intents = np.empty((view.n, WIDTH), np.int32)
        inside_lots = np.exp(self.value("inside_lots"))
        behind = np.broadcast_to(self._behind_by_spread(view), view.n).copy()
        rest_missing(
            view.x, view.m, self._line(view)[1], behind, self.value("inside"), inside_lots, intents
        )
        return intents


@kernel
def rest_missing(
    x: Longs,
    m: Longs,
    target: Longs,
    behind: Floats,
    inside: Floats,
    inside_lots: Floats,
    intents: Packed,
) -> None:
    """Write intents, int32 (n, 10), that rest the lots missing to `target` (n,) at the touch, a share `behind` (n,) of them a
    tick behind; where a tick is at most a share `inside` of the spread, up to `inside_lots` mean levels a tick inside.

    `inside` and `inside_lots` have one value for all markets, or one for each.
    """
    for row in range(intents.shape[0]):
        if not begin_row(x[row], m[row], intents[row]):
            continue
        left = x[row, c.LEFT]
        side = x[row, c.SIDE]
        missing = min(max(target[row] - x[row, c.QTY0] + left, 0), left)
        spread = (m[row, c.FAR] - m[row, c.TOUCH]) * side - x[row, c.UNDERCUT]
        if spread > 1 and spread * inside[row % inside.shape[0]] >= 1.0:
            depth = 0
            for level in range(c.LEVELS):
                depth += m[row, c.OWN1 + level]
            most = inside_lots[row % inside_lots.shape[0]] * (depth / c.LEVELS)
            grain = -(-x[row, c.QTY0] // ROUNDING_PARTS)
            intents[row, REST0 + IMPROVE] = int(min(float(missing), max(most, float(grain))))
        else:
            back = int(np.floor(behind[row] * missing + 0.5))
            intents[row, REST0 + AT_TOUCH] = missing - back
            intents[row, REST0 + AT_TOUCH + 1] = back
    finish_rows(x, m, intents)


@dataclass(frozen=True, eq=False)
class TwapCross(_Passive):
    """TWAP whose slices rest and whose arrears cross beyond a tolerance.

    >>> from tercel.execution.probe_views import view_of
    >>> late = view_of(qty0=100, left=100, decision=3, decisions=10)
    >>> TwapCross({"tolerance": -30.0, "behind": -30.0}).decide(late)[0, [0, 6]].tolist()
    [30, 10]
    """

    layout: ClassVar[Layout] = Layout("twap_cross", {**_CROSSING, **_CATCH_UP}, _SCALE)

    def decide(self, view: View) -> Intents:
        """Intents that cross late lots and rest the lots missing to the line."""
        due, target = self._line(view)
        return rest_ahead(due, target, self._tolerance(view), self._behind_by_spread(view), view)


@dataclass(frozen=True, eq=False)
class VwapCross(_Passive):
    """VWAP whose shares rest and whose arrears cross beyond a tolerance, by the volume seen and expected."""

    layout: ClassVar[Layout] = Layout("vwap_cross", _CROSSING, _SCALE)

    def decide(self, view: View) -> Intents:
        """Intents that cross late lots and rest the volume's coming share."""
        due, target = shares_done(view, self.known)
        target = np.minimum(due + self._ahead() * (target - due), 1.0)
        return rest_ahead(
            lots_of(due, view), lots_of(target, view), self._tolerance(view), self._behind(), view
        )


@dataclass(frozen=True, eq=False)
class PovPassive(_Passive):
    """A percentage of public volume, resting: due by the volume seen, shown by the volume expected."""

    layout: ClassVar[Layout] = Layout(
        "pov_passive", {"rate": 0.0, **_CROSSING}, {"rate": 0.5, **_SCALE}
    )

    def decide(self, view: View) -> Intents:
        """Intents that cross arrears against the volume seen and rest the share of the volume expected next."""
        volume = max(self.known.expected_volume, 1.0)
        rate = np.exp(self.value("rate")) / volume
        coming = self._ahead() * volume / view.decisions
        due = lots_of(np.minimum(rate * view.v_seen, 1.0), view)
        target = lots_of(np.minimum(rate * (view.v_seen + coming), 1.0), view)
        return rest_ahead(due, target, self._tolerance(view), self._behind(), view)


@dataclass(frozen=True, eq=False)
class Popv(Tunable):
    """Percentage of posted volume: take a share of the displayed lots, rest a share of the remaining lots.

    Parameters by name: ``share`` log of the share of the displayed far touch that is taken; ``trigger`` log of the far
    touch over the far side's mean level from where on; ``pace`` log of the multiple of TWAP's line that may be left;
    ``show`` logit of the share of the remaining lots that rests; ``behind`` logit of the share of that a tick behind.

    >>> from tercel.execution.probe_views import view_of
    >>> rule = Popv({"share": float(np.log(0.5)), "trigger": 0.0, "show": -30.0})
    >>> rule.decide(view_of(left=90, far1=[80, 10], far2=100))[:, 0].tolist()
    [40, 0]
    """

    layout: ClassVar[Layout] = Layout(
        "popv",
        {"share": -2.0, "trigger": 0.5, "pace": 1.0, "show": 0.0, "behind": 0.0},
        {"share": 1.5, "show": 2.0, "behind": 2.0},
    )

    def decide(self, view: View) -> Intents:
        """Intents that take where much is displayed or lots are overdue, and rest a share of the remaining lots."""
        far = view.far_depth[:, 0]
        large = far >= np.exp(self.value("trigger")) * np.maximum(view.far_depth.mean(axis=1), 1.0)
        lots = np.where(
            large, np.floor(np.minimum(np.exp(self.value("share")) * far, 2.0**40)), 0.0
        )
        allowed = np.exp(self.value("pace")) * view.qty0 * view.decisions_left / view.decisions
        overdue = np.maximum(view.left - np.ceil(allowed - 1e-9), 0.0)
        take = np.minimum(np.maximum(lots, overdue), view.left).astype(np.int64)
        rest = np.floor(sigmoid(self.value("show")) * (view.left - take) + 0.5).astype(np.int64)
        return take_and_rest(take, rest, sigmoid(self.value("behind")), view)


@dataclass(frozen=True, eq=False)
class SubmitAndLeaveTuned(Tunable):
    """One limit order at a distance from the touch of arrival, left there to the horizon.

    Parameters by name: ``level`` ticks behind the own touch, rounded, -1 to 60.

    >>> from tercel.execution.probe_views import view_of
    >>> SubmitAndLeaveTuned({"level": 7.0}).decide(view_of(left=90, touch=500))[0, [2, 9]].tolist()
    [497, 90]
    """

    layout: ClassVar[Layout] = Layout("submit_and_leave_tuned", {"level": 1.0}, {"level": 1.5})

    def decide(self, view: View) -> Intents:
        """Intents with everything at one price, or a hold where own orders live."""
        intents = ladder(view)
        level = np.broadcast_to(
            np.clip(np.rint(self.value("level")), -1, DEEPEST).astype(np.int64), view.n
        )
        rung = np.minimum(level + AT_TOUCH, K - 1)
        # the ladder ends three ticks behind the touch: for deeper orders its anchor moves back
        intents[:, ANCHOR] -= (view.side * (level + AT_TOUCH - rung)).astype(np.int32)
        intents[np.arange(view.n), REST0 + rung] = view.left
        return finish_intents(np.where((view.live > 0)[:, None], hold(view), intents), view)
