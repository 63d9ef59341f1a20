"""Metrics file of a training: one row an update."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tercel.core.errors import ConfigError

Metrics = dict[str, float]
FILE: Final = "metrics.csv"
"""What the metrics of a training are called in its folder."""
LOOKS: Final = "validation.csv"
"""And its looks: a row each, the greedy policy beside the rule on episodes that are not trained on."""
FRAMES: Final = ("frames",)


def read_metrics(path: Path, needs: Sequence[str] = FRAMES) -> list[Metrics]:
    """Rows of a metrics file; a last row cut short by a killed process is left out.

    Parameters
    ----------
    path : Path
    needs : sequence of str
        Columns that it must have.

    Raises
    ------
    ConfigError
        It is damaged: no text, without one of these columns, or a row before the last is no numbers.
    OSError
        It cannot be read.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            table = csv.DictReader(file)
            rows, names = list(table), table.fieldnames
    except (UnicodeDecodeError, csv.Error) as error:
        raise _damaged(path, str(error)) from None
    missing = [] if names is None else [name for name in needs if name not in names]
    if missing:
        raise _damaged(path, f"no column {missing[0]!r}")
    found = []
    for number, row in enumerate(rows, 1):
        try:
            found.append({key: float(value) for key, value in row.items()})
        except (TypeError, ValueError):
            if number < len(rows):
                raise _damaged(path, f"row {number} is no row of numbers") from None
    return found


def some_metrics(path: Path, needs: Sequence[str] = FRAMES) -> list[Metrics]:
    """Rows of a metrics file that has some.

    Raises
    ------
    ConfigError
        It is damaged, empty or not there.
    """
    try:
        rows = read_metrics(path, needs)
    except OSError as error:
        raise _damaged(path, error.strerror or str(error)) from None
    if not rows:
        raise _damaged(path, "no whole row")
    return rows


def rows_so_far(path: Path) -> list[Metrics]:
    """Whole rows of a metrics file, for a bar or a picture: none where it is not there yet, or cannot be read."""
    try:
        return read_metrics(path)
    except (OSError, ValueError, ConfigError):
        return []


def _damaged(path: Path, why: str) -> ConfigError:
    return ConfigError(
        "the metrics of a training", f"{path}: {why}", "put a copy back, or train again elsewhere"
    )
