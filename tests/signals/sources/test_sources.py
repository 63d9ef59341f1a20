"""Every adapter keeps to the port's contract; what it cannot use it refuses with file and row."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tests.signals.command.foreign import foreign, headlines

from certify.kits.source import SourceContract
from tercel.core.errors import DataError
from tercel.signals.panel.panel import Panel, forward_returns, ranked
from tercel.signals.sources.daily import DailyFactors, daily_panel
from tercel.signals.sources.fundamentals import DatedSeries, Fundamentals, Statements
from tercel.signals.sources.news import PENALTY, RARE, News, learned, masked
from tercel.signals.sources.port import SignalSource, SourceAbsentError, at_new_york
from tercel.signals.sources.registry import source_of, synthetic_leak, synthetic_market
from tercel.signals.sources.tables import read_prices

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


def daily_file(folder: Path, names: int = 6, days: int = 320) -> Path:
    rng = np.random.default_rng(0)
    first = date(2001, 1, 1)
    weekdays = [d for d in (first + timedelta(days=i) for i in range(2 * days)) if d.weekday() < 5][
        :days
    ]
    frames = []
    for i in range(names):
        close = 30 * np.exp(np.cumsum(0.02 * rng.standard_normal(days)))
        high, low = close * (1 + 0.02 * rng.random(days)), close * (1 - 0.02 * rng.random(days))
        opened = low + (high - low) * rng.random(days)
        frame = {
            "ticker": [f"N{i}"] * days,
            "date": weekdays,
            "open": opened,
            "high": high,
            "low": low,
        }
        frames.append(
            pl.DataFrame({**frame, "close": close, "volume": rng.integers(100_000, 200_000, days)})
        )
    path = folder / "panel.parquet"
    pl.concat(frames).write_parquet(path)
    return path


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


def series_file(folder: Path) -> Path:
    rows = "".join(f"2010-01-{d:02d},{20 + d % 4}\n" for d in range(1, 29))
    (folder / "trend.csv").write_text("date,debt\n" + rows)
    return folder / "trend.csv"


class TestSynthetic(SourceContract):
    @pytest.fixture(params=[0, 1, 2])
    def source(self, request: pytest.FixtureRequest) -> SignalSource:
        return synthetic_market(1, instruments=8, days=40).sources[request.param]


class TestPlanted(SourceContract):
    @pytest.fixture(params=[True, False])
    def source(self, request: pytest.FixtureRequest) -> SignalSource:
        return synthetic_leak(
            synthetic_market(1, instruments=8, days=40).prices, 1, falsified=request.param
        )


class TestDaily(SourceContract):
    @pytest.fixture
    def source(self, tmp_path: Path) -> SignalSource:
        return DailyFactors(daily_file(tmp_path), history=60)


class TestFundamentals(SourceContract):
    @pytest.fixture
    def source(self, tmp_path: Path) -> SignalSource:
        return Fundamentals(reports_file(tmp_path))


class TestNews(SourceContract):
    @pytest.fixture(params=[True, False])
    def source(self, tmp_path: Path, request: pytest.FixtureRequest) -> SignalSource:
        made = foreign(tmp_path, days=120)
        headlines(made, "n.csv", False, 1)
        closes = read_prices(made.prices()).with_columns(time=at_new_york(pl.col("date"), 16))
        return News(tmp_path / "n.csv", prices=closes if request.param else None)


class TestOwnReports(SourceContract):
    @pytest.fixture
    def source(self, tmp_path: Path) -> SignalSource:
        (tmp_path / "r.csv").write_text(REPORTS)
        return Fundamentals(tmp_path / "r.csv")


class TestSeries(SourceContract):
    @pytest.fixture
    def source(self, tmp_path: Path) -> SignalSource:
        return DatedSeries(series_file(tmp_path), "date", ("debt",), lag_days=2)


OWN = (
    "symbol,filed,period_end,roe,shares\n"
    "A,2015-05-04,2015-03-31,0.1,7\nA,2015-08-03,2015-06-30,,9\nB,2015-05-05,2015-03-31,0.2,8\n"
)
STATED = (
    "Ticker Symbol,Period Ending,Net Income,Total Assets,Total Equity\n"
    "A,2012-12-31,5,100,40\nA,2013-12-31,7,,50\nB,2013-12-31,-7,120,60\n"
)
SERIES = "date,symbol,debt,rate\n" + "".join(
    f"2010-01-{d:02d},{'AB'[d % 2]},{20 + d % 4},{d}.5\n" for d in range(1, 9)
)


@pytest.mark.parametrize(
    ("kind", "options", "write"),
    [
        ("daily", {"history": 60}, daily_file),
        ("fundamentals", {}, lambda folder: reports_file(folder, cash=[5.0, None, 3.0], equity=[40.0, 41.0, np.nan])),
        ("fundamentals", {}, lambda folder: _text(folder, OWN)),
        ("fundamentals", {"values": ["roe"]}, lambda folder: _text(folder, OWN)),
        ("statements", {"lag_days": 120}, lambda folder: _text(folder, STATED)),
        ("series", {"lag_days": 2}, lambda folder: _text(folder, SERIES)),
        ("news", {}, lambda folder: headlines(foreign(folder, days=60), "n.csv", False, 1) or folder / "n.csv"),
    ],
)  # fmt: skip
def test_csv_and_parquet_of_the_same_rows_give_the_same_facts(
    tmp_path: Path, kind: str, options: dict[str, Any], write: Callable[[Path], Path]
) -> None:
    file = write(tmp_path)
    typed = (
        pl.read_parquet(file)
        if file.suffix == ".parquet"
        else pl.read_csv(file, try_parse_dates=True)
    )
    typed.write_csv(tmp_path / "same.csv")
    typed.write_parquet(tmp_path / "same.parquet")
    paths = [file, tmp_path / "same.csv", tmp_path / "same.parquet"]
    first, *others = [source_of(kind, path, **options).facts() for path in paths]
    for other in others:
        assert_frame_equal(first, other, rel_tol=1e-12)


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
    early = [date(2015, 5, 1), date(2015, 6, 1), date(2016, 5, 2)]
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


def test_two_restatements_of_one_day_are_told(tmp_path: Path) -> None:
    again = "A;30.06.2015;03.08.2015;0,{};restated at once\n"
    for last, told in ((12, False), (13, True)):
        (tmp_path / "r.csv").write_text(REPORTS + again.format(last))
        source = Fundamentals(tmp_path / "r.csv")
        found = Panel([source]).as_of([datetime(2015, 8, 4, 20, tzinfo=UTC)], ["A"])
        assert found["fundamentals.ROE"].to_list() == [last / 100]
        assert [note for note in source.notes if "(first: A, rows 3 and 6)" in note] == list(
            source.notes
        ) * told
    (tmp_path / "s.csv").write_text(
        "Symbol,Date,x\nA,2015-01-02,1\nA,2015-01-05,2\nA,2015-01-05,3\nB,2015-01-05,4\n"
    )
    series = DatedSeries(tmp_path / "s.csv", lag_days=0)
    series.facts()
    assert "of which the last row counts: 1 in" in series.notes[0]
    assert "rows 3 and 4" in series.notes[0]


def test_counts_and_tones_are_those_of_the_window(tmp_path: Path) -> None:
    (tmp_path / "n.jsonl").write_text(
        '{"time": "2018-03-05T15:30:00-05:00", "names": ["A", "B"], "text": "strong rally"}\n'
        '{"time": "2018-03-05T16:00:01-05:00", "names": "A|C", "text": "weak"}\n'
        '{"time": "2018-03-07T10:00:00-05:00", "names": "A", "text": "down"}\n'
    )
    closes = pl.DataFrame({"date": [date(2018, 3, d) for d in (5, 6, 7, 8)]}).select(
        time=at_new_york(pl.col("date"), 16)
    )
    prices = closes.with_columns(instrument=pl.lit("A"), close=pl.lit(1.0))
    facts = News(
        tmp_path / "n.jsonl", window_days=1, features=("count", "tone"), prices=prices
    ).facts()
    counts = facts.with_columns(pl.col("count").exp() - 1.0)
    told = {
        (r["instrument"], r["known_time"].day): (r["count"], r["tone"]) for r in counts.to_dicts()
    }
    one = pytest.approx(1.0)
    # nobody has a headline within a day of the last close: the file has ended, and nothing is known of any name
    assert [told["A", d] for d in (5, 6, 7, 8)] == [
        (one, 2.0),
        (one, -1.0),
        (one, -1.0),
        (None, None),
    ]
    assert [told["B", d] for d in (5, 6, 7, 8)] == [
        (one, 2.0),
        (0.0, None),
        (0.0, None),
        (None, None),
    ]
    assert ("C", 5) not in told


def test_news_says_which_names_are_unknown_and_when_it_ended(tmp_path: Path) -> None:
    rows = ["2018-03-05T15:30:00-05:00,A,strong", "2018-03-05T15:31:00-05:00,ZZ,weak"]
    (tmp_path / "n.csv").write_text("\n".join(["time,symbol,text", *rows]))
    times = pl.DataFrame({"date": [date(2018, 3, d) for d in (5, 6)]}).select(
        time=at_new_york(pl.col("date"), 16)
    )
    prices = times.with_columns(instrument=pl.lit("A"), close=pl.lit(1.0))
    source = News(tmp_path / "n.csv", window_days=1, features=("count", "tone"), prices=prices)
    source.facts()
    assert source.notes[:2] == (
        "1 of 2 headlines are of names that the panel does not have: ZZ",
        f"the last headline of {tmp_path / 'n.csv'} is of 2018-03-05: nothing is heard by 2018-03-06",
    )


def test_what_is_learned_of_words_is_the_ridge_of_earlier_quarters_alone(tmp_path: Path) -> None:
    text = pytest.importorskip("sklearn.feature_extraction.text")
    linear = pytest.importorskip("sklearn.linear_model")
    made = foreign(tmp_path, days=150)
    headlines(made, "n.csv", False, 1)
    prices = read_prices(made.prices()).with_columns(time=at_new_york(pl.col("date"), 16))
    told = News(tmp_path / "n.csv", prices=prices).headlines()
    score = learned(told, prices, 5)
    begin = datetime(2018, 4, 1, tzinfo=UTC)
    moved = forward_returns(prices.select("instrument", "time", "close"), horizon=5).with_columns(
        y=ranked("forward")
    )
    past = told.join_asof(
        moved.sort("time"), left_on="published", right_on="time", by="instrument", strategy="forward",
        check_sortedness=False,
    ).filter(pl.col("end") < begin)  # fmt: skip
    words = text.TfidfVectorizer(
        ngram_range=(1, 2), preprocessor=masked, sublinear_tf=True,
        vocabulary=[w for w, n in _counted(past["text"].to_list(), text) if n >= RARE],
    ).fit(past["text"])  # fmt: skip
    model = linear.Ridge(alpha=PENALTY).fit(words.transform(past["text"]), past["y"])
    now = (told["published"] >= begin) & (told["published"] < datetime(2018, 7, 1, tzinfo=UTC))
    assert np.isnan(score[~(told["published"] >= begin).to_numpy()]).all()
    assert score[now.to_numpy()] == pytest.approx(
        model.predict(words.transform(told.filter(now)["text"])), abs=1e-4
    )
    # prices and headlines of later days change nothing
    cut = datetime(2018, 6, 1, tzinfo=UTC)
    early, known = told.filter(pl.col("published") < cut), prices.filter(pl.col("time") < cut)
    assert np.array_equal(learned(early, known, 5), score[: early.height], equal_nan=True)


def _counted(texts: list[str], text: Any) -> list[tuple[str, int]]:
    counter = text.CountVectorizer(ngram_range=(1, 2), preprocessor=masked)
    rows = (counter.fit_transform(texts) > 0).sum(axis=0).A1
    return list(zip(counter.get_feature_names_out(), rows.tolist(), strict=True))


# -- bad input --------------------------------------------------------------------------------------------------------


def test_daily_files_are_checked(tmp_path: Path) -> None:
    path = daily_file(tmp_path)
    frame = pl.read_parquet(path)
    pl.concat([frame, frame.tail(1)]).write_parquet(path)
    with pytest.raises(DataError, match=r"two of N5 on .*rows 1920 and 1921"):
        DailyFactors(path).facts()
    frame.drop("close").write_parquet(path)
    with pytest.raises(DataError, match="the columns date, close"):
        DailyFactors(path).facts()
    path.write_bytes(b"no parquet")
    with pytest.raises(DataError, match=r"a Parquet file.*panel\.parquet"):
        DailyFactors(path).facts()
    frame.head(100).write_parquet(path)
    with pytest.raises(DataError):
        daily_panel(path)


@pytest.mark.parametrize(
    "source",
    [
        DailyFactors(Path("nowhere")), Fundamentals(Path("nowhere")), Statements(Path("nowhere"), lag_days=1),
        DatedSeries(Path("nowhere"), "d", ("x",), lag_days=1),
    ],
)  # fmt: skip
def test_what_is_not_there_is_absent_not_broken(source: SignalSource) -> None:
    with pytest.raises(SourceAbsentError):
        source.facts()


def test_series_errors_name_the_file(tmp_path: Path) -> None:
    path = series_file(tmp_path)
    with pytest.raises(DataError, match=r"gold in .*trend\.csv; received none named gold"):
        DatedSeries(path, "date", ("gold",), lag_days=1).facts()
    with pytest.raises(DataError, match="lag of 0 to 36,500 days"):
        DatedSeries(path, "date", ("debt",), lag_days=-1).facts()
    with pytest.raises(DataError, match=r"dated in the future in .*trend\.csv"):
        DatedSeries(
            path, "date", ("debt",), lag_days=1, collected=datetime(2010, 1, 20, tzinfo=UTC)
        ).facts()
    path.write_text("date,debt\n")
    with pytest.raises(SourceAbsentError, match=r"not one in .*trend\.csv"):
        DatedSeries(path, "date", ("debt",), lag_days=1).facts()


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
