"""Limit orders that repeat a recent size or price, and the sizes of the orders that repeat none."""

from collections.abc import Sequence

import numpy as np

from tercel.core.arrays import Bools, Floats, Ints
from tercel.market.flow.queue_reactive import extract, layout as q
from tercel.market.flow.queue_reactive.edges import pad, quantile_edges
from tercel.market.flow.queue_reactive.extract import ExtractedDay, FlowState, behind_best

Table = Floats
SIZES_AT = (0.25, 0.5, 0.85)
LOST = (
    (extract.LOST_CELL, extract.LOST_PRICE),
    (extract.FAR_LOST_CELL, extract.FAR_LOST_PRICE),
)
"""Columns of `FlowState.before`: the best price that the own side has lost, and that of the other."""


def repeats(days: Sequence[ExtractedDay], states: Sequence[FlowState]) -> dict[str, Table]:
    """Frequency with which limit orders repeat the previous event's, or the last cancel's, size and price.

    `repeat_by`: how often a size of a class is repeated, over the mean of its kind.
    """
    size = np.zeros((q.PREVIOUS, 3, 2, 3))
    price = np.zeros((q.PREVIOUS, 3, 3))
    again = np.zeros((3, 3))
    price_again = np.zeros((3, 3))
    placed = AgainChances()
    edges = quantile_edges(np.concatenate([d.lots for d in days]), SIZES_AT)
    by_size = np.zeros((3, q.STAY_CLASSES, 3))
    for d, s in zip(days, states, strict=True):
        before_kind = s.before[:, extract.EVENT_KIND]
        before_price = s.before[:, extract.EVENT_PRICE]
        cancelled_price = s.before[:, extract.CANCELLED_PRICE]
        kind = d.o.kind.astype(np.int64)
        side = d.o.side.astype(np.int64)
        px = d.o.price.astype(np.int64)
        near = np.where(side > 0, d.bid[:, 0], d.ask[:, 0])
        far = np.where(side > 0, d.ask[:, 0], d.bid[:, 0])
        away = behind_best(d)
        known, lots_too = placed.count(d, s)
        for kind_code in range(3):
            rows = (kind == kind_code) & ~lots_too
            if not rows.any():
                continue
            values, count = np.unique(d.lots[rows], return_counts=True)
            share = dict(zip(values.tolist(), (count / rows.sum()).tolist(), strict=True))
            steps, count = np.unique(away[rows], return_counts=True)
            step_share = dict(zip(steps.tolist(), (count / rows.sum()).tolist(), strict=True))

            def chance_of(lots: Ints, law: dict[int, float]) -> Table:
                """Probability that a fresh size equals each of `lots`, by chance alone."""
                return np.array([law.get(x, 0.0) for x in lots.tolist()])

            last = s.before[:, extract.EVENT_LOTS]
            same = s.event % 2 == 0
            can = rows & (last > 0)
            hit = can & (d.lots == last)
            chance = np.zeros(len(rows))
            chance[can] = chance_of(last[can], share)
            opposite = np.where(same, 0, 1)
            for column, x in enumerate((hit, chance, can)):
                np.add.at(
                    size[:, kind_code, :, column],
                    (before_kind[can], opposite[can]),
                    x[can].astype(float),
                )
                np.add.at(
                    by_size[kind_code, :, column],
                    np.searchsorted(edges, last[can], side="right"),
                    x[can].astype(float),
                )
            fits = _fits(kind_code, side, before_price, near, far)
            can_price = hit & (s.before[:, extract.EVENT_SIDE] == side) & fits & ~known
            jump = np.where(side > 0, near - before_price, before_price - near)
            chance[can_price] = chance_of(jump[can_price], step_share)
            for column, x in enumerate((px == before_price, chance, can_price)):
                np.add.at(
                    price[:, kind_code, column], before_kind[can_price], x[can_price].astype(float)
                )
            gone = s.before[:, extract.CANCELLED_LOTS]
            can_gone = rows & ~hit & (gone > 0) & (gone != last)
            hit_gone = can_gone & (d.lots == gone)
            again[kind_code] += (
                hit_gone.sum(),
                chance_of(gone[can_gone], share).sum(),
                can_gone.sum(),
            )
            fits = _fits(kind_code, side, cancelled_price, near, far) & hit_gone & ~known
            jump = np.where(side > 0, near - cancelled_price, cancelled_price - near)
            price_again[kind_code] += (
                (px == cancelled_price)[fits].sum(),
                chance_of(jump[fits], step_share).sum(),
                fits.sum(),
            )
    mean = np.array([_excess(*x) for x in by_size.sum(axis=1)])[:, None]
    by_size_factor = np.array([[_excess(*x) for x in row] for row in by_size]) / np.maximum(
        mean, 1e-6
    )
    return {
        "repeat_edges": pad(edges, q.STAY_CLASSES - 1),
        "repeat_by": np.where(mean > 0.0, by_size_factor, 1.0).ravel(),
        "repeat_size": np.array([_excess(*x) for x in size.reshape(-1, 3)]),
        "repeat_price": np.array([_excess(*x) for x in price.reshape(-1, 3)]),
        "repost_size": np.array([_excess(*x) for x in again]),
        "repost_price": np.array([_excess(*x) for x in price_again]),
        **placed.tables(),
    }


