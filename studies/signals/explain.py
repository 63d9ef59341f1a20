"""Explanation of a model's folder: the newest forecast by feature, and what each feature is worth out of sample."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
import polars as pl

from tercel import TercelError
from tercel.core import ConfigError, Estimate, Floats, Indices, progress_bar, say_progress, spearman
from tercel.core.report import (
    PAGE,
    Figure,
    Section,
    finish_figure,
    format_interval,
    format_number,
    name_rows,
    palette,
    plain_table,
    render_page,
    sketch,
    small_panels,
)
from tercel.core.stats import mean_interval
from tercel.signals import (
    SCORE_BLOCK as BLOCK,
    BaseModel,
    Dataset,
    Fusion,
    SignalModel,
    Weighing,
    interval_figure,
    rank_ic_by_date,
)
from tercel.signals.models.folds import Fold
from tercel.signals.models.predict import check_prices_exist, config_of, format_utc, section
from tercel.signals.models.signal_model import AGAIN
from tercel.signals.models.skill import IC_OVER, Skill
from tercel.signals.models.walk_forward import (
    base_names,
    fit_folds,
    forecast_by,
    fusions,
    mean_of_sources,
)
from tercel.signals.panel.build import load as load_panel
from tercel.signals.portfolio.backtest import head_and_tail, ic_of
from tercel.signals.runs import dataset_of_config, folds_of

# -- explain --------------------------------------------------------------------------------------
# What a forecast is made of: parts in bps by name and feature, and what the skill is worth without each of them.
#
#     parts = contributions(model, data)                   a cross-section: parts add up to each forecast, exactly
#     found = importance(data, families, folds, ...)       IC lost where a feature is shuffled among the names of a date
#
# A tree's parts are those of TreeSHAP (Lundberg et al., 2018; LightGBM's ``pred_contrib``), a line's its coefficients
# times its values; what other families say is one part, the model. Shuffling within a date leaves what a feature says of
# the whole date, and breaks what it says of names (permutation importance: Breiman, 2001; out of sample here, with the
# models and the fusion of each fold). Features that rank the names of a date alike are one group (complete linkage of
# rank correlations: scikit-learn's user guide, "Permutation importance with multicollinear features"): a line weighs one
# against the other, so that only their sum says something.

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
    forecasts, names = model.part_forecasts(columns), dict[str, Floats]()
    constant = np.zeros(data.n)
    here, which = np.unique(~np.isnan(forecasts), axis=0, return_inverse=True)
    weights = np.stack([model.fusion.without(mask)[0] for mask in here])[np.asarray(which).ravel()]
    for k, part in enumerate(model.models):
        scale = model.scale.unit_bps * weights[:, k] * model.fusion.slope[k]
        said = ~np.isnan(forecasts[:, k]) & (scale != 0.0)
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
    weights: Weighing = "fused",
    groups: Sequence[Sequence[str]] = (),
    tick: Callable[[str], None] = lambda _: None,
    **how: Any,
) -> Importance:
    """Fit each fold again and shuffle each feature, each source and each group in its test block.

    Parameters
    ----------
    data, families, folds, shrink, weights, how
        As :func:`tercel.signals.models.walk_forward.fit_folds` and :func:`~tercel.signals.models.walk_forward.fusions` take them.
    rng : numpy Generator
        Shuffles; the seed of the fits is one of `how`.
    groups : sequence of groups of features
        Each shuffled as a whole.
    tick : callable
        Called with what is done, once a fit and once a thing shuffled in a fold.

    Raises
    ------
    DataError
        As :func:`~tercel.signals.models.walk_forward.fusions`.
    """
    names, known = base_names(data, families), data.sources
    things = {data.names[c]: [c] for source in data.ranking for c in known[source]}
    things |= {source: list(known[source]) for source in data.ranking}
    things |= {called(group): [data.names.index(name) for name in group] for group in groups}
    models = list(fit_folds(data, families, folds, tick=tick, **how))
    forecasts, value = np.full((data.n, len(names)), np.nan), np.full(data.n, np.nan)
    for (_, test), fit in zip(folds, models, strict=True):
        forecasts[test] = forecast_by(data, fit, test)
    ic, fold, lost = [], [], dict[str, list[Floats]]((name, []) for name in things)
    combined = fusions(data, forecasts, names, folds, shrink=shrink, weights=weights)
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
    return mean_of_sources(forecasts) if fusion is None else fusion.combine(forecasts)[0]


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


# -- explain --------------------------------------------------------------------------------------

NEAR: Final = 1e-9
"""Difference of forecasts of the walk, in units of the label, below which they are the same."""


@dataclass(frozen=True)
class Worth:
    """IC that is lost without a feature, a source or a group of features.

    Parameters
    ----------
    name, source : str
    ic_lost : Estimate
        Mean over dates.
    same_sign : float
        Share of folds of the sign of the mean.
    by_fold : list of float
    features : list of str, optional
        Of a group.
    """

    name: str
    source: str
    ic_lost: Estimate
    same_sign: float
    by_fold: list[float]
    features: list[str] | None = None

    def to_json(self) -> dict[str, Any]:
        """As plain values; `features` of a group alone."""
        found = {**vars(self), "ic_lost": self.ic_lost.to_json()}
        return {key: value for key, value in found.items() if value is not None}


@dataclass(frozen=True)
class FeaturePart:
    """Bps that a feature adds to a forecast, and its value; None of a model that is one part."""

    feature: str
    bps: float
    value: float | None


@dataclass(frozen=True)
class GroupPart:
    """Bps that a group of features adds to a forecast, and each feature's."""

    group: str
    bps: float
    parts: list[tuple[str, float]]


