"""Training and evaluation of a configuration: walk forward, fuse, save, measure."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from tercel.core.errors import ConfigError
from tercel.core.plain import json_text, plain
from tercel.core.progress import say
from tercel.core.written import beside
from tercel.signals import fusion_saved
from tercel.signals.alpha import scale_of
from tercel.signals.evaluated import out_of_sample
from tercel.signals.fusion_walk import base_names, final, fused
from tercel.signals.gate import FusionGate, trained
from tercel.signals.panel.dataset import Dataset
from tercel.signals.runs import build as panels
from tercel.signals.runs.config import SignalsConfig
from tercel.signals.runs.leak import leaks_of
from tercel.signals.runs.walk import folds_of, walked
from tercel.signals.zoo import absent, family

FORECASTS = "forecasts.npz"
MODEL = "model"
RESULT = "result.json"


def panel_in(config: SignalsConfig, seed: int, out: Path) -> tuple[Dataset, dict[str, Any]]:
    """The panel in a folder; built where there is none, refused where it is another configuration's."""
    if not (out / panels.MANIFEST).exists():
        say(f"building the panel in {out}")
        panels.build(config, seed, out)
    data, manifest = panels.load(out)
    if manifest["config"] != panels.rows_of(config) or manifest["seed"] != seed:
        raise ConfigError("the panel of this configuration and seed", f"{out} holds another", "name another `out=`")
    return data, manifest


def gate_of(config: SignalsConfig, seed: int) -> FusionGate | None:
    """The configured gate, None without one; refused where hmmlearn or scikit-learn is absent."""
    section = config.train.gate
    if section is None:
        return None
    if (module := absent(family(section.kind))) is not None:
        raise ConfigError("the extra [signals]", f"no module {module}", "pip install 'tercel[signals]'")
    return FusionGate(section.columns, section.kind, section.states, seed)


def installed(config: SignalsConfig) -> tuple[str, ...]:
    """The configured families that are installed; the others are said."""
    kept = []
    for name in config.train.families:
        if (module := absent(family(name))) is None:
            kept.append(name)
        else:
            say(f"absent: {name} (no module {module}); pip install 'tercel[signals]'")
    for name, settings in config.train.settings.items():
        card = family(name)
        if name in kept:
            card.make(0, 1, **settings)
    if not kept:
        raise ConfigError("a family that is installed", "none", "pip install 'tercel[signals]', or add linear")
    return tuple(kept)


def train(config: SignalsConfig, seed: int, out: Path) -> dict[str, Any]:
    """Walk a configuration forward, fuse, save forecasts and model; the summary."""
    names, gate = installed(config), gate_of(config, seed)
    data, manifest = panel_in(config, seed, out)
    if gate is not None:
        gate.by_date(data)
    forecasts, seconds = walked(data, names, config.train, seed, "train")
    columns = base_names(data, names)
    fusion, models = final(
        data, names, forecasts, seed=seed, shrink=config.train.shrink, most_rows=config.train.most_rows,
        settings=config.train.settings,
    )  # fmt: skip
    value = fused(data, forecasts, columns, folds_of(data, config.train), shrink=config.train.shrink)[0]
    scale = scale_of(data, value, fusion.without(np.ones(len(columns), dtype=bool))[1])
    about = {
        "alpha": asdict(scale),
        "name": config.name,
        "seed": seed,
        "panel": manifest["files"],
        "train": config.train.model_dump(),
    }
    gate_trained = None if gate is None else trained(data, forecasts, columns, gate, shrink=config.train.shrink)
    card = fusion_saved.save(out / MODEL, fusion, models, plain(about), gate_trained)
    with beside(out / FORECASTS) as part:
        np.savez(part, told=forecasts, columns=np.array(columns))
    return {
        "out": out, "rows": data.n, "tested": int((~np.isnan(forecasts).all(axis=1)).sum()), "seconds": seconds,
        "weights": dict(zip(columns, (fusion.weights * fusion.slope).tolist(), strict=True)),
        "alpha_scale": asdict(scale), "parts": [part["file"] for part in card["parts"]],
        "gate": card["gate"], "note": data.note, "warnings": data.warnings,
    }  # fmt: skip


def evaluate(config: SignalsConfig, seed: int, out: Path, demo: bool) -> dict[str, Any]:
    """Out-of-sample figures of a trained folder."""
    data, _ = panel_in(config, seed, out)
    try:
        with np.load(out / FORECASTS) as kept:
            forecasts, columns = kept["told"], tuple(str(name) for name in kept["columns"])
    except (OSError, KeyError, ValueError):
        raise ConfigError("a folder that was trained in", f"{out}", "run: tercel signals train") from None
    if forecasts.shape[0] != data.n:
        raise ConfigError("forecasts of this panel", f"{forecasts.shape[0]} rows for {data.n}", "train again")
    folds = folds_of(data, config.train)
    gate, shrink = gate_of(config, seed), config.train.shrink
    result = {
        "out": out,
        **out_of_sample(data, forecasts, columns, folds, gate, shrink=shrink, seed=seed),
        "leak": leaks_of(config, seed, planted=demo),
        "note": data.note,
        "warnings": data.warnings,
    }
    (out / RESULT).write_text(json_text(result) + "\n", encoding="utf-8")
    return result
