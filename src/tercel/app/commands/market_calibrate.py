"""`tercel market calibrate`: days, or a stretch of one, become a preset of any flow model."""

import importlib
import time
from collections.abc import Sequence
from dataclasses import replace
from inspect import signature
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tercel.app.commands import preset as santa_fe
from tercel.app.commands.market_days import read_days
from tercel.app.output import print_json, say
from tercel.core.errors import ConfigError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.flow.preset import Preset
from tercel.market.score.card import keep, score
from tercel.market.score.days import LEAST_SESSION_S, Day
from tercel.market.score.realism import Drawn

CALIBRATORS = {
    "santa_fe": "tercel.market.flow.calibrate",
    "queue_reactive": "tercel.market.flow.queue_reactive.calibrate",
    "hawkes": "tercel.market.flow.hawkes.calibrate",
}
"""Module of each model's `calibrate(days, *, name, date, lot_shares, skip_s, ...)`."""


def run(
    lake: Path,
    symbol: str,
    *,
    model: str,
    dates: Sequence[str],
    held_out: Sequence[str],
    start: str,
    end: str,
    name: str,
    out: Path,
    stamp: str,
    venue: str,
    lot: int | None,
    levels: int | None,
    as_json: bool,
) -> int:
    """Calibrate, judge where days are held out, write the preset and show it."""
    began = time.perf_counter()
    if out.suffix != ".json" or out.is_dir() or not out.parent.is_dir():  # refused before minutes of work
        raise ConfigError("a file to write (.json) in a folder that exists", f"--out {out}", "name another --out")
    days = read_days(lake, symbol, dates, start, end, venue, levels)
    say(f"{', '.join(d.label for d in days)} read; fitting {model}, about a minute for a few days")
    halves = len(dates) == 1 and days[0].session_s >= LEAST_SESSION_S  # odd half hours against even ones
    if model == "santa_fe" and not (start or end or levels) and (held_out or halves):
        made = santa_fe.make(
            lake, symbol, days=dates, held_out=held_out, name=name, out=out, date=stamp, lot_shares=lot,
            venue=venue or None,
        )  # fmt: skip
        santa_fe.show(made, out, as_json)
        return 0
    if set(dates) & set(held_out):
        both = ", ".join(sorted(set(dates) & set(held_out)))
        raise ConfigError("days either calibrated on or held out", f"{both} in both", "name each day once")
    made = calibrated(model, days, name=name, stamp=stamp, windowed=bool(start or end), lot=lot)
    if levels:
        made = made.model_copy(update={"card": {**made.card, "levels_read": levels}})
    scores = None
    if held_out:
        drawn = Drawn(made, read_days(lake, symbol, held_out, venue=venue, levels=levels), days)
        made = keep(made, drawn.tape, score(drawn, classifier=False))
        scores = made.card["scores"]
        made = made.model_copy(update={"card": {**made.card, "held_out_days": list(held_out)}})
    made.save(out)
    seconds = time.perf_counter() - began
    if as_json:
        about = {"name": made.name, "model": made.model, "out": out, "calibrated_on": dates}
        print_json({**about, "window_s": made.card.get("window_s"), "seconds": seconds, "scores": scores})
    else:
        say(f"{made.name}: {made.model} from {', '.join(d.label for d in days)} in {seconds:.1f} s")
        if scores:
            floor = scores["floor_mean_l1"]
            say(f"mean L1 {scores['mean_l1']:.3f} on the days held out (real against real: {floor:.3f})")
        say(f"written  {out}")
        say(f"score it on days that it has not seen: tercel market score {out} --lake {lake} --date ...")
    return 0


def calibrated(
    model: str, days: Sequence[Day], *, name: str, stamp: str, windowed: bool = False, lot: int | None = None
) -> Preset:
    """A preset of `model` from stretches of days; its card says which. `lot` is a simulated lot's units.

    Raises
    ------
    ConfigError
        A model that is none, or days that are too short for it.
    """
    calibrate = _module(model).calibrate
    window = [float(x) for x in days[0].stretch_s]
    common: dict[str, Any] = {"name": name, "date": stamp, "lot_shares": lot}
    if "tell" in signature(calibrate).parameters:
        common["tell"] = say
    if windowed and "from_s" in signature(calibrate).parameters:
        cut = [(day.instrument, day.events) for day in days]
        common |= {"skip_s": days[0].skip_s, "from_s": window[0], "to_s": window[1]}
    else:
        cut = [(_until(day, window[1]) if windowed else day.instrument, day.events) for day in days]
        common["skip_s"] = window[0]
    try:
        made: Preset = calibrate(cut, **common)
    except ValidationError as error:
        received = f"{error.errors()[0]['msg']} on {', '.join(day.label for day in days)}"
        raise ConfigError(f"a {model} preset within its bounds", received, "give a coarser --lot") from error
    extra = {"days": [day.instrument.date for day in days]} | ({"window_s": window} if windowed else {})
    return made.model_copy(update={"card": {**made.card, **extra}})


def _until(day: Day, end_s: float) -> Any:
    """The instrument with its session ended where the stretch ends."""
    opening = day.instrument.session_open_ns or int(day.events.exch_ns[0])
    close = opening + round(end_s * NS_PER_SECOND)
    return replace(day.instrument, session_open_ns=opening, session_close_ns=close)


def _module(model: str) -> Any:
    if model not in CALIBRATORS:
        raise ConfigError(f"a flow model: {', '.join(CALIBRATORS)}", f"--model {model}", "give one of them")
    try:
        return importlib.import_module(CALIBRATORS[model])
    except ModuleNotFoundError as error:
        raise ConfigError(f"a calibrator of {model}", str(error), "take another model") from error
