"""Class edges of the queue-reactive law (at quantiles of the tape, or most informative), and the samples that they divide."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercel.core.arrays import AnyArray, Ints
from tercel.core.jit import Floats
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.flow.queue_reactive import layout as q
from tercel.market.flow.queue_reactive.extract import (
    ExtractedDay,
    FlowState,
    ns_since_fall,
    of_side,
)
from tercel.market.flow.queue_reactive.tables import LAYOUT, UNBOUNDED

MIN_CLASS_EVENTS = 200
"""Events of a class of `informative_edges`."""
VALUES = 200
"""At which a class of `informative_edges` may begin."""
QUEUES_AT = (0.15, 0.35, 0.6, 0.82, 0.95)
GAPS_AT = (0.3, 0.55, 0.75, 0.92)
PAUSES_AT = (0.12, 0.3, 0.5, 0.75)
RETURNS_AT = (0.2, 0.5, 0.8, 0.97)
DROPS_AT = (0.35, 0.75)
FELL_AT = (0.12, 0.35, 0.6, 0.85)
LIVES_AT = (0.25, 0.5, 0.8)
PRESSURES_AT = (0.2, 0.5, 0.8)
INSIDES_AT = (0.3, 0.55, 0.75, 0.92)
WITHDRAWN_AT = (0.35, 0.65, 0.9)
AGAIN_S = 30.0
FAST_AT = (0.45, 0.85)
LASTS_AT = (0.1, 0.3, 0.5, 0.7, 0.9)
SHIFTS_AT = (0.01, 0.03, 0.07, 0.15, 0.3, 0.6, 0.85)
STATE_TABLES = ("shift", "last", "fast", "pressure", "insides", "withdrawn")


def class_edges(days: Sequence[ExtractedDay]) -> dict[str, Floats]:
    """Class edges by table, see `tables.LAYOUT`; those of the displacements are still zeros (`set_state_edges`).

    Spreads, gaps and drops are in ticks, queues in lots, waits and ages in ns, flows of trade signs from -1 to 1, runs
    in market orders.
    """
    wait = np.concatenate([d.wait[1:] for d in days]).astype(float)
    touch, imbalance = _touch_lots(days)
    by_table = {
        "queue_edges": pad(quantile_edges(touch, QUEUES_AT), q.QUEUES - 1),
        "imbalance_edges": np.quantile(imbalance, np.arange(1, q.TOUCHES) / q.TOUCHES),
        "flow_edges": np.array([-0.6, -0.2, 0.2, 0.6]),
        "sign_edges": np.array([-0.5, -0.3, -0.1, 0.1, 0.3, 0.5]),
        "run_edges": np.array([0.15, 0.6, 1.4, 3.0]),
        "behind_edges": pad(quantile_edges(gaps(days), GAPS_AT), q.GAPS - 1),
        "age_edges": pauses(days),
        "since_edges": _rising_quantiles(returns(days), RETURNS_AT),
        "drop_edges": pad(quantile_edges(drops(days), DROPS_AT), q.DROPS - 1),
        "fell_edges": _rising_quantiles(falls(days), FELL_AT),
        "again_edges": _again_edges(days),
        "young_edges": _rising_quantiles(lifetimes(days), LIVES_AT),
        "wait_edges": _wait_edges(wait),
        **{f"{name}_edges": np.zeros(LAYOUT[f"{name}_edges"].length) for name in STATE_TABLES},
    }
    return by_table | _spread_edges(
        days, np.searchsorted(by_table["wait_edges"], wait, side="right")
    )


def _spread_edges(days: Sequence[ExtractedDay], waits: Ints) -> dict[str, Floats]:
    """Edges of classes of the spread that tell most of: the event's kind, the wait before it, whether it is a market order."""
    spread = np.concatenate([d.spread for d in days])
    after = np.concatenate([d.spread[1:] for d in days])
    kind = np.concatenate([d.o.kind for d in days]).astype(np.int64)
    return {
        "spread_edges": pad(informative_edges(spread, kind, q.SPREADS - 1), q.SPREADS - 1),
        "width_edges": pad(informative_edges(after, waits, q.WIDTHS - 1), q.WIDTHS - 1),
        "narrow_edges": pad(
            informative_edges(spread, (kind == q.MARKET).astype(np.int64), q.NARROWS - 1),
            q.NARROWS - 1,
        ),
    }


