"""Signatures of Binance requests, made and verified: HMAC-SHA256 and Ed25519.

A REST request signs its query string and body as they are sent, one after the other, without the signature; a request
of the WebSocket API its parameters in order of their names. Ed25519 needs the package `cryptography` (extra [sign]).

>>> payload = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000"
>>> secret = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
>>> hmac_signer(secret)(payload + "&timestamp=1499827319559")
'c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71'
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tercel.fix.profiles.signing import ed25519_key, is_signed

NAME = "signature"


def hmac_signer(secret: str) -> Callable[[str], str]:
    """HMAC-SHA256 by a secret, in hexadecimal, of a payload; most of what it costs is done here, once."""
    begun = hmac.new(secret.encode(), digestmod=hashlib.sha256)

    def sign(payload: str) -> str:
        one = begun.copy()
        one.update(payload.encode())
        return one.hexdigest()

    return sign


def unsigned(text: str) -> str:
    """A query string or body without its signature, otherwise as it was sent.

    >>> unsigned("symbol=A&signature=ff&timestamp=1")
    'symbol=A&timestamp=1'
    """
    return "&".join(pair for pair in text.split("&") if pair.partition("=")[0] != NAME)


def sorted_payload(params: Mapping[str, Any]) -> str:
    """Payload of a request of the WebSocket API.

    >>> sorted_payload({"symbol": "A", "apiKey": "k", "signature": "s", "recvWindow": 100, "flag": True})
    'apiKey=k&flag=true&recvWindow=100&symbol=A'
    """
    return "&".join(
        f"{name}={in_text(value)}" for name, value in sorted(params.items()) if name != NAME
    )


def in_text(value: Any) -> str:
    """A JSON value as it stands in a payload."""
    return str(value).lower() if isinstance(value, bool) else str(value)


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
