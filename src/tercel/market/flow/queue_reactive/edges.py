"""Class edges of the queue-reactive law: at quantiles of the tape, or where they are most informative.

Weights of events as a product of factors, by iterative proportional fitting (Deming & Stephan 1940) with a prior.

P(event | cells) is proportional to the product over tables of table[cell, event], times known offsets. Each sweep fits
one table after the other, the rest held: factor = (count + p) / (expected / factor + p), where p is `prior` times the
event's share overall. A cell that never saw an event thus keeps a factor near 1 for rare events and near the data's for
frequent ones (uniform pseudo-counts would inflate the rare ones).

Which orders are cancelled: at the best by age and size, behind it by level, lots and rank.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tercel.core.arrays import AnyArray, Ints
from tercel.core.jit import Floats, Longs, Packed, kernel
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.flow.queue_reactive import layout as q
from tercel.market.flow.queue_reactive.extract import (
    ExtractedDay,
    FlowState,
    of_side,
    queues,
    ranks,
    since_fell,
)
from tercel.market.flow.queue_reactive.preset import LAYOUT, UNBOUNDED

# -- weights of events, by iterative proportional fitting --


@kernel
def expect(
    cells: Packed,
    offsets: Floats,
    tables: Floats,
    starts: Longs,
    which: int,
    expected: Floats,
    w: Floats,
) -> None:
    """Add the probabilities of the events, by cell of table `which`, to `expected`, float64[cells, EVENTS].

    `cells` int32[n, T]; `offsets` float64[n, 6]: in the spread allowed, then the four cancels, then market; `tables`
    float64[cells, EVENTS] one behind the other from `starts`; `w` float64[EVENTS] to work in.
    """
    count = starts.shape[0]
    for i in range(cells.shape[0]):
        total = 0.0
        for e in range(q.EVENTS):
            x = 1.0
            for t in range(count):
                x *= tables[starts[t] + cells[i, t], e]
            if e < 2:
                x *= offsets[i, 0]
            elif 2 * q.CANCEL_AT_BEST <= e < 2 * q.CANCEL_AT_BEST + 4:
                x *= offsets[i, 1 + e - 2 * q.CANCEL_AT_BEST]
            elif e >= 2 * q.MARKET:
                x *= offsets[i, 5]
            w[e] = x
            total += x
        at = starts[which] + cells[i, which]
        for e in range(q.EVENTS):
            expected[at, e] += w[e] / total


def rake(
    cells: Packed,
    offsets: Floats,
    events: Longs,
    sizes: tuple[int, ...],
    sweeps: int = 12,
    prior: float = 20.0,
) -> list[Floats]:
    """The tables, float64[size, EVENTS] each; the first carries the overall shares.

    Parameters
    ----------
    cells : int32[n, T]
        Cell of each table, by observation.
    offsets : float64[n, 6]
        See `expect`.
    events : int64[n]
        Kind of the event.
    sizes : tuple of int
        Cells of each table.
    sweeps, prior
        See the module.
    """
    starts = np.concatenate(([0], np.cumsum(sizes)[:-1])).astype(np.int64)
    share = np.bincount(events, minlength=q.EVENTS) / len(events)
    tables = np.ones((sum(sizes), q.EVENTS))
    tables[: sizes[0]] = np.maximum(share, 1e-9)
    counts = [
        np.bincount(
            cells[:, t].astype(np.int64) * q.EVENTS + events, minlength=n * q.EVENTS
        ).reshape(n, -1)
        for t, n in enumerate(sizes)
    ]
    w = np.zeros(q.EVENTS)
    for _ in range(sweeps):
        for t, n in enumerate(sizes):
            expected = np.zeros_like(tables)
            expect(cells, offsets, tables, starts, t, expected, w)
            part = tables[starts[t] : starts[t] + n]
            bare = expected[starts[t] : starts[t] + n] / part
            base = share * prior if t else prior
            factor = share if t == 0 else 1.0
            part[:] = (counts[t] + base * factor) / np.maximum(bare + base, 1e-300)
            np.clip(part, 1e-9, 1e6, out=part)
    return [tables[s : s + n].copy() for s, n in zip(starts, sizes, strict=True)]


LEAST = 200
"""Events of a class of `split`."""
VALUES = 200
"""At which a class of `split` may begin."""
QUEUES_AT = (0.15, 0.35, 0.6, 0.82, 0.95)
GAPS_AT = (0.3, 0.55, 0.75, 0.92)
PAUSES_AT = (0.12, 0.3, 0.5, 0.75)
RETURNS_AT = (0.2, 0.5, 0.8, 0.97)
DROPS_AT = (0.35, 0.75)
FELL_AT = (0.12, 0.35, 0.6, 0.85)
LIVES_AT = (0.25, 0.5, 0.8)
RETREATS_AT = (0.08, 0.3, 0.6, 0.83, 0.95)
PRESSURES_AT = (0.2, 0.5, 0.8)
INSIDES_AT = (0.3, 0.55, 0.75, 0.92)
WITHDRAWN_AT = (0.35, 0.65, 0.9)
AGAIN_S = 30.0
FAST_AT = (0.45, 0.85)


SEEN = ("retreat", "fast", "pressure", "insides", "withdrawn")


def edges(days: Sequence[ExtractedDay]) -> dict[str, Floats]:
    """Class edges by table, see `tables.LAYOUT`; those of the displacements are still zeros (`displacements`).

    Spreads, gaps and drops are in ticks, queues in lots, waits and ages in ns, flows of trade signs from -1 to 1, runs
    in market orders.
    """
    wait = np.concatenate([d.wait[1:] for d in days]).astype(float)
    touch, imbalance = _touches(days)
    found = {
        "queue_edges": pad(cuts(touch, QUEUES_AT), q.QUEUES - 1),
        "imbalance_edges": np.quantile(imbalance, np.arange(1, q.TOUCHES) / q.TOUCHES),
        "flow_edges": np.array([-0.6, -0.2, 0.2, 0.6]),
        "sign_edges": np.array([-0.5, -0.3, -0.1, 0.1, 0.3, 0.5]),
        "run_edges": np.array([0.15, 0.6, 1.4, 3.0]),
        "behind_edges": pad(cuts(gaps(days), GAPS_AT), q.GAPS - 1),
        "age_edges": pauses(days),
        "since_edges": _rising(returns(days), RETURNS_AT),
        "drop_edges": pad(cuts(drops(days), DROPS_AT), q.DROPS - 1),
        "fell_edges": _rising(falls(days), FELL_AT),
        "again_edges": _again(days),
        "young_edges": _rising(lifetimes(days), LIVES_AT),
        "wait_edges": _wait_edges(wait),
        **{f"{name}_edges": np.zeros(LAYOUT[f"{name}_edges"].length) for name in SEEN},
    }
    return found | _spread_edges(days, np.searchsorted(found["wait_edges"], wait, side="right"))


def _spread_edges(days: Sequence[ExtractedDay], waits: Ints) -> dict[str, Floats]:
    """Classes of the spread that tell most of the kind of event, of whether it is a market order, of the next wait."""
    spread = np.concatenate([d.spread for d in days])
    after = np.concatenate([d.spread[1:] for d in days])
    kind = np.concatenate([d.o.kind for d in days]).astype(np.int64)
    return {
        "spread_edges": pad(split(spread, kind, q.SPREADS - 1), q.SPREADS - 1),
        "width_edges": pad(split(after, waits, q.WIDTHS - 1), q.WIDTHS - 1),
        "narrow_edges": pad(
            split(spread, (kind == q.MARKET).astype(np.int64), q.NARROWS - 1), q.NARROWS - 1
        ),
    }


def split(values: NDArray[np.integer[Any]], labels: NDArray[np.integer[Any]], most: int) -> Floats:
    """At most `most` integer edges that make the classes most informative about the labels.

    The multinomial likelihood of the labels given the class is as large as it can be (dynamic programming over the
    values that were seen, of many every so many-th). Quantiles would put all narrow touches into one class: they last
    a moment because they are taken at once, few events see them, and many trades happen in them.

    Parameters
    ----------
    values, labels : int[n]
        Values to divide into classes, and labels that the classes predict.
    most : int
        Edges.

    >>> split(np.array([1, 1, 2, 2, 3, 3] * 100), np.array([0, 0, 0, 0, 1, 1] * 100), 1).tolist()
    [3.0]
    """
    if not len(values):
        return np.zeros(0)
    starts = np.unique(values)
    starts = starts[np.unique(np.linspace(0, len(starts) - 1, VALUES).astype(np.int64))]
    gain = _gain(np.searchsorted(starts, values, side="right") - 1, labels, len(starts))
    best, came = gain[0], []
    for _ in range(most):
        reached = best[:, None] + gain
        if not reached[:, -1].max() > best[-1]:
            break
        came.append(reached.argmax(axis=0))
        best = reached.max(axis=0)
    end, found = len(starts), []
    for back in reversed(came):
        end = int(back[end])
        found.append(float(starts[end]))
    return np.array(found[::-1])


def _gain(at: Ints, labels: NDArray[np.integer[Any]], many: int) -> Floats:
    """Log likelihood of the labels of one class, float64[many + 1, many + 1], that goes from a value to before another.

    `at` int64[n]: which of the `many` values; -inf: too few events.
    """
    counts = np.zeros((many + 1, int(labels.max()) + 1))
    np.add.at(counts, (at + 1, labels), 1.0)
    total = counts.cumsum(axis=0)
    inside = total[None, :, :] - total[:, None, :]
    size = inside.sum(axis=2)
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = np.where(inside > 0, inside * np.log(inside / size[..., None]), 0.0).sum(axis=2)
    gain[size < min(LEAST, size.max())] = -np.inf
    return np.asarray(gain)


def cuts(sample: NDArray[np.integer[Any]], shares: Sequence[float]) -> Floats:
    """Integer edges of classes with about the given shares of a sample; [] for an empty one.

    >>> cuts(np.array([1, 1, 2, 5]), (0.5, 0.9)).tolist()
    [2.0, 5.0]
    """
    if not len(sample):
        return np.zeros(0)
    return np.unique(np.quantile(sample, shares).astype(np.int64) + 1).astype(float)


def _touches(days: Sequence[ExtractedDay]) -> tuple[Ints, Floats]:
    """Lots of the best queues; (own - other) / (own + other) of each."""
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
    found = []
    for d in days:
        for best, step in ((d.bid[:, 0], 1), (d.ask[:, 0], -1)):
            fell = (best[:-1] - best[1:]) * step
            found.append(fell[(fell > 0) & (d.o.kind[:-1] >= q.CANCEL_AT_BEST)])
    return np.concatenate(found)


def falls(days: Sequence[ExtractedDay]) -> Floats:
    """ns since their side's best price retreated, at orders into the spread."""
    ages = [of_side(since_fell(d), d.o.side)[d.o.kind == q.LIMIT_IN_SPREAD] for d in days]
    return np.concatenate([*ages, [1]]).astype(float)


