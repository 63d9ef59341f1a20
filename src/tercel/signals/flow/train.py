"""Training of a forecaster: walked forward by day, with each symbol left out once, calibrated on what it never saw."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

from tercel.core.arrays import Floats
from tercel.core.errors import DataError
from tercel.core.names import check_known
from tercel.core.progress import progress
from tercel.execution.foresight.features import FEATURES
from tercel.execution.foresight.forecaster import HORIZONS, Forecaster, save
from tercel.market.flow.preset import load, names
from tercel.market.tape.lake import Lake
from tercel.signals.flow.days import FlowDay, read_day
from tercel.signals.flow.score import accuracy
from tercel.signals.flow.trees import KINDS, Trees, fit, joined

FORWARD: Final = 0.6
"""Share of a symbol's days that are trained on where the others are forecast."""
LEVELS: Final = (0.8, 0.95)
"""Of the intervals."""
LEAST: Final = 500
"""Samples below which nothing is learned."""
Days = Sequence[FlowDay]
Said = tuple[Floats, Floats]
"""Forecasts of samples, and what came."""


@contextmanager
def steps(what: str, total: int) -> Iterator[Callable[[], None]]:
    """A bar of so many steps."""
    with progress(counted=True, transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)


def read_days(
    lake: Lake, symbols: Sequence[str], dates: Sequence[str] = ()
) -> dict[str, list[FlowDay]]:
    """All days of some symbols that a lake has, or those of some dates.

    Raises
    ------
    DataError
        A symbol without trades, or without a quarter of an hour of two-sided quotes.
    """
    wanted = [
        (one, date) for one in symbols for date in lake.days(one) if not dates or date in dates
    ]
    days: dict[str, list[FlowDay]] = {one: [] for one in symbols}
    with steps("reading days", len(wanted)) as step:
        for symbol, date in wanted:
            days[symbol].append(read_day(lake, symbol, date))
            step()
    for symbol, found in days.items():
        if not sum(day.volume for day in found):
            raise DataError(
                "a tape with trades", f"{symbol} without any", "import a feed that tells of trades"
            )
        if not sum(len(day.x) for day in found):
            expected = "days with two-sided quotes for longer than a quarter of an hour"
            raise DataError(expected, f"none of {symbol}", "import longer days, or other symbols")
    return {symbol: [day for day in found if len(day.x)] for symbol, found in days.items()}


def stacked(days: Days, horizon_s: int) -> tuple[Floats, Floats]:
    """Features and scaled moves of all samples whose move is known."""
    x = np.concatenate([day.x for day in days]) if days else np.zeros((0, FEATURES))
    y = np.concatenate([day.scaled(horizon_s) for day in days]) if days else np.zeros(0)
    known = np.isfinite(y)
    return x[known], y[known]


def fitted(kind: str, groups: Sequence[Days], horizon_s: int, seed: int) -> Trees:
    """A model of the days of some symbols; a symbol weighs as the root of its samples."""
    parts = [part for days in groups if len((part := stacked(days, horizon_s))[1])]
    weight = np.concatenate([np.full(len(y), len(y) ** -0.5) for _, y in parts])
    x, y = (np.concatenate([part[j] for part in parts]) for j in range(2))
    return fit(kind, x, y, weight / weight.mean(), seed)


def forecaster_of(
    models: Sequence[Trees], scale: Floats | None = None, card: dict[str, Any] | None = None
) -> Any:
    """A forecaster of the models of all horizons, uncalibrated where no scale is given."""
    whole = np.ones((len(HORIZONS), 2)) if scale is None else scale
    return Forecaster(scale=whole, card=card or {}, **joined(models))


def halves(days: Days) -> tuple[Days, Days]:
    """The days to train on and the later ones to forecast; none to forecast where there is one day."""
    cut = max(round(FORWARD * len(days)), 1)
    return days[:cut], days[cut:]


