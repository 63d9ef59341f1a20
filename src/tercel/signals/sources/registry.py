"""Sources by kind, as a configuration names them.

    source_of("fundamentals", Path("reports.parquet"), drop_impossible=True)

| kind | path | options |
|---|---|---|
| `daily` | daily prices | `history`, `least_dollars`, `without`, `survivors` |
| `news` | headlines: time, names, text | `timezone`, `window_days`, `features`, `learn_days`, `drop_broken` |
| `fundamentals` | reports with the day they were known | `values`, `lag_days`, `timezone`, `drop_impossible` |
| `statements` | statements without it | the same; `lag_days` must be stated |
| `series` | numbers with a date, of all or by name | `lag_days`; `date`, `series`, `period_days`, `instrument` |
| `bars` | a lake | `days` (pairs of symbol and date), `every_s`, `levels` |
| `tweets` | StockNet | `cutoff`; `phrasebank` and `embed` for the sentiment head, else words are counted |
| `lights` | night lights, CSV | `lag_days` |
| `scenes` | manifest of scenes, CSV | |

The first five read CSV, Parquet and JSON lines, columns by their usual names or by a table `[source.columns]`.
All take `name` and `collected`, the day (with a zone) after which nothing in the set can have been known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from tercel.core.errors import ConfigError, UnknownNameError
from tercel.core.names import offer
from tercel.core.rows import HowToMap
from tercel.signals.sources.altdata import DatedSeries, NighttimeLights, Scenes
from tercel.signals.sources.daily import DailyFactors
from tercel.signals.sources.fundamentals import Fundamentals, Statements
from tercel.signals.sources.microstructure import MicrostructureBars
from tercel.signals.sources.news import News
from tercel.signals.sources.port import SignalSource
from tercel.signals.sources.stocknet import TweetTone, read_stocknet

PLAIN: dict[str, tuple[type, str]] = {
    "daily": (DailyFactors, "path"),
    "bars": (MicrostructureBars, "lake"),
    "fundamentals": (Fundamentals, "path"),
    "statements": (Statements, "path"),
    "series": (DatedSeries, "path"),
    "lights": (NighttimeLights, "path"),
    "scenes": (Scenes, "manifest"),
    "news": (News, "path"),
}
KINDS = (*PLAIN, "tweets")


OF_TWEETS = {"cutoff", "phrasebank", "embed", "collected", "name"}


def check_source(kind: str, options: Mapping[str, Any]) -> None:
    """Refuse a kind or options that cannot be, without a look at the files.

    Raises
    ------
    UnknownNameError, ConfigError
        As :func:`source_of`.
    """
    if kind != "tweets":
        source_of(kind, Path(), None, **options)
    elif unknown := sorted(set(options) - OF_TWEETS):
        raise ConfigError(
            f"options of tweets among {', '.join(sorted(OF_TWEETS))}", ", ".join(unknown), "mend the names"
        )


def source_of(kind: str, path: Path, prices: pl.DataFrame | None = None, /, **options: Any) -> SignalSource:
    """A source of a kind; `prices` (`instrument`, `time`, `close`) are the panel's, for kinds that learn from them.

    Raises
    ------
    UnknownNameError
        For a kind that is none of `KINDS`.
    ConfigError
        For an option that the kind does not know, or lacks.
    DataError
        (tweets) when the set cannot be read.
    """
    if kind not in KINDS:
        raise UnknownNameError(
            f"a kind of source among {', '.join(KINDS)}", kind, offer(kind, KINDS, "name one of them")
        )
    day = options.get("collected")
    if isinstance(day, date) and not isinstance(day, datetime):
        # a day without an hour: until its end
        options["collected"] = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    elif isinstance(day, datetime) and day.tzinfo is None:
        options["collected"] = day.replace(tzinfo=UTC)
    if kind == "tweets":
        check_source(kind, options)
        return _tweets(path, **options)
    made, where = PLAIN[kind]
    taken = {field.name for field in fields(made) if field.init} - {where, "how", "columns"}
    known = {"columns" if name == "called" else name for name in taken - {"prices"}}
    unknown = sorted(set(options) - known)
    if unknown:
        raise ConfigError(f"options of {kind} among {', '.join(sorted(known))}", ", ".join(unknown), "mend the names")
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}
    if "called" in taken:
        given |= {"called": given.pop("columns", {}), "how": in_table("source")}
    if "prices" in taken:
        given["prices"] = prices
    try:
        source: SignalSource = made(**{where: path}, **given)
    except TypeError as error:
        raise ConfigError(f"the options that {kind} needs", str(error), "add them") from error
    return source


def in_table(table: str) -> HowToMap:
    """How columns are mapped in a table of a configuration, for errors."""
    whole = f"[{table}.columns]"
    return HowToMap(f'{{}} = "{{}}" in {whole}', whole, f'say what they are called in {whole}: close = "Last"')


def _tweets(path: Path, phrasebank: str | None = None, embed: bool = False, **options: Any) -> SignalSource:
    score: Callable[..., Any]
    if phrasebank is None:
        from tercel.signals.sources.sentiment import word_score

        score = word_score
    else:
        from tercel.signals.sources.sentiment import SentimentHead, embedder, read_phrasebank

        labelled = read_phrasebank(Path(phrasebank))
        score = SentimentHead(embedder() if embed else None).fit(labelled.texts, labelled.labels).tone
    return TweetTone(read_stocknet(path), score, **options)
