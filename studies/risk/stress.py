"""A market under stress, by a script, and the posture that answers it."""

import numpy as np

from studies.risk.figures import posture as drawn
from tercel.core import NS_PER_SECOND, Floats
from tercel.market.flow import registry
from tercel.market.simulator import Source, reactive
from tercel.market.simulator.second_figures import FAR5, OWN5
from tercel.signals.risk import (
    AnomalyBaseline,
    PosturePolicy,
    PostureStory,
    RiskMeter,
    Second,
    fit_baseline,
    posture_changes,
    posture_limits,
    simulate,
)

DAY_S = 23_400
SMOOTH_S = 10
DEPTH_LEFT = 1 / 3
CANCELS_UP, LIMITS_DOWN = 2.0, 0.4
"""Cancels are multiplied by the first to a power, limit orders by the second to the same power."""
LEARNING = 1 << 40
"""First stream index that thresholds are learned on: no trial reaches it."""
STRESS_S, CALM_DAYS = 2400, 5


def power_for(source: Source, left: float = DEPTH_LEFT, seed: int = 0) -> float:
    """The power of `CANCELS_UP` and `LIMITS_DOWN` at which a market's mean depth settles at `left` of its usual."""

    def mean_depth(power: float) -> float:
        rates = np.tile([LIMITS_DOWN**power, 1.0, CANCELS_UP**power], (3 * 3600, 1))
        return float(depth_of(simulate(source, rates, seed))[1800:].mean())

    usual, low, high = mean_depth(0.0), 0.0, 2.0
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (middle, high) if mean_depth(middle) > left * usual else (low, middle)
    return (low + high) / 2


def depth_of(seconds: Floats) -> Floats:
    """Lots on five levels of both sides, mean of the last ten seconds, float64[n]."""
    total = seconds[:, OWN5] + seconds[:, FAR5]
    sums = np.cumsum(np.concatenate([np.full(SMOOTH_S, total[0]), total]))
    mean: Floats = (sums[SMOOTH_S:] - sums[:-SMOOTH_S]) / SMOOTH_S
    return mean


def calm_of(source: Source, days: int = 20, seed: int = 0, seconds: int = DAY_S) -> AnomalyBaseline:
    """What is ordinary in a simulated market, from so many days of it; streams that no trial draws from."""
    return fit_baseline(
        [simulate(source, np.ones((seconds, 3)), seed, LEARNING + day) for day in range(days)]
    )


def stress_rates(power: float, seconds: int = STRESS_S) -> Floats:
    """The script: calm; from minute 15 depth falls to a third and market orders double, for 8 minutes; calm again."""
    t = np.arange(seconds)
    strength = np.clip((t - 900) / 60.0, 0.0, 1.0) * (t < 1380)
    rates = np.ones((seconds, 3))
    rates[:, 0] = LIMITS_DOWN ** (power * strength)
    rates[:, 1] = 2.0**strength
    rates[:, 2] = CANCELS_UP ** (power * strength)
    return rates


def scripted(market: str, seed: int) -> PostureStory:
    """The posture, second by second, through a scripted stress of a preset market, with a broken input at its end."""
    source = reactive(registry.load(market))
    meter = RiskMeter(market, calm_of(source, CALM_DAYS))
    seconds = simulate(source, stress_rates(power_for(source)), seed)
    seconds[2100:2110] = np.nan  # a feed that fails for ten seconds
    policy, measured, postures, changes = PosturePolicy(market), [], [], []
    for t, row in enumerate(seconds):
        state = meter.update(Second(*row.tolist()), (t + 1) * NS_PER_SECOND)
        postures.append(policy.update(state, state.at_ns))
        measured.append(state[2:5])
        changes += posture_changes(policy, postures[-1], t / 60)
    notes = (
        "Script: calm; from minute 15 cancels rise and limit orders thin until depth settles at a third, market orders "
        "double; from minute 23 calm again; at minute 35 the feed fails for ten seconds.",
        "What the risk state is worth in cost of execution is measured where agents trade under it.",
    )
    rows = [(f"{one['minute']:.1f}", *(f"{one[key]:g}" for key in posture_limits(postures[0])), one["styles"], one["what"])
            for one in changes]  # fmt: skip
    headings = ("minute", "urgency", "most part.", "size", "styles", "what changed")
    inputs = dict(
        zip(
            ("volatility / usual", "depth / usual", "anomaly / alarm"),
            np.array(measured).T,
            strict=True,
        )
    )
    drawing = drawn(
        inputs,
        {
            key: np.array([posture_limits(one)[key] for one in postures])
            for key in posture_limits(postures[0])
        },
    )
    return PostureStory(market, headings, rows, changes, postures[-1], notes, figures=(drawing,))
