"""Laws of trading cost, name by name: flat in bps, or by the square root of the share of a day's value traded."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tercel.core.arrays import Floats
from tercel.core.errors import DataError, refuse_if


@dataclass(frozen=True, eq=False)
class CostLaw:
    """A cost name by name: a change of weight costs ``scale * |change| ** power``, a fraction of equity.

    Parameters
    ----------
    scale : float64 (T, N), or (1, 1) where it is one for all
    power : float

    >>> float(CostLaw(np.array([[0.1]]), 1.5)(7, np.array([0.25, -0.01])))
    0.0126
    """

    scale: Floats
    power: float

    def scale_at(self, t: int) -> Floats:
        """The scale of a date."""
        return np.asarray(self.scale[t if len(self.scale) > 1 else 0])

    def __call__(self, t: int, traded: Floats) -> Any:
        """Cost of the changes of a date: a number for (N,), (G,) for (G, N)."""
        return (self.scale_at(t) * np.abs(traded) ** self.power).sum(axis=-1)


def flat_cost(bps: float) -> CostLaw:
    """A one-way cost of so many bps.

    Raises
    ------
    ConfigError
        Below 0, or no number.
    """
    refuse_if(
        not (np.isfinite(bps) and bps >= 0.0),
        "a one-way cost of 0 bps or more",
        f"{bps:g}",
        "give `cost_bps=5`",
    )
    return CostLaw(np.array([[1e-4 * bps]]), 1.0)


def square_root_cost(y: float, capital: float, sd: Floats, dollars: Floats) -> CostLaw:
    """The square-root law: a name's trade costs ``y * sd * sqrt(value traded / value of a day)`` of its value.

    Parameters
    ----------
    y : float
        Y of the law, about 1.
    capital : float
        Of the book, in the currency of `dollars`; the same on every date.
    sd, dollars : float64 (T, N)
        Deviation of a day's return, a fraction; value that changes hands in a day. A name without them has the date's
        median.

    Raises
    ------
    ConfigError
        For a law or capital that is not above 0.
    DataError
        When no name of a date has a deviation and a value.
    """
    refuse_if(
        not (y > 0 and capital > 0 and np.isfinite(y * capital)),
        "a law and capital above 0",
        f"{y:g} and {capital:g}",
        "give `cost_law=1` `capital=1e7`",
    )
    scale = y * sd * np.sqrt(capital / np.where(dollars > 0, dollars, np.nan))
    if (bare := np.isnan(scale).all(axis=1)).any():
        raise DataError(
            "prices and volumes for every date",
            f"none on date {int(bare.argmax()) + 1}",
            "give a cost in bps instead",
        )
    filled = np.where(np.isfinite(scale), scale, np.nanmedian(scale, axis=1, keepdims=True))
    return CostLaw(filled, 1.5)