class AgainChances:
    """Frequencies of orders in the spread at the price of an earlier one, counted day by day.

    See `events.repeat_price`.
    """

    def __init__(self) -> None:
        self.price = np.zeros((2, q.CAUSES * q.AGAINS, q.ROOMS))
        self.lots = np.zeros((2, q.CAUSES * q.AGAINS))
        self.lost = np.zeros((2, 2, q.CAUSES * q.FELL * q.DROPS * q.REACHES))

    def count(self, day: ExtractedDay, state: FlowState) -> tuple[Bools, Bools]:
        """Count a day; masks of its events at an earlier order's price, and of those that also have its lots."""
        side = day.o.side.astype(np.int64)
        price = day.o.price.astype(np.int64)
        near = np.where(side > 0, day.bid[:, 0], day.ask[:, 0])
        far = np.where(side > 0, day.ask[:, 0], day.bid[:, 0])
        in_spread = day.o.kind == q.LIMIT_IN_SPREAD
        room = state.cells[:, 0] // q.TOUCHES // 2
        cell = state.before[:, extract.PLACED_CELL]
        earlier_price = state.before[:, extract.PLACED_PRICE]
        far_in = _depth_in_spread(earlier_price, near, far)
        can = in_spread & (cell >= 0) & _fits(q.LIMIT_IN_SPREAD, side, earlier_price, near, far)
        hit = can & (price == earlier_price)
        same = hit & (day.lots == state.before[:, extract.PLACED_LOTS])
        for column, rows in enumerate((hit, can)):
            np.add.at(self.price[column], (cell[rows], room[rows] * q.REACHES + far_in[rows]), 1.0)
        for column, rows in enumerate((same, hit)):
            np.add.at(self.lots[column], cell[rows], 1.0)
        known = hit.copy()
        for i, (cell_column, price_column) in enumerate(LOST):
            cell = state.before[:, cell_column]
            earlier_price = state.before[:, price_column]
            can = (
                in_spread
                & ~known
                & (cell >= 0)
                & _fits(q.LIMIT_IN_SPREAD, side, earlier_price, near, far)
            )
            hit = can & (price == earlier_price)
            cell = cell * q.REACHES + _depth_in_spread(earlier_price, near, far)
            for column, rows in enumerate((hit, can)):
                np.add.at(self.lost[i, column], cell[rows], 1.0)
            known |= hit
        return known, same

    def tables(self) -> dict[str, Table]:
        """Probabilities by cell; thin cells are shrunk to those of their age and depth in the spread."""

        hits, cans = self.price
        alike, stood = self.lots
        overall = hits.sum() / max(cans.sum(), 1.0)
        by_age = _share(hits.sum(axis=1), cans.sum(axis=1), overall)
        lots = _share(alike, stood, alike.sum() / max(stood.sum(), 1.0))
        by_room = _share(hits.sum(axis=0), cans.sum(axis=0), overall)
        about = np.minimum(by_age[:, None] * by_room / max(overall, 1e-9), 1.0)
        lost, follow = (_shares_by_depth(*counts) for counts in self.lost)
        return {
            "again_price": _share(hits, cans, about).ravel(),
            "again_lots": lots,
            "lost_price": lost,
            "follow_price": follow,
        }


