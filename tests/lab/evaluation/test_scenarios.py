"""Where the results of a scenario lie."""

import json
import pickle
from dataclasses import replace
from pathlib import Path

from tercel.execution.market import Market
from tercel.execution.task import Task
from tercel.lab.evaluation.market import build_market
from tercel.lab.evaluation.scenario import Scenario
from tercel.market.flow import preset
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
    simulated = Market("csco", regimes=str(file))
    first = Scenario(simulated, name="csco", episodes=4)
    file.write_text("[[script]]\n\n")
    assert Scenario(simulated, name="csco", episodes=4).id != first.id


def test_a_market_is_settled_once_for_all_seeds_and_anew_when_its_file_changes(
    tmp_path: Path,
) -> None:
    file = tmp_path / "mine.json"
    file.write_text((preset.FOLDER / "csco-santa-fe.json").read_text())
    scenario = Scenario(Market(str(file)), Task(horizon_s=60, decisions=2, warmup_s=60))
    one, other = (
        build_market(replace(scenario, seeds=(seed,), episodes=1), quick=True) for seed in (1, 2)
    )
    assert one.training.worlds_b is other.training.worlds_b
    assert one.estimates.expected_volume == other.estimates.expected_volume
    assert one.plan.rows.tolist() != other.plan.rows.tolist()
    told = json.loads(file.read_text())
    file.write_text(json.dumps(told | {"market_rate": 2 * told["market_rate"]}))
    after = build_market(replace(scenario, episodes=1), quick=True)
    assert after.estimates.expected_volume > 1.2 * one.estimates.expected_volume
