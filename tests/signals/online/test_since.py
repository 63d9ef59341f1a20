"""Learning while served: a training to the date is the oracle; what is to come changes nothing; drift is said. Before it,
`update` in a file of signals: the whole file against one that ends earlier.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st
from tests.desk.rounds.forecast_material import prices, weekdays
from tests.signals.command.material import done, refused, signals, told

from tercel.core.errors import DataError
from tercel.signals.models.model_folder import load
from tercel.signals.models.online import as_of, states_at
from tercel.signals.models.predict import config_of, cross_section, predict
from tercel.signals.models.signal_model import SignalModel
from tercel.signals.models.since_training import (
    END_OF_TIME,
    SinceTraining,
    drift_of,
    learn_since_training,
)
from tercel.signals.models.skill import Skill
from tercel.signals.panel.dataset import Dataset
from tercel.signals.portfolio.config import open_portfolio, read_config as read_portfolio
from tercel.signals.runs.config import EXPERTS, read_config
from tercel.signals.runs.train import train

pytest.importorskip("sklearn")
CONFIG = """
[panel]
kind = "daily"
path = "prices.parquet"
history = 60
every = 3
first = "2016-01-04"
[train]
families = ["linear"]
update = "{}"
[train.online]
warm = 20
"""
METHODS = (*EXPERTS, "blend")
STARTS, MORE = st.sampled_from([500, 560]), st.sampled_from([1, 17, 60])
"""Days of the files when a model was trained, and days after them: few, so that models are trained once."""
FEW = settings(max_examples=max(1, settings.default.max_examples // 6), deadline=None)
"""For examples that train: 4 of the fixed ones, 16 random ones."""
DAYS = 620
CLOSES = ("open", "high", "low", "close")


@cache
def kept(update: str, days: int) -> Path:
    """The project of a model that was trained on so many days."""
    folder = Path(mkdtemp())
    prices(days).write_parquet(folder / "prices.parquet")
    (folder / "s.toml").write_text(CONFIG.format(update))
    train(read_config(folder / "s.toml"), 1, folder / "o")
    return folder


def project(update: str, days: int, files: pl.DataFrame | None = None) -> SignalModel:
    """A copy of it, whose files are others by now."""
    folder = Path(mkdtemp()) / "copy"
    shutil.copytree(kept(update, days), folder)
    if files is not None:
        files.write_parquet(folder / "prices.parquet")
    return load(folder / "o" / "model")


@cache
def _caught(update: str, start: int, days: int) -> Path:
    model = project(update, start, prices(days))
    predict(model)
    return model.folder.parents[1]


def caught(update: str, start: int, days: int) -> SignalModel:
    """A copy of it that has learned since, until so many days."""
    folder = Path(mkdtemp()) / "copy"
    shutil.copytree(_caught(update, start, days), folder)
    return load(folder / "o" / "model")


def lines_of(model: SignalModel) -> np.ndarray:
    return np.concatenate(
        [np.append(one.model.coef_, one.model.intercept_) for one in model.models]
    )


def journal(model: SignalModel) -> str:
    file = model.folder / "served.jsonl"
    return file.read_text() if file.is_file() else ""


def since(model: SignalModel, day: date | None = None) -> SinceTraining:
    """What a model has learned when it forecasts."""
    found = predict(model, day).since
    assert found is not None
    return found


def near(one: Mapping[str, Mapping[str, float]], two: Mapping[str, Mapping[str, float]]) -> None:
    assert one.keys() == two.keys()
    for source, state in one.items():
        assert state == pytest.approx(two[source], rel=0, abs=1e-12)


@given(update=st.sampled_from(METHODS), start=STARTS, more=MORE)
@FEW
def test_what_is_served_is_what_a_training_to_the_date_would_serve(
    update: str, start: int, more: int
) -> None:
    early = project(update, start, prices(start + more))
    late, trained = project(update, start + more), load(kept(update, start + more) / "o" / "model")
    ours, oracle = since(early), since(late)
    np.testing.assert_allclose(lines_of(ours.model), lines_of(oracle.model), rtol=0, atol=1e-12)
    rows = cross_section(early, None)[0][0]
    columns = {name: rows.x[:, c] for c, name in enumerate(rows.names)}
    np.testing.assert_allclose(
        ours.model.part_forecasts(columns),
        oracle.model.part_forecasts(columns),
        rtol=0,
        atol=1e-12,
    )
    for line in trained.updates():  # by the labels alone, no open row among them
        at = int(np.datetime64(line.at[:-1], "ns").astype(np.int64))
        near(states_at(early.updates(), at), states_at(trained.updates(), at))
    near(states_at(early.updates(), END_OF_TIME), states_at(late.updates(), END_OF_TIME))
    if update != "static":
        assert journal(early)


@given(update=st.sampled_from(METHODS), start=STARTS, more=st.integers(1, 18))
@FEW
def test_what_was_served_is_what_a_later_training_walks(update: str, start: int, more: int) -> None:
    """On a date of the panel, while labels of dates before it were open: served and judged by the same lines."""
    at = 260 + 3 * (-((start - 260) // -3) + more - 1)  # the first cross-section is that of day 260
    model, later = project(update, start, prices(DAYS)), load(kept(update, DAYS) / "o" / "model")
    served = predict(model, weekdays(DAYS)[at])
    assert (
        any(line.at.startswith(str(weekdays(DAYS)[at])) for line in later.updates())
        or update == "static"
    )
    near(states_at(model.updates(), served.at_ns), states_at(later.updates(), served.at_ns))


@given(
    update=st.sampled_from(METHODS),
    start=STARTS,
    more=st.integers(1, 40),
    factor=st.floats(0.2, 5.0),
)
@FEW
def test_labels_that_end_later_change_nothing(
    update: str, start: int, more: int, factor: float
) -> None:
    day = weekdays(DAYS)[start + more - 1]
    plain = project(update, start, prices(start + more))
    moved = [
        pl.when(pl.col("date") > day).then(pl.col(c) * factor).otherwise(pl.col(c)).alias(c)
        for c in CLOSES
    ]
    spoilt = project(update, start, prices(DAYS).with_columns(moved))
    assert predict(spoilt, day).rows() == predict(plain).rows()
    assert journal(spoilt) == journal(plain)


def test_days_between_that_were_served_change_no_later_one() -> None:
    """Nor does it matter whether a day is one of the panel's own, every third, or lies between two of them."""
    often, once = project("blend", 500, prices(560)), project("blend", 500, prices(560))
    for day in (500, 521, 535, 549):
        predict(often, weekdays(DAYS)[day])
    assert predict(often).rows() == predict(once).rows()
    near(states_at(often.updates(), END_OF_TIME), states_at(once.updates(), END_OF_TIME))


