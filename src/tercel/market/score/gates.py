"""Gates beyond marginal distances: volatility by horizon, spread, market orders, sign memory, response.

Each gate compares one number of the simulated market with the real one's. Several samples (seeds, days) are averaged
before they are compared: volatilities as variances, all else plainly.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from tercel.market.score.sample import RESPONSE_LAGS, SD_SECONDS, Sample

RELATIVE: Final = 0.10
"""Volatility, spread, count and size of market orders."""
SIGN: Final = 0.10
"""Sign autocorrelation, absolute."""
SIGN_LAGS: Final = (1, 5, 20)
RESPONSE: Final = 0.25
"""Response function, relative."""
GATED_LAGS: Final = (1, 5, 20)
LEVELS: Final = ("sd_", "mean_spread", "market_")
"""How figures begin that a day has a level of its own of."""
RATIO: Final = 0.15
"""Variance ratios, absolute."""

Gates = dict[str, dict[str, Any]]


def gates(real: Sample | Sequence[Sample], simulated: Sample | Sequence[Sample]) -> Gates:
    """Every gate as {"value" (simulated), "real", "passed"}; None and not passed where a value cannot be had."""
    return held(numbers(real), numbers(simulated))


def held(reals: Mapping[str, float], sims: Mapping[str, float]) -> Gates:
    """Gates from `numbers` computed before."""
    return {name: judged(name, sims[name], reals[name]) for name in sims}


def at_level(
    reals: Mapping[str, float], train: Mapping[str, float], sims: Mapping[str, float]
) -> Gates:
    """Gates with the days' level taken out: volatility, spread, and rate and size of market orders move as the tape's
    do from the days calibrated on to these.

    `by_model` is the simulated value over that of the days calibrated on, `by_day` theirs over that of these days; the
    product is the misfit. Both are None for what has no level.

    >>> found = at_level({"sd_1s": 2.0}, {"sd_1s": 1.0}, {"sd_1s": 1.05})["sd_1s"]
    >>> found["passed"], found["by_model"], found["by_day"]
    (True, 1.05, 0.5)
    """
    found = {}
    for name, value in sims.items():
        has_level = name.startswith(LEVELS) and reals[name] > 0 and train[name] > 0
        moved = value * reals[name] / train[name] if has_level else value
        ratios = (value / train[name], train[name] / reals[name]) if has_level else (None, None)
        found[name] = judged(name, moved, reals[name]) | dict(
            zip(("by_model", "by_day"), ratios, strict=True)
        )
    return found


def numbers(drawn: Sample | Sequence[Sample]) -> dict[str, float]:
    """Gated quantities, averaged over samples."""
    samples = [drawn] if isinstance(drawn, Sample) else list(drawn)

    def mean(values: Sequence[float]) -> float:
        return float(np.mean(values))

    sd = {h: float(np.sqrt(mean([s.sd[h] ** 2 for s in samples]))) for h in SD_SECONDS}
    found = {f"sd_{h}s": sd[h] for h in SD_SECONDS}
    found["mean_spread"] = mean([s.mean_spread for s in samples])
    found["market_orders"] = 60.0 * mean([s.market_orders_per_s for s in samples])
    found["market_size"] = mean([s.mean_market_size for s in samples])
    for lag in SIGN_LAGS:
        found[f"sign_acf_{lag}"] = mean([s.curves["sign_acf"][lag - 1] for s in samples])
    for lag in GATED_LAGS:
        found[f"response_{lag}"] = mean([s.response[RESPONSE_LAGS.index(lag)] for s in samples])
    for short, long in itertools.pairwise(SD_SECONDS):
        found[f"variance_ratio_{long}s"] = (
            sd[long] / (sd[short] * np.sqrt(long / short)) if sd[short] else np.nan
        )
    return {name: float(value) for name, value in found.items()}


def judged(name: str, value: float, real: float) -> dict[str, Any]:
    """One gate's verdict.

    >>> judged("sd_1s", 1.05, 1.0)["passed"], judged("sign_acf_1", 0.45, 0.6)["passed"]
    (True, False)
    """
    if not (np.isfinite(value) and np.isfinite(real)):
        return {"value": finite(value), "real": finite(real), "passed": False}
    if name.startswith("sign_acf"):
        passed = abs(value - real) <= SIGN
    elif name.startswith("variance_ratio"):
        passed = abs(value - real) <= RATIO
    else:
        passed = abs(value - real) <= (RESPONSE if name.startswith("response") else RELATIVE) * abs(
            real
        )
    return {"value": value, "real": real, "passed": bool(passed)}


def finite(value: float | None) -> float | None:
    """The number, or None if it is not finite: JSON has no NaN."""
    return float(value) if value is not None and np.isfinite(value) else None
