"""Which orders are cancelled: at the best by age and size, behind it by level, lots and rank."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from tercel.core.arrays import Floats, Ints
from tercel.market.flow.queue_reactive import layout as q
from tercel.market.flow.queue_reactive.edges import cuts, pad
from tercel.market.flow.queue_reactive.extract import ExtractedDay, ranks
from tercel.market.flow.queue_reactive.preset import UNBOUNDED
from tercel.market.flow.queue_reactive.queues import queues

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
    """As `memory.quarters`, 0 for 0."""
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
