"""Anomaly score: six signs of stress, each standardised on calm days and combined by the matched filter.

Each sign (wide spread, little depth, a thin side, a high rate of cancels, more cancels than new orders, jumps) is
smoothed over some seconds and standardised by its median and median deviation on calm days. These then follow slowly,
clipped, and do not change during an alarm. The score is the matched filter for "all signs at once",

    w . z,   w = R^-1 1 / sqrt(1' R^-1 1),

with R the signs' correlation on calm days (shrunk, so that a constant sign does no harm): it has unit variance there,
and collinear signs count once. The alarm threshold is chosen on these days alone.
"""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from tercel.core.arrays import Ints
from tercel.core.errors import DataError
from tercel.core.jit import Floats, kernel
from tercel.market.simulator.second_figures import ADDS, CANCELS, COLUMNS, FAR5, MOVE, OWN5, SPREAD
from tercel.signals.risk.posture import RiskState
from tercel.signals.risk.seconds import Second

SIGNS = (
    "spread",
    "little depth",
    "thin side",
    "withdrawal rate",
    "withdrawn over brought",
    "jumps",
)
N = len(SIGNS)
CLIP = 8.0
"""Standard deviations beyond which a sign says no more: one sign alone is no crisis."""
FOLLOWED = 3.0
"""Standard deviations beyond which a sign's slow median does not follow it faster."""
LEAVE = 0.6
"""An alarm is over below this share of its threshold."""
SHRINK = 0.2
"""Weight of the identity in the signs' correlation."""
FLOOR = 1e-3
"""Smallest scale of a sign, so that one without moves in the baseline does not give infinite scores."""
FAST_S = 40.0
SLOW_S = 7200.0
"""Half-lives of the inputs' smoothing and of the adaptive baseline, seconds."""
FAST = 1.0 - math.exp2(-1.0 / FAST_S)
SLOW = 1.0 - math.exp2(-1.0 / SLOW_S)
# A second as bytes: a row is filled by it in a third of the time that NumPy takes.
_ROW = struct.Struct(f"{COLUMNS}d")
_SEEN = 0  # seconds so far
_ALARM = 1  # 1 while in alarm
_SMOOTH = 2  # six smoothed inputs: spread, depth, thin side, cancels, adds, jumps
_CENTRE = _SMOOTH + N
_SCALE = _CENTRE + N
_Z = _SCALE + N
_STATE = _Z + N


GAINS: Final = 1.0 - math.exp2(-1.0 / 120.0), 1.0 - math.exp2(-1.0 / 30.0)
"""Shares of a new second in volatility and in depth now: half-lives of two minutes and of half a minute."""


@kernel
def _signs(state: Floats, second: Floats, signs: Floats) -> None:
    """Smooth the inputs of one second in `state` and write the six signs into `signs`, each the larger the more stress."""
    own_depth, far_depth = second[OWN5], second[FAR5]
    gain = max(FAST, 1.0 / (state[_SEEN] + 1.0))  # a plain mean at first
    state[_SMOOTH] += gain * (second[SPREAD] - state[_SMOOTH])
    state[_SMOOTH + 1] += gain * (own_depth + far_depth - state[_SMOOTH + 1])
    state[_SMOOTH + 2] += gain * (min(own_depth, far_depth) - state[_SMOOTH + 2])
    state[_SMOOTH + 3] += gain * (second[CANCELS] - state[_SMOOTH + 3])
    state[_SMOOTH + 4] += gain * (second[ADDS] - state[_SMOOTH + 4])
    state[_SMOOTH + 5] += gain * (abs(second[MOVE]) - state[_SMOOTH + 5])
    state[_SEEN] += 1.0
    signs[0] = math.log1p(max(state[_SMOOTH], 0.0))
    signs[1] = -math.log1p(state[_SMOOTH + 1])
    signs[2] = -math.log1p(state[_SMOOTH + 2])
    signs[3] = math.log((state[_SMOOTH + 3] + 0.1) / (state[_SMOOTH + 1] + 1.0))
    signs[4] = math.log((state[_SMOOTH + 3] + 0.1) / (state[_SMOOTH + 4] + 0.1))
    signs[5] = math.log1p(state[_SMOOTH + 5])


