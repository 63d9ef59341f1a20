"""Walk-forward test blocks of a panel, purged and embargoed; models fitted, forecast and fused block by block.

    folds = folds_of(data, config.train)                   (train, test) rows in time
    forecasts = out_of_fold(data, families, folds, ...)    NaN where a source was missing or a row is in no test block
    value, sd, even = fused(data, forecasts, names, folds) each block weighed by what earlier blocks taught

Each source is fitted by itself, so that a source that is missing later removes its own forecasts and no other's.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from tercel.core.arrays import Bools, Floats, Indices, Ints
from tercel.core.errors import DataError, refuse_if
from tercel.core.estimate import Estimate
from tercel.core.progress import progress
from tercel.core.report.tables import spelt
from tercel.core.stats import weighted_interval
from tercel.signals.models.fusion import LEAST_ROWS, BaseModel, Fusion, stack
from tercel.signals.models.model_folder import family
from tercel.signals.models.regressors import filled
from tercel.signals.models.skill import BLOCK, stride, within_dates
from tercel.signals.panel.panel import Dataset
from tercel.signals.runs.config import TrainSection

# -- validation -----------------------------------------------------------------------------------
# Splits in time that cannot look ahead: walk-forward with purge and embargo.
#
#     for train, test in walk_forward(data.time_ns, data.end_ns, splits=5, embargo_ns=10 * DAY): ...
#
# *Purge*: a row whose label interval reaches into the test block does not train. *Embargo*: nor does one whose label ends
# less than `embargo_ns` before the block (Lopez de Prado 2018, "Advances in Financial Machine Learning", chapter 7). All
# times are ns; rows may be in any order.

Fold = tuple[Indices, Indices]
"""Rows to train on, rows to test."""
Settings = Mapping[str, Mapping[str, Any]]
"""Parameters by family."""
DAY = 86_400 * 1_000_000_000


def walk_forward(
    time_ns: Ints,
    end_ns: Ints,
    *,
    splits: int = 5,
    embargo_ns: int = 0,
    cuts: Sequence[int] | None = None,
    first: float = 0.5,
) -> Iterator[tuple[Indices, Indices]]:
    """(train, test) row numbers: always the past to train on, the block that follows to test.

    Parameters
    ----------
    time_ns, end_ns : int64 (n,)
        When a row is decided; when its label is known.
    splits : int
        Test blocks of about equally many different times, over the last `1 - first` of them.
    embargo_ns : int
        Between the last training label and the first test time.
    cuts : sequence of int, optional
        Bounds of the test blocks instead (m + 1 times for m blocks): [cuts[i], cuts[i + 1]).
    first : float
        Share of the times that only ever trains.

    Raises
    ------
    DataError
        When the panel is too short for one training row before a block.
    """
    time_ns, end_ns = np.asarray(time_ns, np.int64), np.asarray(end_ns, np.int64)
    _refuse_short(time_ns, embargo_ns)
    bounds = _cuts(time_ns, splits, first) if cuts is None else [int(cut) for cut in cuts]
    for low, high in pairwise(bounds):
        test = np.flatnonzero((time_ns >= low) & (time_ns < high))
        train = np.flatnonzero((end_ns + embargo_ns <= low) & (time_ns < low))
        if len(test) == 0:
            continue
        if len(train) == 0:
            raise _short(
                "rows whose labels end an embargo before the first test block", time_ns, embargo_ns
            )
        yield train, test


def _cuts(time_ns: Ints, splits: int, first: float) -> list[int]:
    times = np.unique(time_ns)
    begin = int(len(times) * first)
    refuse_if(
        splits < 1 or not 0.0 < first < 1.0 or begin < 1 or len(times) - begin < splits,
        f"enough different times for {splits} test blocks after the first {first:.0%}",
        f"{len(times)} times",
        "use fewer splits or a longer panel",
        DataError,
    )
    at = np.linspace(begin, len(times), splits + 1).round().astype(int)
    return [*times[at[:-1]].tolist(), int(times[-1]) + 1]


def _refuse_short(time_ns: Ints, embargo_ns: int) -> None:
    refuse_if(
        embargo_ns < 0,
        "an embargo of 0 ns or more",
        f"{embargo_ns}",
        "say how long labels and features overlap",
        DataError,
    )
    if len(time_ns) == 0 or int(time_ns.max()) - int(time_ns.min()) <= embargo_ns:
        raise _short("a panel longer than the embargo", time_ns, embargo_ns)


def _short(expected: str, time_ns: Ints, embargo_ns: int) -> DataError:
    span = (int(time_ns.max()) - int(time_ns.min())) / DAY if len(time_ns) else 0.0
    return DataError(
        expected,
        f"{len(time_ns)} rows over {span:.2f} days and an embargo of {embargo_ns / DAY:.2f} days",
        "use a longer panel or a shorter embargo and horizon",
    )


# -- walk -----------------------------------------------------------------------------------------

EMBARGO_DAYS = 10
LEAST_YEARS = 4
"""Calendar years of a panel from which on it is refitted by years."""


def folds_of(data: Dataset, train: TrainSection) -> list[Fold]:
    """Test blocks as configured, purged and embargoed."""
    embargo = int(train.embargo_days * DAY)
    if train.update != "refit":
        return _by_dates(data, train.online.warm)
    first, last = (_year(int(ns)) for ns in data.time_ns[[0, -1]])
    if train.refit == "blocks" or (train.refit == "auto" and last - first + 1 < LEAST_YEARS):
        return list(
            walk_forward(data.time_ns, data.end_ns, splits=train.splits, embargo_ns=embargo)
        )
    return yearly(data, int(train.test_from[:4] or first + 2), embargo)


def yearly(data: Dataset, first_year: int, embargo_ns: int = 0) -> list[Fold]:
    """(train, test) of each calendar year from `first_year` on, at least `EMBARGO_DAYS` after the last label."""
    last = _year(int(data.time_ns[-1]))
    refuse_if(
        last < first_year,
        f"dates from {first_year} on",
        f"a panel that ends in {last}",
        "test from an earlier year",
        DataError,
    )
    cuts = [
        int(np.datetime64(f"{year}-01-01", "ns").astype(np.int64))
        for year in range(first_year, last + 2)
    ]
    return list(
        walk_forward(
            data.time_ns, data.end_ns, cuts=cuts, embargo_ns=max(embargo_ns, EMBARGO_DAYS * DAY)
        )
    )


def _by_dates(data: Dataset, dates: int) -> list[Fold]:
    """Blocks of so many dates after the first as many, of models that learn by date: later dates move none of them."""
    times = np.unique(data.time_ns)
    refuse_if(
        len(times) <= 2 * dates,
        f"more than {2 * dates} dates, to learn online",
        f"{len(times)}",
        "lower train.online.warm",
        DataError,
    )
    return list(
        walk_forward(
            data.time_ns, data.end_ns, cuts=[*times[dates::dates].tolist(), int(times[-1]) + 1]
        )
    )


def _year(ns: int) -> int:
    return int(np.datetime64(ns, "ns").astype("datetime64[Y]").astype(int)) + 1970


def walked(
    data: Dataset, names: tuple[str, ...], train: TrainSection, seed: int, label: str
) -> tuple[Floats, float]:
    """Out-of-fold forecasts of some families, and the processor seconds that all their fits and forecasts took."""
    folds = folds_of(data, train)
    start = time.process_time()
    with progress(counted=True, transient=True, now=True) as bar:
        task = bar.add_task(label, total=len(folds) * len(base_names(data, names)), now="")

        def tick(now: str) -> None:
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
    return tuple(f"{source}:{one}" for source in data.ranking for one in families)


def thinned(rows: Indices, dates: Ints, most: int) -> Indices:
    """At most about `most` of the rows: whole cross-sections, evenly left out, the newest always included."""
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
    ready, medians = filled(x[:, used])
    model.fit(x[:, used] if type(model).native_nan else ready, y)
    return BaseModel(source, name, tuple(data.names[c] for c in columns), used, medians, model)


def fitted(
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
        rows, models = thinned(train, dates, most_rows), list[BaseModel | None]()
        for name in base_names(data, families):
            source, one = name.rsplit(":", 1)
            tick(name)
            try:
                models.append(fit_base(data, source, one, rows, seed, settings))
            except DataError:
                models.append(None)
        yield models


def forecast_by(data: Dataset, models: Sequence[BaseModel | None], rows: Indices) -> Floats:
    """Forecasts of a fold's models on some rows, float64 (rows, K); NaN for a column without a model."""
    out = np.full((len(rows), len(models)), np.nan)
    for k, model in enumerate(models):
        if model is not None:
            out[:, k] = model.predict(data.x[rows][:, np.array(data.sources[model.source])])
    return out


