"""Training and evaluation of a configuration in a folder: walk forward, fuse, save, measure."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from tercel.core.arrays import Floats
from tercel.core.errors import ConfigError, refuse_if
from tercel.core.files import atomic_path
from tercel.core.progress import say
from tercel.core.serialization import json_text, to_jsonable
from tercel.signals.models.family_cards import family, missing_library
from tercel.signals.models.folds import Fold, folds_of
from tercel.signals.models.fusion import Fusion
from tercel.signals.models.intervals import interval_of
from tercel.signals.models.model_folder import load, relative_base, save
from tercel.signals.models.online import FAMILY, learn_all
from tercel.signals.models.signal_model import BASE, CARD, MODEL, ParameterMove, SignalModel
from tercel.signals.models.skill import AlphaScale, demean_by_date, scale_of, slope_of
from tercel.signals.models.walk_forward import (
    base_names,
    evidence,
    fit_final,
    fuse_all,
    fuse_blocks,
    fusions,
    spelt_evidence,
    walk_families,
)
from tercel.signals.panel import build as panels
from tercel.signals.panel.dataset import Dataset
from tercel.signals.panel.leak import check_sources, lines_of
from tercel.signals.runs.config import SignalsConfig, portable
from tercel.signals.runs.evaluation import EvaluatedSignals, ic_of, out_of_sample, tested_rows
from tercel.signals.sources.port import time_type

FORECASTS = "forecasts.npz"
RESULT = "result.json"
WHOSE: Final = {
    "equal": "are equal by request: no source was judged",
    "ic": "follow past rank ICs by request, whatever their intervals",
}
"""What a warning says of weights that were not learned."""


@dataclass(frozen=True)
class TrainedSignals:
    """Result of a training: its rows, those forecast out of fold, processor seconds, the fusion with its evidence."""

    out: Path
    rows: int
    tested: int
    seconds: float
    weights: dict[str, float]
    evidence: dict[str, str]
    alpha_scale: AlphaScale
    half_life: str
    parts: list[str]
    note: str
    warnings: list[str]


def panel_in(
    config: SignalsConfig, seed: int, folder: Path
) -> tuple[Dataset, panels.PanelManifest]:
    """Load the panel in a folder; build it if missing or if its input files changed; raise ConfigError for another
    configuration's.
    """
    if not (folder / panels.MANIFEST).exists():
        say(f"building the panel in {folder}")
        panels.build(config, seed, folder)
    data, manifest = panels.load(folder)
    refuse_if(
        manifest.config != panels.row_settings(config) or manifest.seed != seed,
        "the panel of this configuration and seed",
        f"{folder} holds another",
        "name another `out=`",
    )
    if manifest.data not in (None, panels.data_hashes(config)):
        say(f"files have changed: building the panel in {folder} again")
        (folder / FORECASTS).unlink(missing_ok=True)
        panels.build(config, seed, folder)
        data, manifest = panels.load(folder)
    return data, manifest


def installed_families(config: SignalsConfig) -> tuple[str, ...]:
    """The configured families that are installed (for online learning, `linear` alone); others are said; raises if none is."""
    available = []
    wanted = config.train.families if config.train.update == "refit" else (FAMILY,)
    if len(wanted) < len(config.train.families):
        say(
            f"update = {config.train.update!r} learns online by {FAMILY} alone: other families are left out"
        )
    for name in wanted:
        if (module := missing_library(family(name))) is None:
            available.append(name)
        else:
            say(f"absent: {name} (no module {module}); pip install 'tercel[{family(name).extra}]'")
    for name, settings in config.train.settings.items():
        card = family(name)
        if name in available:
            card.make(0, **settings)
    refuse_if(
        not available,
        "a family that is installed",
        "none",
        "pip install 'tercel[signals]', or add linear",
    )
    return tuple(available)


def train(config: SignalsConfig, seed: int, folder: Path) -> TrainedSignals:
    """Walk a configuration forward, fuse, and save forecasts and model in `folder`; returns a summary."""
    names = installed_families(config)
    data, manifest = panel_in(config, seed, folder)
    how = config.train.weights
    moves: list[ParameterMove] = []
    if config.train.update == "refit":
        forecasts, seconds = walk_families(data, names, config.train, seed, "train")
        columns = base_names(data, names)
        fusion, models = fit_final(
            data,
            names,
            forecasts,
            seed=seed,
            shrink=config.train.shrink,
            weights=how,
            most_rows=config.train.most_rows,
            settings=config.train.settings,
        )
    else:
        start = time.process_time()
        columns = base_names(data, (FAMILY,))
        forecasts, models, moves = learn_all(data, config.train.update, config.train.online)
        seconds = time.process_time() - start
        fusion = fuse_all(data, forecasts, columns, config.train.shrink, how)
    slopes = evidence(data, forecasts, np.asarray(~np.isnan(forecasts).all(axis=1)))
    folds = folds_of(data, config.train)
    shrink = config.train.shrink
    value, sd, _ = fuse_blocks(data, forecasts, columns, folds, shrink=shrink, weights=how)
    # what no source has a weight in says nothing, whatever earlier blocks said
    scale = scale_of(
        data, value * fusion.weights.any(), fusion.without(np.ones(len(columns), dtype=bool))[1]
    )
    tested = tested_rows(folds)
    relative, base = portable(config)
    base = relative_base(folder / MODEL, base)
    ic = ic_of(value[tested], data.rows(tested), np.random.default_rng([seed, 9]))
    about = {
        "name": config.name,
        "seed": seed,
        "config": relative,
        BASE: base,
        "data": panels.data_hashes(config),
        "panel": manifest.files,
        "note": data.note,
        # as `signals evaluate` has it; None where dates are too few
        "ic": None if ic is None else ic.to_json(),
    }
    if fusion.given:
        significant = sum((slope.ci_low or 0.0) > 0.0 for slope in slopes)
        about["unjudged"] = (
            f"Weights {WHOSE[how]}; slopes out of fold that are significantly above 0: {significant} of {len(slopes)}"
        )
    blocks = list(fusions(data, forecasts, columns, folds, shrink=shrink, weights=how))
    walk = walk_of(data, value, sd, folds, blocks)
    model = SignalModel(fusion, tuple(models), scale, to_jsonable(about))
    saved = save(folder / MODEL, model, model.card, walk, moves)
    with atomic_path(folder / FORECASTS) as part:
        np.savez(part, forecasts=forecasts, columns=np.array(columns))
    # of forecasts as they are, or shares of standardised ones
    shown = fusion.weights if fusion.given else fusion.weights * fusion.slope
    return TrainedSignals(
        out=folder,
        rows=data.n,
        tested=int((~np.isnan(forecasts).all(axis=1)).sum()),
        seconds=seconds,
        weights=dict(zip(columns, shown.tolist(), strict=True)),
        evidence={
            name: spelt_evidence(slope, how) for name, slope in zip(columns, slopes, strict=True)
        },
        alpha_scale=scale,
        half_life=scale.half_life,
        parts=[part.file for part in saved.facts.parts],
        note=data.note,
        warnings=[*data.warnings, *model.warnings],
    )


def walk_of(
    data: Dataset, value: Floats, sd: Floats, folds: Sequence[Fold], blocks: Sequence[Fusion | None]
) -> pl.DataFrame:
    """Walk-forward forecasts and outcomes of each row, by time and name; NaN in rows of no test block.

    Basis points are by the scale of earlier blocks' forecasts whose labels were known when the block began, NaN in one
    before which there were none.
    """
    bps = np.full(data.n, np.nan)
    for (_, test), fusion in zip(folds, blocks, strict=True):
        if fusion is not None:
            learnable = np.isfinite(value) & (data.end_ns <= data.time_ns[test].min())
            bps[test] = (
                1e4
                * slope_of(*demean_by_date(data, value, data.outcome, learnable))
                * (value[test] - fusion.base)
            )
    times = {"time": data.time_ns, "start": data.start_ns, "end": data.end_ns}
    columns = {"name": data.instrument, "value": value, "sd": sd, "expected_bps": bps}
    frame = pl.DataFrame({**times, **columns, "outcome": data.outcome, "y": data.y})
    return frame.with_columns(pl.col(list(times)).cast(time_type())).sort("time", "name")


def forecasts_in(folder: Path, rows: int) -> tuple[Floats, tuple[str, ...]]:
    """Forecasts out of fold that a training left in its folder, float64 (rows, K), NaN if missing; and their columns'
    names, source:family.

    Raises
    ------
    ConfigError
        If there are none, or not of a panel with so many rows.
    """
    try:
        with np.load(folder / FORECASTS) as stored:
            forecasts = stored["forecasts"]
            columns = tuple(str(name) for name in stored["columns"])
    except (OSError, KeyError, ValueError):
        raise ConfigError(
            "a folder that was trained in", f"{folder}", "run: tercel signals train"
        ) from None
    if forecasts.shape[0] != rows:
        raise ConfigError(
            "forecasts of this panel", f"{forecasts.shape[0]} rows for {rows}", "train again"
        )
    return forecasts, columns


def evaluate(config: SignalsConfig, seed: int, folder: Path, demo: bool) -> EvaluatedSignals:
    """Out-of-sample figures and leak check of a folder that was trained in, also written there; `demo`: planted leaks
    are checked too.
    """
    data, _ = panel_in(config, seed, folder)
    forecasts, columns = forecasts_in(folder, data.n)
    folds = folds_of(data, config.train)
    model = load(folder / MODEL) if (folder / MODEL / CARD).exists() else None
    interval = None if model is None else interval_of(model)
    figures = out_of_sample(
        data,
        forecasts,
        columns,
        folds,
        shrink=config.train.shrink,
        weights=config.train.weights,
        seed=seed,
    )
    unjudged = [] if model is None or not model.facts.unjudged else [model.facts.unjudged]
    result = replace(
        figures,
        out=folder,
        warnings=(*figures.warnings, *unjudged),
        leak=lines_of(config, *check_sources(config, seed, synthetic=demo)),
        interval=None if interval is None else interval.by_year(),
    )
    (folder / RESULT).write_text(json_text(result) + "\n", encoding="utf-8")
    return result
