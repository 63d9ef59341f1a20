"""Recalibration of a forecaster by day: a recursive slope of a symbol's moves on its forecasts, behind a gate.

A slope of 1 says that forecasts are as large as the moves that follow. Where the days of a symbol do not tell its slope
from 0, the gate closes, and the forecaster has no forecast of that symbol. Two sums of each day stay on the card, so that
later days are added to earlier ones, and earlier ones can be taken back.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from tercel.core.arrays import Floats
from tercel.core.errors import DataError, refuse_if
from tercel.core.report.formatting import format_number
from tercel.core.stats.quantiles import t_quantile
from tercel.execution.foresight.forecast_kernels import HORIZONS
from tercel.execution.foresight.forecaster import (
    CARD,
    TABLE,
    WAITING,
    Forecaster,
    Recalibrated,
    Slope,
    save,
)
from tercel.market.tape.lake import Lake
from tercel.signals.flow.days import FlowDay, read_day
from tercel.signals.flow.score_page import Table
from tercel.signals.flow.train import progress_steps

HALF_LIFE_DAYS: Final = 20.0
LEAST_DAYS: Final = 3
"""Days before which the prior holds, a slope of 1."""
CONFIDENCE: Final = 0.95
"""Of the interval's lower end, one-sided."""
WAITING_DAYS: Final = 20
"""Days that the cost of waiting is measured on."""
MAX_SLOPE: Final = 1.5
"""Slope that no forecast is multiplied by more than."""
NO_DAYS: Final = np.zeros(7)
"""Sufficient statistics of a slope before its first day."""


def update_slope_sums(
    slope_sums: Floats, square: float, cross: float, half_life_days: float = HALF_LIFE_DAYS
) -> Floats:
    """Update the statistics of a slope by one more day, with decay of older ones; a day without forecasts changes
    nothing.

    Its prior is a slope of 1 with the weight of the first day, forgotten as a day is.

    Parameters
    ----------
    slope_sums : float64 (7,)
        Days so far, and weighted sums over them: of the prior, of squares of forecasts, of forecasts times moves; of
        each day's square squared, square times cross, and cross squared, by squared weights.
    square, cross : float
        Sums of the day's squared forecasts, and of forecasts times moves.
    half_life_days : float
        Days after which a day has half of its weight.

    Returns
    -------
    float64 (7,)
    """
    if square == 0.0:
        return slope_sums
    decay = 0.5 ** (1.0 / half_life_days)
    prior = 0.0 if slope_sums[0] else decay * square
    discounted = slope_sums * np.array([1.0, *[decay] * 3, *[decay**2] * 3])
    return np.asarray(
        discounted + np.array([1.0, prior, square, cross, square**2, square * cross, cross**2])
    )


def estimate_slope(slope_sums: Floats) -> Slope:
    """Slope of moves on forecasts, pulled to 1 by its prior, within [0, MAX_SLOPE]; its standard error, lower bound,
    and whether the gate is open (`speaks`); slope 1 and open below LEAST_DAYS.

    The gate is by days alone, as clusters: the prior holds none open. Standard error and lower end are None, and the
    gate closed, where one day has most of the weight.

    >>> two = update_slope_sums(update_slope_sums(NO_DAYS, 10.0, 5.0), 10.0, 5.0)
    >>> estimate_slope(two).slope, estimate_slope(two).speaks
    (1.0, True)
    >>> up, down = (estimate_slope(update_slope_sums(two, 10.0, y)) for y in (5.5, -9.0))
    >>> round(up.slope, 2), down.speaks
    (0.63, False)
    """
    days, prior, square, cross, squares, mixed, crosses = slope_sums.tolist()
    if days < LEAST_DAYS:
        return Slope(1.0, speaks=True)
    effective = square**2 / squares
    alone = cross / square
    se = None
    low = None
    if effective >= 2.0:
        spread = max(crosses - 2.0 * alone * mixed + alone**2 * squares, 0.0)
        se = math.sqrt(spread * effective / (effective - 1.0)) / square
        low = alone - t_quantile(CONFIDENCE, effective - 1.0) * se
    slope = min(max((cross + prior) / (square + prior), 0.0), MAX_SLOPE)
    return Slope(slope, se, low, speaks=low is not None and low > 0.0)


def day_sums(forecaster: Forecaster, day: FlowDay, horizon_s: int) -> list[float]:
    """Sum of a day's squared forecasts, and of forecasts times scaled moves."""
    moves = day.scaled_moves(horizon_s)
    finite = np.isfinite(moves)
    forecasts = forecaster.predict(day.x[finite], horizon_s)
    return [float((forecasts * forecasts).sum()), float((forecasts * moves[finite]).sum())]


