"""Families, their fusion and plain rules on a daily panel, walked forward: rank IC, and what is left after costs."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercel.app.commands.signals_build import dataset_of_config
from tercel.app.commands.signals_config import SignalsConfig, TrainSection
from tercel.app.commands.signals_panel_costs import calibration, costs, noise
from tercel.app.output import json_text, progress_console
from tercel.core.errors import DataError
from tercel.core.written import beside
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
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    folds = folds_of(data, train)
    start = time.process_time()
    columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[now]}"))
    with Progress(*columns, console=progress_console(), transient=True) as bar:
        task = bar.add_task("", total=len(folds) * len(base_names(data, names)), now="")

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
        mean = _mean(columns[at])[tested]
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


def _mean(told: Floats) -> Floats:
    """Mean over the sources that say something, NaN where none does."""
    heard = ~np.isnan(told)
    total = np.where(heard, told, 0.0).sum(axis=1)
    return np.where(heard.any(axis=1), total / np.maximum(heard.sum(axis=1), 1), np.nan)


def _line(row: PanelRow) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(json_text(row.to_json()))
    line.pop("model")
    return line


def panel_tables(panel: dict[str, Any]) -> list[Any]:
    """The panel's rows for the terminal: skill, then what families take and how noise hurts them."""
    return [_skill_table(panel), _cost_table(panel)]


def _skill_table(panel: dict[str, Any]) -> Any:
    title = f"on the panel, {panel['dates']} dates out of sample\n{panel['note']}"
    table = _table(title, ("rank IC, 95 %", "t", "net %", "Sharpe", "calm %"))
    for line in panel["table"]:
        ic, plain, calm = line["ic"], line["portfolio"], line["smoothed"]
        table.add_row(
            *(
                line["name"].removeprefix("rule: "),
                f"{ic['mean']:.4f} ({ic['ci_low']:.3f}..{ic['ci_high']:.3f})",
                f"{ic['t']:.1f}",
            ),
            *(f"{100 * plain['net']:.3f}", f"{plain['sharpe_net']:.2f}", f"{100 * calm['net']:.3f}"),
        )
    return table


def _cost_table(panel: dict[str, Any]) -> Any:
    lines = [line for line in panel["table"] if line["fit_s"] is not None]
    levels = sorted({level for line in lines for level in line["noise"]}, key=float)
    title = "how often right (a coin: .5), slope (1 is right), one fit; IC by share of labels exchanged"
    names = ("right", "slope", "rows", "fit s", "MiB", "us/row", *(f"{float(level):.0%}" for level in levels))
    table = _table(title, names)
    for line in lines:
        table.add_row(
            *(line["name"], f"{line['accuracy']['mean']:.4f}"),
            *(
                "-" if line["slope"] is None else f"{line['slope']:.2f}",
                _thousands(line["fit_rows"]),
                f"{line['fit_s']:.1f}",
            ),
            *(f"{line['peak_mib']:.0f}", f"{line['row_us']:.1f}"),
            *(f"{line['noise'][level]['mean']:.3f}".replace("0.", ".") for level in levels),
        )
    return table


def _thousands(rows: int) -> str:
    return f"{rows / 1000:.0f}k" if rows >= 1000 else str(rows)


def _table(title: str, headings: Sequence[str]) -> Any:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left")
    table.add_column("forecast", no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table
