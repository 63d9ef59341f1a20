"""Tape beside simulated days, figure by figure, and the bars that a market has to keep.

| figure | bar |
|---|---|
| filled by 10 to 900 s, and before a better quote stood in front | max(.03, 1.5 x the interleaved floor), absolute |
| filled given that a better quote stood in front first | .04 |
| tape's own joining orders, executed by each wait | 15 % |
| mark-outs from the fill price, 1, 10, 60 s | inside the tape's interval |
| old price back 10 s after a trade emptied the touch | .03 |
| ratio of cancel rates, behind over ahead | 25 % |
| Fano factor of market orders over 300 s | 25 % |
| hidden executions among all | max(.03, 1.5 x sd of days / sqrt(days)) |
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

import numpy as np

from studies.fills.fill_study import figures
from studies.fills.fills import WAITS_S
from tercel.core import Floats
from tercel.market import (
    DayAgreement,
    ScoreGate,
    Sums,
    against_others,
    comparable_sums,
    figure_by_day,
    figure_estimates,
    figure_values,
    finite_or_none,
    interleaved_differences,
    sums_by_cluster,
    sums_table,
)

FILL: Final = 0.03
FLOORS: Final = 1.5
GIVEN_AWAY: Final = 0.04
JOINS: Final = 0.15
RETURN: Final = 0.03
QUARTER: Final = 0.25
HIDDEN: Final = 0.03
MARKOUTS_S: Final = (1, 10, 60)


@dataclass(frozen=True)
class GateCell:
    """One figure: of tape with its interval, of odd against even half-hours of tape (floor), of simulated days."""

    real: float
    ci_low: float | None
    ci_high: float | None
    floor: float
    simulated: float
    simulated_low: float | None
    simulated_high: float | None


@dataclass(frozen=True)
class FillGate:
    """One bar: how far simulated days may be from tape (None: the tape's interval), and whether they are."""

    name: str
    real: float
    simulated: float
    floor: float
    bar: float | None
    passed: bool


def compare(
    real: Sequence[Sums], simulated: Sequence[Sums], seed: int = 0
) -> tuple[dict[str, GateCell], list[FillGate], str]:
    """Every figure of tape beside that of simulated days, the gates, and what the clusters of the intervals are.

    Parameters
    ----------
    real, simulated : sequences of Sums
        Of each day (`fill_study.sums_of`).
    seed : int
        Of the bootstrap.
    """
    wanted = figures()
    columns = sorted({name for figure in wanted for name in figure.columns})
    tape, made = sums_table(real, columns), sums_table(simulated, columns)
    tape_at, other = (figure_estimates(wanted, sums, columns, seed) for sums in (tape, made))
    floor, plain = (
        interleaved_differences(wanted, tape, columns),
        figure_values(wanted, made, columns),
    )
    cells = {
        name: GateCell(
            tape_at[name].mean,
            tape_at[name].ci_low,
            tape_at[name].ci_high,
            floor[name],
            plain[name],
            other[name].ci_low,
            other[name].ci_high,
        )
        for name in floor
    }
    hidden = figure_by_day(next(f for f in wanted if f.name == "hidden_rows"), tape, columns)
    return cells, gates(cells, hidden), sums_by_cluster(tape)[1]


def ceilings(real: Sequence[Sums]) -> dict[str, DayAgreement]:
    """Gates of each recorded day against all others, of fewer than five days those of their odd and even half hours.

    Empty where a day, or one of these halves, holds nothing.
    """

    def judge(others: Sequence[Sequence[Sums]], one: Sequence[Sums]) -> dict[str, ScoreGate]:
        return checks(compare(list(chain(*others)), one)[1])

    units = comparable_sums(real)
    return against_others(units, judge) if all(map(holds_something, units)) else {}


def holds_something(days: Sequence[Sums]) -> bool:
    """Whether any sum of days is not 0."""
    return any(values.any() for day in days for values in day.values())


def checks(found: Sequence[FillGate]) -> dict[str, ScoreGate]:
    """The gates by name, as a market's card reads them."""
    return {
        gate.name: ScoreGate(finite_or_none(gate.simulated), finite_or_none(gate.real), gate.passed)
        for gate in found
    }


def gates(cells: dict[str, GateCell], hidden_by_day: Floats) -> list[FillGate]:
    """All bars with their verdicts; a figure that cannot be had has not passed."""
    found = [
        _within(cells, f"filled_{wait}s", _fill_bar(cells[f"filled_{wait}s"])) for wait in WAITS_S
    ]
    found.append(_within(cells, "filled_before_away", _fill_bar(cells["filled_before_away"])))
    found.append(_within(cells, "filled_given_away", GIVEN_AWAY))
    found += [_relative(cells, f"joins_filled_{wait}s", JOINS) for wait in WAITS_S]
    found += [_inside(cells, f"markout_{h}s_bps") for h in MARKOUTS_S]
    found.append(_within(cells, "back_after_trade_10s", RETURN))
    found += [_relative(cells, name, QUARTER) for name in ("cancel_ratio", "fano")]
    days = len(hidden_by_day)
    spread = FLOORS * float(np.std(hidden_by_day, ddof=1)) / np.sqrt(days) if days > 1 else 0.0
    return [*found, _within(cells, "hidden_rows", max(HIDDEN, spread))]


def _fill_bar(cell: GateCell) -> float:
    return max(FILL, FLOORS * cell.floor)


def _within(cells: dict[str, GateCell], name: str, bar: float) -> FillGate:
    cell = cells[name]
    return FillGate(
        name,
        cell.real,
        cell.simulated,
        cell.floor,
        bar,
        bool(abs(cell.simulated - cell.real) <= bar),
    )


def _relative(cells: dict[str, GateCell], name: str, share: float) -> FillGate:
    return _within(cells, name, share * abs(cells[name].real))


def _inside(cells: dict[str, GateCell], name: str) -> FillGate:
    cell = cells[name]
    low, high = (np.nan if x is None else x for x in (cell.ci_low, cell.ci_high))
    return FillGate(
        name, cell.real, cell.simulated, cell.floor, None, bool(low <= cell.simulated <= high)
    )
