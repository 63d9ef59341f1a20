"""The empirical laws beside the weights: waits, sizes, placement, what is taken, repeats, which order is cancelled."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tercel.market.flow.queue_reactive import words as q
from tercel.market.flow.queue_reactive.extract import Day, Seen, ranks

Table = NDArray[np.float64]
CURVE = 13


def points(sample: NDArray[np.int64] | Table, count: int, whole: bool = True) -> Table:
    """`count` equally likely values: mid quantiles, the last sixteenth as means so that the tail keeps its weight.

    >>> points(np.array([1, 1, 1, 5]), 4).tolist()
    [1.0, 1.0, 1.0, 5.0]
    """
    ordered = np.sort(np.asarray(sample, np.float64))
    n = len(ordered)
    at = np.minimum(((np.arange(count) + 0.5) / count * n).astype(np.int64), n - 1)
    out = ordered[at]
    for j in range(count - max(count // 16, 1), count):
        a, b = int(j * n / count), int((j + 1) * n / count)
        if b > a:
            out[j] = ordered[a:b].mean()
    return np.floor(out + 0.5) if whole else out


# -- waits ------------------------------------------------------------------------------------------------------------


def waits(days: Sequence[Day], seen: Sequence[Seen], edges: Table, prior: float = 20.0) -> dict[str, Table]:
    """Law of the next wait's class (cumulative), thin cells leaning on wider ones; quantiles within the classes."""
    counts = np.zeros((q.PREVIOUS, q.WAITS, q.ACTIVITIES, q.WIDTHS, q.WAITS))
    for s in seen:
        previous = s.wait[:-1]
        np.add.at(counts, (s.before[1:, 0], previous, s.cells[1:, 5], s.cells[1:, 6], s.wait[1:]), 1.0)
    total = counts.sum(axis=(0, 1, 2, 3))
    parent = total / total.sum()
    for axes in ((1, 2, 3), (2, 3), (3,), ()):
        some = counts.sum(axis=axes, keepdims=True) if axes else counts
        parent = (some + prior * parent) / (some.sum(axis=-1, keepdims=True) + prior)
    law = np.minimum(np.cumsum(parent, axis=-1), 1.0)
    law[..., -1] = 1.0
    every = np.concatenate([d.wait[1:] for d in days]).astype(float)
    classes = np.searchsorted(edges, every, side="right")
    ns = np.zeros((q.WAITS, q.WAIT_POINTS))
    for c in range(q.WAITS):
        inside = every[classes == c]
        if len(inside):
            ns[c] = np.quantile(inside, np.linspace(0.0, 1.0, q.WAIT_POINTS))
            mean = (ns[c].sum() - (ns[c, 0] + ns[c, -1]) / 2.0) / (q.WAIT_POINTS - 1)
            # a straight line to the largest would make the last class too long
            ns[c, -1] = max(ns[c, -2], ns[c, -1] - 2.0 * (q.WAIT_POINTS - 1) * (mean - inside.mean()))
        elif c:
            ns[c] = ns[c - 1, -1]
    return {"wait_law": law.ravel(), "wait_ns": np.round(ns).ravel()}


# -- sizes and places -------------------------------------------------------------------------------------------------


def _joined(days: Sequence[Day], rows: Sequence[NDArray[np.bool_]], values: Sequence[NDArray[np.int64]]) -> Table:
    return np.concatenate([v[r] for v, r in zip(values, rows, strict=True)])


def _behind(day: Day) -> NDArray[np.int64]:
    """Ticks from the own best to a limit or cancel (positive: deeper)."""
    side = day.o.side.astype(np.int64)
    return np.where(side > 0, day.bid[:, 0] - day.o.price, day.o.price - day.ask[:, 0])


def behind(days: Sequence[Day]) -> NDArray[np.int64]:
    """Ticks behind the best of all deeper limit orders."""
    return np.concatenate([_behind(d)[d.o.kind == q.LIMIT_DEEPER] for d in days])


def sizes_and_places(days: Sequence[Day], spread_edges: Table, queue_edges: Table) -> dict[str, Table]:
    """Sizes by day and kind, distances by spread, what market orders take by queue, gaps and deep lots."""
    return {
        "size": _sizes(days).ravel(),
        **_places(days, spread_edges),
        **_slots(days),
        **_takes(days, queue_edges),
        **_levels(days),
    }


