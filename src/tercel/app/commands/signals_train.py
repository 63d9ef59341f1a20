"""``tercel signals train`` and ``evaluate``: walk forward, fuse, save; say how good it is and what each source adds."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercel.app.commands import signals_build
from tercel.app.commands.signals_config import SignalsConfig
from tercel.app.commands.signals_leak import leaks_of
from tercel.app.commands.signals_panel import folds_of, walked
from tercel.app.output import json_text, say
from tercel.core.errors import ConfigError, DataError
from tercel.core.written import beside
from tercel.signals import fusion_saved
from tercel.signals.alpha import scale_of
from tercel.signals.fusion_walk import base_names, final, fused
from tercel.signals.gate_walk import Gate, gated, trained
from tercel.signals.panel.dataset import Dataset
from tercel.signals.scores import rank_ic, rank_ic_by_date
from tercel.signals.zoo import absent, family
from tercel.stats import mean_interval

Floats = NDArray[np.float64]
FORECASTS = "forecasts.npz"
MODEL = "model"
RESULT = "result.json"
BLOCK = 4
DEMO_ROUNDS = 20_000
"""Rounds that the demo alpha model learns from."""


def panel_in(config: SignalsConfig, seed: int, out: Path) -> tuple[Dataset, dict[str, Any]]:
    """The panel in a folder; built where there is none, refused where it is another configuration's."""
    if not (out / signals_build.MANIFEST).exists():
        say(f"building the panel in {out}")
        signals_build.build(config, seed, out)
    data, manifest = signals_build.load(out)
    if manifest["config"] != signals_build.rows_of(config) or manifest["seed"] != seed:
        raise ConfigError("the panel of this configuration and seed", f"{out} holds another", "name another --out")
    return data, manifest


def gate_of(config: SignalsConfig, seed: int) -> Gate | None:
    """The configured gate, None without one; refused where hmmlearn or scikit-learn is absent."""
    section = config.train.gate
    if section is None:
        return None
    if (module := absent(family(section.kind))) is not None:
        raise ConfigError("the extra [signals]", f"no module {module}", "pip install 'tercel[signals]'")
    return Gate(section.columns, section.kind, section.states, seed)


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
            card.make("regress", 0, 1, **settings)
    if not kept:
        raise ConfigError("a family that is installed", "none", "pip install 'tercel[signals]', or add linear")
    return tuple(kept)


def train(config: SignalsConfig, seed: int, out: Path, demo: bool) -> dict[str, Any]:
    """Walk forward, fuse, save the forecasts and the model; returns what was done."""
    names, gate = installed(config), gate_of(config, seed)
    data, manifest = panel_in(config, seed, out)
    if gate is not None:
        gate.by_date(data)
    told, seconds = walked(data, names, config.train, seed, "train")
    columns = base_names(data, names)
    fusion, models = final(
        data, names, told, seed=seed, shrink=config.train.shrink, most_rows=config.train.most_rows,
        settings=config.train.settings,
    )  # fmt: skip
    value = fused(data, told, columns, folds_of(data, config.train), shrink=config.train.shrink)[0]
    scale = scale_of(data, value, fusion.without(np.ones(len(columns), dtype=bool))[1])
    about = {
        "alpha": asdict(scale),
        "name": config.name,
        "seed": seed,
        "panel": manifest["files"],
        "train": config.train.model_dump(),
    }
    gate_trained = None if gate is None else trained(data, told, columns, gate, shrink=config.train.shrink)
    card = fusion_saved.save(out / MODEL, fusion, models, json.loads(json_text(about)), gate_trained)
    with beside(out / FORECASTS) as part:
        np.savez(part, told=told, columns=np.array(columns))
    result = {
        "out": out, "rows": data.n, "tested": int((~np.isnan(told).all(axis=1)).sum()), "seconds": seconds,
        "weights": dict(zip(columns, (fusion.weights * fusion.slope).tolist(), strict=True)),
        "alpha_scale": asdict(scale), "parts": [part["file"] for part in card["parts"]],
        "gate": card["gate"], "note": data.note, "warnings": data.warnings,
    }  # fmt: skip
    return {**result, "alpha": _alpha(seed, out)} if demo else result


