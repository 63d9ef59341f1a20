"""`update` in a file of signals: train, predict and backtest; the whole file against one that ends earlier."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.desk.rounds.forecast_material import prices, weekdays
from tests.signals.command.material import done, refused

from tercel.core.errors import DataError
from tercel.signals.models.model_folder import load
from tercel.signals.models.online import as_of
from tercel.signals.models.predict import predict

pytest.importorskip("sklearn")
DAYS = 620
CONFIG = """
[panel]
kind = "daily"
path = "prices.csv"
history = 60
every = 3
first = "2016-01-04"
[train]
families = ["linear"]
update = "{}"
[train.online]
warm = 20
"""


def trained(folder: Path, update: str, until: date | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    prices(DAYS).filter(True if until is None else pl.col("date") <= until).write_csv(
        folder / "prices.csv"
    )
    (folder / "s.toml").write_text(CONFIG.format(update))
    done("train", folder / "s.toml", "--out", folder / "o")
    return folder / "o" / "model"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("online"), "blend")


@pytest.mark.parametrize("days", [455, 588])
def test_a_file_that_ends_earlier_gives_the_same_forecasts(
    whole: Path, tmp_path: Path, days: int
) -> None:
    """Of the walk to the byte, and the same parameters and journal."""
    cut, full = load(trained(tmp_path / "cut", "blend", weekdays(DAYS)[days])), load(whole)
    walk = cut.walk()
    same = full.walk().filter(pl.col("time") <= walk["time"].max())
    assert walk.height > 200
    assert walk["expected_bps"].is_not_nan().sum() > 50
    assert walk.equals(same, null_equal=True)
    assert cut.updates() == full.updates()[: len(cut.updates())]
    at = int(walk["time"].dt.epoch("ns").max())  # type: ignore[arg-type]
    for one, two in zip(as_of(full, at).models, cut.models, strict=True):
        assert one.model.coef_.tobytes() == two.model.coef_.tobytes()
        assert one.model.intercept_ == two.model.intercept_


def test_a_date_is_forecast_with_the_parameters_of_that_date(whole: Path) -> None:
    model = load(whole)
    times = np.unique(model.walk().drop_nans("value")["time"].dt.epoch("ns").to_numpy())
    at, day = int(times[-30]), datetime.fromtimestamp(int(times[-30]) / 1e9, UTC).date()
    then = {one.instrument: one.expected_bps for one in predict(model, day).alphas}
    told = dict(
        model.walk().filter(pl.col("time").dt.epoch("ns") == at).select("name", "value").iter_rows()
    )
    assert sorted(then, key=then.get) == sorted(told, key=told.get)  # type: ignore[arg-type]
    assert (
        as_of(model, int(times[-1])).models[0].model.coef_.tobytes()
        == model.models[0].model.coef_.tobytes()
    )
    with pytest.raises(DataError, match="the model had learned nothing by then"):
        predict(model, weekdays(DAYS)[70])


def test_an_explanation_says_that_it_learned_online(whole: Path, tmp_path: Path) -> None:
    told = done("explain", whole, "--out", tmp_path)["warnings"]
    assert any("learned online" in line for line in told)


def test_without_the_key_nothing_is_new_and_a_journal_of_before_goes(tmp_path: Path) -> None:
    model = trained(tmp_path, "recursive")
    assert (model / "updates.jsonl").is_file()
    assert load(model).card["config"]["train"]["update"] == "recursive"
    (model / "updates.jsonl").write_text("")
    with pytest.raises(DataError, match="which was changed"):
        load(model)
    model = trained(tmp_path, "refit")
    card = json.loads((model / "card.json").read_text())
    assert not (model / "updates.jsonl").exists()
    assert "updates" not in card
    assert card["config"]["train"]["update"] == "refit"
    with pytest.raises(DataError, match=r"train\.update"):
        load(model).updates()


def test_a_family_that_cannot_is_refused(tmp_path: Path) -> None:
    prices(90).write_csv(tmp_path / "prices.csv")
    (tmp_path / "s.toml").write_text(CONFIG.format("blend").replace("linear", "boosting"))
    assert "for the family linear" in refused("train", tmp_path / "s.toml")
