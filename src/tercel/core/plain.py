"""Results as JSON: floats with every digit they have; NaN and infinity, which it does not know, are ``null``."""

import dataclasses
import json
import math
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from tercel.core.record import Record
from tercel.core.written import write_whole


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


def write_page(out: Path, name: str, found: Any, page: str) -> None:
    """What was found as `name`.json, and its page as `name`.html, each whole or not at all."""
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / f"{name}.json", json_text(found) + "\n")
    write_whole(out / f"{name}.html", page)
