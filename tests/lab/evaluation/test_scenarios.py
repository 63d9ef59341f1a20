"""Where the results of a scenario lie."""

import pickle
from pathlib import Path

from tercel.api.testing.lake import simulated_lake
from tercel.execution.market import Market
from tercel.lab.evaluation.pipeline.scenarios import Scenario
from tercel.lab.evaluation.settings import MarketTask
from tercel.market.tape import Lake


def test_results_lie_elsewhere_when_a_named_day_or_file_changes(tmp_path: Path) -> None:
    simulated_lake(tmp_path, 0.25, days=["2003-01-13"])
    settings = MarketTask(Market(lake=str(tmp_path), symbol="SIM", impact="none"))
    before, again = (Scenario("tape", settings, (1,), 0) for _ in range(2))
    assert before == again
    assert pickle.loads(pickle.dumps(before)) == before
    lake = Lake(tmp_path)
    instrument, events = lake.read("SIM", "2003-01-13")
    lake.write(instrument, events.slice(0, events.n - 1), replace=True)
    after = Scenario("tape", settings, (1,), 0)
    assert after != before
    assert after.id != before.id
    file = tmp_path / "regimes.toml"
    file.write_text("[[script]]\n")
    simulated = MarketTask(Market("csco", regimes=str(file)))
    first = Scenario("csco", simulated, (1,), 4)
    file.write_text("[[script]]\n\n")
    assert Scenario("csco", simulated, (1,), 4).id != first.id