@dataclass(frozen=True)
class NameParts:
    """A name's forecast with its parts and their groups, largest first."""

    name: str
    expected_bps: float
    parts: list[FeaturePart]
    groups: list[GroupPart]

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        groups = [
            {
                "group": one.group,
                "bps": one.bps,
                "parts": [{"feature": feature, "bps": bps} for feature, bps in one.parts],
            }
            for one in self.groups
        ]
        return {**asdict(self), "groups": groups}

    def made_of(self, most: int = 3, inside: bool = False) -> str:
        """The largest groups in words: the sum; `inside`, what adds up to it, in the group's order."""
        said = []
        for one in self.groups[:most]:
            parts = " ".join(format_number(bps, 1, signed=True) for _, bps in one.parts)
            shown = f" = {parts}" if inside and len(one.parts) > 1 else ""
            said.append(f"{one.group} {format_number(one.bps, 1, signed=True)}{shown}")
        return ", ".join(said)


@dataclass(frozen=True, eq=False)
class ForecastExplanation:
    """The newest forecasts by feature, and what features, groups and sources are worth out of sample.

    Parameters
    ----------
    model : SignalModel
    at : str
        Date of the forecasts, ISO 8601.
    dates, folds : int
        Measured.
    ic : Skill
        Rank IC out of sample.
    common_bps : float
        The same for every name.
    names : list of NameParts
        Highest forecast first.
    features, groups, sources : list of Worth
        Largest loss first; sources in the order of the columns.
    agreement : float
        Mean rank correlation of the features' worth between two folds; NaN with one fold.
    warnings : list of str
    seed : int
    """

    model: SignalModel
    at: str
    dates: int
    folds: int
    ic: Skill
    common_bps: float
    names: list[NameParts]
    features: list[Worth]
    groups: list[Worth]
    sources: list[Worth]
    agreement: float
    warnings: list[str]
    seed: int

    def to_json(self) -> dict[str, Any]:
        """All figures by name, with the sentences."""
        rows = {
            key: [one.to_json() for one in getattr(self, key)]
            for key in ("names", "features", "groups", "sources")
        }
        about = {
            "model": self.model.id,
            "name": self.model.name,
            "folder": self.model.folder,
            "note": self.model.note,
        }
        return {**vars(self), **about, **rows, "sentences": self.sentences()}

    def sentences(self) -> list[str]:
        """Summary of at most five sentences."""
        first, last, best = self.names[0], self.names[-1], self.groups[0]
        sure = [one.name for one in self.groups if (one.ic_lost.ci_low or 0.0) > 0]
        some = f"{', '.join(sure[:6])}{' ...' * (len(sure) > 6)}" if sure else "none"
        agree = f" Folds rank features alike at {self.agreement:.2f}." if self.folds > 1 else ""
        high, low = (format_number(one.expected_bps, 1, signed=True) for one in (first, last))
        lost = format_interval(best.ic_lost, digits=4)
        return [
            f"{self.at[:10]}: {first.name} is expected at {high} bps ({first.made_of()}), {last.name} at {low} "
            f"({last.made_of()}).",
            f"Without {best.name} the rank IC of {self.ic.mean:.4f} loses {lost}, the most of all groups.",
            f"The interval lies above zero for {len(sure)} of {len(self.groups)} groups: {some}.{agree}",
            f"Features whose ranks correlate at {ALIKE:g} or more are one group (&): a line weighs one against the other, "
            "so read their sum.",
        ]