def pauses(days: Sequence[ExtractedDay]) -> Floats:
    """Quantiles of the time between market orders, ns."""
    found = [np.diff(d.o.ns[d.o.kind == q.MARKET]) for d in days]
    return _rising(np.concatenate([*found, [1]]), PAUSES_AT)


def _rising(sample: AnyArray, shares: Sequence[float]) -> Floats:
    """Quantiles of times, ns; the first moved up by 1, the next by 2, so that no two edges are the same."""
    return np.asarray(np.quantile(sample, shares) + np.arange(1, len(shares) + 1))


def pad(found: Floats, count: int) -> Floats:
    """Ascending edges padded to a fixed number with unreachable ones.

    >>> pad(np.array([1.0, 2.0]), 3).tolist()
    [1.0, 2.0, 1e+300]
    """
    return np.concatenate((found[:count], np.full(max(count - len(found), 0), UNBOUNDED)))


def _wait_edges(wait: Floats) -> Floats:
    """Edges that part the zeros from the rest and the rest evenly."""
    positive = np.sort(wait[wait > 0])
    zeros = 1.0 - len(positive) / max(len(wait), 1)
    first = np.array([positive[0] / 2.0]) if zeros > 0.01 else np.zeros(0)
    missing = q.WAITS - 1 - len(first)
    at = (np.arange(1, missing + 1)) / (missing + 1)
    more = np.unique(np.quantile(positive, at))
    more = more[more > positive[0]] if len(first) else more
    return pad(np.unique(np.concatenate((first, more))), q.WAITS - 1)