def two_sources(
    path: Path, days: int, grow: Callable[[Path, int], None], update: str
) -> SignalModel:
    """A model of daily prices and of a second source like them, trained on so many days that `grow` writes."""
    folder = path / f"{days}"
    folder.mkdir(exist_ok=True)
    grow(folder, days)
    more = (
        '[[source]]\nkind = "daily"\npath = "other.parquet"\nname = "other"\nhistory = 40\n[train]'
    )
    (folder / "s.toml").write_text(CONFIG.format(update).replace("[train]\n", more + "\n", 1))
    train(read_config(folder / "s.toml"), 1, folder / "o")
    return load(folder / "o" / "model")


def test_every_source_learns_and_one_that_is_gone_keeps_what_it_knew(tmp_path: Path) -> None:
    """A second source that begins late; then its file is not there any more."""

    def grow(folder: Path, days: int) -> None:
        prices(days).write_parquet(folder / "prices.parquet")
        late = prices(days, seed=4).filter(pl.col("date") >= weekdays(DAYS)[300])
        late.write_parquet(folder / "other.parquet")

    early, late = (two_sources(tmp_path, days, grow, "blend") for days in (500, 560))
    grow(early.folder.parents[1], 560)
    ours, oracle = since(early), since(late)
    assert {one.source for one in ours.model.models} == {"daily", "other"}
    np.testing.assert_allclose(lines_of(ours.model), lines_of(oracle.model), rtol=0, atol=1e-12)
    assert {json.loads(line)["source"] for line in journal(early).splitlines()} == {
        "daily",
        "other",
    }
    grow(early.folder.parents[1], 600)
    (early.folder.parents[1] / "other.parquet").unlink()
    found = predict(early)
    assert "other" in found.missing
    assert found.since is not None
    at = [one.source for one in early.models].index("other")
    kept_line, now = ours.model.models[at].model, found.since.model.models[at].model
    assert now.coef_.tobytes() == kept_line.coef_.tobytes()
    assert {line.source for line in found.since.lines} == {"daily"}


def test_lines_that_are_taken_out_are_taken_back_and_learned_again() -> None:
    model = caught("blend", 500, 560)
    whole = journal(model).splitlines(keepends=True)
    assert len(whole) > 15
    assert {tuple(json.loads(line)) for line in whole} == {("at", "source", "moved", "model")}
    before = as_of(model, END_OF_TIME)
    (model.folder / "served.jsonl").write_text("".join(whole[:9]))
    back = as_of(model, END_OF_TIME)
    assert lines_of(back).tobytes() != lines_of(before).tobytes()
    last = json.loads(whole[8])["at"]
    then = int(np.datetime64(last[:-1], "ns").astype(np.int64))
    predict(model)
    assert journal(model) == "".join(whole)
    assert lines_of(as_of(model, then)).tobytes() == lines_of(back).tobytes()
    (model.folder / "served.jsonl").unlink()
    assert as_of(model, END_OF_TIME).updates() == load(kept("blend", 500) / "o" / "model").updates()
    load(model.folder)  # its own files are as they were written


