"""The StockNet archive: a source that keeps to the port's contract, and what cannot be read."""

import json
from pathlib import Path

import polars as pl
import pytest

from certify.kits.source import SourceContract
from studies.tweets.source import Tweets
from studies.tweets.stocknet import TweetTone, assigned, read_stocknet
from tercel.core import extras
from tercel.core.errors import ConfigError, DataError, UnknownNameError
from tercel.signals.sources.news import word_score
from tercel.signals.sources.port import SignalSource
from tercel.signals.sources.registry import panel_named, source_of

pytestmark = pytest.mark.release

TONES = ("tone", "tone_above_usual")


def stocknet_folder(folder: Path) -> Path:
    tweets = folder / "tweet" / "preprocessed" / "AAA"
    tweets.mkdir(parents=True)
    told = [
        ("2014-01-02", "Thu Jan 02 15:45:02 +0000 2014", ["$", "aaa", "strong", "rally"]),
        ("2014-01-02b", "Thu Jan 02 21:30:00 +0000 2014", ["aaa", "falling"]),
        ("2014-01-04", "Sat Jan 04 12:00:00 +0000 2014", ["aaa", "up", "up"]),
        ("2014-01-07", "Tue Jan 07 01:00:00 +0000 2014", ["aaa", "quiet"]),
        ("2014-01-07b", "Wed Jan 08 01:00:00 +0000 2014", ["aaa", "down"]),
    ]
    for name, stamp, text in told:
        (tweets / name).write_text(
            json.dumps({"text": text, "created_at": stamp, "user_id_str": "1"}) + "\n"
        )
    prices = folder / "price" / "raw"
    prices.mkdir(parents=True)
    closes = [(f"2014-01-{d:02d}", 10 + 0.2 * (d % 3)) for d in (1, 2, 3, 6, 7, 8, 9)]
    rows = "".join(f"{day},1,1,1,{close},{close},100\n" for day, close in closes)
    (prices / "AAA.csv").write_text("Date,Open,High,Low,Close,Adj Close,Volume\n" + rows)
    return folder


class TestTweets(SourceContract):
    @pytest.fixture(params=["open", "close"])
    def source(self, tmp_path: Path, request: pytest.FixtureRequest) -> SignalSource:
        return TweetTone(
            read_stocknet(stocknet_folder(tmp_path)),
            word_score,
            request.param,
            columns=("tone", "tone_above_usual"),
        )


def test_tweets_belong_to_the_first_cutoff_after_them(tmp_path: Path) -> None:
    data = read_stocknet(stocknet_folder(tmp_path))
    for cutoff, expected in (
        ("open", [("2014-01-03", 2), ("2014-01-06", 1), ("2014-01-07", 1), ("2014-01-08", 1)]),
        # 15:45 UTC is before the close of January 2, so that it serves the 3rd; 21:30 is after it
        (
            "close",
            [
                ("2014-01-03", 1),
                ("2014-01-06", 1),
                ("2014-01-07", 1),
                ("2014-01-08", 1),
                ("2014-01-09", 1),
            ],
        ),
    ):
        known = assigned(data.tweets, data.cutoffs(cutoff))
        assert known.filter(pl.col("published") > pl.col("time")).is_empty()
        counted = known.group_by("date").len().sort("date")
        assert [(str(day), n) for day, n in counted.rows()] == expected, cutoff


def test_a_firms_usual_tone_is_that_of_earlier_days(tmp_path: Path) -> None:
    facts = TweetTone(
        read_stocknet(stocknet_folder(tmp_path)), word_score, "close", columns=TONES
    ).facts()
    assert facts["tone"].to_list() == [2.0, -1.0, 2.0, 0.0, -1.0]
    assert facts["tone_above_usual"].to_list() == pytest.approx([0.0, -3.0, 1.5, -1.0, -1.75])


def test_texts_without_ticker_or_time_or_in_other_encodings_are_refused(tmp_path: Path) -> None:
    folder = stocknet_folder(tmp_path)
    stray = folder / "tweet" / "preprocessed" / "2014-01-02"
    stray.write_text('{"text": ["hello"], "created_at": "Thu Jan 02 15:45:02 +0000 2014"}\n')
    with pytest.raises(DataError, match=r"a text without ticker in .*2014-01-02, row 1"):
        read_stocknet(folder)
    stray.unlink()
    one = folder / "tweet" / "preprocessed" / "AAA" / "2014-01-02"
    whole = one.read_text()
    one.write_text(whole + '{"text": ["x"]}\n')
    with pytest.raises(DataError, match=r"created_at.*AAA/2014-01-02, row 2"):
        read_stocknet(folder)
    one.write_bytes(whole.encode() + '{"text": ["é"]}\n'.encode("latin-1"))
    with pytest.raises(DataError, match=r"texts in UTF-8.*AAA/2014-01-02, row 2"):
        read_stocknet(folder)


def test_the_kind_is_found_where_studies_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = source_of("tweets", tmp_path, cutoff="close")
    assert isinstance(source, Tweets)
    assert isinstance(source, SignalSource)
    with pytest.raises(
        ConfigError, match="options of tweets among collected, cutoff, embed, name, phrasebank"
    ):
        source_of("tweets", tmp_path, lag=3)
    monkeypatch.setattr(extras, "entry_points", lambda **_: ())
    with pytest.raises(
        UnknownNameError, match=r"a kind of source among daily, .*received 'tweets'"
    ):
        source_of("tweets", tmp_path)
    with pytest.raises(
        UnknownNameError,
        match=r"received 'stocknet'\. To go on: pip install tercel-studies",
    ):
        panel_named("stocknet")
