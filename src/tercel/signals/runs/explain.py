"""Explanation of a model's folder: the newest forecast by feature, and what each feature is worth out of sample."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from tercel.core.errors import ConfigError, TercelError
from tercel.core.progress import progress, say
from tercel.core.report.tables import fixed, spelt_cell
from tercel.signals.explain import (
    ALIKE,
    Importance,
    Parts,
    called,
    contributions,
    groups_of,
    importance,
)
from tercel.signals.fusion_walk import base_names
from tercel.signals.model_folder import AGAIN, SignalModel
from tercel.signals.panel.dataset import Dataset
from tercel.signals.runs import build as panels
from tercel.signals.runs.backtest import ic_of
from tercel.signals.runs.walk import folds_of
from tercel.signals.serve import config_of, present, section, when

NEAR: Final = 1e-9
"""Difference of forecasts of the walk, in units of the label, below which they are the same."""


def explained(model: SignalModel, seed: int) -> dict[str, Any]:
    """Parts of the newest forecast by name, importance by feature and source, and how folds agree.

    Raises
    ------
    ConfigError, DataError
        For a folder without a configuration, and files that are gone or say something else than they did.
    """
    config, ic = config_of(model), ic_of(model)
    data = trained_on(model)
    families = tuple(dict.fromkeys(part.family for part in model.models))
    if base_names(data, families) != model.fusion.sources:
        raise ConfigError(
            "files of the model's sources",
            f"{', '.join(base_names(data, families))} in them",
            AGAIN,
        )
    folds, rng = folds_of(data, config.train), np.random.default_rng([seed, 33])
    groups = groups_of(data)
    things = sum(len(data.sources[source]) + 1 for source in data.ranking) + sum(
        len(group) > 1 for group in groups
    )
    total = len(folds) * len(model.models) + max(len(folds) - 1, 1) * things
    with progress(counted=True, transient=True, now=True) as bar:
        task = bar.add_task("explain", total=total, now="")
        found = importance(
            data,
            families,
            folds,
            rng,
            shrink=config.train.shrink,
            seed=int(model.card["seed"]),
            most_rows=config.train.most_rows,
            settings=config.train.settings,
            groups=groups,
            tick=lambda now: bar.update(task, advance=1, now=now),
        )
    told_by, rows, said = newest(model, data)
    walk = model.walk()["value"].fill_null(float("nan")).to_numpy()
    if config.train.update != "refit":
        said.append("Worth is that of lines refitted by block; those that forecast learned online.")
    elif len(walk) != data.n or not np.allclose(
        np.sort(walk), np.sort(found.value), atol=NEAR, equal_nan=True
    ):
        said.append(
            "Fits done again differ from those of the training: its files or libraries have changed."
        )
    shares = {one["name"]: one for one in measured(found, rng)}
    features = most_first(shares[name] for group in groups for name in group)
    result = {
        "model": model.id,
        "name": model.name,
        "folder": model.folder,
        "at": when(rows.time_ns[0]),
        "dates": len(found.ic),
        "folds": len(np.unique(found.fold)),
        "ic": ic,
        **parts_of(contributions(told_by, rows), rows, groups),
        "features": features,
        "groups": most_first(
            {**shares[called(group)], "features": list(group)} for group in groups
        ),
        "sources": [shares[source] for source in data.ranking],
        "agreement": found.agreement([one["name"] for one in features]),
        "note": str(model.card.get("note", "")),
        "warnings": said,
        "seed": seed,
    }
    return {**result, "sentences": sentences(result)}


def trained_on(model: SignalModel) -> Dataset:
    """The panel that a model was trained on: beside it, where it is the same, else built from its files."""
    try:
        data, manifest = panels.load(model.folder.parent)
        if manifest["files"] == model.card["panel"]:
            return data
    except TercelError:
        pass
    say("the panel is not beside the model: built anew")
    return panels.dataset_of_config(present(config_of(model)), int(model.card["seed"]))


def newest(model: SignalModel, data: Dataset) -> tuple[SignalModel, Dataset, list[str]]:
    """The newest cross-section that the model's files hold, else the last of its panel; the model as of its date, and
    what to say of it."""
    try:
        rows, missing, _, since = section(model, None)
    except TercelError as error:
        last = data.rows(data.time_ns == data.time_ns[-1])
        return model, last, [f"No newer forecast than the panel's: {error.received}"]
    lacking = [f"Source {name} says nothing: {why}." for name, why in missing.items()]
    return since.model, rows, [rows.note] * bool(rows.note) + lacking


def measured(found: Importance, rng: np.random.Generator) -> list[dict[str, Any]]:
    """A row for each feature and source: the IC lost without it, in all and by fold."""
    return [
        {
            "name": name,
            "source": name.split(".", 1)[0],
            "ic_lost": found.interval(name, rng).to_json(),
            "same_sign": found.same_sign(name),
            "by_fold": found.by_fold(name).tolist(),
        }
        for name in found.lost
    ]


def most_first(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of :func:`measured` by the IC lost, the most first."""
    return sorted(rows, key=lambda one: -one["ic_lost"]["mean"])