def _alpha(seed: int, out: Path) -> dict[str, Any]:
    """Train the packaged demo model anew, into the folder."""
    from tercel.market.flow.preset import load as preset
    from tercel.signals.models_packaged.training import train_demo

    say(f"training the alpha model of the demo desk on {DEMO_ROUNDS:,} simulated rounds")
    command = f"tercel signals train --demo --seed {seed}"
    model = train_demo(preset("csco-santa-fe"), DEMO_ROUNDS, DEMO_ROUNDS // 2, seed, command)
    model.save(out / "alpha.json")
    return {"file": out / "alpha.json", "half_life_s": model.half_life_ns / 1e9, **model.card["test"]}


def evaluate(config: SignalsConfig, seed: int, out: Path, demo: bool) -> dict[str, Any]:
    """Out-of-sample figures of what `train` left in a folder."""
    data, _ = panel_in(config, seed, out)
    try:
        with np.load(out / FORECASTS) as kept:
            told, columns = kept["told"], tuple(str(name) for name in kept["columns"])
    except (OSError, KeyError, ValueError):
        raise ConfigError("a folder that was trained in", f"{out}", "run: tercel signals train") from None
    if told.shape[0] != data.n:
        raise ConfigError("forecasts of this panel", f"{told.shape[0]} rows for {data.n}", "train again")
    folds = folds_of(data, config.train)
    tested = np.sort(np.concatenate([test for _, test in folds[1:] or folds]))
    part, rng = data.rows(tested), np.random.default_rng([seed, 9])
    shrink = config.train.shrink
    value, sd, even = (a[tested] for a in fused(data, told, columns, folds, shrink=shrink))
    scores = {"fusion": value, "equal weights": even, **{n: told[tested, k] for k, n in enumerate(columns)}}
    found = _gate(data, told, columns, folds, gate_of(config, seed), shrink)
    if found is not None:
        scores = {"fusion": value, "fusion, gated": found[0][tested], **scores}
    ics = {name: _ic(score, part, rng) for name, score in scores.items()}
    result = {
        "out": out, "rows": len(tested), "dates": len(np.unique(part.time_ns)), "ic": ics,
        "calibration": _calibration(value, sd, part, rng),
        "ablation": _ablation(data, told, columns, folds, tested, shrink, rng),
        "gate": None if found is None else _gate_adds(value, found, tested, part, config, rng),
        "unranked": [n for n in data.sources if n not in data.ranking],
        "leak": leaks_of(config, seed, planted=demo), "note": data.note, "warnings": data.warnings,
    }  # fmt: skip
    (out / RESULT).write_text(json_text(result) + "\n", encoding="utf-8")
    return result


def _gate(
    data: Dataset, told: Floats, columns: tuple[str, ...], folds: Any, gate: Gate | None, shrink: float
) -> tuple[Floats, Floats] | None:
    """The gated fusion (n,) and the states' chances (n, S); the plain fusion stands where there was no gate yet."""
    if gate is None:
        return None
    plain_value = fused(data, told, columns, folds, shrink=shrink)[0]
    value, _, chance = gated(data, told, columns, folds, gate, shrink=shrink)
    return np.where(np.isnan(value), plain_value, value), chance


def _gate_adds(
    value: Floats, found: tuple[Floats, Floats], tested: NDArray[np.intp], part: Dataset, config: SignalsConfig,
    rng: np.random.Generator,
) -> dict[str, Any]:  # fmt: skip
    """IC of the gated fusion less the plain one's, date by date, over the dates that a gate was ready for."""
    ready = np.isfinite(found[1][tested]).all(axis=1)
    dates = part.dates
    plain_ic = rank_ic_by_date(value[ready], part.outcome[ready], dates[ready])
    gated_ic = rank_ic_by_date(found[0][tested][ready], part.outcome[ready], dates[ready])
    share = np.nanmean(found[1][tested], axis=0).tolist() if ready.any() else []
    section = config.train.gate
    told = {"columns": [] if section is None else section.columns, "share_of_states": share}
    return {**told, **(_difference(gated_ic, plain_ic, rng) or {"adds": None, "dates": 0})}


def _where(said: NDArray[np.bool_], ic: Floats) -> Floats:
    return np.where(said, np.nan_to_num(ic), np.nan)


def _difference(first: Floats, second: Floats, rng: np.random.Generator) -> dict[str, Any] | None:
    """Mean of first less second with its interval over blocks of dates, None with too few dates."""
    both = np.isfinite(first) & np.isfinite(second)
    if both.sum() <= BLOCK:
        return None
    blocks = np.flatnonzero(both) // BLOCK
    return {"adds": mean_interval(first[both] - second[both], blocks, rng).to_json(), "dates": int(both.sum())}


def _ic(score: Floats, part: Dataset, rng: np.random.Generator) -> dict[str, float] | None:
    try:
        return rank_ic(score, part.outcome, part.dates, rng, block=BLOCK).to_json()
    except DataError:
        return None


def _calibration(value: Floats, sd: Floats, part: Dataset, rng: np.random.Generator) -> dict[str, Any]:
    """Slope of what came on what was said (1 is right), and how often it came within the told deviation.

    Labels are ranks, uniform by construction: .577 of them lie within one standard deviation, .950 within 1.645.
    """
    seen = np.isfinite(value) & np.isfinite(sd)
    f, y, s = value[seen] - value[seen].mean(), part.y[seen] - part.y[seen].mean(), sd[seen]
    slope = float(f @ y / (f @ f)) if f @ f > 0 else float("nan")
    error = np.abs(part.y[seen] - value[seen]) / s
    blocks = part.dates[seen] // BLOCK
    return {
        "slope": slope,
        "within_1_sd": mean_interval(error <= 1.0, blocks, rng).to_json(),
        "within_1.645_sd": mean_interval(error <= 1.645, blocks, rng).to_json(),
    }


def _ablation(
    data: Dataset, told: Floats, columns: tuple[str, ...], folds: Any, tested: NDArray[np.intp], shrink: float,
    rng: np.random.Generator,
) -> dict[str, Any]:  # fmt: skip
    """What each source adds: IC of the fusion less that of a fusion without it, over the dates when it forecast."""
    part = data.rows(tested)
    whole = rank_ic_by_date(fused(data, told, columns, folds, shrink=shrink)[0][tested], part.outcome, part.dates)
    found: dict[str, Any] = {}
    for source in data.ranking:
        mine = np.array([name.rsplit(":", 1)[0] == source for name in columns])
        if mine.all():
            continue
        keep = np.flatnonzero(~mine)
        less = fused(data, told[:, keep], [columns[k] for k in keep], folds, shrink=shrink)[0][tested]
        gone = rank_ic_by_date(less, part.outcome, part.dates)
        heard = np.bincount(part.dates, ~np.isnan(told[tested][:, mine]).all(axis=1)) > 0
        # a fusion that says nothing, or the same of all, has no skill
        said = heard & (np.isfinite(whole) | np.isfinite(gone))
        one = _difference(_where(said, whole), _where(said, gone), rng)
        if one is not None:
            found[source] = one
    return found
