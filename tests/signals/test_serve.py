"""A forecast that is served: the numbers of the panel's own rows, the last date included, nothing from later rows; to the
byte that from files which end on its day, for every kind of source.
"""

import csv
import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import Phase, given, settings, strategies as st
from tests.desk.rounds.forecast_material import NAMES, prices, trained, weekdays
from tests.signals.command.material import done, refused, signals

from tercel.core.errors import DataError
from tercel.core.messages import Alpha
from tercel.signals.models import model_folder
from tercel.signals.models.folds import folds_of
from tercel.signals.models.model_folder import find_model_folder, load
from tercel.signals.models.predict import config_of, cross_section, predict, span_of
from tercel.signals.models.signal_model import SignalModel
from tercel.signals.panel.build import load as load_panel
from tercel.signals.runs.config import read_config
from tercel.signals.runs.train import train

DAYS = 620
PRICES = ("open", "high", "low", "close")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("served"), DAYS)


@pytest.fixture(scope="module")
def model(folder: Path) -> SignalModel:
    return load(folder)


def test_a_date_of_the_walk_is_what_the_models_say_of_the_panels_rows(
    folder: Path, model: SignalModel
) -> None:
    data, _ = load_panel(folder.parent)
    times = np.unique(data.time_ns)
    for at in (times[0], times[len(times) // 2], times[-1]):
        rows = data.time_ns == at
        columns = {name: data.x[rows, c] for c, name in enumerate(data.names)}
        expected = model.alphas(columns, data.instrument[rows].tolist(), int(at))
        served = predict(model, datetime.fromtimestamp(int(at) / 1e9, UTC).date())
        assert list(served.alphas) == expected
        assert served.at_ns == at


def test_the_last_date_is_there_without_a_label(folder: Path, model: SignalModel) -> None:
    found = done("predict", folder)
    assert found["rows"][0]["at"].startswith(str(weekdays(DAYS)[-1]))
    assert [row["name"] for row in found["rows"]] == list(NAMES)
    walk = model.walk()
    assert walk["time"].max() < datetime.fromisoformat(found["at"])
    told = {
        "at",
        "name",
        "horizon_s",
        "expected_bps",
        "sd_bps",
        "half_life_s",
        "sources",
        "model",
        "score",
    }
    assert all(
        row.keys() == told | {"low_bps", "high_bps"} and row["sources"] == ["daily"]
        for row in found["rows"]
    )
    assert all(row["low_bps"] < row["expected_bps"] < row["high_bps"] for row in found["rows"])
    assert found["rows"][0]["horizon_s"] == 7 * 86_400


@pytest.mark.usefixtures("quick_pictures")
def test_the_interval_is_of_labels_that_had_ended_and_none_without_a_walk(
    folder: Path, model: SignalModel
) -> None:
    walk = model.walk()
    at = walk["time"].unique().sort()[-10]
    served = predict(model, at.date())
    interval = served.interval
    assert interval is not None
    assert interval.rows["time"].max() < at
    scaled = model.scale.sd_bps / model.scale.full_sd
    mean = pl.col("outcome").mean().over("time")
    error = walk.select(
        "time",
        said=(1e4 * (pl.col("outcome") - mean) - pl.col("expected_bps")).abs() / pl.col("sd"),
    )
    last = error.filter(pl.col("time") == interval.rows["time"].max())["said"] / scaled
    found = interval.rows.filter(pl.col("time") == interval.rows["time"].max())["score"]
    np.testing.assert_allclose(np.sort(found), np.sort(last))
    for row, alpha in zip(served.rows(), served.alphas, strict=True):
        assert row.high_bps - row.low_bps == pytest.approx(2 * interval.width * alpha.sd_bps)
    years = interval.by_year()
    assert set(years) == {str(year) for year in interval.rows["time"].dt.year()} | {"all"}
    share = (interval.rows["score"] <= interval.rows["width"]).mean()
    assert years["all"].coverage == pytest.approx(share)
    told = done("evaluate", folder.parents[1] / "s.toml", "--out", folder.parent)["interval"]
    assert told.keys() == years.keys()
    assert told["all"]["coverage"] == pytest.approx(share, abs=0.02)
    bare = predict(replace(model, card={**model.card, "walk": None}), at.date())
    assert bare.interval is None
    assert {row.low_bps for row in bare.rows()} == {None}
    assert list(bare.alphas) == list(served.alphas)


def test_a_forecast_reaches_to_the_close_at_which_its_label_ends(model: SignalModel) -> None:
    """The walk's own labels are the oracle; where the files end first, weekdays stand in."""
    labels = model.walk().select(pl.col("time", "start", "end").dt.date()).unique().sort("time")
    for at, start, end in (labels.row(0), labels.row(-1)):
        held = predict(model, at).held
        assert (held.first, held.last, held.beyond) == (start, end, False)
    newest = predict(model)
    day, held = newest.at[:10], newest.held
    assert held.beyond
    assert (held.first, held.last) == tuple(np.busday_offset(day, bars).item() for bars in (1, 6))
    everyday = [date(2024, 1, 1) + timedelta(days=n) for n in range(10)]  # a file that has weekends
    assert span_of(everyday, everyday[-1], 1, 5).last == date(2024, 1, 16)


def test_basis_points_of_the_walk_are_by_the_scale_that_was_known(
    folder: Path, model: SignalModel
) -> None:
    walk = model.walk()
    data, _ = load_panel(folder.parent)
    folds = folds_of(data, config_of(model).train)
    scaled = 0
    for number, (_, test) in enumerate(folds):
        begin, last = (
            datetime.fromtimestamp(int(data.time_ns[test][at]) / 1e9, UTC) for at in (0, -1)
        )
        block = walk.filter(pl.col("time").is_between(begin, last), pl.col("value").is_not_nan())
        past = walk.filter(pl.col("end") <= begin, pl.col("value").is_not_nan())
        x, y = (
            past[c] - past.select(pl.col(c).mean().over("time"))[c] for c in ("value", "outcome")
        )
        if number == 0:
            assert block["expected_bps"].is_nan().all()
            continue
        unit = 1e4 * max(x.dot(y) / x.dot(x), 0.0)
        steps = np.diff(np.sort(block["value"].to_numpy()))
        np.testing.assert_allclose(
            np.diff(np.sort(block["expected_bps"].to_numpy())), unit * steps, atol=1e-7
        )
        scaled += unit > 0
    assert scaled


@pytest.mark.usefixtures("quick_pictures")
def test_a_name_that_leaves_counts_in_the_walk_and_a_move_that_nothing_adjusts_is_told(
    tmp_path: Path,
) -> None:
    folder = trained(tmp_path, 620)
    days, whole = weekdays(620), load(folder).walk()
    crash = pl.col("date") >= days[450]
    fell = [
        pl.when((pl.col("ticker") == "CCC") & crash).then(pl.col(c) * 0.4).otherwise(pl.col(c))
        for c in PRICES
    ]
    left = (pl.col("ticker") == "DDD") & (pl.col("date") > days[460])
    prices(620).with_columns(fell).filter(~left).write_parquet(tmp_path / "prices.parquet")
    found = done("train", tmp_path / "s.toml", "--out", tmp_path / "fell")
    said = " ".join(found["warnings"])
    assert (
        "5 labels over moves that nothing adjusts are left out: the walk-forward has no such row"
        in said
    )
    assert "names that leave are settled at their last close: DDD" in said
    walk = load(tmp_path / "fell" / "model").walk()
    gone = walk.filter(pl.col("name") == "DDD")["time"].max()
    assert str(gone)[:10] > str(days[453])
    assert walk.height < whole.height
    assert done("backtest", tmp_path / "fell", "--cost-bps", "5")["dates"] > 10


@pytest.mark.usefixtures("quick_pictures")
def test_a_day_that_less_than_half_of_the_names_have_yet_is_told_and_not_forecast(
    tmp_path: Path,
) -> None:
    """Oracle: the same files without it."""
    model = load(trained(tmp_path, 500))
    before, days = predict(model), weekdays(502)
    backtested = done("backtest", tmp_path / "o", "--cost-bps", "5")
    assert before.note == ""
    half = (pl.col("date") <= days[499]) | pl.col("ticker").is_in(NAMES[:4])
    prices(501).filter(half).write_parquet(tmp_path / "prices.parquet")
    found = predict(model)
    assert [one.instrument for one in found.alphas] == list(NAMES[:4])
    assert found.note == "4 of 8 names have no row on 2016-12-05: EEE, FFF, GGG, HHH"
    early = (pl.col("date") <= days[499]) | pl.col("ticker").is_in(NAMES[:3])
    prices(502).filter(early).write_parquet(tmp_path / "prices.parquet")
    said = f"only 3 of 8 names have prices of {days[501]}, after {days[499]}, the last whole day"
    found = predict(model)
    assert found.rows() == before.rows()
    assert (
        found.note
        == f"{said}, which is forecast (signals predict `date={days[501]}` takes the newer one)"
    )
    assert f"--date {days[501]} takes" in " ".join(
        signals("predict", tmp_path / "o").output.split()
    )
    assert [
        row["name"] for row in done("predict", tmp_path / "o", "--date", days[501])["rows"]
    ] == list(NAMES[:3])
    again = done("backtest", tmp_path / "o", "--cost-bps", "5")
    assert again["weights"] == backtested["weights"]
    assert again["warnings"] == [found.note]
    assert done("explain", tmp_path / "o")["warnings"][0] == found.note
    config = tmp_path / "s.toml"
    late = done("train", config, "--out", tmp_path / "late")
    assert (
        late["warnings"][-1]
        == f'{said}: prices that follow it are left out (last = "{days[501]}" keeps them)'
    )
    assert "settled" not in " ".join(late["warnings"])
    assert load(tmp_path / "late" / "model").walk().equals(model.walk()), (
        "names that are late have not left"
    )
    config.write_text(config.read_text().replace("first =", f'last = "{days[501]}"\nfirst ='))
    kept = " ".join(done("train", config, "--out", tmp_path / "kept")["warnings"])
    assert "are left out (last" not in kept


def test_a_table_for_people_names_the_skill_and_writes_a_file(folder: Path, tmp_path: Path) -> None:
    told = signals("predict", folder.parent, "--out", tmp_path / "f.csv")
    assert told.exit_code == 0
    assert "rank IC" in told.output
    assert "8 of 8 names" in told.output
    with (tmp_path / "f.csv").open() as file:
        rows = list(csv.DictReader(file))
    exact = done("predict", folder)["rows"]
    assert [float(row["expected_bps"]) for row in rows] == [row["expected_bps"] for row in exact]


def test_a_model_that_expects_nothing_says_so_in_few_rows(
    model: SignalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = replace(model, scale=replace(model.scale, unit_bps=0.0))
    monkeypatch.setattr(model_folder, "load", lambda _: silent)
    told = signals("predict", model.folder).output
    assert "5 of 8 names shown; each" in told
    assert "not above 0 out of sample: every forecast is 0" in " ".join(told.split())
    assert told.count("+0.0") == 5
    assert len(done("predict", model.folder)["rows"]) == 8


def test_a_folder_is_found_as_people_name_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert (
        find_model_folder(folder)
        == find_model_folder(folder.parent)
        == find_model_folder(folder / "card.json")
        == folder
    )
    monkeypatch.chdir(tmp_path)
    config = folder.parents[1] / "s.toml"
    assert "runs/signals-small-1/model" in refused("predict", config)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "signals-small-1").symlink_to(folder.parent)
    assert done("predict", config)["model"] == load(folder).id
    assert "tercel signals train" in refused("predict", tmp_path / "nowhere")
    assert "name its folder" in refused("predict", folder / "fusion.json")


def test_days_that_are_none_and_files_that_are_gone(tmp_path: Path) -> None:
    folder = trained(tmp_path, 500)
    for day, said in (
        ("2015-01-10", "such as 2015-01-09"),
        ("tomorrow", "YYYY-MM-DD"),
        ("2015-01-09", "252 days behind them"),
    ):
        assert said in refused("predict", folder, "--date", day)
    with pytest.raises(DataError, match="a day of"):
        predict(load(folder), date(2014, 1, 1))
    (tmp_path / "prices.parquet").unlink()
    assert "prices.parquet" in refused("predict", folder)


def test_folders_that_cannot_be_trusted_are_refused(folder: Path, tmp_path: Path) -> None:
    def spoilt(name: str) -> Path:
        return Path(shutil.copytree(folder, tmp_path / name))

    cut = spoilt("cut")
    (cut / "card.json").write_text((folder / "card.json").read_text()[:300])
    said = refused("predict", cut)
    assert "as it was trained" in said
    assert "cut off or edited" in said
    assert "Error" not in said
    for name in ("walk.parquet", "00-linear.npz", "fusion.json"):
        other = spoilt(name)
        (other / name).write_bytes((other / name).read_bytes()[:-1])
        assert "changed" in refused("predict", other)
        (other / name).unlink()
        assert name in refused("predict", other)
    (cut / "card.json").unlink()
    assert f"no card.json in {cut} or {cut / 'model'}" in refused("predict", cut)


def test_a_model_of_a_market_is_no_model_of_files() -> None:
    with pytest.raises(DataError, match="features that a desk measures"):
        predict(model_folder.load_packaged("demo"))


def test_forecasts_that_are_no_numbers_are_refused(model: SignalModel) -> None:
    endless = replace(model, scale=replace(model.scale, unit_bps=float("inf")))
    with pytest.raises(Exception, match="an Alpha of AAA whose expected_bps is a number"):
        predict(endless)
    assert isinstance(predict(model).alphas[0], Alpha)


@pytest.mark.usefixtures("quick_pictures")
def test_a_project_that_is_copied_reads_its_own_files(tmp_path: Path) -> None:
    project, copy = tmp_path / "project", tmp_path / "else" / "where"
    trained(project, 500)
    (project / "data").mkdir()
    (project / "prices.parquet").rename(project / "data" / "prices.parquet")
    (project / "s.toml").write_text(
        (project / "s.toml").read_text().replace("prices.parquet", "data/prices.parquet")
    )
    shutil.rmtree(project / "o")
    (project / "runs").mkdir()
    for out in ("o", "runs/one"):
        done("train", project / "s.toml", "--out", project / out)
    before = done("predict", project / "o")["rows"]
    shutil.copytree(project, copy)
    assert done("predict", copy / "o")["rows"] == before
    assert (
        "files have changed" not in signals("train", copy / "s.toml", "--out", copy / "o").output
    ), "the same panel"
    here, there = (load(one / "o" / "model") for one in (project, copy))
    assert (here.id, here.card) == (there.id, there.card), "wherever its files lie"
    assert (here.card["data"].keys(), here.card["base"]) == ({"prices.parquet"}, "../../data")
    assert str(tmp_path) not in json.dumps(dict(here.card))
    prices(501).write_parquet(copy / "data" / "prices.parquet")
    assert done("predict", project / "o")["rows"] == before
    shutil.rmtree(project)
    for out in ("o", "runs/one"):
        found = done("predict", copy / out)["rows"]
        assert found[0]["at"].startswith(str(weekdays(501)[-1]))
        assert found[0]["model"] == before[0]["model"]
    assert done("backtest", copy / "o", "--cost-law", "1")["at"].startswith(str(weekdays(501)[-1]))
    (copy / "data" / "prices.parquet").unlink()
    (copy / "o" / "panel.parquet").unlink()
    for said in (
        refused("predict", copy / "o"),
        refused("backtest", copy / "o", "--cost-law", "1"),
        refused("explain", copy / "o"),
    ):
        assert "prices.parquet, which the model reads" in said
        assert f"nothing at {copy / 'data' / 'prices.parquet'}" in " ".join(said.split())
        assert "train it again: tercel signals train CONFIG.toml --out FOLDER" in " ".join(
            said.split()
        )


def test_a_model_whose_files_are_of_no_project_reads_them_from_anywhere(tmp_path: Path) -> None:
    made = trained(tmp_path / "prices", 500)
    (tmp_path / "a").mkdir()
    done("train", tmp_path / "prices" / "s.toml", "--out", tmp_path / "a" / "b" / "o")
    shutil.copytree(tmp_path / "a" / "b" / "o" / "model", tmp_path / "deeper" / "down" / "model")
    rows = done("predict", tmp_path / "deeper" / "down" / "model")["rows"]
    assert rows == done("predict", made)["rows"]


SHORT = 300
STARTS = (0, 120, 200, 280)
CONFIG = """
name = "prefix"
[panel]
kind = "daily"
path = "prices.parquet"
history = 60
[[source]]
kind = "daily"
path = "other.parquet"
name = "other"
history = 40
[[source]]
kind = "news"
path = "news.parquet"
window_days = 2
learn_days = 2
[[source]]
kind = "fundamentals"
path = "reports.parquet"
[[source]]
kind = "statements"
path = "statements.parquet"
lag_days = 20
[[source]]
kind = "series"
path = "series.parquet"
lag_days = 0.5
[train]
families = ["linear"]
splits = 3
embargo_days = 2
"""
TIMES = {
    "prices": "date", "other": "date", "news": "time", "reports": "filed", "statements": "period end",
    "series": "date",
}  # fmt: skip
"""Column that says when a row was known, by file."""


def files_of(seed: int, starts: Mapping[str, int]) -> dict[str, pl.DataFrame]:
    """Files of every kind; what `starts` names says nothing before that day."""
    rng, dates = np.random.default_rng(seed), weekdays(SHORT)
    late = {name: dates[day] for name, day in starts.items()}

    def from_then(name: str, said: pl.Expr, else_: pl.Expr) -> pl.Expr:
        return pl.when(pl.col("date") >= late[name]).then(said).otherwise(else_)

    def priced(frame: pl.DataFrame) -> pl.DataFrame:
        nothing = pl.lit(None, pl.Float64)
        opened = from_then("open", pl.col("open"), pl.col("close") if seed % 2 else nothing)
        volume = from_then("volume", pl.col("volume").cast(pl.Float64), nothing)
        # a name that skips days: its returns end later than those of others
        gap = (pl.col("ticker") == NAMES[0]) & (pl.col("date").dt.ordinal_day() % 5 == 0)
        return frame.with_columns(open=opened, volume=volume).filter(~gap)

    keys = pl.DataFrame(
        {"ticker": np.tile(NAMES, SHORT), "date": [day for day in dates for _ in NAMES]}
    )
    n = keys.height
    numbers = keys.with_columns(
        roe=pl.Series(rng.normal(size=n)), late=pl.Series(rng.normal(size=n))
    )
    varied = numbers.with_columns(late=from_then("late", pl.col("late"), pl.lit(0.0)))
    words = np.array([["strong", "weak"], ["plain", "steady"]])
    told = keys.filter(pl.Series(rng.random(n) < 0.6))
    rising = rng.integers(0, 2, told.height)
    text = np.where(
        [day < late["tone"] for day in told["date"]], words[1][rising], words[0][rising]
    )
    moments = [datetime.combine(day, time(15), UTC) for day in told["date"]]
    reports = varied.filter(pl.Series(rng.random(n) < 0.05)).rename({"date": "filed"})
    reports = reports.with_columns(pl.lit(timedelta(days=30)).alias("lag"))
    reports = reports.with_columns((pl.col("filed") - pl.col("lag")).alias("period end")).drop(
        "lag"
    )
    stated = varied.filter(pl.Series(rng.random(n) < 0.05)).rename({"date": "period end"})
    return {
        "prices": priced(prices(SHORT)), "other": priced(prices(SHORT, seed=4)),
        "news": pl.DataFrame({"time": moments, "ticker": told["ticker"], "headline": text.tolist()}),
        "reports": reports, "statements": stated, "series": varied,
    }  # fmt: skip


def write(folder: Path, made: Mapping[str, pl.DataFrame], until: date | None = None) -> None:
    for name, frame in made.items():
        known = pl.col(TIMES[name]).cast(pl.Date)
        frame.filter(True if until is None else known <= until).write_parquet(
            folder / f"{name}.parquet"
        )


def said(model: SignalModel, day: date) -> object:
    try:
        (rows, missing), _, _ = cross_section(model, day)
    except DataError as error:
        return str(error)
    columns = {name: rows.x[:, c] for c, name in enumerate(rows.names)}
    alphas = model.alphas(columns, rows.instrument.tolist(), int(rows.time_ns[0]))
    told = {
        name: column.tobytes() for name, column in columns.items() if not np.isnan(column).all()
    }
    return alphas, told, sorted(missing)


@pytest.fixture(scope="module", params=[1, 2])
def prefix(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[int, Path, SignalModel]:
    folder = tmp_path_factory.mktemp("prefix")
    (folder / "s.toml").write_text(CONFIG)
    write(folder, files_of(request.param, dict.fromkeys(("open", "volume", "late", "tone"), 200)))
    train(read_config(folder / "s.toml"), 1, folder / "o")
    return request.param, folder, load(folder / "o" / "model")


@pytest.mark.parametrize("later", [False, True])
@given(data=st.data())
@settings(
    max_examples=max(1, settings.default.max_examples // 12),
    phases=[Phase.explicit, Phase.generate],
)
def test_rows_to_come_change_no_forecast(
    prefix: tuple[int, Path, SignalModel], later: bool, data: st.DataObject
) -> None:
    seed, folder, model = prefix
    starts = {
        name: data.draw(st.sampled_from(STARTS), name)
        for name in ("open", "volume", "late", "tone")
    }
    day = weekdays(SHORT)[data.draw(st.integers(70, SHORT - 1), "day")]
    made = files_of(seed, starts)
    if later:  # all but the prices begin after that day
        to_come = {
            n: frame.filter(pl.col(TIMES[n]).cast(pl.Date) > day) for n, frame in made.items()
        }
        made = to_come | {"prices": made["prices"]}
    write(folder, made)
    whole = said(model, day)
    write(folder, made, day)
    assert said(model, day) == whole