def explained(model: SignalModel, seed: int) -> ForecastExplanation:
    """Parts of the newest forecast by name, importance by feature and source, and how folds agree.

    Raises
    ------
    ConfigError, DataError
        For a folder without a configuration, and files that are gone or say something else than they did; at once for
        a model whose forecasts are all 0.
    """
    if model.silent:
        raise ConfigError(
            "a model with a forecast to explain",
            model.silent,
            "bring other data; `tercel signals evaluate` shows what each source is worth alone",
        )
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
    with progress_bar(counted=True, transient=True, now=True) as bar:
        task = bar.add_task("explain", total=total, now="")
        found = importance(
            data,
            families,
            folds,
            rng,
            shrink=config.train.shrink,
            weights=config.train.weights,
            seed=model.facts.seed,
            most_rows=config.train.most_rows,
            settings=config.train.settings,
            groups=groups,
            tick=lambda now: bar.update(task, advance=1, now=now),
        )
    served, rows, said = newest(model, data)
    walk = model.walk()["value"].fill_null(float("nan")).to_numpy()
    if config.train.update != "refit":
        said.append("Worth is that of lines refitted by block; those that forecast learned online.")
    elif len(walk) != data.n or not np.allclose(
        np.sort(walk), np.sort(found.value), atol=NEAR, equal_nan=True
    ):
        said.append(
            "Fits done again differ from those of the training: its files or libraries have changed."
        )
    worth = {
        name: Worth(
            name,
            name.split(".", 1)[0],
            found.interval(name, rng),
            found.same_sign(name),
            found.by_fold(name).tolist(),
        )
        for name in found.lost
    }

    def lost(one: Worth) -> float:
        return -one.ic_lost.mean

    features = sorted((worth[name] for group in groups for name in group), key=lost)
    parts = contributions(served, rows)
    return ForecastExplanation(
        model,
        format_utc(rows.time_ns[0]),
        len(found.ic),
        len(np.unique(found.fold)),
        ic,
        parts.common,
        names_of(parts, rows, groups),
        features,
        sorted((replace(worth[called(group)], features=list(group)) for group in groups), key=lost),
        [worth[source] for source in data.ranking],
        found.agreement([one.name for one in features]),
        said,
        seed,
    )


def trained_on(model: SignalModel) -> Dataset:
    """The panel that a model was trained on: beside it, where it is the same, else built from its files."""
    try:
        data, manifest = load_panel(model.folder.parent)
        if manifest.files == model.facts.panel:
            return data
    except TercelError:
        pass
    say_progress("the panel is not beside the model: built again")
    return dataset_of_config(check_prices_exist(config_of(model)), model.facts.seed)


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


def names_of(parts: Parts, rows: Dataset, groups: Sequence[Sequence[str]]) -> list[NameParts]:
    """Each name's forecast with its parts and their groups, the highest forecast first."""
    values = {name: rows.x[:, at] for at, name in enumerate(rows.names)}
    at = {name: column for column, name in enumerate(parts.features)}
    inside = [[name for name in group if name in at] for group in groups]
    grouped = {name for group in inside for name in group}
    inside += [[name] for name in parts.features if name not in grouped]
    names = []
    for row, name in enumerate(rows.instrument.tolist()):
        bps = parts.bps[row]
        made = [
            FeaturePart(one, part, float(values[one][row]) if one in values else None)
            for one, part in zip(parts.features, bps.tolist(), strict=True)
        ]
        sums = [
            GroupPart(
                called(group),
                float(bps[[at[one] for one in group]].sum()),
                [(one, float(bps[at[one]])) for one in group],
            )
            for group in inside
            if group
        ]
        expected = parts.common + float(bps.sum())
        made.sort(key=lambda one: -abs(one.bps))
        sums.sort(key=lambda one: -abs(one.bps))
        names.append(NameParts(name, expected, made, sums))
    return sorted(names, key=lambda one: -one.expected_bps)


# -- explain page ---------------------------------------------------------------------------------
# Page of an explanation: why the newest forecasts are what they are, then what each feature is worth out of sample.

DRAWN: Final = 15
"""Groups of a picture."""


