"""Empirical laws of the queue-reactive flow: waits, sizes, places and depth of orders, counted on the tape."""

from collections.abc import Sequence

import numpy as np

from tercel.core.arrays import Bools, Ints
from tercel.market.flow.queue_reactive import extract, layout as q
from tercel.market.flow.queue_reactive.edges import pad, quantile_edges
from tercel.market.flow.queue_reactive.repetition import AgainChances, Table, fresh_sizes

CURVE = 13
GAPS_AT = (0.12, 0.25, 0.4, 0.55, 0.68, 0.8, 0.9, 0.96, 0.99)
"""Of `extract.FlowState.before`."""
Days = Sequence[extract.ExtractedDay]
FlowStates = Sequence[extract.FlowState]


def equally_likely(sample: Ints | Table, count: int, as_integers: bool = True) -> Table:
    """`count` equally likely values: mid quantiles, the last sixteenth as means so that the tail keeps its weight.
    Rounded if `as_integers`.

    >>> equally_likely(np.array([1, 1, 1, 5]), 4).tolist()
    [1.0, 1.0, 1.0, 5.0]
    """
    ordered = np.sort(np.asarray(sample, np.float64))
    n = len(ordered)
    index = np.minimum(((np.arange(count) + 0.5) / count * n).astype(np.int64), n - 1)
    values = ordered[index]
    for j in range(count - max(count // 16, 1), count):
        a = int(j * n / count)
        b = int((j + 1) * n / count)
        if b > a:
            values[j] = ordered[a:b].mean()
    return np.floor(values + 0.5) if as_integers else values


def waits(
    days: Sequence[extract.ExtractedDay],
    states: Sequence[extract.FlowState],
    edges: Table,
    prior: float = 20.0,
) -> dict[str, Table]:
    """Law of the next wait's class (cumulative), thin cells shrunk to wider ones; quantiles within classes, ns.

    The class of the wait depends on the event before it, the wait before that, the activity of the minute, the spread
    and how long ago a market order last emptied a touch (`memory.wait_row`). A cell leans with `prior` waits on the law
    without its last word, that one on the law without two, and so on.
    """
    shape = (q.PREVIOUS, q.WAITS, q.ACTIVITIES, q.WIDTHS, q.SINCE, q.WAITS)
    counts = np.zeros(shape)
    rows = counts.reshape(-1, q.WAITS)
    for s in states:
        np.add.at(rows, (s.cells[:-1, extract.WAIT_CELL], s.wait[1:]), 1.0)
    parent = counts.sum(axis=(0, 1, 2, 3, 4)) / counts.sum()
    for axes in ((1, 2, 3, 4), (2, 3, 4), (2, 3), (3,), ()):
        totals = counts.sum(axis=axes, keepdims=True) if axes else counts
        parent = (totals + prior * parent) / (totals.sum(axis=-1, keepdims=True) + prior)
    law = np.minimum(np.cumsum(parent, axis=-1), 1.0)
    law[..., -1] = 1.0
    all_waits = np.concatenate([d.wait[1:] for d in days]).astype(float)
    classes = np.searchsorted(edges, all_waits, side="right")
    ns = np.zeros((q.WAITS, q.WAIT_POINTS))
    for c in range(q.WAITS):
        inside = all_waits[classes == c]
        if len(inside):
            ns[c] = np.quantile(inside, np.linspace(0.0, 1.0, q.WAIT_POINTS))
            mean = (ns[c].sum() - (ns[c, 0] + ns[c, -1]) / 2.0) / (q.WAIT_POINTS - 1)
            # a straight line to the largest would make the last class too long
            ns[c, -1] = max(
                ns[c, -2], ns[c, -1] - 2.0 * (q.WAIT_POINTS - 1) * (mean - inside.mean())
            )
        elif c:
            ns[c] = ns[c - 1, -1]
    return {"wait_law": law.ravel(), "wait_ns": np.round(ns).ravel()}


def sizes_and_places(days: Days, states: FlowStates, law: dict[str, Table]) -> dict[str, Table]:
    """Laws of sizes by day and kind, distances by spread, lots taken by queue, gaps and deep lots."""
    counted = [AgainChances().count(d, s) for d, s in zip(days, states, strict=True)]
    return {
        "size": _sizes(days, states, [same for _, same in counted]).ravel(),
        **_places(days, states, [known for known, _ in counted], law),
        **_slots(days),
        **_takes(days, law["queue_edges"]),
        **_levels(days),
    }


def _sizes(days: Days, states: FlowStates, same: Sequence[Bools]) -> Table:
    """Equally likely sizes of limit orders that repeat none, [DAYS, 3, SIZE_POINTS]; where fewer than 50, of all days or kinds.
    `same`: events to leave out, see `AgainChances.count`.
    """
    sizes = np.ones((q.DAYS, 3, q.SIZE_POINTS))
    by_day = [
        [fresh_sizes(d, s, kind, a) for kind in range(3)]
        for d, s, a in zip(days, states, same, strict=True)
    ]
    for d in range(q.DAYS):
        day_sizes = by_day[d :: q.DAYS] or by_day
        for kind in range(3):
            for choice in (
                [x[kind] for x in day_sizes],
                [x[kind] for x in by_day],
                [y for x in by_day for y in x],
            ):
                sample = np.concatenate(choice)
                if len(sample) >= 50:
                    break
            sizes[d, kind] = equally_likely(sample, q.SIZE_POINTS)
    return sizes


def _places(
    days: Days, states: FlowStates, known: Sequence[Bools], law: dict[str, Table]
) -> dict[str, Table]:
    """Tables `deep_edges`, `deep` (ticks behind the best, by the gap there) and `inside` (`_inside`).

    `known`: events of each day at the price of an earlier order, which `inside` leaves out.
    """
    rows = np.concatenate([d.o.kind == q.LIMIT_DEEPER for d in days])
    gap = np.concatenate(
        [np.where(d.o.side > 0, d.bid[:, 0] - d.bid[:, 1], d.ask[:, 1] - d.ask[:, 0]) for d in days]
    )
    edges = quantile_edges(gap[rows], GAPS_AT)
    away = np.concatenate([extract.behind_best(d) for d in days])
    deep = _by_class(away, np.searchsorted(edges, gap, side="right"), (rows,), q.DEEP_POINTS)
    return {
        "deep_edges": pad(edges, q.SPREADS - 1),
        "deep": np.maximum(deep, 1.0).ravel(),
        "inside": _inside(days, states, known, law),
    }


def _inside(days: Days, states: FlowStates, known: Sequence[Bools], law: dict[str, Table]) -> Table:
    """Ticks into the spread from its nearer end (below 0: from the opposite best), by the mid's shift, last trade and spread.

    Counts orders at a price where none was before (`repetition.AgainChances`), if there are any. A cell with few of them
    takes those of any shift.
    """
    rows = np.concatenate([d.o.kind == q.LIMIT_IN_SPREAD for d in days])
    fresh = rows & ~np.concatenate(known)
    rows = fresh if fresh.any() else rows
    spread = np.concatenate([d.spread for d in days])
    better = -np.concatenate([extract.behind_best(d) for d in days])
    signed = np.where(2 * better <= spread, better, better - spread)
    spread_class = np.searchsorted(law["spread_edges"], spread, side="right")
    shift = np.searchsorted(
        law["shift_edges"], np.concatenate([s.shift for s in states]), side="right"
    )
    place = np.concatenate([s.before[:, extract.LAST_TRADE_PLACE] for s in states])
    tables = [
        _by_class(
            signed,
            spread_class,
            (rows & (shift == c) & (place == lastly), rows & (shift == c), rows),
            q.INSIDE_POINTS,
        )
        for c in range(q.SHIFTS)
        for lastly in range(q.LASTLY)
    ]
    return np.concatenate(tables).ravel()


def _by_class(value: Ints, classes: Ints, rows: Sequence[Bools], count: int) -> Table:
    """Equally likely values of each of SPREADS classes; of neighbours, then of wider and wider `rows` where few are."""
    table = np.ones((q.SPREADS, count))
    for c in range(q.SPREADS):
        near = np.abs(classes - c)
        beside = near <= 1
        choices = [
            choice for mask in rows for choice in ((mask & (near == 0), 50), (mask & beside, 20))
        ]
        for choice, least in (*choices, (rows[-1], 1)):
            if choice.sum() >= least:
                ordered = np.sort(value[choice])
                table[c] = ordered[
                    ((np.arange(count) + 0.5) / count * len(ordered)).astype(np.int64)
                ]
                break
    return table


def _slots(days: Sequence[extract.ExtractedDay]) -> dict[str, Table]:
    """Distribution of limit orders behind the second level: which level, or in which gap and place between levels."""
    counts = np.zeros(2 * (q.LEVELS - 1))
    steps = [np.ones(1, np.int64)]
    for d in days:
        rows = d.o.kind == q.LIMIT_DEEPER
        bids = d.o.side[rows] > 0
        px = np.where(bids[:, None], d.bid[rows], d.ask[rows])
        away = np.where(bids[:, None], px[:, :1] - px, px - px[:, :1])
        behind = extract.behind_best(d)[rows]
        away = np.where(px > 0, away, np.iinfo(np.int64).max)
        level = (away < behind[:, None]).sum(axis=1)  # levels in front of it
        within = (level > 1) & (level < q.LEVELS)  # up to the second level `deep` tells
        level = level[within]
        away = away[within]
        behind = behind[within]
        joins = away[np.arange(len(level)), level] == behind
        counts += np.bincount(
            np.where(joins, level - 1, level - 1 + q.LEVELS - 1), minlength=len(counts)
        )
        new = np.flatnonzero(~joins & (away[np.arange(len(level)), level] < 10**9))
        gap = away[new, level[new]] - away[new, level[new] - 1]
        step = behind[new] - away[new, level[new] - 1]
        steps.append(np.where(2 * step <= gap, step, step - gap))
    law = np.cumsum(counts + 1e-3) / (counts.sum() + 1e-3 * len(counts))
    pooled = np.concatenate(steps)
    ordered = np.sort(pooled[1:] if len(pooled) > 1 else pooled)
    index = ((np.arange(q.INSIDE_POINTS) + 0.5) / q.INSIDE_POINTS * len(ordered)).astype(np.int64)
    return {"slot": np.minimum(law, 1.0), "between": ordered[index].astype(float)}


def _takes(days: Sequence[extract.ExtractedDay], queue_edges: Table) -> dict[str, Table]:
    """Laws of market-order sizes by best queue: P(equal), P(at most), lots below and lots beyond it."""
    lots = []
    queue = []
    for d in days:
        rows = d.o.kind == q.MARKET
        lots.append(d.lots[rows])
        queue.append(np.where(d.o.side[rows] > 0, d.ask_lots[rows, 0], d.bid_lots[rows, 0]))
    taken = np.concatenate(lots)
    rested = np.concatenate(queue)
    classes = np.searchsorted(queue_edges, rested, side="right")
    equal = np.zeros(q.QUEUES)
    upto = np.zeros(q.QUEUES)
    less = np.ones((q.QUEUES, q.TAKE_POINTS))
    more = np.ones((q.QUEUES, q.TAKE_POINTS))
    for c in range(q.QUEUES):
        rows = classes == c
        if rows.sum() < 20:
            rows = np.ones(len(classes), np.bool_)
        t = taken[rows]
        r = rested[rows]
        equal[c] = (t == r).mean()
        upto[c] = max((t <= r).mean(), equal[c])
        if (t < r).any():
            less[c] = np.maximum(equally_likely(t[t < r], q.TAKE_POINTS), 1.0)
        if (t > r).any():
            more[c] = np.maximum(equally_likely((t - r)[t > r], q.TAKE_POINTS), 1.0)
    return {"take_equal": equal, "take_less": upto, "less": less.ravel(), "more": more.ravel()}


def _levels(days: Sequence[extract.ExtractedDay]) -> dict[str, Table]:
    """Laws of the gap from the fourth to the fifth level, ticks, and of the lots on the fifth, at every seventh event."""
    gaps = [np.ones(1, np.int64)]
    lots = [np.ones(1, np.int64)]
    for d in days:
        for px, resting in ((d.bid[::7], d.bid_lots[::7]), (d.ask[::7], d.ask_lots[::7])):
            has_fifth = (px[:, 3] > 0) & (px[:, 4] > 0)
            gaps.append(np.abs(px[has_fifth, 4] - px[has_fifth, 3]))
            lots.append(resting[has_fifth, 4])
    gap = np.concatenate(gaps)
    deep = np.concatenate(lots)
    gap = gap[gap <= max(np.quantile(gap, 0.9), 1)]  # stub quotes are no neighbours
    return {
        "gap": np.maximum(equally_likely(gap, q.GAP_POINTS), 1.0),
        "deep_lots": np.maximum(equally_likely(deep[deep > 0], q.GAP_POINTS), 1.0),
    }


def mean_book(days: Sequence[extract.ExtractedDay]) -> tuple[Table, Table]:
    """Mean lots on each level (0 where it is empty), and mean ticks from the best to it where it is not; both sides together."""
    lots = np.concatenate([np.concatenate((d.bid_lots, d.ask_lots)) for d in days])
    away = np.concatenate(
        [np.concatenate((d.bid[:, :1] - d.bid, d.ask - d.ask[:, :1])) for d in days]
    ).astype(float)
    occupied = lots > 0
    count = np.maximum(occupied.sum(axis=0), 1)
    return lots.sum(axis=0) / len(lots), (away * occupied).sum(axis=0) / count


def live_mean(days: Sequence[extract.ExtractedDay]) -> float:
    """Mean number of resting orders, by Little's law or by lots shown over mean size, whichever is more; at least 10."""
    counts = []
    for d in days:
        known = d.o.order_id != 0
        placed = known & (d.o.kind <= q.LIMIT_DEEPER)
        gone = known & (d.o.kind >= q.CANCEL_AT_BEST) & (d.o.kind < q.MARKET)
        ids, first = np.unique(d.o.order_id[placed], return_index=True)
        position = np.searchsorted(ids, d.o.order_id[gone])
        match = position < len(ids)
        match[match] = ids[position[match]] == d.o.order_id[gone][match]
        lots = (
            np.mean(d.lots[d.o.kind <= q.LIMIT_DEEPER])
            if (d.o.kind <= q.LIMIT_DEEPER).any()
            else 1.0
        )
        shown = float((d.bid_lots.sum(axis=1) + d.ask_lots.sum(axis=1)).mean() / lots)
        alive = 0.0
        if match.any():
            lives = d.o.ns[gone][match] - d.o.ns[placed][first][position[match]]
            alive = float(lives.mean()) / 1e9 * placed.sum() / d.o.seconds
        counts.append(max(alive, shown, 10.0))
    return float(np.mean(counts))


def volume_curve(days: Sequence[extract.ExtractedDay], session_ns: float) -> Table:
    """Mean lots traded in each thirteenth of the session (skipped time counts as none)."""
    curve = np.zeros(CURVE)
    for d in days:
        rows = d.o.kind == q.MARKET
        bin_index = np.minimum((d.o.ns[rows] - d.o.open_ns) * CURVE // int(session_ns), CURVE - 1)
        curve += np.bincount(bin_index, d.lots[rows], CURVE)
    return curve / len(days)
