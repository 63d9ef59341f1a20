"""Records: dataclasses that are written as JSON objects and read back from them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Self, Union, get_args, get_origin, get_type_hints


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
