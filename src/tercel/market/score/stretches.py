"""Days of a lake by name: dates with an optional stretch as HH:MM, and a preset's calibration days."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tercel.core.errors import ConfigError, TapeError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.flow.port import Preset
from tercel.market.score.days import Day
from tercel.market.tape import Events, Instrument, Lake


def read_days(
    lake: Path,
    symbol: str,
    dates: Sequence[str],
    start: str = "",
    end: str = "",
    venue: str = "",
    levels: int | None = None,
) -> list[Day]:
    """Days with their stretch; `start` and `end` are local times of the exchange, HH:MM or HH:MM:SS.

    `venue` is needed where several have the symbol; `levels` reads the tape as a feed of so many levels.

    Raises
    ------
    ConfigError
        No dates, one named twice, or a time that is none.
    TapeError
        Days that the lake does not hold.
    """
    store = Lake(lake)
    if len(set(dates)) != len(dates):
        raise ConfigError("each day once", ", ".join(dates), "name each day once")
    if not dates:
        raise ConfigError("at least one day", "none", "name days with `date=`")
    store.refuse_absent(symbol, dates, venue or None)
    read = [store.read(symbol, date, venue or None) for date in dates]
    return [
        day_of(seen_through(instrument, levels), events, start, end) for instrument, events in read
    ]


def days_of(
    preset: Preset,
    lake: Path,
    dates: Sequence[str],
    *,
    symbol: str,
    venue: str,
    start: str = "",
    end: str = "",
) -> list[Day]:
    """Days read as a preset was calibrated: its symbol, venue and levels by default."""
    symbol = symbol or preset.symbol
    venue = venue or (
        preset.venue if (preset.venue, symbol) in {one.key[:2] for one in Lake(lake).list()} else ""
    )
    return read_days(lake, symbol, dates, start, end, venue, preset.card.get("levels_read"))


def seen_through(instrument: Instrument, levels: int | None) -> Instrument:
    """The instrument as a feed of at most so many levels shows it."""
    if not levels:
        return instrument
    return replace(instrument, levels=min(levels, instrument.levels or levels))


def day_of(instrument: Instrument, events: Events, start: str = "", end: str = "") -> Day:
    """One day with its stretch in seconds after the opening."""
    opening = instrument.session_open_ns or int(events.exch_ns[0])

    def after_opening(text: str) -> float | None:
        return (instrument.clock_ns(text) - opening) / NS_PER_SECOND if text else None

    return Day(instrument, events, after_opening(start), after_opening(end))


def train_days(lake: Path, preset: Preset) -> list[Day]:
    """The days that a preset was calibrated on, as far as the lake holds them, each with its stretch."""
    store = Lake(lake)
    try:
        known = store.days(preset.symbol, preset.venue)
    except TapeError:
        return []
    dates = [str(date) for date in preset.card.get("days", []) if str(date) in known]
    read = [store.read(preset.symbol, date, preset.venue) for date in dates]
    levels = preset.card.get("levels_read")
    return [
        Day(seen_through(instrument, levels), events, *preset.stretch_s)
        for instrument, events in read
    ]


def seen_days(preset: Preset, days: Sequence[Day]) -> list[Day]:
    """Those days whose stretch overlaps a preset's calibration days."""
    dates, (first, last) = preset.card.get("days", []), preset.stretch_s

    def overlaps(day: Day) -> bool:
        start, end = day.stretch_s
        return (first or 0.0) < end and (last is None or start < last)

    known = [
        day
        for day in days
        if day.instrument.symbol == preset.symbol and day.instrument.date in dates
    ]
    return [day for day in known if overlaps(day)]


def refuse_seen(preset: Preset, days: Sequence[Day]) -> None:
    """Refuse to score a preset on its calibration days.

    Raises
    ------
    ConfigError
        A day of the card whose stretch overlaps that of the score.
    """
    for day in seen_days(preset, days):
        first, last = preset.stretch_s
        until = "the close" if last is None else f"{last:g} s"
        raise ConfigError(
            f"days that {preset.name} was not calibrated on ({', '.join(sorted(preset.card['days']))}, "
            f"{first or 0:g} s after the opening to {until})",
            day.label,
            "score on another day or another stretch (`from=`, `to=`), or give `seen=True` to score it all the same",
        )
