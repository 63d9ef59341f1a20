"""Values as JSON and back: results, dataclasses, graphs of objects; JSON and TOML of people within bounds.

`to_jsonable` turns results into what JSON knows, `Record` and `from_jsonable` read dataclasses back, `parse_json` and
`parse_tables` read texts of bounded size and depth, `Graph` writes whole object graphs as rows.
"""

import dataclasses
import json
import math
import re
import tomllib
from array import array
from base64 import b64decode, b64encode
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, ClassVar, Final, Self, TypeVar, Union, get_args, get_origin, get_type_hints

from tercel.core.errors import JournalError

# -- record ---------------------------------------------------------------------------------------
# Records: dataclasses that are written as JSON objects and read back from them.


@dataclass(frozen=True)
class Record:
    """Base of dataclasses whose JSON object is what :meth:`json_fields` says; `optional` names fields that it leaves out
    where they are None or empty.
    """

    optional: ClassVar[tuple[str, ...]] = ()

    def json_fields(self) -> dict[str, object]:
        """Keys of the JSON object and their values, which `to_jsonable` turns into plain ones."""
        found = {one.name: getattr(self, one.name) for one in fields(self)}
        for name in self.optional:
            if found[name] in (None, {}, (), []):
                del found[name]
        return found

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The record of a JSON object; keys that are no fields are left out.

        Raises
        ------
        TypeError, AttributeError
            Something else, or an object without a field that has no default.
        """
        found: Self = from_jsonable(cls, data)
        return found


def from_jsonable(kind: Any, value: Any) -> Any:
    """The value of type `kind` that became `value` in JSON, where NaN is null and so is an empty mapping, maybe.

    >>> from_jsonable(dict[str, tuple[float, ...]], {"a": [1.5, None]})
    {'a': (1.5, nan)}
    """
    inside = get_args(kind)
    outer = get_origin(kind) or kind
    if outer in (Union, UnionType):
        return (
            None
            if value is None
            else from_jsonable(next(one for one in inside if one is not NoneType), value)
        )
    if outer is float:
        return math.nan if value is None else value
    if isinstance(kind, type) and is_dataclass(kind):
        hints, known = get_type_hints(kind), dict(value)
        return kind(
            **{
                one.name: from_jsonable(hints[one.name], known[one.name])
                for one in fields(kind)
                if one.name in known
            }
        )
    if isinstance(outer, type) and issubclass(outer, Mapping):
        return (
            {key: from_jsonable(inside[1], item) for key, item in (value or {}).items()}
            if inside
            else value
        )
    return (
        outer(from_jsonable(inside[0], item) for item in value)
        if outer in (list, tuple) and inside
        else value
    )


# -- altered --------------------------------------------------------------------------------------
# A frozen dataclass with other values for some fields, at half the price of `dataclasses.replace`.

_One = TypeVar("_One")


def fast_replace(one: _One, **changes: Any) -> _One:
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
    >>> fast_replace(Point(1, 2), y=3)
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
# Strings and comments are tokens of their own, so that brackets in them are not counted. One that is not closed ends
# the parsers' reading, so it extends to the end here: no letter is read twice.
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


Tables = dict[str, Any]
"""The tables of a TOML text, before they are validated."""
JsonSchema = dict[str, Any]
"""A JSON schema, or a part of one."""


def parse_tables(text: str, decimals: bool = False) -> Tables:
    """The tables of a TOML text, with or without a byte-order mark; `decimals`: its fractions are Decimal.

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
        _bounded(text.removeprefix("\ufeff"), LONGEST_TOML),
        parse_float=Decimal if decimals else float,
    )


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


def to_jsonable(value: Any) -> Any:
    """Copy of `value` made of what JSON knows: dict, list, str, int, float, bool, None.

    Mappings, sequences, sets, dataclasses, pydantic models, paths, dates, NumPy scalars and arrays are understood.

    Raises
    ------
    TypeError
        For anything else, rather than a string by accident.

    >>> to_jsonable({"mean": float("nan"), "days": (1, 2), "out": Path("runs/a")})
    {'mean': None, 'days': [1, 2], 'out': 'runs/a'}
    """
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): to_jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_jsonable(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Record):
        return to_jsonable(value.json_fields())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: to_jsonable(getattr(value, field.name))
            for field in dataclasses.fields(value)
        }
    if hasattr(value, "model_dump"):
        return to_jsonable(value.model_dump())
    if hasattr(value, "tolist"):  # NumPy, without importing it here
        return to_jsonable(value.tolist())
    raise TypeError(f"no JSON for {type(value).__name__}: {value!r}")


def json_text(value: Any) -> str:
    """`value` as one line of strict JSON.

    >>> json_text({"ratio": 1 / 3, "reference_value": float("inf")})
    '{"ratio": 0.3333333333333333, "reference_value": null}'
    """
    return json.dumps(to_jsonable(value), allow_nan=False, ensure_ascii=False)


# -- shared text ----------------------------------------------------------------------------------
# The parts of a page as JSON text, written once for all its followers.


def page_json(value: Any) -> str:
    """A value as JSON; most hold dataclasses without slots and plain values, which are not copied.

    >>> page_json({"mean": float("nan")})
    '{"mean": null}'
    """
    try:
        return json.dumps(value, allow_nan=False, default=vars)
    except (TypeError, ValueError):
        return json.dumps(to_jsonable(value))


# -- rows -----------------------------------------------------------------------------------------
# CSV that this program writes, safe in a spreadsheet, and its cells read back.


# Instead of a class: an array of 64-bit integers has a row of its own, as it may be long.
_ARRAY: Final = "array"
_PLAIN: Final = (type(None), bool, int, float, str)
_LISTS: Final[Mapping[type, str]] = {tuple: "t", list: "l"}


