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
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

from tercel.core.jit import Floats, Longs
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.observed import Observed
from tercel.market.observed.event_columns import MARKET
from tercel.market.score.distance import finite_or_none
from tercel.market.score.half_hour_sums import (
    Adder,
    SumFigure,
    Sums,
    figure_by_day,
    figure_estimates,
    figure_values,
    interleaved_differences,
    safe_ratio,
    share_figures,
    sums_table,
)
from tercel.market.score.sample import minute_volume, returns

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


@dataclass(frozen=True)
class TapeFigure:
    """A dynamic figure of the tape with interval, floor, value on calibration days, and the distance that passes.

    The floor is the difference of odd and even half hours.
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


def judge_figures(
    tape: Mapping[str, TapeFigure], simulated: Sequence[Sums]
) -> dict[str, DynamicFigure]:
    """The tape's figures beside those of simulated stretches."""
    simulated_values = figure_values(FIGURES, sums_table(simulated, COLUMNS), COLUMNS)
    return {
        name: DynamicFigure(
            **vars(row),
            value=finite_or_none(simulated_values[name]),
            passed=bool(abs(simulated_values[name] - row.real) <= row.bar),
        )
        for name, row in tape.items()
    }


def tape_figures(test: Sequence[Sums], train: Sequence[Sums]) -> dict[str, TapeFigure]:
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
    sums = sums_table(test, COLUMNS)
    floor = interleaved_differences(FIGURES, sums, COLUMNS)
    train_values = figure_values(FIGURES, sums_table(train or test, COLUMNS), COLUMNS)
    spread = spreads(sums_table([*test, *train], COLUMNS))
    rows = {
        name: TapeFigure(
            real=estimate.mean,
            ci_low=finite_or_none(estimate.ci_low),
            ci_high=finite_or_none(estimate.ci_high),
            floor=finite_or_none(floor[name]),
            train=finite_or_none(train_values[name]) if train else None,
            bar=bar(name, estimate.mean, spread[name]),
        )
        for name, estimate in figure_estimates(FIGURES, sums, COLUMNS, SEED).items()
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
    """Standard deviation of each figure over stretches, or over their halves if there are fewer than 3; NaN if not determined.
    Of sums float64[D, HALVES, F].
    """
    parts = list(stretches)
    if len(parts) < FEW_DAYS:
        parts = [
            half
            for stretch in parts
            for half in np.array_split(stretch[stretch.any(axis=1)], 2)
            if len(half)
        ]
    by_figure = {}
    totals = np.stack([part.sum(axis=0) for part in parts])[:, None]
    for figure in FIGURES:
        by_days = figure_by_day(figure, totals, COLUMNS)
        by_days = by_days[np.isfinite(by_days)]
        by_figure[figure.name] = float(by_days.std(ddof=1)) if len(by_days) > 1 else np.nan
    return by_figure


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
    wanted = o.bid_lots[:, 0].astype(np.float64)
    offered = o.ask_lots[:, 0].astype(np.float64)
    demand = (bid[1:] >= bid[:-1]) * wanted[1:] - (bid[1:] <= bid[:-1]) * wanted[:-1]
    supply = (ask[1:] <= ask[:-1]) * offered[1:] - (ask[1:] >= ask[:-1]) * offered[:-1]
    return np.concatenate((np.zeros(min(o.n, 1)), np.cumsum(demand - supply)))


def _grid(o: Observed, seconds: int) -> tuple[Longs, Longs]:
    """Times some seconds apart, and for each the first row from then on, whose book is the one that stood at that time."""
    moments = np.arange(o.start_ns, o.stop_ns, seconds * NS_PER_SECOND, dtype=np.int64)
    row = np.searchsorted(o.ns, moments)
    return moments[row < o.n], row[row < o.n]


def _mid(o: Observed) -> Floats:
    """Mid before each event, ticks."""
    return (o.bid_px[:, 0] + o.ask_px[:, 0]) / 2.0


def _add_moments(adder: Adder, name: str, ns: Longs, x: Floats, y: Floats) -> None:
    """Add second moments of two series of one length."""
    n = min(len(ns), len(x), len(y))
    for key, product in (("xx", x[:n] * x[:n]), ("yy", y[:n] * y[:n]), ("xy", x[:n] * y[:n])):
        adder.add(f"{name} {key}", ns[:n], product)


def _add_lagged_moments(adder: Adder, name: str, ns: Longs, x: Floats, lag: int) -> None:
    """Add second moments of a series and of itself some values later."""
    _add_moments(adder, name, ns[:-lag], x[:-lag], x[lag:])


def _centre(x: Floats) -> Floats:
    """A series less its mean."""
    return x - x.mean() if len(x) else x


def _add_flow(adder: Adder, o: Observed) -> None:
    """Add the sums behind R^2 of the mid's moves on order-flow imbalance and signed volume."""
    mid = _mid(o)
    flow = order_flow(o)
    signed = np.where(o.kind == MARKET, o.side * o.lots.astype(np.float64), 0.0)
    volume = np.concatenate(([0.0], np.cumsum(signed)))[: o.n]
    for seconds in OFI_S:
        ns, rows = _grid(o, seconds)
        _add_moments(
            adder,
            f"ofi_{seconds}s",
            ns[:-1],
            _centre(np.diff(flow[rows])),
            _centre(np.diff(mid[rows])),
        )
    ns, rows = _grid(o, VOLUME_S)
    _add_moments(
        adder, "signed_volume", ns[:-1], _centre(np.diff(volume[rows])), _centre(np.diff(mid[rows]))
    )


def _add_moves(adder: Adder, o: Observed) -> None:
    """Add squares of the mid's moves by horizon, and products that measure how long large moves last."""
    lead = int(np.argmax(o.mid2 != 0))
    for seconds in (1, *RATIOS_S):
        moves = returns(o, seconds)
        adder.add_mean(f"move_{seconds}s", _moments_every(o, 1, len(moves), lead), moves**2)
    abs_1s = _centre(np.abs(returns(o, 1)))
    abs_1min = _centre(np.abs(returns(o, MINUTE)[::MINUTE]))
    for lag in MOVE_LAGS_S:
        _add_lagged_moments(
            adder, f"abs_return_acf_{lag}s", _moments_every(o, 1, len(abs_1s), lead), abs_1s, lag
        )
    for lag in MOVE_LAGS_MIN:
        _add_lagged_moments(
            adder,
            f"abs_return_acf_{lag}min",
            _moments_every(o, MINUTE, len(abs_1min), lead),
            abs_1min,
            lag,
        )


def _moments_every(o: Observed, seconds: int, count: int, lead: int = 0) -> Longs:
    """Times some seconds apart, from the start (and `lead` seconds) on, ns."""
    return o.start_ns + (lead + seconds * np.arange(count, dtype=np.int64)) * NS_PER_SECOND


def _add_depth(adder: Adder, o: Observed) -> None:
    """Add the sums of log lots at both touches, and of the minutes' volume."""
    ns, rows = _grid(o, GRID_S)
    sides = [
        _centre(np.log(np.maximum(lots[rows, 0], 1).astype(np.float64)))
        for lots in (o.bid_lots, o.ask_lots)
    ]
    for lots in sides:
        _add_lagged_moments(adder, "depth_acf_60s", ns, lots, LATER_S // GRID_S)
    _add_moments(adder, "depth_both_sides", ns, *sides)
    volume = _centre(np.sqrt(minute_volume(o)))
    for lag in VOLUME_LAGS:
        _add_lagged_moments(
            adder, f"volume_acf_{lag}", _moments_every(o, MINUTE, len(volume)), volume, lag
        )


def _add_trades(adder: Adder, o: Observed) -> None:
    """Add the sums behind sign memory, response to market orders, and spread after them."""
    mid = _mid(o)
    width = (o.ask_px[:, 0] - o.bid_px[:, 0]).astype(np.float64)
    rows = np.flatnonzero(o.kind == MARKET)
    signs = o.side[rows].astype(np.float64)
    for lag in SIGN_LAGS:
        _add_lagged_moments(adder, f"sign_acf_{lag}", o.ns[rows], signs, lag)
    rows = rows[rows + 1 < o.n]
    emptied = np.where(
        o.side[rows] > 0,
        o.ask_px[rows + 1, 0] > o.ask_px[rows, 0],
        o.bid_px[rows + 1, 0] < o.bid_px[rows, 0],
    )
    for seconds in AFTER_S:
        later_rows = np.searchsorted(o.ns, o.ns[rows] + seconds * NS_PER_SECOND)
        in_range = later_rows < o.n
        responses = o.side[rows] * (mid[np.minimum(later_rows, o.n - 1)] - mid[rows])
        for name, subset in (("emptied", emptied), ("left", ~emptied)):
            adder.add_mean(f"response_{name}_{seconds}s", o.ns[rows], responses, in_range & subset)
    later_rows = np.searchsorted(o.ns, o.ns[rows] + LATER_S * NS_PER_SECOND)
    rows, later_rows = rows[later_rows < o.n], later_rows[later_rows < o.n]
    usual = _usual_spread(o)[adder.half_hour(o.ns[rows])]
    adder.add_mean("excess_spread_60s", o.ns[rows], width[later_rows] - usual, np.isfinite(usual))


def _usual_spread(o: Observed) -> Floats:
    """Mean spread of each half hour over its seconds, float64[HALVES]."""
    lead = int(np.argmax(o.mid2 != 0))
    spread = o.spread[lead:].astype(np.float64)
    adder = Adder(o.open_ns)
    adder.add_mean("spread", _moments_every(o, 1, len(spread), lead), spread)
    return safe_ratio(adder.sums["spread"], adder.sums["spread#"])


def _correlation(xx: Floats, yy: Floats, xy: Floats) -> Floats:
    """Correlation from sums of squares and products."""
    return safe_ratio(xy, np.sqrt(xx * yy))


def _r_squared(xx: Floats, yy: Floats, xy: Floats) -> Floats:
    """R^2 of one series on another, from sums of squares and products."""
    return _correlation(xx, yy, xy) ** 2


def _ratio(seconds: int, long: Floats, longs: Floats, short: Floats, shorts: Floats) -> Floats:
    """Variance over `seconds` divided by `seconds` times that over the short horizon, from sums and counts."""
    return safe_ratio(safe_ratio(long, longs), seconds * safe_ratio(short, shorts))


def _figures() -> list[SumFigure]:
    """All dynamic figures, each with the sums that it needs and its formula."""

    def moments(series: str) -> tuple[str, ...]:
        """Names of the three sums of second moments of a series."""
        return tuple(f"{series} {key}" for key in ("xx", "yy", "xy"))

    figures = [SumFigure(f"ofi_r2_{h}s", moments(f"ofi_{h}s"), _r_squared) for h in OFI_S]
    figures.append(SumFigure(f"signed_volume_r2_{VOLUME_S}s", moments("signed_volume"), _r_squared))
    figures += [
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
    figures += [SumFigure(name, moments(name), _correlation) for name in names]
    means = [f"response_{name}_{h}s" for name in ("emptied", "left") for h in AFTER_S]
    return [*figures, *share_figures([*means, "excess_spread_60s"])]


FIGURES: Final = _figures()
COLUMNS: Final = sorted({name for figure in FIGURES for name in figure.columns})
