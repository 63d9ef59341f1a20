"""The rules of `alpha_tilt` in NumPy, a batch at a time: what the kernels are held to."""

import numpy as np

from tercel.core.arrays import Ints
from tercel.core.messages import ANY_STYLE, Style
from tercel.execution import intent as it
from tercel.execution.intent import Intents
from tercel.execution.strategies.almgren_chriss import alpha_ticks
from tercel.execution.strategies.alpha_tilt import AlphaTilt
from tercel.execution.strategies.cartea_jaimungal import speed_weight
from tercel.execution.strategy import finish_intents
from tercel.execution.view import View


def tilted(plain: Intents, view: View, by: AlphaTilt) -> Intents:
    """Intents as `AlphaTilt` leaves them."""
    known = (view.half_life_ns > 0) & (view.alpha_bps != 0) & view.tradable
    intents = plain.copy()
    intents[:, it.TAKE] = np.clip(plain[:, it.TAKE] + _lots(plain, view, by), 0, view.left)
    _step_back(intents, view, by)
    return np.where(known[:, None], finish_intents(intents, view), plain).astype(np.int32)


def capped(plain: Intents, view: View) -> Intents:
    """Intents as `PostureCap` leaves them."""
    bound = (view.urgency > 0) | (view.max_participation < 1) | (view.styles != int(ANY_STYLE))
    intents = plain.copy()
    intents[:, it.TAKE] = np.maximum(plain[:, it.TAKE], _pace(view))
    intents = it.clip(intents, view.left)
    _keep_styles(intents, view)
    _keep_participation(intents, view)
    intents = finish_intents(intents, view)
    return np.where((bound & view.tradable)[:, None], intents, plain).astype(np.int32)


def _lots(plain: Intents, view: View, by: AlphaTilt) -> Ints:
    """Lots to take more (or less, below 0) than the strategy takes."""
    theta = np.log(2.0) * 1e9 / np.maximum(view.half_life_ns, 1)
    rest_s = np.maximum(view.time_left_ns, 1) / 1e9
    ahead = (
        alpha_ticks(view) * theta * speed_weight(0.0, 0.0, theta, rest_s)
    )  # met on average by what waits
    take, resting = plain[:, it.TAKE].astype(np.int64), plain[:, it.REST0 :].sum(axis=1)
    taking = take / np.maximum(resting + take, 1)
    bound = by.most * view.left / view.decisions_left
    lots = by.strength * ahead * view.far_depth.mean(axis=1)
    lots = np.where(lots > 0, np.minimum(lots, bound) * taking, np.maximum(lots, -by.hold * take))
    return np.asarray(np.rint(lots), np.int64)


def _step_back(intents: Intents, view: View, by: AlphaTilt) -> None:
    """Move the ladder away from the touch, in place, where the market is expected to come."""
    back = np.clip(np.floor(-alpha_ticks(view) / by.ticks_a_rung), 0, it.K - 1).astype(np.int64)
    rungs = np.minimum(np.arange(it.K) + back[:, None], it.K - 1)
    moved = np.zeros((view.n, it.K), np.int32)
    np.add.at(moved, (np.arange(view.n)[:, None], rungs), intents[:, it.REST0 :])
    intents[:, it.REST0 :] = moved


def _pace(view: View) -> Ints:
    """Lots that the view's urgency takes now at least: int64 (n,)."""
    u = view.urgency
    share = np.where(u < 1, u / np.where(u < 1, (1 - u) * view.decisions_left, 1.0), 1.0)
    return np.asarray(np.ceil(np.minimum(share, 1.0) * view.left - 1e-9), np.int64)


def _keep_styles(intents: Intents, view: View) -> None:
    """Move lots whose style is not allowed to the best rung whose style is, in place."""
    style = _style_of_rungs(intents, view)
    allowed = (style & view.styles[:, None]) != 0
    target = np.argmax(allowed, axis=1)
    somewhere = allowed.any(axis=1)
    rest = intents[:, it.REST0 :].astype(np.int64)
    moved = np.where(allowed, 0, rest).sum(axis=1)
    no_take = (view.styles & int(Style.TAKE)) == 0
    moved += np.where(no_take, intents[:, it.TAKE], 0)
    intents[no_take, it.TAKE] = 0
    rest[~allowed] = 0
    rows = np.flatnonzero(somewhere)
    rest[rows, target[rows]] += moved[rows]
    intents[:, it.REST0 :] = rest
    # own orders off the ladder stand behind the touch, or inside the spread: kept where both are allowed
    resting = int(Style.JOIN | Style.IMPROVE)
    intents[(view.styles & resting) != resting, it.OUTSIDE] = it.CANCEL


def _style_of_rungs(intents: Intents, view: View) -> Ints:
    """What resting on each rung would be: int64 (n, K) of single `Style` bits."""
    step = np.maximum(intents[:, it.STEP], 1).astype(np.int64)
    price = intents[:, [it.ANCHOR]] - (view.side * step)[:, None] * np.arange(it.K)
    inside = (price - view.touch[:, None]) * view.side[:, None]
    crosses = (price - view.far[:, None]) * view.side[:, None] >= 0
    join_or_improve = np.where(inside > 0, int(Style.IMPROVE), int(Style.JOIN))
    return np.asarray(np.where(crosses, int(Style.TAKE), join_or_improve), np.int64)


def _keep_participation(intents: Intents, view: View) -> None:
    """Cut lots beyond the participation cap, in place: deepest rungs, then orders off the ladder, then the take."""
    p = view.max_participation
    capped = p < 1
    allowed = np.floor(
        np.where(capped, p / np.where(capped, 1 - p, 1.0), 0.0) * view.v_seen + 1e-9
    ).astype(np.int64)
    on_the_way = np.maximum(view.live - view.rest.sum(axis=1) - view.outside_lots, 0)
    room = np.where(capped, np.maximum(allowed - view.done - on_the_way, 0), view.left)
    resting = np.where(intents[:, it.OUTSIDE] == it.KEEP, view.outside_lots, 0)
    drop = capped & (resting > np.maximum(room - intents[:, it.TAKE], 0))
    intents[drop, it.OUTSIDE] = it.CANCEL
    it.clip(intents, np.maximum(room - np.where(drop, 0, resting), 0))
