"""Every adapter keeps to the port's contract; what it cannot use it refuses with file and row; sources by name."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tests.desk.rounds.forecast_material import NAMES, prices
from tests.signals.command.foreign import foreign, headlines
from tests.signals.command.material import denied, refused

from certify.kits.source import SourceContract
from tercel.core import entry_points
from tercel.core.errors import DataError
from tercel.signals.panel.labels import forward_returns, rank_in_section
from tercel.signals.sources.daily import DailyFactors, daily_panel
from tercel.signals.sources.news import PENALTY, RARE, News, mask_numbers, score_by_quarter
from tercel.signals.sources.port import SignalSource, SourceAbsentError, at_new_york
from tercel.signals.sources.prices import read_prices
from tercel.signals.sources.registry import source_of
from tercel.signals.sources.series import DatedSeries
from tercel.signals.sources.synthetic import synthetic_leak, synthetic_market


def daily_file(folder: Path, names: int = 6, days: int = 320) -> Path:
    path = folder / "panel.parquet"
    known = pl.col("ticker").is_in(NAMES[:names])
    prices(days).filter(known).sort("ticker", "date").write_parquet(path)
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


class TestNews(SourceContract):
    @pytest.fixture(params=[True, False])
    def source(self, tmp_path: Path, request: pytest.FixtureRequest) -> SignalSource:
        made = foreign(tmp_path, days=120)
        headlines(made, "n.csv", False, 1)
        closes = read_prices(made.prices()).with_columns(time=at_new_york(pl.col("date"), 16))
        return News(tmp_path / "n.csv", prices=closes if request.param else None)


class TestSeries(SourceContract):
    @pytest.fixture
    def source(self, tmp_path: Path) -> SignalSource:
        return DatedSeries(series_file(tmp_path), "date", ("debt",), lag_days=2)


SERIES = "date,symbol,debt,rate\n" + "".join(
    f"2010-01-{d:02d},{'AB'[d % 2]},{20 + d % 4},{d}.5\n" for d in range(1, 9)
)


@pytest.mark.parametrize(
    ("kind", "options", "write"),
    [
        ("daily", {"history": 60}, daily_file),
        ("series", {"lag_days": 2}, lambda folder: _text(folder, SERIES)),
        ("news", {}, lambda folder: headlines(foreign(folder, days=60), "n.csv", False, 1) or folder / "n.csv"),
    ],
)  # fmt: skip
def test_csv_and_parquet_of_the_same_rows_give_the_same_facts(
    tmp_path: Path, kind: str, options: dict[str, Any], write: Callable[[Path], Path]
) -> None:
    facts_agree(tmp_path, kind, options, write(tmp_path))


def facts_agree(tmp_path: Path, kind: str, options: dict[str, Any], file: Path) -> None:
    """The same rows as CSV and as Parquet give the facts of the file."""
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


def test_two_records_of_one_day_are_told(tmp_path: Path) -> None:
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
    closes = times.with_columns(instrument=pl.lit("A"), close=pl.lit(1.0))
    source = News(tmp_path / "n.csv", window_days=1, features=("count", "tone"), prices=closes)
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
    score = score_by_quarter(told, prices, 5)
    begin = datetime(2018, 4, 1, tzinfo=UTC)
    moved = forward_returns(prices.select("instrument", "time", "close"), horizon=5).with_columns(
        y=rank_in_section("forward")
    )
    past = told.join_asof(
        moved.sort("time"), left_on="published", right_on="time", by="instrument", strategy="forward",
        check_sortedness=False,
    ).filter(pl.col("end") < begin)  # fmt: skip
    words = text.TfidfVectorizer(
        ngram_range=(1, 2), preprocessor=mask_numbers, sublinear_tf=True,
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
    assert np.array_equal(score_by_quarter(early, known, 5), score[: early.height], equal_nan=True)


def _counted(texts: list[str], text: Any) -> list[tuple[str, int]]:
    counter = text.CountVectorizer(ngram_range=(1, 2), preprocessor=mask_numbers)
    rows = (counter.fit_transform(texts) > 0).sum(axis=0).A1
    return list(zip(counter.get_feature_names_out(), rows.tolist(), strict=True))


# -- bad input --------------------------------------------------------------------------------------------------------


def test_daily_files_are_checked(tmp_path: Path) -> None:
    path = daily_file(tmp_path)
    frame = pl.read_parquet(path)
    pl.concat([frame, frame.tail(1)]).write_parquet(path)
    with pytest.raises(DataError, match=r"two of FFF on .*rows 1920 and 1921"):
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
        DailyFactors(Path("nowhere")),
        DatedSeries(Path("nowhere"), "d", ("x",), lag_days=1),
    ],
)  # fmt: skip
def test_what_is_not_there_is_absent_not_broken(source: SignalSource) -> None:
    with pytest.raises(SourceAbsentError):
        source.facts()


def test_series_errors_name_the_file(tmp_path: Path) -> None:
    path = series_file(tmp_path)
    early = datetime(2010, 1, 20, tzinfo=UTC)
    for name, options, said in (
        ("gold", {"lag_days": 1}, r"gold in .*trend\.csv; received none named gold"),
        ("debt", {"lag_days": -1}, "lag of 0 to 36,500 days"),
        ("debt", {"lag_days": 1, "collected": early}, r"dated in the future in .*trend\.csv"),
    ):
        with pytest.raises(DataError, match=said):
            DatedSeries(path, "date", (name,), **options).facts()
    path.write_text("date,debt\n")
    with pytest.raises(SourceAbsentError, match=r"not one in .*trend\.csv"):
        DatedSeries(path, "date", ("debt",), lag_days=1).facts()


HOUR = 3_600_000_000_000


@pytest.mark.parametrize("lag", [0, 1])
def test_labels_begin_after_the_decision_and_rows_are_ranked(tmp_path: Path, lag: int) -> None:
    path = daily_file(tmp_path)
    data = daily_panel(path, lag=lag, source=DailyFactors(path, history=60))
    assert data.x.shape == (data.n, 22)
    assert np.abs(data.x).max() <= 0.5
    gap = (data.start_ns - data.time_ns) / HOUR
    # a day of lag: the next close, three days later over a weekend
    assert set(np.round(gap, 1)) == ({0.0} if lag == 0 else {23.5}) or (
        lag == 1 and set(gap.round()) <= {23, 24, 71, 72}
    )
    for at in np.unique(data.dates):
        rows = data.dates == at
        order = np.argsort(data.outcome[rows])
        assert np.all(np.diff(data.y[rows][order]) > 0)
    assert ("no lag" in data.note) == (lag == 0)


def test_options_reach_the_source(tmp_path: Path) -> None:
    facts = source_of(
        "series", series_file(tmp_path), date="date", series=["debt"], lag_days=3
    ).facts()
    assert str((facts["known_time"] - facts["event_time"])[0]) == "3 days, 0:00:00"
    assert source_of("series", series_file(tmp_path), lag_days=3, name="glow").name == "glow"


@pytest.mark.parametrize("kind", ["fundamentals", "statements"])
def test_what_the_studies_give_is_refused_without_them_and_the_distribution_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    config = tmp_path / "c.toml"
    config.write_text(f'[[source]]\nkind = "{kind}"\npath = "x"\n')
    monkeypatch.setattr(entry_points, "entry_points", lambda **_: ())
    told = refused("train", config, "--out", tmp_path / "out")
    assert "pip install -e ./studies, otherwise pip install tercel-studies" in told
    assert "pip install tercel-studies" in denied("config", "check", config)
    assert not (tmp_path / "out").exists()
