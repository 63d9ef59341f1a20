"""Reports of companies as sources: known from the day they came out, never from the end of their period."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.signals.sources.test_sources import facts_agree

from certify.kits.source import SourceContract
from studies.signals.fundamentals import Fundamentals, Statements
from tercel.core.errors import DataError
from tercel.signals.panel.panel import Panel
from tercel.signals.sources.port import SignalSource, SourceAbsentError

REPORT = {
    "symbol": "A", "period_focus": "Q1", "revenues": 10.0, "op_income": 2.0, "net_income": 1.0, "assets": 100.0,
    "cur_assets": 30.0, "cur_liab": 20.0, "cash": 5.0, "equity": 40.0, "cash_flow_op": 3.0,
}  # fmt: skip


REPORTS = """Ticker;Period End;Filed;ROE;Comment
A;31.03.2015;04.05.2015;0,10;first
A;30.06.2015;03.08.2015;0,12;
A;31.03.2015;10.08.2015;0,07;restated
B;31.03.2015;05.05.2015;0,20;
"""


def reports_file(folder: Path, **columns: list[object]) -> Path:
    ended = [date(2015, 3, 31), date(2015, 6, 30), date(2016, 3, 31)]
    known = [date(2015, 5, 1), date(2015, 8, 3), date(2016, 5, 2)]
    base = {name: [value] * 3 for name, value in REPORT.items()}
    grown = {
        "assets": [100.0, 110.0, 120.0],
        "revenues": [10.0, 12.0, 14.0],
        "net_income": [1.0, 2.0, -1.0],
    }
    moved = {
        "cur_assets": [30.0, 31.0, 32.0],
        "op_income": [1.0, 2.0, 3.0],
        "cash": [5.0, 4.0, 3.0],
    }
    path = folder / "reports.parquet"
    frame = {
        **base,
        **grown,
        **moved,
        "period_focus": ["Q1", "Q2", "Q1"],
        "end_date": ended,
        "collected": known,
        **columns,
    }
    second = pl.DataFrame(frame).with_columns(
        symbol=pl.lit("B"), revenues=pl.col("revenues") * pl.Series([1.0, 1.0, 2.0])
    )
    second = second.with_columns(assets=pl.col("assets") * pl.Series([1.0, 1.0, 2.0]))
    pl.concat([pl.DataFrame(frame), second]).write_parquet(path)
    return path


class TestFundamentals(SourceContract):
    @pytest.fixture
    def source(self, tmp_path: Path) -> SignalSource:
        return Fundamentals(reports_file(tmp_path))


class TestOwnReports(SourceContract):
    @pytest.fixture
    def source(self, tmp_path: Path) -> SignalSource:
        (tmp_path / "r.csv").write_text(REPORTS)
        return Fundamentals(tmp_path / "r.csv")


OWN = (
    "symbol,filed,period_end,roe,shares\n"
    "A,2015-05-04,2015-03-31,0.1,7\nA,2015-08-03,2015-06-30,,9\nB,2015-05-05,2015-03-31,0.2,8\n"
)
STATED = (
    "Ticker Symbol,Period Ending,Net Income,Total Assets,Total Equity\n"
    "A,2012-12-31,5,100,40\nA,2013-12-31,7,,50\nB,2013-12-31,-7,120,60\n"
)


@pytest.mark.parametrize(
    ("kind", "options", "write"),
    [
        ("fundamentals", {}, lambda folder: reports_file(folder, cash=[5.0, None, 3.0], equity=[40.0, 41.0, np.nan])),
        ("fundamentals", {}, lambda folder: _text(folder, OWN)),
        ("fundamentals", {"values": ["roe"]}, lambda folder: _text(folder, OWN)),
        ("statements", {"lag_days": 120}, lambda folder: _text(folder, STATED)),
    ],
)  # fmt: skip
def test_csv_and_parquet_of_the_same_rows_give_the_same_facts(
    tmp_path: Path, kind: str, options: dict[str, Any], write: Callable[[Path], Path]
) -> None:
    facts_agree(tmp_path, kind, options, write(tmp_path))


def _text(folder: Path, text: str) -> Path:
    (folder / "own.csv").write_text(text)
    return folder / "own.csv"


# -- times ------------------------------------------------------------------------------------------------------------


def test_a_report_is_known_the_day_after_it_was_collected(tmp_path: Path) -> None:
    panel = Panel([Fundamentals(reports_file(tmp_path))])
    when = [datetime(2015, 5, d, 15, tzinfo=UTC) for d in (1, 2)]
    found = panel.as_of(when, ["A"])
    assert found["fundamentals.earnings_to_assets"].to_list() == [None, 0.04]
    later = panel.as_of([datetime(2016, 6, 1, tzinfo=UTC)], ["A"]).row(0, named=True)
    assert later["fundamentals.asset_growth"] == pytest.approx(np.log(1.2))


def test_impossible_and_future_reports_are_refused_or_dropped_and_counted(tmp_path: Path) -> None:
    early: list[object] = [date(2015, 5, 1), date(2015, 6, 1), date(2016, 5, 2)]
    path = reports_file(tmp_path, collected=early)
    with pytest.raises(
        DataError, match=r"collected .*2015, 6, 1\) in row 2 of .*, and 1 more rows"
    ):
        Fundamentals(path).facts()
    dropping = Fundamentals(path, drop_impossible=True)
    assert dropping.facts().height == 4
    assert dropping.notes == ("2 reports known before their period was over are left out",)
    with pytest.raises(DataError, match=r"dated in the future in .*reports\.parquet, row 3"):
        Fundamentals(path, collected=datetime(2016, 1, 1, tzinfo=UTC), drop_impossible=True).facts()


def test_statements_without_filing_dates_need_a_stated_lag(tmp_path: Path) -> None:
    path = tmp_path / "fundamentals.csv"
    path.write_text(
        "Ticker Symbol,Period Ending,Net Income,Total Assets,Total Equity\n"
        "A,12/31/2012,5,100,40\nA,12/31/2013,7,110,50\n"
    )
    with pytest.raises(DataError, match="state the lag"):
        Statements(path).facts()
    facts = Statements(path, lag_days=120).facts()
    assert (facts["known_time"] - facts["event_time"]).to_list() == [timedelta(days=120)] * 2


def test_a_restated_report_replaces_its_own_and_hides_no_newer_one(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text(REPORTS + "B;31.03.2015;20.06.2015;0,15;\n")
    panel = Panel([Fundamentals(tmp_path / "r.csv")])
    when = [datetime(2015, m, d, 20, tzinfo=UTC) for m, d in ((5, 4), (5, 5), (8, 4), (8, 12))]
    found = panel.as_of([*when, datetime(2015, 6, 21, 20, tzinfo=UTC)], ["A", "B"])
    told = {(str(r["time"])[:10], r["instrument"]): r["fundamentals.ROE"] for r in found.to_dicts()}
    assert [told[day, "A"] for day in ("2015-05-04", "2015-05-05", "2015-08-04", "2015-08-12")] == [
        None,
        0.1,
        0.12,
        0.12,
    ]
    assert told["2015-05-05", "B"] is None
    assert told["2015-06-21", "B"] == 0.15
    (tmp_path / "p.csv").write_text("Ticker,Period End,ROE\nA,2015-03-31,1\n")
    with pytest.raises(
        DataError, match=r"reports with the day on which they were known .*state the lag"
    ):
        Fundamentals(tmp_path / "p.csv").facts()
    with pytest.raises(DataError, match=r"columns EPS in .*; received none named EPS"):
        Fundamentals(tmp_path / "r.csv", values=("EPS",)).facts()


@pytest.mark.parametrize(
    "source", [Fundamentals(Path("nowhere")), Statements(Path("nowhere"), lag_days=1)]
)
def test_what_is_not_there_is_absent_not_broken(source: SignalSource) -> None:
    with pytest.raises(SourceAbsentError):
        source.facts()


def test_a_report_that_is_restated_later_changes_no_growth_that_was_known() -> None:
    rows = [
        (who, date(year, 12, 31), "FY", 100.0 + grown * (year - 2012) ** 2, date(year + 1, 2, 10))
        for who, grown in (("A", 5), ("B", 9))
        for year in (2012, 2013, 2014, 2015)
    ]

    def facts(rows: list[tuple[str, date, str, float, date]]) -> pl.DataFrame:
        told = [
            {
                **REPORT,
                "symbol": who,
                "end_date": end,
                "period_focus": focus,
                "assets": assets,
                "collected": known,
            }
            for who, end, focus, assets, known in rows
        ]
        return Fundamentals(pl.DataFrame(told)).facts()

    before = facts(rows)
    for at, (who, end, focus, _, known) in enumerate(rows):
        for later in (90, 400, 900):
            day = known + timedelta(days=later)
            after = facts([*rows[: at + 1], (who, end, focus, 70.0, day), *rows[at + 1 :]])
            cut = pl.col("known_time") < datetime(day.year, day.month, day.day, tzinfo=UTC)
            assert after.filter(cut).equals(before.filter(cut))
    # what is collected after the restatement compares with it
    after = facts([*rows, ("A", date(2014, 12, 31), "FY", 70.0, date(2015, 6, 1))])
    newest = after.filter(instrument="A").sort("event_time", "known_time")["asset_growth"][-1]
    assert newest == pytest.approx(np.log(145.0 / 70.0))
