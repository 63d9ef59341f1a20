"""Books from dated forecasts, in frames: what `tercel portfolio backtest` prints."""

from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from tercel.core.tables.table import ROW, read_table
from tercel.core.tables.table_map import ColumnNames
from tercel.signals.portfolio.comparison import compare_rules
from tercel.signals.portfolio.comparison_result import PortfolioComparison
from tercel.signals.portfolio.config import parse


def backtest(
    source: object,
    *,
    cost_bps: float | None = None,
    cost_law: float | None = None,
    capital: float | None = None,
    book: Literal["by_risk", "equal_risk"] = "by_risk",
    hold: float = 0.0,
    rules: Sequence[str] = ("all_at_once", "rate", "zone"),
    first: str = "",
    last: str = "9999-12-31",
    columns: ColumnNames = MappingProxyType({}),
    seed: int = 1,
    shuffled: bool = False,
) -> PortfolioComparison:
    """Trade dated forecasts all at once, at a rate and around a zone; as `tercel portfolio backtest`.

    Parameters
    ----------
    source : data frame of Polars or pandas, or path
        Forecasts: date, name, value, outcome (a fraction), sd (of a day's return); `end` and `dollars` if known. Or the
        path of a portfolio's TOML file, which says all settings but `seed` and `shuffled`.
    cost_bps, cost_law : float, optional
        One of them: one-way cost in bps, or Y of the square-root law, which needs `capital`.
    book, hold, rules, first, last
        As `[book]` and `[rules]` of the file.
    columns : mapping
        Names of columns, ours to theirs.
    shuffled : bool
        A control: outcomes exchanged among the names of a date.

    Raises
    ------
    ConfigError, DataError
        As :mod:`tercel.signals.portfolio.config`.
    """
    is_file = isinstance(source, str | Path)
    if is_file and Path(str(source)).suffix == ".toml":
        return compare_rules(Path(str(source)), seed, shuffled=shuffled)
    file = str(source) if is_file else "the data frame"
    cost = {"bps": cost_bps, "law": cost_law, "capital": capital}
    raw = {
        "forecasts": {"file": file, "columns": dict(columns)},
        "book": {"kind": book, "hold": hold},
        "cost": {key: number for key, number in cost.items() if number is not None},
        "rules": {"names": tuple(rules), "first": first, "last": last},
    }
    table = None if is_file else read_table(source).frame.drop(ROW)
    config = parse(raw, "the settings")
    return compare_rules(Path(file), seed, shuffled=shuffled, config=config, table=table)
