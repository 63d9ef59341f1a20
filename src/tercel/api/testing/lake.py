"""Lakes of simulated days, for tests of what reads a tape."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.flow.preset import load
from tercel.market.simulator.days import simulated_day
from tercel.market.tape import Instrument, Lake
from tercel.market.tape.instrument import midnight_ns

OPENS_S: Final = 34_200
WARM_S: Final = 600
DAYS: Final = ("2003-01-13", "2003-01-14", "2003-01-15")


def simulated_lake(
    folder: Path,
    hours: float,
    days: Sequence[str] = DAYS,
    seed: int = 5,
    market: str = "csco-santa-fe",
) -> Lake:
    """A lake with days of symbol SIM at venue TEST: the flow of a preset from 9:30 New York time.

    Parameters
    ----------
    folder : Path
    hours : float
        Length of a session.
    days : sequence of str
        YYYY-MM-DD; the k-th has seed `seed` + k.
    seed : int
    market : str
        The preset.
    """
    preset, lake = load(market), Lake(folder)
    for number, date in enumerate(days):
        events = simulated_day(preset, seed + number, hours * 3600.0, WARM_S)
        opening = midnight_ns(date, "America/New_York") + OPENS_S * NS_PER_SECOND
        at = events.exch_ns + opening - WARM_S * NS_PER_SECOND
        instrument = Instrument(
            "TEST",
            "SIM",
            date,
            preset.tick,
            lot=preset.lot,
            session_open_ns=opening,
            session_close_ns=opening + round(hours * 3600 * NS_PER_SECOND),
        )
        lake.write(instrument, replace(events, exch_ns=at, recv_ns=at))
    return lake