def out_of_fold(
    data: Dataset, families: Sequence[str], folds: Sequence[Fold], **how: Any
) -> Floats:
    """Walk-forward forecasts of every base model, float64 (n, K), columns as :func:`base_names`; `how` as
    :func:`fitted`.

    A source that has too little to learn from before a block is missing in that block.
    """
    forecasts = np.full((data.n, len(base_names(data, families))), np.nan)
    for (_, test), models in zip(folds, fitted(data, families, folds, **how), strict=True):
        forecasts[test] = forecast_by(data, models, test)
    refuse_if(
        np.isnan(forecasts).all(),
        "a source that can be learned from",
        "none in any block",
        "check the panel",
        DataError,
    )
    return forecasts


def mean_of_said(forecasts: Floats) -> Floats:
    """Mean over the sources that have a forecast, NaN where none has."""
    present = ~np.isnan(forecasts)
    total = np.where(present, forecasts, 0.0).sum(axis=1)
    return np.where(present.any(axis=1), total / np.maximum(present.sum(axis=1), 1), np.nan)


def fused(
    data: Dataset,
    forecasts: Floats,
    names: Sequence[str],
    folds: Sequence[Fold],
    *,
    shrink: float = 0.5,
) -> tuple[Floats, Floats, Floats]:
    """Fused forecast, its standard deviation, and equal weights beside them, float64 (n,) each; NaN in no test block.

    A block is weighed by out-of-fold rows of earlier blocks whose labels were known when it began; a first block,
    without earlier forecasts, by equal weights without a scale and the spread of the training's labels.
    """
    value, sd, even = (np.full(data.n, np.nan) for _ in range(3))
    for (train, test), fusion in zip(
        folds, fusions(data, forecasts, names, folds, shrink=shrink), strict=True
    ):
        even[test] = mean_of_said(forecasts[test])
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
) -> Iterator[Fusion | None]:
    """The fusion of each block, fitted to earlier blocks; None for a block with too little data before it."""
    seen = np.zeros(data.n, dtype=bool)
    for _, test in folds:
        known = seen & (data.end_ns <= data.time_ns[test].min()) & ~np.isnan(forecasts).all(axis=1)
        if known.sum() < LEAST_ROWS:
            yield None
        else:
            yield stack(
                forecasts[known],
                data.y[known],
                names,
                shrink=shrink,
                heard=heard(data, forecasts, known),
            )
        seen[test] = True


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
    found = []
    for column in forecasts.T:
        seen = rows & np.isfinite(column)
        x, y = (
            within_dates(data, column, data.y, seen) if seen.any() else (column[seen], column[seen])
        )
        power, common = (np.bincount(blocks[seen], x * one) for one in (x, y))
        says = power > 0
        slope, half = weighted_interval((common[says] / power[says]).tolist(), power[says].tolist())
        around = [None, None] if slope is None or half is None else [slope - half, slope + half]
        found.append(Estimate(np.nan if slope is None else slope, *around))
    return found


