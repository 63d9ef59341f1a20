"""Training and evaluation of a configuration: walk forward, fuse, save, measure."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tercel.core.arrays import Floats
from tercel.core.errors import ConfigError
from tercel.core.files import atomic_path
from tercel.core.progress import say
from tercel.core.serialization import json_text, to_jsonable
from tercel.signals.alpha import scale_of, slope_of, within_dates
from tercel.signals.conformal import interval_of
from tercel.signals.evaluated import ic_of, out_of_sample, tested_of
from tercel.signals.fusion import Fusion
from tercel.signals.fusion_walk import (
    Fold,
    base_names,
    evidence,
    final,
    fused,
    fusions,
    spelt_evidence,
    whole,
)
from tercel.signals.model_folder import BASE, CARD, MODEL, SignalModel, load, save, seen_from
from tercel.signals.online import FAMILY, learn_all
from tercel.signals.panel.dataset import Dataset
from tercel.signals.runs import build as panels
from tercel.signals.runs.config import SignalsConfig, portable
from tercel.signals.runs.leak import leaks_of
from tercel.signals.runs.walk import folds_of, walked
from tercel.signals.sources.port import time_type
from tercel.signals.zoo import absent, family

FORECASTS = "forecasts.npz"
RESULT = "result.json"


def panel_in(config: SignalsConfig, seed: int, out: Path) -> tuple[Dataset, dict[str, Any]]:
    """The panel in a folder; built where there is none or its files are others now, refused where it is another
    configuration's.
    """
    if not (out / panels.MANIFEST).exists():
        say(f"building the panel in {out}")
        panels.build(config, seed, out)
    data, manifest = panels.load(out)
    if manifest["config"] != panels.rows_of(config) or manifest["seed"] != seed:
        raise ConfigError(
            "the panel of this configuration and seed",
            f"{out} holds another",
            "name another `out=`",
        )
    if manifest.get("data", now := panels.data_of(config)) != now:
        say(f"files have changed: building the panel in {out} again")
        (out / FORECASTS).unlink(missing_ok=True)
        panels.build(config, seed, out)
        data, manifest = panels.load(out)
    return data, manifest


def installed(config: SignalsConfig) -> tuple[str, ...]:
    """The configured families that are installed; the others are said."""
    kept = []
    wanted = config.train.families if config.train.update == "refit" else (FAMILY,)
    if len(wanted) < len(config.train.families):
        say(
            f"update = {config.train.update!r} learns online by {FAMILY} alone: other families are left out"
        )
    for name in wanted:
        if (module := absent(family(name))) is None:
            kept.append(name)
        else:
            say(f"absent: {name} (no module {module}); pip install 'tercel[{family(name).extra}]'")
    for name, settings in config.train.settings.items():
        card = family(name)
        if name in kept:
            card.make(0, **settings)
    if not kept:
        raise ConfigError(
            "a family that is installed", "none", "pip install 'tercel[signals]', or add linear"
        )
    return tuple(kept)


def train(config: SignalsConfig, seed: int, out: Path) -> dict[str, Any]:
    """Walk a configuration forward, fuse, save forecasts and model; the summary."""
    names = installed(config)
    data, manifest = panel_in(config, seed, out)
    moves: list[dict[str, Any]] = []
    if config.train.update == "refit":
        forecasts, seconds = walked(data, names, config.train, seed, "train")
        columns = base_names(data, names)
        fusion, models = final(
            data,
            names,
            forecasts,
            seed=seed,
            shrink=config.train.shrink,
            most_rows=config.train.most_rows,
            settings=config.train.settings,
        )
    else:
        start, columns = time.process_time(), base_names(data, (FAMILY,))
        forecasts, models, moves = learn_all(data, config.train.update, config.train.online)
        seconds, fusion = (
            time.process_time() - start,
            whole(data, forecasts, columns, config.train.shrink),
        )
    slopes = evidence(data, forecasts, np.asarray(~np.isnan(forecasts).all(axis=1)))
    folds = folds_of(data, config.train)
    value, sd, _ = fused(data, forecasts, columns, folds, shrink=config.train.shrink)
    # what no source has a weight in says nothing, whatever earlier blocks said
    scale = scale_of(
        data, value * fusion.weights.any(), fusion.without(np.ones(len(columns), dtype=bool))[1]
    )
    model = SignalModel(fusion, tuple(models), scale)
    kept, base = portable(config)
    base = seen_from(out / MODEL, base)
    about = {
        "name": config.name,
        "seed": seed,
        "config": kept,
        BASE: base,
        "data": panels.data_of(config),
        "panel": manifest["files"],
        "note": data.note,
        "ic": _ic(data, value, folds, seed),
    }
    blocks = list(fusions(data, forecasts, columns, folds, shrink=config.train.shrink))
    card = save(
        out / MODEL, model, to_jsonable(about), walk_of(data, value, sd, folds, blocks), moves
    ).card
    with atomic_path(out / FORECASTS) as part:
        np.savez(part, told=forecasts, columns=np.array(columns))
    return {
        "out": out,
        "rows": data.n,
        "tested": int((~np.isnan(forecasts).all(axis=1)).sum()),
        "seconds": seconds,
        "weights": dict(zip(columns, (fusion.weights * fusion.slope).tolist(), strict=True)),
        "evidence": {name: spelt_evidence(one) for name, one in zip(columns, slopes, strict=True)},
        "alpha_scale": asdict(scale),
        "half_life": scale.half_life,
        "parts": [part["file"] for part in card["parts"]],
        "note": data.note,
        "warnings": [*data.warnings, *filter(None, [model.silent])],
    }


def walk_of(
    data: Dataset, value: Floats, sd: Floats, folds: Sequence[Fold], blocks: Sequence[Fusion | None]
) -> pl.DataFrame:
    """What each row was forecast walking forward, and what came: by time and name, NaN in rows of no test block.

    Basis points are by the scale of earlier blocks' forecasts whose labels were known when the block began, NaN in one
    before which there were none.
    """
    bps = np.full(data.n, np.nan)
    for (_, test), fusion in zip(folds, blocks, strict=True):
        if fusion is not None:
            known = np.isfinite(value) & (data.end_ns <= data.time_ns[test].min())
            bps[test] = (
                1e4
                * slope_of(*within_dates(data, value, data.outcome, known))
                * (value[test] - fusion.base)
            )
    times = {"time": data.time_ns, "start": data.start_ns, "end": data.end_ns}
    columns = {"name": data.instrument, "value": value, "sd": sd, "expected_bps": bps}
    frame = pl.DataFrame({**times, **columns, "outcome": data.outcome, "y": data.y})
    return frame.with_columns(pl.col(list(times)).cast(time_type())).sort("time", "name")


def _ic(data: Dataset, value: Floats, folds: list[Fold], seed: int) -> dict[str, float] | None:
    """The fusion's rank IC out of sample as `signals evaluate` has it; None where dates are too few."""
    tested = tested_of(folds)
    return ic_of(value[tested], data.rows(tested), np.random.default_rng([seed, 9]))


def evaluate(config: SignalsConfig, seed: int, out: Path, demo: bool) -> dict[str, Any]:
    """Out-of-sample figures of a trained folder."""
    data, _ = panel_in(config, seed, out)
    try:
        with np.load(out / FORECASTS) as kept:
            forecasts, columns = kept["told"], tuple(str(name) for name in kept["columns"])
    except (OSError, KeyError, ValueError):
        raise ConfigError(
            "a folder that was trained in", f"{out}", "run: tercel signals train"
        ) from None
    if forecasts.shape[0] != data.n:
        raise ConfigError(
            "forecasts of this panel", f"{forecasts.shape[0]} rows for {data.n}", "train again"
        )
    folds = folds_of(data, config.train)
    result = {
        "out": out,
        **out_of_sample(data, forecasts, columns, folds, shrink=config.train.shrink, seed=seed),
        "leak": leaks_of(config, seed, planted=demo),
        "note": data.note,
        "warnings": data.warnings,
    }
    if (out / MODEL / CARD).exists() and (interval := interval_of(load(out / MODEL))) is not None:
        result["interval"] = interval.by_year()
    (out / RESULT).write_text(json_text(result) + "\n", encoding="utf-8")
    return result
