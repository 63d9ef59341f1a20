"""Dataclasses read back from JSON (`Record`, `from_jsonable`), and copied fast with some fields changed."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, ClassVar, Self, TypeVar, Union, get_args, get_origin, get_type_hints

# A frozen dataclass with other values for some fields, at half the price of `dataclasses.replace`.
_Instance = TypeVar("_Instance")


@dataclass(frozen=True)
class Record:
    """Base of dataclasses that are written as JSON objects and read back; fields in `optional` are left out if None or
    empty.
    """

    optional: ClassVar[tuple[str, ...]] = ()

    def json_fields(self) -> dict[str, object]:
        """Fields and their values, not converted to JSON so far; those in `optional` that are None or empty are left out."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        for name in self.optional:
            if values[name] in (None, "", {}, (), []):
                del values[name]
        return values

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read a record from a JSON object; keys that are no fields are ignored.

        Raises
        ------
        TypeError, AttributeError
            Something else, or an object without a field that has no default.
        """
        record: Self = from_jsonable(cls, data)
        return record


def from_jsonable(kind: Any, value: Any) -> Any:
    """Read a value of type `kind` back from JSON; null may stand for NaN or an empty mapping.

    >>> from_jsonable(dict[str, tuple[float, ...]], {"a": [1.5, None]})
    {'a': (1.5, nan)}
    """
    inside = get_args(kind)
    outer = get_origin(kind) or kind
    if outer in (Union, UnionType):
        return (
            None
            if value is None
            else from_jsonable(next(member for member in inside if member is not NoneType), value)
        )
    if outer is float:
        return math.nan if value is None else value
    if isinstance(kind, type) and is_dataclass(kind):
        hints = get_type_hints(kind)
        values = dict(value)
        return kind(
            **{
                field.name: from_jsonable(hints[field.name], values[field.name])
                for field in fields(kind)
                if field.name in values
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


def fast_replace(instance: _Instance, **changes: Any) -> _Instance:
    """Copy of an instance of a dataclass with slots, with some fields changed; faster than `dataclasses.replace`.
    `__post_init__` is not called: what it checks has to hold already.

    For folds that do it for every entry.

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
    kind: Any = type(instance)
    known, slots = _slots(kind)
    if not changes.keys() <= known:
        raise TypeError(f"{kind.__name__} has no {', '.join(sorted(changes.keys() - known))}")
    copied: _Instance = object.__new__(kind)
    for name, get, put in slots:
        put(copied, changes[name] if name in changes else get(instance))
    return copied


@cache
def _slots(
    kind: Any,
) -> tuple[frozenset[str], list[tuple[str, Callable[[Any], Any], Callable[[Any, Any], None]]]]:
    """Field names of a slotted dataclass, and for each slot (name, getter, setter)."""
    slots = [(field.name, getattr(kind, field.name)) for field in fields(kind)]
    return frozenset(name for name, _ in slots), [
        (name, slot.__get__, slot.__set__) for name, slot in slots
    ]
