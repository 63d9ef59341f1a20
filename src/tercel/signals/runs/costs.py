"""What a family takes on the panel, and what label noise leaves of its skill."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tercel.signals.runs.config import SignalsConfig, TrainSection
from tercel.signals.runs.meter import ProcessMeter
from tercel.report.terminal import json_text, say
from tercel.core.errors import DataError
from tercel.signals.evaluated import BLOCK, exchanged, mean_of_said
from tercel.signals.fusion_walk import Fold, fit_base, out_of_fold, thinned
from tercel.signals.panel.dataset import Dataset
from tercel.signals.scores import rank_ic


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
            ic = rank_ic(
                mean_of_said(told)[tested], part.outcome, part.dates, np.random.default_rng([seed, 6]), block=BLOCK
            )
            kept = json.loads(json_text(ic.to_json()))
            file.write_text(json_text({"about": about, "ic": kept}) + "\n", encoding="utf-8")
        found[f"{level:g}"] = kept
    return found


def _kept(file: Path, about: dict[str, Any]) -> dict[str, float] | None:
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    found: dict[str, float] | None = kept.get("ic") if kept.get("about") == about else None
    return found