@kernel
def _score(
    state: Floats, second: Floats, weights: Floats, threshold: float, signs: Floats
) -> float:
    """Score of one more second over its threshold; `state` is updated: outside alarms the signs' centre and scale
    follow slowly.
    """
    _signs(state, second, signs)
    score: float = 0.0
    for i in range(N):
        z = (signs[i] - state[_CENTRE + i]) / state[_SCALE + i]
        state[_Z + i] = min(max(z, -CLIP), CLIP)
        score += weights[i] * state[_Z + i]
    score /= threshold
    if score >= 1.0:
        state[_ALARM] = 1.0
    elif score < LEAVE:
        state[_ALARM] = 0.0
    if state[_ALARM] == 0.0:
        for i in range(N):
            z = min(max(state[_Z + i], -FOLLOWED), FOLLOWED)
            state[_CENTRE + i] += SLOW * z * state[_SCALE + i]
            # the mean deviation of a normal is 0.798 of its standard deviation
            state[_SCALE + i] = max(
                state[_SCALE + i] * (1.0 + SLOW * (abs(z) / 0.798 - 1.0)), FLOOR
            )
    return score


@kernel
def _follow_seconds(
    scoring: bool,
    state: Floats,
    seconds: Floats,
    weights: Floats,
    threshold: float,
    signs: Floats,
    scores: Floats,
) -> None:
    """Write scores of seconds into `scores`; or, with `scoring` false, a row of `signs` for each second."""
    for t in range(len(seconds)):
        if scoring:
            scores[t] = _score(state, seconds[t], weights, threshold, signs[0])
        else:
            _signs(state, seconds[t], signs[t])


@dataclass(frozen=True)
class AnomalyBaseline:
    """Baseline of one market on calm days: location and scale of each sign, weights, alarm threshold.

    Parameters
    ----------
    smooth : float64[6]
        Where the smoothed inputs start.
    centre, scale : float64[6]
        Median and robust standard deviation of each sign.
    weights : float64[6]
        The matched filter; the score has unit variance on calm days.
    threshold : float
        Score of the alarm, in standard deviations.
    variance : float
        Mean squared move of the mid in a second, ticks^2.
    """

    smooth: Floats
    centre: Floats
    scale: Floats
    weights: Floats
    threshold: float
    variance: float

    @property
    def depth(self) -> float:
        """Mean lots on five levels of both sides."""
        return float(self.smooth[1])


def fit_baseline(
    days: Sequence[Floats], *, false_alarms_per_day: float = 0.25, least: float = 4.0
) -> AnomalyBaseline:
    """Fit a baseline to calm days, with the lowest alarm threshold for their rate of false alarms.

    Parameters
    ----------
    days : sequence of float64[n, 8]
        Seconds as in :class:`tercel.signals.risk.seconds.Second`.
    false_alarms_per_day : float
        Largest number of alarms per day on these days.
    least : float
        Lowest threshold, standard deviations: a few minutes of data underestimate the largest scores of a day.

    Raises
    ------
    DataError
        NaN, rows that are no seconds, or less than four half-lives of seconds in a day.
    """
    arrays = [_check_day(day, number) for number, day in enumerate(days)]
    if not arrays:
        raise DataError("at least one calm day", "none", "let the market run for a while first")
    signs = [_smooth_signs(day) for day in arrays]
    skip = int(2 * FAST_S)  # until the smoothing is warm
    everything = np.concatenate([day_signs[skip:] for day_signs in signs])
    centre = np.median(everything, axis=0)
    scale = np.maximum(1.4826 * np.median(np.abs(everything - centre), axis=0), FLOOR)
    z = np.clip((everything - centre) / scale, -CLIP, CLIP)
    weights = _matched_filter(z)
    weights /= max(float((z @ weights).std()), 1e-9)
    smooth = np.mean([_mean_inputs(day) for day in arrays], axis=0)
    variance = float(np.mean(np.concatenate([day[:, MOVE] for day in arrays]) ** 2))
    baseline = AnomalyBaseline(smooth, centre, scale, weights, 1.0, variance)
    scores = [_score_seconds(baseline, day) for day in arrays]
    return replace(baseline, threshold=_threshold(scores, false_alarms_per_day, least))