class Graph:
    """Writes and reads object graphs of given classes.

    Parameters
    ----------
    classes : sequence of type
        Their instances may be written and made; enumerations by value.
    left_out : mapping of type to names
        Fields that are not written, and stay as they are when it is read into an object that is there.
    """

    def __init__(
        self, classes: tuple[type, ...], left_out: Mapping[type, frozenset[str]] | None = None
    ) -> None:
        self._classes = {one.__name__: one for one in classes}
        self._left_out = dict(left_out or {})

    @property
    def shape(self) -> str:
        """Hash of the classes and their fields; data of another shape is refused."""
        shapes = [
            f"{name}({', '.join(sorted(_declared(one)))})"
            for name, one in sorted(self._classes.items())
        ]
        return sha256("\n".join(shapes).encode()).hexdigest()[:16]

    # -- writing -----------------------------------------------------------------------------------------------------

    def write(self, root: object) -> Iterator[Any]:
        """Rows of an object and everything it refers to, itself first.

        Raises
        ------
        JournalError
            For something of another class.
        """
        writing = _Writing(self)
        writing.number(root)
        while writing.waiting:
            one = writing.waiting.popleft()
            if isinstance(one, array):
                yield [_ARRAY, b64encode(one.tobytes()).decode()]
                continue
            names = self._names(one)
            yield [type(one).__name__, {name: writing.value(getattr(one, name)) for name in names}]

    def _names(self, one: object) -> list[str]:
        left_out = self._left_out.get(type(one), frozenset())
        return [name for name in _present(one) if name not in left_out]

    # -- reading -----------------------------------------------------------------------------------------------------

    def read(self, rows: Iterable[Any], into: object | None = None) -> Any:
        """The object that `write` was given; with `into`, its fields are set there.

        Raises
        ------
        JournalError
            For rows that are none.
        """
        made = dict[int, Any]() if into is None else {0: into}
        count = 0
        try:
            for count, (name, words) in enumerate(rows, 1):
                one = self._made(count - 1, name, made)
                if name == _ARRAY:
                    one.frombytes(b64decode(words))
                    continue
                for field, value in words.items():
                    object.__setattr__(one, field, self._value(value, made))
            if len(made) != count:
                raise IndexError(f"{len(made)} objects in {count} rows")
            return made[0]
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise JournalError(
                "rows of objects", f"{type(error).__name__}: {error}", "fold the journal"
            ) from error

    def _made(self, number: int, name: str, made: dict[int, Any]) -> Any:
        if number not in made:
            made[number] = array("q") if name == _ARRAY else object.__new__(self._classes[name])
        return made[number]

    def _value(self, value: Any, made: dict[int, Any]) -> Any:
        if not isinstance(value, list):
            return value
        kind, *rest = value
        if kind == "o":
            return self._made(rest[0], rest[1], made)
        if kind == "e":
            return self._classes[rest[0]](rest[1])
        items = rest[-1]
        if kind == "b":
            return b64decode(items)
        if kind in _MAPS:
            pairs = [(self._value(key, made), self._value(each, made)) for key, each in items]
            return _MAPS[kind](pairs)
        several = [self._value(each, made) for each in items]
        return deque(several, maxlen=rest[0]) if kind == "d" else _SEVERAL[kind](several)


_SEVERAL: Final[Mapping[str, Callable[[Any], Any]]] = {
    "t": tuple,
    "l": list,
    "s": set,
    "f": frozenset,
}
_MAPS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "m": dict,
    "r": OrderedDict,
    "v": lambda pairs: defaultdict(list, pairs),
}


class _Writing:
    """One writing: the numbers of objects, and those whose fields are still to be written."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._numbers = dict[int, int]()
        self.waiting: deque[object] = deque()
        self._alive: list[object] = []

    def number(self, one: object) -> int:
        if id(one) not in self._numbers:
            self._numbers[id(one)] = len(self._numbers)
            self._alive.append(one)
            self.waiting.append(one)
        return self._numbers[id(one)]

    def value(self, value: Any) -> Any:
        kind = type(value)
        if kind in _PLAIN:
            return value
        if kind in _LISTS:
            return [_LISTS[kind], [self.value(each) for each in value]]
        if kind in (set, frozenset):
            return ["s" if kind is set else "f", sorted(value)]
        if kind is deque:
            return ["d", value.maxlen, [self.value(each) for each in value]]
        if kind is bytes:
            return ["b", b64encode(value).decode()]
        if kind in (dict, OrderedDict, defaultdict):
            mark = "m" if kind is dict else "r" if kind is OrderedDict else "v"
            return [mark, [[self.value(key), self.value(each)] for key, each in value.items()]]
        if kind is array and value.typecode == "q":
            return ["o", self.number(value), _ARRAY]
        if self._graph._classes.get(kind.__name__) is not kind:
            raise JournalError(
                "an object of a class that is known here", f"{kind.__name__}", "fold the journal"
            )
        return (
            ["e", kind.__name__, value.value]
            if isinstance(value, Enum)
            else ["o", self.number(value), kind.__name__]
        )


def _declared(kind: type) -> list[str]:
    """The fields that a class names."""
    if issubclass(kind, Enum):
        return [str(each.value) for each in kind]
    if is_dataclass(kind):
        return [field.name for field in fields(kind)]
    return [name for each in kind.__mro__ for name in getattr(each, "__slots__", ())]


def _present(one: object) -> list[str]:
    """The fields that an object has."""
    if hasattr(one, "__dict__"):
        return list(vars(one))
    return [name for name in dict.fromkeys(_declared(type(one))) if hasattr(one, name)]
