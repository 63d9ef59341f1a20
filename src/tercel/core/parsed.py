"""JSON and TOML of people and strangers, within bounds: a text that is too long or nested too deep is refused unread.

Parsers recurse into brackets, and tomllib takes minutes over a dotted key of tens of thousands of parts.
"""

import json
import re
import tomllib
from decimal import Decimal
from typing import Any, Final

DEEPEST: Final = 100
"""Brackets within each other, and parts of a dotted key, at most."""
LONGEST: Final = 64 << 20
"""Characters of a text of JSON, at most."""
LONGEST_TOML: Final = 1 << 20
"""Characters of a text of TOML, which people write, at most."""
# Strings and comments are tokens of their own, so that what stands in them is not counted. One that is not closed ends
# the parsers' reading, so it may go on to the end here: no letter is read twice.
_TOKENS: Final = re.compile(
    r'"""(?:[^"\\]++|\\.|"(?!""))*+"{0,5}'
    r"|'''(?:[^']++|'(?!''))*+'{0,5}"
    r'|"(?:[^"\\\n]++|\\.)*+"?'
    r"|'[^'\n]*+'?|#[^\n]*+|[\[{\]}.=,\n]",
    re.DOTALL,
)


def parse_json(data: str | bytes) -> Any:
    """The value of a JSON text.

    Raises
    ------
    ValueError
        No JSON, longer than `LONGEST` or nested deeper than `DEEPEST`.

    >>> parse_json(b'{"lots": [5, 7]}')
    {'lots': [5, 7]}
    """
    return json.loads(
        _bounded(data if isinstance(data, str) else data.decode(json.detect_encoding(data)))
    )


def parse_tables(text: str, decimals: bool = False) -> dict[str, Any]:
    """The tables of a TOML text; `decimals`: its fractions are Decimal.

    Raises
    ------
    ValueError
        No TOML, longer than `LONGEST_TOML`, nested deeper than `DEEPEST` or a key of more parts.
    ArithmeticError
        A fraction that no Decimal takes.

    >>> parse_tables("[desk]\\nlots = 5")
    {'desk': {'lots': 5}}
    """
    return tomllib.loads(_bounded(text, LONGEST_TOML), parse_float=Decimal if decimals else float)


def _bounded(text: str, longest: int = LONGEST) -> str:
    if len(text) > longest:
        raise ValueError(f"{len(text):,} characters, of at most {longest:,}")
    depth = dots = 0
    for found in _TOKENS.finditer(text) if sum(map(text.count, "[{.")) > DEEPEST else ():
        token = found[0][0]
        depth += (token in "[{") - (token in "]}")
        dots = dots + (token == ".") if token in ".\"'" else 0
        if max(depth, dots) > DEEPEST:
            row = text.count("\n", 0, found.start()) + 1
            raise ValueError(
                f"more than {DEEPEST} brackets within each other, or parts of a key, in row {row}"
            )
    return text
