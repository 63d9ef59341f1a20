"""Where the classes of the queue-reactive law begin: quantiles of what a tape shows."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercel.market.flow.queue_reactive import words as q
from tercel.market.flow.queue_reactive.extract import Day, Seen, of_side, since_fell
from tercel.market.flow.queue_reactive.preset import UNBOUNDED

LEAST = 200
"""Events of a class."""
VALUES = 200
"""Of which one begins a class."""
GAPS_AT = (0.3, 0.55, 0.75, 0.92)
PAUSES_AT = (0.12, 0.3, 0.5, 0.75)
DROPS_AT = (0.35, 0.75)
FELL_AT = (0.12, 0.35, 0.6, 0.85)
AT_ONCE = 0.02
RETREATS_AT = (0.08, 0.3, 0.6, 0.83, 0.95)
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
    wait_edges = _wait_edges(wait)
    waits = np.searchsorted(wait_edges, wait, side="right")
    after = np.concatenate([d.spread[1:] for d in days])
    gap = np.concatenate([np.concatenate((d.bid[:, 0] - d.bid[:, 1], d.ask[:, 1] - d.ask[:, 0])) for d in days])
    kind = np.concatenate([d.o.kind for d in days]).astype(np.int64)
    return {
        "spread_edges": pad(split(spread, kind, q.SPREADS - 1), q.SPREADS - 1),
        "width_edges": pad(split(after, waits, q.WIDTHS - 1), q.WIDTHS - 1),
        "narrow_edges": pad(split(spread, (kind == q.MARKET).astype(np.int64), q.NARROWS - 1), q.NARROWS - 1),
        "queue_edges": pad(cuts(touch, (0.15, 0.35, 0.6, 0.82, 0.95)), q.QUEUES - 1),
        "imbalance_edges": np.quantile(imbalance, np.arange(1, q.TOUCHES) / q.TOUCHES),
        "flow_edges": np.array([-0.6, -0.2, 0.2, 0.6]),
        "sign_edges": np.array([-0.5, -0.3, -0.1, 0.1, 0.3, 0.5]),
        "run_edges": np.array([0.15, 0.6, 1.4, 3.0]),
        "behind_edges": pad(cuts(gap, GAPS_AT), q.GAPS - 1),
        "retreat_edges": np.zeros(q.RETREATS - 1),
        "age_edges": pad(pauses(days), q.AGES - 1),
        "since_edges": np.quantile(returns(days), (0.2, 0.5, 0.8, 0.97)) + np.arange(1, q.SINCE + 1),
        "drop_edges": pad(cuts(drops(days), DROPS_AT), q.DROPS - 1),
        "fell_edges": np.quantile(falls(days, 1), FELL_AT) + np.arange(1, q.FELL),
        "at_once": np.array([np.quantile(falls(days, -1), AT_ONCE)]) + 1.0,
        "young_edges": np.quantile(lifetimes(days), (0.25, 0.5, 0.8)) + np.arange(1, q.YOUNG + 1),
        "slow_edges": np.zeros(q.SLOW - 1),
        "fast_edges": np.zeros(q.FAST - 1),
        "wait_edges": wait_edges,
    }


def split(values: NDArray[np.integer[Any]], labels: NDArray[np.integer[Any]], most: int) -> NDArray[np.float64]:
    """Whole numbers from which on classes begin, at most `most` edges, so that the classes tell most of the labels.

    The multinomial likelihood of the labels given the class is as large as it can be (dynamic programming over the
    values that were seen, of many every so many-th). Quantiles would put all narrow touches into one class: they last
    a moment because they are taken at once, few events see them, and many trades happen in them.

    Parameters
    ----------
    values, labels : int[n]
        What is put into classes, and what the classes shall tell.
    most : int
        Edges.

    >>> split(np.array([1, 1, 2, 2, 3, 3] * 100), np.array([0, 0, 0, 0, 1, 1] * 100), 1).tolist()
    [3.0]
    """
    if not len(values):
        return np.zeros(0)
    seen = np.unique(values)
    seen = seen[np.unique(np.linspace(0, len(seen) - 1, VALUES).astype(np.int64))]
    at = np.searchsorted(seen, values, side="right") - 1
    counts = np.zeros((len(seen) + 1, int(labels.max()) + 1))
    np.add.at(counts, (at + 1, labels), 1.0)
    total = counts.cumsum(axis=0)
    inside = total[None, :, :] - total[:, None, :]  # [from, to, label]
    size = inside.sum(axis=2)
    with np.errstate(divide="ignore", invalid="ignore"):
        told = np.where(inside > 0, inside * np.log(inside / size[..., None]), 0.0).sum(axis=2)
    told[size < min(LEAST, size.max())] = -np.inf
    best, came = told[0].copy(), []
    for _ in range(most):
        reached = best[:, None] + told
        came.append(reached.argmax(axis=0))
        better = reached.max(axis=0)
        if not better[-1] > best[-1]:
            came.pop()
            break
        best = better
    edges, end = [], len(seen)
    for back in reversed(came):
        end = int(back[end])
        edges.append(float(seen[end]))
    return np.array(edges[::-1])


def cuts(sample: NDArray[np.integer[Any]], shares: Sequence[float]) -> NDArray[np.float64]:
    """Whole numbers from which on classes begin that hold about such shares of a sample; none of an empty one.

    >>> cuts(np.array([1, 1, 2, 5]), (0.5, 0.9)).tolist()
    [2.0, 5.0]
    """
    if not len(sample):
        return np.zeros(0)
    return np.unique(np.quantile(sample, shares).astype(np.int64) + 1).astype(float)


def drops(days: Sequence[Day]) -> NDArray[np.int64]:
    """Ticks by which best prices fell back when a market order or a cancel emptied them."""
    found = []
    for d in days:
        for best, step in ((d.bid[:, 0], 1), (d.ask[:, 0], -1)):
            fell = (best[:-1] - best[1:]) * step
            found.append(fell[(fell > 0) & (d.o.kind[:-1] >= q.CANCEL_AT_BEST)])
    return np.concatenate(found)


def falls(days: Sequence[Day], side: int) -> NDArray[np.float64]:
    """ns since the best price of the own side (1) or of the other (-1) fell when an order comes into the spread."""
    ages = [of_side(since_fell(d), side * d.o.side)[d.o.kind == q.LIMIT_IN_SPREAD] for d in days]
    return np.concatenate([*ages, [1]]).astype(float)


def pauses(days: Sequence[Day]) -> NDArray[np.float64]:
    """Quantiles of the time from one market order to the next, ns."""
    found = [np.diff(d.o.ns[d.o.kind == q.MARKET]) for d in days]
    return np.quantile(np.concatenate([*found, [1]]), PAUSES_AT) + np.arange(1, len(PAUSES_AT) + 1)


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
    law["retreat_edges"] = np.quantile(np.concatenate([s.retreat.ravel() for s in seen]), RETREATS_AT)
    x = np.concatenate([s.slow for s in seen])
    classes = np.searchsorted(law["slow_edges"], x, side="right")
    centre = np.array([x[classes == c].mean() if (classes == c).any() else 0.0 for c in range(q.SLOW)])
    return np.clip((centre - centre[::-1]) / max(float(x.std()), 1e-9) / 2.0, -3.0, 3.0)
