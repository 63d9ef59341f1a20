"""Records as files: small, a line a figure or two, so that a change of one reads in a diff."""

import json
from pathlib import Path
from typing import Any

from guards.compare import Record
from guards.figures import Leaf, Leaves
from tercel.core.errors import ConfigError

FOLDER = Path(__file__).parent / "recorded"
LINE = 120
"""Letters of a line into which a whole mapping may go."""


def write(record: Record, path: Path) -> None:
    """Write a record."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"machine": record.machine, "keys": _nested(record.leaves)}
    path.write_text(_text(content, 0) + "\n", encoding="utf-8")


def read(path: Path) -> Record:
    """Read a record.

    Raises
    ------
    ConfigError
        There is none, or it is damaged.
    """
    remedy = f"python -m guards record {path.stem}, and a commit of its own that says why"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Record(dict(_flat(found["keys"], "")), found["machine"])
    except FileNotFoundError as error:
        raise ConfigError(f"the record of the guard {path.stem}", f"no {path}", remedy) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"the record of the guard {path.stem}", f"{path}: {error}", remedy
        ) from error


ITSELF = ""
"""The name of what a key holds whose parts hold more: a mapping that is null at times."""


def _nested(leaves: Leaves) -> dict[str, Any]:
    """Keys by their parts.

    >>> _nested({"a/b": 1, "a/c": [2], "d": None, "d/e": 3})
    {'a': {'b': 1, 'c': [2]}, 'd': {'': None, 'e': 3}}
    """
    found: dict[str, Any] = {}
    inner = {key[:at] for key in leaves for at in range(len(key)) if key[at] == "/"}
    for key, leaf in leaves.items():
        *path, last = [*key.split("/"), ITSELF] if key in inner else key.split("/")
        inside = found
        for part in path:
            inside = inside.setdefault(part, {})
        inside[last] = leaf
    return found


def _flat(value: Any, key: str) -> list[tuple[str, Leaf]]:
    if not isinstance(value, dict) or not value:
        return [(key.removesuffix(f"/{ITSELF}"), value)]
    return [
        one
        for name, inner in value.items()
        for one in _flat(inner, f"{key}/{name}" if key else name)
    ]


def _text(value: Any, depth: int) -> str:
    short = json.dumps(value, ensure_ascii=False)
    inner = isinstance(value, dict) and any(isinstance(one, dict) and one for one in value.values())
    if not isinstance(value, dict) or (not inner and len(short) + depth <= LINE):
        return short
    lines = [
        f"{' ' * (depth + 1)}{json.dumps(name)}: {_text(one, depth + 1)}"
        for name, one in value.items()
    ]
    return "{\n" + ",\n".join(lines) + "\n" + " " * depth + "}"