def returns(days: Sequence[ExtractedDay]) -> Floats:
    """ns from each emptying of a best price to the next order into the spread on its side.

    float64[m + 1]: a first one of 1 ns is for a tape that has none; what never came is left out.
    """
    found = [np.ones(1)]
    for d in days:
        ns, kind, side = d.o.ns, d.o.kind[:-1], d.o.side[:-1].astype(np.int64)
        for at, book, sign in ((1, d.bid, 1), (-1, d.ask, -1)):
            fell = (book[:-1, 0] - book[1:, 0]) * sign > 0
            own = np.where(kind == q.MARKET, -side, side) == at
            emptied = np.flatnonzero(fell & own & ((kind == q.MARKET) | (kind == q.CANCEL_AT_BEST)))
            again = np.append(
                ns[:-1][(kind == q.LIMIT_IN_SPREAD) & (side == at)], np.iinfo(np.int64).max
            )
            after = again[np.searchsorted(again, ns[emptied], side="right")]
            found.append((after - ns[emptied])[after < again[-1]].astype(float))
    return np.concatenate(found)


def lifetimes(days: Sequence[ExtractedDay]) -> Floats:
    """ns that cancelled orders spent at the best, float64[m + 1] (as `returns`)."""
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


def _again(days: Sequence[ExtractedDay]) -> Floats:
    """Ages, ns, at which best prices come back in the half minute after they fell, as many of them in each class."""
    came = falls(days)
    inner = _rising(
        came[came < AGAIN_S * NS_PER_SECOND], tuple(c / q.AGAINS for c in range(1, q.AGAINS))
    )
    return np.append(inner, max(AGAIN_S * NS_PER_SECOND, inner[-1] + 1.0))


