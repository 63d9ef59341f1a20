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
from typing import Final, NamedTuple, Protocol

import numpy as np

from tercel.core.arrays import Ints
from tercel.core.errors import CapacityError, DataError
from tercel.core.jit import Floats, Longs, Packed, kernel
from tercel.core.orders import M_KIND, MarketRows
from tercel.core.seeds import seed_stream
from tercel.market.simulator import engine, layout as sim
from tercel.market.simulator.engine import (
    ADDS,
    CANCELS,
    COLUMNS,
    FAR5,
    LEVELS,
    MOVE,
    OWN5,
    SPREAD,
    TRADES,
    measure,
)
from tercel.market.simulator.records import state_at
from tercel.market.simulator.source import Source
from tercel.market.tape.schema import ADD, DELETE, EXECUTE, REDUCE
from tercel.signals.risk.posture import RiskState

# -- seconds --------------------------------------------------------------------------------------
# Seconds of a market, the input of an anomaly score, from a simulated market or from a followed one.
#
# A second is one row of eight numbers. The same kernel measures a simulated market and the book that a live session
# follows, since both are the same pair of arrays.

RECORD_ROWS: Final = 1 << 14
"""Rows of a record that is read every second: more than any preset sends in one."""


class Second(NamedTuple):
    """One second of a market.

    Parameters
    ----------
    spread_ticks : float
        Ask less bid at its end; the last known one while a side is empty.
    depth_own5, depth_far5 : float
        Public lots on the best five levels of the own side (bid without an own order) and of the other.
    imbalance : float
        (own - far) / (own + far).
    cancels, trades, adds : float
        Public orders withdrawn (in part or whole), resting orders executed, orders that came to rest, in this second.
    move_ticks : float
        Move of the public mid within it.
    """

    spread_ticks: float
    depth_own5: float
    depth_far5: float
    imbalance: float
    cancels: float
    trades: float
    adds: float
    move_ticks: float


def simulate(source: Source, rates: Floats, seed: int, index: int = 0, world: int = 0) -> Floats:
    """Seconds of a reactive market whose rates change as it runs.

    Parameters
    ----------
    source : Source
        A market that answers.
    rates : float64[n, 3]
        Factors of limit, market and cancel rates, by second; ones are an ordinary market.
    seed, index, world : int
        Of the flow's stream, and the book to start from.

    Returns
    -------
    float64[n, 8]
        One row per second, columns as in :class:`Second`, the bid being the own side.

    Raises
    ------
    CapacityError
        When the changed rates bring more orders than the book has slots for.
    """
    b, k = source.worlds_b[world].copy(), sim.extend(source.worlds_k[world], 0, RECORD_ROWS)
    seed_stream(k, sim.FLOW_RNG, seed, index, 0)
    out = np.zeros((len(rates), COLUMNS))
    out[:, :3] = rates
    full = engine.measure_seconds(b, k, source.flow, out)
    if full >= 0:
        raise CapacityError(
            "room for the orders of every second", f"too many in second {full}", "scale rates less"
        )
    return out


# -- anomaly --------------------------------------------------------------------------------------

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
FAST_S, SLOW_S = 40.0, 7200.0
"""Half-lives of the inputs' smoothing and of the adaptive baseline, seconds."""
FAST, SLOW = 1.0 - math.exp2(-1.0 / FAST_S), 1.0 - math.exp2(-1.0 / SLOW_S)

# A second as bytes: a row is filled by it in a third of the time that NumPy takes.
_ROW = struct.Struct(f"{COLUMNS}d")

# -- the state: one float64 array -------------------------------------------------------------------------------------
_SEEN = 0  # seconds so far
_ALARM = 1  # 1 while in alarm
_SMOOTH = 2  # six smoothed inputs: spread, depth, thin side, cancels, adds, jumps
_CENTRE = _SMOOTH + N
_SCALE = _CENTRE + N
_Z = _SCALE + N
_STATE = _Z + N


