"""Configuration files in TOML: what they hold, or why they cannot be read."""

import tomllib
from pathlib import Path
from typing import Any

from tercel.core.errors import ConfigError


def read_toml(path: Path, example: str) -> dict[str, Any]:
    """The tables of a file; `example` names one that is right.

    Raises
    ------
    ConfigError
        The file cannot be read, is not in UTF-8 or not in TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError("a configuration file", f"{path}: {error.strerror}", f"name one, such as {example}") from None
    except UnicodeDecodeError as error:
        raise ConfigError("a file in UTF-8", f"{path}: {error.reason} at byte {error.start}", "save it so") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError("a file in TOML", f"{path}: {error}", f"see {example}") from None
