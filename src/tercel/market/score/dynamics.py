"""Dynamics of a market: causes of moves, volatility by horizon, persistence, response to trades.

| figure | what it is | bar |
|---|---|---|
| ofi_r2_1s, 10s, 60s | R^2 of the mid's move on order-flow imbalance at the touch | 20 % at 10 s |
| signed_volume_r2_10s | R^2 of the mid's move on lots bought less lots sold | 20 % |
| variance_1s_to_10s .. 600s | variance over h seconds by h times that over one | .15 at 10 and 300 s |
| depth_acf_60s, depth_both_sides | log lots at the touch: 60 s later, and the two sides' | spread |
| volume_acf_1, 5, 20 | root of a minute's volume, so many minutes later | spread |
| abs_return_acf_1s, 10s, 60s; 1min, 5min | size of moves over a second; over a minute | spread |
| sign_acf_1, 10, 100, 1000 | signs of market orders, so many orders later | spread |
| response_emptied_1s, 10s; response_left_1s, 10s | move after an order that emptied the touch, or not | spread |
| excess_spread_60s | spread 60 s after a market order less that of its half hour, ticks | spread |

*Spread*: 1.5 standard deviations of the figure over the tape's days, or over the halves of each stretch if there are
fewer than three days. Correlations are about the mean of the day, those of signs about zero. Order-flow imbalance is
that of Cont, Kukanov & Stoikov (2014), "The price impact of order book events": what each change of the touch adds to
the demand less the supply.

Additive statistics by half-hour, and figures computed from them over days.

A figure is a function of a few sums (a share is hits over cases), so days and half-hours are added up once and a
bootstrap draws clusters of sums (`tercel.core.stats.bootstrap`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tercel.core.arrays import Bools
from tercel.core.estimate import Estimate
from tercel.core.jit import Floats, Longs
from tercel.core.stats.bootstrap import Moments, cluster_sums, intervals
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.observed import Observed
from tercel.market.observed.kernel import MARKET
from tercel.market.score.distance import finite
from tercel.market.score.sample import minute_volume, returns

# -- additive statistics by half-hour --

Sums = dict[str, Floats]
"""Name to float64[HALVES]."""
RESAMPLES = 1000
HALF_HOUR_S = 1800.0
HALVES = 48
"""Half-hours of the longest session."""


class Adder:
    """Accumulates sums by half-hour since an opening, ns."""

    def __init__(self, open_ns: int) -> None:
        self.open_ns = open_ns
        self.sums: Sums = {}

    def half_hour(self, ns: Longs) -> Longs:
        """Half-hours since the opening, the last of `HALVES` taking what comes later.

        >>> Adder(0).half_hour(np.array([0, 1800, 3599]) * NS_PER_SECOND).tolist()
        [0, 1, 1]
        """
        return np.clip((ns - self.open_ns) // round(HALF_HOUR_S * NS_PER_SECOND), 0, HALVES - 1)

    def add(self, name: str, ns: Longs, values: NDArray[np.generic] | None = None) -> None:
        """Add values (or ones) to the half-hours of their moments, arrays of one shape."""
        found = np.ones(ns.size) if values is None else values.ravel()
        index = self.half_hour(ns.ravel()).astype(np.intp)
        self.sums[name] = self.sums.get(name, 0.0) + cluster_sums(found, index, HALVES)

    def share(
        self, name: str, ns: Longs, hits: NDArray[np.generic], cases: Bools | None = None
    ) -> None:
        """The mean of `hits` over `cases`: sums `name` and `name#`."""
        chosen = slice(None) if cases is None else cases
        self.add(name, ns[chosen], hits[chosen])
        self.add(f"{name}#", ns[chosen])


@dataclass(frozen=True)
class SumFigure:
    """A figure computed from sums.

    Parameters
    ----------
    name : str
    columns : tuple of str
        The sums that it reads.
    of : callable
        Those columns, float64[B] each, to float64[B].
    """

    name: str
    columns: tuple[str, ...]
    of: Callable[..., Floats]


def over(top: Floats, bottom: Floats) -> Floats:
    """A quotient, nan for denominator 0.

    >>> over(np.array([1.0, 1.0]), np.array([4.0, 0.0]))
    array([0.25,  nan])
    """
    return np.divide(top, bottom, out=np.full_like(top, np.nan), where=bottom > 0.0)


def shares(names: Sequence[str]) -> list[SumFigure]:
    """Figures of sums added with :meth:`Adder.share`."""
    return [SumFigure(name, (name, f"{name}#"), over) for name in names]


def table(days: Sequence[Sums], columns: Sequence[str]) -> Floats:
    """Sums by day and half-hour, float64[D, HALVES, F]."""
    return np.stack(
        [np.column_stack([day.get(c, np.zeros(HALVES)) for c in columns]) for day in days]
    )


def clusters(sums: Floats) -> tuple[Floats, str]:
    """Sums by cluster, float64[C, F], and what they are: days, or of one day its half-hours."""
    if len(sums) > 1:
        return sums.sum(axis=1), "days"
    return sums[0][sums[0].any(axis=1)], "half hours"


def estimates(
    figures: Sequence[SumFigure], sums: Floats, columns: Sequence[str], seed: int
) -> dict[str, Estimate]:
    """Every figure with its interval over clusters."""
    found, _ = clusters(sums)
    moments = Moments(found, np.ones(len(found)), lambda means: _all(figures, means, columns))
    spans = intervals(moments, np.random.default_rng(seed), resamples=RESAMPLES)
    return {figure.name: one for figure, one in zip(figures, spans, strict=True)}


def values(figures: Sequence[SumFigure], sums: Floats, columns: Sequence[str]) -> dict[str, float]:
    """Every figure of sums float64[..., F], all added up."""
    total = sums.reshape(1, -1, sums.shape[-1]).sum(axis=1)
    return {
        figure.name: float(x)
        for figure, x in zip(figures, _all(figures, total, columns)[0], strict=True)
    }


def interleaved(
    figures: Sequence[SumFigure], sums: Floats, columns: Sequence[str]
) -> dict[str, float]:
    """Absolute difference of odd and even half-hours; parity changes daily, so that no hour is always on one side."""
    number = np.arange(sums.shape[0])[:, None] + np.arange(sums.shape[1])[None, :]
    odd, even = (values(figures, sums[number % 2 == half], columns) for half in (1, 0))
    return {name: abs(odd[name] - even[name]) for name in odd}


def by_day(figure: SumFigure, sums: Floats, columns: Sequence[str]) -> Floats:
    """A figure of each day, float64[D]."""
    return _all([figure], sums.sum(axis=1), columns)[:, 0]


def _all(figures: Sequence[SumFigure], means: Floats, columns: Sequence[str]) -> Floats:
    at = {name: means[:, i] for i, name in enumerate(columns)}
    return np.column_stack([figure.of(*(at[c] for c in figure.columns)) for figure in figures])


@dataclass(frozen=True)
class TapeFigure:
    """A dynamic figure of the tape with its interval, its floor (odd against even half hours), its value on the days
    calibrated on, and the largest distance from it that passes.
    """

    real: float
    ci_low: float | None
    ci_high: float | None
    floor: float | None
    train: float | None
    bar: float


@dataclass(frozen=True)
class DynamicFigure(TapeFigure):
    """The tape's figure beside the simulated one; a missing value has not passed."""

    value: float | None
    passed: bool


