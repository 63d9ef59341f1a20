"""Tables of a queue-reactive preset: places in the packed array, bounds, packing, and the pilot factors folded into weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tercel.core.arrays import Floats
from tercel.market.flow.port import Positive, Rate
from tercel.market.flow.queue_reactive import layout as q

FOLDED: Final = -1
_INF: Final = float("inf")
WEIGHTS: Final = (
    "state",
    "before",
    "before2",
    "place",
    "trade",
    "emptied",
    "vacated",
    "fresh",
    "signs",
    "alone",
    "runs",
    "behind",
    "last",
    "pressure",
    "insides",
    "withdrawn",
    "activity",
)
"""Tables of weights, in the order of the cells that `extract.track_state` finds."""
SCALARS: Final[Mapping[str, tuple[int, float, float]]] = {
    "resolution_ns": (q.RESOLUTION, 1.0, 1e9),
    "session_ns": (q.SESSION, 1e9, 1e15),
    "slow_ns": (q.SLOW_NS, 1e6, 1e13),
    "fast_ns": (q.FAST_NS, 1e6, 1e13),
    "run_ns": (q.RUN_NS, 1e6, 1e13),
    "value_ns": (q.VALUE_NS, 1e6, 1e13),
    "follow_ns": (q.FOLLOW_NS, 1e6, 1e13),
    "unit": (q.UNIT, 1e-3, 1e6),
    "sweep": (q.SWEEP, 0.0, 1e6),
    "window": (q.WINDOW, 5.0, 1e5),
    "hole": (q.HOLE, 1.0, 1e5),
    "limited": (q.LIMITED, 0.0, 1.0),
    "by_imbalance": (q.BY_IMBALANCE, 0.0, 1.0),
    "beyond": (q.BEYOND, 0.0, 1.0),
    "live_mean": (q.LIVE_MEAN, 1.0, 1e7),
    "deep_power": (q.DEEP_POWER, 0.0, 4.0),
    "leaves_mean": (q.LEAVES_MEAN, 0.0, 1e9),
    "hidden_again": (q.HIDDEN_AGAIN, 0.0, 0.95),
    "short_ns": (q.SHORT_NS, 0.0, 1e12),
}
"""Scalars: where, and between which bounds."""
PRODUCTS: Final = {
    q.W_PLACED: ("place", "pressure"),
    q.W_LATELY: ("insides", "withdrawn"),
    q.W_BEST: ("fresh", "alone"),
    q.W_SIGNED: ("runs", "signs"),
    q.W_TRADED: ("trade", "activity"),
}
"""Two tables multiplied cell by cell, the second's cells within the first's: an event reads one of them, not two."""
RISES: Final = {
    2 * q.LIMIT_IN_SPREAD: True,
    2 * q.LIMIT_IN_SPREAD + 1: False,
    2 * q.CANCEL_AT_BEST: False,
    2 * q.CANCEL_AT_BEST + 1: True,
    2 * q.MARKET: True,
    2 * q.MARKET + 1: False,
}
"""Events that move the mid, and whether towards the side of the frame."""
Finite = Annotated[float, Field(allow_inf_nan=False)]
UNBOUNDED = 1e300
"""Infinity in a file: an edge that nothing reaches."""


@dataclass(frozen=True)
class TablePlace:
    """A table's offset (`FOLDED`: only folded into others), size and bounds."""

    offset: int
    length: int
    low: float = 0.0
    high: float = float("inf")
    ascending: bool = False


