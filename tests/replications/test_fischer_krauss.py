"""Features, rows and trades of Fischer and Krauss by hand, and a small study from file to table."""

import json
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from replications import fischer_krauss as study
from replications.kept_cells import interval
from replications.lstm import LstmRegressor
from tercel.core.errors import DataError

pytestmark = pytest.mark.release


def test_features_end_at_the_close_that_makes_the_signal() -> None:
    rng = np.random.default_rng(1)
    returns = 0.02 * rng.standard_normal((600, 3))
    days, names = np.array([300, 301, 599]), np.array([0, 2, 1])
    spans, steps = study.cumulated(returns, days, names), study.sequences(returns, days, names)
    assert spans.shape == (3, 31)
    assert steps.shape == (3, 240)
    assert spans[0, 0] == pytest.approx(returns[300, 0])
    np.testing.assert_allclose(spans[1, 4], np.prod(1 + returns[297:302, 2]) - 1)
    np.testing.assert_allclose(spans[:, -1], np.prod(1 + steps, axis=1) - 1)
    np.testing.assert_array_equal(steps[2], returns[360:600, 1])
    returns[302:] = 9.0
    np.testing.assert_array_equal(study.cumulated(returns, days[:2], names[:2]), spans[:2])


def test_rows_are_those_listed_for_a_whole_sequence() -> None:
    returns = np.zeros((260, 2))
    returns[:10, 1] = np.nan
    days, names = study.rows_of(returns, 239, 252)
    assert [int(day) for day in days[names == 0]] == list(range(239, 252))
    assert [int(day) for day in days[names == 1]] == [249, 250, 251]


def test_trades_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "K", 1)
    returns = np.array([[0, 0, 0, 0], [0.01, -0.02, 0, 0], [0.03, 0, 0.05, 0], [0, 0, 0.01, 0.02]])
    above = np.array([[1, 1, 1, 1], [1, 0, 1, 1], [1, 0, 1, 0], [0, 0, 1, 1]], np.float64)
    days, names = np.repeat([0, 1], 4), np.tile(np.arange(4), 2)
    score = np.array([4.0, 1, 2, 3, 1.0, 2, 4, 3])  # day 0: long 0, short 1; day 1: long 2, short 0
    found = study.traded(returns, above, days, names, score, 0, 2)
    np.testing.assert_allclose(found["before"], [1 + 2, 5 - 3])
    np.testing.assert_allclose(found["late"], [3 - 0, 1 - 0])
    np.testing.assert_allclose(
        found["turned"], [2, 4]
    )  # opened; 0 goes from long to short, 1 closed, 2 opened
    np.testing.assert_allclose(found["right"], [100, 50])


def test_the_error_of_a_mean_with_one_lag() -> None:
    values = np.array([1.0, 3.0, 2.0, 5.0])
    gap = values - values.mean()
    expected = gap @ gap / 3 + (gap[1:] @ gap[:-1]) / 4  # weight 2 (1 - 1/2)
    assert interval(values, 1)["se"] == pytest.approx(np.sqrt(expected / 4))
    assert interval([1.0, np.nan, 3.0])["mean"] == 2.0


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    """1,003 days of 44 names, half of yesterday's own move taken back."""
    rng = np.random.default_rng(2)
    own = 0.02 * rng.standard_normal((1003, 44))
    own[1:] -= 0.5 * own[:-1]
    close = 50 * np.exp(np.cumsum(own, axis=0))
    first = date(2001, 1, 1)
    frame = pl.concat(
        pl.DataFrame(
            {
                "ticker": f"N{i:02d}",
                "date": [first + timedelta(k) for k in range(1003)],
                "close": close[:, i],
            }
        )
        for i in range(44)
    )
    frame.write_parquet(tmp_path / "panel.parquet")
    return tmp_path


def test_the_network_reads_the_order_of_steps() -> None:
    pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    X = rng.normal(size=(900, 6))
    y = X[:, 5] - X[:, 0]
    model = LstmRegressor(steps=6, epochs=40, rate=0.02).fit(X[:700], y[:700])
    assert model.n_iter_ == len(model.losses_)
    hasty = LstmRegressor(steps=6, patience=1, rate=0.5).fit(X[:700], y[:700])
    assert hasty.n_iter_ < 40
    assert model.score(X[700:], y[700:]) > 0.7
    assert model.score(X[700:, ::-1], y[700:]) < 0
    with pytest.raises(DataError, match="no multiple of 4 steps"):
        LstmRegressor(steps=4).fit(X[:700], y[:700])


def test_a_planted_reversal_is_traded_and_gone_a_day_later(
    prices: Path, tmp_path: Path, capsys
) -> None:
    pytest.importorskip("torch", reason="torch is not installed: pip install 'tercel[learn]'")
    small = study.Settings(rows=1500, epochs=1, trees=8)
    study.run(prices, small, tmp_path / "out", True)
    found = json.loads(capsys.readouterr().out)
    rows = found["ours"]["all"]["methods"]
    assert found["ours"]["all"]["days"] == 250
    assert list(found["ours"]) == ["to 2009", "all"]
    for name in ("forest", "linear", "reversal"):
        assert rows[name]["before"]["ci_low"] > 0.3, name
        assert rows[name]["after"]["mean"] == pytest.approx(rows[name]["before"]["mean"] - 0.2)
        assert rows[name]["after_as_traded"]["mean"] >= rows[name]["after"]["mean"]
    assert rows["linear"]["late"]["mean"] < 0.5 * rows["linear"]["before"]["mean"]
    assert rows["linear"]["accuracy"]["mean"] > 55
    study.run(prices, small, tmp_path / "out", False, [2001])  # read from what was kept
    assert "survivors only" in capsys.readouterr().out


def test_a_file_too_short_is_refused(tmp_path: Path) -> None:
    days = [date(2001, 1, 1) + timedelta(k) for k in range(30)]
    pl.DataFrame({"ticker": "A", "date": days, "close": 10.0 + np.arange(30)}).write_csv(
        tmp_path / "a.csv"
    )
    with pytest.raises(DataError, match="1000 days"):
        study.prices_of(tmp_path / "a.csv")
