"""A preset of any flow model from stretches of days."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from inspect import signature
from pkgutil import resolve_name
from typing import Any

from pydantic import ValidationError

from tercel.core.errors import ConfigError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.flow.port import Preset
from tercel.market.flow.preset import model_of
from tercel.market.score.days import Day


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

    `tell` is given lines on the way; `lake` is the folder of the days, for a model that goes on reading them.

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