OFI_S: Final = (1, 10, 60)
VOLUME_S: Final = 10
RATIOS_S: Final = (10, 60, 300, 600)
GRID_S: Final = 10
"""Depth is looked at so often."""
LATER_S: Final = 60
"""Depth, and the spread after a trade, are looked at again so much later."""
VOLUME_LAGS: Final = (1, 5, 20)
MOVE_LAGS_S: Final = (1, 10, 60)
MOVE_LAGS_MIN: Final = (1, 5)
SIGN_LAGS: Final = (1, 10, 100, 1000)
AFTER_S: Final = (1, 10)
MINUTE: Final = 60

R2: Final = 0.20
RELATIVE: Final = ("ofi_r2_10s", "signed_volume_r2_10s")
RATIO: Final = 0.15
ABSOLUTE: Final = ("variance_1s_to_10s", "variance_1s_to_300s")
SPREADS: Final = 1.5
FEW_DAYS: Final = 3
"""With fewer stretches the spread is that of their halves."""
SEED: Final = 1
"""Of the intervals."""


def judge(tape: Mapping[str, TapeFigure], simulated: Sequence[Sums]) -> dict[str, DynamicFigure]:
    """The tape's figures beside those of simulated stretches."""
    made = values(FIGURES, table(simulated, COLUMNS), COLUMNS)
    return {
        name: DynamicFigure(
            **vars(row),
            value=finite(made[name]),
            passed=bool(abs(made[name] - row.real) <= row.bar),
        )
        for name, row in tape.items()
    }


