"""JSON, TOML and CSV: dataclasses and results as text, and text of strangers read within bounds."""

import dataclasses
import json
import math
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Final, Self, TypeVar, Union, get_args, get_origin, get_type_hints

# -- record ---------------------------------------------------------------------------------------
# Records: dataclasses that are written as JSON objects and read back from them.


@dataclass(frozen=True)
class Record:
    """Base of dataclasses whose JSON object is what :meth:`json_fields` says."""

    def json_fields(self) -> dict[str, object]:
        """Keys of the JSON object and what stands there, which `core.plain.plain` turns into plain values."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The record of a JSON object; keys that are no fields are left out.

        Raises
        ------
        TypeError, AttributeError
            Something else, or an object without a field that has no default.
        """
        found: Self = read(cls, data)
        return found


def read(kind: Any, value: Any) -> Any:
    """The value of type `kind` that became `value` in JSON, where NaN is null and so is an empty mapping, maybe.

    >>> read(dict[str, tuple[float, ...]], {"a": [1.5, None]})
    {'a': (1.5, nan)}
    """
    inside = get_args(kind)
    outer = get_origin(kind) or kind
    if outer in (Union, UnionType):
        return (
            None
            if value is None
            else read(next(one for one in inside if one is not NoneType), value)
        )
    if outer is float:
        return math.nan if value is None else value
    if isinstance(kind, type) and is_dataclass(kind):
        hints, known = get_type_hints(kind), dict(value)
        return kind(
            **{
                one.name: read(hints[one.name], known[one.name])
                for one in fields(kind)
                if one.name in known
            }
        )
    if isinstance(outer, type) and issubclass(outer, Mapping):
        return (
            {key: read(inside[1], item) for key, item in (value or {}).items()} if inside else value
        )
    return (
        outer(read(inside[0], item) for item in value)
        if outer in (list, tuple) and inside
        else value
    )


# -- altered --------------------------------------------------------------------------------------
# A frozen dataclass with other values for some fields, at half the price of `dataclasses.replace`.

_One = TypeVar("_One")


def altered(one: _One, **changes: Any) -> _One:
    """A copy of an object whose class is a dataclass with slots, with other values for some fields.

    For folds that do it for every entry. `__post_init__` is not called: what it checks has to hold already.

    Raises
    ------
    TypeError
        For a name that is no field.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True, slots=True)
    ... class Point:
    ...     x: int
    ...     y: int = 0
    >>> altered(Point(1, 2), y=3)
    Point(x=1, y=3)
    """
    kind: Any = type(one)
    known, slots = _slots(kind)
    if not changes.keys() <= known:
        raise TypeError(f"{kind.__name__} has no {', '.join(sorted(changes.keys() - known))}")
    made: _One = object.__new__(kind)
    for name, get, put in slots:
        put(made, changes[name] if name in changes else get(one))
    return made


@cache
def _slots(
    kind: Any,
) -> tuple[frozenset[str], list[tuple[str, Callable[[Any], Any], Callable[[Any, Any], None]]]]:
    """Names of fields, and each with what reads and what writes its slot."""
    slots = [(one.name, getattr(kind, one.name)) for one in fields(kind)]
    return frozenset(name for name, _ in slots), [
        (name, slot.__get__, slot.__set__) for name, slot in slots
    ]


# -- parsed ---------------------------------------------------------------------------------------
# JSON and TOML of people and strangers, within bounds: a text that is too long or nested too deep is refused unread.
#
# Parsers recurse into brackets, and tomllib takes minutes over a dotted key of tens of thousands of parts.

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


# -- plain ----------------------------------------------------------------------------------------
# Results as JSON: floats with every digit they have; NaN and infinity, which it does not know, are ``null``.


def plain(value: Any) -> Any:
    """Copy of `value` made of what JSON knows: dict, list, str, int, float, bool, None.

    Mappings, sequences, sets, dataclasses, pydantic models, paths, dates, NumPy scalars and arrays are understood.

    Raises
    ------
    TypeError
        For anything else: a result that is silently turned into a string helps nobody.

    >>> plain({"mean": float("nan"), "days": (1, 2), "out": Path("runs/a")})
    {'mean': None, 'days': [1, 2], 'out': 'runs/a'}
    """
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Record):
        return plain(value.json_fields())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    if hasattr(value, "model_dump"):
        return plain(value.model_dump())
    if hasattr(value, "tolist"):  # NumPy, without importing it here
        return plain(value.tolist())
    raise TypeError(f"no JSON for {type(value).__name__}: {value!r}")


def json_text(value: Any) -> str:
    """`value` as one line of strict JSON.

    >>> json_text({"ratio": 1 / 3, "reference_value": float("inf")})
    '{"ratio": 0.3333333333333333, "reference_value": null}'
    """
    return json.dumps(plain(value), allow_nan=False, ensure_ascii=False)


# -- shared text ----------------------------------------------------------------------------------
# The parts of a page as JSON text, written once for everybody who follows it.


def text_of(value: Any) -> str:
    """A value as JSON; most hold dataclasses without slots and plain values, which are not copied.

    >>> text_of({"mean": float("nan")})
    '{"mean": null}'
    """
    try:
        return json.dumps(value, allow_nan=False, default=vars)
    except (TypeError, ValueError):
        return json.dumps(plain(value))


# -- rows -----------------------------------------------------------------------------------------
# CSV that this program writes, safe in a spreadsheet, and its cells read back.
