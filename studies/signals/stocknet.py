"""StockNet: direction of the next day from tweets and prices, on the published split, beside the majority.

Accuracy and MCC carry intervals over the 64 test days, as names move together on a day: the published .582 cannot be
told from a coin by them. The word score's correlation with returns by lag shows what the tweets do describe: the day
itself and the days before, not the next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from studies.families.scores import single_class
from studies.signals.metrics import accuracy, clustered, correlation, mcc
from studies.tweets.stocknet import Cutoff, StockNet, assigned
from tercel.core import needed, to_jsonable
from tercel.core.stats import Estimate, ranks
from tercel.signals import word_score

if TYPE_CHECKING:
    import polars as pl

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
PUBLISHED = {"train": 20_339, "validation": 2_555, "test": 3_720}
WINDOW_DAYS = 5
PENALTIES = (0.01, 0.1, 1.0)
Tone = Callable[[Sequence[str]], Floats]


@dataclass(frozen=True)
class DirectionRow:
    """Test scores of one model."""

    model: str
    validation_accuracy: float
    accuracy: Estimate
    mcc: Estimate


@dataclass(frozen=True)
class StockNetStudy:
    """Figures of the set.

    Parameters
    ----------
    counts : dict
        Targets by split; `PUBLISHED` holds the paper's.
    test_days : int
    rows : tuple of DirectionRow
    correlation : dict of int to float
        Rank correlation of the word score of day d (16:00 to 16:00) with the return of day d + lag.
    busy : dict of int to float
        The same over days with 10 tweets or more.
    scored_days : int
        Ticker-days with a word score.
    tone : dict of int to float, optional
        The same of the sentiment head's tone.
    """

    counts: dict[str, int]
    test_days: int
    rows: tuple[DirectionRow, ...]
    correlation: dict[int, float]
    busy: dict[int, float]
    scored_days: int
    tone: dict[int, float] | None = None

    def to_json(self) -> dict[str, Any]:
        """The study by name."""
        return {
            "counts": self.counts, "published": PUBLISHED, "test_days": self.test_days,
            "rows": to_jsonable(self.rows), "scored_days": self.scored_days,
            "word_score": {str(lag): value for lag, value in self.correlation.items()},
            "word_score_10_tweets": {str(lag): value for lag, value in self.busy.items()},
            "tone": None if self.tone is None else {str(lag): value for lag, value in self.tone.items()},
        }  # fmt: skip


def stocknet_study(data: StockNet, *, tone: Tone | None = None, seed: int = 0) -> StockNetStudy:
    """Counts, baselines, text models with tweets to the close of d - 1 and to the open of d, word scores by lag.

    Parameters
    ----------
    data : StockNet
    tone : callable, optional
        From texts to tones (a :class:`~studies.tweets.sentiment.SentimentHead`'s): its correlations too.

    Raises
    ------
    DataError
        When a split is empty or has a single class.
    """
    targets = data.targets()
    counts = {name: targets.filter(split=name).height for name in PUBLISHED}
    test = targets.filter(split="test")
    rng = np.random.default_rng(seed)
    truth, days = test["up"].to_numpy().astype(np.int64), test["date"].to_physical().to_numpy()
    rows = []
    for name, guess, validated in _guesses(data, targets):
        rows.append(
            DirectionRow(
                name,
                validated,
                clustered(accuracy, truth, guess, days, rng),
                clustered(mcc, truth, guess, days, rng),
            )
        )
    by_lag, busy, scored = score_by_lag(data)
    toned = score_by_lag(data, tone)[0] if tone is not None else None
    return StockNetStudy(counts, test["date"].n_unique(), tuple(rows), by_lag, busy, scored, toned)


def _guesses(data: StockNet, targets: pl.DataFrame) -> list[tuple[str, Labels, float]]:
    """(model, test labels, validation accuracy); penalties are chosen on validation."""
    y = targets["up"].to_numpy().astype(np.int64)
    split = targets["split"].to_numpy()
    train, validation, test = (np.flatnonzero(split == name) for name in PUBLISHED)
    if min(len(train), len(validation), len(test)) == 0 or len(np.unique(y[train])) < 2:
        raise single_class("one, or none", len(train))
    usual = int(np.bincount(y[train]).argmax())
    everyone = np.full(len(test), usual, np.int64)
    found = [
        ("majority of train", everyone, accuracy(y[validation], np.full(len(validation), usual)))
    ]
    price = _past_moves(data, targets)
    found.append(("price, logistic", *_logistic(price, y, train, validation, test)))
    for cutoff, until in (("close", "to 16:00 of d - 1"), ("open", "to 09:30 of d")):
        texts = _texts(data, targets, "close" if cutoff == "close" else "open")
        vectors = needed("sklearn.feature_extraction.text").TfidfVectorizer(
            min_df=5, sublinear_tf=True, token_pattern=r"\S+", max_features=50_000
        )
        vectors.fit([texts[i] for i in train])
        x = vectors.transform(texts)
        found.append((f"tweets {until}, TF-IDF", *_logistic(x, y, train, validation, test)))
    return found


def _logistic(
    x: Any, y: Labels, train: Labels, validation: Labels, test: Labels
) -> tuple[Labels, float]:
    linear = needed("sklearn.linear_model")
    best: tuple[float, Any] = (-1.0, None)
    for c in PENALTIES:
        model = linear.LogisticRegression(C=c, max_iter=300).fit(x[train], y[train])
        reached = accuracy(y[validation], model.predict(x[validation]))
        if reached > best[0]:
            best = (reached, model)
    return np.asarray(best[1].predict(x[test]), np.int64), best[0]


def _past_moves(data: StockNet, targets: pl.DataFrame) -> Floats:
    """Moves of the five days before, and of 20 days, standardised by 2 %; float64 (n, 6)."""
    import polars as pl

    lags = [
        pl.col("move").shift(lag).over("instrument").alias(f"m{lag}")
        for lag in range(1, WINDOW_DAYS + 1)
    ]
    month = (
        (pl.col("close").shift(1) / pl.col("close").shift(21) - 1).over("instrument").alias("m20")
    )
    past = data.prices.with_columns(*lags, month)
    names = [*(f"m{lag}" for lag in range(1, WINDOW_DAYS + 1)), "m20"]
    rows = targets.select("instrument", "date").join(
        past, on=["instrument", "date"], how="left", maintain_order="left"
    )
    return np.clip(rows.select(pl.col(names).fill_null(0.0)).to_numpy() / 0.02, -5.0, 5.0)


def _texts(data: StockNet, targets: pl.DataFrame, cutoff: Cutoff) -> list[str]:
    """Each target's tweets of the `WINDOW_DAYS` trading days up to its cutoff, as one text; perhaps an empty one."""
    import polars as pl

    cutoffs = data.cutoffs(cutoff)
    daily = (
        assigned(data.tweets, cutoffs)
        .group_by("instrument", "date")
        .agg(pl.col("text").str.join(" "))
    )
    at = {day: i for i, day in enumerate(cutoffs["date"].to_list())}
    days = cutoffs["date"].to_list()
    held = {
        (who, day): text
        for who, day, text in daily.select("instrument", "date", "text").iter_rows()
    }
    out = []
    for who, day in targets.select("instrument", "date").iter_rows():
        recent = days[max(0, at[day] - WINDOW_DAYS + 1) : at[day] + 1] if day in at else []
        out.append(" ".join(held.get((who, d), "") for d in recent))
    return out


def score_by_lag(
    data: StockNet,
    tone: Tone | None = None,
    lags: Sequence[int] = (-2, -1, 0, 1, 2),
    many: int = 10,
) -> tuple[dict[int, float], dict[int, float], int]:
    """Rank correlation of a day's word score with the return of day + lag: all days, and those with `many` tweets.

    The score is the day's sum of rising less falling words, or its mean `tone`.

    A tweet belongs to the trading day whose 16:00 comes first after it. Third: number of ticker-days.
    """
    import polars as pl

    from tercel.signals import at_new_york

    closes = data.prices.select(pl.col("date").unique().sort()).with_columns(
        time=at_new_york(pl.col("date"), 16)
    )
    known = assigned(data.tweets, closes)
    known = known.with_columns(pl.Series("score", (tone or word_score)(known["text"].to_list())))
    score = pl.col("score").sum() if tone is None else pl.col("score").mean()
    daily = known.group_by("instrument", "date").agg(score, pl.len().alias("tweets"))
    moves = [pl.col("move").shift(-lag).over("instrument").alias(f"r{lag}") for lag in lags]
    joined = daily.join(
        data.prices.sort("instrument", "date").with_columns(moves), on=["instrument", "date"]
    )
    joined = joined.drop_nulls([f"r{lag}" for lag in lags])

    def by_lag(rows: pl.DataFrame) -> dict[int, float]:
        score = ranks(rows["score"].to_numpy())
        return {lag: correlation(score, ranks(rows[f"r{lag}"].to_numpy())) for lag in lags}

    return by_lag(joined), by_lag(joined.filter(pl.col("tweets") >= many)), joined.height
