"""`tc.portfolio`: books from dated forecasts, as `tercel portfolio backtest` prints them, and from weights by date."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from tercel.core.errors import refuse_if
from tercel.core.tables.table import ROW, read_table
from tercel.core.tables.table_map import ColumnNames
from tercel.signals.portfolio.comparison import compare_rules
from tercel.signals.portfolio.comparison_result import PortfolioComparison
from tercel.signals.portfolio.config import parse
from tercel.signals.portfolio.cost_laws import charge_of
from tercel.signals.portfolio.dated_values import FACTOR, read_benchmark, read_weights
from tercel.signals.portfolio.ledger import BookLedger, trade_weights
from tercel.signals.sources.dated_values import read_dated_values
from tercel.signals.sources.prices import price_table
from tercel.signals.sources.sectors import read_sectors


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


def backtest_weights(
    weights: object,
    prices: object,
    *,
    capital: float = 1e6,
    cost_bps: float | None = None,
    cost_law: float | None = None,
    min_commission: float = 0.0,
    borrow_bps: float = 0.0,
    lag: int = 0,
    sectors: object = None,
    benchmark: object = None,
    factors: Mapping[str, object] | None = None,
    seed: int = 1,
) -> BookLedger:
    """Trade weights by date at daily closes: returns, trades, holdings, P&L by name, exposures.

    The definitions are those of :mod:`tercel.signals.portfolio.ledger`.

    Parameters
    ----------
    weights : path, or data frame of Polars or pandas
        `date`, `name`, `weight` (a fraction of equity, below 0 of a short); or wide, a date and a column a name. A date
        is the close at which it is traded, also of a time after that close: give those a `lag`; the weights of a date are
        the whole book.
    prices : path or data frame
        Daily prices, see :func:`tercel.signals.sources.prices.read_prices`.
    capital : float
        Money at the beginning.
    cost_bps, cost_law : float
        One-way cost in bps of the value traded, or Y of the square-root law, about 1: one of them.
    min_commission : float
        Least cost of an order, in money.
    borrow_bps : float
        A year, of what is short.
    lag : int
        Trading days from a date of weights to its trade.
    sectors : path, data frame or mapping, optional
        See :func:`tercel.signals.sources.sectors.read_sectors`.
    benchmark : path or data frame, optional
        `date` and a close, or `return` (a fraction).
    factors : mapping of str to path or data frame, optional
        Own factors by name: `date`, `name`, `value`, or wide; empty ones are left out.
    seed : int
        Of the intervals.

    Raises
    ------
    ConfigError
        Not one of `cost_bps` and `cost_law`, or a number that makes no sense.
    DataError
        With the row, name or day: see :func:`tercel.signals.portfolio.ledger.trade_weights`.

    >>> import polars as pl
    >>> prices = pl.DataFrame({"date": ["2024-01-02", "2024-01-03", "2024-01-04"], "A": [10.0, 11.0, 11.0], "B": [5.0, 5.0, 4.0]})
    >>> weights = pl.DataFrame({"date": ["2024-01-02"], "A": [0.5], "B": [-0.5]})
    >>> backtest_weights(weights, prices, capital=1000.0, cost_bps=0).returns["equity"].to_list()
    [1000.0, 1050.0, 1150.0]
    """
    refuse_if(
        not isinstance(factors, Mapping | None),
        "own factors by name",
        type(factors).__name__,
        "give factors={'mine': frame}",
    )
    table = price_table(prices)
    ledger = trade_weights(
        read_weights(weights),
        table.frame,
        charge_of(cost_bps, cost_law, capital, min_commission, borrow_bps),
        lag=lag,
        sectors=None if sectors is None else read_sectors(sectors),
        benchmark=None if benchmark is None else read_benchmark(benchmark),
        factors={
            name: read_dated_values(values, FACTOR, complete=False).drop_nulls("value")
            for name, values in (factors or {}).items()
        },
        seed=seed,
    )
    return replace(ledger, notes=(*table.other_notes, *ledger.notes))
