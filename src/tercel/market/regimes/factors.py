"""Factors of a regime on a flow's rates, and the drift of its market orders."""

import math
from dataclasses import dataclass, fields
from typing import Final

import numpy as np

from tercel.core.arrays import Ints
from tercel.core.errors import ConfigError
from tercel.core.vocabulary import FOREVER_NS
from tercel.market.simulator import layout as sim

MOST: Final = 1000.0
"""Factors beyond this, or below one over it, are a slip."""


@dataclass(frozen=True)
class Factors:
    """Factors on a flow's rates; all ones leave the market as calibrated.

    Parameters
    ----------
    limit, market, cancel : float
        On limit orders, market orders, and the rate at which each resting order dies.
    pace : float
        On all of them: the same market in another time.
    lean : float
        From -1 (market orders only sell) to 1 (only buy): buyers' share is (1 + lean) / 2.
    """

    limit: float = 1.0
    market: float = 1.0
    cancel: float = 1.0
    pace: float = 1.0
    lean: float = 0.0

    def __post_init__(self) -> None:
        """Refuse factors that stop the market or are none."""
        for name in ("limit", "market", "cancel", "pace"):
            value = getattr(self, name)
            if not (math.isfinite(value) and 1 / MOST <= value <= MOST):
                raise ConfigError(
                    f"a factor {name} from {1 / MOST:g} to {MOST:g}",
                    f"{value!r}",
                    "1 changes nothing",
                )
        if not -1.0 <= self.lean <= 1.0:
            raise ConfigError(
                "a lean from -1 (all sell) to 1 (all buy)", f"{self.lean!r}", "0 leans to neither"
            )

    @property
    def words(self) -> tuple[float, ...]:
        """Factors in the order of the state: limit, market, cancel, pace, lean."""
        return tuple(float(getattr(self, field.name)) for field in fields(self))


def impose(states: Ints, factors: Factors) -> None:
    """Set the factors in force from the markets' next event until changed; any regime law is replaced.

    Parameters
    ----------
    states : int64 (..., >= GRID)
        Of one market or of a batch; changed.
    """
    states[..., sim.REGIME] = 1
    states[..., sim.REGIME_NS] = FOREVER_NS
    states[..., sim.LIMIT_FACTOR : sim.LEAN + 1] = np.array(factors.words).view(np.int64)
