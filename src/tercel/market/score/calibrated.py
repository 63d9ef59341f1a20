"""Presets calibrated from recorded days, of any flow model, and measured on days held out."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from pydantic import ValidationError

from tercel.core.errors import ConfigError, refuse_if
from tercel.core.progress import say
from tercel.core.report.formatting import format_number
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.flow.calibrate import (
    blocks,
    census_of,
    choose_lot,
    common_instrument,
    from_census,
)
from tercel.market.flow.census import Census, census
from tercel.market.flow.fit_table import judge, misses
from tercel.market.flow.port import Card, Preset
from tercel.market.flow.queue_reactive.calibrate import touch_only_error
from tercel.market.flow.registry import model_of
from tercel.market.score.card import ScoreCard, ScoreDraw, score, with_scores
from tercel.market.score.held_back import (
    LEAST_PART_S,
    CalibrationDays,
    alternate_stretches,
    limits_of,
    without_gaps,
)
from tercel.market.score.scored_days import LEAST_SESSION_S, Day, read_days
from tercel.market.score.stored_scores import CardRow, StoredScores
from tercel.market.simulator.days import simulated_day
from tercel.market.tape import Instrument, Lake

CENSUS_WARMUP_S = 3600.0
DAY_S = 22_500.0
BLOCK_S = 1800.0
MOST_JUDGED = 5
"""Days of a lake that judge a market where none were named, at most."""
FillRows = Callable[[Preset, Sequence[Day], Sequence[Day]], Sequence[CardRow]]
"""Rows of fills of a card, of a preset, days held out and days calibrated on."""


def calibrate_days(
    lake: Path,
    symbol: str,
    dates: Sequence[str],
    held_out: Sequence[str] | None = None,
    *,
    model: str,
    name: str,
    stamp: str,
    hours: tuple[str, str] = ("", ""),
    venue: str = "",
    levels: int | None = None,
    lot: int | None = None,
    fills: FillRows | None = None,
) -> tuple[Preset, ScoreCard | None]:
    """A preset of `model` fitted to recorded days or to a stretch of each, and its score on `held_out` days.

    Without `held_out` (None) a ``queue_reactive`` preset is measured on what `choose_days` holds back. A ``santa_fe``
    preset of one whole session is fitted to its odd half hours and measured on the even ones.

    Raises
    ------
    ConfigError
        A model that is none, a day both fitted and held out, or days that are too short or halted most of the time.
    TapeError
        Days that the lake does not hold.
    """
    refuse_if(
        bool(set(dates) & set(held_out or ())),
        "days either calibrated on or held out",
        f"{', '.join(sorted(set(dates) & set(held_out or ())))} in both",
        "name each day once",
    )
    recorded = read_days(lake, symbol, dates, *hours, venue, levels)
    days = [without_gaps(day) for day in recorded]
    common_instrument([(day.instrument, day.events) for day in days])
    if model == "queue_reactive" and all(day.instrument.levels == 1 for day in days):
        raise touch_only_error(1)
    windowed = any(hours)
    refuse_if(
        model == "resampled" and bool(hours[0] or levels or lot),
        "days from their opening",
        "`start=`, `levels=` or `lot=`",
        "leave them out with resampled",
    )
    is_split_day = len(dates) == 1 and days[0].session_s >= LEAST_SESSION_S
    if model == "santa_fe" and not (windowed or levels) and (held_out or is_split_day):
        preset = make_preset(
            lake,
            symbol,
            days=dates,
            held_out=held_out or (),
            name=name,
            date=stamp,
            lot_shares=lot,
            venue=venue or None,
        )
        return preset, None
    if held_out is None and model == "queue_reactive":
        parts = choose_days(lake, days, windowed)
    else:
        test = read_days(lake, symbol, held_out, venue=venue, levels=levels) if held_out else []
        parts = CalibrationDays(days, test)
    labels = [", ".join(day.label for day in part) for part in (parts.train, parts.test)]
    say(
        f"fitting {model} to {labels[0]}, about a minute for a few days; judged on {labels[1] or 'no day'}"
    )
    preset = calibrate_preset(
        model,
        parts.train,
        name=name,
        stamp=stamp,
        windowed=windowed,
        lot=lot,
        tell=say,
        lake=str(lake.resolve()),
    )
    extra: dict[str, object] = {"levels_read": levels} if levels else {}
    if parts.part:
        extra["part_of_day"] = parts.part
    if limits := limits_of(parts.train):
        extra["limits"] = limits
    if parts.test:
        extra["held_out_days"] = [day.label for day in parts.test]
    preset = preset.model_copy(update={"card": {**preset.card, **extra}})
    if not parts.test:
        return preset, None
    say(f"simulating what was held out, to judge {preset.name}")
    draw = ScoreDraw(preset, parts.test, parts.train)
    rows = fills(preset, parts.test, parts.train) if fills else ()
    card = score(draw, classifier=find_spec("sklearn") is not None, fills=rows)
    return with_scores(preset, draw.tape, card), card


def choose_days(lake: Path, days: Sequence[Day], windowed: bool) -> CalibrationDays:
    """Days that calibrate and days that judge, where none were named.

    1. Of a stretch of each day (`windowed`), the rest of the same days judges.
    2. Other days of the lake judge, the next ones: as many as calibrate, at most five.
    3. Where it has none, the last of several days is held back, and of one every other half hour.
    """
    first = days[0].instrument
    if windowed:
        until_s = days[0].to_s
        rest = [replace(day, from_s=until_s, to_s=None if until_s else day.from_s) for day in days]
        lasts = all(stop - start >= LEAST_PART_S for start, stop in (day.stretch_s for day in rest))
        return CalibrationDays([*days], rest if lasts else [])
    dates = [day.instrument.date for day in days]
    others = [
        instrument.date
        for instrument in Lake(lake).list()
        if instrument.key[:2] == first.key[:2]
        and (instrument.tick, instrument.lot) == (first.tick, first.lot)
        and instrument.date not in dates
    ]
    later = sorted(date for date in others if date > max(dates))
    count = min(len(days), MOST_JUDGED)
    chosen = later[:count] or sorted(others)[-count:]
    if chosen:
        test = read_days(
            lake, first.symbol, chosen, venue=first.venue, levels=days[0].instrument.levels or None
        )
        return CalibrationDays([*days], test)
    ordered = sorted(days, key=lambda day: day.instrument.date)
    return (
        CalibrationDays(ordered[:-1], ordered[-1:])
        if len(days) > 1
        else alternate_stretches(days[0])
    )


def describe_fit(preset: Preset) -> str:
    """Sentence on how near a calibrated market comes to days held out, by the scores or the fit table of its card."""
    scores = StoredScores.of(preset)
    if scores.mean_l1 is not None:
        passed = sum(gate.passed for gate in scores.gates.values())
        return (
            f"{preset.name}: mean L1 {scores.mean_l1:.3f} on the days held out (real against real: "
            f"{format_number(scores.floor_mean_l1, 3)}), {passed} of {len(scores.gates)} realism gates passed"
        )
    if fit := preset.card.get("fit"):
        missed = misses(fit)
        near = len(fit) - len(missed)
        return (
            f"{preset.name}: {near} of {len(fit)} quantities are as near to what was held out as real "
            f"days are, or within a tenth{'; ' * bool(missed)}{'; '.join(missed)}"
        )
    limits = "".join(f"; {limit}" for limit in preset.card.get("limits", ()))
    return f"{preset.name}: nothing was held out, so how good it is was not measured{limits}"


def calibrate_preset(
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
    """A preset of `model` from days, or with `windowed` from their stretches; its card says which.
    `lot` is a simulated lot's units.

    `tell` is called with lines of progress; `lake` is the folder of the days, for a model that reads them later.

    Raises
    ------
    ConfigError
        A model that is none, or days that are too short for it.
    """
    flow_model = model_of(model, f"`model={model}`")
    if not flow_model.calibrate:
        remedy = "take another model"
        raise ConfigError("a flow model that is fitted to tape", f"`model={model}`", remedy)
    calibrate = resolve_name(flow_model.calibrate)
    window = [float(x) for x in days[0].stretch_s]
    common: dict[str, Any] = {"name": name, "date": stamp, "lot_shares": lot}
    if "tell" in signature(calibrate).parameters:
        common["tell"] = tell
    if "lake" in signature(calibrate).parameters:
        common["lake"] = lake
    if windowed and "from_s" in signature(calibrate).parameters:
        stretches = [(day.instrument, day.events) for day in days]
        common |= {"skip_s": days[0].skip_s, "from_s": window[0], "to_s": window[1]}
    else:
        stretches = [
            (_end_session(day, window[1]) if windowed else day.instrument, day.events)
            for day in days
        ]
        common["skip_s"] = window[0]
        if windowed and "until_s" in signature(calibrate).parameters:
            common["until_s"] = window[1]
    try:
        preset: Preset = calibrate(stretches, **common)
    except ValidationError as error:
        first_error = error.errors()[0]
        dates = ", ".join(day.label for day in days)
        if (
            first_error["type"] == "finite_number"
        ):  # nothing that could be counted came: a holiday's tape
            received = f"no number for {first_error['loc'][0]} on {dates}"
            remedy = "name other days: too little happened"
        else:
            received = f"{first_error['msg']} on {dates}"
            remedy = "give a coarser `lot=`"
        raise ConfigError(f"a {model} preset within its bounds", received, remedy) from error
    made_of = sorted(
        {str(date) for day in days for date in day.instrument.extra.get("resampled_of", ())}
    )
    extra: Card = {"days": [*(day.instrument.date for day in days), *made_of]} | (
        {"window_s": window} if windowed else {}
    )
    extra |= {k: v for k, v in days[0].instrument.extra.items() if k == "lot_size"}
    return preset.model_copy(update={"card": {**preset.card, **extra}})


def _end_session(day: Day, end_s: float) -> Any:
    """The instrument with its session ended where the stretch ends."""
    opening = day.instrument.session_open_ns or int(day.events.exch_ns[0])
    close = opening + round(end_s * NS_PER_SECOND)
    return replace(day.instrument, session_open_ns=opening, session_close_ns=close)


def make_preset(
    lake: Path,
    symbol: str,
    *,
    days: Sequence[str],
    held_out: Sequence[str],
    name: str,
    date: str,
    lot_shares: int | None = None,
    simulated_days: int = 16,
    seed: int = 1,
    venue: str | None = None,
) -> Preset:
    """Calibrate a `santa_fe` preset on `days`, compare it with `held_out` and simulated days (fit table).

    Parameters
    ----------
    lake : Path
    symbol : str
    days, held_out : sequence of str
        Dates in the lake. With one day and nothing held out, its odd half hours are calibrated on and its even
        ones held out (half days would test the hour of the day more than the model).
    name : str
        Name in the preset; a shipped preset's file has the same name.
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

    Raises
    ------
    ConfigError, TapeError
        Days that are missing, or too thin to calibrate on.
    """
    store = Lake(lake)
    store.refuse_absent(symbol, (*days, *held_out), venue)
    instruments, train, test, held_names = _census_split(store, symbol, days, held_out, venue)
    if empty := sum(not day_census.mid2.any() for day_census in (*train, *test)):
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
    return judge(
        preset,
        train,
        test,
        simulated,
        per_lot=lot / instruments[0].lot,
        held_out_days=held_names,
        simulation=f"{simulated_days} days of {DAY_S:g} s after {CENSUS_WARMUP_S:g} s of warm-up, seeds {seed} to "
        f"{seed + simulated_days - 1}",
    )


def _census_split(
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
    train = [store.read(symbol, day, venue) for day in days]
    test = [store.read(symbol, day, venue) for day in held_out]
    return (
        [instrument for instrument, _ in train],
        [census_of(*day) for day in train],
        [census_of(*day) for day in test],
        list(held_out),
    )


def simulated_census(preset: Preset, seed: int, seconds: float, warmup_s: float = 600.0) -> Census:
    """Census of a simulated day without its warm-up."""
    events = simulated_day(preset, seed, seconds, warmup_s)
    warm = int(warmup_s * NS_PER_SECOND)
    stop = int((warmup_s + seconds) * NS_PER_SECOND)
    return census(events, 0, stop, warm)
