"""Schedules that rest first: `twap_repeg`, `twap_cross`, `vwap_cross`, `pov_passive`.

All of them say, as in `schedule`, how many lots should be done by now and how many by the end of the coming interval,
and rest the difference at (or a tick behind) the own touch. They differ in the schedule and in when arrears cross:

    twap_repeg    never before the horizon: arrears and slice stand at today's touch, moved along at every decision
    twap_cross    what exceeds a tolerance, in slices; 0 crosses at once, many slices only at the end
    vwap_cross    the same, in step with the market's volume
    pov_passive   a fixed percentage of the volume that others trade, with the same tolerance
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from tercel.core.arrays import Ints
from tercel.core.jit import Floats
from tercel.execution.intent import AT_TOUCH, REST0, TAKE, Intents
from tercel.execution.strategies.schedule import lots_of
from tercel.execution.strategies.vector import Layout, Tunable, sigmoid
from tercel.execution.strategies.vwap import shares_done
from tercel.execution.strategy import ladder, settle
from tercel.execution.view import View

NEVER = 2**40
"""Lots of arrears that no order has."""


def rest_ahead(due: Ints, target: Ints, tolerance: Ints, behind: Floats, view: View) -> Intents:
    """Take arrears beyond `tolerance` lots, rest what then is missing to `target`, the share `behind` a tick behind."""
    intents = ladder(view)
    take = np.clip(due - view.done - tolerance, 0, view.left)
    rest = np.clip(target - view.done - take, 0, view.left - take)
    back = np.floor(behind * rest + 0.5).astype(np.int64)
    intents[:, TAKE] = take
    intents[:, REST0 + AT_TOUCH] = rest - back
    intents[:, REST0 + AT_TOUCH + 1] = back
    return settle(intents, view)


_AHEAD = {"ahead": 0.0, "behind": -1.0}
"""Log of the slices shown; logit of the share of them that stands a tick behind the touch."""
_CROSSING = {"tolerance": 0.0, **_AHEAD}
"""Log of the slices of arrears that do not cross yet."""
_SCALE = {"tolerance": 1.5, "ahead": 1.5, "behind": 2.0}


@dataclass(frozen=True, eq=False)
class _Passive(Tunable):
    """Parameters that all share."""

    def _tolerance(self, view: View) -> Ints:
        slice_lots = view.qty0 / view.decisions
        return np.minimum(np.floor(np.exp(self.value("tolerance")) * slice_lots), NEVER).astype(np.int64)

    def _behind(self) -> Floats:
        return sigmoid(self.value("behind"))

    def _ahead(self) -> Floats:
        return np.exp(self.value("ahead"))

    def _line(self, view: View) -> tuple[Ints, Ints]:
        """Lots due on TWAP's line now, and `ahead` slices later."""
        now = view.decision / view.decisions
        then = np.minimum(now + self._ahead() / view.decisions, 1.0)
        return lots_of(now, view), lots_of(then, view)


@dataclass(frozen=True, eq=False)
class TwapRepeg(_Passive):
    """Arrears and the coming slices rest at the touch, wherever it goes; the horizon order takes what is left."""

    name: ClassVar[str] = "twap_repeg"
    layout: ClassVar[Layout] = Layout("twap_repeg", _AHEAD, _SCALE)

    def decide(self, view: View) -> Intents:
        """Rest what is missing to the line."""
        due, target = self._line(view)
        return rest_ahead(due, target, np.full(view.n, NEVER), self._behind(), view)


@dataclass(frozen=True, eq=False)
class TwapCross(_Passive):
    """TWAP's slices rest; arrears cross beyond a tolerance.

    >>> from tercel.testing.strategy import view_of
    >>> late = view_of(qty0=100, left=100, decision=3, decisions=10)
    >>> TwapCross({"tolerance": -30.0, "behind": -30.0}).decide(late)[0, [0, 6]].tolist()
    [30, 10]
    """

    name: ClassVar[str] = "twap_cross"
    layout: ClassVar[Layout] = Layout("twap_cross", _CROSSING, _SCALE)

    def decide(self, view: View) -> Intents:
        """Cross what is too late, rest what is missing to the line."""
        due, target = self._line(view)
        return rest_ahead(due, target, self._tolerance(view), self._behind(), view)


@dataclass(frozen=True, eq=False)
class VwapCross(_Passive):
    """The same with the shares of VWAP: in step with the volume seen and expected."""

    name: ClassVar[str] = "vwap_cross"
    layout: ClassVar[Layout] = Layout("vwap_cross", _CROSSING, _SCALE)

    def decide(self, view: View) -> Intents:
        """Cross what is too late, rest the volume's coming share."""
        due, target = shares_done(view, self.known)
        target = np.minimum(due + self._ahead() * (target - due), 1.0)
        return rest_ahead(lots_of(due, view), lots_of(target, view), self._tolerance(view), self._behind(), view)


@dataclass(frozen=True, eq=False)
class PovPassive(_Passive):
    """A percentage of public volume, resting: due is that of the volume seen, shown that of what is to come."""

    name: ClassVar[str] = "pov_passive"
    layout: ClassVar[Layout] = Layout("pov_passive", {"rate": 0.0, **_CROSSING}, {"rate": 0.5, **_SCALE})

    def decide(self, view: View) -> Intents:
        """Cross arrears against the volume seen, rest the share of what is expected next."""
        volume = max(self.known.expected_volume, 1.0)
        rate = np.exp(self.value("rate")) / volume
        coming = self._ahead() * volume / view.decisions
        due = lots_of(np.minimum(rate * view.v_seen, 1.0), view)
        target = lots_of(np.minimum(rate * (view.v_seen + coming), 1.0), view)
        return rest_ahead(due, target, self._tolerance(view), self._behind(), view)
