"""What a tick and a lot of an instrument are: from ticks and lots to prices, shares and money, without rounding."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from tercel.core.fixed import ONE

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
