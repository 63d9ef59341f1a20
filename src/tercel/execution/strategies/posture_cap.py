"""`PostureCap`: any strategy within the urgency, styles and participation that a posture allows; it depends on the view alone.

In this order, at every decision of a market that is open:

1. Urgency is a floor on progress. With urgency u at least u / (1 - u) of the lots left per decision left are taken now:
   nothing at 0, the even pace of the rest of the order at 1/2, everything at 1. An order that this floor alone works
   shrinks as (time left)^(u / (1 - u)).
2. Styles. Lots that take where taking is not allowed rest instead at the best rung whose style is; lots on a rung
   inside the spread (IMPROVE), at or behind the touch (JOIN), or at or beyond the far touch (TAKE: it would cross)
   whose style is not allowed move to the first rung whose style is. Without such a rung they are held back. A
   spread of one tick has no inside.
3. Participation. Own lots, done and wanted, are at most p / (1 - p) of the public lots seen since arrival, so that the
   own share of all lots traded stays at or below p whatever fills; the deepest rungs go first, own orders off the
   ladder next, the take last. Before any volume was seen nothing is wanted. Lots on the way to the market count as
   done.

The cap limits urgency; the horizon overrides the cap: the remaining lots are forced at any cost.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from tercel.core.jit import Longs, Packed, kernel
from tercel.core.messages import ANY_STYLE, Style
from tercel.execution import columns as c, intent as it
from tercel.execution.decoder_kernels import is_tradable
from tercel.execution.intent import Intents
from tercel.execution.strategies.alpha_tilt import clip_row, decisions_left
from tercel.execution.strategy import Strategy, Wrapper
from tercel.execution.view import View

ANY: Final = int(ANY_STYLE)
JOIN: Final = int(Style.JOIN)
IMPROVE: Final = int(Style.IMPROVE)
TAKING: Final = int(Style.TAKE)


@kernel
def pace(x: Longs) -> int:
    """Least lots to take now, by the posture's urgency u: u / (1 - u) of the lots left per decision left, rounded up."""
    u = x[c.URGENCY] / 1e6
    share = u / ((1 - u) * decisions_left(x)) if u < 1 else 1.0
    lots: float = min(share, 1.0) * x[c.LEFT] - 1e-9
    return math.ceil(lots)


@kernel
def _style_of(x: Longs, m: Longs, price: int) -> int:
    """Style (one bit of `Style`) of an order at a price: TAKE if it would cross, IMPROVE inside the spread, else JOIN."""
    side = x[c.SIDE]
    if (price - m[c.FAR]) * side >= 0:
        return TAKING
    return IMPROVE if (price - m[c.TOUCH]) * side > x[c.UNDERCUT] else JOIN


@kernel
def _keep_styles(x: Longs, m: Longs, row: Packed) -> None:
    """Move lots of a row, the take too, whose style is not allowed to the best rung of an allowed style, in place; without one
    they are dropped."""
    styles = x[c.STYLES]
    step = max(row[it.STEP], 1)
    target = -1
    moved = 0
    for rung in range(it.K):
        if _style_of(x, m, row[it.ANCHOR] - x[c.SIDE] * step * rung) & styles:
            target = rung if target < 0 else target
        else:
            moved += row[it.REST0 + rung]
            row[it.REST0 + rung] = 0
    if styles & TAKING == 0:
        moved += row[it.TAKE]
        row[it.TAKE] = 0
    if target >= 0:
        row[it.REST0 + target] += moved
    if styles & (JOIN | IMPROVE) != JOIN | IMPROVE:
        # own orders off the ladder are behind the touch, or inside the spread: they stay where both are allowed
        row[it.OUTSIDE] = it.CANCEL


@kernel
def _keep_participation(x: Longs, m: Longs, row: Packed) -> None:
    """Cut a row's lots beyond the participation cap, in place: deepest rungs, then own orders off the ladder, then the take."""
    p = x[c.MAX_PARTICIPATION] / 1e6
    left = x[c.LEFT]
    on_the_way = x[c.LIVE] - x[c.OUTSIDE_LOTS]
    for rung in range(it.K):
        on_the_way -= x[c.REST0 + rung]
    room = left
    if p < 1:
        allowed = math.floor(p / (1 - p) * m[c.V_SEEN] + 1e-9)
        room = max(allowed - (x[c.QTY0] - left) - max(on_the_way, 0), 0)
    resting = x[c.OUTSIDE_LOTS] if row[it.OUTSIDE] == it.KEEP else 0
    if p < 1 and resting > max(room - row[it.TAKE], 0):
        row[it.OUTSIDE] = it.CANCEL
        resting = 0
    clip_row(row, room - resting)


@kernel
def cap_rows(x: Longs, m: Longs, intents: Packed) -> None:
    """Bring intents, int32 (n, WIDTH), in place within the posture of the view, where there is one and the market is tradable.

    `x` and `m` are the view's columns, int64 (n, PX) and (n, MX).
    """
    for i in range(x.shape[0]):
        free = (
            x[i, c.URGENCY] <= 0
            and x[i, c.MAX_PARTICIPATION] >= 1_000_000
            and x[i, c.STYLES] == ANY
        )
        if free or not is_tradable(m[i]):
            continue
        row = intents[i]
        left = x[i, c.LEFT]
        row[it.TAKE] = max(row[it.TAKE], pace(x[i]))
        clip_row(row, left)
        _keep_styles(x[i], m[i], row)
        _keep_participation(x[i], m[i], row)
        clip_row(row, left)


@dataclass(frozen=True)
class PostureCap(Wrapper):
    """Intents of an inner strategy within the posture of the view; unchanged without a posture.

    >>> from tercel.execution import intent as it
    >>> from tercel.execution.strategies import build
    >>> from tercel.execution.probe_views import view_of
    >>> capped, urgent = PostureCap(build("submit_and_leave")), view_of(urgency=500_000)
    >>> capped.decide(view_of())[0, it.TAKE], capped.decide(urgent)[0, it.TAKE]
    (np.int32(0), np.int32(10))
    """

    suffix: ClassVar[str] = "+posture"
    inner: Strategy

    def decide(self, view: View) -> Intents:
        """Intents of the inner strategy, capped."""
        capped = self.inner.decide(view).astype(np.int32, casting="same_kind")
        cap_rows(np.ascontiguousarray(view.x), np.ascontiguousarray(view.m), capped)
        return capped
