"""Turn values into JSON: plain copies (`to_jsonable`), one strict line (`json_text`), the JSON of a page (`page_json`)."""

import dataclasses
import json
import math
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from tercel.core.records import Record


# Results as JSON: floats with every digit they have; NaN and infinity, which it does not know, are ``null``.
def to_jsonable(value: Any) -> Any:
    """Copy of a value made of JSON types: dict, list, str, int, float, bool, None.

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


# The parts of a page as JSON text, written once for all its followers.
def page_json(value: Any) -> str:
    """JSON text of a page's data, objects by their attributes; NaN and infinity as null. Values that need no conversion
    are not copied.

    >>> page_json({"mean": float("nan")})
    '{"mean": null}'
    """
    try:
        return json.dumps(value, allow_nan=False, default=vars)
    except (TypeError, ValueError):
        return json.dumps(to_jsonable(value))
