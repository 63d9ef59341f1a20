"""Fees of own fills in the currency of their prices."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from tercel.api.tca.executions import FileFill
from tercel.core.errors import DataError
from tercel.core.vocabulary import BUY

QUOTES: Final = (
    "USD",
    "USDT",
    "USDC",
    "FDUSD",
    "BUSD",
    "TUSD",
    "DAI",
    "EUR",
    "GBP",
    "JPY",
    "TRY",
    "BRL",
    "AUD",
    "CHF",
    "BTC",
    "ETH",
    "BNB",
)
"""Currencies that pairs are quoted in, for files that do not name their own."""


def settle_fee(fill: FileFill) -> FileFill:
    """A fill with its fee in the price's currency; a fee in a third currency keeps `fee_currency` and is in no cost.

    >>> from fractions import Fraction
    >>> bought = FileFill(2, 0, "BTCUSDT", 1, Fraction(2), Fraction(500), Fraction("0.002"), "", "", "")
    >>> fill = settle_fee(replace(bought, fee_currency="BTC"))
    >>> fill.fee, fill.withheld, fill.fee_currency
    (Fraction(1, 1), Fraction(1, 500), '')
    >>> settle_fee(replace(bought, fee_currency="BNB")).fee_currency
    'BNB'
    """
    paid_in = fill.fee_currency.upper()
    currency = fill.currency.upper()
    symbol = re.sub(r"[-/_:]", "", fill.symbol.upper())
    quoted = symbol.endswith(paid_in) and symbol != paid_in and not currency
    if not fill.fee or paid_in in ("", currency) or quoted:
        return replace(fill, fee_currency="")
    remainder = symbol.removeprefix(paid_in)
    if paid_in == fill.asset.upper() or (
        remainder != symbol and remainder in ([currency] if currency else QUOTES)
    ):
        withheld = fill.fee if fill.side == BUY else fill.withheld
        return replace(fill, fee=fill.fee * fill.price, withheld=withheld, fee_currency="")
    return replace(fill, fee_currency=paid_in)


def single_currency(fills: Sequence[FileFill], name: str) -> str:
    """The one currency of all prices, "" if the file does not say; raises for several currencies.

    Raises
    ------
    DataError
        Prices of several: nothing is summed across currencies.
    """
    fill_of_currency = {fill.currency.upper(): fill for fill in reversed(fills) if fill.currency}
    if len(fill_of_currency) > 1:
        received = ", ".join(
            f"{currency} in row {fill.row}" for currency, fill in reversed(fill_of_currency.items())
        )
        raise DataError(
            "prices of one currency",
            f"{received} of {name}",
            'give each currency a file, or a map of your own with `only = {Currency = ["USD"]}`, the column by its name',
        )
    return next(iter(fill_of_currency), "")
