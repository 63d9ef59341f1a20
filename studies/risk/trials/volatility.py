"""Forecasts of tomorrow's variance, ranked by QLIKE."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from studies.risk import figures, synthetic
from studies.risk.series import first_of_test, read_csv, read_sp500, read_spy
from studies.risk.trials.report import Table, TrialReport
from studies.risk.volatility import RankedModel, daily_models, rank, realised_models
from tercel.core.report import format_number
from tercel.signals.risk import DailySeries, VolatilityModel, bars

LAGS = 10
SYNTHETIC_DAYS = 1500
SPY_FIRST, INDEX_FIRST = date(2017, 1, 3), date(2004, 1, 2)


def found(data: Path | None, seed: int) -> TrialReport:
    """The tables of a folder of data sets, of one CSV file, or of a synthetic market."""
    if data is None:
        known = synthetic.gjr_series(SYNTHETIC_DAYS, seed)
        first, realised = SYNTHETIC_DAYS // 2, known.series.column("rv")
        models = _fitting(known.series)
        parts = [
            _part(
                known.series, first, "the true variance", known.variance, ("GARCH", "GJR"), models
            ),
            _part(known.series, first, "realised variance", realised, ("GARCH", "log-HAR"), models),
        ]
        notes = [
            synthetic.NOTE,
            "The truth is GJR: a fitted GJR is meant to be near the top against the true variance.",
        ]
        return _shown(parts, notes, True)
    if data.is_file():
        return _shown([_of_file(read_csv(data))], [], False)
    spy, index = read_spy(data), read_sp500(data)
    first, start, realised = spy.since(SPY_FIRST), index.since(INDEX_FIRST), spy.column("rv")
    parts = [
        _part(
            spy,
            first,
            "realised variance, 5 minutes",
            realised,
            ("GARCH", "log-HAR"),
            _fitting(spy),
        )
    ]
    for what, target in (("squared returns", "r2"), ("range + overnight²", "proxy")):
        proxy = index.returns**2 if target == "r2" else index.column(target)
        parts.append(_part(index, start, what, proxy, ("GARCH", "GJR"), daily_models(target)))
    return _shown(parts, [], False)


def _of_file(series: DailySeries) -> dict[str, Any]:
    """A file with realised variance is ranked on it, one without on squared returns."""
    first = first_of_test(series.days, SPY_FIRST, 500)
    if "rv" in series.columns:
        realised = series.column("rv")
        return _part(
            series, first, "realised variance", realised, ("GARCH", "log-HAR"), _fitting(series)
        )
    models = [model for model in daily_models() if "range" not in model.name]
    return _part(series, first, "squared returns", series.returns**2, ("GARCH", "GJR"), models)


def _fitting(series: DailySeries) -> list[VolatilityModel]:
    """Models whose columns the series has."""
    needs = {"VIX": "vix", "HARQ": "rq"}
    return [
        model
        for model in realised_models()
        if all(column in series.columns for word, column in needs.items() if word in model.name)
    ]


def _part(
    series: DailySeries,
    first: int,
    what: str,
    proxy: Any,
    references: Sequence[str],
    models: Sequence[VolatilityModel],
) -> dict[str, Any]:
    ranked = rank(models, series, first, proxy, references, LAGS)
    return {
        "series": series.name,
        "proxy": what,
        "first": series.days[first],
        "last": series.days[-1],
        "days": len(series) - first,
        "references": list(references),
        "ranked": ranked,
        "dates": series.days[first:],
        "truth": proxy[first:],
    }


def _shown(parts: Sequence[dict[str, Any]], notes: list[str], is_synthetic: bool) -> TrialReport:
    tables = [_table(part) for part in parts]
    notes = [
        *notes,
        "QLIKE: lower is better (where the proxy can be zero: ln f + v / f, up to a constant). "
        f"DM t: Diebold-Mariano, Newey-West {LAGS} lags, below 0 is better than the reference.",
        "Every forecast is from the days before it alone; HAR is refitted daily or weekly, GARCH every 63 days.",
    ]
    drawings = []
    for place, part in enumerate(parts):
        losses = {one.name: one.loss for one in part["ranked"]}
        if min(losses.values()) > 0:
            drawings.append(
                bars(f"qlike{place}", f"QLIKE, {part['series']}, {part['proxy']}", losses, "QLIKE")
            )
    part = parts[0]
    best = part["ranked"][0]
    lines = {"what was measured": part["truth"], best.name: best.forecasts}
    yearly = {
        name: 100 * np.sqrt(252 * np.maximum(values, 1e-12)) for name, values in lines.items()
    }
    title = f"Volatility of {part['series']}"
    drawings.append(
        figures.through_time("forecast", title, part["dates"], yearly, "% a year", log=True)
    )
    lead = (
        f"{part['series']}: {best.name} is best, QLIKE {best.loss:.4f} over {part['days']:,} days."
    )
    body = {"synthetic": is_synthetic, "tables": [_json(part) for part in parts], "notes": notes}
    return TrialReport(
        "Volatility forecasts",
        (synthetic.NOTE + " " if is_synthetic else "") + lead,
        tables,
        notes,
        drawings,
        body,
    )


def _table(part: dict[str, Any]) -> Table:
    references = part["references"]
    rows = []
    for one in part["ranked"]:
        tests = [
            format_number(one.against[name].t, 2, signed=True) if name in one.against else ""
            for name in references
        ]
        rows.append(
            (one.name, format_number(one.loss, 4), format_number(100 * one.r2_log, 1), *tests)
        )
    title = f"{part['series']}, {part['proxy']}, {part['first']} to {part['last']}, {part['days']:,} days"
    return Table(
        title,
        ("model", "QLIKE", "R² of logs, %", *(f"DM t vs {name}" for name in references)),
        rows,
    )


def _json(part: dict[str, Any]) -> dict[str, Any]:
    ranked: list[RankedModel] = part["ranked"]
    models = {
        one.name: {
            "qlike": one.loss,
            "r2_log": one.r2_log,
            "dm_t": {k: v.t for k, v in one.against.items()},
        }
        for one in ranked
    }
    return {
        **{key: part[key] for key in ("series", "proxy", "first", "last", "days")},
        "models": models,
    }
