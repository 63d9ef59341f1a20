"""Synthetic days as tape, with the regimes that were in force as their ground truth."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from tercel.core.errors import ConfigError
from tercel.core.jit import Floats
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.flow.port import Preset
from tercel.market.regimes.choice import parse_regimes
from tercel.market.regimes.law import names_of as law_names, pack_law
from tercel.market.regimes.occupancy import regime_path
from tercel.market.regimes.switching import with_law
from tercel.market.simulator.days import simulated_session
from tercel.market.simulator.layout import FLOW_HEAD
from tercel.market.tape import Events, Instrument
from tercel.market.tape.events import Extra
from tercel.market.tape.local_times import midnight_ns

VENUE = "SIM"
TIMEZONE = "America/New_York"
OPEN_S = 34_200
"""09:30."""
WARMUP_S = 600.0
LONGEST_S = 86_400.0 - OPEN_S


def parse_law(
    regimes: str, preset: Preset, seconds: float
) -> tuple[Floats | None, tuple[str, ...]]:
    """Packed regime law and regime names of a day, (None, ()) without regimes; a passing regime begins after a third of it."""
    if not regimes:
        return None, ()
    law, season = parse_regimes(regimes, preset, seconds / 3)
    if season is not None and season.arrival_s is None:
        season = dataclasses.replace(season, arrival_s=0.0)
    return pack_law(law, season), ("none", *law_names(law))


def regime_truth(
    law: Floats, names: Sequence[str], seed: int, seconds: float
) -> list[dict[str, Any]]:
    """Ground truth: regimes with their starts, seconds since the opening."""
    warm = round(WARMUP_S * NS_PER_SECOND)
    flow = with_law(np.zeros(FLOW_HEAD), law)
    rows = regime_path(flow, seed, 0, 0, warm, warm + round(seconds * NS_PER_SECOND))
    switches: list[dict[str, Any]] = []
    for ns, number, _ in rows.tolist():
        from_s = max((ns - warm) / NS_PER_SECOND, 0.0)
        if switches and (from_s == 0.0 or switches[-1]["regime"] == names[number]):
            switches[-1] |= {"regime": names[number]}
        else:
            switches.append({"from_s": from_s, "regime": names[number]})
    return switches


def synthetic_day(
    preset: Preset, seed: int, date: str, seconds: float, symbol: str, law: Floats | None = None
) -> tuple[Instrument, Events]:
    """One synthetic day as tape: resting orders as OPENING rows at 09:30, then the events of `seconds`.

    Raises
    ------
    ConfigError
        Regimes in a market that comes from tape.
    """
    if (tape_day := preset.make_tape_day(date, seed)) is not None:
        if law is not None:
            raise ConfigError(
                "days of tape as they were", "regimes", f"leave them out with {preset.name}"
            )
        return dataclasses.replace(tape_day[0], venue=VENUE), tape_day[1]
    opening = midnight_ns(date, TIMEZONE) + OPEN_S * NS_PER_SECOND
    events = simulated_session(preset, seed, seconds, opening, WARMUP_S, law)
    extra: Extra = {
        "synthetic": True,
        "preset": preset.name,
        "model": preset.model,
        "seed": seed,
    }
    instrument = Instrument(
        VENUE,
        symbol,
        date,
        preset.tick,
        lot=preset.lot,
        timezone=TIMEZONE,
        source=(f"preset {preset.name}",),
        session_open_ns=opening,
        session_close_ns=opening + round(seconds * NS_PER_SECOND),
        extra=extra,
    )
    return instrument, events
