"""Stylised facts, one by one, of real and simulated stretches alike.

The first eleven are those of Cont (2001), "Empirical properties of asset returns: stylized facts and statistical
issues", section 2, in his order, read at intraday horizons; the rest are of order flow (Bouchaud, Bonart, Donier &
Gould 2018).
A fact holds where its number lies on the fact's side of its threshold; where the fact is a sign, two standard errors
over stretches are asked for as well. What real tape does not show on these stretches is no fault of a model: the real
column stands beside every other for that reason.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from tercel.core import NS_PER_SECOND, Floats
from tercel.market import LIMIT_DEEPER, MARKET
from tercel.market.observed import Observed
from tercel.market.score import acf, minute_volume, returns

MINUTE: Final = 60
LEAST: Final = 8
"""Values that a moment is taken of at least."""


@dataclass(frozen=True)
class Fact:
    """A stylised fact.

    Parameters
    ----------
    name : str
    says : str
        The fact and its number, in a few words.
    number : callable
        Observed -> its number; NaN where the stretch does not tell.
    low, high : float
        The fact holds between them.
    sign : bool
        Whether the number must also be two standard errors away from zero.
    """

    name: str
    says: str
    number: Callable[[Observed], float]
    low: float
    high: float = np.inf
    sign: bool = False


@dataclass(frozen=True)
class Finding:
    """A fact's number over stretches: mean, standard error (None for one), whether it holds (None: not known)."""

    mean: float | None
    se: float | None
    holds: bool | None