def of_tape(test: Sequence[Sums], train: Sequence[Sums]) -> dict[str, TapeFigure]:
    """Dynamic figures of days of tape with intervals, floors and bars.

    Parameters
    ----------
    test, train : sequences of Sums
        Of each stretch (:func:`sums_of`) held out, and calibrated on.

    Returns
    -------
    dict
        Figures that the tape does not determine (too few trades for a lag, a spread of one stretch) are left out.
    """
    held = table(test, COLUMNS)
    floor, seen = (
        interleaved(FIGURES, held, COLUMNS),
        values(FIGURES, table(train or test, COLUMNS), COLUMNS),
    )
    spread = spreads(table([*test, *train], COLUMNS))
    rows = {
        name: TapeFigure(
            real=one.mean,
            ci_low=finite(one.ci_low),
            ci_high=finite(one.ci_high),
            floor=finite(floor[name]),
            train=finite(seen[name]) if train else None,
            bar=bar(name, one.mean, spread[name]),
        )
        for name, one in estimates(FIGURES, held, COLUMNS, SEED).items()
    }
    return {
        name: row for name, row in rows.items() if np.isfinite(row.real) and np.isfinite(row.bar)
    }


def bar(name: str, real: float, spread: float) -> float:
    """Largest allowed distance of a figure from tape.

    >>> bar("ofi_r2_10s", 0.5, 0.3), bar("variance_1s_to_300s", 0.5, 0.3), round(bar("sign_acf_1", 0.5, 0.3), 9)
    (0.1, 0.15, 0.45)
    """
    if name in RELATIVE:
        return R2 * abs(real)
    return RATIO if name in ABSOLUTE else SPREADS * spread


def spreads(stretches: Floats) -> dict[str, float]:
    """Standard deviation of each figure over stretches, or over their halves; sums float64[D, HALVES, F]."""
    parts = list(stretches)
    if len(parts) < FEW_DAYS:
        parts = [
            half for one in parts for half in np.array_split(one[one.any(axis=1)], 2) if len(half)
        ]
    found = {}
    totals = np.stack([part.sum(axis=0) for part in parts])[:, None]
    for figure in FIGURES:
        by_days = by_day(figure, totals, COLUMNS)
        by_days = by_days[np.isfinite(by_days)]
        found[figure.name] = float(by_days.std(ddof=1)) if len(by_days) > 1 else np.nan
    return found


# -- sums -------------------------------------------------------------------------------------------------------------


def sums_of(o: Observed) -> Sums:
    """Sums behind the figures over one stretch, by half hour."""
    adder = Adder(o.open_ns)
    _add_flow(adder, o)
    _add_moves(adder, o)
    _add_depth(adder, o)
    _add_trades(adder, o)
    return adder.sums


def order_flow(o: Observed) -> Floats:
    """Order-flow imbalance at the touch from the first row to each, lots, float64[n].

    A bid that improves adds its lots, one that worsens takes away those that stood, one that stays adds the change;
    the ask the other way round.
    """
    bid, ask = o.bid_px[:, 0], o.ask_px[:, 0]
    wanted, offered = o.bid_lots[:, 0].astype(np.float64), o.ask_lots[:, 0].astype(np.float64)
    demand = (bid[1:] >= bid[:-1]) * wanted[1:] - (bid[1:] <= bid[:-1]) * wanted[:-1]
    supply = (ask[1:] <= ask[:-1]) * offered[1:] - (ask[1:] >= ask[:-1]) * offered[:-1]
    return np.concatenate((np.zeros(min(o.n, 1)), np.cumsum(demand - supply)))


