"""Recorded days as a forecaster learns from them: features at moments, and the quotes before and after.

A day runs through the market's own kernels once, without any order of ours, so that features here are those of a
decision in replay, at a desk, or in a driver.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from tercel.core.arrays import Bools, Floats, Ints
from tercel.core.jit import Floats as Reals, Longs, Packed, kernel
from tercel.core.stats.inference import weighted_interval
from tercel.core.vocabulary import NO_ASK, NO_BID, NS_PER_SECOND
from tercel.execution.foresight.forecaster import (
    FEATURES,
    HORIZONS,
    NAMES,
    SIGN,
    UNIT,
    WIDTH,
    Forecaster,
    features,
    no_quote,
)
from tercel.market.score.distance import auc
from tercel.market.simulator import layout as sim
from tercel.market.simulator.engine import mark_time, next_public, public_event
from tercel.market.simulator.records import state_at
from tercel.market.simulator.source import source_of
from tercel.market.tape import Events, Instrument, Lake
from tercel.market.tape.compiled import CompiledDay, compile_day, compiled

# -- days -----------------------------------------------------------------------------------------

STEP_NS: Final = NS_PER_SECOND // 4
"""Time between two quotes, ns."""
EVERY: Final = 17
"""Features are taken at every 17th of these moments, at each quarter of a second in turn."""
MARGIN_S: Final = 60
"""Seconds after the opening and before the close that nothing is learned from."""


@dataclass(frozen=True, eq=False)
class FlowDay:
    """A day of a symbol as samples.

    Parameters
    ----------
    symbol, date : str
    tick : float
    first_ns : int
        Time of the first quote; the others follow every STEP_NS.
    bid, ask : int64 (q,)
        Best public prices, ticks; 0 where a side is not quoted.
    at : int64 (n,)
        Which quote each sample was taken at.
    x : float64 (n, FEATURES)
    sign, unit : float64 (n,)
        Which way the features look, and the standard deviation of a second's move, half-ticks.
    volume : int
        Lots traded in all.
    """

    symbol: str
    date: str
    tick: float
    first_ns: int
    bid: Ints
    ask: Ints
    at: Ints
    x: Floats
    sign: Floats
    unit: Floats
    volume: int = 0

    @cached_property
    def mid2(self) -> Floats:
        """Bid + ask of each quote, half-ticks; NaN where a side is not quoted."""
        return np.where((self.bid > 0) & (self.ask > 0), self.bid + self.ask, np.nan)

    def later(self, seconds: int) -> Floats:
        """The mid so many seconds after each sample, half-ticks; NaN where it is not known."""
        then = self.at + seconds * NS_PER_SECOND // STEP_NS
        return np.where(
            then < len(self.bid), self.mid2[np.minimum(then, len(self.bid) - 1)], np.nan
        )

    def moves(self, seconds: int) -> Floats:
        """Move of the mid in the next `seconds` of each sample, half-ticks; NaN where it is not known."""
        return self.later(seconds) - self.mid2[self.at]

    def scaled(self, seconds: int) -> Floats:
        """The same over its standard deviation, and the way the features look."""
        return np.asarray(self.sign * self.moves(seconds) / (self.unit * np.sqrt(seconds)))


@kernel
def watch(
    b: Packed,
    k: Longs,
    flow: Reals,
    tape: Longs,
    first: int,
    every: int,
    quotes: Longs,
    x: Reals,
    known: Longs,
) -> None:
    """Run a market alone: its quotes every STEP_NS from `first` on, its features at every `every`-th of them."""
    s = state_at(k)
    for t in range(quotes.shape[0]):
        until = first + t * STEP_NS
        while next_public(k) <= until:
            mark_time(b, k, next_public(k))
            s.now = next_public(k)
            public_event(b, k, flow, tape)
        mark_time(b, k, until + 1)
        s.now = until
        quoted = s.public_bid != NO_BID and s.public_ask != NO_ASK and s.halted == 0
        quoted = quoted and not no_quote(s.public_bid, s.public_ask)
        quotes[t, 0] = s.public_bid if quoted else 0
        quotes[t, 1] = s.public_ask if quoted else 0
        if t % every == 0:
            n = t // every
            known[n] = 1 if features(b, k, x[n]) else 0


def read_day(lake: Lake, symbol: str, date: str, every: int = EVERY) -> FlowDay:
    """One day of a lake as samples, `every` quarters of a second apart."""
    return watch_day(compiled(lake, symbol, date, None), every)


def flow_day(instrument: Instrument, events: Events) -> FlowDay:
    """The same of a day's events."""
    return watch_day(compile_day(instrument, events))


