"""Quantile tables of the Hawkes flow's order sizes and placement, from the tape."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from studies.flows.hawkes import layout as at
from tercel.core import NS_PER_SECOND, Bytes, Floats, Longs, kernel
from tercel.market.observed import Observed

Whole = tuple[int, ...]
DIGITS = 6
FEW = 50
"""Values below which a class takes those of all classes."""


@dataclass(frozen=True, eq=False)
class HawkesDay:
    """Events of one day in the flow's kinds, with their books; lots are simulated lots."""

    seen: Observed
    seconds: Floats
    kind: NDArray[np.int8]
    side: NDArray[np.int8]
    lots: Longs
    away: Longs
    bid_lots: Floats
    ask_lots: Floats
    bid_px: NDArray[np.int32]
    ask_px: NDArray[np.int32]

    @property
    def waits(self) -> Floats:
        """Seconds since the event before."""
        return np.diff(self.seconds, prepend=self.start_s)

    @property
    def start_s(self) -> float:
        """Start of the stretch, seconds after the session's opening."""
        return (self.seen.start_ns - self.seen.open_ns) / NS_PER_SECOND

    @property
    def spread(self) -> Longs:
        return (self.ask_px[:, 0] - self.bid_px[:, 0]).astype(np.int64)


def nested(values: Floats) -> Any:
    """Tuples of floats rounded to six digits, to keep the file small."""
    if values.ndim > 1:
        return tuple(nested(row) for row in values)
    return tuple(float(f"{x:.{DIGITS}g}") for x in values)


def quantiles(values: Longs, entries: int) -> Whole:
    """Equally likely values, ascending: atoms keep their shares; the last entry is moved so that the mean is kept.

    >>> quantiles(np.array([1, 1, 1, 5]), 4)
    (1, 1, 1, 5)
    """
    ordered = np.sort(values)
    table = ordered[((np.arange(entries) + 0.5) * len(ordered) / entries).astype(np.int64)]
    missing = round(float(ordered.mean()) * entries - float(table.sum()))
    table[-1] = max(int(table[-1]) + max(missing, 0), 1)
    return tuple(int(x) for x in table)


def sizes(days: Sequence[HawkesDay]) -> tuple[Whole, ...]:
    """Lots of limit orders in the spread, at the best, and deeper."""
    kind = np.concatenate([day.kind for day in days])
    lots = np.concatenate([day.lots for day in days])
    return tuple(
        quantiles(lots[kind == i], at.SIZES) for i in (at.IN_SPREAD, at.AT_BEST, at.DEEPER)
    )


def _by_class(
    values: Longs, classes: Longs, count: int, told: Callable[[Longs], Whole]
) -> tuple[Whole, ...]:
    """What is `told` of the values of each class, of all where a class has few."""
    each = (values[classes == c] for c in range(count))
    return tuple(told(own if len(own) >= FEW else values) for own in each)


def _spread_out(values: Longs) -> Whole:
    ordered = np.sort(values)
    return tuple(
        int(x)
        for x in ordered[((np.arange(at.PLACES) + 0.5) * len(ordered) / at.PLACES).astype(np.int64)]
    )


def _by_spread(
    days: Sequence[HawkesDay], spread_edges: Longs, kind: int, behind: int
) -> tuple[Whole, ...]:
    """Ticks behind the own best (before it, where `behind` is -1) of orders of a kind, by spread class."""
    chosen = np.concatenate([day.kind for day in days]) == kind
    spread = np.searchsorted(
        spread_edges, np.concatenate([day.spread for day in days]), side="right"
    )
    away = np.maximum(behind * np.concatenate([day.away for day in days]), 1)
    return _by_class(away[chosen], spread[chosen], at.SPREADS, _spread_out)


def improvements(days: Sequence[HawkesDay], spread_edges: Longs) -> tuple[Whole, ...]:
    """Ticks inside the own best of limit orders in the spread, by spread class."""
    return _by_spread(days, spread_edges, at.IN_SPREAD, -1)


def distances(days: Sequence[HawkesDay], spread_edges: Longs) -> tuple[Whole, ...]:
    """Ticks behind the own best of deeper limit orders, by spread class."""
    return _by_spread(days, spread_edges, at.DEEPER, 1)


