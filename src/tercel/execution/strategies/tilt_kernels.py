"""A row of an intent under a forecast and within a posture, compiled: see `alpha_tilt` for the rules."""

import math
from typing import Final

from tercel.core.jit import Floats, Longs, Packed, kernel
from tercel.core.messages import ANY_STYLE, Style
from tercel.execution import columns as c
from tercel.execution import intent as it
from tercel.execution.actions.kernels import is_tradable

BPS: Final = 1e4
ANY: Final = int(ANY_STYLE)
JOIN: Final = int(Style.JOIN)
IMPROVE: Final = int(Style.IMPROVE)
TAKING: Final = int(Style.TAKE)
LN2_NS: Final = math.log(2.0) * 1e9


@kernel
def clip_row(row: Packed, most: int) -> None:
    """One intent as `intent.clip` leaves it: no lots below 0, take and rungs together at most `most`."""
    budget = max(most, 0)
    take = min(max(row[it.TAKE], 0), budget)
    row[it.TAKE] = take
    budget -= take
    for rung in range(it.K):
        lots = min(max(row[it.REST0 + rung], 0), budget)
        row[it.REST0 + rung] = lots
        budget -= lots


@kernel
def phi2(z: float) -> float:
    """(1 - phi(z)) / z with phi(z) = (1 - exp(-z)) / z, for z >= 0: 1/2 at 0."""
    if z < 1e-3:
        return 0.5 - z / 6 + z**2 / 24 - z**3 / 120 + z**4 / 720
    return (1 - -math.expm1(-z) / z) / z


@kernel
def _decisions_left(x: Longs) -> int:
    return int(max(x[c.DECISIONS] - x[c.DECISION], 1))


@kernel
def _extra_lots(x: Longs, m: Longs, row: Packed, ticks: float, terms: Floats) -> int:
    """Lots to take more (or less, below 0) than the strategy takes, a move of so many ticks against it expected."""
    theta = LN2_NS / max(x[c.HALF_LIFE_NS], 1)
    rest_s = max(x[c.TIME_LEFT_NS], 1) / 1e9
    ahead = (
        ticks * theta * (rest_s**2 * phi2(theta * rest_s) / rest_s)
    )  # met on average by what waits
    depth = 0
    for level in range(c.LEVELS):
        depth += m[c.FAR1 + level]
    lots: float = terms[0] * ahead * (depth / c.LEVELS)
    take = row[it.TAKE]
    less: float = -terms[2] * take
    if lots <= 0:
        return round(max(lots, less))
    resting = 0
    for rung in range(it.K):
        resting += row[it.REST0 + rung]
    bound: float = terms[1] * x[c.LEFT] / _decisions_left(x)
    taking: float = take / max(resting + take, 1)
    return round(min(lots, bound) * taking)


@kernel
def _step_back(row: Packed, ticks: float, ticks_a_rung: float) -> None:
    """Move the ladder away from the touch where the market is expected to come."""
    back = math.floor(min(max(-ticks / ticks_a_rung, 0.0), it.K - 1.0))
    for rung in range(it.K - 2, -1, -1):
        to = min(rung + back, it.K - 1)
        if to != rung:
            row[it.REST0 + to] += row[it.REST0 + rung]
            row[it.REST0 + rung] = 0


@kernel
def tilt_rows(x: Longs, m: Longs, intents: Packed, terms: Floats) -> None:
    """Tilt intents in place where something is forecast and the market is open.

    Parameters
    ----------
    x, m : int64 (n, PX), int64 (n, MX)
        Columns of the view.
    intents : int32 (n, WIDTH)
    terms : float64 (4,)
        strength, most, hold, ticks_a_rung of `AlphaTilt`.
    """
    for i in range(x.shape[0]):
        if x[i, c.HALF_LIFE_NS] <= 0 or x[i, c.ALPHA] == 0 or not is_tradable(m[i]):
            continue
        row, left = intents[i], x[i, c.LEFT]
        ticks = x[i, c.ALPHA] / 1000.0 * abs(m[i, c.MID2]) / 2 / BPS
        lots = _extra_lots(x[i], m[i], row, ticks, terms)
        row[it.TAKE] = min(max(row[it.TAKE] + lots, 0), left)
        _step_back(row, ticks, terms[3])
        clip_row(row, left)


@kernel
def pace(x: Longs) -> int:
    """Lots that the urgency of a row of the view takes now at least."""
    u = x[c.URGENCY] / 1e6
    share = u / ((1 - u) * _decisions_left(x)) if u < 1 else 1.0
    lots: float = min(share, 1.0) * x[c.LEFT] - 1e-9
    return math.ceil(lots)


@kernel
def _style_of(x: Longs, m: Longs, price: int) -> int:
    """What resting at a price would be, one bit of `Style`."""
    side = x[c.SIDE]
    if (price - m[c.FAR]) * side >= 0:
        return TAKING
    return IMPROVE if (price - m[c.TOUCH]) * side > 0 else JOIN


@kernel
def _keep_styles(x: Longs, m: Longs, row: Packed) -> None:
    """Move lots whose style is not allowed to the best rung whose style is."""
    styles, step = x[c.STYLES], max(row[it.STEP], 1)
    target, moved = -1, 0
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
        # own orders off the ladder stand behind the touch, or inside the spread: kept where both are allowed
        row[it.OUTSIDE] = it.CANCEL


@kernel
def _keep_participation(x: Longs, m: Longs, row: Packed) -> None:
    """Cut lots beyond the participation cap: deepest rungs, then orders off the ladder, then the take."""
    p, left = x[c.MAX_PARTICIPATION] / 1e6, x[c.LEFT]
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
    """Bring intents, int32 (n, WIDTH), within the posture of the view in place, where it asks and the market is open.

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
        row, left = intents[i], x[i, c.LEFT]
        row[it.TAKE] = max(row[it.TAKE], pace(x[i]))
        clip_row(row, left)
        _keep_styles(x[i], m[i], row)
        _keep_participation(x[i], m[i], row)
        clip_row(row, left)
