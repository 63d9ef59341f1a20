"""How much of a book is held: scaled to a volatility. Off unless asked for.

    found = backtest(walk, book, charge, volatility_target(0.1, days))

Known are the days whose closes had settled when a date's decision fell due, and none after them.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from tercel.core.arrays import Floats, Ints
from tercel.core.errors import ConfigError, DataError
from tercel.signals.backtest import Exposure
from tercel.signals.risk.volatility import LEAST_PAST, MONTH, YEAR, Ewma, ewma

MOST: Final = 2.0
"""Times its own weights that a book is held at most."""


@dataclass(frozen=True, eq=False)
class DailyReturns:
    """Daily returns of names, and when each day was known.

    Parameters
    ----------
    known_ns : int64 (K,)
        Rising.
    returns : float64 (K, N)
        Fractions, 0 where a name has none.
    """

    known_ns: Ints
    returns: Floats

    def before(self, time_ns: Ints, least: int) -> Ints:
        """Number of days that are known at each time, int64 (T,).

        Raises
        ------
        DataError
            Fewer than `least` at the first.
        """
        known = np.searchsorted(self.known_ns, time_ns, side="right")
        if known[0] < least:
            received = (
                f"{known[0]} before {np.datetime64(int(time_ns[0]), 'ns').astype('datetime64[D]')}"
            )
            raise DataError(
                f"at least {least} days of prices before the first date",
                received,
                "take a longer panel",
            )
        return known


def volatility_target(target: float, days: DailyReturns) -> Exposure:
    """Weights times `target` over their forecast volatility, at most :data:`MOST` times.

    The forecast is RiskMetrics' (:func:`tercel.signals.risk.volatility.ewma`), of the last year's daily returns of
    the very weights that the date asks for.

    Parameters
    ----------
    target : float
        Deviation of a year's returns, a fraction of equity.
    days : DailyReturns

    Raises
    ------
    ConfigError
        For a target that is not above 0.
    """
    if not (np.isfinite(target) and target > 0.0):
        raise ConfigError("a volatility above 0, of a year", f"{target:g}", "give `vol_target=10%`")

    def scaled(time_ns: Ints, weights: Floats) -> Floats:
        out = np.ones(len(weights))
        for t, stop in enumerate(days.before(time_ns, LEAST_PAST).tolist()):
            earned = days.returns[max(stop - YEAR, 0) : stop] @ weights[t]
            sd = float(
                np.sqrt(
                    YEAR * ewma(earned**2, Ewma().decay, float(np.mean(earned[:MONTH] ** 2)))[-1]
                )
            )
            out[t] = min(target / sd, MOST) if sd > 0.0 else 1.0
        return out

    return scaled
