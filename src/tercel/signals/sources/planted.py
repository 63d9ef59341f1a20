"""A planted leak: a source that carries the next bar's return, under a falsified time or under the true one."""

from __future__ import annotations

import numpy as np
import polars as pl

from tercel.core.errors import DataError
from tercel.signals.sources.frame import FrameSource


def planted_leak(
    prices: pl.DataFrame, seed: int, *, strength: float = 0.2, falsified: bool = True, name: str = "planted"
) -> FrameSource:
    """A source whose `hint` is `strength` parts the standardised return of the next bar, the rest noise.

    Parameters
    ----------
    prices : DataFrame
        `instrument`, `time`, `close`.
    strength : float
        In (0, 1]: about the IC that the falsified source shows.
    falsified : bool
        Says that it was known when the bar began; the truth is when it ended, where nothing is left to gain.

    Raises
    ------
    DataError
        When no instrument has three bars.
    """
    if not 0 < strength <= 1:
        raise DataError("a strength in (0, 1]", f"{strength}", "mend the setting")
    frame = prices.sort("instrument", "time").with_columns(
        move=(pl.col("close").shift(-1) / pl.col("close")).log().over("instrument"),
        over=pl.col("time").shift(-1).over("instrument"),
    )
    frame = frame.filter(pl.col("move").is_finite())
    if frame.height < 3:
        raise DataError("prices of at least three bars", f"{frame.height} moves", "use a longer panel")
    noise = pl.Series("noise", np.random.default_rng(seed).standard_normal(frame.height))
    centred = pl.col("move") - pl.col("move").mean().over("time")
    scaled = (centred / pl.col("move").std().over("time")).fill_nan(0.0).fill_null(0.0)
    frame = frame.with_columns(noise).with_columns(hint=strength * scaled + (1 - strength**2) ** 0.5 * pl.col("noise"))
    known = "time" if falsified else "over"
    facts = frame.select("instrument", event_time=known, known_time=known, hint="hint")
    return FrameSource(name, ("hint",), facts, "a planted source")
