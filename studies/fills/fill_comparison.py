"""Comparison of resting orders' fills: real and simulated days, read by the same code."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from studies.fills.fill_gates import (
    MARKOUTS_S,
    FillGate,
    GateCell,
    ceilings,
    checks,
    compare,
    holds_something,
)
from studies.fills.fill_study import figures, sums_of
from studies.fills.fills import WAITS_S, FillScale, scale_of
from studies.fills.lobster_write import as_shown
from studies.fills.markouts import HORIZONS_S
from studies.fills.replayed import SKIP_S, replayed
from studies.fills.turns import TURNS, TURNS_S, turns
from tercel.core import Floats, TapeError, to_jsonable
from tercel.market import (
    FIRST_SYNTHETIC_DATE,
    CardRow,
    Day,
    DayAgreement,
    Sums,
    check_one_market,
    check_rows,
    dynamics,
    figure_values,
    name_units,
    overlapping_days,
    round_values,
    sums_table,
    trading_spans,
    whole_day,
    working_days,
)
from tercel.market.flow import Preset
from tercel.market.observed import observe
from tercel.market.simulator import synthetic_day
from tercel.market.tape import Events, Instrument
from tercel.signals.flow import flow_day
from tercel.signals.flow.carry import Carry, carry

WORDS = {
    **{f"filled_{wait}s": f"filled in {wait} s" for wait in WAITS_S},
    "filled_before_away": "filled in 300 s before the touch moved away",
    "filled_given_away": "filled in 300 s, given it moved away first",
    **{f"joins_filled_{wait}s": f"tape's own joins executed in {wait} s" for wait in WAITS_S},
    **{f"markout_{h}s_bps": f"mark-out {h} s after a fill, ticks" for h in MARKOUTS_S},
    "back_after_trade_10s": "old price back 10 s after a trade emptied it",
    "cancel_ratio": "cancel rate behind over ahead",
    "fano": "Fano factor of market orders, 300 s",
    "hidden_rows": "hidden among executions",
}
"""What a gate asks."""
HALF_HOUR_S = 1800.0
SIMULATED_DAYS = 20
"""Days simulated by default."""

MOVES = {
    "ofi_r2_10s": "R² of 10 s moves on order-flow imbalance",
    "ofi_r2_60s": "R² of 60 s moves on order-flow imbalance",
    "variance_1s_to_10s": "variance over 10 s by that over 1 s, ratio",
    "variance_1s_to_60s": "variance over 60 s by that over 1 s, ratio",
    "variance_1s_to_300s": "variance over 300 s by that over 1 s, ratio",
    **{f"trend_{h}s": f"moves of {h} s that go on, part of the variance" for h in TURNS_S},
    **{f"bounce_{h}s": f"moves of {h} s that turn, part of the variance" for h in TURNS_S},
}
"""What is printed of how prices move, beside the gates; `market score` judges all but trend and bounce: a variance over
2 h is that over h twice, times 1 + trend - bounce."""

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Fills:
    """A finished study; the fields are those of its JSON.

    Parameters
    ----------
    preset, symbol : str
    days : tuple of str
        Of tape.
    calibrated_on : tuple of str
        Those of them that the preset was calibrated on.
    simulated_days, seed : int
    clusters : str
        What the tape's intervals are drawn over: days, or the half hours of one day.
    scale : FillScale
        Shares of a ghost, and the tape's queue.
    dropped_minutes : int
        Minutes of tape without a book.
    figures : dict of str to GateCell
    gates : list of FillGate
    units : str
        What was held against each other for the ceilings.
    ceilings : dict of str to DayAgreement
        Each gate on recorded days, one against all others.
    moves : dict of str to dict of str to float
        "real" and "simulated" of each of `MOVES`.
    months : dict of str to dict of str to float
        Figures and moves of the tape by month (YYYY-MM), where its days are of several months.
    carry : Carry or None
        Of forecasts; None without LightGBM, and of short days.
    """

    preset: str
    symbol: str
    days: tuple[str, ...]
    calibrated_on: tuple[str, ...]
    simulated_days: int
    seed: int
    clusters: str
    scale: FillScale
    dropped_minutes: int
    figures: dict[str, GateCell]
    gates: list[FillGate]
    units: str
    ceilings: dict[str, DayAgreement]
    moves: dict[str, dict[str, float]]
    months: dict[str, dict[str, float]]
    carry: Carry | None

    @property
    def rows(self) -> list[CardRow]:
        """Rows of a market's card: checks passed, and each figure that is checked."""
        return rows_of(self.gates, self.ceilings)


