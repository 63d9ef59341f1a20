"""Parts of a long study, each kept as soon as it is measured: the same command goes on where it was broken off."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tercel.cli import progress, say
from tercel.core import json_text, write_atomic
from tercel.core.stats import normal_quantile


def measured(
    folder: Path, settings: Mapping[str, Any], cells: Mapping[str, Callable[[], dict[str, Any]]]
) -> dict[str, dict[str, Any]]:
    """Every cell by name: read from `folder` where it was measured under the same settings, else measured and kept."""
    asked = json.loads(json_text(dict(settings)))
    found = {
        name: kept for name in cells if (kept := _kept(folder / f"{name}.json", asked)) is not None
    }
    if found and len(found) < len(cells):
        say(f"{len(found)} of {len(cells)} parts are measured already")
    with progress(counted=True, transient=True, now=True) as bar:
        task = bar.add_task("measure", total=len(cells), completed=len(found), now="")
        for name, measure in cells.items():
            if name in found:
                continue
            bar.update(task, now=name)
            text = json_text({"settings": settings, "found": measure()})
            folder.mkdir(parents=True, exist_ok=True)
            write_atomic(folder / f"{name}.json", text + "\n")
            found[name] = json.loads(text)["found"]  # the same numbers whether read or measured
            bar.advance(task)
            if not bar.console.is_terminal:
                say(f"measured  {name}  ({len(found)} of {len(cells)})")
    return {name: found[name] for name in cells}


def _kept(path: Path, settings: Mapping[str, Any]) -> dict[str, Any] | None:
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(held, dict) or held.get("settings") != settings:
        return None
    found = held.get("found")
    return found if isinstance(found, dict) else None


def interval(values: ArrayLike, lags: int = 0) -> dict[str, float]:
    """Mean, standard error (Newey and West 1987 where `lags`) and 95 % interval of values (n,), NaN left out.

    >>> interval([1.0, 2.0, 3.0])["mean"]
    2.0
    """
    array = np.asarray(values, np.float64)
    array = array[np.isfinite(array)]
    n = len(array)
    gap = array - array.mean()
    variance = float(gap @ gap) / max(n - 1, 1)
    for lag in range(1, min(lags, n - 1) + 1):
        variance += 2 * (1 - lag / (lags + 1)) * float(gap[lag:] @ gap[:-lag]) / n
    error = float(np.sqrt(max(variance, 0.0) / n))
    half = normal_quantile(0.975) * error
    mean = float(array.mean())
    return {"mean": mean, "se": error, "ci_low": mean - half, "ci_high": mean + half}


def shown(one: Mapping[str, float], digits: int = 2) -> str:
    """A mean with its interval.

    >>> shown({"mean": 1.0, "ci_low": 0.5, "ci_high": 1.5})
    '1.00 [0.50, 1.50]'
    """
    return f"{one['mean']:.{digits}f} [{one['ci_low']:.{digits}f}, {one['ci_high']:.{digits}f}]"


def cell_of(value: float | None, digits: int = 2) -> str:
    """A published figure, or a dash where none is known."""
    return "-" if value is None else f"{value:.{digits}f}"