def find(fact: Fact, stretches: Sequence[Observed]) -> Finding:
    """A fact's number on some stretches of one market."""
    values = np.array([fact.number(o) for o in stretches], np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        return Finding(None, None, None)
    mean = float(values.mean())
    se = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
    holds = fact.low < mean < fact.high
    if fact.sign:
        if se is None:
            return Finding(mean, None, None)
        holds = holds and abs(mean) > 2.0 * se
    return Finding(mean, se, bool(holds))


# -- pieces -----------------------------------------------------------------------------------------------------------


def steps(o: Observed, seconds: int) -> Floats:
    """Changes of the mid over so many seconds, one after the other, not overlapping, ticks."""
    return returns(o, seconds)[::seconds]


def excess_kurtosis(x: Floats) -> float:
    """Fourth standardised moment less 3; NaN without spread.

    >>> excess_kurtosis(np.array([-1.0, 1.0] * 8))
    -2.0
    """
    centred = x - x.mean() if len(x) else x
    variance = float(np.mean(centred**2)) if len(x) else 0.0
    if len(x) < LEAST or variance <= 0.0:
        return float("nan")
    return float(np.mean(centred**4) / variance**2 - 3.0)


def skewness(x: Floats) -> float:
    """Third standardised moment; NaN without spread."""
    centred = x - x.mean() if len(x) else x
    variance = float(np.mean(centred**2)) if len(x) else 0.0
    if len(x) < LEAST or variance <= 0.0:
        return float("nan")
    return float(np.mean(centred**3) / variance**1.5)


def correlation(x: Floats, y: Floats) -> float:
    """Pearson's; NaN without spread.

    >>> round(correlation(np.arange(9.0), np.arange(9.0) * 2), 6)
    1.0
    """
    if len(x) < LEAST or x.std() <= 0.0 or y.std() <= 0.0:
        return float("nan")
    return float(np.corrcoef(x, y)[0, 1])


def power(lags: Floats, values: Floats) -> float:
    """Exponent of a power law that falls, by least squares on logarithms of what is positive; NaN below 5 points.

    >>> round(power(np.arange(1.0, 30.0), np.arange(1.0, 30.0) ** -0.3), 6)
    0.3
    """
    kept = values > 0.0
    if np.count_nonzero(kept) < 5:
        return float("nan")
    return float(-np.polyfit(np.log(lags[kept]), np.log(values[kept]), 1)[0])


def _moves_a_minute(o: Observed) -> tuple[Floats, Floats]:
    """Coarse (size of the minute's move) and fine (sum of the sizes of its one-second moves) volatility by minute."""
    one = returns(o, 1)
    whole = len(one) // MINUTE * MINUTE
    blocks = one[:whole].reshape(-1, MINUTE)
    return np.abs(blocks.sum(axis=1)), np.abs(blocks).sum(axis=1)


# -- returns ----------------------------------------------------------------------------------------------------------


def linear_memory(o: Observed) -> float:
    """Autocorrelation of one-minute returns at lag 1."""
    return float(acf([steps(o, MINUTE)], 1)[0])


def heavy_tails(o: Observed) -> float:
    """Excess kurtosis of one-minute returns."""
    return excess_kurtosis(steps(o, MINUTE))


def gain_loss(o: Observed) -> float:
    """Skewness of one-minute returns."""
    return skewness(steps(o, MINUTE))


def aggregation(o: Observed) -> float:
    """Excess kurtosis of one-second returns less that of one-minute returns."""
    return excess_kurtosis(returns(o, 1)) - excess_kurtosis(steps(o, MINUTE))


def intermittency(o: Observed) -> float:
    """Variance over mean of the number of seconds a minute in which the mid moved (1: evenly at random)."""
    moved = (returns(o, 1) != 0.0).astype(np.float64)
    whole = len(moved) // MINUTE * MINUTE
    counts = moved[:whole].reshape(-1, MINUTE).sum(axis=1)
    return (
        float(counts.var() / counts.mean()) if len(counts) and counts.mean() > 0 else float("nan")
    )


def clustering(o: Observed) -> float:
    """Mean autocorrelation of absolute one-minute returns at lags 1 to 5."""
    return float(acf([np.abs(steps(o, MINUTE))], 5).mean())


def conditional_tails(o: Observed) -> float:
    """Excess kurtosis of one-minute returns over the root mean square of the ten minutes before."""
    x = steps(o, MINUTE)
    if len(x) < 30:
        return float("nan")
    past = np.sqrt(np.convolve(x**2, np.full(10, 0.1), mode="valid"))[:-1]
    kept = past > 0.0
    return excess_kurtosis(x[10:][kept] / past[kept])


def slow_decay(o: Observed) -> float:
    """Exponent at which the autocorrelation of absolute one-second returns falls, lags 1 to 60."""
    return power(np.arange(1.0, 61.0), acf([np.abs(returns(o, 1))], 60))


def leverage(o: Observed) -> float:
    """Correlation of a one-minute return with the size of the next."""
    x = steps(o, MINUTE)
    return correlation(x[:-1], np.abs(x[1:]))


def volume_volatility(o: Observed) -> float:
    """Correlation of a minute's volume with the size of its move."""
    volume, moved = minute_volume(o), _moves_a_minute(o)[1]
    n = min(len(volume), len(moved))
    return correlation(volume[:n], moved[:n])


def time_scales(o: Observed) -> float:
    """How much better coarse volatility foretells fine volatility than the other way round (a difference of rho)."""
    coarse, fine = _moves_a_minute(o)
    return correlation(coarse[:-1], fine[1:]) - correlation(fine[:-1], coarse[1:])


# -- order flow -------------------------------------------------------------------------------------------------------


def _signs(o: Observed) -> Floats:
    return np.asarray(o.side[o.kind == MARKET], np.float64)


def sign_memory(o: Observed) -> float:
    """Mean autocorrelation of trade signs at lags 1 to 20."""
    return float(acf([_signs(o)], 20, centred=False).mean())


def sign_decay(o: Observed) -> float:
    """Exponent at which that autocorrelation falls, lags 1 to 50."""
    return power(np.arange(1.0, 51.0), acf([_signs(o)], 50, centred=False))


def bursts(o: Observed) -> float:
    """Standard deviation over mean of the waits between events (1: exponential)."""
    wait = np.diff(o.ns) / NS_PER_SECOND
    return (
        float(wait.std() / wait.mean()) if len(wait) > LEAST and wait.mean() > 0 else float("nan")
    )


def round_sizes(o: Observed) -> float:
    """Share of limit orders that have the commonest size."""
    lots = o.lots[(o.kind <= LIMIT_DEEPER) & ~o.remainder]
    return (
        float(np.unique(lots, return_counts=True)[1].max() / len(lots))
        if len(lots)
        else float("nan")
    )


def concave_response(o: Observed) -> float:
    """Slope of log mean response of the mid to the next trade on log size of the market order, quintiles of size."""
    market = o.kind == MARKET
    mid = (o.bid_px[market, 0] + o.ask_px[market, 0]) / 2.0
    moved = o.side[market][:-1] * np.diff(mid)
    size = o.lots[market][:-1].astype(np.float64)
    if len(size) < 100:
        return float("nan")
    edges = np.unique(np.quantile(size, np.linspace(0.0, 1.0, 6)))
    bins = np.clip(np.searchsorted(edges, size, side="right") - 1, 0, len(edges) - 2)
    means = [
        (size[bins == i].mean(), moved[bins == i].mean())
        for i in range(len(edges) - 1)
        if np.any(bins == i)
    ]
    kept = [(s, m) for s, m in means if m > 0]
    if len(kept) < 3:
        return float("nan")
    x, y = np.log(np.array(kept)).T
    return float(np.polyfit(x, y, 1)[0])


def imbalance_foretells(o: Observed) -> float:
    """How often the mid's next move goes to the side whose touch holds three times the other's."""
    bid, ask = o.bid_lots[:, 0].astype(np.float64), o.ask_lots[:, 0].astype(np.float64)
    total = bid + ask
    mid2 = (o.bid_px[:, 0] + o.ask_px[:, 0]).astype(np.int64)
    change = np.flatnonzero(np.diff(mid2))
    if len(change) < 50:
        return float("nan")
    following = np.searchsorted(change, np.arange(len(mid2)))
    known = (following < len(change)) & (total > 0)
    direction = np.sign(np.diff(mid2))[change[np.minimum(following, len(change) - 1)]]
    lean = np.where(total > 0, (bid - ask) / np.maximum(total, 1.0), 0.0)
    strong = known & (np.abs(lean) >= 0.5)
    if np.count_nonzero(strong) < 50:
        return float("nan")
    return float(np.mean(direction[strong] == np.sign(lean[strong])))


FACTS: Final = (
    Fact(
        "no linear memory",
        "autocorrelation of 1 min returns, lag 1, within 0.1",
        linear_memory,
        -0.1,
        0.1,
    ),
    Fact("heavy tails", "excess kurtosis of 1 min returns above 0.5", heavy_tails, 0.5),
    Fact(
        "gain/loss asymmetry",
        "skewness of 1 min returns below 0, by 2 s.e.",
        gain_loss,
        -np.inf,
        0.0,
        True,
    ),
    Fact(
        "aggregational Gaussianity", "kurtosis of 1 s above that of 1 min returns", aggregation, 0.0
    ),
    Fact("intermittency", "variance over mean of moves a minute above 1.5", intermittency, 1.5),
    Fact(
        "volatility clustering",
        "autocorrelation of |1 min returns|, lags 1-5, above 0.02",
        clustering,
        0.02,
    ),
    Fact(
        "conditional heavy tails",
        "kurtosis after scaling by past volatility above 0",
        conditional_tails,
        0.0,
    ),
    Fact(
        "slow decay of |returns|",
        "power of |1 s| autocorrelation between 0.05 and 1",
        slow_decay,
        0.05,
        1.0,
    ),
    Fact(
        "leverage effect",
        "correlation of return and next |return| below 0, by 2 s.e.",
        leverage,
        -np.inf,
        0.0,
        True,
    ),
    Fact(
        "volume and volatility",
        "correlation of a minute's volume and moves above 0.1",
        volume_volatility,
        0.1,
    ),
    Fact(
        "asymmetry of time scales",
        "coarse foretells fine volatility better, by 2 s.e.",
        time_scales,
        0.0,
        np.inf,
        True,
    ),
    Fact(
        "memory of trade signs",
        "autocorrelation of signs, lags 1-20, above 0.05",
        sign_memory,
        0.05,
    ),
    Fact("slow decay of sign memory", "power between 0.2 and 1.2, lags 1-50", sign_decay, 0.2, 1.2),
    Fact("bursts of events", "waits' sd over mean above 1.2", bursts, 1.2),
    Fact("round sizes", "commonest size has over 10 % of limit orders", round_sizes, 0.1),
    Fact(
        "concave response",
        "response goes with a trade's size to a power below 0.8",
        concave_response,
        -1.0,
        0.8,
    ),
    Fact(
        "imbalance foretells", "next move to the heavy side in over 55 %", imbalance_foretells, 0.55
    ),
)
