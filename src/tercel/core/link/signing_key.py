"""Ed25519 keys that sign logons and requests, from PEM; the package `cryptography` is the extra [sign]."""

from base64 import b64encode
from collections.abc import Callable
from typing import Any

from tercel.core.errors import ConfigError
from tercel.core.extras import import_optional


def signer(pem: str, name: str) -> Callable[[str], str]:
    """A function that signs a text with an Ed25519 private key, in base64; `name` is for errors.

    Raises
    ------
    ConfigError
        Without the package `cryptography`, or for another key.
    """
    key = ed25519_key(pem, name, private=True)
    return lambda text: b64encode(key.sign(text.encode())).decode("ascii")


def ed25519_key(pem: str, name: str, private: bool) -> Any:
    """An Ed25519 key, private or (`private` False) public, from its PEM; `name` is for errors.

    Raises
    ------
    ConfigError
        As for :func:`signer`.
    """
    serialization = import_optional("cryptography.hazmat.primitives.serialization", "sign")
    ed25519 = import_optional("cryptography.hazmat.primitives.asymmetric.ed25519", "sign")
    unsupported = import_optional("cryptography.exceptions", "sign").UnsupportedAlgorithm
    try:
        text = pem.encode()
        key = (
            serialization.load_pem_private_key(text, None)
            if private
            else serialization.load_pem_public_key(text)
        )
    except (ValueError, TypeError, unsupported):
        key = None
    if not isinstance(key, ed25519.Ed25519PrivateKey if private else ed25519.Ed25519PublicKey):
        expected = "an Ed25519 key" if private else "a public Ed25519 key"
        raise ConfigError(
            f"{expected} in PEM for {name}", "something else (not shown)", "name the right file"
        )
    return key
