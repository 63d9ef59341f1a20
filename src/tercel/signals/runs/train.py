"""Training and evaluation of a configuration: walk forward, fuse, save, measure."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tercel.core.arrays import Floats, Indices
from tercel.core.errors import ConfigError, refuse_if
from tercel.core.estimate import Estimate
from tercel.core.files import atomic_path
from tercel.core.progress import say
from tercel.core.report import svg
from tercel.core.report.cells import NOTHING
from tercel.core.report.figures import whisker
from tercel.core.report.svg import PAGE, Figure, Section, finished, name_rows, render, sketch
from tercel.core.report.tables import fixed, plain_table, spelt, spelt_cell
from tercel.core.serialization import Record, json_text, to_jsonable
from tercel.core.stats import mean_interval
from tercel.signals.models.fusion import Fusion
from tercel.signals.models.model_folder import (
    BASE,
    CARD,
    MODEL,
    ParameterMove,
    SignalModel,
    absent,
    family,
    load,
    save,
    seen_from,
)
from tercel.signals.models.online import FAMILY, learn_all
from tercel.signals.models.predict import WidthCoverage, interval_of
from tercel.signals.models.skill import (
    BLOCK,
    FEWEST,
    NO_SKILL,
    AlphaScale,
    Skill,
    rank_ic_by_date,
    scale_of,
    skill,
    skill_sentence,
    slope_of,
    stride,
    within_dates,
)
from tercel.signals.models.walk_forward import (
    Fold,
    base_names,
    evidence,
    final,
    folds_of,
    fused,
    fusions,
    spelt_evidence,
    walked,
    whole,
)
from tercel.signals.panel import build as panels
from tercel.signals.panel.leak import LeakLine, leak_table, lines_of, reports_of
from tercel.signals.panel.panel import Dataset
from tercel.signals.runs.config import SignalsConfig, portable
from tercel.signals.sources.port import time_type

Table = tuple[str, tuple[str, ...], list[tuple[Any, ...]]]
"""Title, headings and rows, for a terminal and a page."""


def tested_of(folds: Sequence[Fold]) -> Indices:
    """Rows of every test block but the first, before which nothing was fused; of the first where it is alone."""
    return np.sort(np.concatenate([test for _, test in folds[1:] or folds]))


@dataclass(frozen=True)
class Added:
    """Contribution of a source to the rank IC, and its number of dates."""

    adds: Estimate
    dates: int


@dataclass(frozen=True)
class EvaluatedSignals(Record):
    """Figures of forecasts that were walked forward, as `result.json`.

    Parameters
    ----------
    rows, dates : int
        Measured: what :func:`tested_of` takes.
    ic : dict of str to Skill
        Of the fusion, of equal weights and of each source:family; None where dates are too few.
    calibration : dict
        Slope of outcomes on forecasts, and how often they came within the stated deviation.
    ablation : dict of str to Added
    unranked : list of str
        Sources that are the same of every name.
    interval : dict of str to WidthCoverage, optional
        Of the model's 90 % interval by year; not written without an interval.
    """

    out: Path
    rows: int
    dates: int
    ic: dict[str, Skill | None]
    calibration: dict[str, Any]
    ablation: dict[str, Added]
    unranked: list[str]
    leak: list[LeakLine]
    note: str
    warnings: tuple[str, ...]
    interval: dict[str, WidthCoverage] | None

    @property
    def fused(self) -> Skill | None:
        """Skill of the fusion."""
        return self.ic["fusion"]

    def json_fields(self) -> dict[str, object]:
        """All by name; a skill that is none is an empty object."""
        ic = {name: None if one is None else one.to_json() for name, one in self.ic.items()}
        known = vars(self) | {"ic": ic}
        return {key: one for key, one in known.items() if key != "interval" or one is not None}


def out_of_sample(
    data: Dataset,
    forecasts: Floats,
    columns: tuple[str, ...],
    folds: Sequence[Fold],
    *,
    shrink: float,
    seed: int,
) -> EvaluatedSignals:
    """Figures of forecasts that were walked forward, without folder, leak check and interval.

    Parameters
    ----------
    data : Dataset
    forecasts : float64 (n, columns)
        Forecasts out of fold; NaN if missing.
    columns : tuple of str
        Names of the columns: source:family.
    folds : sequence of Fold
        Past and test rows; measured is what :func:`tested_of` takes.
    shrink : float
        Of fusion weights to equal ones.
    seed : int
    """
    tested, rng = tested_of(folds), np.random.default_rng([seed, 9])
    part = data.rows(tested)
    value, sd, even = (a[tested] for a in fused(data, forecasts, columns, folds, shrink=shrink))
    scores = {"fusion": value, "equal weights": even}
    scores |= {name: forecasts[tested, k] for k, name in enumerate(columns)}

    def less(keep: Indices) -> Floats:
        return fused(data, forecasts[:, keep], [columns[k] for k in keep], folds, shrink=shrink)[0][
            tested
        ]

    ic = {name: ic_of(score, part, rng) for name, score in scores.items()}
    calibration = _calibration(value, sd, part, rng)
    # a forecast that is the same of all names has no slope, though its level may move from block to block
    if ic["fusion"] is NO_SKILL:
        calibration["slope"] = float("nan")
    return EvaluatedSignals(
        out=Path(),
        rows=len(tested),
        dates=len(np.unique(part.time_ns)),
        ic=ic,
        calibration=calibration,
        ablation=_ablation(part, forecasts[tested], columns, value, less, rng),
        unranked=[name for name in data.sources if name not in data.ranking],
        leak=[],
        note=data.note,
        warnings=data.warnings,
        interval=None,
    )


@dataclass(frozen=True)
class TrainedSignals:
    """A training: its rows, those forecast out of fold, seconds of processor, and the fusion with its evidence."""

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


def _difference(first: Floats, second: Floats, rng: np.random.Generator) -> Added | None:
    """Mean of first less second with its interval over blocks of dates, None with too few dates."""
    both = np.isfinite(first) & np.isfinite(second)
    if both.sum() <= BLOCK:
        return None
    blocks = np.flatnonzero(both) // BLOCK
    return Added(mean_interval(first[both] - second[both], blocks, rng), int(both.sum()))


def ic_of(score: Floats, part: Dataset, rng: np.random.Generator) -> Skill | None:
    """Rank IC of a score (n,) over the dates on which it differs between names, with t and interval over blocks of them,
    which no label outlasts; None where they are too few, `NO_SKILL` where there are none.
    """
    first = np.unique(part.time_ns, return_index=True)[1]
    block = max(BLOCK, stride(part.start_ns[first], part.end_ns[first]))
    by_date = rank_ic_by_date(score, part.outcome, part.dates)
    many = np.bincount(part.dates, np.isfinite(score) & np.isfinite(part.outcome)) >= FEWEST
    spoken = int(np.isfinite(by_date).sum())
    if many.sum() > block and spoken == 0:
        return NO_SKILL
    if spoken <= block:
        return None
    return replace(skill(by_date, rng, block=block), silent=int(many.sum()) - spoken)


def _calibration(
    value: Floats, sd: Floats, part: Dataset, rng: np.random.Generator
) -> dict[str, Any]:
    """Slope of outcomes on forecasts (1 is right), and how often it came within the stated deviation.

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
    part: Dataset,
    forecasts: Floats,
    columns: tuple[str, ...],
    value: Floats,
    less: Callable[[Indices], Floats],
    rng: np.random.Generator,
) -> dict[str, Added]:
    """Contribution of each source: IC of the fusion less that of a fusion without it, over the dates of its
    forecasts."""
    whole, found = rank_ic_by_date(value, part.outcome, part.dates), dict[str, Added]()
    of = np.array([name.rsplit(":", 1)[0] for name in columns])
    for source in dict.fromkeys(of.tolist()):
        mine = of == source
        if mine.all():
            continue
        gone = rank_ic_by_date(less(np.flatnonzero(~mine)), part.outcome, part.dates)
        present = np.bincount(part.dates, ~np.isnan(forecasts[:, mine]).all(axis=1)) > 0
        # a fusion that says nothing, or the same of all, has no skill
        compared = present & (np.isfinite(whole) | np.isfinite(gone))
        with_it, without = (np.where(compared, np.nan_to_num(ic), np.nan) for ic in (whole, gone))
        one = _difference(with_it, without, rng)
        if one is not None:
            found[source] = one
    return found


