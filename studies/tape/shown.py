"""Limit orders at the touch, how the market stood when they came, and what came before and after them.

An event is a limit order that joins the best price of its side or improves it. "Own" is its side. An opposite market
order would hit the own side; market orders of the other side take the other side. Outcomes are counted over a window
after the event, and over a window of the same length that ends :data:`GAP_S` before it (the placebo).

Hidden executions are in no count, and executions of one stamp and side are one market order: `market.observed` reads a
tape that way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tercel.core import NS_PER_SECOND, ConfigError
from tercel.market import (
    CANCEL_AT_BEST,
    CANCEL_DEEPER,
    LIMIT_AT_BEST,
    LIMIT_DEEPER,
    LIMIT_IN_SPREAD,
    MARKET,
)
from tercel.market.observed import Observed

Floats = NDArray[np.float64]
Longs = NDArray[np.int64]

HORIZONS_S: Final = (10.0, 60.0, 180.0, 300.0)
GAP_S: Final = 10.0
"""The placebo window ends so long before the event; the state that events are matched on is read over the same time."""
KINDS: Final = {"join": LIMIT_AT_BEST, "improve": LIMIT_IN_SPREAD}
COUNTED: Final = (
    "opposite_orders", "opposite_lots", "other_orders", "other_lots", "own_cancels", "own_cancels_by_others",
    "other_cancels", "own_adds", "other_adds",
)  # fmt: skip
"""Outcomes that are counts or lots: compared by their ratio."""
DRIFT: Final = "mid_drift_ticks"
"""The mid's move towards the own side's favour: compared by its difference."""
OUTCOMES: Final = (*COUNTED, DRIFT)
STATE: Final = (
    "spread", "own_queue", "other_queue", "opposite_lots_10s", "other_lots_10s", "opposite_orders_10s",
    "other_orders_10s", "move_10s", "time_of_day",
)  # fmt: skip
"""What events are matched on."""
WIDE_TICKS: Final = 100.0
WIDE_MEDIANS: Final = 15.0
"""A touch wider than both is none: the tape has minutes without a book."""
WIDE_SHARE: Final = 0.001
"""A day with more of it is left out."""


@dataclass(frozen=True, eq=False)
class ShownOrders:
    """Joining and improving limit orders of one stretch, n events in time order.

    Attributes
    ----------
    row : int64[n]
        Row of the stretch.
    ns : int64[n]
    improves : bool[n]
    lots : int64[n]
    state : float64[n, len(STATE)]
        Logarithms of spread, queues and flow; the signed move in ticks; hours after the opening.
    """

    row: Longs
    ns: Longs
    improves: NDArray[np.bool_]
    lots: Longs
    state: Floats

    @property
    def n(self) -> int:
        """Number of events."""
        return len(self.row)


def usual_lots(days: Sequence[Observed]) -> float:
    """Median lots of limit orders that join or improve the touch.

    Raises
    ------
    ConfigError
        Days without any.
    """
    lots = np.concatenate([day.lots[_at_touch(day)] for day in days]) if days else np.zeros(0)
    if not len(lots):
        raise ConfigError(
            "days with limit orders at the touch", "none", "name days of a feed that shows orders"
        )
    return float(np.median(lots))


def wide_from(days: Sequence[Observed]) -> float:
    """Spread, ticks, from which on a book counts as absent: 15 medians, at least 100."""
    spreads = np.concatenate([day.spread[day.spread > 0] for day in days])
    return max(WIDE_TICKS, WIDE_MEDIANS * float(np.median(spreads))) if len(spreads) else WIDE_TICKS


def wide_share(day: Observed, wide: float) -> float:
    """Share of seconds with a wider touch, the last ones of the stretch, in which no event can lie, left out."""
    spread = day.spread[: -round(HORIZONS_S[-1])]
    return float(np.mean(spread > wide)) if len(spread) else 0.0


def usable_days(days: Mapping[str, Observed]) -> tuple[dict[str, Observed], dict[str, str], float]:
    """Days that can be used, why the others cannot, and the spread from which on a book counts as absent.

    Raises
    ------
    ConfigError
        No day at all.
    """
    wide = wide_from(list(days.values())) if days else 0.0
    left_out = {date: why for date, day in days.items() if (why := unusable(day, wide))}
    used = {date: day for date, day in days.items() if date not in left_out}
    if not used:
        received = "; ".join(f"{date}: {why}" for date, why in left_out.items()) or "no day"
        raise ConfigError("a day with a book through most of it", received, "name other days")
    return used, left_out, wide


def unusable(day: Observed, wide: float) -> str:
    """Why a day is left out; nothing where it is not."""
    if day.n == 0:
        return "no events"
    if (short := (day.stop_ns - int(day.ns[-1])) / NS_PER_SECOND) > HORIZONS_S[-1]:
        return f"ends {short:.0f} s before its close"
    if (share := wide_share(day, wide)) > WIDE_SHARE:
        return f"the touch is wider than {wide:g} ticks for {100 * share:.2g} % of it"
    return ""


def shown_orders(day: Observed, wide: float) -> ShownOrders:
    """Events whose windows, the longest horizon before and after, lie in the stretch and have a book throughout."""
    rows = np.flatnonzero(_at_touch(day))
    before, after = (
        round((HORIZONS_S[-1] + GAP_S) * NS_PER_SECOND),
        round(HORIZONS_S[-1] * NS_PER_SECOND),
    )
    ns = day.ns[rows]
    inside = (ns - before >= day.start_ns) & (ns + after <= day.stop_ns)
    absent = np.concatenate(([0], np.cumsum(day.spread > wide)))
    first = np.clip((ns - before - day.start_ns) // NS_PER_SECOND, 0, len(absent) - 1)
    last = np.clip((ns + after - day.start_ns) // NS_PER_SECOND + 1, 0, len(absent) - 1)
    rows = rows[inside & (absent[last] == absent[first])]
    return ShownOrders(
        rows,
        day.ns[rows],
        day.kind[rows] == LIMIT_IN_SPREAD,
        day.lots[rows].astype(np.int64),
        _state(day, rows),
    )


def outcomes(day: Observed, orders: ShownOrders) -> Floats:
    """What came, float64[n, 2, len(HORIZONS_S), len(OUTCOMES)]: index 0 of the second axis after, 1 before (placebo).

    The event itself is in no count.
    """
    found = np.zeros((orders.n, 2, len(HORIZONS_S), len(OUTCOMES)))
    side = day.side[orders.row].astype(np.int64)
    flows, own = _Flows(day), _OwnCancels(day, orders)
    for h, seconds in enumerate(HORIZONS_S):
        length, gap = round(seconds * NS_PER_SECOND), round(GAP_S * NS_PER_SECOND)
        first, last = orders.row + 1, np.searchsorted(day.ns, orders.ns + length, side="right")
        found[:, 0, h, :-1] = flows.between(first, last, side)
        found[:, 0, h, COUNTED.index("own_cancels_by_others")] -= own.between(first, last)
        start = np.searchsorted(day.ns, orders.ns - gap - length, side="right")
        end = np.searchsorted(day.ns, orders.ns - gap, side="right")
        found[:, 1, h, :-1] = flows.between(start, end, side)
        found[:, 0, h, -1] = side * (_mid_at(day, last) - _mid_after(day, orders))
        found[:, 1, h, -1] = side * (_mid_at(day, end) - _mid_at(day, start))
    return found


def _at_touch(day: Observed) -> NDArray[np.bool_]:
    """Rows of limit orders that join or improve; what a market order leaves resting is none."""
    return np.asarray(
        ((day.kind == LIMIT_AT_BEST) | (day.kind == LIMIT_IN_SPREAD)) & ~day.remainder
    )


def _state(day: Observed, rows: Longs) -> Floats:
    """The columns of `STATE`."""
    side = day.side[rows].astype(np.int64)
    back = np.searchsorted(day.ns, day.ns[rows] - round(GAP_S * NS_PER_SECOND), side="right")
    flows = _Flows(day).between(back, rows, side)
    bid, ask = day.bid_lots[rows, 0].astype(np.float64), day.ask_lots[rows, 0].astype(np.float64)
    queues = np.log1p(np.where(side > 0, bid, ask)), np.log1p(np.where(side > 0, ask, bid))
    named = [
        COUNTED.index(x) for x in ("opposite_lots", "other_lots", "opposite_orders", "other_orders")
    ]
    hours = (day.ns[rows] - day.open_ns) / (3600.0 * NS_PER_SECOND)
    return np.column_stack([
        np.log(day.ask_px[rows, 0] - day.bid_px[rows, 0]), *queues, np.log1p(flows[:, named]),
        side * (_mid_at(day, rows) - _mid_at(day, back)), hours,
    ])  # fmt: skip


def _mid_at(day: Observed, row: Longs) -> Floats:
    """Mid in ticks just before a row; after the last one, that of the last."""
    at = np.minimum(row, day.n - 1)
    return np.asarray(0.5 * (day.bid_px[at, 0].astype(np.float64) + day.ask_px[at, 0]))


def _mid_after(day: Observed, orders: ShownOrders) -> Floats:
    """Mid just after the event: one that improves has moved it itself."""
    best = np.where(day.side[orders.row] > 0, day.bid_px[orders.row, 0], day.ask_px[orders.row, 0])
    own_move = np.where(
        orders.improves, 0.5 * (day.price[orders.row].astype(np.float64) - best), 0.0
    )
    return _mid_at(day, orders.row) + own_move


class _Flows:
    """Counts over rows ``first <= row < last``, by running sums; columns as `COUNTED`, seen from a side."""

    def __init__(self, day: Observed) -> None:
        lots, market = day.lots.astype(np.float64), day.kind == MARKET
        cancel = (day.kind == CANCEL_AT_BEST) | (day.kind == CANCEL_DEEPER)
        add = (day.kind <= LIMIT_DEEPER) & ~day.remainder
        self._sums = {}
        for side in (1, -1):
            own, other = day.side == side, day.side == -side
            columns = (
                market & other, (market & other) * lots, market & own, (market & own) * lots,
                (cancel & own) * lots, (cancel & own) * lots, (cancel & other) * lots, (add & own) * lots,
                (add & other) * lots,
            )  # fmt: skip
            sums = np.zeros((day.n + 1, len(COUNTED)))
            np.cumsum(np.column_stack(columns), axis=0, out=sums[1:])
            self._sums[side] = sums

    def between(self, first: Longs, last: Longs, side: Longs) -> Floats:
        found = {s: sums[last] - sums[first] for s, sums in self._sums.items()}
        return np.where((side > 0)[:, None], found[1], found[-1])


class _OwnCancels:
    """Lots that the event's own order withdrew over rows ``first <= row < last``; 0 where orders have no id."""

    def __init__(self, day: Observed, orders: ShownOrders) -> None:
        rows = np.flatnonzero(
            ((day.kind == CANCEL_AT_BEST) | (day.kind == CANCEL_DEEPER)) & (day.order_id != 0)
        )
        ids = np.unique(day.order_id)
        self._wide = day.n + 1
        keys = np.searchsorted(ids, day.order_id[rows]) * self._wide + rows
        order = np.argsort(keys)
        self._keys = keys[order]
        self._sums = np.concatenate(([0.0], np.cumsum(day.lots[rows][order].astype(np.float64))))
        self._known = day.order_id[orders.row] != 0
        self._id = np.searchsorted(ids, day.order_id[orders.row])

    def between(self, first: Longs, last: Longs) -> Floats:
        start = np.searchsorted(self._keys, self._id * self._wide + first)
        end = np.searchsorted(self._keys, self._id * self._wide + last)
        return np.asarray(np.where(self._known, self._sums[end] - self._sums[start], 0.0))
