"""Recorded time that calibrates a market, and time that judges it: other days, the last day, or alternate stretches of one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np

from tercel.core.errors import ConfigError
from tercel.core.vocabulary import NS_PER_SECOND, STATUS
from tercel.market.flow.port import Preset
from tercel.market.score.scored_days import Day, refuse_calibration_days
from tercel.market.tape import Instrument
from tercel.market.tape.recorded_rules import WINDOWS, recorded_hours

Spans = Sequence[tuple[float, float]]
"""Stretches of a day, seconds after its opening."""

LEAST_HALT_NS: Final = 60 * NS_PER_SECOND
"""A shorter halt is no stretch of its own: nothing is read in it, but its time counts."""
LEAST_PART_S: Final = 300.0
"""A shorter stretch is left out."""
LEAST_TRADED: Final = 0.5
"""Share of a day's hours without halts below which it is refused."""
HOUR_NS: Final = 3600 * NS_PER_SECOND
LENGTHS_S: Final = {1800.0: "half hours", 900.0: "quarter hours"}
"""Stretches of one day that calibrate and judge in turn: the longest of which there are four."""
LEAST_PIECES: Final = 4
ENOUGH_S: Final = 7200.0
LIMIT: Final = (
    "calibrated on {:.0f} minutes of trading, where two hours or more are needed: not good for what changes slowly (the "
    "time of day, volatility and volume of ten minutes and more)"
)


@dataclass(frozen=True, eq=False)
class CalibrationDays:
    """Days that calibrate a market and days that judge it; `part` names the part of a day that calibrates, "" a whole one."""

    train: list[Day]
    test: list[Day]
    part: str = ""


def trading_spans(day: Day) -> list[tuple[float, float]]:
    """Stretches of a day in use that trade: without breaks, and without halts of a minute or more.

    Raises
    ------
    ConfigError
        A day that is halted most of the time.
    """
    opening, close = day.instrument.session(day.events.exch_ns)
    windows = [(w.start_ns, w.end_ns) for w in recorded_hours(day.instrument).windows]
    open_ns = windows or [(opening, close)]
    halts = _halts(day, close)
    traded_ns = _without(open_ns, halts)
    hours = [sum(stop - start for start, stop in spans) / HOUR_NS for spans in (traded_ns, open_ns)]
    if hours[0] < LEAST_TRADED * hours[1]:
        raise ConfigError(
            "days that trade for most of their session",
            f"{day.instrument.symbol} {day.instrument.date}, halted {hours[1] - hours[0]:.1f} of {hours[1]:.1f} h",
            f"leave {day.instrument.date} out",
        )
    stretch = [(opening + round(s * NS_PER_SECOND)) for s in day.stretch_s]
    spans = [(max(start, stretch[0]), min(stop, stretch[1])) for start, stop in traded_ns]
    return [
        ((start - opening) / NS_PER_SECOND, (stop - opening) / NS_PER_SECOND)
        for start, stop in spans
        if stop - start >= LEAST_PART_S * NS_PER_SECOND
    ]


def _halts(day: Day, close_ns: int) -> list[tuple[int, int]]:
    """Begin and end of each halt of a minute or more, ns."""
    rows = day.events.kind == STATUS
    times = np.append(day.events.exch_ns[rows], close_ns)
    changes = np.diff(np.r_[0, day.events.price_ticks[rows] != 1, 0])
    halts = times[np.flatnonzero(changes)].reshape(-1, 2).tolist()
    return [(start, stop) for start, stop in halts if stop - start >= LEAST_HALT_NS]


