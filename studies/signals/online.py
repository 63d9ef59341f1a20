"""What learning online is worth where the truth is known: a panel whose one coefficient flips, and shuffled labels.

Each date has 200 names; a label is `ic` times a feature plus noise, and ends before the next date. After `before` dates
the coefficient changes sign. Seeds are the clusters of every interval; all forecasts of a seed are of the same panel.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from tercel.core import Floats
from tercel.core.report import Figure, finish_figure, palette, sketch
from tercel.core.stats import Replicates, holm, moments_of_mean, ranks, replicate
from tercel.signals import (
    EXPERTS,
    MODEL_FILE as MODEL,
    ONLINE_FAMILY as FAMILY,
    VALIDATION_DAY as DAY,
    Dataset,
    OnlineRule,
    learn_online as learn,
    load_model as load,
    rank_ic_by_date,
    skill,
)
from tercel.signals.models.walk_forward import base_names, fuse_blocks
from tercel.signals.runs import SignalsConfig, TrainSection, folds_of, train_signals as train

SEEDS: Final = 200
BEFORE: Final = 250
AFTER: Final = 80
RULE: Final = OnlineRule()
SPANS: Final = {"before": slice(RULE.warm + 1, BEFORE), "1 to 40": slice(BEFORE, BEFORE + 40),
                "41 to 80": slice(BEFORE + 40, BEFORE + 80)}  # fmt: skip
"""Dates by span: those that were forecast before the flip, and two after it."""
NAMES: Final = (*EXPERTS, "blend", "blend, fused", "oracle")
"""Fused: as `signals train` gives it, by the slope that earlier blocks of `warm` dates had."""


def planted(
    rng: np.random.Generator, *, names: int = 200, features: int = 1, ic: float = 0.1, flips: bool = True,
    before: int = BEFORE, after: int = AFTER,
) -> tuple[Dataset, Floats]:  # fmt: skip
    """A panel of which the first feature alone says something, and the true expectation of each row.

    >>> data, truth = planted(np.random.default_rng(0), names=5, before=2, after=1)
    >>> data.n, bool((np.sign(truth) == np.sign(data.x[:, 0]) * np.repeat([1, 1, -1], 5)).all())
    (15, True)
    """
    dates = before + after
    x = rng.standard_normal((dates * names, features))
    sign = np.where(np.repeat(np.arange(dates), names) < before, 1.0, -1.0 if flips else 1.0)
    truth = ic * sign * x[:, 0]
    came = truth + np.sqrt(1.0 - ic**2) * rng.standard_normal(len(x))
    y = (ranks(came.reshape(dates, names)) / (names + 1) - 0.5).ravel()
    time = np.repeat(np.arange(dates, dtype=np.int64) * DAY, names)
    who = np.tile([f"N{k:03d}" for k in range(names)], dates)
    columns = tuple(f"a.f{k}" for k in range(features))
    return Dataset(x, y, came, columns, time, time, time + DAY, who), truth


def shuffled(data: Dataset, rng: np.random.Generator) -> Dataset:
    """The same with each date's labels given to other names."""
    names = int(np.bincount(data.dates)[0])
    order = rng.permuted(np.arange(data.n).reshape(-1, names), axis=1).ravel()
    return replace(data, y=data.y[order], outcome=data.outcome[order])


def ics(data: Dataset, truth: Floats, rule: OnlineRule = RULE) -> Floats:
    """Rank IC of every date, float64 (forecasts as `NAMES`, T); 0 where nothing is said."""
    found = learn(data, "a", "blend", rule)
    folds = folds_of(data, TrainSection(families=(FAMILY,), update="blend", online=rule))
    value, _, _ = fuse_blocks(data, found.forecast[:, None], base_names(data, (FAMILY,)), folds)
    scores = [*found.by_expert.T, found.forecast, value, truth]
    return np.nan_to_num([rank_ic_by_date(score, data.outcome, data.dates) for score in scores])


def over_seeds(seed: int, seeds: int = SEEDS, *, flips: bool = True, **how: Any) -> Floats:
    """ICs by seed, forecast and date, float64 (seeds, 6, T); labels are shuffled where nothing flips."""
    table = []
    for one in range(seeds):
        rng = np.random.default_rng([seed, one])
        data, truth = planted(rng, flips=flips, **how)
        table.append(ics(data if flips else shuffled(data, rng), truth))
    return np.array(table)


def flip_table(table: Floats, rng: np.random.Generator) -> list[dict[str, Any]]:
    """A row a forecast: mean IC of each span, and its share of the oracle's in the last."""
    means = _means(
        {
            f"{name} {span}": table[:, k, at].mean(axis=1)
            for k, name in enumerate(NAMES)
            for span, at in SPANS.items()
        },
        rng,
    )
    share = {name: means[f"{name} 41 to 80"] / means["oracle 41 to 80"] for name in NAMES}
    return [
        {"forecast": name, **{span: means[f"{name} {span}"].estimate().to_json() for span in SPANS},
         "of the oracle's": share[name].estimate().to_json()}
        for name in NAMES
    ]  # fmt: skip


