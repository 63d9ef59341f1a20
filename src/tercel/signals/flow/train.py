"""Training of a flow forecaster: walked forward by day, each symbol left out once, calibrated on days held out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np

from tercel.core.arrays import Floats
from tercel.core.errors import DataError, check_known
from tercel.core.progress import progress
from tercel.core.records import Record
from tercel.core.serialization import to_jsonable
from tercel.execution.foresight.flow_features import FEATURES
from tercel.execution.foresight.forecast_kernels import HORIZONS
from tercel.execution.foresight.forecaster import Forecaster, SimulatedMarket, save
from tercel.market.flow.registry import load, names
from tercel.market.score.stored_scores import stored_lessons
from tercel.market.tape.lake import Lake
from tercel.signals.flow.days import FlowDay, read_day
from tercel.signals.flow.scores import Accuracy, Bin, accuracy, ages, deciles
from tercel.signals.flow.trees import KINDS, Trees, fit, join_models

FORWARD: Final = 0.6
"""Share of a symbol's days that are trained on where the others are forecast."""
LEVELS: Final = (0.8, 0.95)
"""Of the intervals."""
MIN_SAMPLES: Final = 500
"""Samples below which nothing is learned."""
Days = Sequence[FlowDay]
ForecastsAndMoves = tuple[Floats, Floats]
"""Forecasts of samples, and what came."""
Measured = TypeVar("Measured")


@dataclass(frozen=True)
class TrainedSymbol(Record):
    """Days of a symbol that were trained on, those that resampled ones are made of, and by horizon how models did on
    later days (`forward`) and without the symbol (`stranger`).
    """

    optional = ("made_of",)

    days: list[str]
    samples: int
    made_of: Sequence[str]
    forward: dict[str, Accuracy]
    stranger: dict[str, Accuracy]
    reliability: dict[str, list[Bin]]


@dataclass(frozen=True)
class FlowTraining(Record):
    """A forecaster that was trained: its folder, hash and number of trees, and what its card says."""

    optional = ("simulated",)

    out: Path
    model: str
    trees: int
    kind: str
    seed: int
    symbols: dict[str, TrainedSymbol]
    levels: Sequence[float]
    widths: list[list[float]]
    simulated: dict[str, SimulatedMarket]


@contextmanager
def progress_steps(description: str, total: int) -> Iterator[Callable[[], None]]:
    """Show a progress bar of `total` steps; yields a function that advances the bar by one."""
    with progress(counted=True, transient=True) as bar:
        task = bar.add_task(description, total=total)
        yield lambda: bar.advance(task)


def read_days(
    lake: Lake, symbols: Sequence[str], dates: Sequence[str] = ()
) -> dict[str, list[FlowDay]]:
    """Days of some symbols from a lake, all of them or those of some dates, by symbol; days without samples are left out.

    Raises
    ------
    DataError
        A symbol without trades, or without a quarter of an hour of two-sided quotes.
    """
    symbol_dates = [
        (symbol, date)
        for symbol in symbols
        for date in lake.days(symbol)
        if not dates or date in dates
    ]
    days: dict[str, list[FlowDay]] = {symbol: [] for symbol in symbols}
    with progress_steps("reading days", len(symbol_dates)) as step:
        for symbol, date in symbol_dates:
            days[symbol].append(read_day(lake, symbol, date))
            step()
    for symbol, symbol_days in days.items():
        if not sum(day.volume for day in symbol_days):
            raise DataError(
                "a tape with trades", f"{symbol} without any", "import a feed that tells of trades"
            )
        if not sum(len(day.x) for day in symbol_days):
            raise DataError(
                "days with two-sided quotes for longer than a quarter of an hour",
                f"none of {symbol}",
                "import longer days, or other symbols",
            )
    return {
        symbol: [day for day in symbol_days if len(day.x)] for symbol, symbol_days in days.items()
    }


def stack_samples(days: Days, horizon_s: int) -> tuple[Floats, Floats]:
    """Features and scaled moves of all samples whose move is known."""
    x = np.concatenate([day.x for day in days]) if days else np.zeros((0, FEATURES))
    y = np.concatenate([day.scaled_moves(horizon_s) for day in days]) if days else np.zeros(0)
    finite = np.isfinite(y)
    return x[finite], y[finite]


def fit_symbols(kind: str, groups: Sequence[Days], horizon_s: int, seed: int) -> Trees:
    """Fit a model on the days of some symbols; a symbol weighs as the root of its number of samples."""
    parts = [part for days in groups if len((part := stack_samples(days, horizon_s))[1])]
    weight = np.concatenate([np.full(len(y), len(y) ** -0.5) for _, y in parts])
    x, y = (np.concatenate([part[j] for part in parts]) for j in range(2))
    return fit(kind, x, y, weight / weight.mean(), seed)


def build_forecaster(
    models: Sequence[Trees], scale: Floats | None = None, card: dict[str, Any] | None = None
) -> Any:
    """A forecaster from one model per horizon; scales of 1 where none are given."""
    scales = np.ones((len(HORIZONS), 2)) if scale is None else scale
    return Forecaster(scale=scales, card=card or {}, **join_models(models))


def split_days(days: Days) -> tuple[Days, Days]:
    """Split days into the first share `FORWARD` to train on and the later ones to forecast; a single day leaves none to
    forecast.
    """
    cut = max(round(FORWARD * len(days)), 1)
    return days[:cut], days[cut:]