def tables(found: EvaluatedSignals) -> tuple[Table, ...]:
    """Skill, what each source adds, calibration, leak check of what `evaluate` found, intervals if any."""
    ics = [
        (name, spelt(ic, digits=4), fixed(ic.t if ic else None, 1), ic.dates if ic else NOTHING)
        for name, ic in found.ic.items()
    ]
    adds: list[tuple[Any, ...]] = [
        (name, spelt(one.adds, digits=4), one.dates) for name, one in found.ablation.items()
    ] or [("none: it takes two sources, and a forecast with one or without it", NOTHING, NOTHING)]
    shares = found.calibration
    within = [
        (name, spelt_cell(shares[name], digits=3)) for name in ("within_1_sd", "within_1.645_sd")
    ]
    years = [
        (year, fixed(one.coverage, 3), fixed(one.width_sd, 2))
        for year, one in (found.interval or {}).items()
    ]
    return (
        (
            f"out of sample, {found.dates} dates",
            ("forecast", "rank IC, 95 %", "t", "dates"),
            ics,
        ),
        ("what each source adds to the IC, 95 %", ("source", "adds", "dates"), adds),
        (
            "calibration: slope 1, .577 and .950 are right for ranks",
            ("", "value"),
            [("slope", fixed(shares["slope"], 3)), *within],
        ),
        ("leak check", *leak_table(found.leak)),
        *(
            (("90 % interval of predict, by year", ("year", "inside", "half of it, sd"), years),)
            if years
            else ()
        ),
    )


