"""Impact of metaorders that nobody sent: public trades given out to made-up traders (Maitrier, Loeper & Bouchaud 2025).

Every market order of a day goes to one of N traders at random, each with a fixed share of them. A run of one sign
among one trader's market orders is a proxy of a metaorder: Q is its lots, its impact the mid after its last order less
the mid before its first, in its own direction. In units of the day, ``x = Q / V`` and ``y = impact / sigma``, with V
the lots of all visible market orders and sigma from the mid's moves in a minute, as `market.impact.law` has it. Then

    y = Y x^delta

is fitted to means over bins of x, each weighted by its standard error, with delta free and with delta = 1/2. What is
bootstrapped are days; the assignments are drawn anew several times and pooled.

Oracle: with signs that know nothing of each other and every trade moving the mid by as much, delta is 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from studies.tape.shown import usable_days
from tercel.core import ConfigError
from tercel.core.stats import Estimate, Replicates, draw_counts
from tercel.market import MARKET
from tercel.market.observed import Observed

Floats = NDArray[np.float64]
Longs = NDArray[np.int64]

TRADERS: Final = (4, 10, 40)
ASSIGNMENTS: Final = 20
LEAST_ORDERS: Final = 2
"""Shorter runs are single trades."""
LEAST_DAYS: Final = 5
BINS: Final = 12
LEAST_IN_BIN: Final = 30
RESAMPLES: Final = 2000
EXPONENTS: Final = np.arange(0.02, 1.601, 0.005)
SHARE: Final = 0.01
"""Of a day's volume: where the two fits are compared, since Y itself is read far outside the data."""
_SUMS = 4


@dataclass(frozen=True, eq=False)
class Trades:
    """Market orders of one day, n in time order.

    Attributes
    ----------
    sign : int64[n]
        +1 buys.
    lots : float64[n]
    before, after : float64[n]
        Mid just before and just after, ticks.
    sigma_ticks : float
        Volatility of the stretch.
    volume : float
        Lots of all of them.
    """

    sign: Longs
    lots: Floats
    before: Floats
    after: Floats
    sigma_ticks: float
    volume: float


@dataclass(frozen=True)
class Fit:
    """What one way to give trades out says.

    Attributes
    ----------
    traders : int
    participation : str
        `even`, or `power`: shares as 1 / rank.
    metaorders : int
        Runs of at least `LEAST_ORDERS`, over all assignments.
    mean_orders : float
        Market orders of a run.
    y_half : Estimate
        Y with delta = 1/2.
    delta, y : Estimate
        Both free.
    at_share : Estimate
        y of the free fit at `SHARE` of a day's volume.
    at_share_half : Estimate
        The same with delta = 1/2.
    bins : tuple of (float, float, int)
        Mean x, mean y, number.
    """

    traders: int
    participation: str
    metaorders: int
    mean_orders: float
    y_half: Estimate
    delta: Estimate
    y: Estimate
    at_share: Estimate
    at_share_half: Estimate
    bins: tuple[tuple[float, float, int], ...]


@dataclass(frozen=True)
class Metaorders:
    """All fits of a symbol; the fields are those of its JSON."""

    symbol: str
    days: tuple[str, ...]
    left_out: dict[str, str]
    sigma_ticks: float
    volume_lots: float
    fits: tuple[Fit, ...]


def metaorders(symbol: str, days: Mapping[str, Observed], seed: int = 0) -> Metaorders:
    """Proxy metaorders and fit their impact.

    Parameters
    ----------
    symbol : str
    days : mapping of date to Observed
    seed : int
        Of the assignments and the bootstrap.

    Raises
    ------
    ConfigError
        Fewer than `LEAST_DAYS` days that can be used: the interval is one over days.
    """
    used, left_out, wide = usable_days(days)
    if len(used) < LEAST_DAYS:
        raise ConfigError(
            f"at least {LEAST_DAYS} days to draw an interval over",
            f"{len(used)} that can be used",
            "name more days",
        )
    trades = [trades_of(day, wide) for day in used.values()]
    ways = [(n, "even") for n in TRADERS] + [(TRADERS[1], "power")]
    fits = tuple(
        fit_of(trades, n, how, np.random.default_rng([seed, i])) for i, (n, how) in enumerate(ways)
    )
    sigma, volume = (
        float(np.mean([getattr(day, name) for day in trades])) for name in ("sigma_ticks", "volume")
    )
    return Metaorders(symbol, tuple(used), left_out, sigma, volume, fits)


def trades_of(day: Observed, wide: float) -> Trades:
    """Market orders of a stretch, those that met a touch wider than `wide` ticks left out.

    Raises
    ------
    ConfigError
        A day without trades or without moves.
    """
    spread = day.ask_px[:, 0].astype(np.float64) - day.bid_px[:, 0]
    rows = np.flatnonzero((day.kind == MARKET) & (spread <= wide))
    mid = 0.5 * (day.bid_px[:, 0].astype(np.float64) + day.ask_px[:, 0])
    moves = 0.5 * np.diff(day.mid2[(day.mid2 > 0) & (day.spread <= wide)][::60])
    sigma = float(np.sqrt(np.mean(moves**2) * day.seconds / 60.0)) if len(moves) else 0.0
    if not len(rows) or sigma == 0.0:
        raise ConfigError(
            "days that trade and move",
            f"{len(rows)} market orders, sigma {sigma:g}",
            "name other days",
        )
    lots = day.lots[rows].astype(np.float64)
    after = mid[np.minimum(rows + 1, day.n - 1)]
    return Trades(day.side[rows].astype(np.int64), lots, mid[rows], after, sigma, float(lots.sum()))


