"""Sizing of a round's parent orders by posture and forecast.

What is not worked now is carried to the next round and keeps its first arrival price, so that waiting is paid for in
the desk's cost, not hidden.
"""

import math
from dataclasses import dataclass

from tercel.core.errors import ConfigError
from tercel.core.messages import Alpha, Posture


@dataclass(frozen=True)
class SizingRule:
    """Parameters of the sizing.

    Parameters
    ----------
    least : float
        Share of the open quantity that is always worked (unless the posture's multiplier is 0).
    confidence : float
        An alpha is acted on beyond so many of its standard deviations.
    scale_bps : float
        A favourable move of so many bps (beyond what confidence asks) defers everything that may be deferred.
    prior_bps : float
        Forecasts are believed at first as if they had held over so many bps (root sum of squares) of forecast moves.
    """

    least: float = 0.25
    confidence: float = 0.1
    scale_bps: float = 12.0
    prior_bps: float = 60.0

    def __post_init__(self) -> None:
        """Refuse what is no rule."""
        shares = 0 <= self.least <= 1
        scales = 0 < self.scale_bps < math.inf and 0 < self.prior_bps < math.inf
        if not (shares and scales and 0 <= self.confidence < math.inf):
            raise ConfigError(
                "least in [0, 1], confidence >= 0, scale_bps and prior_bps > 0",
                f"{self}",
                "mend [loop.sizing]",
            )


class Sizing:
    """Sizes one instrument's rounds and learns how far forecasts hold.

    >>> sizing = Sizing(SizingRule())
    >>> sizing.lots(1, 100, None, None, last=False)
    100
    >>> sizing.lots(1, 100, None, Posture("A", 0, size_multiplier=0.5), last=False)
    50
    """

    def __init__(self, rule: SizingRule) -> None:
        self._rule = rule
        self._agreed = self._said = rule.prior_bps**2

    def lots(
        self,
        side: int,
        wanted: int,
        alpha: Alpha | None,
        posture: Posture | None,
        last: bool,
    ) -> int:
        """Lots of `wanted` to work this round; the last round takes all."""
        if last or wanted == 0:
            return wanted
        share = 1.0 if posture is None else posture.size_multiplier
        if share == 0.0:
            return 0
        said, sd_bps = (
            (0.0, 0.0) if alpha is None else (alpha.expected_bps * self.trust, alpha.sd_bps)
        )
        against = side * said
        sure = max(abs(against) - self._rule.confidence * sd_bps, 0.0)
        if against < 0:  # the market is expected to come: wait with some of it
            share *= 1.0 - (1.0 - self._rule.least) * min(sure / self._rule.scale_bps, 1.0)
        return min(max(round(share * wanted), min(1, wanted)), wanted)

    def learn_move(self, expected_bps: float, realised_bps: float) -> None:
        """Update the trust in forecasts with a round's forecast and realised move."""
        if math.isfinite(realised_bps) and math.isfinite(expected_bps):
            self._agreed += expected_bps * realised_bps
            self._said += expected_bps**2

    @property
    def trust(self) -> float:
        """Shrunken slope of realised moves on forecasts, with a prior of 1, in [0, 1.5]."""
        return min(max(self._agreed / self._said, 0.0), 1.5)