def _grid(o: Observed, seconds: int) -> tuple[Longs, Longs]:
    """Moments so many seconds apart, and the first row from each on, whose book is the one that stood then."""
    moments = np.arange(o.start_ns, o.stop_ns, seconds * NS_PER_SECOND, dtype=np.int64)
    row = np.searchsorted(o.ns, moments)
    return moments[row < o.n], row[row < o.n]


def _mid(o: Observed) -> Floats:
    return (o.bid_px[:, 0] + o.ask_px[:, 0]) / 2.0


def _together(adder: Adder, name: str, ns: Longs, x: Floats, y: Floats) -> None:
    """Second moments of two series of one length."""
    n = min(len(ns), len(x), len(y))
    for what, product in (("xx", x[:n] * x[:n]), ("yy", y[:n] * y[:n]), ("xy", x[:n] * y[:n])):
        adder.add(f"{name} {what}", ns[:n], product)


def _later(adder: Adder, name: str, ns: Longs, x: Floats, lag: int) -> None:
    """Second moments of a series and itself so many values later."""
    _together(adder, name, ns[:-lag], x[:-lag], x[lag:])


def _centred(x: Floats) -> Floats:
    return x - x.mean() if len(x) else x


def _add_flow(adder: Adder, o: Observed) -> None:
    """Moves of the mid beside order-flow imbalance and signed volume."""
    mid, flow = _mid(o), order_flow(o)
    signed = np.where(o.kind == MARKET, o.side * o.lots.astype(np.float64), 0.0)
    volume = np.concatenate(([0.0], np.cumsum(signed)))[: o.n]
    for seconds in OFI_S:
        ns, at = _grid(o, seconds)
        _together(
            adder,
            f"ofi_{seconds}s",
            ns[:-1],
            _centred(np.diff(flow[at])),
            _centred(np.diff(mid[at])),
        )
    ns, at = _grid(o, VOLUME_S)
    _together(
        adder, "signed_volume", ns[:-1], _centred(np.diff(volume[at])), _centred(np.diff(mid[at]))
    )


def _add_moves(adder: Adder, o: Observed) -> None:
    """Squares of the mid's moves by horizon, and how long large ones last."""
    lead = int(np.argmax(o.mid2 != 0))
    for seconds in (1, *RATIOS_S):
        moved = returns(o, seconds)
        adder.share(f"move_{seconds}s", _every(o, 1, len(moved), lead), moved**2)
    one, sixty = _centred(np.abs(returns(o, 1))), _centred(np.abs(returns(o, MINUTE)[::MINUTE]))
    for lag in MOVE_LAGS_S:
        _later(adder, f"abs_return_acf_{lag}s", _every(o, 1, len(one), lead), one, lag)
    for lag in MOVE_LAGS_MIN:
        _later(adder, f"abs_return_acf_{lag}min", _every(o, MINUTE, len(sixty), lead), sixty, lag)


def _every(o: Observed, seconds: int, count: int, lead: int = 0) -> Longs:
    """Moments so many seconds apart from the start (and `lead` seconds) on."""
    return o.start_ns + (lead + seconds * np.arange(count, dtype=np.int64)) * NS_PER_SECOND