def calibration(found: Sequence[tuple[Floats, Floats]]) -> tuple[list[float], list[float]]:
    """What forecasts are multiplied by and their error's standard deviation; half-widths of intervals in these.

    Parameters
    ----------
    found : sequence of (float64 (n,), float64 (n,))
        Forecasts and moves of each symbol, none of which was trained on.
    """
    weight = np.concatenate([np.full(len(y), len(y) ** -0.5) for _, y in found])
    said, y = (np.concatenate([part[j] for part in found]) for j in range(2))
    square = float((weight * said * said).sum())
    slope = min(max(float((weight * said * y).sum()) / square, 0.0), 1.5) if square > 0 else 0.0
    error = y - slope * said
    sd = float(np.sqrt((weight * error * error).sum() / weight.sum()))
    order = np.argsort(np.abs(error))
    share = np.cumsum(weight[order]) / weight.sum()
    places = [min(int(np.searchsorted(share, level)), len(order) - 1) for level in LEVELS]
    return [slope, sd], [float(np.abs(error)[order][place]) / sd for place in places]


def train(
    lake: Lake,
    symbols: Sequence[str],
    out: Path,
    seed: int = 1,
    kind: str = "boosting",
    dates: Sequence[str] = (),
) -> dict[str, Any]:
    """Train a forecaster on some symbols and save it; how it did on days and symbols that it never saw.

    All days of the lake are trained on where no `dates` are named.

    Raises
    ------
    DataError
        Tapes that nothing can be learned from.
    """
    check_known(kind, KINDS, said=f"kind {kind!r}")
    days = read_days(lake, symbols, dates)
    samples = sum(len(day.x) for found in days.values() for day in found)
    if samples < LEAST:
        raise DataError(
            f"{LEAST:,} samples or more", f"{samples:,} of {', '.join(symbols)}", "import more days"
        )
    with steps("training", len(HORIZONS) * (2 + (len(days) if len(days) > 1 else 0))) as step:
        learned = [learn(kind, days, h, seed, step) for h in HORIZONS]
    about = {
        one: {"days": [day.date for day in found], "samples": sum(len(day.x) for day in found)}
        | ({"made_of": of} if (of := lake.behind(one, [day.date for day in found])) else {})
        | {
            what: {
                str(h): accuracy(*said[one])
                for h, said in zip(HORIZONS, every, strict=True)
                if one in said
            }
            for what, every in (
                ("forward", [each[1] for each in learned]),
                ("stranger", [each[2] for each in learned]),
            )
        }
        for one, found in days.items()
    }
    calibrated = [calibration(list((each[2] or each[1] or each[3]).values())) for each in learned]
    widths = [width for _, width in calibrated]
    card = {"kind": kind, "seed": seed, "symbols": about, "levels": list(LEVELS), "widths": widths}
    if made := simulated(lake, about):
        card["simulated"] = made
    saved = save(
        out,
        forecaster_of(
            [each[0] for each in learned], np.array([both for both, _ in calibrated]), card
        ),
    )
    return {"out": out, "model": saved.id, "trees": len(saved.roots), **card}


def simulated(lake: Lake, symbols: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The markets of symbols whose days were simulated, and their carry to tape: None where no card knows of one."""
    found = {}
    for symbol, about in symbols.items():
        for date in about["days"]:
            if market := lake.instrument(symbol, date).extra.get("preset"):
                card = load(market).card if market in names() else {}
                found[symbol] = {
                    "market": market,
                    "carry": (card.get("teaches") or {}).get("carry"),
                }
    return found


def learn(
    kind: str, days: Mapping[str, Days], horizon_s: int, seed: int, step: Callable[[], None]
) -> tuple[Trees, dict[str, Said], dict[str, Said], dict[str, Said]]:
    """The model of all days; what models of earlier days said of later ones, of the other symbols of each, and of the
    days that they were trained on."""
    early = fitted(kind, [halves(found)[0] for found in days.values()], horizon_s, seed)
    step()
    later = {
        one: told(early, halves(found)[1], horizon_s)
        for one, found in days.items()
        if halves(found)[1]
    }
    strangers = {}
    for one in days if len(days) > 1 else ():
        others = fitted(
            kind, [found for name, found in days.items() if name != one], horizon_s, seed
        )
        strangers[one] = told(others, days[one], horizon_s)
        step()
    whole = fitted(kind, list(days.values()), horizon_s, seed)
    step()
    seen = {one: told(early, halves(found)[0], horizon_s) for one, found in days.items()}
    return whole, later, strangers, seen


def told(model: Trees, days: Days, horizon_s: int) -> tuple[Floats, Floats]:
    """What a model says of the samples of some days, and what came."""
    x, y = stacked(days, horizon_s)
    return forecaster_of([model] * len(HORIZONS)).raw(x, horizon_s), y
