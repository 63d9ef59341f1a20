"""Laws of which order is cancelled, fitted to a tape: at the best by age and size, behind it by level, lots and rank."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from tercel.core.arrays import Ints
from tercel.core.jit import Floats
from tercel.market.flow.queue_reactive import layout as q
from tercel.market.flow.queue_reactive.best_queues import queues
from tercel.market.flow.queue_reactive.edges import pad, quantile_edges
from tercel.market.flow.queue_reactive.extract import ExtractedDay, rank_cancels
from tercel.market.flow.queue_reactive.tables import UNBOUNDED

Table = Floats
AGES_AT: Final = (0.08, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.96, 0.985)
"""Shares of the withdrawals at whose ages a class begins; ages are counted in limit orders that came since."""
SIZES_AT: Final = (0.4, 0.8, 0.95)
PRIOR: Final = 20.0
"""Withdrawals at the mean rate that every class is shrunk to."""
MIN_WITHDRAWALS: Final = 200
"""Withdrawals below which a tape says nothing of ages."""
POWERS: Final = (1.0, 2.0, 4.0)
"""Quarters: powers of the lots on a level that the withdrawal of its orders may go with."""


def uniform_withdrawals(
    days: Sequence[ExtractedDay], _: float
) -> tuple[dict[str, Table], float, list[Table]]:
    """What `fit_withdrawals` returns if every order is as likely to be cancelled as any other: weights 1, mean 0, totals 1."""
    tables = {
        "life_edges": np.full(q.LIFE - 1, UNBOUNDED),
        "leaves": np.ones(q.LIFE * q.STAY_CLASSES),
        "leaves_edges": np.full(q.STAY_CLASSES - 1, UNBOUNDED),
    }
    return tables, 0.0, [np.ones((d.o.n, 2)) for d in days]


def fit_withdrawals(
    days: Sequence[ExtractedDay], per_lot: float
) -> tuple[dict[str, Table], float, list[Table]]:
    """Relative cancel rate of an order at the best price by its age and size; returns tables, mean and totals (see below).
    From the tape's own orders; on fewer than 200 withdrawals the rate is uniform.

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
    if len(ages) < MIN_WITHDRAWALS:
        return uniform_withdrawals(days, per_lot)
    life = np.quantile(ages, AGES_AT).round() + 1.0
    resting = np.concatenate([d.o.lots[d.o.kind <= q.LIMIT_AT_BEST] for d in days])
    size = quantile_edges(resting, SIZES_AT)
    tracked = [queues(d.o, life, size) for d in days]
    stood, withdrawn = (
        np.sum([getattr(x, name) for x in tracked], axis=0) for name in ("stood", "withdrawn")
    )
    mean = withdrawn.sum() / max(stood.sum(), 1.0)
    weights = (withdrawn + PRIOR) / (stood + PRIOR / max(mean, 1e-9))
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


def share_outside(days: Sequence[ExtractedDay]) -> float:
    """Share of deeper cancels beyond the observed levels."""
    level = np.concatenate([_level_of_cancel(d) for d in days])
    return float((level == q.LEVELS).sum() / max((level >= 0).sum(), 1))


def quarters(x: Table, power: float) -> Table:
    """Vectorised `memory_record.quarters`: x to the power of `power` quarters, 0 for x = 0."""
    return np.where(x > 0, np.power(np.maximum(x, 1e-9), power / 4.0), 0.0)


def fit_hazards(
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
    all_lots = np.concatenate([np.concatenate((d.bid_lots, d.ask_lots)) for d in days])[
        :, 1:
    ].astype(float)
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
    mean = float((quarters(all_lots, power) @ hazard).mean())
    return power, np.asarray(hazard / max(mean, 1e-12) * (1.0 - share_beyond), np.float64)


def fit_deep_cancels(days: Sequence[ExtractedDay]) -> dict[str, Table]:
    """Tables `rank`, `stays` and `stay_edges`: which order behind the best is cancelled, by rank among the newest and by size.

    ``rank``: cumulative law of its rank among the side's newest there; ``stays``: chance that an order of a size class
    goes once it is picked (how often that class is cancelled over how often it rests there), and the classes' edges.
    """
    counts = np.zeros(q.RANKS + 1)
    resting = np.zeros((2, q.STAY_CLASSES))
    sizes = np.concatenate([d.lots[d.o.kind == q.LIMIT_DEEPER] for d in days])
    edges = quantile_edges(sizes, SIZES_AT)
    for d in days:
        has_id = d.o.order_id != 0
        if has_id.mean() < 0.5:
            continue
        best_same = np.where(d.o.side > 0, d.bid[:, 0], d.ask[:, 0])
        rank_rows = np.zeros((len(d.lots), 2), np.int64)
        rank_cancels(
            d.o.order_id,
            d.o.kind.astype(np.int64),
            d.o.side.astype(np.int64),
            d.o.price.astype(np.int64),
            best_same,
            np.searchsorted(edges, d.lots, side="right"),
            np.zeros((2, 4 * q.RING_SIZE, 3), np.int64),
            rank_rows,
            resting,
        )
        deep = rank_rows[d.o.kind == q.CANCEL_DEEPER, 0]
        counts += np.bincount(np.minimum(deep, q.RANKS), minlength=q.RANKS + 1)
    sampled = resting[1] > 20.0
    cancel_share = np.where(sampled, resting[0] / np.maximum(resting[1], 1.0), 0.0)
    cancel_share = np.clip(
        np.where(sampled, cancel_share / max(float(cancel_share.max()), 1e-9), 1.0), 0.02, 1.0
    )
    law = np.cumsum(counts[: q.RANKS]) / counts.sum() if counts.sum() else np.zeros(q.RANKS)
    return {
        "rank": law,
        "stays": cancel_share,
        "stay_edges": pad(edges, q.STAY_CLASSES - 1),
    }
