"""Files in TOML: what they hold, or why they cannot be read."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tercel.core.errors import ConfigError


def read_toml(path: Path, way: str, what: str = "a configuration file") -> dict[str, Any]:
    """The tables of a file.

    Parameters
    ----------
    path : Path
    way : str
        How to go on when it cannot be read, such as "see docs/examples/signals.toml".
    what : str
        What it should be, in an error's words.

    Raises
    ------
    ConfigError
        The file cannot be read, is not in UTF-8 or not in TOML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(what, f"{path}: {error.strerror}", way) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{what} in UTF-8", f"{path}: {error.reason} at byte {error.start}", "save it so") from None
    return parse_toml(text, str(path), way, what)


def parse_toml(text: str, where: str, way: str, what: str = "a configuration file") -> dict[str, Any]:
    """The tables of a text; `where` is how an error calls it. Numbers that no reader takes are refused too.

    >>> parse_toml("[desk]\\nlots = 5", "desk.toml", "see the example")
    {'desk': {'lots': 5}}
    """
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{what} in TOML", f"{where}: {error}", way) from None


def changed(raw: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """Tables with other values for dotted keys; a key without a dot is a whole table.

    >>> changed({"desk": {"lots": 5, "name": "a"}}, {"desk.lots": 7, "more": {}})
    {'desk': {'lots': 7, 'name': 'a'}, 'more': {}}
    """
    found = dict(raw)
    for key, value in told.items():
        section, _, inner = key.partition(".")
        below = found.get(section, {})
        if inner and not isinstance(below, Mapping):
            raise ConfigError(f"a table {section}, for the key {key}", f"{below!r:.80}", f"give all of {section}")
        found[section] = {**below, inner: value} if inner else value
    return found
