"""What a record holds of a value: a number, a word, a list of them, or one line on an array."""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

Scalar = None | bool | int | float | str
Leaf = Scalar | list[Any] | dict[str, Any]
"""A scalar, a list of scalars, or an empty list or mapping."""
Leaves = dict[str, Leaf]
"""Key, parts joined by "/", to what it holds."""

DIGITS = 10
"""Significant digits that are kept of a float: the last ones depend on the order of a sum."""
FULL = 600
"""Letters in which all figures of an array are told; a longer one is told by its hash."""
NAMED = 12
"""Different words of an array that are told."""


def rounded(value: float) -> float | str:
    """A float to :data:`DIGITS`, and what JSON does not know as a word.

    >>> rounded(0.1 + 0.2), rounded(float("nan"))
    (0.3, 'nan')
    """
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else str(value)


def leaves(value: Any, key: str = "") -> Iterator[tuple[str, Leaf]]:
    """Everything in a JSON value by its key.

    >>> dict(leaves({"a": {"b": 1.0, "c": [1, 2]}, "d": [{"e": None}]}))
    {'a/b': 1.0, 'a/c': [1, 2], 'd/[0]/e': None}
    """
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from leaves(inner, _under(key, name))
    elif isinstance(value, list) and any(isinstance(inner, list | Mapping) for inner in value):
        for number, inner in enumerate(value):
            yield from leaves(inner, _under(key, f"[{number}]"))
    elif isinstance(value, list):
        yield key, [rounded(inner) if isinstance(inner, float) else inner for inner in value]
    else:
        yield key, rounded(value) if isinstance(value, float) else value


def shape(value: Any) -> Leaves:
    """Types of everything in a JSON value by its key; elements of a list share one, and so do names of one shape.

    >>> shape({"days": [{"rows": 3, "tick": 0.01}, {"rows": None}]})
    {'days/[]/rows': 'int | null', 'days/[]/tick': 'absent | float'}
    >>> shape({"after": {"10": {"mean": 0.5, "se": 0.1}, "60": {"mean": 0.7, "se": 0.1}}})
    {'after/{10,60}/mean': 'float', 'after/{10,60}/se': 'float'}
    """
    return {
        **gathered({key: " | ".join(sorted(kinds)) for key, kinds in _kinds(value, "").items()})
    }


def gathered(kinds: Mapping[str, str]) -> dict[str, str]:
    """Types by key, names beside one another as one where the same keys and types lie below them."""
    below: dict[str, dict[str, str]] = {}
    for key, kind in kinds.items():
        name, _, rest = key.partition("/")
        below.setdefault(name, {})[rest] = kind
    inner = {name: gathered(one) if one.keys() != {""} else one for name, one in below.items()}
    alike: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for name, one in inner.items():
        alike.setdefault(tuple(one.items()) if len(one) > 1 else (("", name),), []).append(name)
    found: dict[str, str] = {}
    for names in alike.values():
        name = names[0] if len(names) == 1 else f"{{{','.join(names)}}}"
        found |= {
            f"{name}/{rest}" if rest else name: kind for rest, kind in inner[names[0]].items()
        }
    return found


def _kinds(value: Any, key: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            found |= _kinds(inner, _under(key, name))
    elif isinstance(value, list) and value:
        each = [_kinds(inner, _under(key, "[]")) for inner in value]
        for one in each:
            for name, kinds in one.items():
                found.setdefault(name, set()).update(kinds)
        for name, kinds in found.items():
            kinds.update({"absent"} if any(name not in one for one in each) else ())
    else:
        found[key] = {_KINDS.get(type(value), type(value).__name__)}
    return found


_KINDS = {type(None): "null", bool: "bool", str: "text"}


def _under(key: str, name: object) -> str:
    part = str(name).replace("/", "|")
    return f"{key}/{part}" if key else part


def told(values: NDArray[Any], full: int = FULL) -> str:
    """One line on an array: its type and shape, then all figures, or a hash and a few figures.

    Whole numbers count by value, whatever their width. Of words, a hash is of which are the same, so that a word that
    is called otherwise changes the words alone.

    >>> told(np.array([0, 0, 0, 7], np.int8))
    'int 4 = 0*3 7'
    >>> told(np.arange(6000).reshape(2, 3000))
    'int 2 x 3000, sha256 04a844947952, min 0, max 5999, sum 17997000'
    >>> told(np.array(["buy", "sell"] * 500))
    'text 1000, sha256 6cf0a7e8b075, of "buy" "sell"'
    """
    kind = (
        "int"
        if values.dtype.kind in "iub"
        else "text"
        if values.dtype.kind in "UO"
        else values.dtype.name
    )
    head = f"{kind} {' x '.join(map(str, values.shape))}"
    flat = values.astype(np.int64).ravel() if kind == "int" else values.ravel()
    if flat.size * 2 <= full or len(set(flat[:full].tolist())) < full // 4:
        text = " ".join(_runs(flat.tolist()))
        if len(text) <= full:
            return f"{head} = {text}".rstrip()
    if kind == "text":
        return f"{head}, {_words(flat.tolist())}"
    if kind == "int":
        return f"{head}, sha256 {_hash(flat)}, min {flat.min()}, max {flat.max()}, sum {flat.sum()}"
    known = flat[np.isfinite(flat)].astype(np.float64)
    some = known if known.size else np.zeros(1)
    figures = {
        "min": some.min(),
        "max": some.max(),
        "mean": some.mean(),
        "unknown": flat.size - known.size,
    }
    return f"{head}, sha256 {_hash(flat)}, " + ", ".join(
        f"{name} {one:.9g}" for name, one in figures.items()
    )


def _runs(values: Sequence[Any]) -> Iterator[str]:
    for figure, run in groupby(map(_figure, values)):
        many = len(list(run))
        yield f"{figure}*{many}" if many > 1 else figure


def _figure(value: Any) -> str:
    return f"{value:.{DIGITS}g}" if isinstance(value, float) else json.dumps(value)


def _words(values: Sequence[Any]) -> str:
    number: dict[str, int] = {}
    codes = [number.setdefault(json.dumps(value), len(number)) for value in values]
    named = (
        f"of {' '.join(number)}"
        if len(number) <= NAMED
        else f"of {len(number)} words {_hash(' '.join(number))}"
    )
    return f"sha256 {_hash(np.array(codes, np.int64))}, {named}"


def _hash(content: NDArray[Any] | str) -> str:
    data = content.encode() if isinstance(content, str) else np.ascontiguousarray(content).tobytes()
    return sha256(data).hexdigest()[:12]


FIGURE = re.compile(r"(min|max|mean|sum) (\S+?)(?:,|$)")
"""The figures of an array that is told by its hash."""
