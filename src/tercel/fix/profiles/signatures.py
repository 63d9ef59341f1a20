"""Ed25519 signatures of FIX logons.

Signatures are in base64, as field 96 carries them; the package `cryptography` is the extra [sign]. Source: "FIX API"
of Binance, "How to sign Logon": MsgType, SenderCompID, TargetCompID, MsgSeqNum and SendingTime, with SOH between them.
"""

from base64 import b64encode
from collections.abc import Callable
from typing import Any

from tercel.core.errors import ConfigError
from tercel.core.extras import import_optional
from tercel.fix import tags as t

RAW_DATA_LENGTH = 95
RAW_DATA = 96


def signed_text(sender: str, target: str, number: str, sending_time: str) -> str:
    """Text that a logon's signature covers."""
    return t.SOH.join((t.LOGON, sender, target, number, sending_time))


def signer(pem: str, name: str) -> Callable[[str], str]:
    """A function that signs a text with an Ed25519 private key, in base64; `name` is for errors.

    Raises
    ------
    ConfigError
        Without the package `cryptography`, or for another key.
    """
    key = ed25519_key(pem, name, private=True)
    return lambda text: b64encode(key.sign(text.encode("ascii"))).decode("ascii")


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
