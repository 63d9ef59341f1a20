"""Regimes in whole episodes: each does what its name says, strategies and twins meet the same ones, costs by regime."""

import numpy as np
import pytest
from tests.markets import martingale_market

from studies.regimes.effects import effects
from tercel.execution.intent import empty
from tercel.execution.strategies import build
from tercel.execution.task import Task
from tercel.lab.evaluation.episodes import Episodes, regimes_of
from tercel.lab.evaluation.plans import Plan, seeded_plan
from tercel.lab.evaluation.runs import run_strategy, without_orders
from tercel.market.flow.registry import load
from tercel.market.regimes.choice import default_chain
from tercel.market.regimes.law import RegimeScript, Season, pack_law, with_regimes
from tercel.market.simulator import layout as sim
from tercel.market.simulator.days import simulated_day
from tercel.market.simulator.source import Source, reactive
from tercel.market.tape.schema import EXECUTE

TASK = Task(horizon_s=600.0, decisions=20, warmup_s=120.0, grid_points=5)


@pytest.fixture(scope="module")
def market() -> Source:
    return reactive(load("csco-santa-fe"), settle_s=900.0)


ANY = float("inf")
SANTA_FE = {
    "volatile": {"sd60": (1.6, 2.4), "volume": (1.3, ANY)},
    "calm": {"sd60": (0, 0.7), "spread": (0, 1), "depth": (1, ANY)},
    "thin": {"depth": (0.4, 0.6), "spread": (1.15, ANY), "drift": (-0.1, 0.1)},
    "trending": {"drift": (0.06, ANY), "sd60": (0.88, 1.12), "depth": (0.9, 1.1)},
    "liquidity_withdrawal": {
        "passes": (1, 1), "lowest_depth": (0, 0.4), "drift": (-0.3, 0.3), "depth_after": (0.88, 1.12),
    },
    "flash_crash": {"deepest": (-ANY, -3), "back": (0.6, ANY), "depth_after": (0.88, 1.12)},
}  # fmt: skip
QUEUE_REACTIVE = {
    "volatile": {"sd60": (1.4, 2.5)},
    "calm": {"sd60": (0, 0.85)},
    "thin": {"depth": (0, 0.8), "spread": (1.3, ANY)},
    "trending": {"drift": (0.25, ANY)},
    "liquidity_withdrawal": {"lowest_depth": (0, 0.45), "depth_after": (0.85, 1.15)},
    "flash_crash": {"deepest": (-ANY, -5), "back": (0.6, ANY)},
}


@pytest.mark.parametrize(
    ("name", "episodes", "bounds"),
    [
        ("csco-santa-fe", 64, SANTA_FE),
        pytest.param("ibm", 48, QUEUE_REACTIVE, marks=pytest.mark.long),
        pytest.param("amzn", 48, QUEUE_REACTIVE, marks=pytest.mark.long),
    ],
)
def test_each_regime_does_what_its_name_says(
    name: str, episodes: int, bounds: dict[str, dict[str, tuple[float, float]]]
) -> None:
    found = effects(reactive(load(name), settle_s=900.0), seed=3, episodes=episodes)
    figures = {
        (one.name, key): (low, getattr(one, key), high)
        for one in found
        for key, (low, high) in bounds.get(one.name, {}).items()
    }
    assert len(figures) == sum(map(len, bounds.values()))
    assert {at: row for at, row in figures.items() if not row[0] <= row[1] <= row[2]} == {}


def test_the_record_tells_the_truth(market: Source) -> None:
    """What is computed from the seed alone is what went on, with own orders in the market and without."""
    source = with_regimes(market, default_chain(), Season.of(load("csco-santa-fe")))
    plan = seeded_plan(TASK, 50, 9, 0, 6)
    truth = regimes_of(source, TASK, plan)
    np.testing.assert_allclose(truth.seconds.sum(axis=1), TASK.horizon_s)
    seen = []
    for one, strategy in ((plan, build("twap_passive")), (without_orders(plan), None)):
        episodes = Episodes(source, TASK, len(plan), record_rows=12_000)
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
    law = pack_law(None, Season.of(preset, arrival_s=0.0))
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
