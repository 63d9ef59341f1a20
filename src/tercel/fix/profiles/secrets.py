"""Secrets of a session: a profile holds their place, never their value; and the Ed25519 signatures made with them.

    password = { env = "VENUE_PASSWORD" }          # or { file = "password.txt" }, or { keyring = "SERVICE/USER" }

Signatures are in base64, as field 96 carries them; the package `cryptography` is the extra [sign]. Source: "FIX API"
of Binance, "How to sign Logon": MsgType, SenderCompID, TargetCompID, MsgSeqNum and SendingTime, with SOH between them.
"""

import os
import re
import stat
from base64 import b64encode
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, model_validator

from tercel.core.errors import ConfigError
from tercel.core.extras import needed
from tercel.fix import tags as t

NAMES: Final = frozenset(
    {"username", "password", "new_password", "private_key", "api_key", "secret"}
)
"""Keys of a profile that name a secret."""
SECRET_TAGS: Final = frozenset({"553", "554", "925", "96", "1400", "1402", "1404"})
"""Fields of a logon that hold one."""
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_PRIVATE: Final = 0o600
_MOST_BYTES: Final = 16_384
HIDDEN: Final = "***"


class Secret(BaseModel):
    """Location of a secret: an environment variable, a file readable by its owner alone (mode 0600), or the keyring.

    >>> Secret(env="VENUE_PASSWORD")
    Secret(env='VENUE_PASSWORD', file='', keyring='')
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    env: str = ""
    """An environment variable."""
    file: str = ""
    """A file with mode 0600; a relative name counts from the profile's folder."""
    keyring: str = ""
    """SERVICE/USER in the system's keyring, by the package `keyring`."""

    @model_validator(mode="after")
    def _one(self) -> "Secret":
        if sum(map(bool, (self.env, self.file, self.keyring))) != 1:
            raise ValueError('either env = "VARIABLE" or file = "PATH" or keyring = "SERVICE/USER"')
        return self

    def read(self, what: str, folder: Path) -> str:
        """The secret itself.

        Raises
        ------
        ConfigError
            When it is not there, or when others could read it.
        """
        if self.env:
            if not (value := os.environ.get(self.env, "")):
                raise ConfigError(
                    f"{what} in the variable {self.env}",
                    "none",
                    f"set {self.env} before you connect",
                )
            return value
        if self.keyring:
            return _from_keyring(self.keyring, what)
        path = folder / self.file
        try:
            self.check(folder)
            size = path.stat().st_size
            text = path.read_text(encoding="utf-8").strip() if size <= _MOST_BYTES else ""
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{what} in {path}",
                getattr(error, "strerror", None) or "bytes that are no UTF-8",
                "name the file that holds it",
            ) from None
        if not text:
            raise ConfigError(
                f"{what} in {path}", f"{size} bytes", "write the secret there, and nothing else"
            )
        return text

    def check(self, folder: Path) -> None:
        """Refuse a file readable by others; a missing file or variable may come later.

        Raises
        ------
        ConfigError
        """
        path = folder / self.file
        if self.file and path.exists() and (mode := stat.S_IMODE(path.stat().st_mode)) & ~_PRIVATE:
            raise ConfigError(
                f"{path} for its owner alone", f"mode {mode:04o}", f"chmod 600 {path}"
            )


def _from_keyring(place: str, what: str) -> str:
    service, _, user = place.rpartition("/")
    try:
        value = import_module("keyring").get_password(service, user)
    except ImportError:
        raise ConfigError(
            f"{what} in the keyring", "no package keyring", "pip install keyring"
        ) from None
    except Exception as error:  # each backend of a keyring has errors of its own
        raise ConfigError(
            f"{what} in the keyring", type(error).__name__, "unlock it, or name a file"
        ) from None
    if not value:
        raise ConfigError(
            f"{what} in the keyring as {place}", "none", f"keyring set {service} {user}"
        )
    return str(value)


def refuse_written(raw: Mapping[str, Any], name: str, row: Any) -> None:
    """Refuse a secret written into the profile itself; its value is never repeated.

    Parameters
    ----------
    raw : mapping
        Tables of a profile.
    name : str
        What the file is called in errors.
    row : callable
        The row of keys, in words.
    """

    def walk(table: Mapping[str, Any], at: tuple[str, ...]) -> None:
        for key, value in table.items():
            place = (*at, str(key))
            if (
                str(key).lower().replace("-", "_") in NAMES
                or str(key) in SECRET_TAGS
                or "passw" in str(key).lower()
            ):
                if not _named(value):
                    raise ConfigError(
                        'a secret by its place: { env = "VARIABLE" } or { file = "PATH" }',
                        f"{name}: {'.'.join(place)}{row(place)}, which holds something else (not shown)",
                        "take the secret out of the file, and change it: it was in clear",
                    )
            elif isinstance(value, Mapping):
                walk(value, place)

    walk(raw, ())


def _named(value: Any) -> bool:
    if not isinstance(value, Mapping) or len(value) != 1:
        return False
    env, place = value.get("env"), value.get("file", value.get("keyring"))
    return (
        isinstance(place, str)
        if env is None
        else isinstance(env, str) and _VARIABLE.fullmatch(env) is not None
    )


def hidden(text: str, secrets: tuple[str, ...]) -> str:
    """A text with any secrets in it masked.

    >>> hidden("bad password hunter2", ("hunter2",))
    'bad password ***'
    """
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return text


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
        what = "an Ed25519 key" if private else "a public Ed25519 key"
        raise ConfigError(
            f"{what} in PEM for {name}", "something else (not shown)", "name the right file"
        )
    return key
