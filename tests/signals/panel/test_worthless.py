"""A name whose close falls to 0 loses all: by its labels, in daily returns of a book."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tercel.core.errors import DataError
from tercel.signals.portfolio.backtest import daily_returns
from tercel.signals.sources.daily import DailyFactors, daily_panel
from tercel.signals.sources.tables import read_prices

DAYS = [date(2020, 1, 1) + timedelta(days=k) for k in range(60)]
FALLS = 40


def file_of(folder: Path, b: list[str]) -> Path:
    """Closes of A, B and C, those of B from its fall on as they are given."""
    drawn = 50 * np.exp(np.cumsum(np.random.default_rng(5).normal(0, 0.01, (60, 3)), axis=0))
    rows = [
        f"{day},A,{x:.4f}\n{day},B,{y:.4f}\n{day},C,{z:.4f}\n"
        for day, (x, y, z) in zip(DAYS, drawn, strict=True)
    ]
    for k, close in enumerate(b, FALLS):
        lines = rows[k].splitlines()
        rows[k] = "\n".join([lines[0], f"{DAYS[k]},B,{close}", lines[2]]) + "\n"
    path = folder / "px.csv"
    path.write_text("Date,Symbol,Close\n" + "".join(rows))
    return path


@pytest.mark.parametrize("after", ["0", ""])
def test_labels_over_a_fall_to_nothing_are_a_loss_of_all(tmp_path: Path, after: str) -> None:
    source = DailyFactors(file_of(tmp_path, ["0", *[after] * 19]), history=5, least_dollars=0)
    data = daily_panel(
        tmp_path / "px.csv", horizon=3, lag=1, every=1, first="2020-01-01", source=source
    )
    of_b = data.instrument == "B"
    at = [np.datetime64(int(ns), "ns").astype("datetime64[D]").item() for ns in data.time_ns[of_b]]
    found = dict(zip(at, data.outcome[of_b].tolist(), strict=True))
    assert [found[DAYS[k]] for k in range(FALLS - 4, FALLS - 1)] == [-1.0, -1.0, -1.0]
    assert found[DAYS[FALLS - 5]] > -0.2
    assert max(found) < DAYS[FALLS]  # nothing is forecast of what is worth nothing
    assert "left out: the walk" not in " ".join(data.warnings)


def test_the_day_of_the_fall_is_a_loss_of_all_and_later_ones_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = DailyFactors(file_of(tmp_path, ["0"] * 20), history=5, least_dollars=0)
    monkeypatch.setattr(
        "tercel.signals.portfolio.backtest.daily_prices", lambda *_: source.prices()
    )
    daily: Any = daily_returns
    moved = daily(None, ["A", "B"], "").returns[:, 1]
    assert (moved[FALLS], moved[FALLS + 1 :].any()) == (-1.0, False)
    assert abs(moved[:FALLS]).max() < 0.1


def test_a_zero_with_a_price_after_it_is_refused_with_its_row(tmp_path: Path) -> None:
    path = file_of(tmp_path, ["0", "", "31.5"])
    with pytest.raises(
        DataError, match=rf"0 of B on {DAYS[FALLS]} in row {2 + 3 * FALLS + 1} of .*leave it empty"
    ):
        read_prices(path)
    told = read_prices(pl.DataFrame({"Date": DAYS, "A": [1.0] * 60, "B": [2.0] * 40 + [0.0] * 20}))
    assert told.filter(pl.col("instrument") == "B")["close"].to_list() == [2.0] * 40 + [0.0] * 20
    with pytest.raises(DataError, match=r"-1"):
        read_prices(pl.DataFrame({"Date": DAYS, "A": [1.0] * 59 + [-1.0]}))
