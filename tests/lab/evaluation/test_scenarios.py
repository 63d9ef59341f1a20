"""Scenarios: where their results lie, and the dealers that a router learns in them."""

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from studies.sizes.ways_command import informed_by_dealers
from tercel.api.evaluation import evaluate
from tercel.core.errors import ConfigError
from tercel.execution.market import Market
from tercel.execution.task import Task
from tercel.lab.evaluation.market import build_market
from tercel.lab.evaluation.pipeline.jobs import first_episodes
from tercel.lab.evaluation.routing import learn_knowledge
from tercel.lab.evaluation.scenario import Scenario
from tercel.market.flow import registry
from tercel.market.simulator.days import simulated_lake
from tercel.market.tape import Lake


def test_results_lie_elsewhere_when_a_named_day_or_file_changes(tmp_path: Path) -> None:
    simulated_lake(tmp_path, 0.25, days=["2003-01-13"])
    market = Market(lake=str(tmp_path), symbol="SIM", impact="none")
    before, again = (Scenario(market, name="tape") for _ in range(2))
    assert before == again
    assert pickle.loads(pickle.dumps(before)) == before
    lake = Lake(tmp_path)
    instrument, events = lake.read("SIM", "2003-01-13")
    lake.write(instrument, events.slice(0, events.n - 1), replace=True)
    after = Scenario(market, name="tape")
    assert after != before
    assert after.id != before.id
    file = tmp_path / "regimes.toml"
    file.write_text("[[script]]\n")
    simulated = Market("sh600961", regimes=str(file))
    first = Scenario(simulated, name="sh600961", episodes=4)
    file.write_text("[[script]]\n\n")
    assert Scenario(simulated, name="sh600961", episodes=4).id != first.id


def test_a_market_is_settled_once_for_all_seeds_and_anew_when_its_file_changes(
    tmp_path: Path,
) -> None:
    file = tmp_path / "mine.json"
    file.write_text((registry.FOLDER / "csco-santa-fe.json").read_text())
    scenario = Scenario(Market(str(file)), Task(horizon_s=60, decisions=2, warmup_s=60))
    one, other = (
        build_market(replace(scenario, seeds=(seed,), episodes=1), quick=True) for seed in (1, 2)
    )
    assert one.training.worlds_b is other.training.worlds_b
    assert one.estimates.expected_volume == other.estimates.expected_volume
    assert one.plan.rows.tolist() != other.plan.rows.tolist()
    told = json.loads(file.read_text())
    file.write_text(json.dumps(told | {"market_rate": 2 * told["market_rate"], "lot": 1}))
    after = build_market(replace(scenario, episodes=1), quick=True)
    assert after.estimates.expected_volume > 1.2 * one.estimates.expected_volume
    assert one.notes[0].endswith(f" {one.facts['order, lots']:,} lots of 100 shares.")
    assert after.notes[0].endswith(f" {after.facts['order, lots']:,} shares.")


# -- a router in an evaluation: learned dealers, the same episodes for every way --------------------------------------


ROUTED = Task(share=0.1, horizon="2min", decisions=8, warmup_s=10.0)
DEALERS = Market("csco-santa-fe", dealers="drawn", impact="translation")


def test_jobs_of_drawn_dealers_have_one_seed_each():
    """Two seeds of 300 episodes: jobs of 256 and 44 each."""
    scenario = Scenario(DEALERS, ROUTED, name="routed", seeds=(1, 2), episodes=600)
    assert first_episodes(scenario) == [0, 256, 300, 556]
    assert first_episodes(scenario.in_market(dealers="")) == [0, 256, 512]


def test_a_router_needs_dealers():
    with pytest.raises(ConfigError, match="dealers=drawn"):
        evaluate(["routed", "twap_take"], Market("csco-santa-fe"), ROUTED, episodes=4)


@pytest.mark.long
def test_ways_are_judged_on_the_same_orders():
    """And `routed` is the challenger of the others."""
    names = ["routed", "book", "rfq", "block"]
    found = evaluate(names, DEALERS, ROUTED, episodes=64, seed=3)
    costs = {name: row.is_bps.mean for name, row in found.figures.strategies.items()}
    assert set(costs) == set(names)
    assert costs["rfq"] != costs["book"]
    assert {one.b for one in found.comparisons if one.a == "routed"} == set(names[1:])
    ways = found.store.main.ways
    assert set(ways) == set(names)
    assert [len(ways[name].way) for name in ("book", "block")] == [1, 1]
    assert (np.diff(ways["routed"].mean) >= 0).all()
    assert ways["routed"].mean[0] <= min(ways[name].mean[0] for name in names)
    assert any(note.startswith("routed takes for") for note in found.figures.notes)


@pytest.mark.long
def test_a_router_learns_what_its_dealers_quote():
    """After 200 orders its expected distances follow the dealers' order, and what it knows of hedges is about the truth."""
    built = build_market(Scenario(DEALERS, ROUTED, name="routed", seeds=(5,), episodes=8))
    known, oracle = learn_knowledge(built, 5), informed_by_dealers(built, 5)
    units = float(built.plan.rows[0, 3]) / known.terms.lots
    seen = known.weight > 20.0
    assert seen.sum() >= 3
    assert np.corrcoef(known.distance(units)[seen], oracle.distance(units)[seen])[0, 1] > 0.5
    assert known.moves[1] == pytest.approx(oracle.moves[1], rel=0.3)