def _check_day(day: Floats, number: int) -> Floats:
    """A day's seconds as a checked float64 array; raises DataError for a wrong shape, too few seconds or NaN."""
    array = np.ascontiguousarray(day, np.float64)
    if array.ndim != 2 or array.shape[1] != COLUMNS:
        raise DataError(
            f"seconds of {COLUMNS} columns", f"shape {array.shape} as day {number}", "see `Second`"
        )
    if len(array) < 4 * FAST_S:
        raise DataError(
            f"at least {4 * FAST_S:.0f} calm seconds",
            f"{len(array)} in day {number}",
            "wait for more",
        )
    if not np.isfinite(array).all():
        row, column = np.argwhere(~np.isfinite(array))[0]
        raise DataError(
            "finite numbers",
            f"{array[row, column]} in day {number}, row {row}, column {Second._fields[column]}",
            "leave such seconds out",
        )
    return array


def _mean_inputs(day: Floats) -> Floats:
    """Mean of the score's six inputs over a day's seconds, (6,)."""
    thin = np.minimum(day[:, OWN5], day[:, FAR5])
    depth = day[:, OWN5] + day[:, FAR5]
    moves = np.abs(day[:, MOVE])
    inputs: tuple[Floats, ...] = (day[:, SPREAD], depth, thin, day[:, CANCELS], day[:, ADDS], moves)
    return np.array([column.mean() for column in inputs])


def _smooth_signs(day: Floats) -> Floats:
    """The six signs of stress of each second of a day, smoothed and not standardised, float64 (n, N)."""
    signs = np.zeros((len(day), N))
    _follow_seconds(False, np.zeros(_STATE), day, np.zeros(N), 1.0, signs, np.zeros(0))
    return signs


def _matched_filter(z: Floats) -> Floats:
    """Weights of the matched filter for all signs at once, none below zero."""
    moving = z.std(axis=0) > 1e-6
    covariance = np.eye(N)
    covariance[np.ix_(moving, moving)] = np.corrcoef(z[:, moving], rowvar=False)
    weights = np.linalg.solve((1 - SHRINK) * covariance + SHRINK * np.eye(N), np.ones(N))
    return np.asarray(np.maximum(weights, 0.0))


def _threshold(scores: Sequence[Floats], allowed: float, least: float) -> float:
    """Lowest threshold, `least` at least, with at most `allowed` alarms a day on these scores, one array per day."""
    low = least
    high = max(float(np.nanmax(np.concatenate(scores))), least)
    for _ in range(40):
        middle = (low + high) / 2
        alarms = sum(len(alarm_starts(day_scores / middle)) for day_scores in scores)
        low, high = (low, middle) if alarms <= allowed * len(scores) else (middle, high)
    return high


def alarm_starts(scores: Floats) -> Ints:
    """Seconds in which an alarm begins: the score reaches 1, having been below `LEAVE` since the last one.

    >>> alarm_starts(np.array([0.0, 1.2, 0.9, 1.1, 0.3, 1.0])).tolist()
    [1, 5]
    """
    starts = []
    in_alarm = False
    for t in np.flatnonzero((scores >= 1.0) | (scores < LEAVE)):
        if scores[t] >= 1.0 and not in_alarm:
            starts.append(int(t))
        in_alarm = bool(scores[t] >= 1.0)
    return np.array(starts, np.int64)


def _start_state(baseline: AnomalyBaseline) -> Floats:
    """State array of the score at a baseline, its smoothing already warm."""
    state = np.zeros(_STATE)
    state[_SEEN] = 4 * FAST_S  # the smoothing starts warm, at the baseline
    state[_SMOOTH:_CENTRE] = baseline.smooth
    state[_CENTRE:_SCALE] = baseline.centre
    state[_SCALE:_Z] = baseline.scale
    return state


def _score_seconds(baseline: AnomalyBaseline, seconds: Floats) -> Floats:
    """Scores (n,) of many seconds over the alarm threshold, from the baseline's state on."""
    scores = np.zeros(len(seconds))
    _follow_seconds(
        True,
        _start_state(baseline),
        seconds,
        baseline.weights,
        baseline.threshold,
        np.zeros((1, N)),
        scores,
    )
    return scores