def _add_depth(adder: Adder, o: Observed) -> None:
    """Log lots at both touches, and the minutes' volume."""
    ns, at = _grid(o, GRID_S)
    sides = [
        _centred(np.log(np.maximum(lots[at, 0], 1).astype(np.float64)))
        for lots in (o.bid_lots, o.ask_lots)
    ]
    for lots in sides:
        _later(adder, "depth_acf_60s", ns, lots, LATER_S // GRID_S)
    _together(adder, "depth_both_sides", ns, *sides)
    volume = _centred(np.sqrt(minute_volume(o)))
    for lag in VOLUME_LAGS:
        _later(adder, f"volume_acf_{lag}", _every(o, MINUTE, len(volume)), volume, lag)


def _add_trades(adder: Adder, o: Observed) -> None:
    """Memory of signs, where the mid is after a market order, and the spread."""
    mid, width = _mid(o), (o.ask_px[:, 0] - o.bid_px[:, 0]).astype(np.float64)
    rows = np.flatnonzero(o.kind == MARKET)
    signs = o.side[rows].astype(np.float64)
    for lag in SIGN_LAGS:
        _later(adder, f"sign_acf_{lag}", o.ns[rows], signs, lag)
    rows = rows[rows + 1 < o.n]
    emptied = np.where(
        o.side[rows] > 0,
        o.ask_px[rows + 1, 0] > o.ask_px[rows, 0],
        o.bid_px[rows + 1, 0] < o.bid_px[rows, 0],
    )
    for seconds in AFTER_S:
        at = np.searchsorted(o.ns, o.ns[rows] + seconds * NS_PER_SECOND)
        seen = at < o.n
        moved = o.side[rows] * (mid[np.minimum(at, o.n - 1)] - mid[rows])
        for name, chosen in (("emptied", emptied), ("left", ~emptied)):
            adder.share(f"response_{name}_{seconds}s", o.ns[rows], moved, seen & chosen)
    at = np.searchsorted(o.ns, o.ns[rows] + LATER_S * NS_PER_SECOND)
    rows, at = rows[at < o.n], at[at < o.n]
    usual = _usual_spread(o)[adder.half_hour(o.ns[rows])]
    adder.share("excess_spread_60s", o.ns[rows], width[at] - usual, np.isfinite(usual))


def _usual_spread(o: Observed) -> Floats:
    """Mean spread of each half hour over its seconds, float64[HALVES]."""
    lead = int(np.argmax(o.mid2 != 0))
    spread = o.spread[lead:].astype(np.float64)
    adder = Adder(o.open_ns)
    adder.share("spread", _every(o, 1, len(spread), lead), spread)
    return over(adder.sums["spread"], adder.sums["spread#"])


# -- figures ----------------------------------------------------------------------------------------------------------


def _correlation(xx: Floats, yy: Floats, xy: Floats) -> Floats:
    return over(xy, np.sqrt(xx * yy))


def _squared(xx: Floats, yy: Floats, xy: Floats) -> Floats:
    return _correlation(xx, yy, xy) ** 2


def _ratio(seconds: int, long: Floats, longs: Floats, short: Floats, shorts: Floats) -> Floats:
    return over(over(long, longs), seconds * over(short, shorts))


def _figures() -> list[SumFigure]:
    def moments(of: str) -> tuple[str, ...]:
        return tuple(f"{of} {what}" for what in ("xx", "yy", "xy"))

    found = [SumFigure(f"ofi_r2_{h}s", moments(f"ofi_{h}s"), _squared) for h in OFI_S]
    found.append(SumFigure(f"signed_volume_r2_{VOLUME_S}s", moments("signed_volume"), _squared))
    found += [
        SumFigure(
            f"variance_1s_to_{h}s",
            (f"move_{h}s", f"move_{h}s#", "move_1s", "move_1s#"),
            partial(_ratio, h),
        )
        for h in RATIOS_S
    ]
    names = ["depth_acf_60s", "depth_both_sides", *(f"volume_acf_{lag}" for lag in VOLUME_LAGS)]
    names += [f"abs_return_acf_{lag}s" for lag in MOVE_LAGS_S] + [
        f"abs_return_acf_{lag}min" for lag in MOVE_LAGS_MIN
    ]
    names += [f"sign_acf_{lag}" for lag in SIGN_LAGS]
    found += [SumFigure(name, moments(name), _correlation) for name in names]
    means = [f"response_{name}_{h}s" for name in ("emptied", "left") for h in AFTER_S]
    return [*found, *shares([*means, "excess_spread_60s"])]


FIGURES: Final = _figures()
COLUMNS: Final = sorted({name for figure in FIGURES for name in figure.columns})
