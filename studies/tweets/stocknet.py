"""StockNet: tweets on 87 tickers with daily prices, 2014-2015 (Xu & Cohen 2018): texts, targets, a source of tone.

Tweets carry UTC stamps. What counts is which close or open they came before: a tweet belongs to the first *cutoff*
after it, 16:00 of day d - 1 or 09:30 of day d by New York's clock, and is known at that cutoff, never earlier.

Its prices are a daily panel of large names, adjusted for splits and dividends by the file's own column.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import polars as pl

from tercel.core import TABLE_ROW as ROW, DataError, Floats
from tercel.signals import (
    DailyFactors,
    SourceAbsentError,
    at_new_york,
    checked,
    guarded_factors as guarded,
    time_type,
    universe,
)

Cutoff = Literal["close", "open"]
TWEETS, PRICES = "tweet/preprocessed/", "price/raw/"
STAMP = "%a %b %d %H:%M:%S %z %Y"
SPLITS = (
    ("train", "2014-01-01", "2015-08-01"),
    ("validation", "2015-08-01", "2015-10-01"),
    ("test", "2015-10-01", "2016-01-01"),
)
DOWN, UP = -0.005, 0.0055
"""A move of at most the first is down, of more than the second up; between them a day is no target."""


@dataclass(frozen=True, eq=False)
class StockNet:
    """The set as frames.

    Parameters
    ----------
    tweets : DataFrame
        `instrument`, `published` (Datetime ns UTC), `text`; by time.
    prices : DataFrame
        `instrument`, `date`, `close` (adjusted), `move` (from the close before).
    """

    tweets: pl.DataFrame
    prices: pl.DataFrame

    def targets(self) -> pl.DataFrame:
        """`instrument`, `date`, `move`, `up` (bool), `split`: days of the published split that moved enough."""
        split = pl.lit(None, pl.String)
        for name, first, after in SPLITS:
            inside = pl.col("date").is_between(
                pl.lit(first).str.to_date(), pl.lit(after).str.to_date(), closed="left"
            )
            split = pl.when(inside).then(pl.lit(name)).otherwise(split)
        moved = (pl.col("move") <= DOWN) | (pl.col("move") > UP)
        chosen = self.prices.with_columns(split=split, up=pl.col("move") > UP)
        return chosen.filter(moved & pl.col("split").is_not_null()).sort("date", "instrument")

    def cutoffs(self, cutoff: Cutoff) -> pl.DataFrame:
        """`date` and `time`: the moment before each trading day d up to which tweets may be used for it."""
        days = self.prices.select(pl.col("date").unique().sort())
        if cutoff == "open":
            return days.with_columns(time=at_new_york(pl.col("date"), 9, 30))
        return days.with_columns(time=at_new_york(pl.col("date"), 16).shift(1)).drop_nulls()


def read_stocknet(path: Path) -> StockNet:
    """Read the set from its `.tar.zst` or from the folder that it unpacks to.

    Raises
    ------
    SourceAbsentError
        When there is nothing at `path`.
    DataError
        When a tweet has no ticker, no text or no time, is not UTF-8, or a price is none; with file and row.
    """
    tweets: list[tuple[str, datetime, str]] = []
    frames = []
    for name, data in _files(Path(path)):
        if TWEETS in name:
            tweets.extend(_tweets(name, data))
        elif PRICES in name and name.endswith(".csv"):
            frames.append(_prices(name, data))
    if not tweets or not frames:
        raise DataError(
            "tweets and prices",
            f"{len(tweets)} tweets and {len(frames)} price files in {path}",
            "check the set",
        )
    frame = pl.DataFrame(tweets, schema=["instrument", "published", "text"], orient="row")
    frame = frame.with_columns(pl.col("published").cast(time_type()))
    return StockNet(
        frame.sort("published", "instrument", maintain_order=True),
        pl.concat(frames).sort("instrument", "date"),
    )


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of every file of the set, in order of names within a folder."""
    if path.is_dir():
        packed = sorted(path.glob("*.tar.zst"))
        if packed:
            path = packed[0]
        else:
            for file in sorted(p for p in path.rglob("*") if p.is_file()):
                yield file.relative_to(path).as_posix(), file.read_bytes()
            return
    if not path.is_file():
        raise SourceAbsentError("the StockNet set", f"nothing at {path}", "check the path")
    import zstandard

    try:
        with (
            path.open("rb") as packed_file,
            zstandard.ZstdDecompressor().stream_reader(packed_file) as unpacked,
            tarfile.open(fileobj=unpacked, mode="r|") as archive,
        ):
            for member in archive:
                held = archive.extractfile(member) if member.isfile() else None
                if held is not None:
                    yield member.name, held.read()
    except (tarfile.TarError, zstandard.ZstdError) as error:
        raise DataError(
            "a .tar.zst archive", f"{error} in {path}", "fetch the file again"
        ) from error


def price_files(path: Path) -> list[tuple[str, bytes]]:
    """Name and bytes of every file of prices."""
    return [
        (name, data)
        for name, data in _files(Path(path))
        if PRICES in name and name.endswith(".csv")
    ]


def _tweets(name: str, data: bytes) -> Iterator[tuple[str, datetime, str]]:
    ticker, inside, _ = name.split(TWEETS, 1)[1].partition("/")
    for row, line in enumerate(data.split(b"\n"), start=1):
        if not line.strip():
            continue
        if not (ticker and inside):
            raise DataError(
                "texts in a folder named after their ticker",
                f"a text without ticker in {name}, row {row}",
                "sort the texts by ticker",
            )
        try:
            record = json.loads(line.decode("utf-8"))
            words, stamp = record["text"], record["created_at"]
            published = datetime.strptime(stamp, STAMP)
        except UnicodeDecodeError as error:
            raise DataError(
                "texts in UTF-8", f"{error.reason} in {name}, row {row}", "convert the file"
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                "a JSON record with text and created_at",
                f"{error} in {name}, row {row}",
                "mend the record",
            ) from error
        yield ticker, published, " ".join(words) if isinstance(words, list) else str(words)


