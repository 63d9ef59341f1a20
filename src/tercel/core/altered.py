"""A frozen dataclass with other values for some fields, at half the price of `dataclasses.replace`."""

from collections.abc import Callable
from dataclasses import fields
from functools import cache
from typing import Any, TypeVar

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
