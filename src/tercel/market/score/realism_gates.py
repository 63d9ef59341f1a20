"""Realism gates beyond marginal distances: volatility by horizon, spread, market orders, sign memory, response.

Each gate compares one number of the simulated market with the real one's. Several samples (seeds, days) are averaged
before they are compared: volatilities as variances, all else plainly.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from tercel.market.score.distance import finite_or_none
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
"""Prefixes of figures whose level varies by day."""
RATIO: Final = 0.15
"""Variance ratios, absolute."""


@dataclass(frozen=True)
class ScoreGate:
    """A simulated number beside the tape's, and whether it is near enough; not passed where one of them is None."""

    value: float | None
    real: float | None
    passed: bool


@dataclass(frozen=True)
class LevelGate(ScoreGate):
    """A gate with the days' level taken out (:func:`gates_at_level`)."""

    by_model: float | None
    by_day: float | None


def gates(reals: Mapping[str, float], sims: Mapping[str, float]) -> dict[str, ScoreGate]:
    """Verdict of every gate, from the tape's `gate_values` and the simulated ones."""
    return {name: judge_gate(name, sims[name], reals[name]) for name in sims}


def gates_at_level(
    reals: Mapping[str, float], train: Mapping[str, float], sims: Mapping[str, float]
) -> dict[str, LevelGate]:
    """Verdicts with the days' level taken out: simulated levels are first scaled from calibration days to the tape's.

    `by_model` is the simulated value over that of the days calibrated on, `by_day` theirs over that of these days; the
    product is the misfit. Both are None for what has no level.

    >>> found = gates_at_level({"sd_1s": 2.0}, {"sd_1s": 1.0}, {"sd_1s": 1.05})["sd_1s"]
    >>> found.passed, found.by_model, found.by_day
    (True, 1.05, 0.5)
    """
    by_name = {}
    for name, value in sims.items():
        has_level = name.startswith(LEVELS) and reals[name] > 0 and train[name] > 0
        levelled = value * reals[name] / train[name] if has_level else value
        ratios = (value / train[name], train[name] / reals[name]) if has_level else (None, None)
        gate = judge_gate(name, levelled, reals[name])
        by_name[name] = LevelGate(gate.value, gate.real, gate.passed, *ratios)
    return by_name


def gate_values(sample_or_samples: Sample | Sequence[Sample]) -> dict[str, float]:
    """Gated quantities, averaged over samples."""
    samples = (
        [sample_or_samples] if isinstance(sample_or_samples, Sample) else list(sample_or_samples)
    )

    def mean(values: Sequence[float]) -> float:
        """Mean of a figure over samples."""
        return float(np.mean(values))

    sd = {h: float(np.sqrt(mean([s.sd[h] ** 2 for s in samples]))) for h in SD_SECONDS}
    figures = {f"sd_{h}s": sd[h] for h in SD_SECONDS}
    figures["mean_spread"] = mean([s.mean_spread for s in samples])
    figures["market_orders"] = 60.0 * mean([s.market_orders_per_s for s in samples])
    figures["market_size"] = mean([s.mean_market_size for s in samples])
    for lag in SIGN_LAGS:
        figures[f"sign_acf_{lag}"] = mean([s.curves["sign_acf"][lag - 1] for s in samples])
    for lag in GATED_LAGS:
        figures[f"response_{lag}"] = mean([s.response[RESPONSE_LAGS.index(lag)] for s in samples])
    for short, long in itertools.pairwise(SD_SECONDS):
        figures[f"variance_ratio_{long}s"] = (
            sd[long] / (sd[short] * np.sqrt(long / short)) if sd[short] else np.nan
        )
    return {name: float(value) for name, value in figures.items()}


def judge_gate(name: str, value: float, real: float) -> ScoreGate:
    """Verdict of one gate: the two numbers, and whether they are near enough.

    >>> judge_gate("sd_1s", 1.05, 1.0).passed, judge_gate("sign_acf_1", 0.45, 0.6).passed
    (True, False)
    """
    if not (np.isfinite(value) and np.isfinite(real)):
        return ScoreGate(finite_or_none(value), finite_or_none(real), False)
    if name.startswith("sign_acf"):
        passed = abs(value - real) <= SIGN
    elif name.startswith("variance_ratio"):
        passed = abs(value - real) <= RATIO
    else:
        passed = abs(value - real) <= (RESPONSE if name.startswith("response") else RELATIVE) * abs(
            real
        )
    return ScoreGate(value, real, bool(passed))
