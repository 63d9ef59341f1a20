"""Executions in whole numbers: prices in 10^-8 of a tick (`px`), quantities in 10^-8 of a lot (`qty`).

Ticks and lots are what orders are sent in; a venue may execute between two ticks, and parts of a lot. A price times a
quantity counts in 10^-16. People and JSON see ticks and lots: whole ones as integers, others with their decimals.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

# -- fixed ----------------------------------------------------------------------------------------

PLACES: Final = 8
ONE: Final = 10**PLACES
"""One tick, or one lot."""
PAID_PLACES: Final = 2 * PLACES
"""Decimals of a price times a quantity."""
PAID_ONE: Final = ONE * ONE
"""One tick times one lot."""
FEE_UNIT: Final = 100_000_000
"""Parts in which fees are told: of a half tick, or of the value."""


def floored(value: int) -> int:
    """Whole ticks or lots, rounded down.

    >>> floored(250_000_000), floored(-1)
    (2, -1)
    """
    return value // ONE


def ceiled(value: int) -> int:
    """Whole ticks or lots, rounded up.

    >>> ceiled(250_000_000), ceiled(200_000_000)
    (3, 2)
    """
    return -(-value // ONE)


def against(side: int, px: int) -> int:
    """A price in whole ticks, rounded against whoever traded on that side.

    >>> against(1, 250_000_000), against(-1, 250_000_000)
    (3, 2)
    """
    return ceiled(px) if side > 0 else floored(px)


def shown(value: int, places: int = PLACES) -> int | float:
    """A number for tables and JSON: an integer where it is whole; else the nearest float, which nobody reckons with.

    >>> shown(300_000_000), shown(50_000_000)
    (3, 0.5)
    """
    one: int = 10**places
    whole, rest = divmod(value, one)
    return value / one if rest else whole


def summed(values: Iterable[int | float]) -> int | float:
    """The sum of numbers that were shown, without the noise of floats.

    >>> summed([0.1, 0.2, 1]), summed([1, 2])
    (1.3, 3)
    """
    return shown(
        sum(round(value * ONE) if isinstance(value, float) else value * ONE for value in values)
    )


def text(value: int, places: int = PLACES) -> str:
    """A scaled integer as a decimal string, exact, for people.

    >>> text(999_850_000_000), text(-50_000_000), text(1, 16)
    ('9998.5', '-0.5', '0.0000000000000001')
    """
    sign, digits = "-" if value < 0 else "", f"{abs(value):0{places + 1}d}"
    return f"{sign}{digits[:-places]}.{digits[-places:]}".rstrip("0").rstrip(".")


# -- units ----------------------------------------------------------------------------------------
# What a tick and a lot of an instrument are: from ticks and lots to prices, shares and money, without rounding.

IN_TICKS: Final = "ticks x lots"
"""In the place of a currency, where nobody said what a tick is worth."""


@dataclass(frozen=True, slots=True)
class Unit:
    """The units of an instrument.

    Parameters
    ----------
    tick, lot : Fraction
        In price units, and in shares or coins; 1 where they are not known.
    value : Fraction
        Of a tick of a lot, in money.
    currency : str
        "": not named; `IN_TICKS`: `value` is not known, and money is in ticks x lots.
    fees : tuple of int or None
        `core.orders.Listing.fees`; None where nobody told.

    >>> Unit.of({"tick": 0.01, "lot": 100, "currency": "USD"}).price(100_150 * ONE)
    1001.5
    """

    tick: Fraction = Fraction(1)
    lot: Fraction = Fraction(1)
    value: Fraction = Fraction(1)
    currency: str = IN_TICKS
    fees: tuple[int, int, int, int] | None = None

    @classmethod
    def of(cls, words: Mapping[str, Any]) -> "Unit":
        """The units of a listing as a session journals it: {"tick", "lot", "currency", "fees"}."""
        tick, lot = Fraction(repr(words["tick"])), Fraction(repr(words["lot"]))
        fees = tuple(words["fees"]) if "fees" in words else None
        return cls(tick, lot, tick * lot, str(words.get("currency", "")), fees)

    @property
    def known(self) -> bool:
        """Whether tick and lot are known: money is money."""
        return self.currency != IN_TICKS

    def price(self, px: Fraction | int) -> float:
        """A price of 10^-8 ticks in the units of the market."""
        return float(self.tick * px / ONE)

    def qty(self, qty: Fraction | int) -> float:
        """A quantity of 10^-8 lots in shares or coins."""
        return float(self.lot * qty / ONE)

    def shown(self) -> dict[str, Any]:
        """{"tick", "lot", "currency"}; null where nobody told the tick: prices are then in ticks."""
        size = (
            {"tick": float(self.tick), "lot": float(self.lot)}
            if self.known
            else {"tick": None, "lot": None}
        )
        return {**size, "currency": self.currency}
