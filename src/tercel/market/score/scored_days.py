"""Days of tape on which a market is calibrated or scored, each with the stretch of it in use, and simulated stretches."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tercel.core.errors import ConfigError, TapeError, refuse_if
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.flow.port import Preset
from tercel.market.observed import Observed, observe
from tercel.market.score.sample import Sample, sample
from tercel.market.simulator.days import observed_day
from tercel.market.tape import Events, Instrument, Lake

SKIP_S = 900.0
"""Seconds left out at the opening of every real day."""
LEAST_SESSION_S = 7200.0
"""A shorter session (minutes of a market that never closes, a holiday) has no opening to leave out."""
WARMUP_S = 600.0
"""Seconds that a simulated market runs before it is looked at."""
HALF_HOUR_NS = 1800 * NS_PER_SECOND
LEVELS = 5


@dataclass(frozen=True, eq=False)
class Day:
    """A day of tape and the stretch of it in use, seconds after its opening (None: the session's bounds).

    `name` is its label where it is a part of a day that has one.
    """

    instrument: Instrument
    events: Events
    from_s: float | None = None
    to_s: float | None = None
    name: str = ""

    @property
    def label(self) -> str:
        """Its name, or the date, with the stretch where it is not the whole session."""
        if self.name:
            return self.name
        if self.from_s is None and self.to_s is None:
            return self.instrument.date
        start, end = self.stretch_s
        return f"{self.instrument.date} [{start:g} to {end:g} s]"

    @property
    def session_s(self) -> float:
        """Length of the session."""
        opening, close = self.instrument.session(self.events.exch_ns)
        return (close - opening) / NS_PER_SECOND

    @property
    def skip_s(self) -> float:
        """Seconds left out at the opening."""
        return SKIP_S if self.session_s >= LEAST_SESSION_S else 0.0

    @property
    def stretch_s(self) -> tuple[float, float]:
        """Start and end of the stretch, seconds after the opening, skipped minutes excluded."""
        end = self.session_s if self.to_s is None else min(self.to_s, self.session_s)
        return max(self.skip_s, self.from_s or 0.0), end

    def observe(self) -> Observed:
        """Observed events of the day."""
        return observe(self.instrument, self.events, self.skip_s, LEVELS, self.from_s, self.to_s)


@dataclass(frozen=True)
class Stretch:
    """Frame of a real stretch: start (seconds after the opening), length, levels shown."""

    label: str
    from_s: float
    seconds: float
    window: int


def half_hours(days: Sequence[Observed], odd: bool) -> list[Observed]:
    """Every other half hour, odd or even ones (`odd`); parity changes daily, so that no hour is always on one side."""
    parts = []
    for number, day in enumerate(days):
        first_half = (day.start_ns - day.open_ns) // HALF_HOUR_NS
        last_half = (day.stop_ns - 1 - day.open_ns) // HALF_HOUR_NS
        for half in range(first_half, last_half + 1):
            if (number + half) % 2 == odd:
                start = day.open_ns + half * HALF_HOUR_NS
                parts.append(
                    day.part(max(start, day.start_ns), min(start + HALF_HOUR_NS, day.stop_ns))
                )
    return parts


def half_sample(observed: Sequence[Observed], clock_ns: int, odd: bool) -> Sample | None:
    """Every other half hour of some stretches (the odd or the even ones) as one sample; None if there is too little."""
    try:
        return sample(half_hours(observed, odd), clock_ns)
    except ConfigError:
        return None


def simulate_stretch(
    preset: Preset, seed: int, real: Observed | Stretch, warmup_s: float = WARMUP_S
) -> Observed:
    """A simulated stretch of a real one's length and time of day, through the same window of levels."""
    observed = observed_day(preset, seed, real.seconds, warmup_s, real.from_s, real.window)
    return replace(observed, open_ns=observed.start_ns - round(real.from_s * NS_PER_SECOND))


def check_one_market(preset: Preset, days: Sequence[Day]) -> None:
    """Raise ConfigError for days whose tick differs from the preset's, or for none.

    Raises
    ------
    ConfigError
        No days, or prices in other units than the preset's.
    """
    refuse_if(not days, "at least one day to compare with", "none", "name days that the lake holds")
    for day in days:
        if day.instrument.tick != preset.tick:
            raise ConfigError(
                f"days with the tick of {preset.name}, {preset.tick:g}",
                f"{day.instrument.tick:g} on {day.instrument.symbol} {day.label}",
                f"import them again with `tick={preset.tick:g}` `replace=True`, or name a preset of their tick",
            )


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
    refuse_if(not dates, "at least one day", "none", "name days with `date=`")
    store.refuse_absent(symbol, dates, venue or None)
    tapes = [store.read(symbol, date, venue or None) for date in dates]
    return [
        day_of(limit_levels(instrument, levels), events, start, end) for instrument, events in tapes
    ]


def read_preset_days(
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
        preset.venue
        if (preset.venue, symbol) in {instrument.key[:2] for instrument in Lake(lake).list()}
        else ""
    )
    return read_days(lake, symbol, dates, start, end, venue, preset.card.get("levels_read"))


def limit_levels(instrument: Instrument, levels: int | None) -> Instrument:
    """The instrument as a feed of at most `levels` levels shows it."""
    if not levels:
        return instrument
    return replace(instrument, levels=min(levels, instrument.levels or levels))


def day_of(instrument: Instrument, events: Events, start: str = "", end: str = "") -> Day:
    """One day with its stretch in seconds after the opening."""
    opening = instrument.session_open_ns or int(events.exch_ns[0])

    def after_opening(text: str) -> float | None:
        """Seconds after the opening of a local time of day; None for no text."""
        return (instrument.clock_ns(text) - opening) / NS_PER_SECOND if text else None

    return Day(instrument, events, after_opening(start), after_opening(end))


def train_days(lake: Path, preset: Preset) -> list[Day]:
    """The days that a preset was calibrated on, as far as the lake holds them, each with its stretch."""
    store = Lake(lake)
    try:
        held_dates = store.days(preset.symbol, preset.venue)
    except TapeError:
        return []
    dates = [str(date) for date in preset.card.get("days", []) if str(date) in held_dates]
    tapes = [store.read(preset.symbol, date, preset.venue) for date in dates]
    levels = preset.card.get("levels_read")
    return [
        Day(limit_levels(instrument, levels), events, *preset.stretch_s)
        for instrument, events in tapes
    ]


def overlapping_days(preset: Preset, days: Sequence[Day]) -> list[Day]:
    """Days whose stretch overlaps one that the preset was calibrated on."""
    dates = preset.card.get("days", [])
    first, last = preset.stretch_s

    def overlaps(day: Day) -> bool:
        """Whether the stretch of a day overlaps the stretch that the preset was calibrated on."""
        start, end = day.stretch_s
        return (first or 0.0) < end and (last is None or start < last)

    same_dates = [
        day
        for day in days
        if day.instrument.symbol == preset.symbol and day.instrument.date in dates
    ]
    return [day for day in same_dates if overlaps(day)]


def refuse_calibration_days(preset: Preset, days: Sequence[Day]) -> None:
    """Raise ConfigError if a preset would be scored on stretches that it was calibrated on.

    Raises
    ------
    ConfigError
        A day of the card whose stretch overlaps that of the score.
    """
    for day in overlapping_days(preset, days):
        first, last = preset.stretch_s
        until = "the close" if last is None else f"{last:g} s"
        raise ConfigError(
            f"days that {preset.name} was not calibrated on ({', '.join(sorted(preset.card['days']))}, "
            f"{first or 0:g} s after the opening to {until})",
            day.label,
            "score on another day or another stretch (`from=`, `to=`), or give `seen=True` to score it all the same",
        )