def _sizes(days: Sequence[Day]) -> Table:
    out = np.ones((q.DAYS, 3, q.SIZE_POINTS))
    for d in range(q.DAYS):
        mine = [day for i, day in enumerate(days) if i % q.DAYS == d] or list(days)
        for kind in range(3):
            sample = np.concatenate([day.lots[day.o.kind == kind] for day in mine])
            if len(sample) < 50:
                sample = np.concatenate([day.lots[day.o.kind == kind] for day in days])
            if len(sample) < 50:
                sample = np.concatenate([day.lots[day.o.kind <= q.LIMIT_DEEPER] for day in days])
            out[d, kind] = points(sample, q.SIZE_POINTS)
    return out


def _places(days: Sequence[Day], spread_edges: Table) -> dict[str, Table]:
    deep = np.ones((q.SPREADS, q.DEEP_POINTS))
    inside = np.ones((q.SPREADS, q.INSIDE_POINTS))
    spread = np.concatenate([d.spread for d in days])
    classes = np.searchsorted(spread_edges, spread, side="right")
    kind = np.concatenate([d.o.kind for d in days])
    away = np.concatenate([_behind(d) for d in days])
    better = -away
    signed = np.where(2 * better <= spread, better, better - spread)
    for c in range(q.SPREADS):
        for name, out, value, count in (("deep", deep, away, q.DEEP_POINTS), ("in", inside, signed, q.INSIDE_POINTS)):
            what = q.LIMIT_DEEPER if name == "deep" else q.LIMIT_IN_SPREAD
            rows = (kind == what) & (classes == c)
            if rows.sum() < 50:
                rows = (kind == what) & (np.abs(classes - c) <= 1)
            if rows.sum() < 20:
                rows = kind == what
            if rows.any():
                ordered = np.sort(value[rows])
                at = ((np.arange(count) + 0.5) / count * len(ordered)).astype(np.int64)
                out[c] = ordered[at]
    return {"deep": np.maximum(deep, 1.0).ravel(), "inside": inside.ravel()}


def _slots(days: Sequence[Day]) -> dict[str, Table]:
    """How deeper limit orders lie among the levels: on which, or making a new one between which, and where there."""
    counts = np.zeros(2 * (q.LEVELS - 1))
    steps = [np.ones(1, np.int64)]
    for d in days:
        rows = d.o.kind == q.LIMIT_DEEPER
        bids = d.o.side[rows] > 0
        px = np.where(bids[:, None], d.bid[rows], d.ask[rows])
        away = np.where(bids[:, None], px[:, :1] - px, px - px[:, :1])
        behind = _behind(d)[rows]
        away = np.where(px > 0, away, np.iinfo(np.int64).max)
        level = (away < behind[:, None]).sum(axis=1)  # levels in front of it
        shown = level < q.LEVELS
        level, away, behind = level[shown], away[shown], behind[shown]
        joins = away[np.arange(len(level)), level] == behind
        counts += np.bincount(np.where(joins, level - 1, level - 1 + q.LEVELS - 1), minlength=len(counts))
        new = np.flatnonzero(~joins & (away[np.arange(len(level)), level] < 10**9))
        gap = away[new, level[new]] - away[new, level[new] - 1]
        step = behind[new] - away[new, level[new] - 1]
        steps.append(np.where(2 * step <= gap, step, step - gap))
    law = np.cumsum(counts + 1e-3) / (counts.sum() + 1e-3 * len(counts))
    ordered = np.sort(np.concatenate(steps)[1:] if len(steps[-1]) else steps[0])
    at = ((np.arange(q.INSIDE_POINTS) + 0.5) / q.INSIDE_POINTS * len(ordered)).astype(np.int64)
    return {"slot": np.minimum(law, 1.0), "between": ordered[at].astype(float)}


