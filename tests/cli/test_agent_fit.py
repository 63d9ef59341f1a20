"""`tercel agent fit`: from days to a policy, a report and a desk file; a stopped fit continues; what is refused."""

import json
import shutil
from pathlib import Path

import pytest
from tests.cli.command import done, refused, tercel

from tercel.api.desk.config import read_config
from tercel.execution.policies.card import read_card
from tercel.execution.policies.strategy import policy_strategy
from tercel.market.simulator.days import simulated_lake

DAYS = [f"2003-01-{day}" for day in (13, 14, 15, 16, 17, 21)]
ORDERS = ("--symbol", "SIM", "--horizon", "5min", "--frames", 256)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulated_lake(tmp_path_factory.mktemp("lake"), 0.65, days=DAYS).root


@pytest.fixture(scope="module")
def fitted(lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fitted")
    done("agent", "fit", *ORDERS, "--lake", lake, "--out", folder)
    return folder


@pytest.mark.long
def test_every_day_is_judged_once_and_the_folder_trades(fitted: Path) -> None:
    found = json.loads((fitted / "fit.json").read_text())["result"]
    assert found["days"] == DAYS
    assert [stage["name"] for stage in found["stages"]] == ["shipped", "fitted", "trained"]
    assert found["kept"] == "shipped", "six days show nothing"
    assert "fewer than 30, so no claim" in found["sentences"][0]
    assert "<svg" in (fitted / "report.html").read_text()
    card = read_card(fitted / "policy" / "card.json")
    assert card.name == "shipped"
    strategy = policy_strategy(fitted / "policy")
    assert strategy.forecaster is not None
    assert strategy.forecaster.of("SIM").waiting > 0.0, "a desk knows what waiting costs"
    desk = read_config(fitted / "desk.toml")
    assert desk.agent[0].strategy.endswith(str(fitted / "policy"))
    assert desk.instrument[0].market.preset == str(fitted / "market.json")


@pytest.mark.long
def test_a_stopped_fit_continues_to_the_same_figures(fitted: Path, lake: Path) -> None:
    before = json.loads((fitted / "fit.json").read_text())["result"]
    shutil.rmtree(fitted / "blocks" / "3")
    (fitted / "blocks" / "2" / "costs.npz").unlink()
    again = done("agent", "fit", *ORDERS, "--lake", lake, "--out", fitted)
    assert again["stages"] == before["stages"]
    refused(
        tercel("agent", "fit", *ORDERS, "--seed", 2, "--lake", lake, "--out", fitted),
        "one of this very fit",
    )


def test_days_that_no_fit_is_made_of_are_refused(lake: Path, tmp_path: Path) -> None:
    few = tmp_path / "few"
    shutil.copytree(lake, few)
    shutil.rmtree(few / "venue=TEST" / "symbol=SIM" / f"date={DAYS[0]}")
    refused(
        tercel("agent", "fit", *ORDERS, "--lake", few, "--out", tmp_path / "a"), "6 recorded days"
    )
    file = few / "venue=TEST" / "symbol=SIM" / f"date={DAYS[1]}" / "instrument.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"tick": 0.05}))
    refused(tercel("agent", "fit", *ORDERS, "--lake", few, "--out", tmp_path / "a"), "of one tick")
    assert not (tmp_path / "a").exists()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "mine.txt").write_text("kept")
    refused(
        tercel("agent", "fit", *ORDERS, "--lake", lake, "--out", tmp_path / "b"),
        "new or empty folder",
    )
    assert [path.name for path in (tmp_path / "b").iterdir() if path.name != ".lock"] == [
        "mine.txt"
    ]


def test_a_fit_that_made_nothing_leaves_its_folder_free(lake: Path, tmp_path: Path) -> None:
    asked = ("agent", "fit", *ORDERS, "--lake", lake, "--out", tmp_path)
    refused(tercel(*asked, "--horizon", "20h"), "a shorter horizon")
    refused(tercel(*asked, "--horizon", "19h"), "a shorter horizon")
    (tmp_path / "fit.json").write_text("[1]")
    refused(tercel(*asked), "name another folder")
    (tmp_path / "fit.json").write_text('{"mine": 1}')
    refused(tercel(*asked), "name another folder")
    refused(tercel(*asked, "--out", tmp_path / "fit.json"), "is a file")
