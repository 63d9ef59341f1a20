"""Families, their fusion and plain rules on a daily panel, walked forward: rank IC, and what is left after costs.

Beside it stand what a family takes in seconds and memory, what label noise leaves of its skill, and what its forecast
would have earned in a decile long-short portfolio: equal weights, 1 long and 1 short, rebuilt at every date; a
half-turn is the sum of |change of weight| over both legs. That is a yardstick for comparing forecasts of one panel:
whatever bias the panel has is in every level.
"""

from __future__ import annotations

import ctypes
import gc
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from studies.families.cells import Measurement
from studies.families.settings import compare_section
from studies.zoo import FAMILIES, SEQUENCES, STATES
from tercel.cli import say
from tercel.core import DataError, Floats, atomic_path, json_text, to_jsonable
from tercel.core.stats import mean_interval
from tercel.signals import (
    LEAK_CEILING as CEILING,
    SCORE_BLOCK as BLOCK,
    Dataset,
    rank_ic_by_date,
    skill,
)
from tercel.signals.models import absent, family
from tercel.signals.models.walk_forward import (
    Fold,
    base_names,
    fit_base,
    fused,
    mean_of_said,
    out_of_fold,
    thinned,
)
from tercel.signals.runs import SignalsConfig, TrainSection, dataset_of_config, folds_of, walked

PERIODS_A_YEAR = 252 / 5


def exchanged(data: Dataset, level: float, seed: int) -> Floats:
    """Labels of which a share `level` changed places with others of their date, float64 (n,)."""
    rng, y = np.random.default_rng([seed, 78]), data.y.copy()
    if level <= 0:
        return y
    chosen = np.flatnonzero(rng.random(data.n) < level)
    dates = data.dates[chosen]
    moved = chosen[np.lexsort((rng.random(len(chosen)), dates))]
    y[chosen] = data.y[moved]  # both are in order of dates: rows of a date get labels of that date
    return y


@dataclass(frozen=True)
class LongShort:
    """Result of a long-short portfolio, per date (a week in the daily panel).

    Parameters
    ----------
    gross, net : float
        Mean return per date, a fraction; net of `cost_bps` per half-turn.
    half_turns : float
        Mean per date.
    sharpe_gross, sharpe_net : float
        A year, from `PERIODS_A_YEAR` dates.
    by_date : float64 (dates,)
        Net returns.
    """

    gross: float
    net: float
    half_turns: float
    sharpe_gross: float
    sharpe_net: float
    by_date: Floats

    def to_json(self) -> dict[str, float]:
        """The numbers by name."""
        return {
            "gross": self.gross, "net": self.net, "half_turns": self.half_turns,
            "sharpe_gross": self.sharpe_gross, "sharpe_net": self.sharpe_net,
        }  # fmt: skip


def long_short(
    forecast: ArrayLike,
    outcome: ArrayLike,
    dates: ArrayLike,
    instrument: ArrayLike,
    *,
    share: float = 0.1,
    cost_bps: float = 5.0,
    periods_a_year: float = PERIODS_A_YEAR,
) -> LongShort:
    """Buy the top `share` of every date's forecasts, sell the bottom.

    Raises
    ------
    DataError
        When a date has fewer than two names, or there are fewer than two dates.
    """
    f, o = np.asarray(forecast, np.float64), np.asarray(outcome, np.float64)
    names, who = np.unique(np.asarray(instrument), return_inverse=True)
    known, at = np.unique(np.asarray(dates), return_inverse=True)
    if len(known) < 2 or len(names) < 2:
        raise DataError(
            "at least two dates and two names",
            f"{len(known)} and {len(names)}",
            "use a longer panel",
        )
    held = np.zeros(len(names))
    gross, turned = np.zeros(len(known)), np.zeros(len(known))
    for i in range(len(known)):
        rows = np.flatnonzero((at == i) & np.isfinite(f) & np.isfinite(o))
        if len(rows) < 2:
            raise DataError(
                "at least two names with a forecast on every date",
                f"{len(rows)} on date {i}",
                "drop it",
            )
        count = max(1, int(len(rows) * share))
        order = rows[np.argsort(f[rows], kind="stable")]
        wanted = np.zeros(len(names))
        wanted[who[order[-count:]]] += 1.0 / count
        wanted[who[order[:count]]] -= 1.0 / count
        turned[i] = np.abs(wanted - held).sum()
        moved = np.zeros(len(names))
        moved[who[rows]] = o[rows]
        gross[i] = wanted @ moved
        held = wanted * (1.0 + moved)  # weights drift with prices until the next date
    net = gross - turned * cost_bps * 1e-4
    return LongShort(
        float(gross.mean()), float(net.mean()), float(turned.mean()),
        _sharpe(gross, periods_a_year), _sharpe(net, periods_a_year), net,
    )  # fmt: skip