def _takes(days: Sequence[Day], queue_edges: Table) -> dict[str, Table]:
    lots, queue = [], []
    for d in days:
        rows = d.o.kind == q.MARKET
        lots.append(d.lots[rows])
        queue.append(np.where(d.o.side[rows] > 0, d.ask_lots[rows, 0], d.bid_lots[rows, 0]))
    taken, rested = np.concatenate(lots), np.concatenate(queue)
    classes = np.searchsorted(queue_edges, rested, side="right")
    equal, upto = np.zeros(q.QUEUES), np.zeros(q.QUEUES)
    less, more = np.ones((q.QUEUES, q.TAKE_POINTS)), np.ones((q.QUEUES, q.TAKE_POINTS))
    for c in range(q.QUEUES):
        rows = classes == c
        if rows.sum() < 20:
            rows = np.ones(len(classes), np.bool_)
        t, r = taken[rows], rested[rows]
        equal[c] = (t == r).mean()
        upto[c] = max((t <= r).mean(), equal[c])
        if (t < r).any():
            less[c] = np.maximum(points(t[t < r], q.TAKE_POINTS), 1.0)
        if (t > r).any():
            more[c] = np.maximum(points((t - r)[t > r], q.TAKE_POINTS), 1.0)
    return {"take_equal": equal, "take_less": upto, "less": less.ravel(), "more": more.ravel()}


def _levels(days: Sequence[Day]) -> dict[str, Table]:
    gaps, lots = [np.ones(1, np.int64)], [np.ones(1, np.int64)]
    for d in days:
        for px, resting in ((d.bid[::7], d.bid_lots[::7]), (d.ask[::7], d.ask_lots[::7])):
            there = (px[:, 3] > 0) & (px[:, 4] > 0)
            gaps.append(np.abs(px[there, 4] - px[there, 3]))
            lots.append(resting[there, 4])
    gap, deep = np.concatenate(gaps), np.concatenate(lots)
    gap = gap[gap <= max(np.quantile(gap, 0.9), 1)]  # stub quotes are no neighbours
    return {
        "gap": np.maximum(points(gap, q.GAP_POINTS), 1.0),
        "deep_lots": np.maximum(points(deep[deep > 0], q.GAP_POINTS), 1.0),
    }


# -- what rests -------------------------------------------------------------------------------------------------------


def mean_book(days: Sequence[Day]) -> tuple[Table, Table]:
    """Mean lots on, and ticks from the best to, each level."""
    lots = np.concatenate([np.concatenate((d.bid_lots, d.ask_lots)) for d in days])
    away = np.concatenate([np.concatenate((d.bid[:, :1] - d.bid, d.ask - d.ask[:, :1])) for d in days]).astype(float)
    there = lots > 0
    count = np.maximum(there.sum(axis=0), 1)
    return lots.sum(axis=0) / len(lots), (away * there).sum(axis=0) / count


def _level_of_cancel(day: Day) -> NDArray[np.int64]:
    """Level (0 best) that each deeper cancel is at; LEVELS: beyond; -1: no deeper cancel."""
    side = day.o.side.astype(np.int64)
    px = np.where((side > 0)[:, None], day.bid, day.ask)
    hit = px == day.o.price[:, None]
    level = np.where(hit.any(axis=1), hit.argmax(axis=1), q.LEVELS)
    return np.where(day.o.kind == q.CANCEL_DEEPER, level, -1)


def beyond(days: Sequence[Day]) -> float:
    """Share of the deeper cancels that lie beyond the levels looked at."""
    level = np.concatenate([_level_of_cancel(d) for d in days])
    return float((level == q.LEVELS).sum() / max((level >= 0).sum(), 1))


POWERS = (1.0, 2.0, 4.0)
"""Quarters: powers of the lots on a level that the withdrawal of its orders may go with."""


def quarters(x: Table, power: float) -> Table:
    """As `memory.quarters`, 0 for 0."""
    return np.where(x > 0, np.power(np.maximum(x, 1e-9), power / 4.0), 0.0)


def hazards(days: Sequence[Day], share_beyond: float, powers: Sequence[float] = POWERS) -> tuple[float, Table]:
    """How deeper cancels choose their level: P(level n) proportional to hazard[n] x lots[n]^(power / 4).

    The power of the largest likelihood, and the hazards, scaled so that the mean total with `share_beyond` is one.
    """
    best: tuple[float, float, Table] | None = None
    level = np.concatenate([_level_of_cancel(d) for d in days])
    rows = (level > 0) & (level < q.LEVELS)
    lots = np.concatenate([np.where((d.o.side > 0)[:, None], d.bid_lots, d.ask_lots)[:, 1:] for d in days])
    every = np.concatenate([np.concatenate((d.bid_lots, d.ask_lots)) for d in days])[:, 1:].astype(float)
    count = np.bincount(level[rows] - 1, minlength=q.LEVELS - 1) + 1.0
    for power in powers:
        x = quarters(lots[rows], power)
        hazard = np.ones(q.LEVELS - 1)
        for _ in range(20):
            share = x * hazard
            share /= np.maximum(share.sum(axis=1, keepdims=True), 1e-12)
            hazard *= count / np.maximum(share.sum(axis=0), 1e-9)
            hazard /= hazard.sum()
        fit = float(np.log(np.maximum(share[np.arange(len(share)), level[rows] - 1], 1e-12)).mean()) if len(x) else 0.0
        if best is None or fit > best[0]:
            best = fit, power, hazard
    assert best is not None
    _, power, hazard = best
    mean = float((quarters(every, power) @ hazard).mean())
    return power, np.asarray(hazard / max(mean, 1e-12) * (1.0 - share_beyond), np.float64)


