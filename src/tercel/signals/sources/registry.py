"""Sources by kind, as a configuration names them.

    source_of("fundamentals", Path("reports.parquet"), drop_impossible=True)

    [[source]]
    kind = "fundamentals"
    path = "reports.parquet"
    drop_impossible = true

| kind | path | options |
|---|---|---|
| `daily` | daily prices | `history`, `least_dollars`, `without`, `survivors` |
| `news` | headlines: time, names, text | `timezone`, `window_days`, `features`, `learn_days`, `drop_broken` |
| `fundamentals` | reports with the day they were known | `values`, `lag_days`, `timezone`, `drop_impossible` |
| `statements` | statements without it | the same; `lag_days` must be stated |
| `series` | numbers with a date, of all or by name | `lag_days`; `date`, `series`, `period_days`, `instrument` |

All read CSV, Parquet and JSON lines, columns by their usual names or by a table `[source.columns]`.
All take `name` and `collected`, the day (with a zone) after which nothing in the set can have been known.

A package of one's own gives a kind by a dataclass in the entry point group ``tercel.sources``, a kind of panel by a
subclass of `DailyFactors` in ``tercel.panels``. `studies` so gives the StockNet archive: the source `tweets` (options
`cutoff`, `phrasebank`, `embed`) and the panel `stocknet`.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from inspect import signature
from pathlib import Path
from typing import Any, Final

import polars as pl
from pydantic import InstanceOf

from tercel.core.errors import ConfigError
from tercel.core.extras import entry_point
from tercel.core.tables.table import HowToMap
from tercel.core.toml import fitting
from tercel.signals.sources.daily import DailyFactors
from tercel.signals.sources.fundamentals import DatedSeries, Fundamentals, Statements
from tercel.signals.sources.news import News
from tercel.signals.sources.port import SignalSource

KINDS: Final[dict[str, Callable[..., SignalSource]]] = {
    "daily": DailyFactors,
    "fundamentals": Fundamentals,
    "statements": Statements,
    "series": DatedSeries,
    "news": News,
}
"""What makes a source of a kind, from a path and options."""
PANELS: Final = {"synthetic": None, "daily": DailyFactors}
"""Kind of panel -> its daily factors."""


def kind_named(kind: str) -> Any:
    """The class of a kind of source.

    Raises
    ------
    UnknownNameError
        Neither one of `KINDS` nor of an installed package.
    """
    return (
        KINDS[kind]
        if kind in KINDS
        else entry_point("tercel.sources", kind, KINDS, "a kind of source among")
    )


def panel_named(kind: str) -> Any:
    """The class of daily factors that a kind of panel has; none of a synthetic one.

    Raises
    ------
    UnknownNameError
        Neither one of `PANELS` nor of an installed package.
    """
    return (
        PANELS[kind]
        if kind in PANELS
        else entry_point("tercel.panels", kind, PANELS, "a kind of panel among")
    )


def check_source(kind: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a kind as their types are; a kind or options that cannot be are refused, without a look at the files.

    Raises
    ------
    UnknownNameError, ConfigError
        As :func:`source_of`.
    """
    _, *takes = signature(kind_named(kind)).parameters.values()
    names = {one.name for one in takes} - {"columns", "how", "prices", "wanted"}
    known = sorted("columns" if name == "called" else name for name in names)
    if unknown := sorted(set(options) - set(known)):
        raise ConfigError(
            f"options of {kind} among {', '.join(known)}", ", ".join(unknown), "mend the names"
        )
    if lacking := [
        one.name
        for one in takes
        if one.default is one.empty and options.get(one.name) in (None, [], ())
    ]:
        raise ConfigError(f"the options that {kind} needs", f"no {', '.join(lacking)}", "add them")
    return fitting(kind_named(kind), options, f"[[source]] {kind}", collected=InstanceOf[date])


def source_of(
    kind: str,
    path: Path,
    prices: pl.DataFrame | None = None,
    wanted: Sequence[str] = (),
    /,
    **options: Any,
) -> SignalSource:
    """A source of a kind; `prices` (`instrument`, `time`, `close`) are the panel's, for kinds that learn from them;
    `wanted` are the columns that a model reads.

    Raises
    ------
    UnknownNameError
        For a kind that neither `KINDS` nor an installed package has.
    ConfigError
        For an option that the kind does not know, or lacks.
    """
    fitted = check_source(kind, options)
    handed = {
        name: tuple(value) if isinstance(value, list) else value for name, value in fitted.items()
    }
    day = handed.get("collected")
    if isinstance(day, datetime):
        handed["collected"] = day if day.tzinfo else day.replace(tzinfo=UTC)
    elif isinstance(day, date):
        # a day without an hour: until its end
        handed["collected"] = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    made = kind_named(kind)
    takes = signature(made).parameters
    if "called" in takes:
        handed |= {"called": handed.pop("columns", {}), "how": in_table("source")}
    handed |= {
        name: value for name, value in (("prices", prices), ("wanted", wanted)) if name in takes
    }
    source: SignalSource = made(path, **handed)
    return source


def in_table(table: str) -> HowToMap:
    """How columns are mapped in a table of a configuration, for errors."""
    whole = f"[{table}.columns]"
    return HowToMap(
        f'{{}} = "{{}}" in {whole}', whole, f"say what they are called in {whole}: {{}}"
    )
