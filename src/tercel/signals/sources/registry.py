"""Sources by kind, as a configuration names them.

    source_of("fundamentals", Path("reports.parquet"), drop_impossible=True)

| kind | path | options |
|---|---|---|
| `daily` | daily prices, Parquet | `history`, `least_dollars`, `without` |
| `bars` | a lake | `days` (pairs of symbol and date), `every_s`, `levels` |
| `fundamentals` | reports with the day of collection, Parquet | `drop_impossible` |
| `statements` | statements without it, CSV | `lag_days` (must be stated) |
| `tweets` | StockNet | `cutoff`; `phrasebank` and `embed` for the sentiment head, else words are counted |
| `series` | CSV with a date | `date`, `series`, `lag_days`, `period_days`, `instrument` |
| `lights` | night lights, CSV | `lag_days` |
| `scenes` | manifest of scenes, CSV | |

All take `name` and `collected`, the day (with a zone) after which nothing in the set can have been known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

from tercel.core.errors import ConfigError, UnknownNameError
from tercel.core.rows import HowToMap
from tercel.signals.sources.altdata import DatedSeries, NighttimeLights, Scenes
from tercel.signals.sources.daily import DailyFactors
from tercel.signals.sources.fundamentals import Fundamentals, Statements
from tercel.signals.sources.microstructure import MicrostructureBars
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
}
KINDS = (*PLAIN, "tweets")


def source_of(kind: str, path: Path, **options: Any) -> SignalSource:
    """A source of a kind.

    Raises
    ------
    UnknownNameError
        For a kind that is none of `KINDS`.
    ConfigError
        For an option that the kind does not know, or lacks.
    DataError
        (tweets) when the set cannot be read.
    """
    if kind == "tweets":
        return _tweets(path, **options)
    if kind not in PLAIN:
        raise UnknownNameError(f"a kind of source among {', '.join(KINDS)}", kind, "name one of them")
    made, where = PLAIN[kind]
    known = {field.name for field in fields(made) if field.init} - {where, "columns", "how", "prices"}
    if "called" in known:
        known = known - {"called"} | {"columns"}
    unknown = sorted(set(options) - known)
    if unknown:
        raise ConfigError(f"options of {kind} among {', '.join(sorted(known))}", ", ".join(unknown), "mend the names")
    tuples = {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}
    if "columns" in known:
        tuples |= {"called": tuples.pop("columns", {}), "how": in_table("source")}
    try:
        source: SignalSource = made(**{where: path}, **tuples)
    except TypeError as error:
        raise ConfigError(f"the options that {kind} needs", str(error), "add them") from error
    return source


def in_table(table: str) -> HowToMap:
    """How columns are mapped in a table of a configuration, for errors."""
    whole = f"[{table}.columns]"
    return HowToMap(f'{{}} = "{{}}" in {whole}', whole, f'say what they are called in {whole}: close = "Last"')


def _tweets(path: Path, phrasebank: str | None = None, embed: bool = False, **options: Any) -> SignalSource:
    unknown = sorted(set(options) - {"cutoff", "collected", "name"})
    if unknown:
        known = "cutoff, phrasebank, embed, collected, name"
        raise ConfigError(f"options of tweets among {known}", ", ".join(unknown), "mend the names")
    score: Callable[..., Any]
    if phrasebank is None:
        from tercel.signals.sources.sentiment import word_score

        score = word_score
    else:
        from tercel.signals.sources.sentiment import SentimentHead, embedder, read_phrasebank

        labelled = read_phrasebank(Path(phrasebank))
        score = SentimentHead(embedder() if embed else None).fit(labelled.texts, labelled.labels).tone
    return TweetTone(read_stocknet(path), score, **options)
