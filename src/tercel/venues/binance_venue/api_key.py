"""An API key that signs requests: HMAC-SHA256 with its secret, or Ed25519 with its private key.

Key and secret show nowhere: not in `repr`, not in an error, and texts of the venue go through :meth:`ApiSigner.clean`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from tercel.core.errors import refuse_if
from tercel.core.link.signing_key import signer
from tercel.core.secrets import mask_secrets
from tercel.venues.binance_venue.api import SIGNATURE, hmac_signer, sorted_payload

_MIN_LENGTH: Final = 16


class ApiSigner:
    """An API key with its signing secret.

    Parameters
    ----------
    name : str
        Value of the header X-MBX-APIKEY.
    secret : str
        Of HMAC.
    private_key : str
        Of Ed25519, in PEM.

    Raises
    ------
    ConfigError
        A key of a wrong kind.

    >>> ApiSigner("k" * 64, secret="s" * 64)
    ApiSigner(HMAC)
    """

    def __init__(self, name: str, *, secret: str = "", private_key: str = "") -> None:
        """Check key and secret, and set `sign` to the function that signs a payload with them."""
        self._refuse("the API key", name)
        self._name = name
        self._secrets = (name, secret, *private_key.splitlines()[1:-1])
        self.kind = "Ed25519" if private_key else "HMAC"
        self.sign: Callable[[str], str]
        if private_key:
            self.sign = signer(private_key, "the API key")
        else:
            self._refuse("the secret of an HMAC key", secret)
            self.sign = hmac_signer(secret)
        self._secrets = tuple(part for part in self._secrets if part)

    @staticmethod
    def _refuse(name: str, text: str) -> None:
        """Raise ConfigError for a key or secret that is short or not letters and digits alone; the text is not shown."""
        refuse_if(
            len(text) < _MIN_LENGTH or not text.isascii() or not text.isalnum(),
            f"{name}: letters and digits",
            "something else (not shown)",
            "copy it as Binance shows it; a private key of Ed25519 is named by private_key",
        )

    def __repr__(self) -> str:
        """Such as `ApiSigner(HMAC)`: the kind of key, without the key and its secret."""
        return f"ApiSigner({self.kind})"

    @property
    def headers(self) -> dict[str, str]:
        """Headers of a REST request."""
        return {"X-MBX-APIKEY": self._name}

    def sign_params(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters of a request of the WebSocket API, signed."""
        params_with_key = {"apiKey": self._name, **params}
        return params_with_key | {SIGNATURE: self.sign(sorted_payload(params_with_key))}

    def clean(self, text: str) -> str:
        """A text without the key and its secret."""
        return mask_secrets(text, self._secrets)