def displacements(law: dict[str, Floats], seen: Sequence[FlowState]) -> Floats:
    """Set the edges of what `extract.look` sees; the value of each class of the fast displacement, in sd."""
    for name, at in (("fast", FAST_AT), ("pressure", PRESSURES_AT)):
        upper = np.quantile(np.abs(np.concatenate([getattr(s, name) for s in seen])), at)
        upper = np.maximum.accumulate(upper + 1e-6 * np.arange(1, len(upper) + 1))
        law[f"{name}_edges"] = np.concatenate((-upper[::-1], upper))
    law["retreat_edges"] = np.quantile(
        np.concatenate([s.retreat.ravel() for s in seen]), RETREATS_AT
    )
    lately = np.concatenate([s.lately for s in seen])
    law["insides_edges"] = np.quantile(lately[:, :2].ravel(), INSIDES_AT)
    law["withdrawn_edges"] = np.quantile(lately[:, 2:].ravel(), WITHDRAWN_AT)
    x = np.concatenate([s.fast for s in seen])
    classes = np.searchsorted(law["fast_edges"], x, side="right")
    centre = np.array(
        [x[classes == c].mean() if (classes == c).any() else 0.0 for c in range(q.FAST)]
    )
    return np.clip((centre - centre[::-1]) / max(float(x.std()), 1e-9) / 2.0, -3.0, 3.0)


