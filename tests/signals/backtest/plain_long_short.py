"""A long-short book whose profits are taken out at each date, name by name: what the backtest is held to."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercel.core.arrays import Floats


def long_short(
    forecast: Floats,
    outcome: Floats,
    dates: NDArray[Any],
    instrument: NDArray[Any],
    share: float = 0.1,
) -> tuple[float, float]:
    """Buy the top `share` of every date's forecasts, sell the bottom: mean return and half-turns a date."""
    names, who = np.unique(instrument, return_inverse=True)
    held, gross, turned = np.zeros(len(names)), [], []
    for date in np.unique(dates):
        rows = np.flatnonzero((dates == date) & np.isfinite(forecast) & np.isfinite(outcome))
        count = max(1, int(len(rows) * share))
        order = rows[np.argsort(forecast[rows], kind="stable")]
        wanted, moved = np.zeros(len(names)), np.zeros(len(names))
        wanted[who[order[-count:]]] += 1.0 / count
        wanted[who[order[:count]]] -= 1.0 / count
        turned.append(np.abs(wanted - held).sum())
        moved[who[rows]] = outcome[rows]
        gross.append(wanted @ moved)
        held = wanted * (1.0 + moved)  # weights drift with prices until the next date
    return float(np.mean(gross)), float(np.mean(turned))


def smoothed(
    forecast: Floats, dates: NDArray[Any], instrument: NDArray[Any], decay: float = 0.5
) -> Floats:
    """Forecasts averaged with their own past, `decay` times the last date's average; missing dates start afresh."""
    out, last = np.empty_like(forecast), dict[str, tuple[int, float]]()
    for at, date in enumerate(np.unique(dates)):
        for row in np.flatnonzero(dates == date):
            name = str(instrument[row])
            before, average = last.get(name, (-2, 0.0))
            fresh = before != at - 1
            out[row] = forecast[row] if fresh else decay * average + (1 - decay) * forecast[row]
            last[name] = (at, float(out[row]))
    return out
