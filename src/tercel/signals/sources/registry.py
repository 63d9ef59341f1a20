"""Registry of sources by kind, as a configuration names them.

    source_of("news", Path("news.parquet"), drop_broken=True)

    [[source]]
    kind = "news"
    path = "news.parquet"
    drop_broken = true

| kind | path | options |
|---|---|---|
| `daily` | daily prices | `history`, `least_dollars`, `without`, `survivors` |
| `news` | headlines: time, names, text | `timezone`, `window_days`, `features`, `learn_days`, `drop_broken` |
| `series` | numbers with a date, of all or by name | `lag_days`; `date`, `series`, `period_days`, `instrument`, `changes` |

All read CSV, Parquet and JSON lines, columns by their usual names or by a table `[source.columns]`.
All take `name` and `collected`, the day (with a zone) after which nothing in the set can have been known.

A package of one's own gives a kind by a dataclass in the entry point group ``tercel.sources``, a kind of panel by a
subclass of `DailyFactors` in ``tercel.panels``. `studies` so gives reports of companies: the sources `fundamentals` and
`statements`.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from inspect import signature
from pathlib import Path
from typing import Any, Final

import polars as pl
from pydantic import InstanceOf

from tercel.core.entry_points import resolve_entry_point
from tercel.core.errors import ConfigError
from tercel.core.tables.table import HowToMap
from tercel.core.validation import convert_options
from tercel.signals.sources.daily import DailyFactors
from tercel.signals.sources.news import News
from tercel.signals.sources.port import SignalSource
from tercel.signals.sources.series import DatedSeries

KINDS: Final[dict[str, Callable[..., SignalSource]]] = {
    "daily": DailyFactors,
    "series": DatedSeries,
    "news": News,
}
"""Makers of a source by kind, from a path and options."""
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
        else resolve_entry_point("tercel.sources", kind, KINDS, "a kind of source among")
    )


def panel_named(kind: str) -> Any:
    """The class of daily factors that a kind of panel has; None of a synthetic one.

    Raises
    ------
    UnknownNameError
        Neither one of `PANELS` nor of an installed package.
    """
    return (
        PANELS[kind]
        if kind in PANELS
        else resolve_entry_point("tercel.panels", kind, PANELS, "a kind of panel among")
    )


def check_source(kind: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Checked options of a kind of source; raises ConfigError for unknown, missing or wrong ones, without reading files.

    Raises
    ------
    UnknownNameError, ConfigError
        As :func:`source_of`.
    """
    _, *parameters = signature(kind_named(kind)).parameters.values()
    names = {parameter.name for parameter in parameters} - {"columns", "how", "prices", "wanted"}
    known = sorted("columns" if name == "called" else name for name in names)
    if unknown := sorted(set(options) - set(known)):
        raise ConfigError(
            f"options of {kind} among {', '.join(known)}", ", ".join(unknown), "mend the names"
        )
    if missing := [
        parameter.name
        for parameter in parameters
        if parameter.default is parameter.empty and options.get(parameter.name) in (None, [], ())
    ]:
        raise ConfigError(f"the options that {kind} needs", f"no {', '.join(missing)}", "add them")
    return convert_options(
        kind_named(kind), options, f"[[source]] {kind}", collected=InstanceOf[date]
    )


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
    checked_options = check_source(kind, options)
    arguments = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in checked_options.items()
    }
    day = arguments.get("collected")
    if isinstance(day, datetime):
        arguments["collected"] = day if day.tzinfo else day.replace(tzinfo=UTC)
    elif isinstance(day, date):
        # a day without an hour: until its end
        arguments["collected"] = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(
            days=1
        )
    make = kind_named(kind)
    parameters = signature(make).parameters
    if "called" in parameters:
        arguments |= {"called": arguments.pop("columns", {}), "how": table_instructions("source")}
    arguments |= {
        name: value
        for name, value in (("prices", prices), ("wanted", wanted))
        if name in parameters
    }
    source: SignalSource = make(path, **arguments)
    return source


def table_instructions(table: str) -> HowToMap:
    """How to map columns in a table of a configuration, as error messages explain it."""
    section_name = f"[{table}.columns]"
    return HowToMap(
        f'{{}} = "{{}}" in {section_name}',
        section_name,
        f"say what they are called in {section_name}: {{}}",
    )
