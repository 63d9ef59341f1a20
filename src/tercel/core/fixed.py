"""Executions in whole numbers: prices in 10^-8 of a tick (`px`), quantities in 10^-8 of a lot (`qty`).

Ticks and lots are what orders are sent in; a venue may execute between two ticks, and parts of a lot. A price times a
quantity counts in 10^-16. People and JSON see ticks and lots: whole ones as integers, others with their decimals.
"""

from collections.abc import Iterable
from typing import Final

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