def calibrate(pairs: Sequence[tuple[Floats, Floats]]) -> tuple[list[float], list[float]]:
    """([slope, sd], half-widths): slope of moves on forecasts, within 0 to 1.5, standard deviation of the error, and
    half-widths of the intervals of `LEVELS` in such deviations.

    Parameters
    ----------
    pairs : sequence of (float64 (n,), float64 (n,))
        Forecasts and moves of each symbol, none of which was trained on.
    """
    weight = np.concatenate([np.full(len(y), len(y) ** -0.5) for _, y in pairs])
    forecasts, y = (np.concatenate([part[j] for part in pairs]) for j in range(2))
    square = float((weight * forecasts * forecasts).sum())
    slope = (
        min(max(float((weight * forecasts * y).sum()) / square, 0.0), 1.5) if square > 0 else 0.0
    )
    error = y - slope * forecasts
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
) -> FlowTraining:
    """Train a forecaster on some symbols and save it in `out`; returns how it did on later days and on symbols left out.

    All days of the lake are trained on where no `dates` are named.

    Raises
    ------
    DataError
        Tapes that nothing can be learned from.
    """
    check_known(kind, KINDS, received=f"kind {kind!r}")
    days = read_days(lake, symbols, dates)
    samples = sum(len(day.x) for symbol_days in days.values() for day in symbol_days)
    if samples < MIN_SAMPLES:
        raise DataError(
            f"{MIN_SAMPLES:,} samples or more",
            f"{samples:,} of {', '.join(symbols)}",
            "import more days",
        )
    with progress_steps(
        "training", len(HORIZONS) * (2 + (len(days) if len(days) > 1 else 0))
    ) as step:
        learned = [learn(kind, days, h, seed, step) for h in HORIZONS]
    cards = {}
    for symbol, symbol_days in days.items():
        dates = [day.date for day in symbol_days]
        unseen = [each[2] or each[1] or each[3] for each in learned]
        cards[symbol] = TrainedSymbol(
            days=dates,
            samples=sum(len(day.x) for day in symbol_days),
            made_of=lake.real_dates(symbol, dates),
            forward=_measure_by_horizon(accuracy, [each[1] for each in learned], symbol),
            stranger=_measure_by_horizon(accuracy, [each[2] for each in learned], symbol),
            reliability=_measure_by_horizon(deciles, unseen, symbol),
        )
    calibrated = [calibrate(list((each[2] or each[1] or each[3]).values())) for each in learned]
    widths = [width for _, width in calibrated]
    markets = simulated_markets(lake, cards)
    card: dict[str, Any] = {"kind": kind, "seed": seed, "symbols": cards}
    card |= {"levels": LEVELS, "widths": widths} | ({"simulated": markets} if markets else {})
    card = to_jsonable(card)
    forecaster = build_forecaster(
        [each[0] for each in learned],
        np.array([slope_and_sd for slope_and_sd, _ in calibrated]),
        card,
    )
    last = [read_day(lake, symbol, symbol_days[-1].date, 1) for symbol, symbol_days in days.items()]
    saved = save(out, replace(forecaster, card=card | {"age": asdict(ages(forecaster, last))}))
    return FlowTraining(out, saved.id, len(saved.roots), kind, seed, cards, LEVELS, widths, markets)


def _measure_by_horizon(
    measure: Callable[[Floats, Floats], Measured],
    forecasts: Sequence[Mapping[str, ForecastsAndMoves]],
    symbol: str,
) -> dict[str, Measured]:
    """A measure of each horizon's forecasts of a symbol, by horizon; horizons without forecasts are left out."""
    return {
        str(h): measure(*each[symbol])
        for h, each in zip(HORIZONS, forecasts, strict=True)
        if symbol in each
    }


def simulated_markets(
    lake: Lake, symbols: Mapping[str, TrainedSymbol]
) -> dict[str, SimulatedMarket]:
    """By symbol, the market that its days were simulated by, with its carry (None where no card knows it); symbols of
    tape alone are left out.
    """
    markets = {}
    for symbol, trained in symbols.items():
        for date in trained.days:
            if market := lake.instrument(symbol, date).extra.get("preset"):
                lessons = (
                    stored_lessons(load(market).card.get("teaches")) if market in names() else None
                )
                markets[symbol] = SimulatedMarket(market, lessons.carry if lessons else None)
    return markets


def learn(
    kind: str, days: Mapping[str, Days], horizon_s: int, seed: int, step: Callable[[], None]
) -> tuple[
    Trees, dict[str, ForecastsAndMoves], dict[str, ForecastsAndMoves], dict[str, ForecastsAndMoves]
]:
    """Model of all days at one horizon; by symbol, forecasts and moves on later days, without the symbol, and on early
    days in sample.

    Later days are forecast by a model of earlier ones, a symbol left out by a model of the other symbols.
    """
    early = fit_symbols(
        kind, [split_days(symbol_days)[0] for symbol_days in days.values()], horizon_s, seed
    )
    step()
    later = {
        symbol: forecasts_and_moves(early, split_days(symbol_days)[1], horizon_s)
        for symbol, symbol_days in days.items()
        if split_days(symbol_days)[1]
    }
    strangers = {}
    for symbol in days if len(days) > 1 else ():
        others = fit_symbols(
            kind,
            [symbol_days for name, symbol_days in days.items() if name != symbol],
            horizon_s,
            seed,
        )
        strangers[symbol] = forecasts_and_moves(others, days[symbol], horizon_s)
        step()
    model = fit_symbols(kind, list(days.values()), horizon_s, seed)
    step()
    seen = {
        symbol: forecasts_and_moves(early, split_days(symbol_days)[0], horizon_s)
        for symbol, symbol_days in days.items()
    }
    return model, later, strangers, seen


def forecasts_and_moves(model: Trees, days: Days, horizon_s: int) -> tuple[Floats, Floats]:
    """Forecasts of a model, not calibrated, and scaled moves, for the samples of some days whose move is known."""
    x, y = stack_samples(days, horizon_s)
    return build_forecaster([model] * len(HORIZONS)).raw(x, horizon_s), y
