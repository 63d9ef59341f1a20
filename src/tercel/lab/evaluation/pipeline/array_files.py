"""Arrays of a job's results in npz files, whole numbers stored in as few bytes as hold them."""

import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from tercel.core.arrays import AnyArray
from tercel.core.errors import ConfigError
from tercel.core.files import atomic_path


@contextmanager
def open_arrays(path: Path) -> Iterator[Any]:
    """Open an npz file as a context manager: arrays by name, read when accessed. Damage, and any ValueError, KeyError
    or TypeError inside the `with` block, becomes a ConfigError.

    Raises
    ------
    ConfigError
        When the file is damaged.
    """
    try:
        with np.load(path) as data:
            yield data
    except (ValueError, KeyError, TypeError, EOFError, BadZipFile, zlib.error) as error:
        raise ConfigError(
            "a judged result",
            f"{path}: {error}",
            "delete the file; the same command computes missing results again",
        ) from error


def write_arrays(path: Path, arrays: Mapping[str, AnyArray]) -> None:
    """Write arrays by name to an npz file atomically.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_arrays(Path(folder) / "new" / "one.npz", {"bps": np.array([1.0, 2.0])})
    ...     with open_arrays(Path(folder) / "new" / "one.npz") as data:
    ...         float(data["bps"].sum())
    3.0
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as part, part.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def narrow(array: AnyArray) -> AnyArray:
    """Convert int64 to the smallest integer type that holds all values; other arrays unchanged."""
    if array.dtype != np.int64 or not array.size:
        return array
    low = int(array.min())
    high = int(array.max())
    for kind in (np.int8, np.int16, np.int32):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return array.astype(kind)
    return array


def read_record(kind: Any, prefix: str, data: Any) -> Any:
    """Dataclass `kind` from arrays `prefix.field`, integers widened to int64 (except `side`)."""
    arrays = {column.name: data[f"{prefix}.{column.name}"] for column in fields(kind)}
    wide = {
        name: array.astype(np.int64) if array.dtype.kind == "i" and name != "side" else array
        for name, array in arrays.items()
    }
    return kind(**wide)