def _share(hits: Table, cans: Table, lean: Table | float, prior: float = 20.0) -> Table:
    """Share of hits in the cases that could be, shrunk towards `lean` by `prior` cases."""
    return np.asarray((hits + prior * lean) / (cans + prior))


def _shares_by_depth(hits: Table, cans: Table) -> Table:
    """Share of hits by cell, shrunk towards that of the same depth in the spread."""
    by_depth = _share(
        hits.reshape(-1, q.REACHES).sum(axis=0), cans.reshape(-1, q.REACHES).sum(axis=0), 0.0
    )
    return _share(hits, cans, np.resize(by_depth, len(hits)))


def _depth_in_spread(price: Ints, near: Ints, far: Ints) -> Ints:
    """Class of `events.depth_in_spread` of prices in the spread."""
    into = abs(price - near)
    spread = abs(far - near)
    return (4 * into > spread).astype(np.int64) + (2 * into > spread)


def _excess(hits: float, chance: float, count: float, prior: float = 30.0) -> float:
    """Probability of a repetition above that by chance, shrunk towards 0 for small counts."""
    if count <= 0.0:
        return 0.0
    seen = hits / count
    by_luck = min(chance / count, 0.99)
    return float(np.clip((seen - by_luck) / (1.0 - by_luck), 0.0, 1.0) * count / (count + prior))


def _fits(kind: int, side: Ints, price: Ints, near: Ints, far: Ints) -> Bools:
    """Whether each price lies where this kind of limit order goes: in the spread, at the best, or behind."""
    if kind == q.LIMIT_IN_SPREAD:
        return ((price - near) * side > 0) & ((far - price) * side > 0)
    if kind == q.LIMIT_DEEPER:
        return ((near - price) * side > 0) & (price > 0)
    return price == near


def fresh_sizes(day: ExtractedDay, state: FlowState, kind: int, again: Bools | None = None) -> Ints:
    """Sizes of a day's limit orders of a kind, without those that came `again` and repetitions beyond chance."""
    rows = (day.o.kind == kind) & ~(np.zeros(len(day.lots), np.bool_) if again is None else again)
    sizes, count = np.unique(day.lots[rows], return_counts=True)
    remaining = count.astype(float)
    share = count / max(rows.sum(), 1)
    taken = np.zeros(len(day.lots), np.bool_)
    for earlier_lots in (
        state.before[:, extract.EVENT_LOTS],
        state.before[:, extract.CANCELLED_LOTS],
    ):  # the event before, the side's last cancelled order
        can = rows & (earlier_lots > 0) & ~taken
        hit = can & (day.lots == earlier_lots)
        index = np.minimum(np.searchsorted(sizes, earlier_lots[can]), max(len(sizes) - 1, 0))
        known = sizes[index] == earlier_lots[can] if len(sizes) else np.zeros(0, np.bool_)
        chance = np.bincount(index[known], minlength=len(sizes)) * share
        remaining -= np.maximum(
            np.bincount(np.searchsorted(sizes, earlier_lots[hit]), minlength=len(sizes)) - chance,
            0.0,
        )
        taken |= hit
    return np.repeat(sizes, np.maximum(np.round(remaining), 0).astype(np.int64))
