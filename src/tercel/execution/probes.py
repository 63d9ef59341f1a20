"""Two markets at once on which a user's function of a view is tried before anything runs, odd states among them."""

from collections.abc import Iterator

import numpy as np

from tercel.core.messages import ANY_STYLE
from tercel.core.vocabulary import NO_ASK
from tercel.execution import columns as c
from tercel.execution.observation import OBS_SIZE
from tercel.execution.view import View

DECISIONS = 10


def probe(decision: int = 1) -> View:
    """Two markets at a decision of ten, one buying and one selling.

    >>> probe().n, probe(9).time_left_ns.tolist()
    (2, [1000000000, 1000000000])
    """
    x, m = np.zeros((2, c.PX), np.int64), np.zeros((2, c.MX), np.int64)
    x[:, c.SIDE] = 1, -1
    x[:, [c.QTY0, c.DECISION, c.DECISIONS]] = 100, decision, DECISIONS
    x[:, c.LEFT] = 100 if decision == 0 else 60
    x[:, [c.TIME_LEFT_NS, c.HORIZON_NS]] = (DECISIONS - decision) * 10**9, DECISIONS * 10**9
    x[:, c.AHEAD0 : c.ALPHA] = -1
    x[:, [c.MAX_PARTICIPATION, c.STYLES, c.SIZE_MULTIPLIER]] = 1_000_000, int(ANY_STYLE), 1_000_000
    m[:, [c.MID2, c.ARRIVAL_MID2]] = 20_001
    m[:, c.TOUCH], m[:, c.FAR] = (10_000, 10_001), (10_001, 10_000)
    m[:, c.OWN1 : c.V_SEEN + 3] = 10
    m[:, [c.RV, c.RV_LONG, c.EVENTS]] = 4
    return View(x, m, np.zeros((2, OBS_SIZE), np.float32), np.full(2, 0.5))


def whole_order() -> Iterator[View]:
    """The course of one order in two markets: at its arrival, half-way in markets that differ, at its last decision.

    Half-way one order is filled and the other has lots that rest; at the end one market is halted and the other has no
    quote on the far side.
    """
    yield probe(0)
    half_way = probe(5)
    half_way.x[:, c.LEFT] = 0, 45
    half_way.x[1, [c.LIVE, c.REST1, c.AHEAD1]] = 20, 20, 7
    yield half_way
    last = probe(DECISIONS - 1)
    last.x[:, c.LEFT] = 7, 33
    last.m[0, c.HALTED] = 1
    last.m[1, c.FAR] = -NO_ASK
    last.m[1, c.FAR1 : c.FAR1 + c.LEVELS] = 0
    yield last
