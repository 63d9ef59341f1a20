"""A forecast for a day from whole files is, to the byte, that from files which end on it; for every kind of source."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import Phase, given, settings, strategies as st
from tests.desk.rounds.forecast_material import NAMES, prices, weekdays

from tercel.core.errors import DataError
from tercel.signals.models.model_folder import SignalModel, load
from tercel.signals.models.predict import cross_section
from tercel.signals.runs.config import read_config
from tercel.signals.runs.train import train

pytest.importorskip("sklearn")
DAYS = 300
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


def files(seed: int, starts: Mapping[str, int]) -> dict[str, pl.DataFrame]:
    """Files of every kind; what `starts` names says nothing before that day."""
    rng, dates = np.random.default_rng(seed), weekdays(DAYS)
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
        {"ticker": np.tile(NAMES, DAYS), "date": [day for day in dates for _ in NAMES]}
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
        "prices": priced(prices(DAYS)), "other": priced(prices(DAYS, seed=4)),
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
def trained(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[int, Path, SignalModel]:
    folder = tmp_path_factory.mktemp("prefix")
    (folder / "s.toml").write_text(CONFIG)
    write(folder, files(request.param, dict.fromkeys(("open", "volume", "late", "tone"), 200)))
    train(read_config(folder / "s.toml"), 1, folder / "o")
    return request.param, folder, load(folder / "o" / "model")


@given(data=st.data())
@settings(
    max_examples=max(1, settings.default.max_examples // 8), phases=[Phase.explicit, Phase.generate]
)
def test_rows_to_come_change_no_forecast(
    trained: tuple[int, Path, SignalModel], data: st.DataObject
) -> None:
    seed, folder, model = trained
    starts = {
        name: data.draw(st.sampled_from(STARTS), name)
        for name in ("open", "volume", "late", "tone")
    }
    day = weekdays(DAYS)[data.draw(st.integers(70, DAYS - 1), "day")]
    made = files(seed, starts)
    write(folder, made)
    whole = said(model, day)
    write(folder, made, day)
    assert said(model, day) == whole


def test_a_source_that_begins_later_says_nothing_yet(
    trained: tuple[int, Path, SignalModel],
) -> None:
    seed, folder, model = trained
    made = files(seed, dict.fromkeys(("open", "volume", "late", "tone"), 0))
    day = weekdays(DAYS)[220]
    later = {
        name: frame.filter(pl.col(TIMES[name]).cast(pl.Date) > day) for name, frame in made.items()
    }
    write(folder, later | {"prices": made["prices"]})
    whole = said(model, day)
    write(folder, later | {"prices": made["prices"]}, day)
    assert said(model, day) == whole
