"""Prices and quantities as integers of 10^-8 of a tick and of a lot: rounding, decimals, and money by an instrument's units.

Orders are sent in whole ticks and lots; a venue may execute between two ticks, and parts of a lot. A price times a
quantity counts in 10^-16. People and JSON see ticks and lots: whole ones as integers, others with their decimals.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

PLACES: Final = 8
ONE: Final = 10**PLACES
"""One tick, or one lot."""
PAID_PLACES: Final = 2 * PLACES
"""Decimals of a price times a quantity."""
PAID_ONE: Final = ONE * ONE
"""One tick times one lot."""
FEE_UNIT: Final = 100_000_000
"""Parts in which fees are given: of a half tick, or of the value."""


# What a tick and a lot of an instrument are: from ticks and lots to prices, shares and money, without rounding.
IN_TICKS: Final = "ticks x lots"
"""Instead of a currency, where the value of a tick is unknown."""


def floor_units(value: int) -> int:
    """Whole ticks or lots of a value in 10^-8 of them, rounded down.

    >>> floor_units(250_000_000), floor_units(-1)
    (2, -1)
    """
    return value // ONE


def ceil_units(value: int) -> int:
    """Whole ticks or lots of a value in 10^-8 of them, rounded up.

    >>> ceil_units(250_000_000), ceil_units(200_000_000)
    (3, 2)
    """
    return -(-value // ONE)


def round_against(side: int, px: int) -> int:
    """A price in 10^-8 of a tick as whole ticks, rounded against the trader: up for a buy (side above 0), else down.

    >>> round_against(1, 250_000_000), round_against(-1, 250_000_000)
    (3, 2)
    """
    return ceil_units(px) if side > 0 else floor_units(px)


def to_number(value: int, places: int = PLACES) -> int | float:
    """A fixed-point integer for tables and JSON: int if it is whole, else the nearest float.

    >>> to_number(300_000_000), to_number(50_000_000)
    (3, 0.5)
    """
    scale: int = 10**places
    whole, rest = divmod(value, scale)
    return value / scale if rest else whole


def sum_numbers(values: Iterable[int | float]) -> int | float:
    """Sum of numbers that `to_number` returned, computed exactly and without float noise.

    >>> sum_numbers([0.1, 0.2, 1]), sum_numbers([1, 2])
    (1.3, 3)
    """
    return to_number(
        sum(round(value * ONE) if isinstance(value, float) else value * ONE for value in values)
    )


def format_decimal(value: int, places: int = PLACES) -> str:
    """A fixed-point integer as an exact decimal string.

    >>> format_decimal(999_850_000_000), format_decimal(-50_000_000), format_decimal(1, 16)
    ('9998.5', '-0.5', '0.0000000000000001')
    """
    sign = "-" if value < 0 else ""
    digits = f"{abs(value):0{places + 1}d}"
    return f"{sign}{digits[:-places]}.{digits[-places:]}".rstrip("0").rstrip(".")


@dataclass(frozen=True, slots=True)
class Unit:
    """Units of an instrument: size of a tick and a lot, currency, and fees.

    Parameters
    ----------
    tick, lot : Fraction
        In price units, and in shares or coins; 1 where they are not known.
    value : Fraction
        Of a tick of a lot, in money.
    currency : str
        "": not named; `IN_TICKS`: `value` is not known, and money is in ticks x lots.
    fees : tuple of int or None
        `core.orders.Listing.fees`; None where unknown.

    >>> Unit.of({"tick": 0.01, "lot": 100, "currency": "USD"}).price(100_150 * ONE)
    1001.5
    """

    tick: Fraction = Fraction(1)
    lot: Fraction = Fraction(1)
    value: Fraction = Fraction(1)
    currency: str = IN_TICKS
    fees: tuple[int, int, int, int] | None = None

    @classmethod
    def of(cls, listing: Mapping[str, Any]) -> "Unit":
        """The units of a listing as a session journals it: {"tick", "lot", "currency", "fees"}."""
        tick = Fraction(repr(listing["tick"]))
        lot = Fraction(repr(listing["lot"]))
        fees = tuple(listing["fees"]) if "fees" in listing else None
        return cls(tick, lot, tick * lot, str(listing.get("currency", "")), fees)

    @property
    def known(self) -> bool:
        """Whether tick and lot are known, so that amounts are money."""
        return self.currency != IN_TICKS

    def price(self, px: Fraction | int) -> float:
        """A price in 10^-8 of a tick as a price in currency."""
        return float(self.tick * px / ONE)

    def qty(self, qty: Fraction | int) -> float:
        """A quantity in 10^-8 of a lot in shares or coins."""
        return float(self.lot * qty / ONE)

    def to_json(self) -> dict[str, Any]:
        """{"tick", "lot", "currency"}; null where the tick is unknown: prices are then in ticks."""
        size = (
            {"tick": float(self.tick), "lot": float(self.lot)}
            if self.known
            else {"tick": None, "lot": None}
        )
        return {**size, "currency": self.currency}