def smoothed(
    forecast: ArrayLike, dates: ArrayLike, instrument: ArrayLike, *, decay: float = 0.5
) -> Floats:
    """Forecasts averaged with their own past, `decay` times the last date's average: turnover control.

    Missing dates of a name start it afresh.
    """
    f = np.asarray(forecast, np.float64)
    names, who = np.unique(np.asarray(instrument), return_inverse=True)
    known, at = np.unique(np.asarray(dates), return_inverse=True)
    average, last = np.zeros(len(names)), np.full(len(names), -2)
    out = np.empty_like(f)
    for i in range(len(known)):
        rows = np.flatnonzero(at == i)
        fresh = last[who[rows]] != i - 1
        out[rows] = np.where(fresh, f[rows], decay * average[who[rows]] + (1 - decay) * f[rows])
        average[who[rows]], last[who[rows]] = out[rows], i
    return out


def _sharpe(returns: Floats, periods_a_year: float) -> float:
    sd = float(returns.std(ddof=1))
    return float(returns.mean()) / sd * periods_a_year**0.5 if sd > 0 else float("nan")


T = TypeVar("T")
_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")


class ProcessMeter:
    """Processor seconds of all threads, and the peak of resident memory above where it stood (Linux; None elsewhere).

    Wall seconds on a busy machine would measure what else it does.

    Freed memory is handed back before each action, and the kernel's high-water mark is set to where it stands.
    """

    def __init__(self) -> None:
        self._trim = _trimmer()
        self._knows_memory = _can_reset()
        gc.collect()
        gc.freeze()  # what libraries made while they were loaded is not searched again and again

    def __call__(self, action: Callable[[], T], memory: bool = False) -> Measurement[T]:
        """Do it and measure; memory only where asked for, as it takes a while to make ready."""
        before = self._stand() if memory and self._knows_memory else None
        start = time.process_time()
        value = action()
        seconds = time.process_time() - start
        peak = None if before is None else max(_status("VmHWM") - before, 0) / 1024
        return Measurement(value, seconds, peak)

    def _stand(self) -> int:
        gc.collect()
        if self._trim is not None:
            self._trim(0)
        _RESET.write_text("5")
        return _status("VmRSS")


def _status(key: str) -> int:
    """A figure of the process, KiB."""
    for line in _STATUS.read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1])
    return 0


def _can_reset() -> bool:
    try:
        _RESET.write_text("5")
        return _status("VmHWM") > 0
    except OSError:
        return False


def _trimmer() -> Callable[[int], int] | None:
    try:
        found: Callable[[int], int] = ctypes.CDLL("libc.so.6").malloc_trim
    except (OSError, AttributeError):
        return None
    return found


