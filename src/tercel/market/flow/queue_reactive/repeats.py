"""Repetition of recent sizes and prices by limit orders, and the sizes of the others."""

from collections.abc import Sequence

import numpy as np

from tercel.core.arrays import Bools, Floats, Ints
from tercel.market.flow.queue_reactive import layout as q
from tercel.market.flow.queue_reactive.edges import cuts, pad
from tercel.market.flow.queue_reactive.extract import ExtractedDay, FlowState, behind_best

Table = Floats
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
    """How often orders in the spread stand where one stood before, counted day by day: see `events.same_again`."""

    def __init__(self) -> None:
        self.price = np.zeros((2, q.CAUSES * q.AGAINS, q.ROOMS))
        self.lots = np.zeros((2, q.CAUSES * q.AGAINS))
        self.lost = np.zeros((2, 2, q.CAUSES * q.FELL * q.DROPS))

    def count(self, day: ExtractedDay, seen: FlowState) -> tuple[Bools, Bools]:
        """Count a day; which of its events stand so, and which of them have the lots of the last one too."""
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
    """Probability above chance, shrunk where there are few."""
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