def _prices(name: str, data: bytes) -> pl.DataFrame:
    try:
        frame = pl.read_csv(io.BytesIO(data), try_parse_dates=True, null_values="null")
        chosen = frame.select(
            pl.col("Date").cast(pl.Date).alias("date"),
            pl.col("Adj Close").cast(pl.Float64).alias("close"),
        )
    except pl.exceptions.PolarsError as error:
        raise DataError(
            "a CSV with Date and Adj Close", f"{error} in {name}", "fetch the file again"
        ) from error
    bad = chosen.with_row_index("row", 2).filter((pl.col("close") <= 0) | pl.col("date").is_null())
    if not bad.is_empty():
        raise DataError(
            "a price above 0 and a date",
            f"{bad['close'][0]} in {name}, row {bad['row'][0]}",
            "drop the row",
        )
    ticker = pl.lit(Path(name).stem).alias("instrument")
    return (
        chosen.sort("date")
        .select(ticker, "date", "close", move=pl.col("close") / pl.col("close").shift(1) - 1)
        .drop_nulls()
    )


def assigned(tweets: pl.DataFrame, cutoffs: pl.DataFrame) -> pl.DataFrame:
    """Tweets with the first cutoff after them: `date` (the trading day they may serve) and `time` (when)."""
    return tweets.sort("published").join_asof(
        cutoffs.sort("time"), left_on="published", right_on="time", strategy="forward"
    ).drop_nulls("time")  # fmt: skip


@dataclass(frozen=True)
class TweetTone:
    """Tone of a ticker's tweets between two cutoffs, its firm's past mean taken out, and how many there were.

    Parameters
    ----------
    data : StockNet
    score : callable
        From texts to tones, float (n,): a :class:`~studies.tweets.sentiment.SentimentHead`'s `tone`, or counts.
    cutoff : {"close", "open"}
        Up to 16:00 of the day before, or to 09:30 of the day.
    collected : datetime, optional
        Day of collection; later records are refused.
    """

    data: StockNet
    score: Callable[[Sequence[str]], Floats]
    cutoff: Cutoff = "open"
    collected: datetime | None = None
    name: str = "tweets"
    columns: tuple[str, ...] = ("tone", "tone_above_usual", "tweets")

    def facts(self) -> pl.DataFrame:
        """See :meth:`tercel.signals.sources.port.SignalSource.facts`."""
        known = assigned(self.data.tweets, self.data.cutoffs(self.cutoff))
        tones = np.asarray(self.score(known["text"].to_list()), np.float64)
        daily = (
            known.with_columns(pl.Series("tone", tones))
            .group_by("instrument", "time")
            .agg(
                pl.col("tone").mean(),
                pl.len().cast(pl.Float64).log1p().alias("tweets"),
                pl.col("published").max(),
            )
            .sort("instrument", "time")
        )
        # the firm's usual tone is that of earlier days alone
        before = pl.col("tone").cum_sum().shift(1) / pl.col("tone").cum_count().shift(1)
        daily = daily.with_columns(
            tone_above_usual=(pl.col("tone") - before.fill_null(pl.col("tone"))).over("instrument")
        )
        timed = daily.rename({"published": "event_time", "time": "known_time"})
        return checked(timed, self.columns, "StockNet", self.collected)


LARGE = (
    "large names, chosen when the set was made, so levels of return are flattered; few names and days: "
    "differences smaller than the interval are chance"
)
NEEDED = ("Date", "Open", "High", "Low", "Close", "Adj Close", "Volume")


@dataclass(frozen=True)
class StockNetFactors(DailyFactors):
    """Daily factors of StockNet's names."""

    known_bias: ClassVar[str] = LARGE

    name: str = "daily"

    def prices(self) -> pl.DataFrame:
        """See :meth:`DailyFactors.prices`."""
        frames = [_daily(name, data) for name, data in price_files(self.path)]
        if not frames:
            raise DataError("price files of StockNet", f"none in {self.path}", "check the set")
        return universe(
            guarded(pl.concat(frames).with_columns(adjusted=pl.lit(False))),
            self.history,
            self.least_dollars,
        )


def _daily(name: str, data: bytes) -> pl.DataFrame:
    try:
        raw = pl.read_csv(io.BytesIO(data), try_parse_dates=True, null_values="null")
        frame = raw.select(NEEDED).with_row_index(ROW, offset=2).drop_nulls()
        date, factor = (
            pl.col("Date").cast(pl.Date),
            pl.col("Adj Close").cast(pl.Float64) / pl.col("Close"),
        )
        return frame.select(
            pl.lit(name.rsplit("/", 1)[-1].removesuffix(".csv")).alias("instrument"),
            at_new_york(date, 16).alias("time"), date.alias("date"),
            *((pl.col(column) * factor).alias(column.lower()) for column in ("Open", "High", "Low", "Close")),
            pl.col("Volume").cast(pl.Int64).alias("volume"), pl.col(ROW),
        )  # fmt: skip
    except pl.exceptions.PolarsError as error:
        what = f"{str(error).splitlines()[0]} in {name}"
        raise DataError(f"a CSV with {', '.join(NEEDED)}", what, "fetch the file again") from error