def evaluate_page(result: EvaluatedSignals) -> str:
    """Page of the figures of `evaluate`, as HTML."""
    skill, added, shares, leak, *years = (
        plain_table(heads, rows, prose=True) for _, heads, rows in tables(result)
    )
    adds = {name: one.adds for name, one in result.ablation.items()}
    less = "The fusion's IC less that of a fusion without the source, over the dates when it forecast. "
    slope = (
        "Slope of outcomes on forecasts: 1 is right. Labels are ranks: .577 of them lie within one standard "
        "deviation, .950 within 1.645."
    )
    less, skilled = less + " ".join(result.warnings), skill_sentence(result.fused)
    sections = [
        Section("Skill", result.note, skill, [interval_figure("ic", "rank IC", result.ic)]),
        Section("What each source adds", less, added, [interval_figure("adds", "IC added", adds)]),
        Section("Calibration", slope, shares + "".join(years)),
        Section("Leak check", html=leak),
    ]
    return render(
        "Signals, out of sample",
        skilled,
        sections,
        {"rows": result.rows},
        "printed by: tercel signals evaluate",
    )


def interval_figure(name: str, label: str, rows: Mapping[str, Estimate | None]) -> Figure:
    """A dot and its interval per row."""
    shown = {key: row for key, row in rows.items() if row}
    with sketch(0.8 + 0.35 * max(1, len(shown)), PAGE) as drawing:
        panel = drawing.subplots()
        panel.axvline(0, color=svg.INK.token, linewidth=1)
        for at, row in enumerate(shown.values()):
            whisker(panel, at, row, svg.SERIES[1].token)
        name_rows(panel, list(shown))
        panel.set_xlabel(f"{label}, 95 % interval")
    forecasts = "; ".join(f"{key} {row.mean:.4f}" for key, row in shown.items())
    return finished(drawing, name, f"{label}: {forecasts}.", "Dots: means over dates.")


FORECASTS = "forecasts.npz"
RESULT = "result.json"


