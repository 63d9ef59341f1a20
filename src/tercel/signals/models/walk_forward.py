"""Models fitted, forecast and fused block by block along the walk-forward folds of a panel.

    folds = folds_of(data, config.train)                   (train, test) rows in time
    forecasts = out_of_fold(data, families, folds, ...)    NaN where a source was missing or a row is in no test block
    value, sd, even = fuse_blocks(data, forecasts, names, folds) each block weighed by what earlier blocks taught

Each source is fitted by itself, so that a source that is missing later removes its own forecasts and no other's.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tercel.core.arrays import Bools, Floats, Indices, Ints
from tercel.core.errors import DataError, refuse_if
from tercel.core.estimate import Estimate
from tercel.core.progress import progress
from tercel.core.report.formatting import format_interval
from tercel.core.stats import weighted_interval
from tercel.signals.models.estimator import fill_gaps
from tercel.signals.models.family_cards import family
from tercel.signals.models.folds import Fold, Settings, folds_of
from tercel.signals.models.fusion import LEAST_ROWS, BaseModel, Fusion, stack
from tercel.signals.models.skill import BLOCK, demean_by_date, rank_ic_by_date, stride
from tercel.signals.panel.dataset import Dataset
from tercel.signals.runs.config import TrainSection, Weighing


def walk_families(
    data: Dataset, names: tuple[str, ...], train: TrainSection, seed: int, label: str
) -> tuple[Floats, float]:
    """Out-of-fold forecasts of some families, float64 (n, K), and the processor seconds that they took."""
    folds = folds_of(data, train)
    start = time.process_time()
    with progress(counted=True, transient=True, now=True) as bar:
        task = bar.add_task(label, total=len(folds) * len(base_names(data, names)), now="")

        def tick(now: str) -> None:
            """Advance the progress bar by one step, with the name of what runs now."""
            bar.update(task, advance=1, now=now)

        forecasts = out_of_fold(
            data,
            names,
            folds,
            seed=seed,
            most_rows=train.most_rows,
            settings=train.settings,
            tick=tick,
        )
    return forecasts, time.process_time() - start


def base_names(data: Dataset, families: Sequence[str]) -> tuple[str, ...]:
    """Names of the base models, source by source; a source that says the same of all instruments has none."""
    return tuple(f"{source}:{family_name}" for source in data.ranking for family_name in families)


def thin_rows(rows: Indices, dates: Ints, most: int) -> Indices:
    """About `most` of the rows at most: whole cross-sections, evenly left out, the newest always kept."""
    if len(rows) <= most:
        return rows
    step = -(-len(rows) // most)
    return rows[np.isin(dates[rows], np.unique(dates[rows])[::-1][::step])]


def fit_base(
    data: Dataset,
    source: str,
    name: str,
    rows: Indices,
    seed: int,
    settings: Settings | None = None,
) -> BaseModel:
    """Fit one family to one source's columns on some rows.

    Raises
    ------
    DataError
        When the source says nothing in these rows or none of its columns varies.
    """
    columns = np.array(data.sources[source])
    x = data.x[rows][:, columns]
    present = ~np.isnan(x).all(axis=1)
    x, y = x[present], data.y[rows][present]
    refuse_if(
        len(x) < LEAST_ROWS,
        f"at least {LEAST_ROWS} rows in which {source} says something",
        f"{len(x)} in {len(rows)} rows",
        "take a longer history",
        DataError,
    )
    spread = np.nanmax(x, axis=0, initial=-np.inf) - np.nanmin(x, axis=0, initial=np.inf)
    used = np.flatnonzero(spread > 0)
    refuse_if(
        not len(used),
        "features that vary",
        f"constant {source} in {len(x)} rows",
        "leave the source out",
        DataError,
    )
    model = family(name).make(seed, **dict((settings or {}).get(name, {})))
    ready, medians = fill_gaps(x[:, used])
    model.fit(x[:, used] if type(model).native_nan else ready, y)
    return BaseModel(source, name, tuple(data.names[c] for c in columns), used, medians, model)


def fit_folds(
    data: Dataset,
    families: Sequence[str],
    folds: Sequence[Fold],
    *,
    seed: int = 0,
    most_rows: int = 10**9,
    settings: Settings | None = None,
    tick: Callable[[str], None] = lambda _: None,
) -> Iterator[list[BaseModel | None]]:
    """Base models of each fold in turn, as :func:`base_names`; None where a source has too little to learn from."""
    dates = data.dates
    for train, _ in folds:
        rows = thin_rows(train, dates, most_rows)
        models = list[BaseModel | None]()
        for name in base_names(data, families):
            source, family_name = name.rsplit(":", 1)
            tick(name)
            try:
                models.append(fit_base(data, source, family_name, rows, seed, settings))
            except DataError:
                models.append(None)
        yield models


def forecast_by(data: Dataset, models: Sequence[BaseModel | None], rows: Indices) -> Floats:
    """Forecasts of a fold's models on some rows, float64 (rows, K); NaN for a column without a model."""
    forecasts = np.full((len(rows), len(models)), np.nan)
    for k, model in enumerate(models):
        if model is not None:
            forecasts[:, k] = model.predict(data.x[rows][:, np.array(data.sources[model.source])])
    return forecasts


