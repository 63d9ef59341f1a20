"""The tape's queues at the best prices against a plain book of lists, and what is estimated from them."""

from bisect import bisect_right
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from tests.market.flow.conformance import as_events

from tercel.market.flow.queue_reactive import layout as q
from tercel.market.flow.queue_reactive.best_queues import queues
from tercel.market.flow.queue_reactive.cancel_laws import fit_withdrawals
from tercel.market.flow.queue_reactive.edges import lifetimes, returns
from tercel.market.flow.queue_reactive.extract import day_of
from tercel.market.flow.queue_reactive.repetition import fresh_sizes
from tercel.market.observed import Observed, observe
from tercel.market.tape import Instrument, schema as kind

LIFE = np.array([1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0, 34.0, 55.0])
SIZES = np.array([3.0, 5.0])
S = 10**9
Row = tuple[int, int, int, int, int, int]


def observed(rows: list[Row], from_s: float = 0.0) -> Observed:
    """Rows of (ns, kind, order, side, price, lots), read from a second on."""
    end = rows[-1][0] + 1
    about = Instrument("X", "Y", "2030-01-02", 0.01, session_close_ns=end)
    return observe(about, as_events(rows), from_s)


class Plain:
    """A market of lists in which everything is known; it writes tape rows and what ought to be read from them."""

    def __init__(self, seed: int, known_from: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.levels: dict[int, dict[int, list[list[int]]]] = {
            1: {50: [[-1, 10**6, -1]]},
            -1: {150: [[-2, 10**6, -1]]},
        }
        self.rows: list[Row] = [
            (0, kind.ADD, 10**6 + 1, 1, 50, 10**6),
            (0, kind.ADD, 10**6 + 2, -1, 150, 10**6),
        ]
        self.now, self.came, self.ids, self.known_from = 1, 0, 0, known_from
        self.orders: list[tuple[int, int]] = []
        self.totals: list[tuple[float, float]] = []
        self.stood, self.left = np.zeros((q.LIFE, 3)), np.zeros((q.LIFE, 3))
        self.weight = np.random.default_rng(7).uniform(0.5, 2.0, (q.LIFE, 3))

    def best(self, side: int) -> int:
        return (max if side > 0 else min)(self.levels[side])

    def look(self) -> None:
        """Count and weigh the best queues: orders [id, lots, limit orders before it; -1 came before the tape]."""
        found = []
        for side in (1, -1):
            queue = self.levels[side][self.best(side)]
            known = [o for o in queue if o[2] >= 0]
            nobody = sum(o[1] for o in queue if o[2] < 0)
            total = 0.0
            for _, lots, born in known:
                cell = bisect_right(LIFE, self.came - born), bisect_right(SIZES, lots)
                self.stood[cell] += 1
                total += self.weight[cell]
            if nobody:
                total += self.weight[-1, bisect_right(SIZES, nobody)]
            found.append((len(known) + (nobody > 0), total))
        self.orders.append((found[0][0], found[1][0]))
        self.totals.append((found[0][1], found[1][1]))

    def step(self) -> None:
        self.now += int(self.rng.integers(1, 5))
        counted = self.now >= self.known_from
        if counted:
            self.look()
        side, roll = int(self.rng.choice([1, -1])), self.rng.random()
        if roll < 0.5:
            self.add(side, counted)
        elif roll < 0.8:
            self.withdraw(side, counted)
        else:
            self.take(side)

    def add(self, side: int, counted: bool) -> None:
        price = self.best(side) + side * int(self.rng.integers(-2, 3))
        price = min(price, self.best(-1) - 1) if side > 0 else max(price, self.best(1) + 1)
        self.ids += 1
        lots = int(self.rng.integers(1, 8))
        self.came += counted
        self.levels[side].setdefault(price, []).append(
            [self.ids, lots, self.came if counted else -1]
        )
        self.rows.append((self.now, kind.ADD, self.ids, side, price, lots))

    def withdraw(self, side: int, counted: bool) -> None:
        price = (
            self.best(side)
            if self.rng.random() < 0.7
            else int(self.rng.choice(list(self.levels[side])))
        )
        order = self.levels[side][price][int(self.rng.integers(len(self.levels[side][price])))]
        if order[0] < 0:  # the wall stays: an order far away instead
            return self.add(side, counted)
        gone = order[1] if self.rng.random() < 0.7 else int(self.rng.integers(1, order[1] + 1))
        if price == self.best(side) and order[2] >= 0:
            self.left[bisect_right(LIFE, self.came - order[2]), bisect_right(SIZES, order[1])] += 1
        what = kind.DELETE if gone == order[1] else kind.REDUCE
        self.rows.append((self.now, what, order[0], side, price, gone))
        self.execute(side, price, order, gone)
        return None

    def take(self, side: int) -> None:
        """A market order takes from `side`, through levels, in turn."""
        for _ in range(int(self.rng.integers(1, 4))):
            price = self.best(side)
            order = self.levels[side][price][0]
            lots = order[1] if order[0] >= 0 and self.rng.random() < 0.6 else 1
            name = order[0] if order[0] >= 0 else 10**6 + (1 if side > 0 else 2)
            self.rows.append((self.now, kind.EXECUTE, name, side, price, lots))
            self.execute(side, price, order, lots)
            if (
                lots < order[1] + lots and order[1] > 0
            ):  # it still stands: the market order was filled
                return

    def execute(self, side: int, price: int, order: list[int], lots: int) -> None:
        order[1] -= lots
        if order[1] == 0:
            self.levels[side][price].remove(order)
            if not self.levels[side][price]:
                del self.levels[side][price]


@given(seed=st.integers(0, 2**31), steps=st.integers(5, 250), before=st.integers(2, 200))
def test_as_a_plain_book_has_them(seed: int, steps: int, before: int) -> None:
    market = Plain(seed, before)
    while market.now < before + 1 or len(market.orders) < steps:
        market.step()
    o = observed(market.rows, before / S)
    assert o.n == len(market.orders)
    found = queues(o, LIFE, SIZES, market.weight)
    np.testing.assert_array_equal(found.orders, market.orders)
    np.testing.assert_allclose(found.total, market.totals)
    np.testing.assert_array_equal(found.stood, market.stood)
    np.testing.assert_array_equal(found.withdrawn, market.left)
    assert len(found.ages) == market.left.sum()
    plain = queues(o)
    np.testing.assert_array_equal(plain.total, plain.orders)


def test_hazards_come_back() -> None:
    """Orders that leave with hazards by age and size: `leaving` finds them, up to a factor."""
    rng = np.random.default_rng(3)
    rows: list[Row] = [(0, kind.ADD, 10**6 + s, s, 100 + 5 * (s < 0), 10**6) for s in (1, -1)]
    here: dict[int, list[tuple[int, int, int]]] = {1: [], -1: []}
    came = 0

    def truth(age: int, lots: int) -> float:
        return (1.0 if age < 4 else 0.5 if age < 12 else 0.15) * (1.0 if lots == 1 else 0.4)

    for i in range(1, 60_001):
        side = int(rng.choice([1, -1]))
        weights = np.array([truth(came - born, lots) for _, lots, born in here[side]])
        if rng.random() < min(0.08 * weights.sum(), 0.95):
            order, lots, _ = here[side].pop(
                int(rng.choice(len(weights), p=weights / weights.sum()))
            )
            rows.append((i, kind.DELETE, order, side, 100 + 5 * (side < 0), lots))
        elif rng.random() < 0.3:
            came += 1
            lots = int(rng.choice([1, 6]))
            here[side].append((i, lots, came))
            rows.append((i, kind.ADD, i, side, 100 + 5 * (side < 0), lots))
    day = day_of(observed(rows), 1.0)
    tables, mean, totals = fit_withdrawals([day], 1.0)
    leaves = np.asarray(tables["leaves"]).reshape(q.LIFE, q.STAY_CLASSES)
    assert mean == pytest.approx(np.mean(totals[0]))
    edges = np.concatenate(([0.0], tables["life_edges"]))
    small, large = leaves[:, 0], leaves[:, bisect_right(tables["leaves_edges"], 6)]
    inside = [c for c in range(q.LIFE - 1) if edges[c + 1] <= 4 or (edges[c] >= 12)] + [q.LIFE - 1]
    expected = np.array([truth(int(edges[c]), 1) for c in inside])
    seen = small[inside] / small[0]
    np.testing.assert_allclose(seen, expected, rtol=0.15)
    assert np.median(large / small) == pytest.approx(0.4, abs=0.06)


def test_a_tape_of_totals_tells_no_hazards() -> None:
    day = day_of(
        observed([(i, kind.ADD, 0, 1 - 2 * (i % 2), 100 + 5 * (i % 2), 5) for i in range(50)]), 1.0
    )
    tables, mean, totals = fit_withdrawals([day], 1.0)
    assert mean == 0.0
    assert (tables["leaves"] == 1.0).all()
    assert totals[0].shape == (day.o.n, 2)


def test_returns_and_lifetimes_by_hand() -> None:
    rows = [
        (0, kind.ADD, 1, 1, 100, 5), (0, kind.ADD, 2, -1, 110, 5), (0, kind.ADD, 3, 1, 98, 5),
        (1 * S, kind.ADD, 4, -1, 105, 3),
        (2 * S, kind.EXECUTE, 4, -1, 105, 3),  # a buyer empties the ask ...
        (3 * S, kind.ADD, 5, 1, 101, 2),  # (the other side)
        (5 * S, kind.ADD, 6, -1, 107, 2),  # ... back after three seconds
        (6 * S, kind.DELETE, 5, 1, 101, 2),  # a cancel empties the bid, that lived three seconds ...
        (7 * S, kind.ADD, 7, 1, 100, 2),  # (joins, makes no price)
        (10 * S, kind.ADD, 8, 1, 102, 2),  # ... back after four
        (11 * S, kind.DELETE, 8, 1, 102, 2),  # lived one second; never back
        (12 * S, kind.DELETE, 7, 1, 100, 2),  # lived five seconds, leaves no price empty
        (13 * S, kind.DELETE, 3, 1, 98, 5),  # behind the best
        (14 * S, kind.ADD, 9, 1, 90, 5),
    ]  # fmt: skip
    day = day_of(observed(rows), 1.0)
    assert sorted(returns([day])) == [1, 3 * S, 4 * S]
    assert sorted(lifetimes([day])) == [1, 1 * S, 3 * S, 5 * S]
    assert returns([]).tolist() == lifetimes([]).tolist() == [1]


def test_fresh_sizes_by_hand() -> None:
    """Twelve orders, six of five lots: so often is five hit by chance by those that it stood before."""
    lots, none = np.array([5, 5, 5, 5, 1, 1, 1, 1, 5, 5, 2, 2]), np.zeros(12, np.int64)
    day: Any = SimpleNamespace(o=SimpleNamespace(kind=np.full(12, q.LIMIT_IN_SPREAD)), lots=lots)
    for stood, left in ((8, 6), (4, 4)):  # 4 hits: 8 x 6 / 12 by chance, then half as many
        before = np.where(np.arange(12) < stood, 5, 0)
        seen: Any = SimpleNamespace(before=np.stack([none, before, none, none, none, none], axis=1))
        assert fresh_sizes(day, seen, q.LIMIT_IN_SPREAD).tolist() == [1] * 4 + [2] * 2 + [5] * left
