"""What a forecast is made of: parts in bps by name and feature, and what the skill is worth without each of them.

    parts = contributions(model, data)                   a cross-section: parts add up to each forecast, exactly
    found = importance(data, families, folds, ...)       IC lost where a feature is shuffled among the names of a date

A tree's parts are those of TreeSHAP (Lundberg et al., 2018; LightGBM's ``pred_contrib``), a line's its coefficients
times its values; what other families say is one part, the model. Shuffling within a date leaves what a feature says of
the whole date, and breaks what it says of names (permutation importance: Breiman, 2001; out of sample here, with the
models and the fusion of each fold). Features that rank the names of a date alike are one group (complete linkage of
rank correlations: scikit-learn's user guide, "Permutation importance with multicollinear features"): a line weighs one
against the other, so that only their sum says something.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl

from tercel.core.arrays import Floats, Indices
from tercel.core.estimate import Estimate
from tercel.core.stats import mean_interval
from tercel.core.stats.ranks import spearman
from tercel.signals.base_model import BaseModel
from tercel.signals.fusion import Fusion
from tercel.signals.fusion_walk import Fold, base_names, fitted, forecast_by, fusions, mean_of_said
from tercel.signals.model_folder import SignalModel
from tercel.signals.panel.dataset import Dataset
from tercel.signals.scores import BLOCK, rank_ic_by_date

ALIKE: Final = 0.7
"""Rank correlation, either sign, from which two features stand in for each other."""


def groups_of(data: Dataset) -> tuple[tuple[str, ...], ...]:
    """Features that rank the names of a date alike, every two of a group by `ALIKE`; in the order of the columns.

    A feature that is like no other is a group of its own.
    """
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    names = [data.names[c] for source in data.ranking for c in data.sources[source]]
    if len(names) < 2:
        return tuple((name,) for name in names)
    table = pl.DataFrame(data.x, schema=list(data.names), orient="row").select(names).fill_nan(None)
    table = table.with_columns(at=pl.Series(data.time_ns))
    among = ((pl.col(name).rank() - 0.5) / pl.col(name).count() for name in names)
    ranks = table.select(one.over("at").fill_null(0.5) for one in among).to_numpy() - 0.5
    length = np.sqrt((ranks**2).sum(axis=0))
    apart = 1.0 - np.abs(ranks.T @ ranks) / np.maximum(np.outer(length, length), 1e-300)
    np.fill_diagonal(apart, 0.0)
    label = fcluster(
        linkage(squareform(apart.clip(0.0), checks=False), "complete"), 1.0 - ALIKE, "distance"
    )
    return tuple(tuple(np.array(names)[label == one].tolist()) for one in dict.fromkeys(label))


def called(group: Sequence[str]) -> str:
    """The name of a group.

    >>> called(("daily.ret_5", "daily.adj_ret_5"))
    'daily.ret_5 & adj_ret_5'
    """
    first, *rest = group
    return " & ".join([first, *(name.removeprefix(first.split(".", 1)[0] + ".") for name in rest)])


@dataclass(frozen=True, eq=False)
class Parts:
    """Parts of the forecasts of one cross-section.

    Parameters
    ----------
    features : tuple of str
        `source.column`; or `source:family` for a model that is one part.
    bps : float64 (n, F)
        Of each name and feature, less the mean over names.
    common : float
        What is the same for every name: ``common + bps.sum(axis=1)`` are the forecasts.
    """

    features: tuple[str, ...]
    bps: Floats
    common: float


def contributions(model: SignalModel, data: Dataset) -> Parts:
    """Parts of a model's forecasts for the rows of one cross-section.

    Raises
    ------
    DataError
        As the model's parts do for features that they cannot read.
    """
    columns = {name: data.x[:, at] for at, name in enumerate(data.names)}
    told, names = model.told(columns), dict[str, Floats]()
    constant = np.zeros(data.n)
    here, which = np.unique(~np.isnan(told), axis=0, return_inverse=True)
    weights = np.stack([model.fusion.without(mask)[0] for mask in here])[np.asarray(which).ravel()]
    for k, part in enumerate(model.models):
        scale = model.scale.unit_bps * weights[:, k] * model.fusion.slope[k]
        said = ~np.isnan(told[:, k]) & (scale != 0.0)
        if not said.any():
            continue
        gap = np.full(data.n, np.nan)
        x = np.stack([columns.get(name, gap) for name in part.names], axis=1)
        split, rest = split_of(part, x[said])
        constant[said] += scale[said] * (rest - model.fusion.centre[k])
        for name, column in split.items():
            names.setdefault(name, np.zeros(data.n))[said] += scale[said] * column
    bps = np.stack(list(names.values()), axis=1) if names else np.zeros((data.n, 0))
    mean = bps.mean(axis=0)
    loose = constant - constant.mean()  # where names lack different sources, the rest differs too
    if np.abs(loose).max(initial=0.0) > 1e-9:
        names["what is missing"], bps, mean = (
            loose,
            np.column_stack([bps, loose]),
            np.append(mean, 0.0),
        )
    return Parts(tuple(names), bps - mean, float(mean.sum() + constant.mean()))


def split_of(part: BaseModel, x: Floats) -> tuple[dict[str, Floats], Floats]:
    """A model's forecasts (n,) for its columns (n, F) by feature, and the rest that no feature makes, (n,)."""
    used = [part.names[c] for c in part.used]
    ready = x[:, part.used]
    if part.family == "boosting":
        table = np.asarray(part.model.booster_.predict(ready, pred_contrib=True, num_threads=1))
        return dict(zip(used, table.T, strict=False)), table[:, -1]
    if part.family == "linear":
        table = np.where(np.isnan(ready), part.medians, ready) * part.model.coef_
        return dict(zip(used, table.T, strict=True)), np.full(len(x), part.model.intercept_)
    return {part.name: part.predict(x)}, np.zeros(len(x))


