"""The response of a market: the same costs as the judge's, the law by hand, who hit our side by hand, the bars."""

import numpy as np
import pytest

from certify.kits.strategy import StrategyConformance
from studies.legs.legs import ratio
from studies.response import bars
from studies.response.attraction import (
    CROSSING,
    MARKET,
    RECORD_ROWS,
    TRANSLATION,
    count,
    read_hits,
)
from studies.response.law_targets import LOTS, NS, fills_of_all, target_ticks
from studies.response.response import measure
from studies.response.styles import AGENT, JOINS, Iceberg, NoTrading
from studies.response.worlds import Worlds
from studies.twins import run_twins
from tercel.core.errors import CapacityError, ConfigError
from tercel.execution.strategies import build
from tercel.execution.task import Task
from tercel.lab.evaluation.plans import seeded_plan
from tercel.lab.evaluation.runs import run_strategy
from tercel.market.flow.registry import load
from tercel.market.impact.law import ImpactLaw
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import reactive
from tercel.market.tape.schema import ADD, DELETE, EXECUTE

pytestmark = pytest.mark.release

TASK = Task(horizon_s=120.0, decisions=12, warmup_s=60.0)
LAW = ImpactLaw("translation", mean_trade_lots=10.0, trades=100.0, sigma_ticks=20.0)
NS_A_SECOND = 10**9


class TestIceberg(StrategyConformance):
    def strategy(self):
        return Iceberg()


@pytest.fixture(scope="module")
def market():
    return reactive(load("ibm"), settle_s=300.0)


# -- worlds -----------------------------------------------------------------------------------------------------------


def test_orders_of_several_sizes_in_one_world_cost_what_the_judge_says(market) -> None:
    """Warmed up once and gone back to, to the byte what each order costs by itself; so the twin's mids."""
    plan = seeded_plan(TASK, 1, 5, 0, 6)
    worlds = Worlds(market, TASK, plan)
    for name, lots in (("twap_take", 3000), ("peg_touch", 900), ("twap_take", 3000)):
        alone = run_strategy(market, TASK, seeded_plan(TASK, lots, 5, 0, 6), build(name))
        costs = worlds.run(build(name), lots)
        np.testing.assert_array_equal(costs.shortfall, alone.shortfall)
        np.testing.assert_array_equal(costs.mid2_grid, alone.mid2_grid)
    twin = worlds.run(NoTrading(), 0)
    np.testing.assert_array_equal(twin.mid2_grid, run_twins(market, TASK, plan))


def test_a_world_runs_on_to_twice_its_horizon(market) -> None:
    """Without an order, the mid at 2T is that of a task of twice the horizon."""
    worlds = Worlds(market, TASK, seeded_plan(TASK, 1, 5, 0, 6))
    worlds.run(NoTrading(), 0)
    twice = Task(horizon_s=240.0, decisions=24, warmup_s=60.0)
    np.testing.assert_array_equal(
        worlds.later(), run_twins(market, twice, seeded_plan(twice, 1, 5, 0, 6))[:, -1]
    )


def test_fills_of_all_markets_and_a_log_that_is_too_short(market) -> None:
    worlds = Worlds(market, TASK, seeded_plan(TASK, 1, 5, 0, 4))
    worlds.run(build("twap_take"), 3000)
    states = worlds.episodes.states
    fills = fills_of_all(states)
    np.testing.assert_array_equal(fills[:, :, LOTS].sum(axis=1), 3000)
    short = states.copy()
    short[:, sim.LOG_ROWS] = 1
    with pytest.raises(CapacityError, match="own fills"):
        fills_of_all(short)


# -- the law ----------------------------------------------------------------------------------------------------------


def test_the_target_of_two_fills_by_hand() -> None:
    """Phi = q1 G(age1) + q2 G(age2) in mean trades, G(t) = 1 / (1 + t / 900 s)."""
    fills = np.zeros((1, 3, 7), np.int64)
    fills[0, :2, NS], fills[0, :2, LOTS] = (0, 300 * NS_A_SECOND), (40, 20)
    fills[0, 2] = 900 * NS_A_SECOND, 0, 1000, 0, 0, 0, 1  # the horizon order
    at = np.array([900 * NS_A_SECOND])
    phi = 4.0 / (1.0 + 900 / 900) + 2.0 / (1.0 + 600 / 900)
    before, after = (target_ticks(LAW, fills, at, forced=forced)[0] for forced in (False, True))
    assert before == pytest.approx(2.0 * phi**0.5, rel=2e-3)
    assert after == pytest.approx(2.0 * (phi + 100.0) ** 0.5, rel=2e-3)
    assert target_ticks(LAW, fills[:, :0], at, forced=True)[0] == 0.0


# -- who hits our side ------------------------------------------------------------------------------------------------


def row(ns, kind, side, price=100, lots=1, touch2=0):
    return [ns, kind, 0, side, price, lots, 0, touch2]


