"""Empirical laws of the queue-reactive flow: waits, sizes and their repetition, placement, depth, hidden executions."""

import itertools
from collections.abc import Sequence
from typing import Final

import numpy as np

from tercel.core.arrays import Bools, Floats, Ints
from tercel.market.flow.calibrate import to_lots
from tercel.market.flow.queue_reactive import extract, layout as q
from tercel.market.flow.queue_reactive.edges import cuts, pad
from tercel.market.flow.queue_reactive.extract import (
    SOON_NS,
    WITH_NS,
    ExtractedDay,
    FlowState,
    behind_best,
    dropped,
    gone,
    of_side,
)

# -- repeats ---------------------------------------------------------------------------------------
# Repetition of recent sizes and prices by limit orders, and the sizes of the others.

Table = Floats
CURVE = 13
GAPS_AT = (0.12, 0.25, 0.4, 0.55, 0.68, 0.8, 0.9, 0.96, 0.99)

Days = Sequence[extract.ExtractedDay]
Seen = Sequence[extract.FlowState]


def points(sample: Ints | Table, count: int, whole: bool = True) -> Table:
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


def waits(
    days: Sequence[extract.ExtractedDay],
    seen: Sequence[extract.FlowState],
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
    for s in seen:
        np.add.at(rows, (s.cells[:-1, extract.WAIT_CELL], s.wait[1:]), 1.0)
    parent = counts.sum(axis=(0, 1, 2, 3, 4)) / counts.sum()
    for axes in ((1, 2, 3, 4), (2, 3, 4), (2, 3), (3,), ()):
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
            ns[c, -1] = max(
                ns[c, -2], ns[c, -1] - 2.0 * (q.WAIT_POINTS - 1) * (mean - inside.mean())
            )
        elif c:
            ns[c] = ns[c - 1, -1]
    return {"wait_law": law.ravel(), "wait_ns": np.round(ns).ravel()}


def sizes_and_places(days: Days, seen: Seen, law: dict[str, Table]) -> dict[str, Table]:
    """Laws of sizes by day and kind, distances by spread, lots taken by queue, gaps and deep lots."""
    again = [AgainChances().count(d, s) for d, s in zip(days, seen, strict=True)]
    return {
        "size": _sizes(days, seen, [same for _, same in again]).ravel(),
        **_places(days, seen, [known for known, _ in again], law),
        **_slots(days),
        **_takes(days, law["queue_edges"]),
        **_levels(days),
    }


def _sizes(days: Days, seen: Seen, same: Sequence[Bools]) -> Table:
    """Sizes of limit orders that repeat none, by day and kind; `same`, `known`: see `AgainChances.count`."""
    out = np.ones((q.DAYS, 3, q.SIZE_POINTS))
    each = [
        [fresh(d, s, kind, a) for kind in range(3)]
        for d, s, a in zip(days, seen, same, strict=True)
    ]
    for d in range(q.DAYS):
        mine = each[d :: q.DAYS] or each
        for kind in range(3):
            for choice in (
                [x[kind] for x in mine],
                [x[kind] for x in each],
                [y for x in each for y in x],
            ):
                sample = np.concatenate(choice)
                if len(sample) >= 50:
                    break
            out[d, kind] = points(sample, q.SIZE_POINTS)
    return out


def _places(
    days: Days, seen: Seen, known: Sequence[Bools], law: dict[str, Table]
) -> dict[str, Table]:
    """Ticks behind the best by the gap behind it; ticks into the spread, see `_inside`."""
    rows = np.concatenate([d.o.kind == q.LIMIT_DEEPER for d in days])
    gap = np.concatenate(
        [np.where(d.o.side > 0, d.bid[:, 0] - d.bid[:, 1], d.ask[:, 1] - d.ask[:, 0]) for d in days]
    )
    edges = cuts(gap[rows], GAPS_AT)
    away = np.concatenate([extract.behind_best(d) for d in days])
    deep = _by_class(away, np.searchsorted(edges, gap, side="right"), (rows,), q.DEEP_POINTS)
    return {
        "deep_edges": pad(edges, q.SPREADS - 1),
        "deep": np.maximum(deep, 1.0).ravel(),
        "inside": _inside(days, seen, known, law),
    }


def _inside(days: Days, seen: Seen, known: Sequence[Bools], law: dict[str, Table]) -> Table:
    """Ticks into the spread from its nearer end, by how far its side is behind its mean, and by the spread.

    Counts orders at a price where none was before (`empirical.AgainChances`), if there are any. A cell with few of them
    takes those of any retreat.
    """
    rows = np.concatenate([d.o.kind == q.LIMIT_IN_SPREAD for d in days])
    fresh = rows & ~np.concatenate(known)
    rows = fresh if fresh.any() else rows
    spread = np.concatenate([d.spread for d in days])
    better = -np.concatenate([extract.behind_best(d) for d in days])
    signed = np.where(2 * better <= spread, better, better - spread)
    wide = np.searchsorted(law["spread_edges"], spread, side="right")
    own = np.concatenate(
        [extract.of_side(s.retreat, d.o.side) for d, s in zip(days, seen, strict=True)]
    )
    behind = np.searchsorted(law["retreat_edges"], own, side="right")
    classes = range(q.RETREATS)
    tables = [
        _by_class(signed, wide, (rows & (behind == c), rows), q.INSIDE_POINTS) for c in classes
    ]
    return np.concatenate(tables).ravel()


def _by_class(value: Ints, classes: Ints, rows: Sequence[Bools], count: int) -> Table:
    """Equally likely values of each of SPREADS classes; of neighbours, then of wider and wider `rows` where few are."""
    out = np.ones((q.SPREADS, count))
    for c in range(q.SPREADS):
        near = np.abs(classes - c)
        beside = near <= 1
        choices = [
            choice for one in rows for choice in ((one & (near == 0), 50), (one & beside, 20))
        ]
        for choice, least in (*choices, (rows[-1], 1)):
            if choice.sum() >= least:
                ordered = np.sort(value[choice])
                out[c] = ordered[((np.arange(count) + 0.5) / count * len(ordered)).astype(np.int64)]
                break
    return out


def _slots(days: Sequence[extract.ExtractedDay]) -> dict[str, Table]:
    """Distribution of limit orders behind the second level: by existing level, by gap for a new one, and by place in
    the gap."""
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
        shown = (level > 1) & (level < q.LEVELS)  # up to the second level `deep` tells
        level, away, behind = level[shown], away[shown], behind[shown]
        joins = away[np.arange(len(level)), level] == behind
        counts += np.bincount(
            np.where(joins, level - 1, level - 1 + q.LEVELS - 1), minlength=len(counts)
        )
        new = np.flatnonzero(~joins & (away[np.arange(len(level)), level] < 10**9))
        gap = away[new, level[new]] - away[new, level[new] - 1]
        step = behind[new] - away[new, level[new] - 1]
        steps.append(np.where(2 * step <= gap, step, step - gap))
    law = np.cumsum(counts + 1e-3) / (counts.sum() + 1e-3 * len(counts))
    ordered = np.sort(np.concatenate(steps)[1:] if len(steps[-1]) else steps[0])
    at = ((np.arange(q.INSIDE_POINTS) + 0.5) / q.INSIDE_POINTS * len(ordered)).astype(np.int64)
    return {"slot": np.minimum(law, 1.0), "between": ordered[at].astype(float)}


def _takes(days: Sequence[extract.ExtractedDay], queue_edges: Table) -> dict[str, Table]:
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


def _levels(days: Sequence[extract.ExtractedDay]) -> dict[str, Table]:
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


def mean_book(days: Sequence[extract.ExtractedDay]) -> tuple[Table, Table]:
    """Mean lots on each level, and mean ticks from the best to it."""
    lots = np.concatenate([np.concatenate((d.bid_lots, d.ask_lots)) for d in days])
    away = np.concatenate(
        [np.concatenate((d.bid[:, :1] - d.bid, d.ask - d.ask[:, :1])) for d in days]
    ).astype(float)
    there = lots > 0
    count = np.maximum(there.sum(axis=0), 1)
    return lots.sum(axis=0) / len(lots), (away * there).sum(axis=0) / count


def live_mean(days: Sequence[extract.ExtractedDay]) -> float:
    """Mean number of resting orders by Little's law: arrival rate times lifetime of cancelled ones."""
    found = []
    for d in days:
        known = d.o.order_id != 0
        placed = known & (d.o.kind <= q.LIMIT_DEEPER)
        gone = known & (d.o.kind >= q.CANCEL_AT_BEST) & (d.o.kind < q.MARKET)
        ids, first = np.unique(d.o.order_id[placed], return_index=True)
        at = np.searchsorted(ids, d.o.order_id[gone])
        match = at < len(ids)
        match[match] = ids[at[match]] == d.o.order_id[gone][match]
        lots = (
            np.mean(d.lots[d.o.kind <= q.LIMIT_DEEPER])
            if (d.o.kind <= q.LIMIT_DEEPER).any()
            else 1.0
        )
        shown = float((d.bid_lots.sum(axis=1) + d.ask_lots.sum(axis=1)).mean() / lots)
        alive = 0.0
        if match.any():
            lives = d.o.ns[gone][match] - d.o.ns[placed][first][at[match]]
            alive = float(lives.mean()) / 1e9 * placed.sum() / d.o.seconds
        found.append(max(alive, shown, 10.0))
    return float(np.mean(found))


def volume_curve(days: Sequence[extract.ExtractedDay], session_ns: float) -> Table:
    """Mean lots traded in each thirteenth of the session (skipped time counts as none)."""
    out = np.zeros(CURVE)
    for d in days:
        rows = d.o.kind == q.MARKET
        at = np.minimum((d.o.ns[rows] - d.o.open_ns) * CURVE // int(session_ns), CURVE - 1)
        out += np.bincount(at, d.lots[rows], CURVE)
    return out / len(days)


# -- hidden ----------------------------------------------------------------------------------------
# Laws of hidden executions: frequency with and without a market order, by spread; place in it; size.

FEW: Final = 20
PRIOR: Final = 5.0
"""Occasions at the wider law's rate that a cell is shrunk to."""


def laws(
    days: Sequence[ExtractedDay], seen: Sequence[FlowState], spread_edges: Floats, per_lot: float
) -> dict[str, Floats]:
    """Law of a side's hidden executions, by spread and by whether its best price holds.

    For each market order that takes from the side (those that it follows at once), and for each event (all others).
    Their place is a share of the spread, by how far the best price is behind one that is gone. Which side rested is
    not shown by the price on every feed: the nearer one did, so that a share is at most a half. A tape may round prices
    outwards, to the touch itself; then that is where they lie. `per_lot`: tape lots of a simulated lot.

    Returns
    -------
    hidden : float64[2 * STATES_OF_TOUCH * SPREADS]
        Mean executions on a side per market order that takes from it, then per event; by the state of its best price.
    hidden_at : float64[(1 + DROPS) * SPREADS * HIDDEN_POINTS]
        Equally likely shares; first `memory.dropped`, then the class of the spread.
    hidden_lots : float64[GAP_POINTS]
        Equally likely values.
    """
    rows = np.concatenate([d.o.hidden for d in days])
    gap = rows[:, 4] - rows[:, 3]
    at = np.clip((rows[:, 1] - rows[:, 3]) / np.maximum(gap, 1), 0.0, 1.0)
    at = np.minimum(at, 1.0 - at)
    classes = np.searchsorted(spread_edges, gap, side="right")
    nearer = np.where(2 * rows[:, 1] <= rows[:, 3] + rows[:, 4], 1, -1)
    state = of_side(
        np.concatenate([_then(d, dropped(d, s)) for d, s in zip(days, seen, strict=True)]), nearer
    )
    places = np.zeros((1 + q.DROPS, q.SPREADS, q.HIDDEN_POINTS))
    for m, c in itertools.product(range(1 + q.DROPS), range(q.SPREADS)):
        near = np.abs(classes - c) <= 1
        choices = ((classes == c) & (state == m), near & (state == m), state == m, classes == c)
        mine = next((at[which] for which in choices if which.sum() >= FEW), at)
        if len(mine):
            places[m, c] = points(mine, q.HIDDEN_POINTS, whole=False)
    lots = to_lots(rows[:, 2], per_lot) if len(rows) else np.ones(1)
    counts = np.sum([_counts(d, s, spread_edges) for d, s in zip(days, seen, strict=True)], axis=0)
    return {
        "hidden": np.concatenate([_rate(*counts[i]).ravel() for i in range(2)]),
        "hidden_at": np.clip(places, 0.0, 0.5).ravel(),
        "hidden_lots": np.maximum(points(lots, q.GAP_POINTS), 1.0),
    }


def again(days: Sequence[ExtractedDay]) -> float:
    """Share of hidden executions within a second of another on their side, at most .9."""
    close, count = 0, 0
    for d in days:
        ns, nearer = (
            d.o.hidden[:, 0],
            np.sign(2 * d.o.hidden[:, 1] - d.o.hidden[:, 3] - d.o.hidden[:, 4]),
        )
        for side in (-1, 1):
            close += int((np.diff(ns[nearer == side]) < SOON_NS).sum())
            count += int((nearer == side).sum())
    return min(close / max(count, 1), 0.9)


def _counts(day: ExtractedDay, seen: FlowState, spread_edges: Floats) -> Floats:
    """Executions, and occasions for them, float64[2, 2, STATES_OF_TOUCH, SPREADS]: with market orders, alone."""
    state, o = gone(day, seen), day.o
    out = np.zeros((2, 2, q.STATES_OF_TOUCH, q.SPREADS))
    spread = np.searchsorted(spread_edges, day.spread, side="right")
    market = o.kind == q.MARKET
    np.add.at(out[0, 1], (of_side(state, -o.side.astype(np.int64))[market], spread[market]), 1.0)
    for at in range(2):
        np.add.at(out[1, 1], (state[:, at], spread), 1.0)
    ns, price = o.hidden[:, 0], 2 * o.hidden[:, 1] - o.hidden[:, 3] - o.hidden[:, 4]
    met = np.searchsorted(spread_edges, o.hidden[:, 4] - o.hidden[:, 3], side="right")
    after = np.append(o.ns[market], np.iinfo(np.int64).max)
    joined = after[np.searchsorted(after, ns)] - ns <= WITH_NS
    then = _then(day, state)
    for side, weight in (
        (-1, np.where(price == 0, 0.5, price > 0)),
        (1, np.where(price == 0, 0.5, price < 0)),
    ):
        where = (
            np.where(joined, 0, 1),
            np.zeros(len(ns), np.int64),
            of_side(then, np.full(len(ns), side)),
            met,
        )
        np.add.at(out, where, weight)
    return out


def _then(day: ExtractedDay, state: Ints) -> Ints:
    """States of the bid and of the ask when each hidden execution came, int64[h, 2]."""
    return state[np.minimum(np.searchsorted(day.o.ns, day.o.hidden[:, 0]), max(day.o.n - 1, 0))]


def _rate(hidden: Floats, met: Floats) -> Floats:
    """Executions over occasions; thin cells are shrunk to their spread, thin spreads to all."""
    over_all = hidden.sum() / max(met.sum(), 1.0)
    by_spread = (hidden.sum(axis=0) + PRIOR * over_all) / (met.sum(axis=0) + PRIOR)
    return np.asarray((hidden + PRIOR * by_spread) / (met + PRIOR))


SIZES_AT = (0.25, 0.5, 0.85)


def repeats(days: Sequence[ExtractedDay], seen: Sequence[FlowState]) -> dict[str, Table]:
    """Frequency with which limit orders repeat the previous event's, or the last cancel's, size and price.

    `repeat_by`: how often a size of a class is repeated, over the mean of its kind.
    """
    size, price = np.zeros((q.PREVIOUS, 3, 2, 3)), np.zeros((q.PREVIOUS, 3, 3))
    again, there = np.zeros((3, 3)), np.zeros((3, 3))
    placed = AgainChances()
    edges = cuts(np.concatenate([d.lots for d in days]), SIZES_AT)
    by_size = np.zeros((3, q.STAY_CLASSES, 3))
    for d, s in zip(days, seen, strict=True):
        kind, side, px = (
            d.o.kind.astype(np.int64),
            d.o.side.astype(np.int64),
            d.o.price.astype(np.int64),
        )
        near = np.where(side > 0, d.bid[:, 0], d.ask[:, 0])
        far = np.where(side > 0, d.ask[:, 0], d.bid[:, 0])
        away = behind_best(d)
        known, lots_too = placed.count(d, s)
        for what in range(3):
            rows = (kind == what) & ~lots_too
            if not rows.any():
                continue
            values, count = np.unique(d.lots[rows], return_counts=True)
            share = dict(zip(values.tolist(), (count / rows.sum()).tolist(), strict=True))
            steps, count = np.unique(away[rows], return_counts=True)
            step_share = dict(zip(steps.tolist(), (count / rows.sum()).tolist(), strict=True))

            def luck(lots: Ints, law: dict[int, float]) -> Table:
                return np.array([law.get(x, 0.0) for x in lots.tolist()])

            last, same = s.before[:, 1], s.event % 2 == 0
            can = rows & (last > 0)
            hit = can & (d.lots == last)
            chance = np.zeros(len(rows))
            chance[can] = luck(last[can], share)
            opposite = np.where(same, 0, 1)
            for column, x in enumerate((hit, chance, can)):
                np.add.at(
                    size[:, what, :, column],
                    (s.before[can, 0], opposite[can]),
                    x[can].astype(float),
                )
                np.add.at(
                    by_size[what, :, column],
                    np.searchsorted(edges, last[can], side="right"),
                    x[can].astype(float),
                )
            fits = _fitting(what, side, s.before[:, 2], near, far)
            can_price = hit & (s.before[:, 3] == side) & fits & ~known
            jump = np.where(side > 0, near - s.before[:, 2], s.before[:, 2] - near)
            chance[can_price] = luck(jump[can_price], step_share)
            for column, x in enumerate((px == s.before[:, 2], chance, can_price)):
                np.add.at(
                    price[:, what, column], s.before[can_price, 0], x[can_price].astype(float)
                )
            gone = s.before[:, 5]
            can_gone = rows & ~hit & (gone > 0) & (gone != last)
            hit_gone = can_gone & (d.lots == gone)
            again[what] += (hit_gone.sum(), luck(gone[can_gone], share).sum(), can_gone.sum())
            fits = _fitting(what, side, s.before[:, 4], near, far) & hit_gone & ~known
            jump = np.where(side > 0, near - s.before[:, 4], s.before[:, 4] - near)
            there[what] += (
                (px == s.before[:, 4])[fits].sum(),
                luck(jump[fits], step_share).sum(),
                fits.sum(),
            )
    mean = np.array([_excess(*x) for x in by_size.sum(axis=1)])[:, None]
    by = np.array([[_excess(*x) for x in row] for row in by_size]) / np.maximum(mean, 1e-6)
    return {
        "repeat_edges": pad(edges, q.STAY_CLASSES - 1),
        "repeat_by": np.where(mean > 0.0, by, 1.0).ravel(),
        "repeat_size": np.array([_excess(*x) for x in size.reshape(-1, 3)]),
        "repeat_price": np.array([_excess(*x) for x in price.reshape(-1, 3)]),
        "repost_size": np.array([_excess(*x) for x in again]),
        "repost_price": np.array([_excess(*x) for x in there]),
        **placed.tables(),
    }


class AgainChances:
    """Frequencies of orders in the spread at the price of an earlier one, counted day by day: see
    `events.same_again`."""

    def __init__(self) -> None:
        self.price = np.zeros((2, q.CAUSES * q.AGAINS, q.ROOMS))
        self.lots = np.zeros((2, q.CAUSES * q.AGAINS))
        self.lost = np.zeros((2, 2, q.CAUSES * q.FELL * q.DROPS))

    def count(self, day: ExtractedDay, seen: FlowState) -> tuple[Bools, Bools]:
        """Count a day; return masks of its events at an earlier order's price, and of those that also have its lots."""
        side, price = day.o.side.astype(np.int64), day.o.price.astype(np.int64)
        near = np.where(side > 0, day.bid[:, 0], day.ask[:, 0])
        far = np.where(side > 0, day.ask[:, 0], day.bid[:, 0])
        left = day.o.kind == q.LIMIT_IN_SPREAD
        room = seen.cells[:, 0] // q.TOUCHES // 2
        cell, there = seen.before[:, 6], seen.before[:, 7]
        can = left & (cell >= 0) & _fitting(q.LIMIT_IN_SPREAD, side, there, near, far)
        hit = can & (price == there)
        same = hit & (day.lots == seen.before[:, 8])
        for column, rows in enumerate((hit, can)):
            np.add.at(self.price[column], (cell[rows], room[rows]), 1.0)
        for column, rows in enumerate((same, hit)):
            np.add.at(self.lots[column], cell[rows], 1.0)
        known = hit.copy()
        for i in range(2):
            cell, there = seen.before[:, 9 + 2 * i], seen.before[:, 10 + 2 * i]
            can = left & ~known & (cell >= 0) & _fitting(q.LIMIT_IN_SPREAD, side, there, near, far)
            hit = can & (price == there)
            for column, rows in enumerate((hit, can)):
                np.add.at(self.lost[i, column], cell[rows], 1.0)
            known |= hit
        return known, same

    def tables(self, prior: float = 20.0) -> dict[str, Table]:
        """Chances by cell; thin ones lean on those of their age, and these on all."""

        def share(hits: Table, cans: Table, lean: Table | float) -> Table:
            return np.asarray((hits + prior * lean) / (cans + prior))

        (hits, cans), (alike, stood) = self.price, self.lots
        by_age = share(hits.sum(axis=1), cans.sum(axis=1), hits.sum() / max(cans.sum(), 1.0))
        lots = share(alike, stood, alike.sum() / max(stood.sum(), 1.0))
        lost, follow = (share(x[0], x[1], x[0].sum() / max(x[1].sum(), 1.0)) for x in self.lost)
        return {
            "again_price": share(hits, cans, by_age[:, None]).ravel(),
            "again_lots": lots,
            "lost_price": lost,
            "follow_price": follow,
        }


def _excess(hits: float, chance: float, count: float, prior: float = 30.0) -> float:
    """Probability above chance, shrunk towards 0 for small counts."""
    if count <= 0.0:
        return 0.0
    seen, by_luck = hits / count, min(chance / count, 0.99)
    return float(np.clip((seen - by_luck) / (1.0 - by_luck), 0.0, 1.0) * count / (count + prior))


def _fitting(kind: int, side: Ints, price: Ints, near: Ints, far: Ints) -> Bools:
    if kind == q.LIMIT_IN_SPREAD:
        return ((price - near) * side > 0) & ((far - price) * side > 0)
    if kind == q.LIMIT_DEEPER:
        return ((near - price) * side > 0) & (price > 0)
    return price == near


def fresh(day: ExtractedDay, seen: FlowState, kind: int, again: Bools | None = None) -> Ints:
    """Sizes of a day's limit orders of a kind, without those that came `again` and repetitions beyond chance."""
    rows = (day.o.kind == kind) & ~(np.zeros(len(day.lots), np.bool_) if again is None else again)
    sizes, count = np.unique(day.lots[rows], return_counts=True)
    left, share = count.astype(float), count / max(rows.sum(), 1)
    taken = np.zeros(len(day.lots), np.bool_)
    for before in (
        seen.before[:, 1],
        seen.before[:, 5],
    ):  # the event before, the side's last cancelled order
        can = rows & (before > 0) & ~taken
        hit = can & (day.lots == before)
        at = np.minimum(np.searchsorted(sizes, before[can]), max(len(sizes) - 1, 0))
        known = sizes[at] == before[can] if len(sizes) else np.zeros(0, np.bool_)
        chance = np.bincount(at[known], minlength=len(sizes)) * share
        left -= np.maximum(
            np.bincount(np.searchsorted(sizes, before[hit]), minlength=len(sizes)) - chance, 0.0
        )
        taken |= hit
    return np.repeat(sizes, np.maximum(np.round(left), 0).astype(np.int64))
