"""Ed25519 signatures of logons, in base64 as field 96 carries them; the package `cryptography` is the extra [sign].

Source: "FIX API" of Binance, "How to sign Logon": MsgType, SenderCompID, TargetCompID, MsgSeqNum and SendingTime,
with SOH between them.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

from tercel.core.errors import ConfigError
from tercel.core.extras import needed
from tercel.fix import tags as t
from tercel.fix.protocol.message import Message

RAW_LENGTH, RAW = 95, 96


def signed_text(sender: str, target: str, number: str, sent: str) -> str:
    """Text that a logon's signature covers."""
    return t.SOH.join((t.LOGON, sender, target, number, sent))


def signer(pem: str, name: str) -> Callable[[str], str]:
    """A function that signs a text with a private key.

    Raises
    ------
    ConfigError
        Without the package `cryptography`, or for another key.
    """
    made = ed25519_key(pem, name, private=True)
    return lambda text: b64encode(made.sign(text.encode("ascii"))).decode("ascii")


def verifier(pem: str, name: str) -> Callable[[Message], bool]:
    """A function that verifies a logon's signature with a public key.

    Raises
    ------
    ConfigError
        As for :func:`signer`.
    """
    made = ed25519_key(pem, name, private=False)

    def signed(logon: Message) -> bool:
        text = signed_text(
            logon.get(t.SENDER), logon.get(t.TARGET), logon.get(t.SEQ_NUM), logon.get(52)
        )
        return is_signed(made, text, logon.get(RAW))

    return signed


def is_signed(key: Any, text: str, signature: str) -> bool:
    """Whether a signature in base64 is a public key's of a text."""
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(b64decode(signature.encode(errors="replace"), validate=True), text.encode())
    except (InvalidSignature, ValueError):
        return False
    return True


def ed25519_key(pem: str, name: str, private: bool) -> Any:
    """A key from its PEM.

    Raises
    ------
    ConfigError
        As for :func:`signer`.
    """
    serialization = needed("cryptography.hazmat.primitives.serialization", "sign")
    ed25519 = needed("cryptography.hazmat.primitives.asymmetric.ed25519", "sign")
    unsupported = needed("cryptography.exceptions", "sign").UnsupportedAlgorithm
    wanted = ed25519.Ed25519PrivateKey if private else ed25519.Ed25519PublicKey
    try:
        text = pem.encode()
        key = (
            serialization.load_pem_private_key(text, None)
            if private
            else serialization.load_pem_public_key(text)
        )
    except (ValueError, TypeError, unsupported):
        key = None
    if not isinstance(key, wanted):
        what = "an Ed25519 key" if private else "a public Ed25519 key"
        raise ConfigError(
            f"{what} in PEM for {name}", "something else (not shown)", "name the right file"
        )
    return key