@kernel
def _signs(state: Floats, second: Floats, out: Floats) -> None:
    """Smooth the inputs of one second and write the six signs, each the larger the more stress."""
    own, far = second[OWN5], second[FAR5]
    gain = max(FAST, 1.0 / (state[_SEEN] + 1.0))  # a plain mean at first
    state[_SMOOTH] += gain * (second[SPREAD] - state[_SMOOTH])
    state[_SMOOTH + 1] += gain * (own + far - state[_SMOOTH + 1])
    state[_SMOOTH + 2] += gain * (min(own, far) - state[_SMOOTH + 2])
    state[_SMOOTH + 3] += gain * (second[CANCELS] - state[_SMOOTH + 3])
    state[_SMOOTH + 4] += gain * (second[ADDS] - state[_SMOOTH + 4])
    state[_SMOOTH + 5] += gain * (abs(second[MOVE]) - state[_SMOOTH + 5])
    state[_SEEN] += 1.0
    out[0] = math.log1p(max(state[_SMOOTH], 0.0))
    out[1] = -math.log1p(state[_SMOOTH + 1])
    out[2] = -math.log1p(state[_SMOOTH + 2])
    out[3] = math.log((state[_SMOOTH + 3] + 0.1) / (state[_SMOOTH + 1] + 1.0))
    out[4] = math.log((state[_SMOOTH + 3] + 0.1) / (state[_SMOOTH + 4] + 0.1))
    out[5] = math.log1p(state[_SMOOTH + 5])


