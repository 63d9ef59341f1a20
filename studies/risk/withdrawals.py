"""An anomaly score on trial: liquidity withdrawals planted in a simulated market, and calm days beside them.

A withdrawal raises the rate of cancels and thins the rate of limit orders, suddenly or over minutes, so far that the
depth of five levels settles at a third of what it was; it stays so for some minutes, and ends. The trough is the second
in which depth, averaged over ten seconds, is lowest. Judged on seeds that the threshold has never seen.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from studies.risk.stress import CANCELS_UP, DAY_S, LIMITS_DOWN, depth_of, power_for
from tercel.core import Floats
from tercel.market.simulator import Source
from tercel.signals.risk import StreamingAnomaly, alarm_starts, simulate

AFTER_S = 600
"""Alarms so long after a withdrawal has ended are still its own: the book refills slowly."""


@dataclass(frozen=True)
class Withdrawal:
    """One planted withdrawal.

    Parameters
    ----------
    onset, full, end : int
        Seconds of the day in which the rates begin to change, have changed in full, and are themselves again.
    """

    onset: int
    full: int
    end: int


@dataclass(frozen=True)
class WithdrawalVerdict:
    """What a score did on the planted withdrawals and on the calm days.

    Parameters
    ----------
    withdrawals, calm_days : int
    detected_before_trough : float
        Share of the withdrawals with an alarm from onset to before the trough.
    detected_before_half : float
        The same before depth, averaged over ten seconds, had lost half of what it was: stricter.
    lead_s : tuple of float
        Quartiles of trough less alarm, seconds.
    delay_s : tuple of float
        Quartiles of alarm less onset, seconds.
    false_alarms_per_day : float
        On the calm days.
    false_alarm_days : int
        Calm days with at least one.
    depth_left : float
        Mean depth at the trough over the five minutes before the onset.
    threshold : float
        Of the score, standard deviations of calm.
    """

    withdrawals: int
    calm_days: int
    detected_before_trough: float
    detected_before_half: float
    lead_s: tuple[float, float, float]
    delay_s: tuple[float, float, float]
    false_alarms_per_day: float
    false_alarm_days: int
    depth_left: float
    threshold: float


def plant(
    rng: np.random.Generator, power: float = 1.0, seconds: int = DAY_S
) -> tuple[Withdrawal, Floats]:
    """A withdrawal at a random time, sudden to slow, and the rates of the day (see `seconds.simulate`)."""
    onset = int(rng.integers(seconds // 5, seconds * 3 // 5))
    full = onset + int(rng.integers(0, 181))
    end = full + int(rng.integers(120, 301))
    t = np.arange(seconds)
    strength = np.clip((t - onset + 1) / (full - onset + 1), 0.0, 1.0) * ((t >= onset) & (t < end))
    rates = np.ones((seconds, 3))
    rates[:, 0] = LIMITS_DOWN ** (power * strength)
    rates[:, 2] = CANCELS_UP ** (power * strength)
    return Withdrawal(onset, full, end), rates


def judge(
    source: Source, score: StreamingAnomaly, withdrawals: int, calm_days: int, seed: int
) -> tuple[WithdrawalVerdict, Floats]:
    """Plant withdrawals, one a day, let calm days pass, and count. Also the lead of every alarm that came, seconds.

    Parameters
    ----------
    source : Source
        The market.
    score : StreamingAnomaly
        Its threshold chosen on other streams (`calm_of`).
    withdrawals, calm_days : int
        Simulated days of 6.5 hours with and without one.
    seed : int
        Of the flows and of the planted times.
    """
    rng = np.random.default_rng(seed)
    power = power_for(source)
    leads, delays, early, left = [], [], [], []
    for index in range(withdrawals):
        planted, rates = plant(rng, power)
        lead, delay, before_half, depth = _one(simulate(source, rates, seed, index), score, planted)
        leads.append(lead)
        delays.append(delay)
        early.append(before_half)
        left.append(depth)
    alarms = [
        len(
            alarm_starts(
                score.scores(simulate(source, np.ones((DAY_S, 3)), seed, withdrawals + index))
            )
        )
        for index in range(calm_days)
    ]
    found = np.array(leads) > 0
    verdict = WithdrawalVerdict(
        withdrawals,
        calm_days,
        float(found.mean()),
        float(np.mean(early)),
        _quartiles(np.array(leads)[found]),
        _quartiles(np.array(delays)[found]),
        sum(alarms) / max(calm_days, 1),
        sum(count > 0 for count in alarms),
        float(np.mean(left)),
        math.nan if score.baseline is None else score.baseline.threshold,
    )
    known = np.array(leads)
    return verdict, known[np.isfinite(known)]


def _one(
    seconds: Floats, score: StreamingAnomaly, planted: Withdrawal
) -> tuple[float, float, bool, float]:
    """Lead and delay of the first alarm (NaN: none), whether it came before half the depth was gone, what was left."""
    depth = depth_of(seconds)
    trough = planted.onset + int(np.argmin(depth[planted.onset : planted.end]))
    before = float(depth[planted.onset - 300 : planted.onset].mean())
    halved = np.flatnonzero(depth[planted.onset : planted.end] < before / 2)
    half = planted.onset + int(halved[0]) if len(halved) else trough
    scores = score.scores(seconds)
    starts = [t for t in alarm_starts(scores) if planted.onset <= t < planted.end + AFTER_S]
    left = float(depth[trough]) / before
    if not starts:
        return np.nan, np.nan, False, left
    return float(trough - starts[0]), float(starts[0] - planted.onset), starts[0] <= half, left


def _quartiles(values: Sequence[float] | Floats) -> tuple[float, float, float]:
    if len(values) == 0:
        return (np.nan, np.nan, np.nan)
    low, middle, high = np.quantile(np.asarray(values), [0.25, 0.5, 0.75])
    return float(low), float(middle), float(high)