LAYOUT: Final[Mapping[str, TablePlace]] = {
    "spread_edges": TablePlace(q.SPREAD_EDGES, q.SPREADS - 1, 1.0, ascending=True),
    "width_edges": TablePlace(q.WIDTH_EDGES, q.WIDTHS - 1, 1.0, ascending=True),
    "narrow_edges": TablePlace(q.NARROW_EDGES, q.NARROWS - 1, 1.0, ascending=True),
    "queue_edges": TablePlace(q.QUEUE_EDGES, q.QUEUES - 1, 0.0, ascending=True),
    "imbalance_edges": TablePlace(q.IMBALANCE_EDGES, q.TOUCHES - 1, -1.0, 1.0, ascending=True),
    "fast_edges": TablePlace(q.FAST_EDGES, q.FAST - 1, -_INF, ascending=True),
    "flow_edges": TablePlace(q.FLOW_EDGES, q.FLOWS - 1, -1.0, 1.0, ascending=True),
    "sign_edges": TablePlace(q.SIGN_EDGES, q.SIGNS - 1, -1.0, 1.0, ascending=True),
    "run_edges": TablePlace(q.RUN_EDGES, q.RUNS - 1, 0.0, ascending=True),
    "insides_edges": TablePlace(q.INSIDES_EDGES, q.INSIDES - 1, 0.0, ascending=True),
    "withdrawn_edges": TablePlace(q.WITHDRAWN_EDGES, q.WITHDRAWN - 1, 0.0, ascending=True),
    "pressure_edges": TablePlace(q.PRESSURE_EDGES, q.PRESSURES - 1, -_INF, ascending=True),
    "again_edges": TablePlace(q.AGAIN_EDGES, q.AGAINS, 0.0, ascending=True),
    "behind_edges": TablePlace(q.BEHIND_EDGES, q.GAPS - 1, 0.0, ascending=True),
    "shift_edges": TablePlace(q.SHIFT_EDGES, q.SHIFTS - 1, -_INF, ascending=True),
    "last_edges": TablePlace(q.LAST_EDGES, q.LASTS - 1, -_INF, ascending=True),
    "age_edges": TablePlace(q.AGE_EDGES, q.AGES - 1, 0.0, ascending=True),
    "since_edges": TablePlace(q.SINCE_EDGES, q.SINCE, 0.0, ascending=True),
    "drop_edges": TablePlace(q.DROP_EDGES, q.DROPS - 1, 0.0, ascending=True),
    "fell_edges": TablePlace(q.FELL_EDGES, q.FELL - 1, 0.0, ascending=True),
    "young_edges": TablePlace(q.YOUNG_EDGES, q.YOUNG, 0.0, ascending=True),
    "wait_edges": TablePlace(q.WAIT_EDGES, q.WAITS - 1, 0.0, ascending=True),
    "activity_edges": TablePlace(q.ACTIVITY_EDGES, q.ACTIVITIES - 1, 0.0, ascending=True),
    "activity_mean": TablePlace(q.ACTIVITY_MEAN, q.ACTIVITIES, 1e-9),
    "season": TablePlace(q.SEASON, q.SEASONS, 1e-9),
    "pull": TablePlace(q.PULL, q.LEVELS - 1, 0.0),
    "hazard": TablePlace(q.HAZARD, q.LEVELS - 1, 0.0),
    "state": TablePlace(q.W_STATE, q.STATES * q.EVENTS),
    "turned": TablePlace(FOLDED, q.SPREADS * q.KINDS, 0.01, 100.0),
    "before": TablePlace(q.W_BEFORE, q.BEFORE * q.EVENTS),
    "before2": TablePlace(q.W_BEFORE2, q.BEFORE2 * q.EVENTS),
    "place": TablePlace(FOLDED, q.PLACES * q.EVENTS),
    "trade": TablePlace(FOLDED, q.TRADES * q.EVENTS),
    "emptied": TablePlace(q.W_EMPTIED, q.EMPTIES * q.EVENTS),
    "vacated": TablePlace(q.W_VACATED, q.EMPTIES * q.EVENTS),
    "fresh": TablePlace(FOLDED, q.FRESH * q.EVENTS),
    "signs": TablePlace(FOLDED, q.SIGNS * q.EVENTS),
    "alone": TablePlace(FOLDED, q.ALONE * q.EVENTS),
    "runs": TablePlace(FOLDED, q.BOTH_RUNS * q.EVENTS),
    "behind": TablePlace(q.W_BEHIND, q.BOTH_GAPS * q.EVENTS),
    "pressure": TablePlace(FOLDED, q.PRESSURES * q.EVENTS),
    "insides": TablePlace(FOLDED, q.BOTH_INSIDES * q.EVENTS),
    "withdrawn": TablePlace(FOLDED, q.BOTH_WITHDRAWN * q.EVENTS),
    "last": TablePlace(q.W_LAST, q.BOTH_LASTS * q.EVENTS),
    "activity": TablePlace(FOLDED, q.ACTIVITIES * q.EVENTS),
    "wait_law": TablePlace(q.WAIT_LAW, q.WAIT_NS - q.WAIT_LAW, 0.0, 1.0),
    "wait_ns": TablePlace(q.WAIT_NS, q.SIZE - q.WAIT_NS, 0.0, 1e15),
    "size": TablePlace(q.SIZE, q.DEEP_EDGES - q.SIZE, 1.0, 1e6),
    "deep_edges": TablePlace(q.DEEP_EDGES, q.SPREADS - 1, 0.0, ascending=True),
    "deep": TablePlace(q.DEEP, q.INSIDE - q.DEEP, 1.0, 1e6),
    "inside": TablePlace(q.INSIDE, q.TAKE_EQUAL - q.INSIDE, -1e6, 1e6),
    "take_equal": TablePlace(q.TAKE_EQUAL, q.QUEUES, 0.0, 1.0),
    "take_less": TablePlace(q.TAKE_LESS, q.QUEUES, 0.0, 1.0),
    "less": TablePlace(q.LESS, q.MORE - q.LESS, 1.0, 1e6),
    "more": TablePlace(q.MORE, q.GAP - q.MORE, 1.0, 1e6),
    "gap": TablePlace(q.GAP, q.GAP_POINTS, 1.0, 1e6),
    "deep_lots": TablePlace(q.DEEP_LOTS, q.GAP_POINTS, 1.0, 1e6),
    "repeat_size": TablePlace(q.REPEAT_SIZE, q.PREVIOUS * 6, 0.0, 1.0),
    "repeat_edges": TablePlace(q.REPEAT_EDGES, q.STAY_CLASSES - 1, 1.0, ascending=True),
    "repeat_by": TablePlace(q.REPEAT_BY, 3 * q.STAY_CLASSES, 0.0, 1e3),
    "repeat_price": TablePlace(q.REPEAT_PRICE, q.PREVIOUS * 3, 0.0, 1.0),
    "repost_size": TablePlace(q.REPOST_SIZE, 3, 0.0, 1.0),
    "repost_price": TablePlace(q.REPOST_PRICE, 3, 0.0, 1.0),
    "again_price": TablePlace(q.AGAIN_PRICE, q.CAUSES * q.AGAINS * q.ROOMS, 0.0, 1.0),
    "again_lots": TablePlace(q.AGAIN_LOTS, q.CAUSES * q.AGAINS, 0.0, 1.0),
    "lost_price": TablePlace(q.LOST_PRICE, q.CAUSES * q.FELL * q.DROPS * q.REACHES, 0.0, 1.0),
    "follow_price": TablePlace(q.FOLLOW_PRICE, q.CAUSES * q.FELL * q.DROPS * q.REACHES, 0.0, 1.0),
    "slot": TablePlace(q.SLOT, 2 * (q.LEVELS - 1), 0.0, 1.0, ascending=True),
    "between": TablePlace(q.BETWEEN, q.INSIDE_POINTS, -1e6, 1e6),
    "rank": TablePlace(q.RANK, q.RANKS, 0.0, 1.0, ascending=True),
    "stays": TablePlace(q.STAYS, q.STAY_CLASSES, 1e-3, 1.0),
    "stay_edges": TablePlace(q.STAY_EDGES, q.STAY_CLASSES - 1, 1.0, ascending=True),
    "life_edges": TablePlace(q.LIFE_EDGES, q.LIFE - 1, 0.0, ascending=True),
    "leaves": TablePlace(q.LEAVES, q.LIFE * q.STAY_CLASSES, 0.0, 1e6),
    "leaves_edges": TablePlace(q.LEAVES_EDGES, q.STAY_CLASSES - 1, 1.0, ascending=True),
    "hidden": TablePlace(q.HIDDEN, 2 * q.LAST_PLACES * q.SPREADS, 0.0, 1e3),
    "hidden_same": TablePlace(q.HIDDEN_SAME, q.LAST_PLACES, 0.0, 1.0),
    "hidden_at": TablePlace(q.HIDDEN_AT, q.LAST_PLACES * q.SPREADS * q.HIDDEN_POINTS, 0.0, 1.0),
    "hidden_lots": TablePlace(q.HIDDEN_LOTS, q.GAP_POINTS, 1.0, 1e7),
}
"""Tables of fixed length. The minutes follow at the end."""


