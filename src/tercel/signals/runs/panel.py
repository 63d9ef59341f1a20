"""Families, their fusion and plain rules on a daily panel, walked forward: rank IC, and what is left after costs."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercel.signals.runs.build import dataset_of_config
from tercel.signals.runs.config import SignalsConfig, TrainSection
from tercel.signals.runs.costs import costs, noise
from tercel.report.terminal import json_text, progress
from tercel.core.errors import DataError
from tercel.core.written import beside
from tercel.signals.evaluated import calibration, mean_of_said
from tercel.signals.fusion_walk import Fold, base_names, fused, out_of_fold
from tercel.signals.panel.dataset import Dataset
from tercel.signals.studies.panel import RULES, PanelRow, scored, yearly
from tercel.signals.validation import DAY, walk_forward
from tercel.signals.zoo import absent, families, family

Floats = NDArray[np.float64]


def folds_of(data: Dataset, train: TrainSection) -> list[Fold]:
    """Test blocks as configured, purged and embargoed."""
    embargo = int(train.embargo_days * DAY)
    if train.refit == "blocks":
        return list(walk_forward(data.time_ns, data.end_ns, splits=train.splits, embargo_ns=embargo))
    found = yearly(data, int(train.test_from[:4]))
    kept = []
    for past, test in found:
        begin = int(data.time_ns[test].min())
        kept.append((past[data.end_ns[past] + embargo <= begin], test))
    return kept


def walked(data: Dataset, names: tuple[str, ...], train: TrainSection, seed: int, label: str) -> tuple[Floats, float]:
    """Out-of-fold forecasts of some families, and the processor seconds that all their fits and forecasts took."""
    folds = folds_of(data, train)
    start = time.process_time()
    with progress(counted=True, transient=True, now=True) as bar:
        task = bar.add_task(label, total=len(folds) * len(base_names(data, names)), now="")

        def tick(now: str) -> None:
            bar.update(task, advance=1, now=now)

        told = out_of_fold(data, names, folds, seed=seed, most_rows=train.most_rows, settings=train.settings, tick=tick)
    return told, time.process_time() - start


def regressors(asked: tuple[str, ...]) -> tuple[str, ...]:
    """Families that forecast numbers and are installed: those asked for, or all tabular ones."""
    found = asked or tuple(name for name in families() if not family(name).sequence)
    return tuple(n for n in found if n in families() and "regress" in family(n).makers and absent(family(n)) is None)


def compare_on_panel(config: SignalsConfig, seed: int, out: Path) -> dict[str, Any]:
    """Score every family, the fusion and the rules; forecasts are kept in `out`, a family's in a file of its own."""
    data = dataset_of_config(config, seed)
    names = regressors(config.compare.families or config.train.families)
    if not names:
        raise DataError("a family that forecasts numbers", "none of those asked for", "add linear or boosting")
    out.mkdir(parents=True, exist_ok=True)
    columns, seconds = [], {}
    for name in names:
        told, taken = _kept(data, name, config.train, seed, out)
        columns.append(told)
        seconds[name] = taken
    # source by source, as base names are
    sources = len(data.ranking)
    told = np.stack([column[:, s] for s in range(sources) for column in columns], axis=1)
    folds = folds_of(data, config.train)
    value, _, even = fused(data, told, base_names(data, names), folds, shrink=config.train.shrink)
    tested = np.sort(np.concatenate([test for _, test in folds]))
    part, rng = data.rows(tested), np.random.default_rng([seed, 5])
    rows: list[tuple[PanelRow, dict[str, Any]]] = []
    for at, name in enumerate(names):
        mean = mean_of_said(columns[at])[tested]
        more = {
            **costs(data, name, config.train, folds, seed),
            **calibration(mean, part, np.random.default_rng([seed, 7])),
            "noise": noise(data, name, config, folds, seed, out) if config.compare.panel_noise else {},
        }
        rows.append((scored(name, mean, part, rng), {"all_fits_s": seconds[name], **more}))
    if told.shape[1] > 1:
        rows.append((scored("fusion", value[tested], part, rng), {}))
        rows.append((scored("equal weights", even[tested], part, rng), {}))
    for rule, (column, sign) in RULES.items():
        if column in data.names:
            rows.append((scored(rule, sign * data.x[tested, data.names.index(column)], part, rng), {}))
    empty = dict.fromkeys(("all_fits_s", "fit_s", "fit_rows", "peak_mib", "row_us", "slope", "accuracy"))
    table = [{"name": row.model, **empty, "noise": {}, **more, **_line(row)} for row, more in rows]
    return {"table": table, "note": data.note, "rows": len(tested), "dates": len(np.unique(part.time_ns))}


def _kept(data: Dataset, name: str, train: TrainSection, seed: int, out: Path) -> tuple[Floats, float]:
    """A family's forecasts, from its file where it is there and of the same settings."""
    file, about = out / f"{name}.npz", json_text({**train.model_dump(), "families": [name], "seed": seed, "n": data.n})
    if file.exists():
        try:
            with np.load(file) as kept:
                if str(kept["about"]) == about:
                    return kept["told"], float(kept["seconds"])
        except (ValueError, KeyError, OSError):
            pass
    told, seconds = walked(data, (name,), train, seed, f"panel: {name}")
    with beside(file) as part:
        np.savez(part, told=told, seconds=seconds, about=np.array(about))
    return told, seconds


def _line(row: PanelRow) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(json_text(row.to_json()))
    line.pop("model")
    return line
