"""Precursors of a withdrawal: a hazard learned from planted ones beside the anomaly score and the posture's thresholds.

A hazard is the chance, second by second, that a withdrawal is under way whose half is still to come. Its inputs are the
logarithms of what a second holds against what is usual, averaged over 5, 30 and 60 seconds, and their changes over as
long, each standardised by calm. A desk has all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from studies.risk.rules import finish_early
from studies.risk.stress import depth_of
from studies.risk.withdrawals import AFTER_S, Withdrawal
from tercel.core import NS_PER_SECOND, DataError, Floats
from tercel.market import LIMIT_DEEPER, MARKET
from tercel.market.observed import Observed
from tercel.market.simulator.second_figures import (
    ADDS,
    CANCELS,
    COLUMNS,
    FAR5,
    MOVE,
    OWN5,
    SPREAD,
    TRADES,
)
from tercel.signals.risk import LEAVE, alarm_starts

SPANS_S = (5, 30, 60)
INPUTS = ("depth", "thin side", "spread", "cancels", "adds", "trades", "volatility")
FEATURES = (*(f"{name} {span} s" for name in INPUTS for span in SPANS_S),
            *(f"{name} change {span} s" for name in INPUTS for span in SPANS_S))  # fmt: skip
FLOOR = 0.1
"""Share of the usual that is added under a logarithm: a second without a trade is ordinary."""
EVERY_S = 20
"""One calm second of so many is learned from: the next ones say the same."""
LEARNERS = ("logistic", "lightgbm")
VOLATILITY_S, DEPTH_S = 120.0, 30.0
"""Half-lives of the posture's inputs, as `RiskMeter` has them."""


def _inputs(seconds: Floats) -> Floats:
    own, far = seconds[:, OWN5], seconds[:, FAR5]
    flow = (seconds[:, at] for at in (CANCELS, ADDS, TRADES))
    return np.column_stack(
        (own + far, np.minimum(own, far), seconds[:, SPREAD], *flow, seconds[:, MOVE] ** 2)
    )


@dataclass(frozen=True)
class Calm:
    """What is usual of each input, float64[7], and centre and scale of each feature in calm, float64[42]."""

    usual: Floats
    centre: Floats
    scale: Floats

    @classmethod
    def of(cls, days: Sequence[Floats]) -> "Calm":
        """Of calm days of seconds."""
        usual = np.maximum(np.mean([_inputs(day).mean(axis=0) for day in days], axis=0), 1e-9)
        raw = np.concatenate([_logarithms(day, usual)[::EVERY_S] for day in days])
        return cls(usual, raw.mean(axis=0), np.maximum(raw.std(axis=0), 1e-3))

    def features(self, seconds: Floats) -> Floats:
        """`FEATURES` of each second, from it and those before, in standard deviations of calm: float64[n, 42]."""
        return (_logarithms(seconds, self.usual) - self.centre) / self.scale


def _logarithms(seconds: Floats, usual: Floats) -> Floats:
    longest = SPANS_S[-1]
    ratio = np.concatenate((np.ones((2 * longest, len(usual))), _inputs(seconds) / usual))
    sums = np.concatenate((np.zeros((1, len(usual))), np.cumsum(ratio, axis=0)))
    levels, changes = [], []
    for span in SPANS_S:
        mean = np.log(np.maximum((sums[span:] - sums[:-span]) / span, 0.0) + FLOOR)[
            -len(seconds) - span :
        ]
        levels.append(mean[span:])
        changes.append(mean[span:] - mean[:-span])
    # in the order of `FEATURES`: every span of the first input, then of the next
    return np.concatenate(
        [np.stack(part, axis=2).reshape(len(seconds), -1) for part in (levels, changes)], axis=1
    )


# -- what alarms ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Hazard:
    """A learned hazard of one market."""

    learner: str
    model: Any

    def scores(self, seconds: Floats, calm: Calm) -> Floats:
        """-log(1 - p) of each second, float64[n]."""
        features = calm.features(seconds)
        if self.learner == "lightgbm":
            odds = self.model.booster_.predict(features, raw_score=True)
        else:
            odds = self.model.decision_function(features)
        return np.asarray(np.logaddexp(0.0, odds), np.float64)


def half_of(seconds: Floats, planted: Withdrawal) -> int:
    """The second in which depth, averaged over ten, is half of what it was before the onset; the trough if never."""
    depth = depth_of(seconds)
    during = depth[planted.onset : planted.end]
    halved = np.flatnonzero(during < depth[max(planted.onset - 300, 0) : planted.onset].mean() / 2)
    return planted.onset + int(halved[0] if len(halved) else np.argmin(during))


def learn(
    withdrawn: Sequence[tuple[Floats, Withdrawal]],
    days: Sequence[Floats],
    calm: Calm,
    learner: str,
    seed: int,
) -> Hazard:
    """Fit a hazard: the seconds from an onset to the half are its events; ten minutes before, and calm, are none."""
    rows, events = [], []
    for seconds, planted in withdrawn:
        first, half = max(planted.onset - 600, 0), half_of(seconds, planted)
        rows.append(calm.features(seconds)[first:half])
        events.append(np.arange(first, half) >= planted.onset)
    for day in days:
        rows.append(calm.features(day)[::EVERY_S])
        events.append(np.zeros(len(rows[-1]), bool))
    x, y = np.concatenate(rows), np.concatenate(events)
    if not y.any():
        raise DataError(
            "withdrawals that take time", "each at half in its first second", "plant more of them"
        )
    model = _model(learner, seed)
    model.fit(x, y)
    return Hazard(learner, model)