def pack(
    law: Mapping[str, Sequence[float] | Floats],
    scalars: Mapping[str, float],
    minutes: Floats,
    knobs: "PilotFactors",
    fast_centres: Floats,
) -> Floats:
    """All parameters as the one float64 array that the kernel reads.

    Parameters
    ----------
    law : mapping of name to float[length]
        As `LAYOUT`.
    scalars : mapping
        As `SCALARS`.
    minutes : float64[n, 3]
        Activity over the season's, factor of market orders, day.
    knobs : PilotFactors
    fast_centres : float64[FAST]
        Displacement of each class, in standard deviations.
    """
    flow = np.zeros(q.FIXED + q.MINUTE * len(minutes))
    flow[q.VERSION_AT] = q.VERSION
    for name, place in LAYOUT.items():
        if place.offset == FOLDED:
            continue
        flow[place.offset : place.offset + place.length] = law[name]
    for name, (offset, _, _) in SCALARS.items():
        flow[offset] = scalars[name]
    flow[q.LEAVES_MOST] = max(law["leaves"])
    flow[q.MINUTES] = len(minutes)
    rows = flow[q.MINUTE_TABLE :].reshape(-1, q.MINUTE)
    rows[:, :3] = minutes[:, :3]
    flow[q.CLOCK] = knobs.clock
    flow[q.TREND] = knobs.trend
    flow[q.VALUE] = knobs.value
    flow[q.PUSH] = knobs.push
    flow[q.FOLLOW] = knobs.follow
    flow[q.SWING] = knobs.swing
    flow[q.LONE : q.LONE + 2] = np.exp([0.0, -max(knobs.lone, 0.0)])
    flow[q.AMONG] = 1.0 + min(knobs.lone, 0.0)
    state = flow[q.W_STATE : q.W_BEFORE].reshape(q.STATES, q.EVENTS)
    state[:, 2 * q.MARKET :] *= knobs.market
    state[:, : 2 * q.LIMIT_IN_SPREAD + 2] *= knobs.inside
    state[:, 2 * q.CANCEL_AT_BEST : 2 * q.CANCEL_AT_BEST + 2] *= knobs.cancel
    by_spread = np.repeat(np.asarray(law["turned"]).reshape(q.SPREADS, q.KINDS), 2, axis=1)
    state *= np.repeat(by_spread, q.TOUCHES, axis=0)
    for offset, names in PRODUCTS.items():
        first, second = (np.asarray(law[name]).reshape(-1, q.EVENTS) for name in names)
        joint = first[:, None] * second[None, :]
        flow[offset : offset + joint.size] = joint.ravel()
    up = np.exp(-np.clip(knobs.anchor_fast * fast_centres, -3.0, 3.0))[:, None]
    placed = flow[q.W_PLACED : q.W_LATELY].reshape(q.FAST, q.MOVES * q.PRESSURES, q.EVENTS)
    for event, rises in RISES.items():
        placed[:, :, event] *= up if rises else 1.0 / up
    flow[q.TAKE_TILT] = 1.0 / knobs.lots
    for name in ("repeat_size", "repost_size"):
        chances = flow[LAYOUT[name].offset : LAYOUT[name].offset + LAYOUT[name].length]
        np.minimum(chances * knobs.repeat, 1.0, out=chances)
    return flow


