"""What waiting costs in a market: by hand, measured once, told to who listens, and without it the policy is `guarded`."""

from pathlib import Path

import numpy as np
import pytest

from tercel.execution.intent import Intents, View
from tercel.execution.market import Market
from tercel.execution.policies_packaged import named
from tercel.execution.strategies import build
from tercel.execution.strategies.guarded import WAITING
from tercel.execution.task import Task
from tercel.lab.evaluation.episodes import Plan, seeded_plan
from tercel.lab.evaluation.experiment import (
    USUAL,
    USUAL_DAYS,
    Waiting,
    run_strategies,
    waits,
)
from tercel.lab.evaluation.market import build_market, waiting_on
from tercel.lab.evaluation.settings import MarketTask
from tercel.market.flow.preset import load
from tercel.market.simulator.days import simulated_lake
from tercel.market.simulator.source import Source, reactive, with_impact

TASK = Task(horizon_s=120.0, decisions=12, warmup_s=90.0, share=0.3)


@pytest.fixture(scope="module")
def source() -> Source:
    return reactive(load("csco-santa-fe"), settle_s=600.0)


class Sampler:
    """Few episodes, and how often they were drawn."""

    drawn = 0

    def __call__(self, seed: int, first: int, n: int) -> Plan:
        self.drawn += 1
        return seeded_plan(TASK, 300, seed, first, 32)


class Watching:
    """A policy, and what it was told."""

    name = "watching"

    def __init__(self) -> None:
        self.policy = named("default")
        self.forecaster, self.gap_ns = self.policy.forecaster, self.policy.gap_ns  # type: ignore[attr-defined]
        self.told: set[float] = set()

    def decide(self, view: View) -> Intents:
        self.told |= set(view.waiting.tolist())
        return self.policy.decide(view)


def test_it_is_what_guarded_pays_over_half_the_spread_drawn_to_what_is_usual(
    source: Source,
) -> None:
    sampler = Sampler()
    measured = Waiting(source, TASK, sampler)

    plan = seeded_plan(TASK, 300, 1_800_000_000, 0, 32)
    rests, takes = run_strategies(
        with_impact(source, None), TASK, plan, [build("guarded"), build("twap_take")]
    )
    spread = ((takes.spread + takes.walk) / takes.denominator).mean()
    saved = (takes.shortfall / takes.denominator).mean() - (
        rests.shortfall / rests.denominator
    ).mean()
    streams = len(np.unique(plan.cluster))
    expected = (streams * (1 - saved / spread) + USUAL_DAYS * USUAL) / (streams + USUAL_DAYS)
    assert measured.value == pytest.approx(max(expected, 0.01), rel=1e-12)
    assert measured.value == measured.value
    assert sampler.drawn == 1


def test_who_listens_is_told_and_the_policy_is_guarded_where_it_is_not_known(
    source: Source,
) -> None:
    plan, sampler = seeded_plan(TASK, 300, 3, 0, 16), Sampler()
    knows = waits(source, TASK, sampler)
    listening, rule = Watching(), build("guarded")
    told, _ = run_strategies(knows, TASK, plan, [listening, rule])
    assert knows.waiting is not None
    assert listening.told == {round(knows.waiting.value, 6)}
    blind, plain = run_strategies(source, TASK, plan, [Watching(), rule])
    np.testing.assert_array_equal(blind.shortfall, plain.shortfall)
    assert (told.shortfall != plain.shortfall).any()
    silent, _ = run_strategies(knows, TASK, plan, [rule, rule])
    assert sampler.drawn == 1
    np.testing.assert_array_equal(silent.shortfall, plain.shortfall)


@pytest.mark.release
@pytest.mark.parametrize("preset", sorted(WAITING))
def test_a_desk_is_told_what_is_measured_in_its_market(preset: str) -> None:
    measured = build_market(MarketTask(Market(preset=preset))).judged.waiting
    assert measured is not None
    assert measured.value == pytest.approx(WAITING[preset], abs=0.03)


def test_a_table_of_days_says_what_an_evaluation_of_later_days_measures(tmp_path: Path) -> None:
    dates = ("2003-01-13", "2003-01-14", "2003-01-15")
    lake = simulated_lake(tmp_path, 2, dates)
    [symbol] = {about.symbol for about in lake.list()}
    later = MarketTask(Market(lake=str(lake.root), symbol=symbol, days=dates[2:]))
    measured = build_market(later, seed=0).training.waiting
    assert measured is not None
    assert waiting_on(lake, symbol, dates[:2]) == measured.value