def out_of_fold(
    data: Dataset, families: Sequence[str], folds: Sequence[Fold], **options: Any
) -> Floats:
    """Walk-forward forecasts of every base model, float64 (n, K), columns as :func:`base_names`; `options` as
    :func:`fit_folds`.

    A source that has too little to learn from before a block is missing in that block.
    """
    forecasts = np.full((data.n, len(base_names(data, families))), np.nan)
    for (_, test), models in zip(folds, fit_folds(data, families, folds, **options), strict=True):
        forecasts[test] = forecast_by(data, models, test)
    refuse_if(
        np.isnan(forecasts).all(),
        "a source that can be learned from",
        "none in any block" if forecasts.size else "sources alone that say the same of every name",
        "check the panel; own numbers by name need a column symbol, or columns that are called as its names",
        DataError,
    )
    return forecasts


def mean_of_sources(forecasts: Floats) -> Floats:
    """Mean over the sources that have a forecast, NaN where none has."""
    present = ~np.isnan(forecasts)
    total = np.where(present, forecasts, 0.0).sum(axis=1)
    return np.where(present.any(axis=1), total / np.maximum(present.sum(axis=1), 1), np.nan)


def fuse_blocks(
    data: Dataset,
    forecasts: Floats,
    names: Sequence[str],
    folds: Sequence[Fold],
    *,
    shrink: float = 0.5,
    weights: Weighing = "fused",
) -> tuple[Floats, Floats, Floats]:
    """Fused forecast, its standard deviation, and the mean by equal weights, float64 (n,) each; NaN for rows of no test block.

    A block is weighed by out-of-fold rows of earlier blocks whose labels were known when it began; a first block,
    without earlier forecasts, by equal weights without a scale and the spread of the training's labels.
    """
    value, sd, even = (np.full(data.n, np.nan) for _ in range(3))
    for (train, test), fusion in zip(
        folds,
        fusions(data, forecasts, names, folds, shrink=shrink, weights=weights),
        strict=True,
    ):
        even[test] = mean_of_sources(forecasts[test])
        value[test], sd[test] = (
            (even[test], data.y[train].std()) if fusion is None else fusion.combine(forecasts[test])
        )
    return value, sd, even


def fusions(
    data: Dataset,
    forecasts: Floats,
    names: Sequence[str],
    folds: Sequence[Fold],
    *,
    shrink: float = 0.5,
    weights: Weighing = "fused",
) -> Iterator[Fusion | None]:
    """The fusion of each block, fitted to earlier blocks; None for a block with too little data before it."""
    tested = np.zeros(data.n, dtype=bool)
    for _, test in folds:
        learnable = (
            tested & (data.end_ns <= data.time_ns[test].min()) & ~np.isnan(forecasts).all(axis=1)
        )
        if learnable.sum() < LEAST_ROWS:
            yield None
        else:
            yield fuse(data, forecasts, names, learnable, shrink, weights)
        tested[test] = True