def _model(learner: str, seed: int) -> Any:
    if learner == "lightgbm":
        from lightgbm import LGBMClassifier

        return LGBMClassifier(
            n_estimators=120, num_leaves=15, min_child_samples=200, learning_rate=0.05, random_state=seed, n_jobs=1,
            deterministic=True, verbose=-1,
        )  # fmt: skip
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=0.1, max_iter=500)


def posture_scores(seconds: Floats, depth: float, variance: float) -> Floats:
    """The thresholds of `finish_early` as a score: 1 where a rule comes into force, `LEAVE` where it is lifted.

    Parameters
    ----------
    seconds : float64[n, 8]
    depth, variance : float
        What is usual: lots on five levels of both sides, squared move of the mid in a second.
    """
    squares, lots = seconds[:, MOVE] ** 2, seconds[:, OWN5] + seconds[:, FAR5]
    ratios = {
        "volatility_ratio": np.sqrt(_smoothed(squares, variance, VOLATILITY_S) / variance),
        "depth_ratio": _smoothed(lots, depth, DEPTH_S) / depth,
    }
    scores = []
    for rule in finish_early().rules:
        reached = ratios[rule.watches] / rule.enter if rule.on_high else rule.enter / np.maximum(
            ratios[rule.watches], 1e-9
        )  # fmt: skip
        lifted = rule.leave / rule.enter if rule.on_high else rule.enter / rule.leave
        scores.append(
            np.where(
                reached >= 1.0, reached, 1.0 - (1.0 - reached) * (1.0 - LEAVE) / (1.0 - lifted)
            )
        )
    return np.asarray(np.max(scores, axis=0))


def _smoothed(values: Floats, start: float, half_life_s: float) -> Floats:
    from scipy.signal import lfilter

    keep = 2.0 ** (-1.0 / half_life_s)
    return np.asarray(lfilter([1.0 - keep], [1.0, -keep], values, zi=[keep * start])[0])


def threshold_for(days: Sequence[Floats], rate: float) -> float:
    """Lowest threshold with at most `rate` alarms a day on the scores of these calm days."""
    low, high = 0.0, max(float(day.max()) for day in days) * (1.0 + 1e-9)
    for _ in range(20):
        middle = (low + high) / 2
        few = sum(len(alarm_starts(day / middle)) for day in days) <= rate * len(days)
        low, high = (low, middle) if few else (middle, high)
    return high


# -- judging ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Alarm:
    """What the first alarm of one withdrawal was worth; `lead_s` to the half, NaN without one."""

    before_half: bool
    lead_s: float


def first_alarm(scores: Floats, planted: Withdrawal, half: int) -> Alarm:
    """The first alarm from the onset on; one that still sounds from before is none."""
    starts = alarm_starts(scores[: planted.end + AFTER_S])
    starts = starts[starts >= planted.onset]
    if not len(starts):
        return Alarm(False, float("nan"))
    return Alarm(bool(starts[0] <= half), float(half - starts[0]))


def alarms_a_day(days: Sequence[Floats], day_s: int) -> Floats:
    """Alarms in each day of scores, as many as a day of `day_s` seconds would have: float64[days]."""
    return np.array([len(alarm_starts(day)) * day_s / len(day) for day in days])


def tape_seconds(day: Observed) -> Floats:
    """Seconds of a recorded day as a desk would have measured them, float64[n, 8].

    Executions of one stamp and one aggressor are one trade here, where a simulated market counts resting orders.
    """
    n = int((day.ns[-1] - day.start_ns) // NS_PER_SECOND) if day.n else 0
    out = np.zeros((n, COLUMNS))
    # a row holds the book before its event: that of a second's end stands with the first event after it
    after = np.searchsorted(day.ns, day.start_ns + NS_PER_SECOND * np.arange(1, n + 1))
    out[:, OWN5], out[:, FAR5] = (lots[after].sum(axis=1) for lots in (day.bid_lots, day.ask_lots))
    out[:, 3] = (out[:, OWN5] - out[:, FAR5]) / np.maximum(out[:, OWN5] + out[:, FAR5], 1.0)
    second, kind = (day.ns - day.start_ns) // NS_PER_SECOND, day.kind
    masks: Mapping[int, Any] = {
        ADDS: kind <= LIMIT_DEEPER,
        CANCELS: (kind > LIMIT_DEEPER) & (kind < MARKET),
        TRADES: kind == MARKET,
    }
    for column, mask in masks.items():
        out[:, column] = np.bincount(second[mask], minlength=n)[:n]
    out[:, SPREAD], out[:, MOVE] = day.spread[1 : n + 1], 0.5 * np.diff(day.mid2[: n + 1])
    return out