def test_two_desks_that_learn_at_once_write_each_line_once() -> None:
    """The second had read the journal before the first one wrote; one of them forecasts a day later."""
    model = project("blend", 500, prices(560))
    one, two, later = (since(project("blend", 500, prices(560 + more))) for more in (0, 0, 1))
    alone = caught("blend", 500, 560)
    for desk in (one, two, later):
        here = replace(desk, model=replace(desk.model, folder=model.folder))
        assert here.save() == ""
    assert journal(model).startswith(journal(alone))
    assert lines_of(as_of(model, END_OF_TIME)).tobytes() == lines_of(later.model).tobytes()


def test_a_folder_that_cannot_be_written_is_told_and_the_forecast_given() -> None:
    model, plain = project("recursive", 500, prices(560)), project("recursive", 500, prices(560))
    (model.folder / "served.jsonl").mkdir()
    found = predict(model)
    assert "what was learned is not saved, and learned again next time" in found.note
    assert found.rows() == predict(plain).rows()


def test_a_model_none_of_whose_sources_is_there_keeps_its_parameters() -> None:
    model = project("recursive", 500, prices(560))
    rows = cross_section(model, None)[0][0]
    strange = replace(rows, names=tuple(name.replace("daily", "strange") for name in rows.names))
    found = learn_since_training(model, strange, config_of(model).train)
    assert not found.lines
    assert lines_of(found.model).tobytes() == lines_of(model).tobytes()


@pytest.mark.usefixtures("quick_pictures")
def test_an_explanation_is_of_the_forecast_that_is_served() -> None:
    model = project("recursive", 500, prices(560))
    expected = {row["name"]: row["expected_bps"] for row in done("predict", model.folder)["rows"]}
    made = done("explain", model.folder, "--out", model.folder.parent)
    assert {one["name"]: one["expected_bps"] for one in made["names"]} == pytest.approx(expected)
    assert any("learned online" in line for line in made["warnings"])
    assert journal(model)


def test_a_new_training_begins_a_new_journal(tmp_path: Path) -> None:
    model = caught("recursive", 500, 560)
    train(read_config(model.folder.parents[1] / "s.toml"), 1, model.folder.parent)
    assert not journal(model)


def test_files_whose_past_is_gone_are_told_and_the_lines_of_training_kept() -> None:
    model = project("recursive", 500, prices(560).filter(pl.col("date") > weekdays(DAYS)[480]))
    found = predict(model)
    assert "nothing is learned since training" in found.note
    assert not journal(model)
    assert found.since is not None
    assert lines_of(found.since.model).tobytes() == lines_of(model).tobytes()


