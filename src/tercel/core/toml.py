"""Files in TOML: what they hold, or why they cannot be read."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tercel.core.errors import ConfigError
from tercel.core.plain import parse_tables


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
        if path.exists() and not path.is_file():
            raise ConfigError(
                f"{what}, a regular file", f"{path}, which is none", way
            )  # a device may never end
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(what, f"{path}: {error.strerror}", way) from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{what} in UTF-8", f"{path}: {error.reason} at byte {error.start}", "save it so"
        ) from None
    return parse_toml(text, str(path), way, what)


def parse_toml(
    text: str, where: str, way: str, what: str = "a configuration file"
) -> dict[str, Any]:
    """The tables of a text; `where` is how an error calls it. Numbers that no reader takes are refused too.

    >>> parse_toml("[desk]\\nlots = 5", "desk.toml", "see the example")
    {'desk': {'lots': 5}}
    """
    try:
        return parse_tables(text)
    except ValueError as error:
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
            raise ConfigError(
                f"a table {section}, for the key {key}", f"{below!r:.80}", f"give all of {section}"
            )
        found[section] = {**below, inner: value} if inner else value
    return found


def row_of(text: str, keys: Sequence[str | int]) -> int | None:
    """The row of a TOML text that says something, counted from 1: its own, or that of the table it is missing from.

    Parameters
    ----------
    text : str
    keys : sequence of str and int
        Where it stands: names of keys, numbers in lists of tables.

    >>> row_of("[desk]\\nlots = 5\\n[[agent]]\\n[[agent]]\\nname = 3", ["agent", 1, "name"])
    5
    >>> row_of("[desk]\\nlots = 5", ["desk", "name"]), row_of("[desk]", ["agent"])
    (1, None)
    """
    fits = [
        (len(place), -row) for row, place in _places(text) if place == tuple(keys[: len(place)])
    ]
    return -max(fits)[1] if fits else None


def _places(text: str) -> Iterator[tuple[int, tuple[str | int, ...]]]:
    """Rows that begin a table or a key, and where that stands."""
    counts: dict[tuple[str | int, ...], int] = {}
    table: tuple[str | int, ...] = ()
    for row, line in enumerate(text.splitlines(), 1):
        left, is_key, _ = line.partition("=")
        many = line.lstrip().startswith("[[")
        heading = line.lstrip().startswith("[")
        try:
            names = _names(parse_tables(line if heading else f"{left} = 0" if is_key else "?"))
        except ValueError:
            continue
        if not heading:
            yield row, table + names
            continue
        table = ()
        for number, name in enumerate(names):
            table += (name,)
            if many and number == len(names) - 1:
                counts[table] = counts.get(table, -1) + 1
            if table in counts:
                table += (counts[table],)
        yield row, table


def _names(nested: Any) -> tuple[str, ...]:
    """Keys on the way into nested tables of one key each."""
    nested = nested[0] if isinstance(nested, list) else nested
    if not isinstance(nested, dict) or not nested:
        return ()
    (name, inner), *_ = nested.items()
    return (name, *_names(inner))
