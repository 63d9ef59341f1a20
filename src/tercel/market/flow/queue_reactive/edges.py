"""Where the classes of the queue-reactive law begin: quantiles of what a tape shows."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercel.market.flow.queue_reactive import words as q
from tercel.market.flow.queue_reactive.extract import Day, Seen
from tercel.market.flow.queue_reactive.preset import UNBOUNDED

SPREAD_AT = (0.15, 0.3, 0.45, 0.6, 0.72, 0.83, 0.91, 0.96, 0.985)
GAPS_AT = (0.3, 0.55, 0.75, 0.92)
SLOW_AT = (0.15, 0.4, 0.7, 0.92)
FAST_AT = (0.45, 0.85)


def edges(days: Sequence[Day]) -> dict[str, NDArray[np.float64]]:
    """Edges by table, see `tables.LAYOUT`; those of the displacements are still zeros (`displacements`).

    Spreads and queues are in ticks and lots, waits and ages in ns, flows of trade signs from -1 to 1, runs in market
    orders.
    """
    spread = np.concatenate([d.spread for d in days])
    touch = np.concatenate([np.concatenate((d.bid_lots[:, 0], d.ask_lots[:, 0])) for d in days])
    imbalance = np.concatenate(
        [(d.bid_lots[:, 0] - d.ask_lots[:, 0]) / np.maximum(d.bid_lots[:, 0] + d.ask_lots[:, 0], 1) for d in days]
    )
    imbalance = np.concatenate((imbalance, -imbalance))
    wait = np.concatenate([d.wait[1:] for d in days]).astype(float)
    gap = np.concatenate([np.concatenate((d.bid[:, 0] - d.bid[:, 1], d.ask[:, 1] - d.ask[:, 0])) for d in days])
    spreads = cuts(spread, SPREAD_AT)
    if (spread == 1).mean() > 0.01:
        spreads = np.unique(np.concatenate(([2.0], spreads)))
    return {
        "spread_edges": pad(spreads, q.SPREADS - 1),
        "width_edges": pad(cuts(spread, (0.4, 0.85)), q.WIDTHS - 1),
        "queue_edges": pad(cuts(touch, (0.15, 0.35, 0.6, 0.82, 0.95)), q.QUEUES - 1),
        "imbalance_edges": np.quantile(imbalance, np.arange(1, q.TOUCHES) / q.TOUCHES),
        "flow_edges": np.array([-0.6, -0.2, 0.2, 0.6]),
        "sign_edges": np.array([-0.5, -0.3, -0.1, 0.1, 0.3, 0.5]),
        "run_edges": np.array([0.15, 0.6, 1.4, 3.0]),
        "behind_edges": pad(cuts(gap, GAPS_AT), q.GAPS - 1),
        "age_edges": np.array([0.05e9, 2e9]),
        "since_edges": np.quantile(returns(days), (0.15, 0.4, 0.65, 0.9)) + np.arange(1, q.SINCE + 1),
        "young_edges": np.quantile(lifetimes(days), (0.25, 0.5, 0.8)) + np.arange(1, q.YOUNG + 1),
        "slow_edges": np.zeros(q.SLOW - 1),
        "fast_edges": np.zeros(q.FAST - 1),
        "wait_edges": _wait_edges(wait),
    }


def cuts(sample: NDArray[np.integer[Any]], shares: Sequence[float]) -> NDArray[np.float64]:
    """Whole numbers from which on classes begin that hold about such shares of a sample; none of an empty one.

    >>> cuts(np.array([1, 1, 2, 5]), (0.5, 0.9)).tolist()
    [2.0, 5.0]
    """
    if not len(sample):
        return np.zeros(0)
    return np.unique(np.quantile(sample, shares).astype(np.int64) + 1).astype(float)


def pad(found: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """So many ascending edges: those found, filled up with what nothing reaches.

    >>> pad(np.array([1.0, 2.0]), 3).tolist()
    [1.0, 2.0, 1e+300]
    """
    return np.concatenate((found[:count], np.full(max(count - len(found), 0), UNBOUNDED)))


def _wait_edges(wait: NDArray[np.float64]) -> NDArray[np.float64]:
    """Edges that part the zeros from the rest and the rest evenly."""
    positive = np.sort(wait[wait > 0])
    zeros = 1.0 - len(positive) / max(len(wait), 1)
    first = np.array([positive[0] / 2.0]) if zeros > 0.01 else np.zeros(0)
    missing = q.WAITS - 1 - len(first)
    at = (np.arange(1, missing + 1)) / (missing + 1)
    more = np.unique(np.quantile(positive, at))
    more = more[more > positive[0]] if len(first) else more
    return pad(np.unique(np.concatenate((first, more))), q.WAITS - 1)


def returns(days: Sequence[Day]) -> NDArray[np.float64]:
    """ns from each time that a trade or a cancel emptied a best price to the next order into the spread on its side.

    float64[m + 1]: a first one of 1 ns stands for a tape that has none; what never came is left out.
    """
    found = [np.ones(1)]
    for d in days:
        ns, kind, side = d.o.ns, d.o.kind[:-1], d.o.side[:-1].astype(np.int64)
        for at, book, sign in ((1, d.bid, 1), (-1, d.ask, -1)):
            fell = (book[:-1, 0] - book[1:, 0]) * sign > 0
            own = np.where(kind == q.MARKET, -side, side) == at
            emptied = np.flatnonzero(fell & own & ((kind == q.MARKET) | (kind == q.CANCEL_AT_BEST)))
            again = np.append(ns[:-1][(kind == q.LIMIT_IN_SPREAD) & (side == at)], np.iinfo(np.int64).max)
            after = again[np.searchsorted(again, ns[emptied], side="right")]
            found.append((after - ns[emptied])[after < again[-1]].astype(float))
    return np.concatenate(found)


def lifetimes(days: Sequence[Day]) -> NDArray[np.float64]:
    """ns from coming to the best to being withdrawn from it, of orders that were, float64[m + 1] (as `returns`)."""
    found = [np.ones(1)]
    for d in days:
        came = (d.o.kind == q.LIMIT_IN_SPREAD) | (d.o.kind == q.LIMIT_AT_BEST)
        gone = (d.o.kind == q.CANCEL_AT_BEST) & (d.o.order_id != 0)
        ids, first = np.unique(d.o.order_id[came], return_index=True)
        at = np.minimum(np.searchsorted(ids, d.o.order_id[gone]), max(len(ids) - 1, 0))
        if len(ids):
            known = ids[at] == d.o.order_id[gone]
            found.append((d.o.ns[gone] - d.o.ns[came][first][at])[known].astype(float))
    return np.concatenate(found)


def displacements(law: dict[str, NDArray[np.float64]], seen: Sequence[Seen]) -> NDArray[np.float64]:
    """Set symmetric edges of the displacement classes; centres of those from the slow mean, standard deviations."""
    for name, at in (("slow", SLOW_AT), ("fast", FAST_AT)):
        upper = np.quantile(np.abs(np.concatenate([getattr(s, name) for s in seen])), at)
        upper = np.maximum.accumulate(upper + 1e-6 * np.arange(1, len(upper) + 1))
        law[f"{name}_edges"] = np.concatenate((-upper[::-1], upper))
    x = np.concatenate([s.slow for s in seen])
    classes = np.searchsorted(law["slow_edges"], x, side="right")
    centre = np.array([x[classes == c].mean() if (classes == c).any() else 0.0 for c in range(q.SLOW)])
    return np.clip((centre - centre[::-1]) / max(float(x.std()), 1e-9) / 2.0, -3.0, 3.0)
