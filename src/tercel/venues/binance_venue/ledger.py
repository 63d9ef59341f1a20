"""Expected balances of an account at Binance by asset, from fills and fees, against reported ones.

Expected balances are the first ones and every execution and fee since, in 1e-8, compared with reported ones. A fee is
taken from the received asset, or from a third one: with a fee in the base asset, the account holds less of it than the
sum of its executions, and both still agree to the last 1e-8.
"""

from collections.abc import Mapping

from tercel.core.fixed_point import ONE
from tercel.venues.binance_venue.api import TradedSymbol


class AssetLedger:
    """Expected balances by asset, and the reported ones, in 1e-8.

    >>> ledger = AssetLedger()
    >>> ledger.begin({"USDT": 10 * 10**8})
    >>> ledger.add_amount("USDT", -5 * 10**8), ledger.differences()
    (None, {'USDT': (500000000, 1000000000)})
    """

    def __init__(self) -> None:
        """Start with no balances and no fees."""
        self.expected: dict[str, int] = {}
        self.reported: dict[str, int] = {}
        """As the venue last said."""
        self.fees: dict[str, int] = {}
        """Paid since the beginning, by asset."""

    def begin(self, balances: Mapping[str, int]) -> None:
        """Set expected balances to the reported ones."""
        self.reported |= balances
        self.expected = dict(self.reported)

    def book_fill(
        self, symbol: TradedSymbol, side: int, qty: int, price: int, fee: int, fee_asset: str
    ) -> None:
        """Change expected balances by an execution: `side` 1 or -1, `qty` 1e-8 of the base asset at `price` 1e-8 of the
        quote; less its fee.
        """
        self.add_amount(symbol.base, side * qty)
        self.add_amount(symbol.quote, -side * (qty * price // ONE))
        if fee:
            self.add_amount(fee_asset, -fee)
            self.fees[fee_asset] = self.fees.get(fee_asset, 0) + fee

    def add_amount(self, asset: str, amount: int) -> None:
        """Add an amount to an expected balance."""
        self.expected[asset] = self.expected.get(asset, 0) + amount

    def differences(self) -> dict[str, tuple[int, int]]:
        """Assets whose balance is not what it should be: (expected, reported)."""
        names = self.expected.keys() | self.reported.keys()
        balances = {
            asset: (self.expected.get(asset, 0), self.reported.get(asset, 0))
            for asset in sorted(names)
        }
        return {asset: pair for asset, pair in balances.items() if pair[0] != pair[1]}