def rows_of(gates: Sequence[FillGate], ceilings: Mapping[str, DayAgreement]) -> list[CardRow]:
    """Rows of a market's card; mark-outs in bps, as they are judged."""
    words = {name: text.replace("ticks", "bps") for name, text in WORDS.items()}
    return check_rows("fills", checks(gates), ceilings, words)


def measured_rows(preset: Preset, test: Sequence[Day], train: Sequence[Day]) -> list[CardRow]:
    """Rows of fills on days held out, with the ceilings of all recorded days; none where no queue can be read or nothing is left.

    Of a day's stretch the half hours that lie in it count, of recorded and of simulated days.
    """
    dates = {day.instrument.date for day in test}
    days = list(test)
    for day in train:
        if day.instrument.symbol == test[0].instrument.symbol and day.instrument.date not in dates:
            days.append(day)
    try:
        read = [replayed(whole_day(day.instrument), day.events) for day in days]
    except TapeError:
        return []
    scale = scale_of(read[: len(test)])
    real = [_in_stretch(sums_of(day, scale), test[0]) for day in read]
    made = [
        _in_stretch(sums_of(replayed(*day), scale), test[0])
        for day in simulated_tapes(preset, test, SIMULATED_DAYS, 1)
    ]
    if not (holds_something(real[: len(test)]) and holds_something(made)):
        return []
    return rows_of(compare(real[: len(test)], made, 1)[1], ceilings(real))


def _in_stretch(sums: Sums, day: Day) -> Sums:
    """Sums of the half hours that lie whole in the stretches of a day that are in use, the first and last of a session too."""
    spans = trading_spans(day)

    def keep(values: Floats) -> Floats:
        start = np.arange(len(values)) * HALF_HOUR_S
        inside = np.zeros(len(values), np.bool_)
        for first, last in spans:
            begins = 0.0 if first <= day.skip_s else first
            ends = last if last < day.session_s - 1.0 else np.inf
            inside |= (start >= begins) & (start + HALF_HOUR_S <= ends)
        return np.where(inside, values, 0.0)

    return {name: keep(values) for name, values in sums.items()}


def simulated_tapes(
    preset: Preset, days: Sequence[Day], count: int, seed: int
) -> Iterator[tuple[Instrument, Events]]:
    """Simulated days as long as recorded ones, shown as they are."""
    seconds = float(np.median([day.session_s for day in days]))
    levels = min((day.instrument.levels for day in days if day.instrument.levels), default=0)
    for number, date in enumerate(working_days(FIRST_SYNTHETIC_DATE, count)):
        day = synthetic_day(preset, seed + number, date, seconds, preset.symbol)
        yield as_shown(*day, levels) if levels else day


def study(
    preset: Preset,
    days: Sequence[Day],
    simulated_days: int,
    seed: int,
    tell: Tell = lambda line: None,
) -> Fills:
    """Comparison of tape and simulated days; `tell` is called with a line on each day.

    Raises
    ------
    ConfigError, TapeError
        Days of another tick than the preset's, too short, or without single orders.
    """
    check_one_market(preset, days)
    read = [replayed(day.instrument, day.events) for day in days]
    scale = scale_of(read)
    real = [sums_of(day, scale) for day in read]
    tell(f"tape       {len(real)} days")
    made, flows, moved = [], [], []
    for number, day in enumerate(simulated_tapes(preset, days, simulated_days, seed)):
        made.append(sums_of(replayed(*day), scale))
        flows.append(flow_day(*day))
        moved.append(_moved(*day))
        tell(f"simulated  day {number + 1} of {simulated_days}")
    cells, gates, clusters = compare(real, made, seed)
    tape = [_moved(day.instrument, day.events) for day in days]
    told = _moves(tape), _moves(moved)
    seen = tuple(day.instrument.date for day in overlapping_days(preset, days))
    return Fills(
        preset=preset.name,
        symbol=days[0].instrument.symbol,
        days=tuple(day.instrument.date for day in days),
        calibrated_on=seen,
        simulated_days=simulated_days,
        seed=seed,
        clusters=clusters,
        scale=scale,
        dropped_minutes=sum(int(np.sum(~day.booked)) for day in read),
        figures=cells,
        gates=gates,
        units=name_units(len(days)),
        ceilings=ceilings(real),
        moves={name: {"real": told[0][name], "simulated": told[1][name]} for name in MOVES},
        months=_by_month(days, real, tape),
        carry=carry([flow_day(day.instrument, day.events) for day in days], seen, flows, seed),
    )


