"""Forecasters learned on tape: days of a lake as samples, training, the card, what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tercel.cli import app
from tercel.core.arrays import Floats
from tercel.core.errors import ConfigError, DataError
from tercel.execution.foresight.forecaster import FEATURES, load
from tercel.market.flow.preset import load as preset
from tercel.market.simulator.days import session
from tercel.market.tape import Instrument, Lake
from tercel.signals.flow.days import EVERY, STEP_NS, accuracy, ages, by_cluster, read_day
from tercel.signals.flow.train import calibration, halves, score, train


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Two symbols of simulated days, three quarters of an hour each."""
    made = Lake(tmp_path_factory.mktemp("flow") / "lake")
    market = preset("csco-santa-fe")
    for number, (symbol, date) in enumerate(
        [("AAA", "2020-01-02"), ("AAA", "2020-01-03"), ("BBB", "2020-01-02")]
    ):
        open_ns = Instrument("SIM", symbol, date, market.tick, market.lot).clock_ns("10:00")
        close_ns = open_ns + 2700 * 10**9
        one = Instrument(
            "SIM",
            symbol,
            date,
            market.tick,
            market.lot,
            session_open_ns=open_ns,
            session_close_ns=close_ns,
        )
        made.write(one, session(market, 5 + number, 2700.0, open_ns, warmup_s=300.0))
    return made


