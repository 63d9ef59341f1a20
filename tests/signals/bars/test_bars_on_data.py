"""The bars on real data: what each study must reach, and what it must not exceed."""

from pathlib import Path

import numpy as np
import pytest
from tests.market.tape.tapes import DAY, rude_events
from tests.signals.command.material import done

from studies.signals.ofi import FlowStudy, flow_study
from tercel.core.errors import DataError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.feeds.lobster import LobsterFeed
from tercel.market.feed import FeedOptions
from tercel.signals.models.skill import Skill, rank_ic_by_date, skill
from tercel.signals.models.walk_forward import yearly
from tercel.signals.panel.leak import CEILING, leak_report
from tercel.signals.panel.panel import Dataset
from tercel.signals.sources.daily import SETTLES, DailyFactors, daily_panel
from tercel.signals.sources.registry import synthetic_leak

pytest.importorskip("sklearn")


def study(shared_data: Path, symbol: str) -> FlowStudy:
    path = shared_data / "lobster-zips-20120621" / f"LOBSTER_SampleFile_{symbol}_2012-06-21_5.zip"
    with LobsterFeed().days([path], FeedOptions()) as days:
        day = days[0].read()
    return flow_study(day.instrument, day.events)


@pytest.mark.long
@pytest.mark.parametrize(
    ("symbol", "raw", "whole", "clipped_1", "next_5", "move"),
    [("AMZN", 0.50, 0.312, 0.62, 0.80, 4.2), ("GOOG", 0.39, 0.164, 0.44, 0.70, 7.4)],
)
def test_order_flow_explains_and_foretells(
    shared_data: Path,
    symbol: str,
    raw: float,
    whole: float,
    clipped_1: float,
    next_5: float,
    move: float,
) -> None:
    found = study(shared_data, symbol)
    assert found.half_hours == 13
    assert found.whole_day == pytest.approx(whole, abs=2e-3)
    assert found.raw_1 >= raw
    assert found.clipped_1 >= clipped_1
    assert found.next_clipped_5 >= next_5
    assert found.next_clipped_1 > found.next_1
    assert found.auc is not None
    assert found.auc.mean >= 0.60
    assert found.auc.mean < 0.70  # more on one day is a leak or luck
    # what a move is worth beside what crossing the spread costs
    assert found.move_ticks == pytest.approx(move, abs=0.2)
    assert found.move_ticks < found.spread_ticks
    assert "no profit" in found.note


def test_a_short_tape_is_refused() -> None:
    from dataclasses import replace

    from tercel.market.tape.events import midnight_ns

    start = midnight_ns(DAY.date, DAY.timezone) + 34_200 * NS_PER_SECOND
    short = replace(
        DAY, levels=1, session_open_ns=start, session_close_ns=start + 1000 * NS_PER_SECOND
    )
    with pytest.raises(DataError, match="two half hours"):
        flow_study(short, rude_events(1, 50))


@pytest.fixture(scope="module")
def panel(shared_data: Path) -> Dataset:
    return daily_panel(shared_data / "us-daily-ohlcv-2000-2017")


def ic_of_a_ridge(panel: Dataset, first_year: int = 2003) -> Skill:
    """Of a ridge that is trained again each year, in which missing values are the middle."""
    folds = yearly(panel, first_year)
    tested = np.sort(np.concatenate([test for _, test in folds]))
    forecast, z = np.full(panel.n, np.nan), np.nan_to_num(panel.x)
    for train, test in folds:
        x, y = z[train], panel.y[train]
        slope = np.linalg.solve(x.T @ x + 0.01 * len(y) * np.eye(x.shape[1]), x.T @ (y - y.mean()))
        forecast[test] = z[test] @ slope + y.mean()
    part = panel.rows(tested)
    by_date = rank_ic_by_date(forecast[tested], part.outcome, part.dates)
    return skill(by_date, np.random.default_rng(0))


@pytest.mark.long
def test_the_daily_panel_has_a_small_sure_skill(panel: Dataset) -> None:
    assert panel.x.shape[1] == 22
    assert "survivors" in panel.note
    found = ic_of_a_ridge(panel)
    assert 740 <= found.dates <= 760
    assert 430 <= panel.n / len(np.unique(panel.time_ns)) <= 470
    assert 0.015 < found.mean < CEILING  # above is a leak
    assert found.t >= 3


@pytest.mark.long
def test_two_lines_and_prices_come_to_the_skill_that_the_documents_tell(
    shared_data: Path, tmp_path: Path
) -> None:
    path = (shared_data / "us-daily-ohlcv-2000-2017").resolve()
    (tmp_path / "s.toml").write_text(f'[panel]\nkind = "daily"\npath = "{path}"\n')
    done("train", tmp_path / "s.toml", "--out", tmp_path / "o")
    found = done("evaluate", tmp_path / "s.toml", "--out", tmp_path / "o")["ic"]
    fusion, linear, boosting = (
        found[name] for name in ("fusion", "daily:linear", "daily:boosting")
    )
    assert 0.021 <= fusion["mean"] < 0.04
    assert fusion["t"] >= 4
    assert linear["mean"] >= 0.021
    assert linear["t"] >= 4
    assert abs(boosting["mean"] - linear["mean"]) <= 0.002


@pytest.mark.long
def test_a_leak_into_the_daily_panel_lifts_the_skill_above_the_ceiling(panel: Dataset) -> None:
    from dataclasses import replace

    rng = np.random.default_rng(0)
    last = panel.time_ns >= np.quantile(panel.time_ns, 0.8)
    part = panel.rows(last)
    hint = 0.2 * part.y / part.y.std() + rng.standard_normal(part.n)
    leaky = replace(part, x=np.column_stack([part.x, hint]), names=(*part.names, "planted.hint"))
    first = (
        int(np.datetime64(int(part.time_ns[0]), "ns").astype("datetime64[Y]").astype(int)) + 1971
    )
    assert ic_of_a_ridge(leaky, first).mean > 0.1 > CEILING


@pytest.mark.long
def test_the_leak_test_on_real_prices(shared_data: Path) -> None:
    import polars as pl

    source = DailyFactors(shared_data / "us-daily-ohlcv-2000-2017")
    prices = (
        source.prices()
        .filter(pl.col("time").dt.year() >= 2014)
        .with_columns(time=pl.col("time") + 2 * SETTLES)
    )
    assert leak_report(prices, synthetic_leak(prices, 1, strength=0.1)).verdict == "leak"
    true = leak_report(prices, synthetic_leak(prices, 1, strength=0.1, falsified=False))
    assert true.verdict == "clean"
    assert abs(true.ic.mean) < 0.01