def runs(trades: Trades, trader: Longs) -> tuple[Floats, Floats, Longs]:
    """Runs of one sign among each trader's orders: lots, signed move of the mid in ticks, number of orders."""
    order = np.argsort(trader, kind="stable")
    who, sign = trader[order], trades.sign[order]
    first = np.flatnonzero(
        np.concatenate(([True], (who[1:] != who[:-1]) | (sign[1:] != sign[:-1])))
    )
    last = np.append(first[1:], len(order)) - 1
    moved = sign[first] * (trades.after[order[last]] - trades.before[order[first]])
    return np.add.reduceat(trades.lots[order], first), moved, last - first + 1


def shares_of(traders: int, participation: str) -> Floats:
    """Share of the market orders that each trader gets.

    >>> shares_of(2, "power").round(3)
    array([0.667, 0.333])
    """
    weights = 1.0 / np.arange(1, traders + 1) if participation == "power" else np.ones(traders)
    return np.asarray(weights / weights.sum())


def fit_of(days: list[Trades], traders: int, participation: str, rng: np.random.Generator) -> Fit:
    """Give the trades out, add up by day and bin, and fit."""
    shares = shares_of(traders, participation)
    x, y, day, orders = [], [], [], []
    for number, trades in enumerate(days):
        for _ in range(ASSIGNMENTS):
            lots, moved, count = runs(trades, rng.choice(traders, len(trades.sign), p=shares))
            kept = count >= LEAST_ORDERS
            x.append(lots[kept] / trades.volume)
            y.append(moved[kept] / trades.sigma_ticks)
            orders.append(count[kept])
            day.append(np.full(int(kept.sum()), number))
    sums = binned(np.concatenate(x), np.concatenate(y), np.concatenate(day), len(days))
    number = int(sum(len(part) for part in x))
    return fitted(sums, rng, traders, participation, number, float(np.mean(np.concatenate(orders))))


def binned(x: Floats, y: Floats, day: Longs, days: int) -> Floats:
    """Sums float64[days, bins, 4] of 1, x, y and y^2 over logarithmic bins of x; bins with too few left out.

    Raises
    ------
    ConfigError
        Fewer than three bins with enough.
    """
    if len(x) < LEAST_IN_BIN:
        raise ConfigError("days with enough runs of trades", f"{len(x)} runs", "name more days")
    low, high = np.quantile(x, [0.005, 0.999])
    edges = np.geomspace(low, max(high, low * 1.01), BINS + 1)
    at = np.searchsorted(edges, x, side="right") - 1
    inside = (at >= 0) & (at < BINS)
    sums = np.zeros((days * BINS, _SUMS))
    columns = np.column_stack((np.ones(len(x)), x, y, y**2))
    np.add.at(sums, (day * BINS + at)[inside], columns[inside])
    shaped = sums.reshape(days, BINS, _SUMS)
    full = shaped[:, :, 0].sum(axis=0) >= LEAST_IN_BIN
    if full.sum() < 3:
        raise ConfigError(
            "runs of several sizes", f"{int(full.sum())} bins of sizes", "name more days"
        )
    return np.ascontiguousarray(shaped[:, full])


def fitted(
    sums: Floats,
    rng: np.random.Generator,
    traders: int,
    participation: str,
    number: int,
    mean_orders: float,
) -> Fit:
    """Both fits with their intervals over days."""
    days = len(sums)
    point = sums.sum(axis=0)
    variance = np.maximum(point[:, 3] / point[:, 0] - (point[:, 2] / point[:, 0]) ** 2, 1e-300)
    weights = point[:, 0] / variance
    counts = np.concatenate((np.ones((1, days)), draw_counts(days, RESAMPLES, rng)))
    drawn = np.einsum("bd,dks->bks", counts, sums)
    number_in = np.maximum(drawn[:, :, 0], 1e-12)
    found = solve(
        drawn[:, :, 1] / number_in, drawn[:, :, 2] / number_in, weights * (drawn[:, :, 0] > 0.0)
    )
    half, delta, y, share, share_half = (
        Replicates(float(v[0]), v[1:], ((float(v[1:].var()), days - 1.0),)).estimate()
        for v in found
    )
    bins = tuple((float(p[1] / p[0]), float(p[2] / p[0]), int(p[0])) for p in point)
    return Fit(traders, participation, number, mean_orders, half, delta, y, share, share_half, bins)


def solve(x: Floats, y: Floats, weights: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Weighted least squares of ``y = Y x^delta`` over bins, float64[B, bins] each.

    Returns
    -------
    y_half, delta, y, at_share, at_share_half : float64[B]
        Y with delta = 1/2; delta and Y of the best of `EXPONENTS`; both fits at `SHARE`.
    """
    logs = np.log(np.maximum(x, 1e-300))
    best = np.full(len(x), np.inf)
    delta, scale = np.zeros(len(x)), np.zeros(len(x))
    for exponent in EXPONENTS:
        made = np.exp(exponent * logs)
        level = (weights * y * made).sum(axis=1) / np.maximum(
            (weights * made**2).sum(axis=1), 1e-300
        )
        error = (weights * (y - level[:, None] * made) ** 2).sum(axis=1)
        better = error < best
        best, scale = np.where(better, error, best), np.where(better, level, scale)
        delta = np.where(better, exponent, delta)
    root = np.sqrt(x)
    half = (weights * y * root).sum(axis=1) / np.maximum((weights * x).sum(axis=1), 1e-300)
    return half, delta, scale, scale * SHARE**delta, half * SHARE**0.5