def costs(
    data: Dataset, name: str, train: TrainSection, folds: list[Fold], seed: int
) -> dict[str, Any]:
    """One training on the last fold's rows, all sources, and its forecasts: seconds, MiB at the peak, us a row."""
    meter, (past, test) = ProcessMeter(), folds[-1]
    rows = thinned(past, data.dates, train.most_rows)
    fit_s, peak, row_us = 0.0, 0.0, 0.0
    for source in data.ranking:
        try:
            fitted = meter(
                partial(fit_base, data, source, name, rows, seed, train.settings), memory=True
            )
        except DataError:
            continue
        x = data.x[test][:, np.array(data.sources[source])]
        forecasts = meter(partial(fitted.value.predict, x))
        fit_s, row_us = fit_s + fitted.seconds, row_us + 1e6 * forecasts.seconds / len(test)
        peak = max(peak, fitted.peak_mib or 0.0)
    return {"fit_s": fit_s, "fit_rows": len(rows), "peak_mib": peak, "row_us": row_us}


def noise(
    data: Dataset, name: str, config: SignalsConfig, folds: list[Fold], seed: int, out: Path
) -> dict[str, dict[str, float]]:
    """Rank IC by share of training labels that were exchanged within their date; the test is clean.

    Every level is trained on at most `compare.noise_rows` rows; levels that `out` holds are not run again.
    """
    train = config.train.model_copy(update={"most_rows": compare_section(config).noise_rows})
    tested = np.sort(np.concatenate([test for _, test in folds]))
    part, found = data.rows(tested), {}
    for level in compare_section(config).noise:
        about = {
            **train.model_dump(mode="json"),
            "families": [name],
            "seed": seed,
            "n": data.n,
            "level": level,
        }
        file = out / f"noise-{name}-{level:.2f}.json"
        kept = _noise_kept(file, json.loads(json_text(about)))
        if kept is None:
            say(f"panel: {name}, {level:.0%} of labels exchanged")
            dirty = replace(data, y=exchanged(data, level, seed))
            forecasts = out_of_fold(
                dirty, (name,), folds, seed=seed, most_rows=train.most_rows, settings=train.settings
            )
            by_date = rank_ic_by_date(mean_of_said(forecasts)[tested], part.outcome, part.dates)
            ic = skill(by_date, np.random.default_rng([seed, 6]), block=BLOCK)
            kept = json.loads(json_text(ic.to_json()))
            file.write_text(json_text({"about": about, "ic": kept}) + "\n", encoding="utf-8")
        found[f"{level:g}"] = kept
    return found


def _noise_kept(file: Path, about: dict[str, Any]) -> dict[str, float] | None:
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    found: dict[str, float] | None = kept.get("ic") if kept.get("about") == about else None
    return found


RULES = {
    "rule: reversal": ("daily.ret_5", -1.0),
    "rule: momentum 12-1": ("daily.mom_12_1", 1.0),
    "rule: low vol": ("daily.vol_60", -1.0),
}
COST_BPS = 5.0
_UNMEASURED: dict[str, Any] = {
    **dict.fromkeys(("all_fits_s", "fit_s", "fit_rows", "peak_mib", "row_us", "slope", "accuracy")),
    "noise": {},
}