Table = Floats

AGES_AT: Final = (0.08, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.96, 0.985)
"""Shares of the withdrawals at whose ages a class begins; ages are counted in limit orders that came since."""
SIZES_AT: Final = (0.4, 0.8, 0.95)
PRIOR: Final = 20.0
"""Withdrawals at the mean rate that every class is shrunk to."""
FEW: Final = 200
"""Withdrawals below which a tape says nothing of ages."""
POWERS: Final = (1.0, 2.0, 4.0)
"""Quarters: powers of the lots on a level that the withdrawal of its orders may go with."""


def leaving_alike(
    days: Sequence[ExtractedDay], _: float
) -> tuple[dict[str, Table], float, list[Table]]:
    """Uniform readiness: every order is as likely to be cancelled as any other."""
    tables = {
        "life_edges": np.full(q.LIFE - 1, UNBOUNDED),
        "leaves": np.ones(q.LIFE * q.STAY_CLASSES),
        "leaves_edges": np.full(q.STAY_CLASSES - 1, UNBOUNDED),
    }
    return tables, 0.0, [np.ones((d.o.n, 2)) for d in days]


def leaving(
    days: Sequence[ExtractedDay], per_lot: float
) -> tuple[dict[str, Table], float, list[Table]]:
    """Relative cancel rate of an order at the best price by its age and size, from the tape's own orders.

    A weight is withdrawals over events lived through, over their mean; a class of few leans on the mean. `per_lot`:
    tape lots of a simulated lot.

    Returns
    -------
    tables : `life_edges`, `leaves`, `leaves_edges`, see `tables.LAYOUT`
    mean : float
        Of the totals; 0 where a tape tells of no single orders, and then all weights are 1.
    totals : list of float64[n, 2]
        By day: sums of the weights of the orders at the best bid and ask before each event.
    """
    ages = np.concatenate([d.queues.ages for d in days])
    if len(ages) < FEW:
        return leaving_alike(days, per_lot)
    life = np.quantile(ages, AGES_AT).round() + 1.0
    resting = np.concatenate([d.o.lots[d.o.kind <= q.LIMIT_AT_BEST] for d in days])
    size = cuts(resting, SIZES_AT)
    counted = [queues(d.o, life, size) for d in days]
    stood, left = (
        np.sum([getattr(x, name) for x in counted], axis=0) for name in ("stood", "left")
    )
    mean = left.sum() / max(stood.sum(), 1.0)
    weights = (left + PRIOR) / (stood + PRIOR / max(mean, 1e-9))
    weights /= mean
    totals = [queues(d.o, life, size, weights).total for d in days]
    tables = {
        "life_edges": life,
        "leaves": np.pad(
            weights, ((0, 0), (0, q.STAY_CLASSES - 1 - len(size))), mode="edge"
        ).ravel(),
        "leaves_edges": pad(np.maximum(size / per_lot, 1.0), q.STAY_CLASSES - 1),
    }
    return tables, float(np.mean(np.concatenate(totals))), totals


def _level_of_cancel(day: ExtractedDay) -> Ints:
    """Level (0 best) that each deeper cancel is at; LEVELS: beyond; -1: no deeper cancel."""
    side = day.o.side.astype(np.int64)
    px = np.where((side > 0)[:, None], day.bid, day.ask)
    hit = px == day.o.price[:, None]
    level = np.where(hit.any(axis=1), hit.argmax(axis=1), q.LEVELS)
    return np.where(day.o.kind == q.CANCEL_DEEPER, level, -1)


def beyond(days: Sequence[ExtractedDay]) -> float:
    """Share of deeper cancels beyond the observed levels."""
    level = np.concatenate([_level_of_cancel(d) for d in days])
    return float((level == q.LEVELS).sum() / max((level >= 0).sum(), 1))


