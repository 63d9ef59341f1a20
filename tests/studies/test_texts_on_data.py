"""Bars that the readers of texts reach on the shared data."""

from pathlib import Path

import pytest

from studies.tweets.text_embedding import available

pytestmark = pytest.mark.release


@pytest.mark.parametrize(("agreement", "accuracy", "f1"), [(50, 0.80, 0.76), (100, 0.925, 0.895)])
def test_the_sentiment_head_reaches_its_bar(
    shared_data: Path, agreement: int, accuracy: float, f1: float
) -> None:
    from studies.signals.text import text_study
    from studies.tweets.sentiment import embedder

    if not available():
        pytest.skip("the extra [text] is not installed")
    words = shared_data / "filings-10k-sentiment-2022" / "LM_MasterDictionary_1993-2021.csv"
    found = text_study(
        shared_data / "financial-phrasebank",
        agreement,
        embed=embedder(),
        dictionary=words,
        head_only=True,
    )
    head = found.row("tfidf + embedding")
    assert head.accuracy >= accuracy
    assert head.macro_f1 >= f1
    assert head.accuracy > found.row("dictionary").accuracy + 0.1
    if agreement == 50:
        assert (found.sentences, found.groups) == (4846, 4341)
        assert found.row("majority").accuracy == pytest.approx(0.594, abs=1e-3)
        assert found.row("dictionary").accuracy == pytest.approx(0.634, abs=1e-3)


def test_stocknet_counts_and_what_tweets_describe(shared_data: Path) -> None:
    from studies.signals.stocknet import PUBLISHED, stocknet_study
    from studies.tweets.stocknet import read_stocknet

    found = stocknet_study(read_stocknet(shared_data / "stocknet"))
    for split, count in PUBLISHED.items():
        assert found.counts[split] == pytest.approx(count, rel=0.002), split
    assert found.test_days == 64
    assert found.correlation[0] >= 0.05
    assert abs(found.correlation[1]) < 0.02
    majority = found.rows[0].accuracy
    for row in found.rows[1:]:
        assert (
            row.accuracy.ci_low < majority.mean < row.accuracy.ci_high
            or row.accuracy.mean > majority.mean
        ), row
