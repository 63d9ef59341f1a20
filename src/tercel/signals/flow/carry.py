"""Carry: what is left on tape of a forecast that was learned in a simulated market.

It is R² on days of tape of a forecast learned on simulated days, over R² there of one learned on earlier days of the
tape: 1 where the market teaches as well as its tape, 0 where it teaches what is not so. Policies read forecasts of 10
and 30 s; a market carries as much as it does at the worse of both.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any, Final

import numpy as np

from tercel.execution.foresight.forecaster import DEFAULT, ENOUGH
from tercel.execution.foresight.walker import SERVED
from tercel.market.score.dynamics import Adder, SumFigure, Sums, estimates, over, table
from tercel.signals.flow.days import STEP_NS, FlowDay
from tercel.signals.flow.train import LEAST, fitted, halves, stacked, told
from tercel.signals.flow.trees import Trees

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

    There is no quotient where what tape teaches is not told from nothing.
    """

    tape: float
    simulated: float
    carry: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None


@dataclass(frozen=True)
class Carry:
    """What a market's forecasts are worth on tape.

    Parameters
    ----------
    carry : float or None
        The least of its horizons; None where tape teaches nothing at any.
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
        Dates that the market was calibrated on: not judged on where there are others.
    made : sequence of FlowDay
        Simulated.
    seed : int
    """
    if find_spec("lightgbm") is None:
        return None
    early, later = halves(tape) if len(tape) > 1 else _in_two(tape[0])
    later = [day for day in later if day.date not in seen] or later
    if min(len(stacked(days, SERVED[-1])[1]) for days in (early, later, made)) < LEAST:
        return None
    horizons = {str(h): _at(early, later, made, h, seed) for h in SERVED}
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
    found = estimates(
        _FIGURES, table([_errors(day, h, own, other) for day in later], _SUMS), _SUMS, seed
    )
    r2, quotient = found["tape"], found["carry"]
    cell = CarryCell(r2.mean, found["simulated"].mean)
    teaches = r2.ci_low is not None and r2.ci_low > 0.0
    return (
        replace(cell, carry=quotient.mean, ci_low=quotient.ci_low, ci_high=quotient.ci_high)
        if teaches
        else cell
    )


def _errors(day: FlowDay, h: int, own: Trees, other: Trees) -> Sums:
    """Squares of a day's moves, and of what two models miss of them."""
    known = np.isfinite(day.scaled(h))
    ns, adder = day.first_ns + day.at[known] * STEP_NS, Adder(day.first_ns)
    for name, model in zip(_SUMS[1:], (own, other), strict=True):
        said, came = told(model, [day], h)
        adder.add(name, ns, (came - said) ** 2)
    adder.add("square", ns, came**2)
    return adder.sums


def in_words(card: Mapping[str, Any] | None) -> str:
    """What follows from the carry on a market's card, in one sentence; None: a card without tape.

    >>> in_words({"carry": 0.123})
    'carry 0.12, below 0.5: no policy reads forecasts that are learned in it, but those of tape alone (flow-1)'
    """
    share = card["carry"] if card else None
    if share is None:
        return f"carry none: {'too little' if card else 'no'} tape to tell; what ships ({DEFAULT}) was learned on tape"
    if share < ENOUGH:
        alone = f"but those of tape alone ({DEFAULT})"
        return f"carry {share:.2f}, below {ENOUGH}: no policy reads forecasts that are learned in it, {alone}"
    return f"carry {share:.2f}: a policy may read forecasts learned in it; what ships ({DEFAULT}) was learned on tape"
