"""Sources by kind, as a configuration names them.

    source_of("fundamentals", Path("reports.parquet"), drop_impossible=True)

| kind | path | options |
|---|---|---|
| `daily` | daily prices, Parquet | `history`, `least_dollars`, `without` |
| `bars` | a lake | `days` (pairs of symbol and date), `every_s`, `levels` |
| `fundamentals` | reports with the day of collection, Parquet | `drop_impossible` |
| `statements` | statements without it, CSV | `lag_days` (must be stated) |
| `series` | CSV with a date | `date`, `series`, `lag_days`, `period_days`, `instrument` |
| `module:Name` | first argument of a class, or function, of anybody's | its other arguments |

`BESIDE` has those of public data sets. All take `name` and `collected`, the day (with a zone) after which nothing in
the set can have been known.
"""

from __future__ import annotations

from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any, Final

from tercel.core.errors import ConfigError, UnknownNameError
from tercel.signals.sources.altdata import DatedSeries
from tercel.signals.sources.daily import DailyFactors
from tercel.signals.sources.fundamentals import Fundamentals, Statements
from tercel.signals.sources.microstructure import MicrostructureBars
from tercel.signals.sources.port import SignalSource

PLAIN: Final[dict[str, type]] = {
    "daily": DailyFactors,
    "bars": MicrostructureBars,
    "fundamentals": Fundamentals,
    "statements": Statements,
    "series": DatedSeries,
}
BESIDE: Final = {
    "tweets": "studies.sources.stocknet:tweets",
    "stocknet": "studies.sources.stocknet:StockNetFactors",
    "lights": "studies.sources.lights:NighttimeLights",
    "scenes": "studies.sources.scenes:Scenes",
}
"""Kinds that a clone has beside the package: tone of StockNet's tweets, factors of its prices, night lights, scenes."""


def maker_of(kind: str) -> Any:
    """What makes a source of a kind from a path and options.

    Raises
    ------
    UnknownNameError
        For a kind that is neither here, nor in `BESIDE`, nor `module:Name`.
    ConfigError
        For a module that cannot be imported, or has no such name.
    """
    if kind in PLAIN:
        return PLAIN[kind]
    home, _, name = BESIDE.get(kind, kind).partition(":")
    if not name:
        expected = f"a kind of source among {', '.join((*PLAIN, *BESIDE))}, or module:Name"
        raise UnknownNameError(expected, kind, "name one of them")
    try:
        return getattr(import_module(home), name)
    except (ImportError, AttributeError) as error:
        remedy = "pip install ./studies, from a clone of the repository" if kind in BESIDE else "check the name"
        raise ConfigError(f"a source at {home}:{name}", str(error), remedy) from error


def source_of(kind: str, path: Path, **options: Any) -> SignalSource:
    """A source of a kind.

    Raises
    ------
    UnknownNameError, ConfigError
        As :func:`maker_of`.
    ConfigError
        For an option that the kind does not know, or lacks.
    DataError
        (tweets) when the set cannot be read.
    """
    made = maker_of(kind)
    known = set(list(signature(made).parameters)[1:]) - {"columns"}
    unknown = sorted(set(options) - known)
    if unknown:
        raise ConfigError(f"options of {kind} among {', '.join(sorted(known))}", ", ".join(unknown), "mend the names")
    tuples = {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}
    try:
        source: SignalSource = made(path, **tuples)
    except TypeError as error:
        raise ConfigError(f"the options that {kind} needs", str(error), "add them") from error
    return source
