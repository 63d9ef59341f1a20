"""Places of secrets: an environment variable, a private file or the keyring; a TOML file never holds a secret itself.

password = { env = "VENUE_PASSWORD" }          # or { file = "password.txt" }, or { keyring = "SERVICE/USER" }
"""

import os
import re
import stat
from collections.abc import Collection, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, model_validator

from tercel.core.errors import ConfigError, refuse_if

SECRET_NAMES: Final = frozenset(
    {"username", "password", "new_password", "private_key", "api_key", "secret"}
)
"""Keys of a TOML file that name a secret."""
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_PRIVATE: Final = 0o600
_MOST_BYTES: Final = 16_384
MASK: Final = "***"


class Secret(BaseModel):
    """Location of a secret: an environment variable, a file readable by its owner alone (mode 0600), or the keyring.

    >>> Secret(env="VENUE_PASSWORD")
    Secret(env='VENUE_PASSWORD', file='', keyring='')
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    env: str = ""
    """An environment variable."""
    file: str = ""
    """A file with mode 0600; a relative name counts from the folder of the TOML file."""
    keyring: str = ""
    """SERVICE/USER in the system's keyring, by the package `keyring`."""

    @model_validator(mode="after")
    def _check_single_place(self) -> "Secret":
        """Refuse a secret without a place or with several."""
        if sum(map(bool, (self.env, self.file, self.keyring))) != 1:
            raise ValueError('either env = "VARIABLE" or file = "PATH" or keyring = "SERVICE/USER"')
        return self

    def read(self, name: str, folder: Path) -> str:
        """Read the secret from its place; `name` is for errors, a relative file is in `folder`.

        Raises
        ------
        ConfigError
            When it is not there, or when others could read it.
        """
        if self.env:
            if not (value := os.environ.get(self.env, "")):
                raise ConfigError(
                    f"{name} in the variable {self.env}",
                    "none",
                    f"set {self.env} before you start",
                )
            return value
        if self.keyring:
            return _from_keyring(self.keyring, name)
        path = folder / self.file
        try:
            self.check(folder)
            size = path.stat().st_size
            text = path.read_text(encoding="utf-8").strip() if size <= _MOST_BYTES else ""
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{name} in {path}",
                getattr(error, "strerror", None) or "bytes that are no UTF-8",
                "name the file that holds it",
            ) from None
        refuse_if(
            not text,
            f"{name} in {path}",
            f"{size} bytes",
            "write the secret there, and nothing else",
        )
        return text

    def check(self, folder: Path) -> None:
        """Refuse a file readable by others; a file or variable may still be missing.

        Raises
        ------
        ConfigError
        """
        path = folder / self.file
        if self.file and path.exists() and (mode := stat.S_IMODE(path.stat().st_mode)) & ~_PRIVATE:
            raise ConfigError(
                f"{path} for its owner alone", f"mode {mode:04o}", f"chmod 600 {path}"
            )


def _from_keyring(place: str, name: str) -> str:
    """A secret from the keyring, at SERVICE/USER; `name` is for errors."""
    service, _, user = place.rpartition("/")
    try:
        value = import_module("keyring").get_password(service, user)
    except ImportError:
        raise ConfigError(
            f"{name} in the keyring", "no package keyring", "pip install keyring"
        ) from None
    except Exception as error:  # each backend of a keyring has errors of its own
        raise ConfigError(
            f"{name} in the keyring", type(error).__name__, "unlock it, or name a file"
        ) from None
    refuse_if(
        not value,
        f"{name} in the keyring as {place}",
        "none",
        f"keyring set {service} {user}",
    )
    return str(value)


def refuse_inline_secrets(
    raw: Mapping[str, Any], name: str, row: Any, also: Collection[str] = ()
) -> None:
    """Raise ConfigError where a file holds a secret itself instead of its place; the value is not repeated.

    Parameters
    ----------
    raw : mapping
        Tables of the file.
    name : str
        What the file is called in errors.
    row : callable
        The row of keys, in words.
    also : collection of str
        Further keys that name a secret, beside `SECRET_NAMES`.
    """

    def walk(table: Mapping[str, Any], parents: tuple[str, ...]) -> None:
        """Check a table and its subtables; `parents` are the keys above them."""
        for key, value in table.items():
            place = (*parents, str(key))
            if (
                str(key).lower().replace("-", "_") in SECRET_NAMES
                or str(key) in also
                or "passw" in str(key).lower()
            ):
                if not _is_secret_place(value):
                    raise ConfigError(
                        'a secret by its place: { env = "VARIABLE" } or { file = "PATH" }',
                        f"{name}: {'.'.join(place)}{row(place)}, which holds something else (not shown)",
                        "take the secret out of the file, and change it: it was in clear",
                    )
            elif isinstance(value, Mapping):
                walk(value, place)

    walk(raw, ())


def _is_secret_place(value: Any) -> bool:
    """Whether a value is a table that names one place of a secret."""
    if not isinstance(value, Mapping) or len(value) != 1:
        return False
    env = value.get("env")
    place = value.get("file", value.get("keyring"))
    return (
        isinstance(place, str)
        if env is None
        else isinstance(env, str) and _VARIABLE.fullmatch(env) is not None
    )


def mask_secrets(text: str, secrets: tuple[str, ...]) -> str:
    """A text with any of these secrets in it masked.

    >>> mask_secrets("bad password hunter2", ("hunter2",))
    'bad password ***'
    """
    for secret in secrets:
        text = text.replace(secret, MASK)
    return text