def calibration(forecast: Floats, part: Dataset, rng: np.random.Generator) -> dict[str, Any]:
    """Calibration of forecasts: slope of the label on them within dates, share of rows on the same side.

    `accuracy` counts rows whose forecast and label are on the same side of their date's median: .5 is a coin.
    """
    seen, dates = np.isfinite(forecast), part.dates
    f, y, at = forecast[seen], part.y[seen], dates[seen]
    counts = np.maximum(np.bincount(at), 1)
    f = f - (np.bincount(at, f) / counts)[at]
    y = y - (np.bincount(at, y) / counts)[at]
    slope = float(f @ y / (f @ f)) if f @ f > 0 else None
    middle = {int(date): float(np.median(f[at == date])) for date in np.unique(at)}
    high = f > np.array([middle[int(date)] for date in at])
    return {"slope": slope, "accuracy": mean_interval(high == (y > 0), at // BLOCK, rng).to_json()}


def regressors(asked: tuple[str, ...]) -> tuple[str, ...]:
    """Families that forecast numbers and are installed: those asked for, or all tabular ones."""
    found = asked or tuple(name for name in FAMILIES if name not in SEQUENCES)
    return tuple(
        n for n in found if n in FAMILIES and n not in STATES and absent(family(n)) is None
    )


def compare_on_panel(config: SignalsConfig, seed: int, out: Path) -> dict[str, Any]:
    """Score every family, the fusion and the rules; forecasts are kept in `out`, a family's in a file of its own."""
    data = dataset_of_config(config, seed)
    names = regressors(compare_section(config).families or config.train.families)
    if not names:
        raise DataError(
            "a family that forecasts numbers", "none of those asked for", "add linear or boosting"
        )
    out.mkdir(parents=True, exist_ok=True)
    columns, seconds = [], {}
    for name in names:
        forecasts, taken = _kept(data, name, config.train, seed, out)
        columns.append(forecasts)
        seconds[name] = taken
    # source by source, as base names are
    sources = len(data.ranking)
    forecasts = np.stack([column[:, s] for s in range(sources) for column in columns], axis=1)
    folds = folds_of(data, config.train)
    value, _, even = fused(
        data, forecasts, base_names(data, names), folds, shrink=config.train.shrink
    )
    tested = np.sort(np.concatenate([test for _, test in folds]))
    part, rng = data.rows(tested), np.random.default_rng([seed, 5])
    table: list[dict[str, Any]] = []

    def add(name: str, forecast: Floats, more: Mapping[str, Any] = _UNMEASURED) -> None:
        table.append({"name": name, **_UNMEASURED, **more, **scored(forecast, part, rng)})

    for at, name in enumerate(names):
        mean = mean_of_said(columns[at])[tested]
        spent = costs(data, name, config.train, folds, seed)
        right = calibration(mean, part, np.random.default_rng([seed, 7]))
        dirty = (
            noise(data, name, config, folds, seed, out)
            if compare_section(config).panel_noise
            else {}
        )
        add(name, mean, {"all_fits_s": seconds[name], **spent, **right, "noise": dirty})
    if forecasts.shape[1] > 1:
        add("fusion", value[tested])
        add("equal weights", even[tested])
    for rule, (column, sign) in RULES.items():
        if column in data.names:
            add(rule, sign * data.x[tested, data.names.index(column)])
    return {
        "table": table,
        "note": data.note,
        "rows": len(tested),
        "dates": len(np.unique(part.time_ns)),
    }


def _kept(
    data: Dataset, name: str, train: TrainSection, seed: int, out: Path
) -> tuple[Floats, float]:
    """A family's forecasts, from its file where it is there and of the same settings."""
    file, about = (
        out / f"{name}.npz",
        json_text({**train.model_dump(), "families": [name], "seed": seed, "n": data.n}),
    )
    if file.exists():
        try:
            with np.load(file) as kept:
                if str(kept["about"]) == about:
                    return kept["told"], float(kept["seconds"])
        except (ValueError, KeyError, OSError):
            pass
    forecasts, seconds = walked(data, (name,), train, seed, f"panel: {name}")
    with atomic_path(file) as part:
        np.savez(part, told=forecasts, seconds=seconds, about=np.array(about))
    return forecasts, seconds


def scored(forecast: Floats, data: Dataset, rng: np.random.Generator) -> dict[str, Any]:
    """IC of a forecast on the rows of `data`, and long-short portfolios by it as it stands and smoothed; no NaN."""
    ic = skill(rank_ic_by_date(forecast, data.outcome, data.dates), rng)
    warning = ""
    if ic.mean > CEILING:
        warning = f"an IC of {ic.mean:.3f} is above {CEILING}: look for a leak before believing it"
    slow = smoothed(forecast, data.dates, data.instrument)
    books = [
        long_short(f, data.outcome, data.dates, data.instrument, cost_bps=COST_BPS)
        for f in (forecast, slow)
    ]
    forecasts = {
        "ic": ic.to_json(),
        "portfolio": books[0].to_json(),
        "smoothed": books[1].to_json(),
        "warning": warning,
    }
    return dict(to_jsonable(forecasts))
