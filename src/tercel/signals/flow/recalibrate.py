"""Recalibration of a forecaster by day: a recursive slope of a symbol's moves on its forecasts, behind a gate.

A slope of 1 says that forecasts are as large as what comes. Where the days of a symbol do not tell its slope from 0,
the gate closes, and the forecaster says nothing of it. Each day is known by two sums, which stay on the card: so later
days go on from there, and earlier ones are taken back.
"""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, replace
from functools import reduce
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from tercel.core.arrays import Floats
from tercel.core.errors import DataError, refuse_if
from tercel.core.report.tables import fixed
from tercel.core.stats.inference import t_quantile
from tercel.execution.foresight.forecaster import (
    CARD,
    DEFAULT,
    ENOUGH,
    HORIZONS,
    TABLE,
    WAITING,
    Forecaster,
    Recalibrated,
    SimulatedMarket,
    Slope,
    save,
)
from tercel.market.score.card import StoredLessons
from tercel.market.score.dynamics import Adder, SumFigure, Sums, estimates, over, table
from tercel.market.tape.lake import Lake
from tercel.signals.flow.days import STEP_NS, FlowDay, read_day
from tercel.signals.flow.train import (
    LEAST,
    Table,
    Trees,
    fitted,
    forecasts_and_moves,
    halves,
    stacked,
    steps,
)

# -- carry ----------------------------------------------------------------------------------------
# Carry: share of the skill on tape of a forecast that was learned in a simulated market.
#
# It is R² on days of tape of a forecast learned on simulated days, over R² there of one learned on earlier days of the
# tape: 1 if the market teaches as well as its tape, 0 if its lessons do not hold there. Policies read forecasts of 10
# and 30 s; a market carries as much as it does at the worse of both.

KIND: Final = "boosting"
_SUMS: Final = ("square", "tape", "simulated")
_FIGURES: Final = (
    SumFigure("tape", ("square", "tape"), lambda square, tape: over(square - tape, square)),
    SumFigure(
        "simulated", ("square", "simulated"), lambda square, made: over(square - made, square)
    ),
    SumFigure("carry", _SUMS, lambda square, tape, made: over(square - made, square - tape)),
)


@dataclass(frozen=True)
class CarryCell:
    """One horizon: R² on tape of what was learned on tape and in simulation, and their quotient with its interval.

    The quotient is None where R² on tape is not statistically above 0.
    """

    tape: float
    simulated: float
    carry: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None


@dataclass(frozen=True)
class Carry:
    """Skill on tape of forecasts learned in a simulated market.

    Parameters
    ----------
    carry : float or None
        The smallest of its horizons; None if forecasts learned on tape have no skill at any.
    learned_on, judged_on : tuple of str
        Days of tape: those that the other forecast is learned on, and the later ones that both are judged on.
    horizons : dict of str to CarryCell
        By seconds.
    """

    carry: float | None
    learned_on: tuple[str, ...]
    judged_on: tuple[str, ...]
    horizons: dict[str, CarryCell]


def carry(
    tape: Sequence[FlowDay], seen: Collection[str], made: Sequence[FlowDay], seed: int
) -> Carry | None:
    """Carry of a market to a tape; None without LightGBM, and of days that are too short to learn from or to judge on.

    Parameters
    ----------
    tape : sequence of FlowDay
        Days by date; the later ones are judged on, of a single day its second half.
    seen : collection of str
        Dates that the market was calibrated on: not judged on if there are others.
    made : sequence of FlowDay
        Simulated.
    seed : int
    """
    if find_spec("lightgbm") is None:
        return None
    early, later = halves(tape) if len(tape) > 1 else _in_two(tape[0])
    later = [day for day in later if day.date not in seen] or later
    if min(len(stacked(days, HORIZONS[-1])[1]) for days in (early, later, made)) < LEAST:
        return None
    horizons = {str(h): _at(early, later, made, h, seed) for h in HORIZONS}
    known = [cell.carry for cell in horizons.values() if cell.carry is not None]
    learned_on, judged_on = (tuple(day.date for day in days) for days in (early, later))
    return Carry(min(known, default=None), learned_on, judged_on, horizons)