def test_own_fills_are_told_apart_by_who_made_them() -> None:
    """We buy: a market sell of 3 + 2, one of 4 that we took whole, a limit sell that crossed, a move of the book."""
    passive = 1
    rows = np.array(
        [
            row(10, EXECUTE, 1, lots=3), row(10, sim.OWN_FILL, passive, lots=2), row(10, sim.SHIFTED, 0, price=1),
            row(15, EXECUTE, 1, lots=9, touch2=1),  # our own taking, of an order of the other account
            row(16, EXECUTE, -1, lots=9),  # a market buy: not our side
            row(20, sim.OWN_FILL, passive, lots=4), row(20, sim.SHIFTED, 0, price=-1),
            row(30, sim.OWN_FILL, passive, lots=5), row(30, ADD, -1, lots=1),
            row(40, sim.OWN_FILL, passive, lots=6), row(40, DELETE, -1, lots=6), row(40, sim.SHIFTED, 0, price=-1),
            row(50, sim.OWN_FILL, 0, lots=7),  # we took
        ]
    )  # fmt: skip
    hits = read_hits(rows, 1)
    assert (hits.moments.tolist(), hits.lots.tolist()) == ([10], [3])
    assert hits.own_by.tolist() == [MARKET, MARKET, CROSSING, TRANSLATION]
    found = count(hits, 60)
    assert found["takers"] == 2
    assert found["crossing_lots"] == 5
    assert count(hits, 15)["takers"] == 1


# -- figures and bars -------------------------------------------------------------------------------------------------


def test_a_ratio_of_sums_and_its_error() -> None:
    rng = np.random.default_rng(3)
    below = rng.uniform(1.0, 3.0, 4000)
    above = 1.5 * below + rng.standard_normal(4000)
    found = ratio(above, below)
    assert found["mean"] == pytest.approx(1.5, abs=4 * found["se"])
    assert found["se"] == pytest.approx(1.0 / (4000**0.5 * below.mean()), rel=0.1)
    assert ratio([1.0, 2.0], [0.0, 0.0])["mean"] is None


def test_the_bar_of_displacement() -> None:
    def one(mean, se, law, twice=None):
        moved = {"mean": mean, "se": se}
        return {"displacement_ticks": moved, "law_ticks": law, "at_2T": {**moved, **(twice or {})}}

    assert bars.at_end(one(12.4, 0.0, 10.0))
    assert not bars.at_end(one(12.6, 0.0, 10.0))
    assert bars.at_end(one(12.6, 0.06, 10.0))
    assert bars.at_end(one(12.6, 0.06, None)) is None
    assert bars.at_twice(one(12.0, 0.0, 0.0, {"law_ticks": 10.0}))
    assert not bars.at_twice(one(13.0, 0.0, 0.0, {"law_ticks": 10.0}))


def test_the_response_of_a_market_has_every_figure(market) -> None:
    told: list[str] = []
    found = measure(
        market, 40.0, sizes=(0.3, 0.1), pairs=8, seed=4, task=TASK, only=(JOINS, AGENT, "iceberg"),
        progress=told.append,
    )  # fmt: skip
    assert set(found["styles"]) == {JOINS, AGENT, "iceberg"}
    assert list(found["lots"]) == list(found["styles"][JOINS]) == ["0.1", "0.3"]
    one = found["styles"][JOINS]["0.1"]
    assert one["displacement_ticks"]["n"] == 8
    assert one["law_ticks"] > 0.0
    assert one["at_2T"]["law_ticks"] > 0.0
    assert set(found["attraction"][JOINS]) == {"60", "180", "300"}
    assert found["attraction"][JOINS]["60"]["takers"]["mean"] > 0.0
    assert 0.0 <= found["filled_by_translation_share"] <= 1.0
    assert set(found["never"]) == {"0.1", "0.3"}
    assert isinstance(found["passed"], bool)
    assert told


@pytest.mark.parametrize(("sizes", "pairs"), [((0.1,), 2), ((), 8), ((0.0,), 8)])
def test_what_is_refused(market, sizes, pairs) -> None:
    with pytest.raises(ConfigError, match="8 pairs"):
        measure(market, 40.0, sizes=sizes, pairs=pairs, task=TASK)


@pytest.mark.parametrize(
    ("market", "name"), [("goog", "peg_touch"), ("goog", "submit_and_leave"), ("ibm", "peg_touch")]
)
def test_who_filled_us_is_what_the_market_counted(market: str, name: str) -> None:
    """Crossings and translations read off the record are those that the market itself counted; in `ibm` a market order and
    a limit order that crosses ours come with one stamp."""
    preset = load(market)
    task = Task()
    source = reactive(preset, worlds=2, settle_s=900.0)
    batch = Worlds(source, task, seeded_plan(task, 1, 3, 0, 8, 2), RECORD_ROWS)
    batch.run(NoTrading(), 0)
    twins = [read_hits(batch.episodes.record(i), int(batch.side[i])) for i in range(8)]
    batch.run(build(name), task.lots(preset.volume_per_s))
    k = batch.episodes.states
    assert k[:, sim.PASSIVE_LOTS].sum() > 0
    for i, twin in enumerate(twins):
        hits = read_hits(batch.episodes.record(i), int(batch.side[i]), twin)
        by = np.bincount(hits.own_by, weights=hits.own_lots, minlength=3)
        assert by.sum() == k[i, sim.PASSIVE_LOTS]
        assert by[CROSSING] == k[i, sim.CROSSED_LOTS]
        assert by[TRANSLATION] == k[i, sim.TRANSLATED_LOTS]
