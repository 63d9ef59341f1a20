"""Conformance kit of the strategy port: inherit :class:`StrategyConformance`, say how to make one, run
pytest.

    class TestMine(StrategyConformance):
        def strategy(self):
            return Mine()

A user's own, a class, an object or a function, is held as it runs: its views read-only, its answers checked. An order
begins in every market before each view, so a strategy with a memory has its `reset` called and its rows.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tercel import View
from tercel.core import NO_ASK
from tercel.execution import HORIZON_NS, columns as c, intent as i, view_of, wrap_strategy


def random_views(n: int, seed: int) -> View:
    """`n` states a batch can be in, odd ones included: halts, empty sides, nothing left, last decisions."""
    rng = np.random.default_rng(seed)
    side = rng.choice([-1, 1], n)
    qty0 = rng.integers(1, 10 ** rng.integers(1, 6, n))
    left = np.where(rng.random(n) < 0.1, 0, rng.integers(0, qty0 + 1))
    decisions = rng.integers(1, 40, n)
    decision = np.where(rng.random(n) < 0.2, decisions - 1, rng.integers(0, decisions))
    touch = rng.integers(1000, 10**6, n)
    spread = rng.integers(1, 6, n)
    far = touch + side * spread
    order = {"side": side, "qty0": qty0, "left": left, "decision": decision, "decisions": decisions}
    market = {"touch": touch, "far": far, "mid2": touch + far, "halted": rng.random(n) < 0.1}
    view = view_of(rng.random(n), **order, **market)
    view.x[:, c.TIME_LEFT_NS] = HORIZON_NS - decision * (HORIZON_NS // decisions)
    live = rng.integers(0, left + 1)
    for column in (*range(c.REST0, c.REST0 + i.K), c.OUTSIDE_LOTS):
        lots = rng.integers(0, live + 1) * (rng.random(n) < 0.5)
        view.x[:, column] = lots
        view.x[:, c.LIVE] += lots
        live -= lots
    view.x[:, c.AHEAD0 : c.ALPHA] = np.where(view.rest > 0, rng.integers(0, 500, (n, i.K)), -1)
    view.x[:, c.ALPHA] = rng.integers(-20_000, 20_000, n) * (rng.random(n) < 0.5)
    view.x[:, [c.ALPHA_SD, c.HALF_LIFE_NS]] = 10_000, HORIZON_NS // 2
    view.x[:, c.URGENCY] = rng.integers(0, 1_000_001, n)
    view.x[:, c.MAX_PARTICIPATION] = rng.integers(1, 1_000_001, n)
    view.x[:, c.STYLES] = rng.integers(1, 8, n)
    view.x[:, c.SIZE_MULTIPLIER] = 1_000_000
    view.m[:, c.OWN1 : c.V_SEEN] = rng.integers(0, 1000, (n, 2 * c.LEVELS))
    view.m[:, c.V_SEEN] = rng.integers(0, 10**5, n) * (decision > 0)
    for column, sign in ((c.TOUCH, -1), (c.FAR, 1)):
        empty = rng.random(n) < 0.05
        view.m[empty, column] = sign * side[empty] * NO_ASK
    return view


def take_rows(view: View, rows: ArrayLike) -> View:
    """The view of some of the markets."""
    rows = np.asarray(rows)
    return View(view.x[rows], view.m[rows], view.draw[rows])


def wanted_lots(intents: i.Intents) -> NDArray[np.int64]:
    """int64 (n,): lots that the intents want, taken and resting."""
    return np.asarray(intents[:, i.REST0 :].sum(axis=1, dtype=np.int64) + intents[:, i.TAKE])


def answer(candidate: object, view: View) -> i.Intents:
    """What a strategy, shipped or a user's, answers to a view after the first decision of an order in each market."""
    strategy = wrap_strategy(candidate)
    x = view.x.copy()
    x[:, c.DECISION] = 0
    strategy.decide(replace(view, x=x))
    return strategy.decide(view)


class StrategyConformance:
    """Contract of every strategy, whatever it decides."""

    seeds = range(5)
    markets = 200

    def strategy(self) -> object:
        """The strategy under test: one of the port, or a user's: a class, an object, a function."""
        raise NotImplementedError

    def views(self) -> list[View]:
        """Views that the strategy is tried on; override where it needs observations of a certain width."""
        return [random_views(self.markets, seed) for seed in self.seeds]

    def test_has_a_name(self) -> None:
        assert isinstance(wrap_strategy(self.strategy()).name, str)
        assert wrap_strategy(self.strategy()).name

    def test_gives_one_int32_row_a_market(self) -> None:
        for view in self.views():
            intents = answer(self.strategy(), view)
            assert intents.shape == (view.n, i.WIDTH)
            assert intents.dtype == np.int32
            assert (intents[:, i.STEP] >= 1).all()
            assert np.isin(intents[:, i.OUTSIDE], (i.KEEP, i.CANCEL)).all()

    def test_never_wants_more_than_is_left(self) -> None:
        for view in self.views():
            intents = answer(self.strategy(), view)
            assert (intents[:, i.TAKE] >= 0).all()
            assert (intents[:, i.REST0 :] >= 0).all()
            assert (wanted_lots(intents) <= view.left).all()

    def test_is_a_pure_function_of_the_view(self) -> None:
        strategy = self.strategy()
        for view in self.views():
            before = [array.copy() for array in (view.x, view.m, view.draw)]
            first = answer(strategy, view).copy()
            wrap_strategy(strategy).expected(view)
            for array, copy in zip((view.x, view.m, view.draw), before, strict=True):
                np.testing.assert_array_equal(array, copy)
            np.testing.assert_array_equal(answer(strategy, view), first)

    def test_markets_do_not_see_each_other(self) -> None:
        strategy = self.strategy()
        for view in self.views():
            all_intents = answer(strategy, view).copy()
            for row in range(0, view.n, 23):
                np.testing.assert_array_equal(
                    answer(strategy, take_rows(view, [row])), all_intents[[row]]
                )

    def test_holds_where_the_market_is_halted(self) -> None:
        for view in self.views():
            m = view.m.copy()
            m[:, c.HALTED] = 1
            intents = answer(self.strategy(), replace(view, m=m))
            assert (intents[:, i.TAKE] == 0).all()
            assert (intents[:, i.OUTSIDE] == i.KEEP).all()
            np.testing.assert_array_equal(intents[:, i.REST0 :], view.rest)

    def test_buys_and_sells_alike(self) -> None:
        """A market reflected at price 0 gets the reflected intents."""
        for view in self.views():
            x = view.x.copy()
            m = view.m.copy()
            x[:, c.SIDE] *= -1
            m[:, [c.TOUCH, c.FAR, c.MID2, c.ARRIVAL_MID2]] *= -1
            expected = answer(self.strategy(), view).copy()
            expected[:, [i.TAKE_LIMIT, i.ANCHOR]] *= -1
            np.testing.assert_array_equal(
                answer(self.strategy(), replace(view, x=x, m=m)), expected
            )

    def test_expected_shares_are_shares(self) -> None:
        for view in self.views():
            shares = wrap_strategy(self.strategy()).expected(view)
            assert shares.shape == (view.n, 1 + i.K)
            assert (shares >= 0).all()
            assert (shares.sum(axis=1) <= 1 + 1e-9).all()
            assert (shares[view.left == 0] == 0).all()
