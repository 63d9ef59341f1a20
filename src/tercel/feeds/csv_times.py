"""Times of a tick file's rows in ns since 1970, from numbers of a unit or from text; another unit is recognised and refused."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
import polars as pl

from tercel.core.errors import FeedError
from tercel.core.progress import say
from tercel.core.vocabulary import DAY_NS, NS_PER_SECOND
from tercel.feeds.csv_columns import CORRECT, NS, RECEIVED, ROW, TextRows, TypedColumn, strip_text
from tercel.feeds.csv_map import UNIT_NS, InstrumentMap, TimeMap
from tercel.market.tape.local_times import clock_s

_UTC: Final = r"\s?(?i:Z|UTC|GMT)$"
_ISO: Final = re.compile(
    r"\d{4}-\d\d-\d\d([T ])\d\d:\d\d:\d\d(?:\.\d+)?(\s?(?i:Z|UTC|GMT)|[-+]\d\d:?\d\d)?"
)
# Moments since 1970 that ticks may have, 1980 to 2199: in another unit a number of them is none of these.
_SPANS_NS: Final = {
    "epoch": (315_532_800 * NS_PER_SECOND, 7_258_118_400 * NS_PER_SECOND),
    "midnight": (-DAY_NS, 2 * DAY_NS),
}


def find_iso_format(clock: TimeMap, frame: pl.DataFrame, location: str) -> TimeMap:
    """The map of times, with the format of ISO times where it has none and the first cell is one; else as it is.

    Raises
    ------
    FeedError
        For text whose format neither the map nor the first cell shows.
    """
    if clock.format or not frame.height:
        return clock
    text = pl.concat_str([strip_text(column) for column in clock.column], separator=" ")
    first = frame[:1].select(text).item()
    if match := _ISO.fullmatch(first):
        if "unit" in clock.model_fields_set and clock.unit in UNIT_NS:
            say(
                f'warning: times of {location} are read as ISO text; the map has unit = "{clock.unit}"'
            )
        form = f"%Y-%m-%d{match[1]}%H:%M:%S%.f{'%z' * bool(match[2])}"
        return clock.model_copy(update={"unit": "text", "format": form})
    if clock.unit == "text":
        raise FeedError(
            "a time such as 2024-01-31T15:30:00.123Z, or its format",
            f"{first[:40]!r} in column {' '.join(clock.column)}, row {frame[ROW][0]} of {location}",
            "write how its times are written under [file.time] in the map: `format = '%d.%m.%Y %H:%M:%S%.f'`",
        )
    return clock


def parse_times(clock: TimeMap, columns: tuple[str, ...], frame: pl.DataFrame) -> TypedColumn:
    """Typed column of times: for numbers decimals in the map's unit, for text moments of UTC, or local ones without a zone."""
    name = " ".join(columns)
    text = pl.concat_str(
        [pl.col(c).cast(pl.String).str.strip_chars() for c in columns], separator=" "
    )
    if clock.unit == "text":
        # %Z passes over any word, so over the name of a local clock too
        style = (
            clock.format
            if clock.format.endswith("%Z")
            and not frame[columns[-1]].str.contains(rf"{_UTC}|[-+]\d\d(:?\d\d)?$").any()
            else re.sub(
                r"\s?(?:(?<!%)(?:Z|UTC|GMT|[-+]\d\d:?\d\d)|%[:#]?[zZ])$", "%#z", clock.format
            )
        )
        moment = text.str.replace(_UTC, "+00:00").str.to_datetime(
            style, time_unit="ns", strict=False
        )
        return TypedColumn(name, text, moment, f"a time as {clock.format}")
    number = (
        pl.col(columns[0])
        if len(columns) == 1 and frame.schema[columns[0]].is_integer()
        else text.cast(pl.Decimal(38, 9), strict=False)
    )
    return TypedColumn(name, text, number, f"a time in {clock.unit}")


def with_number_times(
    text: TextRows,
    clock: TimeMap,
    times: Mapping[str, TypedColumn],
    start: int,
    instrument: InstrumentMap,
) -> TextRows:
    """Rows with numeric times converted to ns since 1970 UTC, counted from `start` ns; FeedError for times of another unit."""
    numbers = text.to_typed(times, ())
    _refuse_other_units(text, clock, times, numbers, start, instrument)
    unit = pl.lit(UNIT_NS.get(clock.unit, 1))
    for each in ("us", "ms", "s") if clock.unit == "auto" else ():
        below = pl.col(*times) < _SPANS_NS["epoch"][1] // UNIT_NS[each]
        unit = pl.when(below).then(UNIT_NS[each]).otherwise(unit)
    ns = numbers.select((pl.col(*times) * unit).cast(pl.Int64) + start)
    received = pl.col(RECEIVED if clock.received else NS).alias(RECEIVED)
    return replace(text, frame=text.frame.with_columns(ns).with_columns(received))


def is_tick_time(number: Any, unit: str, origin: str) -> Any:
    """Whether a number (or expression) in `unit` is a time that ticks may have: 1980 to 2199, or within a day of midnight's."""
    low, high = _SPANS_NS[origin]
    return (number >= low // UNIT_NS[unit]) & (number < high // UNIT_NS[unit])


def _refuse_other_units(
    text: TextRows,
    clock: TimeMap,
    times: Mapping[str, TypedColumn],
    numbers: pl.DataFrame,
    start: int,
    instrument: InstrumentMap,
) -> None:
    """FeedError for numeric times that make no sense in the map's unit; it names the unit that fits."""
    units = [unit for unit in UNIT_NS if clock.unit in (unit, "auto")]
    opens_ns = clock_s(instrument.session[0]) * NS_PER_SECOND if instrument.session else None
    for name, time_column in times.items():
        largest = int(numbers.select(pl.col(name).max()).item() or 0)
        of_day = [unit for unit in UNIT_NS if 0 < largest * UNIT_NS[unit] <= DAY_NS]
        # all before the session, or in the first seconds of the day, but at its usual hours in a longer unit
        early = (
            clock.origin == "midnight"
            and largest * UNIT_NS[units[0]] < (DAY_NS // 1000 if opens_ns is None else opens_ns)
            and largest * UNIT_NS[(of_day or units)[0]] >= (opens_ns or DAY_NS // 4)
        )
        inside = [is_tick_time(pl.col(name), unit, clock.origin) for unit in units]
        wrong = numbers.select(~pl.any_horizontal(inside) | early).to_series()
        if wrong.any():
            number = int(numbers[name].filter(wrong)[0])
            keys = [
                " and ".join(
                    f'`{key} = "{value}"`'
                    for key, value in (("unit", unit), ("origin", origin))
                    if value != getattr(clock, key)
                )
                for origin, unit_names in (
                    ("epoch", UNIT_NS),
                    ("epoch", ["auto"]),
                    ("midnight", of_day),
                )
                for unit in unit_names
                if all(
                    any(
                        is_tick_time(edge, candidate, origin)
                        for candidate in UNIT_NS
                        if unit in (candidate, "auto")
                    )
                    for edge in (*numbers.min().row(0), *numbers.max().row(0))
                )
            ]
            seconds = min((number * UNIT_NS[units[0]] + start) // NS_PER_SECOND, 10**18)
            raise FeedError(
                f"times in {clock.unit} since {'1970, of 1980 to 2199' if clock.origin == 'epoch' else 'midnight'}",
                f"{number} in column {time_column.column}, row {text.frame[ROW].filter(wrong)[0]} of {text.location}, "
                f"which would be {np.datetime64(seconds, 's')}",
                f"write {keys[0]} under [file.time] in the map" if keys else CORRECT,
            )
