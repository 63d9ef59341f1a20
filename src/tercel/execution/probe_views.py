"""Made-up views of one or more markets, on which a user's function is tried before anything runs; also for doctests."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from tercel.core.messages import ANY_STYLE
from tercel.core.vocabulary import NO_ASK
from tercel.execution import columns as c, intent as it
from tercel.execution.view import View

DECISIONS = 10
HORIZON_NS = 600 * 10**9
DEFAULTS = {
    **{"side": 1, "qty0": 100, "left": 100, "decision": 0, "decisions": 10},
    **{"horizon_ns": HORIZON_NS, "time_left_ns": HORIZON_NS},
    **{f"ahead{j}": -1 for j in range(it.K)},
    **{"max_participation": 1_000_000, "styles": int(ANY_STYLE), "size_multiplier": 1_000_000},
    **{"touch": 999, "far": 1001, "mid2": 2000, "arrival_mid2": 2000},
}


def view_of(draw: ArrayLike = 0.0, **values: ArrayLike) -> View:
    """A view with the given columns (scalars or (n,), in units of columns), and ordinary values in all others.

    An order to buy 100 lots over ten minutes with ten decisions, at its arrival, market 999 at 1001.

    >>> view = view_of(left=[30, 20], touch=500)
    >>> view.n, view.left.tolist(), view.touch.tolist(), view.side.tolist()
    (2, [30, 20], [500, 500], [1, 1])
    """
    n = max(np.size(value) for value in (draw, *values.values()))
    x = np.zeros((n, c.PX), np.int64)
    m = np.zeros((n, c.MX), np.int64)
    for name, value in {**DEFAULTS, **values}.items():
        if name in c.X_NAMES:
            x[:, c.X_NAMES.index(name)] = value
        else:
            m[:, c.M_NAMES.index(name)] = value
    return View(x, m, np.broadcast_to(np.asarray(draw, np.float64), n).copy())


def probe_view(decision: int = 1) -> View:
    """A view of two markets at decision `decision` of ten, one buying and one selling.

    >>> probe_view().n, probe_view(9).time_left_ns.tolist()
    (2, [1000000000, 1000000000])
    """
    x = np.zeros((2, c.PX), np.int64)
    m = np.zeros((2, c.MX), np.int64)
    x[:, c.SIDE] = 1, -1
    x[:, [c.QTY0, c.DECISION, c.DECISIONS]] = 100, decision, DECISIONS
    x[:, c.LEFT] = 100 if decision == 0 else 60
    x[:, [c.TIME_LEFT_NS, c.HORIZON_NS]] = (DECISIONS - decision) * 10**9, DECISIONS * 10**9
    x[:, c.AHEAD0 : c.ALPHA] = -1
    x[:, [c.MAX_PARTICIPATION, c.STYLES, c.SIZE_MULTIPLIER]] = 1_000_000, int(ANY_STYLE), 1_000_000
    m[:, [c.MID2, c.ARRIVAL_MID2]] = 20_001
    m[:, c.TOUCH] = (10_000, 10_001)
    m[:, c.FAR] = (10_001, 10_000)
    m[:, c.OWN1 : c.V_SEEN + 3] = 10
    m[:, [c.RV, c.RV_LONG, c.EVENTS]] = 4
    return View(x, m, np.full(2, 0.5))


def probe_order() -> Iterator[View]:
    """Views of one order in two markets: at arrival, half-way, and at the last decision, one halted and one without a far side.

    Half-way one order is filled and the other has lots that rest; at the end one market is halted and the other has no
    quote on the far side.
    """
    yield probe_view(0)
    half_way = probe_view(5)
    half_way.x[:, c.LEFT] = 0, 45
    half_way.x[1, [c.LIVE, c.REST1, c.AHEAD1]] = 20, 20, 7
    yield half_way
    last = probe_view(DECISIONS - 1)
    last.x[:, c.LEFT] = 7, 33
    last.m[0, c.HALTED] = 1
    last.m[1, c.FAR] = -NO_ASK
    last.m[1, c.FAR1 : c.FAR1 + c.LEVELS] = 0
    yield last