def live_mean(days: Sequence[Day]) -> float:
    """Orders that rest at once, by Little's law: how many come, times how long those live that are cancelled."""
    found = []
    for d in days:
        known = d.o.order_id != 0
        placed = known & (d.o.kind <= q.LIMIT_DEEPER)
        gone = known & (d.o.kind >= q.CANCEL_AT_BEST) & (d.o.kind < q.MARKET)
        ids, first = np.unique(d.o.order_id[placed], return_index=True)
        at = np.searchsorted(ids, d.o.order_id[gone])
        match = at < len(ids)
        match[match] = ids[at[match]] == d.o.order_id[gone][match]
        lots = np.mean(d.lots[d.o.kind <= q.LIMIT_DEEPER]) if (d.o.kind <= q.LIMIT_DEEPER).any() else 1.0
        shown = float((d.bid_lots.sum(axis=1) + d.ask_lots.sum(axis=1)).mean() / lots)
        alive = 0.0
        if match.any():
            lives = d.o.ns[gone][match] - d.o.ns[placed][first][at[match]]
            alive = float(lives.mean()) / 1e9 * placed.sum() / d.o.seconds
        found.append(max(alive, shown, 10.0))
    return float(np.mean(found))


def volume_curve(days: Sequence[Day], session_ns: float) -> Table:
    """Mean lots traded in each thirteenth of the session (what was skipped counts nothing)."""
    out = np.zeros(CURVE)
    for d in days:
        rows = d.o.kind == q.MARKET
        at = np.minimum((d.o.ns[rows] - d.o.open_ns) * CURVE // int(session_ns), CURVE - 1)
        out += np.bincount(at, d.lots[rows], CURVE)
    return out / len(days)


# -- repeats ----------------------------------------------------------------------------------------------------------


def _excess(hits: float, chance: float, count: float, prior: float = 30.0) -> float:
    """Probability above chance, shrunk where there are few."""
    if count <= 0.0:
        return 0.0
    seen, by_luck = hits / count, min(chance / count, 0.99)
    return float(np.clip((seen - by_luck) / (1.0 - by_luck), 0.0, 1.0) * count / (count + prior))


def repeats(days: Sequence[Day], seen: Sequence[Seen]) -> dict[str, Table]:
    """How often a limit order repeats size and price of the event before, or of its side's last cancelled order."""
    size, price = np.zeros((q.PREVIOUS, 3, 2, 3)), np.zeros((q.PREVIOUS, 3, 3))
    again, there = np.zeros((3, 3)), np.zeros((3, 3))
    for d, s in zip(days, seen, strict=True):
        kind, side, px = d.o.kind.astype(np.int64), d.o.side.astype(np.int64), d.o.price.astype(np.int64)
        near = np.where(side > 0, d.bid[:, 0], d.ask[:, 0])
        far = np.where(side > 0, d.ask[:, 0], d.bid[:, 0])
        away = _behind(d)
        for what in range(3):
            rows = kind == what
            if not rows.any():
                continue
            values, count = np.unique(d.lots[rows], return_counts=True)
            share = dict(zip(values.tolist(), (count / rows.sum()).tolist(), strict=True))
            steps, count = np.unique(away[rows], return_counts=True)
            step_share = dict(zip(steps.tolist(), (count / rows.sum()).tolist(), strict=True))

            def luck(lots: NDArray[np.int64], law: dict[int, float]) -> Table:
                return np.array([law.get(x, 0.0) for x in lots.tolist()])

            last, same = s.before[:, 1], s.event % 2 == 0
            can = rows & (last > 0)
            hit = can & (d.lots == last)
            chance = np.zeros(len(rows))
            chance[can] = luck(last[can], share)
            opposite = np.where(same, 0, 1)
            for column, x in enumerate((hit, chance, can)):
                np.add.at(size[:, what, :, column], (s.before[can, 0], opposite[can]), x[can].astype(float))
            fits = _fitting(what, side, s.before[:, 2], near, far)
            can_price = hit & (s.before[:, 3] == side) & fits
            jump = np.where(side > 0, near - s.before[:, 2], s.before[:, 2] - near)
            chance[can_price] = luck(jump[can_price], step_share)
            for column, x in enumerate((px == s.before[:, 2], chance, can_price)):
                np.add.at(price[:, what, column], s.before[can_price, 0], x[can_price].astype(float))
            gone = s.before[:, 5]
            can_gone = rows & ~hit & (gone > 0) & (gone != last)
            hit_gone = can_gone & (d.lots == gone)
            again[what] += (
                hit_gone.sum(), luck(gone[can_gone], share).sum(), can_gone.sum()
            )  # fmt: skip
            fits = _fitting(what, side, s.before[:, 4], near, far) & hit_gone
            jump = np.where(side > 0, near - s.before[:, 4], s.before[:, 4] - near)
            there[what] += ((px == s.before[:, 4])[fits].sum(), luck(jump[fits], step_share).sum(), fits.sum())
    return {
        "repeat_size": np.array([_excess(*x) for x in size.reshape(-1, 3)]),
        "repeat_price": np.array([_excess(*x) for x in price.reshape(-1, 3)]),
        "repost_size": np.array([_excess(*x) for x in again]),
        "repost_price": np.array([_excess(*x) for x in there]),
    }


def _fitting(
    kind: int, side: NDArray[np.int64], price: NDArray[np.int64], near: NDArray[np.int64], far: NDArray[np.int64]
) -> NDArray[np.bool_]:
    if kind == q.LIMIT_IN_SPREAD:
        return ((price - near) * side > 0) & ((far - price) * side > 0)
    if kind == q.LIMIT_DEEPER:
        return ((near - price) * side > 0) & (price > 0)
    return price == near


def cancelled(days: Sequence[Day]) -> dict[str, Table]:
    """Which order a cancel takes.

    ``newest``: excess share of cancels at the best that take the newest order; ``rank``: cumulative law of the rank of
    deeper ones among the side's newest; ``stays``: chance that an order of a size class goes once it is picked (how
    often that class is cancelled over how often it rests there), and the classes' edges.
    """
    newest = np.zeros(3)
    counts = np.zeros(q.RANKS + 1)
    resting = np.zeros((2, q.STAY_CLASSES))
    sizes = np.concatenate([d.lots[d.o.kind == q.LIMIT_DEEPER] for d in days])
    edges = np.unique(np.quantile(sizes, (0.4, 0.8, 0.95)).astype(np.int64) + 1) if len(sizes) else np.zeros(0)
    for d in days:
        known = d.o.order_id != 0
        if known.mean() < 0.5:
            continue
        best_same = np.where(d.o.side > 0, d.bid[:, 0], d.ask[:, 0])
        out = np.zeros((len(d.lots), 2), np.int64)
        ranks(
            d.o.order_id, d.o.kind.astype(np.int64), d.o.side.astype(np.int64), d.o.price.astype(np.int64), best_same,
            np.searchsorted(edges, d.lots, side="right"), np.zeros((2, 4 * q.RING_SIZE, 3), np.int64), out, resting,
        )  # fmt: skip
        best = (d.o.kind == q.CANCEL_AT_BEST) & (out[:, 1] >= 2)
        newest += ((out[best, 0] == 0).sum(), (1.0 / np.maximum(out[best, 1], 1)).sum(), best.sum())
        deep = out[d.o.kind == q.CANCEL_DEEPER, 0]
        counts += np.bincount(np.minimum(deep, q.RANKS), minlength=q.RANKS + 1)
    seen = resting[1] > 20.0
    goes = np.where(seen, resting[0] / np.maximum(resting[1], 1.0), 0.0)
    goes = np.clip(np.where(seen, goes / max(float(goes.max()), 1e-9), 1.0), 0.02, 1.0)
    law = np.cumsum(counts[: q.RANKS]) / counts.sum() if counts.sum() else np.zeros(q.RANKS)
    return {
        "newest": np.array([_excess(*newest)]),
        "rank": law,
        "stays": goes,
        "stay_edges": np.concatenate((edges, np.full(q.STAY_CLASSES - 1 - len(edges), 1e300))).astype(float),
    }