def spelt_evidence(slope: Estimate) -> str:
    """The slope of a source in words.

    >>> spelt_evidence(Estimate(0.8, 0.5, 1.1)), spelt_evidence(Estimate(0.1, -0.2, 0.4))
    ('0.80 [0.50, 1.10]', '0.10 [-0.20, 0.40]: not statistically significant, weight 0')
    """
    return spelt(slope) + (
        "" if (slope.ci_low or 0.0) > 0.0 else ": not statistically significant, weight 0"
    )


def heard(data: Dataset, forecasts: Floats, rows: Bools) -> Bools:
    """Columns whose slope is above 0 by the interval of :func:`evidence`, bool (K,): the others get no weight."""
    return np.array([(one.ci_low or 0.0) > 0.0 for one in evidence(data, forecasts, rows)])


def whole(data: Dataset, forecasts: Floats, names: Sequence[str], shrink: float) -> Fusion:
    """The fusion by all forecasts out of fold."""
    rows = np.asarray(~np.isnan(forecasts).all(axis=1))
    return stack(
        forecasts[rows], data.y[rows], names, shrink=shrink, heard=heard(data, forecasts, rows)
    )


def final(
    data: Dataset,
    families: Sequence[str],
    forecasts: Floats,
    *,
    seed: int = 0,
    shrink: float = 0.5,
    most_rows: int = 10**9,
    settings: Settings | None = None,
) -> tuple[Fusion, list[BaseModel]]:
    """Model to be saved: base models on all rows, weighed by all out-of-fold forecasts."""
    names = base_names(data, families)
    rows, parts = (
        thinned(np.arange(data.n), data.dates, most_rows),
        [name.rsplit(":", 1) for name in names],
    )
    return whole(data, forecasts, names, shrink), [
        fit_base(data, source, one, rows, seed, settings) for source, one in parts
    ]
