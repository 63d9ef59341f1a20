"""Files of a training that an evaluation reads: its metrics, and the number of recipes that a sweep tried."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tercel.core.errors import ConfigError

# Metrics file of a training: one row per update.
Metrics = dict[str, float]
METRICS_FILE: Final = "metrics.csv"
"""File of a training's metrics in its folder."""
VALIDATION_FILE: Final = "validation.csv"
"""And its looks: a row each, the greedy policy beside the rule on episodes that are not trained on."""
FRAMES: Final = ("frames",)


# Number of recipes tried in a sweep's folder, for which the gain of the best one is deflated.
#
# A sweep continues after its best configuration was written, and its trials have policies of their own: each count is
# of the sweep's folder at that time.
SWEEP: Final = "sweep.json"
"""File by which a sweep's folder is known: its settings."""
RESULT: Final = "result.json"
TRIALS: Final = "trials"
DEPTH: Final = 4
"""A trial's policy lies at most so deep in a sweep's folder: sweep/trials/000/policy."""


def read_metrics(path: Path, needs: Sequence[str] = FRAMES) -> list[Metrics]:
    """Rows of a metrics file, at least one; an incomplete last one is left out.

    Parameters
    ----------
    path : Path
    needs : sequence of str
        Columns that it must have.

    Raises
    ------
    ConfigError
        It is damaged (no text, without one of these columns, a row before the last that is no numbers), empty or not
        there.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            table = csv.DictReader(file)
            rows = list(table)
            names = table.fieldnames or ()
    except OSError as error:
        raise _damage_error(path, error.strerror or str(error)) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise _damage_error(path, str(error)) from None
    missing = [name for name in needs if names and name not in names]
    if missing:
        raise _damage_error(path, f"no column {missing[0]!r}")
    metrics = []
    for number, row in enumerate(rows, 1):
        try:
            metrics.append({key: float(value) for key, value in row.items()})
        except (TypeError, ValueError):
            if number < len(rows):
                raise _damage_error(path, f"row {number} is no row of numbers") from None
    if not metrics:
        raise _damage_error(path, "no whole row")
    return metrics


def read_partial_metrics(path: Path) -> list[Metrics]:
    """Complete rows of a metrics file for progress displays; none if it is missing or unreadable."""
    try:
        return read_metrics(path)
    except ConfigError:
        return []


def _damage_error(path: Path, reason: str) -> ConfigError:
    """Error for a metrics file that is damaged for `reason`."""
    return ConfigError(
        "the metrics of a training",
        f"{path}: {reason}",
        "put a copy back, or train again elsewhere",
    )


def variants_in(folder: Path) -> int | None:
    """Number of recipes tried in a sweep's folder, with those counted before the sweep; None for any other folder."""
    if not (folder / SWEEP).is_file():
        return None
    before = _count(_read(folder / SWEEP).get("guards"), "variants")
    trials = sum(path.name.isdecimal() for path in (folder / TRIALS).glob("*"))
    return max(_count(_read(folder / RESULT), "variants"), before - 1 + max(trials, 1))


def variants_of_trial(policy: Path, checks: int) -> int:
    """Number of recipes and checks among which a sweep's policy was selected; 1 for a policy outside any sweep."""
    for folder in [policy, *policy.parents][:DEPTH]:
        variants = variants_in(folder)
        if variants is not None:
            return variants + max(checks, 1) - 1
    return 1


def _read(path: Path) -> dict[str, Any]:
    """Content of a JSON file; empty if it cannot be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _count(content: Any, key: str) -> int:
    """Whole number stored under a key, at least 1; 1 if there is none."""
    value = content.get(key) if isinstance(content, dict) else None
    return max(value, 1) if isinstance(value, int) and not isinstance(value, bool) else 1
