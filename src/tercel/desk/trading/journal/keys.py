"""Key of a journal's hashes, from the environment: who lacks it cannot rewrite the past."""

import hmac
import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Final

from tercel.core.errors import ConfigError, refuse_if

KEY_VARIABLE: Final = "TERCEL_JOURNAL_KEY"
FILE_VARIABLE: Final = "TERCEL_JOURNAL_KEY_FILE"
SHORTEST: Final = 32
"""Characters of a key: as many as `openssl rand -hex 16` gives."""


class ChainKey:
    """A secret key; its repr is hidden.

    >>> key = ChainKey(b"x" * 32)
    >>> key, key.digest(b"entry") != ChainKey(b"y" * 32).digest(b"entry")
    (ChainKey(), True)
    """

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        refuse_if(
            len(secret) < SHORTEST,
            f"a key of {SHORTEST} characters or more",
            f"one of {len(secret)}",
            "openssl rand -hex 32",
        )
        self._secret = secret

    def __repr__(self) -> str:
        """Text without the key."""
        return "ChainKey()"

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the key, stored in the journal to detect another key."""
        return self.digest(b"tercel journal key")[:16]

    def digest(self, data: bytes) -> str:
        """HMAC-SHA-256, hexadecimal (RFC 2104)."""
        return hmac.digest(self._secret, data, "sha256").hex()


def digest_of(data: bytes, key: ChainKey | None) -> str:
    """SHA-256 of bytes, hexadecimal; HMAC-SHA-256 if there is a key."""
    return sha256(data).hexdigest() if key is None else key.digest(data)


def key_of(
    not_in: Path | None = None, environment: Mapping[str, str] = os.environ
) -> ChainKey | None:
    """Key that the environment gives, None for plain hashes; its file may not lie in `not_in`, nor be readable by others.

    Raises
    ------
    ConfigError
        For both variables at once, a file that others may read, that lies in `not_in` or does not read, a short key.
    """
    name = environment.get(FILE_VARIABLE, "")
    text = environment.get(KEY_VARIABLE, "")
    refuse_if(
        name and text,
        f"{FILE_VARIABLE} or {KEY_VARIABLE}",
        "both",
        "unset one",
    )
    if not name:
        return ChainKey(text.strip().encode()) if text else None
    path = Path(name)
    try:
        open_to_others = path.stat().st_mode & 0o077
        inside = not_in is not None and not_in.resolve() in path.resolve().parents
        refuse_if(
            open_to_others,
            f"{path} readable by its owner alone",
            f"mode {path.stat().st_mode & 0o777:o}",
            "chmod 600",
        )
        refuse_if(
            inside,
            f"a key outside {not_in}",
            f"{path}: readable by every writer of that folder",
            "keep it elsewhere",
        )
        return ChainKey(path.read_bytes().strip())
    except OSError as error:
        raise ConfigError(
            f"a key in {path}", error.strerror or str(error), f"correct {FILE_VARIABLE}"
        ) from error
