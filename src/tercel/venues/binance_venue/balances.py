"""What an account should hold: what it held, and every execution and fee since, in 1e-8; held against what it holds.

A fee is taken from what is received, or in a third asset: with a fee in the base asset, the account holds less of it
than its executions come to, and both are equal to the last 1e-8 all the same.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from tercel.core.fixed import ONE, text
from tercel.venues.binance_venue.symbols import TradedSymbol, whole


class AssetLedger:
    """Expected balances by asset.

    >>> ledger = AssetLedger()
    >>> ledger.begin([{"asset": "USDT", "free": "10.00", "locked": "0"}])
    >>> ledger.moved("USDT", -5 * 10**8), ledger.differences()
    (None, {'USDT': (500000000, 1000000000)})
    """

    def __init__(self) -> None:
        self.expected: dict[str, int] = {}
        self.told: dict[str, int] = {}
        """As the venue last said."""
        self.fees: dict[str, int] = {}
        """Paid since the beginning, by asset."""

    def begin(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """What the account holds at first, or is found to hold."""
        self.hear(rows)
        self.expected = dict(self.told)

    def hear(
        self,
        rows: Iterable[Mapping[str, Any]],
        asset: str = "asset",
        free: str = "free",
        locked: str = "locked",
    ) -> None:
        """What the venue says of balances; keys as `account` has them.

        Raises
        ------
        VenueError
            Amounts that are none.
        """
        for row in rows:
            name = str(row[asset])
            self.told[name] = whole(row[free], f"free {name}") + whole(
                row[locked], f"locked {name}"
            )

    def filled(
        self, symbol: TradedSymbol, side: int, qty: int, price: int, fee: int, fee_asset: str
    ) -> None:
        """An execution: 1e-8 of the base asset at a price in 1e-8 of the quote asset, and its fee."""
        self.moved(symbol.base, side * qty)
        self.moved(symbol.quote, -side * (qty * price // ONE))
        if fee:
            self.moved(fee_asset, -fee)
            self.fees[fee_asset] = self.fees.get(fee_asset, 0) + fee

    def moved(self, asset: str, amount: int) -> None:
        """So much came or went."""
        self.expected[asset] = self.expected.get(asset, 0) + amount

    def differences(self) -> dict[str, tuple[int, int]]:
        """Assets whose balance is not what it should be: (expected, told)."""
        names = self.expected.keys() | self.told.keys()
        found = {one: (self.expected.get(one, 0), self.told.get(one, 0)) for one in sorted(names)}
        return {one: pair for one, pair in found.items() if pair[0] != pair[1]}

    def words(self) -> str:
        """The differences, for people."""
        told = self.differences().items()
        return ", ".join(
            f"{name}: {text(held)}, expected {text(wanted)}" for name, (wanted, held) in told
        )
