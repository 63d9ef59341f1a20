"""The worth of a posture: turned markets, postures from public features alone, and tails counted right."""

import numpy as np
import pytest

from studies.risk.rules import finish_early
from studies.value.posture import (
    Run,
    Watch,
    capped,
    figures,
    onset_of,
    run_watched,
    usual,
)
from studies.value.stress import Turn, measure
from tercel.execution.strategies import build
from tercel.execution.task import Task
from tercel.lab.evaluation.episodes import Episodes
from tercel.lab.evaluation.plans import seeded_plan
from tercel.market.flow import registry as presets
from tercel.market.simulator import layout as sim
from tercel.market.simulator.source import reactive

pytestmark = pytest.mark.release

TASK = Task(horizon_s=900.0, decisions=30, warmup_s=300.0)


@pytest.fixture(scope="module")
def market():  # type: ignore[no-untyped-def]
    return reactive(presets.load("csco-santa-fe"), settle_s=600.0)


@pytest.fixture(scope="module")
def ordinary(market):  # type: ignore[no-untyped-def]
    return usual(market, TASK, seeded_plan(TASK, 120, -9, 0, 64))


def test_a_turn_thins_the_book_and_moves_the_mid(market) -> None:  # type: ignore[no-untyped-def]
    plan = seeded_plan(TASK, 120, 3, 0, 96)
    soon, late = measure(market, TASK, plan, Turn(), 10, (4, 20))
    assert late.depth < soon.depth < 1
    assert late.depth < 0.5
    assert late.volatility > 1.8
    [same] = measure(market, TASK, plan, Turn(1.0, 1.0, 1.0), 10, (20,))
    assert same.depth == pytest.approx(1.0, abs=0.15)
    assert same.volatility == pytest.approx(1.0, abs=0.3)


def test_calm_is_left_alone_and_a_turn_is_noticed(market, ordinary) -> None:  # type: ignore[no-untyped-def]
    plan, strategy = seeded_plan(TASK, 120, 5, 0, 40), build("twap_take+posture")
    shares = []
    for turn in (None, Turn()):
        run = run_watched(
            market,
            TASK,
            plan,
            strategy,
            turn=turn,
            onset=onset_of(5, 5),
            watch=lambda n: Watch(ordinary, finish_early(), n),
        )
        shares.append(run.in_force)
    assert shares[0] < 0.05
    assert shares[1] > 0.2


def test_postures_see_public_features_alone(market, ordinary) -> None:  # type: ignore[no-untyped-def]
    """Markets with and without an own order, neither yet traded, get the same posture."""
    said = []
    for quantity in (0, 5000):
        episodes = Episodes(market, TASK, 4)
        episodes.start(seeded_plan(TASK, quantity, 5, 0, 4))
        watch = Watch(ordinary, capped(), 4)
        said.append(watch.look(episodes.view, episodes.states[:, sim.NOW]))
    assert said[0] == said[1]


def test_figures_of_costs_that_are_known(market) -> None:  # type: ignore[no-untyped-def]
    """Against NumPy: costs halved halve mean and tail, exactly, in every resample."""
    plan = seeded_plan(TASK, 120, 6, 0, 60)
    costs = run_watched(
        market, TASK, plan, build("immediate"), turn=None, onset=onset_of(), watch=None
    ).costs
    bps = costs.shortfall / costs.denominator * 1e4
    same = figures("a", "b", False, costs, Run(costs, 0.0), seed=1, resamples=200)
    assert same.mean == pytest.approx(bps.mean())
    assert same.tail == np.sort(bps)[56]
    assert same.cvar == pytest.approx(np.sort(bps)[56:].mean())
    assert (same.tail_cut.ci_low, same.tail_cut.ci_high) == (0.0, 0.0)
    assert same.mean_change.mean == 0.0
