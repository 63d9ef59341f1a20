"""Read TOML files, override their keys, find the row of a key in the text, and write values."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tercel.core.bounded_parsing import Tables, parse_tables
from tercel.core.errors import ConfigError, refuse_if


def read_toml(path: Path, remedy: str, expected: str = "a configuration file") -> Tables:
    """Read the tables of a TOML file.

    Parameters
    ----------
    path : Path
    remedy : str
        How to go on when it cannot be read, such as "see docs/examples/signals.toml".
    expected : str
        What it should be, in an error's words.

    Raises
    ------
    ConfigError
        The file cannot be read, is not in UTF-8 or not in TOML.
    """
    try:
        refuse_if(
            path.exists() and not path.is_file(),
            f"{expected}, a regular file",
            f"{path}, which is none",
            remedy,
        )
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(expected, f"{path}: {error.strerror}", remedy) from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{expected} in UTF-8", f"{path}: {error.reason} at byte {error.start}", "save it so"
        ) from None
    return parse_toml(text, str(path), remedy, expected)


def parse_toml(
    text: str, source: str, remedy: str, expected: str = "a configuration file"
) -> Tables:
    """Parse the tables of a TOML text; ConfigError if it is none or too deep. `source` names the text in errors.

    >>> parse_toml("[desk]\\nlots = 5", "desk.toml", "see the example")
    {'desk': {'lots': 5}}
    """
    try:
        return parse_tables(text)
    except ValueError as error:
        raise ConfigError(f"{expected} in TOML", f"{source}: {error}", remedy) from None


def override_tables(raw: Mapping[str, Any], overrides: Mapping[str, Any]) -> Tables:
    """A copy of the tables with new values for keys `table.key`; a key without a dot replaces a whole table.

    >>> override_tables({"desk": {"lots": 5, "name": "a"}}, {"desk.lots": 7, "more": {}})
    {'desk': {'lots': 7, 'name': 'a'}, 'more': {}}
    """
    tables = dict(raw)
    for key, value in overrides.items():
        section, _, inner = key.partition(".")
        below = tables.get(section, {})
        if inner and not isinstance(below, Mapping):
            raise ConfigError(
                f"a table {section}, for the key {key}", f"{below!r:.80}", f"give all of {section}"
            )
        tables[section] = {**below, inner: value} if inner else value
    return tables


def row_of_key(text: str, keys: Sequence[str | int]) -> int | None:
    """Row (from 1) of a TOML text that sets a key, or that of the table that lacks it; None if neither.

    Parameters
    ----------
    text : str
    keys : sequence of str and int
        Its path: names of keys, numbers in lists of tables.

    >>> row_of_key("[desk]\\nlots = 5\\n[[agent]]\\n[[agent]]\\nname = 3", ["agent", 1, "name"])
    5
    >>> row_of_key("[desk]\\nlots = 5", ["desk", "name"]), row_of_key("[desk]", ["agent"])
    (1, None)
    """
    fits = [
        (len(place), -row) for row, place in _key_rows(text) if place == tuple(keys[: len(place)])
    ]
    return -max(fits)[1] if fits else None


def _key_rows(text: str) -> Iterator[tuple[int, tuple[str | int, ...]]]:
    """(row, path) of each row of a TOML text that begins a table or sets a key."""
    counts: dict[tuple[str | int, ...], int] = {}
    table: tuple[str | int, ...] = ()
    for row, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        key_text, is_key, _ = line.partition("=")
        many = line.lstrip().startswith("[[")
        heading = line.lstrip().startswith("[")
        try:
            names = _nested_keys(
                parse_tables(line if heading else f"{key_text} = 0" if is_key else "?")
            )
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


def _nested_keys(nested: Any) -> tuple[str, ...]:
    """Keys on the way into nested tables that have one key each."""
    nested = nested[0] if isinstance(nested, list) else nested
    if not isinstance(nested, dict) or not nested:
        return ()
    (name, inner), *_ = nested.items()
    return (name, *_nested_keys(inner))


def toml_lines(table: Mapping[str, object]) -> str:
    """Keys of a table with their plain values as TOML, one a line.

    >>> print(toml_lines({"settings": {"linear": {"alpha": 0.5}}, "on": [True, "a"]}), end="")
    settings = {"linear" = {"alpha" = 0.5}}
    on = [true, "a"]
    """
    return "".join(f"{key} = {_toml_value(value)}\n" for key, value in table.items())


def _toml_value(value: object) -> str:
    """A plain value as TOML: JSON, or an inline table for a mapping."""
    if not isinstance(value, Mapping):
        return json.dumps(value, ensure_ascii=False)
    pairs = (f"{json.dumps(key)} = {_toml_value(inner)}" for key, inner in value.items())
    return f"{{{', '.join(pairs)}}}"