def worth_table(
    rows: Sequence[Worth], folds: int = 0
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Headings and rows of what features and sources are worth, in all and in each of `folds`."""
    heads = (
        "feature or source",
        "IC lost, 95 %",
        "same sign",
        *(f"fold {k + 1}" for k in range(folds)),
    )
    return heads, [
        (
            one.name,
            format_interval(one.ic_lost, digits=4),
            f"{100 * one.same_sign:.0f} %",
            *(format_number(lost, 3) for lost in one.by_fold[:folds]),
        )
        for one in rows
    ]


def by_group(found: ForecastExplanation, most: int | None = None) -> list[Worth]:
    """Rows of `worth_table`: sources, then groups with the features inside after each."""
    feature, rows = {one.name: one for one in found.features}, [*found.sources]
    for group in found.groups[:most]:
        inside = [replace(feature[name], name=f"- {name}") for name in group.features or ()]
        rows += [group, *inside[: len(inside) * (len(inside) > 1)]]
    return rows


def parts_table(
    names: Sequence[NameParts], most: int = 4
) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Headings and rows of forecasts with their largest groups of parts."""
    rows = [
        (one.name, format_number(one.expected_bps, 1, signed=True), one.made_of(most, inside=True))
        for one in names
    ]
    return ("name", "bps", "largest parts, bps; of a group (&) the sum = its features"), rows


def explain_page(found: ForecastExplanation) -> str:
    """HTML page of an explanation."""
    lead, *rest = found.sentences()
    names, shown, note = found.names, head_and_tail(found.names), found.model.note
    common = f"{len(shown)} of {len(names)} names; {format_number(found.common_bps, 1, signed=True)} bps is common to all."
    best = {one.name: one.ic_lost for one in found.groups[:DRAWN]}
    sections = [
        Section(
            f"Forecast of {found.at[:10]}, by feature",
            [common, *found.warnings],
            plain_table(*parts_table(shown), prose=True),
            [parts_figure(found)],
        ),
        Section(
            "What features are worth",
            [*rest, *[f"Bias: {note}."] * bool(note)],
            figures=[interval_figure("worth", "rank IC lost", best)],
        ),
        Section(
            "Fold by fold",
            "Mean IC lost in each test block, with models fitted on what came before it. "
            + IC_OVER,
            plain_table(*worth_table(by_group(found), found.folds)),
        ),
        Section(
            f"All names: {len(names)}",
            html=plain_table(*parts_table(names), prose=True),
            folded=True,
        ),
    ]
    facts = {
        "rank IC": f"{found.ic.mean:.4f}, t {format_number(found.ic.t, 1)}",
        "dates": found.dates,
        "folds": found.folds,
    }
    extremes = (
        f"{one.name} {format_number(one.expected_bps, 1, signed=True)}"
        for one in (names[0], names[-1])
    )
    return render_page(
        f"{found.model.name}: why {' and '.join(extremes)} bps",
        lead,
        sections,
        facts,
        "printed by: tercel signals explain",
    )


def parts_figure(found: ForecastExplanation, most: int = 6) -> Figure:
    """The largest groups of the highest and the lowest forecasts, as bars, with a mark for each feature inside."""
    chosen = head_and_tail(found.names, 2)
    titles = [f"{one.name} {format_number(one.expected_bps, 1, signed=True)} bps" for one in chosen]
    with sketch(1.4 + 0.6 * most, PAGE) as drawing:
        panels = small_panels(drawing, len(chosen), 2)
        for panel, one, title in zip(panels, chosen, titles, strict=True):
            groups = one.groups[:most]
            colours = [palette.GOOD.token if each.bps > 0 else palette.BAD.token for each in groups]
            panel.barh(range(len(groups)), [each.bps for each in groups], height=0.6, color=colours)
            inside = [
                (bps, row)
                for row, group in enumerate(groups)
                for _, bps in group.parts
                if len(group.parts) > 1
            ]
            panel.plot(
                *zip(*inside, strict=True) if inside else ((), ()),
                "|",
                color=palette.INK.token,
                markersize=9,
            )
            panel.axvline(0, color=palette.INK.token, linewidth=0.9)
            name_rows(panel, [short(group.group) for group in groups])
            panel.set_title(title)
    return finish_figure(
        drawing,
        "parts",
        "; ".join(f"{title}: {one.made_of()}" for title, one in zip(titles, chosen, strict=True)),
        "Bar: a group's bps, less the mean over names; with what is common to all they add up. Stroke: a feature.",
    )


def short(group: str) -> str:
    """A group's name on an axis: two features, and how many more.

    >>> short("daily.vol_20 & vol_60 & idio_60")
    'vol_20 & vol_60 & 1 more'
    """
    names = [name.split(".", 1)[-1] for name in group.split(" & ")]
    return " & ".join([*names[:2], *[f"{len(names) - 2} more"] * (len(names) > 2)])
