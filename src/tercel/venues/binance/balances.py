"""Balances of an account: free and locked, whole numbers of 1e-8, and what came and went."""

from collections import Counter
from dataclasses import dataclass, field

from tercel.venues.binance.symbols import shown


@dataclass
class Balances:
    """What an account holds.

    >>> mine = Balances()
    >>> mine.add("USDT", 10), mine.lock("USDT", 4), mine.free["USDT"], mine.locked["USDT"]
    (None, None, 6, 4)
    """

    free: Counter[str] = field(default_factory=Counter)
    locked: Counter[str] = field(default_factory=Counter)
    deposited: Counter[str] = field(default_factory=Counter)
    """What came from outside, less what went there."""

    def add(self, asset: str, amount: int) -> None:
        """A deposit, or a withdrawal below 0."""
        self.deposited[asset] += amount
        self.free[asset] += amount

    def lock(self, asset: str, amount: int) -> None:
        """Set aside for an order; what is free has to suffice."""
        self.free[asset] -= amount
        self.locked[asset] += amount

    def spend(self, asset: str, locked: int, paid: int) -> None:
        """Of what was set aside, `paid` is gone and the rest of `locked` free again."""
        self.locked[asset] -= locked
        self.free[asset] += locked - paid

    def rows(self, assets: list[str]) -> list[dict[str, str]]:
        """As `account` has them."""
        return [
            {"asset": one, "free": shown(self.free[one]), "locked": shown(self.locked[one])}
            for one in assets
        ]

    def short_rows(self, *assets: str) -> list[dict[str, str]]:
        """As an `outboundAccountPosition` has them."""
        return [
            {"a": one, "f": shown(self.free[one]), "l": shown(self.locked[one])} for one in assets
        ]