def _in_two(day: FlowDay) -> tuple[list[FlowDay], list[FlowDay]]:
    """The halves of a day."""
    parts = [slice(None, len(day.x) // 2), slice(len(day.x) // 2, None)]
    first, second = (
        replace(day, at=day.at[p], x=day.x[p], sign=day.sign[p], unit=day.unit[p]) for p in parts
    )
    return [first], [second]


def _at(
    early: Sequence[FlowDay], later: Sequence[FlowDay], made: Sequence[FlowDay], h: int, seed: int
) -> CarryCell:
    own, other = (fitted(KIND, [days], h, seed) for days in (early, made))
    r2, simulated, quotient = estimates(
        _FIGURES, table([_errors(day, h, own, other) for day in later], _SUMS), _SUMS, seed
    ).values()
    cell = CarryCell(r2.mean, simulated.mean)
    teaches = r2.ci_low is not None and r2.ci_low > 0.0
    return (
        replace(cell, carry=quotient.mean, ci_low=quotient.ci_low, ci_high=quotient.ci_high)
        if teaches
        else cell
    )


def _errors(day: FlowDay, h: int, own: Trees, other: Trees) -> Sums:
    """Squares of a day's moves, and of what two models miss of them."""
    ns, adder = day.first_ns + day.at[np.isfinite(day.scaled(h))] * STEP_NS, Adder(day.first_ns)
    for name, model in zip(_SUMS[1:], (own, other), strict=True):
        said, came = forecasts_and_moves(model, [day], h)
        adder.add(name, ns, (came - said) ** 2)
    adder.add("square", ns, came**2)
    return adder.sums


def in_words(card: Carry | StoredLessons | SimulatedMarket | None) -> str:
    """Sentence on the R² ratio on a market's card; None: a card without tape.

    >>> in_words(Carry(0.123, (), (), {}))
    'R² ratio 0.12, below 0.5: no policy reads forecasts that are learned in it, but those of tape alone (flow-2)'
    """
    share = card.carry if card else None
    if share is None:
        return f"no R² ratio: {'too little' if card else 'no'} tape to tell; the built-in one ({DEFAULT}) was learned on tape"
    if share < ENOUGH:
        alone = f"but those of tape alone ({DEFAULT})"
        return f"R² ratio {share:.2f}, below {ENOUGH}: no policy reads forecasts that are learned in it, {alone}"
    return f"R² ratio {share:.2f}: a policy may read forecasts learned in it; the built-in one ({DEFAULT}) was learned on tape"


# -- recalibrate ----------------------------------------------------------------------------------

HALF_LIFE_DAYS: Final = 20.0
LEAST_DAYS: Final = 3
"""Days before which the prior holds, a slope of 1."""
SURE: Final = 0.95
"""Of the interval's lower end, one-sided."""
WAITING_DAYS: Final = 20
"""Days that the cost of waiting is measured on."""
MOST: Final = 1.5
"""Slope that no forecast is multiplied by more than."""

NO_DAYS: Final = np.zeros(7)
"""Sufficient statistics of a slope before its first day."""


def after(
    known: Floats, square: float, cross: float, half_life_days: float = HALF_LIFE_DAYS
) -> Floats:
    """Update the statistics of a slope by one more day, with decay of older ones; a day without forecasts changes
    nothing.

    Its prior is a slope of 1 with the weight of the first day, forgotten as a day is.

    Parameters
    ----------
    known : float64 (7,)
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
        return known
    keep = 0.5 ** (1.0 / half_life_days)
    prior = 0.0 if known[0] else keep * square
    discounted = known * np.array([1.0, *[keep] * 3, *[keep**2] * 3])
    return np.asarray(
        discounted + np.array([1.0, prior, square, cross, square**2, square * cross, cross**2])
    )


def words(known: Floats) -> Slope:
    """A slope as a card says it: with its prior, 0 to MOST; s.e. and lower end of the days alone; whether it speaks.

    The gate is by days alone, as clusters: the prior holds none open. Standard error and lower end are None, and the
    gate closed, where one day has most of the weight.

    >>> two = after(after(NO_DAYS, 10.0, 5.0), 10.0, 5.0)
    >>> words(two).slope, words(two).speaks
    (1.0, True)
    >>> round(words(after(two, 10.0, 5.5)).slope, 2), words(after(two, 10.0, -9.0)).speaks
    (0.63, False)
    """
    days, prior, square, cross, squares, mixed, crosses = known.tolist()
    if days < LEAST_DAYS:
        return Slope(1.0, speaks=True)
    effective, alone, se, low = square**2 / squares, cross / square, None, None
    if effective >= 2.0:
        spread = max(crosses - 2.0 * alone * mixed + alone**2 * squares, 0.0)
        se = math.sqrt(spread * effective / (effective - 1.0)) / square
        low = alone - t_quantile(SURE, effective - 1.0) * se
    slope = min(max((cross + prior) / (square + prior), 0.0), MOST)
    return Slope(slope, se, low, speaks=low is not None and low > 0.0)


def day_sums(forecaster: Forecaster, day: FlowDay, horizon_s: int) -> list[float]:
    """Sum of a day's squared forecasts, and of forecasts times scaled moves."""
    came = day.scaled(horizon_s)
    known = np.isfinite(came)
    said = forecaster.predict(day.x[known], horizon_s)
    return [float((said * said).sum()), float((said * came[known]).sum())]


@dataclass(frozen=True)
class Recalibration:
    """A forecaster with other slopes: its folder, its hash, and of each symbol the days and the slope of each horizon."""

    out: Path
    model: str
    recalibrated: dict[str, dict[str, Any]]

    def table(self) -> Table:
        """Slopes of the symbols, one row per symbol and horizon."""
        rows: list[tuple[Any, ...]] = []
        for symbol, one in msgspec.convert(self.recalibrated, dict[str, Recalibrated]).items():
            for h, at in zip(HORIZONS, one.slopes, strict=True):
                figures = (fixed(each, 2) for each in (at.slope, at.se, at.low))
                used, waiting = "yes" if at.speaks else "no", fixed(one.waiting or None, 2)
                rows.append((symbol, f"{h} s", len(one.days), *figures, used, waiting))
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
) -> Recalibration:
    """Update the slopes of some symbols, by the days of a lake in their order, and save the forecaster with them.

    Days that it was trained on, and those that the slopes know already, are left out.

    Parameters
    ----------
    until : str
        ISO date: days after it are taken back, and none is read.
    waiting : callable, optional
        Cost of waiting in a symbol by some days of the lake, over half the spread; measured on the latest
        `WAITING_DAYS` up to the last that a slope knows.

    Raises
    ------
    DataError
        If a day is earlier than a slope's last, or a symbol has no day to learn from.
    """
    rows: dict[str, dict[str, Any]] = dict(model.card.get(TABLE, {}))
    wanted = {one: _fresh(model, lake, one, until) for one in symbols}
    with steps("reading days", sum(len(fresh) for _, fresh in wanted.values())) as step:
        for symbol, (retained, fresh) in wanted.items():
            sums = rows[symbol]["sums"][: len(retained)] if retained else []
            for date in fresh:
                day = read_day(lake, symbol, date)
                sums = [*sums, [day_sums(model, day, h) for h in HORIZONS]]
                step()
            known = [*retained, *fresh]
            rows[symbol] = {"days": known, "sums": sums}
            if waiting is not None:
                past = [one for one in lake.days(symbol) if one <= known[-1]]
                rows[symbol][WAITING] = waiting(symbol, past[-WAITING_DAYS:])
            for n, h in enumerate(HORIZONS):
                sum_ = reduce(lambda before, row, n=n: after(before, *row[n]), sums, NO_DAYS)
                rows[symbol][str(h)] = asdict(words(sum_))
    saved = save(out, replace(model, card={**model.card, TABLE: rows}))
    said = {
        one: {key: value for key, value in rows[one].items() if key != "sums"} for one in symbols
    }
    return Recalibration(out, saved.id, said)


def _fresh(model: Forecaster, lake: Lake, symbol: str, until: str) -> tuple[list[str], list[str]]:
    """Days that a slope of a symbol keeps, and those to go on with."""
    row, trained = model.facts.recalibrated.get(symbol), model.trained_on(symbol)
    known = row.days if row else ()
    retained, dates = (
        [date for date in some if date <= (until or date)] for some in (known, lake.days(symbol))
    )
    fresh = [date for date in dates if date not in {*retained, *trained}]
    refuse_if(
        not retained and not fresh,
        f"days of {symbol} that {model.id} was not trained on",
        f"none in {lake.root}{until and ' until ' + until}",
        "import other days",
        DataError,
    )
    if retained and fresh and fresh[0] < retained[-1]:
        raise DataError(
            f"days of {symbol} after {retained[-1]}",
            f"{fresh[0]} in {lake.root}, none of the {len(known)} on the {CARD} of {model.id}",
            f"go back with `until={fresh[0]}`, then on without it",
        )
    return retained, fresh