def quarters(x: Table, power: float) -> Table:
    """Vectorised `memory.quarters`: x to the power of `power` quarters, 0 for x = 0."""
    return np.where(x > 0, np.power(np.maximum(x, 1e-9), power / 4.0), 0.0)


def hazards(
    days: Sequence[ExtractedDay], share_beyond: float, powers: Sequence[float] = POWERS
) -> tuple[float, Table]:
    """Level choice of deeper cancels: P(level n) proportional to hazard[n] x lots[n]^(power / 4).

    The power of the largest likelihood, and the hazards, scaled so that the mean total with `share_beyond` is one.
    """
    best: tuple[float, float, Table] | None = None
    level = np.concatenate([_level_of_cancel(d) for d in days])
    rows = (level > 0) & (level < q.LEVELS)
    lots = np.concatenate(
        [np.where((d.o.side > 0)[:, None], d.bid_lots, d.ask_lots)[:, 1:] for d in days]
    )
    every = np.concatenate([np.concatenate((d.bid_lots, d.ask_lots)) for d in days])[:, 1:].astype(
        float
    )
    count = np.bincount(level[rows] - 1, minlength=q.LEVELS - 1) + 1.0
    for power in powers:
        x = quarters(lots[rows], power)
        hazard = np.ones(q.LEVELS - 1)
        for _ in range(20):
            share = x * hazard
            share /= np.maximum(share.sum(axis=1, keepdims=True), 1e-12)
            hazard *= count / np.maximum(share.sum(axis=0), 1e-9)
            hazard /= hazard.sum()
        fit = (
            float(np.log(np.maximum(share[np.arange(len(share)), level[rows] - 1], 1e-12)).mean())
            if len(x)
            else 0.0
        )
        if best is None or fit > best[0]:
            best = fit, power, hazard
    assert best is not None
    _, power, hazard = best
    mean = float((quarters(every, power) @ hazard).mean())
    return power, np.asarray(hazard / max(mean, 1e-12) * (1.0 - share_beyond), np.float64)


def cancelled(days: Sequence[ExtractedDay]) -> dict[str, Table]:
    """Which order behind the best is cancelled.

    ``rank``: cumulative law of its rank among the side's newest there; ``stays``: chance that an order of a size class
    goes once it is picked (how often that class is cancelled over how often it rests there), and the classes' edges.
    """
    counts = np.zeros(q.RANKS + 1)
    resting = np.zeros((2, q.STAY_CLASSES))
    sizes = np.concatenate([d.lots[d.o.kind == q.LIMIT_DEEPER] for d in days])
    edges = cuts(sizes, SIZES_AT)
    for d in days:
        known = d.o.order_id != 0
        if known.mean() < 0.5:
            continue
        best_same = np.where(d.o.side > 0, d.bid[:, 0], d.ask[:, 0])
        out = np.zeros((len(d.lots), 2), np.int64)
        ranks(
            d.o.order_id,
            d.o.kind.astype(np.int64),
            d.o.side.astype(np.int64),
            d.o.price.astype(np.int64),
            best_same,
            np.searchsorted(edges, d.lots, side="right"),
            np.zeros((2, 4 * q.RING_SIZE, 3), np.int64),
            out,
            resting,
        )
        deep = out[d.o.kind == q.CANCEL_DEEPER, 0]
        counts += np.bincount(np.minimum(deep, q.RANKS), minlength=q.RANKS + 1)
    seen = resting[1] > 20.0
    goes = np.where(seen, resting[0] / np.maximum(resting[1], 1.0), 0.0)
    goes = np.clip(np.where(seen, goes / max(float(goes.max()), 1e-9), 1.0), 0.02, 1.0)
    law = np.cumsum(counts[: q.RANKS]) / counts.sum() if counts.sum() else np.zeros(q.RANKS)
    return {
        "rank": law,
        "stays": goes,
        "stay_edges": pad(edges, q.STAY_CLASSES - 1),
    }