def _without(spans: Sequence[tuple[int, int]], gaps: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:  # fmt: skip
    """Spans with gaps, which are in order, taken out.

    >>> _without([(0, 10), (20, 30)], [(2, 3), (8, 22)])
    [(0, 2), (3, 8), (22, 30)]
    """
    left = []
    for start, stop in spans:
        edges = [start, *(min(max(edge, start), stop) for gap in gaps for edge in gap), stop]
        left += [(edges[n], edges[n + 1]) for n in range(0, len(edges), 2)]
    return [(start, stop) for start, stop in left if start < stop]


def with_spans(day: Day, spans: Spans, name: str = "") -> Day:
    """The day as one that trades in some stretches alone, for `recorded_hours` and so for a calibration."""
    opening, _ = day.instrument.session(day.events.exch_ns)
    windows = [[opening + round(s * NS_PER_SECOND) for s in span] for span in spans]
    extra = {**day.instrument.extra, WINDOWS: windows}
    return replace(day, instrument=replace(day.instrument, extra=extra), name=name or day.label)


def whole_day(instrument: Instrument) -> Instrument:
    """The instrument of a day without what `with_spans` wrote."""
    extra = {key: value for key, value in instrument.extra.items() if key != WINDOWS}
    return replace(instrument, extra=extra)


def without_gaps(day: Day) -> Day:
    """The day with halts taken for breaks; itself where it has none, and where nothing long enough is left."""
    _, close = day.instrument.session(day.events.exch_ns)
    return with_spans(day, trading_spans(day)) if _halts(day, close) else day


def alternate_stretches(day: Day) -> CalibrationDays:
    """Every other half hour of a day, the first one on, to calibrate on, and those between to judge on; quarter hours of a
    short day, and of one of less than an hour all of it to calibrate on."""
    whole = trading_spans(day)
    for length_s, words in LENGTHS_S.items():
        pieces = [piece for span in whole for piece in _pieces(span, length_s)]
        if len(pieces) >= LEAST_PIECES:
            names = [f"{day.instrument.date} [{which} {words}]" for which in ("odd", "even")]
            odd, even = (
                with_spans(day, pieces[first::2], name) for first, name in enumerate(names)
            )
            return CalibrationDays([odd], [even], f"odd {words}")
    return CalibrationDays([day], [])


def unseen_days(preset: Preset, days: Sequence[Day], train: Sequence[Day]) -> CalibrationDays:
    """The days that a preset was calibrated on and days to score it on; where every other stretch of a day calibrated it, that
    day as two.

    Raises
    ------
    ConfigError
        Other days that it was calibrated on, or hours of a day that is two.
    """
    if "part_of_day" not in preset.card:
        refuse_calibration_days(preset, days)
        return CalibrationDays([*train], [*days])
    split = {day.instrument.key: alternate_stretches(without_gaps(day)) for day in train}
    halves = [
        split.get(day.instrument.key) if day.from_s is day.to_s is None else None for day in days
    ]
    refuse_calibration_days(
        preset, [day for day, half in zip(days, halves, strict=True) if not half]
    )
    return CalibrationDays(
        [part for half in split.values() for part in half.train],
        [
            part
            for day, half in zip(days, halves, strict=True)
            for part in (half.test if half else [day])
        ],
    )


def _pieces(span: tuple[float, float], length_s: float) -> list[tuple[float, float]]:
    """Pieces of a stretch between the multiples of a length, those of `LEAST_PART_S` or more.

    >>> _pieces((900.0, 4000.0), 1800.0)
    [(900.0, 1800.0), (1800.0, 3600.0), (3600.0, 4000.0)]
    """
    edges = [length_s * n for n in range(int(span[0] // length_s), int(span[1] // length_s) + 2)]
    pieces = [(max(start, span[0]), min(stop, span[1])) for start, stop in pairwise(edges)]
    return [piece for piece in pieces if piece[1] - piece[0] >= LEAST_PART_S]


def limits_of(train: Sequence[Day]) -> list[str]:
    """What a calibration on these days cannot tell, in sentences."""
    seconds = sum(stop - start for day in train for start, stop in trading_spans(day))
    return [LIMIT.format(seconds / 60)] if seconds < ENOUGH_S else []
