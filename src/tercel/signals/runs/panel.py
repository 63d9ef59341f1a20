"""Families, their fusion and plain rules on a daily panel, walked forward: rank IC, and what is left after costs."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercel.core.arrays import Floats
from tercel.signals.runs.build import dataset_of_config
from tercel.signals.runs.config import SignalsConfig, TrainSection
from tercel.signals.runs.costs import costs, noise
from tercel.report.terminal import json_text, plain, progress
from tercel.core.errors import DataError
from tercel.core.written import beside
from tercel.signals.evaluated import calibration, mean_of_said
from tercel.signals.fusion_walk import Fold, base_names, fused, out_of_fold
from tercel.signals.leak import CEILING
from tercel.signals.panel.dataset import Dataset
from tercel.signals.panel.portfolio import long_short, smoothed
from tercel.signals.scores import rank_ic
from tercel.signals.validation import DAY, walk_forward
from tercel.signals.zoo import absent, families, family

RULES = {
    "rule: reversal": ("daily.ret_5", -1.0),
    "rule: momentum 12-1": ("daily.mom_12_1", 1.0),
    "rule: low vol": ("daily.vol_60", -1.0),
}
EMBARGO_DAYS = 10
COST_BPS = 5.0
_UNMEASURED: dict[str, Any] = {
    **dict.fromkeys(("all_fits_s", "fit_s", "fit_rows", "peak_mib", "row_us", "slope", "accuracy")),
    "noise": {},
}


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
    table: list[dict[str, Any]] = []

    def add(name: str, forecast: Floats, more: Mapping[str, Any] = _UNMEASURED) -> None:
        table.append({"name": name, **_UNMEASURED, **more, **scored(forecast, part, rng)})

    for at, name in enumerate(names):
        mean = mean_of_said(columns[at])[tested]
        spent = costs(data, name, config.train, folds, seed)
        right = calibration(mean, part, np.random.default_rng([seed, 7]))
        dirty = noise(data, name, config, folds, seed, out) if config.compare.panel_noise else {}
        add(name, mean, {"all_fits_s": seconds[name], **spent, **right, "noise": dirty})
    if told.shape[1] > 1:
        add("fusion", value[tested])
        add("equal weights", even[tested])
    for rule, (column, sign) in RULES.items():
        if column in data.names:
            add(rule, sign * data.x[tested, data.names.index(column)])
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


def yearly(data: Dataset, first_year: int) -> list[Fold]:
    """(train, test) of each calendar year from `first_year` on."""
    last = int(np.datetime64(int(data.time_ns[-1]), "ns").astype("datetime64[Y]").astype(int)) + 1970
    if last < first_year:
        raise DataError(f"dates from {first_year} on", f"a panel that ends in {last}", "test from an earlier year")
    cuts = [int(np.datetime64(f"{year}-01-01", "ns").astype(np.int64)) for year in range(first_year, last + 2)]
    return list(walk_forward(data.time_ns, data.end_ns, cuts=cuts, embargo_ns=EMBARGO_DAYS * DAY))


def scored(forecast: Floats, data: Dataset, rng: np.random.Generator) -> dict[str, Any]:
    """IC of a forecast on the rows of `data`, and long-short portfolios by it as it stands and smoothed; no NaN."""
    ic = rank_ic(forecast, data.outcome, data.dates, rng)
    warning = ""
    if ic.mean > CEILING:
        warning = f"an IC of {ic.mean:.3f} is above {CEILING}: look for a leak before believing it"
    slow = smoothed(forecast, data.dates, data.instrument)
    books = [long_short(f, data.outcome, data.dates, data.instrument, cost_bps=COST_BPS) for f in (forecast, slow)]
    told = {"ic": ic.to_json(), "portfolio": books[0].to_json(), "smoothed": books[1].to_json(), "warning": warning}
    return dict(plain(told))
