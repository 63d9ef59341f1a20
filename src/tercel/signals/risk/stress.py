"""A market under stress, by a script, and the posture that answers it."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np

from tercel.core.arrays import Floats
from tercel.core.messages import Posture
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.market.flow import preset
from tercel.market.simulator.seconds import FAR5, OWN5
from tercel.market.simulator.source import Source, reactive
from tercel.signals.risk.anomaly import AnomalyBaseline, learn_calm
from tercel.signals.risk.meter import RiskMeter
from tercel.signals.risk.portfolio import Portfolio
from tercel.signals.risk.posture import PostureConfig, PosturePolicy, RiskState
from tercel.signals.risk.seconds import Second, simulate
from tercel.signals.risk.series import DailySeries
from tercel.signals.risk.volatility import LEAST_PAST, Ewma

DAY_S = 23_400
SMOOTH_S = 10
DEPTH_LEFT = 1 / 3
CANCELS_UP, LIMITS_DOWN = 2.0, 0.4
"""Cancels are multiplied by the first to a power, limit orders by the second to the same power."""
LEARNING = 1 << 40
"""First stream index that thresholds are learned on: no trial reaches it."""
STRESS_S, CALM_DAYS = 2400, 5
WORDS = ("urgency", "max_participation", "size")


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
    return learn_calm([simulate(source, np.ones((seconds, 3)), seed, LEARNING + day) for day in range(days)])


def stress_rates(power: float, seconds: int = STRESS_S) -> Floats:
    """The script: calm; from minute 15 depth falls to a third and market orders double, for 8 minutes; calm again."""
    t = np.arange(seconds)
    strength = np.clip((t - 900) / 60.0, 0.0, 1.0) * (t < 1380)
    rates = np.ones((seconds, 3))
    rates[:, 0] = LIMITS_DOWN ** (power * strength)
    rates[:, 1] = 2.0**strength
    rates[:, 2] = CANCELS_UP ** (power * strength)
    return rates


@dataclass(frozen=True)
class PostureStory:
    """A posture through time.

    Parameters
    ----------
    market : str
    states : tuple of RiskState
    postures : tuple of Posture
        One for each state.
    changes : tuple of (int, str)
        Index of a state, and what it changed, in words.
    notes : tuple of str
    """

    market: str
    states: tuple[RiskState, ...]
    postures: tuple[Posture, ...]
    changes: tuple[tuple[int, str], ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The changes and the last posture as plain values."""
        changes = []
        for at, what in self.changes:
            now = self.postures[at]
            row = {"minute": at / 60, "what": what, **dict(zip(WORDS, _words(now), strict=True))}
            changes.append(row | {"styles": "+".join(str(style.name).lower() for style in now.styles)})
        last = self.postures[-1]
        now_ = dict(zip(WORDS, _words(last), strict=True)) | {"reasons": last.reasons}
        return {"market": self.market, "changes": changes, "notes": self.notes, "posture": now_}

    def series(self) -> tuple[Floats, dict[str, Floats], dict[str, Floats]]:
        """Seconds, what was measured and what the posture asked for, for a picture."""
        measured = np.array([state[2:] for state in self.states], np.float64)
        asked = np.array([_words(one) for one in self.postures])
        inputs = ("volatility / usual", "depth / usual", "anomaly / alarm")
        return (
            np.arange(len(self.states), dtype=np.float64),
            dict(zip(inputs, measured.T, strict=True)),
            dict(zip(("urgency", "max participation", "size multiplier"), asked.T, strict=True)),
        )


def _words(posture: Posture) -> tuple[float, float, float]:
    return posture.urgency, posture.max_participation, posture.size_multiplier


def scripted(market: str, seed: int) -> PostureStory:
    """The posture, second by second, through a scripted stress of a preset market, with a broken input at its end."""
    source = reactive(preset.load(market))
    meter = RiskMeter(market, calm_of(source, CALM_DAYS))
    seconds = simulate(source, stress_rates(power_for(source)), seed)
    seconds[2100:2110] = np.nan  # a feed that fails for ten seconds
    policy, states, postures, changes = PosturePolicy(market), [], [], list[tuple[int, str]]()
    for t, row in enumerate(seconds):
        states.append(meter.update(Second(*row.tolist()), (t + 1) * NS_PER_SECOND))
        postures.append(policy.update(states[-1], states[-1].at_ns))
        changes += [(t, change) for change in policy.changed]
    notes = (
        "Script: calm; from minute 15 cancels rise and limit orders thin until depth settles at a third, market orders "
        "double; from minute 23 calm again; at minute 35 the feed fails for ten seconds.",
        "What the posture is worth in cost of execution is measured where agents trade under it.",
    )
    return PostureStory(market, tuple(states), tuple(postures), tuple(changes), notes)


def of_book(book: Portfolio) -> PostureStory:
    """What the posture would ask for tomorrow, from the volatility of a book's daily prices alone.

    Volatility is EWMA 0.94, tomorrow's over the median of all days so far.
    """
    series = DailySeries("book", (*book.days, book.days[-1] + timedelta(days=1)), np.pad(book.earned(), 1))
    path = Ewma(target="r2").forecast(series, LEAST_PAST)
    ratio = float(np.sqrt(path[-1] / np.median(path)))
    policy = PosturePolicy("the book", PostureConfig(required=("volatility_ratio",)))
    state = RiskState("the book", 0, volatility_ratio=ratio)
    now = policy.update(state, 0)
    names = book.names[0] if len(book.names) == 1 else f"{len(book.names)} names"
    asks = f"urgency {now.urgency:g}, new orders at {now.size_multiplier:g} of their size"
    notes = (
        f"After {book.days[-1]} the volatility of {names} is {ratio:.2f} times its usual level: {asks}.",
        "Depth and anomalies are no part of daily prices: a desk measures them by the second.",
    )
    return PostureStory(names, (state,), (now,), tuple((0, change) for change in policy.changed), notes)