def informative_edges(
    values: NDArray[np.integer[Any]], labels: NDArray[np.integer[Any]], max_edges: int
) -> Floats:
    """At most `max_edges` integer edges that make the classes most informative about the labels.

    The multinomial likelihood of the labels given the class is as large as it can be (dynamic programming over the
    values that were seen, of many every so many-th). Quantiles would put all narrow touches into one class: they last
    a moment because they are taken at once, few events see them, and many trades happen in them.

    Parameters
    ----------
    values, labels : int[n]
        Values to divide into classes, and labels that the classes predict.
    max_edges : int
        Edges.

    >>> informative_edges(np.array([1, 1, 2, 2, 3, 3] * 100), np.array([0, 0, 0, 0, 1, 1] * 100), 1).tolist()
    [3.0]
    """
    if not len(values):
        return np.zeros(0)
    starts = np.unique(values)
    starts = starts[np.unique(np.linspace(0, len(starts) - 1, VALUES).astype(np.int64))]
    gain = _gain(np.searchsorted(starts, values, side="right") - 1, labels, len(starts))
    best = gain[0]
    predecessors = []
    for _ in range(max_edges):
        reachable = best[:, None] + gain
        if not reachable[:, -1].max() > best[-1]:
            break
        predecessors.append(reachable.argmax(axis=0))
        best = reachable.max(axis=0)
    end = len(starts)
    starts_chosen = []
    for back in reversed(predecessors):
        end = int(back[end])
        starts_chosen.append(float(starts[end]))
    return np.array(starts_chosen[::-1])


def _gain(value_of: Ints, labels: NDArray[np.integer[Any]], n_values: int) -> Floats:
    """Log likelihood of the labels in a class, float64[many + 1, many + 1], from one value up to before another.

    `value_of` int64[n]: which of the `n_values` values; -inf: too few events.
    """
    counts = np.zeros((n_values + 1, int(labels.max()) + 1))
    np.add.at(counts, (value_of + 1, labels), 1.0)
    total = counts.cumsum(axis=0)
    inside = total[None, :, :] - total[:, None, :]
    size = inside.sum(axis=2)
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = np.where(inside > 0, inside * np.log(inside / size[..., None]), 0.0).sum(axis=2)
    gain[size < min(MIN_CLASS_EVENTS, size.max())] = -np.inf
    return np.asarray(gain)


def quantile_edges(sample: NDArray[np.integer[Any]], shares: Sequence[float]) -> Floats:
    """Integer edges of classes with about the given shares of a sample; [] for an empty one.

    >>> quantile_edges(np.array([1, 1, 2, 5]), (0.5, 0.9)).tolist()
    [2.0, 5.0]
    """
    if not len(sample):
        return np.zeros(0)
    return np.unique(np.quantile(sample, shares).astype(np.int64) + 1).astype(float)


def _touch_lots(days: Sequence[ExtractedDay]) -> tuple[Ints, Floats]:
    """Lots of both best queues, and their imbalance from each side: (own - other) / (own + other)."""
    bid, ask = (
        np.concatenate([getattr(d, name)[:, 0] for d in days]) for name in ("bid_lots", "ask_lots")
    )
    imbalance = (bid - ask) / np.maximum(bid + ask, 1)
    return np.concatenate((bid, ask)), np.concatenate((imbalance, -imbalance))


def gaps(days: Sequence[ExtractedDay]) -> Ints:
    """Ticks from best prices to the next levels."""
    return np.concatenate(
        [np.concatenate((d.bid[:, 0] - d.bid[:, 1], d.ask[:, 1] - d.ask[:, 0])) for d in days]
    )


def drops(days: Sequence[ExtractedDay]) -> Ints:
    """Ticks by which best prices retreated when a market order or a cancel emptied them."""
    retreats = []
    for d in days:
        for best, step in ((d.bid[:, 0], 1), (d.ask[:, 0], -1)):
            fell = (best[:-1] - best[1:]) * step
            retreats.append(fell[(fell > 0) & (d.o.kind[:-1] >= q.CANCEL_AT_BEST)])
    return np.concatenate(retreats)


def falls(days: Sequence[ExtractedDay]) -> Floats:
    """ns since a side's best price last retreated, at each order into the spread on that side; one value of 1 is appended."""
    ages = [of_side(ns_since_fall(d), d.o.side)[d.o.kind == q.LIMIT_IN_SPREAD] for d in days]
    return np.concatenate([*ages, [1]]).astype(float)


def pauses(days: Sequence[ExtractedDay]) -> Floats:
    """Quantiles of the time between market orders, ns."""
    waits = [np.diff(d.o.ns[d.o.kind == q.MARKET]) for d in days]
    return _rising_quantiles(np.concatenate([*waits, [1]]), PAUSES_AT)


def _rising_quantiles(sample: AnyArray, shares: Sequence[float]) -> Floats:
    """Quantiles of times, ns; the first moved up by 1, the next by 2, so that no two edges are the same."""
    return np.asarray(np.quantile(sample, shares) + np.arange(1, len(shares) + 1))


def pad(edges: Floats, count: int) -> Floats:
    """Ascending edges cut to `count`, or padded to it with unreachable ones.

    >>> pad(np.array([1.0, 2.0]), 3).tolist()
    [1.0, 2.0, 1e+300]
    """
    return np.concatenate((edges[:count], np.full(max(count - len(edges), 0), UNBOUNDED)))


