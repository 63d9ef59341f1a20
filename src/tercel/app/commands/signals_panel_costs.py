"""What a family takes on the panel, how well it is calibrated there, and what label noise leaves of its skill."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercel.app.commands.signals_config import SignalsConfig, TrainSection
from tercel.app.commands.signals_meter import ProcessMeter
from tercel.app.output import json_text, say
from tercel.core.errors import DataError
from tercel.signals.fusion_walk import Fold, fit_base, out_of_fold, thinned
from tercel.signals.panel.dataset import Dataset
from tercel.signals.scores import rank_ic
from tercel.stats import mean_interval

Floats = NDArray[np.float64]
BLOCK = 4


def calibration(forecast: Floats, part: Dataset, rng: np.random.Generator) -> dict[str, Any]:
    """Slope of the label on the forecast within dates (1 is right), and how often both lie on the same side.

    `accuracy` counts rows whose forecast and label are on the same side of their date's median: .5 is a coin.
    """
    seen, dates = np.isfinite(forecast), part.dates
    f, y, at = forecast[seen], part.y[seen], dates[seen]
    counts = np.maximum(np.bincount(at), 1)
    f = f - (np.bincount(at, f) / counts)[at]
    y = y - (np.bincount(at, y) / counts)[at]
    slope = float(f @ y / (f @ f)) if f @ f > 0 else None
    middle = {int(date): float(np.median(f[at == date])) for date in np.unique(at)}
    high = f > np.array([middle[int(date)] for date in at])
    return {"slope": slope, "accuracy": mean_interval(high == (y > 0), at // BLOCK, rng).to_json()}


def costs(data: Dataset, name: str, train: TrainSection, folds: list[Fold], seed: int) -> dict[str, Any]:
    """One training on the last fold's rows, all sources, and its forecasts: seconds, MiB at the peak, us a row."""
    meter, (past, test) = ProcessMeter(), folds[-1]
    rows = thinned(past, data.dates, train.most_rows)
    fit_s, peak, row_us = 0.0, 0.0, 0.0
    for source in data.ranking:
        try:
            fitted = meter(partial(fit_base, data, source, name, rows, seed, train.settings), memory=True)
        except DataError:
            continue
        x = data.x[test][:, np.array(data.sources[source])]
        told = meter(partial(fitted.value.predict, x))
        fit_s, row_us = fit_s + fitted.seconds, row_us + 1e6 * told.seconds / len(test)
        peak = max(peak, fitted.peak_mib or 0.0)
    return {"fit_s": fit_s, "fit_rows": len(rows), "peak_mib": peak, "row_us": row_us}


def noise(
    data: Dataset, name: str, config: SignalsConfig, folds: list[Fold], seed: int, out: Path
) -> dict[str, dict[str, float]]:
    """Rank IC by share of training labels that were exchanged within their date; the test is clean.

    Every level is trained on at most `compare.noise_rows` rows; levels that `out` holds are not run again.
    """
    train = config.train.model_copy(update={"most_rows": config.compare.noise_rows})
    tested = np.sort(np.concatenate([test for _, test in folds]))
    part, found = data.rows(tested), {}
    for level in config.compare.noise:
        about = {**train.model_dump(mode="json"), "families": [name], "seed": seed, "n": data.n, "level": level}
        file = out / f"noise-{name}-{level:.2f}.json"
        kept = _kept(file, json.loads(json_text(about)))
        if kept is None:
            say(f"panel: {name}, {level:.0%} of labels exchanged")
            dirty = replace(data, y=exchanged(data, level, seed))
            told = out_of_fold(dirty, (name,), folds, seed=seed, most_rows=train.most_rows, settings=train.settings)
            heard = ~np.isnan(told)
            mean = np.where(heard, told, 0.0).sum(axis=1) / np.maximum(heard.sum(axis=1), 1)
            forecast = np.where(heard.any(axis=1), mean, np.nan)
            ic = rank_ic(forecast[tested], part.outcome, part.dates, np.random.default_rng([seed, 6]), block=BLOCK)
            kept = json.loads(json_text(ic.to_json()))
            file.write_text(json_text({"about": about, "ic": kept}) + "\n", encoding="utf-8")
        found[f"{level:g}"] = kept
    return found


def exchanged(data: Dataset, level: float, seed: int) -> Floats:
    """Labels of which a share `level` changed places with others of their date, float64 (n,)."""
    rng, y = np.random.default_rng([seed, 78]), data.y.copy()
    if level <= 0:
        return y
    chosen = np.flatnonzero(rng.random(data.n) < level)
    dates = data.dates[chosen]
    moved = chosen[np.lexsort((rng.random(len(chosen)), dates))]
    y[chosen] = data.y[moved]  # both are in order of dates: rows of a date get labels of that date
    return y


def _kept(file: Path, about: dict[str, Any]) -> dict[str, float] | None:
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    found: dict[str, float] | None = kept.get("ic") if kept.get("about") == about else None
    return found
