"""Risk of a book from daily prices, in frames: what `tercel risk forecast` prints."""

from types import MappingProxyType

from tercel.core.tables.table_map import ColumnNames, TableMap
from tercel.signals.portfolio.portfolio_file import read_portfolio
from tercel.signals.risk import forecast as forecasting
from tercel.signals.risk.forecast import WINDOW, RiskForecast
from tercel.signals.risk.ports import CovarianceEstimator
from tercel.signals.risk.value_at_risk import LEVEL


def forecast(
    prices: object,
    weights: object = None,
    *,
    volatility: str = "",
    covariance: str | CovarianceEstimator = "",
    window: int = WINDOW,
    level: float = LEVEL,
    columns: TableMap | ColumnNames = MappingProxyType({}),
    adjusted: bool = False,
) -> RiskForecast:
    """Risk of a book on the day after its last: volatility by name, covariance, Value at Risk and Expected Shortfall.

    Parameters
    ----------
    prices, weights, columns, adjusted
        As :func:`tercel.signals.portfolio.portfolio_file.read_portfolio`.
    volatility, covariance, window, level
        As :func:`tercel.signals.risk.forecast.forecast`.

    Raises
    ------
    ConfigError, DataError
        As these two.

    >>> import polars as pl
    >>> days = pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 6, 1), eager=True).alias("date")
    >>> moves = (days.dt.ordinal_day().cast(pl.Float64) * 2.4).sin() / 50
    >>> found = forecast(pl.DataFrame([days, (100 * (1 + moves)).alias("A")]), volatility="ewma")
    >>> found.table().columns
    ['name', 'weight', 'sd', 'sd_year', 'var', 'es']
    """
    book = read_portfolio(prices, columns, weights, adjusted=adjusted)
    return forecasting.forecast(book, volatility, covariance, window=window, level=level)