def _wait_edges(wait: Floats) -> Floats:
    """Edges of waits that divide those above 0 evenly, after one that sets zeros apart if they are more than 1 %; padded."""
    positive = np.sort(wait[wait > 0])
    zeros = 1.0 - len(positive) / max(len(wait), 1)
    lowest = np.array([positive[0] / 2.0]) if zeros > 0.01 else np.zeros(0)
    missing = q.WAITS - 1 - len(lowest)
    shares = (np.arange(1, missing + 1)) / (missing + 1)
    upper = np.unique(np.quantile(positive, shares))
    upper = upper[upper > positive[0]] if len(lowest) else upper
    return pad(np.unique(np.concatenate((lowest, upper))), q.WAITS - 1)


def returns(days: Sequence[ExtractedDay]) -> Floats:
    """ns from each emptying of a best price to the next order into the spread on its side.

    float64[m + 1]: a first one of 1 ns is for a tape that has none; what never came is left out.
    """
    ages = [np.ones(1)]
    for d in days:
        ns = d.o.ns
        kind = d.o.kind[:-1]
        side = d.o.side[:-1].astype(np.int64)
        for book_side, book, sign in ((1, d.bid, 1), (-1, d.ask, -1)):
            fell = (book[:-1, 0] - book[1:, 0]) * sign > 0
            same_side = np.where(kind == q.MARKET, -side, side) == book_side
            emptied = np.flatnonzero(
                fell & same_side & ((kind == q.MARKET) | (kind == q.CANCEL_AT_BEST))
            )
            arrivals = np.append(
                ns[:-1][(kind == q.LIMIT_IN_SPREAD) & (side == book_side)], np.iinfo(np.int64).max
            )
            after = arrivals[np.searchsorted(arrivals, ns[emptied], side="right")]
            ages.append((after - ns[emptied])[after < arrivals[-1]].astype(float))
    return np.concatenate(ages)


def lifetimes(days: Sequence[ExtractedDay]) -> Floats:
    """ns that cancelled orders spent at the best, float64[m + 1] (as `returns`)."""
    ages = [np.ones(1)]
    for d in days:
        placed = (d.o.kind == q.LIMIT_IN_SPREAD) | (d.o.kind == q.LIMIT_AT_BEST)
        withdrawn = (d.o.kind == q.CANCEL_AT_BEST) & (d.o.order_id != 0)
        ids, first_index = np.unique(d.o.order_id[placed], return_index=True)
        position = np.minimum(np.searchsorted(ids, d.o.order_id[withdrawn]), max(len(ids) - 1, 0))
        if len(ids):
            matches = ids[position] == d.o.order_id[withdrawn]
            ages.append(
                (d.o.ns[withdrawn] - d.o.ns[placed][first_index][position])[matches].astype(float)
            )
    return np.concatenate(ages)


def _again_edges(days: Sequence[ExtractedDay]) -> Floats:
    """Edges of the age of a retreat, ns: orders into the spread within 30 s of it in equal shares, and 30 s as the last."""
    ages = falls(days)
    inner = _rising_quantiles(
        ages[ages < AGAIN_S * NS_PER_SECOND], tuple(c / q.AGAINS for c in range(1, q.AGAINS))
    )
    return np.append(inner, max(AGAIN_S * NS_PER_SECOND, inner[-1] + 1.0))


def set_state_edges(law: dict[str, Floats], states: Sequence[FlowState]) -> Floats:
    """Write edges of what `extract.track_state` computes into `law`; returns the mean fast displacement of each class, in sd."""
    for name, shares in (("fast", FAST_AT), ("pressure", PRESSURES_AT)):
        upper = np.quantile(np.abs(np.concatenate([getattr(s, name) for s in states])), shares)
        upper = np.maximum.accumulate(upper + 1e-6 * np.arange(1, len(upper) + 1))
        law[f"{name}_edges"] = np.concatenate((-upper[::-1], upper))
    shift = np.concatenate([s.shift[s.event <= 1] for s in states])
    law["shift_edges"] = np.quantile(np.append(shift, 0.0), SHIFTS_AT)
    beyond = np.concatenate([s.beyond_last.ravel() for s in states]).astype(np.int64)
    law["last_edges"] = pad(quantile_edges(beyond, LASTS_AT), q.LASTS - 1)
    lately = np.concatenate([s.lately for s in states])
    law["insides_edges"] = np.quantile(lately[:, :2].ravel(), INSIDES_AT)
    law["withdrawn_edges"] = np.quantile(lately[:, 2:].ravel(), WITHDRAWN_AT)
    x = np.concatenate([s.fast for s in states])
    classes = np.searchsorted(law["fast_edges"], x, side="right")
    centre = np.array(
        [x[classes == c].mean() if (classes == c).any() else 0.0 for c in range(q.FAST)]
    )
    return np.clip((centre - centre[::-1]) / max(float(x.std()), 1e-9) / 2.0, -3.0, 3.0)