class StreamingAnomaly:
    """Streaming anomaly score of one market, one second at a time, in constant time.

    Parameters
    ----------
    baseline : AnomalyBaseline, optional
        Reference of normal conditions. Without it the first `warm_s` seconds serve as baseline; until then the score is
        NaN.
    warm_s : int

    >>> score = StreamingAnomaly(warm_s=120)
    >>> math.isnan(score.update(Second(1, 100, 100, 0, 1, 0, 1, 0)))
    True
    """

    def __init__(self, baseline: AnomalyBaseline | None = None, warm_s: int = 600) -> None:
        """Start at a baseline, or without one in the warm-up."""
        self.name = "signs against calm"
        self.warm_s = warm_s
        self.baseline: AnomalyBaseline | None = None
        """The baseline; None during warm-up."""
        self._first: list[Floats] = []
        self._state = np.zeros(_STATE)
        self._row = np.zeros(COLUMNS)
        if baseline is not None:
            self._begin(baseline)

    def _begin(self, baseline: AnomalyBaseline) -> None:
        """Reset the score to a baseline."""
        self.baseline = baseline
        self._state = _start_state(baseline)
        self._terms = baseline.weights, baseline.threshold, np.zeros(N)

    def update(self, second: Second) -> float:
        """Score over its alarm threshold after one more second; NaN where the second holds NaN, and while warming."""
        if not math.isfinite(sum(second)) or second[OWN5] < 0 or second[FAR5] < 0:
            return math.nan
        if self.baseline is None:
            self._first.append(np.array(second, np.float64))
            if len(self._first) >= self.warm_s:
                self._begin(fit_baseline([np.array(self._first)]))
                self._first = []
            return math.nan
        _ROW.pack_into(self._row.data, 0, *second)
        return float(_score(self._state, self._row, *self._terms))

    def scores(self, seconds: Floats) -> Floats:
        """Scores of many seconds from the baseline's state on, float64 (n,), as `update` would give; the stream's own
        state is kept.
        """
        if self.baseline is None:
            raise DataError(
                "a score with a baseline",
                "one still warming",
                "pass `baseline`, or update it first",
            )
        return _score_seconds(self.baseline, np.ascontiguousarray(seconds, np.float64))


class RiskMeter:
    """Meter of one instrument: turns seconds into the risk states that its posture follows.

    Parameters
    ----------
    instrument : str
    baseline : AnomalyBaseline, optional
        Reference of normal conditions (`fit_baseline`). Without it the first `warm_s` seconds serve as baseline; until
        then the state holds NaN, and the posture is the cautious one.
    warm_s : int
    """

    def __init__(
        self, instrument: str, baseline: AnomalyBaseline | None = None, warm_s: int = 600
    ) -> None:
        """Start with the score's baseline, or without one in the warm-up of `warm_s` seconds."""
        self.instrument = instrument
        self.score = StreamingAnomaly(baseline, warm_s)
        self._variance = self._depth = math.nan

    def update(self, second: Second, at_ns: int) -> RiskState:
        """Risk state after one more second, which ended at `at_ns`; its measures are NaN while warming or where the second is."""
        anomaly = self.score.update(second)
        baseline = self.score.baseline
        if baseline is None:
            return RiskState(self.instrument, at_ns, math.nan, math.nan, math.nan)
        square = second.move_ticks**2
        lots = second.depth_own5 + second.depth_far5
        if math.isnan(self._variance):
            self._variance = baseline.variance
            self._depth = baseline.depth
        if math.isfinite(square) and math.isfinite(lots):
            self._variance += GAINS[0] * (square - self._variance)
            self._depth += GAINS[1] * (lots - self._depth)
            volatility = (
                math.sqrt(self._variance / baseline.variance) if baseline.variance > 0 else math.nan
            )
            depth = self._depth / baseline.depth if baseline.depth > 0 else math.nan
        else:
            volatility = depth = math.nan
        return RiskState(self.instrument, at_ns, volatility, depth, anomaly)
