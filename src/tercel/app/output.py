"""What goes where: a result on stdout, everything said on the way to it on stderr.

With ``--json`` stdout carries exactly one JSON object. Floats are written with every digit they have; NaN and infinity,
which JSON does not know, become ``null``.
"""

import dataclasses
import json
import math
import sys
from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

    from tercel.core.errors import TercelError


@cache
def _console(stderr: bool) -> "Console":
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


def progress_console() -> "Console":
    """Rich console on stderr: logs, progress bars, warnings."""
    return _console(True)


def result_console() -> "Console":
    """Rich console on stdout: tables, and nothing else."""
    return _console(False)


def say(text: str) -> None:
    """Write one plain line to stderr, at once."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def say_when_compiling() -> None:
    """Have this process say on stderr that it compiles kernels, should it have to."""
    from tercel.core.jit import cache_root, on_first_compile

    on_first_compile(lambda: say(f"compiling kernels once (some 15 seconds); they are kept in {cache_root()}"))


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
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
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


def print_json(value: Any) -> None:
    """Write `value` to stdout as one JSON object and a line end."""
    sys.stdout.write(json_text(value) + "\n")
    sys.stdout.flush()


def print_error(error: "TercelError", as_json: bool = False) -> None:
    """Write the three parts of `error` to stderr, and with `as_json` an ``{"error": ...}`` object to stdout."""
    parts = {"expected": error.expected, "received": error.received, "remedy": error.remedy}
    say("error")
    say(f"  expected  {error.expected}")
    say(f"  received  {error.received}")
    say(f"  to go on  {error.remedy}")
    if as_json:
        print_json({"error": {"kind": type(error).__name__, **parts}})
