"""Calibrated presets: of any flow model from stretches of days, and `santa_fe` ones scored on held-out days.

Days on which a market is scored, and the simulated stretches compared with them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from inspect import signature
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from pydantic import ValidationError

from tercel.core.errors import ConfigError, TapeError, refuse_if
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.flow.calibrate import blocks, census_of, choose_lot, from_census, judge
from tercel.market.flow.census import Census, census
from tercel.market.flow.port import Preset
from tercel.market.flow.preset import model_of
from tercel.market.observed import Observed, observe
from tercel.market.simulator.days import observed_day, simulated_day
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
    """A day of tape and the stretch of it in use, seconds after its opening (None: the session's bounds)."""

    instrument: Instrument
    events: Events
    from_s: float | None = None
    to_s: float | None = None

    @property
    def label(self) -> str:
        """Date, and the stretch where it is not the whole session."""
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

    def seen(self) -> Observed:
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
    """Alternating half hours; parity changes daily, so that no hour is always on one side."""
    found = []
    for number, day in enumerate(days):
        first, last = (
            (day.start_ns - day.open_ns) // HALF_HOUR_NS,
            (day.stop_ns - 1 - day.open_ns) // HALF_HOUR_NS,
        )
        for half in range(first, last + 1):
            if (number + half) % 2 == odd:
                start = day.open_ns + half * HALF_HOUR_NS
                found.append(
                    day.part(max(start, day.start_ns), min(start + HALF_HOUR_NS, day.stop_ns))
                )
    return found


def simulated(
    preset: Preset, seed: int, like: Observed | Stretch, warmup_s: float = WARMUP_S
) -> Observed:
    """A simulated stretch of a real one's length and time of day, through the same window of levels."""
    seen = observed_day(preset, seed, like.seconds, warmup_s, like.from_s, like.window)
    return replace(seen, open_ns=seen.start_ns - round(like.from_s * NS_PER_SECOND))


def of_one_market(preset: Preset, days: Sequence[Day]) -> None:
    """Refuse days whose tick differs from the preset's.

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


# -- days of a lake --


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


def calibrated(
    model: str,
    days: Sequence[Day],
    *,
    name: str,
    stamp: str,
    windowed: bool = False,
    lot: int | None = None,
    tell: Callable[[str], None] = lambda line: None,
    lake: str = "",
) -> Preset:
    """A preset of `model` from stretches of days; its card says which. `lot` is a simulated lot's units.

    `tell` is called with lines of progress; `lake` is the folder of the days, for a model that reads them later.

    Raises
    ------
    ConfigError
        A model that is none, or days that are too short for it.
    """
    found = model_of(model, f"`model={model}`")
    if not found.calibrate:
        remedy = "take another model"
        raise ConfigError("a flow model that is fitted to tape", f"`model={model}`", remedy)
    calibrate = resolve_name(found.calibrate)
    window = [float(x) for x in days[0].stretch_s]
    common: dict[str, Any] = {"name": name, "date": stamp, "lot_shares": lot}
    if "tell" in signature(calibrate).parameters:
        common["tell"] = tell
    if "lake" in signature(calibrate).parameters:
        common["lake"] = lake
    if windowed and "from_s" in signature(calibrate).parameters:
        cut = [(day.instrument, day.events) for day in days]
        common |= {"skip_s": days[0].skip_s, "from_s": window[0], "to_s": window[1]}
    else:
        cut = [(_until(day, window[1]) if windowed else day.instrument, day.events) for day in days]
        common["skip_s"] = window[0]
        if windowed and "until_s" in signature(calibrate).parameters:
            common["until_s"] = window[1]
    try:
        made: Preset = calibrate(cut, **common)
    except ValidationError as error:
        first, dates = error.errors()[0], ", ".join(day.label for day in days)
        if first["type"] == "finite_number":  # nothing that could be counted came: a holiday's tape
            received, remedy = (
                f"no number for {first['loc'][0]} on {dates}",
                "name other days: too little happened",
            )
        else:
            received, remedy = f"{first['msg']} on {dates}", "give a coarser `lot=`"
        raise ConfigError(f"a {model} preset within its bounds", received, remedy) from error
    made_of = sorted(
        {str(date) for day in days for date in day.instrument.extra.get("resampled_of", ())}
    )
    extra = {"days": [*(day.instrument.date for day in days), *made_of]} | (
        {"window_s": window} if windowed else {}
    )
    return made.model_copy(update={"card": {**made.card, **extra}})


def _until(day: Day, end_s: float) -> Any:
    """The instrument with its session ended where the stretch ends."""
    opening = day.instrument.session_open_ns or int(day.events.exch_ns[0])
    close = opening + round(end_s * NS_PER_SECOND)
    return replace(day.instrument, session_open_ns=opening, session_close_ns=close)


# -- make ------------------------------------------------------------------------------------------
# Makes a `santa_fe` preset file from days of a lake, scored on held-out and simulated days.

CENSUS_WARMUP_S = 3600.0
DAY_S = 22_500.0
BLOCK_S = 1800.0


def make(
    lake: Path,
    symbol: str,
    *,
    days: Sequence[str],
    held_out: Sequence[str],
    name: str,
    out: Path,
    date: str,
    lot_shares: int | None = None,
    simulated_days: int = 16,
    seed: int = 1,
    venue: str | None = None,
) -> Preset:
    """Calibrate on `days`, score on `held_out` and on simulated days, write the preset to `out`.

    Parameters
    ----------
    lake : Path
    symbol : str
    days, held_out : sequence of str
        Dates in the lake. With one day and nothing held out, its odd half hours are calibrated on and its even
        ones held out (half days would test the hour of the day more than the model).
    name : str
        Name in the preset; a shipped preset's file has the same name.
    out : Path
        File to write.
    date : str
        Date of the calibration, for the card.
    lot_shares : int, optional
        Shares of a simulated lot; default: chosen by the rounding it costs.
    venue : str, optional
        Needed where several have the symbol.
    simulated_days, seed : int
        Days of 22,500 s that the fit table's simulated column pools, and the first one's seed.

    Returns
    -------
    Preset
        As written.

    Raises
    ------
    ConfigError, TapeError
        Days that are missing, named twice, or too thin to calibrate on.
    """
    if set(days) & set(held_out):
        both = ", ".join(sorted(set(days) & set(held_out)))
        raise ConfigError(
            "days either calibrated on or held out", f"{both} in both", "name each day once"
        )
    store = Lake(lake)
    store.refuse_absent(symbol, (*days, *held_out), venue)
    instruments, train, test, held_names = _counts(store, symbol, days, held_out, venue)
    if empty := sum(not one.mid2.any() for one in (*train, *test)):
        raise ConfigError(
            "days with a bid and an ask",
            f"none throughout {empty} of {len(train) + len(test)} stretches of {', '.join((*days, *held_out))}",
            "name other days: a holiday's tape makes no market",
        )
    lot = lot_shares or choose_lot(train, instruments[0].lot)
    preset = from_census(train, instruments, name=name, date=date, lot_shares=lot)
    simulated = [
        simulated_census(preset, seed + k, DAY_S, CENSUS_WARMUP_S) for k in range(simulated_days)
    ]
    preset = judge(
        preset,
        train,
        test,
        simulated,
        per_lot=lot / instruments[0].lot,
        held_out_days=held_names,
        simulation=f"{simulated_days} days of {DAY_S:g} s after {CENSUS_WARMUP_S:g} s of warm-up, seeds {seed} to "
        f"{seed + simulated_days - 1}",
    )
    preset.save(out)
    return preset


def _counts(
    store: Lake, symbol: str, days: Sequence[str], held_out: Sequence[str], venue: str | None
) -> tuple[list[Instrument], list[Census], list[Census], list[str]]:
    """Instruments calibrated on, census of the days (or half hours) calibrated on and held out, names of the latter."""
    if len(days) == 1 and not held_out:
        instrument, events = store.read(symbol, days[0], venue)
        parts = blocks(instrument, events, BLOCK_S)
        return [instrument], parts[::2], parts[1::2], [f"{days[0]}, every second half hour"]
    refuse_if(
        not days or not held_out,
        "days to calibrate on and days held out",
        f"{len(days)} and {len(held_out)}",
        "name at least one of each, or a single day alone",
    )
    read = [store.read(symbol, day, venue) for day in days]
    test = [store.read(symbol, day, venue) for day in held_out]
    return (
        [instrument for instrument, _ in read],
        [census_of(*day) for day in read],
        [census_of(*day) for day in test],
        list(held_out),
    )


def simulated_census(preset: Preset, seed: int, seconds: float, warmup_s: float = 600.0) -> Census:
    """Census of a simulated day without its warm-up."""
    events = simulated_day(preset, seed, seconds, warmup_s)
    warm, stop = int(warmup_s * NS_PER_SECOND), int((warmup_s + seconds) * NS_PER_SECOND)
    return census(events, 0, stop, warm)
