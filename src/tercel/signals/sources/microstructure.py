"""Bars of a recorded tape as a source, known at the end of each bar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import polars as pl

from tercel.core.errors import TapeError
from tercel.market.tape import Lake
from tercel.market.tape.events import Events
from tercel.market.tape.instrument import Instrument, midnight_ns
from tercel.signals.features.bars import bar_frame, bar_names, clock, flow_of
from tercel.signals.sources.port import SourceAbsentError, checked

SECOND = 1_000_000_000
SESSION = (34_200 * SECOND, 57_600 * SECOND)
"""09:30 and 16:00 after midnight, where a tape does not say when it trades."""


@dataclass(frozen=True)
class MicrostructureBars:
    """Bars of days in a lake; a bar is known `delay` after its end.

    Parameters
    ----------
    lake : Path
    days : sequence of (symbol, date)
    every_s : float
        Length of a bar.
    levels : int
        Levels of order flow imbalance, at most 5.
    delay : timedelta
        What it takes to receive and compute: nothing by default, as in replay.
    """

    lake: Path
    days: Sequence[tuple[str, str]]
    every_s: float = 10.0
    levels: int = 5
    delay: timedelta = timedelta(0)
    name: str = "bars"

    @property
    def columns(self) -> tuple[str, ...]:
        """See :class:`tercel.signals.sources.port.SignalSource`."""
        return bar_names(self.levels)

    def facts(self) -> pl.DataFrame:
        """See :meth:`tercel.signals.sources.port.SignalSource.facts`."""
        frames = []
        for symbol, date in self.days:
            try:
                instrument, events = Lake(self.lake).read(symbol, date)
            except TapeError as error:
                raise SourceAbsentError(error.expected, error.received, error.remedy) from error
            frames.append(bars_of_day(instrument, events, self.every_s, self.levels))
        frame = pl.concat(frames).rename({"end": "event_time"})
        frame = frame.with_columns(known_time=pl.col("event_time") + self.delay)
        return checked(frame, self.columns, f"bars of {self.lake}")


def session(instrument: Instrument) -> tuple[int, int]:
    """Open and close of continuous trading, ns since 1970 UTC."""
    if instrument.session_close_ns > instrument.session_open_ns > 0:
        return instrument.session_open_ns, instrument.session_close_ns
    start = midnight_ns(instrument.date, instrument.timezone)
    return start + SESSION[0], start + SESSION[1]


def bars_of_day(instrument: Instrument, events: Events, every_s: float, levels: int) -> pl.DataFrame:
    """Bars of one day with `instrument`, `start`, `end`; bars before the first two-sided book are left out."""
    edges = clock(*session(instrument), round(every_s * SECOND))
    frame = bar_frame(flow_of(events, levels), edges).filter(pl.col("mid").is_finite())
    return frame.with_columns(pl.lit(instrument.symbol).alias("instrument"))
