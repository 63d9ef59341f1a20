"""What an exchange knows of an account: its API key, which verifies signatures, and its balances.

Ed25519 needs the package `cryptography` (extra [sign]).
"""

import hmac
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from exchange.signatures import is_signed
from tercel.fix import ed25519_key
from tercel.venues.binance_venue import SIGNATURE, format_amount, hmac_signer


def strip_signature(text: str) -> str:
    """A query string or body without its signature, otherwise as it was sent.

    >>> strip_signature("symbol=A&signature=ff&timestamp=1")
    'symbol=A&timestamp=1'
    """
    return "&".join(pair for pair in text.split("&") if pair.partition("=")[0] != SIGNATURE)


@dataclass(frozen=True)
class ApiKey:
    """A key as the exchange knows it.

    Parameters
    ----------
    name : str
        What a client sends as X-MBX-APIKEY.
    account : str
    secret : str
        Of HMAC; "": the key is one of Ed25519.
    public : str
        Public Ed25519 key in PEM.
    """

    name: str
    account: str
    secret: str = field(default="", repr=False)
    public: str = field(default="", repr=False)

    def verify(self, payload: str, signature: str) -> bool:
        """Whether a signature is this key's. Hexadecimal digits may be large; base64 may not be changed."""
        if not payload.isascii() and payload != payload.encode(errors="ignore").decode():
            return False  # halves of letters, which JSON can say
        if self.secret:
            try:
                return hmac.compare_digest(self._sign(payload), signature.lower())
            except TypeError:  # a signature that is no ASCII
                return False
        return is_signed(self._public_key, payload, signature)

    @cached_property
    def _sign(self) -> Callable[[str], str]:
        return hmac_signer(self.secret)

    @cached_property
    def _public_key(self) -> Any:
        return ed25519_key(self.public, f"the key of {self.account}", private=False)


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
            {
                "asset": asset,
                "free": format_amount(self.free[asset]),
                "locked": format_amount(self.locked[asset]),
            }
            for asset in assets
        ]

    def short_rows(self, *assets: str) -> list[dict[str, str]]:
        """As an `outboundAccountPosition` has them."""
        return [
            {
                "a": asset,
                "f": format_amount(self.free[asset]),
                "l": format_amount(self.locked[asset]),
            }
            for asset in assets
        ]
