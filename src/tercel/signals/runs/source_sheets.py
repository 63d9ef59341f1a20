"""Tear sheets of the sources of a trained run, also of those without weight.

A source with one column is measured by that column; and each by what its models forecast out of fold.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import polars as pl

from tercel.core.arrays import Floats
from tercel.core.errors import DataError
from tercel.core.report.page import write_page
from tercel.signals.frames import Run, model_of
from tercel.signals.models.predict import check_prices_exist, config_of
from tercel.signals.panel.build import market_of, prices_of
from tercel.signals.panel.dataset import Dataset
from tercel.signals.panel.priced_scores import PricedReturns, priced_returns
from tercel.signals.panel.tear_sheet import HORIZONS, TearSheet, steps_of, tear_sheet
from tercel.signals.panel.tear_sheet_page import tear_sheets_page
from tercel.signals.runs.config import SignalsConfig
from tercel.signals.runs.train import forecasts_in, panel_in
from tercel.signals.sources.port import NEW_YORK
from tercel.signals.sources.sectors import read_sectors

SHEETS: Final = "tear_sheets"
"""Name of the page, and of the figures beside it."""
_SHARE: Final = 10
"""Days of prices for each bar of a horizon, at least."""


def source_sheets(
    config: SignalsConfig, seed: int, folder: Path, sectors: object = None
) -> tuple[dict[str, TearSheet], list[str]]:
    """Tear sheets of a run by source (its only column) and by source:family (forecasts); and why others have none.

    Raises
    ------
    ConfigError, DataError
        A folder that was not trained in; sectors that cannot be read.
    """
    given = None if sectors is None else read_sectors(sectors)
    data, _ = panel_in(config, seed, folder)
    forecasts, columns = forecasts_in(folder, data.n)
    scores = {
        name: data.x[:, places[0]] for name, places in data.sources.items() if len(places) == 1
    }
    scores |= {name: forecasts[:, k] for k, name in enumerate(columns)}
    priced = _priced(config, seed)
    horizons = [h for h in priced.returns if h in {*HORIZONS, config.panel.horizon}]
    sheets = {}
    left_out = []
    for name, score in scores.items():
        try:
            sheets[name] = tear_sheet(
                _dated(data, score), priced, horizons=horizons, sectors=given, name=name, seed=seed
            )
        except DataError as error:
            left_out.append(f"{name} has no tear sheet: {error.received}")
    return sheets, left_out


def write_sheets(
    config: SignalsConfig, seed: int, folder: Path, sectors: object = None
) -> tuple[Path, list[str]]:
    """Write the page of :func:`source_sheets` into the folder, and its figures beside it; the page's path, and notes."""
    sheets, left_out = source_sheets(config, seed, folder, sectors)
    write_page(folder, SHEETS, sheets, tear_sheets_page(sheets, left_out))
    return folder / f"{SHEETS}.html", left_out


def tear_sheets(run: Run, sectors: object = None) -> Mapping[str, TearSheet]:
    """Tear sheets of a trained run's sources, also of those without weight, by source and by source:family.

    Dates are those of the panel, every fifth bar unless `every` says else; forecasts begin with the first test block.

    Parameters
    ----------
    run : SignalRun or path
        A run, or its folder.
    sectors : path, data frame or mapping of name to sector, optional

    Raises
    ------
    ConfigError, DataError
        A folder that was not trained in, or files that are gone.
    """
    model = model_of(run)
    return source_sheets(config_of(model), model.facts.seed, model.folder.parent, sectors)[0]


def _priced(config: SignalsConfig, seed: int) -> PricedReturns:
    """Forward returns of the panel's prices, by its lag; the decay's horizons that the prices are ten times as long as."""
    panel = config.panel
    if panel.kind == "synthetic":
        local = pl.col("time").dt.convert_time_zone(NEW_YORK).dt.date()
        closes = market_of(config, seed).prices.with_columns(date=local, adjusted=True)
    else:
        closes = prices_of(check_prices_exist(config)).prices()
        last = pl.lit(panel.last).str.to_date()
        closes = closes.filter(pl.col("date") <= last).with_columns(adjusted=~pl.col("void"))
    days = closes.get_column("date").n_unique()
    asked = [h for h in {*HORIZONS, panel.horizon} if _SHARE * h <= days]
    lag = 0 if panel.kind == "synthetic" else panel.lag
    return priced_returns(closes, steps_of(asked or [1]), lag)


def _dated(data: Dataset, score: Floats) -> pl.DataFrame:
    """Scores of a panel's rows that have one, by the New York date of their decision."""
    rows = pl.DataFrame({"date": data.time_ns, "name": data.instrument, "value": score})
    local = pl.col("date").cast(pl.Datetime("ns", "UTC")).dt.convert_time_zone(NEW_YORK)
    return rows.filter(pl.col("value").is_not_nan()).with_columns(local.dt.date())