def watch_day(one: CompiledDay, every: int = EVERY) -> FlowDay:
    """The same of a day that is ready for replay."""
    source, (day,) = source_of([one])
    world = int(day.world[0])
    b, k = (
        source.worlds_b[world].copy(),
        sim.extend(source.worlds_k[world], 0, seconds=sim.PAST_SECONDS),
    )
    k[sim.CURSOR], k[sim.CURSOR_END] = int(day.world_row[0]), day.last_row
    k[sim.FLOW_NS] = source.tape[k[sim.CURSOR], sim.T_NS]
    start = max(day.open_ns, int(day.world_ns[0])) // NS_PER_SECOND + MARGIN_S
    first = start * NS_PER_SECOND
    stop = min(day.close_ns, day.last_ns) - MARGIN_S * NS_PER_SECOND
    count = max((stop - first) // STEP_NS, 0)
    quotes, n = np.zeros((count, 2), np.int64), -(-count // every)
    x, known = np.zeros((n, WIDTH)), np.zeros(n, np.int64)
    watch(b, k, source.flow, source.tape, first, every, quotes, x, known)
    usable: Bools = known > 0
    at, x = np.arange(n)[usable] * every, x[usable]
    return FlowDay(
        day.instrument.symbol,
        day.instrument.date,
        day.instrument.tick,
        first,
        quotes[:, 0],
        quotes[:, 1],
        at,
        np.ascontiguousarray(x[:, :FEATURES]),
        x[:, SIGN].copy(),
        x[:, UNIT].copy(),
        int(k[sim.BOUGHT] + k[sim.SOLD] + k[sim.HIDDEN_LOTS]),
    )


# -- score ----------------------------------------------------------------------------------------
# How good a forecaster is on days that it was not trained on, symbol by symbol, and what it is worth.

QUEUE: Final = NAMES.index("queue")
LATE_S: Final = 1
"""Seconds after its forecast that a choice is carried out."""
LATER_S: Final = 30
BINS: Final = 10
OLDEST: Final = 12
"""Steps of a quarter of a second that forecasts are compared over."""
LEAST_CORRELATION: Final = 0.9
"""Correlation with the forecast of now below which an older one is none."""
BLOCK_NS: Final = 1800 * 10**9
SURE: Final = 2.0
"""A gain of fewer standard errors is none."""


@dataclass(frozen=True)
class Accuracy:
    """R² of scaled moves, AUC of their signs among moves, and the slope of moves on forecasts."""

    samples: int
    r2: float
    auc: float | None
    slope: float | None


@dataclass(frozen=True)
class ScoredHorizon(Accuracy):
    """Accuracy at one horizon: intervals by day, AUC of the queue alone, share of outcomes in each interval."""

    r2_ci: list[float] | None
    auc_ci: list[float] | None
    queue_auc: float | None
    coverage: dict[str, float]


@dataclass(frozen=True)
class Bin:
    """Mean forecast and mean outcome of a tenth of the forecasts."""

    forecast: float
    outcome: float


@dataclass(frozen=True)
class ScoredSymbol:
    """Card of a forecaster on the days of a symbol; `left_out` counts days that it was trained on.

    `choice_bps` and `choice_t` are the worth of a free choice (:func:`worth`); `worth_bps` is the same, None where it is
    not above 0.
    """

    left_out: int
    days: int
    samples: int
    horizons: dict[str, ScoredHorizon]
    worth_bps: float | None
    choice_bps: float
    choice_t: float | None
    reliability: list[Bin]


@dataclass(frozen=True)
class Ages:
    """Correlation of forecasts with later ones by their age, ms, and the age at which it falls below `LEAST_CORRELATION`."""

    limit_ms: int
    correlation: dict[str, float]


def accuracy(said: Floats, y: Floats) -> Accuracy:
    """R² of scaled moves, AUC of their signs among moves, and the slope of moves on forecasts.

    Both are oriented by the heavier queue, so that a constant is what the queue says: signs are counted both ways.

    >>> found = accuracy(np.array([1.0, -1.0, 0.5, 0.2]), np.array([2.0, -1.0, 1.0, 0.0]))
    >>> round(found.r2, 4), found.auc
    (0.785, 1.0)
    """
    moved, square = y != 0, float((said * said).sum())
    return Accuracy(
        samples=len(y),
        r2=float(1.0 - ((y - said) ** 2).sum() / max((y * y).sum(), 1e-12)),
        auc=mirrored_auc(said[moved], y[moved]),
        slope=float((said * y).sum() / square) if square > 0 else None,
    )


def deciles(said: Floats, y: Floats) -> list[Bin]:
    """Mean forecast and mean outcome in ten bins of the forecast as large as each other.

    >>> deciles(np.arange(20.0), np.arange(20.0) + 1)[0]
    Bin(forecast=0.5, outcome=1.5)
    """
    order = np.array_split(np.argsort(said, kind="stable"), BINS)
    return [Bin(float(said[part].mean()), float(y[part].mean())) for part in order if len(part)]


def mirrored_auc(said: Floats, y: Floats) -> float | None:
    """AUC of the sign of `y` by `said`, each sample counted with its mirror image; None without moves."""
    rises = np.concatenate([said[y > 0], -said[y < 0]])
    return auc(rises, -rises) if len(rises) else None


def scored(forecaster: Forecaster, days: Sequence[FlowDay], left_out: int) -> ScoredSymbol:
    """The card of a symbol: accuracy by horizon with intervals by day, worth, reliability."""
    gain, t = worth(forecaster, days)
    return ScoredSymbol(
        left_out=left_out,
        days=len(days),
        samples=sum(len(day.x) for day in days),
        horizons={str(h): _at(forecaster, days, n, h) for n, h in enumerate(HORIZONS)},
        worth_bps=gain if t is not None and t > SURE else None,
        choice_bps=gain,
        choice_t=t,
        reliability=reliability(forecaster, days),
    )


def _at(forecaster: Forecaster, days: Sequence[FlowDay], n: int, horizon_s: int) -> ScoredHorizon:
    parts = []
    for day in days:
        y = day.scaled(horizon_s)
        known = np.isfinite(y)
        parts.append((forecaster.predict(day.x[known], horizon_s), y[known], day.x[known, QUEUE]))
    said, y, queue = (np.concatenate([part[j] for part in parts]) for j in range(3))
    by_day = [accuracy(part[0], part[1]) for part in parts]
    error, sd, moved = np.abs(y - said), forecaster.scale[n, 1], y != 0
    widths = zip(forecaster.facts.levels, forecaster.facts.widths[n], strict=True)
    return ScoredHorizon(
        **vars(accuracy(said, y)),
        r2_ci=_interval([one.r2 for one in by_day]),
        auc_ci=_interval([one.auc for one in by_day if one.auc is not None]),
        queue_auc=mirrored_auc(queue[moved], y[moved]),
        coverage={f"{level:g}": float((error <= width * sd).mean()) for level, width in widths},
    )


def _interval(values: Sequence[float]) -> list[float] | None:
    """95 % interval of a mean over days, by Student's t; None below three days."""
    mean, half = weighted_interval(values, [1.0] * len(values))
    return None if mean is None or half is None else [mean - half, mean + half]


def worth(forecaster: Forecaster, days: Sequence[FlowDay]) -> tuple[float, float | None]:
    """Mean gain of a choice between now and 30 s later for an order of either side, executed a second late, bps; and
    its t statistic over days (over half hours below three days).
    """
    gains, labels = [], []
    for number, day in enumerate(days):
        said = day.sign * forecaster.predict(day.x, LATER_S)
        gain = (
            0.5
            * np.sign(said)
            * (day.later(LATER_S) - day.later(LATE_S))
            / np.abs(day.mid2[day.at])
            * 1e4
        )
        known = np.isfinite(gain)
        block = day.at * STEP_NS // BLOCK_NS if len(days) < 3 else np.zeros(len(gain), np.int64)
        gains.append(gain[known])
        labels.append(1000 * number + block[known])
    return by_cluster(np.concatenate(gains), np.concatenate(labels))


def by_cluster(values: Floats, labels: Ints) -> tuple[float, float | None]:
    """Mean over clusters of their means, and its t; None of one cluster."""
    _, at = np.unique(labels, return_inverse=True)
    means = np.bincount(at, values) / np.bincount(at)
    if len(means) < 2 or np.std(means) == 0:
        return float(means.mean()), None
    return float(means.mean()), float(means.mean() / (np.std(means, ddof=1) / np.sqrt(len(means))))


def reliability(forecaster: Forecaster, days: Sequence[FlowDay], horizon_s: int = 10) -> list[Bin]:
    """Forecast and outcome, in half spreads, in ten bins of the forecast as large as each other."""
    said, came = [], []
    for day in days:
        half = (day.ask - day.bid)[day.at].astype(
            np.float64
        )  # half a spread in half-ticks is the spread in ticks
        move = day.moves(horizon_s)
        known = np.isfinite(move) & (half > 0)
        units = day.sign * day.unit * np.sqrt(horizon_s)
        said.append((units * forecaster.predict(day.x, horizon_s) / half)[known])
        came.append((move / half)[known])
    return deciles(np.concatenate(said), np.concatenate(came))


def ages(forecaster: Forecaster, days: Sequence[FlowDay], horizon_s: int = 10) -> Ages:
    """Correlation of forecasts with later ones by age; the limit age is interpolated linearly.

    Parameters
    ----------
    days : sequence of FlowDay
        Samples of every STEP_NS.
    """
    lines = []
    for day in days:
        line = np.full(len(day.bid), np.nan)
        line[day.at] = day.sign * forecaster.predict(day.x, horizon_s)
        lines.append(line)
    found, step = [1.0], STEP_NS // 1_000_000
    for lag in range(1, OLDEST + 1):
        pairs = np.concatenate([np.stack([line[:-lag], line[lag:]]) for line in lines], axis=1)
        found.append(float(np.corrcoef(pairs[:, np.isfinite(pairs).all(axis=0)])[0, 1]))
    old = next((lag for lag, value in enumerate(found) if value < LEAST_CORRELATION), OLDEST)
    share = min((found[old - 1] - LEAST_CORRELATION) / (found[old - 1] - found[old]), 1.0)
    return Ages(
        round(step * (old - 1 + share)), {str(step * n): value for n, value in enumerate(found)}
    )