@kernel
def count_returns(
    kind: Bytes,
    side: Bytes,
    price: Any,
    touch: Any,
    lost: Longs,
    how: Longs,
    chances: Longs,
    taken: Longs,
) -> None:
    """Count limit orders in the spread that could come back to the best price last given up, and that did.

    `price` of each order, `touch` [n, 2] bid and ask before each; `lost` and `how` [2] come in as zeros; `chances` and
    `taken` [2] by how the price was given up: 0 by a cancel, 1 by a trade.
    """
    for n in range(kind.shape[0]):
        if n > 0:
            for s in range(2):
                if (touch[n, s] - touch[n - 1, s]) * (1 - 2 * s) < 0:
                    lost[s] = touch[n - 1, s]
                    how[s] = 1 if kind[n - 1] == at.MARKET else 0
        s = side[n]
        if kind[n] != at.IN_SPREAD or lost[s] == 0:
            continue
        toward = 1 - 2 * s
        if (lost[s] - touch[n, s]) * toward > 0 and (touch[n, 1 - s] - lost[s]) * toward > 0:
            chances[how[s]] += 1
            taken[how[s]] += price[n] == lost[s]


def returns(days: Sequence[HawkesDay]) -> tuple[float, float]:
    """Share of limit orders in the spread that come back to the best price last given up: by a cancel, by a trade."""
    chances, taken = np.zeros(2, np.int64), np.zeros(2, np.int64)
    for day in days:
        touch = np.stack((day.bid_px[:, 0], day.ask_px[:, 0]), axis=1).astype(np.int64)
        own = touch[np.arange(len(day.kind)), day.side]
        price = (own - np.where(day.side == 0, 1, -1) * day.away).astype(np.int64)
        count_returns(
            day.kind,
            day.side,
            price,
            touch,
            np.zeros(2, np.int64),
            np.zeros(2, np.int64),
            chances,
            taken,
        )
    shares = taken / np.maximum(chances, 1)
    return float(f"{shares[0]:.{DIGITS}g}"), float(f"{shares[1]:.{DIGITS}g}")


def _met(days: Sequence[HawkesDay]) -> tuple[Longs, Longs]:
    """Lots of every market order, and of the queue that it met."""
    lots = np.concatenate([day.lots[day.kind == at.MARKET] for day in days])
    queue = np.concatenate(
        [
            np.where(day.side == 0, day.ask_lots[:, 0], day.bid_lots[:, 0])[day.kind == at.MARKET]
            for day in days
        ]
    )
    return lots, queue.astype(np.int64)


def less_than_queue(days: Sequence[HawkesDay], queue_edges: Longs) -> tuple[Whole, ...]:
    """Lots of market orders that leave part of the queue, by queue class."""
    lots, queue = _met(days)
    left = lots < queue
    if not left.any():
        return ((1,) * at.PLACES,) * at.QUEUES
    classes = np.searchsorted(queue_edges, queue[left], side="right")
    return _by_class(lots[left], classes, at.QUEUES, lambda own: quantiles(own, at.PLACES))


def more_than_queue(days: Sequence[HawkesDay]) -> Any:
    """Lots of market orders beyond the queue, over the queue's lots."""
    lots, queue = _met(days)
    ratios = np.sort((lots / np.maximum(queue, 1))[lots > queue])
    if len(ratios) == 0:
        return (2.0,) * at.PLACES
    return nested(ratios[((np.arange(at.PLACES) + 0.5) * len(ratios) / at.PLACES).astype(np.int64)])


def sweeps(days: Sequence[HawkesDay], queue_edges: Longs) -> Any:
    """Shares of market orders that take exactly the queue, and less, by queue class."""
    lots, queue = _met(days)
    classes = np.searchsorted(queue_edges, queue, side="right")
    orders = np.bincount(classes, minlength=at.QUEUES).astype(np.float64)
    taken = [np.bincount(classes, which, at.QUEUES) for which in (lots == queue, lots < queue)]
    return nested(
        np.stack(
            [(hits + 10.0 * hits.sum() / orders.sum()) / (orders + 10.0) for hits in taken], axis=1
        )
    )
