"""Preset file of a zero-intelligence market: its rates beside the common fields.

The law (Smith, Farmer, Gillemot and Krishnamurthy 2003; Cont, Stoikov and Talreja 2010), continuous time,
bid and ask alike:

- on each side limit orders arrive ``i = 1 .. I`` ticks from the *opposite* best at rate ``limit_rate[i -
  1]`` per second;
- market orders arrive at ``market_rate`` per second and side, and walk the book at price-time priority;
- each resting public order is cancelled whole at rate ``cancel_rate[i - 1]`` per second, i its distance
  from the opposite best now, the last value beyond I;
- sizes are drawn independently: one of the 64 equally likely entries of ``limit_sizes`` or
  ``market_sizes``.
"""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from tercel.core.arrays import Floats
from tercel.market.flow.port import Lots, Positive, Preset, Rate, check_rates

SIZES = 64
"""Entries of a size table."""

Sizes = Annotated[tuple[Lots, ...], Field(min_length=SIZES, max_length=SIZES)]


class SantaFePreset(Preset):
    """Rates of one zero-intelligence market.

    Attributes
    ----------
    limit_rate, cancel_rate : tuple of float, length I
        See the module; index 0 is distance 1.
    market_rate : float
        Market orders per second and side.
    limit_sizes, market_sizes : tuple of int, length 64
        Equally likely sizes in lots, ascending. Each is the mean of 1/64 of the sorted sample, rounded so
        that the sum is kept.
    """

    model: Literal["santa_fe"] = "santa_fe"
    limit_rate: Annotated[tuple[Rate, ...], Field(min_length=1, max_length=4096)]
    market_rate: Positive
    cancel_rate: Annotated[tuple[Positive, ...], Field(min_length=1, max_length=4096)]
    limit_sizes: Sizes
    market_sizes: Sizes

    @model_validator(mode="after")
    def _fits_together(self) -> "SantaFePreset":
        check_rates(self.limit_rate, self.cancel_rate, sum(self.limit_rate) + self.market_rate)
        if self.start_mid_ticks <= 2 * len(self.limit_rate):
            raise ValueError(
                f"start_mid_ticks {self.start_mid_ticks}: prices below zero are within reach"
            )
        if self.width < 2 * len(self.limit_rate):
            raise ValueError(
                f"width {self.width} holds fewer than twice the {len(self.limit_rate)} distances"
            )
        return self

    @property
    def typical_lots(self) -> int:
        """Mean size of a limit order."""
        return max(int(np.mean(self.limit_sizes)), 1)

    def packed(self) -> Floats:
        """See `santa_fe.pack`."""
        from tercel.market.flow.santa_fe import pack

        return pack(
            np.asarray(self.limit_rate),
            self.market_rate,
            np.asarray(self.cancel_rate),
            np.asarray(self.limit_sizes),
            np.asarray(self.market_sizes),
        )