def test_the_synthetic_market_is_learned_to_its_last_day(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(
        '[panel]\nkind = "synthetic"\ninstruments = 20\ndays = 160\nstrength = 0.2\n[train]\nupdate = "recursive"\n'
    )
    done("train", tmp_path / "s.toml", "--out", tmp_path / "o")
    found = done("predict", tmp_path / "o")
    assert found["learned"]
    assert {line[:10] for line in found["learned"]} == {found["at"][:10]} == {"2020-06-08"}
    assert len(found["rows"]) == 20
    assert done("predict", tmp_path / "o")["rows"] == found["rows"]


# -- what training had seen -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("update", ["refit", "recursive"])
def test_a_date_whose_outcome_training_saw_is_told(update: str) -> None:
    model = project(update, 560, prices(DAYS))
    end = model.walk()["end"].max()
    assert done("predict", model.folder)["seen_until"] is None
    for at, seen in ((520, True), (559, False)):
        day = weekdays(DAYS)[at]
        found = done("predict", model.folder, "--date", day)
        assert found["seen_until"] == (f"{end:%Y-%m-%dT%H:%M:%S}Z" if seen else None)
        shown = " ".join(signals("predict", model.folder, "--date", day).output.split())
        assert (f"Training saw outcomes until {end:%Y-%m-%d}" in shown) is seen
        assert ("all but its lines knew more" in shown) is (seen and update == "recursive")


# -- drift ------------------------------------------------------------------------------------------------------------


def test_a_model_that_drifted_while_nobody_looked_is_told() -> None:
    """What it learned turns round where its training ends."""
    update = "refit"
    turned = project(update, 560, prices(690, turns=560))
    found = done("predict", turned.folder)
    assert found["drift"]["drifted"]
    assert "it has drifted" in found["note"]
    assert found["drift"]["mean"] < found["drift"]["training"]
    assert "it has drifted" in " ".join(signals("predict", turned.folder).output.split())
    as_before = done("predict", project(update, 560, prices(690)).folder)
    assert not as_before["drift"]["drifted"]
    assert any("no significant drift" in line for line in as_before["sentences"])
    short = done("predict", project(update, 560, prices(570)).folder)
    assert short["drift"] is None


def test_a_model_that_learned_what_had_turned_has_not_drifted() -> None:
    """Of the same dates: one that learns is right again soon, one that does not is wrong to the end."""
    still, learns = (
        since(project(update, 520, prices(760, turns=520))).drift
        for update in ("static", "recursive")
    )
    assert still is not None
    assert learns is not None
    assert (still.drifted, learns.drifted) == (True, False)
    assert learns.mean > still.mean + 0.1
    assert learns.dates == still.dates


def test_drift_is_told_as_seldom_as_it_says_and_found_where_it_is() -> None:
    """A forecast whose skill stays, and one whose sign turns: the share of seeds that are told of drift."""
    rng, dates, names, drifted = np.random.default_rng(2), 40, 60, {1.0: 0, -1.0: 0}
    week = 7 * 86_400 * 10**9
    time = np.repeat(np.arange(dates) * week, names)
    for _ in range(200):
        mean = 0.0951 * (1 + rng.standard_normal() / 20)  # rank correlation of r .0995
        before = Skill(mean, mean, mean, 20.0, dates)
        value, noise = rng.standard_normal((2, dates * names))
        for sign in drifted:
            outcome = sign * 0.1 * value + noise
            rows = Dataset(
                value[:, None],
                outcome,
                outcome,
                ("a.b",),
                time,
                time,
                time + week,
                np.full(len(value), "A"),
            )
            found = drift_of(before, value, rows)
            assert found is not None
            drifted[sign] += found.drifted
    assert drifted[1.0] <= 7, "one per cent of 200 is 2"
    assert drifted[-1.0] >= 193
    assert drift_of(None, value, rows) is None


# -- the portfolio loop -----------------------------------------------------------------------------------------------


def stepped(model: SignalModel, book: Path) -> list[str]:
    """Today's step of a portfolio by it, and what it says."""
    file = model.folder.parents[1] / "p.toml"
    file.write_text('[forecasts]\nmodel = "o"\n[cost]\nbps = 12\n')
    found: list[str] = told("portfolio", "run", file, "--out", book)["sentences"]
    return found


@pytest.mark.usefixtures("quick_pictures")
def test_a_portfolio_steps_by_what_was_learned_while_its_desk_was_off(tmp_path: Path) -> None:
    files = prices(690, turns=450)
    model, served = project("recursive", 450, files), project("recursive", 450, files)
    days = len({line.at for line in since(served).lines})
    assert any(f"It learned on {days} dates" in line for line in stepped(model, tmp_path / "book"))
    assert journal(model) == journal(served)
    rows = cross_section(model, None)[0][0]
    walk = open_portfolio(
        read_portfolio(model.folder.parents[1] / "p.toml"), model.folder.parents[1], newest=True
    ).targets.walk
    columns = {name: rows.x[:, c] for c, name in enumerate(rows.names)}
    learned, trained = (one.forecast(columns)[0] for one in (as_of(model, END_OF_TIME), model))
    here = np.searchsorted(walk.names, rows.instrument)
    np.testing.assert_allclose(walk.value[-1, here], learned, rtol=0, atol=1e-12)
    assert np.corrcoef(learned, trained)[0, 1] < 0, "its sign has turned since"


@pytest.mark.usefixtures("quick_pictures")
def test_a_portfolio_is_told_of_a_model_that_drifted_while_its_desk_was_off(tmp_path: Path) -> None:
    assert any(
        "it has drifted" in line
        for line in stepped(project("static", 520, prices(760, turns=520)), tmp_path)
    )
    assert not any(
        "it has drifted" in line
        for line in stepped(project("static", 520, prices(760)), tmp_path / "b")
    )


def trained(folder: Path, update: str, until: date | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    prices(DAYS).filter(True if until is None else pl.col("date") <= until).write_parquet(
        folder / "prices.parquet"
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
    prices(90).write_parquet(tmp_path / "prices.parquet")
    (tmp_path / "s.toml").write_text(CONFIG.format("blend").replace("linear", "boosting"))
    assert "for the family linear" in refused("train", tmp_path / "s.toml")
