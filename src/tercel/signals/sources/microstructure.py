"""Bars of a recorded tape as a source, known at the end of each bar."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import polars as pl
from pydantic import Field

from tercel.core.errors import TapeError
from tercel.market.tape import Events, Lake
from tercel.market.tape.instrument import Instrument, midnight_ns
from tercel.signals.sources.port import Noting, SourceAbsentError, checked

SECOND = 1_000_000_000
SESSION = (34_200 * SECOND, 57_600 * SECOND)
"""09:30 and 16:00 after midnight, where a tape does not say when it trades."""
WIDEST = 0.1
"""Spread as a share of the mid beyond which there is no market."""


@dataclass(frozen=True)
class MicrostructureBars(Noting):
    """Bars of days in a lake; a bar is known `delay` after its end.

    Left out and said are bars that end without a bid or an ask, crossed, wider than a tenth of the mid or so far from
    the bar before; a day where half of the bars are such, as in a holiday's file; values that never change, as volume
    of a tape without trades. A locked book is one: its spread is 0.

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
    days: Annotated[Sequence[tuple[str, str]], Field(min_length=1)]
    every_s: Annotated[float, Field(ge=0.001, le=86_400)] = 10.0
    levels: Annotated[int, Field(ge=1, le=5)] = 5
    delay: Annotated[timedelta, Field(ge=timedelta(0), le=timedelta(days=1))] = timedelta(0)
    name: str = "bars"

    @property
    def columns(self) -> tuple[str, ...]:
        """See :class:`tercel.signals.sources.port.SignalSource`."""
        from tercel.signals.features.bars import bar_names  # with kernels, which other sources do not need

        return super().columns or bar_names(self.levels)

    def facts(self) -> pl.DataFrame:
        """See :meth:`tercel.signals.sources.port.SignalSource.facts`."""
        frames, notes = list[pl.DataFrame](), list[str]()
        for symbol, date in self.days:
            try:
                instrument, events = Lake(self.lake).read(symbol, date)
            except TapeError as error:
                raise SourceAbsentError(error.expected, error.received, error.remedy) from error
            bars = bars_of_day(instrument, events, self.every_s, self.levels)
            near = WIDEST * pl.col("mid")
            sound = bars.filter(pl.col("spread").is_between(0, near), pl.col("move").abs() <= near)
            whole = 2 * sound.height > bars.height
            if sound.height < bars.height or not whole:
                out = f"{bars.height - sound.height} of {bars.height} bars of {symbol} {date} end without a market"
                notes.append(f"{out}: " + ("left out" if whole else "the day is left out; is it a trading day?"))
            frames.append(sound.head(sound.height * whole))
        frame = pl.concat(frames).rename({"end": "event_time"})
        self._seen["columns"] = ()
        flat = [name for name in self.columns if frame[name].drop_nans().n_unique() < 2]
        if flat and frame.height > 1:
            self._seen["columns"] = [name for name in self.columns if name not in flat]
            notes.append(f"left out, as they never change: {', '.join(flat)}")
        self._seen["notes"] = notes
        frame = frame.with_columns(known_time=pl.col("event_time") + self.delay)
        return checked(frame, self.columns, "; ".join([f"bars of {self.lake}", *notes]))


def session(instrument: Instrument) -> tuple[int, int]:
    """Open and close of continuous trading, ns since 1970 UTC."""
    if instrument.session_close_ns > instrument.session_open_ns > 0:
        return instrument.session_open_ns, instrument.session_close_ns
    start = midnight_ns(instrument.date, instrument.timezone)
    return start + SESSION[0], start + SESSION[1]


def bars_of_day(instrument: Instrument, events: Events, every_s: float, levels: int) -> pl.DataFrame:
    """Bars of one day with `instrument`, `start`, `end`; bars before the first two-sided book are left out."""
    from tercel.signals.features.bars import bar_frame, clock, flow_of

    edges = clock(*session(instrument), round(every_s * SECOND))
    frame = bar_frame(flow_of(events, levels), edges).filter(pl.col("mid").is_finite())
    return frame.with_columns(pl.lit(instrument.symbol).alias("instrument"))
