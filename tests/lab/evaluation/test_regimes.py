"""Regimes in whole episodes: each does what its name says, strategies and twins meet the same ones, costs by regime."""

import numpy as np
import pytest
from tests.markets import martingale_market

from studies.regimes.effects import effects
from tercel.execution.intent import empty
from tercel.execution.strategies import build
from tercel.execution.task import Task
from tercel.lab.evaluation.episodes import Episodes, Plan, regimes_of, seeded_plan
from tercel.lab.evaluation.runs import run_strategy, without_orders
from tercel.market.flow.preset import load
from tercel.market.regimes.choice import default_chain
from tercel.market.regimes.law import RegimeScript, Season, packed, with_regimes
from tercel.market.simulator import layout as sim
from tercel.market.simulator.days import simulated_day
from tercel.market.simulator.source import Source, reactive
from tercel.market.tape.schema import EXECUTE

TASK = Task(horizon_s=600.0, decisions=20, warmup_s=120.0, grid_points=5)


@pytest.fixture(scope="module")
def market() -> Source:
    return reactive(load("csco-santa-fe"), settle_s=900.0)


def test_each_regime_does_what_its_name_says(market: Source) -> None:
    found = {one.name: one for one in effects(market, seed=3, episodes=64)}
    assert found["volatile"].sd60 == pytest.approx(2.0, rel=0.2)
    assert found["volatile"].volume > 1.3
    assert found["calm"].sd60 < 0.7
    assert found["calm"].spread < 1 < found["calm"].depth
    assert 0.4 < found["thin"].depth < 0.6
    assert found["thin"].spread > 1.15
    assert abs(found["thin"].drift) < 0.1
    assert found["trending"].drift > 0.06
    assert found["trending"].sd60 == pytest.approx(1.0, abs=0.12)
    assert found["trending"].depth == pytest.approx(1.0, abs=0.1)
    gone, crashed = found["liquidity_withdrawal"], found["flash_crash"]
    assert gone.passes
    assert gone.lowest_depth < 0.4
    assert abs(gone.drift) < 0.3
    assert crashed.deepest < -3
    assert crashed.back > 0.6
    assert [gone.depth_after, crashed.depth_after] == pytest.approx([1.0, 1.0], abs=0.12)


@pytest.mark.long
@pytest.mark.parametrize("name", ["csco", "amzn"])
def test_the_names_hold_in_the_queue_reactive_flow(name: str) -> None:
    found = {
        one.name: one for one in effects(reactive(load(name), settle_s=900.0), seed=3, episodes=48)
    }
    assert 1.5 < found["volatile"].sd60 < 2.5
    assert found["calm"].sd60 < 0.85
    assert found["thin"].depth < 0.8
    assert found["thin"].spread > 1.3
    assert found["trending"].drift > 0.25
    assert found["liquidity_withdrawal"].lowest_depth < 0.45
    assert found["liquidity_withdrawal"].depth_after == pytest.approx(1.0, abs=0.15)
    assert found["flash_crash"].deepest < -5
    assert found["flash_crash"].back > 0.6


def test_the_record_tells_the_truth(market: Source) -> None:
    """What is computed from the seed alone is what went on, with own orders in the market and without."""
    source = with_regimes(market, default_chain(), Season.of(load("csco-santa-fe")))
    plan = seeded_plan(TASK, 50, 9, 0, 6)
    truth = regimes_of(source, TASK, plan)
    np.testing.assert_allclose(truth.seconds.sum(axis=1), TASK.horizon_s)
    seen = []
    for one, strategy in ((plan, build("twap_passive")), (without_orders(plan), None)):
        episodes = Episodes(source, TASK, len(plan), record_rows=30_000)
        episodes.start(one)
        while episodes.working.any():
            episodes.step(empty(len(plan)) if strategy is None else strategy.decide(episodes.view))
        rows = [episodes.record(i) for i in range(len(plan))]
        told = [
            r[r[:, sim.R_KIND] == sim.REGIME_IS][:, [sim.R_NS, sim.R_PRICE, sim.R_LOTS]]
            for r in rows
        ]
        seen.append(told)
    for with_orders, twin in zip(*seen, strict=True):
        np.testing.assert_array_equal(with_orders, twin)
    starts = source.worlds_k[0, sim.NOW] + TASK.warmup_ns
    for i, rows in enumerate(seen[0]):
        since = np.maximum(rows[:, 0], starts)
        held = np.zeros(len(truth.names))
        np.add.at(
            held, rows[:, 1], np.maximum(np.diff(since, append=starts + TASK.horizon_ns), 0) / 1e9
        )
        np.testing.assert_allclose(held, truth.seconds[i], atol=1e-6)


def test_a_market_without_regimes_is_the_market_it_was(market: Source) -> None:
    """A law that says plain draws from its own stream and changes no byte of the market's."""
    plan = seeded_plan(TASK, 50, 9, 0, 4)
    plain = run_strategy(
        with_regimes(market, RegimeScript([(0.0, "plain")])), TASK, plan, build("twap_passive")
    )
    same = run_strategy(market, TASK, plan, build("twap_passive"))
    np.testing.assert_array_equal(plain.shortfall, same.shortfall)
    np.testing.assert_array_equal(plain.mid2_grid, same.mid2_grid)
    assert regimes_of(market, TASK, plan).names == ("none",)


def test_a_season_has_the_volume_curve_of_the_preset() -> None:
    """Days of 6.5 hours: lots traded in each half hour over the day's mean, against the curve."""
    preset = load("csco-santa-fe")
    law = packed(None, Season.of(preset, arrival_s=0.0))
    traded = np.zeros(13)
    for seed in range(4):
        day = simulated_day(preset, seed, 23_400.0, 300.0, from_s=0.0, law=law)
        took = day.kind == EXECUTE
        half_hour = (day.exch_ns[took] - 300 * 10**9) // (1800 * 10**9)
        traded += np.bincount(half_hour[half_hour >= 0], day.qty_lots[took][half_hour >= 0], 13)[
            :13
        ]
    curve = np.array(preset.volume_curve)
    np.testing.assert_allclose(traded / traded.mean(), curve / curve.mean(), rtol=0.12)


def test_what_has_no_flow_is_refused() -> None:
    from tercel.core.errors import ConfigError

    episodes = Episodes(martingale_market(), TASK, 1)
    episodes.start(Plan(seeded_plan(TASK, 5, 1, 0, 1).rows, np.zeros(1, np.int64)))
    with pytest.raises(ConfigError, match="reactive"):
        episodes.impose(default_chain().regimes[1].phases[0].factors)
