"""Arrays of judged episodes on disk, whole or not at all."""

import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from tercel.core.arrays import AnyArray
from tercel.core.errors import ConfigError
from tercel.core.written import beside


@contextmanager
def reading(path: Path) -> Iterator[Any]:
    """Arrays of a result on disk.

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
            "delete the file; the same command judges again what is missing",
        ) from error


def write_arrays(path: Path, arrays: Mapping[str, AnyArray]) -> None:
    """Write the arrays of a result, whole or not at all.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_arrays(Path(folder) / "new" / "one.npz", {"bps": np.array([1.0, 2.0])})
    ...     with reading(Path(folder) / "new" / "one.npz") as data:
    ...         float(data["bps"].sum())
    3.0
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with beside(path) as part, part.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
