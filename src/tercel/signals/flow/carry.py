"""Carry of a simulated market: R² on tape of a forecast learned in it, over R² there of a forecast learned on tape (`carry`).

Carry is R² on days of tape of a forecast learned on simulated days, over R² there of one learned on earlier days of the
tape: 1 if the market teaches as well as its tape, 0 if its lessons do not hold there. Policies read forecasts of 10
and 30 s; a market carries as much as it does at the worse of both.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Final

import numpy as np

from tercel.execution.foresight.forecast_kernels import HORIZONS
from tercel.execution.foresight.forecaster import DEFAULT, ENOUGH, SimulatedMarket
from tercel.market.score.half_hour_sums import (
    Adder,
    SumFigure,
    Sums,
    figure_estimates,
    safe_ratio,
    sums_table,
)
from tercel.market.score.stored_scores import StoredLessons
from tercel.signals.flow.days import STEP_NS, FlowDay
from tercel.signals.flow.train import (
    MIN_SAMPLES,
    fit_symbols,
    forecasts_and_moves,
    split_days,
    stack_samples,
)
from tercel.signals.flow.trees import Trees

KIND: Final = "boosting"
_SUMS: Final = ("square", "tape", "simulated")
_FIGURES: Final = (
    SumFigure("tape", ("square", "tape"), lambda square, tape: safe_ratio(square - tape, square)),
    SumFigure(
        "simulated",
        ("square", "simulated"),
        lambda square, simulated: safe_ratio(square - simulated, square),
    ),
    SumFigure(
        "carry",
        _SUMS,
        lambda square, tape, simulated: safe_ratio(square - simulated, square - tape),
    ),
)


@dataclass(frozen=True)
class CarryCell:
    """Carry at one horizon: R² on tape of what was learned on tape and in simulation, and their quotient with its interval.

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
    tape: Sequence[FlowDay],
    calibration_dates: Collection[str],
    simulated_days: Sequence[FlowDay],
    seed: int,
) -> Carry | None:
    """Carry of a simulated market to tape, by horizon and at the worst; None without LightGBM, or if days are too short.

    Parameters
    ----------
    tape : sequence of FlowDay
        Days by date; the later ones are judged on, of a single day its second half.
    calibration_dates : collection of str
        Dates that the market was calibrated on: not judged on if there are others.
    simulated_days : sequence of FlowDay
        Simulated.
    seed : int
    """
    if find_spec("lightgbm") is None:
        return None
    early, later = split_days(tape) if len(tape) > 1 else _split_in_halves(tape[0])
    later = [day for day in later if day.date not in calibration_dates] or later
    if (
        min(len(stack_samples(days, HORIZONS[-1])[1]) for days in (early, later, simulated_days))
        < MIN_SAMPLES
    ):
        return None
    horizons = {str(h): _carry_at_horizon(early, later, simulated_days, h, seed) for h in HORIZONS}
    carries = [cell.carry for cell in horizons.values() if cell.carry is not None]
    learned_on, judged_on = (tuple(day.date for day in days) for days in (early, later))
    return Carry(min(carries, default=None), learned_on, judged_on, horizons)


def _split_in_halves(day: FlowDay) -> tuple[list[FlowDay], list[FlowDay]]:
    """The first and the second half of a day's samples, each as a list of one day."""
    parts = [slice(None, len(day.x) // 2), slice(len(day.x) // 2, None)]
    early, later = (
        replace(
            day,
            quote_index=day.quote_index[half],
            x=day.x[half],
            sign=day.sign[half],
            unit=day.unit[half],
        )
        for half in parts
    )
    return [early], [later]


def _carry_at_horizon(
    early: Sequence[FlowDay],
    later: Sequence[FlowDay],
    simulated_days: Sequence[FlowDay],
    h: int,
    seed: int,
) -> CarryCell:
    """R² on the later days of tape, at `h` seconds, of a model of earlier days and of one of simulated days, and their
    quotient: None unless the former is significantly above 0.
    """
    tape_model, simulated_model = (
        fit_symbols(KIND, [days], h, seed) for days in (early, simulated_days)
    )
    r2, simulated, quotient = figure_estimates(
        _FIGURES,
        sums_table([_errors(day, h, tape_model, simulated_model) for day in later], _SUMS),
        _SUMS,
        seed,
    ).values()
    cell = CarryCell(r2.mean, simulated.mean)
    teaches = r2.ci_low is not None and r2.ci_low > 0.0
    return (
        replace(cell, carry=quotient.mean, ci_low=quotient.ci_low, ci_high=quotient.ci_high)
        if teaches
        else cell
    )


def _errors(day: FlowDay, h: int, tape_model: Trees, simulated_model: Trees) -> Sums:
    """Sums of a day's squared moves, and of the squared errors of a tape's model and a simulation's model."""
    ns = day.first_ns + day.quote_index[np.isfinite(day.scaled_moves(h))] * STEP_NS
    adder = Adder(day.first_ns)
    for name, model in zip(_SUMS[1:], (tape_model, simulated_model), strict=True):
        forecasts, moves = forecasts_and_moves(model, [day], h)
        adder.add(name, ns, (moves - forecasts) ** 2)
    adder.add("square", ns, moves**2)
    return adder.sums


def describe_carry(card: Carry | StoredLessons | SimulatedMarket | None) -> str:
    """Sentence on a market's carry (R² ratio): whether policies may read forecasts learned in it; None: a card without tape.

    >>> describe_carry(Carry(0.123, (), (), {}))
    'R² ratio 0.12, below 0.5: no policy reads forecasts that are learned in it, but those of tape alone (flow-2)'
    """
    share = card.carry if card else None
    if share is None:
        measured = "too little was recorded" if card else "not measured"
        return f"no R² ratio: {measured}; the built-in forecaster ({DEFAULT}) was learned on tape"
    if share < ENOUGH:
        alone = f"but those of tape alone ({DEFAULT})"
        return f"R² ratio {share:.2f}, below {ENOUGH}: no policy reads forecasts that are learned in it, {alone}"
    return f"R² ratio {share:.2f}: a policy may read forecasts learned in it; the built-in one ({DEFAULT}) was learned on tape"