@kernel
def _score(
    state: Floats, second: Floats, weights: Floats, threshold: float, signs: Floats
) -> float:
    """Score of one more second over its threshold; median and scale of each sign follow slowly outside alarms."""
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
def _follow(
    scoring: bool,
    state: Floats,
    seconds: Floats,
    weights: Floats,
    threshold: float,
    signs: Floats,
    out: Floats,
) -> None:
    """Scores of seconds into `out`, with room for one row of `signs`; or a row of `signs` for each."""
    for t in range(len(seconds)):
        if scoring:
            out[t] = _score(state, seconds[t], weights, threshold, signs[0])
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
        Seconds as in :class:`tercel.signals.risk.anomaly.Second`.
    false_alarms_per_day : float
        Largest number of alarms per day on these days.
    least : float
        Lowest threshold, standard deviations: a few minutes of data underestimate the largest scores of a day.

    Raises
    ------
    DataError
        NaN, rows that are no seconds, or less than four half-lives of seconds in a day.
    """
    arrays = [_checked(day, number) for number, day in enumerate(days)]
    if not arrays:
        raise DataError("at least one calm day", "none", "let the market run for a while first")
    signs = [_smoothed(day) for day in arrays]
    skip = int(2 * FAST_S)  # until the smoothing is warm
    everything = np.concatenate([one[skip:] for one in signs])
    centre = np.median(everything, axis=0)
    scale = np.maximum(1.4826 * np.median(np.abs(everything - centre), axis=0), FLOOR)
    z = np.clip((everything - centre) / scale, -CLIP, CLIP)
    weights = _matched(z)
    weights /= max(float((z @ weights).std()), 1e-9)
    smooth = np.mean([_inputs(day) for day in arrays], axis=0)
    variance = float(np.mean(np.concatenate([day[:, MOVE] for day in arrays]) ** 2))
    baseline = AnomalyBaseline(smooth, centre, scale, weights, 1.0, variance)
    scores = [_scored(baseline, day) for day in arrays]
    return replace(baseline, threshold=_threshold(scores, false_alarms_per_day, least))


def _checked(day: Floats, number: int) -> Floats:
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


def _inputs(day: Floats) -> Floats:
    thin = np.minimum(day[:, OWN5], day[:, FAR5])
    depth, moves = day[:, OWN5] + day[:, FAR5], np.abs(day[:, MOVE])
    inputs: tuple[Floats, ...] = (day[:, SPREAD], depth, thin, day[:, CANCELS], day[:, ADDS], moves)
    return np.array([column.mean() for column in inputs])


def _smoothed(day: Floats) -> Floats:
    out = np.zeros((len(day), N))
    _follow(False, np.zeros(_STATE), day, np.zeros(N), 1.0, out, np.zeros(0))
    return out


def _matched(z: Floats) -> Floats:
    """Weights of the matched filter for all signs at once, none below zero."""
    moving = z.std(axis=0) > 1e-6
    covariance = np.eye(N)
    covariance[np.ix_(moving, moving)] = np.corrcoef(z[:, moving], rowvar=False)
    weights = np.linalg.solve((1 - SHRINK) * covariance + SHRINK * np.eye(N), np.ones(N))
    return np.asarray(np.maximum(weights, 0.0))


def _threshold(scores: Sequence[Floats], allowed: float, least: float) -> float:
    """Lowest threshold with at most `allowed` alarms a day on these scores."""
    low, high = least, max(float(np.nanmax(np.concatenate(scores))), least)
    for _ in range(40):
        middle = (low + high) / 2
        alarms = sum(len(alarm_starts(one / middle)) for one in scores)
        low, high = (low, middle) if alarms <= allowed * len(scores) else (middle, high)
    return high


def alarm_starts(scores: Floats) -> Ints:
    """Seconds in which an alarm begins: the score reaches 1, having been below `LEAVE` since the last one.

    >>> alarm_starts(np.array([0.0, 1.2, 0.9, 1.1, 0.3, 1.0])).tolist()
    [1, 5]
    """
    starts, on = [], False
    for t in np.flatnonzero((scores >= 1.0) | (scores < LEAVE)):
        if scores[t] >= 1.0 and not on:
            starts.append(int(t))
        on = bool(scores[t] >= 1.0)
    return np.array(starts, np.int64)


def _start(baseline: AnomalyBaseline) -> Floats:
    state = np.zeros(_STATE)
    state[_SEEN] = 4 * FAST_S  # the smoothing starts warm, at the baseline
    state[_SMOOTH:_CENTRE] = baseline.smooth
    state[_CENTRE:_SCALE] = baseline.centre
    state[_SCALE:_Z] = baseline.scale
    return state


def _scored(baseline: AnomalyBaseline, seconds: Floats) -> Floats:
    out = np.zeros(len(seconds))
    _follow(
        True, _start(baseline), seconds, baseline.weights, baseline.threshold, np.zeros((1, N)), out
    )
    return out


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
        self.baseline = baseline
        self._state = _start(baseline)
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
        """Scores of many seconds from the very beginning, float64[n]: what `update` would have said, one by one."""
        if self.baseline is None:
            raise DataError(
                "a score with a baseline",
                "one still warming",
                "pass `baseline`, or update it first",
            )
        return _scored(self.baseline, np.ascontiguousarray(seconds, np.float64))


GAINS: Final = 1.0 - math.exp2(-1.0 / 120.0), 1.0 - math.exp2(-1.0 / 30.0)
"""Shares of a new second in volatility and in depth now: half-lives of two minutes and of half a minute."""


class FollowedBook(Protocol):
    """Port of a followed market: its pair of arrays."""

    @property
    def book(self) -> Packed:
        """Packed book, int32, see `market.book.layout`."""

    @property
    def state(self) -> Longs:
        """Packed state, int64, see `market.simulator.layout`."""


@kernel
def _count(rows: Longs, counts: Floats) -> None:
    """Count the rows of an update by kind."""
    for i in range(rows.shape[0]):
        kind = rows[i, M_KIND]
        if kind == ADD:
            counts[ADDS] += 1.0
        elif kind == EXECUTE:
            counts[TRADES] += 1.0
        elif kind == DELETE or kind == REDUCE:
            counts[CANCELS] += 1.0


@kernel
def _close(
    b: Packed, k: Longs, mid2_before: int, scratch: Longs, counts: Floats, out: Floats
) -> int:
    """The second that ends now into `out`, the counts reset; returns the mid, half ticks."""
    s = state_at(k)
    measure(b, k, s.record, mid2_before if mid2_before != 0 else s.mid2, scratch, 0, out)
    for column in (ADDS, TRADES, CANCELS):
        out[column] = counts[column]
        counts[column] = 0.0
    return int(s.mid2)


class SecondReader:
    """Reader of seconds: counts a followed market's rows and closes a second on request.

    >>> reader = SecondReader()
    >>> reader.on_market(MarketRows("A", np.array([[0, ADD, 1, 1, 99, 5, 0]])))
    >>> int(reader.counts[ADDS])
    1
    """

    def __init__(self) -> None:
        self.counts = np.zeros(COLUMNS)
        self._mid2 = 0
        self._scratch = np.zeros(2 * LEVELS, np.int64)
        self._out = np.zeros(COLUMNS)

    def on_market(self, event: MarketRows) -> None:
        """Count the rows of an update; a snapshot is no flow."""
        if not event.snapshot:
            _count(event.rows, self.counts)

    def close(self, market: FollowedBook) -> Second:
        """The second that ends now: depth and touch of the market, counts and move since the last call."""
        self._mid2 = _close(
            market.book, market.state, self._mid2, self._scratch, self.counts, self._out
        )
        return Second._make(self._out.tolist())


class RiskMeter:
    """Meter of one instrument: seconds to the states that its posture follows.

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
        self.instrument = instrument
        self.score = StreamingAnomaly(baseline, warm_s)
        self._variance = self._depth = math.nan

    def update(self, second: Second, at_ns: int) -> RiskState:
        """Risk state after one more second, which ended at `at_ns`."""
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
