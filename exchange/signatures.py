"""Ed25519 signatures of logons and requests, verified with a client's public key; source: see `tercel.fix.signed_text`."""

from base64 import b64decode
from collections.abc import Callable
from typing import Any

from tercel.fix import RAW_DATA, Message, ed25519_key, signed_text, tags as t


def is_signed(key: Any, text: str, signature: str) -> bool:
    """Whether a signature in base64 is a public key's of a text."""
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(b64decode(signature.encode(errors="replace"), validate=True), text.encode())
    except (InvalidSignature, ValueError):
        return False
    return True


def verifier(pem: str, name: str) -> Callable[[Message], bool]:
    """A function that verifies a logon's signature with a public key.

    Raises
    ------
    ConfigError
        Without the package `cryptography`, or for another key.
    """
    key = ed25519_key(pem, name, private=False)

    def verify(logon: Message) -> bool:
        text = signed_text(
            logon.get(t.SENDER), logon.get(t.TARGET), logon.get(t.SEQ_NUM), logon.get(52)
        )
        return is_signed(key, text, logon.get(RAW_DATA))

    return verify