def describe_misfit(law: Mapping[str, Any], scalars: Mapping[str, float]) -> str:
    """Description of invalid tables or scalars; empty if all are valid."""
    for name, place in LAYOUT.items():
        if name not in law:
            return f"table {name} is missing"
        values = np.asarray(law[name], np.float64)
        if len(values) != place.length:
            return f"table {name} has {len(values)} numbers, not {place.length}"
        if np.isnan(values).any() or values.min() < place.low or values.max() > place.high:
            bad = values[~((values >= place.low) & (values <= place.high))][0]
            return f"table {name} holds {bad:g}, not between {place.low:g} and {place.high:g}"
        if place.ascending and (np.diff(values[np.isfinite(values)]) < 0).any():
            return f"table {name} does not ascend"
    for name, (_, low, high) in SCALARS.items():
        if name not in scalars:
            return f"scalar {name} is missing"
        if not low <= scalars[name] <= high:
            return f"{name} is {scalars[name]:g}, not between {low:g} and {high:g}"
    for name in WEIGHTS:
        cells = np.asarray(law[name]).reshape(-1, q.EVENTS)
        if not np.isfinite(cells).all() or (cells.max(axis=1) <= 0.0).any():
            return f"table {name} has a cell in which nothing can happen"
    unknown = sorted((set(law) - set(LAYOUT)) | (set(scalars) - set(SCALARS)))
    return f"unknown tables or scalars: {', '.join(unknown)}" if unknown else ""