def parts_of(parts: Parts, rows: Dataset, groups: Sequence[Sequence[str]]) -> dict[str, Any]:
    """What is common to all names, and each name's forecast with its parts and their groups, largest first."""
    values = {name: rows.x[:, at] for at, name in enumerate(rows.names)}
    at = {name: column for column, name in enumerate(parts.features)}
    inside = [[name for name in group if name in at] for group in groups]
    grouped = {name for group in inside for name in group}
    inside += [[name] for name in parts.features if name not in grouped]
    names = []
    for row, name in enumerate(rows.instrument.tolist()):
        bps = parts.bps[row]
        made = [
            {
                "feature": one,
                "bps": part,
                "value": float(values[one][row]) if one in values else None,
            }
            for one, part in sorted(
                zip(parts.features, bps.tolist(), strict=True), key=lambda pair: -abs(pair[1])
            )
        ]
        sums: list[dict[str, Any]] = [
            {
                "group": called(group),
                "bps": float(bps[[at[one] for one in group]].sum()),
                "parts": [{"feature": one, "bps": float(bps[at[one]])} for one in group],
            }
            for group in inside
            if group
        ]
        sums.sort(key=lambda one: -abs(one["bps"]))
        names.append(
            {
                "name": name,
                "expected_bps": parts.common + float(bps.sum()),
                "parts": made,
                "groups": sums,
            }
        )
    return {
        "common_bps": parts.common,
        "names": sorted(names, key=lambda one: -one["expected_bps"]),
    }


def made_of(name: Mapping[str, Any], most: int = 3, inside: bool = False) -> str:
    """The largest groups of a name's forecast in words: the sum; `inside`, what adds up to it, in the group's order."""
    said = []
    for one in name["groups"][:most]:
        parts = " ".join(fixed(part["bps"], 1, signed=True) for part in one["parts"])
        shown = f" = {parts}" if inside and len(one["parts"]) > 1 else ""
        said.append(f"{one['group']} {fixed(one['bps'], 1, signed=True)}{shown}")
    return ", ".join(said)


def sentences(found: dict[str, Any]) -> list[str]:
    """What a desk would say of it, in at most five sentences.

    Parameters
    ----------
    found : dict
        As :func:`explained` makes it.
    """
    first, last, best = found["names"][0], found["names"][-1], found["groups"][0]
    sure = [one["name"] for one in found["groups"] if (one["ic_lost"]["ci_low"] or 0.0) > 0]
    some = f"{', '.join(sure[:6])}{' ...' * (len(sure) > 6)}" if sure else "none"
    agree = f" Folds rank features alike at {found['agreement']:.2f}." if found["folds"] > 1 else ""
    lost, *bps = (
        spelt_cell(best["ic_lost"], digits=4),
        *(fixed(one["expected_bps"], 1, True) for one in (first, last)),
    )
    return [
        f"{found['at'][:10]}: {first['name']} is expected at {bps[0]} bps ({made_of(first)}), "
        f"{last['name']} at {bps[1]} ({made_of(last)}).",
        f"Without {best['name']} the rank IC of {found['ic']['mean']:.4f} loses {lost}, the most of all groups.",
        f"The interval lies above zero for {len(sure)} of {len(found['groups'])} groups: {some}.{agree}",
        f"Features whose ranks correlate at {ALIKE:g} or more are one group (&): a line weighs one against the other, "
        "so read their sum.",
    ]