def evidence(data: Dataset, forecasts: Floats, rows: Bools) -> list[Estimate]:
    """Slope of labels on each column's forecasts out of fold, less the means of their dates: 1 is right, 0 is noise.

    The 95 % interval is Student's over blocks of dates, which no label outlasts; without bounds where they are fewer
    than three.

    Parameters
    ----------
    forecasts : float64 (n, K)
        NaN where a row has no forecast.
    rows : bool (n,)
        Those that count.
    """
    first = np.unique(data.time_ns[rows], return_index=True)[1]
    blocks = data.dates // max(BLOCK, stride(data.start_ns[rows][first], data.end_ns[rows][first]))
    slopes = []
    for column in forecasts.T:
        seen = rows & np.isfinite(column)
        x, y = (
            demean_by_date(data, column, data.y, seen)
            if seen.any()
            else (column[seen], column[seen])
        )
        power, common = (np.bincount(blocks[seen], x * values) for values in (x, y))
        has_power = power > 0
        slope, half = weighted_interval(
            (common[has_power] / power[has_power]).tolist(), power[has_power].tolist()
        )
        bounds = [None, None] if slope is None or half is None else [slope - half, slope + half]
        slopes.append(Estimate(np.nan if slope is None else slope, *bounds))
    return slopes


def spelt_evidence(slope: Estimate, weights: Weighing = "fused") -> str:
    """Text of a source's slope with its interval, and whether it is significant; "weight 0" where that decides.

    >>> spelt_evidence(Estimate(0.8, 0.5, 1.1)), spelt_evidence(Estimate(0.1, -0.2, 0.4))
    ('0.80 [0.50, 1.10]', '0.10 [-0.20, 0.40]: not statistically significant, weight 0')
    """
    verdict = ": not statistically significant" + ", weight 0" * (weights == "fused")
    digits = 2 if abs(slope.mean) >= 0.1 else 4
    return format_interval(slope, digits=digits) + ("" if (slope.ci_low or 0.0) > 0.0 else verdict)


def significant_sources(data: Dataset, forecasts: Floats, rows: Bools) -> Bools:
    """Columns whose slope is above 0 by the interval of :func:`evidence`, bool (K,): the others get no weight."""
    return np.array([(slope.ci_low or 0.0) > 0.0 for slope in evidence(data, forecasts, rows)])


def fuse(
    data: Dataset,
    forecasts: Floats,
    names: Sequence[str],
    rows: Bools,
    shrink: float,
    weights: Weighing,
) -> Fusion:
    """The fusion fitted to out-of-fold forecasts of some rows, bool (n,).

    By `fused` weights, sources whose slope is not significantly above 0 get 0. Others are shares of standardised
    forecasts, whatever their slopes: `equal` ones, or `ic`, each source's mean rank IC over these rows, 0 below 0.
    """
    told = forecasts[rows]
    labels = data.y[rows]
    if weights == "fused":
        eligible = significant_sources(data, forecasts, rows)
        return stack(told, labels, names, shrink=shrink, eligible=eligible)
    shares = np.ones(len(names))
    if weights == "ic":
        past = data.rows(rows)
        by_date = [rank_ic_by_date(column, past.outcome, past.dates) for column in told.T]
        means = [np.nansum(ic) / max(int(np.isfinite(ic).sum()), 1) for ic in by_date]
        shares = np.maximum(means, 0.0)
    return stack(told, labels, names, shares=shares)


def fuse_all(
    data: Dataset,
    forecasts: Floats,
    names: Sequence[str],
    shrink: float,
    weights: Weighing = "fused",
) -> Fusion:
    """The fusion fitted to all out-of-fold forecasts, as :func:`fuse`."""
    rows = np.asarray(~np.isnan(forecasts).all(axis=1))
    return fuse(data, forecasts, names, rows, shrink, weights)


def fit_final(
    data: Dataset,
    families: Sequence[str],
    forecasts: Floats,
    *,
    seed: int = 0,
    shrink: float = 0.5,
    weights: Weighing = "fused",
    most_rows: int = 10**9,
    settings: Settings | None = None,
) -> tuple[Fusion, list[BaseModel]]:
    """Model to be saved: base models on all rows, weighed by all out-of-fold forecasts."""
    names = base_names(data, families)
    rows = thin_rows(np.arange(data.n), data.dates, most_rows)
    parts = [name.rsplit(":", 1) for name in names]
    return fuse_all(data, forecasts, names, shrink, weights), [
        fit_base(data, source, family_name, rows, seed, settings) for source, family_name in parts
    ]