def four_digits(x: float) -> float:
    """A number rounded to four significant digits, for a file."""
    return float(f"{x:.4g}")


class PilotFactors(BaseModel):
    """Factors set by pilot runs, folded into the tables when a market starts.

    Attributes
    ----------
    clock : float
        Factor of the waits.
    market, inside, cancel : float
        Factors of the weights of market orders, of limit orders in the spread and of cancels at the best.
    anchor_fast : float
        Log factor of the events that move the mid, per standard deviation of its displacement from its fast mean;
        positive pulls back.
    trend, value, push, follow : float
        Lean of the same events with the last half minute, against the last minutes, with aggressors, to the last trade's
        price: see `kernel.update_lean`.
    swing : float
        Power of a minute's activity by which the waits in it are shortened further.
    lots : float
        How far market orders that do not take just the queue lean to larger sizes; 1: as on tape.
    repeat : float
        Factor of the chances that a limit order repeats a size.
    lone : float
        How far the levels reach. Above 0: log factor of the cancellation rate of orders behind the best that are alone
        at their price, over others. Below 0: share of the orders behind the second level that are placed by distance;
        at 0 all are placed level by level.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    clock: Positive = 1.0
    market: Positive = 1.0
    inside: Positive = 1.0
    cancel: Positive = 1.0
    anchor_fast: Annotated[float, Field(ge=-1.0, le=2.0)] = 0.0
    trend: Annotated[float, Field(ge=-0.2, le=0.6)] = 0.0
    value: Annotated[float, Field(ge=0.0, le=0.2)] = 0.0
    push: Annotated[float, Field(ge=-0.15, le=0.15)] = 0.0
    follow: Annotated[float, Field(ge=-0.3, le=1.0)] = 0.0
    swing: Annotated[float, Field(ge=-1.0, le=2.0)] = 0.0
    lots: Positive = 1.0
    repeat: Rate = 1.0
    lone: Annotated[float, Field(ge=-1.0, le=2.0)] = 0.0