def panel_in(config: SignalsConfig, seed: int, out: Path) -> tuple[Dataset, panels.PanelManifest]:
    """Load the panel in a folder; build it if missing or if its input files changed; raise ConfigError for another
    configuration's.
    """
    if not (out / panels.MANIFEST).exists():
        say(f"building the panel in {out}")
        panels.build(config, seed, out)
    data, manifest = panels.load(out)
    refuse_if(
        manifest.config != panels.rows_of(config) or manifest.seed != seed,
        "the panel of this configuration and seed",
        f"{out} holds another",
        "name another `out=`",
    )
    if manifest.data not in (None, panels.data_of(config)):
        say(f"files have changed: building the panel in {out} again")
        (out / FORECASTS).unlink(missing_ok=True)
        panels.build(config, seed, out)
        data, manifest = panels.load(out)
    return data, manifest


def installed(config: SignalsConfig) -> tuple[str, ...]:
    """The configured families that are installed; the others are noted."""
    available = []
    wanted = config.train.families if config.train.update == "refit" else (FAMILY,)
    if len(wanted) < len(config.train.families):
        say(
            f"update = {config.train.update!r} learns online by {FAMILY} alone: other families are left out"
        )
    for name in wanted:
        if (module := absent(family(name))) is None:
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


def train(config: SignalsConfig, seed: int, out: Path) -> TrainedSignals:
    """Walk a configuration forward, fuse, save forecasts and model; the summary."""
    names = installed(config)
    data, manifest = panel_in(config, seed, out)
    moves: list[ParameterMove] = []
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
    tested = tested_of(folds)
    relative, base = portable(config)
    base = seen_from(out / MODEL, base)
    ic = ic_of(value[tested], data.rows(tested), np.random.default_rng([seed, 9]))
    about = {
        "name": config.name,
        "seed": seed,
        "config": relative,
        BASE: base,
        "data": panels.data_of(config),
        "panel": manifest.files,
        "note": data.note,
        # as `signals evaluate` has it; None where dates are too few
        "ic": None if ic is None else ic.to_json(),
    }
    blocks = list(fusions(data, forecasts, columns, folds, shrink=config.train.shrink))
    saved = save(
        out / MODEL, model, to_jsonable(about), walk_of(data, value, sd, folds, blocks), moves
    )
    with atomic_path(out / FORECASTS) as part:
        np.savez(part, forecasts=forecasts, columns=np.array(columns))
    return TrainedSignals(
        out=out,
        rows=data.n,
        tested=int((~np.isnan(forecasts).all(axis=1)).sum()),
        seconds=seconds,
        weights=dict(zip(columns, (fusion.weights * fusion.slope).tolist(), strict=True)),
        evidence={name: spelt_evidence(one) for name, one in zip(columns, slopes, strict=True)},
        alpha_scale=scale,
        half_life=scale.half_life,
        parts=[part.file for part in saved.facts.parts],
        note=data.note,
        warnings=[*data.warnings, *filter(None, [model.silent])],
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


def evaluate(config: SignalsConfig, seed: int, out: Path, demo: bool) -> EvaluatedSignals:
    """Out-of-sample figures of a trained folder."""
    data, _ = panel_in(config, seed, out)
    try:
        with np.load(out / FORECASTS) as stored:
            forecasts, columns = stored["forecasts"], tuple(str(name) for name in stored["columns"])
    except (OSError, KeyError, ValueError):
        raise ConfigError(
            "a folder that was trained in", f"{out}", "run: tercel signals train"
        ) from None
    if forecasts.shape[0] != data.n:
        raise ConfigError(
            "forecasts of this panel", f"{forecasts.shape[0]} rows for {data.n}", "train again"
        )
    folds = folds_of(data, config.train)
    known = interval_of(load(out / MODEL)) if (out / MODEL / CARD).exists() else None
    result = replace(
        out_of_sample(data, forecasts, columns, folds, shrink=config.train.shrink, seed=seed),
        out=out,
        leak=lines_of(config, *reports_of(config, seed, synthetic=demo)),
        interval=None if known is None else known.by_year(),
    )
    (out / RESULT).write_text(json_text(result) + "\n", encoding="utf-8")
    return result