@dataclass(frozen=True)
class Recalibration:
    """A recalibrated forecaster: its folder, its hash, and by symbol the days and the slope of each horizon."""

    out: Path
    model: str
    recalibrated: dict[str, dict[str, Any]]

    def table(self) -> Table:
        """Slopes of the symbols, one row per symbol and horizon."""
        rows: list[tuple[Any, ...]] = []
        for symbol, recalibrated in msgspec.convert(
            self.recalibrated, dict[str, Recalibrated]
        ).items():
            for h, slope in zip(HORIZONS, recalibrated.slopes, strict=True):
                figures = (
                    format_number(figure, 2) for figure in (slope.slope, slope.se, slope.low)
                )
                used = "yes" if slope.speaks else "no"
                waiting = format_number(recalibrated.waiting or None, 2)
                rows.append((symbol, f"{h} s", len(recalibrated.days), *figures, used, waiting))
        heads = (
            "symbol",
            "ahead",
            "days",
            "slope",
            "s.e.",
            "at least",
            "used",
            "waiting / half spread",
        )
        return "slope of moves on forecasts", heads, rows


def recalibrate(
    model: Forecaster,
    lake: Lake,
    symbols: Sequence[str],
    out: Path,
    until: str = "",
    waiting: Callable[[str, Sequence[str]], float] | None = None,
    dates: Sequence[str] = (),
) -> Recalibration:
    """Update the slopes of some symbols by the days of a lake, in their order, and save the forecaster with them in `out`.

    Days that it was trained on, and those that the slopes know already, are left out.

    Parameters
    ----------
    until : str
        ISO date: days after it are taken back, and none is read.
    waiting : callable, optional
        Cost of waiting in a symbol by some days of the lake, over half the spread; measured on the latest
        `WAITING_DAYS` up to the last that a slope knows.
    dates : sequence of str
        Days of the lake that are read at all; all if none is named.

    Raises
    ------
    DataError
        If a day is earlier than a slope's last, or a symbol has no day to learn from.
    """
    rows: dict[str, dict[str, Any]] = dict(model.card.get(TABLE, {}))
    days_by_symbol = {
        symbol: _retained_and_fresh_days(model, symbol, _days_of(lake, symbol, dates), until)
        for symbol in symbols
    }
    with progress_steps(
        "reading days", sum(len(fresh) for _, fresh in days_by_symbol.values())
    ) as step:
        for symbol, (retained, fresh) in days_by_symbol.items():
            sums = rows[symbol]["sums"][: len(retained)] if retained else []
            for date in fresh:
                day = read_day(lake, symbol, date)
                sums = [*sums, [day_sums(model, day, h) for h in HORIZONS]]
                step()
            slope_days = [*retained, *fresh]
            rows[symbol] = {"days": slope_days, "sums": sums}
            if waiting is not None:
                past = [date for date in _days_of(lake, symbol, dates) if date <= slope_days[-1]]
                rows[symbol][WAITING] = waiting(symbol, past[-WAITING_DAYS:])
            for n, h in enumerate(HORIZONS):
                slope_sums = reduce(
                    lambda before, row, n=n: update_slope_sums(before, *row[n]), sums, NO_DAYS
                )
                rows[symbol][str(h)] = asdict(estimate_slope(slope_sums))
    saved = save(out, replace(model, card={**model.card, TABLE: rows}))
    reported = {
        symbol: {key: value for key, value in rows[symbol].items() if key != "sums"}
        for symbol in symbols
    }
    return Recalibration(out, saved.id, reported)


def _days_of(lake: Lake, symbol: str, dates: Sequence[str]) -> list[str]:
    """Recorded days of a symbol, those of `dates` alone where any is named."""
    return [date for date in lake.days(symbol) if not dates or date in dates]


def _retained_and_fresh_days(
    model: Forecaster, symbol: str, recorded: Sequence[str], until: str
) -> tuple[list[str], list[str]]:
    """Days whose sums a slope already has and keeps (to `until`), and recorded days to add, none trained on; raises
    DataError without either, or for one to add that is before the last kept.
    """
    row = model.facts.recalibrated.get(symbol)
    trained = model.trained_on(symbol)
    slope_days = row.days if row else ()
    retained, dates = (
        [date for date in days if date <= (until or date)] for days in (slope_days, recorded)
    )
    fresh = [date for date in dates if date not in {*retained, *trained}]
    refuse_if(
        not retained and not fresh,
        f"days of {symbol} that {model.id} was not trained on",
        f"none of {len(recorded)} recorded{until and ' until ' + until}",
        "import other days",
        DataError,
    )
    if retained and fresh and fresh[0] < retained[-1]:
        raise DataError(
            f"days of {symbol} after {retained[-1]}",
            f"{fresh[0]} in the lake, none of the {len(slope_days)} on the {CARD} of {model.id}",
            f"go back with `until={fresh[0]}`, then on without it",
        )
    return retained, fresh
