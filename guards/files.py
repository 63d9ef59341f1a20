"""What a command left in a folder, as keys and figures: arrays, JSON, tables and networks, whatever wrote them."""

import csv
import json
import re
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from guards.figures import FULL, Leaf, Leaves, leaves, told
from tercel.core.errors import ConfigError

MARK = re.compile(r"@[0-9a-f]{8,}")
"""What follows a name in a path so that other code or settings have another one: no result."""


def left_in(folder: Path, skip: Sequence[str] = (), hashed: Sequence[str] = ()) -> Leaves:
    """Everything in the files of a folder that is read here; pages and pictures are not.

    Parameters
    ----------
    folder : Path
    skip : sequence of str
        Patterns of keys that are no results: seconds, checkpoints.
    hashed : sequence of str
        Patterns of keys whose arrays are told by their hash, whatever their length.

    Raises
    ------
    ConfigError
        Two files have one key.
    """
    found: Leaves = {}
    for path in sorted(folder.rglob("*")):
        name = MARK.sub("", str(path.relative_to(folder)))
        for key, leaf in _READERS.get(path.suffix, _nothing)(path):
            whole = f"{name}/{key}"
            if any(fnmatchcase(whole, one) for one in skip):
                continue
            if whole in found:
                raise ConfigError(
                    "a key of its own for every figure", f"{whole} twice", "change guards/files.py"
                )
            short = any(fnmatchcase(whole, one) for one in hashed)
            found[whole] = (
                told(leaf, 40 if short else FULL) if isinstance(leaf, np.ndarray) else leaf
            )
    return found


Read = Iterator[tuple[str, Leaf | NDArray[Any]]]


def _nothing(_: Path) -> Read:
    return iter(())


def _arrays(path: Path) -> Read:
    with np.load(path, allow_pickle=False) as data:
        for name in data:
            yield name.strip("/").replace("/", "|"), data[name]


def _document(path: Path) -> Read:
    return iter([*leaves(json.loads(path.read_text(encoding="utf-8")))])


def _table(path: Path) -> Read:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for name in rows[0] if rows else ():
        yield name, np.array([float(row[name]) for row in rows])


def _network(path: Path) -> Read:
    import onnx
    from onnx import numpy_helper

    for one in onnx.load(str(path)).graph.initializer:
        yield one.name.replace("/", "|"), numpy_helper.to_array(one)


_READERS: dict[str, Callable[[Path], Read]] = {
    ".npz": _arrays,
    ".json": _document,
    ".csv": _table,
    ".onnx": _network,
}
