"""A router in an evaluation: learned dealers, the same episodes for every way, refusals."""

import numpy as np
import pytest

from studies.sizes.ways_command import informed_by_dealers
from tercel.api.evaluation import evaluate
from tercel.core.errors import ConfigError
from tercel.execution.market import Market
from tercel.execution.task import Task
from tercel.lab.evaluation.market import build_market
from tercel.lab.evaluation.pipeline.jobs import firsts_of
from tercel.lab.evaluation.routing import learned
from tercel.lab.evaluation.scenario import Scenario

TASK = Task(share=0.1, horizon="2min", decisions=8, warmup_s=10.0)
MARKET = Market("csco-santa-fe", dealers="drawn", impact="translation")


def test_jobs_of_drawn_dealers_have_one_seed_each():
    """Two seeds of 300 episodes: jobs of 256 and 44 each."""
    scenario = Scenario(MARKET, TASK, name="routed", seeds=(1, 2), episodes=600)
    assert firsts_of(scenario) == [0, 256, 300, 556]
    assert firsts_of(scenario.in_market(dealers="")) == [0, 256, 512]


def test_a_router_needs_dealers():
    with pytest.raises(ConfigError, match="dealers=drawn"):
        evaluate(["routed", "twap_take"], Market("csco-santa-fe"), TASK, episodes=4)


@pytest.mark.long
def test_ways_are_judged_on_the_same_orders():
    """And `routed` is the challenger of the others."""
    names = ["routed", "book", "rfq", "block"]
    found = evaluate(names, MARKET, TASK, episodes=64, seed=3)
    costs = {row.strategy: row.shortfall_bps.mean for row in found.rows}
    assert set(costs) == set(names)
    assert costs["rfq"] != costs["book"]
    assert {one.b for one in found.comparisons if one.a == "routed"} == set(names[1:])
    ways = found.evaluation.main.ways
    assert set(ways) == set(names)
    assert [len(ways[name].way) for name in ("book", "block")] == [1, 1]
    assert (np.diff(ways["routed"].mean) >= 0).all()
    assert ways["routed"].mean[0] <= min(ways[name].mean[0] for name in names)
    assert any(note.startswith("routed takes for") for note in found.figures.notes)


@pytest.mark.long
def test_a_router_learns_what_its_dealers_quote():
    """After 200 orders its expected distances follow the dealers' order, and what it knows of hedges is about the truth."""
    built = build_market(Scenario(MARKET, TASK, name="routed", seeds=(5,), episodes=8))
    known, oracle = learned(built, 5), informed_by_dealers(built, 5)
    units = float(built.plan.rows[0, 3]) / known.terms.lots
    seen = known.weight > 20.0
    assert seen.sum() >= 3
    assert np.corrcoef(known.distance(units)[seen], oracle.distance(units)[seen])[0, 1] > 0.5
    assert known.moves[1] == pytest.approx(oracle.moves[1], rel=0.3)
