"""Ticks and lots of an instrument to decimal prices and numbers of shares on the wire, and back, exactly.

Orders have whole ticks and lots, executions are exact in 10^-8 of the unit.
"""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Final, NamedTuple

from tercel.core import orders as o
from tercel.core.errors import OrderError
from tercel.core.fixed_point import ONE, PLACES, format_decimal
from tercel.core.vocabulary import NO_ASK

_MOST_DIGITS: Final = 40
# Values of OrdRejReason (103), by the FIX standard; numbers in errors are its tags.
_OTHER: Final = "99"
_INCORRECT_QUANTITY: Final = "13"


class RefusedError(OrderError):
    """A message that cannot be carried out; `reason` is the value of OrdRejReason (103)."""

    def __init__(self, expected: str, received: str, reason: str = _OTHER) -> None:
        super().__init__(expected, received, "correct the message and send it under a new name")
        self.reason = reason

    @property
    def text(self) -> str:
        """One line for Text (58)."""
        return f"expected {self.expected}; received {self.received}"


class _Unit(NamedTuple):
    """A tick or a lot, as a fraction, and the decimals that a number in it may have on the wire."""

    numerator: int
    denominator: int
    places: int

    @classmethod
    def of(cls, size: int | Decimal) -> "_Unit":
        """Unit of a tick or lot size."""
        exact = Decimal(size).normalize()
        return cls(*exact.as_integer_ratio(), max(PLACES, -int(exact.as_tuple().exponent)))

    def parts(self, text: str, tag: int, description: str) -> int:
        """A decimal text as signed integer in 10^-8 of the unit; refused, naming `tag` and `description`, if no such number."""
        head, _, tail = text.removeprefix("-").partition(".")
        digits = head + tail
        tail = tail.rstrip("0")
        if not (digits.isascii() and digits.isdigit()) or len(digits) > _MOST_DIGITS:
            raise RefusedError(f"{description} in decimals", f"{tag}={text[:40]}")
        number = int(head + tail or "0") * self.denominator * ONE
        units, rest = divmod(number, int(10 ** len(tail)) * self.numerator)
        if rest or len(tail) > self.places:
            size = self.text(ONE)
            raise RefusedError(
                f"{description} of {self.places} decimals at most, in whole 10^-{PLACES} of {size}",
                f"{tag}={text[:40]}",
            )
        return -units if text.startswith("-") else units

    def text(self, parts: int) -> str:
        """A number of 10^-8 units as a decimal text, which is always finite."""
        places = self.places + PLACES
        return format_decimal(
            parts * self.numerator * 10**places // (self.denominator * ONE), places
        )


class PriceScale:
    """Conversion between an instrument's ticks and lots and decimals.

    Parameters
    ----------
    tick : float
        Price units of a tick; taken for the shortest decimal that reads the same.
    lot : int or Decimal
        Shares of a lot, or units of a currency.

    >>> PriceScale(0.01).price(1005), PriceScale(0.01).ticks("10.050"), PriceScale(0.01, 100).lots("300")
    ('10.05', 1005, 3)
    """

    def __init__(self, tick: float = 1.0, lot: int | Decimal = 1) -> None:
        self.tick = Decimal(repr(float(tick)))
        self.lot = lot
        self._tick = _Unit.of(self.tick)
        self._lot = _Unit.of(lot)

    def price(self, ticks: int) -> str:
        """Ticks as a decimal price."""
        return format(self.tick * ticks, "f")

    def ticks(self, text: str) -> int:
        """A decimal price as whole ticks; refused if it is no number, between two ticks or beyond every book.

        Raises
        ------
        RefusedError
            When it is no number, between two ticks or beyond every book.
        """
        ticks, rest = _units(text, self.tick, "a price", 44, _OTHER)
        if rest:
            raise RefusedError(f"a price on the tick of {self.tick}", f"44={text[:40]}")
        if not -NO_ASK < ticks < NO_ASK:
            raise RefusedError(f"a price within {NO_ASK} ticks of zero", f"44={text[:40]}")
        return int(ticks)

    def px_text(self, px: int) -> str:
        """Execution price, in 10^-8 of a tick, as a decimal price."""
        ticks, rest = divmod(px, ONE)
        return self._tick.text(px) if rest else self.price(ticks)

    def px(self, text: str, tag: int = 31) -> int:
        """Execution price as 10^-8 of a tick, from a decimal price; refused if none, too fine or beyond every book.

        Raises
        ------
        RefusedError
            When it is no number, is finer than that or than eight decimals, or lies beyond every book.

        >>> PriceScale(0.01).px("99.985")
        999850000000
        """
        px = self._tick.parts(text, tag, "a price")
        if not -NO_ASK * ONE < px < NO_ASK * ONE:
            raise RefusedError(f"a price within {NO_ASK} ticks of zero", f"{tag}={text[:40]}")
        return px

    def qty_text(self, qty: int) -> str:
        """Execution quantity, in 10^-8 of a lot, as a number of shares."""
        lots, rest = divmod(qty, ONE)
        return self._lot.text(qty) if rest else self.quantity(lots)

    def qty(self, text: str, tag: int = 32) -> int:
        """Execution quantity as 10^-8 of a lot, from a number of shares, zero included; refused if none or too fine.

        Raises
        ------
        RefusedError
            When it is no number, or finer than that or than eight decimals.

        >>> PriceScale(0.01, 100).qty("50")
        50000000
        """
        qty = self._lot.parts(text, tag, "a quantity")
        if not 0 <= qty < 2**31 * ONE:
            raise RefusedError(
                f"a quantity within {2**31} lots", f"{tag}={text[:40]}", _INCORRECT_QUANTITY
            )
        return qty

    def quantity(self, lots: int) -> str:
        """Lots as a number of shares."""
        shares = lots * self.lot
        return str(shares) if isinstance(shares, int) else format(shares, "f")

    def lots(self, text: str) -> int:
        """A number of shares as whole lots, zero included; refused if it is no number of whole lots.

        Raises
        ------
        RefusedError
            When it is no number of whole lots.
        """
        lots, rest = _units(text, self.lot, "a quantity", 38, _INCORRECT_QUANTITY)
        if rest or not 0 <= lots < 2**31:
            raise RefusedError(
                f"a quantity in whole lots of {self.lot}", f"38={text[:40]}", _INCORRECT_QUANTITY
            )
        return int(lots)


def _units(
    text: str, unit: int | Decimal, description: str, tag: int, reason: str
) -> tuple[Decimal, Decimal]:
    """Whole units of a decimal text, and the remainder; refused, naming `tag` and `description`, if it is no number."""
    try:
        return divmod(Decimal(text), unit)
    except (InvalidOperation, ValueError):
        raise RefusedError(description, f"{tag}={text[:40]}", reason) from None


PLAIN = PriceScale()
"""Ticks and lots as they are: for instruments that are not listed."""


def scales(listings: Mapping[str, o.Listing]) -> dict[str, PriceScale]:
    """Price scale of each listed instrument."""
    return {name: PriceScale(listing.tick, listing.lot) for name, listing in listings.items()}
