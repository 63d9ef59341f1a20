"""Headlines as a source of signals: their number by name, their tone, and returns that such words were followed by.

    time,symbols,text
    2016-05-02T13:05:00Z,"AAPL, MSFT",Sales rose 5.2 % to USD 205.5 mn

A file has a time with its zone, a name or several, and a text. At each close of the panel's prices three values are
taken over the window behind it: `count` (its log), `tone` (rising less falling words,
:func:`tercel.signals.sources.news.word_score`) and `learned`, a ridge regression on TF-IDF weights of words and
pairs. That one is refitted each quarter to headlines whose name's following return had ended before the quarter
began, so that no value knows what came after it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar

import numpy as np
import polars as pl
from pydantic import Field

from tercel.core.arrays import Floats
from tercel.core.errors import DataError, check_known, refuse_if
from tercel.core.extras import import_optional
from tercel.core.tables.table import ROW, Table
from tercel.signals.panel.labels import forward_returns, rank_in_section
from tercel.signals.sources.port import (
    LONGEST_DAYS,
    SourceAbsentError,
    check_facts,
    publication_lag,
    time_type,
)
from tercel.signals.sources.prices import list_names
from tercel.signals.sources.tables import TableSource, moments

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_WORD = re.compile(r"[A-Za-z][A-Za-z'&-]*")
RISING = frozenset(
    """up rise rises rising rose gain gains gained rally rallies bull bullish buy buying beat beats high higher strong
    upgrade upgraded surge surges jump jumps soar soars long calls breakout positive outperform growth""".split()  # noqa: SIM905 - words read best as words
)
FALLING = frozenset(
    """down fall falls falling fell loss losses lost drop drops dropped bear bearish sell selling miss misses low lower
    weak downgrade downgraded plunge plunges slump short puts breakdown negative underperform decline cut""".split()  # noqa: SIM905
)


FEATURES = ("count", "tone", "learned")
FEWEST = 200
"""Headlines with an outcome below which nothing is learned."""
RARE = 3
"""Least number of headlines with a word for it to have a weight."""
PENALTY = 30.0
"""Of the ridge, against rows of TF-IDF weights of length 1."""


def split_words(text: str) -> list[str]:
    """Words in lower case, without numbers.

    >>> split_words("Net sales rose 5.2 % to EUR 205.5 mn")
    ['net', 'sales', 'rose', 'to', 'eur', 'mn']
    """
    return [word.lower() for word in _WORD.findall(text)]


def mask_numbers(text: str) -> str:
    """Text in lower case with each number replaced by one sign.

    >>> mask_numbers("Sales rose 5.2 % to EUR 205.5 mn")
    'sales rose # % to eur # mn'
    """
    return _NUMBER.sub("#", text.lower())


def word_score(texts: Sequence[str]) -> Floats:
    """Number of rising less falling words of each text, float64 (n,).

    >>> word_score(["$aapl rally, strong buy", "falling again"]).tolist()
    [3.0, -1.0]
    """
    scores = np.zeros(len(texts))
    for i, text in enumerate(texts):
        for word in split_words(text):
            scores[i] += (word in RISING) - (word in FALLING)
    return scores


@dataclass(frozen=True)
class News(TableSource):
    """Values of each name's headlines at the panel's closes.

    Parameters
    ----------
    path : Path or data frame
        CSV, Parquet or JSON lines: a time, names (a list, or words between commas, semicolons or bars), a text.
    timezone : str
        IANA zone of times that do not say theirs; empty: such times are refused.
    window_days : float
        Days behind a close over which headlines count.
    features : sequence of str
        Of `FEATURES`.
    learn_days : int
        Bars of the return that words are weighed by.
    collected : datetime, optional
        When the set was collected; a later headline is refused. Not given: one over a day after the last price.
    drop_broken : bool
        Leave out headlines without a time, a name or a text, or of the future, and count them, instead of refusing.
    prices : DataFrame, optional
        `instrument`, `time`, `close` of the panel; without them values are taken at 21:00 UTC and nothing is learned.
    """

    timezone: str = ""
    window_days: Annotated[float, Field(gt=0, le=LONGEST_DAYS)] = 5.0
    features: Annotated[Sequence[str], Field(min_length=1)] = FEATURES
    learn_days: Annotated[int, Field(ge=1, le=252)] = 5
    drop_broken: bool = False
    prices: pl.DataFrame | None = field(default=None, repr=False, compare=False)
    name: str = "news"
    usual: ClassVar[tuple[str, ...]] = FEATURES[:2]

    def headlines(self) -> pl.DataFrame:
        """Read the headlines: `instrument`, `published` (Datetime ns UTC), `text`, `row`; one row per name, by time."""
        table = self.table(("time", "symbol", "text"))
        table = self._drop_or_refuse(
            table, _names(table).list.len() == 0, "symbol", "a name in every headline"
        )
        for cell in ("text", "time"):
            empty = table.frame[cell].cast(pl.String).fill_null("").str.strip_chars() == ""
            table = self._drop_or_refuse(table, empty, cell, f"a {cell} in every headline")
        published = moments(table, "time", self.timezone)
        last: Any = self.collected
        if last is None and self.prices is not None:
            last = self.prices["time"].max() + timedelta(days=1)  # type: ignore[operator]
        if last is not None:
            until = "the day of collection" if self.collected else "a day after the last price"
            remedy = "bring prices up to date, say when the set was collected (collected = 2024-01-31T00:00:00Z)"
            late = published > last
            table = self._drop_or_refuse(
                table, late, "time", f"headlines up to {until}, {last}", remedy
            )
            published = published.filter(~late)
        self._seen["notes"] = table.notes
        headlines = table.frame.select("text", ROW).with_columns(
            instrument=_names(table), published=published
        )
        return headlines.explode("instrument").sort("published", "instrument", maintain_order=True)

    def _drop_or_refuse(
        self,
        table: Table,
        bad: pl.Series,
        name: str,
        expected: str,
        remedy: str = "correct the row",
    ) -> Table:
        """The table without bad rows if they may be dropped; else raises DataError."""
        note = f"headlines are left out: not {expected}" if self.drop_broken else ""
        return table.drop_bad_rows(
            bad, name, expected, f"{remedy}, or leave such rows out: drop_broken = true", note
        )

    def facts(self) -> pl.DataFrame:
        """Count, tone and learned score of each name's headlines at each close, as checked facts; features that never
        vary are left out.
        """
        features = self.wanted or self.features
        for feature in features:
            check_known(
                feature, FEATURES, "features of news among", f"features = {list(self.features)}"
            )
        headlines = self.headlines()
        if headlines.is_empty():
            raise SourceAbsentError("headlines", f"none in {self.path}", "check the file")
        headlines = headlines.with_columns(
            pl.Series("tone", word_score(headlines["text"].to_list()))
        )
        score = np.full(headlines.height, np.nan)
        if "learned" in features and self.prices is not None:
            score = score_by_quarter(headlines, self.prices, self.learn_days)
        headlines = headlines.with_columns(pl.Series("learned", score, nan_to_null=True))
        closes = _evenings(headlines)
        if self.prices is not None:
            closes = self.prices["time"].unique().sort()
            self._note_gaps(headlines, self.prices["instrument"].unique(), closes[-1])
        facts = aggregate_window(headlines, closes, publication_lag(self.window_days))
        columns = list(self.wanted) or [
            feature for feature in features if facts[feature].drop_nulls().n_unique() > 1
        ]
        if left_out := [feature for feature in features if feature not in columns]:
            reason = (
                "needs prices"
                if self.prices is None
                else f"needs {FEWEST} headlines with a return before a quarter"
            )
            reason_of = {"learned": reason, "tone": "no rising or falling words"}
            reasons = "; ".join(
                f"{feature} ({reason_of.get(feature, 'always the same')})" for feature in left_out
            )
            refuse_if(
                not columns,
                "features of news that vary",
                f"{reasons} in {self.path}",
                "name other features",
                DataError,
            )
            self._seen["notes"].append(f"left out: {reasons}")
        self._seen["columns"] = columns
        return check_facts(facts, tuple(columns), str(self.path))

    def _note_gaps(self, headlines: pl.DataFrame, names: pl.Series, close: datetime) -> None:
        """Note headlines of names that the panel does not have, and a file that ends before the last close."""
        last: Any = headlines["published"].max()
        unknown_names = headlines.filter(~pl.col("instrument").is_in(names.implode()))["instrument"]
        listed_names = list_names(unknown_names.unique(maintain_order=True).to_list())
        share = f"{len(unknown_names):,} of {headlines.height:,} headlines"
        unknown = f"{share} are of names that the panel does not have: {listed_names}"
        ended_note = f"the last headline of {self.path} is of {last.date()}: nothing is heard by {close.date()}"
        self._seen["notes"] += [unknown] * bool(listed_names) + [ended_note] * (
            last <= close - publication_lag(self.window_days)
        )


def _names(table: Table) -> pl.Series:
    """Names of each headline, from a list or from words between commas, semicolons or bars."""
    cells = table.frame["symbol"]
    if not isinstance(cells.dtype, pl.List):
        plain = cells.cast(pl.String).fill_null("").str.replace_all(r"[\[\]'\"]", "")
        cells = plain.str.replace_all("[;|]", ",").str.split(",")
    word = pl.element().cast(pl.String).str.strip_chars()
    name_lists = cells.to_frame("names").select(pl.col("names").list.eval(word.filter(word != "")))
    return name_lists["names"].list.unique(maintain_order=True).fill_null([])


def _evenings(headlines: pl.DataFrame) -> pl.Series:
    """21:00 UTC of every day from the first headline to the day after the last one."""
    day = headlines["published"].dt.truncate("1d") + timedelta(hours=21)
    first = day.min()
    last = day.max() + timedelta(days=1)  # type: ignore[operator]
    return pl.select(at=pl.datetime_range(pl.lit(first), pl.lit(last), "1d"))["at"].cast(
        time_type()
    )


def aggregate_window(headlines: pl.DataFrame, closes: pl.Series, window: timedelta) -> pl.DataFrame:
    """Facts at each close: headlines in `(close - window, close]`, float64; `count` is log(1 + n), null where
    no name has a headline: a file that begins later or has ended has no values.

    Parameters
    ----------
    headlines : DataFrame
        `instrument`, `published`, `tone`, `learned`; by time.
    """
    sums = headlines.select(
        "instrument",
        "published",
        event_time="published",
        n=pl.col("published").cum_count().over("instrument").cast(pl.Float64),
        tone=pl.col("tone").cum_sum().over("instrument"),
        scores=pl.col("learned").fill_null(0.0).cum_sum().over("instrument"),
        scored=pl.col("learned").is_not_null().cum_sum().over("instrument").cast(pl.Float64),
    )
    names = headlines.select(pl.col("instrument").unique())
    grid = (
        closes.alias("known_time")
        .to_frame()
        .join(names, how="cross")
        .sort("known_time", "instrument")
    )
    grid = grid.with_columns(before=(pl.col("known_time") - window).cast(time_type()))
    sums_now, sums_before = (
        grid.join_asof(
            sums, left_on=time_column, right_on="published", by="instrument", check_sortedness=False
        )
        for time_column in ("known_time", "before")
    )
    counted = [
        (sums_now[column] - sums_before[column].fill_null(0.0)).alias(column)
        for column in ("n", "tone", "scores", "scored")
    ]
    facts = sums_now.select("instrument", "known_time", "event_time").with_columns(counted)
    has_any = pl.col("n").sum().over("known_time") > 0
    return facts.drop_nulls("event_time").select(
        "instrument",
        "event_time",
        "known_time",
        count=pl.when(has_any).then(pl.col("n").log1p()),
        tone=pl.when(pl.col("n") > 0).then(pl.col("tone") / pl.col("n")),
        learned=pl.when(pl.col("scored") > 0).then(pl.col("scores") / pl.col("scored")),
    )


def score_by_quarter(headlines: pl.DataFrame, prices: pl.DataFrame, horizon: int) -> Floats:
    """Score of each headline by a model of earlier quarters, float64 (n,), NaN before there is one.

    Parameters
    ----------
    headlines : DataFrame
        `instrument`, `published`, `text`.
    prices : DataFrame
        `instrument`, `time`, `close`. The outcome of a headline is the rank of its name's return over `horizon` bars
        from the first close after it, among all names at that close.
    """
    outcomes = forward_returns(prices.select("instrument", "time", "close"), horizon=horizon)
    # among names whose return ends with it: a rank that waits for others would know more than the quarter's begin
    rank = rank_in_section("forward", ("time", "end"))
    outcomes = outcomes.select("instrument", "time", "end", outcome=rank).drop_nulls().sort("time")
    rows = headlines.select("instrument", "published").join_asof(
        outcomes,
        left_on="published",
        right_on="time",
        by="instrument",
        strategy="forward",
        tolerance="5d",
        check_sortedness=False,
    )
    text = import_optional("sklearn.feature_extraction.text")
    texts, text_index = np.unique(headlines["text"].to_numpy().astype(str), return_inverse=True)
    word_counts = text.CountVectorizer(
        ngram_range=(1, 2), preprocessor=mask_numbers, dtype=np.float64
    ).fit_transform(texts)[text_index]
    end = rows["end"].dt.epoch("ns").fill_null(np.iinfo(np.int64).max).to_numpy()
    outcome = rows["outcome"].to_numpy()
    quarter = rows["published"].dt.truncate("1q").dt.epoch("ns").to_numpy()
    scores = np.full(headlines.height, np.nan)
    for begin in np.unique(quarter):
        past_rows = np.flatnonzero(end < begin)
        current_rows = np.flatnonzero(quarter == begin)
        if len(past_rows) < FEWEST:
            continue
        past_counts = word_counts[past_rows]
        common = np.flatnonzero(
            np.bincount(past_counts.indices, minlength=past_counts.shape[1]) >= RARE
        )
        weights = text.TfidfTransformer(sublinear_tf=True).fit(past_counts[:, common])
        model = import_optional("sklearn.linear_model").Ridge(alpha=PENALTY, solver="sparse_cg")
        model.fit(weights.transform(past_counts[:, common]), outcome[past_rows])
        scores[current_rows] = model.predict(
            weights.transform(word_counts[current_rows][:, common])
        )
    return scores