def chance_table(table: Floats, rng: np.random.Generator) -> list[dict[str, Any]]:
    """A row a forecast of shuffled labels: mean IC of all dates that were forecast, and its p by Holm's rule."""
    known = table[:, :, SPANS["before"].start :].mean(axis=2)
    means = _means({name: known[:, k] for k, name in enumerate(NAMES[:-1])}, rng)
    told = holm([1.0 if (p := one.p_value()) is None else p for one in means.values()]).tolist()
    rows = zip(means.items(), told, strict=True)
    return [
        {"forecast": name, "IC": m.estimate().to_json(), "s.e.": m.error, "p, Holm": p}
        for (name, m), p in rows
    ]


def flip_figure(tables: Mapping[int, Floats]) -> Figure:
    """Mean IC of each date around the flip, a panel a number of features."""
    dates = np.arange(-40, AFTER)
    drawn = {"oracle": palette.INK, "recursive": palette.SERIES[1], "blend": palette.SERIES[3], "rolling": palette.SERIES[9],
             "static": palette.SERIES[2]}  # fmt: skip
    with sketch(3.4) as drawing:
        panels = drawing.subplots(1, len(tables), sharey=True, squeeze=False)[0]
        for panel, (features, table) in zip(panels, tables.items(), strict=True):
            for name, colour in drawn.items():
                line = table[:, NAMES.index(name), BEFORE - 40 : BEFORE + AFTER].mean(axis=0)
                dashed = "--" if name == "oracle" else "-"
                panel.plot(
                    dates, line, color=colour.token, linewidth=1.3, linestyle=dashed, label=name
                )
            panel.set(
                title=f"{features} feature{'s' * (features > 1)}", xlabel="dates after the flip"
            )
            panel.axhline(0.0, color=palette.SOFT.token, linewidth=0.9)
            panel.margins(x=0.01)
        panels[0].set_ylabel("rank IC, mean over seeds")
        drawing.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    least = min(len(table) for table in tables.values())
    told = "Recursive least squares and the blend are back at the oracle within 40 dates, a fit that stays never is."
    return finish_figure(
        drawing, "flip", f"Rank IC around a coefficient's flip, {least} seeds. {told}"
    )


def study_tables(seed: int, seeds: int = SEEDS, out: Path | None = None) -> dict[str, Any]:
    """Tables of one feature, of one among ten, and of shuffled labels; with a folder, the picture of both flips."""
    flips = {
        features: over_seeds(seed + n, seeds, features=features)
        for n, features in enumerate((1, 10))
    }
    tables: dict[str, Any] = {
        f"mean rank IC, {features} feature{'s' * (features > 1)}, {seeds} seeds": flip_table(
            table, np.random.default_rng([seed, 7])
        )
        for features, table in flips.items()
    }
    if out is not None:
        flip_figure(flips).save(out)
    chance = over_seeds(seed + 2, seeds, flips=False, features=10)
    return {
        **tables,
        f"labels shuffled, 10 features, {seeds} seeds": chance_table(
            chance, np.random.default_rng(seed)
        ),
    }


def panel_table(config: SignalsConfig, seed: int, out: Path) -> list[dict[str, Any]]:
    """A row a way to learn, each trained in `out`: rank IC over the dates that all of them forecast after a first test
    block, and what it is beyond that of models refitted by block.
    """
    walks = dict[str, dict[int, float]]()
    for update in ("refit", *EXPERTS, "blend"):
        section = config.train.model_copy(update={"update": update})
        train(config.model_copy(update={"train": section}), seed, out)
        walk = load(out / MODEL).walk()
        value = walk["value"].fill_null(float("nan")).to_numpy()
        at = walk["time"].dt.epoch("ns").to_numpy()
        told = np.unique(at[walk["expected_bps"].is_finite().fill_null(value=False).to_numpy()])
        by_date = np.nan_to_num(rank_ic_by_date(value, walk["outcome"].to_numpy(), at))
        walks[update] = {
            day: ic
            for day, ic in zip(np.unique(at).tolist(), by_date, strict=True)
            if day in set(told)
        }
    days = sorted(set.intersection(*(set(one) for one in walks.values())))
    ics = {name: np.array([one[day] for day in days]) for name, one in walks.items()}
    rows = []
    for name, one in ics.items():
        beyond = (
            {}
            if name == "refit"
            else skill(one - ics["refit"], np.random.default_rng(seed)).to_json()
        )
        found = skill(one, np.random.default_rng(seed)).to_json()
        rows.append(
            {
                "update": name,
                "IC": found,
                "t": found["t"],
                "beyond refit": beyond or None,
                "dates": len(days),
            }
        )
    return rows


def _means(values: Mapping[str, Floats], rng: np.random.Generator) -> dict[str, Replicates]:
    """Means over seeds, resampled together: the same seeds are drawn for all."""
    moments = {name: moments_of_mean(row, np.arange(len(row))) for name, row in values.items()}
    drawn = {name: draws[:, 0] for name, draws in replicate(moments, 2000, rng).items()}
    return {
        name: Replicates(
            float(row.mean()), drawn[name], ((float(drawn[name].var()), len(row) - 1.0),)
        )
        for name, row in values.items()
    }
