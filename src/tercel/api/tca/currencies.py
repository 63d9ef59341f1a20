"""Currencies of prices and fees: which fees are in the price's money, which are coins of the pair, which stand apart.

A fee in the base asset of a pair is worth itself times the fill's price. A buy receives so much less: its quantity is
what arrived, so that with the fee it cost what was paid. A sell receives money alone: its fee comes from elsewhere, and
its quantity stays.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from tercel.api.tca.files import FileFill
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
"""Currencies that pairs are quoted in, where a file does not say its own."""


def settled(fill: FileFill) -> FileFill:
    """A fill whose fee is in the price's currency; one of another currency keeps `fee_currency`, and stands apart.

    >>> from fractions import Fraction
    >>> bought = FileFill(2, 0, "BTCUSDT", 1, Fraction(2), Fraction(500), Fraction("0.002"), "", "", "")
    >>> one = settled(replace(bought, fee_currency="BTC"))
    >>> one.fee, one.kept, one.fee_currency
    (Fraction(1, 1), Fraction(1, 500), '')
    >>> settled(replace(bought, fee_currency="BNB")).fee_currency
    'BNB'
    """
    paid_in, currency = fill.fee_currency.upper(), fill.currency.upper()
    symbol = re.sub(r"[-/_:]", "", fill.symbol.upper())
    quoted = symbol.endswith(paid_in) and symbol != paid_in and not currency
    if not fill.fee or paid_in in ("", currency) or quoted:
        return replace(fill, fee_currency="")
    rest = symbol.removeprefix(paid_in)
    if paid_in == fill.asset.upper() or (
        rest != symbol and rest in ([currency] if currency else QUOTES)
    ):
        kept = fill.fee if fill.side == BUY else fill.kept
        return replace(fill, fee=fill.fee * fill.price, kept=kept, fee_currency="")
    return replace(fill, fee_currency=paid_in)


def refuse_several(fills: Sequence[FileFill], name: str) -> str:
    """The one currency of all prices, "" where the file does not say.

    Raises
    ------
    DataError
        Prices of several: nothing is summed across currencies.
    """
    known = {fill.currency.upper(): fill for fill in reversed(fills) if fill.currency}
    if len(known) > 1:
        received = ", ".join(
            f"{currency} in row {fill.row}" for currency, fill in reversed(known.items())
        )
        remedy = 'give each currency a file, or a map of your own with `only = {Currency = ["USD"]}`, the column by its name'
        raise DataError("prices of one currency", f"{received} of {name}", remedy)
    return next(iter(known), "")
