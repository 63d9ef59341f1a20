"""Parse JSON and TOML texts of people, refused beyond bounds of size and depth."""

import json
import re
import tomllib
from decimal import Decimal
from typing import Any, Final

# JSON and TOML of people and strangers, within bounds: a text that is too long or nested too deep is refused unread.
#
# Parsers recurse into brackets, and tomllib takes minutes over a dotted key of tens of thousands of parts.
DEEPEST: Final = 100
"""Brackets within each other, and parts of a dotted key, at most."""
LONGEST: Final = 64 << 20
"""Characters of a text of JSON, at most."""
LONGEST_TOML: Final = 1 << 20
"""Characters of a text of TOML, which people write, at most."""
# Strings and comments are tokens of their own, so that brackets in them are not counted. One that is not closed ends
# the parsers' reading, so it extends to the end here: no letter is read twice.
_TOKENS: Final = re.compile(
    r'"""(?:[^"\\]++|\\.|"(?!""))*+"{0,5}'
    r"|'''(?:[^']++|'(?!''))*+'{0,5}"
    r'|"(?:[^"\\\n]++|\\.)*+"?'
    r"|'[^'\n]*+'?|#[^\n]*+|[\[{\]}.=,\n]",
    re.DOTALL,
)


Tables = dict[str, Any]
"""The tables of a TOML text, before they are validated."""
JsonSchema = dict[str, Any]
"""A JSON schema, or a part of one."""


def parse_json(data: str | bytes) -> Any:
    """Value of a JSON text; ValueError if it is none, longer than `LONGEST` or nested deeper than `DEEPEST`.

    Raises
    ------
    ValueError
        No JSON, longer than `LONGEST` or nested deeper than `DEEPEST`.

    >>> parse_json(b'{"lots": [5, 7]}')
    {'lots': [5, 7]}
    """
    return json.loads(
        _check_bounds(data if isinstance(data, str) else data.decode(json.detect_encoding(data)))
    )


def parse_tables(text: str, decimals: bool = False) -> Tables:
    """Tables of a TOML text, with or without a byte-order mark; fractions as Decimal if `decimals`.

    Raises
    ------
    ValueError
        No TOML, longer than `LONGEST_TOML`, nested deeper than `DEEPEST` or a key of more parts.
    ArithmeticError
        A fraction that no Decimal takes.

    >>> parse_tables("[desk]\\nlots = 5")
    {'desk': {'lots': 5}}
    """
    return tomllib.loads(
        _check_bounds(text.removeprefix("\ufeff"), LONGEST_TOML),
        parse_float=Decimal if decimals else float,
    )


def _check_bounds(text: str, longest: int = LONGEST) -> str:
    """Return the text unchanged; ValueError if it is longer than `longest`, or nested or dotted deeper than `DEEPEST`."""
    if len(text) > longest:
        raise ValueError(f"{len(text):,} characters, of at most {longest:,}")
    depth = dots = 0
    for match in _TOKENS.finditer(text) if sum(map(text.count, "[{.")) > DEEPEST else ():
        token = match[0][0]
        depth += (token in "[{") - (token in "]}")
        dots = dots + (token == ".") if token in ".\"'" else 0
        if max(depth, dots) > DEEPEST:
            row = text.count("\n", 0, match.start()) + 1
            raise ValueError(
                f"more than {DEEPEST} brackets within each other, or parts of a key, in row {row}"
            )
    return text