def _moved(instrument: Instrument, events: Events) -> Sums:
    seen = observe(instrument, events, SKIP_S)
    return dynamics.sums_of(seen) | turns(seen)


def _moves(days: Sequence[Sums]) -> dict[str, float]:
    wanted = [*dynamics.FIGURES, *TURNS]
    columns = sorted({name for figure in wanted for name in figure.columns})
    return figure_values(wanted, sums_table(days, columns), columns)


def _by_month(
    days: Sequence[Day], real: Sequence[Sums], moved: Sequence[Sums]
) -> dict[str, dict[str, float]]:
    """Every figure of the tape by month, where its days are of several; else none."""
    months = sorted({day.instrument.date[:7] for day in days})
    wanted = figures()
    columns = sorted({name for figure in wanted for name in figure.columns})
    found: dict[str, dict[str, float]] = {}
    for month in months if len(months) > 1 else ():
        mine = [i for i, day in enumerate(days) if day.instrument.date[:7] == month]
        told = _moves([moved[i] for i in mine])
        both = figure_values(wanted, sums_table([real[i] for i in mine], columns), columns) | {
            name: told[name] for name in MOVES
        }
        for name, value in both.items():
            found.setdefault(name, {})[month] = value
    return found


def card(found: Fills) -> dict[str, Any]:
    """The JSON of the comparison: the curves by wait, mark-outs (bps, of a ghost that joined the touch), R² of
    order-flow imbalance, carry and hidden share, and every figure by name; `carried` is the carry by horizon.
    """
    cells = found.figures
    curve = [cells[f"filled_{wait}s"] for wait in WAITS_S]
    marks = {str(h): cells[f"markout_{h}s_bps"] for h in HORIZONS_S}
    plainly = asdict(found)
    carried = plainly.pop("carry")
    return {
        "waits_s": list(WAITS_S),
        "real": [
            {"share": cell.real, "ci_low": cell.ci_low, "ci_high": cell.ci_high} for cell in curve
        ],
        "real_floor": [cell.floor for cell in curve],
        "simulated": [cell.simulated for cell in curve],
        "mark_outs": {
            h: {"real": cell.real, "simulated": cell.simulated} for h, cell in marks.items()
        },
        "carry": carried and carried["carry"],
        "carried": carried,
        "ofi_r2": {h: found.moves[f"ofi_r2_{h}s"] for h in ("10", "60")},
        "hidden_share": {
            "real": cells["hidden_rows"].real,
            "simulated": cells["hidden_rows"].simulated,
        },
        **plainly,
    }


def teaches(found: Fills) -> dict[str, Any]:
    """What a preset's card keeps of it: fills at the touch, mark-outs and carry, and of which days."""
    cells = {
        name: {"tape": cell.real, "simulated": cell.simulated}
        for name, cell in found.figures.items()
    }
    filled = {wait: cells[f"filled_{wait}s"] for wait in ("30", "300", "900")}
    markouts = {h: cells[f"markout_{h}s_bps"] for h in ("10", "60")}
    about = {
        "symbol": found.symbol,
        "days": found.days,
        "simulated_days": found.simulated_days,
        "seed": found.seed,
    }
    kept = (
        about
        | {"filled": filled, "markouts_bps": markouts, "rows": found.rows}
        | to_jsonable(found.carry or {"carry": None})
    )
    return dict(round_values(to_jsonable(kept), 4))