@dataclass(frozen=True, eq=False)
class Importance:
    """IC that is lost where something is shuffled among the names of a date.

    Parameters
    ----------
    value, ic : float64 (n,), (D,)
        The fused forecasts out of sample of all rows (NaN in no test block), and their IC by date.
    fold : int64 (D,)
        Number of each date's fold; the first of several, before which nothing was fused, is not measured.
    lost : mapping of str to float64 (D,)
        By feature (`source.column`), by source and by group as it is called.
    """

    value: Floats
    ic: Floats
    fold: Indices
    lost: Mapping[str, Floats]

    def interval(self, name: str, rng: np.random.Generator) -> Estimate:
        """Mean IC lost, with a 95 % interval drawn over blocks of dates."""
        lost = self.lost[name][np.isfinite(self.lost[name])]
        return mean_interval(lost, np.arange(len(lost)) // BLOCK, rng)

    def by_fold(self, name: str) -> Floats:
        """Mean IC lost in each fold that forecasts."""
        lost, known = self.lost[name], np.isfinite(self.lost[name])
        return np.array(
            [lost[known & (self.fold == one)].mean() for one in np.unique(self.fold[known])]
        )

    def agreement(self, names: Sequence[str]) -> float:
        """Mean rank correlation of these names' importance between two folds; NaN with one fold or one name."""
        table = np.array([self.by_fold(name) for name in names]).T
        pairs = [
            float(spearman(a, b)) for i, a in enumerate(table) for b in table[:i] if len(names) > 1
        ]
        known = [one for one in pairs if np.isfinite(one)]
        return float(np.mean(known)) if known else float("nan")

    def same_sign(self, name: str) -> float:
        """Share of folds in which it is of the sign of its mean over all dates."""
        return float(np.mean(np.sign(self.by_fold(name)) == np.sign(np.nanmean(self.lost[name]))))


def importance(
    data: Dataset,
    families: Sequence[str],
    folds: Sequence[Fold],
    rng: np.random.Generator,
    *,
    shrink: float,
    groups: Sequence[Sequence[str]] = (),
    tick: Callable[[str], None] = lambda _: None,
    **how: Any,
) -> Importance:
    """Fit each fold again and shuffle each feature, each source and each group in its test block.

    Parameters
    ----------
    data, families, folds, shrink, how
        As :func:`tercel.signals.fusion_walk.fitted` and :func:`~tercel.signals.fusion_walk.fusions` take them.
    rng : numpy Generator
        Shuffles; the seed of the fits is one of `how`.
    groups : sequence of groups of features
        Each shuffled as a whole.
    tick : callable
        Told what is done, once a fit and once a thing shuffled in a fold.

    Raises
    ------
    DataError
        As :func:`~tercel.signals.fusion_walk.fusions`.
    """
    names, known = base_names(data, families), data.sources
    things = {data.names[c]: [c] for source in data.ranking for c in known[source]}
    things |= {source: list(known[source]) for source in data.ranking}
    things |= {called(group): [data.names.index(name) for name in group] for group in groups}
    models = list(fitted(data, families, folds, tick=tick, **how))
    forecasts, value = np.full((data.n, len(names)), np.nan), np.full(data.n, np.nan)
    for (_, test), fit in zip(folds, models, strict=True):
        forecasts[test] = forecast_by(data, fit, test)
    ic, fold, lost = [], [], dict[str, list[Floats]]((name, []) for name in things)
    combined = fusions(data, forecasts, names, folds, shrink=shrink)
    for number, ((_, test), fit, fusion) in enumerate(zip(folds, models, combined, strict=True)):
        part = data.rows(test)
        value[test] = _fused(fusion, forecasts[test])
        if number == 0 and len(folds) > 1:
            continue
        ic.append(rank_ic_by_date(value[test], part.outcome, part.time_ns))
        fold.append(np.full(len(ic[-1]), number))
        mixed = np.lexsort(
            (rng.random(part.n), part.time_ns)
        )  # rows are in order of time: each keeps its date
        for name, columns in things.items():
            tick(name)
            shuffled = _shuffled(part, fit, forecasts[test], columns, mixed)
            moved = rank_ic_by_date(_fused(fusion, shuffled), part.outcome, part.time_ns)
            # a forecast that no longer varies has no skill
            lost[name].append(ic[-1] - np.where(np.isfinite(ic[-1]), np.nan_to_num(moved), np.nan))
    return Importance(
        value,
        np.concatenate(ic),
        np.concatenate(fold),
        {name: np.concatenate(parts) for name, parts in lost.items()},
    )


def _fused(fusion: Fusion | None, forecasts: Floats) -> Floats:
    return mean_of_said(forecasts) if fusion is None else fusion.combine(forecasts)[0]


def _shuffled(
    part: Dataset,
    models: Sequence[BaseModel | None],
    forecasts: Floats,
    columns: list[int],
    mixed: Indices,
) -> Floats:
    """Forecasts of models where some columns hold another name's values: only models that read them are asked again."""
    x, out = part.x.copy(), forecasts.copy()
    x[:, columns] = part.x[mixed][:, columns]
    for k, model in enumerate(models):
        if model is None:
            continue
        mine = np.array(part.sources[model.source])
        if np.isin(mine[model.used], columns).any():
            out[:, k] = model.predict(x[:, mine])
    return out
