"""Laws of trading cost, name by name: flat in bps, or by the square root of the share of a day's value traded."""

from dataclasses import dataclass
from numbers import Real
from typing import Any, Final

import numpy as np

from tercel.core.arrays import Floats
from tercel.core.errors import DataError, refuse_if

LEAST_ORDER: Final = 1e-9
"""Share of equity up to which a difference from a weight is rounding, and no order."""


@dataclass(frozen=True)
class Charge:
    """Cost of trading: one-way bps, or the square-root law; of an order at least a commission; and of borrowing stock.

    Parameters
    ----------
    bps : float, optional
    law : float, optional
        Y of the law; used where `bps` is not given.
    capital : float
        Of the book at its beginning, in the currency of the prices.
    whose : str
        Where the bps come from.
    min_commission : float
        Least cost of an order, in money: the larger of the two counts.
    borrow_bps : float
        A year of 365 days, of the value that is short, by calendar days.

    Raises
    ------
    ConfigError
        A number that is not finite or below 0; a law or capital that is not above 0.
    """

    bps: float | None = None
    law: float = 1.0
    capital: float = 1e7
    whose: str = ""
    min_commission: float = 0.0
    borrow_bps: float = 0.0

    def __post_init__(self) -> None:
        """Refuse costs and capital that are none."""
        numbers = (self.bps or 0.0, self.law, self.capital, self.min_commission, self.borrow_bps)
        for number in numbers:
            refuse_if(
                not isinstance(number, Real),
                "costs and capital as numbers",
                f"{number!r}",
                "give 5.0",
            )
        costs = {
            "cost_bps": ("a one-way cost of 0 bps or more", self.bps or 0.0),
            "min_commission": ("a least cost of an order of 0 or more", self.min_commission),
            "borrow_bps": ("a cost of borrowing of 0 bps or more", self.borrow_bps),
        }
        for option, (expected, cost) in costs.items():
            refuse_if(not 0.0 <= cost < np.inf, expected, f"{cost:g}", f"give `{option}=5`")
        refuse_if(
            not (self.law > 0 and 0 < self.capital < np.inf),
            "a law and capital above 0",
            f"{self.law:g} and {self.capital:g}",
            "give `cost_law=1` `capital=1e7`",
        )

    def __str__(self) -> str:
        """Text such as `5 bps one-way, WHOSE`, or `the square-root law, Y 1, on 10,000,000`.

        >>> str(Charge(5.0)), str(Charge(5.0, min_commission=2, borrow_bps=50))
        ('5 bps one-way', '5 bps one-way, at least 2 an order, 50 bps a year on shorts')
        """
        law = f"the square-root law, Y {self.law:g}, on {self.capital:,.0f}"
        parts = [law if self.bps is None else f"{self.bps:g} bps one-way"]
        parts += [self.whose] * bool(self.whose)
        parts += [f"at least {self.min_commission:g} an order"] * bool(self.min_commission)
        parts += [f"{self.borrow_bps:g} bps a year on shorts"] * bool(self.borrow_bps)
        return ", ".join(parts)


@dataclass(frozen=True, eq=False)
class CostLaw:
    """A cost name by name: a change of weight costs ``scale * |change| ** power``, a fraction of equity.

    Parameters
    ----------
    scale : float64 (T, N), or (1, 1) where it is one for all
    power : float
    least : float
        Least cost of an order, a fraction of equity.

    >>> float(CostLaw(np.array([[0.1]]), 1.5)(7, np.array([0.25, -0.01])))
    0.0126
    """

    scale: Floats
    power: float
    least: float = 0.0

    def scale_at(self, t: int) -> Floats:
        """The scale of a date."""
        return np.asarray(self.scale[t if len(self.scale) > 1 else 0])

    def __call__(self, t: int, traded: Floats) -> Any:
        """Cost of the changes of a date: a number for (N,), (G,) for (G, N)."""
        costs = self.scale_at(t) * np.abs(traded) ** self.power
        if self.least:
            costs = np.maximum(costs, self.least * (np.abs(traded) > LEAST_ORDER))
        return costs.sum(axis=-1)


def charge_of(
    cost_bps: float | None, cost_law: float | None, capital: float, least: float, borrow: float
) -> Charge:
    """What one of a cost in bps and a law charges, with a least commission and bps of borrowing; ConfigError for none or both.

    >>> str(charge_of(5.0, None, 1e6, 0.0, 0.0))
    '5 bps one-way'
    """
    refuse_if(
        (cost_bps is None) == (cost_law is None),
        "one of `cost_bps=` and `cost_law=`",
        "neither" if cost_bps is None else "both",
        "give `cost_bps=5`; 0 is a cost too",
    )
    law = 1.0 if cost_law is None else cost_law
    return Charge(cost_bps, law, capital, "", least, borrow)


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