@pytest.fixture(scope="module")
def trained(lake: Lake, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("flow") / "model"
    train(lake, ["AAA"], out, seed=3, kind="linear", dates=["2020-01-02"])
    return out


def test_a_day_is_quotes_and_features_at_moments(lake: Lake) -> None:
    day = read_day(lake, "AAA", "2020-01-02")
    assert day.x.shape == (len(day.at), FEATURES)
    assert np.isfinite(day.x).all()
    assert set(np.diff(day.at).tolist()) == {EVERY}
    mid2 = day.bid + day.ask
    ahead = 10 * 10**9 // STEP_NS
    known = np.isfinite(day.moves(10))
    np.testing.assert_array_equal(
        day.moves(10)[known], (mid2[day.at[known] + ahead] - mid2[day.at[known]])
    )
    assert not known[-1]


def test_training_again_gives_the_same_bytes(lake: Lake, trained: Path, tmp_path: Path) -> None:
    train(lake, ["AAA"], tmp_path / "again", seed=3, kind="linear", dates=["2020-01-02"])
    assert load(tmp_path / "again").id == load(trained).id


def test_both_kinds_train_and_leave_each_symbol_out_once(lake: Lake, tmp_path: Path) -> None:
    pytest.importorskip("lightgbm")
    found = train(lake, ["AAA", "BBB"], tmp_path / "o")
    assert set(found.symbols["AAA"].stranger) == {"10", "30"}
    assert found.symbols["AAA"].forward.keys() == {"10", "30"}
    assert not found.symbols["BBB"].forward  # one day has no later one
    assert load(tmp_path / "o").lines.any() == False  # noqa: E712 - trees alone
    assert found.trees > 0


def test_days_that_it_was_trained_on_are_left_out(lake: Lake, trained: Path) -> None:
    found = score(load(trained), lake, ["AAA", "BBB"])
    assert found.symbols["AAA"].days == found.symbols["AAA"].left_out == 1
    assert found.symbols["BBB"].left_out == 0
    ten = found.symbols["BBB"].horizons["10"]
    assert 0.4 < ten.queue_auc < 0.9
    assert ten.coverage["0.95"] > ten.coverage["0.8"] > 0.6


def test_all_days_trained_on_is_refused(lake: Lake, tmp_path: Path) -> None:
    train(lake, ["BBB"], tmp_path / "b", kind="linear")
    with pytest.raises(DataError, match="was not trained on"):
        score(load(tmp_path / "b"), lake, ["BBB"])


def test_a_kind_that_is_none_is_refused(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="kind 'lstm'") as raised:
        train(lake, ["AAA"], tmp_path / "o", kind="lstm")
    assert isinstance(raised.value, ConfigError | LookupError | ValueError)


def test_accuracy_is_that_of_other_libraries() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(8)
    said = rng.normal(size=3000)
    y = np.round(0.4 * said + rng.normal(size=3000))
    found = accuracy(said, y)
    moved = y != 0
    both, signs = (
        np.concatenate([said[moved], -said[moved]]),
        np.concatenate([y[moved] > 0, y[moved] < 0]),
    )
    assert found.auc == pytest.approx(metrics.roc_auc_score(signs, both), abs=1e-12)
    assert found.r2 == pytest.approx(1 - ((y - said) ** 2).sum() / (y**2).sum())
    assert found.slope == pytest.approx(np.linalg.lstsq(said[:, None], y, rcond=None)[0][0])


def test_calibration_finds_the_slope_and_the_widths() -> None:
    rng = np.random.default_rng(2)
    said = rng.normal(size=50_000)
    (slope, sd), widths = calibration([(said, 0.5 * said + 2.0 * rng.normal(size=len(said)))])
    assert slope == pytest.approx(0.5, abs=0.03)
    assert sd == pytest.approx(2.0, abs=0.03)
    assert widths == pytest.approx([1.2816, 1.96], abs=0.03)


def test_an_age_limit_is_where_forecasts_are_no_longer_those_of_now(
    lake: Lake, trained: Path
) -> None:
    """On a day whose forecasts are an autoregression with .8 a step, .9 lies half a step ahead in a straight line."""
    rng, n = np.random.default_rng(5), 40_000
    line = np.zeros(n)
    for at in range(1, n):
        line[at] = 0.8 * line[at - 1] + rng.normal()
    day = replace(
        read_day(lake, "AAA", "2020-01-02"), bid=np.ones(n, np.int64), at=np.arange(n), x=line[:, None], sign=np.ones(n),
    )  # fmt: skip

    class Said:
        def predict(self, x: Floats, horizon_s: int) -> Floats:
            return x[:, 0]

    found = ages(Said(), [day])  # type: ignore[arg-type]
    assert found.limit_ms == pytest.approx(125, abs=5)
    assert found.correlation["500"] == pytest.approx(0.64, abs=0.03)
    assert load(trained).card["age"]["limit_ms"] > 0


def test_clusters_and_halves() -> None:
    mean, t = by_cluster(np.array([1.0, 3.0, 5.0, 4.0]), np.array([0, 0, 7, 7]))
    assert (mean, t) == (pytest.approx(3.25), pytest.approx(3.25 / (2.5 / 2)))
    assert by_cluster(np.ones(3), np.zeros(3, np.int64)) == (1.0, None)
    days = [object()] * 10
    assert [len(part) for part in halves(days)] == [6, 4]  # type: ignore[arg-type]


def test_the_commands_as_a_user_runs_them(lake: Lake, trained: Path, tmp_path: Path) -> None:
    place, out = str(lake.root), str(tmp_path / "cli")
    ran = CliRunner().invoke(
        app,
        ["signals", "flow", "train", place, "--symbol", "bbb", "--kind", "linear", "--out", out],
    )
    assert ran.exit_code == 0, ran.output
    ran = CliRunner().invoke(
        app, ["signals", "flow", "score", str(trained), place, "--symbol", "BBB", "--json"]
    )
    assert ran.exit_code == 0, ran.output
    found = json.loads(ran.stdout)
    assert set(found["symbols"]["BBB"]) >= {"days", "horizons", "worth_bps", "reliability"}
    ran = CliRunner().invoke(
        app,
        [
            "signals",
            "flow",
            "score",
            str(trained),
            place,
            "--symbol",
            "BBB",
            "--out",
            str(tmp_path / "page"),
        ],
    )
    assert ran.exit_code == 0, ran.output
    assert "<svg" in (tmp_path / "page" / "flow.html").read_text()
    ran = CliRunner().invoke(
        app, ["signals", "flow", "score", out, place, "--symbol", "BBB", "--json"]
    )
    assert ran.exit_code == 2
    assert "was not trained on" in ran.stdout
