"""The bars on real data: what each study must reach, and what it must not exceed."""

from pathlib import Path

import numpy as np
import pytest
from tests.signals.command.material import done

from studies.signals.ofi import FlowStudy, flow_study
from tercel.feeds.lobster import LobsterFeed
from tercel.market.feed import FeedOptions
from tercel.signals.models.folds import yearly
from tercel.signals.models.skill import Skill, rank_ic_by_date, skill
from tercel.signals.panel.build import load as load_panel
from tercel.signals.panel.dataset import Dataset
from tercel.signals.panel.leak_report import CEILING

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


@pytest.fixture(scope="module")
def run(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training on two lines of TOML."""
    folder = tmp_path_factory.mktemp("two_lines")
    path = (shared_data / "us-daily-ohlcv-2000-2017").resolve()
    (folder / "s.toml").write_text(f'[panel]\nkind = "daily"\npath = "{path}"\n')
    done("train", folder / "s.toml", "--out", folder / "o")
    return folder / "o"


@pytest.fixture(scope="module")
def panel(run: Path) -> Dataset:
    return load_panel(run)[0]


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


@pytest.mark.release
def test_the_daily_panel_has_a_small_sure_skill(panel: Dataset) -> None:
    assert panel.x.shape[1] == 22
    assert "survivors" in panel.note
    found = ic_of_a_ridge(panel)
    assert 740 <= found.dates <= 760
    assert 430 <= panel.n / len(np.unique(panel.time_ns)) <= 470
    assert 0.015 < found.mean < CEILING  # above is a leak
    assert found.t >= 3


@pytest.mark.long
def test_two_lines_and_prices_come_to_the_skill_that_the_documents_tell(run: Path) -> None:
    told = done("evaluate", run.parent / "s.toml", "--out", run)
    assert {one["source"]: one["verdict"] for one in told["leak"]} == {"daily": "clean"}
    found = told["ic"]
    fusion, linear, boosting = (
        found[name] for name in ("fusion", "daily:linear", "daily:boosting")
    )
    assert 0.021 <= fusion["mean"] < 0.04
    assert fusion["t"] >= 4
    assert linear["mean"] >= 0.021
    assert linear["t"] >= 4
    assert abs(boosting["mean"] - linear["mean"]) <= 0.002
